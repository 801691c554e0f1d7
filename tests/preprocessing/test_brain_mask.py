"""Brain masks against simulated heads, whose brain is known, and the choice of the method."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.cli.simulate import main as simulate
from bids_brainage.errors import ImageError, InputError
from bids_brainage.preprocessing import brain_mask
from bids_brainage.preprocessing.bet import follow_tissue
from bids_brainage.preprocessing.brain_mask import extract_brain
from bids_brainage.preprocessing.templates import template_brain, template_mask


@pytest.fixture
def brain() -> nib.Nifti1Image:
    return template_brain(2)


def _in_a_head(brain: nib.Nifti1Image) -> nib.Nifti1Image:
    """The brain in a block of other tissue."""
    data = brain.get_fdata(dtype=np.float32)
    return nib.Nifti1Image(np.where(data > 0, data, 0.3 * data.max()), brain.affine)


def test_a_brain_without_skull_is_recognised_and_left_whole(brain: nib.Nifti1Image) -> None:
    found = extract_brain(brain)
    assert found.method == "none"
    data = brain.get_fdata()
    mask, expected = np.asarray(found.mask.dataobj) > 0, data > 0.05 * data.max()
    assert mask[expected].mean() > 0.999
    assert found.volume_ml == pytest.approx(8e-3 * mask.sum())


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.1])
def test_noise_around_a_stripped_brain_is_not_brain(brain: nib.Nifti1Image, noise: float) -> None:
    data = brain.get_fdata(dtype=np.float32)
    top = np.percentile(data, 99.5)
    noisy = np.abs(data + np.random.default_rng(1).normal(0, noise * top, data.shape)).astype(np.float32)
    found = extract_brain(nib.Nifti1Image(noisy, brain.affine))
    assert found.method == "none"
    mask, expected = np.asarray(found.mask.dataobj) > 0, np.asarray(template_mask(2).dataobj) > 0
    assert 2 * (mask & expected).sum() / (mask.sum() + expected.sum()) > 0.97


def test_a_head_is_not_taken_for_a_brain(brain: nib.Nifti1Image) -> None:
    with pytest.raises(ImageError, match=r"sub-01_T1w.*still has its skull"):
        extract_brain(_in_a_head(brain), method="none", name="sub-01_T1w.nii.gz")


@pytest.mark.parametrize("part", [0.0, 0.2])
def test_a_mask_that_is_no_brain_is_refused(
    brain: nib.Nifti1Image, part: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tiny(image: nib.Nifti1Image, threads: int) -> np.ndarray:
        found = np.zeros(image.shape, bool)
        found[tuple(slice(int(part * n)) for n in image.shape)] = True
        return found

    monkeypatch.setitem(brain_mask.METHODS, "bet", tiny)
    with pytest.raises(ImageError, match=r"sub-01_T1w.*(empty|ml)"):
        extract_brain(brain, method="bet", name="sub-01_T1w.nii.gz")


def test_methods_that_are_unknown_or_not_there(
    brain: nib.Nifti1Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"no skull-stripping method magic.*auto"):
        extract_brain(brain, method="magic")
    monkeypatch.setattr(brain_mask, "installed_methods", lambda: ("bet", "none"))
    with pytest.raises(InputError, match="deepbet"):
        extract_brain(brain, method="deepbet")


def test_synthstrip_is_asked_as_freesurfer_documents_it(
    brain: nib.Nifti1Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in on the PATH notes its arguments and hands a finished mask on."""
    mask = tmp_path / "finished.nii.gz"
    template_mask(2).to_filename(mask)
    program = tmp_path / "bin/mri_synthstrip"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncp {mask} "$4"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    found = extract_brain(_in_a_head(brain), threads=3)
    assert found.method == "synthstrip"
    np.testing.assert_array_equal(found.mask.get_fdata() > 0, template_mask(2).get_fdata() > 0)
    words = (tmp_path / "asked").read_text().split()
    assert words[0::2] == ["-i", "-m", "-t"]
    assert words[5] == "3"
    # It fails; it says that all is well but wrote nothing, half a file, or what is no image.
    for command in ("exit 1", "exit 0", f'head -c 5000 {mask} > "$4"', 'gzip < "$0" > "$4"'):
        program.write_text(f"#!/bin/sh\n{command}\n")
        with pytest.raises(ImageError, match=r"sub-01_T1w.*synthstrip failed"):
            extract_brain(_in_a_head(brain), name="sub-01_T1w.nii.gz", work_dir=tmp_path / "work")
        assert list((tmp_path / "work").iterdir()) == []


def test_deepbet_is_asked_for_a_mask_without_gpu(
    brain: nib.Nifti1Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    def run_bet(images: list[str], *, mask_paths: list[str], no_gpu: bool) -> None:
        asked.update(no_gpu=no_gpu, shape=nib.load(images[0]).shape)
        template_mask(2).to_filename(mask_paths[0])

    stand_in = types.ModuleType("deepbet")
    stand_in.run_bet = run_bet  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "deepbet", stand_in)
    monkeypatch.setattr(brain_mask, "installed_methods", lambda: ("deepbet", "bet", "none"))
    found = extract_brain(_in_a_head(brain))
    assert found.method == "deepbet"
    assert asked == {"no_gpu": True, "shape": brain.shape}
    np.testing.assert_array_equal(found.mask.get_fdata() > 0, template_mask(2).get_fdata() > 0)


@pytest.mark.slow
def test_bet_finds_the_brain_of_simulated_heads(tmp_path: Path) -> None:
    """The same people without skull tell where the brain is."""
    for folder, skull in (("heads", ["--skull"]), ("brains", [])):
        options = ["--n", "3", "--seed", "11", "--voxel-size", "2", *skull]
        assert simulate(["cohort", str(tmp_path / folder), *options]) == 0
    for label in ("0001", "0002", "0003"):
        name = f"sub-{label}/anat/sub-{label}_T1w.nii.gz"
        head, brain = (nib.load(tmp_path / folder / name) for folder in ("heads", "brains"))
        found = np.asarray(extract_brain(head, method="bet", threads=2).mask.dataobj) > 0
        truth = brain.get_fdata() > 0
        dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
        assert dice > 0.95, (label, dice)


def test_a_larger_template_mask_adds_no_fluid_around_the_brain() -> None:
    """A ball of tissue in fluid: how far the template's mask reaches beyond it must not matter."""
    radius = np.sqrt(((np.indices((80, 80, 80)) - 39.5) ** 2).sum(axis=0)) * 2
    data = np.where(radius < 60, 100, np.where(radius < 74, 20, 0)).astype(np.float32)
    surface = radius < 76
    found = [follow_tissue(data, surface, radius < reach) for reach in (60.0, 66.0)]
    volumes = [mask.sum() / (radius < 60).sum() for mask in found]
    assert volumes == pytest.approx([1, 1], abs=0.02)
