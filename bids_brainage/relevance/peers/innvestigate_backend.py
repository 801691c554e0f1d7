"""The peer: innvestigate 2.1.2 (Alber et al. 2019, JMLR 20:93) in a separate process.

innvestigate switches TensorFlow's eager execution off for the whole process, so it never runs in ours. A
network goes over as plain arrays and JSON, is rebuilt with Keras there, and a map comes back.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.networks import network as layers
from bids_brainage.networks.network import Floats, Layer, Network

#: innvestigate's name for each composite that it knows.
ANALYZERS = {
    "preset-a": "LRPSequentialPresetA",
    "innvestigate-preset-a": "LRPSequentialPresetA",
    "preset-a-flat": "LRPSequentialPresetAFlat",
    "preset-b": "LRPSequentialPresetB",
}
KINDS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        layers.Convolution,
        layers.Dense,
        layers.Affine,
        layers.Pooling,
        layers.Activation,
        layers.Flatten,
        layers.Add,
    )
}


def is_installed() -> bool:
    """Whether innvestigate can be imported here (TensorFlow below 2.15, Python below 3.12)."""
    from importlib.util import find_spec

    return find_spec("innvestigate") is not None


def relevance_maps(
    networks: Sequence[Network], images: NDArray, composite: str, threads: int = 1
) -> tuple[NDArray, Floats]:
    """Let innvestigate explain each network's output for each image.

    Returns
    -------
    tuple of arrays (k, n) and (k, n, ..., channels)
        Outputs, and relevance of the images' shape, for k networks and n images.

    Raises
    ------
    NetworkError
        If innvestigate is not installed, does not know the composite, or fails.
    """
    if composite not in ANALYZERS:
        known = ", ".join(ANALYZERS)
        raise NetworkError(messages.INNVESTIGATE_COMPOSITE.format(name=composite, known=known))
    if not is_installed():
        raise NetworkError(messages.INNVESTIGATE_MISSING)
    with tempfile.TemporaryDirectory(prefix="bids_brainage-") as name:
        folder = Path(name)
        (folder / "task.json").write_text(
            json.dumps({"networks": len(networks), "analyzer": ANALYZERS[composite], "threads": threads})
        )
        for index, network in enumerate(networks):
            write_network(network, folder / f"network{index}")
        np.save(folder / "images.npy", networks[0].volumes(images), allow_pickle=False)
        _run(folder)
        outputs = np.load(folder / "outputs.npy", allow_pickle=False)
        maps = np.load(folder / "relevance.npy", allow_pickle=False)
    return outputs, maps.reshape(*maps.shape[:2], *networks[0].input_shape)


def _run(folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "bids_brainage.relevance.peers.innvestigate_process", str(folder)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise NetworkError(messages.INNVESTIGATE_FAILED.format(reason=reason))


def write_network(network: Network, folder: Path) -> None:
    """Write a network as JSON and one array file a weight."""
    folder.mkdir()
    described: list[dict[str, Any]] = []
    for index, layer in enumerate(network.layers):
        entry: dict[str, Any] = {"kind": type(layer).__name__}
        for field in dataclasses.fields(layer):
            value = getattr(layer, field.name)
            if isinstance(value, np.ndarray):
                np.save(folder / f"{index}-{field.name}.npy", value, allow_pickle=False)
                value = {"array": f"{index}-{field.name}.npy"}
            entry[field.name] = value
        described.append(entry)
    content = {"input_shape": network.input_shape, "input_name": network.input_name, "layers": described}
    (folder / "network.json").write_text(json.dumps(content))


def read_network(folder: Path) -> Network:
    """Read what `write_network` wrote."""
    content = json.loads((folder / "network.json").read_text())
    read: list[Layer] = []
    for entry in content["layers"]:
        kind = KINDS[entry.pop("kind")]
        read.append(kind(**{name: _value(value, folder) for name, value in entry.items()}))
    return Network(tuple(read), tuple(content["input_shape"]), content["input_name"])


def _value(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return np.load(folder / Path(value["array"]).name, allow_pickle=False)
    return tuple(value) if isinstance(value, list) else value
