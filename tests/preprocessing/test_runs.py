"""Which of several runs are averaged: those that show one head well; the others are named in a warning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_brainage.cli.simulate import main as simulate
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.agreement import quality, rough_head
from bids_brainage.preprocessing.header import read_image
from bids_brainage.preprocessing.runs import average_runs

AFFINE = np.array([[4.0, 0, 0, -84], [0, 4, 0, -110], [0, 0, 4, -80], [0, 0, 0, 1]])


def _person(seed: int) -> np.ndarray:
    """An ellipsoid of 1.5 l at 4 mm, whose anatomy is a smooth random pattern."""
    places = np.indices((44, 52, 44)) - np.array([21, 26, 22]).reshape(3, 1, 1, 1)
    radius = np.sqrt(((places / np.array([17, 21, 16]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    pattern = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=radius.shape), 1.2)
    return np.asarray(np.where(radius < 1, 100 + 30 * pattern / pattern.std(), 0).clip(0))


def _noisy(data: np.ndarray, sigma: float = 2) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, sigma, (2, *data.shape))
    return np.asarray(np.hypot(data + noise[0], noise[1]))


def _turned() -> np.ndarray:
    angle = np.deg2rad(10)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = (4, 12, -9)
    return np.asarray(turn @ AFFINE)


def _half(data: np.ndarray) -> np.ndarray:
    data = data.copy()
    data[:, :, :22] = 0
    return data


def _write(data: np.ndarray, path: Path, affine: np.ndarray = AFFINE) -> None:
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)


def _truncated(path: Path) -> None:
    _write(_person(1), path)
    path.write_bytes(path.read_bytes()[:3000])


KINDS: dict[str, Callable[[Path], object]] = {
    "good": lambda path: _write(_noisy(_person(1)), path),
    "again": lambda path: _write(_noisy(_person(1), 3), path),
    "turned": lambda path: _write(3 * _noisy(_person(1)), path, _turned()),
    "noisy": lambda path: _write(_noisy(_person(1), 12), path),
    "offset": lambda path: _write(_noisy(_person(1)) + 150, path),
    "other": lambda path: _write(_noisy(_person(2)), path),
    "larger": lambda path: _write(_noisy(_person(2)), path, AFFINE @ np.diag([1.05, 1.03, 1.04, 1])),
    "blank": lambda path: _write(_noisy(np.zeros((44, 52, 44)), 20), path),
    "half": lambda path: _write(_noisy(_half(_person(1))), path),
    "truncated": _truncated,
    "text": lambda path: path.write_text("no image"),
    "constant": lambda path: _write(np.ones((44, 52, 44)), path),
}
HEAD, POOR, BROKEN = (
    "does not show the head of",
    "much less of the head, or much more noise",
    "A run is left out",
)

# The runs in order, and what is said about those that are left out.
CASES: list[tuple[tuple[str, ...], dict[int, str]]] = [
    (("good", "again"), {}),
    (("good", "turned"), {}),
    (("turned", "good", "noisy"), {}),
    (("good", "offset"), {}),
    (("good", "blank"), {1: POOR}),
    (("blank", "good"), {0: POOR}),
    (("good", "half"), {1: POOR}),
    (("half", "turned"), {0: POOR}),
    (("half", "half", "good"), {0: POOR, 1: POOR}),
    (("good", "other"), {1: HEAD}),
    (("good", "larger"), {1: HEAD}),
    (("other", "good"), {1: HEAD}),
    (("other", "good", "turned"), {0: HEAD}),
    (("good", "other", "turned"), {1: HEAD}),
    (("good", "truncated"), {1: BROKEN}),
    (("truncated", "text", "turned", "constant"), {0: BROKEN, 1: BROKEN, 3: BROKEN}),
    (("blank", "other", "truncated", "good", "half", "turned"), {0: POOR, 1: HEAD, 2: BROKEN, 4: POOR}),
]


@pytest.mark.parametrize(("kinds", "left_out"), CASES, ids=lambda value: "-".join(map(str, value)))
def test_what_does_not_fit_is_left_out_and_named(
    kinds: tuple[str, ...], left_out: dict[int, str], tmp_path: Path
) -> None:
    files = [tmp_path / f"sub-01_run-{number}_T1w.nii.gz" for number in range(len(kinds))]
    for kind, path in zip(kinds, files, strict=True):
        KINDS[kind](path)
    image, warnings = average_runs(files, work_dir=tmp_path)
    said = [text for text in warnings if "left out" in text]
    assert len(said) == len(left_out)
    for number, words in left_out.items():
        about = [
            text
            for text in said
            if str(files[number]) in text.partition(" of " if words == HEAD else "than")[0]
        ]
        assert [words in text for text in about] == [True]
    kept = [path for number, path in enumerate(files) if number not in left_out]
    alone = average_runs(kept, work_dir=tmp_path)
    np.testing.assert_array_equal(image.get_fdata(), alone.image.get_fdata())
    np.testing.assert_array_equal(image.affine, read_image(kept[0]).image.affine)


def test_the_average_of_good_runs_has_less_noise_and_the_gain_of_the_first(tmp_path: Path) -> None:
    files = [tmp_path / f"sub-01_run-{number}_T1w.nii.gz" for number in (1, 2)]
    KINDS["noisy"](files[0])
    noise = np.random.default_rng(33).normal(0, 12, (2, 44, 52, 44))
    _write(4 * np.hypot(_person(1) + noise[0], noise[1]), files[1])
    average = average_runs(files, work_dir=tmp_path).image.get_fdata()
    inside = ndimage.binary_erosion(_person(1) > 0, iterations=3)
    errors = [(data - _person(1))[inside].std() for data in (read_image(files[0]).image.get_fdata(), average)]
    assert errors[1] < 0.8 * errors[0]
    assert average[inside].mean() == pytest.approx(_person(1)[inside].mean(), rel=0.03)


def test_a_single_image_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    KINDS["half"](path)
    np.testing.assert_array_equal(
        average_runs([path], work_dir=tmp_path).image.get_fdata(), read_image(path).image.get_fdata()
    )


def test_without_a_usable_run_the_first_is_told(tmp_path: Path) -> None:
    files = [tmp_path / f"sub-01_run-{number}_T1w.nii.gz" for number in (1, 2)]
    _truncated(files[0])
    with pytest.raises(ImageError, match=r"run-1_T1w\.nii\.gz ends too early"):
        average_runs(files, work_dir=tmp_path)


def test_quality_is_the_volume_of_the_head_and_falls_with_noise() -> None:
    volume = 4 / 3 * np.pi * 17 * 21 * 16 * 0.064  # ml
    images = [
        nib.Nifti1Image(_noisy(_person(1), sigma).astype(np.float32), AFFINE) for sigma in (0.5, 10, 40)
    ]
    found = [quality(image) for image in images]
    assert found == sorted(found, reverse=True)
    assert rough_head(images[0]).get_fdata().sum() * 0.064 == pytest.approx(volume, rel=0.05)
    assert found[0] <= volume
    half = quality(nib.Nifti1Image(_noisy(_half(_person(1)), 0.5).astype(np.float32), AFFINE))
    assert half == pytest.approx(found[0] / 2, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("skull", [[], ["--skull"]], ids=["brain", "head"])
def test_simulated_people(skull: list[str], tmp_path: Path) -> None:
    """Two people; the second run of the first is another acquisition, the other person, or a part."""
    folder = tmp_path / "people"
    assert simulate(["cohort", str(folder), "--n", "2", "--seed", "21", "--voxel-size", "2", *skull]) == 0
    for suffix in ("T1w", "FLAIR"):
        own, other = (folder / f"sub-000{n}/anat/sub-000{n}_{suffix}.nii.gz" for n in (1, 2))
        image = nib.load(own)
        data = image.get_fdata(dtype=np.float32)
        again, part = tmp_path / "again.nii", tmp_path / "part.nii"
        moved = _turned() @ np.linalg.inv(AFFINE) @ image.affine
        nib.save(nib.Nifti1Image(_noisy(3 * data, 0.1 * data.max()).astype(np.float32), moved), again)
        nib.save(nib.Nifti1Image(np.where(np.indices(data.shape)[2] < 50, 0, data), image.affine), part)
        for files, words in (
            ((own, again), ""),
            ((own, other), HEAD),
            ((part, own), "left out"),
            ((own, part), "left out"),
        ):
            said = [text for text in average_runs(files, work_dir=tmp_path).warnings if "left out" in text]
            assert len(said) == bool(words)
            assert all(words in text for text in said)
