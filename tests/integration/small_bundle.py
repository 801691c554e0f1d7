"""A bundle of both types at 8 mm with random weights: every part of the chain runs, in seconds."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage.models.bundles.bundle import Bundle, write_bundle
from bids_brainage.models.bundles.expected_inputs import Expectation, pack_expected
from bids_brainage.models.bundles.extending import extend_bundle
from bids_brainage.models.bundles.schema import EXPECTED_FILE, BundleRecord, ExpectedInputs
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.ensembles.expected import ExpectedInput
from bids_brainage.models.ensembles.parabolas import Ages
from bids_brainage.models.ensembles.usual_map import UsualMap, cells_of
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.preprocessing.input_spec import InputSpec

MODALITIES = ("T1w", "FLAIR", "T2starw")
REGIONS = {"TypeI": ("WholeBrain",), "TypeII": ("Cortical", "Subcortical", "Cerebellum")}
STAGES = {"TypeI": ("subject", "T1w", (24, 26, 28)), "TypeII": ("standard", "MNI152NLin6Asym", (24, 24, 28))}
ARCHITECTURE = BaseModelSpec(filters=(2, 3), kernels=(3, 1), dense_units=4)


def make_bundle(path: Path) -> Bundle:
    """Write the bundle to `path`; two base models a sub-ensemble, a head for every set of modalities."""
    rng = np.random.default_rng(0)
    arrays: dict[str, dict[str, np.ndarray]] = {"reference.safetensors": {}}
    predictions: dict[str, Any] = {}
    ensembles = [_ensemble(name, rng, arrays, predictions) for name in REGIONS]
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
            "datasets": ("Elsewhere",),
            "simulated": True,
        },
        "protocol": {
            "plan": {"epochs": 1},
            "seed": 0,
            "n_training": (1,),
            "n_validation": (1,),
            "n_test": (1,),
            "heads_fitted_on": "validation",
            "top_heads_fitted_on": "test",
            "errors_measured_on": "test",
        },
        "ensembles": ensembles,
        "participants": {"salt": "0123456789abcdef0123456789abcdef", "folds": {}},
        "reference": {"file": "reference.safetensors", "predictions": predictions},
        "files": {file: {"sha256": "0" * 64, "bytes": 0} for file in arrays},
    }
    return write_bundle(path, BundleRecord.model_validate(record), arrays)


def with_references(bundle: Bundle, path: Path) -> Bundle:
    """The bundle with inputs expected at 30 to 60 years: grey balls that darken."""
    ages, expected = Ages(45.0, 10.0, (30.0, 60.0)), {}
    for ensemble in bundle.record.ensembles:
        for sub in ensemble.sub_ensembles:
            axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in sub.input.box], indexing="ij")
            voxels = sum(axis**2 for axis in axes) < 0.5
            terms = np.array([[90.0], [-10.0], [2.0]]) * np.ones(int(voxels.sum()))
            usual = np.full((3, *cells_of(sub.input.box)), 1e-4, np.float32)
            expected[f"{ensemble.name}/{sub.name}"] = Expectation(
                ExpectedInput(voxels, terms.astype(np.float32), ages),
                UsualMap(usual, np.array([0.2, 0, 0], np.float32), ages, sub.input.box),
            )
    facts = ExpectedInputs(
        file=EXPECTED_FILE, n=40, n_maps=30, centre=45, spread=10, ends=(30, 60), datasets=("Balls",),
        simulated=True,
    )  # fmt: skip
    return extend_bundle(bundle, path, facts, pack_expected(expected))


def _ensemble(name: str, rng: np.random.Generator, arrays: dict, predictions: dict) -> dict[str, Any]:
    stage, space, box = STAGES[name]
    subs = []
    for modality in MODALITIES:
        for region in REGIONS[name]:
            spec = InputSpec(
                modality=modality, stage=stage, space=space, region=region, voxel_size=8.0, box=box
            )
            subs.append(_sub_ensemble(name, spec, rng, arrays, predictions))
    heads = [_top_head(name, subset, rng) for n in (1, 2, 3) for subset in combinations(MODALITIES, n)]
    return {"name": name, "sub_ensembles": subs, "top_heads": [heads]}


def _sub_ensemble(
    ensemble: str, spec: InputSpec, rng: np.random.Generator, arrays: dict, predictions: dict
) -> dict[str, Any]:
    name = f"{spec.region}_{spec.modality}"
    image = rng.integers(0, 256, (*spec.box, 1), dtype=np.uint8)
    arrays["reference.safetensors"][f"{ensemble}/{name}"] = image
    files = [f"{ensemble}/{name}_bm-{index:02d}.safetensors" for index in range(2)]
    stored = []
    for file in files:
        shapes = ARCHITECTURE.weight_shapes((*spec.box, 1))
        arrays[file] = {key: rng.normal(0, 0.2, s).astype(np.float32) for key, s in shapes.items()}
        arrays[file]["output/bias"][:] = 50
        model = BaseModel(file, ARCHITECTURE, (*spec.box, 1), arrays[file])
        stored.append(float(model.predict(image[None] / np.float32(255))[0]))
    predictions[f"{ensemble}/{name}"] = [tuple(stored)]
    head = {"coefficients": tuple(rng.normal(0.5, 0.1, 2)), "intercept": 1.0, "alpha": 1.0}
    return {
        "name": name,
        "input": spec.model_dump(),
        "architecture": ARCHITECTURE.model_dump(),
        "folds": [{"base_models": files, "head": head}],
    }


def _top_head(ensemble: str, subset: tuple[str, ...], rng: np.random.Generator) -> dict[str, Any]:
    names = [f"{region}_{modality}" for modality in subset for region in REGIONS[ensemble]]
    return {
        "modalities": subset,
        "sub_ensembles": names,
        "head": {
            "coefficients": tuple(rng.normal(1 / len(names), 0.02, len(names))),
            "intercept": 0.0,
            "alpha": 0.0,
        },
        "n_calibration": 40,
        "half_widths": {0.9: 7.0, 0.95: 9.0},
        "disagreement_99": 6.0,
    }
