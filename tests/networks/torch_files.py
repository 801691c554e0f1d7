"""Checkpoints as torch.save writes them, in both of its layouts, without PyTorch.

Pickles of protocol 2 that name PyTorch's functions, and the numbers beside or behind them
(torch/serialization.py of PyTorch 1.13: ``_save``, ``_legacy_save``).
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long", "u1": "Byte", "b1": "Bool"}


class Named:
    """A class or function that the pickle names."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise AssertionError("a stand-in is never called")


class Storage:
    """Numbers in a row."""

    def __init__(self, numbers: np.ndarray, kind: str | None = None) -> None:
        self.numbers = np.ascontiguousarray(numbers).ravel()
        self.kind = kind or KINDS[self.numbers.dtype.str[1:]]


class Tensor:
    """A view of a storage, pickled as a call of ``_rebuild_tensor_v2``."""

    def __init__(
        self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        self.parts = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self) -> Any:
        return Named("torch._utils", "_rebuild_tensor_v2"), self.parts


class Parameter:
    """A tensor that was to be trained."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __reduce__(self) -> Any:
        return Named("torch._utils", "_rebuild_parameter"), (self.tensor, True, OrderedDict())


def tensor(array: np.ndarray) -> Tensor:
    """A tensor of its own storage."""
    array = np.asarray(array)
    strides = np.ascontiguousarray(array).strides if array.ndim else ()
    return Tensor(Storage(array), 0, array.shape, tuple(step // array.itemsize for step in strides))


class Pickler(pickle._Pickler):
    """Writes `Named` as a global, and a `Storage` as something outside."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def __init__(self, stream: Any, storages: dict[str, Storage], rest: tuple[Any, ...] = ()) -> None:
        super().__init__(stream, protocol=2)
        self.storages, self.rest = storages, rest

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Storage):
            return None
        known = {id(storage): key for key, storage in self.storages.items()}
        key = known.setdefault(id(value), str(len(known)))
        self.storages[key] = value
        kind = Named("torch", f"{value.kind}Storage")
        return ("storage", kind, key, "cpu", value.numbers.size, *self.rest)

    def save_named(self, value: Named) -> None:
        self.write(f"c{value.module}\n{value.name}\n".encode())
        self.memoize(value)

    dispatch[Named] = save_named


def pickled(value: Any, rest: tuple[Any, ...] = ()) -> tuple[bytes, dict[str, Storage]]:
    """The pickle of a checkpoint, and its storages by key."""
    stream, storages = io.BytesIO(), {}
    Pickler(stream, storages, rest).dump(value)
    return stream.getvalue(), storages


def as_state(arrays: Mapping[str, np.ndarray]) -> OrderedDict[str, Tensor]:
    """A state_dict of arrays."""
    return OrderedDict((name, tensor(array)) for name, array in arrays.items())


def write_zip(path: Path, value: Any, folder: str = "archive", compression: int = zipfile.ZIP_STORED) -> Path:
    """Write the layout of PyTorch 1.6 and later."""
    content, storages = pickled(value)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", content)
        for key, storage in storages.items():
            archive.writestr(f"{folder}/data/{key}", storage.numbers.tobytes())
        archive.writestr(f"{folder}/version", b"3\n")
    return path


def write_legacy(path: Path, value: Any) -> Path:
    """Write the layout of PyTorch before 1.6."""
    content, storages = pickled(value, (None,))
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    with path.open("wb") as stream:
        for part in (MAGIC, 1001, system):
            pickle.dump(part, stream, protocol=2)
        stream.write(content)
        pickle.dump(sorted(storages), stream, protocol=2)
        for key in sorted(storages):
            numbers = storages[key].numbers
            stream.write(struct.pack("<q", numbers.size) + numbers.tobytes())
    return path
