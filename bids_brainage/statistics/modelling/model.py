"""A design with the people it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bids_brainage.statistics.design import Design

#: What p values are also corrected over, beside places: contrasts of a design, maps of all sub-ensembles.
Family = Literal["contrasts", "maps"]
#: What is tested at each place: relevance with its sign, or without.
Values = Literal["signed", "absolute"]


@dataclass(frozen=True)
class Settings:
    """How a design is tested.

    Attributes
    ----------
    n_permutations : int
    two_sided : bool
        t tests ask for effects of either sign.
    correct_over : tuple of {"contrasts", "maps"}
        What p values are also corrected over, see `Family`.
    values : {"signed", "absolute"}
        What is tested, see `Values`.
    """

    n_permutations: int = 5000
    two_sided: bool = True
    correct_over: tuple[Family, ...] = ()
    values: Values = "signed"


@dataclass(frozen=True, eq=False)
class GroupModel:
    """A design, whose people it is for, and what stands beside its results.

    Attributes
    ----------
    name : str
    design : Design
    rows : ndarray of int, shape (n,)
        Rows of the table of people, in the order of the design's.
    settings : Settings
    notes : tuple of str
        Sentences for people: who was left out and why, what is collinear, known weaknesses.
    minus, years : ndarray, shape (n,), or None
        Of designs of change, an observation is ``(maps[rows] - maps[minus]) / years``.
    levels : mapping of str to str
        The group of people it is for, where an analysis is done for each (`GroupBy`), by column.
    title, source : str
        A heading, and where the analysis comes from, such as the paper; empty if it is the user's own.
    """

    name: str
    design: Design
    rows: np.ndarray
    settings: Settings = field(default_factory=Settings)
    notes: tuple[str, ...] = ()
    minus: np.ndarray | None = None
    years: np.ndarray | None = None
    levels: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    source: str = ""


@dataclass(frozen=True)
class Skipped:
    """An analysis that a table does not allow.

    Attributes
    ----------
    name, title, source : str
        See `GroupModel`.
    reason : str
        A sentence.
    """

    name: str
    title: str
    source: str
    reason: str
