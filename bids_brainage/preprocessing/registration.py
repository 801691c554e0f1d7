"""From one image's space to another's: rigid within a person, SyN to the template."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from ..atomic import replacing
from .ants_bridge import from_ants, run_registration, start, to_ants
from .resampling import at_voxel_size, dilate, image_like, mask_like
from .templates import template_brain, template_mask

LOGGER = logging.getLogger(__name__)

RIGID_VOXEL_SIZE = 3.0
TEMPLATE_VOXEL_SIZE = 2.0
SEED = 20220701


@dataclass(frozen=True)
class TemplateTransforms:
    """The way from a T1w image to the template and back, as composite transforms that ANTs reads.

    Attributes
    ----------
    forward : Path
        Maps images in T1w space onto the template's grid.
    inverse : Path
        Maps images in the template's space onto the T1w grid.
    """

    forward: Path
    inverse: Path


def register_rigid(
    moving: nib.Nifti1Image,
    fixed: nib.Nifti1Image,
    *,
    moving_mask: nib.Nifti1Image | None = None,
    fixed_mask: nib.Nifti1Image | None = None,
    out: Path,
    threads: int = 1,
    seed: int = SEED,
) -> Path:
    """Register two images of one head by six parameters (mutual information, at 3 mm).

    Parameters
    ----------
    moving, fixed : nibabel.Nifti1Image
        Two images of one head, of the same or another contrast, with skull or without.
    moving_mask, fixed_mask : nibabel.Nifti1Image, optional
        Where the images are compared.
    out : Path
        The transform's file, moving to fixed (.h5 or .mat).
    threads, seed : int
        Same seed, same result.

    Returns
    -------
    Path
        `out`.
    """
    size = max(RIGID_VOXEL_SIZE, _coarsest(moving), _coarsest(fixed))
    coarse_fixed, coarse_moving = at_voxel_size(fixed, size), at_voxel_size(moving, size)
    images = [to_ants(coarse_fixed, threads), to_ants(coarse_moving, threads)]
    masks = [_mask_argument(fixed_mask, coarse_fixed, threads), _mask_argument(moving_mask, coarse_moving, threads)]
    with TemporaryDirectory() as folder:
        arguments = _common(Path(folder) / "rigid", seed)
        arguments += ["-r", _bracket(*images, 1)]
        arguments += _linear_stage("Rigid[0.1]", images, masks, "100x100x50", "4x2x1", "2x1x0")
        run_registration(arguments, threads)
        with replacing(out) as temporary:
            _write_rigid(Path(folder) / "rigidComposite.h5", temporary, threads)
    return out


def register_to_template(
    brain: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    *,
    out_prefix: Path,
    threads: int = 1,
    seed: int = SEED,
) -> TemplateTransforms:
    """Register a T1w brain to MNI152NLin6Asym by affine and SyN (Avants et al. 2008).

    Parameters
    ----------
    brain : nibabel.Nifti1Image
        T1w image, bias-corrected; what lies outside the mask is not looked at.
    mask : nibabel.Nifti1Image
        Brain mask on the same grid.
    out_prefix : Path
        The files are named ``<out_prefix>forward.h5`` and ``<out_prefix>inverse.h5``.
    threads, seed : int

    Returns
    -------
    TemplateTransforms
    """
    size = max(TEMPLATE_VOXEL_SIZE, _coarsest(brain))
    data = brain.get_fdata(dtype=np.float32) * mask_like(mask, brain)
    moving = at_voxel_size(image_like(data, brain), TEMPLATE_VOXEL_SIZE)
    fixed = template_brain(2)
    images = [to_ants(fixed, threads), to_ants(moving, threads)]
    forward = out_prefix.with_name(out_prefix.name + "forward.h5")
    inverse = out_prefix.with_name(out_prefix.name + "inverse.h5")
    with TemporaryDirectory() as folder:
        arguments = _common(Path(folder) / "syn", seed)
        arguments += ["-r", _bracket(*images, 1)]
        arguments += _linear_stage("Affine[0.1]", images, [None, None], "100x100x50", "4x3x2", "2x1x1")
        arguments += _syn_stage(images, size)
        run_registration(arguments, threads)
        for made, wanted in (("synComposite.h5", forward), ("synInverseComposite.h5", inverse)):
            with replacing(wanted) as temporary:
                temporary.write_bytes((Path(folder) / made).read_bytes())
    return TemplateTransforms(forward, inverse)


def apply_transforms(
    image: nib.Nifti1Image,
    reference: nib.Nifti1Image,
    transforms: Sequence[Path],
    interpolation: Literal["linear", "nearest"] = "linear",
    threads: int = 1,
) -> nib.Nifti1Image:
    """Bring an image onto the grid of `reference`.

    Parameters
    ----------
    image, reference : nibabel.Nifti1Image
    transforms : sequence of Path
        In the order of ANTs: the last one is applied to the image first. None: resample only.
    interpolation : {"linear", "nearest"}

    Returns
    -------
    nibabel.Nifti1Image
        float32 on the grid of `reference`.
    """
    ants = start(threads)
    method = {"linear": "linear", "nearest": "nearestNeighbor"}[interpolation]
    moved = ants.apply_transforms(
        to_ants(reference, threads),
        to_ants(image, threads),
        [str(path) for path in transforms],
        interpolator=method,
        whichtoinvert=[False] * len(transforms),
        singleprecision=True,
    )
    return image_like(moved.numpy().astype(np.float32), reference)


def _common(prefix: Path, seed: int) -> list[Any]:
    return [
        "-d", "3", "--float", "1", "--random-seed", str(seed), "-o", str(prefix), "-z", "1",
        "--write-composite-transform", "1", "-u", "0", "-w", "[0.005,0.995]",
    ]  # fmt: skip


def _linear_stage(
    transform: str, images: list[Any], masks: list[Any], iterations: str, shrink: str, smooth: str
) -> list[Any]:
    stage = ["-t", transform, "-m", _metric("MI", *images, "32,Regular,0.5")]
    stage += ["-c", f"[{iterations},1e-6,10]", "-f", shrink, "-s", f"{smooth}vox"]
    if any(mask is not None for mask in masks):
        stage += ["-x", _bracket(*("NULL" if mask is None else mask for mask in masks))]
    return stage


def _syn_stage(images: list[Any], size: float) -> list[Any]:
    """Deform at the resolution that both images have: a coarse person ends on a coarse level."""
    iterations, shrink, smooth = ("40x20x10", "4x2x1", "2x1x0") if size < 3 else ("40x20", "4x2", "2x1")
    stage = ["-t", "SyN[0.2,3,0]", "-m", _metric("MI", *images, "32")]
    return [*stage, "-c", f"[{iterations},1e-6,8]", "-f", shrink, "-s", f"{smooth}vox"]


def _metric(name: str, fixed: Any, moving: Any, rest: str) -> str:
    return f"{name}[{_pointer(fixed)},{_pointer(moving)},1,{rest}]"


def _bracket(*parts: Any) -> str:
    return "[" + ",".join(_pointer(part) for part in parts) + "]"


def _pointer(part: Any) -> str:
    """How an image of this process is named on ANTs' command line."""
    if isinstance(part, (str, int)):
        return str(part)
    from ants.internal import get_pointer_string

    return str(get_pointer_string(part))


def _mask_argument(mask: nib.Nifti1Image | None, grid: nib.Nifti1Image, threads: int) -> Any:
    if mask is None:
        return None
    wide = dilate(mask_like(mask, grid), 8.0, voxel_sizes(grid.affine))
    return to_ants(image_like(wide.astype(np.float32), grid), threads)


def _write_rigid(source: Path, target: Path, threads: int) -> None:
    target.write_bytes(source.read_bytes())


def _coarsest(image: nib.Nifti1Image) -> float:
    return float(voxel_sizes(image.affine).max())


__all__ = [
    "TemplateTransforms",
    "apply_transforms",
    "from_ants",
    "register_rigid",
    "register_to_template",
    "template_mask",
]
