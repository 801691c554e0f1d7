"""How certain an estimate is: spread of the models, and calibrated intervals."""

from __future__ import annotations

import math

import numpy as np


def confidence_width(predictions: np.ndarray, level: float = 0.95) -> float | None:
    """Width of the confidence interval of the mean prediction.

    2 t((1 + level) / 2, k - 1) s / sqrt(k), with s the sample standard deviation of the k
    predictions. The paper reports such widths but no formula; Student's t is our interpretation.

    Parameters
    ----------
    predictions : array (k,)
        Years.

    Returns
    -------
    float or None
        Years; None for fewer than two predictions, which have no spread.
    """
    from scipy.stats import t

    values = np.asarray(predictions, dtype=np.float64).ravel()
    if values.size < 2:
        return None
    standard_error = values.std(ddof=1) / math.sqrt(values.size)
    return float(2 * t.ppf((1 + level) / 2, values.size - 1) * standard_error)


def conformal_half_width(residuals: np.ndarray, level: float) -> float | None:
    """Half width of the split-conformal prediction interval.

    The ceil((n + 1) level)-th smallest absolute held-out residual. An interval of estimate plus and
    minus this covers a new, exchangeable person's age with at least probability `level`
    (Lei et al. 2018, JASA, 10.1080/01621459.2017.1307116, theorem 2.2).

    Parameters
    ----------
    residuals : array (n,)
        Estimate minus age of people that neither networks nor heads were fitted on, in years.
    level : float
        Nominal coverage in (0, 1).

    Returns
    -------
    float or None
        Years; None if n is too small to guarantee this coverage (n < 19 for 0.95).
    """
    errors = np.sort(np.abs(np.asarray(residuals, dtype=np.float64).ravel()))
    # The small offset keeps 0.95 * 20 from being rounded up to 20 by floating point.
    rank = math.ceil((errors.size + 1) * level - 1e-9)
    return float(errors[rank - 1]) if 1 <= rank <= errors.size else None


def model_spread(sub_estimates: np.ndarray, base_predictions: np.ndarray) -> float | None:
    """How far the parts of an ensemble are apart for one person, in years.

    Parameters
    ----------
    sub_estimates : array (m,)
        The sub-ensembles' estimates; for a single one, the base models' spread is used.
    base_predictions : array (k,)
        Predictions of the first sub-ensemble's base models.

    Returns
    -------
    float or None
        Sample standard deviation; None if there is only one of each.
    """
    for values in (np.asarray(sub_estimates, float), np.asarray(base_predictions, float)):
        if values.size > 1:
            return float(values.std(ddof=1))
    return None


def normalised_scores(residuals: np.ndarray, spreads: np.ndarray, offset: float) -> np.ndarray:
    """Residuals (n,) in units of how unsure the ensemble was of each person.

    |residual| / (spread + offset), the normalised nonconformity score of Papadopoulos et al. 2011 (JAIR
    40, 815); the offset keeps people on whom all models agree from dominating the quantile.
    """
    return np.abs(residuals) / (np.asarray(spreads) + offset)
