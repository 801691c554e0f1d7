"""What a BIDS Stats Model may say to this program, in its ``Software``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.modelling.blocks import Exchange
from bids_brainage.statistics.modelling.model import Family, Settings, Values
from bids_brainage.suggestions import suggestion

#: The key under which they stand.
PROGRAM = "bids_brainage"
#: Which sessions of a person take part: the first, or all of them.
Sessions = Literal["first", "all"]


class SoftwareOptions(BaseModel):
    """Options of permutations; what is None is left to the command line.

    Attributes
    ----------
    n_permutations : int or None
    two_sided : bool or None
        t tests ask for effects of either sign.
    correct_over : tuple of {"contrasts", "maps"} or None
        What p values are also corrected over.
    values : {"signed", "absolute"} or None
        What is tested.
    blocks : str or None
        The column of exchangeability blocks.
    exchange : {"within", "whole"}
        Observations are exchanged within blocks, or blocks as wholes.
    flip : bool or None
        Signs are flipped instead of people exchanged; None if contrasts decide, see `needs_flips`.
    sessions : {"first", "all"} or None
        Which sessions of a person take part; None for all where there are blocks, otherwise for the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    n_permutations: int | None = Field(default=None, ge=1, le=10_000_000)
    two_sided: bool | None = None
    correct_over: list[Family] | None = None
    values: Values | None = None
    blocks: str | None = None
    exchange: Exchange = "within"
    flip: bool | None = None
    sessions: Sessions | None = None

    @property
    def once(self) -> bool:
        """Whether a person takes part with one session."""
        return self.blocks is None if self.sessions is None else self.sessions == "first"

    def settings(self, usual: Settings) -> Settings:
        """The settings, with what is said here in place of the usual."""
        return Settings(
            usual.n_permutations if self.n_permutations is None else self.n_permutations,
            usual.two_sided if self.two_sided is None else self.two_sided,
            usual.correct_over if self.correct_over is None else tuple(self.correct_over),
            usual.values if self.values is None else self.values,
        )


def read_options(software: Mapping[str, Mapping[str, Any]] | None) -> SoftwareOptions:
    """Read the options for this program; those for other programs are theirs.

    Raises
    ------
    InputError
        If one is unknown, or cannot be what it is.
    """
    given = (software or {}).get(PROGRAM, {})
    known = SoftwareOptions.model_fields
    for name in given:
        if name not in known:
            facts = {"option": one_line(name), "hint": suggestion([name], known), "known": ", ".join(known)}
            raise InputError(messages.SOFTWARE_UNKNOWN.format(**facts))
    try:
        return SoftwareOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        facts = {"option": one_line(first["loc"][0]), "reason": one_line(first["msg"])}
        raise InputError(messages.SOFTWARE_VALUE.format(**facts)) from error
