"""Was an image scanned like those a model was trained on? Voxels and smoothness of each sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

# Voxels may be this much larger or smaller than all of those in training: headers round.
TOLERANCE = 0.02
# Standard deviations; as for the other measures of inputs.
LIMIT = 4.0
# Of smoothness, mm: people scanned alike differ by less than can matter.
LEAST_SD = 0.1


@dataclass(frozen=True)
class Scan:
    """One image of one person.

    Attributes
    ----------
    extent : tuple of float or None
        mm that a scanned voxel reached along each axis; None if that is not known.
    smoothness : float or None
        FWHM of the prepared image inside the brain, mm.
    """

    extent: tuple[float, float, float] | None
    smoothness: float | None


@dataclass(frozen=True)
class ScanNorms:
    """The training people's images of one sequence.

    Attributes
    ----------
    voxels : tuple of float or None
        Smallest and largest extent of a voxel along any axis, mm; None if it was not known of anybody.
    smoothness : tuple of float or None
        Mean and standard deviation, mm.
    """

    voxels: tuple[float, float] | None
    smoothness: tuple[float, float] | None


@dataclass(frozen=True)
class UnlikeScan:
    """What is outside the range of those in training; mm."""

    modality: str
    measure: Literal["voxels", "smoothness"]
    found: tuple[float, ...]
    low: float
    high: float


def scan_norms(scans: Sequence[Scan]) -> ScanNorms:
    """The range of the training people's images of one sequence."""
    extents = [scan.extent for scan in scans if scan.extent is not None]
    widths = [scan.smoothness for scan in scans if scan.smoothness is not None]
    return ScanNorms(
        voxels=(float(np.min(extents)), float(np.max(extents))) if extents else None,
        smoothness=(float(np.mean(widths)), float(np.std(widths, ddof=1))) if len(widths) > 1 else None,
    )


def unlike_scans(scans: Mapping[str, Scan], norms: Mapping[str, ScanNorms]) -> tuple[UnlikeScan, ...]:
    """Which of a person's images were scanned unlike those in training.

    Parameters
    ----------
    scans : mapping of str to Scan
        By modality.
    norms : mapping of str to ScanNorms
        A modality without norms is not judged.
    """
    found = []
    for modality in (modality for modality in scans if modality in norms):
        scan, own = scans[modality], norms[modality]
        if scan.extent is not None and own.voxels is not None:
            low, high = own.voxels
            if min(scan.extent) < low * (1 - TOLERANCE) or max(scan.extent) > high * (1 + TOLERANCE):
                found.append(UnlikeScan(modality, "voxels", scan.extent, low, high))
        if scan.smoothness is not None and own.smoothness is not None:
            mean, sd = own.smoothness
            reach = LIMIT * max(sd, LEAST_SD)
            if abs(scan.smoothness - mean) > reach:
                found.append(
                    UnlikeScan(modality, "smoothness", (scan.smoothness,), mean - reach, mean + reach)
                )
    return tuple(found)
