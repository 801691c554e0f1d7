"""The base model against the paper's parameter counts and a forward pass worked with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import correlate

from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.network import Activation, Pooling
from tests.models.conftest import BOX, SPEC, random_weights


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((198, 198, 198, 1), 781_265), ((98, 98, 98, 1), 209_873), ((98, 98, 1), 60_593)],
)
def test_parameter_counts_are_the_papers(shape, expected):
    assert BaseModelSpec().count_parameters(shape) == expected


@pytest.mark.parametrize("shape", [(*BOX, 1), (7, 9, 2)], ids=["volumes", "images"])
def test_a_network_has_its_weights_and_the_specs_layers(shape):
    spec = BaseModelSpec(filters=(2, 3), kernels=(3, 1), dense_units=4, pool_size=2, activation="relu")
    rng = np.random.default_rng(6)
    weights = {
        name: rng.normal(size=own).astype(np.float16) for name, own in spec.weight_shapes(shape).items()
    }
    network = spec.network(weights, shape)
    assert " ".join(layer.name for layer in network.layers) == (
        "conv_1 activation_1 pool_1 conv_2 activation_2 pool_2 flatten dense dense_activation output"
    )
    for layer in network.layers:
        for part in ("kernel", "bias"):
            if hasattr(layer, part):
                own = getattr(layer, part)
                assert own.dtype == np.float32
                np.testing.assert_array_equal(own.squeeze(), weights[f"{layer.name}/{part}"].squeeze())
        if isinstance(layer, Activation):
            assert (layer.function, layer.slope) == ("relu", 0)
        if isinstance(layer, Pooling):
            assert (layer.size, layer.strides) == (
                ((2, 2, 2), (2, 2, 2)) if len(shape) == 4 else ((1, 2, 2), (1, 2, 2))
            )
    assert network.target_bias == weights["output/bias"][0]


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_forward_pass_against_scipy(activation):
    spec = SPEC.model_copy(update={"activation": activation})
    weights = random_weights(3)
    image = np.random.default_rng(4).random((*BOX, 1)).astype(np.float32)
    prediction = BaseModel("m", spec, (*BOX, 1), weights).predict(image[None])
    np.testing.assert_allclose(prediction, [_forward(spec, weights, image)], atol=1e-4)


def _forward(spec: BaseModelSpec, weights: dict[str, np.ndarray], image: np.ndarray) -> float:
    slope = 0.0 if spec.activation == "relu" else spec.negative_slope

    def activate(x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, x, slope * x)

    x = image.astype(np.float64)
    for number, filters in enumerate(spec.filters, start=1):
        kernel, bias = weights[f"conv_{number}/kernel"], weights[f"conv_{number}/bias"]
        x = np.stack(
            [
                sum(correlate(x[..., c], kernel[..., c, f], mode="constant") for c in range(x.shape[-1]))
                + bias[f]
                for f in range(filters)
            ],
            axis=-1,
        )
        x = _max_pool(activate(x))
    x = activate(x.ravel() @ weights["dense/kernel"] + weights["dense/bias"])
    return float((x @ weights["output/kernel"] + weights["output/bias"])[0])


def _max_pool(x: np.ndarray) -> np.ndarray:
    """3 x 3 x 3, stride 2, SAME: padded after the end first, as TensorFlow does."""
    pads = []
    for extent in x.shape[:3]:
        total = max((-(-extent // 2) - 1) * 2 + 3 - extent, 0)
        pads.append((total // 2, total - total // 2))
    padded = np.pad(x, [*pads, (0, 0)], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3), axis=(0, 1, 2))
    return windows[::2, ::2, ::2].max(axis=(-3, -2, -1))


@pytest.mark.parametrize(
    "wrong",
    [{"filters": (16,)}, {"activation": "tanh"}, {"filters": (10**9,) * 5}, {"dropout": 1.0}, {"extra": 1}],
)
def test_impossible_architectures_are_refused(wrong):
    with pytest.raises(ValidationError):
        BaseModelSpec(**wrong)
