"""Kinds of datasets that people reported to have gone wrong, one row of tests/bids/real_datasets.py each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.bids.selection import Selection, read_selection
from bids_brainage.cli.parser import parse
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from tests.bids.real_datasets import CASES, Case

HEAD = '{"Name": "case", "BIDSVersion": "1.9.0"}'


def build(root: Path, case: Case) -> RunConfig:
    """Write the dataset of a case and return the run over it."""
    for name, text in ({"dataset_description.json": HEAD} | dict(case.files)).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            path.unlink(missing_ok=True)
            path.symlink_to(text[2:])
        else:
            path.write_text(text, newline="")
    for name, size in (dict.fromkeys(case.images, (1.0, 1.0, 1.0)) | dict(case.sizes)).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".mgz":
            path.touch()
        else:
            nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.diag([*size, 1.0])), path)
    return RunConfig(bids_dir=root, output_dir=root.parent / "out", **_in(root, case.options))


def _in(root: Path, options: Any) -> Any:
    if isinstance(options, dict):
        return {name: _in(root, value) for name, value in options.items()}
    return root / options if isinstance(options, str) else options


def used(selection: Selection, what: str) -> list[str]:
    """Names of the files of one modality of one session."""
    name, modality = what.split()
    (session,) = (session for session in selection.sessions if session.name == name)
    if modality == "prepared":
        return [session.derivative.t1w.name] if session.derivative else []
    if modality == "prepared-FLAIR":
        return [session.derivative.flair.name] if session.derivative and session.derivative.flair else []
    if modality == "brain":
        return [session.freesurfer_brain.parts[-3]] if session.freesurfer_brain else []
    return [path.name for path in session.images.get(modality, ())]


@pytest.mark.parametrize("name", CASES)
def test_what_real_datasets_hold(tmp_path, name):
    case = CASES[name]
    config = build(tmp_path / "bids", case)
    if case.code:
        with pytest.raises(InputError) as error:
            read_selection(config)
        assert error.value.exit_code == case.code
        told = str(error.value)
    else:
        selection = read_selection(config)
        found = {session.name: session.age for session in selection.sessions}
        assert case.ages is None or found == pytest.approx(dict(case.ages))
        assert {what: used(selection, what) for what in case.uses} == dict(case.uses)
        assert tuple(sorted(selection.failed)) == case.failed
        warnings = [text for session in selection.sessions for text in session.warnings]
        told = "\n".join([*selection.left_out, *selection.failed.values(), *warnings])
    assert all(words in told for words in case.says), told
    assert not any(words in told for words in case.never), told


LABELS = {
    "001": ("001",),
    "sub-001/": ("001",),
    "001,002": ("001", "002"),
    "sub-001, sub-002/": ("001", "002"),
}


@pytest.mark.parametrize("typed", LABELS)
def test_labels_as_people_write_them(typed):
    assert (
        parse(["in", "out", "participant", "--participant-label", typed]).participant_label == LABELS[typed]
    )


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("labels.txt", "write $(cat FILE)"),
        ("@labels.txt", "write $(cat FILE)"),
        (",", "it is empty"),
        ("a b", "no label"),
    ],
)
def test_labels_that_are_none_are_told_in_two_lines(tmp_path, monkeypatch, capsys, typed, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("001\n")
    with pytest.raises(SystemExit) as stop:
        parse(["in", "out", "participant", "--participant-label", typed])
    told = capsys.readouterr().err
    assert stop.value.code == 2
    assert told.count("\n") == 2
    assert words in told or words == "no label"


@pytest.mark.parametrize(
    ("label", "words"),
    [("1", "did you mean 001? No other"), ("0012", "did you mean 012? No other"), ("99", "among the 3 in")],
)
def test_a_label_without_its_zeros_is_told_with_them(tmp_path, label, words):
    images = tuple(f"sub-{i}/anat/sub-{i}_T1w.nii.gz" for i in ("001", "002", "012"))
    config = build(tmp_path / "bids", Case(images, options={}))
    with pytest.raises(InputError) as error:
        read_selection(
            RunConfig(bids_dir=config.bids_dir, output_dir=config.output_dir, participant_label=label)
        )
    assert words in str(error.value)
