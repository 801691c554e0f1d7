"""The section of an analysis: each set of maps that it tested, the strongest in full, all others folded."""

from __future__ import annotations

from typing import Any

from bids_brainage.reports.group.contrasts import Tested, row_of, shown_contrast, viewer_of
from bids_brainage.reports.group.designs import shown_designs
from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.likeness import shown_likeness
from bids_brainage.reports.group.reading import Analysis
from bids_brainage.reports.words import Words

#: Contrasts of one analysis that are shown with all figures, and with maps in slices.
MOST_IN_FULL = 3
MOST_DRAWN = 16


def analysis_context(analysis: Analysis, words: Words, gallery: Gallery, *, several: bool) -> dict[str, Any]:
    """What the template of an analysis is filled with.

    Parameters
    ----------
    analysis : Analysis
    words : Words
    gallery : Gallery
    several : bool
        Whether there are several ensembles, which must then be named.
    """
    tested = [Tested(analysis, unit, own) for unit in analysis.record.units for own in unit.contrasts]
    ranked = sorted(tested, key=lambda own: own.strength)
    in_full = ranked[:1] + [own for own in ranked[1:MOST_IN_FULL] if own.contrast.significant]
    drawn = ranked[:MOST_DRAWN]
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
        "viewer": viewer_of(ranked[0], gallery) if ranked else None,
        "likeness": shown_likeness(analysis, words, gallery, several=several),
        "words": words,
        "kinds": sorted({unit.kind for unit in record.units}),
    }
