"""The flags of a run's people, told where somebody looks: a line a person, a table at the end, and a file."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bids_brainage import messages
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.flags import (
    FLAGS,
    IMAGE_WARNING,
    INPUT_WARNING,
    MODALITY_LEFT_OUT,
    SEVERITIES,
    Severity,
)
from bids_brainage.quoting import one_line, printable
from bids_brainage.records.estimate import Preparation
from bids_brainage.records.reading import FinishedSession
from bids_brainage.records.tables import Columns, write_table

LOGGER = logging.getLogger(__name__)

#: People whom the table at the end names for each flag; flags.tsv names all.
NAMED = 5
COLUMNS: Columns = {
    "participant_id": {"Description": "with sub-"},
    "session_id": {"Description": "with ses-; n/a in a dataset without sessions"},
    "ensemble": {"Description": "whose estimate has the flag; n/a if it is one of the images or tables"},
    "flag": {
        "Description": "code of the flag",
        "Levels": {code: kind.meaning for code, kind in FLAGS.items()},
    },
    "severity": {"Description": "note, warning or error"},
    "text": {"Description": "one sentence for people"},
}


@dataclass(frozen=True)
class RaisedFlag:
    """A flag of a finished session, of one ensemble or, with None, of what all of them rest on."""

    participant_id: str
    session_id: str | None
    ensemble: str | None
    flag: str
    severity: Severity
    text: str


def flags_file(config: RunConfig) -> Path:
    """Where the flags of a run are written."""
    return config.log_dir / "flags.tsv"


def flags_of(
    finished: FinishedSession,
    ensembles: Collection[str],
    modalities: Collection[str],
    warnings: Sequence[str],
) -> list[RaisedFlag]:
    """All flags of a session, as its files and records have them.

    Parameters
    ----------
    finished : FinishedSession
    ensembles : collection of str
        Whose estimates belong to this run.
    modalities : collection of str
        Whose images do.
    warnings : sequence of str
        What the selection and the tables left open.
    """
    place = finished.place

    def flag(ensemble: str | None, code: str, severity: Severity, text: str) -> RaisedFlag:
        return RaisedFlag(place.participant, place.session, ensemble, code, severity, text)

    try:
        found = [
            flag(record.ensemble, own.code, own.severity, own.text)
            for record in finished.estimates
            if record.ensemble in ensembles
            for own in record.flags
        ]
        images = finished.preparation(modalities) if finished.t1w else None
    except InputError as error:
        LOGGER.warning("%s", error)
        return []
    sentences = [
        *((MODALITY_LEFT_OUT, text) for text in (_left_out(images) if images else ())),
        *((IMAGE_WARNING, text) for text in (images.warnings if images else ())),
        *((INPUT_WARNING, text) for text in warnings),
    ]
    told = {own.text for own in found}
    return found + [
        flag(None, code, FLAGS[code].severity, text) for code, text in sentences if text not in told
    ]


def _left_out(images: Preparation) -> Iterator[str]:
    for modality, reason in images.left_out.items():
        yield messages.MODALITY_LEFT_OUT.format(modality=modality, reason=reason)


def tell_of_session(name: str, flags: Sequence[RaisedFlag]) -> None:
    """Log one line about a session, if there is anything to say."""
    if not flags:
        return
    codes = ", ".join(dict.fromkeys(own.flag for own in flags))
    shown = [own.text for own in flags if own.flag in (IMAGE_WARNING, MODALITY_LEFT_OUT)]
    sentences = [messages.FLAGS_OF.format(name=name, codes=codes), *map(one_line, dict.fromkeys(shown))]
    LOGGER.log(_level(flags), " ".join(sentences))


def tell_of_all(flags: Iterable[RaisedFlag], path: Path) -> None:
    """Write the table of all flags, and log how many people have each, the most serious first."""
    everything = list(flags)
    rows = [asdict(own) | {"text": printable(own.text)} for own in everything]
    write_table(path, rows, COLUMNS)
    if not everything:
        return
    LOGGER.info(messages.FLAGS_OF_ALL.format(path=path))
    for line in _lines(everything):
        LOGGER.info("%s", line)


def _lines(flags: Sequence[RaisedFlag]) -> Iterator[str]:
    """By flag: its code, the number of people, and the first of them."""
    people: dict[str, dict[str, None]] = {}
    for own in sorted(flags, key=lambda own: -SEVERITIES.index(own.severity)):
        people.setdefault(own.flag, {})[own.participant_id] = None
    width = max(map(len, people))
    for code, names in people.items():
        more = ", ..." if len(names) > NAMED else ""
        yield f"  {code:{width}}  {len(names):5d}  {', '.join(list(names)[:NAMED])}{more}"


def _level(flags: Iterable[RaisedFlag]) -> int:
    return logging.INFO if all(own.severity == "note" for own in flags) else logging.WARNING
