"""A model bundle of a published network: a recipe, and the authors' file of weights that a lab has.

Nobody here was estimated by it, so the bundle has neither intervals nor errors of its own; what the authors
published stands in its recipe.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

import bids_brainage
from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import Bundle, load_bundle, write_bundle
from bids_brainage.models.bundles.recipe import BLOCKS, Recipe
from bids_brainage.models.bundles.schema import (
    REFERENCE_FILE,
    SCHEMA_VERSION,
    BundleRecord,
    Cohort,
    EnsembleRecord,
    HeadRecord,
    Participants,
    Protocol,
    Reference,
    SubEnsembleFold,
    SubEnsembleRecord,
    TopHeadRecord,
)
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.importing.importing import (
    PLAIN_MEAN,
    Imported,
    check_name,
    imported,
    reference_image,
    whole_folder,
)
from bids_brainage.networks.architectures.named import build_network
from bids_brainage.networks.readers.keras_process import read_isolated
from bids_brainage.networks.readers.weights import read_weights
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe, Source
from bids_brainage.quoting import one_line
from bids_brainage.terms import AGE, WHOLE_BRAIN

PLAIN_MEDIAN = "nobody (median)"
AUTHORS = "nobody here; the authors' error is in the recipe"


def import_published(
    recipe: Recipe,
    files: Sequence[Path],
    out: Path,
    name: str | None = None,
    source: Source | None = None,
) -> Bundle:
    """Make a bundle of a published network.

    Parameters
    ----------
    recipe : Recipe
    files : sequence of Path
        The authors' weights: one file, or those of an ensemble. Nothing in them is executed.
    out : Path
        Folder to make; it must not exist. In the end it is complete, or does not exist.
    name : str, optional
        Of the bundle, after which its ensemble is called; by default the recipe's.
    source : str, optional
        Of the images that its inputs are made of; by default the recipe's.

    Raises
    ------
    InputError
        A file is not of this network, the same file is given twice, `out` exists, or inputs are not made of
        images of that source.
    """
    if out.exists():
        raise InputError(messages.IMPORT_OUT_TAKEN.format(path=out))
    name = recipe.name if name is None else name
    check_name(name)
    ensemble = ensemble_name(name)
    own = _own_input(recipe, source)
    networks = _networks(recipe, own, files, ensemble)
    record, arrays = _record(recipe, own, networks, name)
    with whole_folder(out) as folder:
        write_bundle(folder, record, arrays)
    return load_bundle(out)


def ensemble_name(name: str) -> str:
    """What the ensemble of a bundle is called, in letters and digits alone: SfcnUkb of sfcn-ukb.

    Raises
    ------
    InputError
        The name has none.
    """
    words = "".join(letter if letter.isalnum() and letter.isascii() else " " for letter in name)
    found = "".join(word[0].upper() + word[1:] for word in words.split())
    if not found:
        raise InputError(messages.IMPORT_LABEL.format(option="--name", value=one_line(name)))
    return found


def _own_input(recipe: Recipe, source: Source | None) -> InputRecipe:
    """The recipe's input, from images of a source."""
    own = recipe.input if source is None else recipe.input.of_source(source)
    if own.source == "given" and own.grid.name == "own":
        raise InputError(messages.IMPORT_GIVEN_OWN.format(name=recipe.name))
    return own


def _networks(recipe: Recipe, own: InputRecipe, files: Sequence[Path], ensemble: str) -> list[Imported]:
    """The networks in the files, which differ only in their weights."""
    found: list[Imported] = []
    for index, path in enumerate(files):
        file = f"{ensemble}/fold-0/{WHOLE_BRAIN}_{own.modality}_bm-{index:02d}.safetensors"
        found.append(imported(path, _read(recipe, own, path), file, recipe.title, found))
    return found


def _read(recipe: Recipe, own: InputRecipe, path: Path) -> BaseModel:
    if recipe.architecture == BLOCKS:
        read = read_isolated(path)
        if tuple(read.input_shape[:3]) != own.box:
            expected, box = (" x ".join(map(str, side)) for side in (own.box, read.input_shape[:3]))
            sentence = messages.ARCHITECTURE_BOX
            raise InputError(sentence.format(file=path, title=recipe.title, box=box, expected=expected))
        return BaseModel(str(path), read.spec, read.input_shape, read.weights)
    graph, weights = build_network(recipe.architecture, read_weights(path), own.box, recipe.output, str(path))
    return BaseModel(str(path), graph, (*own.box, own.channels), weights)


def _record(
    recipe: Recipe, own: InputRecipe, networks: Sequence[Imported], name: str
) -> tuple[BundleRecord, dict[str, dict[str, np.ndarray]]]:
    """The bundle's record and its files' arrays."""
    ensemble = _ensemble(recipe, own, networks, ensemble_name(name))
    key = f"{ensemble.name}/{ensemble.sub_ensembles[0].name}"
    image = np.repeat(reference_image(own.box), own.channels, axis=-1)
    predictions = tuple(_predict(network.model, image) for network in networks)
    arrays = {network.file: dict(network.model.weights) for network in networks}
    arrays[REFERENCE_FILE] = {key: image}
    trained = recipe.cohort
    record = BundleRecord.model_construct(
        schema_version=SCHEMA_VERSION,
        name=name,
        version="1",
        licence=recipe.licence.weights,
        purpose="research",
        description=f"{recipe.title}. Learned from {trained.text}.",
        target=AGE,
        unit="years",
        cohort=Cohort(n=trained.n, age_range=trained.ages, datasets=trained.datasets, simulated=False),
        protocol=_protocol(recipe, networks),
        ensembles=(ensemble,),
        participants=Participants(salt=hashlib.sha256(name.encode()).hexdigest()),
        reference=Reference(file=REFERENCE_FILE, predictions={key: (predictions,)}),
        recipe=recipe,
        files={},
    )
    return record, arrays


def _ensemble(recipe: Recipe, own: InputRecipe, networks: Sequence[Imported], called: str) -> EnsembleRecord:
    """One sub-ensemble of all networks, and nothing above it."""
    name, n = f"{WHOLE_BRAIN}_{own.modality}", len(networks)
    head = HeadRecord(
        coefficients=(1 / n,) * n, intercept=0.0, alpha=0.0, median=_is_median(recipe, networks)
    )
    same = HeadRecord(coefficients=(1.0,), intercept=0.0, alpha=0.0)
    sub = SubEnsembleRecord(
        name=name,
        input=own,
        architecture=networks[0].model.spec,
        folds=(SubEnsembleFold(base_models=tuple(network.file for network in networks), head=head),),
    )
    top = TopHeadRecord(modalities=(own.modality,), sub_ensembles=(name,), head=same, n_calibration=0)
    return EnsembleRecord(name=called, sub_ensembles=(sub,), top_heads=((top,),))


def _is_median(recipe: Recipe, networks: Sequence[Imported]) -> bool:
    return recipe.ensemble == "median" and len(networks) > 1


def _protocol(recipe: Recipe, networks: Sequence[Imported]) -> Protocol:
    return Protocol(
        plan={"imported": {"recipe": recipe.name}},
        heads_fitted_on=PLAIN_MEDIAN if _is_median(recipe, networks) else PLAIN_MEAN,
        top_heads_fitted_on=PLAIN_MEAN,
        errors_measured_on=AUTHORS,
        versions={"bids_brainage": bids_brainage.__version__, "numpy": version("numpy")},
        sources={network.file: network.source for network in networks},
    )


def _predict(model: BaseModel, image: np.ndarray) -> float:
    """Prediction of the reference image, in years."""
    age = float(model.predict(image[None].astype(np.float32) / 255)[0])
    if not math.isfinite(age):
        raise InputError(messages.IMPORT_NOT_FINITE.format(file=model.name))
    return age
