"""How a head lies: where, turned how and how large it is most like the template, whatever its header says.

The template's brain, with the dark rim of fluid and skull around it, is compared with the image at every
place and in all orientations by normalised correlation, which Fourier transforms give for all places at
once (Lewis 1995, Fast normalized cross-correlation). Neither a skull nor a neck needs to be removed first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from bids_brainage.preprocessing.conform import reorient
from bids_brainage.preprocessing.resampling import FWHM_PER_SIGMA, at_voxel_size, dilate
from bids_brainage.preprocessing.templates import template_brain, template_mask

ROUGH = 12.0  # mm: voxels at which all orientations are tried
FINE = 8.0  # mm: voxels at which the best of them are compared
KEPT = 12
TILT = 25.0  # degrees between the orientations tried
FINE_TILT = 12.0
SCALE = 0.95  # of a brain against the template, which is larger than most
SCALES = (0.95, 1.0, 1.05)  # tried around a given one
RIM = 12.0  # mm around the brain that are compared, too
BRIGHTEST = 99.0  # percentile of the intensities; fat is cut to it


@dataclass(frozen=True, eq=False)
class Pose:
    """Where an image's head lies against the template.

    Attributes
    ----------
    rotation : ndarray (3, 3)
        Turns the image's head to the template's.
    scale : float
        Size of the image's head against the template's.
    centre : ndarray (3,)
        Where the template's brain has its centre in the image's world, mm.
    likeness : float
        Correlation of the two, from -1 to 1.
    """

    rotation: NDArray[np.float64]
    scale: float
    centre: NDArray[np.float64]
    likeness: float

    @property
    def degrees(self) -> float:
        """The angle by which the head is turned against the template."""
        return float(np.rad2deg(Rotation.from_matrix(self.rotation).magnitude()))

    @property
    def similarity(self) -> NDArray[np.float64]:
        """Affine (4, 4) that takes points of the image, in mm, to the template, size included."""
        turned = self.rotation / self.scale
        return affine_of(turned, _model().centre - turned @ self.centre)

    @property
    def rigid(self) -> NDArray[np.float64]:
        """The same without the size."""
        return affine_of(self.rotation, _model().centre - self.rotation @ self.centre)


def find_pose(
    image: nib.Nifti1Image, scale: float = SCALE, turns: Sequence[NDArray[np.float64]] | None = None
) -> Pose:
    """Find how the head in a T1w image lies.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        T1w of a head or of a brain alone; its background is about zero.
    scale : float
        Size of the brain against the template's; it is searched for within ten percent.
    turns : sequence of ndarray (3, 3), optional
        Rotations from which it is searched, within 45 degrees; all ways to name the axes by default.

    Returns
    -------
    Pose
        The likeliest one. That of a T1w head has a likeness of 0.7 to 0.9.
    """
    rough = _Search.of(image, ROUGH)
    tried = [turn @ tilt for turn in turns or axis_rotations() for tilt in _tilts(TILT)]
    found = rough.best(((turn, scale) for turn in tried), KEPT)
    fine = _Search.of(image, FINE)
    (best,) = fine.best(((pose.rotation, pose.scale) for pose in found), 1)
    for tilt in (FINE_TILT, FINE_TILT / 2):
        near = [turn @ best.rotation for turn in _tilts(tilt)]
        (best,) = fine.best(product(near, [best.scale * size for size in SCALES]), 1)
    return best


def upright(image: nib.Nifti1Image) -> Pose:
    """The pose that the header tells, with the brain in the middle of the image's signal."""
    data = np.maximum(image.get_fdata(dtype=np.float32), 0).astype(float)
    centre = apply_affine(image.affine, np.array(ndimage.center_of_mass(data)))
    return Pose(np.eye(3), 1.0, centre, 0.0)


@dataclass(frozen=True, eq=False)
class _Search:
    """An image ready to be compared with the template everywhere.

    Attributes
    ----------
    affine : ndarray (4, 4)
    size : float
        Edge of its voxels, mm.
    shape : tuple of int
        Of the Fourier transforms.
    sums : ndarray
        Transforms of the image and of its square.
    """

    affine: NDArray[np.float64]
    size: float
    shape: tuple[int, ...]
    sums: NDArray[np.complex64]

    @classmethod
    def of(cls, image: nib.Nifti1Image, size: float) -> _Search:
        coarse = reorient(at_voxel_size(image, size), "RAS")
        data = coarse.get_fdata(dtype=np.float32)
        top = float(np.percentile(data, BRIGHTEST)) or 1.0
        data = np.clip(data, 0, top) / top
        shape = tuple(fft.next_fast_len(length + _width(size), real=True) for length in data.shape)
        sums = np.stack([fft.rfftn(values, shape) for values in (data, data**2)])
        return cls(coarse.affine, size, shape, sums)

    def best(self, tried: Iterable[tuple[NDArray[np.float64], float]], count: int) -> list[Pose]:
        """The likeliest poses among orientations and sizes, each at its best place."""
        found = [self._at_best_place(rotation, scale) for rotation, scale in tried]
        return sorted(found, key=lambda pose: -pose.likeness)[:count]

    def _at_best_place(self, rotation: NDArray[np.float64], scale: float) -> Pose:
        # The grid's axes may be oblique.
        values, weight = _model().turned(rotation @ self.affine[:3, :3] / self.size, scale, self.size)
        amount = float(weight.sum())
        values = values - float((weight * values).sum()) / amount
        spread = float((weight * values**2).sum())
        pattern, window = (np.conj(fft.rfftn(part, self.shape)) for part in (weight * values, weight))
        shared = fft.irfftn(self.sums[0] * pattern, self.shape)
        total, squares = (fft.irfftn(part * window, self.shape) for part in self.sums)
        variance = squares - total**2 / amount
        likeness = shared / np.sqrt(np.maximum(variance, 1e-3 * variance.max()) * spread)
        place = np.unravel_index(int(likeness.argmax()), likeness.shape)
        # Beyond the image's last voxel the transform goes on with what lies before its first.
        corner = [p if p < n - _width(self.size) else p - n for p, n in zip(place, self.shape, strict=True)]
        centre = apply_affine(self.affine, np.array(corner) + _width(self.size) // 2)
        return Pose(rotation, scale, centre, float(likeness[place]))


@dataclass(frozen=True, eq=False)
class _Model:
    """The template's brain smoothed, the part of it that is compared, and its centre in mm."""

    values: NDArray[np.float32]
    weight: NDArray[np.float32]
    to_voxel: NDArray[np.float64]
    centre: NDArray[np.float64]

    def turned(
        self, rotation: NDArray[np.float64], scale: float, size: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Values and weight of a head of another orientation and size, on a cube of `size` mm voxels."""
        width = _width(size)
        offsets = (np.indices((width,) * 3).reshape(3, -1) - width // 2) * size
        voxels = apply_affine(self.to_voxel, (rotation @ offsets / scale).T + self.centre).T
        values, weight = (
            ndimage.map_coordinates(part, voxels, order=1).reshape((width,) * 3)
            for part in (self.values, self.weight)
        )
        return values, weight


@lru_cache(maxsize=1)
def _model() -> _Model:
    brain, mask = template_brain(2), np.asanyarray(template_mask(2).dataobj) > 0
    values = brain.get_fdata(dtype=np.float32) * mask
    centre = apply_affine(brain.affine, np.argwhere(mask).mean(axis=0))
    return _Model(
        ndimage.gaussian_filter(values, FINE / 2 / FWHM_PER_SIGMA),
        dilate(mask, RIM, np.full(3, 2.0)).astype(np.float32),
        np.linalg.inv(brain.affine),
        centre,
    )


def _width(size: float) -> int:
    """Voxels along the cube that holds the template in every orientation; an odd number."""
    return 2 * int(np.ceil(120.0 / size)) + 1


@lru_cache(maxsize=1)
def axis_rotations() -> Sequence[NDArray[np.float64]]:
    """The 24 ways to name the axes without mirroring, as rotations (3, 3); the first changes nothing."""
    signs = [np.array(own) for own in product((1.0, -1.0), repeat=3)]
    named = [np.eye(3)[list(order)] * own for order in permutations(range(3)) for own in signs]
    return [turn for turn in named if np.linalg.det(turn) > 0]


def _tilts(degrees: float) -> list[NDArray[np.float64]]:
    """No rotation, and one about each axis in either direction."""
    turned = [Rotation.from_euler(axis, way * degrees, degrees=True) for axis in "xyz" for way in (1, -1)]
    return [np.eye(3), *(turn.as_matrix() for turn in turned)]


def affine_of(matrix: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """The affine (4, 4) of a matrix and a shift."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix, shift
    return affine
