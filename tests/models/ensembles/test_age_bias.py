"""Known shrinkage towards the mean is found and taken off."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.models.ensembles.age_bias import LARGEST_WEIGHT, AgeBias, even_age_weights


def test_a_known_line_is_found_and_taken_off() -> None:
    rng = np.random.default_rng(0)
    ages = rng.uniform(20, 80, 500)
    estimates = 50 + 0.7 * (ages - 50) + rng.normal(0, 2, 500)
    bias = AgeBias.fit(estimates, ages)
    assert bias.slope == pytest.approx(-0.3, abs=0.02)
    corrected = np.array([bias.corrected(e, a) for e, a in zip(estimates, ages, strict=True)])
    assert np.corrcoef(corrected - ages, ages)[0, 1] == pytest.approx(0, abs=1e-9)
    assert np.mean(corrected - ages) == pytest.approx(0, abs=1e-9)


def test_rare_ages_are_shown_as_often_as_common_ones() -> None:
    rng = np.random.default_rng(0)
    ages = np.concatenate([rng.uniform(20, 40, 300), rng.uniform(40, 60, 100), rng.uniform(60, 80, 300)])
    weights = even_age_weights(ages)
    assert weights.sum() == pytest.approx(1)
    shares = [weights[(ages >= low) & (ages < low + 20)].sum() for low in (20, 40, 60)]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.09)


def test_a_lone_person_is_not_shown_all_the_time() -> None:
    weights = even_age_weights(np.array([*np.linspace(60, 80, 200), 20.0]))
    assert weights[-1] <= 1.01 * LARGEST_WEIGHT / 200
    assert weights[-1] > 3 * weights[100]
