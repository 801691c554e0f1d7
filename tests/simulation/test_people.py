"""People are drawn from seed and index alone, and their processes run as declared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.simulation.people import draw_character, risk_years
from bids_brainage.simulation.spec import load_spec


@given(seed=st.integers(0, 2**40), index=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_same_seed_and_index_same_person(seed: int, index: int) -> None:
    person = draw_character(seed, index)
    assert person == draw_character(seed, index)
    assert person.factors != draw_character(seed, index + 1).factors
    assert 20 <= person.age <= 80


def test_ages_are_uniform_over_their_range() -> None:
    ages = np.array([draw_character(3, i, (40, 60)).age for i in range(600)])
    assert ages.min() >= 40
    assert ages.max() <= 60
    assert abs(ages.mean() - 50) < 1
    assert abs(ages.std() - 20 / np.sqrt(12)) < 0.6


def test_processes_run_at_age_with_their_declared_noise() -> None:
    people = [draw_character(4, i) for i in range(800)]
    residuals = {
        name: np.array([p.process_ages[name] - p.age - risk_years(name, p.factors) for p in people])
        for name in load_spec().ageing.processes
    }
    for name, process in load_spec().ageing.processes.items():
        assert residuals[name].std() == pytest.approx(process.sd, rel=0.1)
        assert abs(residuals[name].mean()) < 4 * process.sd / np.sqrt(800)
    correlations = np.corrcoef(np.stack(list(residuals.values())))
    assert np.abs(correlations - np.eye(len(correlations))).max() < 0.16


def test_diabetes_adds_its_years_only_where_declared() -> None:
    healthy = {"diabetes": 0.0, "bmi": 25.0}
    diabetic = {"diabetes": 1.0, "bmi": 25.0}
    declared = load_spec().people.factors["diabetes"].years
    for name in load_spec().ageing.processes:
        added = risk_years(name, diabetic) - risk_years(name, healthy)
        assert added == pytest.approx(declared.get(name, 0.0))
    assert declared


def test_factors_name_processes_and_factors_that_exist() -> None:
    spec, known = load_spec(), {"age", "male"}
    for name, factor in spec.people.factors.items():
        assert set(factor.years) <= set(spec.ageing.processes)
        assert set(factor.causes) <= known
        known.add(name)
