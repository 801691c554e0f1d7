"""The colours of relevance: red and yellow add years, blue and turquoise take years away.

Hofmann et al. 2022, legend of figure 3: relevance is clipped symmetrically at its 99th percentile,
normalised to [-1, 1], and the black-fire-red colours are multiplied by five for better contrast.
"""

from __future__ import annotations

import numpy as np

PERCENTILE = 99.0
GAIN = 5.0


def symmetric_limit(relevance: np.ndarray, percentile: float = PERCENTILE) -> float:
    """Return the absolute relevance at which colours are clipped.

    Parameters
    ----------
    relevance : np.ndarray
        A map of any shape, in years per voxel.
    percentile : float
        In per cent, of the absolute values of the voxels that carry relevance. Zeros are left out, so
        that the limit does not depend on how much empty space an image has around the brain.

    Returns
    -------
    float
        The limit in years per voxel; 0 for a map without relevance.
    """
    values = np.abs(relevance[np.isfinite(relevance) & (relevance != 0)])
    return float(np.percentile(values, percentile)) if values.size else 0.0


def normalise(relevance: np.ndarray, limit: float) -> np.ndarray:
    """Clip at plus and minus `limit` and scale to [-1, 1]; a limit of 0 gives zeros."""
    if limit <= 0:
        return np.zeros_like(relevance, dtype=np.float32)
    return np.clip(np.nan_to_num(relevance) / limit, -1, 1)


def black_fire_red(values: np.ndarray, gain: float = GAIN) -> np.ndarray:
    """Turn values in [-1, 1] into colours.

    Without gain, black at 0 goes to red at 0.5 and yellow at 1, and to blue at -0.5 and turquoise at -1,
    linearly. There is no white at either end: strong relevance keeps its sign.

    Parameters
    ----------
    values : np.ndarray
        Normalised relevance of any shape.
    gain : float
        Factor on the colours, which are then clipped at 1.

    Returns
    -------
    np.ndarray
        Red, green and blue in [0, 1], shape ``(*values.shape, 3)``.
    """
    size = np.clip(np.abs(np.asarray(values, dtype=np.float64)), 0, 1)
    first, second = np.clip(2 * size, 0, 1), np.clip(2 * size - 1, 0, 1)
    older = np.asarray(values) > 0
    colours = np.stack([np.where(older, first, 0), second, np.where(older, 0, first)], axis=-1)
    return np.clip(gain * colours, 0, 1)


def over_anatomy(
    relevance: np.ndarray, anatomy: np.ndarray, opacity: float = 0.85, gain: float = GAIN
) -> np.ndarray:
    """Lay relevance over anatomy: what would be black is clear, full colours cover.

    Parameters
    ----------
    relevance : np.ndarray
        Normalised to [-1, 1].
    anatomy : np.ndarray
        Grey values in [0, 1], same shape.
    opacity : float
        How much of the anatomy a full colour covers.
    gain : float
        See `black_fire_red`.

    Returns
    -------
    np.ndarray
        Colours in [0, 1], shape ``(*relevance.shape, 3)``.
    """
    colours = black_fire_red(relevance, gain)
    cover = opacity * colours.max(axis=-1, keepdims=True)
    return anatomy[..., None] * (1 - cover) + colours * opacity
