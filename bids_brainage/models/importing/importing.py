"""A model bundle of networks trained by another program.

One or several networks for each sequence become the base models of a sub-ensemble, and the sub-ensembles one
ensemble. If no heads are given, every head is a plain mean. Such heads were not fitted on anyone, so the
bundle has neither errors nor intervals, and says so.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field, RootModel, TypeAdapter, ValidationError

import bids_brainage
from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.faults import first_fault
from bids_brainage.models.bundles.bundle import Bundle, load_bundle, write_bundle
from bids_brainage.models.bundles.fields import Label, Number, Text
from bids_brainage.models.bundles.limits import check_size
from bids_brainage.models.bundles.schema import (
    MOST_BASE_MODELS,
    PURPOSES,
    REFERENCE_FILE,
    BundleRecord,
    Cohort,
    EnsembleRecord,
    HeadRecord,
    Participants,
    Protocol,
    Reference,
    Source,
    SubEnsembleFold,
    SubEnsembleRecord,
    TopHeadRecord,
)
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.ensembles.ensemble import modality_subsets
from bids_brainage.networks.readers.keras_file import Hints
from bids_brainage.networks.readers.keras_process import read_isolated
from bids_brainage.preprocessing.input_spec import InputSpec, IntensityRule, Orientation
from bids_brainage.quoting import one_line
from bids_brainage.reading import read_bytes
from bids_brainage.terms import AGE, OLDEST, SPACES, WHOLE_BRAIN

#: What an imported ensemble is called, by its stage; the paper's words.
ENSEMBLE_NAMES = {"subject": "TypeI", "standard": "TypeII"}
VOXEL_SIZES = {"subject": 1.0, "standard": 2.0}
#: Bytes of what --heads or --inputs name.
LARGEST_OPTION_FILE = 1_000_000
PLAIN_MEAN = "nobody (plain mean)"
AS_GIVEN = "people elsewhere (given at import)"


class _Part(PydanticModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SubHead(_Part):
    """Head of one sequence: a coefficient for each file, in their order."""

    coefficients: tuple[Number, ...] = Field(min_length=1, max_length=MOST_BASE_MODELS)
    intercept: Number = 0.0


class TopHead(_Part):
    """Head above the sequences that it has coefficients for."""

    coefficients: dict[str, Number] = Field(min_length=1)
    intercept: Number = 0.0


class Heads(_Part):
    """Content of ``--heads``: heads that were fitted elsewhere, in years."""

    sub_ensembles: dict[str, SubHead] = Field(default_factory=dict)
    top: tuple[TopHead, ...] = ()


class InputChange(_Part):
    """Content of ``--inputs`` for one sequence: where its input differs from the paper's."""

    voxel_size: float | None = Field(default=None, gt=0, description="mm")
    orientation: Orientation = "LIA"
    intensity: IntensityRule = IntensityRule()


class Inputs(RootModel[dict[str, InputChange]]):
    """Content of ``--inputs``, by sequence."""


@dataclass(frozen=True)
class ImportPlan:
    """Everything that determines an import.

    Attributes
    ----------
    files : mapping of str to sequence of Path
        HDF5 files by sequence (T1w, FLAIR, T2starw): the base models of each.
    name, version, licence, description : str
    purpose : {"research", "demonstration"}
    stage : {"subject", "standard"}
        Grid that the networks were trained in: the person's T1w, or MNI152NLin6Asym.
    input_max : float
        Largest value of the networks' inputs in training: 255 for grey values, 1 if they were divided.
    age_range : tuple of float, optional
        Youngest and oldest training participant, in years, if known.
    simulated : bool
        Whether the networks were trained on simulated people.
    hints : Hints
        For files with only weights.
    heads : Path, optional
        JSON as `Heads`.
    inputs : Path, optional
        JSON of `InputChange` by sequence.
    """

    files: Mapping[str, Sequence[Path]]
    name: str
    stage: Literal["subject", "standard"] = "subject"
    version: str = "1"
    licence: str = "n/a"
    purpose: PURPOSES = "research"
    description: str = ""
    input_max: float = 255.0
    age_range: tuple[float, float] | None = None
    simulated: bool = False
    hints: Hints = field(default_factory=Hints)
    heads: Path | None = None
    inputs: Path | None = None

    @property
    def ensemble(self) -> str:
        """What the ensemble is called in the bundle."""
        return ENSEMBLE_NAMES[self.stage]


@dataclass(frozen=True, eq=False)
class Imported:
    """A base model, called as the file it came from, with its place in the bundle."""

    file: str
    model: BaseModel
    source: Source


def import_bundle(plan: ImportPlan, out: Path) -> Bundle:
    """Make a bundle from Keras HDF5 files.

    Parameters
    ----------
    plan : ImportPlan
    out : Path
        Folder to make; it must not exist. In the end it is complete, or does not exist.

    Raises
    ------
    InputError
        A file that is not or cannot be a base model, files that do not fit together, or `out` exists.
    """
    _check_plan(plan, out)
    heads, inputs = _read_heads(plan), _read_inputs(plan)
    networks = {modality: _read_networks(plan, modality) for modality in plan.files}
    record, arrays = _record(plan, networks, heads, inputs)
    with whole_folder(out) as folder:
        write_bundle(folder, record, arrays)
    return load_bundle(out)


def reference_image(box: Sequence[int]) -> np.ndarray:
    """Grey values (*box, 1) of an artificial brain: an ellipsoid of waves on black, always the same."""
    axes = np.meshgrid(*[np.linspace(-1, 1, extent) for extent in box], indexing="ij", sparse=True)
    waves = sum(np.cos((5 + 2 * number) * axis + number) for number, axis in enumerate(axes))
    inside = sum(axis**2 for axis in axes) < 0.9
    return np.where(inside, np.rint(120 + 40 * waves), 0).astype(np.uint8)[..., None]


def _check_plan(plan: ImportPlan, out: Path) -> None:
    if out.exists():
        raise InputError(messages.IMPORT_OUT_TAKEN.format(path=out))
    if not any(plan.files.values()):
        raise InputError(messages.IMPORT_NOTHING)
    check_name(plan.name)
    check_name(plan.version, "--version")
    for option, value in (("--licence", plan.licence), ("--description", plan.description)):
        _check_option(Text, value, messages.IMPORT_TEXT.format(option=option, value=one_line(value)))
    if not 0 < plan.input_max < math.inf:
        raise InputError(messages.IMPORT_INPUT_MAX.format(value=plan.input_max))
    if plan.age_range is not None and not 0 <= plan.age_range[0] < plan.age_range[1] <= OLDEST:
        youngest, oldest = plan.age_range
        raise InputError(messages.IMPORT_AGES.format(youngest=youngest, oldest=oldest))


def check_name(name: str, option: str = "--name") -> None:
    """InputError unless it can be the name of a bundle."""
    _check_option(Label, name, messages.IMPORT_LABEL.format(option=option, value=one_line(name)))


def _check_option(kind: Any, value: str, sentence: str) -> None:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise InputError(sentence) from error


# --- reading ---------------------------------------------------------------------------------------


def _read_networks(plan: ImportPlan, modality: str) -> list[Imported]:
    """The base models of one sequence, which differ only in their weights."""
    found: list[Imported] = []
    for index, path in enumerate(plan.files[modality]):
        network = read_isolated(path, plan.hints)
        weights = _for_unit_range(network.weights, plan.input_max)
        model = BaseModel(str(path), network.spec, network.input_shape, weights)
        file = f"{plan.ensemble}/fold-0/{WHOLE_BRAIN}_{modality}_bm-{index:02d}.safetensors"
        found.append(imported(path, model, file, network.program, found))
    return found


def imported(path: Path, model: BaseModel, file: str, program: str, others: Sequence[Imported]) -> Imported:
    """A network of a file, with its place in the bundle.

    Raises
    ------
    InputError
        It is too large, was given before, or is not like those before it.
    """
    try:
        check_size(model.spec, model.input_shape[:3])
    except ValueError as error:
        raise InputError(messages.IMPORT_SIZE.format(file=path, reason=error)) from error
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    for other in others:
        if other.source.sha256 == sha256:
            raise InputError(messages.IMPORT_TWICE.format(file=path, first=other.model.name))
        if (other.model.spec, other.model.input_shape) != (model.spec, model.input_shape):
            raise InputError(messages.IMPORT_DIFFERENT.format(file=path, first=other.model.name))
    return Imported(file, model, Source(file=path.name, sha256=sha256, program=program))


def _for_unit_range(weights: Mapping[str, np.ndarray], input_max: float) -> dict[str, np.ndarray]:
    """Weights for inputs in [0, 1]: the factor goes into the first kernel.

    Convolving ``input_max * x`` with W is convolving x with ``input_max * W``; SAME padding stays zero.
    """
    with np.errstate(over="ignore"):
        first = weights["conv_1/kernel"] * np.float32(input_max)
    return {**weights, "conv_1/kernel": first}


_Content = TypeVar("_Content", bound=PydanticModel)


def _read_json(file: Path, option: str, schema: type[_Content]) -> _Content:
    try:
        return schema.model_validate_json(read_bytes(file, LARGEST_OPTION_FILE))
    except OSError as error:
        reason = error.strerror
    except ValidationError as error:
        reason = str(first_fault(error))
    raise InputError(messages.IMPORT_JSON.format(file=file, option=option, reason=reason))


def _read_heads(plan: ImportPlan) -> Heads:
    """The heads given, each with one coefficient for each of its inputs."""
    if plan.heads is None:
        return Heads()
    heads = _read_json(plan.heads, "--heads", Heads)
    for modality, head in heads.sub_ensembles.items():
        found, expected = len(head.coefficients), len(plan.files.get(modality, ()))
        if found != expected:
            raise InputError(
                messages.IMPORT_HEAD_COUNT.format(
                    file=plan.heads, modality=one_line(modality), found=found, expected=expected
                )
            )
    for top in heads.top:
        if not set(top.coefficients) <= set(plan.files):
            found_names, names = one_line(", ".join(top.coefficients)), ", ".join(plan.files)
            raise InputError(
                messages.IMPORT_HEAD_NAMES.format(file=plan.heads, found=found_names, expected=names)
            )
    return heads


def _read_inputs(plan: ImportPlan) -> dict[str, InputChange]:
    if plan.inputs is None:
        return {}
    inputs = _read_json(plan.inputs, "--inputs", Inputs).root
    if unknown := set(inputs) - set(plan.files):
        found, expected = one_line(", ".join(sorted(unknown))), ", ".join(plan.files)
        raise InputError(messages.IMPORT_INPUTS.format(file=plan.inputs, found=found, expected=expected))
    return inputs


# --- the bundle ------------------------------------------------------------------------------------


def _record(
    plan: ImportPlan,
    networks: Mapping[str, Sequence[Imported]],
    heads: Heads,
    inputs: Mapping[str, InputChange],
) -> tuple[BundleRecord, dict[str, dict[str, np.ndarray]]]:
    """The bundle's record and its files' arrays."""
    ensemble = plan.ensemble
    everything = [imported for group in networks.values() for imported in group]
    arrays = {imported.file: dict(imported.model.weights) for imported in everything}
    images = {
        f"{ensemble}/{WHOLE_BRAIN}_{modality}": reference_image(group[0].model.input_shape[:3])
        for modality, group in networks.items()
    }
    predictions: dict[str, tuple[tuple[float, ...], ...]] = {
        key: (tuple(_predict(plan, imported.model, images[key]) for imported in group),)
        for key, group in zip(images, networks.values(), strict=True)
    }
    arrays[REFERENCE_FILE] = images
    record = BundleRecord.model_construct(
        schema_version=1,
        name=plan.name,
        version=plan.version,
        licence=plan.licence,
        purpose=plan.purpose,
        description=plan.description,
        target=AGE,
        unit="years",
        cohort=Cohort(age_range=plan.age_range, simulated=plan.simulated),
        protocol=_protocol(plan, heads, everything),
        ensembles=(
            EnsembleRecord(
                name=ensemble,
                sub_ensembles=tuple(
                    _sub_ensemble(plan, modality, group, heads, inputs)
                    for modality, group in networks.items()
                ),
                top_heads=(tuple(_top_head(subset, heads) for subset in modality_subsets(list(networks))),),
            ),
        ),
        participants=Participants(salt=hashlib.sha256(plan.name.encode()).hexdigest()),
        reference=Reference(file=REFERENCE_FILE, predictions=predictions),
        files={},
    )
    return record, arrays


def _protocol(plan: ImportPlan, heads: Heads, everything: Sequence[Imported]) -> Protocol:
    subs, tops = heads.sub_ensembles, heads.top
    return Protocol(
        plan={"imported": {"input_max": plan.input_max, "stage": plan.stage}},
        heads_fitted_on=_who({name: name in subs for name in plan.files}),
        top_heads_fitted_on=_who(
            {
                "+".join(subset): _given(subset, tops) is not None
                for subset in modality_subsets(list(plan.files))
            }
        ),
        errors_measured_on="nobody",
        versions={
            "bids_brainage": bids_brainage.__version__,
            **{package: version(package) for package in ("tensorflow", "numpy", "h5py")},
        },
        sources={imported.file: imported.source for imported in everything},
    )


def _who(given: Mapping[str, bool]) -> str:
    """What a reader must know about the heads: which were given, which are plain means."""
    plain = [name for name, was_given in given.items() if not was_given]
    if not plain:
        return AS_GIVEN
    return PLAIN_MEAN if len(plain) == len(given) else f"{AS_GIVEN}; of {', '.join(plain)}: {PLAIN_MEAN}"


def _sub_ensemble(
    plan: ImportPlan,
    modality: str,
    group: Sequence[Imported],
    heads: Heads,
    inputs: Mapping[str, InputChange],
) -> SubEnsembleRecord:
    change = inputs.get(modality, InputChange())
    x, y, z = group[0].model.input_shape[:3]
    given = heads.sub_ensembles.get(modality)
    coefficients = given.coefficients if given else (1 / len(group),) * len(group)
    head = HeadRecord(coefficients=coefficients, intercept=given.intercept if given else 0.0, alpha=0.0)
    return SubEnsembleRecord(
        name=f"{WHOLE_BRAIN}_{modality}",
        input=InputSpec(
            modality=modality,
            stage=plan.stage,
            space=SPACES[plan.stage],
            region=WHOLE_BRAIN,
            voxel_size=change.voxel_size or VOXEL_SIZES[plan.stage],
            orientation=change.orientation,
            box=(x, y, z),
            intensity=change.intensity,
        ),
        architecture=group[0].model.spec,
        folds=(SubEnsembleFold(base_models=tuple(imported.file for imported in group), head=head),),
    )


def _given(subset: Sequence[str], tops: Sequence[TopHead]) -> TopHead | None:
    return next((top for top in tops if set(top.coefficients) == set(subset)), None)


def _top_head(subset: tuple[str, ...], heads: Heads) -> TopHeadRecord:
    """The head given for just these sequences, or their plain mean; no interval, as nobody was held out."""
    given = _given(subset, heads.top) or TopHead(coefficients=dict.fromkeys(subset, 1 / len(subset)))
    return TopHeadRecord(
        modalities=subset,
        sub_ensembles=tuple(f"{WHOLE_BRAIN}_{modality}" for modality in subset),
        head=HeadRecord(
            coefficients=tuple(given.coefficients[modality] for modality in subset),
            intercept=given.intercept,
            alpha=0.0,
        ),
        n_calibration=0,
    )


def _predict(plan: ImportPlan, model: BaseModel, image: np.ndarray) -> float:
    """Prediction of a reference image, in years."""
    age = float(model.predict(image[None].astype(np.float32) / 255)[0])
    if not math.isfinite(age):
        raise InputError(messages.IMPORT_PREDICTION.format(file=model.name, input_max=plan.input_max))
    return age


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is renamed to it in the end, and removed if anything fails."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=out.parent))
        try:
            folder = temporary / out.name
            folder.mkdir()
            yield folder
            folder.rename(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise InputError(messages.IMPORT_OUT.format(path=out, reason=error.strerror)) from error
