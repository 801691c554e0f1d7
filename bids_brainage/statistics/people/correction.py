"""Regression to the mean, taken off DBA: a line of age, on whom it was fitted and on whom applied.

Young people are estimated too old and old people too young. A line of DBA on age (Beheshti et al. 2019,
NeuroImage: Clinical 24, 102063) takes that off; the line of the estimate on age (de Lange and Cole 2020,
NeuroImage: Clinical 26, 102229) does the same, for DBA is the estimate minus age. The corrected value is made
with the person's age: its error says nothing about how well age is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.people.accuracy import Accuracy, measure_accuracy

Application = Literal["in-sample", "out-of-fold", "given"]


@dataclass(frozen=True)
class AgeLine:
    """DBA = intercept + slope * age, in years.

    Attributes
    ----------
    intercept, slope : float
    sample : str
        Whom it was fitted on.
    n : int
    youngest, oldest : float
        Of them.
    """

    intercept: float
    slope: float
    sample: str = ""
    n: int = 0
    youngest: float = np.nan
    oldest: float = np.nan

    def corrected(self, estimates: np.ndarray, ages: np.ndarray) -> np.ndarray:
        """Estimates (n,) without what age alone says of their DBA."""
        return estimates - (self.intercept + self.slope * ages)


@dataclass(frozen=True, eq=False)
class Correction:
    """Estimates before and after.

    Attributes
    ----------
    line : AgeLine
        Fitted on all people of the sample, whatever the application.
    application : {"in-sample", "out-of-fold", "given"}
        "out-of-fold" corrects each person by the line of the others.
    corrected : ndarray (n,)
        Years; not a number where estimate or age is.
    before, after : Accuracy
        Of `after`, only DBA and its correlation with age mean something.
    """

    line: AgeLine
    application: Application
    corrected: np.ndarray
    before: Accuracy
    after: Accuracy

    def rows(self) -> list[dict[str, Any]]:
        """Cells of a table: a row before and a row after."""
        line = {
            "application": self.application,
            "sample": self.line.sample,
            "n_fitted": self.line.n,
            "youngest_fitted": self.line.youngest,
            "oldest_fitted": self.line.oldest,
            "intercept": self.line.intercept,
            "slope": self.line.slope,
        }
        names = ("n", "bias", "bias_low", "bias_high", "dba_sd", "dba_age_r", "dba_age_low", "dba_age_high")
        return [
            {"when": when, **line, **{name: found.row()[name] for name in names}}
            for when, found in (("before", self.before), ("after", self.after))
        ]


def fit_age_line(estimates: np.ndarray, ages: np.ndarray, sample: str = "") -> AgeLine:
    """Fit by least squares on people whom no model saw.

    Parameters
    ----------
    estimates, ages : array (n,)
        Years; people who lack one of them are left out.
    sample : str
        Whom it is fitted on, in words.

    Raises
    ------
    InputError
        Fewer than three people, or all of one age.
    """
    known = np.isfinite(estimates) & np.isfinite(ages)
    ages = np.asarray(ages, float)[known]
    if len(ages) < 3 or np.ptp(ages) == 0:
        raise InputError(messages.LINE_TOO_FEW.format(n=len(ages)))
    slope, intercept = np.polyfit(ages, np.asarray(estimates, float)[known] - ages, 1)
    return AgeLine(float(intercept), float(slope), sample, len(ages), float(ages.min()), float(ages.max()))


def apply_line(estimates: np.ndarray, ages: np.ndarray, line: AgeLine) -> Correction:
    """Correct by a line that was fitted on others, such as that of a bundle."""
    estimates, ages = np.asarray(estimates, float), np.asarray(ages, float)
    return _correction(estimates, ages, line, "given", line.corrected(estimates, ages))


def correct_in_sample(estimates: np.ndarray, ages: np.ndarray, sample: str = "") -> Correction:
    """Correct by the line of the same people: r(DBA, age) is 0 by construction."""
    estimates, ages = np.asarray(estimates, float), np.asarray(ages, float)
    line = fit_age_line(estimates, ages, sample)
    return _correction(estimates, ages, line, "in-sample", line.corrected(estimates, ages))


def correct_out_of_fold(
    estimates: np.ndarray, ages: np.ndarray, folds: np.ndarray | None = None, sample: str = ""
) -> Correction:
    """Correct each person by the line of those outside of their fold.

    Parameters
    ----------
    estimates, ages : array (n,)
        Years.
    folds : array (n,), optional
        The fold of each observation. By default each is a fold of its own (leave-one-out); give people's
        labels where they were seen more than once, or see `random_folds`.
    sample : str

    Raises
    ------
    InputError
        Fewer than three people, or all of one age, once a fold is left out.
    """
    estimates, ages = np.asarray(estimates, float), np.asarray(ages, float)
    line = fit_age_line(estimates, ages, sample)
    known = np.isfinite(estimates) & np.isfinite(ages)
    labels = np.arange(len(ages)) if folds is None else np.asarray(folds)
    corrected = np.full(len(ages), np.nan)
    slopes, intercepts = _lines_of_others(estimates[known] - ages[known], ages[known], labels[known])
    corrected[known] = estimates[known] - (intercepts + slopes * ages[known])
    return _correction(estimates, ages, line, "out-of-fold", corrected)


def random_folds(people: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold (n,) of each observation of `people` (n,): folds differ by one person, who are never split."""
    _, index = np.unique(np.asarray(people), return_inverse=True)
    order = np.random.default_rng(seed).permutation(index.max() + 1)
    return np.asarray(order[index] % folds)


def _lines_of_others(dba: np.ndarray, ages: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept (n,) of the line without one's own fold: sums over all, minus the fold's."""
    _, index = np.unique(folds, return_inverse=True)
    centre = ages.mean()
    x = ages - centre
    n, sx, sy, sxx, sxy = (
        np.asarray(total.sum() - np.bincount(index, total))
        for total in (np.ones_like(x), x, dba, x * x, x * dba)
    )
    spread = n * sxx - sx**2
    if (n < 3).any() or (spread <= 1e-12 * n * (x @ x)).any():
        raise InputError(messages.LINE_TOO_FEW.format(n=int(n.min())))
    slopes = (n * sxy - sx * sy) / spread
    intercepts = (sy - slopes * sx) / n - slopes * centre
    return slopes[index], intercepts[index]


def _correction(
    estimates: np.ndarray, ages: np.ndarray, line: AgeLine, application: Application, corrected: np.ndarray
) -> Correction:
    before, after = measure_accuracy(estimates, ages), measure_accuracy(corrected, ages)
    return Correction(line, application, corrected, before, after)
