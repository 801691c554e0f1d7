"""A unit's results: maps, null distributions, regions and the design, with sidecars, and their record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.group.images import (
    VOXEL_MM3,
    minus_log10,
    peak_of,
    position,
    region_at,
    volume,
    write_map,
    write_mask,
)
from bids_brainage.group.naming import atlas_label, entities, map_label, statmap, table
from bids_brainage.group.permutations import effect_of, maps_of, pieces_done, tested_regions, voxel_test
from bids_brainage.group.region_values import RegionValues
from bids_brainage.group.stacks import Stack
from bids_brainage.group.table import columns
from bids_brainage.group.unit import Unit
from bids_brainage.records.group import ContrastRecord, UnitRecord
from bids_brainage.records.tables import write_table
from bids_brainage.statistics.permutation.chunks import Chunk, Observed, PermutationTest, observe
from bids_brainage.statistics.permutation.clusters import find_clusters
from bids_brainage.statistics.permutation.inference import Outcome, infer

#: The level of significance that records and pages speak of.
LEVEL = 0.05
Tested = tuple[PermutationTest, Observed, list[Chunk]]


@dataclass(frozen=True, eq=False)
class UnitResults:
    """A unit, and where its work is.

    Attributes
    ----------
    unit : Unit
    folder : Path
        Its work folder, with all pieces.
    voxels : bool
        Whether voxels were tested.
    regions : sequence of RegionValues
        Values (n, regions) of the unit's people, by atlas; empty if regions are not tested.
    """

    unit: Unit
    folder: Path
    voxels: bool
    regions: Sequence[RegionValues]


def write_unit(
    out: Path,
    own: UnitResults,
    family: Sequence[tuple[PermutationTest, Observed, Sequence[Chunk]]] = (),
    threads: int = 1,
) -> UnitRecord:
    """Write what a unit's tests found below an analysis' folder.

    Parameters
    ----------
    out : Path
        ``group/<analysis>``.
    own : UnitResults
    family : sequence
        Tests of other units with which p values are corrected together.
    threads : int
    """
    unit = own.unit
    label = map_label(unit.maps.ensemble, unit.maps.region, unit.maps.modality, unit.maps.kind)
    labels = entities([contrast.name for contrast in unit.design.contrasts])
    stack = maps_of(unit, own.folder) if own.voxels else None
    tests = voxel_tests(own, threads) if own.voxels else []
    records = []
    for number, name in enumerate(labels):
        record = _described(unit, number, name)
        if stack is not None:
            outcome = _outcome(unit, tests, number, family)
            record = _write_voxels(out, unit, stack, tests[number], outcome, record, label)
        for values in own.regions:
            record = _write_regions(out, unit, number, values, record, label, threads)
        records.append(record)
    masks = {} if stack is None else _write_masks(out, unit, stack, label)
    return UnitRecord(
        ensemble=unit.maps.ensemble,
        sub_ensemble=unit.maps.sub_ensemble,
        region=unit.maps.region,
        modality=unit.maps.modality,
        kind=unit.maps.kind,
        label=label,
        people=unit.people,
        design=_write_design(out, unit, label),
        notes=unit.notes,
        contrasts=tuple(records),
        mask=masks.get("mask"),
        coverage=masks.get("coverage"),
    )


def voxel_tests(own: UnitResults, threads: int) -> list[Tested]:
    """A unit's tests of voxels, contrast by contrast."""
    stack = maps_of(own.unit, own.folder)
    data, found = stack.data(), []
    for number, contrast in enumerate(own.unit.design.contrasts):
        test = voxel_test(own.unit, contrast, stack.mask)
        found.append((test, observe(data, test, threads), pieces_done(own.folder, own.unit, number)))
    return found


def _outcome(unit: Unit, tests: Sequence[Tested], number: int, family: Sequence[Any]) -> Outcome:
    """A contrast's outcome, corrected over whatever was asked for."""
    together = [tests[number]]
    if "contrasts" in unit.procedure.correct_over:
        together += [test for other, test in enumerate(tests) if other != number]
    own = tests[number][0].part.name
    together += [
        test for test in family if test[0].part.name == own or "contrasts" in unit.procedure.correct_over
    ]
    (outcome,) = infer(together, tails=unit.procedure.tails)[0].values()
    return outcome


def _described(unit: Unit, number: int, label: str) -> ContrastRecord:
    from bids_brainage.group.permutations import region_test

    contrast = unit.design.contrasts[number]
    test = region_test(unit, contrast)
    every, reference = test.rearrangements, test.part.reference
    over = [name for name in ("contrasts", "maps") if name in unit.procedure.correct_over]
    return ContrastRecord(
        name=contrast.name,
        label=label,
        statistic=contrast.statistic,
        degrees_of_freedom=(reference.effect, reference.error),
        two_sided=test.signed,
        rearrangements=every.total,
        distinct=str(every.distinct),
        enumerated=every.enumerated,
        corrected_over=", ".join(["voxels", *over]),
    )


def _write_voxels(
    out: Path,
    unit: Unit,
    stack: Stack,
    tested: Tested,
    outcome: Outcome,
    record: ContrastRecord,
    label: str,
) -> ContrastRecord:
    observed, files = tested[1], {}
    facts = _facts(unit, record, outcome)
    contrast = next(own for own in unit.design.contrasts if own.name == record.name)
    for stat, values, meaning in _maps(unit, stack, observed, outcome, contrast):
        path = out / statmap(record.label, label, stat)
        write_map(path, volume(values, stack.mask), {"Description": meaning, "Statistic": stat, **facts})
        files[stat] = path.name
    files["null"] = _write_null(out, record, label, outcome)
    effect = effect_of(unit, contrast, stack.data())
    clusters = list(_clusters(stack, observed, outcome, effect))
    if clusters:
        files["clusters"] = table(record.label, label, "clusters")
        write_table(out / files["clusters"], clusters, columns("clusters"))
    return record.model_copy(
        update={
            "measure": outcome.measure,
            "voxels": int(observed.tested.sum()),
            "significant": int((outcome.fwe[observed.tested] <= LEVEL).sum()),
            "smallest_p": float(outcome.fwe.min()),
            "threshold": outcome.threshold(LEVEL),
            "tail_fit": outcome.tail_fit,
            "peak": peak_of(observed.statistic, stack.mask, record.two_sided),
            "files": files,
        }
    )


def _maps(
    unit: Unit, stack: Stack, observed: Observed, outcome: Outcome, contrast: Any
) -> Iterator[tuple[str, Any, str]]:
    """The maps of a contrast: how names call them, values (voxels,), and what they are."""
    yield contrast.statistic, observed.statistic, f"{contrast.statistic} statistic"
    effect = effect_of(unit, contrast, stack.data())
    if effect is not None:
        yield "effect", effect, "The contrast of the model's coefficients, years"
    if outcome.measure != "voxel":
        yield outcome.measure, outcome.observed, f"What voxels are judged by: {outcome.measure}"
    yield "logpfwe", minus_log10(outcome.fwe), "-log10 of p, corrected by the null of the maximum"
    if outcome.uncorrected is not None and outcome.fdr is not None:
        yield "logp", minus_log10(outcome.uncorrected), "-log10 of uncorrected p"
        yield "logpfdr", minus_log10(outcome.fdr), "-log10 of p adjusted for the false discovery rate"


def _clusters(
    stack: Stack, observed: Observed, outcome: Outcome, effect: NDArray[np.float32] | None
) -> Iterator[dict[str, Any]]:
    """The peaks of each cluster of voxels with corrected p of at most 0.05."""
    selected = observed.tested & (outcome.fwe <= LEVEL)
    found = find_clusters(observed.statistic, stack.mask, selected, outcome.fwe)
    effects = None if effect is None else volume(effect, stack.mask)
    for number, cluster in enumerate(found, start=1):
        for rank, peak in enumerate(cluster.peaks, start=1):
            place = np.array(peak.voxel)
            x, y, z = position(place)
            yield {
                "cluster": number,
                "peak": rank,
                "x": x,
                "y": y,
                "z": z,
                "region": region_at(place),
                "statistic": peak.value,
                "p_fwe": peak.p,
                "effect": None if effects is None else float(effects[peak.voxel]),
                "size_mm3": cluster.size * VOXEL_MM3,
                "mass": cluster.mass,
            }


def _facts(unit: Unit, record: ContrastRecord, outcome: Outcome) -> dict[str, Any]:
    """What every sidecar of a contrast says."""
    own = unit.procedure
    settings = {"tfce": {"E": 0.5, "H": 2.0, "Connectivity": 6}, "voxel": {}}.get(
        outcome.measure, {"ClusterFormingP": own.cluster_p, "Connectivity": 6}
    )
    return {
        "Contrast": record.name,
        "DegreesOfFreedom": list(record.degrees_of_freedom),
        "Tails": 2 if record.two_sided else 1,
        "Measure": outcome.measure,
        **settings,
        "Rearrangements": record.rearrangements,
        "Enumerated": record.enumerated,
        "Seed": own.seed,
        "CorrectedOver": record.corrected_over,
        "ThresholdAtCorrectedP0.05": outcome.threshold(LEVEL),
        "AbsoluteValues": own.absolute,
        "N": len(unit.people),
        "Participants": list(unit.people),
        "Map": vars(unit.maps),
        "Columns": list(unit.design.columns),
        "Notes": list(unit.notes),
        "Source": unit.source,
    }


def _write_null(out: Path, record: ContrastRecord, label: str, outcome: Outcome) -> str:
    path = out / table(record.label, label, "null")
    rows = ({"rearrangement": number, "maximum": value} for number, value in enumerate(outcome.null.tolist()))
    write_table(path, rows, columns("null"))
    return path.name


def _write_regions(
    out: Path,
    unit: Unit,
    number: int,
    values: RegionValues,
    record: ContrastRecord,
    label: str,
    threads: int,
) -> ContrastRecord:
    """Test regions, corrected by the largest of them, and write a row for each."""
    contrast = unit.design.contrasts[number]
    # Of what is tested: years as they are, or without their signs.
    years = np.abs(values.values) if unit.procedure.absolute else values.values
    test, observed, chunks = tested_regions(unit, number, years, threads)
    (outcome,) = infer([(test, observed, chunks)])[0].values()
    effect = effect_of(unit, contrast, years)
    total = float(np.abs(years).sum(dtype=np.float64)) or 1.0
    rows = [
        {
            "index": region.index,
            "region": region.name,
            "hemisphere": region.hemisphere,
            "mean": float(years[:, place].mean()),
            "sd": float(years[:, place].std(ddof=1)),
            "share": float(np.abs(years[:, place]).sum() / total),
            "effect": None if effect is None else float(effect[place]),
            "statistic": float(observed.statistic[place]),
            "p": None if outcome.uncorrected is None else float(outcome.uncorrected[place]),
            "p_fwe": float(outcome.fwe[place]),
            "p_fdr": None if outcome.fdr is None else float(outcome.fdr[place]),
        }
        for place, region in enumerate(values.regions)
    ]
    name = table(record.label, f"{label}{atlas_label(values.atlas)}", "regions")
    write_table(out / name, rows, columns("regions"))
    return record.model_copy(update={"files": record.files | {f"regions {values.atlas}": name}})


def _write_design(out: Path, unit: Unit, label: str) -> str:
    """The design's rows, and its contrasts in the sidecar."""
    path = out / f"desc-{label}_design.tsv"
    names = [f"x{number}" for number in range(1, len(unit.design.columns) + 1)]
    rows = (
        {"participant": person, **dict(zip(names, map(float, values), strict=True))}
        for person, values in zip(unit.people, unit.design.matrix, strict=True)
    )
    meanings: dict[str, dict[str, Any]] = {"participant": {"Description": "Participant and session"}}
    for number, (name, column) in enumerate(zip(names, unit.design.columns, strict=True)):
        weights = {
            contrast.name: np.atleast_2d(contrast.weights)[:, number].tolist()
            for contrast in unit.design.contrasts
        }
        meanings[name] = {"Description": column, "ContrastWeights": weights}
    blocks = unit.design.exchangeability.blocks
    if blocks is not None:
        meanings["block"] = {"Description": "Rows of one block are exchanged with each other, or as a whole"}
        rows = ({**row, "block": int(block)} for row, block in zip(rows, blocks, strict=True))
    write_table(path, rows, meanings, dict.fromkeys(names, ".10g"))
    return path.name


def _write_masks(out: Path, unit: Unit, stack: Stack, label: str) -> dict[str, str]:
    stem = f"space-MNI152NLin6Asym_res-2_desc-{label}"
    mask, coverage = out / f"{stem}_mask.nii.gz", out / f"{stem}Coverage_probseg.nii.gz"
    write_mask(mask, stack.mask, {"Description": "Voxels that were tested", "Type": "ROI"})
    write_map(coverage, stack.coverage, {"Description": "Share of people whose map is not zero there"})
    return {"mask": mask.name, "coverage": coverage.name}
