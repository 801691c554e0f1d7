"""What the group level writes, made up in a moment: people, and an analysis with an effect at one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage.group.images import volume, write_map, write_mask
from bids_brainage.group.table import columns
from bids_brainage.preprocessing.templates import template_mask
from bids_brainage.records.group import AnalysisRecord, ContrastRecord, GroupRecord, Peak, UnitRecord
from bids_brainage.records.tables import write_table
from bids_brainage.statistics.people.accuracy import measure_accuracy

#: A block of 30 x 30 x 20 voxels that was tested, and the part of it that holds.
TESTED = (slice(30, 60), slice(40, 70), slice(30, 50))
HOLDING = (slice(40, 48), slice(50, 58), slice(36, 44))


def write_made_up(
    out: Path, n: int = 40, *, title: str = "A made-up analysis", **changes: Any
) -> GroupRecord:
    """Write a group of n people below an output folder; `changes` replace fields of its record."""
    folder = out / "group"
    rng = np.random.default_rng(n)
    ages = np.sort(rng.uniform(20, 80, n))
    dba = rng.normal(0, 4, n)
    _people(folder, ages, dba)
    tables = {
        "accuracy": "accuracy.tsv",
        "correlations": "correlations.tsv",
        "differences": "differences.tsv",
    }
    record = GroupRecord(
        dataset="Made up",
        model="demo 0.1 (ab12ab12)",
        disclaimer="The model learned from simulated brains.",
        target="age",
        unit="years",
        ensembles=("TypeI",),
        estimates=n,
        unfinished=(),
        analyses=("diabetes",),
        skipped=(),
        tables=tables,
    )
    record = GroupRecord.model_validate(record.model_dump() | changes)
    _analysis(folder / "diabetes", n, title)
    record.write(folder / "group.json")
    return record


def _people(folder: Path, ages: np.ndarray, dba: np.ndarray) -> None:
    rows = [
        {
            "participant_id": f"sub-{number:02d}",
            "ensemble": "TypeI",
            "chronological_age": float(age),
            "sex": "FM"[number % 2],
            "brain_age": float(age + diverging),
            "dba": float(diverging),
            "uncertainty": 2.0,
        }
        for number, (age, diverging) in enumerate(zip(ages, dba, strict=True))
    ]
    write_table(
        folder / "brainage.tsv",
        rows,
        columns("brainage"),
        dict.fromkeys(("chronological_age", "brain_age", "dba"), ".4f"),
    )
    known = columns("first") | columns("people")["group_accuracy"]
    accuracy = {
        "ensemble": "TypeI",
        "column": "all",
        "level": "all",
        **measure_accuracy(ages + dba, ages).row(),
    }
    _write(folder / "accuracy.tsv", [accuracy], known)
    known = columns("first") | columns("people")["correlations"]
    _write(
        folder / "correlations.tsv", [*_windows("bmi", 0.01), *_windows("age of <b>sorrow</b>", 0.6)], known
    )
    known = columns("first") | columns("people")["differences"]
    difference = {
        "ensemble": "TypeI", "column": "diabetes", "level": "yes", "other": "no", "n_level": 8, "n_other": 9,
        "difference": 2.0, "difference_low": 0.5, "difference_high": 3.5, "p_welch": 0.01,
        "cohen_d": 0.61, "cohen_d_low": 0.2, "cohen_d_high": 1.02,
    }  # fmt: skip
    _write(folder / "differences.tsv", [difference], known)


def _windows(column: str, p: float) -> list[dict[str, Any]]:
    """Three windows of age, in the second of which p holds if it is small, and the whole range."""
    common = {
        "ensemble": "TypeI", "column": column, "method": "pearson", "n": 20, "r_low": 0.1, "r_high": 0.7,
        "p_bonferroni": 1.0, "tests": 6, "permutations": 200, "seed": 1,
    }  # fmt: skip
    rows = [
        common
        | {
            "range": "windows",
            "from": start,
            "to": start + 10,
            "r": 0.4,
            "p_windows": p if start == 30 else 0.9,
        }
        | {"p": 0.01, "p_all": 2 * p if start == 30 else 0.9}
        for start in (25, 30, 35)
    ]
    return [*rows, common | {"range": "whole range", "from": 20, "to": 80, "r": 0.41, "p": 0.01, "p_all": p}]


def _analysis(folder: Path, n: int, title: str) -> None:
    mask = np.zeros(template_mask(2).shape, dtype=bool)
    mask[TESTED] = True
    t = np.random.default_rng(3).normal(0, 1, int(mask.sum())).astype(np.float32)
    held = np.zeros_like(mask)
    held[HOLDING] = True
    t[held[mask]] = 6
    corrected = np.where(held[mask], 2.3, 0.1).astype(np.float32)
    files = {"t": "t.nii.gz", "effect": "effect.nii.gz", "logpfwe": "logpfwe.nii.gz"}
    for name, values in zip(files.values(), (t, t * 1e-4, corrected), strict=True):
        write_map(folder / name, volume(values, mask), {})
    write_mask(folder / "mask.nii.gz", mask, {})
    write_map(folder / "coverage.nii.gz", mask.astype(np.float32), {})
    null = [{"rearrangement": place, "maximum": 100.0 + place if place else 900.0} for place in range(200)]
    regions = [_region(1, "Thalamus", "L", 4.0, 0.01), _region(2, "Insula", "R", -1.0, 0.9)]
    cluster = {
        "cluster": 1, "peak": 1, "x": 4, "y": -6, "z": 10, "region": "left thalamus", "statistic": 6.0,
        "p_fwe": 0.005, "effect": 6e-4, "size_mm3": 4096, "mass": 3072.0,
    }  # fmt: skip
    for name, rows in (("null", null), ("regions merged", regions), ("clusters", [cluster])):
        key = name.split()[0]
        files[name] = f"{key}.tsv"
        _write(folder / files[name], rows, columns(key))
    contrast = ContrastRecord(
        name="diabetes: yes - no",
        label="diabetesYesNo",
        statistic="t",
        degrees_of_freedom=(1, n - 2),
        two_sided=True,
        measure="tfce",
        rearrangements=200,
        distinct="1000000",
        enumerated=False,
        voxels=int(mask.sum()),
        significant=int(held.sum()),
        smallest_p=0.005,
        threshold=280.0,
        peak=Peak(x=4, y=-6, z=10, statistic=6.0, region="left thalamus"),
        files=files,
    )
    people = tuple(f"sub-{number:02d}" for number in range(n))
    about = {"participant": {"Description": "Participant"}}
    about |= {"x1": {"Description": "intercept", "ContrastWeights": {contrast.name: [0.0]}}}
    about |= {"x2": {"Description": "diabetes[yes]", "ContrastWeights": {contrast.name: [1.0]}}}
    rows = [{"participant": name, "x1": 1.0, "x2": float(place % 2)} for place, name in enumerate(people)]
    _write(folder / "design.tsv", rows, about)
    units = tuple(
        UnitRecord(
            ensemble="TypeI", sub_ensemble=f"WholeBrain_{modality}", region="WholeBrain", modality=modality,
            kind="lrp", label=f"TypeIWholeBrain{modality}Relevance", people=people, design="design.tsv",
            notes=("A note.",), contrasts=(own,), mask="mask.nii.gz", coverage="coverage.nii.gz",
        )
        for modality, own in (
            ("T1w", contrast),
            ("FLAIR", contrast.model_copy(update={"significant": 0, "smallest_p": 0.4})),
        )
    )  # fmt: skip
    AnalysisRecord(
        name="diabetes", title=title, source="Somebody 2022", absolute=False, seed=1, smoothing=0.0,
        fingerprint=f"{n}", units=units, software={},
    ).write(folder / "analysis.json")  # fmt: skip


def _region(index: int, name: str, side: str, t: float, p: float) -> dict[str, Any]:
    return {
        "index": index, "region": name, "hemisphere": side, "mean": 1.0, "sd": 2.0, "share": 0.5,
        "effect": t / 10, "statistic": t, "p": p / 2, "p_fwe": p, "p_fdr": p,
    }  # fmt: skip


def _write(path: Path, rows: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> None:
    write_table(path, rows, {name: known.get(name, {}) for name in rows[0]})
