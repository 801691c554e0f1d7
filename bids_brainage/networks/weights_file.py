"""Arrays in safetensors files, checked before they are used."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.atomic import replacing
from bids_brainage.errors import BundleError

LARGEST_HEADER = 1_000_000


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one safetensors file, whole or not at all."""
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read_arrays(content: bytes, source: str) -> dict[str, np.ndarray]:
    """The named arrays of a safetensors file.

    Parameters
    ----------
    content : bytes
        The whole file.
    source : str
        Its name, for the message.

    Raises
    ------
    BundleError
        The header is missing, larger than any of ours, or does not describe the rest of the file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    length = struct.unpack("<Q", content[:8])[0] if len(content) >= 8 else len(content) + 1
    if length > min(LARGEST_HEADER, len(content) - 8):
        raise BundleError(messages.WEIGHTS_UNREADABLE.format(file=source, reason="its header is too long"))
    try:
        return dict(load(content))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BundleError(messages.WEIGHTS_UNREADABLE.format(file=source, reason=error)) from error
