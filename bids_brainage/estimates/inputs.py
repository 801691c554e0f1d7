"""What each sub-ensemble sees of a session's prepared images; every image is read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.preprocessing.block_input import prepare
from bids_brainage.preprocessing.model_input import ModelInput

if TYPE_CHECKING:
    from collections.abc import Collection

    import nibabel as nib

    from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble
    from bids_brainage.records.reading import PreparedImages


class InputMaker:
    """Makes networks' inputs of one session's prepared images.

    Parameters
    ----------
    images : PreparedImages
    modalities : collection of str
        Those that estimates may use.
    """

    def __init__(self, images: PreparedImages, modalities: Collection[str]) -> None:
        self.images = images
        self.modalities = modalities
        self._load = cache(_in_memory)

    def sees(self, sub: SubEnsemble) -> bool:
        """Whether there is an image for the sub-ensemble."""
        return sub.modality in self.modalities and sub.modality in self._paths(sub)

    def of(self, sub: SubEnsemble) -> ModelInput:
        """The sub-ensemble's input.

        Raises
        ------
        ImageError
            If the image does not fit what the networks take.
        """
        from bids_brainage.preprocessing.templates import region_mask, template_mask

        path = self._paths(sub)[sub.modality]
        if sub.input.stage == "subject":
            return prepare(self._load(path), self.mask, sub.input, name=path.name)
        return prepare(self._load(path), template_mask(2), sub.input, region_mask(sub.region), name=path.name)

    @property
    def mask(self) -> nib.Nifti1Image:
        """The brain mask on the T1w grid."""
        return self._load(self.images.mask)

    def _paths(self, sub: SubEnsemble) -> dict[str, Path]:
        return self.images.subject if sub.input.stage == "subject" else self.images.standard


def _in_memory(path: Path) -> nib.Nifti1Image:
    import nibabel as nib

    image = nib.Nifti1Image.from_filename(path)
    return nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header)
