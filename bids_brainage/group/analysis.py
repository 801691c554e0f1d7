"""An analysis: one model on all maps, from its units' tests to its folder of results."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage.atomic import replacing
from bids_brainage.group.likeness import write_likeness
from bids_brainage.group.region_values import Region, RegionValues, region_values
from bids_brainage.group.results import UnitResults, voxel_tests, write_unit
from bids_brainage.group.stacks import load_stack
from bids_brainage.group.unit import Unit, load_unit
from bids_brainage.preprocessing.other_atlases import MERGED, find_atlas
from bids_brainage.records.files import write_json
from bids_brainage.records.group import AnalysisRecord
from bids_brainage.records.versions import package_versions

RECORD = "analysis.json"


@dataclass(frozen=True)
class AnalysisPlan:
    """What a node needs to write an analysis.

    Attributes
    ----------
    folders : tuple of Path
        Work folders of its units.
    voxels : bool
        Whether voxels were tested.
    atlases : tuple of str
        Whose regions are tested; none if empty.
    smoothing : float
    fingerprint : str
        Of all that decides the results.
    """

    folders: tuple[Path, ...]
    voxels: bool
    atlases: tuple[str, ...]
    smoothing: float
    fingerprint: str

    def save(self, path: Path) -> Path:
        """Write it for a node."""
        return write_json(path, {**vars(self), "folders": [str(folder) for folder in self.folders]})


def read_analysis_plan(path: Path) -> AnalysisPlan:
    """What `AnalysisPlan.save` wrote."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    folders, atlases = tuple(map(Path, content["folders"])), tuple(content["atlases"])
    return AnalysisPlan(**content | {"folders": folders, "atlases": atlases})


def fingerprint_of(units: Sequence[Unit], voxels: bool, atlases: Mapping[str, str]) -> str:
    """Of all that decides an analysis' results; `atlases` are fingerprints of what they hold, by name."""
    own = [unit.fingerprint for unit in units]
    return hashlib.sha256(json.dumps([own, voxels, list(atlases.items())]).encode()).hexdigest()


def is_done(out: Path, fingerprint: str) -> bool:
    """Whether an analysis is there as it would be written, with all its files."""
    from bids_brainage.errors import InputError

    try:
        record = AnalysisRecord.read(out / RECORD)
    except InputError:
        return False
    files = [name for unit in record.units for own in unit.contrasts for name in own.files.values()]
    files += [unit.design for unit in record.units]
    return record.fingerprint == fingerprint and all((out / name).is_file() for name in files)


def save_region_tables(folder: Path, values: RegionValues) -> None:
    """Keep the years that people's tables of regions say, for the node that tests them."""
    about = [[region.index, region.name, region.hemisphere] for region in values.regions]
    with replacing(folder / "regions.npz") as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, values=values.values, about=np.array(json.dumps(about)))


def write_analysis(out: Path, plan: AnalysisPlan, threads: int = 1) -> Path:
    """Write an analysis' folder anew; its record last.

    Parameters
    ----------
    out : Path
        ``group/<analysis>``; what an earlier analysis of that name left is removed.
    plan : AnalysisPlan
    threads : int
    """
    if out.is_dir():
        (out / RECORD).unlink(missing_ok=True)
        shutil.rmtree(out)
    owns = [
        UnitResults(unit, folder, plan.voxels, _regions(unit, folder, plan)) for unit, folder in _units(plan)
    ]
    tests = {own.folder: voxel_tests(own, threads) for own in owns} if _over_maps(owns, plan) else {}
    units = []
    for own in owns:
        family = [test for folder, found in tests.items() if folder != own.folder for test in found]
        units.append(write_unit(out, own, family, threads))
    first = owns[0].unit
    likeness = write_likeness(out, units) if plan.voxels else None
    record = AnalysisRecord(
        name=first.analysis,
        title=first.title,
        source=first.source,
        absolute=first.procedure.absolute,
        seed=first.procedure.seed,
        smoothing=plan.smoothing,
        fingerprint=plan.fingerprint,
        units=tuple(units),
        likeness=likeness,
        software=package_versions(),
    )
    return record.write(out / RECORD)


def _units(plan: AnalysisPlan) -> list[tuple[Unit, Path]]:
    return [(load_unit(folder), folder) for folder in plan.folders]


def _over_maps(owns: Sequence[UnitResults], plan: AnalysisPlan) -> bool:
    return plan.voxels and len(owns) > 1 and "maps" in owns[0].unit.procedure.correct_over


def _regions(unit: Unit, folder: Path, plan: AnalysisPlan) -> list[RegionValues]:
    """The values of a unit's people in the regions of each atlas."""
    found = []
    for name in plan.atlases:
        if name == MERGED:
            found.append(_saved(folder))
        else:
            stack = load_stack(unit.stack)
            values = region_values((), unit.maps, find_atlas(name), stack)
            found.append(observed_regions(values, unit))
    return found


def _saved(folder: Path) -> RegionValues:
    with np.load(folder / "regions.npz", allow_pickle=False) as kept:
        regions = tuple(Region(*own) for own in json.loads(str(kept["about"])))
        return RegionValues(MERGED, regions, kept["values"])


def observed_regions(values: RegionValues, unit: Unit) -> RegionValues:
    """What a unit's design is a model of, region by region; `values` are those of everybody in the stack."""
    return RegionValues(values.atlas, values.regions, unit.observations(values.values))
