"""A training uses those whose record says that their images are finished, and whose images are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_brainage.models.cohorts.people import read_cohort
from bids_brainage.records.reading import SessionPlace, read_session
from bids_brainage.records.writing import publish
from tests.models.synthetic import MODALITIES, write_people, write_person


def labels(out: Path, raw: Path) -> list[str]:
    return [person.participant for person in read_cohort([out], raw / "participants.tsv", MODALITIES).people]


def test_only_what_the_record_calls_finished_and_is_whole_is_used(tmp_path: Path) -> None:
    out, raw = write_people(tmp_path, 5)
    place = SessionPlace.of(out, "001", None)
    place.record.unlink()  # all its images are there
    session = read_session(SessionPlace.of(out, "002", None))
    assert session is not None
    assert session.images is not None
    session.images.subject["FLAIR"].unlink()
    session = read_session(SessionPlace.of(out, "003", None))
    assert session is not None
    assert session.images is not None
    image = session.images.subject["T1w"]
    image.write_bytes(image.read_bytes()[:-1])
    assert labels(out, raw) == ["000", "004"]


def test_who_lacks_a_sequence_that_was_left_out_is_not_used(tmp_path: Path) -> None:
    out, raw = write_people(tmp_path, 3)
    place = SessionPlace.of(out, "001", None)
    publish(place, ("preprocessing", "FLAIR"), "x", [], left_out="It is a slab.")
    assert labels(out, raw) == ["000", "002"]


def test_the_images_are_those_of_the_record(tmp_path: Path) -> None:
    out, raw = write_people(tmp_path, 2)
    for person in read_cohort([out], raw / "participants.tsv", ("FLAIR",)).people:
        session = read_session(SessionPlace.of(out, person.participant, None))
        assert session is not None
        assert session.images is not None
        assert person.mask == session.images.mask
        assert person.images.subject["FLAIR"] == session.images.subject["FLAIR"]
        assert person.images.standard["FLAIR"] == session.images.standard["FLAIR"]


def test_the_first_folder_that_has_somebody_counts(tmp_path: Path) -> None:
    out, raw = write_people(tmp_path, 2)
    more = tmp_path / "more"
    for label in ("000", "001"):
        write_person(more, label, 40.0, np.random.default_rng(1), False)
    SessionPlace.of(out, "001", None).record.unlink()
    cohort = read_cohort([out, more], raw / "participants.tsv", MODALITIES)
    assert [out in cohort.people[0].mask.parents, more in cohort.people[1].mask.parents] == [True, True]


def test_nobody_without_a_record(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out, raw = write_people(tmp_path, 2)
    SessionPlace.of(out, "000", None).record.write_text("{}")
    assert labels(out, raw) == ["001"]
    assert "sub-000" in caplog.text
