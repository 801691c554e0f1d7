"""Maps carried between a person's grid and the standard one as a mass: nothing is lost, nothing is scaled.

Relevance is an amount, years in a voxel, not an intensity: where a warp stretches a place, its years are
shared among more voxels. So every voxel of the T1w grid hands what it holds to the standard voxels around
the points that it is warped to, in linear shares, which is the transpose of linear interpolation (splatting;
push-forward of a measure). The way back uses the same shares, as parts of what each standard voxel receives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.resampling import bounding_box, dilate, image_like
from bids_brainage.preprocessing.transforms import LPS, Step, move

REACH = 4.0  # mm beyond a person's brain mask, where the template's may still hold relevance
#: A standard voxel takes part on the way back if at least this share of its volume comes from the T1w grid.
LEAST = 0.1
AT_ONCE = 2**14  # points; what is worked out for more does not stay in a processor's cache
#: A voxel is two points, in voxels from its centre along all axes. One alone leaves a ripple where a warp
#: stretches it: of 1.3 mm to a voxel, up to 35 % of an even density, and two 4 %.
OFFSETS = (-0.25, 0.25)


@dataclass(frozen=True, eq=False)
class LinearShares:
    """Points between a grid's voxels, and how much of each belongs to the eight voxels around it.

    Attributes
    ----------
    shape : tuple of int
        Of the grid; at least two voxels along each axis.
    first : ndarray (n,) int32
        Flat index of the voxel below each point along all axes.
    fraction : ndarray (3, n) float32
        How far the point lies from there towards the next voxel, 0 to 1.
    """

    shape: tuple[int, ...]
    first: NDArray[np.int32]
    fraction: NDArray[np.float32]

    @classmethod
    def of(cls, parts: Iterable[NDArray[np.float64]], shape: tuple[int, ...]) -> LinearShares:
        """Of places (k, 3) in voxels of a grid; what lies beyond its edge belongs to the nearest voxel."""
        last = np.array(shape) - 1
        first, fraction = [], []
        for part in parts:
            places = np.clip(part, 0, last)
            below = np.minimum(places.astype(np.int32), last - 1)
            first.append(np.ravel_multi_index(tuple(below.T), shape).astype(np.int32))
            fraction.append(np.ascontiguousarray((places - below).T, dtype=np.float32))
        return cls(shape, np.concatenate(first), np.concatenate(fraction, axis=1))

    def splat(self, mass: NDArray[np.float64]) -> NDArray[np.float64]:
        """Hand out what each point holds (n,) to the grid's voxels (flat); the sum stays the same."""
        total = np.zeros(np.prod(self.shape))
        for points, voxels, shares in self._corners():
            lowest = voxels.min()
            received = np.bincount((voxels - lowest).ravel(), (shares * mass[points]).ravel())
            total[lowest : lowest + received.size] += received
        return total

    def gather(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate the grid's values (flat) linearly at the points: the transpose of `splat`."""
        total = np.empty(self.first.size)
        for points, voxels, shares in self._corners():
            total[points] = (shares * values[voxels]).sum(axis=0)
        return total

    @property
    def places(self) -> NDArray[np.float64]:
        """The points (3, n), in voxels of the grid."""
        return np.array(np.unravel_index(self.first, self.shape)) + self.fraction

    def _corners(self) -> Iterator[tuple[slice, NDArray[np.int32], NDArray[np.float64]]]:
        """Some points after the others: the eight voxels (8, k) of each, and its shares, which sum to one."""
        corners = np.array([self._strides @ corner for corner in np.ndindex(2, 2, 2)], dtype=np.int32)
        for start in range(0, self.first.size, AT_ONCE):
            points = slice(start, start + AT_ONCE)
            upper = self.fraction[:, points].astype(np.float64)
            x, y, z = np.stack([1 - upper, upper], axis=1)
            shares = x[:, None, None] * y[:, None] * z
            yield points, self.first[points] + corners[:, None], shares.reshape(8, -1)

    @property
    def _strides(self) -> NDArray[np.int64]:
        return np.array([self.shape[1] * self.shape[2], self.shape[2], 1])


class MassTransport:
    """The way of a person's maps from the T1w grid to the standard one and back; worked out once.

    Both ways are linear and keep the sum, so positive and negative relevance each keep theirs; where both
    reach one voxel, it holds their sum.

    Parameters
    ----------
    mask : nibabel.Nifti1Image
        The brain mask on the T1w grid.
    standard : nibabel.Nifti1Image
        The standard grid.
    steps : sequence of Step
        Take points of the T1w image to the template; see `read_steps`.
    """

    def __init__(self, mask: nib.Nifti1Image, standard: nib.Nifti1Image, steps: Sequence[Step]) -> None:
        self._subject = mask
        self._standard = standard
        self._steps = steps
        self._near = _grown(mask)
        self._voxels = np.flatnonzero(self._near)
        self._shares = self._shares_of(self._voxels)

    def to_standard(self, image: nib.Nifti1Image) -> nib.Nifti1Image:
        """Carry a map on the T1w grid to the standard grid; float32."""
        data = np.asanyarray(image.dataobj)
        total = _splat(self._shares, data[self._near])
        far = np.flatnonzero((data != 0) & ~self._near)
        if far.size:
            total += _splat(self._shares_of(far), data.ravel()[far])
        return image_like(total.reshape(self._standard.shape).astype(np.float32), self._standard)

    def to_subject(self, image: nib.Nifti1Image) -> nib.Nifti1Image:
        """Carry a map on the standard grid to the T1w grid; float32."""
        mass = np.asanyarray(image.dataobj).ravel().astype(np.float64)
        received, keeper = self._received
        kept = np.bincount(keeper, mass, mass.size)
        density = np.divide(kept, received, out=np.zeros_like(kept), where=kept != 0)
        data = np.zeros(self._subject.shape, dtype=np.float32)
        data[self._near] = sum(shares.gather(density) for shares in self._shares) / len(self._shares)
        return image_like(data, self._subject)

    def labels(self, atlas: nib.Nifti1Image) -> NDArray:
        """An atlas of the standard grid on the T1w grid: the label nearest to where each voxel is warped to.

        0 farther than `REACH` from the brain mask.
        """
        found = np.asanyarray(atlas.dataobj)
        centres = sum(shares.places for shares in self._shares) / len(self._shares)
        labels = np.zeros(self._subject.shape, dtype=found.dtype)
        labels[self._near] = found[tuple(np.rint(centres).astype(np.int32))]
        return labels

    @cached_property
    def _received(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """How many T1w voxels each standard voxel receives, and which one keeps its mass on the way back.

        That is itself, or the nearest one that receives enough.
        """
        received = _splat(self._shares, np.ones(self._voxels.size))
        sizes = voxel_sizes(self._standard.affine)
        enough = received >= LEAST * sizes.prod() / voxel_sizes(self._subject.affine).prod()
        nearest = ndimage.distance_transform_edt(
            ~enough.reshape(self._standard.shape), sampling=sizes, return_distances=False, return_indices=True
        )
        return received, np.ravel_multi_index(tuple(nearest), self._standard.shape).ravel()

    def _shares_of(self, voxels: NDArray[np.int64]) -> tuple[LinearShares, ...]:
        """Where the points of T1w voxels (flat indices) lie in the standard grid."""
        parts = np.array_split(voxels, -(-voxels.size // AT_ONCE) or 1)
        return tuple(
            LinearShares.of((self._places(part, offset) for part in parts), self._standard.shape)
            for offset in OFFSETS
        )

    def _places(self, voxels: NDArray[np.int64], offset: float) -> NDArray[np.float64]:
        indices = np.stack(np.unravel_index(voxels, self._subject.shape), axis=-1) + offset
        points = move(apply_affine(self._subject.affine, indices) * LPS, self._steps)
        return apply_affine(np.linalg.inv(self._standard.affine), points * LPS)


def _splat(points: Sequence[LinearShares], mass: NDArray) -> NDArray[np.float64]:
    """Hand out what voxels hold, in equal parts by each of their points."""
    part = mass.astype(np.float64) / len(points)
    return sum((shares.splat(part) for shares in points[1:]), points[0].splat(part))


def _grown(mask: nib.Nifti1Image) -> NDArray[np.bool_]:
    """A brain mask and what lies within `REACH` of it."""
    inside = np.asanyarray(mask.dataobj) > 0
    sizes = voxel_sizes(mask.affine)
    box = bounding_box(inside, np.ceil(REACH / sizes).astype(int))
    grown = np.zeros_like(inside)
    grown[box] = dilate(inside[box], REACH, sizes)
    return grown
