"""``group/brainage.tsv``: every estimate of a group in one table."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from bids_brainage.bids.naming import sidecar
from bids_brainage.group.members import Members
from bids_brainage.records.tables import Columns, write_table

#: What is compared with what was measured has a column of its own only if that is not the age.
_MEASURED = "measured"
_FORMS = dict.fromkeys(
    (
        "chronological_age",
        *("brain_age", "dba", "brain_age_corrected", "dba_corrected", "uncertainty", "lower_95", "upper_95"),
    ),
    ".4f",
)


def columns(name: str) -> dict[str, dict[str, Any]]:
    """The columns of a table of the group level, as data/group/<name>.yaml has them."""
    text = resources.files("bids_brainage").joinpath(f"data/group/{name}.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return found


def brainage_columns(members: Members) -> Columns:
    """The columns of brainage.tsv, in the unit of what is estimated."""
    unit = {} if members.of_age else {"Units": members.unit or f"units of {members.target}"}
    own = {}
    for name, meaning in columns("brainage").items():
        in_years = "Units" in meaning and name != "chronological_age"
        if name != _MEASURED or not members.of_age:
            own[name] = meaning | (unit if in_years else {})
    return own


def write_brainage(folder: Path, members: Members) -> tuple[Path, Path]:
    """Write ``brainage.tsv``, one row an estimate, and the JSON file of its columns."""
    rows = (member.row for member in members.people)
    return write_table(folder / "brainage.tsv", rows, brainage_columns(members), _FORMS)


def write_rows(folder: Path, name: str, key: str, rows: list[dict[str, Any]]) -> Path | None:
    """Write a table about people, or remove what an earlier run left where there is nothing to write.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file, without its ending.
    key : str
        Of the meanings of its columns in data/group/people.yaml; those before them are in first.yaml.
    rows : list of dict

    Returns
    -------
    Path or None
        The table.
    """
    path = folder / f"{name}.tsv"
    if not rows:
        for old in (path, sidecar(path)):
            old.unlink(missing_ok=True)
        return None
    known = columns("first") | columns("people")[key]
    return write_table(path, rows, {own: known[own] for own in rows[0]})[0]
