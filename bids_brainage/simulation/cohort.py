"""A cohort of simulated people, written as a BIDS dataset with its truth."""

from __future__ import annotations

import gzip
import json
import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
from numpy.typing import NDArray

from bids_brainage import __version__, messages
from bids_brainage.atomic import replacing, write_text
from bids_brainage.simulation.folder import begin_or_continue
from bids_brainage.simulation.people import Character, draw_character
from bids_brainage.simulation.person import Person, simulate_person
from bids_brainage.simulation.scans import Scan, draw_scan, load_variation
from bids_brainage.simulation.spec import load_spec, spec_digest
from bids_brainage.simulation.template import load_template
from bids_brainage.terms import MODALITIES

log = logging.getLogger(__name__)
SETTINGS = "simulation.json"
BIDS_VERSION = "1.10.0"


@dataclass(frozen=True)
class Settings:
    """What determines the people in a folder; only a folder with the same settings can be continued.

    Attributes
    ----------
    seed : int
    voxel_size : int or None
        Edge of a voxel, mm; None: everybody is scanned differently, see `draw_scan`.
    skull : bool or None
    age_range : tuple of float
        Years.
    """

    seed: int
    voxel_size: int | None
    skull: bool | None
    age_range: tuple[float, float]

    def scan_of(self, index: int) -> Scan:
        """How a person is scanned."""
        if self.voxel_size is None or self.skull is None:
            return draw_scan(self.seed, index)
        return Scan(voxel_size=self.voxel_size, skull=self.skull)

    @property
    def varied(self) -> bool:
        """Whether everybody is scanned differently."""
        return self.voxel_size is None or self.skull is None

    @property
    def record(self) -> dict[str, Any]:
        """What must be the same in a folder that is continued."""
        variation = {"scans": load_variation()} if self.varied else {}
        return {**asdict(self), **variation, "specification": spec_digest()}


def write_cohort(
    folder: Path,
    settings: Settings,
    *,
    n: int,
    start: int = 0,
    nprocs: int = 1,
    progress: Callable[[Iterator[str], int], Iterator[str]] | None = None,
) -> int:
    """Write people `start` to `start + n - 1` to `folder`, skipping those who exist already.

    Returns
    -------
    int
        How many were made.

    Raises
    ------
    InputError
        The folder contains something else, or people made with other settings.
    """
    begin_or_continue(
        folder / SETTINGS,
        settings.record,
        other=messages.SIMULATION_OTHER_SETTINGS,
        taken=messages.SIMULATION_FOLDER_TAKEN,
    )
    missing = [i for i in range(start, start + n) if not _is_complete(folder, i)]
    made = _people(folder, settings, missing, nprocs)
    for label in progress(made, len(missing)) if progress else made:
        log.info("Simulated sub-%s", label)
    _write_tables(folder, settings)
    return len(missing)


def _people(folder: Path, settings: Settings, indices: list[int], nprocs: int) -> Iterator[str]:
    work = partial(_write_person, folder, settings)
    if nprocs <= 1 or len(indices) <= 1:
        yield from map(work, indices)
        return
    for voxel_size in {settings.scan_of(index).voxel_size for index in indices}:
        load_template(float(min(voxel_size, 2)))
    # Forked, so that the template is built once and shared.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(nprocs, len(indices)), mp_context=context) as pool:
        yield from pool.map(work, indices)


def _anat(folder: Path, label: str) -> Path:
    return folder / f"sub-{label}" / "anat"


def _truth(folder: Path) -> Path:
    return folder / "derivatives" / "truth"


def _label(index: int) -> str:
    return f"{index + 1:04d}"


def _files(folder: Path, label: str) -> dict[str, Path]:
    files = {m: _anat(folder, label) / f"sub-{label}_{m}.nii.gz" for m in MODALITIES}
    return files | {"labels": _anat(_truth(folder), label) / f"sub-{label}_desc-ageing_dseg.nii.gz"}


def _is_complete(folder: Path, index: int) -> bool:
    return all(path.exists() for path in _files(folder, _label(index)).values())


def _write_person(folder: Path, settings: Settings, index: int) -> str:
    scan = settings.scan_of(index)
    person = simulate_person(
        settings.seed,
        index,
        voxel_size=scan.voxel_size,
        skull=scan.skull,
        turned=scan.angles,
        age_range=settings.age_range,
    )
    files = _files(folder, person.character.label)
    _save(files["labels"], person.labels, person)
    for modality, image in person.images.items():
        _save(files[modality], image, person)
    return person.character.label


def _save(path: Path, volume: NDArray[Any], person: Person) -> None:
    """Write a compressed image whose bytes depend only on its content."""
    image = nib.Nifti1Image(volume, person.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(person.affine, code=1)
    image.set_sform(person.affine, code=1)
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=5, mtime=0))


def _json(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines: list[Sequence[object]] = [columns, *rows]
    return "".join("\t".join(str(cell) for cell in line) + "\n" for line in lines)


def _write_tables(folder: Path, settings: Settings) -> None:
    """Everything that describes the people who are there; rewritten each time."""
    found = sorted(int(path.name[4:]) - 1 for path in folder.glob("sub-*") if path.name[4:].isdigit())
    people = [
        draw_character(settings.seed, index, settings.age_range)
        for index in found
        if _is_complete(folder, index)
    ]
    _write_description(folder, settings)
    _write_participants(folder, people, settings)
    _write_truth(folder, people, settings)


def _write_description(folder: Path, settings: Settings) -> None:
    youngest, oldest = settings.age_range
    people = f"seed {settings.seed}, ages {youngest:g} to {oldest:g}"
    people += ", scanned differently" if settings.varied else ""
    description = {
        # The name says which people these are: by it, a model recognises its training participants.
        "Name": f"Simulated brains with known ageing ({people})",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "License": "CC0",
        "Authors": ["bids_brainage_simulate"],
        "GeneratedBy": [{"Name": "bids_brainage_simulate", "Version": __version__}],
    }
    write_text(folder / "dataset_description.json", _json(description))
    write_text(folder / ".bidsignore", f"{SETTINGS}\n")
    write_text(
        folder / "README",
        messages.SIMULATION_README.format(
            seed=settings.seed, age_range=settings.age_range, scans=_scans(settings)
        ),
    )


def _scans(settings: Settings) -> str:
    if settings.varied:
        return "voxel sizes, skull and position vary"
    return f"{settings.voxel_size} mm, {'with' if settings.skull else 'without'} skull"


def _write_participants(folder: Path, people: list[Character], settings: Settings) -> None:
    factors = load_spec().people.factors
    scan_columns = ["voxel_size", "skull"] if settings.varied else []
    columns = ["participant_id", "age", "sex", *factors, "scanner", *scan_columns]
    rows = [
        [
            f"sub-{p.label}",
            p.age,
            p.sex,
            *(_cell(p.factors[k], factors[k].binary) for k in factors),
            p.scanner,
            *(int(getattr(settings.scan_of(p.index), name)) for name in scan_columns),
        ]
        for p in people
    ]
    write_text(folder / "participants.tsv", _table(columns, rows))
    columns_json: dict[str, Any] = {
        "age": {"Description": "chronological age", "Units": "years"},
        "sex": {"Description": "sex", "Levels": {"F": "female", "M": "male"}},
        "scanner": {"Description": "simulated scanner"},
    }
    if settings.varied:
        columns_json["voxel_size"] = {"Description": "edge of a voxel", "Units": "mm"}
        columns_json["skull"] = {
            "Description": "whether scalp, skull, eyes and neck are there",
            "Levels": {"0": "no", "1": "yes"},
        }
    for name, factor in factors.items():
        columns_json[name] = {"Description": f"{factor.description} (simulated)"}
        if factor.binary:
            columns_json[name]["Levels"] = {"0": "no", "1": "yes"}
        else:
            columns_json[name]["Units"] = factor.units
        columns_json[name]["YearsAddedToProcesses"] = factor.years
    write_text(folder / "participants.json", _json(columns_json))


def _cell(value: float, binary: bool) -> object:
    return int(value) if binary else value


def _write_truth(folder: Path, people: list[Character], settings: Settings) -> None:
    from bids_brainage.simulation.bayes import bayes_limits

    truth, processes = _truth(folder), load_spec().ageing.processes
    description = {
        "Name": "What ageing changed in the simulated brains",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "bids_brainage_simulate", "Version": __version__}],
        "SourceDatasets": [{"URL": "../.."}],
    }
    write_text(truth / "dataset_description.json", _json(description))
    write_text(truth / ".bidsignore", "bayes_limit.json\n")
    rows: list[list[object]] = [[0, "unchanged"]]
    rows += [[number, name] for number, name in enumerate(processes, start=1)]
    write_text(truth / "desc-ageing_dseg.tsv", _table(["index", "name"], rows))
    ages = [[f"sub-{p.label}", *(round(p.process_ages[k], 3) for k in processes)] for p in people]
    write_text(truth / "participants.tsv", _table(["participant_id", *processes], ages))
    columns = {
        name: {"Description": f"age that {name} has reached", "Units": "years", **p.model_dump(mode="json")}
        for name, p in processes.items()
    }
    write_text(truth / "participants.json", _json(columns))
    write_text(truth / "bayes_limit.json", _json(bayes_limits(settings.age_range)))
