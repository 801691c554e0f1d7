"""How fast are relevance maps? Native LRP beside a forward pass, innvestigate and, if installed, zennit.

    python benchmarks/relevance.py [--sizes 70x88x74 150x190x160] [--repeats 5] [--rounds 3] [--ensemble 10]
                                   [--people 8] [--threads 2] [--dense]

Prints one JSON line per size. The network is the paper's base model with random weights and biases, the image
noise in a brain-sized ellipsoid on zeros, as after skull stripping (``--dense``: noise everywhere, the worst
case). ``forward`` is Keras, ``native_forward`` our engine; with ``_many`` the time an image of several people
at a time. Every contender runs in a process of its own with so many threads, oneDNN on for all, and they take
turns; times are the best of the repeats of all rounds, in seconds; peak memory is that of the whole process,
in GB.
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

from bids_brainage.networks.architecture import BaseModelSpec

SPEC = BaseModelSpec(activation="relu")


def make_image(shape: tuple[int, ...], dense: bool) -> Any:
    """Noise in an ellipsoid that fills the box, or everywhere."""
    image = np.random.default_rng(0).random((*shape, 1), np.float32)
    if dense:
        return image
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij", sparse=True)
    return image * (sum(axis**2 for axis in axes) < 0.9)[..., None].astype(np.float32)


def make_weights(shape: tuple[int, ...], seed: int) -> dict[str, Any]:
    """Weights of the base model that keep the signal's size; biases small and not zero."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, own in SPEC.weight_shapes((*shape, 1)).items():
        scale = 0.05 if len(own) == 1 else (2 / np.prod(own[:-1])) ** 0.5
        weights[name] = (scale * random.standard_normal(own)).astype(np.float32)
    weights["output/bias"][:] = 50
    return weights


def make_network(shape: tuple[int, ...], seed: int) -> Any:
    """The base model as our engine sees it."""
    return SPEC.network(make_weights(shape, seed), (*shape, 1))


def make_model(shape: tuple[int, ...], seed: int) -> Any:
    """The same in Keras."""
    from bids_brainage.models.training.keras_model import build, set_weights

    model = build(SPEC, (*shape, 1))
    set_weights(model, make_weights(shape, seed))
    return model


def best(function: Callable[[], Any], repeats: int) -> float:
    """Best time of several runs after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return round(min(times[1:]), 4)


def run_forward(shape: tuple[int, ...], image: Any, options: argparse.Namespace) -> dict[str, float]:
    """The network's forward pass, as a compiled TensorFlow function."""
    import tensorflow as tf

    model = make_model(shape, 0)
    function = tf.function(lambda x: model(x))
    many = np.stack([image] * options.people)
    times = [best(lambda x=x: function(x).numpy(), options.repeats) for x in (image[None], many)]
    return {"forward": times[0], "forward_many": round(times[1] / options.people, 4)}


def run_native(shape: tuple[int, ...], image: Any, options: argparse.Namespace) -> dict[str, float]:
    """Our engine: one network."""
    from bids_brainage.relevance import explain, predict

    network, threads = make_network(shape, 0), options.threads
    many = np.stack([image] * options.people)
    seconds = best(lambda: explain(network, image[None], threads=threads), options.repeats)
    one, all_ = (
        best(lambda x=x: predict(network, x, threads=threads), options.repeats) for x in (image[None], many)
    )
    return {
        "native": seconds,
        "native_forward": one,
        "native_forward_many": round(all_ / options.people, 4),
    }


def run_ensemble(shape: tuple[int, ...], image: Any, options: argparse.Namespace) -> dict[str, float]:
    """Our engine: several networks on one image."""
    from bids_brainage.relevance import explain_ensemble

    networks = [make_network(shape, seed) for seed in range(options.ensemble)]
    weights = np.full(options.ensemble, 1 / options.ensemble)
    seconds = best(
        lambda: explain_ensemble(networks, image, weights, threads=options.threads),
        max(options.repeats // 2, 1),
    )
    return {"networks": options.ensemble, "ensemble": seconds}


def run_innvestigate(shape: tuple[int, ...], image: Any, options: argparse.Namespace) -> dict[str, float]:
    """LRPSequentialPresetA of innvestigate."""
    import innvestigate
    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    model = make_model(shape, 0)
    analyzer = innvestigate.create_analyzer("lrp.sequential_preset_a", model, disable_model_checks=True)
    return {"innvestigate": best(lambda: analyzer.analyze(image[None]), options.repeats)}


def run_zennit(shape: tuple[int, ...], image: Any, options: argparse.Namespace) -> dict[str, float]:
    """The corresponding composite of zennit, in PyTorch."""
    import torch
    from zennit.composites import EpsilonPlus

    layers: list[Any] = []
    channels = 1
    size = list(shape)
    for count, width in zip(SPEC.filters, SPEC.kernels, strict=True):
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

    return {"zennit": best(once, options.repeats)}


CONTENDERS: dict[str, Callable[..., dict[str, float]]] = {
    "forward": run_forward,
    "native": run_native,
    "ensemble": run_ensemble,
    "innvestigate": run_innvestigate,
    "zennit": run_zennit,
}


def run_child(name: str, size: str, options: argparse.Namespace) -> dict[str, float]:
    """Run one contender in a separate process."""
    command = [sys.executable, __file__, "--child", name, "--sizes", size, "--repeats", str(options.repeats)]
    command += ["--ensemble", str(options.ensemble), "--people", str(options.people)]
    command += ["--threads", str(options.threads), *(["--dense"] if options.dense else [])]
    environment = {
        **os.environ,
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": str(options.threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": str(options.threads),
    }
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
    result["threads"] = options.threads
    for name in names * options.rounds:
        for key, value in run_child(name, size, options).items():
            result[key] = min(value, result.get(key, value))
    if "ensemble" in result:
        result["ensemble_per_native"] = round(result["ensemble"] / result["native"], 2)
    result["native_many_per_forward_many"] = round(result["native_forward_many"] / result["forward_many"], 2)
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
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        shape = tuple(int(n) for n in options.sizes[0].split("x"))
        image = make_image(shape, options.dense)
        result = CONTENDERS[options.child](shape, image, options)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(json.dumps(result | {f"{options.child}_gb": round(peak, 2)}))
        return
    for size in options.sizes:
        print(json.dumps(measure(size, options)), flush=True)


if __name__ == "__main__":
    main()
