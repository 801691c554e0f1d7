"""Untrusted HDF5 files: looked up name by name, no link followed, every size checked before it is read.

An HDF5 file can point to other files (external links, external and virtual datasets) and can ask the
library to load a plug-in (custom filters). None of that is ever followed here, and no type but
plain floats and plain text is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line

if TYPE_CHECKING:
    import h5py

ENDINGS = (".h5", ".hdf5")
LARGEST_FILE = 2_000_000_000
MOST_MEMBERS = 1000


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.Group]:
    """Open a file for reading.

    Yields
    ------
    h5py.Group
        Its root.

    Raises
    ------
    InputError
        There is no such file, it is not an HDF5 file, or it turns out to be damaged while it is read.
    """
    import h5py

    _check_file(path)
    try:
        if not h5py.is_hdf5(path):
            raise InputError(messages.HDF5_IS_NONE.format(file=path))
        with h5py.File(path, "r") as root:
            yield root
    # What h5py raises depends on which of the file's structures is damaged.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise InputError(messages.HDF5_DAMAGED.format(file=path, reason=one_line(error))) from error


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """What `name` (parts separated by slashes) stands for below `group`, or None.

    Raises
    ------
    InputError
        There is a link on the way, which could lead out of the file.
    """
    import h5py

    node = group
    for part in name.split("/"):
        if not isinstance(node, h5py.Group) or part in ("", "."):
            return None
        link = node.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise _refusal(group, messages.HDF5_LINK, name=name)
        node = node[part]
    return node


def texts(node: h5py.Group, name: str) -> list[str] | None:
    """The strings of an attribute, or None where there is no such attribute.

    Raises
    ------
    InputError
        It contains something else, or more strings than any network has layers.
    """
    import h5py

    if name not in node.attrs:
        return None
    attribute = node.attrs.get_id(name)
    count = int(np.prod(attribute.shape, dtype=np.int64))
    if count == 0:
        return []
    is_text = attribute.dtype.kind == "S" or h5py.check_string_dtype(attribute.dtype) is not None
    if not is_text or count > MOST_MEMBERS:
        raise _refusal(node, messages.HDF5_ATTRIBUTE, name=name, most=MOST_MEMBERS)
    values = np.atleast_1d(np.asarray(node.attrs[name], dtype=object)).ravel()
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def names(group: h5py.Group) -> list[str]:
    """Names of a group's members; InputError if there are more than any network has."""
    if len(group) > MOST_MEMBERS:
        raise _refusal(group, messages.HDF5_ATTRIBUTE, name=group.name, most=MOST_MEMBERS)
    return [str(name) for name in group]


def floats(dataset: h5py.Dataset, shape: Sequence[int]) -> np.ndarray:
    """Read a dataset of finite floats.

    Parameters
    ----------
    dataset : h5py.Dataset
    shape : sequence of int
        That it must have; the caller has made sure that this much fits into memory.

    Returns
    -------
    array, float32

    Raises
    ------
    InputError
        Another shape or type, numbers that are not finite as float32, data outside the file, a filter
        other than gzip, shuffle and checksum, or no data at all.
    """
    import h5py

    harmless = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(index)[0] for index in range(plan.get_nfilters())}
    if dataset.external is not None or dataset.is_virtual or not filters <= set(harmless):
        raise _refusal(dataset, messages.HDF5_OUTSIDE, name=dataset.name)
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8 or dataset.shape != tuple(shape):
        found = f"{dataset.dtype} {dataset.shape}"
        raise _refusal(dataset, messages.HDF5_SHAPE, name=dataset.name, found=found, expected=tuple(shape))
    if dataset.id.get_storage_size() == 0:
        raise _refusal(dataset, messages.HDF5_NO_DATA, name=dataset.name)
    with np.errstate(over="ignore"):
        array = np.asarray(dataset[()]).astype(np.float32)
    if not np.isfinite(array).all():
        raise _refusal(dataset, messages.HDF5_NOT_FINITE, name=dataset.name)
    return array


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(messages.HDF5_MISSING.format(file=path))
    if path.suffix.lower() not in ENDINGS:
        raise InputError(messages.HDF5_ENDING.format(file=path, endings=" or ".join(ENDINGS)))
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(messages.HDF5_TOO_LARGE.format(file=path, most=LARGEST_FILE / 1e9))


def _refusal(node: h5py.Group | h5py.Dataset, sentence: str, **fields: object) -> InputError:
    quoted = {field: one_line(value) for field, value in fields.items()}
    return InputError(sentence.format(file=node.file.filename, **quoted))
