"""One session through a small bundle: images are read once, networks run once, everything adds up."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import ImageError
from bids_brainage.estimates.grids import image_sum
from bids_brainage.estimates.options import EstimationOptions, PersonFacts
from bids_brainage.estimates.session import EnsembleResult, estimate_session
from bids_brainage.estimates.sidecars import map_record
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.ensembles.age_bias import AgeBias
from bids_brainage.records.reading import PreparedImages, SessionPlace
from bids_brainage.records.rounding import RoundedImage
from tests.estimates.conftest import OPTIONS, PERSON, PREPARATION


def estimate_one(
    bundle: Bundle, images: PreparedImages, person: PersonFacts, options: EstimationOptions
) -> EnsembleResult:
    return next(estimate_session(bundle, ["TypeI"], images, PREPARATION, person, options))


@pytest.fixture(scope="module")
def results(bundle: Bundle, images: PreparedImages) -> list[EnsembleResult]:
    return list(estimate_session(bundle, bundle.ensembles, images, PREPARATION, PERSON, OPTIONS))


def test_estimate_is_target_bias_plus_relevance_plus_absorbed(results: list[EnsembleResult]) -> None:
    for result in results:
        record = result.record
        assert record.target_bias + record.relevance_sum + record.absorbed == pytest.approx(
            record.brain_age, abs=1e-4
        )
        weighted = sum(part.weight * part.brain_age for part in record.sub_ensembles)
        assert record.constant + weighted == pytest.approx(record.brain_age, abs=1e-9)
        for part in record.sub_ensembles:
            own = part.target_bias + part.relevance_sum + part.absorbed
            assert own == pytest.approx(part.brain_age, abs=1e-4)
            assert part.contribution == pytest.approx(part.weight * part.relevance_sum)
        assert sum(record.contributions.modality.values()) == pytest.approx(record.relevance_sum)
        assert sum(record.contributions.region.values()) == pytest.approx(record.relevance_sum)


def test_sub_ensembles_say_what_their_heads_make_of_their_networks(
    results: list[EnsembleResult], bundle: Bundle
) -> None:
    for result in results:
        ensemble = bundle.ensemble(result.record.ensemble)
        for part in result.record.sub_ensembles:
            head = ensemble.sub_ensembles[part.name].head
            assert part.brain_age == pytest.approx(float(head.apply(np.array(part.base_models))), abs=1e-9)


def test_maps_and_regions_hold_the_sums_that_are_recorded(results: list[EnsembleResult]) -> None:
    for result in results:
        for own in result.maps:
            assert image_sum(own.on["MNI152NLin6Asym"]) == pytest.approx(own.relevance_sum, abs=1e-4)
            rows = [row for row in result.regions if row["sub_ensemble"] == own.name]
            if own.name:
                assert sum(row["relevance"] for row in rows) == pytest.approx(own.relevance_sum, abs=1e-4)
                assert sum(row["contribution"] for row in rows) == pytest.approx(
                    own.weight * own.relevance_sum, abs=1e-4
                )


def test_explained_or_not_and_by_whatever_threads_the_estimate_is_the_same(
    results: list[EnsembleResult], bundle: Bundle, images: PreparedImages
) -> None:
    options = replace(OPTIONS, lrp=None, threads=2)
    plain = list(estimate_session(bundle, bundle.ensembles, images, PREPARATION, PERSON, options))
    for explained, alone in zip(results, plain, strict=True):
        assert alone.record.brain_age == explained.record.brain_age
        assert alone.record.lrp is None
        assert not alone.maps
        assert not alone.regions
        assert alone.record.target_bias is None


def test_each_image_is_read_once_and_each_network_run_once(
    bundle: Bundle, images: PreparedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bids_brainage.relevance.engine.explanation import _Engine

    read: list[Path] = []
    load = nib.Nifti1Image.from_filename
    monkeypatch.setattr(nib.Nifti1Image, "from_filename", lambda path: read.append(path) or load(path))
    ran: list[int] = []
    forward = _Engine.forward
    monkeypatch.setattr(_Engine, "forward", lambda self, n, *a: ran.append(id(n)) or forward(self, n, *a))
    found = list(estimate_session(bundle, bundle.ensembles, images, PREPARATION, PERSON, OPTIONS))
    assert images.mask in read
    assert len(read) == len(set(read))
    networks = sum(len(part.base_models) for result in found for part in result.record.sub_ensembles)
    assert len(ran) == networks


def test_a_modality_that_is_not_asked_for_is_not_used(bundle: Bundle, images: PreparedImages) -> None:
    options = replace(OPTIONS, modalities=("FLAIR",), lrp=None)
    result = estimate_one(bundle, images, PERSON, options)
    assert result.record.modalities_used == ("FLAIR",)
    with pytest.raises(ImageError, match="none of the sequences"):
        next(
            estimate_session(
                bundle, ["TypeI"], images, PREPARATION, PERSON, replace(options, modalities=("T2starw",))
            )
        )


def test_without_an_age_there_is_an_estimate_but_no_dba(bundle: Bundle, images: PreparedImages) -> None:
    options = replace(OPTIONS, lrp=None)
    with_age, without = (
        next(
            estimate_session(bundle, ["TypeI"], images, PREPARATION, replace(PERSON, age=age), options)
        ).record
        for age in (40.0, None)
    )
    assert without.dba is None
    assert with_age.dba == pytest.approx(with_age.brain_age - 40)
    assert with_age.brain_age == without.brain_age
    assert "age_unknown" in {flag.code for flag in without.flags}


def test_a_training_participant_is_told_of(
    bundle: Bundle, images: PreparedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a fold that never saw them, or, with a warning, by one that did."""

    def flags() -> dict[str, str]:
        record = next(
            estimate_session(bundle, ["TypeI"], images, PREPARATION, PERSON, replace(OPTIONS, lrp=None))
        ).record
        return {flag.code: flag.text for flag in record.flags}

    assert not {"seen_in_training", "training_participant"} & flags().keys()
    monkeypatch.setattr(Bundle, "in_training_set", lambda self, *person: True)
    assert "seen_in_training" in flags()
    monkeypatch.setattr(Bundle, "fold_of", lambda self, *person: 0)
    assert "fold 0" in flags()["training_participant"]


def test_the_corrected_estimate_is_beside_the_raw_one(
    bundle: Bundle, images: PreparedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of -10 + 0.2 age makes 2 years at 60 and nothing at 50."""
    from bids_brainage.models.ensembles.ensemble import TopHead

    monkeypatch.setattr(TopHead, "age_bias", AgeBias(-10, 0.2), raising=False)
    person = replace(PERSON, age=60.0)
    ensemble = bundle.ensemble("TypeI")
    heads = tuple(replace(head, age_bias=AgeBias(-10, 0.2)) for head in ensemble.top_heads)
    monkeypatch.setattr(Bundle, "ensemble_for", lambda self, *_: replace(ensemble, top_heads=heads))
    record = next(
        estimate_session(bundle, ["TypeI"], images, PREPARATION, person, replace(OPTIONS, lrp=None))
    ).record
    assert record.brain_age_corrected == pytest.approx(record.brain_age - 2)
    assert record.dba_corrected == pytest.approx(record.dba - 2)


def test_a_demonstration_model_on_a_real_brain_says_so_everywhere(
    results: list[EnsembleResult], bundle: Bundle, images: PreparedImages, tmp_path: Path
) -> None:
    place = SessionPlace.of(tmp_path, "01", None)
    for result in results:
        assert "anyone's brain age" in (result.record.disclaimer or "")
        own = result.maps[0]
        stored = RoundedImage.of(own.on["MNI152NLin6Asym"])
        sidecar = map_record(place, result.record, own, "MNI152NLin6Asym", stored).as_json()
        assert sidecar["Disclaimer"] == result.record.disclaimer
        assert sidecar["TargetBias"] + sidecar["RelevanceSum"] + sidecar["Absorbed"] + sidecar[
            "Rounding"
        ] + sidecar["ClosureError"] == pytest.approx(sidecar["Estimate"], abs=1e-9)
    simulated = replace(PERSON, simulated=True)
    options = replace(OPTIONS, lrp=None)
    assert estimate_one(bundle, images, simulated, options).record.disclaimer is None


def test_tensorflow_stays_out(tmp_path: Path) -> None:
    code = (
        "import sys; import bids_brainage.interfaces.estimation, bids_brainage.estimates.session; "
        "from bids_brainage.models.bundles.bundle import load_bundle; load_bundle('demo'); "
        "raise SystemExit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
