"""Made-up finished people whose regions' and blocks' DBA has a known mean and spread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bids_brainage.estimates.summary import model_facts
from bids_brainage.models.bundles.bundle import Bundle
from tests.group.made_up import SUB_ENSEMBLES, MadeUp, publish_person, write_dataset

#: Of the merged atlas, with what is outside it.
REGIONS = 130
#: Where maps are not zero: whole blocks of 2 x 2 x 2 voxels, inside the brain; and how many.
CUBE, BLOCKS = (slice(32, 44), slice(50, 62), slice(40, 52)), 216
#: Whose maps there are: the ensemble's and a sub-ensemble's.
MAPPED = ("", "WholeBrain_T1w")


def mean_at(age: float) -> np.ndarray:
    """Years of each region that are usual: from one that falls with age to one that rises."""
    return np.linspace(-0.02, 0.02, REGIONS) * (age - 45)


def spread_at(age: float) -> np.ndarray:
    """Standard deviation, years, twice as large at 60 as at 30."""
    return np.linspace(0.1, 0.5, REGIONS) * 2 ** ((age - 30) / 30)


def years_of(age: float, rng: np.random.Generator, shift: float = 0.0) -> dict[str, np.ndarray]:
    """A person's own years by sub-ensemble; `shift` in standard deviations."""
    return {
        name: mean_at(age) + spread_at(age) * (rng.standard_normal(REGIONS) + shift) for name in SUB_ENSEMBLES
    }


def block_mean_at(age: float) -> np.ndarray:
    """Years of each block of `CUBE` that are usual."""
    return np.linspace(-4e-4, 4e-4, BLOCKS).reshape(6, 6, 6) * (age - 45)


def block_spread_at(age: float) -> np.ndarray:
    """Standard deviation, years a block, twice as large at 60 as at 30."""
    return np.linspace(1e-3, 5e-3, BLOCKS).reshape(6, 6, 6) * 2 ** ((age - 30) / 30)


def map_of(age: float, rng: np.random.Generator, shift: float = 0.0) -> np.ndarray:
    """A person's map in standard space: years of each block, unevenly among its voxels; 0 elsewhere."""
    years = block_mean_at(age) + block_spread_at(age) * (rng.standard_normal((6, 6, 6)) + shift)
    shares = rng.random((12, 12, 12))
    shares /= np.kron(shares.reshape(6, 2, 6, 2, 6, 2).sum(axis=(1, 3, 5)), np.ones((2, 2, 2)))
    values = np.zeros((91, 109, 91), np.float32)
    values[CUBE] = np.kron(years, np.ones((2, 2, 2))) * shares
    return values


def write_reference_people(
    root: Path, bundle: Bundle, n: int = 120, women_shift: float = 0.0, voxels: bool = False
) -> Mapping:
    """People of 30 to 60 years in root/out and root/bids; odd ones are women. Their ages by label.

    With `voxels`, they have DBA maps of the ensemble and its first sub-ensemble in standard space.
    """
    rng = np.random.default_rng(5)
    ages = dict(zip((f"{i:03d}" for i in range(n)), np.linspace(30, 60, n), strict=True))
    for number, (label, age) in enumerate(ages.items()):
        shift = women_shift * (number % 2)
        publish_person(
            root / "out",
            MadeUp(label, age),
            maps=False,
            dba=years_of(age, rng, shift),
            dba_maps={name: map_of(age, rng, shift) for name in MAPPED} if voxels else None,
            model=model_facts(bundle),
        )
    rows = [
        {"participant_id": f"sub-{label}", "age": age, "sex": "MF"[i % 2], "site": "<b>A</b>"}
        for i, (label, age) in enumerate(ages.items())
    ]
    write_dataset(root / "bids", rows)
    return ages
