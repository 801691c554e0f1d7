"""The finished sessions of an output folder: each estimate as a row, and where its maps are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bids_brainage import messages
from bids_brainage.bids.listing import names_in
from bids_brainage.errors import InputError
from bids_brainage.records.estimate import EstimateRecord
from bids_brainage.records.reading import FinishedSession, read_participant
from bids_brainage.suggestions import some
from bids_brainage.terms import STANDARD_SPACE

#: Kinds of maps: LRP's, and what differs from the average brain of the person's age.
MapKind = Literal["lrp", "dba"]
#: Of the sum over sub-ensembles.
ALL = ""


@dataclass(frozen=True)
class MapPlace:
    """A map in standard space, and the years of the ensemble's estimate to one year of it."""

    path: Path
    region: str
    modality: str
    weight: float
    sha256: str = ""


@dataclass(frozen=True)
class TablePlace:
    """A table by region, and what it was when it was written."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Member:
    """One session's estimate by one ensemble.

    Attributes
    ----------
    participant, session : str
        Labels without ``sub-`` and ``ses-``; session is None where there is none.
    ensemble : str
    model : str
        Name, version and the beginning of the sha256 of its bundle.
    disclaimer : str or None
        Why the estimate must not be read as one.
    rule : str or None
        By which its LRP maps were made.
    row : mapping
        The columns of brainage.tsv.
    maps : mapping
        By kind and sub-ensemble (empty: the sum over all), maps in standard space.
    regions : mapping
        By kind, the table of its maps by region.
    parts : mapping
        By sub-ensemble, region and sequence that it sees.
    version : str
        Of the program that made the estimate.
    """

    participant: str
    session: str | None
    ensemble: str
    model: str
    disclaimer: str | None
    rule: str | None
    row: Mapping[str, Any]
    maps: Mapping[tuple[MapKind, str], MapPlace] = field(default_factory=dict)
    regions: Mapping[MapKind, TablePlace] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    version: str = ""

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``."""
        return f"sub-{self.participant}" + (f"_ses-{self.session}" if self.session else "")

    @property
    def seen_in_training(self) -> bool:
        """Whether the networks that made the estimate were trained on the person."""
        return self.row["in_training_set"] == "true" and self.row["fold"] is None


@dataclass(frozen=True)
class Members:
    """All estimates of a group.

    Attributes
    ----------
    people : tuple of Member
        By participant, session and ensemble.
    unfinished : tuple of str
        Sessions of the output folder without an estimate.
    of_age : bool
        Whether age is what is estimated.
    target, unit : str
    """

    people: tuple[Member, ...]
    unfinished: tuple[str, ...]
    target: str
    unit: str

    @property
    def of_age(self) -> bool:
        """Whether age is what is estimated."""
        return self.target == "age"

    @property
    def participants(self) -> int:
        """How many there are, each counted once."""
        return len({member.participant for member in self.people})

    @property
    def ensembles(self) -> tuple[str, ...]:
        """Names of the ensembles, sorted."""
        return tuple(sorted({member.ensemble for member in self.people}))

    @property
    def models(self) -> str:
        """Their bundles, each once."""
        return " and ".join(_unique(member.model for member in self.people))

    def of(self, ensemble: str) -> tuple[Member, ...]:
        """The estimates by one ensemble."""
        return tuple(member for member in self.people if member.ensemble == ensemble)


def read_members(
    out_dir: Path,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    ensembles: Sequence[str] = (),
) -> Members:
    """Read every finished estimate of an output folder, or those asked for.

    Raises
    ------
    InputError
        Nothing is finished, somebody asked for is not there, or estimates by one ensemble are of different
        models or explained by different rules, or those of all are of different targets.
    """
    labels = _labels(out_dir, participants)
    people: list[Member] = []
    unfinished: list[str] = []
    targets: Counter[tuple[str, str]] = Counter()
    there: list[FinishedSession] = []
    for label in labels:
        there += (everything := read_participant(out_dir, label))
        found = [own for own in everything if _asked(own, sessions)]
        for session in found:
            records = [own for own in session.estimates if not ensembles or own.ensemble in ensembles]
            targets.update((own.target.name, own.target.unit) for own in records)
            people += [_member(session, own) for own in records]
            if not records:
                unfinished.append(session.name)
        if not found:
            unfinished.append(f"sub-{label}")
    if not people:
        raise InputError(_why_nobody(out_dir, there))
    _check_alike(people)
    if len(targets) > 1:
        names = some([f"{target} ({unit or 'no unit'})" for target, unit in targets])
        raise InputError(messages.GROUP_TARGETS.format(path=out_dir, targets=names))
    return Members(tuple(people), tuple(unfinished), *next(iter(targets)))


def _labels(out_dir: Path, asked: Sequence[str]) -> list[str]:
    there = sorted(
        name.removeprefix("sub-")
        for name in names_in(out_dir)
        if name.startswith("sub-") and (out_dir / name).is_dir()
    )
    missing = sorted(set(asked) - set(there))
    if missing:
        raise InputError(
            messages.GROUP_NOT_THERE.format(path=out_dir, names=some([f"sub-{one}" for one in missing]))
        )
    return [label for label in there if not asked or label in asked]


def _why_nobody(out_dir: Path, there: Sequence[FinishedSession]) -> str:
    """Why there is no estimate: nothing is finished, or nothing of what was asked for."""
    ensembles = sorted({record.ensemble for session in there for record in session.estimates})
    if not ensembles:
        return messages.GROUP_NOBODY.format(path=out_dir)
    names = [session.name for session in there if session.estimates]
    return messages.GROUP_NONE_CHOSEN.format(
        path=out_dir, ensembles=some(ensembles, ", "), sessions=some(names, ", ")
    )


def _asked(session: FinishedSession, sessions: Sequence[str]) -> bool:
    label = session.place.session
    return not sessions or (label is not None and label.removeprefix("ses-") in sessions)


def _member(session: FinishedSession, record: EstimateRecord) -> Member:
    model = record.model
    return Member(
        participant=record.participant_id.removeprefix("sub-"),
        session=record.session_id.removeprefix("ses-") if record.session_id else None,
        ensemble=record.ensemble,
        model=f"{model.name} {model.version} ({model.sha256[:8]})",
        disclaimer=record.disclaimer,
        rule=record.lrp.rule if record.lrp else None,
        row=row_of(record),
        maps=dict(_maps(session, record)),
        regions=_regions(session, record.ensemble),
        parts={part.name: (part.region, part.modality) for part in record.sub_ensembles},
        version=record.versions.get("bids_brainage", ""),
    )


def _regions(session: FinishedSession, ensemble: str) -> dict[MapKind, TablePlace]:
    found: dict[MapKind, Path | None] = {
        "lrp": session.regions_path(ensemble),
        "dba": session.regions_path(ensemble, "dba"),
    }
    known = {kind: path for kind, path in found.items() if path is not None}
    return {kind: TablePlace(path, session.recorded_hash(path)) for kind, path in known.items()}


def row_of(record: EstimateRecord) -> dict[str, Any]:
    """An estimate as a row of brainage.tsv."""
    seen = record.in_training_set
    return {
        "participant_id": record.participant_id,
        "session_id": record.session_id,
        "ensemble": record.ensemble,
        "chronological_age": record.chronological_age,
        "measured": record.measured,
        "sex": record.sex,
        "brain_age": record.brain_age,
        "dba": record.dba,
        "brain_age_corrected": record.brain_age_corrected,
        "dba_corrected": record.dba_corrected,
        "uncertainty": record.uncertainty,
        "lower_95": record.lower_95,
        "upper_95": record.upper_95,
        "in_training_set": None if seen is None else str(seen).lower(),
        "fold": record.fold,
        "modalities": "+".join(record.modalities_used),
        "flags": ",".join(flag.code for flag in record.flags) or None,
    }


def _maps(session: FinishedSession, record: EstimateRecord) -> Iterator[tuple[tuple[MapKind, str], MapPlace]]:
    """Its maps in standard space, by what the session's record says of its files; no sidecar is read."""
    weights = {"lrp": {part.name: part.map_weight for part in record.sub_ensembles}}
    for difference in record.differences:
        weights[difference.reference.kind] = {part.name: part.weight for part in difference.parts}
    stage = session.record.estimates[record.ensemble]
    kinds: dict[str, MapKind] = {"": "lrp", "dba": "dba"}
    for mark in stage.files:
        kind = kinds.get(mark.about.get("kind", ""))
        if mark.role not in ("relevance", "reference_map") or kind is None:
            continue
        if mark.about.get("space") != STANDARD_SPACE:
            continue
        name = mark.about.get("sub_ensemble", ALL)
        weight = 1.0 if name == ALL else weights.get(kind, {}).get(name, 1.0)
        place = MapPlace(
            session.place.out_dir / mark.path,
            mark.about.get("region", ""),
            mark.about.get("modality", ""),
            weight,
            mark.sha256,
        )
        yield (kind, name), place


def _check_alike(people: Sequence[Member]) -> None:
    """Refuse to mix what cannot be compared, and say who is the odd one."""
    for ensemble in _unique(member.ensemble for member in people):
        own = [member for member in people if member.ensemble == ensemble]
        _check_one({member.name: member.model for member in own}, messages.GROUP_MODELS)
        _check_one({member.name: member.rule for member in own if member.rule}, messages.GROUP_RULES)


def _check_one(values: Mapping[str, str], sentence: str) -> None:
    counts = Counter(values.values()).most_common()
    if len(counts) > 1:
        usual = counts[0][0]
        odd = [name for name, value in values.items() if value != usual]
        others = some(_unique(values[name] for name in odd), " and ")
        raise InputError(sentence.format(usual=usual, n=counts[0][1], others=others, names=some(odd, ", ")))


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
