"""The base model against the paper's parameter counts and a forward pass worked with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import correlate

from bids_brainage.models.ensembles.base_model import BaseModel, get_weights, set_weights
from bids_brainage.networks.architecture import BaseModelSpec, build
from tests.models.conftest import BOX, SPEC, random_weights


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((198, 198, 198, 1), 781_265), ((98, 98, 98, 1), 209_873), ((98, 98, 1), 60_593)],
)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_parameter_counts_are_the_papers(shape, expected, activation):
    spec = BaseModelSpec(activation=activation)
    assert spec.count_parameters(shape) == expected
    assert build(spec, shape).count_params() == expected


def test_weight_names_and_shapes_agree_with_keras():
    spec = BaseModelSpec()
    weights = get_weights(build(spec, (20, 17, 9, 1)))
    assert {name: array.shape for name, array in weights.items()} == spec.weight_shapes((20, 17, 9, 1))


def test_initial_weights_follow_the_seed_and_bias_the_target():
    first, same, other = (get_weights(build(SPEC, (*BOX, 1), 47.5, seed)) for seed in (1, 1, 2))
    assert first["output/bias"] == 47.5
    for name, array in first.items():
        np.testing.assert_array_equal(array, same[name])
    assert not np.allclose(first["conv_1/kernel"], other["conv_1/kernel"])


def test_layers_of_one_shape_start_from_different_weights():
    weights = get_weights(build(BaseModelSpec(filters=(1, 1), kernels=(3, 3)), (*BOX, 1)))
    assert weights["conv_1/kernel"].shape == weights["conv_2/kernel"].shape
    assert not np.allclose(weights["conv_1/kernel"], weights["conv_2/kernel"])


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


def test_weights_survive_the_way_into_keras_and_back():
    weights = random_weights(5)
    model = build(SPEC, (*BOX, 1))
    set_weights(model, weights)
    for name, array in get_weights(model).items():
        np.testing.assert_array_equal(array, weights[name])


@pytest.mark.parametrize(
    "wrong",
    [{"filters": (16,)}, {"activation": "tanh"}, {"filters": (10**9,) * 5}, {"dropout": 1.0}, {"extra": 1}],
)
def test_impossible_architectures_are_refused(wrong):
    with pytest.raises(ValidationError):
        BaseModelSpec(**wrong)
