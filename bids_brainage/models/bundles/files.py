"""The files of a bundle: each is compared with its sha256 once, and again only if it has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.fields import LARGEST_FILE
from bids_brainage.models.bundles.schema import FileRecord, SubEnsembleRecord
from bids_brainage.models.ensembles.base_model import check_weights
from bids_brainage.networks.weights_file import read_arrays
from bids_brainage.reading import read_bytes

#: What distinguishes a file from a later one of the same name.
Identity = tuple[int, int, int, int, int]


class BundleFiles:
    """Reads the files that ``bundle.json`` lists.

    Parameters
    ----------
    folder : Path
    records : mapping of str to FileRecord
        By path below the folder.
    """

    def __init__(self, folder: Path, records: Mapping[str, FileRecord]) -> None:
        self.folder = folder
        self.records = records
        self._checked: dict[str, Identity] = {}

    def content(self, file: str) -> bytes:
        """The bytes of a file, if its path, size and sum are as in bundle.json; else a BundleError."""
        path, expected = self.folder / file, self.records[file]
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.folder)):
            raise BundleError(messages.BUNDLE_FILE_OUTSIDE.format(file=path, folder=self.folder))
        before = identity(path)
        content = read_bundle_file(path, LARGEST_FILE)
        if before is not None and self._checked.get(file) == before:
            return content
        if len(content) != expected.bytes or hashlib.sha256(content).hexdigest() != expected.sha256:
            raise BundleError(messages.BUNDLE_ALTERED.format(file=path))
        if before is not None:
            self._checked[file] = before
        return content

    def arrays(self, file: str) -> dict[str, np.ndarray]:
        """The arrays of a file."""
        return read_arrays(self.content(file), str(self.folder / file))

    def weights(self, file: str, sub: SubEnsembleRecord) -> dict[str, np.ndarray]:
        """The weights of a base model as float32, if names, shapes and types are as described."""
        weights = self.arrays(file)
        check_weights(weights, sub.architecture.weight_shapes(sub.input_shape), str(self.folder / file))
        return {name: array.astype(np.float32) for name, array in weights.items()}

    def unchanged(self) -> bool:
        """Whether all files that were read are unchanged."""
        return all(identity(self.folder / file) == known for file, known in self._checked.items())


def identity(path: Path) -> Identity | None:
    """Device, inode, size and times of a file; None if it cannot be accessed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_bundle_file(path: Path, limit: int) -> bytes:
    """The bytes of a regular file; BundleError if there is none, or it is larger."""
    try:
        return read_bytes(path, limit)
    except OSError as error:
        raise BundleError(messages.BUNDLE_FILE_UNREADABLE.format(file=path, reason=error.strerror)) from error
