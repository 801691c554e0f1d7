"""The methods text of a run: from what is finished, or from what would be done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.records.reading import SessionPlace
from bids_brainage.workflows.citation import write_citation_of, write_planned_citation
from bids_brainage.workflows.models import Models
from tests.models.conftest import bundle as bundle
from tests.reports.conftest import estimate_of, publish_estimate


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(bids_dir=tmp_path / "in", output_dir=tmp_path / "out", ensemble=("TypeI",))


def text(config: RunConfig) -> str:
    return (config.output_dir / "logs/CITATION.md").read_text(encoding="utf-8")


def test_finished_sessions_of_the_run_are_told_and_no_others(config: RunConfig) -> None:
    methods = {"01": "bet", "02": "synthstrip", "03": "deepbet"}
    for label, method in methods.items():
        done = {"origin": "raw", "skull_strip": "auto", "skull_strip_method": method}
        place = SessionPlace.of(config.output_dir, label, None)
        record = estimate_of(participant=place.participant, preprocessing=done, relevance=False)
        publish_estimate(place, record)
    write_citation_of([SessionInputs(label, None, {}) for label in ("01", "02", "04")], config)
    assert "BET" in text(config)
    assert "SynthStrip" in text(config)
    assert "deepbet" not in text(config)


def test_a_session_whose_estimate_is_damaged_is_told_and_left_out(
    config: RunConfig, caplog: pytest.LogCaptureFixture
) -> None:
    for label, method in {"01": "bet", "02": "synthstrip"}.items():
        done = {"origin": "raw", "skull_strip": "auto", "skull_strip_method": method}
        place = SessionPlace.of(config.output_dir, label, None)
        record = estimate_of(participant=place.participant, preprocessing=done, relevance=False)
        publish_estimate(place, record)
    SessionPlace.of(config.output_dir, "01", None).path("brainage", ensemble="TypeI").write_text("{")
    write_citation_of([SessionInputs(label, None, {}) for label in ("01", "02")], config)
    assert "sub-01" in caplog.text
    assert "SynthStrip" in text(config)
    assert "BET" not in text(config)


def test_nothing_is_written_where_nothing_is_finished(config: RunConfig) -> None:
    write_citation_of([SessionInputs("01", None, {})], config)
    assert not (config.output_dir / "logs").exists()


def test_a_plan_tells_what_would_be_done(config: RunConfig, bundle: Bundle) -> None:
    images = {"T1w": (Path("/a/sub-01_T1w.nii.gz"),)}
    config = replace(config, skull_strip="synthstrip", modalities=("T1w", "FLAIR"))
    config = replace(config, ensemble=("TypeI",), preproc_only=False)
    write_planned_citation([SessionInputs("01", None, images)], config, Models((bundle,)))
    assert "SynthStrip" in text(config)
    assert f"model bundle {bundle.name}" in text(config)
    assert "The ensemble TypeI" in text(config)
    assert "registered rigidly" not in text(config)
    write_planned_citation(
        [SessionInputs("01", None, images)], replace(config, preproc_only=True), Models((bundle,))
    )
    assert "### Estimates" not in text(config)
