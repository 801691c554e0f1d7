"""What finished sessions' tables of DBA by region say, for norms of them."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.group.members import Member, Members
from bids_brainage.models.bundles.region_norms import ALL
from bids_brainage.records.reading import SessionPlace, read_session
from bids_brainage.suggestions import some

_log = logging.getLogger(__name__)

#: Flags of estimates that say nothing of what is usual.
NOT_USUAL = ("images_altered", "seen_in_training", "reference_age_outside")


@dataclass(frozen=True, eq=False)
class DbaTable:
    """One session's DBA by region.

    Attributes
    ----------
    member : Member
    known : float
        Age, or what is known of the target.
    aggregation : str
        ``heads``, or ``mean``: how maps of networks were put together.
    years : dict of str to ndarray (regions,)
        By sub-ensemble, its own; with no name, the ensemble's.
    """

    member: Member
    known: float
    aggregation: str
    years: dict[str, np.ndarray]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The sequences that the estimate rests on."""
        return tuple(str(self.member.row["modalities"]).split("+"))


def read_dba_tables(out_dir: Path, members: Members) -> list[DbaTable]:
    """The tables of everybody's first session from which it can be known what is usual; others are told.

    Raises
    ------
    InputError
        A table cannot be read.
    """
    left_out: dict[str, list[str]] = {}
    found = []
    seen: set[tuple[str, str]] = set()
    for member in members.people:
        reason = _why_not(member)
        if not reason and (member.participant, member.ensemble) in seen:
            reason = "later"
        if reason:
            left_out.setdefault(reason, []).append(f"{member.name} ({member.ensemble})")
            continue
        seen.add((member.participant, member.ensemble))
        found.append(
            DbaTable(
                member=member,
                known=_known(member) or 0.0,
                aggregation=_aggregation(out_dir, member),
                years=dba_by_region(member.regions["dba"].path),
            )
        )
    for reason, names in left_out.items():
        _log.warning("%s", messages.NORMS_LEFT_OUT[reason].format(n=len(names), names=some(names, ", ")))
    return found


def _known(member: Member) -> float | None:
    value = member.row["measured"]
    return None if value is None else float(value)


def _why_not(member: Member) -> str:
    """Why a session says nothing of what is usual; empty if it does."""
    flags = str(member.row["flags"] or "").split(",")
    if raised := [flag for flag in NOT_USUAL if flag in flags]:
        return raised[0]
    if "dba" not in member.regions:
        return "map"
    return "age" if _known(member) is None else ""


def _aggregation(out_dir: Path, member: Member) -> str:
    session = read_session(SessionPlace.of(out_dir, member.participant, member.session))
    for own in session.reference_maps if session else ():
        if own.ensemble == member.ensemble and own.sidecar.reference.kind == "dba":
            return own.sidecar.aggregation
    return "heads"


def dba_by_region(path: Path) -> dict[str, np.ndarray]:
    """Years of each region by sub-ensemble, and with no name the ensemble's.

    Raises
    ------
    InputError
        It is no table as this program writes them.
    """
    try:
        with path.open(newline="", encoding="utf-8") as table:
            rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
        return dict(_columns(rows))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(messages.GROUP_REGIONS_UNREADABLE.format(path=path)) from error


def _columns(rows: Sequence[dict[str, str]]) -> Iterator[tuple[str, np.ndarray]]:
    """ValueError unless every sub-ensemble has the same regions, from 0 on, with a number each."""
    names = list(dict.fromkeys(row["sub_ensemble"] for row in rows))
    total = np.zeros(len(rows) // max(len(names), 1))
    for name in names:
        own = [row for row in rows if row["sub_ensemble"] == name]
        if [int(row["index"]) for row in own] != list(range(len(rows) // len(names))):
            raise ValueError
        years, added = (np.array([float(row[key]) for row in own]) for key in ("relevance", "contribution"))
        if not name or not (np.isfinite(years).all() and np.isfinite(added).all()):
            raise ValueError
        total = total + added
        yield name, years
    if not names:
        raise ValueError
    yield ALL, total
