"""Names for sentences: those that were perhaps meant, and the first of many."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from itertools import islice

from bids_brainage import messages
from bids_brainage.quoting import one_line


def suggestion(unknown: Iterable[str], known: Iterable[str], most: int = 3) -> str:
    """Return " (did you mean ...?)" for the first names that are almost right, or nothing.

    Where exactly one known name differs only by leading zeros or in case, that is said.
    """
    known = list(known)
    asked = list(islice(unknown, most))
    same = [[other for other in known if bare(other) == bare(name)] for name in asked]
    if asked and all(len(names) == 1 for names in same):
        names = " and ".join(dict.fromkeys(other for (other,) in same))
        return messages.DID_YOU_MEAN_ALONE.format(names=names)
    close = [name for label in asked for name in difflib.get_close_matches(label, known, n=most, cutoff=0.6)]
    return messages.DID_YOU_MEAN.format(names=" or ".join(dict.fromkeys(close[:most]))) if close else ""


def bare(label: str) -> str:
    """A label without leading zeros and in small letters, as spreadsheets and people write it."""
    return label.lower().lstrip("0")


def some(names: Sequence[str], joined: str = " or ", most: int = 10) -> str:
    """Return names for a sentence: the first few, and how many more there are."""
    told = joined.join(one_line(name) for name in names[:most])
    left = len(names) - most
    return messages.SOME_NAMES.format(names=told, n=left) if left > 0 else told
