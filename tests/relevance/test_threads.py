"""No call has more threads at work than it may."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Prints by how many threads the process has grown, and processor time by time on the clock.
COUNT = """
import os, sys, time
import numpy as np
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.relevance import explain, explain_ensemble, predict

threads = int(sys.argv[1])
spec, shape = BaseModelSpec(), (40, 42, 44, 1)
random = np.random.default_rng(0)
weights = {
    name: random.normal(0, np.prod(own[:-1]) ** -0.5, own).astype(np.float32)
    for name, own in spec.weight_shapes(shape).items()
}
network = spec.network(weights, shape)
images = random.random((4, *shape))

def everything(threads):
    predict(network, images, threads=threads)
    predict(network, images[:1], threads=threads)
    explain(network, images[:1], threads=threads)
    explain_ensemble([network] * 4, images[0], lambda outputs: outputs / 200, threads=threads)

everything(1)  # what is compiled or loaded once
before = len(os.listdir("/proc/self/task"))
clock, processor = time.perf_counter(), time.process_time()
most = 0
for _ in range(3):
    everything(threads)
    most = max(most, len(os.listdir("/proc/self/task")))
print(most - before, (time.process_time() - processor) / (time.perf_counter() - clock))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_those_allowed(threads):
    command = [sys.executable, "-c", COUNT, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    grown, processors = (float(word) for word in done.stdout.split())
    # One crew stays for images and one for parts of an image; only one of them is at work at a time.
    assert grown <= (0 if threads == 1 else 2 * threads)
    assert processors < threads + 0.2
