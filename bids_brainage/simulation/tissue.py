"""The template brain after ageing: the tissue of one person, still in template space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bids_brainage.simulation.grid import Array, Grid, sample
from bids_brainage.simulation.people import Character, stream
from bids_brainage.simulation.spec import load_spec
from bids_brainage.simulation.template import REGIONS, Template

# Share of a voxel that must have changed for its label to say so.
CHANGED = 0.1


@dataclass
class Tissue:
    """Tissue fractions in template space, and what each process changed.

    Attributes
    ----------
    grey, white, csf, brain : ndarray of float32
        Fractions of each voxel; lesions are a share of the white matter, see `lesion`.
    lesion : ndarray of float32
        Share of the voxel taken by white-matter lesions.
    iron : ndarray of float32
        Minus the logarithm of the T2starw signal that iron leaves.
    changed : dict of ndarray
        For each process but the ventricles, the share of a voxel that differs from the same person at the
        reference age.
    taken : dict of ndarray
        The same for the ventricles, but before `push`: the space that their walls have moved through.
    push : ndarray (3, ...)
        Displacement (mm) of tissue by the ventricles: what is seen at x was at x - push(x).
    lesions : dict of int
        Number of lesions of each lesion process.
    """

    grey: Array
    white: Array
    csf: Array
    brain: Array
    lesion: Array
    iron: Array
    push: Array
    changed: dict[str, Array] = field(default_factory=dict)
    taken: dict[str, Array] = field(default_factory=dict)
    lesions: dict[str, int] = field(default_factory=dict)


def process_labels(changed: Mapping[str, Array]) -> NDArray[np.uint8]:
    """1 + index of the process that changed each voxel most, 0 where none did."""
    shape = next(iter(changed.values())).shape
    labels, most = np.zeros(shape, np.uint8), np.full(shape, CHANGED, np.float32)
    for number, name in enumerate(load_spec().ageing.processes, start=1):
        if name in changed:
            more = changed[name] > most
            labels[more] = number
            most[more] = changed[name][more]
    return labels


def age_tissue(template: Template, character: Character, seed: int, asymmetry_mm: float = 0.0) -> Tissue:
    """Apply every process of `character` to the template.

    Parameters
    ----------
    template : Template
        The brain to start from.
    character : Character
        Whose process ages to use.
    seed : int
        Of the simulation; lesions lie where it says.
    asymmetry_mm : float
        How much wider the left ventricle is than the right.
    """
    ages = character.process_ages
    tissue = Tissue(
        template.grey.copy(),
        template.white.copy(),
        template.csf.copy(),
        template.brain,
        np.zeros_like(template.grey),
        np.zeros_like(template.grey),
        np.zeros_like(template.ventricle_push["lateral"]),
    )
    _shrink_cerebellum(tissue, template, ages)
    _thin_cortex(tissue, template, ages)
    _strew_lesions(tissue, template, character, seed)
    _gather_iron(tissue, template, ages)
    _widen_ventricles(tissue, template, ages, asymmetry_mm)
    return tissue


def _amounts(kind: str, ages: Mapping[str, float]) -> list[tuple[str, str, float, float]]:
    """Name, region, present effect and effect at the reference age of each process of a kind."""
    ageing = load_spec().ageing
    return [
        (name, process.region, process.effect.at(ages[name]), process.effect.at(ageing.reference_age))
        for name, process in ageing.processes.items()
        if process.kind == kind
    ]


def _thin_cortex(tissue: Tissue, template: Template, ages: Mapping[str, float]) -> None:
    """Cortex turns into CSF, sooner where more CSF is beside it: sulci widen and cortex thins."""
    numbers = load_spec().ageing.cortex
    beside = gaussian_filter(template.csf, numbers["reach_mm"] / template.grid.voxel_size)
    rate = np.zeros(len(REGIONS) + 1, np.float32)
    before = np.zeros_like(rate)
    for _, region, amount, reference in _amounts("cortex", ages):
        rate[1 + REGIONS.index(region)] = amount
        before[1 + REGIONS.index(region)] = reference
    cortical = rate[template.regions] > 0
    # Young sulci are narrower than the template's.
    filled = np.where(cortical, (1 - numbers["youth"]) * tissue.csf, 0) * _away_from_ventricles(template)
    grey = tissue.grey + filled
    lost = grey * (1 - np.exp(-rate[template.regions] * beside))
    lost_before = grey * (1 - np.exp(-before[template.regions] * beside))
    tissue.grey = grey - lost
    tissue.csf = tissue.csf - filled + lost
    for name, region, _, _ in _amounts("cortex", ages):
        here = template.regions == 1 + REGIONS.index(region)
        tissue.changed[name] = np.abs(lost - lost_before) * here


def _away_from_ventricles(template: Template) -> Array:
    nearest = np.minimum(template.ventricle_distance["lateral"], template.ventricle_distance["third"])
    return np.clip((nearest - 2) / 4, 0, 1)


def _shrink_cerebellum(tissue: Tissue, template: Template, ages: Mapping[str, float]) -> None:
    """The cerebellum shrinks towards where it joins the brain stem; CSF fills the space."""
    ((name, _, share, reference),) = _amounts("cerebellum", ages)
    mask = template.regions == 1 + REGIONS.index("cerebellum")
    box = tuple(slice(max(low - 2, 0), high + 3) for low, high in _bounds(mask))
    x, y, z = (
        axis[tuple(b if n > 1 else slice(None) for n, b in zip(axis.shape, box, strict=True))]
        for axis in template.grid.axes()
    )
    points = np.stack(np.broadcast_arrays(x, y, z)).astype(np.float32)
    hinge = np.array([0, -42, -28], np.float32).reshape(3, 1, 1, 1)
    here = mask[box].astype(np.float32)

    def shrunk(volume: Array, by: float) -> Array:
        own = np.where(mask, volume, 0)
        return sample(own, template.grid, hinge + (points - hinge) / np.float32(1 - by))

    grey, white = shrunk(template.grey, share), shrunk(template.white, share)
    young = shrunk(template.grey, reference) + shrunk(template.white, reference)
    others = (1 - here) * (template.grey[box] + template.white[box])
    room = np.clip(tissue.brain[box] - others, 0, None) / np.maximum(grey + white, 1e-3)
    grey, white = grey * np.minimum(room, 1), white * np.minimum(room, 1)
    tissue.grey[box] = (1 - here) * template.grey[box] + grey
    tissue.white[box] = (1 - here) * template.white[box] + white
    tissue.csf[box] = tissue.brain[box] - tissue.grey[box] - tissue.white[box]
    changed = np.zeros_like(tissue.grey)
    changed[box] = np.abs(young - grey - white) * (tissue.brain[box] > 0)
    tissue.changed[name] = changed


def _bounds(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    bounds = []
    for axis in range(3):
        found = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        bounds.append((int(found[0]), int(found[-1])))
    return bounds


def _strew_lesions(tissue: Tissue, template: Template, character: Character, seed: int) -> None:
    """Paint lesions into the white matter; adding or removing one leaves the others in place."""
    rng = stream(seed, character.index, "lesions")
    numbers = load_spec().ageing.lesion
    for name, region, amount, _ in _amounts("lesions", character.process_ages):
        own = rng.spawn(1)[0]
        changed = np.zeros_like(tissue.white)
        for number in range(int(np.ceil(amount))):
            site = own.choice(template.sites[region]) + own.uniform(-1, 1, 3)
            radius = own.uniform(*numbers["radius_mm"]) * min(1.0, amount - number) ** (1 / 3)
            stretch = np.exp(own.normal(0, 0.25, 3))
            _paint(changed, template.grid, site, radius * stretch, numbers["edge_mm"])
        changed *= tissue.white
        tissue.lesion = np.maximum(tissue.lesion, changed)
        tissue.changed[name] = changed
        tissue.lesions[name] = int(np.ceil(amount))


def _paint(
    volume: Array, grid: Grid, centre: NDArray[np.float64], radii: NDArray[np.float64], edge: float
) -> None:
    """Raise `volume` to 1 inside an ellipsoid, with a soft edge."""
    reach = radii.max() + 2 * edge + grid.voxel_size
    low = np.floor((centre - reach - grid.low) / grid.voxel_size).astype(int)
    high = np.ceil((centre + reach - grid.low) / grid.voxel_size).astype(int)
    box = tuple(slice(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True))
    squares = []
    for axis, (coordinates, part) in enumerate(zip(grid.axes(), box, strict=True)):
        own = np.moveaxis(np.moveaxis(coordinates, axis, 0)[part], 0, axis)
        squares.append(((own - centre[axis]) / radii[axis]) ** 2)
    distance = (np.sqrt(squares[0] + squares[1] + squares[2]) - 1) * radii.mean()
    width = max(edge, grid.voxel_size / 2)
    blob = np.clip(0.5 - distance / (2 * width), 0, 1).astype(np.float32)
    volume[box] = np.maximum(volume[box], blob)


def _gather_iron(tissue: Tissue, template: Template, ages: Mapping[str, float]) -> None:
    for name, region, amount, reference in _amounts("iron", ages):
        tissue.iron += template.nuclei[region] * np.float32(amount)
        tissue.changed[name] = template.nuclei[region] * np.float32(1 - np.exp(-abs(amount - reference)))


def _widen_ventricles(
    tissue: Tissue, template: Template, ages: Mapping[str, float], asymmetry_mm: float
) -> None:
    """Ventricles push their surroundings outwards; the labels mark the space they have taken."""
    left = np.sign(-template.grid.axes()[0]) * np.float32(asymmetry_mm / 2)
    for name, region, amount, reference in _amounts("ventricle", ages):
        shift = np.float32(amount) + (left if region == "lateral" else np.float32(0))
        tissue.push += shift * template.ventricle_push[region]
        distance = template.ventricle_distance[region]
        reach = np.sqrt((template.ventricle_push[region] ** 2).sum(axis=0))
        now, then = distance < amount * reach, distance < reference * reach
        tissue.taken[name] = (now != then).astype(np.float32)
