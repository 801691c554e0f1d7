"""Model bundles: a folder with ``bundle.json`` and weights, checked before anything is used."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import BundleError
from bids_brainage.faults import first_fault
from bids_brainage.models.bundles.building import build_ensemble
from bids_brainage.models.bundles.expected_inputs import Expectation, unpack_expected
from bids_brainage.models.bundles.fields import LARGEST_COUNT
from bids_brainage.models.bundles.files import BundleFiles, Identity, identity, read_bundle_file
from bids_brainage.models.bundles.finding import FILE_NAME, find_bundle
from bids_brainage.models.bundles.region_norms import KnownNorms, unpack_norms
from bids_brainage.models.bundles.schema import (
    SCHEMA_VERSION,
    BundleRecord,
    Cohort,
    EnsembleRecord,
    FileRecord,
    Participants,
    SubEnsembleRecord,
)
from bids_brainage.models.ensembles.ensemble import MultiLevelEnsemble
from bids_brainage.models.ensembles.typicality import Norms
from bids_brainage.networks.graph import LayerGraph
from bids_brainage.networks.weights_file import write_arrays
from bids_brainage.preprocessing.input_spec import InputSpec
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe, NetworkInput
from bids_brainage.quoting import printable
from bids_brainage.records.session import LINEAR, source_stage
from bids_brainage.terms import AGE, PAPER_RULE

#: Bytes of ``bundle.json``: enough for 100,000 training participants.
LARGEST_JSON = 8_000_000
#: Bundles that a process keeps.
MOST_KEPT = 4


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
        Of ``bundle.json``, which has those of all other files: it identifies the bundle.
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
        """Whether the bundle's estimates are only for demonstration."""
        return self.record.purpose == "demonstration"

    @property
    def estimates_age(self) -> bool:
        """Whether it estimates age, not another number."""
        return self.record.target == AGE

    @property
    def linear_ways(self) -> tuple[str, ...]:
        """Which linear ways to the template, rigid or affine, its networks' inputs need.

        Inputs by the paper's rules are not registered linearly, and given images are so already.
        """
        kinds = {one.registration.kind for one in self.recipes if one.source != "given"}
        return tuple(sorted(kinds & set(LINEAR)))

    @property
    def recipes(self) -> tuple[InputRecipe, ...]:
        """How the networks' inputs are made, of those that are made by recipes."""
        inputs = [sub.input for own in self.record.ensembles for sub in own.sub_ensembles]
        return tuple(one for one in inputs if isinstance(one, InputRecipe))

    @property
    def modalities(self) -> frozenset[str]:
        """The sequences that its networks take in."""
        return frozenset(sub.input.modality for own in self.record.ensembles for sub in own.sub_ensembles)

    def stages(self, modalities: Collection[str]) -> tuple[str, ...]:
        """The stages of preprocessing, beside the T1w image's warp, that its inputs rest on."""
        inputs = [sub.input for own in self.record.ensembles for sub in own.sub_ensembles]
        found = [stage for one in inputs if one.modality in modalities for stage in _stages_of(one)]
        return tuple(dict.fromkeys(found))

    @property
    def lrp_rule(self) -> str:
        """The rule that its maps are made by unless another is asked for."""
        return self.record.recipe.composite if self.record.recipe else PAPER_RULE

    @property
    def heads(self) -> str:
        """``linear``, or ``spline`` if some heads are curved, or ``median`` if some are medians."""
        heads = [
            head
            for ensemble in self.record.ensembles
            for head in (
                *(top.head for fold in ensemble.top_heads for top in fold),
                *(fold.head for sub in ensemble.sub_ensembles for fold in sub.folds),
            )
        ]
        if any(head.median for head in heads):
            return "median"
        return "spline" if any(head.curves for head in heads) else "linear"

    @property
    def age_range(self) -> tuple[float, float] | None:
        """Youngest and oldest age in training, in years; None if unknown."""
        return self.record.cohort.age_range

    @property
    def training_range(self) -> tuple[float, float] | None:
        """Smallest and largest value of the target in training, in its unit; None if unknown."""
        return self.age_range if self.estimates_age else self.record.cohort.target_range

    @property
    def ensembles(self) -> tuple[str, ...]:
        """Names of the ensembles."""
        return tuple(ensemble.name for ensemble in self.record.ensembles)

    @cached_property
    def files(self) -> BundleFiles:
        """Its files, each checked when it is first read."""
        return BundleFiles(self.path, self.record.files)

    @cached_property
    def _built(self) -> dict[tuple[str, int], MultiLevelEnsemble]:
        return {}

    def ensemble_record(self, name: str) -> EnsembleRecord:
        """What ``bundle.json`` says about one ensemble; BundleError if there is none of that name."""
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
            As the bundle calls it.
        fold : int, optional
            Which repetition's models; by default the first, which is for people not in training.
        """
        record = self.ensemble_record(name)
        index = 0 if fold is None else fold
        if not 0 <= index < len(record.top_heads):
            raise BundleError(
                messages.NO_SUCH_FOLD.format(file=self.path, fold=index, n=len(record.top_heads))
            )
        if (name, index) not in self._built:
            self._built[name, index] = build_ensemble(record, index, self.files)
        return self._built[name, index]

    def chosen(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The ensembles asked for, which the bundle must have; by default all it has."""
        for name in names:
            self.ensemble_record(name)
        return names or self.ensembles

    def ensemble_for(self, name: str, participant_id: str, dataset: str | None) -> MultiLevelEnsemble:
        """The ensemble `name` for a person: if they were in training, of models that never saw them."""
        return self.ensemble(name, self.fold_of(participant_id, dataset))

    def in_training_set(self, participant_id: str, dataset: str | None = None) -> bool | None:
        """Whether the participant was trained, validated or tested on (``sub-01`` or ``01``).

        None if it is not known on whom the bundle, or one it was transferred from, was trained.

        Labels such as sub-01 exist in every dataset. With `dataset`, the name in the
        dataset_description.json, only that dataset's participants are meant; without it, those of
        any training dataset.
        """
        record = self.record
        known = [(record.participants, record.cohort), *((p.participants, p.cohort) for p in record.parents)]
        if any(_found(*each, participant_id, dataset) for each in known):
            return True
        return False if all(participants.folds for participants, _ in known) else None

    def fold_of(self, participant_id: str, dataset: str | None = None) -> int | None:
        """The fold whose models never saw this training participant, or None.

        None for people who were not in training (any fold will do), and for those whom every fold
        saw; `in_training_set` distinguishes the two.
        """
        if any(_found(p.participants, p.cohort, participant_id, dataset) for p in self.record.parents):
            return None
        folds = _found(self.record.participants, self.record.cohort, participant_id, dataset)
        return next((fold for fold in folds if fold is not None), None)

    @cached_property
    def _references(self) -> dict[str, np.ndarray]:
        return self.files.arrays(self.record.reference.file)

    def reference_inputs(self) -> Mapping[str, np.ndarray]:
        """The reference inputs, uint8 or floats (*box, 1) by ``<ensemble>/<sub-ensemble>``."""
        return self._references

    def norms(self, ensemble: str) -> dict[str, Norms]:
        """Statistics of the inputs in training, by sub-ensemble; empty if unknown."""
        return {sub.name: sub.norms for sub in self.ensemble_record(ensemble).sub_ensembles if sub.norms}

    def mean_inputs(self, ensemble: str) -> dict[str, np.ndarray]:
        """Mean input of training (*box), 255 times the intensities, by sub-ensemble.

        Where networks take grey values, these are uint8; else float32.
        """
        return {
            key.partition("/")[2]: _grey(array)[..., 0]
            for key, array in self.reference_inputs().items()
            if key.startswith(f"{ensemble}/")
        }

    @cached_property
    def expected(self) -> dict[str, Expectation]:
        """What inputs and maps are like at an age, by ``<ensemble>/<sub-ensemble>``; empty if unknown."""
        facts = self.record.expected_inputs
        if facts is None:
            return {}
        return unpack_expected(self.record, facts, self.files.arrays(facts.file), str(self.path / facts.file))

    @cached_property
    def region_norms(self) -> tuple[KnownNorms, ...]:
        """What regions' DBA is like at an age; empty if unknown."""
        facts = self.record.region_norms
        if facts is None:
            return ()
        return unpack_norms(self.record, facts, self.files.arrays(facts.file), str(self.path / facts.file))

    def in_norms(self, participant_id: str, dataset: str) -> bool:
        """Whether norms were made from the participant, among others."""
        facts = self.record.region_norms
        salt = self.record.participants.salt
        return facts is not None and participant_key(salt, participant_id, dataset) in facts.people

    def reference_checks(self) -> Iterator[ReferenceCheck]:
        """Recompute the reference predictions, base model by base model."""
        reference = self.record.reference
        for ensemble in self.record.ensembles:
            for sub in ensemble.sub_ensembles:
                key = f"{ensemble.name}/{sub.name}"
                image = _reference_image(self, key, sub)
                for fold, stored in enumerate(_stored_predictions(self, key, sub)):
                    models = self.ensemble(ensemble.name, fold).sub_ensembles[sub.name]
                    computed = models.predict(image)[0]
                    for index, (old, new) in enumerate(zip(stored, computed, strict=True)):
                        yield ReferenceCheck(
                            ensemble.name, sub.name, fold, index, old, float(new), reference.tolerance
                        )


def _stages_of(one: NetworkInput) -> tuple[str, ...]:
    if not isinstance(one, InputRecipe):
        return (one.modality,)
    if one.source == "given":
        return (source_stage(one.modality, "given"),)
    linear = (one.registration.kind,) if one.registration.kind in LINEAR else ()
    native = (source_stage(one.modality, "native"),) if one.source == "native" else ()
    return (one.modality, *linear, *native)


def _found(
    participants: Participants, cohort: Cohort, participant_id: str, dataset: str | None
) -> list[int | None]:
    """The folds that tested somebody, one per dataset with that label; empty for new people."""
    datasets = cohort.datasets or ("",) if dataset is None else (dataset,)
    keys = [participant_key(participants.salt, participant_id, name) for name in datasets]
    return [participants.folds[key] for key in keys if key in participants.folds]


def participant_key(salt: str, participant_id: str, dataset: str = "") -> str:
    """Salted hash of a participant: anyone with the label and the dataset's name can look it up."""
    label, dataset = participant_id.removeprefix("sub-"), printable(dataset)
    return hashlib.sha256(f"{salt}\0{dataset}\0{label}".encode()).hexdigest()


# By folder, the one last asked for at the end.
_loaded: dict[Path, tuple[Identity | None, Bundle]] = {}


def load_bundle(name_or_path: str | Path = "demo") -> Bundle:
    """Find a bundle and check its schema, and its files' sums, shapes, types and finiteness.

    Only JSON and safetensors are read; nothing in a bundle is ever executed. A process reads a bundle once:
    as long as none of its files has changed, it returns the same object.

    Raises
    ------
    BundleError
        The bundle is missing, altered, of another schema or damaged.
    """
    path = find_bundle(name_or_path)
    found = identity(path / FILE_NAME)
    known, bundle = _loaded.pop(path, (None, None))
    if bundle is None or known != found or not bundle.files.unchanged():
        bundle = open_bundle(path)
        check_models(bundle)
        check_references(bundle)
    _loaded[path] = (found, bundle)
    if len(_loaded) > MOST_KEPT:
        del _loaded[next(iter(_loaded))]
    return bundle


def open_bundle(name_or_path: str | Path) -> Bundle:
    """Find a bundle and check its schema alone; `load_bundle` and `check_bundle` do the rest."""
    path = find_bundle(name_or_path)
    content = read_bundle_file(path / FILE_NAME, LARGEST_JSON)
    return Bundle(path, parse_record(content, path / FILE_NAME), hashlib.sha256(content).hexdigest())


def parse_record(content: bytes, file: Path) -> BundleRecord:
    """What the bytes of ``bundle.json`` say, or a BundleError that names the first fault."""
    try:
        return BundleRecord.model_validate_json(content)
    except ValidationError as error:
        fault = first_fault(error)
    if fault.kind == "json_invalid":
        raise BundleError(messages.BUNDLE_NOT_JSON.format(file=file, reason=fault.reason))
    if fault.where == "schema_version" and isinstance(fault.found, int) and fault.found > SCHEMA_VERSION:
        found = fault.found if fault.found <= LARGEST_COUNT else "of many digits"
        raise BundleError(messages.BUNDLE_NEWER.format(file=file, found=found, known=SCHEMA_VERSION))
    where = fault.where or "bundle"
    raise BundleError(messages.BUNDLE_SCHEMA.format(file=file, where=where, reason=fault.reason))


def write_bundle(path: Path, record: BundleRecord, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> Bundle:
    """Write a bundle and load it again.

    Parameters
    ----------
    path : Path
        Folder to write; ``bundle.json`` is written last, so an interrupted bundle is not one.
    record : BundleRecord
        Its `files` are filled in here.
    arrays : mapping
        File (relative to `path`) to its named arrays: base models' weights and the reference inputs.
    """
    (path / FILE_NAME).unlink(missing_ok=True)
    files = {file: write_file(path / file, named) for file, named in arrays.items()}
    return finish_bundle(path, record, files)


def write_file(path: Path, arrays: Mapping[str, np.ndarray]) -> FileRecord:
    """Write one file of a bundle, and return what ``bundle.json`` says of it."""
    write_arrays(path, arrays)
    content = path.read_bytes()
    return FileRecord(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def finish_bundle(path: Path, record: BundleRecord, files: Mapping[str, FileRecord]) -> Bundle:
    """Write ``bundle.json``, and read all of it again."""
    complete = record.model_copy(update={"files": dict(files)})
    write_text(path / FILE_NAME, complete.model_dump_json(indent=1) + "\n")
    return load_bundle(path / FILE_NAME)


def weight_files(record: BundleRecord) -> Iterator[tuple[SubEnsembleRecord, str]]:
    """Sub-ensemble and file of every base model."""
    for ensemble in record.ensembles:
        for sub in ensemble.sub_ensembles:
            for trained in sub.folds:
                for file in trained.base_models:
                    yield sub, file


def check_models(bundle: Bundle) -> None:
    """Raise BundleError unless all weights are as bundle.json describes.

    The first folds, which are for everyone not in training, are kept.
    """
    for name in bundle.ensembles:
        bundle.ensemble(name)
    first = {
        file for e in bundle.record.ensembles for s in e.sub_ensembles for file in s.folds[0].base_models
    }
    for sub, file in weight_files(bundle.record):
        if file not in first:
            bundle.files.weights(file, sub)


def check_references(bundle: Bundle) -> None:
    """Raise BundleError unless every sub-ensemble has a reference input and predictions of it.

    What is expected and usual at ages may be lacking, but not be wrong.
    """
    bundle.expected, bundle.region_norms  # noqa: B018 (read and checked)
    for ensemble in bundle.record.ensembles:
        for sub in ensemble.sub_ensembles:
            key = f"{ensemble.name}/{sub.name}"
            _reference_image(bundle, key, sub)
            _stored_predictions(bundle, key, sub)


def _grey(reference: np.ndarray) -> np.ndarray:
    """A reference input as grey values; those of floats have no limits."""
    return reference if reference.dtype == np.uint8 else reference.astype(np.float32) * np.float32(255)


def _reference_image(bundle: Bundle, key: str, sub: SubEnsembleRecord) -> np.ndarray:
    """A sub-ensemble's reference input as float32 (1, *box, 1): grey values to [0, 1], floats as they are."""
    image = bundle.reference_inputs().get(key)
    grey = isinstance(sub.input, InputSpec) and not isinstance(sub.architecture, LayerGraph)
    floats = () if grey else (np.float16, np.float32)
    if (
        image is None
        or image.dtype not in (np.uint8, *floats)
        or image.shape != sub.input_shape
        or not np.isfinite(image).all()
    ):
        file = bundle.path / bundle.record.reference.file
        raise BundleError(messages.REFERENCE_MISSING.format(file=file, key=key))
    if image.dtype == np.uint8:
        return image[None].astype(np.float32) / 255
    return image[None].astype(np.float32)


def _stored_predictions(bundle: Bundle, key: str, sub: SubEnsembleRecord) -> tuple[tuple[float, ...], ...]:
    stored = bundle.record.reference.predictions.get(key, ())
    if [len(fold) for fold in stored] != [len(fold.base_models) for fold in sub.folds]:
        raise BundleError(messages.REFERENCE_MISSING.format(file=bundle.path / FILE_NAME, key=key))
    return stored
