"""Compiled sums over large arrays, and quotients on the way: one pass where NumPy makes ten."""

from __future__ import annotations

import numpy as np

from bids_brainage.compiling import compiled


@compiled
def total(x):  # type: ignore[no-untyped-def]
    """Sum of a flat array in double precision."""
    result = 0.0
    for i in range(x.size):
        result += x[i]
    return result


@compiled
def divide_rows(z, bias, relevance, own, share, epsilon, sign, nothing, quotient):  # type: ignore[no-untyped-def]
    """Fill `quotient` with share * relevance / (z + bias + epsilon's part), and return what that absorbs.

    Parameters
    ----------
    z, relevance, own, quotient : arrays (rows, n)
        Contributions, relevance, and outputs of neurons.
    bias : array (n,)
    share, epsilon : float
        See `rules.Group`.
    sign : int
        1 or -1 if only outputs that are not negative, or only negative ones, get a share; 0 if all do.
    nothing : float
        Up to which a denominator is empty; its share is absorbed.

    Returns
    -------
    float
        In double precision.
    """
    absorbed = 0.0
    for row in range(z.shape[0]):
        contributions, received, outputs, into = z[row], relevance[row], own[row], quotient[row]
        for i in range(bias.size):
            denominator = contributions[i] + bias[i]
            stabiliser = epsilon if denominator >= 0 else -epsilon
            denominator += stabiliser
            shared = share * received[i]
            if sign != 0 and (outputs[i] >= 0) != (sign > 0):
                shared = np.float32(0)
            if abs(denominator) > nothing:
                into[i] = shared / denominator
                absorbed += np.float64(into[i]) * np.float64(stabiliser + bias[i])
            else:
                into[i] = 0
                absorbed += np.float64(shared)
    return absorbed
