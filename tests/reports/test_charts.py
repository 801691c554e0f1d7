"""Waterfalls end where the estimate is; numbers are written as they are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.reports import charts
from bids_brainage.reports.charts import Account, Step
from bids_brainage.reports.words import Words, in_order, spoken
from tests.reports.conftest import estimate_of

YEARS = st.floats(-30, 30, allow_nan=False)


@given(st.lists(YEARS, max_size=12), YEARS, YEARS, st.floats(20, 90))
def test_bias_and_steps_are_the_estimate(
    parts: list[float], absorbed: float, gap: float, bias: float
) -> None:
    account = Account(bias, sum(parts), absorbed, bias + sum(parts) + absorbed + gap)
    steps = charts.steps_of(account, [Step(str(i), value) for i, value in enumerate(parts)])
    total = bias + sum(step.years for step in steps)
    assert math.isclose(total, account.estimate, abs_tol=charts.TOLERANCE + 1e-6)
    assert (steps[-1].name == "Not accounted for") == (len(steps) == len(parts) + 2)
    assert math.isclose(account.gap, gap, abs_tol=1e-9)


def test_a_gap_is_shown_and_not_hidden() -> None:
    steps = charts.steps_of(Account(50.0, 8.0, 0.5, 60.0), [Step("T1w", 8.0)])
    assert steps[-1].name == "Not accounted for"
    assert steps[-1].years == pytest.approx(1.5)


def test_an_account_is_that_of_the_ensemble_and_only_where_there_is_one() -> None:
    record = estimate_of("TypeI")
    account = charts.account_of(record)
    assert account is not None
    assert account.gap == pytest.approx(0)
    assert account.relevance == pytest.approx(sum(part.contribution for part in record.sub_ensembles))
    assert account.relevance != pytest.approx(sum(part.relevance_sum for part in record.sub_ensembles))
    assert charts.account_of(estimate_of("TypeI", relevance=False)) is None


def test_contributions_of_regions_are_summed_and_the_rest_is_one_step() -> None:
    """Relevance, in years of each sub-ensemble, is not what is summed."""
    rows = [
        {"region": "A", "hemisphere": "L", "relevance": "9", "contribution": "1.0"},
        {"region": "A", "hemisphere": "L", "relevance": "9", "contribution": "2.0"},
        {"region": "A", "hemisphere": "R", "relevance": "9", "contribution": "-4.0"},
        {"region": "B", "hemisphere": "n/a", "relevance": "9", "contribution": "0.5"},
        {"region": "C", "hemisphere": "", "relevance": "9", "contribution": "-0.25"},
    ]
    steps = charts.largest_regions(rows, number=2)
    assert steps == [Step("right A", -4.0), Step("left A", 3.0), Step("2 other regions", 0.25)]
    assert [step.name for step in charts.largest_regions(rows, number=3)] == ["right A", "left A", "B", "C"]


@pytest.mark.parametrize(
    ("region", "hemisphere", "label"),
    [
        ("left lateral orbitofrontal cortex", "L", "left lateral orbitofrontal cortex"),
        ("Right Putamen", "R", "Right Putamen"),
        ("lateral ventricle", "R", "right lateral ventricle"),
        ("copyright", "L", "left copyright"),
        ("brain stem", "B", "brain stem"),
        ("brain stem", "n/a", "brain stem"),
        ("brain stem", "", "brain stem"),
    ],
)
def test_a_region_is_named_with_its_side_once(region: str, hemisphere: str, label: str) -> None:
    assert charts.region_label(region, hemisphere) == label


@pytest.mark.parametrize(
    ("years", "text"), [(1.26, "+1.3"), (-0.3, "\N{MINUS SIGN}0.3"), (0.01, "0.0"), (-0.04, "0.0")]
)
def test_signed(years: float, text: str) -> None:
    assert Words().signed(years) == text


def test_bars_in_the_file_end_at_the_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(charts.canvas, "save", lambda figure, out, title: kept.append(figure))
    charts.waterfall_figure(
        Account(50.0, 6.0, 1.0, 57.0), [Step("T1w", 9.0), Step("FLAIR", -3.0)], tmp_path / "a.svg", ""
    )
    bars = [(bar.get_x(), bar.get_width()) for bar in kept[0].axes[0].patches]
    assert bars == [(50.0, 9.0), (59.0, -3.0), (56.0, 1.0)]


def test_names_with_dollars_are_text(tmp_path: Path) -> None:
    account = Account(50.0, 2.0, 0.0, 52.0)
    assert charts.waterfall_figure(account, [Step("$\\frac{$", 2.0)], tmp_path / "a.svg", "t").is_file()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("TypeI", "Type I"),
        ("TypeII", "Type II"),
        ("WholeBrain", "Whole brain"),
        ("Cerebellum", "Cerebellum"),
        ("my_net+2", "my net+2"),
        ("MLens", "MLens"),
        ("v1.2", "v1.2"),
        ("_", "_"),
        ("", ""),
    ],
)
def test_labels_are_said_as_words(label: str, words: str) -> None:
    assert spoken(label) == words


def test_sequences_have_an_order() -> None:
    assert in_order({"swi", "T2starw", "T1w", "FLAIR", "asl"}) == ["T1w", "FLAIR", "T2starw", "asl", "swi"]
