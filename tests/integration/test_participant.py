"""The whole chain on one simulated person: from raw images to estimates, maps and page."""

from __future__ import annotations

import csv
import json
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.bids.validation import find_validator
from bids_brainage.cli.run import main as run
from bids_brainage.cli.simulate import main as simulate
from bids_brainage.models.bundles.bundle import load_bundle


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bids") / "cohort"
    assert simulate(["cohort", str(folder), "--n", "2", "--seed", "3", "--voxel-size", "4"]) == 0
    return folder


def command(dataset: Path, bundle: Path, out: Path, *options: str) -> list[str]:
    work = ["-w", str(out.parent / "work"), "--nprocs", "2", "--skip-bids-validation"]
    work += ["--output-spaces", "T1w", "MNI152NLin6Asym:res-2"]
    return [str(dataset), str(out), "participant", "--model", str(bundle), *work, *options]


@pytest.fixture(scope="module")
def derivatives(dataset: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one whole run left; the tests below only look at it, or work on a copy."""
    out = tmp_path_factory.mktemp("run") / "out"
    assert run(command(dataset, bundle, out, "--participant-label", "0001")) == 0
    return out


def estimates(out: Path, ensemble: str) -> dict:
    return json.loads((out / f"sub-0001/anat/sub-0001_desc-{ensemble}_brainage.json").read_text())


@pytest.mark.parametrize("ensemble", ["TypeI", "TypeII"])
def test_estimate_is_target_bias_plus_relevance_plus_absorbed(derivatives: Path, ensemble: str) -> None:
    record = estimates(derivatives, ensemble)
    explained = record["target_bias"] + record["relevance_sum"] + record["absorbed"]
    assert explained == pytest.approx(record["brain_age"], abs=1e-4)
    assert sum(record["contributions"]["modality"].values()) == pytest.approx(
        record["relevance_sum"], abs=1e-5
    )
    assert sum(record["contributions"]["region"].values()) == pytest.approx(record["relevance_sum"], abs=1e-5)


@pytest.mark.parametrize("ensemble", ["TypeI", "TypeII"])
def test_heads_make_the_estimate_of_the_base_models(derivatives: Path, bundle: Path, ensemble: str) -> None:
    record = estimates(derivatives, ensemble)
    heads = json.loads((bundle / "bundle.json").read_text())["ensembles"]
    described = next(item for item in heads if item["name"] == ensemble)
    top = next(head for head in described["top_heads"][0] if len(head["modalities"]) == 3)
    estimate = top["head"]["intercept"]
    for name, weight in zip(top["sub_ensembles"], top["head"]["coefficients"], strict=True):
        sub = next(item for item in described["sub_ensembles"] if item["name"] == name)["folds"][0]["head"]
        part = next(item for item in record["sub_ensembles"] if item["name"] == name)
        estimate += weight * (np.dot(sub["coefficients"], part["base_models"]) + sub["intercept"])
    assert record["brain_age"] == pytest.approx(estimate, abs=1e-6)


@pytest.mark.parametrize("space", ["", "space-MNI152NLin6Asym_res-2_"])
@pytest.mark.parametrize("ensemble", ["TypeI", "TypeII"])
def test_maps_on_both_grids_hold_the_sums_of_their_sidecars(
    derivatives: Path, ensemble: str, space: str
) -> None:
    anat = derivatives / "sub-0001/anat"
    record = estimates(derivatives, ensemble)
    total = 0.0
    for sub in record["sub_ensembles"]:
        path = anat / f"sub-0001_{space}desc-{ensemble}{sub['region']}Relevance_{sub['modality']}.nii.gz"
        relevance = float(np.asarray(nib.load(path).dataobj, dtype=np.float64).sum())
        facts = json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())
        assert facts["Units"] == "years"
        assert relevance == pytest.approx(facts["RelevanceSum"], abs=1e-6)
        assert relevance + facts["Rounding"] == pytest.approx(sub["relevance_sum"], abs=1e-4)
        assert abs(facts["Rounding"]) < 0.02
        total += sub["weight"] * sub["relevance_sum"]
    assert total == pytest.approx(record["relevance_sum"], abs=1e-4)


def test_relevance_lies_inside_the_brain(derivatives: Path) -> None:
    anat = derivatives / "sub-0001/anat"
    mask = np.asarray(nib.load(anat / "sub-0001_desc-brain_mask.nii.gz").dataobj) > 0
    relevance = nib.load(anat / "sub-0001_desc-TypeIWholeBrainRelevance_T1w.nii.gz").get_fdata()
    assert np.abs(relevance[mask]).sum() > 0.99 * np.abs(relevance).sum()


def test_regions_add_up_to_each_map(derivatives: Path) -> None:
    for ensemble in ("TypeI", "TypeII"):
        path = derivatives / f"sub-0001/anat/sub-0001_desc-{ensemble}_regions.tsv"
        rows = list(csv.DictReader(path.open(), delimiter="\t"))
        for sub in estimates(derivatives, ensemble)["sub_ensembles"]:
            own = sum(float(row["relevance"]) for row in rows if row["sub_ensemble"] == sub["name"])
            assert own == pytest.approx(sub["relevance_sum"], abs=1e-3)


def test_standard_images_overlap_the_template(derivatives: Path) -> None:
    from bids_brainage.preprocessing.templates import template_mask

    template = np.asarray(template_mask(2).dataobj) > 0
    for modality in ("T1w", "FLAIR", "T2starw"):
        name = f"sub-0001_space-MNI152NLin6Asym_res-2_desc-preproc_{modality}.nii.gz"
        image = nib.load(derivatives / "sub-0001/anat" / name)
        assert image.shape == (91, 109, 91)
        values = image.get_fdata()
        # Interpolation smears the edge over a voxel: what is darker than a third of the brain is not brain.
        brain = values > 0.3 * np.median(values[values > 0])
        dice = 2 * (brain & template).sum() / (brain.sum() + template.sum())
        assert dice > 0.96, (modality, dice)


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if (name == "src" or (name == "href" and tag != "a")) and value:
                self.loads.append(value)


def test_page_shows_the_estimates_and_loads_nothing(derivatives: Path) -> None:
    page = (derivatives / "sub-0001.html").read_text()
    for ensemble in ("TypeI", "TypeII"):
        assert f"{estimates(derivatives, ensemble)['brain_age']:.1f}" in page
    parser = _Loads()
    parser.feed(page)
    assert all(load.startswith(("data:", "#")) for load in parser.loads)


def test_simulated_input_gets_no_disclaimer_and_names_its_sources(derivatives: Path) -> None:
    record = estimates(derivatives, "TypeI")
    assert record["simulated_input"] is True
    assert record["disclaimer"] is None
    assert "bids:raw:sub-0001/anat/sub-0001_T1w.nii.gz" in record["inputs"]
    assert record["preprocessing"]["skull_strip_method"] == "none"


def test_output_is_valid_bids(derivatives: Path) -> None:
    from bids_brainage.bids.validation import validate

    if find_validator() is None:
        pytest.skip("bids-validator-deno is not installed")
    validate(derivatives)


def test_a_second_run_has_nothing_to_do_and_says_so(
    derivatives: Path, dataset: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (derivatives / "sub-0001").rglob("*")}
    started = time.monotonic()
    with caplog.at_level("INFO"):
        assert run(command(dataset, bundle, derivatives, "--participant-label", "0001")) == 0
    assert time.monotonic() - started < 20
    assert "sub-0001: finished by an earlier run" in caplog.text
    assert before == {path: path.stat().st_mtime_ns for path in (derivatives / "sub-0001").rglob("*")}


def test_what_is_missing_comes_back_without_preprocessing_again(
    derivatives: Path, dataset: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(derivatives, out)
    lost = out / "sub-0001/anat/sub-0001_desc-TypeIWholeBrainRelevance_FLAIR.nii.gz"
    kept = out / "sub-0001/anat/sub-0001_desc-preproc_T1w.nii.gz"
    before, stamp = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    assert run(command(dataset, bundle, out, "--participant-label", "0001", "--ensemble", "TypeI")) == 0
    assert kept.stat().st_mtime_ns == stamp
    assert np.array_equal(nib.Nifti1Image.from_bytes(_unzip(lost)).get_fdata(), _data(before))


def _unzip(path: Path) -> bytes:
    import gzip

    return gzip.decompress(path.read_bytes())


def _data(content: bytes) -> np.ndarray:
    import gzip

    return nib.Nifti1Image.from_bytes(gzip.decompress(content)).get_fdata()


def test_one_persons_failure_leaves_the_others_theirs(
    derivatives: Path, dataset: Path, bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One finished person and one whose T1w is all zero: exit code 1, one sentence, a page that says so."""
    broken = tmp_path / "bids"
    shutil.copytree(dataset, broken)
    path = broken / "sub-0002/anat/sub-0002_T1w.nii.gz"
    image = nib.load(path)
    nib.Nifti1Image(np.zeros(image.shape, np.uint16), image.affine).to_filename(path)
    out = tmp_path / "out"
    shutil.copytree(derivatives, out)
    assert run(command(broken, bundle, out)) == 1
    # Debug records go into the log file only.
    told = [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
    assert any("sub-0002_T1w.nii.gz" in sentence for sentence in told)
    assert not any("Traceback" in sentence for sentence in told)
    assert estimates(out, "TypeI") == estimates(derivatives, "TypeI")
    assert list(out.glob("logs/*/crash-*.txt"))
    assert "sub-0002_T1w.nii.gz" in (out / "sub-0002.html").read_text()


def test_a_person_without_flair_is_estimated_by_the_head_for_what_is_there(
    derivatives: Path, dataset: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(derivatives, out)
    options = ("--participant-label", "0001", "--modalities", "T1w", "T2starw", "--ensemble", "TypeI")
    assert run(command(dataset, bundle, out, *options, "--no-relevance")) == 0
    record = estimates(out, "TypeI")
    assert record["modalities_used"] == ["T1w", "T2starw"]
    assert record["modalities_missing"] == ["FLAIR"]
    assert "modality_missing" in {flag["code"] for flag in record["flags"]}


def test_a_flair_of_another_head_is_left_out_or_fails_that_person_by_name(
    derivatives: Path, dataset: Path, bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The estimate is then that of somebody who has no FLAIR."""
    mixed = tmp_path / "bids"
    shutil.copytree(dataset, mixed)
    name = "sub-{0}/anat/sub-{0}_FLAIR.nii.gz"
    shutil.copyfile(dataset / name.format("0002"), mixed / name.format("0001"))
    out, without = tmp_path / "out", tmp_path / "without"
    for folder in (out, without):
        shutil.copytree(derivatives, folder)
    options = ("--participant-label", "0001", "--ensemble", "TypeI", "--no-relevance")
    assert run(command(mixed, bundle, out, *options, "--fail-on-flag", "modality_left_out")) == 1
    sentence = "sub-0001_FLAIR.nii.gz does not match the T1w image"
    told = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("sub-0001: flagged ") and sentence in line for line in told)
    assert not list(out.glob("sub-0001/**/*FLAIR.nii.gz"))
    record = estimates(out, "TypeI")
    assert sentence in record["preprocessing"]["left_out"]["FLAIR"]
    assert sentence in next(own["text"] for own in record["flags"] if own["code"] == "modality_left_out")
    assert "is left out of the estimate" in (out / "sub-0001.html").read_text()
    assert run(command(dataset, bundle, without, *options, "--modalities", "T1w", "T2starw")) == 0
    assert record["modalities_used"] == ["T1w", "T2starw"]
    assert record["brain_age"] == estimates(without, "TypeI")["brain_age"]
    caplog.clear()
    assert run(command(mixed, bundle, out, *options)) == 0
    assert "finished by an earlier run" in caplog.text
    assert run(command(mixed, bundle, out, *options, "--require-all-modalities")) == 1
    assert any(sentence in record.getMessage() for record in caplog.records if record.levelname == "ERROR")


def _brain_of(derivatives: Path) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """The T1w image as it was prepared, and its brain mask."""
    anat = derivatives / "sub-0001/anat"
    return nib.load(anat / "sub-0001_desc-preproc_T1w.nii.gz"), nib.load(
        anat / "sub-0001_desc-brain_mask.nii.gz"
    )


def test_freesurfers_brain_gives_the_estimate_of_the_image_it_was_made_of(
    derivatives: Path, dataset: Path, bundle: Path, tmp_path: Path
) -> None:
    """A subjects folder as recon-all leaves it: 256 cubed, 1 mm, LIA, no skull, no bias, in bytes."""
    t1w, mask = _brain_of(derivatives)
    brain = t1w.get_fdata() * (np.asarray(mask.dataobj) > 0)
    scaled = np.clip(110 * brain / np.percentile(brain[brain > 0], 90), 0, 255).astype(np.uint8)
    volume = nib.MGHImage(_centred(scaled, 256), t1w.affine @ _shift(scaled.shape, 256))
    folder = tmp_path / "freesurfer/sub-0001/mri"
    folder.mkdir(parents=True)
    volume.to_filename(folder / "brain.finalsurfs.mgz")
    record = _t1w_only(dataset, bundle, tmp_path / "out", "--fs-subjects-dir", str(tmp_path / "freesurfer"))
    assert record["preprocessing"]["origin"] == "freesurfer"
    raw = _t1w_only(dataset, bundle, tmp_path / "raw_out")
    for found, expected in zip(_base_models(record), _base_models(raw), strict=True):
        assert found == pytest.approx(expected, abs=1.0)


def test_smripreps_derivatives_stand_for_the_raw_t1w(
    derivatives: Path, dataset: Path, bundle: Path, tmp_path: Path
) -> None:
    t1w, mask = _brain_of(derivatives)
    folder = tmp_path / "smriprep/sub-0001/anat"
    folder.mkdir(parents=True)
    (tmp_path / "smriprep/dataset_description.json").write_text(
        json.dumps({"Name": "sMRIPrep", "BIDSVersion": "1.9.0", "DatasetType": "derivative"})
    )
    t1w.to_filename(folder / "sub-0001_desc-preproc_T1w.nii.gz")
    mask.to_filename(folder / "sub-0001_desc-brain_mask.nii.gz")
    record = _t1w_only(dataset, bundle, tmp_path / "out", "-d", f"smriprep={tmp_path / 'smriprep'}")
    assert (record["preprocessing"]["origin"], record["preprocessing"]["source"]) == (
        "preprocessed",
        "smriprep",
    )
    made = nib.load(tmp_path / "out/sub-0001/anat/sub-0001_desc-brain_mask.nii.gz")
    np.testing.assert_array_equal(np.asarray(made.dataobj) > 0, np.asarray(mask.dataobj) > 0)
    raw = _t1w_only(dataset, bundle, tmp_path / "raw_out")
    for found, expected in zip(_base_models(record), _base_models(raw), strict=True):
        assert found == pytest.approx(expected, abs=0.5)


def _t1w_only(dataset: Path, bundle: Path, out: Path, *options: str) -> dict:
    """Estimate from the T1w image alone, without maps."""
    own = ("--participant-label", "0001", "--modalities", "T1w", "--ensemble", "TypeI", "--no-relevance")
    assert run(command(dataset, bundle, out, *own, *options)) == 0
    return estimates(out, "TypeI")


def _base_models(record: dict) -> list[float]:
    return [value for part in record["sub_ensembles"] for value in part["base_models"]]


def _centred(data: np.ndarray, size: int) -> np.ndarray:
    whole = np.zeros((size,) * 3, data.dtype)
    starts = [(size - n) // 2 for n in data.shape]
    whole[tuple(slice(start, start + n) for start, n in zip(starts, data.shape, strict=True))] = data
    return whole


def _shift(shape: tuple[int, ...], size: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = [-((size - n) // 2) for n in shape]
    return matrix


def of_scores(bundle: Path, folder: Path) -> Path:
    """A copy of the bundle with TypeI alone, which estimates a score, by top heads that bend."""
    shutil.copytree(bundle, folder)
    content = json.loads((folder / "bundle.json").read_text())
    content |= {"target": "score", "unit": "points"}
    content["cohort"] |= {"target_range": [0, 100], "target_mean": 50, "target_sd": 20}
    content["ensembles"] = [content["ensembles"][0]]
    curve = {"knots": [0, 0, 0, 0, 100, 100, 100, 100], "coefficients": [8, 3, -2, 9], "degree": 3}
    for head in content["ensembles"][0]["top_heads"][0]:
        head["head"]["curves"] = [curve] * len(head["sub_ensembles"])
    (folder / "bundle.json").write_text(json.dumps(content))
    return folder


def test_another_target_by_heads_that_bend_adds_up_and_is_not_called_age(
    derivatives: Path, dataset: Path, bundle: Path, tmp_path: Path
) -> None:
    """Without --ensemble, of a bundle that has one."""
    raw, out = tmp_path / "bids", tmp_path / "out"
    shutil.copytree(dataset, raw)
    shutil.copytree(derivatives, out)
    lines = (raw / "participants.tsv").read_text().splitlines()
    scored = [f"{lines[0]}\tscore", *(f"{line}\t{41 + i}" for i, line in enumerate(lines[1:]))]
    (raw / "participants.tsv").write_text("\n".join(scored) + "\n")
    model = of_scores(bundle, tmp_path / "scores")
    assert run(command(raw, model, out, "--participant-label", "0001")) == 0
    assert not list(out.rglob("*TypeII*"))
    record = estimates(out, "TypeI")
    assert record["target"] == {"name": "score", "unit": "points", "measured": 41}
    assert record["dba"] == pytest.approx(record["brain_age"] - 41)
    assert record["in_training_set"] is None
    assert len({round(sub["weight"], 6) for sub in record["sub_ensembles"]}) == 3
    explained = record["target_bias"] + record["relevance_sum"] + record["absorbed"]
    assert explained == pytest.approx(record["brain_age"], abs=1e-4)
    # Every base model's target bias is 50: all start from what the heads make of 50 everywhere.
    ensemble = load_bundle(model).ensemble("TypeI")
    start = ensemble.estimate({name: np.full(2, 50.0) for name in ensemble.sub_ensembles}).brain_age
    assert record["target_bias"] == pytest.approx(start, abs=1e-4)
    sidecar = json.loads((out / "sub-0001/anat/sub-0001_desc-TypeIRelevance_T1w.json").read_text())
    assert sidecar["Units"] == "points"
    page = (out / "sub-0001.html").read_text()
    assert "Estimate of score" in page
    assert "measured score" in page
    text = re.sub(r"(?s)<style.*?</style>|<[^>]*>", " ", page).replace("bids_brainage", "")
    for never in ("rain age", "hronological", "years", "older", "younger"):
        where = text.find(never)
        assert where < 0, text[max(where - 200, 0) : where + 100]
