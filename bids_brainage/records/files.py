"""Writing files as a whole, and checking whether a file is still what was written."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import BrainAgeError

_CHUNK = 1 << 20


def write_json(path: Path, content: Any) -> Path:
    """Write `content` as indented JSON; what is not finite is written as null."""
    return write_text(path, json.dumps(plain(content), indent=2, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Copy of `value` in the types JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return value.as_posix()
    return value


def sha256_of(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_file(source: Path, target: Path) -> None:
    """Copy a file and compare what is on disk with it.

    Raises
    ------
    BrainAgeError
        If the copy differs: the disk is full or failing, or the source is being written to.
    """
    shutil.copyfile(source, target)
    if sha256_of(target) != sha256_of(source):
        raise BrainAgeError(messages.COPY_DIFFERS.format(source=source, target=target))


def compress(source: Path, target: Path) -> None:
    """Write an image (.nii) to `target` (.nii.gz) without changing a byte of it.

    Raises
    ------
    BrainAgeError
        If what is on disk is not whole.
    """
    with (
        source.open("rb") as content,
        target.open("wb") as stream,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=stream, mtime=0) as packed,
    ):
        shutil.copyfileobj(content, packed)
    check_image(target)


def check_image(path: Path) -> None:
    """Read a written NIfTI image back to its last byte.

    Raises
    ------
    BrainAgeError
        If it is cut off or broken.
    """
    import nibabel as nib

    try:
        proxy: Any = nib.Nifti1Image.from_filename(path).dataobj
        expected = proxy.offset + math.prod(proxy.shape) * proxy.dtype.itemsize
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            found = sum(len(chunk) for chunk in iter(lambda: stream.read(_CHUNK), b""))
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise BrainAgeError(messages.WRITTEN_BROKEN.format(path=path.name, reason=error)) from error
    if found < expected:
        reason = f"{found} bytes of {expected}"
        raise BrainAgeError(messages.WRITTEN_BROKEN.format(path=path.name, reason=reason))
