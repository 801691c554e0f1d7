"""A published network: its estimate adds up, and says what is known of it and what was done otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import ImageError
from bids_brainage.estimates.options import EstimationOptions
from bids_brainage.estimates.session import EnsembleResult, estimate_session
from bids_brainage.estimates.summary import prepared_otherwise
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.cohorts.images import person_images
from bids_brainage.models.importing.published import import_published
from bids_brainage.models.importing.recipe import read_recipe
from bids_brainage.preprocessing.network_input import network_input
from bids_brainage.preprocessing.recipes.differences import Made, differences
from bids_brainage.preprocessing.recipes.preparing import RecipeImages, prepare
from bids_brainage.preprocessing.recipes.sources import recipe_for
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.preprocessing.templates import template_brain
from bids_brainage.records.estimate import Preparation
from bids_brainage.records.reading import PreparedImages
from tests.estimates.conftest import LRP, PERSON, PREPARATION
from tests.models.importing.test_published import saved

OPTIONS = EstimationOptions(modalities=("T1w",), lrp=LRP)


@pytest.fixture(scope="module")
def registered(images: PreparedImages) -> PreparedImages:
    """The template as a person, whose linear way is the identity, too."""
    return replace(images, linear={"rigid": (images.forward, images.inverse)})


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Westman's network, of random weights."""
    folder = tmp_path_factory.mktemp("published")
    return import_published(read_recipe("westman"), [saved(folder)], folder / "bundle")


@pytest.fixture(scope="module")
def result(published: Bundle, registered: PreparedImages) -> EnsembleResult:
    (found,) = estimate_session(published, ["Westman"], registered, PREPARATION, PERSON, OPTIONS)
    return found


def test_what_the_network_sees_is_made_by_its_recipe(published: Bundle, registered: PreparedImages) -> None:
    recipe, seen = read_recipe("westman").input, person_images(registered)
    own = network_input(seen, recipe)
    image = seen.read(seen.subject["T1w"])
    expected = prepare(recipe, RecipeImages.on_t1w(image, seen.brain_mask))
    assert own.array == pytest.approx(expected.array, abs=2e-3)
    assert (float(own.array.min()), float(own.array.max())) == (-1, 1)


def test_the_estimate_adds_up(result: EnsembleResult) -> None:
    record = result.record
    total = record.target_bias + record.relevance_sum + record.absorbed
    assert total == pytest.approx(record.brain_age, abs=1e-4)
    (part, whole) = result.maps
    for own in (part, whole):
        (image,) = own.on.values()
        assert float(np.asanyarray(image.dataobj).sum(dtype=float)) == pytest.approx(
            own.relevance_sum, abs=1e-3
        )


def test_it_says_whose_network_it_is_and_what_was_done_otherwise(result: EnsembleResult) -> None:
    record, recipe = result.record, read_recipe("westman")
    facts = record.model.published
    assert facts is not None
    assert (facts.title, facts.licence, facts.mae) == (recipe.title, "MIT", 2.99)
    assert facts.problems == recipe.problems
    (flag,) = [flag for flag in record.flags if flag.code == "prepared_otherwise"]
    assert "FLIRT registered, and this one was registered by ANTs" in flag.text
    assert flag.severity == "warning"


def test_without_its_registration_there_is_no_image(published: Bundle, images: PreparedImages) -> None:
    with pytest.raises(ImageError, match="Westman"):
        list(estimate_session(published, ["Westman"], images, PREPARATION, PERSON, OPTIONS))


def test_who_prepared_the_images_is_not_taken_for_this_program(published: Bundle) -> None:
    """FreeSurfer finds brains and corrects bias itself: what pyment's authors have does then not lack."""
    recipe = read_recipe("pyment-reg")
    record = published.record.model_copy(update={"recipe": recipe})
    sub = record.ensembles[0].sub_ensembles[0].model_copy(update={"input": recipe.input.of_source("t1w")})
    ensemble = record.ensembles[0].model_copy(update={"sub_ensembles": (sub,)})
    bundle = replace(published, record=record.model_copy(update={"ensembles": (ensemble,)}))
    told = {
        origin: " ".join(prepared_otherwise(bundle, "Westman", Preparation.model_validate(done)))
        for origin, done in {
            "raw": {"origin": "raw", "skull_strip": "bet", "skull_strip_method": "bet"},
            "freesurfer": {"origin": "freesurfer", "skull_strip": "auto", "bias_corrected": False},
        }.items()
    }
    assert "freesurfer found, and this one was found by bet" in told["raw"]
    assert "found by" not in told["freesurfer"]
    assert "bias" not in told["raw"] + told["freesurfer"]


def of_recipe(folder: Path, **changes: object) -> Bundle:
    """Westman's network with another input of the same box."""
    own = read_recipe("westman")
    content = own.input.model_dump() | changes
    recipe = own.model_copy(update={"input": InputRecipe.model_validate(content)})
    return import_published(recipe, [saved(folder)], folder / "bundle")


def closes(found: EnsembleResult) -> None:
    record = found.record
    assert record.target_bias + record.relevance_sum + record.absorbed == pytest.approx(
        record.brain_age, abs=1e-4
    )
    for own in found.maps:
        for image in own.on.values():
            total = float(np.asanyarray(image.dataobj).sum(dtype=float))
            assert total == pytest.approx(own.relevance_sum, abs=1e-3)


BOTH = replace(OPTIONS, modalities=("T1w", "T2w"), spaces=("T1w", "MNI152NLin6Asym"))


def test_a_t2w_image_as_scanned_is_estimated_and_explained(images: PreparedImages, tmp_path: Path) -> None:
    """The template as a T2w image with slices of 4 mm, which lies where the T1w image does."""
    grid = {"name": "own", "voxel_size": 1.0, "orientation": "RAS"}
    window = {"kind": "extents-midi", "shape": (160, 192, 160)}
    native = {"modality": "T2w", "source": "native", "registration": {"kind": "none"}, "grid": grid}
    bundle = of_recipe(tmp_path, window=window, **native)
    t1w = nib.load(images.subject["T1w"])
    scanned = nib.Nifti1Image(np.asarray(t1w.dataobj)[:, ::4], t1w.affine @ np.diag([1, 4, 1, 1.0]))
    scanned.to_filename(tmp_path / "t2w.nii.gz")
    alike = replace(
        images,
        subject=images.subject | {"T2w": images.subject["T1w"]},
        sources={("T2w", "native"): tmp_path / "t2w.nii.gz"},
        coregistered={"T2w": images.forward},
    )
    (found,) = estimate_session(bundle, ["Westman"], alike, PREPARATION, PERSON, BOTH)
    closes(found)
    assert [own.modality for own in found.maps] == ["T2w", "T1w"]
    assert found.maps[0].on["T1w"].shape == t1w.shape
    facts = found.record.model.published
    assert (facts.modality, facts.source) == ("T2w", "native")
    assert not [flag for flag in found.record.flags if flag.code == "prepared_otherwise"]
    alone = replace(alike, coregistered={})
    with pytest.raises(ImageError, match="Westman"):
        list(estimate_session(bundle, ["Westman"], alone, PREPARATION, PERSON, BOTH))


def test_a_given_image_is_estimated_and_explained(images: PreparedImages, tmp_path: Path) -> None:
    bundle = of_recipe(tmp_path, source="given")
    head = template_brain(1)
    nib.Nifti1Image(np.asarray(head.dataobj), head.affine).to_filename(tmp_path / "given.nii.gz")
    given = replace(images, sources={("T1w", "given"): tmp_path / "given.nii.gz"})
    (found,) = estimate_session(bundle, ["Westman"], given, PREPARATION, PERSON, BOTH)
    closes(found)
    # As the user prepared it: nothing is said to have been done otherwise.
    assert not [flag for flag in found.record.flags if flag.code == "prepared_otherwise"]
    assert found.record.model.published.source == "given"


def test_what_freesurfer_made_is_told_apart_from_what_stands_for_it(images: PreparedImages) -> None:
    recipe = read_recipe("pyment-reg").input
    seen = person_images(replace(images, linear={"rigid": (images.forward, images.inverse)}))
    own = person_images(replace(images, sources={("T1w", "freesurfer:brainmask"): images.subject["T1w"]}))
    made = Made(stripper="bet")
    told = [" ".join(differences(recipe_for(each, recipe), recipe, made, "pyment")) for each in (seen, own)]
    assert "freesurfer:brainmask" in told[0]
    assert "found by bet" in told[0]
    assert "freesurfer" not in told[1]
