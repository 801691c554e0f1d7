"""People's tables: what is understood, what is a warning, and what stops the run."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.bids.participants import ParticipantsTable
from bids_brainage.bids.selection import read_selection
from bids_brainage.bids.tables import read_table
from bids_brainage.errors import InputError
from tests.odd_files import ODD, patience  # noqa: F401

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
        ("6_1", "'6_1'"),
        ('"61"', "'\"61\"'"),
        ("63,5", "'63,5'"),
        ("inf", "impossible"),
        ("-3", "impossible"),
        ("999", "impossible"),
    ],
)
def test_unusable_age_means_no_dba_and_a_warning_that_names_file_and_person(dataset, config, value, word):
    dataset(ONE, participants=f"participant_id\tage\nsub-01\t{value}\n")
    (session,) = read_selection(config()).sessions
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
    (session,) = read_selection(config()).sessions
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
        (b"participant_id\tage\tage\nsub-01\t61\t62\n", ["two columns named age"]),
        (b"participant_id\tage\tparticipant_id\nsub-01\t61\t62\n", ["two columns named participant_id"]),
    ],
)
def test_broken_table_stops_with_one_sentence(dataset, config, table, words):
    root = dataset(ONE, participants=table)
    with pytest.raises(InputError) as error:
        read_selection(config())
    text = str(error.value)
    assert str(root / "participants.tsv") in text
    assert "\n" not in text
    assert all(word in text for word in words), text


def test_table_whose_content_is_elsewhere(dataset, config):
    (dataset(ONE) / "participants.tsv").symlink_to("nowhere")
    with pytest.raises(InputError, match="datalad get"):
        read_selection(config())


@pytest.mark.parametrize(("unit", "age"), [("months", 5.0), ("years", 60.0), ("weeks", 60 * 7 / 365.25)])
def test_declared_unit_of_age(dataset, unit, age):
    root = dataset(ONE, participants="participant_id\tage\nsub-01\t60\n")
    (root / "participants.json").write_text(f'{{"age": {{"Units": "{unit}"}}}}')
    assert ParticipantsTable(root / "participants.tsv").person("01", None).age == pytest.approx(age)


@pytest.mark.parametrize(("content", "age"), [("{", None), ('{"age": {"Units": "dog years"}}', None)])
def test_unusable_participants_json_is_a_warning(dataset, content, age):
    root = dataset(ONE, participants="participant_id\tage\nsub-01\t60\n")
    (root / "participants.json").write_text(content)
    person = ParticipantsTable(root / "participants.tsv").person("01", None)
    assert person.age == age
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
    assert [session.name for session in read_selection(config()).sessions] == ["sub-01_ses-1"]


@given(st.text(st.characters(blacklist_characters="\t\r\n", blacklist_categories=["Cs"]), max_size=30))
def test_no_cell_breaks_the_lookup(tmp_path_factory, cell):
    root = tmp_path_factory.mktemp("table")
    (root / "participants.tsv").write_text(
        f"participant_id\tage\nsub-01\t{cell}\n", encoding="utf-8", newline=""
    )
    person = ParticipantsTable(root / "participants.tsv").person("01", None)
    assert person.age is None or 0 <= person.age <= 125
    assert (person.age is None) == bool(person.warnings)


def table_of(root, **options):
    return ParticipantsTable(root / "participants.tsv", **options)


CELLS = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]), max_size=8)
LABELS = st.from_regex(r"[A-Za-z0-9+]{1,4}", fullmatch=True)


@given(
    columns=st.lists(
        CELLS.filter(str.strip), min_size=1, max_size=3, unique_by=lambda name: name.strip().lower()
    ),
    people=st.dictionaries(LABELS, st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    bom=st.booleans(),
    last=st.booleans(),
)
def test_what_is_written_is_read_back_whatever_cells_hold(tmp_path_factory, columns, people, end, bom, last):
    """Quotes, line separators of Unicode and control characters are text like any other."""
    if {name.strip().lower() for name in columns} & {"participant_id", "session_id"}:
        return
    lines = ["\t".join(["participant_id", *columns])]
    lines += ["\t".join([f"sub-{label}", *cells[: len(columns)]]) for label, cells in people.items()]
    root = tmp_path_factory.mktemp("table")
    text = ("\ufeff" if bom else "") + end.join(lines) + (end if last else "")
    (root / "participants.tsv").write_bytes(text.encode())
    raw = read_table(root / "participants.tsv", "participant_id")
    assert [row[1:] for row in raw.rows] == [cells[: len(columns)] for cells in people.values()]
    table = table_of(root)
    assert table.participants == tuple(people)
    assert table.columns == tuple(name.strip() for name in columns)
    for label, cells in people.items():
        for column, cell in zip(columns, cells, strict=False):
            is_missing = cell.strip().lower() in ("", "n/a", "na", "nan")
            assert table.text(label, None, column.strip()) == (None if is_missing else cell.strip())


def test_a_quote_in_a_cell_is_a_character(dataset):
    """A reader of quoted CSV takes everything up to the next quote for one cell: sub-02 would be gone."""
    root = dataset(participants='participant_id\tnote\tage\nsub-01\t5"\t50\nsub-02\t"\t60\nsub-03\tx\t70\n')
    table = table_of(root)
    assert table.participants == ("01", "02", "03")
    assert [table.number(label, None, "age") for label in table.participants] == [50, 60, 70]
    assert [table.text(label, None, "note") for label in table.participants] == ['5"', '"', "x"]


def test_any_column_as_text_or_number_by_session(dataset):
    root = dataset(
        ONE,
        participants="participant_id\tsession_id\tsite\tbmi\tage\n"
        "sub-01\t\tB\t20\t240\nsub-01\tses-1\tA\tn/a\t252\nsub-02\tn/a\tnone\tinf\t240\n",
    )
    (root / "participants.json").write_text('{"age": {"Units": "months"}, "bmi": {"Units": "kg/m2"}}')
    (root / "sub-01/sub-01_sessions.tsv").write_text("session_id\tbmi\tpain\nses-2\t25\t3\n2x\t1\t1\n")
    table = table_of(root)
    assert table.columns == ("site", "bmi", "age")
    assert [table.text("01", session, "site") for session in (None, "1", "2")] == ["B", "A", "B"]
    # What a session's own row leaves open stands in the participant's.
    assert [table.number("01", session, "bmi") for session in (None, "1", "2", "3")] == [20, 20, 25, 20]
    assert [table.number("01", session, "pain") for session in (None, "2")] == [None, 3]
    assert [table.number("01", session, "age") for session in (None, "1", "2")] == [20, 21, 20]
    assert (table.text("02", None, "site"), table.number("02", None, "bmi")) == ("none", None)
    assert (table.text("03", None, "site"), table.text("01", None, "no column")) == (None, None)
    assert (table.unit("bmi"), table.unit("site")) == ("kg/m2", "")


@pytest.mark.parametrize(
    ("files", "age"),
    [
        # A table's unit is its own: this one could be in years as well as in months.
        ({}, None),
        ({"participants.json": '{"age": {"Units": "years"}}'}, 36),
        ({"sessions.json": '{"age": {"Units": "weeks"}}'}, 36 * 7 / 365.25),
        ({"sub-01/sub-01_sessions.json": '{"AGE": {"Units": "Days"}}', "sessions.json": "{"}, 36 / 365.25),
        ({"sessions.json": '{"age": {"Description": "at the scan"}}'}, None),
    ],
)
def test_unit_of_a_sessions_age(dataset, files, age):
    root = dataset(ONE, participants="participant_id\tage\nsub-01\t24\n")
    for name, content in {"participants.json": '{"age": {"Units": "months"}}', **files}.items():
        (root / name).write_text(content)
    (root / "sub-01/sub-01_sessions.tsv").write_text("session_id\tage\nses-1\t36\n")
    person = table_of(root).person("01", "1")
    assert person.age == (None if age is None else pytest.approx(age))
    assert age is not None or "sub-01_sessions.json" in person.warnings[0]
    assert table_of(root).person("01", "2").age == (24 if files.get("participants.json") else 2)


def test_columns_that_differ_in_case_alone(dataset):
    root = dataset(participants="participant_id\tSex\tSITE\tsite\tAge\tAGE\nsub-01\tF\tA\tB\t1\t2\n")
    table = table_of(root)
    assert [table.text("01", None, name) for name in ("sex", "SITE", "site")] == ["F", "A", "B"]
    with pytest.raises(InputError, match="two columns named AGE"):
        table.number("01", None, "age")


def test_rows_that_cannot_be_anybodys_are_left_out_and_named(dataset, config):
    rows = ["sub-01\t50", "sub-../x\t40", "\t30", 'sub-<b>"\t20', "sub-1\x1b[31m\t10"]
    root = dataset(ONE, participants="\n".join(["participant_id\tage", *rows]))
    assert table_of(root).participants == ("01",)
    selection = read_selection(config())
    assert selection.sessions[0].age == 50
    (sentence,) = selection.left_out
    assert "sub-../x" in sentence
    assert 'sub-<b>"' in sentence
    assert sentence.isprintable()


def test_a_table_that_must_be_there(dataset):
    root = dataset(ONE)
    assert table_of(root).participants == ()
    with pytest.raises(InputError, match=r"participants\.tsv cannot be read"):
        table_of(root, required=True)


@pytest.mark.parametrize("name", ["participants.tsv", "sub-01/sub-01_sessions.tsv"])
def test_a_table_of_gigabytes_is_not_read(dataset, name):
    root = dataset("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", participants="participant_id\tage\n")
    (root / name).touch()
    os.truncate(root / name, 2 * 2**30)
    with pytest.raises(InputError, match=rf"{name} cannot be read \(it is larger than 128 MB\)"):
        table_of(root).person("01", "1")


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["participants.tsv", "sub-01/sub-01_sessions.tsv"])
def test_what_is_not_a_file_is_not_read(dataset, odd, name):
    root = dataset("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")
    ODD[odd](root / name)
    with pytest.raises(InputError, match=r"\.tsv (cannot be read|is a link)"):
        table_of(root).person("01", "1")


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("odd", ["fifo", "device", "folder"])
def test_what_is_not_a_file_does_not_describe_columns(dataset, odd):
    root = dataset(ONE, participants="participant_id\tage\nsub-01\t50\n")
    ODD[odd](root / "participants.json")
    person = table_of(root).person("01", None)
    assert person.age is None
    assert "participants.json cannot be read" in person.warnings[0]


def test_columns_without_a_name_are_no_columns(dataset):
    root = dataset(participants="participant_id\tage\t\t\nsub-01\t50\t\tx\n")
    assert table_of(root).columns == ("age",)
    assert table_of(root).number("01", None, "age") == 50
