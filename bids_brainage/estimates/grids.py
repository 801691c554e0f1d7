"""Relevance maps on the person's T1w grid and in standard space, whichever they were made on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.records.reading import PreparedImages
from bids_brainage.relevance.regions import RegionSums, region_sums
from bids_brainage.terms import STANDARD_SPACE, T1W_SPACE

if TYPE_CHECKING:
    import nibabel as nib
    from numpy.typing import NDArray

    from bids_brainage.preprocessing.mass import MassTransport


class Grids:
    """Brings one session's maps from the grid they were made on to others, and sums them over regions.

    The warp is sampled once: it is the same for all maps of a person.

    Parameters
    ----------
    images : PreparedImages
    mask : nibabel.Nifti1Image
        The brain mask on the T1w grid.
    """

    def __init__(self, images: PreparedImages, mask: nib.Nifti1Image) -> None:
        self.images = images
        self.mask = mask
        self._lock = Lock()

    def on(self, own: nib.Nifti1Image, spaces: Collection[str]) -> dict[str, nib.Nifti1Image]:
        """A map, given on either grid, on each of `spaces`; its sum is kept."""
        made = self._space_of(own)
        return {space: own if space == made else self._moved(own, space) for space in spaces}

    def regions(self, own: nib.Nifti1Image) -> RegionSums:
        """Sum a map over the regions of the atlas, whose voxels are counted in the person's brain.

        It is summed on the grid on which it was made, so that no region gets anything of its neighbours'.
        """
        from bids_brainage.preprocessing.templates import wide_atlas

        labels, voxels = self._labels
        standard = self._space_of(own) == STANDARD_SPACE
        return region_sums(own.dataobj, wide_atlas().dataobj if standard else labels, voxels)

    def _space_of(self, own: nib.Nifti1Image) -> str:
        """Where a map was made, by its grid: networks of the standard stage may see the T1w grid, too."""
        here = own.shape == self.mask.shape and np.allclose(own.affine, self.mask.affine, atol=1e-2)
        return T1W_SPACE if here else STANDARD_SPACE

    def _moved(self, own: nib.Nifti1Image, space: str) -> nib.Nifti1Image:
        with self._lock:
            transport = self._transport
        return transport.to_standard(own) if space == STANDARD_SPACE else transport.to_subject(own)

    @property
    def _labels(self) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """The atlas on the T1w grid, and how many voxels of the brain have each label, from 0."""
        with self._lock:
            return self._carried_atlas

    @cached_property
    def _carried_atlas(self) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        from bids_brainage.preprocessing.templates import wide_atlas

        labels = self._transport.labels(wide_atlas())
        inside = labels[np.asanyarray(self.mask.dataobj) > 0]
        return labels, np.bincount(inside, minlength=np.asanyarray(wide_atlas().dataobj).max() + 1)

    @cached_property
    def _transport(self) -> MassTransport:
        from bids_brainage.preprocessing.mass import MassTransport
        from bids_brainage.preprocessing.templates import grid
        from bids_brainage.preprocessing.transforms import read_steps

        return MassTransport(self.mask, grid(2), read_steps(self.images.inverse))


def weighted_sum(
    images: Iterable[tuple[float, Mapping[str, nib.Nifti1Image]]],
) -> dict[str, nib.Nifti1Image]:
    """The sum of maps, each times its weight, on every grid that they are on."""
    import nibabel as nib

    totals: dict[str, np.ndarray] = {}
    grids: dict[str, np.ndarray] = {}
    for weight, on in images:
        for space, image in on.items():
            # One after the other: at 1 mm, nine maps in double precision are more than a gigabyte.
            total = totals.setdefault(space, np.zeros(image.shape))
            total += weight * np.asanyarray(image.dataobj)
            grids[space] = image.affine
    return {space: nib.Nifti1Image(t.astype(np.float32), grids[space]) for space, t in totals.items()}


def image_sum(image: nib.Nifti1Image) -> float:
    """Sum over an image's voxels, in double precision."""
    return float(np.asanyarray(image.dataobj).sum(dtype=np.float64))
