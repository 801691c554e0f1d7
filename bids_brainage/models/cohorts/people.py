"""Who can be used for training: people with finished derivatives and an age, or another target."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.bids.dataset import makers, read_json
from bids_brainage.bids.naming import session_name, strip_prefix
from bids_brainage.bids.participants import ParticipantsTable
from bids_brainage.bids.people import ID_COLUMNS
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.records.altered import is_altered
from bids_brainage.records.reading import PreparedImages, read_participant
from bids_brainage.records.session import FIRST, TEMPLATE
from bids_brainage.terms import AGE, SIMULATOR

_log = logging.getLogger(__name__)

#: How many people a warning lists.
TOLD = 10


@dataclass(frozen=True)
class TrainingPerson:
    """One person for training; paths by modality.

    `value` is the target, in its unit; if the target is age, it is the age in years. With another
    target `age` may be NaN: unknown.
    """

    participant: str
    age: float
    value: float
    sex: str | None
    site: str | None
    group: str
    images: PreparedImages

    @property
    def mask(self) -> Path:
        """The brain mask."""
        return self.images.mask


@dataclass(frozen=True)
class TrainingCohort:
    """The people, the dataset they come from, and what is to be estimated."""

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
    linear: Collection[str] = (),
) -> TrainingCohort:
    """Find everyone with a number in the target's column and finished images of all modalities.

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
        And other stages of preprocessing that they must have, such as ``T2w/native``.
    group_column : str, optional
        People with the same entry here are never split between training and test.
    labels : sequence of str
        Only these participants, without ``sub-``; all if it is empty.
    target : str
        Column of participants.tsv that is to be estimated.
    linear : collection of str
        Linear ways to the template (rigid, affine) that they must have, too.

    Raises
    ------
    InputError
        The table or the target's column cannot be used, or nobody is left.
    """
    for folder in filter(is_altered, derivatives):
        _log.warning("%s", messages.COHORT_ALTERED.format(path=folder))
    wanted = (*modalities, *linear)
    table = ParticipantsTable(participants, required=True)
    for warning in table.warnings:
        _log.warning("%s", warning)
    if group_column and not table.has(group_column):
        raise InputError(messages.TABLE_COLUMN_MISSING.format(file=participants, column=group_column))
    people = []
    without_value, without_images = [], []
    asked_for = set(labels) or set(table.participants)
    for label in (label for label in table.participants if label in asked_for):
        session, images = next(_finished_images(derivatives, label, wanted), (None, None))
        value = None if target in ID_COLUMNS else table.number(label, session, target)
        if value is None:
            without_value.append(label)
        elif images is None:
            without_images.append(label)
        else:
            people.append(_person(label, session, value, images, table, group_column))
    if not (people or without_images):
        _check_target(table, target)
    sentence = messages.LEFT_OUT_AGE if target == AGE else messages.LEFT_OUT_TARGET
    _tell_left_out(sentence, without_value, file=participants, column=target)
    sentence = messages.LEFT_OUT_LINEAR if linear else messages.LEFT_OUT_IMAGES
    _tell_left_out(sentence, without_images)
    if not people:
        sentence = messages.NOBODY_TO_TRAIN if target == AGE else messages.NOBODY_WITH_TARGET
        raise InputError(sentence.format(file=participants, column=target))
    description = _description(participants.parent)
    return TrainingCohort(
        people=tuple(people),
        dataset=str(description.get("Name", "")),
        simulated=SIMULATOR in makers(description),
        target=target,
        unit="years" if target == AGE else table.unit(target),
    )


def _tell_left_out(sentence: str, labels: Sequence[str], **facts: object) -> None:
    """Warn once about some people; all their names go to the log."""
    if not labels:
        return
    names = [session_name(label, None) for label in labels]
    told = ", ".join(names[:TOLD])
    if len(names) > TOLD:
        told = messages.SOME_NAMES.format(names=told, n=len(names) - TOLD)
        _log.debug("Left out: %s", ", ".join(names))
    _log.warning("%s", sentence.format(n=len(names), names=told, **facts))


def _finished_images(
    derivatives: Sequence[Path], label: str, stages: Sequence[str]
) -> Iterator[tuple[str | None, PreparedImages]]:
    """Label and images of a person's sessions that have all stages, finished and still there."""
    needed = {FIRST, TEMPLATE, *stages}
    for folder in derivatives:
        for session in read_participant(folder, label):
            done = session.record.preprocessing
            there = done.keys() - session.left_out.keys()
            whole = needed <= there and all(session.is_whole(done[name]) for name in needed)
            if whole and session.images:
                yield strip_prefix(session.place.session or "", "ses") or None, session.images


def _person(
    label: str,
    session: str | None,
    value: float,
    images: PreparedImages,
    table: ParticipantsTable,
    group_column: str | None,
) -> TrainingPerson:
    age = table.number(label, session, AGE)
    group = table.text(label, session, group_column) if group_column else None
    return TrainingPerson(
        participant=label,
        age=math.nan if age is None else age,
        value=value,
        sex=table.person(label, session).sex,
        site=table.text(label, session, "site"),
        group=group or label,
        images=images,
    )


def _check_target(table: ParticipantsTable, target: str) -> None:
    """InputError if nobody has a number because the column is missing or contains text."""
    if target in ID_COLUMNS or not table.has(target):
        known = one_line(", ".join(table.columns)) or "none"
        raise InputError(messages.TARGET_MISSING.format(file=table.path, column=target, columns=known))
    words = Counter(text for label in table.participants if (text := table.text(label, None, target)))
    if target != AGE and words:
        found = ", ".join(repr(one_line(word)[:20]) for word, _ in words.most_common(3))
        raise InputError(messages.TARGET_TEXT.format(file=table.path, column=target, found=found))


def _description(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / "dataset_description.json")
    except InputError:
        return {}
