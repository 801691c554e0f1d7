"""Is a published network right here? Its errors on a lab's own people beside those that its authors give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.recipe import Recipe
from bids_brainage.models.evaluation.evaluation import Evaluation
from bids_brainage.statistics.people.accuracy import as_cells, measure_accuracy
from bids_brainage.statistics.people.intervals import Interval, mean_interval, student_interval

#: Fewer people say nothing of a slope.
FEWEST = 10
#: Years of bias that are worth a word.
LEAST_BIAS = 1.0


@dataclass(frozen=True)
class PublishedFit:
    """A published network's errors here, with 95 % intervals, in years.

    Attributes
    ----------
    ensemble : str
    n : int
        People.
    youngest, oldest : float
        Of them.
    mae : float
    mae_interval : Interval
        Of the mean of absolute errors, by Student's t.
    published_mae : float or None
    bias : float
        Mean of estimate minus age.
    bias_interval : Interval
    slope : float
        Of the line of estimate on age.
    slope_interval : Interval
    """

    ensemble: str
    n: int
    youngest: float
    oldest: float
    mae: float
    mae_interval: Interval
    published_mae: float | None
    bias: float
    bias_interval: Interval
    slope: float
    slope_interval: Interval

    @property
    def larger_error(self) -> bool:
        """Whether the error is larger than the published one, by more than chance."""
        return self.published_mae is not None and self.mae_interval[0] > self.published_mae

    @property
    def biased(self) -> bool:
        """Whether estimates are off on average, by more than chance and than a year."""
        low, high = self.bias_interval
        return abs(self.bias) >= LEAST_BIAS and not low <= 0 <= high

    @property
    def flat(self) -> bool:
        """Whether estimates rise less than ages, by more than chance."""
        return self.slope_interval[1] < 1

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against the network's ages here."""
        return not (self.larger_error or self.biased)


def published_fits(bundle: Bundle, evaluation: Evaluation) -> tuple[PublishedFit, ...]:
    """Each ensemble's errors beside the published one; none if the bundle has no recipe or people are few."""
    recipe = bundle.record.recipe
    ages = np.array([person.value for person in evaluation.people])
    if recipe is None or len(ages) < FEWEST or np.ptp(ages) == 0:
        return ()
    return tuple(
        _fit(name, np.array([own.brain_age for own in estimates]), ages, recipe)
        for name, estimates in evaluation.estimates.items()
    )


def _fit(name: str, estimates: np.ndarray, ages: np.ndarray, recipe: Recipe) -> PublishedFit:
    from scipy.stats import linregress

    found, line = measure_accuracy(estimates, ages), linregress(ages, estimates)
    return PublishedFit(
        ensemble=name,
        n=found.n,
        youngest=found.youngest,
        oldest=found.oldest,
        mae=found.mae,
        mae_interval=mean_interval(np.abs(estimates - ages)),
        published_mae=recipe.error.mae,
        bias=found.bias,
        bias_interval=found.bias_interval,
        slope=float(line.slope),
        slope_interval=student_interval(float(line.slope), float(line.stderr), found.n - 2),
    )


def verdict(fit: PublishedFit, recipe: Recipe) -> tuple[str, ...]:
    """What the figures say, in sentences: how large errors are, whether that fits, and what may be wrong."""
    told = [messages.PUBLISHED_HERE.format(**as_cells(fit))]
    if fit.published_mae is None:
        told.append(messages.PUBLISHED_NOT_GIVEN.format(people=recipe.error.people))
    else:
        sentence = messages.PUBLISHED_WORSE if fit.larger_error else messages.PUBLISHED_NOT_WORSE
        told.append(sentence.format(mae=fit.published_mae, people=recipe.error.people))
    if fit.biased:
        told.append(messages.PUBLISHED_BIASED.format(bias=fit.bias))
    if fit.flat:
        told.append(messages.PUBLISHED_FLAT.format(slope=fit.slope))
    ages = recipe.cohort.ages
    if ages and (fit.youngest < ages[0] or fit.oldest > ages[1]):
        told.append(messages.PUBLISHED_AGES.format(youngest=ages[0], oldest=ages[1]))
    if not fit.fits:
        causes = "; ".join((*recipe.mistakes, messages.PUBLISHED_SCANNER))
        told.append(messages.PUBLISHED_CAUSES.format(causes=causes))
        told.append(messages.PUBLISHED_REFIT)
    return tuple(told)


COLUMNS = {
    "ensemble": "Ensemble",
    "n": "People",
    "youngest": "Age of the youngest, years",
    "oldest": "Age of the oldest, years",
    "mae": "Mean absolute error, years",
    "mae_low": "Lower end of its 95 % interval",
    "mae_high": "Upper end of its 95 % interval",
    "published_mae": "Mean absolute error that the network's authors give, years",
    "bias": "Mean of estimate minus age, years",
    "bias_low": "Lower end of its 95 % interval",
    "bias_high": "Upper end of its 95 % interval",
    "slope": "Slope of the line of estimate on age",
    "slope_low": "Lower end of its 95 % interval",
    "slope_high": "Upper end of its 95 % interval",
    "fits": "Whether neither the error nor the bias is larger than chance explains",
}


def rows(fits: Sequence[PublishedFit]) -> Iterator[dict[str, Any]]:
    """One row for each ensemble, by `COLUMNS`."""
    for fit in fits:
        row = as_cells(fit) | {"fits": fit.fits}
        yield {name: row[name] for name in COLUMNS}
