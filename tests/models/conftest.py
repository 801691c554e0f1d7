"""A small bundle with random weights, whole in its form."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.models.bundles.bundle import Bundle, participant_key, write_bundle
from bids_brainage.models.bundles.schema import BundleRecord
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.preprocessing.input_spec import InputSpec

MODALITIES = ("T1w", "FLAIR", "T2starw")
SALT = "0123456789abcdef0123456789abcdef"
SPEC = BaseModelSpec(filters=(2, 3), kernels=(3, 1), dense_units=4)
BOX = (5, 6, 4)


def random_weights(
    seed: int, spec: BaseModelSpec = SPEC, box: tuple[int, ...] = BOX
) -> dict[str, np.ndarray]:
    """Weights of no meaning; the target bias is 50 years."""
    rng = np.random.default_rng(seed)
    shapes = spec.weight_shapes((*box, 1))
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    weights["output/bias"][:] = 50
    return weights


def small_record() -> tuple[dict, dict[str, dict[str, np.ndarray]]]:
    """A bundle's record (as a dict) and arrays: TypeI, two base models a sub-ensemble, two folds."""
    rng = np.random.default_rng(0)
    arrays: dict[str, dict[str, np.ndarray]] = {"reference.safetensors": {}}
    subs, predictions = [], {}
    for modality in MODALITIES:
        name = f"WholeBrain_{modality}"
        image = rng.integers(0, 256, (*BOX, 1), dtype=np.uint8)
        arrays["reference.safetensors"][f"TypeI/{name}"] = image
        folds, stored = [], []
        for fold in range(2):
            files = [f"TypeI/fold-{fold}/{name}_bm-{index:02d}.safetensors" for index in range(2)]
            for file in files:
                arrays[file] = random_weights(len(arrays))
            models = [BaseModel(file, SPEC, (*BOX, 1), arrays[file]) for file in files]
            stored.append(tuple(float(model.predict(image[None] / 255)[0]) for model in models))
            head = {"coefficients": tuple(rng.normal(0.5, 0.1, 2)), "intercept": 1.0, "alpha": 1.0}
            folds.append({"base_models": files, "head": head})
        predictions[f"TypeI/{name}"] = stored
        spec = InputSpec(modality=modality, stage="subject", space="T1w", voxel_size=4.0, box=BOX)
        subs.append(
            {"name": name, "input": spec.model_dump(), "architecture": SPEC.model_dump(), "folds": folds}
        )
    heads = [_top_head(subset, rng) for size in (1, 2, 3) for subset in combinations(MODALITIES, size)]
    record = {
        "schema_version": 1,
        "name": "small",
        "version": "1.0",
        "licence": "Apache-2.0",
        "purpose": "demonstration",
        "cohort": {
            "n": 3,
            "age_range": (20, 80),
            "age_mean": 50,
            "age_sd": 20,
            "age_edges": (20, 50, 80),
            "age_counts": (1, 2),
            "datasets": ("Cohort A",),
            "simulated": True,
        },
        "protocol": {
            "plan": {"epochs": 1},
            "seed": 0,
            "n_training": (1, 1),
            "n_validation": (1, 1),
            "n_test": (1, 1),
            "heads_fitted_on": "validation",
            "top_heads_fitted_on": "test",
            "errors_measured_on": "test",
        },
        "ensembles": [{"name": "TypeI", "sub_ensembles": subs, "top_heads": [heads, heads]}],
        "participants": {
            "salt": SALT,
            "folds": {
                participant_key(SALT, "01", "Cohort A"): 0,
                participant_key(SALT, "02", "Cohort A"): 1,
                participant_key(SALT, "03", "Cohort A"): None,
            },
        },
        "reference": {"file": "reference.safetensors", "predictions": predictions},
        "files": {file: {"sha256": "0" * 64, "bytes": 0} for file in arrays},
    }
    return record, arrays


def _top_head(subset: tuple[str, ...], rng: np.random.Generator) -> dict:
    return {
        "modalities": subset,
        "sub_ensembles": [f"WholeBrain_{modality}" for modality in subset],
        "head": {"coefficients": tuple(rng.normal(0.4, 0.1, len(subset))), "intercept": -2.0, "alpha": 0.0},
        "n_calibration": 40,
        "half_widths": {0.9: 7.0, 0.95: 9.0},
        "disagreement_99": 6.0,
    }


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The small bundle on disk, loaded; a fresh copy for each test."""
    record, arrays = small_record()
    return write_bundle(tmp_path / "models" / "small", BundleRecord.model_validate(record), arrays)
