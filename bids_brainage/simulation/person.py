"""One simulated person, from a seed and a number to images and truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.simulation.anatomy import draw_shape, template_points
from bids_brainage.simulation.grid import Array, Grid, block_mean, random_field, sample
from bids_brainage.simulation.head import head_grid, head_signal
from bids_brainage.simulation.people import Character, draw_character, stream
from bids_brainage.simulation.scanner import draw_gain, draw_motion, scan, signal, stored
from bids_brainage.simulation.spec import load_spec
from bids_brainage.simulation.template import load_template
from bids_brainage.simulation.tissue import Tissue, age_tissue, process_labels
from bids_brainage.terms import MODALITIES


@dataclass(frozen=True)
class Person:
    """A simulated person.

    Attributes
    ----------
    character : Character
        Age, sex, risk factors, process ages.
    images : dict of ndarray of uint16
        One image per modality.
    labels : ndarray of uint8
        Number of the process that changed each voxel of the T1w grid (order of ageing.yaml, from 1), else 0.
    lesions : dict of int
        Number of lesions of each lesion process.
    affine : ndarray (4, 4)
        Of images and labels.
    """

    character: Character
    images: dict[str, NDArray[np.uint16]]
    labels: NDArray[np.uint8]
    lesions: dict[str, int]
    affine: NDArray[np.float64]


def simulate_person(
    seed: int,
    index: int,
    *,
    voxel_size: float = 2,
    skull: bool = False,
    turned: NDArray[np.float64] | None = None,
    age_range: tuple[float, float] | None = None,
    age: float | None = None,
    character: Character | None = None,
) -> Person:
    """Simulate person `index` of simulation `seed`.

    Parameters
    ----------
    seed, index : int
        Same seed and index, same person, whoever else is simulated.
    voxel_size : {1, 2, 4}
        Edge of a voxel (mm). 4 mm images are means over a 2 mm simulation.
    skull : bool
        Whether to add scalp, skull, eyes and neck; otherwise everything outside the brain is zero.
    turned : ndarray (3,), optional
        Angles (radians) about x, y and z by which the head lies askew.
    age_range : tuple of float, optional
        Range of ages (years) to draw from.
    age : float, optional
        The person's age, if it is not to be drawn.
    character : Character, optional
        Who the person is, if that is not to be drawn.
    """
    character = character or draw_character(seed, index, age_range, age)
    fine = Grid.of_box("head" if skull else "brain", min(voxel_size, 2))
    factor = round(voxel_size / fine.voxel_size)
    template = load_template(fine.voxel_size)
    shape = draw_shape(character, seed, turned)
    tissue = age_tissue(template, character, seed, shape.asymmetry_mm)
    coarse = Grid(fine.low, tuple(n // factor for n in fine.shape), voxel_size)  # type: ignore[arg-type]
    images = {}
    texture = _texture(character, seed, template.grid)
    for number, modality in enumerate(MODALITIES):
        rng = stream(seed, character.index, "scanner").spawn(len(MODALITIES))[number]
        motion = draw_motion(rng) if modality != "T1w" else None
        points = template_points(shape, fine, motion=motion, push=tissue.push, push_grid=template.grid)
        images[modality] = _image(
            tissue, texture, modality, character, points, template.grid, coarse, skull, rng
        )
        if modality == "T1w":
            labels = _labels(tissue, points, template_points(shape, fine), template.grid, factor)
    return Person(character, images, labels, tissue.lesions, coarse.affine)


def _texture(character: Character, seed: int, grid: Grid) -> Array:
    spec = load_spec().signal
    rng = stream(seed, character.index, "texture")
    return 1 + np.float32(spec.texture_sd) * random_field(rng, spec.texture_wavelength_mm, grid)


def _image(
    tissue: Tissue,
    texture: Array,
    modality: str,
    character: Character,
    points: Array,
    template_grid: Grid,
    grid: Grid,
    skull: bool,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    scanner = load_spec().signal.scanners[character.scanner]
    factor = grid.voxel_size / template_grid.voxel_size
    clean = sample(signal(tissue, modality, scanner.contrast) * texture, template_grid, points)
    if skull:
        clean += sample(head_signal(modality), head_grid(), points, mode="nearest")
    brain = sample(tissue.brain, template_grid, points)
    clean, brain = block_mean(clean, round(factor)), block_mean(brain, round(factor))
    image = stored(scan(clean, grid, scanner, draw_gain(rng, scanner), rng))
    return image if skull else np.where(brain > 0.5, np.maximum(image, 1), 0).astype(np.uint16)


def _labels(
    tissue: Tissue, points: Array, unpushed: Array, template_grid: Grid, factor: int
) -> NDArray[np.uint8]:
    """Labels at the nearest template voxel; of a block of voxels, the most frequent of at least a quarter."""
    fine = sample(process_labels(tissue.changed), template_grid, points, order=0)
    taken = sample(process_labels(tissue.taken), template_grid, unpushed, order=0)
    fine[taken > 0] = taken[taken > 0]
    if factor == 1:
        return fine
    count = len(load_spec().ageing.processes)
    shares = np.stack([block_mean((fine == k).astype(np.float32), factor) for k in range(1, count + 1)])
    best = shares.argmax(axis=0) + 1
    return np.where(shares.max(axis=0) >= 0.25, best, 0).astype(np.uint8)
