"""Correction for age against lines refitted one by one, and against both papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.correction import (
    apply_line,
    correct_in_sample,
    correct_out_of_fold,
    fit_age_line,
    random_folds,
)
from tests.statistics.people.columns import check_row


def people(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ages = rng.uniform(20, 80, n)
    return 15 + 0.7 * ages + rng.normal(0, 4, n), ages


def test_the_line_that_was_put_in_is_found() -> None:
    ages = np.linspace(20, 80, 9)
    line = fit_age_line(15 + 0.7 * ages, ages, "everybody")
    assert (line.intercept, line.slope) == pytest.approx((15, -0.3))
    assert (line.sample, line.n, line.youngest, line.oldest) == ("everybody", 9, 20, 80)


def test_both_papers_come_to_the_same() -> None:
    estimates, ages = people()
    slope, intercept = np.polyfit(ages, estimates, 1)  # of the estimate, not of DBA
    theirs = estimates + (ages - (slope * ages + intercept))
    found = correct_in_sample(estimates, ages)
    np.testing.assert_allclose(found.corrected, theirs)
    assert found.before.dba_age_r < -0.5
    assert found.after.dba_age_r == pytest.approx(0, abs=1e-9)
    check_row(found.rows()[0], "correction")


def test_left_out_means_refitted_without() -> None:
    estimates, ages = people()
    visits = np.arange(60) // 2
    for folds in (None, visits, random_folds(visits, 5, seed=3)):
        labels = np.arange(60) if folds is None else folds
        by_hand = [
            estimates[i] - np.polyval(np.polyfit(ages[o], (estimates - ages)[o], 1), ages[i])
            for i in range(60)
            for o in [labels != labels[i]]
        ]
        np.testing.assert_allclose(correct_out_of_fold(estimates, ages, folds).corrected, by_hand)


def test_missing_people_stay_missing_and_change_nothing() -> None:
    estimates, ages = people()
    whole = correct_out_of_fold(estimates, ages)
    more = correct_out_of_fold(np.append(estimates, np.nan), np.append(ages, 50))
    np.testing.assert_allclose(more.corrected, np.append(whole.corrected, np.nan))


def test_a_line_of_others_is_used_as_it_is() -> None:
    estimates, ages = people()
    line = fit_age_line(*people(seed=1), "the bundle's")
    found = apply_line(estimates, ages, line)
    np.testing.assert_allclose(found.corrected, estimates - line.intercept - line.slope * ages)
    assert found.application == "given"


def test_folds_keep_people_together_and_are_alike_in_size() -> None:
    visits = np.repeat([f"sub-{i}" for i in range(23)], 3)
    folds = random_folds(visits, 5, seed=0)
    per_person = folds.reshape(23, 3)
    assert (per_person == per_person[:, :1]).all()
    assert sorted(np.bincount(per_person[:, 0])) == [4, 4, 5, 5, 5]
    assert (folds != random_folds(visits, 5, seed=1)).any()


@pytest.mark.parametrize("ages", [[30.0, 40.0], [30.0] * 9])
def test_too_few_or_all_of_one_age_are_refused(ages: list[float]) -> None:
    with pytest.raises(InputError, match="at least 3"):
        correct_in_sample(np.arange(float(len(ages))), np.array(ages))


def test_a_fold_without_which_no_line_is_left_is_refused() -> None:
    ages = np.array([30.0, 30, 30, 30, 60])
    with pytest.raises(InputError, match="at least 3"):
        correct_out_of_fold(ages + 1, ages)
