"""Waterfalls end where the estimate is; numbers are written as they are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.reports import charts
from bids_brainage.reports.charts import Step

YEARS = st.floats(-30, 30, allow_nan=False)


@given(st.lists(YEARS, max_size=12), YEARS, YEARS, st.floats(20, 90))
def test_bias_and_steps_are_the_estimate(
    parts: list[float], absorbed: float, gap: float, bias: float
) -> None:
    record = {"brain_age": bias + sum(parts) + absorbed + gap, "target_bias": bias, "absorbed": absorbed}
    steps = charts.steps_of(record, [Step(str(i), value) for i, value in enumerate(parts)])
    total = bias + sum(step.years for step in steps)
    assert math.isclose(total, record["brain_age"], abs_tol=charts.TOLERANCE + 1e-6)
    assert (steps[-1].name == "Not accounted for") == (len(steps) == len(parts) + 2)


def test_a_gap_is_shown_and_not_hidden() -> None:
    record = {"brain_age": 60.0, "target_bias": 50.0, "absorbed": 0.5}
    steps = charts.steps_of(record, [Step("T1w", 8.0)])
    assert steps[-1].name == "Not accounted for"
    assert steps[-1].years == pytest.approx(1.5)


def test_regions_are_summed_over_sub_ensembles_and_the_rest_is_one_step() -> None:
    rows = [
        {"region": "A", "hemisphere": "L", "relevance": "1.0"},
        {"region": "A", "hemisphere": "L", "relevance": "2.0"},
        {"region": "A", "hemisphere": "R", "relevance": "-4.0"},
        {"region": "B", "hemisphere": "n/a", "relevance": "0.5"},
        {"region": "C", "hemisphere": "", "relevance": "-0.25"},
    ]
    steps = charts.largest_regions(rows, number=2)
    assert steps == [Step("right A", -4.0), Step("left A", 3.0), Step("2 other regions", 0.25)]


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
    assert charts.signed(years) == text


def test_bars_in_the_file_end_at_the_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(charts.canvas, "save", lambda figure, out, title: kept.append(figure))
    record = {"brain_age": 57.0, "target_bias": 50.0, "absorbed": 1.0}
    charts.waterfall_figure(record, [Step("T1w", 9.0), Step("FLAIR", -3.0)], tmp_path / "a.svg", "")
    bars = [(bar.get_x(), bar.get_width()) for bar in kept[0].axes[0].patches]
    assert bars == [(50.0, 9.0), (59.0, -3.0), (56.0, 1.0)]


def test_names_with_dollars_are_text(tmp_path: Path) -> None:
    record = {"brain_age": 52.0, "target_bias": 50.0, "absorbed": 0.0}
    assert charts.waterfall_figure(record, [Step("$\\frac{$", 2.0)], tmp_path / "a.svg", "t").is_file()
