"""A finished output folder by the real writer, of made-up numbers whose every account adds up."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bids_brainage.records.estimate import (
    Contributions,
    EstimateRecord,
    ExplanationFacts,
    FlagRecord,
    ModelFacts,
    Preparation,
    SubEnsemblePart,
    Target,
)
from bids_brainage.records.reading import (
    STANDARD_SPACE,
    T1W_SPACE,
    FinishedSession,
    SessionPlace,
    read_session,
)
from bids_brainage.records.relevance_map import AccountLine, MapRecord
from bids_brainage.records.session import TEMPLATE
from bids_brainage.records.tables import table_text
from bids_brainage.records.writing import Output, note_seconds, publish

TARGET_BIAS = 51.1
ABSORBED = 0.4
OWN_BIAS, OWN_ABSORBED = 48.5, 0.3
MODEL = ModelFacts(name="demo", version="0.1", purpose="demonstration", heads="linear", sha256="ab12" * 16)
LRP = ExplanationFacts(rule="preset-a", backend="native", aggregation="heads")
#: By ensemble and sub-ensemble, what it adds to the ensemble's estimate.
SUB_ENSEMBLES = {
    "TypeI": {"WholeBrain_T1w": 4.2, "WholeBrain_FLAIR": 6.9, "WholeBrain_T2starw": -1.3},
    "TypeII": {
        f"{region}_{modality}": round(1.7 - 0.9 * i + 0.8 * j, 3)
        for i, region in enumerate(("Cortical", "Subcortical", "Cerebellum"))
        for j, modality in enumerate(("T1w", "FLAIR", "T2starw"))
    },
}
REGION_NAMES = (
    "Precentral Gyrus",
    "Superior Frontal Gyrus",
    "Insular Cortex",
    "Lateral Ventricle",
    "Thalamus",
    "Caudate",
    "Putamen",
    "Pallidum",
    "Hippocampus",
    "Brain-Stem",
    "Cerebellum",
    "Cerebral White Matter",
    "Unlabelled",
)


@cache
def template_head(step: int = 3) -> nib.Nifti1Image:
    """Give nilearn's ICBM152 T1w brain, every `step`-th voxel."""
    origin = importlib.util.find_spec("nilearn").origin
    path = Path(origin).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    image = nib.load(path)
    data = np.asarray(image.dataobj, dtype=np.float32)[::step, ::step, ::step]
    return nib.Nifti1Image(data, image.affine @ np.diag([step, step, step, 1]))


def _like(image: nib.Nifti1Image, data: np.ndarray) -> nib.Nifti1Image:
    return nib.Nifti1Image(data.astype(np.float32), image.affine)


def _relevance(
    brain: nib.Nifti1Image, total: float, rng: np.random.Generator, region: str = "WholeBrain"
) -> np.ndarray:
    data = np.asarray(brain.dataobj).copy()
    if region == "Cerebellum":
        _, y, z = nib.affines.apply_affine(brain.affine, np.moveaxis(np.indices(data.shape), 0, -1)).T
        data[((y > -40) | (z > -20)).T] = 0
    noise = rng.standard_t(3, size=data.shape) * (data > 0) * (data / data.max())
    noise = gaussian_filter(noise, 1.0) * (data > 0)
    noise -= (data > 0) * noise[data > 0].mean()
    return noise / np.abs(noise).sum() * 40 + (data > 0) * total / (data > 0).sum()


def _region_rows(part: SubEnsemblePart, rng: np.random.Generator) -> list[dict[str, Any]]:
    share = rng.normal(size=2 * len(REGION_NAMES))
    share += (part.relevance_sum - share.sum()) / share.size
    return [
        {
            "sub_ensemble": part.name,
            "modality": part.modality,
            "index": i,
            "region": REGION_NAMES[i // 2],
            "hemisphere": "LR"[i % 2],
            "relevance": float(value),
            "contribution": part.weight * float(value),
            "voxels": 90,
        }
        for i, value in enumerate(share)
    ]


def weight_of(name: str, count: int) -> float:
    """The weight of a sub-ensemble; that of whole brains' T2*w is negative."""
    return -0.25 if name == "WholeBrain_T2starw" else 1.2 / count


def part_of(name: str, contribution: float, count: int, rng: np.random.Generator) -> SubEnsemblePart:
    """A sub-ensemble that adds `contribution` to the ensemble's estimate."""
    region, modality = name.split("_")
    weight = weight_of(name, count)
    own = OWN_BIAS + contribution / weight + OWN_ABSORBED
    return SubEnsemblePart(
        name=name,
        region=region,
        modality=modality,
        brain_age=own,
        uncertainty=4.1,
        base_models=tuple(own + rng.normal(0, 2.5, size=5)),
        weight=weight,
        target_bias=OWN_BIAS,
        relevance_sum=contribution / weight,
        absorbed=OWN_ABSORBED,
        sees=contribution / weight + OWN_ABSORBED,
        contribution=contribution,
    )


def estimate_of(
    ensemble: str = "TypeI",
    subs: Mapping[str, float] | None = None,
    *,
    participant: str = "sub-01",
    session: str | None = None,
    relevance: bool = True,
    age: float | None = 63.2,
    simulated: bool = True,
    seed: int = 0,
    **changes: Any,
) -> EstimateRecord:
    """An estimate whose accounts add up; `changes` replace fields of the record."""
    rng = np.random.default_rng(seed)
    subs = SUB_ENSEMBLES[ensemble] if subs is None else subs
    parts = tuple(part_of(name, years, len(subs), rng) for name, years in subs.items())
    modality: dict[str, float] = {}
    region: dict[str, float] = {}
    for part in parts:
        modality[part.modality] = modality.get(part.modality, 0) + part.contribution
        region[part.region] = region.get(part.region, 0) + part.contribution
    if not relevance:
        unknown = dict.fromkeys(("target_bias", "relevance_sum", "absorbed", "sees", "contribution"))
        parts = tuple(part.model_copy(update=unknown) for part in parts)
    estimate = TARGET_BIAS + sum(subs.values()) + ABSORBED
    record = EstimateRecord(
        participant_id=participant,
        session_id=session,
        dataset="Made up",
        ensemble=ensemble,
        target=Target(measured=age),
        chronological_age=age,
        sex="F",
        brain_age=estimate,
        dba=None if age is None else estimate - age,
        uncertainty=3.21,
        lower_95=estimate - 8.37,
        upper_95=estimate + 8.37,
        in_training_set=False,
        fold=None,
        flags=(),
        disclaimer=None if simulated else "The model learned from simulated brains.",
        constant=1.0,
        modalities_used=tuple(sorted(modality)),
        modalities_missing=tuple(m for m in ("T1w", "FLAIR", "T2starw") if m not in modality),
        sub_ensembles=parts,
        target_bias=TARGET_BIAS if relevance else None,
        relevance_sum=sum(subs.values()) if relevance else None,
        absorbed=ABSORBED if relevance else None,
        contributions=Contributions(modality=modality, region=region) if relevance else None,
        model=MODEL,
        training_range=(20.0, 80.0),
        simulated_input=simulated,
        preprocessing=Preparation(origin="raw", skull_strip="auto", skull_strip_method="none"),
        lrp=LRP if relevance else None,
        inputs=(f"bids:raw:{participant}/anat/{participant}_T1w.nii.gz",),
        warnings=(),
        versions={"bids_brainage": "0.1.0", "antspyx": "0.6.3"},
    )
    return EstimateRecord.model_validate(record.model_dump() | changes)


def flag(severity: str, text: str) -> FlagRecord:
    """A flag."""
    return FlagRecord(code="x", severity=severity, text=text)


def map_of(record: EstimateRecord, part: SubEnsemblePart | None) -> MapRecord:
    """The sidecar of a sub-ensemble's map, or of the ensemble's."""
    source: Any = part or record
    steps = (source.relevance_sum, source.relevance_sum - 0.05, source.relevance_sum - 0.1)
    return MapRecord(
        description="Layer-wise relevance",
        units="years",
        space="made up",
        ensemble=record.ensemble,
        sub_ensemble=part.name if part else "all",
        weight=part.weight if part else 1.0,
        rule="preset-a",
        backend="native",
        aggregation="heads",
        target_bias=source.target_bias,
        relevance_sum=source.relevance_sum,
        absorbed=source.absorbed,
        rounding=0.0,
        step=1e-6,
        estimate=source.brain_age,
        estimate_minus_target_bias=source.brain_age - source.target_bias,
        closure_error=0.0,
        account=tuple(
            AccountLine(layer=layer, received=steps[i], passed_on=steps[i + 1], absorbed=0.05)
            for i, layer in enumerate(("dense_2", "conv_1"))
        ),
        quality={"inside_brain": 1.0},
        model=record.model,
        sources=(),
    )


def publish_images(
    place: SessionPlace, modalities: Sequence[str] = ("T1w", "FLAIR", "T2starw"), step: int = 4
) -> None:
    """Write prepared images as preprocessing does."""
    brain = template_head(step)
    data = np.asarray(brain.dataobj)
    mask = nib.Nifti1Image((data > 0).astype(np.uint8), brain.affine)
    for modality in modalities:
        first = modality == "T1w"
        picture = _like(brain, data if first else (data > 0) * (data.max() * 1.1 - data))
        subject = place.path("preproc_T1w") if first else place.path("preproc_T1w_space", suffix=modality)
        facts = {"Warnings": [], "Preparation": {"origin": "raw", "skull_strip": "auto"}}
        about = {"modality": modality}
        outputs = [
            Output("subject_image", subject, picture.to_filename, about, facts),
            Output(
                "standard_image", place.path("preproc_standard", suffix=modality), picture.to_filename, about
            ),
        ]
        if first:
            outputs.append(Output("brain_mask", place.path("brain_mask"), mask.to_filename))
        publish(place, ("preprocessing", modality), f"images {step}", outputs)
        if first:
            ends = ((T1W_SPACE, STANDARD_SPACE), (STANDARD_SPACE, T1W_SPACE))
            warps = [_warp(place, *pair) for pair in ends]
            publish(place, ("preprocessing", TEMPLATE), f"images {step}", warps)


def _warp(place: SessionPlace, source: str, target: str) -> Output:
    path = place.path("transform", source=source, target=target)
    return Output(
        "transform", path, partial(Path.write_text, data="warp"), {"source": source, "target": target}
    )


def publish_estimate(
    place: SessionPlace,
    record: EstimateRecord,
    *,
    maps: str = "sub-ensemble",
    spaces: Sequence[str] = (STANDARD_SPACE,),
    step: int = 4,
    seed: int = 0,
    at: str = "",
) -> None:
    """Write an estimate, its regions and maps (of sub-ensembles too, or the ensemble's alone)."""
    rng, at = np.random.default_rng(seed), at or record.ensemble
    outputs = [Output("estimate", place.path("brainage", ensemble=at), record.write)]
    if record.lrp is not None:
        rows = [row for part in record.sub_ensembles for row in _region_rows(part, rng)]
        text = table_text(rows, {name: {} for name in rows[0]})
        path = place.path("regions", ensemble=at)
        outputs.append(Output("regions", path, partial(Path.write_text, data=text), {}, {}))
        shown = [*(record.sub_ensembles if maps == "sub-ensemble" else ()), None]
        outputs += [_map(place, record, part, space, step, rng, at) for part in shown for space in spaces]
    fingerprint = f"{record.model.name} {record.brain_age} {record.chronological_age} {maps} {seed}"
    publish(place, ("estimate", record.ensemble), fingerprint, outputs, model=record.model.sha256)


def _map(
    place: SessionPlace,
    record: EstimateRecord,
    part: SubEnsemblePart | None,
    space: str,
    step: int,
    rng: np.random.Generator,
    at: str,
) -> Output:
    region, modality = (part.region, part.modality) if part else ("", "T1w")
    facts = map_of(record, part)
    brain = template_head(step)
    picture = _like(brain, _relevance(brain, facts.relevance_sum, rng, region))
    output = "relevance_standard" if space == STANDARD_SPACE else "relevance"
    path = place.path(output, ensemble=at, sub_ensemble=region, suffix=modality)
    about = {
        "sub_ensemble": part.name if part else "",
        "region": region,
        "modality": modality,
        "space": space,
    }
    return Output("relevance", path, picture.to_filename, about, facts.as_json())


def write_session(
    out: Path,
    participant: str = "sub-01",
    session: str | None = None,
    *,
    ensembles: Sequence[str] = ("TypeI", "TypeII"),
    modalities: Sequence[str] = ("T1w", "FLAIR", "T2starw"),
    maps: str = "sub-ensemble",
    spaces: Sequence[str] = (STANDARD_SPACE,),
    step: int = 4,
    **options: Any,
) -> FinishedSession:
    """Write one session as the participant level does, and read it back."""
    place = SessionPlace.of(out, participant, session)
    publish_images(place, modalities, step)
    for ensemble in ensembles:
        subs = {k: v for k, v in SUB_ENSEMBLES[ensemble].items() if k.split("_")[1] in modalities}
        record = estimate_of(ensemble, subs, participant=place.participant, session=place.session, **options)
        publish_estimate(place, record, maps=maps, spaces=spaces, step=step)
    seconds: Any = {("estimate", ensemble): {f"{ensemble} estimate and maps": 21.4} for ensemble in ensembles}
    note_seconds(place, {("preprocessing", "T1w"): {"T1w bias": 12.3, "T1w register": 31.9}} | seconds)
    found = read_session(place)
    assert found is not None
    return found


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a session below one output folder and returns that folder."""

    def write(below: str = "", **options: Any) -> Path:
        write_session(tmp_path / below, **options)
        return tmp_path / below

    return write
