"""Where results may go, how they are named, and that OUT is valid BIDS."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.bids import naming
from bids_brainage.bids.dataset import open_dataset
from bids_brainage.bids.description import describe_output
from bids_brainage.bids.output import check_places, make_writable
from bids_brainage.bids.validation import find_validator, validate
from bids_brainage.errors import InputError

ONE = "sub-01/anat/sub-01_T1w.nii.gz"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("bids", "OUTPUT_DIR is BIDS_DIR"),
        ("bids/../bids/", "OUTPUT_DIR is BIDS_DIR"),
        ("bids/out", "derivatives/bids_brainage"),
        ("bids/sub-01/anat", "derivatives/bids_brainage"),
        ("bids/derivatives", "derivatives/bids_brainage"),
        (".", "is inside OUTPUT_DIR"),
        ("bids/dataset_description.json", "inside"),
        ("file", "is a file"),
        ("link", "OUTPUT_DIR is BIDS_DIR"),
    ],
)
def test_output_must_not_touch_the_input(dataset, tmp_path, output, words):
    root = dataset(ONE)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(InputError, match=words):
        check_places(root, tmp_path / output, tmp_path / "work")


@pytest.mark.parametrize("output", ["out", "bids/derivatives/bids_brainage", "bids2"])
def test_allowed_output(dataset, tmp_path, output):
    check_places(dataset(ONE), tmp_path / output, tmp_path / "work")


def test_work_folder_inside_the_input_only_below_the_output(dataset, tmp_path):
    root = dataset(ONE)
    with pytest.raises(InputError, match="--work-dir"):
        check_places(root, tmp_path / "out", root / "work")
    output = root / "derivatives/brainage"
    check_places(root, output, output / "work")


def test_output_of_another_program_is_kept(dataset, tmp_path):
    out = tmp_path / "fmriprep"
    out.mkdir()
    (out / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fMRIPrep"}]}')
    with pytest.raises(InputError, match="fMRIPrep"):
        check_places(dataset(ONE), out, tmp_path / "work")
    describe_output(tmp_path / "own")
    check_places(dataset(ONE), tmp_path / "own", tmp_path / "work")


@pytest.mark.parametrize("place", ["file/out", "/proc/out", "/sys/out"])
def test_unwritable_output(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        make_writable(tmp_path / place)


def test_input_that_is_no_dataset(tmp_path, dataset):
    with pytest.raises(InputError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        open_dataset(tmp_path / "file")
    with pytest.raises(InputError, match="not a BIDS dataset"):
        open_dataset(tmp_path)
    with pytest.raises(InputError, match="no participant"):
        open_dataset(dataset())
    for content in ("{", "[1]", "\xff"):
        (dataset() / "dataset_description.json").write_text(content, encoding="latin-1")
        with pytest.raises(InputError, match=r"dataset_description\.json"):
            open_dataset(tmp_path / "bids")


@pytest.mark.parametrize(
    ("output", "entities", "expected"),
    [
        ("preproc_T1w", {}, "desc-preproc_T1w.nii.gz"),
        ("preproc_T1w_space", {"suffix": "FLAIR"}, "space-T1w_desc-preproc_FLAIR.nii.gz"),
        ("transform", {"source": "T1w", "target": "MNI152NLin6Asym"},
         "from-T1w_to-MNI152NLin6Asym_mode-image_xfm.h5"),
        ("brainage", {"ensemble": "TypeI"}, "desc-TypeI_brainage.json"),
        ("relevance", {"ensemble": "TypeI", "sub_ensemble": "WholeBrain", "suffix": "T1w"},
         "desc-TypeIWholeBrainRelevance_T1w.nii.gz"),
        ("relevance", {"ensemble": "TypeII", "sub_ensemble": "", "suffix": "T1w"},
         "desc-TypeIIRelevance_T1w.nii.gz"),
    ],
)  # fmt: skip
def test_names_with_and_without_session_and_prefix(output, entities, expected):
    out = Path("/out")
    assert (
        naming.output_path(out, "01", None, output, **entities) == out / "sub-01/anat" / f"sub-01_{expected}"
    )
    with_session = naming.output_path(out, "sub-01", "ses-x", output, **entities)
    assert with_session == out / "sub-01/ses-x/anat" / f"sub-01_ses-x_{expected}"


@given(st.text(min_size=1))
def test_no_entity_leads_out_of_the_folder(value):
    try:
        path = naming.output_path(Path("/out"), "01", None, "brainage", ensemble=value)
    except ValueError:
        return
    assert path.parent == Path("/out/sub-01/anat")
    assert path.name == f"sub-01_desc-{value}_brainage.json"


def test_sidecar_names():
    assert naming.sidecar(Path("a/sub-01_T1w.nii.gz")) == Path("a/sub-01_T1w.json")
    assert naming.sidecar(Path("a.b/sub-01_regions.tsv")) == Path("a.b/sub-01_regions.json")


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), "float32"), np.diag([2.0, 2, 2, 1])), path)


def _fill(out: Path, session: str | None) -> None:
    def path(output, **entities):
        return naming.output_path(out, "01", session, output, **entities)

    maps = [
        path(name, ensemble=ensemble, sub_ensemble=part, suffix="T1w")
        for name in ("relevance", "relevance_standard")
        for ensemble, part in (("TypeI", "WholeBrain"), ("TypeII", ""))
    ]
    images = [path("brain_mask"), path("preproc_T1w"), path("preproc_T1w_space", suffix="T2starw")]
    images += [path("preproc_standard", suffix=suffix) for suffix in ("T1w", "FLAIR", "T2starw")]
    for image in (*images, *maps):
        _image(image)
        facts = {"SkullStripped": True, "Resolution": "2 mm", "SpatialReference": "T1w", "Sources": []}
        naming.sidecar(image).write_text(json.dumps(facts))
    for source, target in (("T1w", "MNI152NLin6Asym"), ("MNI152NLin6Asym", "T1w"), ("FLAIR", "T1w")):
        path("transform", source=source, target=target).write_bytes(b"x")
    for ensemble in ("TypeI", "TypeII"):
        path("brainage", ensemble=ensemble).write_text('{"brain_age": 50.0}')
        table = path("regions", ensemble=ensemble)
        table.write_text("sub_ensemble\trelevance\nWholeBrain_T1w\t1.5\n")
        naming.sidecar(table).write_text('{"relevance": {"Description": "sum", "Units": "years"}}')
    figure = path("figure", desc="relevance", suffix="T1w", extension="svg")
    figure.parent.mkdir(parents=True, exist_ok=True)
    figure.write_text("<svg/>")


@pytest.mark.skipif(find_validator() is None, reason="needs bids-validator-deno")
@pytest.mark.parametrize("session", [None, "1"])
def test_output_is_valid_bids(dataset, tmp_path, session):
    out = tmp_path / "out"
    _fill(out, session)
    (out / "sub-01.html").write_text("<html></html>")
    (out / "logs/run").mkdir(parents=True)
    for name in ("CITATION.md", "run/config.toml", "run/run.log"):
        (out / "logs" / name).write_text("x")
    describe_output(out, dataset(ONE, DatasetDOI="doi:10.1/x"), {"smriprep": tmp_path})
    validate(out)
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "bids_brainage"
    assert description["SourceDatasets"][0]["DOI"] == "doi:10.1/x"
    # The check above can fail: a name BIDS does not know does.
    _image(out / "sub-01/anat/sub-01_nonsense.nii.gz")
    with pytest.raises(InputError, match="not valid BIDS"):
        validate(out)


@pytest.mark.skipif(find_validator() is None, reason="needs bids-validator-deno")
def test_only_participants_asked_for_are_validated(dataset):
    root = dataset(participants="participant_id\tage\nsub-01\t3\nsub-02\t4\n")
    (root / "README").write_text("A dataset for tests.\n")
    _image(root / ONE)
    _image(root / "sub-02/anat/sub-02_nonsense.nii.gz")
    validate(root, ("01",))
    with pytest.raises(InputError, match=r"1 errors .*nonsense.*--skip-bids-validation"):
        validate(root)


def test_validator_that_is_missing_or_fails_is_told_of(dataset, tmp_path, monkeypatch, caplog):
    root = dataset(ONE)
    monkeypatch.setattr("bids_brainage.bids.validation.find_validator", lambda: None)
    validate(root)
    assert "not installed" in caplog.text
    program = tmp_path / "validator"
    program.write_text("#!/bin/sh\necho no network >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("bids_brainage.bids.validation.find_validator", lambda: program)
    validate(root)
    assert "no network" in caplog.text
    text = "Download x\\n\\033[31merror\\033[0m: Uncaught NotCapable: no access\\n    at main (x.ts:1)"
    program.write_text(f"#!/bin/sh\nprintf '{text}' >&2; exit 1\n")
    validate(root)
    assert "(error: Uncaught NotCapable: no access)" in caplog.text


def test_nothing_is_written_below_the_input(dataset, tmp_path):
    root = dataset(ONE)
    before = subprocess.run(
        ["ls", "-lAR", "--time-style=full-iso", root], capture_output=True, check=True
    ).stdout
    describe_output(tmp_path / "out", root)
    if find_validator():
        validate(root)
    after = subprocess.run(
        ["ls", "-lAR", "--time-style=full-iso", root], capture_output=True, check=True
    ).stdout
    assert before == after
