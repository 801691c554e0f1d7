"""How fast is a training step? Ours beside Keras' ``fit``, as a user gets it and with oneDNN switched on.

    python benchmarks/training.py [--sizes 44x46x52 70x88x74] [--people 16] [--rounds 2] [--isa AVX2]

Prints one JSON line per size, in samples per second; every contender runs in a separate process, on all
processors, and its best epoch of all rounds counts. Network, loss (mean squared error), optimiser (Adam) and
batch (4) are the paper's; inputs are noise in a brain-sized ellipsoid. Nothing else should run at the same
time.

- ``ours``: the training step, fed from the memory-mapped store, mirrored at random, as in a training;
  ``ours_step``: the same step on images in memory; ``input``: only reading and mirroring;
  ``ours_side_by_side``: as many trainings as processors, each on one, together: what ``--nprocs`` does.
- ``keras_default``: ``fit`` on a float32 array in memory with TensorFlow's own settings. They leave oneDNN
  off on processors without AVX-512, on on others (``onednn_by_default``). ``keras_onednn``, ``keras_plain``:
  the same with TF_ENABLE_ONEDNN_OPTS set to 1 and to 0.

``--isa AVX2`` keeps oneDNN from AVX-512, so that a newer processor stands in for an AVX2 one, whose default
is ``keras_plain``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

KEY = "TypeI/WholeBrain_T1w"


def make_images(shape: Sequence[int], people: int) -> np.ndarray:
    """Grey values (people, *shape): noise in an ellipsoid that fills the box."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij", sparse=True)
    inside = sum(axis**2 for axis in axes) < 0.9
    noise = np.random.default_rng(0).integers(1, 256, (people, *shape), dtype=np.uint8)
    return np.where(inside, noise, np.uint8(0))


def best_rate(epoch: Callable[[int], Any], options: argparse.Namespace) -> float:
    """Samples per second in the best of the epochs that fit into the time, after one batch to warm up."""
    epoch(options.batch)
    rates: list[float] = []
    end = time.perf_counter() + options.seconds
    while not rates or time.perf_counter() < end:
        begin = time.perf_counter()
        epoch(options.people)
        rates.append(options.people / (time.perf_counter() - begin))
    return round(max(rates), 3)


def our_step(shape: Sequence[int]) -> Callable[..., Any]:
    """The trainer's step on a new network."""
    from tensorflow import keras

    from bids_brainage.models.training.keras_model import build
    from bids_brainage.models.training.volumes import make_step
    from bids_brainage.networks.architecture import BaseModelSpec

    spec = BaseModelSpec()
    return make_step(build(spec, (*shape, 1), 50.0), spec, keras.optimizers.Adam(5e-4))


def our_store(folder: Path, shape: tuple[int, int, int], people: int) -> Any:
    """The trainer's store, filled."""
    from bids_brainage.models.cohorts.store import VolumeStore
    from bids_brainage.preprocessing.input_spec import InputSpec

    spec = InputSpec(modality="T1w", stage="subject", space="T1w", voxel_size=2.0, box=shape)
    store = VolumeStore(folder, {KEY: spec}, people, "")
    store.volumes(KEY, "w+")[:] = make_images(shape, people)
    return store


def run_ours(shape: Any, options: argparse.Namespace, threads: int = 0) -> dict[str, float]:
    """Step and input together, and each alone."""
    import tensorflow as tf

    from bids_brainage.models.training.threads import limit_threads

    limit_threads(threads)
    people, batch = options.people, options.batch
    ages = np.linspace(20, 80, people, dtype=np.float32)
    step, seed = our_step(shape), np.zeros(2, np.int32)
    held = tf.constant(make_images(shape, batch)[..., None])
    with tempfile.TemporaryDirectory() as folder:
        volumes = our_store(Path(folder), shape, people).volumes(KEY)

        def read(start: int) -> np.ndarray:
            rng = np.random.default_rng(start)
            images = np.array(volumes[rng.permutation(people)[:batch]])
            mirrored = rng.random(batch) < 0.5
            images[mirrored] = images[mirrored, ::-1]
            return images[..., None]

        def epoch(images: Callable[[int], Any], used: Callable[..., Any], n: int) -> None:
            for start in range(0, n, batch):
                used(images(start), ages[start : start + batch], seed)

        rates = {
            "ours": lambda n: epoch(read, lambda *given: float(step(*given)), n),
            "ours_step": lambda n: epoch(lambda _: held, lambda *given: float(step(*given)), n),
            "input": lambda n: epoch(read, lambda *_: None, n),
        }
        return {name: best_rate(run, options) for name, run in rates.items()}


def run_alone(shape: Any, options: argparse.Namespace) -> dict[str, float]:
    """One of the trainings that run side by side: one thread."""
    return {"ours_side_by_side": run_ours(shape, options, threads=1)["ours"]}


def run_keras(shape: Any, options: argparse.Namespace) -> dict[str, float]:
    """Keras' fit on the same architecture, built with Keras alone."""
    from tensorflow import keras

    layers = keras.layers
    network = keras.Sequential([keras.Input((*shape, 1))])
    for filters, edge in zip((16, 16, 32, 64, 32), (3, 3, 3, 3, 1), strict=True):
        network.add(layers.Conv3D(filters, edge, padding="same"))
        network.add(layers.LeakyReLU(0.2))
        network.add(layers.MaxPooling3D(3, 2, padding="same"))
    for layer in (layers.Flatten(), layers.Dropout(0.5), layers.Dense(64), layers.LeakyReLU(0.2)):
        network.add(layer)
    network.add(layers.Dense(1, bias_initializer=keras.initializers.Constant(50.0)))
    network.compile(keras.optimizers.Adam(5e-4), "mse")
    images = make_images(shape, options.people)[..., None].astype(np.float32) / 255
    ages = np.linspace(20, 80, options.people, dtype=np.float32)
    return {"fit": best_rate(lambda n: network.fit(images[:n], ages[:n], options.batch, verbose=0), options)}


CHILDREN: dict[str, Callable[..., dict[str, float]]] = {
    "ours": run_ours,
    "ours_side_by_side": run_alone,
    "keras_default": run_keras,
    "keras_onednn": run_keras,
    "keras_plain": run_keras,
}
#: TF_ENABLE_ONEDNN_OPTS of each that has it set.
ONEDNN = {"ours": "1", "ours_side_by_side": "1", "keras_onednn": "1", "keras_plain": "0"}


def start_child(name: str, size: str, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Start one contender in a process of its own."""
    command = [sys.executable, __file__, "--child", name, "--sizes", size]
    for option in ("people", "seconds", "batch"):
        command += [f"--{option}", str(getattr(options, option))]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    if name in ONEDNN:
        environment["TF_ENABLE_ONEDNN_OPTS"] = ONEDNN[name]
    if options.isa:
        environment["ONEDNN_MAX_CPU_ISA"] = options.isa
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def run_children(name: str, size: str, options: argparse.Namespace) -> dict[str, float]:
    """Rates of one contender; those of several processes side by side are added up."""
    count = len(os.sched_getaffinity(0)) if name == "ours_side_by_side" else 1
    results = []
    for child in [start_child(name, size, options) for _ in range(count)]:
        output, _ = child.communicate()
        if child.returncode:
            raise SystemExit(f"{name} at {size} ended with exit code {child.returncode}")
        results.append(json.loads(output))
    total = {key: round(sum(result[key] for result in results), 3) for key in results[0]}
    return {name if key == "fit" else key: rate for key, rate in total.items()}


def has_avx512() -> bool:
    """Whether TensorFlow finds the processor new enough to switch oneDNN on by itself."""
    information = Path("/proc/cpuinfo")
    return information.is_file() and "avx512f" in information.read_text()


def measure(size: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure all contenders at one size."""
    result: dict[str, Any] = {
        "benchmark": "training",
        "size": size,
        "batch": options.batch,
        "processors": len(os.sched_getaffinity(0)),
        "onednn_by_default": has_avx512() and not options.isa,
        "isa": options.isa,
        "unit": "samples/s",
    }
    # With --isa the default would still look at the processor itself.
    names = [name for name in CHILDREN if not (options.isa and name == "keras_default")]
    # In turn, and the best of all rounds: a shared machine is not equally fast all the time.
    for name in names * options.rounds:
        for key, value in run_children(name, size, options).items():
            result[key] = max(value, result.get(key, value))
    for way in ("ours", "ours_side_by_side"):
        for name in ("default", "onednn", "plain"):
            if f"keras_{name}" in result:
                result[f"{way}_per_{name}"] = round(result[way] / result[f"keras_{name}"], 2)
    result["input_per_step"] = round(result["input"] / result["ours_step"], 1)
    return result


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["44x46x52", "70x88x74"])
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4, help="for each contender and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--isa", help="newest instructions that oneDNN may use, such as AVX2 (default: all)")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        shape = tuple(int(n) for n in options.sizes[0].split("x"))
        result = CHILDREN[options.child](shape, options)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(json.dumps(result | {f"{options.child}_gb": round(peak, 2)}))
        return
    for size in options.sizes:
        print(json.dumps(measure(size, options)), flush=True)


if __name__ == "__main__":
    main()
