"""From prepared images to what a network sees, whatever the scanner's voxel, the pose or the skull stripper.

An image on the person's T1w grid is scaled, cut to the brain, smoothed to one resolution and sampled once, at
the centres of the network's voxels: in the person's own size along the template's axes, or through the warp
in the template's space. All of it but the scaling is one linear map of the image, so that relevance can be
brought back through it as a mass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from nibabel.orientations import axcodes2ornt
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.input_spec import Triple
from bids_brainage.preprocessing.model_input import By
from bids_brainage.preprocessing.resampling import FWHM_PER_SIGMA, TRUNCATE, bounding_box, image_like
from bids_brainage.preprocessing.transforms import LPS, Linear, Step, move

# Of a network's voxel, this much of its smoothing kernel must lie in the brain for relevance to stay inside.
LEAST_INSIDE = 0.05
# Variance, in voxels, of linear interpolation at places that fall anywhere between voxels.
LINEAR = 1 / 6


@dataclass(frozen=True)
class Scanned:
    """How an image was scanned and brought to the T1w grid.

    Attributes
    ----------
    extent : tuple of float
        mm that a scanned voxel reached along the axes of the grid.
    interpolation : {"none", "linear", "cubic"}
    """

    extent: tuple[float, float, float]
    interpolation: str = "linear"

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance (mm2) of its point spread along each axis: a box's, and that of the interpolation."""
        squares = np.square(self.extent)
        return squares / 12 + (squares * LINEAR if self.interpolation == "linear" else 0.0)


@dataclass(frozen=True, eq=False)
class Kernel:
    """A Gaussian over the voxels of an image, read at points between them.

    Attributes
    ----------
    shape : tuple of int
        Of the image.
    sigma : ndarray (3,)
        In voxels.
    points : ndarray (3, n) float32
        In voxels.
    """

    shape: tuple[int, ...]
    sigma: NDArray[np.float64]
    points: NDArray[np.float32]

    def read(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values (n,) at the points; zero lies around the image."""
        smooth = self._smoothed(image)
        return ndimage.map_coordinates(smooth, self.points, order=1, mode="constant", output=np.float32)

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """The transpose of `read`: each point's value spread over the voxels that it is read from."""
        first = np.floor(self.points).astype(np.int32)
        part = self.points - first
        corners = np.array(list(np.ndindex(2, 2, 2)), dtype=np.int32)[:, :, None]
        weights = np.where(corners, part, 1 - part).prod(axis=1)
        return self._smoothed(self._sums((first + corners).transpose(1, 0, 2), weights * values))

    def nearest(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Each point's value in the voxel that is nearest to it."""
        limits = np.array(self.shape)[:, None] - 1
        return self._sums(np.clip(np.rint(self.points).astype(np.int32), 0, limits), values)

    def _sums(self, places: NDArray[np.int32], values: NDArray[np.float64]) -> NDArray[np.float32]:
        """An image of the sums of values (...) that fall on the same voxel (3, ...); others are left out."""
        limits = np.array(self.shape).reshape(3, *[1] * values.ndim)
        there = ((places >= 0) & (places < limits)).all(axis=0) & (values != 0)
        index = np.ravel_multi_index(tuple(places[:, there]), self.shape)
        sums = np.bincount(index, values[there], int(np.prod(self.shape)))
        return sums.astype(np.float32).reshape(self.shape)

    def _smoothed(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return ndimage.gaussian_filter(image, self.sigma, mode="constant", truncate=TRUNCATE)


def along_axes(lengths: NDArray[np.float64], orientation: str) -> NDArray[np.float64]:
    """Lengths along right, front and top, (3,), in the order of the axes of an orientation."""
    return lengths[axcodes2ornt(tuple(orientation))[:, 0].astype(int)]


@dataclass(frozen=True, eq=False)
class SmoothPlacement:
    """How a network's voxels were read from an image, and the way back.

    Attributes
    ----------
    grid : nibabel.Nifti1Image
        Of the image; its data do not matter.
    part : tuple of slice
        The brain's surroundings in it, where the kernel reads.
    kernel : Kernel
    grey : ndarray
        What was read: grey values inside the brain, zero outside.
    inside : ndarray of float32
        The brain.
    box : tuple of int
        Shape of the network's input.
    """

    grid: nib.Nifti1Image
    part: tuple[slice, ...]
    kernel: Kernel
    grey: NDArray[np.float32]
    inside: NDArray[np.float32]
    box: Triple

    def restore(self, values: NDArray, by: By) -> nib.Nifti1Image:
        """Share each value among the voxels that it was read from; see `model_input.restore`.

        In proportion to kernel times grey value, or to the kernel inside the brain. Where a network's voxel
        saw nothing of that, the kernel decides, and beyond the image's edge the nearest voxel gets all.
        """
        rest = np.asarray(values, dtype=np.float64).ravel()
        total = np.zeros(self.kernel.shape, np.float64)
        for weights, least in self._weights(by):
            if not rest.any():
                break
            read = self.kernel.read(weights).astype(np.float64)
            chosen = (read > least) & (rest != 0)
            ratio = np.divide(rest, read, out=np.zeros_like(rest), where=chosen)
            total += weights * self.kernel.spread(ratio)
            rest = np.where(chosen, 0.0, rest)
        total += self.kernel.nearest(rest)
        whole = np.zeros(self.grid.shape, np.float32)
        whole[self.part] = total
        return image_like(whole, self.grid)

    def _weights(self, by: By) -> list[tuple[NDArray[np.float32], float]]:
        """What decides how values are shared, one after the other, and how much of it there must be."""
        inside = (self.inside, LEAST_INSIDE)
        everywhere = (np.ones(self.kernel.shape, np.float32), LEAST_INSIDE)
        return [(self.grey, 0.5), inside, everywhere] if by == "grey" else [inside, everywhere]

    def covered(self, mask: nib.Nifti1Image) -> NDArray[np.float32]:
        """How much of each of the network's voxels (*box,) a mask on the image's grid covers, 0 to 1."""
        inside = np.asanyarray(mask.dataobj[self.part]) > 0
        return self.kernel.read(inside.astype(np.float32)).reshape(self.box)


@dataclass(frozen=True)
class Frame:
    """The template's axes in a person's own size.

    Attributes
    ----------
    rotation : ndarray (3, 3)
        From the template's axes to the person's, in LPS.
    middle : ndarray (3,)
        Where the frame's origin lies in the person, LPS mm.
    """

    rotation: NDArray[np.float64]
    middle: NDArray[np.float64]

    @classmethod
    def of(cls, steps: Sequence[Step], centre: NDArray[np.float64]) -> Frame:
        """The frame around a point of the template (RAS mm).

        Of the affine among the steps, which take points of the template to the person's, the rotation is kept
        (its polar factor), and the stretching left out.
        """
        affine = next(step for step in steps if isinstance(step, Linear))
        left, _, right = np.linalg.svd(affine.matrix)
        return cls(left @ right, affine((centre * LPS)[None])[0])

    def to_person(self, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) of the frame as points of the person, both RAS mm."""
        return (offsets * LPS @ self.rotation.T + self.middle) * LPS

    def to_frame(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The reverse of `to_person`."""
        return (points * LPS - self.middle) @ self.rotation * LPS


def through(steps: Sequence[Step], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take points (n, 3) of the template to the person, both RAS mm."""
    return move(points * LPS, steps) * LPS


def voxel_offsets(box: Triple, voxel_size: float, orientation: str) -> NDArray[np.float64]:
    """Voxel centres (n, 3) of a box around its middle, in RAS mm."""
    own = [(np.arange(n) - (n - 1) / 2) * voxel_size for n in box]
    along = np.stack(np.meshgrid(*own, indexing="ij"), axis=-1).reshape(-1, 3)
    world = np.empty_like(along)
    for axis, (target, sign) in enumerate(axcodes2ornt(tuple(orientation))):
        world[:, int(target)] = sign * along[:, axis]
    return world


def smooth_placement(
    grey: NDArray[np.float32],
    inside: NDArray[np.bool_],
    grid: nib.Nifti1Image,
    points: NDArray[np.float64],
    box: Triple,
    missing: NDArray[np.float64],
) -> SmoothPlacement:
    """Make ready to read an image at a network's voxels.

    Parameters
    ----------
    grey : ndarray
        Grey values on `grid`.
    inside : ndarray of bool
        The brain.
    grid : nibabel.Nifti1Image
    points : ndarray (n, 3)
        Centres of the network's voxels, RAS mm.
    box : tuple of int
        Their shape.
    missing : ndarray (3,)
        Variance (mm2) that the image lacks along each axis to have the resolution wanted.
    """
    places = apply_affine(np.linalg.inv(grid.affine), points)
    variance = np.maximum(missing / voxel_sizes(grid.affine) ** 2 - LINEAR, 0.0)
    part = _around(inside, places, TRUNCATE * np.sqrt(variance.max()) + 1)
    places -= [side.start for side in part]
    shape = tuple(int(side.stop - side.start) for side in part)
    brain = inside[part].astype(np.float32)
    kernel = Kernel(shape, np.sqrt(variance), places.T.astype(np.float32))
    return SmoothPlacement(grid, part, kernel, grey[part] * brain, brain, box)


def _around(inside: NDArray[np.bool_], places: NDArray[np.float64], reach: float) -> tuple[slice, ...]:
    """Slices around what is brain and near one of the places (n, 3), with what smoothing needs beside it."""
    low, high = np.floor(places.min(axis=0) - reach), np.ceil(places.max(axis=0) + reach) + 1
    brain = bounding_box(inside, int(np.ceil(reach)))
    starts = [int(np.clip(a, s.start, s.stop - 1)) for a, s in zip(low, brain, strict=True)]
    stops = [int(np.clip(b, a + 1, s.stop)) for a, b, s in zip(starts, high, brain, strict=True)]
    return tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))


def variance_of(fwhm: float) -> float:
    """Variance (mm2) of a Gaussian of that width at half its height (mm)."""
    return (fwhm / FWHM_PER_SIGMA) ** 2
