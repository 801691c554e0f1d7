"""Who belongs to a group, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_brainage.errors import InputError
from bids_brainage.group.members import read_members
from bids_brainage.group.table import write_brainage
from tests.group.made_up import MODEL, MadeUp, publish_person


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three people, one of them seen twice, without maps but for the first."""
    publish_person(tmp_path, MadeUp("01", 60.0, dba=2.5))
    publish_person(tmp_path, MadeUp("02", 40.0, dba=-1.0, session="a"), maps=False)
    publish_person(tmp_path, MadeUp("02", 42.0, dba=-0.5, session="b"), maps=False)
    publish_person(tmp_path, MadeUp("03", None), maps=False)
    return tmp_path


def test_every_finished_session_is_a_member(out: Path) -> None:
    (out / "sub-04").mkdir()
    members = read_members(out)
    assert [member.name for member in members.people] == ["sub-01", "sub-02_ses-a", "sub-02_ses-b", "sub-03"]
    assert members.unfinished == ("sub-04",)
    assert members.ensembles == ("TypeI",)
    first = members.people[0]
    assert first.row["dba"] == pytest.approx(2.5, abs=1e-3)
    assert {key: place.weight for key, place in first.maps.items()} == {
        ("lrp", "WholeBrain_T1w"): 0.75,
        ("lrp", "WholeBrain_FLAIR"): 0.25,
        ("lrp", ""): 1.0,
    }
    assert all(place.path.is_file() for place in first.maps.values())
    assert first.regions["lrp"].path.is_file()


def test_people_and_sessions_can_be_chosen(out: Path) -> None:
    assert [member.name for member in read_members(out, ["02"], ["b"]).people] == ["sub-02_ses-b"]


def test_who_is_not_there_is_named(out: Path) -> None:
    with pytest.raises(InputError, match="no results of sub-9"):
        read_members(out, ["9"])


def test_what_was_asked_for_in_vain_is_told_with_what_is_there(out: Path) -> None:
    with pytest.raises(InputError, match=r"--ensemble and --session-label .* TypeI, of sub-01, sub-02_ses-a"):
        read_members(out, ensembles=["TypeIX"])
    with pytest.raises(InputError, match="--session-label"):
        read_members(out, sessions=["c"])


def test_nobody_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished estimate"):
        read_members(tmp_path)


def test_two_models_are_not_one_group(out: Path) -> None:
    other = MODEL.model_copy(update={"sha256": "cd34" * 16, "version": "0.4"})
    publish_person(out, MadeUp("05", 50.0), maps=False, model=other.model_dump())
    with pytest.raises(InputError, match=r"demo 0\.4 \(cd34cd34\) those of sub-05"):
        read_members(out)


def test_another_model_s_ensemble_stands_beside(out: Path) -> None:
    other = MODEL.model_copy(update={"sha256": "cd34" * 16, "version": "0.4"})
    made_up = MadeUp("05", 50.0)
    publish_person(out, made_up, maps=False, ensemble="Other", model=other.model_dump())
    members = read_members(out)
    assert "Other" in members.ensembles
    assert members.models.count(" and ") == 1
    assert {member.model for member in members.of("Other")} == {"demo 0.4 (cd34cd34)"}


def test_two_rules_are_not_one_group(out: Path) -> None:
    lrp = {"rule": "gamma", "backend": "native", "aggregation": "heads"}
    publish_person(out, MadeUp("05", 50.0), maps=False, lrp=lrp)
    with pytest.raises(InputError, match="by gamma those of sub-05"):
        read_members(out)


def test_the_table_has_the_raw_numbers(out: Path) -> None:
    path, _ = write_brainage(out / "group", read_members(out))
    header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert header[:3] == ["participant_id", "session_id", "ensemble"]
    assert "measured" not in header
    cells = dict(zip(header, rows[1], strict=True))
    assert (cells["session_id"], cells["brain_age"], cells["dba"]) == ("ses-a", "39.0000", "-1.0000")
    assert dict(zip(header, rows[3], strict=True))["dba"] == "n/a"
