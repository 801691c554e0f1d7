"""The bundle that ships: whole, sound, small enough for the repository, and honest about what it is."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.models.bundles.bundle import Bundle, load_bundle
from bids_brainage.models.bundles.checking import check_bundle

LARGEST_MB = 15


@pytest.fixture(scope="module")
def demo() -> Bundle:
    return load_bundle("demo")


def test_it_has_as_many_base_models_as_the_paper(demo: Bundle) -> None:
    counts = {
        ensemble.name: [len(sub.folds[0].base_models) for sub in ensemble.sub_ensembles]
        for ensemble in demo.record.ensembles
    }
    assert counts == {"TypeI": [10] * 3, "TypeII": [5] * 9}


def test_it_was_trained_on_simulated_people_and_says_so(demo: Bundle) -> None:
    assert demo.is_demonstration
    assert demo.record.cohort.simulated
    assert demo.record.cohort.n >= 400


def test_it_is_small(demo: Bundle) -> None:
    assert sum(path.stat().st_size for path in demo.path.rglob("*")) < LARGEST_MB * 1e6


def test_it_is_sound(demo: Bundle) -> None:
    assert all(verdict.passed for verdict in check_bundle(demo.path))


def test_no_base_model_guesses_the_mean_age(demo: Bundle) -> None:
    errors = [row for ensemble in demo.record.ensembles for row in ensemble.errors]
    assert all(row.mae < 0.85 * row.guess_mae for row in errors if row.level == "base_model")


def test_an_ensemble_is_better_than_any_of_its_parts(demo: Bundle) -> None:
    """On people held out, as in the paper: ensemble, sub-ensembles, base models."""
    for ensemble in demo.record.ensembles:
        rows = ensemble.errors
        whole = max((r for r in rows if r.level == "ensemble"), key=lambda r: len(r.modalities))
        assert whole.mae < min(r.mae for r in rows if r.level != "ensemble")


def test_most_sub_ensembles_are_better_than_their_base_models_are_on_average(demo: Bundle) -> None:
    better = [
        sub.mae < np.mean([row.mae for row in ensemble.errors if row.name.startswith(f"{sub.name}_bm-")])
        for ensemble in demo.record.ensembles
        for sub in ensemble.errors
        if sub.level == "sub_ensemble"
    ]
    assert len(better) == 12
    assert sum(better) >= 11
