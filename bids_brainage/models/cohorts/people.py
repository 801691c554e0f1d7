"""Who can be trained on: finished derivatives, with an age or whatever else is to be estimated."""

from __future__ import annotations

import csv
import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.bids.naming import output_path
from bids_brainage.bids.tables import age_unit, read_number
from bids_brainage.errors import InputError
from bids_brainage.terms import AGE

_log = logging.getLogger(__name__)

#: How many people a warning names.
TOLD = 10
_SIMULATOR = "bids_brainage_simulate"
OLDEST = 125.0


@dataclass(frozen=True)
class TrainingPerson:
    """One person to train on; paths by modality.

    `value` is what is to be estimated, in the target's unit; of the target age it is the age in
    years. With another target `age` may be NaN: not known.
    """

    participant: str
    age: float
    value: float
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
    """The people, what dataset they come from, and what is to be estimated of them."""

    people: tuple[TrainingPerson, ...]
    dataset: str
    simulated: bool
    target: str = AGE
    unit: str = "years"

    @property
    def values(self) -> np.ndarray:
        """What is to be estimated (n,), in `unit`."""
        return np.array([person.value for person in self.people])


def read_cohort(
    derivatives: Sequence[Path],
    participants: Path,
    modalities: Iterable[str],
    group_column: str | None = None,
    labels: Sequence[str] = (),
    target: str = AGE,
) -> TrainingCohort:
    """Find everybody who has a number in the target's column and finished images of all modalities.

    Parameters
    ----------
    derivatives : sequence of Path
        Folders that ``bids_brainage ... participant`` has written.
    participants : Path
        participants.tsv of the raw dataset, with ``participant_id`` and the target's column, and perhaps
        ``age``, ``sex``, ``site`` and `group_column`. Units are taken from the participants.json beside it
        (years for ages without), the dataset's name and whether it is simulated from the
        dataset_description.json.
    modalities : iterable of str
    group_column : str, optional
        People with the same entry here are never split between training and test.
    labels : sequence of str
        Only these participants, without ``sub-``; all where it is empty.
    target : str
        Column of participants.tsv that is to be estimated.

    Raises
    ------
    InputError
        The table or the target's column cannot be used, or nobody is left.
    """
    wanted = tuple(modalities)
    people = []
    without_value, without_images = [], []
    rows = _rows(participants, group_column, target)
    to_years, warning = age_unit(participants.with_suffix(".json"))
    if warning:
        _log.warning("%s", warning)
    for row in rows:
        if labels and row["participant_id"].removeprefix("sub-") not in labels:
            continue
        age = _age(row.get(AGE), to_years)
        value = age if target == AGE else read_number(row[target])
        if value is None:
            without_value.append(row["participant_id"])
            continue
        known = math.nan if age is None else age
        person = _person(row, (known, value), derivatives, wanted, group_column)
        if person is None:
            without_images.append(row["participant_id"])
            continue
        people.append(person)
    sentence = messages.LEFT_OUT_AGE if target == AGE else messages.LEFT_OUT_TARGET
    _tell_left_out(sentence, without_value, file=participants, column=target)
    _tell_left_out(messages.LEFT_OUT_IMAGES, without_images)
    if not people:
        sentence = messages.NOBODY_TO_TRAIN if target == AGE else messages.NOBODY_WITH_TARGET
        raise InputError(sentence.format(file=participants, column=target))
    description = _description(participants.parent)
    generators = [entry.get("Name") for entry in description.get("GeneratedBy", [])]
    return TrainingCohort(
        people=tuple(people),
        dataset=str(description.get("Name", "")),
        simulated=_SIMULATOR in generators,
        target=target,
        unit="years" if target == AGE else _unit(participants.with_suffix(".json"), target),
    )


def _tell_left_out(sentence: str, names: Sequence[str], **facts: object) -> None:
    """Warn once of some people; all their names go to the log."""
    if not names:
        return
    told = ", ".join(names[:TOLD])
    if len(names) > TOLD:
        told = messages.SOME_NAMES.format(names=told, n=len(names) - TOLD)
        _log.debug("Left out: %s", ", ".join(names))
    _log.warning("%s", sentence.format(n=len(names), names=told, **facts))


def _person(
    row: Mapping[str, str],
    numbers: tuple[float, float],
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
                *numbers,
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


def _rows(table: Path, group_column: str | None, target: str) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", restval="", restkey="")
            rows = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(messages.TABLE_UNREADABLE.format(file=table, reason=error)) from error
    for column in ("participant_id", group_column):
        if column and column not in columns:
            raise InputError(messages.TABLE_COLUMN_MISSING.format(file=table, column=column))
    _check_target(table, columns, rows, target)
    seen: set[str] = set()
    for row in rows:
        label = row["participant_id"].removeprefix("sub-")
        if label in seen or not label.isalnum():
            raise InputError(messages.TABLE_PARTICIPANT.format(file=table, participant=row["participant_id"]))
        seen.add(label)
    return rows


def _check_target(
    table: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]], target: str
) -> None:
    """InputError where the column is not there, or holds words."""
    if target not in columns or target == "participant_id":
        known = ", ".join(column for column in columns if column != "participant_id")[:200] or "none"
        raise InputError(messages.TARGET_MISSING.format(file=table, column=target, columns=known))
    words = Counter(text for row in rows if (text := _text(row[target])) and read_number(text) is None)
    if target != AGE and words and not any(read_number(row[target]) is not None for row in rows):
        found = ", ".join(repr(word[:20]) for word, _ in words.most_common(3))
        raise InputError(messages.TARGET_TEXT.format(file=table, column=target, found=found))


def _age(text: str | None, to_years: float) -> float | None:
    number = read_number(text)
    return number * to_years if number is not None and 0 <= number * to_years <= OLDEST else None


def _unit(path: Path, column: str) -> str:
    """The unit that participants.json gives for a column; empty where it gives none."""
    described = _json(path).get(column)
    unit = described.get("Units") if isinstance(described, dict) else None
    return unit.strip()[:40] if isinstance(unit, str) else ""


def _text(value: str | None) -> str | None:
    return None if not value or value.lower() in ("n/a", "na", "nan") else value


def _description(folder: Path) -> dict:
    return _json(folder / "dataset_description.json")


def _json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
