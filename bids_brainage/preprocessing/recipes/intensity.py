"""Operations on intensities: each a function of all values, those that it measures, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.recipes.vocabulary import Anchor, Operation

Values = NDArray[np.float32]
STATISTICS: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda values: float(values.mean()),
    "max": lambda values: float(values.max()),
    "p97": lambda values: float(np.percentile(values, 97)),
}


def _divide_by(values: Values, measured: Values, step: Any) -> Values:
    value = step.value
    if isinstance(value, str):
        value = _level(STATISTICS[value](measured.astype(np.float64)))
    return values / np.float32(value)


def _anchor(values: Values, measured: Values, step: Anchor) -> Values:
    measured = measured if step.at == "white-matter" else measured[measured > 0]
    return values * np.float32(step.to / _level(float(np.median(measured)) if measured.size else 0.0))


def _clip(values: Values, _: Values, step: Any) -> Values:
    return np.clip(values, np.float32(step.low), np.float32(step.high))


def _cap(values: Values, measured: Values, step: Any) -> Values:
    low, high = np.percentile(measured, [step.low, step.high])
    return np.clip(values, np.float32(low), np.float32(high))


def _min_max(values: Values, measured: Values, step: Any) -> Values:
    low, high = float(measured.min()), float(measured.max())
    share = (values - np.float32(low)) / np.float32(_level(high - low))
    return share * np.float32(step.high - step.low) + np.float32(step.low)


def _z_score(values: Values, measured: Values, step: Any) -> Values:
    exact = measured.astype(np.float64)
    sd = float(exact.std(ddof=step.ddof)) if exact.size > 1 else 0.0
    return (values - np.float32(exact.mean())) / np.float32(_level(sd))


def _round(values: Values, _: Values, step: Any) -> Values:
    return np.clip(np.rint(values), 0, 255)


OPERATIONS: dict[str, Callable[[Values, Values, Any], Values]] = {
    "divide-by": _divide_by,
    "anchor": _anchor,
    "clip": _clip,
    "cap": _cap,
    "min-max": _min_max,
    "z-score": _z_score,
    "round-uint8": _round,
}


class _NothingError(ValueError):
    """There is nothing to scale by."""


def operate(
    values: Values, step: Operation, measured: Mapping[str, Callable[[Values], Values]], name: str
) -> Values:
    """Do one operation.

    Parameters
    ----------
    values : ndarray of float32
    step : Operation
    measured : mapping of str to callable
        By scope (and white-matter), gives those of the values that a statistic is taken of.
    name : str
        What to call the image in an error.

    Raises
    ------
    ImageError
        If there is nothing in the scope, or all of it is the same.
    """
    scope = "white-matter" if isinstance(step, Anchor) and step.at == "white-matter" else step.over
    part = measured[scope](values)
    try:
        if not part.size:
            raise _NothingError
        return OPERATIONS[step.op](values, part, step).astype(np.float32)
    except _NothingError as error:
        raise ImageError(messages.NOTHING_TO_SCALE.format(file=name, step=step.op, scope=scope)) from error


def _level(value: float) -> float:
    if not value > 0:
        raise _NothingError
    return float(value)
