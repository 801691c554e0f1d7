"""A finished output folder, made up but consistent: every account in it adds up."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

TARGET_BIAS = 51.1
ABSORBED = 0.4
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


def template_head(step: int = 3) -> nib.Nifti1Image:
    """Give nilearn's ICBM152 T1w brain, every `step`-th voxel."""
    origin = importlib.util.find_spec("nilearn").origin
    path = Path(origin).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    image = nib.load(path)
    data = np.asarray(image.dataobj, dtype=np.float32)[::step, ::step, ::step]
    return nib.Nifti1Image(data, image.affine @ np.diag([step, step, step, 1]))


def _save(image: nib.Nifti1Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


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


def _regions_table(subs: Mapping[str, float], rng: np.random.Generator) -> str:
    lines = ["sub_ensemble\tmodality\tindex\tregion\themisphere\trelevance\tpositive\tnegative\tvoxels"]
    for name, total in subs.items():
        share = rng.normal(size=2 * len(REGION_NAMES))
        share += (total - share.sum()) / share.size
        for i, value in enumerate(share):
            region, side = REGION_NAMES[i // 2], "LR"[i % 2]
            modality = name.split("_")[1]
            row = (name, modality, i, region, side, f"{value:.8f}", max(value, 0), min(value, 0), 90)
            lines.append("\t".join(map(str, row)))
    return "\n".join(lines) + "\n"


def _brainage(
    ensemble: str,
    subs: Mapping[str, float],
    age: float | None,
    missing: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    absorbed = ABSORBED / len(subs)
    estimate = TARGET_BIAS + sum(subs.values()) + ABSORBED
    rows = []
    for name, contribution in subs.items():
        base = estimate + rng.normal(0, 2.5, size=10 if ensemble == "TypeI" else 5)
        rows.append(
            {
                "name": name,
                "region": name.split("_")[0],
                "modality": name.split("_")[1],
                "brain_age": float(base.mean()),
                "uncertainty": float(base.std(ddof=1)) * 1.6,
                "base_models": [float(value) for value in base],
                "weight": 1 / len(subs),
                "contribution": contribution,
                "absorbed": absorbed,
            }
        )
    modality: dict[str, float] = {}
    region: dict[str, float] = {}
    for row in rows:
        modality[row["modality"]] = modality.get(row["modality"], 0) + row["contribution"]
        region[row["region"]] = region.get(row["region"], 0) + row["contribution"]
    return {
        "ensemble": ensemble,
        "chronological_age": age,
        "sex": "F",
        "brain_age": estimate,
        "dba": None if age is None else estimate - age,
        "uncertainty": 3.21,
        "lower_95": estimate - 8.37,
        "upper_95": estimate + 8.37,
        "in_training_set": False,
        "target_bias": TARGET_BIAS,
        "absorbed": ABSORBED,
        "relevance_sum": sum(subs.values()),
        "modalities_used": sorted(modality),
        "modalities_missing": list(missing),
        "sub_ensembles": rows,
        "contributions": {"modality": modality, "region": region},
        "model": {"name": "demo", "version": "0.1", "purpose": "demonstration", "sha256": "ab12" * 16},
        "training_range": [20.0, 80.0],
        "preprocessing": {"skull_strip_method": "none", "source": "raw"},
        "run_times": {"n4": 12.3, "registration": 31.9, f"relevance_{ensemble}": 21.4},
        "versions": {"bids_brainage": "0.1.0", "tensorflow": "2.14.1", "antspyx": "0.6.3"},
        "lrp": {"rule": "preset-a", "backend": "native", "aggregation": "weighted"},
        "inputs": ["sub-01/anat/sub-01_T1w.nii.gz"],
    }


def write_session(
    out: Path,
    participant: str = "sub-01",
    session: str | None = None,
    *,
    ensembles: Sequence[str] = ("TypeI", "TypeII"),
    modalities: Sequence[str] = ("T1w", "FLAIR", "T2starw"),
    relevance: bool = True,
    age: float | None = 63.2,
    simulated: bool = True,
    step: int = 4,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """Write one session as the participant level would and return its anat folder."""
    rng = np.random.default_rng(seed)
    stem = participant if session is None else f"{participant}_{session}"
    anat = out / participant / (session or "") / "anat"
    brain = template_head(step)
    data = np.asarray(brain.dataobj)
    _save(nib.Nifti1Image((data > 0).astype(np.uint8), brain.affine), anat / f"{stem}_desc-brain_mask.nii.gz")
    for modality in modalities:
        space = "" if modality == "T1w" else "space-T1w_"
        picture = data if modality == "T1w" else (data > 0) * (data.max() * 1.1 - data)
        _save(_like(brain, picture), anat / f"{stem}_{space}desc-preproc_{modality}.nii.gz")
        _save(
            _like(brain, picture), anat / f"{stem}_space-MNI152NLin6Asym_res-2_desc-preproc_{modality}.nii.gz"
        )
    for ensemble in ensembles:
        subs = {k: v for k, v in SUB_ENSEMBLES[ensemble].items() if k.split("_")[1] in modalities}
        missing = [m for m in ("T1w", "FLAIR", "T2starw") if m not in modalities]
        record = _brainage(ensemble, subs, age, missing, rng)
        record |= {"participant_id": participant, "session_id": session, "simulated_input": simulated}
        record |= {
            "flags": [],
            "disclaimer": None if simulated else "The model learned from simulated brains.",
        }
        if not relevance:
            record |= {"absorbed": None, "relevance_sum": None, "contributions": None, "lrp": None}
            for row in record["sub_ensembles"]:
                row |= {"contribution": None, "absorbed": None}
        record |= changes or {}
        (anat / f"{stem}_desc-{ensemble}_brainage.json").write_text(json.dumps(record))
        if not relevance:
            continue
        (anat / f"{stem}_desc-{ensemble}_regions.tsv").write_text(_regions_table(subs, rng))
        _write_maps(anat, stem, ensemble, subs, brain, rng)
    return anat


def _write_maps(
    anat: Path, stem: str, ensemble: str, subs: Mapping[str, float], brain: nib.Nifti1Image, rng: Any
) -> None:
    for name, total in subs.items():
        region, modality = name.split("_")
        map_ = _relevance(brain, total, rng, region)
        sidecar = {
            "Units": "years",
            "Rule": "preset-a",
            "Backend": "native",
            "Aggregation": "weighted",
            "TargetBias": 10.0,
            "RelevanceSum": total,
            "Absorbed": 0.1,
            "Estimate": 10.1 + total,
            "EstimateMinusTargetBias": total + 0.1,
            "ClosureError": 1e-7,
            "Account": [
                {"layer": "dense_2", "received": total, "passed_on": total - 0.05, "absorbed": 0.05},
                {"layer": "conv_1", "received": total - 0.05, "passed_on": total - 0.1, "absorbed": 0.05},
            ],
            "Quality": {"inside_brain": 1.0},
            "Sources": [],
            "Model": "demo",
        }
        for space in ("", "space-MNI152NLin6Asym_res-2_"):
            file = anat / f"{stem}_{space}desc-{ensemble}{region}Relevance_{modality}.nii.gz"
            _save(_like(brain, map_), file)
            file.with_name(file.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a session below one output folder and returns that folder."""

    def write(below: str = "", **options: Any) -> Path:
        write_session(tmp_path / below, **options)
        return tmp_path / below

    return write
