"""Finished sessions of many people in a moment: made-up numbers and smooth maps, by the real writer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from bids_brainage.preprocessing.resampling import image_like
from bids_brainage.preprocessing.templates import grid, template_mask
from bids_brainage.records.estimate import (
    Contributions,
    EstimateRecord,
    ExplanationFacts,
    ModelFacts,
    Preparation,
    SubEnsemblePart,
    Target,
)
from bids_brainage.records.reading import STANDARD_SPACE, SessionPlace
from bids_brainage.records.relevance_map import ReferenceMapRecord, ReferenceRecord
from bids_brainage.records.rounding import RoundedImage
from bids_brainage.records.tables import table_text
from bids_brainage.records.writing import Output, publish

MODEL = ModelFacts(name="demo", version="0.3", purpose="demonstration", heads="linear", sha256="ab12" * 16)
SUB_ENSEMBLES = {"WholeBrain_T1w": 0.75, "WholeBrain_FLAIR": 0.25}
SIDES = {"L": "left half", "R": "right half"}
#: A cube of 9 x 9 x 9 voxels, in which who has an effect has more.
PLACE = (slice(30, 39), slice(50, 59), slice(40, 49))


@dataclass(frozen=True)
class MadeUp:
    """A person: age, how much older the brain looks, and the years that a place in the T1w map adds."""

    label: str
    age: float | None
    dba: float = 0.0
    effect: float = 0.0
    session: str | None = None


@cache
def brain() -> np.ndarray:
    """The template's mask."""
    return np.asanyarray(template_mask(2).dataobj) > 0


def values_of(person: MadeUp, name: str, seed: int) -> np.ndarray:
    """A smooth map that adds up to dba plus effect."""
    rng = np.random.default_rng(
        [seed, *person.label.encode(), *(person.session or "").encode(), *name.encode()]
    )
    noise = gaussian_filter(rng.standard_normal(brain().shape).astype(np.float32), 2) * brain()
    noise *= 1e-3 / noise.std()
    noise += brain() * (person.dba - noise.sum()) / brain().sum()
    if name == "WholeBrain_T1w":
        noise[PLACE] += person.effect / 729
    return noise.astype(np.float32)


def publish_person(
    out: Path,
    person: MadeUp,
    *,
    seed: int = 0,
    maps: bool = True,
    dba: Mapping[str, np.ndarray] | None = None,
    dba_maps: Mapping[str, np.ndarray] | None = None,
    **changes: Any,
) -> None:
    """Write a person's estimate, its maps and tables by region.

    `dba` has years of each region by sub-ensemble, `dba_maps` maps by sub-ensemble (no name: the ensemble).
    """
    place = SessionPlace.of(out, person.label, person.session)
    own = {name: values_of(person, name, seed) for name in SUB_ENSEMBLES} if maps else {}
    record = record_of(person, place, own, **changes)
    outputs = [Output("estimate", place.path("brainage", ensemble=record.ensemble), record.write)]
    for name, values in own.items():
        outputs.append(_map(place, record.ensemble, name, values))
    if own:
        total = sum(SUB_ENSEMBLES[name] * values for name, values in own.items())
        outputs.append(_map(place, record.ensemble, "", total))
        outputs.append(_regions(place, record.ensemble, own))
    if dba is not None:
        outputs.append(_dba_regions(place, record.ensemble, dba))
    outputs += [_dba_map(place, record, name, values) for name, values in (dba_maps or {}).items()]
    publish(place, ("estimate", record.ensemble), f"{seed}", outputs, model=record.model.sha256)


def record_of(
    person: MadeUp, place: SessionPlace, own: Mapping[str, np.ndarray], **changes: Any
) -> EstimateRecord:
    """The record of an estimate that is 50 plus what maps add."""
    sums = {name: float(own[name].sum()) if own else person.dba for name in SUB_ENSEMBLES}
    shares = {name: SUB_ENSEMBLES[name] * total for name, total in sums.items()}
    known = person.age if person.age is not None else 50.0
    estimate = known + sum(shares.values())
    record = EstimateRecord(
        participant_id=place.participant,
        session_id=place.session,
        dataset="Made up",
        ensemble="TypeI",
        target=Target(measured=person.age),
        chronological_age=person.age,
        sex="F" if len(person.label) % 2 else "M",
        brain_age=estimate,
        dba=None if person.age is None else estimate - person.age,
        uncertainty=2.0,
        lower_95=estimate - 6,
        upper_95=estimate + 6,
        in_training_set=False,
        fold=None,
        flags=(),
        disclaimer="The model learned from simulated brains.",
        constant=0.0,
        modalities_used=("T1w", "FLAIR"),
        modalities_missing=("T2starw",),
        sub_ensembles=tuple(_part(name, known + sums[name], sums[name]) for name in SUB_ENSEMBLES),
        target_bias=known,
        relevance_sum=sum(shares.values()),
        absorbed=0.0,
        contributions=Contributions(modality={}, region={}),
        model=MODEL,
        training_range=(20.0, 80.0),
        simulated_input=True,
        preprocessing=Preparation(origin="raw", skull_strip="auto"),
        lrp=ExplanationFacts(rule="preset-a", backend="native", aggregation="heads"),
        inputs=(),
        warnings=(),
        versions={},
    )
    return EstimateRecord.model_validate(record.model_dump() | changes)


def write_dataset(bids_dir: Path, rows: Sequence[Mapping[str, Any]], **tables: str) -> Path:
    """Write a dataset of nothing but tables; `tables` are phenotype's by name."""
    bids_dir.mkdir(parents=True, exist_ok=True)
    about = {"Name": "Made up", "BIDSVersion": "1.10.0"}
    (bids_dir / "dataset_description.json").write_text(json.dumps(about))
    (bids_dir / "participants.tsv").write_text(table_text(rows, {name: {} for name in rows[0]}))
    for row in rows:
        (bids_dir / str(row["participant_id"])).mkdir(exist_ok=True)
    for name, text in tables.items():
        (bids_dir / "phenotype").mkdir(exist_ok=True)
        (bids_dir / "phenotype" / f"{name}.tsv").write_text(text)
    return bids_dir


def _part(name: str, estimate: float, total: float) -> SubEnsemblePart:
    region, modality = name.split("_")
    return SubEnsemblePart(
        name=name, region=region, modality=modality, brain_age=estimate, uncertainty=2.0,
        base_models=(estimate,), weight=SUB_ENSEMBLES[name], target_bias=estimate - total,
        relevance_sum=total, absorbed=0.0, sees=total, contribution=SUB_ENSEMBLES[name] * total,
    )  # fmt: skip


def _map(place: SessionPlace, ensemble: str, name: str, values: np.ndarray) -> Output:
    region, _, modality = name.partition("_")
    suffix = modality or "T1w"
    path = place.path("relevance_standard", ensemble=ensemble, sub_ensemble=region, suffix=suffix)
    about = {"sub_ensemble": name, "region": region, "modality": suffix, "space": STANDARD_SPACE}
    return Output("relevance", path, RoundedImage.of(image_like(values, grid(2))).write, about)


def _dba_map(place: SessionPlace, record: EstimateRecord, name: str, values: np.ndarray) -> Output:
    region, _, modality = name.partition("_")
    named = {"sub_ensemble": region, "map": "DBA", "suffix": modality or "T1w"}
    about = {"sub_ensemble": name, "region": region, "modality": modality or "T1w", "space": STANDARD_SPACE}
    facts = ReferenceMapRecord(
        description="made up", units="years", space="made up", ensemble=record.ensemble,
        sub_ensemble=name or "all", weight=SUB_ENSEMBLES.get(name, 1.0), rule="integrated gradients",
        backend="native", aggregation="heads", relevance_sum=float(values.sum()), rounding=0.0, step=1e-6,
        estimate=record.brain_age, closure_error=0.0, account=(), quality={}, model=record.model, sources=(),
        reference=ReferenceRecord(kind="dba", age=record.chronological_age), reference_estimate=50.0,
        quadrature=0.0, points=9, estimate_minus_reference=0.0,
    )  # fmt: skip
    return Output(
        "reference_map",
        place.path("reference_map_standard", ensemble=record.ensemble, **named),
        RoundedImage.of(image_like(values, grid(2))).write,
        about | {"kind": "dba"},
        facts.as_json(),
    )


def _dba_regions(place: SessionPlace, ensemble: str, dba: Mapping[str, np.ndarray]) -> Output:
    rows = [
        {
            "sub_ensemble": name, "modality": name.split("_")[1], "index": index, "region": f"place {index}",
            "hemisphere": "B", "weight": SUB_ENSEMBLES[name], "relevance": float(years),
            "positive": max(float(years), 0), "negative": min(float(years), 0),
            "contribution": SUB_ENSEMBLES[name] * float(years), "voxels": 100,
        }
        for name, own in dba.items()
        for index, years in enumerate(own)
    ]  # fmt: skip
    path = place.path("reference_regions", ensemble=ensemble, map="DBA")
    text = table_text(rows, {key: {} for key in rows[0]})
    return Output(
        "reference_regions", path, lambda target: Path(target).write_text(text), {"kind": "dba"}, {}
    )


def _regions(place: SessionPlace, ensemble: str, own: Mapping[str, np.ndarray]) -> Output:
    rows = []
    for name, values in own.items():
        half = values.copy()
        half[46:] = 0
        sums = {"L": float(values.sum() - half.sum()), "R": float(half.sum())}
        rows += [
            {
                "sub_ensemble": name, "modality": name.split("_")[1], "index": index, "region": SIDES[side],
                "hemisphere": side, "weight": SUB_ENSEMBLES[name], "relevance": total,
                "positive": max(total, 0), "negative": min(total, 0),
                "contribution": SUB_ENSEMBLES[name] * total, "voxels": 100,
            }
            for index, (side, total) in enumerate(sums.items(), start=1)
        ]  # fmt: skip
    path = place.path("regions", ensemble=ensemble)
    text = table_text(rows, {key: {} for key in rows[0]})
    return Output("regions", path, lambda target: Path(target).write_text(text), {}, {})
