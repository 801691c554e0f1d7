"""The arrays in a weight file of any kind: PyTorch's checkpoints, safetensors, Keras' HDF5.

The kind is told by the content, not by the name. Files are read in a separate process (`isolated`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError, InputError
from bids_brainage.networks.readers.faults import UnfitError
from bids_brainage.networks.readers.isolated import SECONDS, Answer, answer, ask
from bids_brainage.networks.weights_file import read_arrays
from bids_brainage.quoting import one_line
from bids_brainage.reading import read_bytes

LARGEST_FILE = 2_000_000_000
HDF5_START = b"\x89HDF\r\n\x1a\n"
#: What stands in a file instead of its content, where a repository keeps that elsewhere.
POINTERS = (b"version https://git-lfs.github.com/spec/", b"/annex/objects/", b"../.git/annex/")
WEB_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
#: Counters that PyTorch keeps beside a batch normalisation; they play no part in an estimate.
COUNTER = "num_batches_tracked"


def read_weights(path: Path, *, seconds: int = SECONDS) -> dict[str, np.ndarray]:
    """The arrays of a network in a file, read in another process; nothing in the file is executed.

    Parameters
    ----------
    path : Path
        A PyTorch checkpoint (a state_dict, alone or in a dictionary, of any version's layout), a safetensors
        file, or an HDF5 file of Keras.
    seconds : int
        Time limit.

    Returns
    -------
    dict of str to float32 array
        In the file's order and under its names; of PyTorch's without ``module.`` in front and without
        counters.

    Raises
    ------
    InputError
        One sentence: there is no such file, it is none of these, damaged, a pointer or a web page in its
        place, holds a program, or numbers that are not finite.
    """
    found, arrays = ask("bids_brainage.networks.readers.weights", path, seconds=seconds)
    return {name: arrays[str(place)] for place, name in enumerate(found["names"])}


def read_here(path: Path) -> dict[str, np.ndarray]:
    """Do what `read_weights` does, in this process."""
    try:
        content = read_bytes(path, LARGEST_FILE)
    except OSError as error:
        raise InputError(messages.FILE_UNREADABLE.format(file=path, reason=error.strerror)) from error
    try:
        arrays = _by_kind(path, content)
        return {name: _floats(name, array) for name, array in arrays.items() if not name.endswith(COUNTER)}
    except UnfitError as error:
        fields = {name: one_line(value) for name, value in error.fields.items()}
        raise InputError(error.sentence.format(file=path, **fields)) from error


def _by_kind(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """The arrays as they are in the file."""
    from bids_brainage.networks.readers.torch_file import LEGACY_START, read_torch

    start = content[:200].lstrip().lower()
    if not content:
        raise UnfitError(messages.FILE_DAMAGED, reason="it is empty")
    if start.startswith(POINTERS):
        raise UnfitError(messages.FILE_IS_POINTER)
    if start.startswith(WEB_PAGES):
        raise UnfitError(messages.FILE_IS_PAGE)
    if content.startswith(HDF5_START):
        from bids_brainage.networks.readers.keras_file import read_keras_arrays

        return read_keras_arrays(path)
    if content.startswith((b"PK", LEGACY_START)):
        return read_torch(content)
    if content[8:9] == b"{":
        try:
            return read_arrays(content, str(path))
        except BundleError as error:
            raise UnfitError(messages.FILE_DAMAGED, reason="its header does not describe the rest") from error
    if content.startswith(b"\x80"):
        raise UnfitError(messages.FILE_IS_PICKLE)
    raise UnfitError(messages.FILE_UNKNOWN)


def _floats(name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(floats).all():
        raise UnfitError(messages.FILE_NOT_FINITE, name=name)
    return floats


def _answer(path: str) -> Answer:
    arrays = read_here(Path(path))
    return {"names": list(arrays)}, {str(place): array for place, array in enumerate(arrays.values())}


if __name__ == "__main__":
    answer(lambda: _answer(sys.argv[1]))
