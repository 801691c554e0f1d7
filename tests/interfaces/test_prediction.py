"""What the estimate's file says, for people whose age is and is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.interfaces.prediction import estimate_record, model_inputs, preparation
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.ensembles.age_bias import AgeBias
from tests.integration.small_bundle import make_bundle

PERSON = {
    "participant_id": "01",
    "session_id": None,
    "dataset": "Here",
    "age": 40.0,
    "sex": "F",
    "simulated": False,
    "preprocessing": {"source": "raw"},
    "lrp": None,
    "inputs": [],
    "warnings": [],
    "fingerprints": {"TypeI": "print"},
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("models") / "small")


def record(bundle: Bundle, **person: object) -> dict:
    ensemble = bundle.ensemble("TypeI")
    estimate = ensemble.estimate({name: np.array([45.0, 55.0]) for name in ensemble.sub_ensembles})
    return estimate_record(bundle, estimate, PERSON | person)


def test_dba_is_the_estimate_minus_the_age(bundle: Bundle) -> None:
    content = record(bundle)
    assert content["dba"] == pytest.approx(content["brain_age"] - 40)
    assert content["participant_id"] == "sub-01"


def test_without_an_age_there_is_an_estimate_but_no_dba(bundle: Bundle) -> None:
    content = record(bundle, age=None)
    assert content["dba"] is None
    assert content["brain_age"] == record(bundle)["brain_age"]
    assert "age_unknown" in {flag["code"] for flag in content["flags"]}


def test_a_training_participant_is_told_of(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a fold that never saw them, or, with a warning, by one that did."""
    assert not {"seen_in_training", "training_participant"} & {
        flag["code"] for flag in record(bundle)["flags"]
    }
    monkeypatch.setattr(Bundle, "in_training_set", lambda self, *person: True)
    assert "seen_in_training" in {flag["code"] for flag in record(bundle)["flags"]}
    monkeypatch.setattr(Bundle, "fold_of", lambda self, *person: 2)
    content = record(bundle)
    assert content["fold"] == 2
    assert "comes from fold 2" in next(
        f["text"] for f in content["flags"] if f["code"] == "training_participant"
    )


def test_the_corrected_estimate_is_beside_the_raw_one(bundle: Bundle) -> None:
    """A line of -10 + 0.2 age makes 2 years at 60 and nothing at 50; without an age there is none."""
    ensemble = bundle.ensemble("TypeI")
    estimate = ensemble.estimate({name: np.array([45.0, 55.0]) for name in ensemble.sub_ensembles})
    biased = replace(estimate, top_head=replace(estimate.top_head, age_bias=AgeBias(-10, 0.2)))
    content = estimate_record(bundle, biased, PERSON | {"age": 60.0})
    assert content["brain_age"] == estimate.brain_age
    assert content["brain_age_corrected"] == pytest.approx(estimate.brain_age - 2)
    assert content["dba_corrected"] == pytest.approx(content["dba"] - 2)
    assert estimate_record(bundle, biased, PERSON | {"age": None})["brain_age_corrected"] is None


def test_a_demonstration_model_on_a_real_brain_says_so(bundle: Bundle) -> None:
    assert "not an estimate of anyone's brain age" in record(bundle)["disclaimer"]
    assert record(bundle, simulated=True)["disclaimer"] is None


def test_a_modality_that_is_not_asked_for_is_not_used(bundle: Bundle, tmp_path: Path) -> None:
    paths = {}
    for modality in ("T1w", "FLAIR"):
        paths[modality] = tmp_path / f"sub-01_desc-preproc_{modality}.nii.gz"
        image = nib.Nifti1Image(np.full((150, 160, 170), 80, np.uint8), np.diag([-1.0, 1, 1, 1]))
        image.to_filename(paths[modality])
    mask = np.zeros((150, 160, 170), np.uint8)
    mask[20:130, 20:140, 20:150] = 1
    nib.Nifti1Image(mask, np.diag([-1.0, 1, 1, 1])).to_filename(tmp_path / "mask.nii.gz")
    inputs = SimpleNamespace(
        subject_images=[str(path) for path in paths.values()],
        standard_images=[],
        mask_file=str(tmp_path / "mask.nii.gz"),
        modalities=["FLAIR"],
    )
    assert list(model_inputs(bundle.ensemble("TypeI"), inputs)) == ["WholeBrain_FLAIR"]


def test_the_brain_mask_that_was_used_is_read_off_the_sidecar(tmp_path: Path) -> None:
    image = tmp_path / "sub-01_desc-preproc_T1w.nii.gz"
    (tmp_path / "sub-01_desc-preproc_T1w.json").write_text('{"SkullStripMethod": "bet", "Warnings": ["odd"]}')
    assert preparation([str(image)]) == {"skull_strip_method": "bet", "warnings": ["odd"]}
