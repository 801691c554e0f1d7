"""The compiled loops with vector instructions and in plain numba: one result, within rounding."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from bids_brainage.relevance.engine.lanes import VARIABLE

#: Rows of patches of fewer than 4 numbers and of more than 16, channels that no vector divides, ties, zeros.
EXPLAIN = """
import sys
import numpy as np
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.relevance import COMPOSITES, explain

random = np.random.default_rng(0)
results = {}
for case, (filters, shape) in {
    "volumes": ((3, 16, 8), (19, 21, 18, 1)), "images": ((4, 5), (23, 20, 2)), "single": ((1, 1), (9, 9, 1))
}.items():
    spec = BaseModelSpec(filters=filters, kernels=(3,) * len(filters), dense_units=8)
    weights = {
        name: random.normal(0, np.prod(own[:-1]) ** -0.5, own).astype(np.float32)
        for name, own in spec.weight_shapes(shape).items()
    }
    image = np.round(random.random(shape), 1).astype(np.float32)
    image[:5] = 0
    for composite in COMPOSITES:
        explanation = explain(spec.network(weights, shape), image[None], composite)
        results[f"{case} {composite}"] = explanation.relevance
        results[f"{case} {composite} output"] = explanation.outputs
        results[f"{case} {composite} absorbed"] = explanation.absorbed
np.savez(sys.argv[1], loaded=[name for name in sys.modules if name.endswith("_lanes")], **results)
"""


def test_plain_loops_and_vector_instructions_agree(tmp_path):
    results = []
    for setting, module in (("0", "vector_lanes"), ("1", "plain_lanes")):
        file = tmp_path / f"{setting}.npz"
        environment = {**os.environ, VARIABLE: setting}
        command = [sys.executable, "-c", EXPLAIN, str(file)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = dict(np.load(file))
        assert found.pop("loaded").tolist() == [f"bids_brainage.relevance.engine.{module}"]
        results.append(found)
    vectors, plain = results
    assert len(vectors) == 54
    for name, expected in vectors.items():
        scale = np.abs(expected).max()
        assert scale > 0 or "absorbed" in name, name
        np.testing.assert_allclose(plain[name], expected, atol=1e-5 * scale + 1e-6, err_msg=name)
    assert any((plain[name] != vectors[name]).any() for name in vectors), "both ran the same loops"
