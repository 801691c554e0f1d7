"""Sliding windows against SciPy and statsmodels window by window, and corrected p against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from bids_brainage.statistics.people.window_correlations import METHODS, Correlations, Method, correlate
from bids_brainage.statistics.people.windows import sliding_windows, whole_range
from tests.statistics.people.columns import check_row


def people(seed: int = 0, n: int = 150) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """DBA with regression to the mean, and columns that follow age, with ties and gaps."""
    rng = np.random.default_rng(seed)
    ages = rng.uniform(40, 80, n)
    dba = -0.3 * (ages - 60) + rng.normal(0, 4, n)
    bmi = 20 + 0.1 * ages + rng.normal(0, 3, n)
    bmi[rng.random(n) < 0.1] = np.nan
    return dba, ages, {"bmi": bmi, "ill": (rng.random(n) < ages / 160).astype(float)}


@pytest.mark.parametrize("method", METHODS)
def test_each_window_is_as_scipy_and_statsmodels_have_it(method: Method) -> None:
    dba, ages, columns = people()
    education = np.random.default_rng(9).normal(size=len(ages))
    windows = sliding_windows(ages, 10, 3, minimum=10)
    found = correlate(dba, ages, columns, windows, method, covariates=education)
    for c, x in enumerate(columns.values()):
        for w, low in enumerate(windows.lows):
            there = (ages >= low) & (ages < low + 10) & np.isfinite(x)
            assert found.n[w, c] == there.sum()
            r, p = _theirs(dba[there], x[there], np.column_stack([ages, education])[there], method)
            assert found.r[w, c] == pytest.approx(r)
            assert found.p[w, c] == pytest.approx(p)
    assert found.tests == 2 * len(windows.lows)
    np.testing.assert_allclose(found.p_bonferroni, np.minimum(found.p * found.tests, 1))


def _theirs(y: np.ndarray, x: np.ndarray, nuisance: np.ndarray, method: Method) -> tuple[float, float]:
    if method == "pearson":
        return tuple(stats.pearsonr(y, x))
    if method == "spearman":
        return tuple(stats.spearmanr(y, x))
    fit = sm.OLS(y, sm.add_constant(np.column_stack([x, nuisance]))).fit()
    return fit.tvalues[1] / np.sqrt(fit.tvalues[1] ** 2 + fit.df_resid), fit.pvalues[1]


def test_intervals_are_fishers() -> None:
    dba, ages, columns = people()
    found = correlate(dba, ages, {"ill": columns["ill"]}, whole_range(ages), "pearson")
    theirs = stats.pearsonr(dba, columns["ill"]).confidence_interval()
    assert (found.interval.low[0, 0], found.interval.high[0, 0]) == pytest.approx(tuple(theirs))


def _by_hand(dba: np.ndarray, ages: np.ndarray, x: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Corrected p of Pearson's correlation in windows of 10 years, one by one."""
    order = np.argsort(ages)
    dba, ages, x = dba[order], ages[order], x[order]
    lows = sliding_windows(ages, 10, 5).lows

    def sizes(values: np.ndarray) -> np.ndarray:
        inside = [(ages >= low) & (ages < low + 10) for low in lows]
        return np.array(
            [abs(np.arctanh(stats.pearsonr(dba[i], values[i])[0])) * np.sqrt(i.sum() - 3) for i in inside]
        )

    rank = np.argsort(order)  # draws belong to people as they came
    maxima = []
    for index in range(permutations):
        draws = np.random.default_rng([seed, index]).random(len(ages))
        maxima.append(sizes(x[np.argsort(draws[order])]).max())
    assert (np.sort(rank) == np.arange(len(rank))).all()
    return (np.sum(np.array(maxima)[:, None] >= sizes(x) - 1e-9, axis=0) + 1) / (permutations + 1)


def test_corrected_p_is_that_of_permutations_done_one_by_one() -> None:
    dba, ages, columns = people(3)
    windows = sliding_windows(ages, 10, 5)
    found = correlate(dba, ages, {"ill": columns["ill"]}, windows, "pearson", permutations=50, seed=4)
    np.testing.assert_allclose(found.p_windows[:, 0], _by_hand(dba, ages, columns["ill"], 50, 4))
    np.testing.assert_allclose(found.p_all, found.p_windows)


def test_ranks_are_those_of_the_permuted_values() -> None:
    """On ranks over the whole range, Spearman's permutations are Pearson's of ranks."""
    dba, ages, columns = people(5)
    window, x = whole_range(ages), columns["ill"]
    ranks = stats.rankdata(dba), stats.rankdata(x)
    one = correlate(dba, ages, {"ill": x}, window, "spearman", permutations=200, seed=1)
    other = correlate(ranks[0], ages, {"ill": ranks[1]}, window, "pearson", permutations=200, seed=1)
    np.testing.assert_allclose(one.p_windows, other.p_windows)


def test_permutations_do_not_depend_on_chunks_or_company(monkeypatch: pytest.MonkeyPatch) -> None:
    dba, ages, columns = people(1)
    windows = sliding_windows(ages)

    def run(columns: dict[str, np.ndarray]) -> Correlations:
        return correlate(dba, ages, columns, windows, "partial", permutations=99, seed=2)

    whole, alone = run(columns), run({"ill": columns["ill"]})
    monkeypatch.setattr("bids_brainage.statistics.people.window_correlations._HELD", 1)
    np.testing.assert_array_equal(run(columns).p_all, whole.p_all)
    np.testing.assert_array_equal(whole.p_windows[:, 1], alone.p_windows[:, 0])
    assert (whole.p_all >= whole.p_windows).all()


@pytest.mark.parametrize("method", METHODS)
def test_errors_over_windows_are_held(method: Method) -> None:
    """Without any association, 5 % of the families have a corrected p below 0.05."""
    rng, wrong = np.random.default_rng(11), 0
    for seed in range(200):
        ages = rng.uniform(40, 75, 90)
        follows = method == "partial"  # age drives both, which it takes off
        dba = rng.normal(0, 4, 90) - 0.3 * follows * ages
        x = {"a": rng.normal(size=90) + 0.1 * follows * ages, "b": (rng.random(90) < 0.3).astype(float)}
        windows = sliding_windows(ages, 10, 2, minimum=12)
        found = correlate(dba, ages, x, windows, method, permutations=99, seed=seed)
        wrong += np.nanmin(found.p_all) <= 0.05
    assert stats.binomtest(wrong, 200, 0.05).pvalue > 0.01


def test_an_effect_in_middle_age_is_found_there() -> None:
    dba, ages, columns = people(2, n=400)
    ill = columns["ill"]
    dba = dba + 4 * ill * ((ages > 50) & (ages < 62))
    windows = sliding_windows(ages, 10, 1)
    found = correlate(dba, ages, columns, windows, "partial", permutations=499, seed=0)
    best = np.nanargmin(found.p[:, 1])
    assert 48 <= windows.lows[best] <= 54
    assert found.p_all[best, 1] == pytest.approx(1 / 500)
    assert (found.p_all[:, 0] > 0.05).all()


def test_what_cannot_be_tested_is_not_counted() -> None:
    dba, ages, _ = people()
    columns = {
        "age again": 2 * ages + 1,
        "constant": np.full(len(ages), 3.0),
        "nobody": np.full(len(ages), np.nan),
    }
    found = correlate(dba, ages, columns, sliding_windows(ages), "partial", permutations=9)
    assert found.tests == 0
    for values in (found.r, found.p, found.p_bonferroni, found.p_windows, found.p_all):
        assert np.isnan(values).all()
    few = correlate(dba, ages, {"x": dba}, sliding_windows(ages, minimum=1000), "pearson", permutations=9)
    assert np.isnan(few.r).all()
    assert (few.n > 0).all()


def test_rows_have_described_columns() -> None:
    dba, ages, columns = people()
    windows = sliding_windows(ages)
    rows = correlate(dba, ages, columns, windows, "pearson").rows()
    assert len(rows) == 2 * len(windows.lows)
    assert (rows[0]["column"], rows[-1]["column"], rows[0]["from"]) == ("bmi", "ill", 40)
    check_row(rows[0], "correlations")
