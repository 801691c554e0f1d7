"""Relevance maps on the person's T1w grid and in standard space, whichever they were made on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.records.reading import PreparedImages
from bids_brainage.terms import SPACES, STANDARD_SPACE

if TYPE_CHECKING:
    import nibabel as nib

    from bids_brainage.preprocessing.registration import SampledTransform


class Grids:
    """Brings one session's maps from the grid they were made on to others.

    The warp is sampled once: it is the same for all maps of a person.

    Parameters
    ----------
    images : PreparedImages
    mask : nibabel.Nifti1Image
        The brain mask on the T1w grid.
    threads : int
    """

    def __init__(self, images: PreparedImages, mask: nib.Nifti1Image, threads: int) -> None:
        self.images = images
        self.mask = mask
        self.threads = threads

    def on(self, own: nib.Nifti1Image, stage: str, spaces: Collection[str]) -> dict[str, nib.Nifti1Image]:
        """A map, given on the grid of its stage, on each of `spaces`; its sum is kept."""
        return {space: own if space == SPACES[stage] else self._moved(own, space) for space in spaces}

    def _moved(self, own: nib.Nifti1Image, space: str) -> nib.Nifti1Image:
        from bids_brainage.preprocessing.standard_space import relevance_to_standard

        if space == STANDARD_SPACE:
            return relevance_to_standard(own, self._to_standard)[0]
        return self._whole(relevance_to_standard(own, self._to_subject)[0])

    @cached_property
    def _to_standard(self) -> SampledTransform:
        from bids_brainage.preprocessing.registration import SampledTransform
        from bids_brainage.preprocessing.templates import template_brain

        return SampledTransform.of(self.mask, template_brain(2), [self.images.forward], self.threads)

    @cached_property
    def _to_subject(self) -> SampledTransform:
        """Only to the brain's part of the T1w grid: less is sampled in less time."""
        from bids_brainage.preprocessing.registration import SampledTransform
        from bids_brainage.preprocessing.templates import template_brain

        near = self.mask.slicer[self._around]
        return SampledTransform.of(template_brain(2), near, [self.images.inverse], self.threads)

    def _whole(self, near: nib.Nifti1Image) -> nib.Nifti1Image:
        """What lies around the brain, on the whole T1w grid."""
        import nibabel as nib

        data = np.zeros(self.mask.shape, dtype=np.float32)
        data[self._around] = np.asarray(near.dataobj)
        return nib.Nifti1Image(data, self.mask.affine)

    @cached_property
    def _around(self) -> tuple[slice, ...]:
        from bids_brainage.preprocessing.resampling import bounding_box

        return bounding_box(np.asarray(self.mask.dataobj) > 0)


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
