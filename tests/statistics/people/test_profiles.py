"""Clusters of simulated people are found, with their number, and none where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.profiles import find_profiles, principal_scores
from tests.statistics.people.columns import check_row
from tests.statistics.people.simulated_profiles import profiles


@pytest.mark.parametrize("clusters", [2, 3])
def test_clusters_that_are_there_are_found(clusters: int) -> None:
    values, truth = profiles(0, clusters)
    found = find_profiles(values, seed=1, most=3, resamples=8, nulls=29)
    assert found.clusters == clusters
    assert adjusted_rand_score(found.labels, truth) > 0.9
    assert sum(found.sizes) == 80
    sums = found.centres.sum(axis=1)
    assert (np.diff(sums) > 0).all()
    np.testing.assert_allclose(found.centres[0], values[found.labels == 1].mean(axis=0))
    check_row(found.rows([f"r{i}" for i in range(30)])[0], "profiles")
    check_row(found.stability.rows()[0], "stability")


def test_a_long_cloud_is_no_two_clusters() -> None:
    """Cut across its length it is stable, but no more so than any such cloud."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(80, 1)) @ np.ones((1, 10)) * 3 + rng.normal(size=(80, 10))
    found = find_profiles(values, seed=0, most=3, resamples=4, nulls=19)
    assert found.stability.found[0] > 0.7
    assert found.clusters == 1
    assert set(found.labels) == {1}


@pytest.mark.slow
def test_normal_data_have_no_clusters() -> None:
    alone = sum(
        find_profiles(profiles(seed, 1)[0], seed, most=4, resamples=4, nulls=19).clusters == 1
        for seed in range(40)
    )
    assert alone >= 36


def test_the_same_seed_gives_the_same() -> None:
    values, _ = profiles(1, 2, n=40)
    one, two, other = (find_profiles(values, seed, most=2, resamples=3, nulls=3) for seed in (5, 5, 6))
    assert one.stability.nulls == 3
    assert one.stability.rows() == two.stability.rows()
    assert (one.stability.null_mean != other.stability.null_mean).any()


def test_few_nulls_can_tell_nothing() -> None:
    values, _ = profiles(1, 2, n=40)
    assert find_profiles(values, 0, most=2, resamples=3, nulls=9).clusters == 1


def test_units_and_constant_regions_do_not_matter() -> None:
    values, _ = profiles(2, 2, n=40)
    more = np.column_stack([values * 1000 + 7, np.zeros(40)])
    one, other = (find_profiles(each, 0, most=2, resamples=3, nulls=3) for each in (values, more))
    np.testing.assert_allclose(one.stability.found, other.stability.found)
    assert (other.regions, one.components) == (30, other.components)


def test_components_keep_the_variance_they_say() -> None:
    values, _ = profiles(0, 1)
    scores, explained = principal_scores(values)
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    assert explained == pytest.approx((scores**2).sum() / (standard**2).sum())
    assert 0.9 <= explained < 0.95 or scores.shape[1] == 20
    products = scores.T @ scores
    assert np.abs(products - np.diag(np.diag(products))).max() < 1e-9


def test_too_few_people_or_nothing_that_varies_are_refused() -> None:
    with pytest.raises(InputError, match="19 people"):
        find_profiles(profiles(0, 1)[0][:19], 0)
    with pytest.raises(InputError, match="0 regions"):
        find_profiles(np.ones((30, 4)), 0)
