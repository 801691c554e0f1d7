"""The section of an analysis: each set of maps that it tested, the strongest in full, all others folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bids_brainage.reports.group.contrasts import Tested, row_of, shown_contrast, viewer_of
from bids_brainage.reports.group.designs import shown_designs
from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.likeness import shown_likeness
from bids_brainage.reports.group.reading import Analysis
from bids_brainage.reports.words import Words


@dataclass(frozen=True)
class Budget:
    """How much is drawn, so that a page with much to show does not become too large to open.

    Attributes
    ----------
    in_full : int
        Contrasts of an analysis with all figures.
    drawn : int
        Contrasts of an analysis with maps in slices.
    viewers : int
        Analyses with a viewer.
    """

    in_full: int
    drawn: int
    viewers: int

    @classmethod
    def of(cls, analyses: int, share: float = 1.0) -> Budget:
        """For a number of analyses, or for a share of what they would get."""
        each = share / max(analyses, 1)
        return cls(min(3, max(1, int(12 * each))), min(16, max(1, int(64 * each))), int(6 * share))


def analysis_context(
    analysis: Analysis, words: Words, gallery: Gallery, budget: Budget, *, several: bool, viewer: bool
) -> dict[str, Any]:
    """What the template of an analysis is filled with.

    Parameters
    ----------
    analysis : Analysis
    words : Words
    gallery : Gallery
    budget : Budget
    several : bool
        Whether there are several ensembles, which must then be named.
    viewer : bool
        Whether it gets one.
    """
    tested = [Tested(analysis, unit, own) for unit in analysis.record.units for own in unit.contrasts]
    ranked = sorted(tested, key=lambda own: own.strength)
    in_full = ranked[:1] + [own for own in ranked[1 : budget.in_full] if own.contrast.significant]
    drawn = ranked[: budget.drawn]
    shown = [
        shown_contrast(own, words, gallery, full=own in in_full, drawn=own in drawn, several=several)
        for own in ranked
    ]
    record = analysis.record
    return {
        "record": record,
        "people": sorted({len(unit.people) for unit in record.units}),
        "notes": list(dict.fromkeys(note for unit in record.units for note in unit.notes)),
        "rows": [row_of(own, several) for own in tested],
        "shown": shown,
        "designs": list(shown_designs(analysis, gallery, several)),
        "viewer": viewer_of(ranked[0], gallery) if ranked and viewer else None,
        "likeness": shown_likeness(analysis, words, gallery, several=several),
        "words": words,
        "kinds": sorted({unit.kind for unit in record.units}),
    }
