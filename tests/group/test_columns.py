"""What the dataset's tables say about members."""

from __future__ import annotations

from pathlib import Path

from bids_brainage.group.columns import read_columns
from bids_brainage.group.members import read_members
from tests.group.made_up import MadeUp, publish_person, write_dataset


def test_the_sessions_own_row_takes_precedence(tmp_path: Path) -> None:
    for person in (MadeUp("01", 60.0), MadeUp("02", 40.0, session="a"), MadeUp("02", 42.0, session="b")):
        publish_person(tmp_path / "out", person, maps=False)
    rows = [
        {"participant_id": "sub-01", "bmi": 24.5, "site": "x y"},
        {"participant_id": "sub-02", "bmi": 30, "site": "n/a"},
    ]
    moca = "participant_id\tsession_id\ttotal\tbmi\nsub-01\tn/a\t27\t1\nsub-02\tses-b\t25\t2\n"
    bids_dir = write_dataset(tmp_path / "bids", rows, moca=moca)
    (bids_dir / "sub-02" / "sub-02_sessions.tsv").write_text("session_id\tbmi\tweight\nses-b\t31\t80\n")
    cells = read_columns(bids_dir, read_members(tmp_path / "out").people).cells
    assert cells == {
        "bmi": ("24.5", "30", "31"),
        "site": ("x y", None, None),
        "weight": (None, None, "80"),
        "total": ("27", None, "25"),
        "moca.bmi": ("1", None, "2"),
    }


def test_a_dataset_without_tables_has_no_columns(tmp_path: Path) -> None:
    publish_person(tmp_path, MadeUp("01", 60.0), maps=False)
    assert read_columns(tmp_path / "bids", read_members(tmp_path).people).cells == {}
