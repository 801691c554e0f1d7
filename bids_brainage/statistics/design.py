"""What is asked of a group: a design matrix, contrasts of its columns, and who may be exchanged with whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np


@dataclass(frozen=True, eq=False)
class Contrast:
    """A question to a general linear model: whether ``weights @ coefficients`` is zero.

    Attributes
    ----------
    name : str
    weights : ndarray of float, shape (rank, columns)
        One row for a t test, one or more for an F test.
    statistic : {"t", "F"}
    """

    name: str
    weights: np.ndarray
    statistic: Literal["t", "F"] = "t"


@dataclass(frozen=True, eq=False)
class Exchangeability:
    """What a permutation may do with the errors of the observations (Winkler et al. 2014).

    Attributes
    ----------
    permute : bool
        Errors may be exchanged.
    flip : bool
        Their signs may be changed: they are symmetric around zero (one-sample tests).
    blocks : ndarray of int, shape (n,), or None
        The block of each observation, such as a person or a site; None if all are one block.
    within : bool
        Observations are exchanged within their block (and flipped one by one).
    whole : bool
        Blocks are exchanged (and flipped) as a whole, for another of the same size; the order in a block is
        kept, unless `within` is set as well.
    """

    permute: bool = True
    flip: bool = False
    blocks: np.ndarray | None = None
    within: bool = True
    whole: bool = False


@dataclass(frozen=True, eq=False)
class Design:
    """A general linear model of observations, and what is asked of it.

    Attributes
    ----------
    matrix : ndarray of float64, shape (n, columns)
    columns : tuple of str
        What each column holds.
    contrasts : tuple of Contrast
    exchangeability : Exchangeability
    """

    matrix: np.ndarray
    columns: tuple[str, ...]
    contrasts: tuple[Contrast, ...]
    exchangeability: Exchangeability = field(default_factory=Exchangeability)
