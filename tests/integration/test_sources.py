"""Images that networks take in as they are, from BIDS to maps: as scanned, and as a user registered them."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.cli.run import main as run
from bids_brainage.cli.simulate import main as simulate
from bids_brainage.models.importing.published import import_published
from bids_brainage.models.importing.recipe import read_recipe
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.preprocessing.templates import template_brain
from tests.models.importing.test_published import saved

pytestmark = pytest.mark.slow

NATIVE = {
    "modality": "T2w",
    "source": "native",
    "registration": {"kind": "none"},
    "grid": {"name": "own", "voxel_size": 1.4, "orientation": "RAS"},
    "window": {"kind": "extents-midi", "shape": (160, 192, 160)},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person, whose FLAIR stands for T2w, too; two models; images that the user registered."""
    folder = tmp_path_factory.mktemp("study")
    assert simulate(["cohort", str(folder / "bids"), "--n", "1", "--seed", "3", "--voxel-size", "4"]) == 0
    anat = folder / "bids/sub-0001/anat"
    (anat / "sub-0001_T2w.nii.gz").write_bytes((anat / "sub-0001_FLAIR.nii.gz").read_bytes())
    own, file = read_recipe("westman"), saved(folder)
    scanned = InputRecipe.model_validate(own.input.model_dump() | NATIVE)
    import_published(own.model_copy(update={"input": scanned}), [file], folder / "native", name="native")
    import_published(own, [file], folder / "given", name="given", source="given")
    head, given = template_brain(1), folder / "flirt/sub-0001/anat"
    given.mkdir(parents=True)
    nib.Nifti1Image(np.asarray(head.dataobj), head.affine).to_filename(given / "sub-0001_desc-one_T1w.nii.gz")
    template_brain(2).to_filename(given / "sub-0001_desc-two_T1w.nii.gz")
    return folder


def command(study: Path, out: str, desc: str) -> list[str]:
    filters = study / f"{desc}.json"
    filters.write_text(json.dumps({"given": {"desc": desc}}))
    images = ["-d", f"flirt={study / 'flirt'}", "--bids-filter-file", str(filters)]
    models = ["--model", str(study / "native"), str(study / "given")]
    work = ["-w", str(study / "work"), "--nprocs", "2", "--skip-bids-validation"]
    spaces = ["--output-spaces", "T1w", "MNI152NLin6Asym:res-2"]
    return [str(study / "bids"), str(study / out), "participant", *images, *models, *work, *spaces]


def test_both_are_estimated_side_by_side(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(study, "out", "one")) == 0
    anat = study / "out/sub-0001/anat"
    for ensemble, modality in (("Native", "T2w"), ("Given", "T1w")):
        record = json.loads((anat / f"sub-0001_desc-{ensemble}_brainage.json").read_text())
        explained = record["target_bias"] + record["relevance_sum"] + record["absorbed"]
        assert explained == pytest.approx(record["brain_age"], abs=1e-4)
        assert record["modalities_used"] == [modality]
        for space in ("", "space-MNI152NLin6Asym_res-2_"):
            name = f"sub-0001_{space}desc-{ensemble}WholeBrainRelevance_{modality}.nii.gz"
            total = np.asarray(nib.load(anat / name).dataobj, dtype=np.float64).sum()
            assert total == pytest.approx(record["relevance_sum"], abs=0.02)
    kept = nib.load(anat / "sub-0001_desc-scanned_T2w.nii.gz")
    raw = nib.load(study / "bids/sub-0001/anat/sub-0001_T2w.nii.gz")
    assert kept.shape == raw.shape
    np.testing.assert_allclose(kept.affine, raw.affine, atol=1e-4)
    given = nib.load(anat / "sub-0001_space-MNI152NLin6Asym_desc-given_T1w.nii.gz")
    np.testing.assert_array_equal(given.get_fdata(), template_brain(1).get_fdata())
    page = (study / "out/sub-0001.html").read_text()
    assert "T2w registered to the T1w" in page
    methods = (study / "out/logs/CITATION.md").read_text()
    assert "the T2w image as scanned" in methods
    assert "prepared and registered to the template elsewhere" in methods
    assert run(command(study, "out", "one")) == 0
    assert "1 finished before" in capsys.readouterr().err


def test_a_given_image_on_another_grid_is_refused_before_anything_is_computed(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(study, "refused", "two")) == 2
    assert "lies on another grid" in capsys.readouterr().err
    assert not list((study / "refused").glob("sub-*"))
