"""SFCN says the ages that PyTorch and Keras say, and would say others if anything were done otherwise."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise

import h5py
import numpy as np
import pytest

from bids_brainage.networks.architectures import sfcn, torch_layers
from bids_brainage.networks.architectures.named import build_network
from bids_brainage.networks.network import Activation, Network, Pooling, fold_affine
from bids_brainage.networks.readers.weights import read_here
from bids_brainage.networks.readouts import CountReadout, ExpectationReadout, LinearReadout
from bids_brainage.relevance import explain, predict
from bids_brainage.relevance.composites import COMPOSITES
from bids_brainage.relevance.engine import forward
from tests.networks.architectures import golden
from tests.networks.torch_files import as_state, tensor, write_legacy, write_zip

BOX, PYMENT_BOX = (160, 192, 160), (167, 212, 160)
BINS = ExpectationReadout(first=42.5, step=1, n=40)
AGE = 57.98037002113244
TOLERANCE = 1e-4


def network() -> Network:
    """The golden network."""
    graph, weights = build_network("sfcn", golden.sfcn(), BOX, BINS, "net.p")
    return graph.network(weights, (*BOX, 1))


def age(image: np.ndarray, of: Network | None = None) -> float:
    return float(predict(of or network(), image[None], threads=2)[0])


def scores_of(of: Network, image: np.ndarray) -> np.ndarray:
    """What the last layer gives."""
    state = forward.run(of, of.volumes(image[None]), COMPOSITES["preset-a"], 2)
    return state.outputs["output"][0]


def test_the_weights_and_the_image_are_those_that_pytorch_saw():
    digest = hashlib.sha256()
    for name, array in golden.sfcn().items():
        digest.update(array.tobytes())
        if name.endswith("running_var"):
            digest.update(np.array(1, np.int64).tobytes())
    assert digest.hexdigest() == "791c2a4c4070860b59af1508e36de15f62f44f6aa4788746fbb03f8e7b3507b5"
    image = golden.image()
    assert (int(image.sum()), int((image > 0).sum())) == (178_725_870, 1_619_459)
    assert image.mean() == pytest.approx(24.750737844673726, rel=1e-14)
    x = golden.sfcn_input()
    assert float(x.max()) == pytest.approx(8.0805671836987)
    assert float(x.sum(dtype=float)) == pytest.approx(7_221_032.0)
    assert float(golden.pyment_input().sum(dtype=float)) == pytest.approx(700_885.7647058814)


def test_age_and_scores_are_pytorchs():
    scores = scores_of(network(), golden.sfcn_input())
    np.testing.assert_allclose(scores[:4], [-0.99447114, 4.33627188, 3.36972616, 2.19059157], atol=2e-5)
    assert float(scores.sum(dtype=float)) == pytest.approx(10.464190275817856, abs=2e-4)
    assert float(BINS.years(scores[None])[0]) == pytest.approx(AGE, abs=TOLERANCE)
    sd, mode = BINS.distribution(scores)
    assert sd == pytest.approx(14.387006332298244, abs=TOLERANCE)
    assert mode == BINS.centres[scores.argmax()]
    assert mode - AGE == pytest.approx(-14.48, abs=0.01)
    assert network().target_bias == pytest.approx(61.76879067419194, abs=TOLERANCE)
    assert age(golden.sfcn_input()) == pytest.approx(AGE, abs=TOLERANCE)


def test_a_small_box_by_the_mean_of_all_its_voxels():
    layers = fold_affine(sfcn.torch_layers(golden.sfcn(), (32, 64, 32)))
    small = Network(layers, (32, 64, 32, 1), readout=BINS)
    x = golden.sfcn_input()[64:96, 64:128, 64:96]
    np.testing.assert_allclose(scores_of(small, x)[:3], [-2.61761909, 6.32850602, 4.05006634], atol=2e-5)
    assert age(x, small) == pytest.approx(60.100642829915294, abs=TOLERANCE)


#: What is done otherwise, and by how much it moves the age: none of these would go unnoticed.
MISTAKES = {
    "mean of the cut box": (lambda i: golden.cut(i) / golden.cut(i).mean(dtype=float), 1.686),
    "mean of what is above zero": (lambda i: golden.cut(i / i[i > 0].mean()), 3.449),
    "divided by the maximum": (lambda i: golden.cut(i / i.max()), 3.646),
    "mirrored": (lambda i: golden.cut(i[::-1] / i.mean()), -0.304),
    "cut a voxel off": (lambda i: golden.cut(i / i.mean(), (12, 13, 11)), -0.037),
    "x and z swapped": (lambda i: golden.cut(i / i.mean()).swapaxes(0, 2), -1.292),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_with_the_image_would_be_noticed(name):
    change, moved = MISTAKES[name]
    found = age(np.ascontiguousarray(change(golden.image()), np.float32))
    assert found - AGE == pytest.approx(moved, abs=2e-3)
    assert abs(found - AGE) > 100 * TOLERANCE


def test_a_mistake_with_the_network_would_be_noticed(monkeypatch):
    scores = scores_of(network(), golden.sfcn_input())
    edges = ExpectationReadout(first=42, step=1, n=40)
    assert float(edges.years(scores[None])[0]) - AGE == pytest.approx(-0.5, abs=TOLERANCE)
    monkeypatch.setattr(sfcn, "EPSILON", 1e-3)
    assert age(golden.sfcn_input()) - AGE == pytest.approx(0.023, abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("composite", "relevance", "absorbed"),
    [
        ("preset-a", -3.52430, -0.26412),
        ("preset-a-flat", -3.73866, None),
        ("epsilon-plus", -3.58421, None),
        ("gamma", -3.64820, None),
    ],
)
def test_the_map_adds_up_to_the_age(composite, relevance, absorbed):
    explanation = explain(network(), golden.sfcn_input()[None], composite, threads=2)
    assert float(explanation.relevance.sum(dtype=float)) == pytest.approx(relevance, abs=2e-4)
    if absorbed is not None:
        assert explanation.absorbed[0] == pytest.approx(absorbed, abs=2e-4)
    assert abs(explanation.closure_errors[0]) < 1e-5
    assert explanation.target_bias == pytest.approx(61.76879067419194, abs=TOLERANCE)
    assert explanation.accounts[0][0].layer == "target bias"


def test_pooling_before_or_after_the_activation_is_the_same():
    """The published order is pooling, then ReLU; values and maps are those of ours."""
    layers = list(fold_affine(sfcn.torch_layers(golden.sfcn(), (32, 64, 32))))
    turned = list(layers)
    for place, (first, second) in enumerate(pairwise(layers)):
        if isinstance(first, Activation) and isinstance(second, Pooling) and second.mode == "max":
            turned[place] = replace(second, name=first.name, inputs=first.inputs)
            turned[place + 1] = replace(first, name=second.name, inputs=(first.name,))
    assert turned != layers
    x = golden.sfcn_input()[None, 64:96, 64:128, 64:96]
    ours = explain(Network(tuple(layers), (32, 64, 32, 1), readout=BINS), x)
    theirs = explain(Network(tuple(turned), (32, 64, 32, 1), readout=BINS), x, engine="plain")
    np.testing.assert_allclose(ours.outputs, theirs.outputs, atol=1e-5)
    scale = np.abs(theirs.relevance).max()
    np.testing.assert_allclose(ours.relevance, theirs.relevance, atol=1e-5 * scale)


def test_zip_legacy_and_the_arrays_themselves_give_the_same_network(tmp_path):
    state = as_state({f"module.{name}": array for name, array in golden.sfcn().items()})
    for i in range(6):
        state[f"module.feature_extractor.conv_{i}.1.num_batches_tracked"] = tensor(np.array(1, np.int64))
    state = OrderedDict(sorted(state.items()))
    expected = build_network("sfcn", golden.sfcn(), BOX, BINS, "net.p")
    for path in (write_zip(tmp_path / "net.pth", state), write_legacy(tmp_path / "net.p", state)):
        graph, weights = build_network("sfcn", read_here(path), BOX, BINS, str(path))
        assert graph == expected[0]
        assert list(weights) == list(expected[1])
        for name, array in expected[1].items():
            np.testing.assert_array_equal(weights[name], array)


PYMENT = {
    "reg": (LinearReadout(offset=3, low=3, high=95), 42.5904638004163),
    "sm": (ExpectationReadout(first=3, step=1, n=93), 49.74581607904435),
    "rank": (CountReadout(first=3, n=91), 48.0),
}


def pyment(head: str, path) -> Network:
    """The golden network of pyment's, written as Keras writes weights alone, and read."""
    with h5py.File(path, "w") as file:
        layers = list(dict.fromkeys(name.partition("/")[0] for name in golden.pyment(head)))
        file.attrs["layer_names"] = np.array(["input", *layers], "S")
        file.create_group("input").attrs["weight_names"] = np.array([], "S1")
        for layer in layers:
            names = [name for name in golden.pyment(head) if name.startswith(f"{layer}/")]
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array(names, "S")
            for name in names:
                group[name] = golden.pyment(head)[name]
    graph, weights = build_network("sfcn-keras", read_here(path), PYMENT_BOX, PYMENT[head][0], str(path))
    return graph.network(weights, (*PYMENT_BOX, 1))


@pytest.mark.parametrize("head", PYMENT)
def test_pyments_heads(head, tmp_path):
    found = age(golden.pyment_input(), pyment(head, tmp_path / "weights.h5"))
    assert found == pytest.approx(PYMENT[head][1], abs=TOLERANCE)


@pytest.mark.slow
def test_a_counting_head_is_explained_with_what_rounding_adds(tmp_path):
    explanation = explain(pyment("rank", tmp_path / "weights.h5"), golden.pyment_input()[None], threads=2)
    rounding, bias = explanation.accounts[0][:2]
    assert (rounding.layer, bias.layer) == ("rounding", "target bias")
    assert explanation.outputs[0] == 48
    assert rounding.absorbed == pytest.approx(48 - 49.095068458722785, abs=TOLERANCE)
    assert abs(explanation.closure_errors[0]) < 1e-4


def test_torchs_padding_where_it_is_same():
    """130 voxels, windows of 3 two apart on 65 of them: `same` is where PyTorch's zeros are."""
    layers, extents = torch_layers.max_pooling("pool", "x", (65, 65, 65), size=3, stride=2, pad=1)
    assert [type(layer).__name__ for layer in layers] == ["Pooling"]
    assert (layers[0].padding, extents) == ("same", (33, 33, 33))
    layers, extents = torch_layers.max_pooling("pool", "x", (40, 65, 65), size=3, stride=2, pad=1)
    assert [type(layer).__name__ for layer in layers] == ["Pad", "Pooling"]
    assert (layers[1].padding, extents) == ("valid", (20, 33, 33))
