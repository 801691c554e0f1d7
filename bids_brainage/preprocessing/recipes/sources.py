"""Which of a person's images a recipe begins with, and the ways between its space and the T1w image."""

from __future__ import annotations

from collections.abc import Sequence

from bids_brainage.preprocessing.person_images import PersonImages
from bids_brainage.preprocessing.recipes.preparing import RecipeImages
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.preprocessing.transforms import Step

#: Sources that every run prepares, on the T1w grid.
PREPARED = ("t1w", "head")
Ways = tuple[Sequence[Step], Sequence[Step]]


def recipe_for(images: PersonImages, recipe: InputRecipe) -> InputRecipe:
    """The recipe by the source that the person has: of the T1w image where FreeSurfer's own is not there."""
    of_freesurfer = recipe.source.startswith("freesurfer")
    if of_freesurfer and (recipe.modality, recipe.source) not in images.sources:
        return recipe.of_source("t1w")
    return recipe


def has_source(images: PersonImages, recipe: InputRecipe) -> bool:
    """Whether the person has the image that a recipe begins with, and the registration that it needs."""
    recipe = recipe_for(images, recipe)
    if recipe.source in PREPARED:
        there = recipe.modality in images.subject
    else:
        there = (recipe.modality, recipe.source) in images.sources
    return there and (recipe.source == "given" or ways_of(images, recipe) is not None)


def source_images(images: PersonImages, recipe: InputRecipe) -> RecipeImages:
    """What a recipe needs of a person who has its source.

    Maps of an image that the user registered stay in the template's space: nobody here knows the way back.
    """
    if recipe.source in PREPARED:
        path = images.subject[recipe.modality]
        ways = ways_of(images, recipe)
        assert ways is not None
        return RecipeImages.on_t1w(images.read(path), images.brain_mask, *ways, name=path.name)
    path = images.sources[recipe.modality, recipe.source]
    image = images.read(path)
    if recipe.source == "given":
        return RecipeImages(image, path.name)
    ways = ways_of(images, recipe)
    assert ways is not None
    to_t1w, from_t1w = ways
    to_image = to_t1w if recipe.source.startswith("freesurfer") else ()
    return RecipeImages(
        image, path.name, to_image=to_image, t1w_mask=images.brain_mask, to_t1w=to_t1w, from_t1w=from_t1w
    )


def ways_of(images: PersonImages, recipe: InputRecipe) -> Ways | None:
    """Steps that take points of the recipe's space to the T1w image, and back; None if they are not known.

    FreeSurfer's images lie in the space of its T1w image, which is then the person's.
    """
    if recipe.source == "native":
        return images.scanned_ways(recipe.modality)
    return images.ways(recipe.registration.kind)
