"""From a person's prepared images to what a network takes in, by the rules of its specification."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing import block_input
from bids_brainage.preprocessing.input_spec import InputSpec, SamplingRule
from bids_brainage.preprocessing.model_input import ModelInput
from bids_brainage.preprocessing.person_images import PersonImages
from bids_brainage.preprocessing.recipes.preparing import prepare
from bids_brainage.preprocessing.recipes.sources import has_source, recipe_for, source_images
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe, NetworkInput
from bids_brainage.preprocessing.smooth_input import (
    Frame,
    smooth_placement,
    through,
    variance_of,
    voxel_offsets,
)
from bids_brainage.preprocessing.templates import region_mask, template_mask

# Part of the brain that may lie outside the box: a tail of the neck, a voxel of the mask.
MOST_OUTSIDE = 0.005
SAMPLE = 20_000  # voxels of the brain, enough to see that


def has_image(images: PersonImages, spec: NetworkInput) -> bool:
    """Whether there is an image for a network."""
    if isinstance(spec, InputRecipe):
        return has_source(images, spec)
    return spec.modality in (images.subject if spec.source_stage == "subject" else images.standard)


def network_input(images: PersonImages, spec: NetworkInput) -> ModelInput:
    """What a network sees of a person.

    Parameters
    ----------
    images : PersonImages
    spec : NetworkInput

    Raises
    ------
    ImageError
        If the image does not fit what the network takes.
    """
    if isinstance(spec, InputRecipe):
        made = prepare(recipe := recipe_for(images, spec), source_images(images, recipe))
        return ModelInput(made.array, made.placement)
    if spec.sampling is not None:
        return _sampled(images, spec, spec.sampling)
    if spec.stage == "subject":
        path = images.subject[spec.modality]
        return block_input.prepare(images.read(path), images.brain_mask, spec, name=path.name)
    path = images.standard[spec.modality]
    region = region_mask(spec.region)
    return block_input.prepare(images.read(path), template_mask(2), spec, region, name=path.name)


def _sampled(images: PersonImages, spec: InputSpec, rule: SamplingRule) -> ModelInput:
    """Scale, cut to the brain, smooth to the rule's resolution, and sample once."""
    path = images.subject[spec.modality]
    image, brain = images.read(path), images.brain(rule.peeled)
    data = np.asarray(image.dataobj, dtype=np.float32)
    if spec.intensity.anchor == "median":
        grey = block_input.grey_values(data, brain, spec.intensity, path.name)
    else:
        level = images.white_level(data)
        if level <= 0:
            raise ImageError(messages.NOTHING_IN_MASK.format(file=path.name))
        grey = block_input.scaled(data, level, spec.intensity)
    scanned = images.scanned.get(spec.modality)
    missing = variance_of(rule.resolution) - (scanned.variance if scanned else np.zeros(3))
    placement = smooth_placement(grey, brain, image, _points(images, spec, path.name), spec.box, missing)
    seen = placement.kernel.read(placement.grey).reshape(spec.box)
    if spec.stage == "standard":
        seen = seen * _region_share(spec, rule)
    array = np.rint(seen) / np.float32(255)
    return ModelInput(array[..., None].astype(np.float32), placement)


def _points(images: PersonImages, spec: InputSpec, name: str) -> NDArray[np.float64]:
    """Where the network's voxels lie in the person, RAS mm."""
    offsets = voxel_offsets(spec.box, spec.voxel_size, spec.orientation)
    centre = box_centre(spec.region)
    if spec.stage == "standard":
        return through(images.steps, centre + offsets)
    frame = Frame.of(images.steps, centre)
    reach = np.abs(offsets).max(axis=0) + spec.voxel_size / 2
    outside = (np.abs(brain_offsets(images, frame)) > reach).any(axis=1).mean()
    if outside > MOST_OUTSIDE:
        box = " x ".join(f"{2 * side:.0f}" for side in reach)
        raise ImageError(messages.BRAIN_OUTSIDE_BOX.format(file=name, percent=100 * outside, box=box))
    return frame.to_person(offsets)


def brain_offsets(images: PersonImages, frame: Frame) -> NDArray[np.float64]:
    """Voxels (n, 3) of the brain in a frame, RAS mm: a sample of them."""
    voxels = np.argwhere(images.brain(0.0))
    voxels = voxels[:: max(1, len(voxels) // SAMPLE)]
    return frame.to_frame(apply_affine(images.brain_mask.affine, voxels))


@lru_cache
def box_centre(region: str) -> NDArray[np.float64]:
    """The point of the template (RAS mm) that boxes of a region are centred on: the middle of its extent."""
    mask = region_mask(region)
    voxels = np.argwhere(np.asanyarray(mask.dataobj) > 0)
    return apply_affine(mask.affine, (voxels.min(axis=0) + voxels.max(axis=0)) / 2)


def _region_share(spec: InputSpec, rule: SamplingRule) -> NDArray[np.float32]:
    return region_share(spec.region, spec.box, spec.voxel_size, spec.orientation, rule.resolution)


@lru_cache
def region_share(
    region: str, box: tuple[int, int, int], voxel_size: float, orientation: str, resolution: float
) -> NDArray[np.float32]:
    """How much of what each of a network's voxels (*box,) sees of the template belongs to a region."""
    mask = region_mask(region)
    inside = np.asanyarray(mask.dataobj) > 0
    points = box_centre(region) + voxel_offsets(box, voxel_size, orientation)
    missing = np.full(3, variance_of(resolution))
    template = smooth_placement(np.ones(mask.shape, np.float32), inside, mask, points, box, missing)
    return template.kernel.read(template.grey).reshape(box)
