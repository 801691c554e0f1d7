"""What figures of a group's page are drawn from."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure

from bids_brainage.preprocessing.templates import grid, template_mask
from bids_brainage.reports import canvas
from bids_brainage.reports.group.estimate_figures import correction_figure
from bids_brainage.reports.group.map_figures import holding
from bids_brainage.reports.group.place_figures import Part, split_figure
from bids_brainage.reports.group.places import _largest
from bids_brainage.reports.group.projections import projection_figure, strongest
from bids_brainage.reports.group.testing_figures import correlated, null_figure
from bids_brainage.reports.group.viewer import scripts_of, write_viewer
from bids_brainage.reports.group.window_figures import Series, windows_figure
from bids_brainage.reports.training_figures import age_figure
from bids_brainage.reports.words import Words


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What would be written."""
    figures: list[Figure] = []

    def save(figure: Figure, out: Path, title: str) -> Path:
        figures.append(figure)
        return out

    monkeypatch.setattr(canvas, "save", save)
    return figures


def people(n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    ages = rng.uniform(20, 80, n)
    return ages, ages + rng.normal(0, 4, n)


def test_estimates_lie_against_age_with_the_line_of_identity(drawn: list[Figure], tmp_path: Path) -> None:
    ages, estimates = people()
    spreads = np.where(ages > 50, np.nan, 2.0)
    age_figure(ages, estimates, spreads, np.full(30, 50.0), tmp_path / "x.svg", "", Words(), "uncertainty")
    left, right = drawn[0].axes
    identity = left.lines[0].get_xydata()
    assert np.array_equal(identity[:, 0], identity[:, 1])
    assert np.allclose(left.collections[0].get_offsets(), np.column_stack([ages, estimates]))
    errors = right.collections[0].get_offsets()
    assert np.allclose(errors, np.column_stack([ages, np.abs(estimates - ages)]))
    curve = right.lines[0].get_xydata()
    fitted = np.polyval(np.polyfit(ages, np.abs(estimates - ages), 3), curve[:, 0])
    assert np.allclose(curve[:, 1], fitted)
    known = ages <= 50
    assert np.allclose(
        right.lines[1].get_ydata(),
        np.polyval(np.polyfit(ages[known], spreads[known], 3), right.lines[1].get_xdata()),
    )


def test_dba_is_shown_before_and_after_on_one_scale(drawn: list[Figure], tmp_path: Path) -> None:
    ages, estimates = people()
    correction_figure(ages, estimates - ages, np.zeros(30), tmp_path / "x.svg", "", Words())
    left, right = drawn[0].axes
    assert left.get_ylim() == right.get_ylim()
    assert np.allclose(left.collections[0].get_offsets()[:, 1], estimates - ages)
    slope = np.polyfit(ages, estimates - ages, 1)[0]
    line = left.lines[1].get_xydata()
    assert (line[1, 1] - line[0, 1]) / (line[1, 0] - line[0, 0]) == pytest.approx(slope)


def test_windows_are_marked_where_they_hold(drawn: list[Figure], tmp_path: Path) -> None:
    ages = np.array([30.0, 31, 32, 33])
    r = np.array([0.1, 0.5, 0.6, np.nan])
    in_column, in_all = np.array([False, True, True, False]), np.array([False, False, True, False])
    series = Series("Type I", ages, np.array([20.0, 22, 24, 3]), r, r - 0.2, r + 0.2, in_column, in_all)
    windows_figure(
        {"bmi": [series], "x $\\frac{": [series], "c": [series], "d": [series]}, tmp_path / "x.svg", ""
    )
    panel = drawn[0].axes[0]
    marks = {
        line.get_markerfacecolor(): line.get_xdata().tolist()
        for line in panel.lines
        if line.get_marker() == "D"
    }
    assert marks == {"white": [31.0], "#c8321f": [32.0]}
    assert [bar.get_height() for bar in panel.patches] == pytest.approx(
        [0.5 * n / 24 for n in (20, 22, 24, 3)]
    )
    assert sum(axes.get_visible() for axes in drawn[0].axes) == 4


def test_the_null_is_shown_without_what_was_observed(drawn: list[Figure], tmp_path: Path) -> None:
    null = np.concatenate([[5000.0], np.linspace(100, 200, 100)])
    null_figure(null, 190.0, "tfce", tmp_path / "x.svg", "")
    axes = drawn[0].axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == 100
    assert [line.get_xdata()[0] for line in axes.lines] == [5000, 190]
    assert axes.get_xscale() == "log"
    null_figure(np.ones(5), None, "voxel", tmp_path / "x.svg", "")


def test_parts_add_up_whatever_is_named(drawn: list[Figure], tmp_path: Path) -> None:
    parts = [Part(f"region {place}", (-1) ** place * place / 10) for place in range(30)]
    rest = Part("what the map does not hold", 0.3)
    shown = _largest(parts, rest)
    assert len(shown) == 14
    total = sum(part.years for part in parts) + rest.years
    assert sum(part.years for part in shown) == pytest.approx(total)
    split_figure(shown, Part("mean DBA", total, 0.0, 4.0), tmp_path / "x.svg", "", Words())
    widths = [bar.get_width() for bar in drawn[0].axes[0].patches]
    assert sum(widths[:-1]) == pytest.approx(widths[-1])


def test_columns_that_do_not_vary_are_correlated_with_nothing() -> None:
    matrix = np.column_stack([np.ones(20), np.arange(20), np.arange(20)[::-1] / 7])
    found = correlated(matrix)
    assert np.isnan(found[0]).all()
    assert found[1, 2] == pytest.approx(-1)
    assert np.allclose(found[1:, 1:], np.corrcoef(matrix[:, 1:].T))


def test_projections_show_the_strongest_tenth_that_holds() -> None:
    values = np.arange(-100, 101, dtype=float)
    assert np.flatnonzero(strongest(values, None)).size == 20
    held = values > 95
    assert set(strongest(values, held)[strongest(values, held) != 0]) == {96, 97, 98, 99, 100}
    assert not strongest(np.zeros(5), None).any()


def _map(tmp_path: Path) -> Path:
    """Noise, and a block of a strong effect from weak to strong."""
    inside = np.asanyarray(template_mask(2).dataobj) > 0
    data = np.random.default_rng(0).normal(0, 1, inside.shape).astype(np.float32) * inside
    data[40:50, 50:60, 40:50] = np.linspace(1.8, 6, 10)
    nib.Nifti1Image(data, grid(2).affine).to_filename(tmp_path / "t.nii.gz")
    return tmp_path / "t.nii.gz"


def test_p_of_just_0_05_holds(tmp_path: Path) -> None:
    data = np.full((4, 4, 4), np.float32(-np.log10(0.05)))
    data[0] = np.float32(-np.log10(0.0501))
    nib.Nifti1Image(data, np.eye(4)).to_filename(tmp_path / "p.nii.gz")
    assert holding(tmp_path / "p.nii.gz").sum() == 48


def test_a_projection_is_drawn(tmp_path: Path) -> None:
    from PIL import Image

    held = np.zeros((91, 109, 91), dtype=np.float32)
    held[40:50, 50:60, 40:50] = 2
    nib.Nifti1Image(held, grid(2).affine).to_filename(tmp_path / "logp.nii.gz")
    path = projection_figure(_map(tmp_path), tmp_path / "logp.nii.gz", tmp_path / "p.webp", "")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape[1] > 1000
    strong = (pixels[..., 0] > 180) & (pixels[..., 2] < 80)
    # Both the glass brain and the cortex below it show something.
    assert strong[: len(pixels) // 2].any()
    # Nothing is negative among the strongest, so nothing but the bar of colours is blue.
    blue = (pixels[..., 2] > 150) & (pixels[..., 0] < 80)
    assert not blue[:, : int(0.9 * pixels.shape[1])].any()
    assert path.stat().st_size < 300_000
    assert not (tmp_path / "p.png").exists()


def test_a_viewer_needs_nothing_from_elsewhere_and_is_the_same_each_time(tmp_path: Path) -> None:
    title = "<b>evil</b></title><script>1</script>"
    html = write_viewer(_map(tmp_path), tmp_path / "v.html", title).read_text(encoding="utf-8")
    assert not re.findall(
        r"""(?:src|href)\s*=\s*["'](?!data:)""", re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    )
    assert "<b>evil" not in html
    assert len(scripts_of(html)) == 3
    assert write_viewer(_map(tmp_path), tmp_path / "w.html", title).read_text(encoding="utf-8") == html
