"""Is an image like those a model was trained on? Three measures of each network input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Measure = Literal["brightness", "size", "anatomy"]
Norms = dict[Measure, tuple[float, float]]

# Standard deviations of the training people beyond which an input is flagged: a normal quantity exceeds
# them once in 16,000 people.
LIMIT = 4.0


@dataclass(frozen=True)
class Unusual:
    """One measure of one input that is far from those in training; `z` in standard deviations."""

    sub_ensemble: str
    measure: Measure
    z: float


def measure_input(volume: np.ndarray, mean: np.ndarray) -> dict[Measure, float]:
    """The measures of an input.

    Parameters
    ----------
    volume : array (*box)
        A network's input as grey values, 0 to 255.
    mean : array (*box)
        Mean of the training people's inputs.

    Returns
    -------
    dict of str to float
        ``brightness``: mean grey value where there is signal. ``size``: log of the number of voxels with
        signal. ``anatomy``: log of (1 - correlation with the mean input), larger if less similar.
    """
    signal = volume > 0
    count = max(int(signal.sum()), 1)
    either = signal | (mean > 0)
    alike = 0.0
    if either.sum() > 1 and np.ptp(volume[either]) > 0 and np.ptp(mean[either]) > 0:
        alike = float(np.corrcoef(volume[either].astype(float), mean[either].astype(float))[0, 1])
    return {
        "brightness": float(volume[signal].mean()) if signal.any() else 0.0,
        "size": float(np.log(count)),
        "anatomy": float(np.log(max(1 - alike, 1e-6))),
    }


def training_norms(volumes: np.ndarray, people: np.ndarray, mean: np.ndarray) -> Norms:
    """Mean and standard deviation of each measure over the training people.

    Parameters
    ----------
    volumes : uint8 array (n, *box)
        May be memory-mapped; one is read at a time.
    people : array of int
        Indices of the training people.
    mean : array (*box)
        Their mean input.
    """
    measured = [measure_input(np.asarray(volumes[person]), mean) for person in people]
    return {
        name: (
            float(np.mean([each[name] for each in measured])),
            float(np.std([each[name] for each in measured], ddof=1)),
        )
        for name in measured[0]
    }


def unusual_inputs(
    arrays: Mapping[str, np.ndarray], norms: Mapping[str, Norms], means: Mapping[str, np.ndarray]
) -> tuple[Unusual, ...]:
    """Which measures of a person's inputs are far from training.

    Parameters
    ----------
    arrays : mapping of str to array (*box, 1)
        Inputs by sub-ensemble.
    norms : mapping of str to Norms
        Of the training people, by sub-ensemble; if there are none, nothing is flagged.
    means : mapping of str to array (*box)
        Mean training input by sub-ensemble, 255 times the intensities; uint8 where inputs are grey values.

    Returns
    -------
    tuple of Unusual
        For ``anatomy``, only too little similarity counts.
    """
    found = []
    for name in (name for name in arrays if norms.get(name)):
        volume = np.asarray(arrays[name])[..., 0] * 255
        grey = means[name].dtype == np.uint8
        measured = measure_input(np.rint(volume) if grey else volume, means[name])
        for measure, (centre, spread) in norms[name].items():
            z = (measured[measure] - centre) / max(spread, 1e-9)
            if z > LIMIT or (z < -LIMIT and measure != "anatomy"):
                found.append(Unusual(name, measure, float(z)))
    return tuple(found)
