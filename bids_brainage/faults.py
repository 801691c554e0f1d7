"""The first thing that is wrong with a file of a known form, fit to stand in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bids_brainage.quoting import one_line

if TYPE_CHECKING:
    from pydantic import ValidationError

# A file made to be wrong in a million places would take gigabytes to be told of in full.
MOST_TOLD = 1000


@dataclass(frozen=True)
class Fault:
    """Where something is wrong (empty: in the whole), what, pydantic's name for it, and what stands there."""

    where: str
    reason: str
    kind: str = ""
    found: Any = None

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason


def first_fault(error: ValidationError) -> Fault:
    """What pydantic found first."""
    if error.error_count() > MOST_TOLD:
        return Fault("", f"{error.error_count()} of its values are wrong")
    first = error.errors(include_url=False, include_context=False)[0]
    where = one_line(".".join(str(part) for part in first["loc"]))
    return Fault(where, one_line(first["msg"].removeprefix("Value error, ")), first["type"], first["input"])
