"""The tori of the paper's simulation study: abstract heads that age through lesions and atrophies.

Source: Hofmann et al. 2022, NeuroImage, 10.1016/j.neuroimage.2022.119504, "Simulation study on LRP for
regression"; the numbers are in `bids_brainage/data/simulation/tori.yaml`.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import cache, partial
from importlib.resources import files

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

# Each kind of random number has its own stream, so that a torus without lesions has the same atrophies.
STREAMS = ("age", "shape", "lesions", "atrophies")
OUTER, INNER = 1, 2


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Normal(_Frozen):
    """A normal distribution."""

    mean: float
    sd: float = Field(ge=0)


class Ages(_Frozen):
    """How ages (years) are distributed."""

    range: tuple[float, float]
    uniform_share: float = Field(ge=0, le=1)
    normal: Normal


class Shape(_Frozen):
    """Size (pixels) and intensity of a torus before it ages."""

    radii: tuple[float, float]
    hole: float = Field(gt=0, lt=1)
    size_sd: float
    largest_radius: float
    intensity: float
    intensity_sd: float


class Lesions(_Frozen):
    """Bright patches: how many, how large (pixels), how bright."""

    onset: float
    number_sd: float
    most: int
    edge: int
    room: int
    brightness: float
    brightness_sd: float


class Atrophies(_Frozen):
    """Pixels lost at the borders: how many."""

    per_year: float
    number_sd: float
    most: int


class ToriSpec(_Frozen):
    """All numbers of the simulation."""

    size: int
    age: Ages
    torus: Shape
    lesions: Lesions
    atrophies: Atrophies


@cache
def load_tori_spec() -> ToriSpec:
    """The specification that ships with the package."""
    path = files("bids_brainage") / "data" / "simulation" / "tori.yaml"
    return ToriSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, eq=False)
class Torus:
    """One torus and the truth about it.

    Attributes
    ----------
    index : int
        Its number in the simulation, from 0.
    age : float
        Years.
    image : array (size, size), float32
        Intensities in [0, 1]; zero outside, in the hole and where it is atrophied.
    lesions : array (size, size), bool
        Pixels brightened by a lesion and not atrophied since.
    atrophies : array (size, size), uint8
        Pixels lost: `OUTER` at the outer border, `INNER` at the border of the hole, else 0.
    n_lesions : int
        Number of lesions; their patches may overlap.
    """

    index: int
    age: float
    image: NDArray[np.float32]
    lesions: NDArray[np.bool_]
    atrophies: NDArray[np.uint8]
    n_lesions: int


@dataclass(frozen=True, eq=False)
class Tori:
    """Many tori, as arrays with one entry per torus; see `Torus`."""

    ages: NDArray[np.float64]
    images: NDArray[np.float32]
    lesions: NDArray[np.bool_]
    atrophies: NDArray[np.uint8]
    n_lesions: NDArray[np.int64]

    @classmethod
    def of(cls, tori: Iterable[Torus]) -> Tori:
        """Stack single tori."""
        made = list(tori)
        return cls(
            np.array([t.age for t in made]),
            np.stack([t.image for t in made]),
            np.stack([t.lesions for t in made]),
            np.stack([t.atrophies for t in made]),
            np.array([t.n_lesions for t in made]),
        )

    def take(self, chosen: NDArray[np.int64]) -> Tori:
        """Some of them."""
        return Tori(*(getattr(self, field.name)[chosen] for field in fields(self)))


def simulate_torus(
    seed: int,
    index: int,
    *,
    age: float | None = None,
    lesions: bool = True,
    atrophies: bool = True,
    atrophy_age: float | None = None,
) -> Torus:
    """Make torus `index` of simulation `seed`.

    Parameters
    ----------
    seed, index : int
        Same seed and index, same torus, whatever else is made. The pixels it has lost at a lower age are
        the first of those it has lost at a higher one.
    age : float, optional
        Its age in years, if that is not to be drawn.
    lesions, atrophies : bool
        Whether it has any; everything else is the same without them.
    atrophy_age : float, optional
        The age that its atrophies correspond to, if not its own.
    """
    spec = load_tori_spec()
    age = draw_age(seed, index) if age is None else age
    rng = _stream(seed, index, "shape")
    radii = np.minimum(rng.normal(spec.torus.radii, spec.torus.size_sd), spec.torus.largest_radius)
    intensity = spec.torus.intensity * (1 - rng.normal(0, spec.torus.intensity_sd))
    distance = _elliptic_distance(spec.size, radii)
    image = np.where((distance <= 1) & (distance > spec.torus.hole), intensity, 0)
    patches, number = np.zeros(image.shape, bool), 0
    if lesions:
        image, patches, number = _with_lesions(image, age, _stream(seed, index, "lesions"))
    lost = np.zeros(image.shape, bool)
    if atrophies:
        rng = _stream(seed, index, "atrophies")
        years = age if atrophy_age is None else atrophy_age
        lost = lose_pixels(image != 0, _number(spec.atrophies.per_year * years, spec.atrophies, rng), rng)
    image[lost] = 0
    middle = (1 + spec.torus.hole) / 2
    sides = np.where(distance > middle, OUTER, INNER) * lost
    return Torus(index, age, image.astype(np.float32), patches & ~lost, sides.astype(np.uint8), number)


def simulate_tori(
    seed: int,
    indices: Sequence[int],
    *,
    lesions: bool = True,
    atrophies: bool = True,
    atrophy_age: float | None = None,
    nprocs: int = 1,
    progress: Callable[[Iterable[Torus], int], Iterable[Torus]] | None = None,
) -> Tori:
    """Make several tori of simulation `seed`, in this many processes; see `simulate_torus`."""
    make = partial(simulate_torus, seed, lesions=lesions, atrophies=atrophies, atrophy_age=atrophy_age)
    watched = progress or (lambda tori, _: tori)
    if nprocs <= 1:
        return Tori.of(watched(map(make, indices), len(indices)))
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(nprocs, mp_context=context) as pool:
        return Tori.of(watched(pool.map(make, indices, chunksize=50), len(indices)))


def draw_age(seed: int, index: int) -> float:
    """Age of torus `index` of simulation `seed`, in years."""
    spec = load_tori_spec().age
    rng = _stream(seed, index, "age")
    if rng.random() < spec.uniform_share:
        return float(rng.uniform(*spec.range))
    return float(np.clip(rng.normal(spec.normal.mean, spec.normal.sd), *spec.range))


def near(places: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """All pixels at most `distance` steps, over edges or corners, from the `places` (n, rows, columns)."""
    from scipy.ndimage import binary_dilation

    if distance == 0:
        return places
    return np.asarray(binary_dilation(places, np.ones((1, 3, 3)), iterations=distance))


def older_evidence(tori: Tori, distance: int) -> dict[str, NDArray[np.bool_]]:
    """Where the evidence for a higher age is: lesions, atrophies and both, each (n, size, size).

    Parameters
    ----------
    tori : Tori
    distance : int
        0 gives the changed pixels themselves. Atrophied ones are zero, and zeros receive no relevance; what
        shows an atrophy is the border beside it. With 1 or more it is what is left of the torus within so
        many pixels of a change.
    """
    lost = tori.atrophies > 0
    places = {"lesions": tori.lesions, "atrophies": lost, "lesions and atrophies": tori.lesions | lost}
    if distance == 0:
        return places
    return {name: near(place, distance) & (tori.images > 0) for name, place in places.items()}


def younger_evidence(tori: Tori) -> dict[str, NDArray[np.bool_]]:
    """Where the evidence for a lower age is, each (n, size, size).

    The border, all pixels beside a zero, shows how few atrophies there are. The intact border has no atrophy
    or lesion within one pixel; intact matter is all of the torus that has neither within one pixel.
    """
    body = tori.images > 0
    border = body & near(~body, 1)
    intact = body & ~near(tori.lesions | (tori.atrophies > 0), 1)
    return {"border": border, "intact border": intact & border, "intact matter": intact}


def _stream(seed: int, index: int, name: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, STREAMS.index(name))))


def _elliptic_distance(size: int, radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each pixel from the centre, where 1 is the outer border."""
    rows, columns = (((np.arange(size) - (size - 1) / 2) / radius) ** 2 for radius in radii)
    return np.sqrt(rows[:, None] + columns)


def _with_lesions(
    image: NDArray[np.float64], age: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """The image with its lesions, where they are, and how many."""
    from scipy.ndimage import binary_erosion

    spec = load_tori_spec().lesions
    number = _number(age - spec.onset, spec, rng)
    # Lesions leave no zeros behind, so a place with room for one has room for all.
    sites = np.argwhere(binary_erosion(image != 0, np.ones((spec.room, spec.room))))
    image, where, reach = image.copy(), np.zeros(image.shape, bool), spec.edge // 2
    for row, column in rng.choice(sites, number):
        patch = (slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1))
        brighter = rng.normal(spec.brightness, spec.brightness_sd)
        image[patch] = np.clip(image[patch] + brighter, 0, 1)
        where[patch] = True
    return image, where, number


def _number(mean: float, spec: Lesions | Atrophies, rng: np.random.Generator) -> int:
    return round(float(np.clip(rng.normal(mean, spec.number_sd), 0, spec.most)))


def lose_pixels(body: NDArray[np.bool_], number: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Remove pixels at the borders of `body`, one after the other.

    Of all border pixels, which touch a zero, one is picked at random and lost with a probability of
    (zeros among its 8 neighbours) / 8; its neighbours then have one zero more.

    Parameters
    ----------
    body : array (rows, columns)
        True where there is something to lose; beyond the image all is zero.
    number : int
        How many pixels are lost.
    rng : numpy.random.Generator

    Returns
    -------
    array (rows, columns), bool
        Where pixels were lost.
    """
    left = np.pad(body, 1)
    width = left.shape[1]
    around = np.array([row * width + column for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column])
    there = np.flatnonzero(left)
    counts = 8 - left.ravel()[there[:, None] + around].sum(axis=1)
    # Plain lists: for removing pixels one by one they are much faster than arrays.
    zeros, steps = dict(zip(there.tolist(), counts.tolist(), strict=True)), around.tolist()
    border = [pixel for pixel, count in zeros.items() if count]
    number = min(number, len(there))
    lost: list[int] = []
    while len(lost) < number:
        for which, chance in rng.random((4 * number, 2)).tolist():
            place = int(which * len(border))
            pixel = border[place]
            if 8 * chance >= zeros[pixel]:
                continue
            border[place] = border[-1]
            border.pop()
            del zeros[pixel]
            lost.append(pixel)
            if len(lost) == number:
                break
            for neighbour in (pixel + step for step in steps):
                if neighbour in zeros:
                    if not zeros[neighbour]:
                        border.append(neighbour)
                    zeros[neighbour] += 1
    gone = np.zeros_like(left)
    gone.ravel()[lost] = True
    return gone[1:-1, 1:-1]
