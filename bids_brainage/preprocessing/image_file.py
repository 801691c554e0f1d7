"""A user's image file opened with care: its header is checked against the file before data are read.

Only the fixed part of a header is read, never its extensions, so that no header can ask for more time or
memory than its voxels may take. A file is decompressed once, to its end, where its checksum is.
"""

from __future__ import annotations

import gzip
import math
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError, UnreachableError

MOST_VOXELS = 2**28  # 1 GB as float32
MOST_BYTES = 2**31  # as they are stored: that many voxels of 64 bits
FARTHEST_DATA = 2**26  # bytes of extensions before the voxels, or of anything after them
GZIP_RATIO = 1032  # deflate cannot compress further
CHUNK = 2**22
HEADER_BYTES = 540  # of NIfTI-2, the longest
UNREADABLE = (
    *(OSError, EOFError, ValueError, OverflowError, KeyError, zlib.error),
    *(HeaderDataError, WrapStructError),
)


@dataclass(frozen=True)
class ImageFile:
    """An image whose header was read and whose voxels were not.

    Attributes
    ----------
    path : Path
    header : Nifti1Header, Nifti2Header or MGHHeader
    shape : tuple of int
        As the header says; at least one axis, none of them empty.
    dtype : numpy.dtype
        As stored.
    """

    path: Path
    header: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def affines(self) -> dict[str, NDArray[np.float64] | None]:
        """Voxels to space, by every form that the header claims: sform before qform, or MGH's only one.

        None stands for numbers that do not give a position. A NIfTI header need not give any.
        """
        if isinstance(self.header, MGHHeader):
            return {"header": _affine(self.header.get_affine)}
        forms = {"sform": self.header.get_sform, "qform": self.header.get_qform}
        return {name: _affine(form) for name, form in forms.items() if int(self.header[f"{name}_code"])}

    @property
    def unit(self) -> str:
        """The unit of length that the header names: meter, mm, micron or unknown; mm in MGH."""
        if isinstance(self.header, MGHHeader):
            return "mm"
        try:
            return str(self.header.get_xyzt_units()[0])
        except KeyError:  # no unit has that number
            return "unknown"

    @property
    def scaling(self) -> tuple[float, float]:
        """Slope and intercept of the values; 1 and 0 if the header gives none."""
        slope, intercept = self.header.get_slope_inter()
        return (1.0, 0.0) if slope is None else (float(slope), float(intercept))

    def data(self) -> NDArray[np.float32]:
        """Read the voxels, scaled as the header says.

        Raises
        ------
        ImageError
            If the file ends too early, is damaged, or is much longer than its voxels need.
        """
        self._check_claims()
        try:
            with _opened(self.path) as stream, np.errstate(over="ignore", invalid="ignore"):
                # Scaled in 64 bits, whatever NumPy there is, and rounded once.
                data = np.asanyarray(ArrayProxy(stream, self.header, mmap=False)).astype(
                    np.float32, copy=False
                )
                rest = _rest(stream)
        except UNREADABLE as error:
            raise _refusal(error)(messages.IMAGE_TRUNCATED.format(file=self.path)) from error
        if rest > FARTHEST_DATA:
            raise ImageError(messages.IMAGE_GOES_ON.format(file=self.path))
        return data

    def _check_claims(self) -> None:
        """Check the header's claims against what is possible, and against the size of the file."""
        text = " x ".join(map(str, self.shape))
        count = math.prod(self.shape)
        if count > MOST_VOXELS or count * self.dtype.itemsize > MOST_BYTES:
            raise ImageError(messages.IMAGE_TOO_LARGE.format(file=self.path, shape=text))
        offset = int(self.header.get_data_offset())
        if not 0 < offset <= FARTHEST_DATA:
            raise ImageError(messages.IMAGE_OFFSET.format(file=self.path, offset=offset))
        most = self.path.stat().st_size * (GZIP_RATIO if _is_gzip(self.path) else 1)
        if offset + count * self.dtype.itemsize > most:
            raise ImageError(messages.IMAGE_TRUNCATED.format(file=self.path))


def open_image(path: Path) -> ImageFile:
    """Read the header of an image.

    Parameters
    ----------
    path : Path
        NIfTI-1 or -2 in one file, or MGH; gzipped or not.

    Raises
    ------
    ImageError
        If there is no such file, it is not a regular file, it cannot be opened, or it is not an image.
    """
    check_regular(path)
    try:
        with _opened(path) as stream:
            header = _header(stream.read(HEADER_BYTES))
        shape = tuple(int(length) for length in header.get_data_shape())
        kind = header.get_data_dtype()
        int(header.get_data_offset()), header.get_slope_inter()  # may not be numbers
    except PermissionError as error:
        raise UnreachableError(messages.NOT_READABLE.format(path=path, reason=error.strerror)) from error
    except UNREADABLE as error:
        raise _refusal(error)(messages.IMAGE_UNREADABLE.format(file=path)) from error
    if not shape or min(shape) < 1:
        raise ImageError(messages.IMAGE_NOT_3D.format(file=path, shape=" x ".join(map(str, shape))))
    return ImageFile(path, header, shape, kind)


def _refusal(error: BaseException) -> type[ImageError]:
    """Whether the file is to blame, or what it lies on; errors of gzip's have no number."""
    return UnreachableError if isinstance(error, OSError) and error.errno else ImageError


def _affine(form: Callable[[], Any]) -> NDArray[np.float64] | None:
    try:
        return np.asarray(form(), dtype=np.float64)
    except (ValueError, HeaderDataError, FloatingPointError, np.linalg.LinAlgError):
        return None


def check_regular(path: Path) -> None:
    """Refuse what does not exist, is empty, or is not a file: a FIFO or device would be read for ever."""
    try:
        found = path.stat()
    except OSError as error:
        raise UnreachableError(messages.IMAGE_MISSING.format(file=path)) from error
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(messages.IMAGE_NOT_A_FILE.format(file=path))
    if found.st_size == 0:
        raise ImageError(messages.IMAGE_NO_BYTES.format(file=path))


def _header(block: bytes) -> Nifti1Header | Nifti2Header | MGHHeader:
    """The header at the beginning of a file, recognised by its magic bytes."""
    if block[344:348] == b"n+1\0":
        return Nifti1Header(block[:348])
    if block[4:8] == b"n+2\0":
        return Nifti2Header(block[:540])
    if block[:4] == b"\0\0\0\1" and len(block) >= 284:
        return MGHHeader(block[:284])
    raise ValueError("neither NIfTI in one file nor MGH")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of the image, decompressed if they are gzipped."""
    if _is_gzip(path):
        with gzip.open(path) as stream:
            yield cast(IO[bytes], stream)
    else:
        with path.open("rb") as plain:
            yield plain


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _rest(stream: IO[bytes]) -> int:
    """How many bytes follow, counted a little beyond what is tolerated; reads the checksum of gzip."""
    count = 0
    while count <= FARTHEST_DATA and (chunk := stream.read(CHUNK)):
        count += len(chunk)
    return count
