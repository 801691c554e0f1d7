"""From a person's image to a network's array by a recipe, and from relevance back to the person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing import templates
from bids_brainage.preprocessing.model_input import By
from bids_brainage.preprocessing.recipes.grids import Lattice, lattice_of, sampled, turned_to
from bids_brainage.preprocessing.recipes.intensity import operate
from bids_brainage.preprocessing.recipes.reductions import reduced
from bids_brainage.preprocessing.recipes.vocabulary import BEFORE_WINDOW, InputRecipe
from bids_brainage.preprocessing.recipes.way_back import Home, RecipePlacement
from bids_brainage.preprocessing.recipes.windows import Box, box_of
from bids_brainage.preprocessing.transforms import Step

Volume = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RecipeImages:
    """What a recipe needs of a person.

    Attributes
    ----------
    image : nibabel.Nifti1Image
        The source.
    name : str
        What to call it in an error.
    brain : nibabel.Nifti1Image, optional
        The brain mask on its grid.
    to_image : sequence of Step
        Take points of the recipe's space to the image's; none where they are the same.
    t1w_mask : nibabel.Nifti1Image, optional
        The brain mask on the T1w grid that maps are brought to; None where nobody knows the way there.
    to_t1w, from_t1w : sequence of Step
        Take points of the recipe's space to the T1w grid's, and the other way.
    """

    image: nib.Nifti1Image
    name: str = "the image"
    brain: nib.Nifti1Image | None = None
    to_image: Sequence[Step] = ()
    t1w_mask: nib.Nifti1Image | None = None
    to_t1w: Sequence[Step] = ()
    from_t1w: Sequence[Step] = ()

    @classmethod
    def on_t1w(
        cls,
        image: nib.Nifti1Image,
        mask: nib.Nifti1Image,
        to_t1w: Sequence[Step] = (),
        from_t1w: Sequence[Step] = (),
        name: str = "the image",
    ) -> RecipeImages:
        """Of an image on the T1w grid."""
        return cls(image, name, mask, to_t1w, mask, to_t1w, from_t1w)


@dataclass(frozen=True, eq=False)
class PreparedInput:
    """A network's input by a recipe, and the way back.

    Attributes
    ----------
    array : ndarray (*box, channels) float32
    placement : RecipePlacement
    recipe : InputRecipe
    """

    array: Volume
    placement: RecipePlacement
    recipe: InputRecipe


@dataclass(frozen=True, eq=False)
class RestoredMap:
    """A map brought back; either grid is None where there is no way to it.

    Attributes
    ----------
    subject : nibabel.Nifti1Image or None
        On the T1w grid, float32.
    standard : nibabel.Nifti1Image or None
        In MNI152NLin6Asym at 2 mm, float32, by the recipe's own registration.
    """

    subject: nib.Nifti1Image | None
    standard: nib.Nifti1Image | None


def prepare(recipe: InputRecipe, images: RecipeImages) -> PreparedInput:
    """Make a network's input as a recipe says.

    Parameters
    ----------
    recipe : InputRecipe
    images : RecipeImages

    Raises
    ------
    ImageError
        If a given image lies on another grid, the brain does not fit into the window, or there is nothing
        to scale by.
    """
    lattice, image, brain = _on_lattice(recipe, images)
    raw = image
    scopes: dict[str, Callable[[Volume], Volume]] = {
        "grid": lambda values: values,
        "brain": lambda values: values[values > 0] if brain is None else values[brain],
        "white-matter": partial(_white_matter, lattice),
    }
    before = [step for step in recipe.operations if step.over in BEFORE_WINDOW]
    for step in before:
        image = operate(image, step, scopes, images.name)
    box = box_of(recipe, image, brain, images.name)
    array = reduced(box.cut(image), recipe.reduce)
    scopes = {"window": lambda values: values, "positive": lambda values: values[values > 0]}
    for step in recipe.operations[len(before) :]:
        array = operate(array, step, scopes, images.name)
    channels = np.repeat(array[..., None], recipe.channels, axis=-1)
    placement = _placement(recipe, images, lattice, box, raw, brain)
    return PreparedInput(np.ascontiguousarray(channels), placement, recipe)


def restore(relevance: NDArray, prepared: PreparedInput, by: By = "grey") -> RestoredMap:
    """Bring a map over a network's voxels back to the person and to the template, as a mass.

    Sums are kept, those of positive and of negative relevance each. A voxel keeps its relevance through
    operations on intensities, whatever the statistics that they are scaled by.

    Parameters
    ----------
    relevance : ndarray (*box,) or (*box, channels)
    prepared : PreparedInput
    by : {"grey", "even"}
        In proportion to what voxels contributed, or evenly among those of the brain; see `model_input`.
    """
    placement = prepared.placement
    values = placement.on_lattice(relevance, by)
    return RestoredMap(
        subject=None if placement.home is None else placement.on_t1w(values, by),
        standard=placement.on_template(values) if placement.lattice.standard else None,
    )


def _on_lattice(
    recipe: InputRecipe, images: RecipeImages
) -> tuple[Lattice, Volume, NDArray[np.bool_] | None]:
    """The grid, the image on it with one interpolation, and the brain there if it is known."""
    image, name = images.image, images.name
    lattice = lattice_of(recipe.grid, image)
    if recipe.source == "given" and lattice.standard:
        return lattice, turned_to(image, lattice, name), None
    data = np.asanyarray(image.dataobj, dtype=np.float32)
    if recipe.mask == "none":
        return lattice, sampled(data, image.affine, lattice, images.to_image), None
    if images.brain is None or not (inside := np.asanyarray(images.brain.dataobj) > 0).any():
        raise ImageError(messages.MASK_EMPTY.format(file=name))
    if inside.shape != data.shape or not np.allclose(images.brain.affine, image.affine, atol=1e-2):
        raise ImageError(messages.GRIDS_DIFFER.format(file=name))
    data = data * inside
    brain = sampled(inside.astype(np.float32), image.affine, lattice, images.to_image) >= 0.5
    return lattice, sampled(data, image.affine, lattice, images.to_image), brain


def _white_matter(lattice: Lattice, values: Volume) -> Volume:
    """The values at the template's deep white matter."""
    places = apply_affine(np.linalg.inv(lattice.affine), templates.deep_white_matter()).T
    return ndimage.map_coordinates(values, places, order=1, mode="constant")


def _placement(
    recipe: InputRecipe,
    images: RecipeImages,
    lattice: Lattice,
    box: Box,
    raw: Volume,
    brain: NDArray[np.bool_] | None,
) -> RecipePlacement:
    home = None
    if images.t1w_mask is not None:
        same = images.image.shape == images.t1w_mask.shape
        same = same and np.allclose(images.image.affine, images.t1w_mask.affine, atol=1e-2)
        masked = recipe.mask == "brain" or recipe.source.startswith("freesurfer")
        grey = np.maximum(np.asanyarray(images.image.dataobj, dtype=np.float32), 0) if same else None
        home = Home(images.t1w_mask, images.from_t1w, images.to_t1w, masked, grey)
    nothing = Box(box.start, box.shape, box.kept, 0.0)
    inside = None if brain is None else nothing.cut(brain.astype(np.float32))
    return RecipePlacement(lattice, box, recipe.reduce, np.maximum(nothing.cut(raw), 0), inside, home)


__all__ = ["PreparedInput", "RecipeImages", "RestoredMap", "prepare", "restore"]
