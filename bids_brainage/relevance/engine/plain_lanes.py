"""Lanes of one number, in plain numba: what `vector_lanes` does, for where its instructions cannot be made.

What the functions do stands there. A width is always one.
"""

from __future__ import annotations

from bids_brainage.compiling import inner

WIDTHS = (1,)
WIDE = NARROW = 1
CONVOLVE = False


def marker(width: int) -> tuple[bool, ...]:
    """Return what gives compiled loops a width, in another type than for vectors, to keep code apart."""
    return (False,) * width


@inner
def filled(value, width):  # type: ignore[no-untyped-def]
    """filled(value, width): the value."""
    return value


@inner
def load(array, index, width):  # type: ignore[no-untyped-def]
    """load(array, index, width): the number at `index` of a flat array."""
    return array[index]


@inner
def repeated(array, index, width):  # type: ignore[no-untyped-def]
    """repeated(array, index, width): the same."""
    return array[index]


@inner
def store(array, index, value):  # type: ignore[no-untyped-def]
    """store(array, index, value): put a number into a flat array."""
    array[index] = value


@inner
def plus(x, y):  # type: ignore[no-untyped-def]
    """plus(x, y): x + y."""
    return x + y


@inner
def negated(x):  # type: ignore[no-untyped-def]
    """negated(x): -x."""
    return -x


@inner
def multiply_add(x, y, z):  # type: ignore[no-untyped-def]
    """multiply_add(x, y, z): x * y + z."""
    return x * y + z


@inner
def chosen(x, y, larger, other):  # type: ignore[no-untyped-def]
    """chosen(x, y, larger, other): `larger` where x > y, else `other`."""
    return larger if x > y else other


@inner
def total(x):  # type: ignore[no-untyped-def]
    """total(x): x."""
    return x
