"""Bundles of published networks: schema 2 holds graphs of layers, readouts, medians; nothing else changes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from bids_brainage.errors import BundleError, InputError
from bids_brainage.models.bundles.bundle import load_bundle, write_bundle
from bids_brainage.models.bundles.checking import check_bundle
from bids_brainage.models.bundles.schema import BundleRecord, needed_version
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.ensembles.head_model import MedianHead
from bids_brainage.models.training.transfer import Transfer
from bids_brainage.networks.graph import LayerGraph, graph_of
from bids_brainage.networks.layers import (
    Activation,
    Affine,
    Concatenate,
    Convolution,
    Dense,
    Flatten,
    Pad,
    Pooling,
)
from bids_brainage.networks.readouts import ExpectationReadout
from bids_brainage.relevance import explain_ensemble
from tests.models.conftest import BOX, small_record

READOUT = ExpectationReadout(first=20, step=10, n=7)
NAME = "WholeBrain_T1w"


def made_up(seed: int) -> tuple[LayerGraph, dict[str, np.ndarray]]:
    """A network with every kind of layer that only published ones have."""
    random = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    layers = [
        Pad("pad", ("image",), (1, 1, 1), (1, 1, 1)),
        Convolution("conv", ("pad",), numbers(3, 3, 3, 1, 4), numbers(4), padding="valid"),
        Affine("norm", ("conv",), numbers(4), numbers(4)),
        Activation("relu", ("norm",), "relu"),
        Concatenate("joined", ("conv", "relu")),
        Pooling("mean", ("joined",), "average", None),
        Flatten("flat", ("mean",)),
        Dense("output", ("flat",), numbers(8, 7), numbers(7)),
    ]
    return graph_of(layers, READOUT)


@pytest.fixture
def written(tmp_path) -> Any:
    """A bundle of three such networks with a median above them, as record and arrays."""
    record, arrays = small_record()
    graph, _ = made_up(0)
    files = [f"TypeI/fold-0/{NAME}_bm-{index:02d}.safetensors" for index in range(3)]
    image = np.random.default_rng(9).normal(0, 2, (*BOX, 1)).astype(np.float16)
    weights = {file: made_up(seed)[1] for seed, file in enumerate(files)}
    models = [BaseModel(file, graph, (*BOX, 1), own) for file, own in weights.items()]
    predictions = [float(model.predict(image[None].astype(np.float32))[0]) for model in models]
    sub = record["ensembles"][0]["sub_ensembles"][0]
    sub["architecture"] = json.loads(graph.model_dump_json())
    head = {"coefficients": [1 / 3] * 3, "intercept": 0.0, "alpha": 0.0, "median": True}
    sub["folds"] = [{"base_models": files, "head": head}]
    top = record["ensembles"][0]["top_heads"][0][0]
    top |= {"modalities": ["T1w"], "sub_ensembles": [NAME]}
    top["head"] = {"coefficients": [1.0], "intercept": 0.0, "alpha": 0.0}
    record["ensembles"][0] |= {"sub_ensembles": [sub], "top_heads": [[top]], "errors": []}
    record["reference"]["predictions"] = {f"TypeI/{NAME}": [predictions]}
    record["schema_version"] = 2
    record["participants"]["folds"] = {}
    arrays = {**weights, "reference.safetensors": {f"TypeI/{NAME}": image}}
    return record, arrays, predictions


def write(folder: Any, record: dict, arrays: dict) -> Any:
    return write_bundle(folder, BundleRecord.model_construct(**_valid(record, arrays)), arrays)


def _valid(record: dict, arrays: dict) -> dict:
    """The record's parts as objects; files are filled in when it is written."""
    files = {file: {"sha256": "0" * 64, "bytes": 1} for file in arrays}
    checked = BundleRecord.model_validate({**record, "files": files})
    return {name: getattr(checked, name) for name in BundleRecord.model_fields}


def test_a_graph_comes_back_and_estimates(written, tmp_path):
    record, arrays, predictions = written
    bundle = write(tmp_path / "published", record, arrays)
    assert bundle.heads == "median"
    assert all(verdict.passed for verdict in check_bundle(bundle.path))
    sub = bundle.ensemble("TypeI").sub_ensembles[NAME]
    image = bundle.reference_inputs()[f"TypeI/{NAME}"].astype(np.float32)
    assert sub.predict(image[None])[0] == pytest.approx(predictions)
    estimate = bundle.ensemble("TypeI").predict({NAME: image})
    assert estimate.brain_age == pytest.approx(np.median(predictions))
    weights = estimate.base_model_weights[NAME]
    assert weights[np.argsort(predictions)[1]] == 1
    assert weights.sum() == 1
    networks = [model.network for model in sub.base_models]
    explanation = explain_ensemble(networks, image, weights)
    assert abs(explanation.closure_error) < 1e-4
    assert explanation.target_bias == pytest.approx(sub.base_models[int(weights.argmax())].target_bias)


def test_version_2_is_said_only_where_it_is_needed(written, bundle, tmp_path):
    record, arrays, _ = written
    assert needed_version(bundle.record.ensembles) == bundle.record.schema_version == 1
    assert '"median":' not in bundle.record.model_dump_json()
    published = write(tmp_path / "published", record, arrays)
    assert needed_version(published.record.ensembles) == 2
    content = json.loads((published.path / "bundle.json").read_text())
    content["schema_version"] = 1
    (published.path / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match="schema version 2"):
        load_bundle(published.path)


def test_old_bundles_are_as_before():
    """What a program before version 2 wrote about networks and heads would be written again to the letter."""
    demo = load_bundle("demo")
    text = (demo.path / "bundle.json").read_text()
    written = json.loads(demo.record.model_dump_json())
    for now, before in zip(written["ensembles"], json.loads(text)["ensembles"], strict=True):
        assert now["top_heads"] == before["top_heads"]
        for sub, known in zip(now["sub_ensembles"], before["sub_ensembles"], strict=True):
            assert (sub["architecture"], sub["folds"]) == (known["architecture"], known["folds"])
    assert hashlib.sha256(text.encode()).hexdigest() == demo.sha256


CHANGES = {
    "unknown input": (lambda g: g["layers"][1].update(inputs=["nothing"]), "conv"),
    "two of a name": (lambda g: g["layers"][1].update(name="pad"), "pad"),
    "unknown operation": (lambda g: g["layers"][3].update(op="lambda"), "lambda|op"),
    "code": (lambda g: g["layers"][3].update(code="import os"), "code"),
    "giant pad": (lambda g: g["layers"][0].update(before=[10**6, 0, 0]), "before"),
    "giant kernel": (lambda g: g["layers"][1].update(kernel=[1000, 1, 1]), "kernel"),
    "too wide": (lambda g: g["layers"][1].update(filters=10**6), "filters"),
    "larger than its input": (lambda g: g["layers"][1].update(kernel=[9, 9, 9]), "larger than its input"),
    "adds different shapes": (lambda g: g["layers"][4].update(op="add", inputs=["pad", "relu"]), "different"),
    "no volume": (lambda g: g["layers"][5].update(op="flatten", mode=None, size=None), "flatten|mode|volume"),
    "not flat": (lambda g: g["layers"].pop(6) and g["layers"][6].update(inputs=["mean"]), "flat input"),
    "other scores": (lambda g: g["readout"].update(n=8), "8 units"),
    "no layers": (lambda g: g.update(layers=[]), "layers"),
    "a bad name": (lambda g: g["layers"][0].update(name="../pad"), "name"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_wrong_with_a_graph_is_told(written, tmp_path, name):
    record, arrays, _ = written
    bundle = write(tmp_path / "published", record, arrays)
    change, words = CHANGES[name]
    content = json.loads((bundle.path / "bundle.json").read_text())
    change(content["ensembles"][0]["sub_ensembles"][0]["architecture"])
    (bundle.path / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=f"(?s){words}") as caught:
        load_bundle(bundle.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("odd", ["nan", "float64", "shape"])
def test_odd_reference_inputs(written, tmp_path, odd):
    record, arrays, _ = written
    image = arrays["reference.safetensors"][f"TypeI/{NAME}"].copy()
    if odd == "nan":
        image[0, 0, 0] = np.nan
    image = image.astype(np.float64) if odd == "float64" else image[1:] if odd == "shape" else image
    arrays["reference.safetensors"] = {f"TypeI/{NAME}": image}
    with pytest.raises(BundleError, match="reference"):
        write(tmp_path / "published", record, arrays)


def test_a_graph_too_large_is_refused_before_anything_is_made():
    graph, _ = made_up(0)
    content = graph.model_dump()
    wide = {**content["layers"][1], "filters": 4096}
    deep = [wide if layer["name"] == "conv" else layer for layer in content["layers"]]
    record, _ = small_record()
    sub = record["ensembles"][0]["sub_ensembles"][0]
    sub["architecture"], sub["input"]["box"] = {**content, "layers": deep}, (500, 500, 500)
    with pytest.raises(ValueError, match="GB of memory"):
        BundleRecord.model_validate({**record, "files": {}})


def test_graphs_are_not_trained_further(written, tmp_path):
    record, arrays, _ = written
    bundle = write(tmp_path / "published", record, arrays)
    with pytest.raises(InputError, match="cannot be trained further"):
        Transfer(bundle, "all").complete({}, "plan.yaml")
    with pytest.raises(InputError, match="leave the architecture out"):
        Transfer(bundle, "heads").complete({"architecture": {"dense_units": 3}}, "plan.yaml")
    assert "architecture" not in Transfer(bundle, "heads").complete({}, "plan.yaml")


@pytest.mark.parametrize(
    ("values", "weights"), [([3, 1, 2], [0, 0, 1]), ([4, 1, 2, 3], [0, 0, 0.5, 0.5]), ([5], [1])]
)
def test_a_median_is_the_model_in_the_middle(values, weights):
    head = MedianHead(len(values))
    values = np.array(values, float)
    found, constant = head.secants(values, np.zeros(len(values)))
    np.testing.assert_array_equal(found, weights)
    assert constant + found @ values == head.apply(values) == np.median(values)
    np.testing.assert_array_equal(head.slopes(values), weights)
