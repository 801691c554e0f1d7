"""Ages: what is understood, what is a warning, and what stops the run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.bids.participants import ParticipantsTable
from bids_brainage.bids.selection import select
from bids_brainage.errors import InputError

ONE = "sub-01/anat/sub-01_T1w.nii.gz"


@pytest.mark.parametrize(
    ("table", "age"),
    [
        ("participant_id\tage\nsub-01\t61\n", 61.0),
        ("participant_id\tage\n01\t61.25", 61.25),
        ("\ufeffparticipant_id\tAge\tsex\r\nsub-01\t 7 \tF\r\n\r\n", 7.0),
        ("sex\tage\tparticipant_id\nF\t61\tsub-01\nF\t61\tsub-01\n", 61.0),
        ("participant_id\tsession_id\tage\nsub-01\tses-1\t20\n", None),
    ],
)
def test_age_is_read(dataset, table, age):
    assert (
        ParticipantsTable(dataset(ONE, participants=table) / "participants.tsv").person("01", None).age == age
    )


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("n/a", "no age"),
        ("", "no age"),
        ("NaN", "no age"),
        ("old", "'old'"),
        ("90+", "'90+'"),
        ("63,5", "'63,5'"),
        ("inf", "nobody"),
        ("-3", "nobody"),
        ("999", "nobody"),
    ],
)
def test_unusable_age_means_no_dba_and_a_warning_that_names_file_and_person(dataset, config, value, word):
    dataset(ONE, participants=f"participant_id\tage\nsub-01\t{value}\n")
    (session,) = select(config())
    assert session.age is None
    warning = next(text for text in session.warnings if "DBA" in text)
    assert word in warning
    assert "participants.tsv" in warning
    assert "sub-01" in warning


@pytest.mark.parametrize(
    "table", [None, "participant_id\tsex\nsub-01\tF\n", "participant_id\tage\nsub-02\t3\n"]
)
def test_missing_table_column_or_row_is_a_warning(dataset, config, table):
    dataset(ONE, participants=table)
    (session,) = select(config())
    assert session.age is None
    assert any("participants.tsv" in text and "no DBA" in text for text in session.warnings)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("participant_id\tage\nsub-01\t6\xfc\n".encode("latin-1"), ["UTF-8", "byte 27"]),
        ("participant_id\tage\nsub-01\t61\n".encode("utf-16"), ["UTF-8"]),
        (b"participant_id\tage\nsub-01\t61\nsub-02\n", ["line 3", "1 columns", "2"]),
        (b"participant_id\tage\nsub-01\t61\t4\n", ["line 2", "3 columns"]),
        (b"id\tage\nsub-01\t61\n", ["no column participant_id", "id, age"]),
        (b"participant_id,age\nsub-01,61\n", ["no column participant_id", "tabs"]),
        (b"", ["no column participant_id"]),
        (b"participant_id\tage\nsub-01\t61\nsub-01\t62\n", ["sub-01 twice", "lines 2 and 3"]),
    ],
)
def test_broken_table_stops_with_one_sentence(dataset, config, table, words):
    root = dataset(ONE, participants=table)
    with pytest.raises(InputError) as error:
        select(config())
    text = str(error.value)
    assert str(root / "participants.tsv") in text
    assert "\n" not in text
    assert all(word in text for word in words), text


def test_table_whose_content_is_elsewhere(dataset, config):
    (dataset(ONE) / "participants.tsv").symlink_to("nowhere")
    with pytest.raises(InputError, match="datalad get"):
        select(config())


@pytest.mark.parametrize(("unit", "age"), [("months", 5.0), ("years", 60.0), ("weeks", 60 * 7 / 365.25)])
def test_declared_unit_of_age(dataset, unit, age):
    root = dataset(ONE, participants="participant_id\tage\nsub-01\t60\n")
    (root / "participants.json").write_text(f'{{"age": {{"Units": "{unit}"}}}}')
    assert ParticipantsTable(root / "participants.tsv").person("01", None).age == pytest.approx(age)


@pytest.mark.parametrize("content", ["{", '{"age": {"Units": "dog years"}}'])
def test_unusable_participants_json_is_a_warning(dataset, content):
    root = dataset(ONE, participants="participant_id\tage\nsub-01\t60\n")
    (root / "participants.json").write_text(content)
    person = ParticipantsTable(root / "participants.tsv").person("01", None)
    assert person.age == 60.0
    assert "participants.json" in person.warnings[0]


def test_session_age_in_participants_table_or_sessions_table_overrides(dataset):
    table = "participant_id\tsession_id\tage\nsub-01\tses-1\t20\nsub-01\tses-2\t30\n"
    root = dataset(ONE, participants=table)
    assert [
        ParticipantsTable(root / "participants.tsv").person("01", session).age for session in ("1", "2")
    ] == [20.0, 30.0]
    (root / "sub-01/sub-01_sessions.tsv").write_text("session_id\tage\nses-2\t31\n")
    assert [
        ParticipantsTable(root / "participants.tsv").person("01", session).age for session in ("1", "2")
    ] == [20.0, 31.0]


def test_broken_sessions_table_fails_only_its_person(dataset, config):
    images = [f"sub-0{i}/ses-1/anat/sub-0{i}_ses-1_T1w.nii.gz" for i in (1, 2)]
    root = dataset(*images)
    (root / "sub-02/sub-02_sessions.tsv").write_text("session\tage\nses-1\t3\n")
    assert [session.name for session in select(config())] == ["sub-01_ses-1"]


@given(st.text(st.characters(blacklist_characters="\t\r\n", blacklist_categories=["Cs"]), max_size=30))
def test_no_cell_breaks_the_lookup(tmp_path_factory, cell):
    root = tmp_path_factory.mktemp("table")
    (root / "participants.tsv").write_text(
        f"participant_id\tage\nsub-01\t{cell}\n", encoding="utf-8", newline=""
    )
    person = ParticipantsTable(root / "participants.tsv").person("01", None)
    assert person.age is None or 0 <= person.age <= 125
    assert (person.age is None) == bool(person.warnings)
