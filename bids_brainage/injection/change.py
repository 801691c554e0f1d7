"""What can be put into images, and how much of it where: data/simulation/injection.yaml."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from bids_brainage import messages
from bids_brainage.errors import InputError

Side = Literal["left", "right", "both"]
SIDES: tuple[Side, ...] = ("left", "right", "both")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(_Frozen):
    """One kind of change.

    Attributes
    ----------
    unit, meaning : str
        Of the dose.
    most : float
        The largest dose that makes sense in anyone.
    shows_in : tuple of str
        Sequences that it changes.
    regions : tuple of str
        Where it can be put; everywhere if none is asked for.
    """

    unit: str
    meaning: str
    most: float = Field(gt=0)
    shows_in: tuple[str, ...]
    regions: tuple[str, ...]


class InjectionSpec(_Frozen):
    """All kinds of changes, their shapes, and the structures of the atlas that they concern."""

    kinds: dict[str, Kind]
    lesions: dict[str, float]
    ventricles: dict[str, float]
    cortex: dict[str, float]
    lesions_arise_in: tuple[str, ...]
    ventricle: tuple[str, ...]
    other_ventricles: tuple[str, ...]
    lobes: dict[str, tuple[str, ...]]
    columns: dict[str, dict[str, str]]


@cache
def load_injection() -> InjectionSpec:
    """The specification that ships with the package."""
    path = files("bids_brainage") / "data" / "simulation" / "injection.yaml"
    return InjectionSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Change:
    """One change of a known dose.

    Attributes
    ----------
    kind : str
        A name in injection.yaml.
    dose : float
        In the kind's unit.
    side : {"left", "right", "both"}
        The person's own.
    region : str or None
        Where the kind allows a choice; None: everywhere.
    seed : int
        Decides where lesions lie. With the same seed, a higher dose contains a lower one.
    """

    kind: str
    dose: float
    side: Side = "both"
    region: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        kinds = load_injection().kinds
        if self.kind not in kinds:
            raise InputError(messages.INJECT_KIND_UNKNOWN.format(kind=self.kind, kinds=", ".join(kinds)))
        if self.side not in SIDES:
            raise InputError(messages.INJECT_SIDE_UNKNOWN.format(side=self.side))
        if not 0 < self.dose <= self.of_kind.most:
            raise InputError(
                messages.INJECT_DOSE.format(
                    dose=self.dose, kind=self.kind, unit=self.of_kind.unit, most=self.of_kind.most
                )
            )
        if self.region is not None and self.region not in self.of_kind.regions:
            known = ", ".join(self.of_kind.regions) or "none"
            raise InputError(
                messages.INJECT_REGION_UNKNOWN.format(region=self.region, kind=self.kind, regions=known)
            )

    @property
    def of_kind(self) -> Kind:
        """What is true of all changes of this kind."""
        return load_injection().kinds[self.kind]

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that it is put into; empty where the kind has no choice."""
        return self.of_kind.regions if self.region is None else (self.region,)

    @property
    def record(self) -> dict[str, Any]:
        """What determines it, for files."""
        return asdict(self) | {"unit": self.of_kind.unit}

    def __str__(self) -> str:
        """Return what was done, as a person would say it."""
        amount = (
            f"{100 * self.dose:g} %" if self.of_kind.unit == "share" else f"{self.dose:g} {self.of_kind.unit}"
        )
        where = "" if self.side == "both" else f", {self.side} side only"
        region = "" if self.region is None else f" ({self.region.replace('_', ' ')})"
        return f"{self.kind}{region} of {amount}{where}"
