"""How a person is scanned: voxel size, with or without skull, and how the head lies."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bids_brainage.simulation.people import stream


class Scan(BaseModel):
    """One person's scan.

    Attributes
    ----------
    voxel_size : {1, 2, 4}
        Edge of a voxel, mm.
    skull : bool
        Whether scalp, skull, eyes and neck are there.
    turned : tuple of float
        Degrees by which the head is turned about x, y and z, beside what every person differs by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    voxel_size: int
    skull: bool
    turned: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def angles(self) -> NDArray[np.float64]:
        """`turned`, in radians."""
        return np.deg2rad(self.turned)


class _Variation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    voxel_size: dict[int, float]
    skull: float = Field(ge=0, le=1)
    turned_degrees: float = Field(ge=0)


@cache
def load_variation() -> dict[str, Any]:
    """What scans.yaml says of how scans differ."""
    text = (files("bids_brainage") / "data" / "simulation" / "scans.yaml").read_text(encoding="utf-8")
    return _Variation.model_validate(yaml.safe_load(text)).model_dump(mode="json")


def draw_scan(seed: int, index: int) -> Scan:
    """Draw how person `index` of simulation `seed` is scanned if scans vary."""
    variation = _Variation.model_validate(load_variation())
    rng = stream(seed, index, "scan")
    sizes, shares = zip(*variation.voxel_size.items(), strict=True)
    voxel_size = int(rng.choice(sizes, p=np.array(shares) / sum(shares)))
    skull = bool(rng.random() < variation.skull)
    x, y, z = (round(float(angle), 2) for angle in rng.uniform(-1, 1, 3) * variation.turned_degrees)
    return Scan(voxel_size=voxel_size, skull=skull, turned=(x, y, z))
