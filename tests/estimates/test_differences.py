"""Maps against references: from what the model says of the reference to what it says of the person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.estimates.grids import image_sum
from bids_brainage.estimates.session import EnsembleResult, estimate_session
from bids_brainage.interfaces.estimation import outputs_of
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.references import age_reference, mean_reference
from bids_brainage.models.ensembles.ensemble import TopHead
from bids_brainage.models.ensembles.head_model import HeadModel
from bids_brainage.models.ensembles.spline_head import SplineHead
from bids_brainage.records.reading import PreparedImages, SessionPlace, read_session
from bids_brainage.records.writing import publish
from tests.estimates.conftest import OPTIONS, PERSON, PREPARATION
from tests.integration.small_bundle import with_references

BOTH = replace(OPTIONS, lrp=None, references=("reference", "dba"))
STANDARD = "MNI152NLin6Asym"


@pytest.fixture(scope="module")
def knowing(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return with_references(bundle, tmp_path_factory.mktemp("knowing"))


def results_of(bundle: Bundle, images: PreparedImages, person=PERSON, options=BOTH) -> list[EnsembleResult]:
    return list(estimate_session(bundle, bundle.ensembles, images, PREPARATION, person, options))


@pytest.fixture(scope="module")
def results(knowing: Bundle, images: PreparedImages) -> list[EnsembleResult]:
    return results_of(knowing, images)


def test_what_the_model_says_of_the_reference_and_the_map_are_the_estimate(results, knowing: Bundle) -> None:
    for result in results:
        record = result.record
        assert [own.reference.kind for own in record.differences] == ["reference", "dba"]
        assert [own.reference.age for own in record.differences] == [None, 40.0]
        for own in record.differences:
            total = own.start + own.relevance_sum + own.quadrature
            assert total == pytest.approx(record.brain_age, abs=1e-3)
            assert own.reference.n == 40
            assert own.reference.n_usual == (30 if own.reference.kind == "dba" else 0)
            assert own.reference.datasets == ("Balls",)
            assert sum(own.contributions.modality.values()) == pytest.approx(own.relevance_sum, abs=1e-6)
            assert sum(own.contributions.region.values()) == pytest.approx(own.relevance_sum, abs=1e-6)
            for part, known in zip(own.parts, record.sub_ensembles, strict=True):
                assert part.name == known.name
                assert part.weight == known.weight
                explained = part.reference_estimate + part.usual + part.relevance_sum + part.quadrature
                assert explained == pytest.approx(known.brain_age, abs=1e-3)


def test_the_references_estimate_is_that_of_its_input(results, knowing: Bundle) -> None:
    """As if the reference were a person."""
    for result in results:
        name = result.record.ensemble
        ensemble = knowing.ensemble(name)
        subs = [part.name for part in result.record.sub_ensembles]
        for own in result.record.differences:
            if own.reference.kind == "dba":
                inputs = {sub: age_reference(knowing, name, sub, 40.0).array for sub in subs}
            else:
                inputs = {sub: mean_reference(knowing, name, sub).array for sub in subs}
            assert own.reference_estimate == pytest.approx(ensemble.predict(inputs).brain_age, abs=1e-6)


def test_what_is_usual_at_that_age_is_taken_off(results, knowing: Bundle) -> None:
    """Of mean, slope and curvature 1e-4 years in each voxel of the box (z is -0.5), and 0.2 of quadrature."""
    for result in results:
        for own in result.record.differences:
            boxes = {
                sub.name: sub.input.box
                for sub in knowing.ensemble_record(result.record.ensemble).sub_ensembles
            }
            for part in own.parts:
                expected = 1e-4 * (1 - 0.5 + 0.25 - 1) * np.prod(boxes[part.name]) + 0.2
                known = expected if own.reference.kind == "dba" else 0.0
                assert part.usual == pytest.approx(known, rel=0.01)


def test_maps_and_regions_hold_the_sums_that_are_recorded(results: list[EnsembleResult]) -> None:
    for result in results:
        for found in result.differences:
            for own in (*found.parts, found.total):
                assert image_sum(own.on[STANDARD]) == pytest.approx(own.relevance_sum, abs=1e-3)
                assert abs(own.closure_error) < 1e-3
                if own.regions is not None:
                    assert own.regions.total.sum() == pytest.approx(own.relevance_sum, abs=1e-3)


def test_an_age_beyond_the_references_is_compared_at_the_nearest_and_flagged(knowing, images) -> None:
    options = replace(BOTH, references=("dba",))
    old = results_of(knowing, images, replace(PERSON, age=80.0), options)[0].record
    assert old.differences[0].reference.age == 60
    texts = {flag.code: flag.text for flag in old.flags}
    assert "80" in texts["reference_age_outside"]
    assert "at 60" in texts["reference_age_outside"]
    known = results_of(knowing, images, replace(PERSON, age=60.0), options)[0].record
    assert "reference_age_outside" not in {flag.code for flag in known.flags}
    assert known.differences[0].relevance_sum == old.differences[0].relevance_sum


def test_without_an_age_there_is_no_dba_map_but_one_against_the_mean(knowing, images) -> None:
    record = results_of(knowing, images, replace(PERSON, age=None))[0].record
    assert [own.reference.kind for own in record.differences] == ["reference"]
    assert "age is not known" in record.not_explained["dba"]


def test_a_bundle_without_references_explains_by_lrp_alone(bundle: Bundle, images) -> None:
    options = replace(OPTIONS, references=("reference", "dba"))
    result = results_of(bundle, images, options=options)[0]
    assert result.record.lrp is not None
    assert result.maps
    assert not result.differences
    assert set(result.record.not_explained) == {"reference", "dba"}
    assert all("bids_brainage_models references" in text for text in result.record.not_explained.values())


def test_a_head_that_is_curved_closes_as_well(knowing, images, monkeypatch) -> None:
    random = np.random.default_rng(0)
    ages = random.uniform(20, 80, 200)
    ensemble = knowing.ensemble("TypeI")
    count = 2
    head = SplineHead.fit(ages[:, None] + random.normal(0, 3, (200, count)), ages, 1.0, 0.5, 4)
    heads = tuple(
        replace(own, head=head) if len(own.sub_ensembles) == count else own for own in ensemble.top_heads
    )
    monkeypatch.setattr(Bundle, "ensemble_for", lambda self, *_: replace(ensemble, top_heads=heads))
    assert isinstance(ensemble.top_heads[0], TopHead)
    record = next(estimate_session(knowing, ["TypeI"], images, PREPARATION, PERSON, BOTH)).record
    for own in record.differences:
        total = own.start + own.relevance_sum + own.quadrature
        assert total == pytest.approx(record.brain_age, abs=1e-3)


def test_plain_means_are_explained_as_such(knowing, images) -> None:
    options = replace(BOTH, references=("dba",), aggregation="mean")
    result = results_of(knowing, images, options=options)[0]
    means = [np.mean(part.base_models) for part in result.record.sub_ensembles]
    found = result.differences[0]
    assert found.total.estimate == pytest.approx(np.mean(means), abs=1e-6)
    assert abs(found.total.closure_error) < 1e-3


def test_files_are_named_after_the_reference_and_read_back(results, tmp_path: Path) -> None:
    place = SessionPlace.of(tmp_path, "01", None)
    for result in results:
        outputs = outputs_of(place, result, BOTH)
        publish(place, ("estimate", result.record.ensemble), "made up", outputs)
    session = read_session(place)
    names = {own.path.name for own in session.reference_maps}
    start = f"sub-01_space-{STANDARD}_res-2_desc-"
    assert f"{start}TypeIDBA_T1w.nii.gz" in names
    assert f"{start}TypeIWholeBrainDBA_FLAIR.nii.gz" in names
    assert f"{start}TypeIIReference_T1w.nii.gz" in names
    assert not session.maps
    assert (tmp_path / "sub-01/anat/sub-01_desc-TypeIDBA_regions.tsv").is_file()
    assert not session.regions("TypeI")
    record = results[0].record
    for own in session.reference_maps:
        facts = own.sidecar.as_json()
        assert facts["Rule"] == "integrated gradients"
        total = facts["ReferenceEstimate"] + facts["Usual"] + facts["RelevanceSum"] + facts["Quadrature"]
        assert total + facts["Rounding"] + facts["ClosureError"] == pytest.approx(facts["Estimate"], abs=1e-9)
        assert abs(facts["ClosureError"]) < 1e-3
        assert facts["Points"] + 2 <= 12
        assert ("Age" in facts["Reference"]) == (own.sidecar.reference.kind == "dba")
    for number, kind in enumerate(("reference", "dba")):
        rows = session.regions("TypeI", kind)
        years = sum(float(row["contribution"]) for row in rows)
        assert years == pytest.approx(record.differences[number].relevance_sum, abs=1e-3)


def test_sidecars_of_what_a_negative_weight_turns_round_say_so(
    knowing, images, tmp_path, monkeypatch
) -> None:
    """Of the difference's own weights, for the sum and for the map of that sub-ensemble, and for no other."""
    ensemble = knowing.ensemble("TypeI")
    turned = HeadModel(np.array([-0.25, 0.9]), 10.0)
    heads = tuple(
        replace(top, head=turned) if len(top.sub_ensembles) == 2 else top for top in ensemble.top_heads
    )
    monkeypatch.setattr(Bundle, "ensemble_for", lambda self, *_: replace(ensemble, top_heads=heads))
    result = results_of(knowing, images, options=replace(BOTH, references=("dba",)))[0]
    outputs = outputs_of(SessionPlace.of(tmp_path, "01", None), result, BOTH)
    told = [output.sidecar["Description"] for output in outputs if output.role == "reference_map"]
    first, second = result.record.differences[0].parts
    assert (first.weight, second.weight) == (-0.25, 0.9)
    assert ["is negative: what is positive here" in text for text in told] == [True, False, False]
    assert [f"turn the maps of {first.name} round" in text for text in told] == [False, False, True]
