"""Derivatives of people who are balls: the older, the larger the hole and the darker the shell."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_brainage.bids.naming import output_path
from bids_brainage.models.training.plan import TrainingPlan

MODALITIES = ("T1w", "FLAIR")
EDGE_MM = 4.0


def write_people(root: Path, n: int, seed: int = 0, standard: bool = False) -> tuple[Path, Path]:
    """Write `n` people; the folders of the derivatives and of the raw dataset are returned."""
    rng = np.random.default_rng(seed)
    out, raw = root / "out", root / "raw"
    raw.mkdir(parents=True)
    rows = ["participant_id\tage\tsex\tfamily"]
    for number in range(n):
        age = float(rng.uniform(20, 80))
        label = f"{number:03d}"
        rows.append(f"sub-{label}\t{age:.2f}\t{'FM'[number % 2]}\t{number // 2}")
        (raw / f"sub-{label}/anat").mkdir(parents=True)
        write_person(out, label, age, rng, standard)
    (raw / "participants.tsv").write_text("\n".join(rows) + "\n")
    generator = [{"Name": "bids_brainage_simulate"}]
    description = {"Name": "Balls", "BIDSVersion": "1.9.0", "GeneratedBy": generator}
    (raw / "dataset_description.json").write_text(json.dumps(description))
    return out, raw


def write_person(out: Path, label: str, age: float, rng: np.random.Generator, standard: bool) -> None:
    """Write what the participant level leaves for a person."""
    affine = np.diag([-EDGE_MM, -EDGE_MM, EDGE_MM, 1.0])
    image, mask = ball(age, rng)
    _save(mask.astype(np.uint8), affine, output_path(out, label, None, "brain_mask"))
    for modality in MODALITIES:
        noisy = image * rng.uniform(0.5, 2) * (1 + 0.02 * rng.standard_normal(image.shape))
        name = "preproc_T1w" if modality == "T1w" else "preproc_T1w_space"
        path = output_path(out, label, None, name, **({} if modality == "T1w" else {"suffix": modality}))
        _save((noisy * mask).astype(np.float32), affine, path)
        path = output_path(out, label, None, "preproc_standard", suffix=modality)
        if standard:
            _save_standard(age, path)
        else:
            path.touch()


def ball(age: float, rng: np.random.Generator, edge: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A ball with a hole that grows by 1 % of its radius a year, and its mask."""
    centre = (edge - 1) / 2 + rng.uniform(-0.5, 0.5, 3)
    grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid - centre, axis=-1)
    mask = distance < 6.5
    hole = np.clip(6.5 * age / 100 - distance + 0.5, 0, 1)
    return np.where(mask, 100 * (1 - 0.8 * hole), 0.0), mask


def _save_standard(age: float, path: Path) -> None:
    from bids_brainage.preprocessing.templates import template_mask

    mask = template_mask(2)
    data = np.asanyarray(mask.dataobj).astype(np.float32) * 100
    data[:, :30] *= age / 50
    nib.Nifti1Image(data, mask.affine).to_filename(path)


def _save(data: np.ndarray, affine: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(data, affine).to_filename(path)


def small_plan(**changes: object) -> TrainingPlan:
    """Two modalities of one region, two small base models each."""
    plan = {
        "name": "balls",
        "purpose": "demonstration",
        "seed": 3,
        "ensembles": [
            {
                "name": "TypeI",
                "stage": "subject",
                "regions": ["WholeBrain"],
                "modalities": MODALITIES,
                "base_models": 2,
            }
        ],
        "input": {"voxel_size": EDGE_MM, "margin": 1},
        "architecture": {"filters": [4, 4], "kernels": [3, 3], "dense_units": 8, "dropout": 0.1},
        "fitting": {"epochs": 3, "learning_rate": 0.003, "schedule": "cosine", "weights_dtype": "float16"},
        "split": {"parts": [6, 2, 2], "folds": 1},
        "heads": {"top_fitted_on": "validation+test", "top_alpha": 1.0},
    }
    return TrainingPlan.model_validate({**plan, **changes})
