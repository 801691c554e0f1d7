"""The one reader of finished sessions: what is finished, where each file is, and what the estimates say."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from bids_brainage import messages
from bids_brainage.bids.dataset import read_json
from bids_brainage.bids.naming import output_path, session_name, sidecar, strip_prefix
from bids_brainage.bids.uris import own_uri
from bids_brainage.errors import InputError
from bids_brainage.records.estimate import EstimateRecord, Preparation
from bids_brainage.records.relevance_map import AnyMapRecord, MapRecord, ReferenceMapRecord, ZMapRecord
from bids_brainage.records.session import (
    FIRST,
    LINEAR,
    TEMPLATE,
    FileMark,
    Role,
    SessionRecord,
    Stage,
    StageKey,
    source_of,
)
from bids_brainage.terms import STANDARD_SPACE, T1W_SPACE

#: Up to this size, a file's content is compared; above it, its size.
SMALL = 1_000_000


@dataclass(frozen=True)
class SessionPlace:
    """Where a session's results stand: an output folder and labels, with ``sub-`` and ``ses-``."""

    out_dir: Path
    participant: str
    session: str | None

    @classmethod
    def of(cls, out_dir: Path, participant: str, session: str | None) -> SessionPlace:
        """The place of a session by its labels, with or without ``sub-`` and ``ses-``."""
        label = f"ses-{strip_prefix(session, 'ses')}" if session else None
        return cls(out_dir.absolute(), f"sub-{strip_prefix(participant, 'sub')}", label)

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``: how the session's file names begin."""
        return session_name(self.participant, self.session)

    @property
    def record(self) -> Path:
        """The record of completion."""
        return self.path("record")

    def path(self, output: str, **entities: str) -> Path:
        """Where an output goes; names are those of data/outputs.yaml."""
        return output_path(self.out_dir, self.participant, self.session, output, **entities)

    def uri(self, path: Path) -> str:
        """A file below the output folder as BIDS names it from within, ``bids::sub-01/anat/...``."""
        return own_uri(path, self.out_dir)


S = TypeVar("S", bound=AnyMapRecord)


@dataclass(frozen=True)
class FinishedMap(Generic[S]):
    """A map of an estimate.

    Attributes
    ----------
    path : Path
    ensemble : str
    sub_ensemble : str
        Empty for the ensemble's own map, the sum over its sub-ensembles.
    region, modality : str
        What the sub-ensemble sees; of the sum, the region is empty and the modality T1w.
    space : str
        ``T1w`` or ``MNI152NLin6Asym``.
    sidecar : MapRecord, ReferenceMapRecord or ZMapRecord
    """

    path: Path
    ensemble: str
    sub_ensemble: str
    region: str
    modality: str
    space: str
    sidecar: S

    @property
    def standard(self) -> bool:
        """Whether it lies in standard space."""
        return self.space == STANDARD_SPACE


@dataclass(frozen=True)
class PreparedImages:
    """The prepared images of a session.

    Attributes
    ----------
    mask : Path
        Brain mask on the T1w grid.
    forward, inverse : Path
        T1w to MNI152NLin6Asym, and back.
    subject, standard : dict of str to Path
        By modality, the image on the T1w grid, and the brain in standard space.
    linear : dict of str to (Path, Path)
        By kind (rigid, affine), the linear ways from T1w to MNI152NLin6Asym and back that there are.
    sources : dict of (str, str) to Path
        By modality and source (see `SOURCES`), images that networks take in as they are.
    coregistered : dict of str to Path
        By modality, the rigid way of its image as scanned to T1w.
    """

    mask: Path
    forward: Path
    inverse: Path
    subject: dict[str, Path]
    standard: dict[str, Path]
    linear: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    sources: dict[tuple[str, str], Path] = field(default_factory=dict)
    coregistered: dict[str, Path] = field(default_factory=dict)

    def scanned(self, modality: str) -> tuple[tuple[float, float, float], str] | None:
        """How far (mm) a scanned voxel reached along the axes of the T1w grid, and how it was interpolated.

        None if the image's sidecar does not say so, as those of earlier versions.
        """
        path = sidecar(self.subject[modality])
        content = read_json(path) if path.is_file() else {}
        extent, interpolation = content.get("ScannedVoxelExtent"), content.get("Interpolation")
        if not (isinstance(extent, list) and len(extent) == 3 and all(_is_length(size) for size in extent)):
            return None
        x, y, z = map(float, extent)
        return (x, y, z), str(interpolation)


@dataclass(frozen=True)
class FinishedSession:
    """What is finished of a session, according to its record; see `read_session`."""

    place: SessionPlace
    record: SessionRecord

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``."""
        return self.place.name

    @cached_property
    def estimates(self) -> tuple[EstimateRecord, ...]:
        """The estimates, by the ensembles' names.

        Raises
        ------
        InputError
            If one cannot be read.
        """
        return tuple(
            EstimateRecord.read(self._path(mark))
            for _, stage in sorted(self.record.estimates.items())
            for mark in stage.files
            if mark.role == "estimate"
        )

    @cached_property
    def t1w(self) -> tuple[Path, Path] | None:
        """The prepared T1w image and its brain mask; None if they are not finished."""
        if FIRST not in self.record.preprocessing:
            return None
        return self._path(self._mark("subject_image", modality=FIRST)), self._path(self._mark("brain_mask"))

    @cached_property
    def warps(self) -> tuple[Path, Path] | None:
        """The transforms from T1w to MNI152NLin6Asym and back; None if they are not finished."""
        if TEMPLATE not in self.record.preprocessing:
            return None
        forward, inverse = (self._mark("transform", source=space) for space in (T1W_SPACE, STANDARD_SPACE))
        return self._path(forward), self._path(inverse)

    @cached_property
    def images(self) -> PreparedImages | None:
        """The prepared images; None if those of the T1w image are not finished."""
        if self.t1w is None or self.warps is None:
            return None
        return PreparedImages(
            mask=self.t1w[1],
            forward=self.warps[0],
            inverse=self.warps[1],
            subject=self._by_modality("subject_image"),
            standard=self._by_modality("standard_image"),
            linear={kind: self._linear(kind) for kind in LINEAR if kind in self.record.preprocessing},
            sources={
                (self._about(mark, "modality"), self._about(mark, "origin")): self._path(mark)
                for mark in self._marks("source_image")
            },
            coregistered={
                self._about(mark, "source"): self._path(mark) for mark in self._marks("coregistration")
            },
        )

    def _linear(self, kind: str) -> tuple[Path, Path]:
        """The linear transforms of a kind, from T1w to MNI152NLin6Asym and back."""
        there = self._mark("linear_transform", source=T1W_SPACE, kind=kind)
        back = self._mark("linear_transform", source=STANDARD_SPACE, kind=kind)
        return self._path(there), self._path(back)

    def preparation(self, modalities: Collection[str] = ()) -> Preparation:
        """How the images were prepared: what the T1w image's sidecar says, with all warnings.

        Parameters
        ----------
        modalities : collection of str
            The sequences that are of interest besides T1w; no other sidecar is read.

        Raises
        ------
        InputError
            If a sidecar cannot be read.
        """
        sidecars = {
            modality: read_json(sidecar(path))
            for modality, path in self._by_modality("subject_image").items()
            if modality == FIRST or modality in modalities
        }
        try:
            as_they_are = [read_json(sidecar(self._path(mark))) for mark in self._marks("source_image")]
            warnings = [text for content in sidecars.values() for text in content.get("Warnings", ())]
            more = [text for content in as_they_are for text in content.get("Warnings", ())]
            warnings += [text for text in more if text not in warnings]
            left_out = {name: why for name, why in self.left_out.items() if name in modalities}
            found = {"warnings": warnings, "left_out": left_out}
            return Preparation.model_validate(sidecars[FIRST]["Preparation"] | found)
        except (KeyError, TypeError, ValidationError) as error:
            reason = "a sidecar does not say how its image was prepared"
            raise InputError(
                messages.RECORD_UNREADABLE.format(path=self.place.record, reason=reason)
            ) from error

    @property
    def left_out(self) -> dict[str, str]:
        """By sequence, why its image could not be used."""
        stages = self.record.preprocessing.items()
        return {
            name: stage.left_out
            for name, stage in stages
            if stage.left_out is not None and source_of(name) is None
        }

    @cached_property
    def maps(self) -> tuple[FinishedMap[MapRecord], ...]:
        """All relevance maps, in the order in which they were written."""
        return self._maps("relevance", MapRecord)

    @cached_property
    def reference_maps(self) -> tuple[FinishedMap[ReferenceMapRecord], ...]:
        """All maps against references, in the order in which they were written."""
        return self._maps("reference_map", ReferenceMapRecord)

    @cached_property
    def z_maps(self) -> tuple[FinishedMap[ZMapRecord], ...]:
        """All DBA maps as standard deviations from what is usual, in the order in which they were written."""
        return self._maps("z_map", ZMapRecord)

    def _maps(self, role: Role, kind: type[S]) -> tuple[FinishedMap[S], ...]:
        return tuple(
            FinishedMap(
                path=self._path(mark),
                ensemble=ensemble,
                sub_ensemble=self._about(mark, "sub_ensemble"),
                region=self._about(mark, "region"),
                modality=self._about(mark, "modality"),
                space=self._about(mark, "space"),
                sidecar=kind.read(sidecar(self._path(mark))),
            )
            for ensemble, stage in self.record.estimates.items()
            for mark in stage.files
            if mark.role == role
        )

    def regions(self, ensemble: str, reference: str = "") -> list[dict[str, str]]:
        """Rows of an ensemble's table by atlas region; none where there is none.

        Parameters
        ----------
        ensemble : str
        reference : str
            Kind of reference that the maps are against; by default, the table is that of relevance.
        """
        path = self.regions_path(ensemble, reference)
        if path is None:
            return []
        with path.open(newline="", encoding="utf-8") as table:
            return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))

    def regions_path(self, ensemble: str, reference: str = "") -> Path | None:
        """Where that table is, if there is one."""
        stage = self.record.estimates.get(ensemble)
        role = "reference_regions" if reference else "regions"
        for mark in stage.files if stage else ():
            if mark.role == role and mark.about.get("kind", "") == reference:
                return self._path(mark)
        return None

    def files_of(self, ensemble: str, role: Role) -> list[Path]:
        """The files of one kind of an ensemble's stage."""
        stage = self.record.estimates.get(ensemble)
        return [self._path(mark) for mark in stage.files if mark.role == role] if stage else []

    def recorded_hash(self, path: Path) -> str:
        """The sha256 that a file of the session had when it was written."""
        return self._hashes[path]

    @cached_property
    def _hashes(self) -> dict[Path, str]:
        return {self._path(mark): mark.sha256 for mark in self.record.files()}

    def is_finished(self, key: StageKey, fingerprint: str) -> bool:
        """Whether a stage is finished with that fingerprint, and all its files are what was written."""
        found = self.record.stage(key)
        return found is not None and found.fingerprint == fingerprint and self.is_whole(found)

    def is_whole(self, stage: Stage) -> bool:
        """Whether a stage's files are there: small ones with their content, large ones with their size."""
        return all(self._is_as_written(mark) for mark in stage.files)

    def _is_as_written(self, mark: FileMark) -> bool:
        from bids_brainage.records.files import sha256_of

        path = self._path(mark)
        try:
            if not path.is_file() or path.stat().st_size != mark.bytes:
                return False
            return mark.bytes > SMALL or sha256_of(path) == mark.sha256
        except OSError:
            return False

    def _mark(self, role: Role, **about: str) -> FileMark:
        """The file of that role that shows that.

        Raises
        ------
        InputError
            If a finished stage does not name it.
        """
        for mark in self._marks(role):
            if about.items() <= mark.about.items():
                return mark
        reason = f"it names no {role}"
        raise InputError(messages.RECORD_UNREADABLE.format(path=self.place.record, reason=reason))

    def _by_modality(self, role: Role) -> dict[str, Path]:
        return {self._about(mark, "modality"): self._path(mark) for mark in self._marks(role)}

    def _about(self, mark: FileMark, name: str) -> str:
        if name in mark.about:
            return mark.about[name]
        reason = f"it does not say the {name} of {mark.path}"
        raise InputError(messages.RECORD_UNREADABLE.format(path=self.place.record, reason=reason))

    def _marks(self, role: Role) -> Iterator[FileMark]:
        return (mark for mark in self.record.files() if mark.role == role)

    def _path(self, mark: FileMark) -> Path:
        return self.place.out_dir / mark.path


def _is_length(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def read_record(place: SessionPlace) -> SessionRecord | None:
    """The session's record; None if there is no usable one, so that everything is done again."""
    try:
        record = SessionRecord.read(place.record)
    except InputError:
        return None
    whose = (record.participant_id, record.session_id)
    paths = (*(mark.path for mark in record.files()), *record.pending)
    inside = all(_is_inside(path, place) for path in paths)
    return record if whose == (place.participant, place.session) and inside else None


def read_session(place: SessionPlace) -> FinishedSession | None:
    """What is finished of a session; None if nothing is."""
    record = read_record(place)
    return None if record is None else FinishedSession(place, record)


def read_participant(out_dir: Path, participant: str) -> list[FinishedSession]:
    """All sessions of a participant that have a record, in the order of their labels."""
    home = out_dir / f"sub-{strip_prefix(participant, 'sub')}"
    labels = sorted(path.name for path in home.glob("ses-*") if path.is_dir()) if home.is_dir() else []
    places = [SessionPlace.of(out_dir, participant, label) for label in (None, *labels)]
    return [found for found in map(read_session, places) if found is not None]


def _is_inside(path: str, place: SessionPlace) -> bool:
    """Whether a recorded path is one that could have been written: the session's own, in its own folder.

    Through links, too: what is pending is removed.
    """
    whole, folder = place.out_dir / path, place.record.parent
    named = whole.name.startswith(f"{place.name}_") and whole.parent == folder
    home = (place.out_dir / place.participant).resolve()
    return named and ".." not in Path(path).parts and folder.resolve().is_relative_to(home)
