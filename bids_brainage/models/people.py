"""Who can be trained on: finished derivatives, with an age."""

from __future__ import annotations

import csv
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.naming import output_path
from bids_brainage.errors import InputError

_log = logging.getLogger(__name__)
_SIMULATOR = "bids_brainage_simulate"


@dataclass(frozen=True)
class TrainingPerson:
    """One person to train on; paths by modality."""

    participant: str
    age: float
    sex: str | None
    site: str | None
    group: str
    mask: Path
    subject: Mapping[str, Path]
    standard: Mapping[str, Path]

    def image(self, stage: str, modality: str) -> Path:
        """The prepared image of a modality in a stage."""
        return (self.subject if stage == "subject" else self.standard)[modality]


@dataclass(frozen=True)
class TrainingCohort:
    """The people, and what dataset they come from."""

    people: tuple[TrainingPerson, ...]
    dataset: str
    simulated: bool


def read_cohort(
    derivatives: Sequence[Path],
    participants: Path,
    modalities: Iterable[str],
    group_column: str | None = None,
    labels: Sequence[str] = (),
) -> TrainingCohort:
    """Find everybody who has an age and finished images of all modalities.

    Parameters
    ----------
    derivatives : sequence of Path
        Folders that ``bids_brainage ... participant`` has written.
    participants : Path
        participants.tsv of the raw dataset, with ``participant_id`` and ``age`` (years), and perhaps
        ``sex``, ``site`` and `group_column`. The dataset's name and whether it is simulated are taken
        from the dataset_description.json beside it.
    modalities : iterable of str
    group_column : str, optional
        People with the same entry here are never split between training and test.
    labels : sequence of str
        Only these participants, without ``sub-``; all where it is empty.

    Raises
    ------
    InputError
        The table cannot be used, or nobody is left.
    """
    wanted = tuple(modalities)
    people = []
    for row in _rows(participants, group_column):
        if labels and row["participant_id"].removeprefix("sub-") not in labels:
            continue
        age = _age(row.get("age"))
        if age is None:
            _log.warning(messages.LEFT_OUT_AGE.format(participant=row["participant_id"], file=participants))
            continue
        person = _person(row, age, derivatives, wanted, group_column)
        if person is None:
            _log.warning(messages.LEFT_OUT_IMAGES.format(participant=row["participant_id"]))
            continue
        people.append(person)
    if not people:
        raise InputError(messages.NOBODY_TO_TRAIN.format(file=participants))
    description = _description(participants.parent)
    generators = [entry.get("Name") for entry in description.get("GeneratedBy", [])]
    return TrainingCohort(tuple(people), str(description.get("Name", "")), _SIMULATOR in generators)


def _person(
    row: Mapping[str, str],
    age: float,
    derivatives: Sequence[Path],
    modalities: tuple[str, ...],
    group_column: str | None,
) -> TrainingPerson | None:
    label = row["participant_id"].removeprefix("sub-")
    for folder, session in _sessions(derivatives, label):
        mask = output_path(folder, label, session, "brain_mask")
        subject = {
            m: output_path(folder, label, session, "preproc_T1w")
            if m == "T1w"
            else output_path(folder, label, session, "preproc_T1w_space", suffix=m)
            for m in modalities
        }
        standard = {m: output_path(folder, label, session, "preproc_standard", suffix=m) for m in modalities}
        if all(path.is_file() for path in (mask, *subject.values(), *standard.values())):
            group = row.get(group_column, "") if group_column else ""
            return TrainingPerson(
                label,
                age,
                _text(row.get("sex")),
                _text(row.get("site")),
                group or label,
                mask,
                subject,
                standard,
            )
    return None


def _sessions(derivatives: Sequence[Path], label: str) -> Iterator[tuple[Path, str | None]]:
    """The folders that may hold a person's images: the first whole session counts."""
    for folder in derivatives:
        yield folder, None
        for session in sorted((folder / f"sub-{label}").glob("ses-*")):
            yield folder, session.name.removeprefix("ses-")


def _rows(table: Path, group_column: str | None) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", restval="", restkey="")
            rows = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(messages.TABLE_UNREADABLE.format(file=table, reason=error)) from error
    for column in ("participant_id", "age", group_column):
        if column and column not in columns:
            raise InputError(messages.TABLE_COLUMN_MISSING.format(file=table, column=column))
    seen: set[str] = set()
    for row in rows:
        label = row["participant_id"].removeprefix("sub-")
        if label in seen or not label.isalnum():
            raise InputError(messages.TABLE_PARTICIPANT.format(file=table, participant=row["participant_id"]))
        seen.add(label)
    return rows


def _age(text: str | None) -> float | None:
    try:
        age = float(text or "nan")
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= 125 else None


def _text(value: str | None) -> str | None:
    return None if not value or value.lower() in ("n/a", "na", "nan") else value


def _description(folder: Path) -> dict:
    try:
        content = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
