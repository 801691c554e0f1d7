"""From an image to what a network sees, and back, by whole voxels: pruning, intensity, box and blocks.

The rule is the paper's (SPEC.md, "Data and preprocessing"): clip at 383, rescale to 0-255, uint8, brain
centred in a box that is the same for everyone. Images of all scanners are first brought to one
scale: the median inside the brain mask becomes the rule's anchor value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    io_orientation,
    ornt_transform,
)
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.input_spec import InputSpec, IntensityRule, Triple
from bids_brainage.preprocessing.model_input import By, ModelInput


@dataclass(frozen=True, eq=False)
class BlockPlacement:
    """Position of the box in the image that it was taken from.

    Attributes
    ----------
    shape, affine : tuple of int, ndarray (4, 4)
        Grid of the original image.
    orientation : str
        Axis codes of the box.
    turned_shape : tuple of int
        Shape of the image when turned to `orientation`.
    start : tuple of int
        First voxel of the box in the turned image; may be negative where the box reaches beyond it.
    factor : int
        Image voxels per voxel of the network, along each axis.
    box : tuple of int
        Shape of the box in the network's voxels.
    grey : ndarray (*fine_box,) float32
        Grey values (0-255) of the image's own voxels inside the box, before averaging.
    inside : ndarray (*fine_box,) of bool
        Which of them are brain.
    """

    shape: tuple[int, ...]
    affine: NDArray
    orientation: str
    turned_shape: Triple
    start: Triple
    factor: int
    box: Triple
    grey: NDArray[np.float32]
    inside: NDArray[np.bool_]

    @property
    def fine_box(self) -> Triple:
        """Shape of the box in the image's voxels."""
        x, y, z = (n * self.factor for n in self.box)
        return x, y, z

    def restore(self, values: NDArray, by: By) -> nib.Nifti1Image:
        """Share each block's value among its voxels; see `model_input.restore`.

        Where none of them has a share, all get the same. What lies in a part of the box outside the image
        goes to the nearest voxel of the image.
        """
        blocks = values.reshape(self.box)[:, None, :, None, :, None]
        shared = self._shared(blocks, by).reshape(self.fine_box)
        turned = np.zeros(self.turned_shape, dtype=np.float32)
        sides = self._sides()
        rows = [np.clip(np.arange(first, first + length), 0, size - 1) for first, length, size in sides]
        if all(first >= 0 and first + n <= size for first, n, size in sides):
            turned[np.ix_(*rows)] = shared
        else:
            np.add.at(turned, np.ix_(*rows), shared)
        back = ornt_transform(axcodes2ornt(tuple(self.orientation)), io_orientation(self.affine))
        result = nib.Nifti1Image(apply_orientation(turned, back).astype(np.float32), self.affine)
        result.header.set_xyzt_units("mm", "sec")
        return result

    def covered(self, mask: nib.Nifti1Image) -> NDArray[np.float32]:
        """How much of each of the network's voxels (*box,) a mask on the grid of the image covers, 0 to 1."""
        grid = nib.Nifti1Image(np.empty(self.shape, np.uint8), self.affine)
        turned = _turned(mask, grid, self.orientation, "the mask") > 0
        fine = _cut(turned.astype(np.float32), self.start, self.fine_box)
        return _blocks(fine, self.factor).mean(axis=(1, 3, 5))

    def _sides(self) -> list[tuple[int, int, int]]:
        """For each axis where the box begins, how long it is, and how long the image."""
        return list(zip(self.start, self.fine_box, self.turned_shape, strict=True))

    def _shared(self, blocks: NDArray, by: By) -> NDArray[np.float32]:
        """The values of blocks (x, 1, y, 1, z, 1) shared among their voxels (x, f, y, f, z, f)."""
        weights = _blocks(self.grey if by == "grey" else self.inside.astype(np.float32), self.factor)
        total = weights.sum(axis=(1, 3, 5), keepdims=True, dtype=np.float64)
        dark = (total == 0) & (blocks != 0)
        if dark.any():
            # Equally where nothing has a share, and only among the image's own voxels if there are any.
            own = _cut(np.ones(self.turned_shape, np.float32), self.start, self.fine_box)
            own = _blocks(own, self.factor)
            own = np.where(own.any(axis=(1, 3, 5), keepdims=True), own, np.float32(1))
            weights = np.where(dark, own, weights)
            total = weights.sum(axis=(1, 3, 5), keepdims=True, dtype=np.float64)
        ratio = np.divide(blocks, total, out=np.zeros_like(total), where=total > 0)
        return np.multiply(weights, ratio.astype(np.float32), dtype=np.float32)


def prepare(
    image: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    spec: InputSpec,
    region_mask: nib.Nifti1Image | None = None,
    name: str = "the image",
) -> ModelInput:
    """Make a network's input from a preprocessed image.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        In the space of `spec`, bias-corrected, with or without skull.
    mask : nibabel.Nifti1Image
        Brain mask (whole brain) on the same grid.
    spec : InputSpec
    region_mask : nibabel.Nifti1Image, optional
        On the same grid. In the standard stage the template's own region is taken if it is not given.
    name : str
        What to call the image in an error.

    Returns
    -------
    ModelInput

    Raises
    ------
    ImageError
        If the brain does not fit into the box, the grids do not fit together, or the mask is empty.
    """
    region_mask = _region_of(spec, region_mask)
    factor = _factor(image, spec.voxel_size, name)
    brain = _turned(mask, image, spec.orientation, name) > 0
    if not brain.any():
        raise ImageError(messages.MASK_EMPTY.format(file=name))
    grey = grey_values(_turned(image, image, spec.orientation, name), brain, spec.intensity, name)
    grey[~brain] = 0
    region = brain
    if region_mask is not None:
        region = _turned(region_mask, image, spec.orientation, name) > 0
        grey[~region] = 0
    box = spec.box
    start = _box_start(region if spec.stage == "standard" else brain, box, factor, spec, name)
    x, y, z = brain.shape
    fine_box = (box[0] * factor, box[1] * factor, box[2] * factor)
    placement = BlockPlacement(
        image.shape,
        np.array(image.affine),
        spec.orientation,
        (x, y, z),
        start,
        factor,
        box,
        grey=_cut(grey, start, fine_box),
        inside=_cut(region, start, fine_box),
    )
    array = np.rint(_blocks(placement.grey, factor).mean(axis=(1, 3, 5))) / np.float32(255)
    return ModelInput(array[..., None].astype(np.float32), placement)


def largest_box(masks: Iterable[nib.Nifti1Image], voxel_size: float, margin: int, orientation: str) -> Triple:
    """The box (in voxels of `voxel_size`) that holds every mask with `margin` voxels on each side."""
    largest = np.zeros(3)
    for mask in masks:
        turned = _turned(mask, mask, orientation, "the mask") > 0
        low, high = _bounds(turned)
        sizes = voxel_sizes(mask.affine).mean()
        largest = np.maximum(largest, (high - low) * sizes)
    x, y, z = (int(n) for n in np.ceil(largest / voxel_size - 1e-6) + 2 * margin)
    return x, y, z


def grey_values(
    data: NDArray, brain: NDArray[np.bool_], rule: IntensityRule, name: str = "the image"
) -> NDArray[np.float32]:
    """Intensities on the rule's scale, 0 to `output_max`, not yet rounded.

    Raises
    ------
    ImageError
        If there is nothing above zero inside the brain mask.
    """
    inside = data[brain & (data > 0)]
    if inside.size == 0:
        raise ImageError(messages.NOTHING_IN_MASK.format(file=name))
    return scaled(data, float(np.median(inside)), rule)


def scaled(data: NDArray, level: float, rule: IntensityRule) -> NDArray[np.float32]:
    """Intensities on the rule's scale if `level` is to become its anchor value."""
    scale = np.float32(rule.anchor_value / level)
    return (np.clip(data * scale, 0, rule.clip) * np.float32(rule.output_max / rule.clip)).astype(np.float32)


def _region_of(spec: InputSpec, region_mask: nib.Nifti1Image | None) -> nib.Nifti1Image | None:
    if region_mask is None and spec.stage == "standard":
        from bids_brainage.preprocessing.templates import region_mask as template_region

        return template_region(spec.region)
    return region_mask


def _factor(image: nib.Nifti1Image, voxel_size: float, name: str) -> int:
    sizes = voxel_sizes(image.affine)
    factor = round(voxel_size / float(sizes.mean()))
    if factor < 1 or not np.allclose(sizes * factor, voxel_size, rtol=1e-3):
        text = messages.VOXEL_SIZE_NO_MULTIPLE
        raise ImageError(text.format(file=name, found=float(sizes.mean()), wanted=voxel_size))
    return factor


def _turned(image: nib.Nifti1Image, reference: nib.Nifti1Image, orientation: str, name: str) -> NDArray:
    """The data of `image`, which must lie on the grid of `reference`, with axes as `orientation`."""
    if image.shape != reference.shape or not np.allclose(image.affine, reference.affine, atol=1e-2):
        raise ImageError(messages.GRIDS_DIFFER.format(file=name))
    change = ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(orientation)))
    return apply_orientation(np.asanyarray(image.dataobj, dtype=np.float32), change)


def _bounds(mask: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """First and one past the last true index, along each axis."""
    spans = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    return np.array([s[0] for s in spans]), np.array([s[-1] + 1 for s in spans])


def _box_start(mask: NDArray[np.bool_], box: Triple, factor: int, spec: InputSpec, name: str) -> Triple:
    """The voxel at which a box centred on `mask` starts."""
    low, high = _bounds(mask)
    fine = np.array(box) * factor
    if (high - low > fine).any():
        sizes = " x ".join(str(n) for n in high - low)
        limits = " x ".join(str(n) for n in fine)
        raise ImageError(
            messages.BRAIN_TOO_LARGE.format(file=name, size=sizes, box=limits, region=spec.region)
        )
    x, y, z = (int(n) for n in np.floor((low + high - fine) / 2))
    return x, y, z


def _cut(data: NDArray, start: Triple, shape: Triple) -> NDArray:
    """A box of `data`, zero outside it."""
    result = np.zeros(shape, dtype=data.dtype)
    source, target = [], []
    for first, length, size in zip(start, shape, data.shape, strict=True):
        low, high = max(first, 0), min(first + length, size)
        source.append(slice(low, max(high, low)))
        target.append(slice(low - first, max(high, low) - first))
    result[tuple(target)] = data[tuple(source)]
    return result


def _blocks(fine: NDArray, factor: int) -> NDArray:
    """A view (x, f, y, f, z, f) of a fine volume."""
    x, y, z = (n // factor for n in fine.shape)
    return fine.reshape(x, factor, y, factor, z, factor)
