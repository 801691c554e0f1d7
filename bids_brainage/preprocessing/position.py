"""Where an image lies in space: its header may say so twice, wrongly, or in another unit."""

from __future__ import annotations

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.image_file import ImageFile

VOXEL_SIZES = (0.2, 8.0)  # mm
FIELD_OF_VIEW = (60.0, 400.0)  # mm, along each axis
FARTHEST_CENTRE = 1000.0  # mm from the scanner's origin
SHEAR_TOLERATED = 0.02  # cosine between two axes
SCALE_TOLERATED = 0.02  # part of a voxel by which sform and qform may differ
NORMALISED = 1.4  # no template changes a head's size by more than this factor
TURN_TOLERATED = 5.0  # degrees between the two, and mm between the two centres
UNITS = {"meter": 1e3, "micron": 1e-3}  # to mm

Affine = NDArray[np.float64]
Shape = tuple[int, int, int]


def find_affine(file: ImageFile, shape: Shape, warnings: list[str]) -> Affine:
    """Give the map from voxels to mm: the sform if it can be one of a scanner, else the qform.

    Parameters
    ----------
    file : ImageFile
    shape : tuple of int
        The three dimensions in space.
    warnings : list of str
        A sentence is added if the header's two positions disagree, or its unit is not mm.

    Raises
    ------
    ImageError
        If the header gives no position, or none that an image of a head can have.
    """
    found = file.affines()
    if not found:
        raise ImageError(messages.AFFINE_MISSING.format(file=file.path))
    affines = {name: _in_mm(file, affine, warnings) for name, affine in found.items()}
    faults = {name: _fault(file, affine, shape) for name, affine in affines.items()}
    first = next(iter(affines))
    good = [name for name, fault in faults.items() if fault is None]
    if not good:
        raise ImageError(faults[first])
    if first not in good:
        text = messages.SFORM_NOT_USED
        warnings.append(text.format(file=file.path, fault=_fault_of_form(affines[first], shape)))
    elif len(good) == 2:
        return _better(file, [_present(affines[name]) for name in good], shape, warnings)
    return _present(affines[good[0]])


def _in_mm(file: ImageFile, affine: Affine | None, warnings: list[str]) -> Affine | None:
    """`affine` in mm, if it makes sense in the unit that the header names, and only there."""
    factor = UNITS.get(file.unit)
    if affine is None or factor is None or not np.isfinite(affine).all():
        return affine
    sizes = voxel_sizes(affine)
    if _are_sizes(sizes) or not _are_sizes(sizes * factor):
        return affine
    warning = messages.UNIT_CONVERTED.format(file=file.path, unit=file.unit)
    if warning not in warnings:
        warnings.append(warning)
    return np.diag([factor, factor, factor, 1.0]) @ affine


def _are_sizes(sizes: NDArray) -> bool:
    return bool((sizes >= VOXEL_SIZES[0]).all() and (sizes <= VOXEL_SIZES[1]).all())


def _fault(file: ImageFile, affine: Affine | None, shape: Shape) -> str | None:
    """The sentence that says why no image of a head lies so; None if one can."""
    fault = _fault_of_form(affine, shape)
    if fault is not None:
        return messages.AFFINE_ABSURD.format(file=file.path, fault=fault)
    sizes = voxel_sizes(_present(affine))
    if not _are_sizes(sizes):
        return messages.VOXELS_ABSURD.format(file=file.path, sizes=_text(sizes))
    extent = sizes * shape
    if (extent < FIELD_OF_VIEW[0]).any() or (extent > FIELD_OF_VIEW[1]).any():
        return messages.FIELD_ABSURD.format(file=file.path, field=" x ".join(f"{x:.0f}" for x in extent))
    return None


def _fault_of_form(affine: Affine | None, shape: Shape) -> str | None:
    """What is wrong with the numbers themselves, in words."""
    if affine is None or not np.isfinite(affine).all():
        return messages.AFFINE_FAULTS["number"]
    with np.errstate(over="ignore"):
        sizes = voxel_sizes(affine)
    if not np.isfinite(sizes).all():
        return messages.AFFINE_FAULTS["number"]
    if (sizes == 0).any():
        return messages.AFFINE_FAULTS["flat"]
    axes = affine[:3, :3] / sizes
    shear = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if shear > SHEAR_TOLERATED:
        off = np.rad2deg(np.arcsin(min(shear, 1.0)))
        return messages.AFFINE_FAULTS["sheared"].format(degrees=90 - off)
    farthest = float(np.abs(_centre(affine, shape)).max())
    if farthest > FARTHEST_CENTRE:
        return messages.AFFINE_FAULTS["far"].format(distance=farthest, most=FARTHEST_CENTRE)
    return None


def _better(file: ImageFile, affines: list[Affine], shape: Shape, warnings: list[str]) -> Affine:
    """The sform, unless it changes the size of the head as a template would; a warning if the two differ."""
    sform, qform = affines
    sizes, scanned = voxel_sizes(sform), voxel_sizes(qform)
    scale = sizes / scanned
    if (np.abs(scale - 1) > SCALE_TOLERATED).any():
        normalised = bool((scale > 1 / NORMALISED).all() and (scale < NORMALISED).all())
        text = messages.SFORM_SCALED if normalised else messages.QFORM_SCALED
        warnings.append(text.format(file=file.path, sizes=_text(sizes), scanned=_text(scanned)))
        return qform if normalised else sform
    between = (sform[:3, :3] / sizes) @ np.linalg.inv(qform[:3, :3] / scanned)
    if np.linalg.det(between) < 0:
        warnings.append(messages.FORMS_MIRRORED.format(file=file.path))
        return sform
    turn = float(np.rad2deg(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1))))
    apart = float(np.linalg.norm(_centre(sform, shape) - _centre(qform, shape)))
    if turn > TURN_TOLERATED or apart > TURN_TOLERATED:
        warnings.append(messages.FORMS_DIFFER.format(file=file.path, turn=turn, apart=apart))
    return sform


def _text(sizes: NDArray) -> str:
    return " x ".join(f"{size:.3g}" for size in sizes)


def _centre(affine: Affine, shape: Shape) -> NDArray[np.float64]:
    """The middle of the image, mm."""
    return np.asarray(affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3])


def _present(affine: Affine | None) -> Affine:
    assert affine is not None
    return affine
