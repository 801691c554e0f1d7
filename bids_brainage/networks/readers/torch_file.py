"""PyTorch's checkpoints (``.p``, ``.pth``, ``.pt``, ``.ckpt``) as arrays, without PyTorch.

Two layouts, both with the numbers beside a pickle that says which array lies where: since PyTorch 1.6 a zip
archive (``*/data.pkl``, ``*/data/<key>``), before it one pickle after the other and the numbers behind them
(torch/serialization.py, ``_save`` and ``_legacy_save``). The pickles are read by `pickle_tokens`, so nothing
in them can act; PyTorch's own reader of untrusted files has been broken twice (CVE-2025-32434,
CVE-2026-24747).
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.networks.readers.faults import UnfitError
from bids_brainage.networks.readers.pickle_tokens import Call, Name, Outside, TokenError, read_tokens

#: First number of a file in the old layout, and the version that follows it.
MAGIC, LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001
#: The pickle of `MAGIC`.
LEGACY_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
#: Where a checkpoint keeps a network's weights, if it keeps other things beside them.
CONTAINERS = ("state_dict", "model_state_dict", "model", "net")
#: Put before the names of networks that were trained on several processors.
PREFIX = "module."
#: Arrays of one network, and axes of an array.
MOST_ARRAYS, MOST_AXES = 20_000, 8
#: Arrays may share numbers, but together they are not much larger than their file.
MOST_SHARED = 4

#: Types of storages; bfloat16 is the upper half of a float32.
STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}

#: Gives the bytes of the storage of a key, of which so many are expected.
Fetch = Callable[[str, int], bytes]


def read_torch(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a network in a checkpoint.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    dict of str to array
        In the file's order and under its names, without the ``module.`` of networks that were trained on
        several processors.

    Raises
    ------
    UnfitError
        It is damaged, holds a program or a whole pickled network, no arrays, or arrays that are not in it.
    """
    try:
        root, fetch = _zip(content) if content.startswith(b"PK") else _legacy(content)
        # Arrays that share a storage read it once.
        fetch = cache(fetch)
        arrays = {name: _array(name, value, fetch) for name, value in _find_state(root).items()}
    except TokenError as error:
        raise UnfitError(messages.FILE_DAMAGED, reason=error) from error
    if sum(array.nbytes for array in arrays.values()) > MOST_SHARED * len(content):
        raise UnfitError(messages.FILE_DAMAGED, reason="its arrays are larger than the file")
    if all(name.startswith(PREFIX) for name in arrays):
        return {name.removeprefix(PREFIX): array for name, array in arrays.items()}
    return arrays


def _zip(content: bytes) -> tuple[Any, Fetch]:
    """What the pickle in a zip archive says, and a reader of the storages beside it."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, UnicodeError) as error:
        raise UnfitError(messages.FILE_DAMAGED, reason="the archive has no end") from error
    if sum(info.file_size for info in members.values()) > len(content):
        deflated = any(info.compress_type != zipfile.ZIP_STORED for info in members.values())
        reason = "its parts are larger than the file"
        raise UnfitError(messages.TORCH_DEFLATED if deflated else messages.FILE_DAMAGED, reason=reason)
    pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    folder = pickles[0].removesuffix("data.pkl") if len(pickles) == 1 else ""
    if f"{folder}constants.pkl" in members or any(name.startswith(f"{folder}code/") for name in members):
        raise UnfitError(messages.TORCH_SCRIPT)
    if len(pickles) != 1:
        raise UnfitError(messages.TORCH_OTHER_ZIP)

    def fetch(name: str, size: int | None = None) -> bytes:
        info = members.get(f"{folder}{name}")
        if info is None or (size is not None and info.file_size < size):
            raise UnfitError(messages.FILE_DAMAGED, reason=f"{name} is not in it as a whole")
        if info.compress_type != zipfile.ZIP_STORED:
            raise UnfitError(messages.TORCH_DEFLATED)
        try:
            return archive.read(info)
        except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, OSError) as error:
            raise UnfitError(messages.FILE_DAMAGED, reason=f"{name} cannot be read") from error

    if f"{folder}byteorder" in members and fetch("byteorder").strip() != b"little":
        raise UnfitError(messages.TORCH_BYTE_ORDER)
    root = read_tokens(io.BytesIO(fetch("data.pkl")))
    return root, lambda key, size: fetch(f"data/{key}", size)


def _legacy(content: bytes) -> tuple[Any, Fetch]:
    """What the fourth pickle of an old file says, and a reader of the storages behind the fifth."""
    stream = io.BytesIO(content)
    magic, version = read_tokens(stream), read_tokens(stream)
    if magic != MAGIC or version != LEGACY_VERSION:
        raise TokenError("it is a pickle, but not of PyTorch")
    system, root, keys = (read_tokens(stream) for _ in range(3))
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise UnfitError(messages.TORCH_BYTE_ORDER)
    sizes = _legacy_sizes(root)
    places: dict[str, int] = {}
    position = stream.tell()
    for key in keys if isinstance(keys, list) else ():
        if not isinstance(key, str) or key not in sizes or position + 8 > len(content):
            raise TokenError("its storages are not those that it names")
        (count,) = struct.unpack_from("<q", content, position)
        places[key] = position + 8
        position += 8 + count * sizes[key]
        if count < 0 or position > len(content):
            raise TokenError(f"it ends {position - len(content):,} bytes early")

    def fetch(key: str, size: int) -> bytes:
        if key not in places or places[key] + size > len(content):
            raise TokenError(f"storage {key} is not in it as a whole")
        return content[places[key] : places[key] + size]

    return root, fetch


def _legacy_sizes(root: Any) -> dict[str, int]:
    """Bytes of a number of each storage that is named anywhere in `root`, by key."""
    sizes: dict[str, int] = {}
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Outside):
            storage = _storage(value)
            sizes[storage.key] = storage.dtype.itemsize
            continue
        if id(value) in seen or not isinstance(value, dict | list | tuple | Call):
            continue
        seen.add(id(value))
        if isinstance(value, Call):
            waiting.extend((value.arguments, value.entries, value.state))
        else:
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return sizes


@dataclass(frozen=True)
class _Storage:
    """Numbers in a row: their type, their key in the file, how many."""

    dtype: np.dtype[Any]
    key: str
    count: int
    is_bfloat16: bool


def _storage(outside: Any) -> _Storage:
    """The storage that a persistent identification means; TokenError if it means none."""
    match outside:
        case Outside(("storage", Name(text), str(key), _, int(count), *rest)):
            kind = text.rpartition(".")[2]
            if kind in STORAGES and count >= 0 and not any(rest):
                return _Storage(STORAGES[kind], key, count, kind.startswith("BFloat"))
            raise TokenError(f"it has a storage of the kind {text}")
    raise TokenError("something in it lies in no storage")


def _entries(value: Any) -> Mapping[Any, Any] | None:
    """The items of a dictionary, also of one that a call would make; None if it is not one."""
    if isinstance(value, dict):
        return value
    ordered = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict")
    if isinstance(value, Call) and isinstance(value.function, Name) and value.function.text in ordered:
        return value.entries
    return None


def _find_state(root: Any) -> dict[str, Call]:
    """The calls that make the network's arrays, by name."""
    whole = False
    outer = _entries(root) or {}
    for candidate in (root, *(outer[name] for name in CONTAINERS if name in outer)):
        entries = _entries(candidate)
        if entries is None:
            whole = whole or _is_module(candidate)
            continue
        state = {name: value for name, value in entries.items() if isinstance(name, str) and _is_array(value)}
        if len(state) > MOST_ARRAYS:
            raise UnfitError(messages.TORCH_MANY, found=len(state), most=MOST_ARRAYS)
        if state:
            return state
    names = ", ".join(str(name) for name in list(outer)[:20]) or "nothing by name"
    raise UnfitError(messages.TORCH_WHOLE if whole else messages.TORCH_NO_STATE, names=names)


def _is_module(value: Any) -> bool:
    """Whether something is a pickled object with parts of its own."""
    return isinstance(value, Call) and isinstance(value.state, dict | tuple)


def _is_array(value: Any) -> bool:
    return isinstance(value, Call) and isinstance(value.function, Name) and value.function.text in _MAKERS


#: What makes an array, as PyTorch writes it.
_REBUILD = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
_PARAMETER = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
_MAKERS = frozenset((*_REBUILD, *_PARAMETER))


def _array(name: str, value: Any, fetch: Fetch) -> np.ndarray:
    """The array that a call would make."""
    for _ in range(2):
        match value:
            case Call(Name(text), (inner, *_)) if text in _PARAMETER:
                value = inner
    match value:
        case Call(Name(text), (Outside() as outside, int(offset), tuple(shape), tuple(strides), *_)) if (
            text in _REBUILD
        ):
            return _strided(name, _storage(outside), offset, shape, strides, fetch)
    raise TokenError(f"{name} is not written as PyTorch does")


def _strided(
    name: str, storage: _Storage, offset: int, shape: tuple[Any, ...], strides: tuple[Any, ...], fetch: Fetch
) -> np.ndarray:
    """A view of a storage, which must lie inside of it."""
    numbers = (offset, *shape, *strides)
    plain = all(type(number) is int and 0 <= number < 2**40 for number in numbers)
    if not plain or len(shape) != len(strides) or len(shape) > MOST_AXES:
        raise TokenError(f"{name} has no shape that an array can have")
    count = math.prod(shape)
    end = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1 if count else 0
    if end > storage.count or count > storage.count:
        raise UnfitError(messages.TORCH_BEYOND, name=name)
    content = fetch(storage.key, storage.count * storage.dtype.itemsize)
    flat = np.frombuffer(content, storage.dtype, storage.count)
    steps = tuple(step * flat.itemsize for step in strides)
    view = np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False)
    if storage.is_bfloat16:
        return (view.astype(np.uint32) << 16).view(np.float32)
    return view
