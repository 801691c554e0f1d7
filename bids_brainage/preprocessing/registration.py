"""From one image's space to another's: rigid within a person, SyN to the template."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.ants_bridge import pointer, run_registration, start, to_ants
from bids_brainage.preprocessing.inversion import write_affine
from bids_brainage.preprocessing.likeness import likeness
from bids_brainage.preprocessing.pose import affine_of, axis_rotations, find_pose
from bids_brainage.preprocessing.resampling import (
    at_voxel_size,
    dilate,
    image_like,
    mask_like,
    masked,
    to_grid,
)
from bids_brainage.preprocessing.same_head import mutual_information
from bids_brainage.preprocessing.scratch import scratch
from bids_brainage.preprocessing.templates import template_brain
from bids_brainage.preprocessing.transforms import TransformError, check_both_ways, check_rigid

LOGGER = logging.getLogger(__name__)

RIGID_VOXEL_SIZE = 4.0
AFFINE_VOXEL_SIZE = 4.0
TEMPLATE_VOXEL_SIZE = 2.0
COARSE_FROM = 1.6  # mm: here the finest level costs four times as much as the rest and changes little
START_VOXEL_SIZE = 8.0
# Times the information: of simulated people turned images share 1.5 to 4 times as much in their place as
# where the header has them, and upright ones at most half as much turned.
CLEARLY_MORE = 1.25
FAINT = 0.02  # of the largest value: background
MASK_REACH = 8.0  # mm
LEAST_LIKENESS = 0.5  # after SyN; of good ones 0.85 to 0.95
# Iterations, shrink factors and smoothing (voxels of 2 mm) per level. On Colin27 the finest level's 14 bring
# tissue overlap to 0.993 of that of full resolution; 8 bring 0.981, 20 bring 0.998 in 1.5 times the time.
FINE_SYN = ("40x20x14", "4x2x1", "2x1x0")
# On two simulated people at 2 mm, correlation with the template is 0.887 after 10 iterations at 4 mm, and
# 0.896 after 20, which makes the whole registration half as long again.
COARSE_SYN = ("40x10", "4x2", "2x1")
LINEAR = ("100x100x30", "4x2x1", "2x1x0")
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
    name: str = "the image",
) -> Path:
    """Register two images of one head by six parameters (mutual information, at 4 mm).

    It starts from the positions in the headers, from aligned centres of mass, or from other orientations,
    see `rigid_start`.

    Parameters
    ----------
    moving, fixed : nibabel.Nifti1Image
        Two images of one head, of the same or another contrast, with skull or without.
    moving_mask, fixed_mask : nibabel.Nifti1Image, optional
        Brain masks; the images are compared there and within 8 mm.
    out : Path
        The transform's file (.h5), moving to fixed; ANTs writes only into its folder.
    threads, seed : int
        Same seed, same result.
    name : str
        What to call the moving image in an error.

    Returns
    -------
    Path
        `out`, read back and found complete.

    Raises
    ------
    ImageError
        If no rotation and shift can be found.
    OSError
        If the disk is full.
    """
    size = max(RIGID_VOXEL_SIZE, _coarsest(moving), _coarsest(fixed))
    pair = _Pair.of(fixed, moving, size, threads, fixed_mask, moving_mask)
    stage = pair.linear_stage("Rigid[0.1]", "60x40", "2x1", "1x0")
    start = rigid_start(moving, fixed)
    with _told_of(name), scratch(out.parent) as folder:
        begin = _begin(start, folder)
        run_registration([*_common(folder / "rigid", seed), *begin, *stage], threads)
        made = folder / "rigidComposite.h5"
        check_rigid(made)
        made.replace(out)
    return out


def register_affine(
    moving: nib.Nifti1Image,
    fixed: nib.Nifti1Image,
    *,
    fixed_mask: nib.Nifti1Image,
    start: NDArray[np.float64],
    out_prefix: Path,
    threads: int = 1,
    seed: int = SEED,
    name: str = "the image",
) -> TemplateTransforms:
    """Register a head to another person's by twelve parameters, at 4 mm.

    Parameters
    ----------
    moving, fixed : nibabel.Nifti1Image
        T1w heads, with skull or without.
    fixed_mask : nibabel.Nifti1Image
        Where they are compared, and within 8 mm.
    start : ndarray (4, 4)
        Takes points of `moving` roughly to `fixed`, mm; see `pose`.
    out_prefix : Path
        The files are named ``<out_prefix>forward.h5`` and ``<out_prefix>inverse.h5``.
    threads, seed, name
        As for `register_rigid`; so are the errors.

    Returns
    -------
    TemplateTransforms
    """
    pair = _Pair.of(fixed, moving, AFFINE_VOXEL_SIZE, threads, fixed_mask)
    stage = pair.linear_stage("Similarity[0.1]", "100x100", "4x2", "2x1")
    stage += pair.linear_stage("Affine[0.1]", "100x50", "2x1", "1x0")
    run = _Run(out_prefix, threads, seed, name)
    return run.both_ways(stage, fixed, warped=False, start=start)


def register_to_template(
    brain: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    *,
    out_prefix: Path,
    threads: int = 1,
    seed: int = SEED,
    native_voxel_size: float | None = None,
    name: str = "the T1w image",
) -> TemplateTransforms:
    """Register a T1w brain to MNI152NLin6Asym by affine and SyN (Avants et al. 2008).

    The deformation is estimated at 2 mm, the resolution of the maps, or at the image's own if that is
    coarser.

    Parameters
    ----------
    brain : nibabel.Nifti1Image
        T1w image, bias-corrected; voxels outside the mask are set to zero.
    mask : nibabel.Nifti1Image
        Brain mask on the same grid.
    out_prefix : Path
        The files are named ``<out_prefix>forward.h5`` and ``<out_prefix>inverse.h5``.
    threads, seed, name
        As for `register_rigid`; so are the errors.
    native_voxel_size : float, optional
        Resolution (mm) at which the image was scanned, if it was later conformed to a finer grid.

    Returns
    -------
    TemplateTransforms
    """
    fine = max(native_voxel_size or 0, _coarsest(brain)) < COARSE_FROM
    only = _only(brain, mask)
    pair = _Pair.of(template_brain(2), only, TEMPLATE_VOXEL_SIZE, threads)
    arguments = pair.linear_stage("Affine[0.1]", "100x50" if fine else "100x30", "4x2", "2x1")
    arguments += pair.syn_stage(*(FINE_SYN if fine else COARSE_SYN))
    run = _Run(out_prefix, threads, seed, name)
    found = run.both_ways(arguments, template_brain(2), warped=True, start=find_pose(only).similarity)
    like = likeness(apply_transforms(only, template_brain(2), [found.forward], threads=threads, name=name))
    if like < LEAST_LIKENESS:
        found.forward.unlink()
        found.inverse.unlink()
        raise ImageError(messages.TEMPLATE_UNLIKE.format(file=name, likeness=like))
    return found


def register_linear(
    brain: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    *,
    kind: Literal["rigid", "affine"],
    out_prefix: Path,
    threads: int = 1,
    seed: int = SEED,
    name: str = "the T1w image",
) -> TemplateTransforms:
    """Register a T1w brain to MNI152NLin6Asym by six or twelve parameters, at 2 mm.

    Published networks were trained on images that were registered no further.

    Parameters
    ----------
    brain, mask, out_prefix, threads, seed, name
        As for `register_to_template`; so are the errors.
    kind : {"rigid", "affine"}

    Returns
    -------
    TemplateTransforms
    """
    only = _only(brain, mask)
    pair = _Pair.of(template_brain(2), only, TEMPLATE_VOXEL_SIZE, threads)
    pose = find_pose(only)
    start = pose.rigid if kind == "rigid" else pose.similarity
    stage = pair.linear_stage(f"{kind.capitalize()}[0.1]", *LINEAR)
    found = _Run(out_prefix, threads, seed, name).both_ways(
        stage, template_brain(2), warped=False, start=start
    )
    if kind == "rigid":
        with _told_of(name):
            check_rigid(found.forward)
    return found


def apply_transforms(
    image: nib.Nifti1Image,
    reference: nib.Nifti1Image,
    transforms: Sequence[Path],
    interpolation: Literal["linear", "nearest"] = "linear",
    threads: int = 1,
    outside: float = 0.0,
    name: str = "the image",
) -> nib.Nifti1Image:
    """Bring an image onto the grid of `reference`.

    Parameters
    ----------
    image, reference : nibabel.Nifti1Image
    transforms : sequence of Path
        In the order of ANTs: the last one is applied to the image first. None: resample only.
    interpolation : {"linear", "nearest"}
    outside : float
        Value of voxels that come from beyond the image.
    name : str
        What to call the image in an error.

    Returns
    -------
    nibabel.Nifti1Image
        float32 on the grid of `reference`.

    Raises
    ------
    ImageError
        If a transform cannot be read, or nothing of the image lies on that grid.
    """
    ants = start(threads)
    method = {"linear": "linear", "nearest": "nearestNeighbor"}[interpolation]
    source = to_ants(image, threads)
    try:
        moved = ants.apply_transforms(
            to_ants(reference, threads),
            source,
            [str(path) for path in transforms],
            interpolator=method,
            whichtoinvert=[False] * len(transforms),
            singleprecision=True,
            defaultvalue=outside,
        ).numpy()
    except RuntimeError as error:
        files = " and ".join(map(str, transforms))
        raise ImageError(messages.TRANSFORM_UNREADABLE.format(file=name, transforms=files)) from error
    if not moved.any() and source.numpy().any():
        raise ImageError(messages.NOTHING_ON_GRID.format(file=name))
    return image_like(moved.astype(np.float32), reference)


@dataclass(frozen=True)
class _Pair:
    """Two images as ANTs sees them, at one resolution, and the arguments that name them."""

    fixed: Any
    moving: Any
    masks: tuple[Any, Any] = (None, None)

    @classmethod
    def of(
        cls,
        fixed: nib.Nifti1Image,
        moving: nib.Nifti1Image,
        size: float,
        threads: int,
        fixed_mask: nib.Nifti1Image | None = None,
        moving_mask: nib.Nifti1Image | None = None,
    ) -> _Pair:
        coarse = [at_voxel_size(image, size) for image in (fixed, moving)]
        masks = [
            _wide_mask(mask, grid, threads)
            for mask, grid in zip((fixed_mask, moving_mask), coarse, strict=True)
        ]
        return cls(to_ants(coarse[0], threads), to_ants(coarse[1], threads), (masks[0], masks[1]))

    def linear_stage(self, transform: str, iterations: str, shrink: str, smooth: str) -> list[str]:
        """A rigid or affine stage on mutual information (Mattes) of a quarter of the voxels."""
        stage = ["-t", transform, "-m", self._metric("32,Regular,0.25")]
        stage += ["-c", f"[{iterations},1e-6,10]", "-f", shrink, "-s", f"{smooth}vox"]
        return [*stage, *self._mask_arguments()]

    def syn_stage(self, iterations: str, shrink: str, smooth: str) -> list[str]:
        """A symmetric diffeomorphic stage on mutual information."""
        stage = ["-t", "SyN[0.2,3,0]", "-m", self._metric("32")]
        return [*stage, "-c", f"[{iterations},1e-6,8]", "-f", shrink, "-s", f"{smooth}vox"]

    def _metric(self, sampling: str) -> str:
        return f"MI[{pointer(self.fixed)},{pointer(self.moving)},1,{sampling}]"

    def _mask_arguments(self) -> list[str]:
        if self.masks == (None, None):
            return []
        return ["-x", "[" + ",".join("NULL" if m is None else pointer(m) for m in self.masks) + "]"]


def _begin(start: NDArray[np.float64], folder: Path) -> list[str]:
    """Where ANTs begins, to 1e-6 mm: what is below that differs from one NumPy to the next, and grows."""
    return ["-r", str(write_affine(np.round(np.linalg.inv(start), 6), folder / "start.tfm"))]


def _common(prefix: Path, seed: int) -> list[str]:
    text = f"-d 3 --float 1 --random-seed {seed} -z 1 -u 0 -w [0.005,0.995] --write-composite-transform 1"
    return [*text.split(), "-o", str(prefix)]


@dataclass(frozen=True)
class _Run:
    """A registration that gives transforms both ways, and where they go."""

    out_prefix: Path
    threads: int
    seed: int
    name: str

    def both_ways(
        self, arguments: list[str], brain: nib.Nifti1Image, *, warped: bool, start: NDArray[np.float64]
    ) -> TemplateTransforms:
        """Run ANTs; keep its result if it leads to the fixed `brain` and back."""
        forward, inverse = (
            self.out_prefix.with_name(f"{self.out_prefix.name}{way}.h5") for way in ("forward", "inverse")
        )
        with _told_of(self.name), scratch(self.out_prefix.parent) as folder:
            begin = _begin(start, folder)
            run_registration([*_common(folder / "transform", self.seed), *begin, *arguments], self.threads)
            there, back = (folder / f"transform{way}Composite.h5" for way in ("", "Inverse"))
            check_both_ways(there, back, brain, warped=warped)
            there.replace(forward)
            back.replace(inverse)
        return TemplateTransforms(forward, inverse)


@contextmanager
def _told_of(name: str) -> Iterator[None]:
    """Turn what ANTs reports, or leaves behind, into a sentence about an image."""
    try:
        yield
    except (RuntimeError, TransformError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ImageError(messages.REGISTRATION_FAILED.format(file=name, reason=reason)) from error


def rigid_start(moving: nib.Nifti1Image, fixed: nib.Nifti1Image) -> NDArray[np.float64]:
    """Roughly how one image of a head lies against another, by the information that they share at 8 mm.

    Tried are the positions in the headers, aligned centres of mass (which a partial field of view misleads),
    and all ways to name the axes, in case that a header lost its orientation: these must share clearly more.

    Returns
    -------
    ndarray (4, 4)
        Takes points of `moving` to `fixed`, mm.
    """
    target, source = (at_voxel_size(image, START_VOXEL_SIZE) for image in (fixed, moving))
    there, here = _centre(target), _centre(source)
    turned = [affine_of(turn, there - turn @ here) for turn in axis_rotations()]
    told, *others = [(_shared(source, target, start), start) for start in (np.eye(4), *turned)]
    near = max((told, others[0]), key=lambda pair: pair[0])
    best = max(others, key=lambda pair: pair[0])
    return best[1] if best[0] > CLEARLY_MORE * near[0] else near[1]


def _shared(moving: nib.Nifti1Image, target: nib.Nifti1Image, start: NDArray[np.float64]) -> float:
    """Mutual information of two images, one of them moved."""
    placed = nib.Nifti1Image(moving.get_fdata(dtype=np.float32), start @ moving.affine)
    first = to_grid(placed, target.shape, target.affine).get_fdata(dtype=np.float32)
    second = target.get_fdata(dtype=np.float32)
    either = (first > FAINT * first.max()) | (second > FAINT * second.max())
    return mutual_information(first[either], second[either]) if first.any() else -1.0


def _centre(image: nib.Nifti1Image) -> NDArray[np.float64]:
    """Centre of mass in mm."""
    voxel = ndimage.center_of_mass(np.maximum(image.get_fdata(dtype=np.float32), 0).astype(float))
    return image.affine[:3, :3] @ np.array(voxel) + image.affine[:3, 3]


def _only(image: nib.Nifti1Image, mask: nib.Nifti1Image | None) -> nib.Nifti1Image:
    return image if mask is None else masked(image, mask)


def _wide_mask(mask: nib.Nifti1Image | None, grid: nib.Nifti1Image, threads: int) -> Any:
    if mask is None:
        return None
    wide = dilate(mask_like(mask, grid), MASK_REACH, voxel_sizes(grid.affine))
    return to_ants(image_like(wide.astype(np.float32), grid), threads)


def _coarsest(image: nib.Nifti1Image) -> float:
    return float(voxel_sizes(image.affine).max())
