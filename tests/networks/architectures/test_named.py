"""Architectures by name: the authors' predictions, accounts that close, and files of other networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bids_brainage.errors import InputError
from bids_brainage.networks.architectures.named import ARCHITECTURES, build_network
from bids_brainage.networks.network import Affine, Network
from bids_brainage.networks.readers.weights import read_here
from bids_brainage.networks.readouts import ExpectationReadout, LinearReadout
from bids_brainage.relevance import explain, predict
from tests.networks.architectures import golden

BINS = ExpectationReadout(first=42.5, step=1, n=40)
SFCN_BOX = (160, 192, 160)

#: Boxes on which PyTorch's padding is TensorFlow's, and where it is not.
DENSE_BOXES = [(66, 70, 62), (65, 67, 71)]


def random_arrays(name: str, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Weights of a network by name, small enough that nothing overflows."""
    shapes = ARCHITECTURES[name].shapes({})
    found = {}
    for key, shape in shapes.items():
        if key.endswith(("running_var", "moving_variance")):
            array = random.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            fan = np.prod(shape) / shape[0]
            array = random.standard_normal(shape) * np.sqrt(2 / fan)
        else:
            array = (
                random.uniform(0.5, 1.5, shape)
                if key.endswith("1.weight")
                else 0.1 * random.standard_normal(shape)
            )
        found[key] = array.astype(np.float32)
    return found


def brain(box: tuple[int, ...], random: np.random.Generator, low: float = 0.0) -> np.ndarray:
    image = random.random((*box, 1), np.float32) + np.float32(low)
    image[:5] = low
    return image


def network_of(name: str, arrays: dict[str, np.ndarray], box: Any, readout: Any = None) -> Network:
    graph, weights = build_network(name, arrays, box, readout or LinearReadout(), "net.pth")
    assert graph.weight_shapes((*box, 1)) == {key: array.shape for key, array in weights.items()}
    return graph.network(weights, (*box, 1))


@pytest.mark.parametrize(
    ("name", "box", "affine"), [("densenet121", (34, 33, 36), 62), ("westman", (80, 96, 80), 7)]
)
@pytest.mark.parametrize(
    "composite",
    ["preset-a-flat", *(pytest.param(own, marks=pytest.mark.slow) for own in ("preset-a", "gamma"))],
)
def test_accounts_close_and_both_engines_agree(name, box, affine, composite, random):
    network = network_of(name, random_arrays(name, random), box, LinearReadout(scale=10))
    assert sum(isinstance(layer, Affine) for layer in network.layers) == affine
    image = brain(box, random, -0.5 if composite == "preset-a-flat" else 0.0)[None]
    fast = explain(network, image, composite, threads=2)
    plain = explain(network, image, composite, engine="plain")
    np.testing.assert_allclose(fast.outputs, plain.outputs, rtol=1e-4)
    scale = np.abs(plain.relevance).max()
    np.testing.assert_allclose(fast.relevance, plain.relevance, atol=2e-4 * scale)
    assert abs(fast.closure_errors[0]) < 1e-4
    assert np.isfinite(fast.relevance).all()


def saved(model: Any, path: Any) -> dict[str, np.ndarray]:
    """The model's file, read."""
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.DataParallel(model).state_dict(), path)
    return read_here(path)


def models() -> Any:
    pytest.importorskip("torch")
    from tests.networks.architectures import torch_models

    return torch_models


@pytest.mark.parametrize("box", DENSE_BOXES)
@pytest.mark.parametrize("name", ["densenet121", "densenet201"])
def test_densenets_are_pytorchs(name, box, random, tmp_path):
    torch_models = models()
    blocks = {"densenet121": (6, 12, 24, 16), "densenet201": (6, 12, 48, 32)}[name]
    model = torch_models.randomised(torch_models.DenseNet(blocks), seed=3)
    network = network_of(name, saved(model, tmp_path / "net.pth"), box)
    images = np.stack([brain(box, random, -0.2)])
    np.testing.assert_allclose(predict(network, images), torch_models.ages(model, images), atol=1e-4)


def test_westmans_is_pytorchs(random, tmp_path):
    torch_models = models()
    model = torch_models.randomised(torch_models.Westman(), seed=4)
    network = network_of("westman", saved(model, tmp_path / "net.pth"), (80, 96, 80))
    images = np.stack([2 * brain((80, 96, 80), random) - 1])
    np.testing.assert_allclose(predict(network, images), torch_models.ages(model, images), atol=1e-4)


@pytest.mark.slow
def test_sfcn_is_pytorchs(random, tmp_path):
    torch_models = models()
    model = torch_models.randomised(torch_models.SFCN(), seed=5)
    network = network_of("sfcn", saved(model, tmp_path / "net.pth"), SFCN_BOX, BINS)
    images = np.stack([brain(SFCN_BOX, random)])
    np.testing.assert_allclose(
        predict(network, images, threads=2), torch_models.ages(model, images), atol=1e-4
    )


# --- files of other networks -----------------------------------------------------------------------


def refused(words: str, name: str, arrays: Any, box: Any = SFCN_BOX, readout: Any = BINS) -> str:
    with pytest.raises(InputError, match=words) as caught:
        build_network(name, arrays, box, readout, "net.pth")
    told = str(caught.value)
    assert told.startswith("net.pth")
    assert "\n" not in told
    return told


def test_another_networks_file_is_told_with_both_lists(random):
    told = refused("does not hold SFCN", "sfcn", random_arrays("westman", random))
    assert "missing: feature_extractor.conv_0.0.weight (32, 1, 3, 3, 3)" in told
    assert "not of this network: features.features.0.0.weight (24, 1, 7, 7, 7)" in told
    told = refused("does not hold MONAI's DenseNet201", "densenet201", random_arrays("densenet121", random))
    assert "features.transition3.norm.weight (1024,) instead of (1792,)" in told
    refused("does not hold SFCN of pyment", "sfcn-keras", golden.sfcn())


def test_a_missing_and_a_foreign_array(random):
    arrays = dict(golden.sfcn())
    del arrays["classifier.conv_6.bias"]
    arrays["extra\x1b[31m"] = np.zeros(3, np.float32)
    told = refused("41 expected|38 are expected", "sfcn", arrays)
    assert "missing: classifier.conv_6.bias (40,)" in told
    assert "\x1b" not in told


def test_a_negative_variance(random):
    arrays = dict(golden.sfcn())
    name = "feature_extractor.conv_2.1.running_var"
    arrays[name] = arrays[name].copy()
    arrays[name][7] = -1e-3
    assert name in refused("negative variance", "sfcn", arrays)


def test_the_network_that_tells_sex(random):
    arrays = dict(golden.sfcn())
    for part in ("weight", "bias"):
        arrays[f"classifier.conv_6.{part}"] = arrays[f"classifier.conv_6.{part}"][:2]
    refused("such as the sexes", "sfcn", arrays)
    fewer = {**arrays, "classifier.conv_6.bias": np.zeros(3, np.float32)}
    fewer["classifier.conv_6.weight"] = np.zeros((3, 64, 1, 1, 1), np.float32)
    refused("gives 3 numbers", "sfcn", fewer)


def test_a_box_that_does_not_fit(random):
    refused("160 x 192 x 160 voxels, not 160 x 192 x 161", "sfcn", golden.sfcn(), (160, 192, 161))
    tiny = refused(
        "cannot be a network for this box", "sfcn-keras", golden.pyment("reg"), (20, 40, 40), LinearReadout()
    )
    assert "windows larger than its input" in tiny


def test_other_widths_and_bins_are_allowed():
    arrays = {}
    widths = (28, 58, 128, 256, 256, 64)
    for i, width in enumerate(widths):
        before, edge = (widths[i - 1] if i else 1), (3 if i < 5 else 1)
        name = f"feature_extractor.conv_{i}"
        arrays[f"{name}.0.weight"] = np.zeros((width, before, edge, edge, edge), np.float32)
        arrays |= {f"{name}.0.bias": np.zeros(width, np.float32)}
        arrays |= {
            f"{name}.1.{part}": np.ones(width, np.float32)
            for part in ("weight", "bias", "running_mean", "running_var")
        }
    arrays["classifier.conv_6.weight"] = np.zeros((50, 64, 1, 1, 1), np.float32)
    arrays["classifier.conv_6.bias"] = np.zeros(50, np.float32)
    graph, _ = build_network("sfcn", arrays, SFCN_BOX, ExpectationReadout(first=0, step=2, n=50), "net.p")
    assert graph.readout.outputs == 50
