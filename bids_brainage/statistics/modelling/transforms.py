"""What a formula may do to a column of numbers: a table of transforms, each with the literals it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Literal = int | str | None


@dataclass(frozen=True)
class Parameter:
    """A literal that a transform takes.

    Attributes
    ----------
    default : int, str or None
    lowest, highest : int
        What a whole number may be; a text is wanted if both are 0.
    """

    default: Literal
    lowest: int = 0
    highest: int = 0

    @property
    def wanted(self) -> str:
        """What it may be, in words."""
        return f"a whole number from {self.lowest} to {self.highest}" if self.highest else "a text in quotes"

    def takes(self, value: object) -> bool:
        """Whether a literal is one that may stand here."""
        if self.highest:
            return isinstance(value, int) and self.lowest <= value <= self.highest
        return isinstance(value, str)


@dataclass(frozen=True)
class Transform:
    """A transform by name.

    Attributes
    ----------
    function : callable or None
        Takes numbers, ndarray of shape (n,), and the literals; returns an ndarray of shape (n,) or
        (n, columns). None for that which makes groups of a column.
    parameters : mapping of str to Parameter
        In the order in which they are given without names.
    """

    function: Callable[..., np.ndarray] | None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


def _center(values: np.ndarray) -> np.ndarray:
    """The deviations from the mean."""
    return values - values.mean()


def _scale(values: np.ndarray) -> np.ndarray:
    """The deviations from the mean, in standard deviations of the sample."""
    return _center(values) / values.std(ddof=1)


def _poly(values: np.ndarray, degree: int) -> np.ndarray:
    """Orthonormal polynomials without the constant, as R's ``poly`` has them."""
    from formulaic.transforms import poly

    return np.asarray(poly(values, degree=degree))


def _bs(values: np.ndarray, df: int, degree: int) -> np.ndarray:
    """A basis of B-splines with knots at quantiles and without the constant, as R's ``bs`` has it."""
    from formulaic.transforms import basis_spline

    columns = basis_spline(values, df=max(df, degree), degree=degree)
    return np.column_stack([columns[key] for key in sorted(columns)])


TRANSFORMS: Mapping[str, Transform] = {
    "center": Transform(_center),
    "scale": Transform(_scale),
    "poly": Transform(_poly, {"degree": Parameter(2, 1, 5)}),
    "bs": Transform(_bs, {"df": Parameter(4, 1, 12), "degree": Parameter(3, 1, 5)}),
    "C": Transform(None, {"reference": Parameter(None)}),
}
