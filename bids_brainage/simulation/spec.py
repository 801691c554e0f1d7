"""The simulation's numbers, read from `bids_brainage/data/simulation/*.yaml` and checked."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from bids_brainage import __version__

_FILES = ("anatomy", "ageing", "signal", "people")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Effect(_Frozen):
    """What a process does, linear in its age."""

    at_20: float
    per_year: float
    least: float
    unit: str

    def at(self, age: float) -> float:
        """Size of the effect when the process has reached `age` (years)."""
        return max(self.least, self.at_20 + self.per_year * (age - 20.0))

    @property
    def onset(self) -> float:
        """Age below which the process has no visible effect (years)."""
        return 20.0 + (self.least - self.at_20) / self.per_year


class Process(_Frozen):
    """One ageing process in one region."""

    kind: Literal["ventricle", "cortex", "cerebellum", "lesions", "iron"]
    region: str
    sd: float = Field(gt=0)
    effect: Effect
    visible_in: tuple[str, ...]


class Factor(_Frozen):
    """A risk factor: how it is drawn and what it does to which process."""

    description: str
    units: str = ""
    binary: bool = False
    mean: float
    causes: dict[str, tuple[float, float]] = Field(default={}, alias="from")
    sd: float = 0.0
    limits: tuple[float, float] | None = None
    around: float = 0.0
    years: dict[str, float] = {}


class Ageing(_Frozen):
    """All processes and what they share."""

    age_range: tuple[float, float]
    reference_age: float
    processes: dict[str, Process]
    lesion: dict[str, Any]
    cortex: dict[str, float]


class Scanner(_Frozen):
    """A scanner: the level, unevenness and noise of its images."""

    gain: float
    gain_sd: float
    bias_sd: float
    noise: float
    contrast: float


class Signal(_Frozen):
    """Signals of tissues and what scanners do to them."""

    signal: dict[str, dict[str, float]]
    outside: dict[str, dict[str, float]]
    texture_sd: float
    texture_wavelength_mm: float
    bias_wavelength_mm: float
    full_scale: float
    motion: dict[str, float]
    scanners: dict[str, Scanner]


class People(_Frozen):
    """Who is simulated."""

    sexes: dict[str, float]
    factors: dict[str, Factor]


class Spec(_Frozen):
    """Everything the simulation is made of."""

    anatomy: dict[str, Any]
    ageing: Ageing
    signal: Signal
    people: People


def _text(name: str) -> str:
    return (files("bids_brainage") / "data" / "simulation" / f"{name}.yaml").read_text(encoding="utf-8")


@cache
def load_spec() -> Spec:
    """The simulation's specification as it ships with the package."""
    return Spec.model_validate({name: yaml.safe_load(_text(name)) for name in _FILES})


@cache
def spec_digest() -> str:
    """Short digest of version and specification: people with different digests differ."""
    text = __version__ + "".join(_text(name) for name in _FILES)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
