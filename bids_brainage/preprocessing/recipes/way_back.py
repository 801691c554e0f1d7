"""The way back of a recipe's maps: through reduction, window, grid and registration, with their sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing import templates
from bids_brainage.preprocessing.mass import OFFSETS
from bids_brainage.preprocessing.model_input import By
from bids_brainage.preprocessing.recipes.carrier import Carrier
from bids_brainage.preprocessing.recipes.grids import Lattice, sampled
from bids_brainage.preprocessing.recipes.reductions import along, reduced, shares
from bids_brainage.preprocessing.recipes.sharing import Weights, share_out
from bids_brainage.preprocessing.recipes.vocabulary import Reduction
from bids_brainage.preprocessing.recipes.windows import Box
from bids_brainage.preprocessing.resampling import image_like
from bids_brainage.preprocessing.transforms import Step


@dataclass(frozen=True, eq=False)
class Home:
    """The T1w grid, and the way between it and the space of a recipe's lattice.

    Attributes
    ----------
    mask : nibabel.Nifti1Image
        The brain mask on the T1w grid.
    there, back : sequence of Step
        Take points of the T1w grid to the lattice's space, and the other way.
    masked : bool
        Whether networks see the brain alone, so that relevance belongs into it.
    grey : ndarray, optional
        What was read, on the T1w grid; not known where it lies on another.
    """

    mask: nib.Nifti1Image
    there: Sequence[Step]
    back: Sequence[Step]
    masked: bool
    grey: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class RecipePlacement:
    """How a network's voxels were made from a person's image by a recipe, and the way back.

    Attributes
    ----------
    lattice : Lattice
    box : Box
    reduce : Reduction
    grey : ndarray (*window,) float32
        What the window holds before it is reduced; not negative.
    inside : ndarray (*window,) float32, optional
        The brain in it.
    home : Home, optional
        None where an image was given that nobody knows the way back from.
    """

    lattice: Lattice
    box: Box
    reduce: Reduction
    grey: NDArray[np.float32]
    inside: NDArray[np.float32] | None
    home: Home | None
    _kept: dict[By, tuple[Weights, ...]] = field(default_factory=dict)
    _known: dict[tuple[bool, By], _Part] = field(default_factory=dict)

    def restore(self, values: NDArray, by: By) -> nib.Nifti1Image:
        """Values over the network's voxels on the T1w grid, or the template's where there is no way there."""
        on_lattice = self.on_lattice(values, by)
        return self.on_template(on_lattice) if self.home is None else self.on_t1w(on_lattice, by)

    def covered(self, mask: nib.Nifti1Image) -> NDArray[np.float32]:
        """How much of each of the network's voxels (*box,) a mask on the T1w grid covers, 0 to 1."""
        steps = self.home.back if self.home else ()
        inside = (np.asanyarray(mask.dataobj) > 0).astype(np.float32)
        return reduced(self.box.cut(sampled(inside, mask.affine, self.lattice, steps)), self.reduce)

    def on_lattice(self, values: NDArray, by: By = "grey") -> NDArray[np.float64]:
        """Values (*box,) or (*box, channels) on the grid before the window; float64, with their sum."""
        values = np.asarray(values, dtype=np.float64)
        if values.ndim == 4:
            values = values.sum(axis=-1)
        if self.reduce.kind != "none":
            back = [matrix.T for matrix in shares(self.reduce, self.box.shape)]
            values, _ = share_out(values, self._window_weights(by), lambda ratio: along(ratio, back))
        return self.box.placed(values, self.lattice.shape)

    def on_template(self, values: NDArray[np.float64]) -> nib.Nifti1Image:
        """What the lattice holds, in standard space at 2 mm; float32."""
        assert self.lattice.standard
        target = templates.grid(2)
        return image_like(splat_along_axes(values, self.lattice, target).astype(np.float32), target)

    def on_t1w(self, values: NDArray[np.float64], by: By = "grey") -> nib.Nifti1Image:
        """What the lattice holds, on the T1w grid; float32.

        A voxel's value is shared among the voxels of the brain that have a part in it, then among all; what
        lies beyond the T1w image goes to the nearest that has one.
        """
        assert self.home is not None
        total = np.zeros(self.home.mask.shape)
        rest = values.ravel()
        for part in self._parts(by):
            shared, rest = share_out(rest, part.weights, part.carrier.spread)
            total.ravel()[part.carrier.voxels] += shared
            if not rest.any():
                return image_like(total.astype(np.float32), self.home.mask)
        shape = self.lattice.shape
        near = _to_nearest(rest.reshape(shape), part.weights[-1].enough.reshape(shape))
        shared, _ = share_out(near.ravel(), part.weights[-1:], part.carrier.spread)
        total.ravel()[part.carrier.voxels] += shared
        return image_like(total.astype(np.float32), self.home.mask)

    def _window_weights(self, by: By) -> tuple[Weights, ...]:
        """What decides how a reduced voxel is shared: grey values, the brain, or nothing."""
        if by not in self._kept:
            matrices = shares(self.reduce, self.box.shape)
            each = [self.grey] if by == "grey" else []
            each += [] if self.inside is None else [self.inside]
            each.append(np.ones(self.box.shape, np.float32))
            self._kept[by] = tuple(Weights.of(one, lambda part: along(part, matrices), 1.0) for one in each)
        return self._kept[by]

    def _parts(self, by: By) -> Iterator[_Part]:
        """The voxels of the brain, unless networks see more than it, and then all."""
        assert self.home is not None
        for masked in (True, False) if self.home.masked else (False,):
            if (masked, by) not in self._known:
                self._known[masked, by] = self._part(masked, by)
            yield self._known[masked, by]

    def _part(self, masked: bool, by: By) -> _Part:
        home = self.home
        assert home is not None
        other = self._known.get((masked, "even" if by == "grey" else "grey"))
        whole = np.asanyarray(home.mask.dataobj) > 0 if masked else np.ones(home.mask.shape, bool)
        voxels = np.flatnonzero(whole)
        carrier = other.carrier if other else Carrier.of(self.lattice, home.mask, home.there, voxels)
        each = [np.ones(carrier.voxels.size, np.float32)]
        if by == "grey" and home.grey is not None:
            each.insert(0, home.grey.ravel()[carrier.voxels])
        return _Part(carrier, tuple(Weights.of(one, carrier.read, carrier.full) for one in each))


@dataclass(frozen=True, eq=False)
class _Part:
    """Some voxels of the T1w grid, and what decides how they share; worked out once for all maps."""

    carrier: Carrier
    weights: tuple[Weights, ...]


def splat_along_axes(
    values: NDArray[np.float64], lattice: Lattice, target: nib.Nifti1Image
) -> NDArray[np.float64]:
    """What a lattice holds handed out to the voxels of a grid that is parallel to it; the sum is kept.

    A voxel is two points along each axis, and a point belongs to the two voxels around it, as in `mass`.
    """
    change = ornt_transform(io_orientation(lattice.affine), io_orientation(target.affine))
    turned = apply_orientation(values, change)
    affine = lattice.affine @ inv_ornt_aff(change, lattice.shape)
    place = np.linalg.inv(target.affine) @ affine
    matrices = []
    for axis, length in enumerate(turned.shape):
        matrix = np.zeros((target.shape[axis], length))
        for offset in OFFSETS:
            at = place[axis, axis] * (np.arange(length) + offset) + place[axis, 3]
            at = np.clip(at, 0, len(matrix) - 1)
            below = np.minimum(at.astype(int), len(matrix) - 2)
            np.add.at(matrix, (below, np.arange(length)), (1 - at + below) / len(OFFSETS))
            np.add.at(matrix, (below + 1, np.arange(length)), (at - below) / len(OFFSETS))
        matrices.append(matrix)
    return along(turned, matrices)


def _to_nearest(values: NDArray[np.float64], enough: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Every value moved to the nearest voxel that is enough."""
    index = ndimage.distance_transform_edt(~enough, return_distances=False, return_indices=True)
    keeper = np.ravel_multi_index(tuple(index), values.shape).ravel()
    moved = np.bincount(keeper, weights=values.ravel(), minlength=values.size)
    return moved.astype(np.float64).reshape(values.shape)
