"""Splits: nobody twice, ages alike, groups together, everybody tested once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.models.training.splits import split_by_age


def own_groups(n: int) -> list[str]:
    return [str(number) for number in range(n)]


@settings(deadline=None, max_examples=50)
@given(st.integers(20, 300), st.integers(0, 1000))
def test_ten_folds_test_everybody_once(n, seed):
    ages = np.random.default_rng(seed).uniform(20, 80, n)
    splits = split_by_age(ages, own_groups(n), (8, 1, 1), 10, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([s.test for s in splits])), np.arange(n))
    np.testing.assert_array_equal(np.sort(np.concatenate([s.validation for s in splits])), np.arange(n))
    for split in splits:
        roles = np.concatenate([split.training, split.validation, split.test])
        np.testing.assert_array_equal(np.sort(roles), np.arange(n))
        assert abs(len(split.test) - n / 10) < 1


def test_ages_of_all_roles_are_alike():
    """Far closer than chance: each tenth of the ages gives each role its share."""
    ages = np.random.default_rng(1).uniform(20, 80, 400)
    tenth = np.searchsorted(np.quantile(ages, np.arange(0.1, 1, 0.1)), ages)
    for split in split_by_age(ages, own_groups(400), (8, 1, 1), 10, 1):
        np.testing.assert_array_equal(np.bincount(tenth[split.test]), 4)
        np.testing.assert_array_equal(np.bincount(tenth[split.training]), 32)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=60, max_size=120), st.integers(0, 1000))
def test_groups_are_never_split(groups, seed):
    ages = np.random.default_rng(seed).uniform(20, 80, len(groups))
    labels = np.array([str(group) for group in groups])
    for split in split_by_age(ages, list(labels), (8, 1, 1), 10, seed):
        roles = [set(labels[role]) for role in (split.training, split.validation, split.test)]
        assert not roles[0] & roles[1]
        assert not roles[0] & roles[2]
        assert not roles[1] & roles[2]


def test_the_seed_decides():
    ages = np.random.default_rng(0).uniform(20, 80, 50)
    first, same, other = (split_by_age(ages, own_groups(50), (8, 1, 1), 1, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test, same.test)
    assert not np.array_equal(first.test, other.test)
