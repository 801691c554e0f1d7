"""Model bundles: a folder with ``bundle.json`` and weights, checked before anything is used."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

import bids_brainage
from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.schema import (
    AGE,
    SCHEMA_VERSION,
    BundleRecord,
    Cohort,
    EnsembleRecord,
    FileRecord,
    HeadRecord,
    Participants,
    SubEnsembleRecord,
    TopHeadRecord,
)
from bids_brainage.models.ensembles.age_bias import AgeBias
from bids_brainage.models.ensembles.base_model import BaseModel, check_weights
from bids_brainage.models.ensembles.ensemble import MultiLevelEnsemble, NormalisedInterval, TopHead
from bids_brainage.models.ensembles.head_model import Head, HeadModel
from bids_brainage.models.ensembles.spline_head import Curve, SplineHead
from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble
from bids_brainage.models.ensembles.typicality import Norms
from bids_brainage.networks.weights_file import read_arrays, write_arrays

FILE_NAME = "bundle.json"
MODELS_VARIABLE = "BIDS_BRAINAGE_MODELS"
LARGEST_JSON = 64_000_000
SHIPPED = Path(bids_brainage.__file__).parent / "data" / "models"


@dataclass(frozen=True, eq=False)
class ReferenceCheck:
    """Reference predictions of one base model: as stored and as computed here, in years."""

    ensemble: str
    sub_ensemble: str
    fold: int
    index: int
    stored: float
    computed: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the two agree within the bundle's tolerance."""
        return bool(abs(self.stored - self.computed) <= self.tolerance)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that has passed `load_bundle`.

    Attributes
    ----------
    path : Path
        Its folder.
    record : BundleRecord
        What ``bundle.json`` says.
    sha256 : str
        Of ``bundle.json``, which holds those of all other files: it identifies the bundle.
    """

    path: Path
    record: BundleRecord
    sha256: str

    @property
    def name(self) -> str:
        """Name of the bundle."""
        return self.record.name

    @property
    def is_demonstration(self) -> bool:
        """Whether the bundle's estimates mean nothing outside demonstrations."""
        return self.record.purpose == "demonstration"

    @property
    def estimates_age(self) -> bool:
        """Whether it estimates age, and not another number."""
        return self.record.target == AGE

    @property
    def heads(self) -> str:
        """Whether all heads are ``linear``, or some bend (``spline``)."""
        heads = [
            head
            for ensemble in self.record.ensembles
            for head in (
                *(top.head for fold in ensemble.top_heads for top in fold),
                *(fold.head for sub in ensemble.sub_ensembles for fold in sub.folds),
            )
        ]
        return "spline" if any(head.curves for head in heads) else "linear"

    @property
    def age_range(self) -> tuple[float, float] | None:
        """Youngest and oldest age trained on, in years; None where it is not known."""
        return self.record.cohort.age_range

    @property
    def training_range(self) -> tuple[float, float] | None:
        """Least and greatest value of the target trained on, in its unit; None where it is not known."""
        return self.age_range if self.estimates_age else self.record.cohort.target_range

    @property
    def ensembles(self) -> tuple[str, ...]:
        """Names of the ensembles."""
        return tuple(ensemble.name for ensemble in self.record.ensembles)

    @cached_property
    def _built(self) -> dict[tuple[str, int], MultiLevelEnsemble]:
        return {}

    def ensemble_record(self, name: str) -> EnsembleRecord:
        """What ``bundle.json`` says of one ensemble; BundleError where there is none of that name."""
        for ensemble in self.record.ensembles:
            if ensemble.name == name:
                return ensemble
        raise BundleError(
            messages.NO_SUCH_ENSEMBLE.format(file=self.path, name=name, names=", ".join(self.ensembles))
        )

    def ensemble(self, name: str, fold: int | None = None) -> MultiLevelEnsemble:
        """The ensemble `name` with its weights.

        Parameters
        ----------
        name : str
            ``TypeI`` or ``TypeII``.
        fold : int, optional
            Which repetition's models; by default the first, which is for people never trained on.
        """
        record = self.ensemble_record(name)
        index = 0 if fold is None else fold
        if not 0 <= index < len(record.top_heads):
            raise BundleError(
                messages.NO_SUCH_FOLD.format(file=self.path, fold=index, n=len(record.top_heads))
            )
        if (name, index) not in self._built:
            self._built[name, index] = self._build(record, index)
        return self._built[name, index]

    def ensemble_for(self, name: str, participant_id: str, dataset: str | None) -> MultiLevelEnsemble:
        """The ensemble `name` for a person: of models that never saw them, where they were trained on."""
        return self.ensemble(name, self.fold_of(participant_id, dataset))

    def _build(self, record: EnsembleRecord, fold: int) -> MultiLevelEnsemble:
        return MultiLevelEnsemble(
            name=record.name,
            sub_ensembles={sub.name: self._sub_ensemble(sub, fold) for sub in record.sub_ensembles},
            top_heads=tuple(_top_head(head) for head in record.top_heads[fold]),
        )

    def _sub_ensemble(self, record: SubEnsembleRecord, fold: int) -> SubEnsemble:
        trained = record.folds[fold]
        models = tuple(
            BaseModel(
                name=f"{record.name}_bm-{index:02d}",
                spec=record.architecture,
                input_shape=record.input_shape,
                weights=read_weights(self.path, file, self.record.files[file], record),
            )
            for index, file in enumerate(trained.base_models)
        )
        return SubEnsemble(record.name, record.input, models, _head(trained.head))

    def in_training_set(self, participant_id: str, dataset: str | None = None) -> bool | None:
        """Whether the participant was trained, validated or tested on (``sub-01`` or ``01``).

        None where the bundle, or one that it was transferred from, does not know whom it was trained on.

        Labels such as sub-01 exist in every dataset. With `dataset`, the name in the
        dataset_description.json, only that dataset's participants are meant; without it, those of
        any dataset that was trained on.
        """
        record = self.record
        known = [(record.participants, record.cohort), *((p.participants, p.cohort) for p in record.parents)]
        if any(_found(*each, participant_id, dataset) for each in known):
            return True
        return False if all(participants.folds for participants, _ in known) else None

    def fold_of(self, participant_id: str, dataset: str | None = None) -> int | None:
        """The fold whose models never saw this training participant, or None.

        None for people who were not trained on (any fold will do), and for those whom every fold
        saw; `in_training_set` tells the two apart.
        """
        if any(_found(p.participants, p.cohort, participant_id, dataset) for p in self.record.parents):
            return None
        folds = _found(self.record.participants, self.record.cohort, participant_id, dataset)
        return next((fold for fold in folds if fold is not None), None)

    def reference_inputs(self) -> dict[str, np.ndarray]:
        """The reference inputs, uint8 (*box, 1) by ``<ensemble>/<sub-ensemble>``."""
        file = self.record.reference.file
        return read_arrays(checked_content(self.path, file, self.record.files[file]), file)

    def norms(self, ensemble: str) -> dict[str, Norms]:
        """What the inputs of training were like, by sub-ensemble; empty where it is not known."""
        return {sub.name: sub.norms for sub in self.ensemble_record(ensemble).sub_ensembles if sub.norms}

    def mean_inputs(self, ensemble: str) -> dict[str, np.ndarray]:
        """Mean input of training (*box), grey values 0 to 255, by sub-ensemble."""
        found = self.reference_inputs().items()
        return {
            key.partition("/")[2]: array[..., 0] for key, array in found if key.startswith(f"{ensemble}/")
        }

    def reference_checks(self) -> Iterator[ReferenceCheck]:
        """Recompute the reference predictions, base model by base model."""
        reference = self.record.reference
        arrays = read_arrays(
            checked_content(self.path, reference.file, self.record.files[reference.file]), reference.file
        )
        for ensemble in self.record.ensembles:
            for sub in ensemble.sub_ensembles:
                key = f"{ensemble.name}/{sub.name}"
                image = _reference_image(arrays, key, sub, reference.file)
                for fold, stored in enumerate(_stored_predictions(self, key, sub)):
                    models = self.ensemble(ensemble.name, fold).sub_ensembles[sub.name]
                    computed = models.predict(image)[0]
                    for index, (old, new) in enumerate(zip(stored, computed, strict=True)):
                        yield ReferenceCheck(
                            ensemble.name, sub.name, fold, index, old, float(new), reference.tolerance
                        )


def _found(
    participants: Participants, cohort: Cohort, participant_id: str, dataset: str | None
) -> list[int | None]:
    """The folds that tested somebody, one a dataset that knows the label; empty for new people."""
    datasets = cohort.datasets or ("",) if dataset is None else (dataset,)
    keys = [participant_key(participants.salt, participant_id, name) for name in datasets]
    return [participants.folds[key] for key in keys if key in participants.folds]


def participant_key(salt: str, participant_id: str, dataset: str = "") -> str:
    """Salted hash of a participant: who has the label and the dataset's name can look it up."""
    label = participant_id.removeprefix("sub-")
    return hashlib.sha256(f"{salt}\0{dataset}\0{label}".encode()).hexdigest()


def find_bundle(name_or_path: str | Path) -> Path:
    """The folder of a bundle.

    Parameters
    ----------
    name_or_path : str or Path
        A name (``demo``, or a folder's name in one of the folders that BIDS_BRAINAGE_MODELS lists,
        separated by colons), or the path of a bundle's folder or ``bundle.json``.

    Raises
    ------
    BundleError
        There is none.
    """
    text = str(name_or_path)
    for folder in _named_bundles(text):
        if (folder / FILE_NAME).is_file():
            return folder
    path = Path(text).expanduser()
    if path.name == FILE_NAME and path.is_file():
        return path.parent
    if (path / FILE_NAME).is_file():
        return path
    known = ", ".join(dict(list_bundles())) or "none"
    raise BundleError(messages.NO_BUNDLE.format(name=text, known=known, variable=MODELS_VARIABLE))


def list_bundles() -> list[tuple[str, Path]]:
    """Name and folder of every bundle that can be called by name, the shipped ones first."""
    found: dict[str, Path] = {}
    for folder in _model_folders():
        for path in sorted(folder.glob(f"*/{FILE_NAME}")):
            found.setdefault(path.parent.name, path.parent)
    return list(found.items())


def _model_folders() -> list[Path]:
    listed = os.environ.get(MODELS_VARIABLE, "").split(os.pathsep)
    return [SHIPPED, *(Path(folder).expanduser() for folder in listed if folder)]


def _named_bundles(name: str) -> list[Path]:
    plain = name not in ("", ".", "..") and Path(name).name == name
    return [folder / name for folder in _model_folders()] if plain else []


def load_bundle(name_or_path: str | Path = "demo") -> Bundle:
    """Find a bundle and check its schema, and its files' sums, shapes, types and finiteness.

    Only JSON and safetensors are read; nothing in a bundle is ever executed.

    Raises
    ------
    BundleError
        The bundle is missing, altered, of another schema or damaged.
    """
    bundle = open_bundle(name_or_path)
    for _, sub, weights in weight_files(bundle.record):
        read_weights(bundle.path, weights, bundle.record.files[weights], sub)
    check_references(bundle)
    return bundle


def open_bundle(name_or_path: str | Path) -> Bundle:
    """Find a bundle and check its schema alone; `load_bundle` and `check_bundle` do the rest."""
    path = find_bundle(name_or_path)
    content = _read(path / FILE_NAME, LARGEST_JSON)
    return Bundle(path, parse_record(content, path / FILE_NAME), hashlib.sha256(content).hexdigest())


def parse_record(content: bytes, file: Path) -> BundleRecord:
    """What the bytes of ``bundle.json`` say, or a BundleError that names the first fault."""
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(messages.BUNDLE_NOT_JSON.format(file=file, reason=error)) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BundleError(messages.BUNDLE_NEWER.format(file=file, found=version, known=SCHEMA_VERSION))
    try:
        return BundleRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "bundle"
        raise BundleError(
            messages.BUNDLE_SCHEMA.format(file=file, where=where, reason=first["msg"])
        ) from error


def read_weights(
    folder: Path, file: str, expected: FileRecord, sub: SubEnsembleRecord
) -> dict[str, np.ndarray]:
    """The checked float32 weights of one base model."""
    weights = read_arrays(checked_content(folder, file, expected), file)
    check_weights(weights, sub.architecture.weight_shapes(sub.input_shape), str(folder / file))
    return {name: array.astype(np.float32) for name, array in weights.items()}


def write_bundle(path: Path, record: BundleRecord, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> Bundle:
    """Write a bundle and load it again.

    Parameters
    ----------
    path : Path
        Folder to write; ``bundle.json`` is written last, so an interrupted bundle is none.
    record : BundleRecord
        Its `files` are filled in here.
    arrays : mapping
        File (relative to `path`) to its named arrays: base models' weights and the reference inputs.
    """
    (path / FILE_NAME).unlink(missing_ok=True)
    files: dict[str, FileRecord] = {}
    for file, named in arrays.items():
        write_arrays(path / file, named)
        content = (path / file).read_bytes()
        files[file] = FileRecord(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    complete = record.model_copy(update={"files": files})
    write_text(path / FILE_NAME, complete.model_dump_json(indent=1) + "\n")
    return load_bundle(path / FILE_NAME)


def _head(record: HeadRecord) -> Head:
    linear = HeadModel(np.array(record.coefficients, dtype=np.float64), record.intercept)
    if not record.curves:
        return linear
    curves = tuple(
        Curve(np.array(curve.knots), np.array(curve.coefficients), curve.degree) if curve else None
        for curve in record.curves
    )
    return SplineHead(linear, curves)


def _top_head(record: TopHeadRecord) -> TopHead:
    normalised, bias = record.normalised, record.age_bias
    return TopHead(
        modalities=record.modalities,
        sub_ensembles=record.sub_ensembles,
        head=_head(record.head),
        half_widths=dict(record.half_widths),
        disagreement_99=record.disagreement_99,
        normalised=NormalisedInterval(normalised.offset, dict(normalised.quantiles)) if normalised else None,
        age_bias=AgeBias(bias.intercept, bias.slope) if bias else None,
    )


def weight_files(record: BundleRecord) -> Iterator[tuple[int, SubEnsembleRecord, str]]:
    """Fold, sub-ensemble and file of every base model."""
    for ensemble in record.ensembles:
        for sub in ensemble.sub_ensembles:
            for fold, trained in enumerate(sub.folds):
                for file in trained.base_models:
                    yield fold, sub, file


def check_references(bundle: Bundle) -> None:
    """Raise BundleError unless every sub-ensemble has a reference input and predictions of it."""
    reference = bundle.record.reference
    content = checked_content(bundle.path, reference.file, bundle.record.files[reference.file])
    arrays = read_arrays(content, reference.file)
    for ensemble in bundle.record.ensembles:
        for sub in ensemble.sub_ensembles:
            key = f"{ensemble.name}/{sub.name}"
            _reference_image(arrays, key, sub, reference.file)
            _stored_predictions(bundle, key, sub)


def _reference_image(
    arrays: Mapping[str, np.ndarray], key: str, sub: SubEnsembleRecord, file: str
) -> np.ndarray:
    """Reference input of a sub-ensemble as float32 (1, *box, 1) in [0, 1]."""
    image = arrays.get(key)
    if image is None or image.dtype != np.uint8 or image.shape != sub.input_shape:
        raise BundleError(messages.REFERENCE_MISSING.format(file=file, key=key))
    return image[None].astype(np.float32) / 255


def _stored_predictions(bundle: Bundle, key: str, sub: SubEnsembleRecord) -> tuple[tuple[float, ...], ...]:
    stored = bundle.record.reference.predictions.get(key, ())
    if [len(fold) for fold in stored] != [len(fold.base_models) for fold in sub.folds]:
        raise BundleError(messages.REFERENCE_MISSING.format(file=bundle.path / FILE_NAME, key=key))
    return stored


def checked_content(folder: Path, file: str, expected: FileRecord) -> bytes:
    """The bytes of a bundle's file, once its place, size and sum are as bundle.json says."""
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(messages.BUNDLE_FILE_OUTSIDE.format(file=path, folder=folder))
    content = _read(path, expected.bytes)
    if len(content) != expected.bytes or hashlib.sha256(content).hexdigest() != expected.sha256:
        raise BundleError(messages.BUNDLE_ALTERED.format(file=path))
    return content


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise BundleError(messages.BUNDLE_FILE_UNREADABLE.format(file=path, reason=error.strerror)) from error
    if len(content) > limit:
        raise BundleError(messages.BUNDLE_ALTERED.format(file=path))
    return content
