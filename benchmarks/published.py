"""How fast do published networks estimate and explain? Our engine beside PyTorch, where that is installed.

    python benchmarks/published.py [--networks sfcn densenet121 westman] [--repeats 3] [--threads 2]

Prints one JSON line per network: the least seconds and processor seconds of a prediction and of a map
(``preset-a``), what PyTorch takes for a prediction (null without it), and the peak memory of the process in
GB. Weights are random; the image is noise in an ellipsoid on zeros, as after skull stripping. Every
contender runs in a process of its own with so many threads, after a first call that compiles its loops.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage.networks.architectures.named import ARCHITECTURES, build_network
from bids_brainage.networks.readouts import ExpectationReadout, LinearReadout

#: Box of each network, and how its outputs become years.
NETWORKS: dict[str, tuple[tuple[int, int, int], Any]] = {
    "sfcn": ((160, 192, 160), ExpectationReadout(first=42.5, step=1, n=40)),
    "densenet121": ((130, 130, 130), LinearReadout()),
    "westman": ((80, 96, 80), LinearReadout()),
}


def make_arrays(name: str) -> dict[str, np.ndarray]:
    """Random weights that keep the signal's size."""
    random = np.random.default_rng(0)
    found = {}
    for key, shape in ARCHITECTURES[name].shapes({}).items():
        if len(shape) > 1:
            array = random.standard_normal(shape) * np.sqrt(2 * shape[0] / np.prod(shape))
        else:
            array = random.uniform(0.5, 1.5, shape) if "var" in key or "weight" in key else np.zeros(shape)
        found[key] = array.astype(np.float32)
    return found


def make_image(box: tuple[int, int, int]) -> Any:
    """Noise in an ellipsoid that fills the box."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in box], indexing="ij", sparse=True)
    inside = sum(axis**2 for axis in axes) < 0.9
    return (np.random.default_rng(0).random((1, *box, 1), np.float32) * inside[None, ..., None]).astype("f4")


def ours(name: str, what: str, threads: int) -> Callable[[], Any]:
    """A prediction or a map by our engine."""
    from bids_brainage.relevance import explain, predict

    box, readout = NETWORKS[name]
    graph, weights = build_network(name, make_arrays(name), box, readout, name)
    network, image = graph.network(weights, (*box, 1)), make_image(box)
    if what == "forward":
        return lambda: predict(network, image, threads=threads)
    return lambda: explain(network, image, threads=threads)


def torch_forward(name: str, threads: int) -> Callable[[], Any]:
    """A prediction by PyTorch, of the networks that the tests re-state."""
    import torch

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.networks.architectures import torch_models

    torch.set_num_threads(threads)
    kinds = {"sfcn": "SFCN", "densenet121": "DenseNet", "westman": "Westman"}
    model = torch_models.randomised(getattr(torch_models, kinds[name])(), 0)
    image = torch.from_numpy(make_image(NETWORKS[name][0])[..., 0][:, None])

    def run() -> None:
        with torch.no_grad():
            model(image)

    return run


def measure(name: str, what: str, threads: int, repeats: int) -> dict[str, float]:
    """Least seconds, least processor seconds and peak memory, in this process."""
    run = torch_forward(name, threads) if what == "torch" else ours(name, what, threads)
    run()
    seconds, processor = [], []
    for _ in range(repeats):
        begin, begin_processor = time.perf_counter(), time.process_time()
        run()
        seconds.append(time.perf_counter() - begin)
        processor.append(time.process_time() - begin_processor)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {
        "seconds": round(min(seconds), 2),
        "processor": round(min(processor), 2),
        "peak_gb": round(peak, 2),
    }


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs=2, metavar=("NETWORK", "WHAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(*options.only, options.threads, options.repeats)))
        return
    for name in options.networks:
        row: dict[str, Any] = {"network": name, "threads": options.threads}
        for what in ("forward", "map", "torch"):
            if what == "torch" and importlib.util.find_spec("torch") is None:
                row[what] = None
                continue
            own = ["--only", name, what, "--threads", options.threads, "--repeats", options.repeats]
            command = [sys.executable, __file__, *map(str, own)]
            row[what] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
