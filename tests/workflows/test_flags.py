"""Where flags and warnings of a run's people are told: a line each, a table, and logs/<run>/flags.tsv."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bids_brainage.bids.dataset import read_json
from bids_brainage.bids.naming import sidecar
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.flags import FLAGS
from bids_brainage.records.estimate import FlagRecord
from bids_brainage.records.files import write_json
from bids_brainage.records.reading import SessionPlace, read_session
from bids_brainage.workflows import run
from bids_brainage.workflows.completion import SessionState
from bids_brainage.workflows.flags import RaisedFlag, flags_of, tell_of_all, tell_of_session
from bids_brainage.workflows.models import Models
from tests.reports.conftest import estimate_of, publish_estimate, publish_images

HOSTILE = "bad\ttab\nline \x1b[31m \udcff"


def raised(person: str, code: str, ensemble: str | None = "TypeI", text: str = "x") -> RaisedFlag:
    return RaisedFlag(f"sub-{person}", None, ensemble, code, FLAGS[code].severity, text)


def finish(out: Path, label: str, *codes: str) -> SessionPlace:
    """A session with the same flags in both ensembles."""
    place = SessionPlace.of(out, label, None)
    flags = tuple(FlagRecord(code=code, severity=FLAGS[code].severity, text=f"{code}!") for code in codes)
    for ensemble in ("TypeI", "TypeII"):
        record = estimate_of(ensemble, participant=place.participant, relevance=False, flags=flags)
        publish_estimate(place, record)
    return place


def test_flags_are_those_of_the_runs_ensembles_and_warnings_those_of_images_and_tables(
    tmp_path: Path,
) -> None:
    place = SessionPlace.of(tmp_path, "01", "a")
    publish_images(place, ("T1w", "FLAIR"), step=8)
    flair = place.path("preproc_T1w_space", suffix="FLAIR")
    content = read_json(sidecar(flair)) | {"Warnings": ["odd FLAIR"]}
    write_json(sidecar(flair), content)
    flags = (FlagRecord(code="age_unknown", severity="note", text="no age"),)
    for ensemble in ("TypeI", "TypeII"):
        record = estimate_of(ensemble, participant="sub-01", session="ses-a", relevance=False, flags=flags)
        publish_estimate(place, record)
    finished = read_session(place)
    assert finished is not None
    found = flags_of(finished, ["TypeI"], ["T1w", "FLAIR"], ["no row"])
    assert [(own.ensemble, own.flag, own.text) for own in found] == [
        ("TypeI", "age_unknown", "no age"),
        (None, "image_warning", "odd FLAIR"),
        (None, "input_warning", "no row"),
    ]
    assert {(own.participant_id, own.session_id) for own in found} == {("sub-01", "ses-a")}
    assert [own.text for own in flags_of(finished, [], ["T1w"], [])] == []


def test_a_session_is_one_line_as_serious_as_its_flags(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell_of_session("sub-01", [])
    tell_of_session("sub-02", [raised("02", "age_unknown"), raised("02", "age_unknown", "TypeII")])
    tell_of_session("sub-03", [raised("03", "age_unknown"), raised("03", "image_warning", None, "a\nb")])
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("INFO", "sub-02: flagged age_unknown."),
        ("WARNING", "sub-03: flagged age_unknown, image_warning. a b"),
    ]


def test_the_table_counts_people_once_the_most_serious_flag_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    flags = [raised(f"{n:02}", "age_unknown", e) for n in range(1, 8) for e in ("TypeI", "TypeII")]
    tell_of_all([*flags, raised("07", "image_warning", None, HOSTILE)], tmp_path / "flags.tsv")
    _, *lines = [record.getMessage().split() for record in caplog.records]
    assert lines == [
        ["image_warning", "1", "sub-07"],
        ["age_unknown", "7", "sub-01,", "sub-02,", "sub-03,", "sub-04,", "sub-05,", "..."],
    ]
    text = (tmp_path / "flags.tsv").read_text(encoding="utf-8")
    assert text.startswith("participant_id\tsession_id\tensemble\tflag\tseverity\ttext\n")
    table = pd.read_csv(tmp_path / "flags.tsv", sep="\t", keep_default_na=False, quoting=3)
    assert len(table) == 15
    assert list(table.iloc[-1]) == [
        "sub-07", "n/a", "n/a", "image_warning", "warning", "bad tab line ?[31m ?",
    ]  # fmt: skip
    assert set(read_json(tmp_path / "flags.json")) == set(table.columns)


def test_nobody_flagged_leaves_an_empty_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tell_of_all([], tmp_path / "flags.tsv")
    assert len((tmp_path / "flags.tsv").read_text().splitlines()) == 1
    assert not caplog.records


def test_who_was_finished_before_is_in_the_table_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataset_description.json").write_text('{"Name": "x"}')
    config = RunConfig(
        bids_dir=tmp_path, output_dir=tmp_path / "out", work_dir=tmp_path / "work", preproc_only=True
    )
    config.log_dir.mkdir(parents=True)
    finish(config.output_dir, "01", "age_unknown")
    sessions = [SessionInputs("01", None, {}, warnings=("no age",)), SessionInputs("02", None, {})]
    nothing_left = SessionState({}, {}, {}, (), ())
    monkeypatch.setattr(run._Run, "_state", lambda self, session: nothing_left)
    outcome = run.run_participants(config, sessions)
    assert outcome.skipped == ("sub-01", "sub-02")
    assert [(own.participant_id, own.flag) for own in outcome.flags] == [("sub-01", "input_warning")]
    assert "no age" in (config.log_dir / "flags.tsv").read_text()
    one = run._Run(replace(config, preproc_only=False, ensemble=("TypeII",)), sessions, Models(()))
    assert [(own.ensemble, own.flag) for own in one._flags(sessions[0])] == [
        ("TypeII", "age_unknown"),
        (None, "input_warning"),
    ]
