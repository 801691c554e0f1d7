"""Derivatives of people who are balls: the older, the larger the hole and the darker the shell."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_brainage.models.training.plan import TrainingPlan
from bids_brainage.records.estimate import Preparation
from bids_brainage.records.reading import SessionPlace
from bids_brainage.records.session import TEMPLATE
from bids_brainage.records.writing import Output, publish
from bids_brainage.terms import STANDARD_SPACE

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
    """Write what the participant level leaves for a person, as it does."""
    place = SessionPlace.of(out, label, None)
    affine = np.diag([-EDGE_MM, -EDGE_MM, EDGE_MM, 1.0])
    image, mask = ball(age, rng)
    for modality in MODALITIES:
        noisy = image * rng.uniform(0.5, 2) * (1 + 0.02 * rng.standard_normal(image.shape))
        subject = nib.Nifti1Image((noisy * mask).astype(np.float32), affine)
        about = {"modality": modality}
        first = modality == "T1w"
        name, entities = ("preproc_T1w", {}) if first else ("preproc_T1w_space", {"suffix": modality})
        facts = {"Preparation": Preparation(origin="raw", skull_strip="auto").as_json()} if first else {}
        template = _standard_image(age).to_filename if standard else _touch
        outputs = [
            Output("subject_image", place.path(name, **entities), subject.to_filename, about, facts),
            Output("standard_image", place.path("preproc_standard", suffix=modality), template, about),
        ]
        if first:
            brain = nib.Nifti1Image(mask.astype(np.uint8), affine)
            outputs.append(Output("brain_mask", place.path("brain_mask"), brain.to_filename))
        publish(place, ("preprocessing", modality), "made up", outputs)
        if first:
            ends = (("T1w", STANDARD_SPACE), (STANDARD_SPACE, "T1w"))
            publish(place, ("preprocessing", TEMPLATE), "made up", [_warp(place, *pair) for pair in ends])


def _warp(place: SessionPlace, source: str, target: str) -> Output:
    path = place.path("transform", source=source, target=target)
    return Output("transform", path, _touch, {"source": source, "target": target})


def ball(age: float, rng: np.random.Generator, edge: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A ball with a hole that grows by 1 % of its radius a year, and its mask."""
    centre = (edge - 1) / 2 + rng.uniform(-0.5, 0.5, 3)
    grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid - centre, axis=-1)
    mask = distance < 6.5
    hole = np.clip(6.5 * age / 100 - distance + 0.5, 0, 1)
    return np.where(mask, 100 * (1 - 0.8 * hole), 0.0), mask


def _standard_image(age: float) -> nib.Nifti1Image:
    from bids_brainage.preprocessing.templates import template_mask

    mask = template_mask(2)
    data = np.asanyarray(mask.dataobj).astype(np.float32) * 100
    data[:, :30] *= age / 50
    return nib.Nifti1Image(data, mask.affine)


def _touch(path: Path) -> None:
    path.touch()


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
