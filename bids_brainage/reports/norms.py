"""The regions of a person that are most unusual for their age, beside their years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bids_brainage.reports.charts import region_label

#: Regions that are shown.
SHOWN = 12
#: Beyond it lie 5 % of what varies by chance.
LIMIT = 1.96


@dataclass(frozen=True)
class UnusualRegion:
    """A region's years in the ensemble's estimate, what is usual, and how far they are from it."""

    name: str
    years: float
    expected: float
    z: float


def unusual_regions(rows: Sequence[Mapping[str, str]]) -> list[UnusualRegion]:
    """All regions with a z score, the most unusual first.

    Parameters
    ----------
    rows : sequence of Mapping
        Of a ``*DBA_regions.tsv``; without columns of norms, there are no such regions.
    """
    found: dict[str, UnusualRegion] = {}
    for row in rows:
        if row.get("ensemble_z", "n/a") == "n/a":
            continue
        name = region_label(row["region"], row.get("hemisphere") or "")
        before = found[name].years if name in found else 0.0
        years = before + float(row["contribution"])
        found[name] = UnusualRegion(name, years, float(row["ensemble_expected"]), float(row["ensemble_z"]))
    return sorted(found.values(), key=lambda region: -abs(region.z))
