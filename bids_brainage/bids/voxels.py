"""How fine the voxels of an image are, by its header alone."""

from __future__ import annotations

import math
import stat
from pathlib import Path

#: The fineness of a header that cannot be read.
UNREAD = (math.inf, math.inf)
_MM_PER_UNIT = {"meter": 1000.0, "micron": 0.001}
_LONGEST_HEADER = 540


def fineness(path: Path) -> tuple[float, float]:
    """Return the longest edge of a voxel in mm and its volume in mm3, rounded: what is finer comes first.

    The edge counts first, since thick slices may have the smallest voxels. A header that cannot be read
    comes last.
    """
    try:
        edges = _edges(path)
    except Exception:  # of whatever kind: a damaged header is told when the image is used
        return UNREAD
    if not all(math.isfinite(edge) and edge > 0 for edge in edges):
        return UNREAD
    return round(max(edges), 1), round(math.prod(edges), 1)


def _edges(path: Path) -> list[float]:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header
    from nibabel.openers import Opener

    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("no regular file")
    with Opener(str(path)) as stream:
        block = stream.read(_LONGEST_HEADER)
    kind = Nifti2Header if Nifti2Header.may_contain_header(block) else Nifti1Header
    header = kind(block[: kind.sizeof_hdr], check=False)
    unit = _MM_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)
    return [abs(float(edge)) * unit for edge in header["pixdim"][1:4]]
