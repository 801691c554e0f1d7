"""How fast are relevance maps? Native LRP beside a forward pass, innvestigate and, if installed, zennit.

    python benchmarks/relevance.py [--sizes 70x88x74 150x190x160] [--repeats 5] [--rounds 3] [--ensemble 10]
                                   [--dense]

Prints one JSON line a size. The network is the paper's base model with random weights and biases, the image
noise in a brain-sized ellipsoid on zeros, as after skull stripping (``--dense``: noise everywhere, the worst
case). Every contender runs in a process of its own, oneDNN on for all, and they take turns; times are the
best of the repeats of all rounds, in seconds; peak memory is that of the whole process in GB, Python and
TensorFlow included.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

FILTERS, KERNELS = (16, 16, 32, 64, 32), (3, 3, 3, 3, 1)


def make_image(shape: tuple[int, ...], dense: bool) -> Any:
    """Noise in an ellipsoid that fills the box, or everywhere."""
    image = np.random.default_rng(0).random((*shape, 1), np.float32)
    if dense:
        return image
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij", sparse=True)
    return image * (sum(axis**2 for axis in axes) < 0.9)[..., None].astype(np.float32)


def make_model(shape: tuple[int, ...], seed: int) -> Any:
    """The base model of SPEC.md; biases small and not zero."""
    import tensorflow as tf

    keras = tf.keras
    keras.utils.set_random_seed(seed)
    image = x = keras.Input((*shape, 1))
    bias = keras.initializers.RandomNormal(0, 0.05, seed=seed)
    for count, size in zip(FILTERS, KERNELS, strict=True):
        x = keras.layers.Conv3D(count, size, padding="same", bias_initializer=bias)(x)
        x = keras.layers.MaxPooling3D(3, 2, padding="same")(keras.layers.Activation("relu")(x))
    x = keras.layers.Dense(64, activation="relu", bias_initializer=bias)(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(50.0))(x))


def best(function: Callable[[], Any], repeats: int) -> float:
    """Best time of several runs after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return round(min(times[1:]), 3)


def run_forward(shape: tuple[int, ...], image: Any, repeats: int, ensemble: int) -> dict[str, float]:
    """The network's forward pass, as a compiled TensorFlow function."""
    import tensorflow as tf

    model = make_model(shape, 0)
    function = tf.function(lambda x: model(x))
    x = tf.constant(image[None])
    return {"forward": best(lambda: function(x).numpy(), repeats)}


def run_native(shape: tuple[int, ...], image: Any, repeats: int, ensemble: int) -> dict[str, float]:
    """Our engine: one network."""
    from bids_brainage.relevance import explain, from_keras, predict

    network = from_keras(make_model(shape, 0))
    seconds = best(lambda: explain(network, image[None]), repeats)
    return {"native": seconds, "native_forward": best(lambda: predict(network, image[None]), repeats)}


def run_ensemble(shape: tuple[int, ...], image: Any, repeats: int, ensemble: int) -> dict[str, float]:
    """Our engine: several networks on one image."""
    from bids_brainage.relevance import explain_ensemble, from_keras

    networks = [from_keras(make_model(shape, seed)) for seed in range(ensemble)]
    weights = np.full(ensemble, 1 / ensemble)
    seconds = best(lambda: explain_ensemble(networks, image, weights), max(repeats // 2, 1))
    return {"networks": ensemble, "ensemble": seconds}


def run_innvestigate(shape: tuple[int, ...], image: Any, repeats: int, ensemble: int) -> dict[str, float]:
    """LRPSequentialPresetA of innvestigate."""
    import innvestigate
    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    analyzer = innvestigate.create_analyzer("lrp.sequential_preset_a", make_model(shape, 0))
    return {"innvestigate": best(lambda: analyzer.analyze(image[None]), repeats)}


def run_zennit(shape: tuple[int, ...], image: Any, repeats: int, ensemble: int) -> dict[str, float]:
    """The corresponding composite of zennit, in PyTorch."""
    import torch
    from zennit.composites import EpsilonPlus

    layers: list[Any] = []
    channels = 1
    size = list(shape)
    for count, width in zip(FILTERS, KERNELS, strict=True):
        layers += [torch.nn.Conv3d(channels, count, width, padding="same"), torch.nn.ReLU()]
        layers += [torch.nn.MaxPool3d(3, 2, padding=1)]
        channels, size = count, [(n + 1) // 2 for n in size]
    layers += [torch.nn.Flatten(), torch.nn.Linear(channels * int(np.prod(size)), 64), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(64, 1))
    x = torch.tensor(image.transpose(3, 0, 1, 2)[None], requires_grad=True)

    def once() -> None:
        with EpsilonPlus(epsilon=0.1).context(model) as changed:
            output = changed(x)
            torch.autograd.grad(output, x, output)

    return {"zennit": best(once, repeats)}


CONTENDERS: dict[str, Callable[..., dict[str, float]]] = {
    "forward": run_forward,
    "native": run_native,
    "ensemble": run_ensemble,
    "innvestigate": run_innvestigate,
    "zennit": run_zennit,
}


def run_child(name: str, size: str, options: argparse.Namespace) -> dict[str, float]:
    """Run one contender in a process of its own."""
    command = [sys.executable, __file__, "--child", name, "--sizes", size, "--repeats", str(options.repeats)]
    command += ["--ensemble", str(options.ensemble), *(["--dense"] if options.dense else [])]
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return json.loads(done.stdout)


def measure(size: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure all contenders at one size."""
    names = [name for name in CONTENDERS if name != "ensemble" or options.ensemble > 1]
    names = [
        name for name in names if name not in ("innvestigate", "zennit") or importlib.util.find_spec(name)
    ]
    result: dict[str, Any] = {"benchmark": "relevance", "size": size, "dense": options.dense}
    for name in names * options.rounds:
        for key, value in run_child(name, size, options).items():
            result[key] = min(value, result.get(key, value))
    if "ensemble" in result:
        result["ensemble_per_native"] = round(result["ensemble"] / result["native"], 2)
    result["native_per_forward"] = round(result["native"] / result["forward"], 2)
    if "innvestigate" in result:
        result["innvestigate_per_native"] = round(result["innvestigate"] / result["native"], 2)
        result["native_memory_part"] = round(result["native_gb"] / result["innvestigate_gb"], 2)
    return result


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["70x88x74", "150x190x160", "198x198x198"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ensemble", type=int, default=10)
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        shape = tuple(int(n) for n in options.sizes[0].split("x"))
        image = make_image(shape, options.dense)
        result = CONTENDERS[options.child](shape, image, options.repeats, options.ensemble)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(json.dumps(result | {f"{options.child}_gb": round(peak, 2)}))
        return
    for size in options.sizes:
        print(json.dumps(measure(size, options)), flush=True)


if __name__ == "__main__":
    main()
