"""Who a simulated person is: age, sex, risk factors, and the age each ageing process has reached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_brainage.simulation.spec import Factor, load_spec

# Each kind of random number has its own stream, so that one kind does not affect another.
STREAMS = ("person", "ageing", "anatomy", "lesions", "texture", "scanner", "head", "scan")


def stream(seed: int, index: int, name: str) -> np.random.Generator:
    """The random numbers of one kind for person `index` of simulation `seed`."""
    sequence = np.random.SeedSequence(seed, spawn_key=(index, STREAMS.index(name)))
    return np.random.default_rng(sequence)


@dataclass(frozen=True)
class Character:
    """What is known about a person before any image is made.

    Attributes
    ----------
    index : int
        Number of the person in the simulation, from 0.
    age : float
        Chronological age (years).
    sex : str
        ``F`` or ``M``.
    factors : dict of float
        Risk factors; 0 or 1 for yes-or-no factors.
    scanner : str
        Name of the scanner.
    process_ages : dict of float
        The age each process has reached (years).
    """

    index: int
    age: float
    sex: str
    factors: dict[str, float]
    scanner: str
    process_ages: dict[str, float]

    @property
    def label(self) -> str:
        """BIDS label of the person, counted from 1."""
        return f"{self.index + 1:04d}"


def draw_character(
    seed: int, index: int, age_range: tuple[float, float] | None = None, age: float | None = None
) -> Character:
    """Draw person `index` of simulation `seed`.

    Parameters
    ----------
    seed, index : int
        Same seed and index, same person.
    age_range : tuple of float, optional
        Ages (years) are uniform between these; by default those of ageing.yaml.
    age : float, optional
        The age to give the person instead of the one drawn.
    """
    spec = load_spec()
    rng = stream(seed, index, "person")
    low, high = age_range or spec.ageing.age_range
    drawn = round(float(low + (high - low) * rng.random()), 1)
    age = drawn if age is None else age
    sex = "M" if rng.random() < spec.people.sexes["M"] else "F"
    scanner = str(rng.choice(list(spec.signal.scanners)))
    factors = _draw_factors(rng, {"age": age, "male": float(sex == "M")})
    own = stream(seed, index, "ageing")
    ages = {
        name: age + process.sd * float(own.standard_normal()) + risk_years(name, factors)
        for name, process in spec.ageing.processes.items()
    }
    return Character(index, age, sex, factors, scanner, ages)


def _draw_factors(rng: np.random.Generator, known: dict[str, float]) -> dict[str, float]:
    values = dict(known)
    for name, factor in load_spec().people.factors.items():
        values[name] = _draw_factor(rng, factor, values)
    return {name: value for name, value in values.items() if name not in known}


def _draw_factor(rng: np.random.Generator, factor: Factor, values: dict[str, float]) -> float:
    centre = factor.mean + sum(slope * (values[k] - zero) for k, (zero, slope) in factor.causes.items())
    uniform, normal = rng.random(), rng.standard_normal()
    if factor.binary:
        return float(uniform < 1 / (1 + np.exp(-centre)))
    low, high = factor.limits or (-np.inf, np.inf)
    return round(float(np.clip(centre + factor.sd * normal, low, high)), 2)


def risk_years(process: str, factors: dict[str, float]) -> float:
    """Years that the risk factors add to the age of `process`."""
    declared = load_spec().people.factors
    return sum(
        declared[name].years.get(process, 0.0) * (value - declared[name].around)
        for name, value in factors.items()
    )
