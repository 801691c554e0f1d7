"""Keras files are read in a separate process: a damaged one can make the HDF5 library hang or crash.

That process has limited time and memory. It returns JSON and safetensors, never a pickle.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.readers.keras_file import Hints, KerasNetwork, read_keras_file
from bids_brainage.networks.weights_file import read_arrays

SECONDS = 60
MOST_MEMORY = 6_000_000_000


def read_isolated(path: Path, hints: Hints | None = None, seconds: int = SECONDS) -> KerasNetwork:
    """Do what `read_keras_file` does, in another process.

    Parameters
    ----------
    path : Path
    hints : Hints, optional
    seconds : int
        Time limit for reading.

    Raises
    ------
    InputError
        As `read_keras_file`; also if the file makes the library hang, crash or ask for too much memory.
    """
    told = json.dumps(asdict(hints or Hints()))
    command = [sys.executable, "-P", "-m", "bids_brainage.networks.readers.keras_process", str(path), told]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        reason = f"it could not be read within {seconds} seconds"
        raise InputError(messages.HDF5_DAMAGED.format(file=path, reason=reason)) from error
    head, _, content = done.stdout.partition(b"\n")
    if not head:
        reason = f"reading it ended with exit code {done.returncode}"
        raise InputError(messages.HDF5_DAMAGED.format(file=path, reason=reason))
    answer = json.loads(head)
    if "error" in answer:
        raise InputError(answer["error"])
    return KerasNetwork(
        spec=BaseModelSpec.model_validate(answer["spec"]),
        input_shape=tuple(answer["input_shape"]),
        weights=read_arrays(content, str(path)),
        program=answer["program"],
    )


def main(path: str, hints: str) -> None:
    """Read a file and write what it holds, or what is wrong with it, to standard output."""
    import resource

    from safetensors.numpy import save

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    given = json.loads(hints)
    box = None if given["box"] is None else tuple(given["box"])
    try:
        network = read_keras_file(Path(path), Hints(box, given["activation"]))
    except InputError as error:
        answer: dict[str, object] = {"error": str(error)}
        content = b""
    else:
        answer = {
            "spec": network.spec.model_dump(),
            "input_shape": network.input_shape,
            "program": network.program,
        }
        content = save(dict(network.weights))
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + content)


if __name__ == "__main__":
    main(*sys.argv[1:])
