"""Files of strangers are read in a separate process: a damaged one can make a library hang or crash.

That process has limited time and memory. It returns JSON and safetensors, never a pickle.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.networks.weights_file import read_arrays

SECONDS = 60
MOST_MEMORY = 6_000_000_000

#: What reading gives: a record that JSON can hold, and named arrays.
Answer = tuple[Mapping[str, Any], Mapping[str, np.ndarray]]


def ask(module: str, path: Path, *arguments: str, seconds: int = SECONDS) -> tuple[dict[str, Any], Any]:
    """Let a module of ours read a file in another process.

    Parameters
    ----------
    module : str
        Its full name; run as a program with the path and the arguments, it calls `answer`.
    path : Path
        The file.
    arguments : str
        What else it is told.
    seconds : int
        Time limit.

    Returns
    -------
    tuple of (dict, dict of str to array)
        What its `answer` was given.

    Raises
    ------
    InputError
        What the module raises; also if the file makes it hang, crash or ask for too much memory.
    """
    command = [sys.executable, "-P", "-m", module, str(path), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        reason = f"it could not be read within {seconds} seconds"
        raise InputError(messages.FILE_DAMAGED.format(file=path, reason=reason)) from error
    head, _, content = done.stdout.partition(b"\n")
    if not head:
        reason = f"reading it ended with exit code {done.returncode}"
        raise InputError(messages.FILE_DAMAGED.format(file=path, reason=reason))
    found = json.loads(head)
    if "error" in found:
        raise InputError(found["error"])
    return found, read_arrays(content, str(path))


def answer(read: Callable[[], Answer]) -> None:
    """Read, and write what is found, or what is wrong with it, to standard output."""
    import resource

    from safetensors.numpy import save

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    try:
        found, arrays = read()
    except InputError as error:
        found, arrays = {"error": str(error)}, {}
    sys.stdout.buffer.write(json.dumps(found).encode() + b"\n")
    sys.stdout.buffer.write(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
