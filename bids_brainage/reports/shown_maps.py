"""Which relevance maps of a session a page shows, and what it says of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bids_brainage.records.reading import FinishedMap, S
from bids_brainage.records.relevance_map import MapRecord, ReferenceMapRecord, Sidecar, ZMapRecord
from bids_brainage.reports.words import Words, in_order, reference_name, spoken

TURNED_ROUND = (
    "Its weight is negative, so the ensemble's estimate turns its colours round: what is red here takes "
    "away from that estimate, and what is blue adds to it."
)
#: Sub-ensembles whose maps against a reference are shown: a page with all would be twice as large.
MOST_COMPARED = 3
LEFT_ASIDE = "Its weight is zero: the ensemble's estimate takes nothing from it."


def shown_maps(maps: Sequence[FinishedMap[S]], ensemble: str) -> list[FinishedMap[S]]:
    """The maps of an ensemble that its page shows.

    Those of its sub-ensembles, or its own where they were not written; each once, in the space of the
    T1w image where it is there.
    """
    own = [map_ for map_ in maps if map_.ensemble == ensemble]
    parts = [map_ for map_ in own if map_.sub_ensemble]
    chosen: dict[str, FinishedMap[S]] = {}
    for map_ in parts or own:
        known = chosen.get(map_.sub_ensemble)
        if known is None or known.standard:
            chosen[map_.sub_ensemble] = map_
    order = in_order({map_.modality for map_ in chosen.values()})
    # Regions in the order of the ensemble, as the tables have them.
    regions = list(dict.fromkeys(map_.region for map_ in chosen.values()))
    return sorted(chosen.values(), key=lambda map_: (regions.index(map_.region), order.index(map_.modality)))


def shown_reference_maps(
    maps: Sequence[FinishedMap[ReferenceMapRecord]], ensemble: str, kind: str
) -> list[FinishedMap[ReferenceMapRecord]]:
    """The maps against a kind of reference: the ensemble's own, then those that add or take away most."""
    of_kind = [map_ for map_ in maps if map_.sidecar.reference.kind == kind]
    whole = shown_maps([map_ for map_ in of_kind if not map_.sub_ensemble], ensemble)
    parts = shown_maps([map_ for map_ in of_kind if map_.sub_ensemble], ensemble)
    ranked = sorted(parts, key=lambda map_: -abs(map_.sidecar.weight * map_.sidecar.relevance_sum))
    return [*whole, *(map_ for map_ in parts if map_ in ranked[:MOST_COMPARED])]


def map_name(map_: FinishedMap[Any]) -> str:
    """What a map is called: Cerebellum · T1w, or that it is the whole ensemble's."""
    return f"{spoken(map_.region)} · {map_.modality}" if map_.sub_ensemble else "All sub-ensembles together"


def map_caption(map_: FinishedMap[MapRecord], words: Words) -> str:
    """Say whose years a map shows, how many they are, and what the ensemble makes of them."""
    facts = map_.sidecar
    where = " (in template space)" if map_.standard else ""
    added = f"the map sums to {words.signed(facts.relevance_sum)} {words.unit}"
    estimate = f"{words.number(facts.estimate)} {words.unit}"
    if not map_.sub_ensemble:
        return f"{map_name(map_)}{where}: {added} of the ensemble's own estimate of {estimate}."
    return (
        f"{map_name(map_)}{where}: {added} of this sub-ensemble's own estimate of {estimate}; "
        f"{_what_weight_does(facts)}"
    )


def reference_caption(map_: FinishedMap[ReferenceMapRecord], words: Words) -> str:
    """Say between what and what a map leads, and how many years it shows."""
    facts = map_.sidecar
    where = " (in template space)" if map_.standard else ""
    who = "this sub-ensemble" if map_.sub_ensemble else "the ensemble"
    says = "usually says" if facts.reference.n_usual else "says"
    start = words.number(facts.reference_estimate + facts.usual)
    text = (
        f"{map_name(map_)}{where}: of {reference_name(facts.reference, words)} {who} {says} "
        f"{start} {words.unit}, of this one {words.number(facts.estimate)}; "
        f"the map sums to {words.signed(facts.relevance_sum)}"
    )
    return f"{text}; {_what_weight_does(facts)}" if map_.sub_ensemble else f"{text}."


def z_caption(map_: FinishedMap[ZMapRecord]) -> str:
    """Say whom a map of z scores compares with, and how much of it lies beyond 1.96."""
    facts = map_.sidecar
    people = "simulated reference people" if facts.norms.simulated else "reference people"
    size = facts.block_size[0]
    return (
        f"{map_name(map_)} (in template space), z among {facts.norms.n} {people}: "
        f"{100 * facts.beyond:.1f} % of {facts.blocks:,} blocks of {size:g} mm lie beyond "
        f"±1.96; of the reference people's own, {100 * facts.norms.beyond:.1f} % did."
    )


def _what_weight_does(facts: Sidecar) -> str:
    share = f"{facts.weight:.2f}".replace("-", "\N{MINUS SIGN}")
    text = f"its weight in the ensemble's estimate is {share}."
    if facts.weight == 0:
        return f"{text} {LEFT_ASIDE}"
    return f"{text} {TURNED_ROUND}" if facts.weight < 0 else text
