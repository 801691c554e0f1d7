"""Estimating and explaining need no TensorFlow: it is slow to load, and takes all cores."""

from __future__ import annotations

import subprocess
import sys

ESTIMATE_AND_EXPLAIN = """
import sys
sys.modules.update(tensorflow=None, keras=None)  # importing either is an ImportError now
import numpy as np
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.relevance.backends import explain_ensemble_with

bundle = load_bundle("demo")
inputs = bundle.reference_inputs()
for name in bundle.ensembles:
    ensemble = bundle.ensemble(name)
    images = {sub: inputs[f"{name}/{sub}"].astype(np.float32) / 255 for sub in ensemble.sub_ensembles}
    estimate = ensemble.predict(images)
    for sub, weights in estimate.base_model_weights.items():
        networks = [model.network for model in ensemble.sub_ensembles[sub].base_models]
        explanation = explain_ensemble_with("native", networks, images[sub], weights, threads=2)
        assert abs(explanation.closure_error) < 1e-4, explanation.closure_error
"""

#: Strides, dilation and poolings other than those of blocks, by both engines, and LRP's rivals.
OTHER_LAYERS = """
import sys
sys.modules.update(tensorflow=None, keras=None)
import numpy as np
from bids_brainage.networks.network import Activation, Add, Convolution, Dense, Flatten, Network, Pooling
from bids_brainage.relevance import explain
from bids_brainage.relevance.comparison import METHODS

random = np.random.default_rng(0)
kernel = lambda *shape: random.standard_normal(shape).astype(np.float32)
network = Network(
    (
        Convolution("strided", ("image",), kernel(3, 3, 3, 1, 2), None, (2, 1, 2)),
        Pooling("winners", ("strided",), "max", (2, 2, 2), (2, 2, 2)),
        Convolution("dilated", ("winners",), kernel(2, 2, 2, 2, 2), None, dilation=(1, 2, 2)),
        Add("sum", ("winners", "dilated")),
        Activation("relu", ("sum",), "relu"),
        Pooling("mean", ("relu",), "average", (2, 2, 2), (1, 1, 1)),
        Flatten("flat", ("mean",)),
        Dense("output", ("flat",), kernel(3 * 6 * 3 * 2, 1), kernel(1)),
    ),
    (12, 11, 10, 1),
)
image = random.random((1, 12, 11, 10, 1))
fast, plain = (explain(network, image, engine=engine).relevance for engine in ("fast", "plain"))
np.testing.assert_allclose(fast, plain, atol=1e-5 * abs(plain).max())
for method in METHODS.values():
    assert method(network, image).any()
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_demo_bundle_estimates_and_explains():
    run(ESTIMATE_AND_EXPLAIN)


def test_layers_of_other_kinds_are_explained():
    run(OTHER_LAYERS)
