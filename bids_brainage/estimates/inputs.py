"""What each sub-ensemble sees of a session's prepared images; every image is read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    import nibabel as nib

    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.ensembles.scans import UnlikeScan
    from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble
    from bids_brainage.preprocessing.model_input import ModelInput
    from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
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
        from bids_brainage.models.cohorts.images import person_images

        self.images = person_images(images)
        self.modalities = modalities

    def sees(self, sub: SubEnsemble) -> bool:
        """Whether there is an image for the sub-ensemble."""
        from bids_brainage.preprocessing.network_input import has_image

        return sub.modality in self.modalities and has_image(self.images, sub.input)

    def recipe(self, sub: SubEnsemble) -> InputRecipe | None:
        """The recipe by which the sub-ensemble's input is made for this person; None if it has none."""
        from bids_brainage.preprocessing.recipes.sources import recipe_for
        from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe

        return recipe_for(self.images, sub.input) if isinstance(sub.input, InputRecipe) else None

    def of(self, sub: SubEnsemble) -> ModelInput:
        """The sub-ensemble's input.

        Raises
        ------
        ImageError
            If the image does not fit what the networks take.
        """
        from bids_brainage.preprocessing.network_input import network_input

        return network_input(self.images, sub.input)

    def unlike_scans(self, bundle: Bundle, modalities: Collection[str]) -> tuple[UnlikeScan, ...]:
        """How images of some modalities were scanned unlike those that a bundle was trained on."""
        from bids_brainage.models.cohorts.images import scans_of
        from bids_brainage.models.ensembles.scans import ScanNorms, unlike_scans

        ranges = bundle.record.cohort.scans
        norms = {name: ScanNorms(own.voxels, own.smoothness) for name, own in ranges.items()}
        known = [name for name in sorted(modalities) if name in norms]
        return unlike_scans(scans_of(self.images, known), norms)

    @property
    def mask(self) -> nib.Nifti1Image:
        """The brain mask on the T1w grid."""
        return self.images.brain_mask
