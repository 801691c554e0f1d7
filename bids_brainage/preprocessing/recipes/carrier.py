"""Maps carried between a person's voxels and a recipe's lattice as a mass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from numpy.typing import NDArray

from bids_brainage.preprocessing.mass import AT_ONCE, OFFSETS, LinearShares
from bids_brainage.preprocessing.recipes.grids import Lattice
from bids_brainage.preprocessing.transforms import LPS, Step, move

#: From this ratio of an image's voxels to the lattice's, two points a voxel would leave holes.
COARSE = 1.5


@dataclass(frozen=True, eq=False)
class Carrier:
    """Some voxels of an image, and which part each has in the voxels of a lattice around its place there.

    What a voxel of the lattice holds is shared among those that have a part in it, so that maps stay smooth
    where the lattice is coarser than the image.

    Attributes
    ----------
    lattice : Lattice
    image : nibabel.Nifti1Image
        Its data do not matter.
    steps : sequence of Step
        Take points of the image to the lattice's space.
    voxels : ndarray (n,)
        Flat indices of voxels of the image, all of which lie on the lattice.
    """

    lattice: Lattice
    image: nib.Nifti1Image
    steps: Sequence[Step]
    voxels: NDArray[np.int64]

    @classmethod
    def of(
        cls, lattice: Lattice, image: nib.Nifti1Image, steps: Sequence[Step], voxels: NDArray[np.int64]
    ) -> Carrier:
        """Of those voxels that lie on the lattice."""
        whole = cls(lattice, image, steps, voxels)
        edge = np.array(lattice.shape) - 0.5
        kept = [((at >= -0.5) & (at <= edge)).all(axis=1) for at in whole._places((0.0, 0.0, 0.0))]
        return cls(lattice, image, steps, voxels[np.concatenate(kept)])

    @property
    def full(self) -> float:
        """How many of all voxels of the image a voxel of the lattice would have, about."""
        sizes = voxel_sizes(self.lattice.affine).prod(), voxel_sizes(self.image.affine).prod()
        return float(min(1.0, sizes[0] / sizes[1]))

    def read(self, weights: NDArray) -> NDArray[np.float64]:
        """What voxels (n,) hold, handed out to the lattice's (flat)."""
        part = weights.astype(np.float64) / len(self._shares)
        return np.sum([own.splat(part) for own in self._shares], axis=0)

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The transpose of `read`."""
        return np.mean([own.gather(values) for own in self._shares], axis=0)

    @cached_property
    def _shares(self) -> tuple[LinearShares, ...]:
        return tuple(LinearShares.of(self._places(point), self.lattice.shape) for point in self._points)

    @property
    def _points(self) -> list[tuple[float, ...]]:
        """The points that stand for a voxel, from its centre."""
        if self._same_voxels:
            return [(0.0, 0.0, 0.0)]
        ratio = voxel_sizes(self.image.affine).max() / voxel_sizes(self.lattice.affine).min()
        if ratio < COARSE:
            return [(offset, offset, offset) for offset in OFFSETS]
        count = int(np.ceil(ratio))
        return list(product(((np.arange(count) + 0.5) / count - 0.5).tolist(), repeat=3))

    def _places(self, offset: Sequence[float]) -> Iterator[NDArray[np.float64]]:
        """Where the voxels lie, in voxels of the lattice; some after the others."""
        to_voxel = np.linalg.inv(self.lattice.affine)
        for part in np.array_split(self.voxels, -(-self.voxels.size // AT_ONCE) or 1):
            indices = np.stack(np.unravel_index(part, self.image.shape), axis=-1) + np.asarray(offset)
            points = move(apply_affine(self.image.affine, indices) * LPS, self.steps) * LPS
            yield apply_affine(to_voxel, points)

    @property
    def _same_voxels(self) -> bool:
        """Whether the lattice's voxels are the image's own, in another order."""
        matrix = (np.linalg.inv(self.lattice.affine) @ self.image.affine)[:3]
        return not self.steps and bool(np.allclose(matrix, np.rint(matrix), atol=1e-4))
