"""Stacks hold what the maps hold, once, on the voxels that carry anything."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import InputError
from bids_brainage.group.members import MapPlace, read_members
from bids_brainage.group.stacks import build_stack, derived_stack, load_stack
from bids_brainage.preprocessing.resampling import image_like
from bids_brainage.preprocessing.templates import grid
from tests.group.made_up import MadeUp, brain, publish_person, values_of


def place(path: Path, weight: float = 1.0) -> MapPlace:
    """A map of the T1w sub-ensemble."""
    return MapPlace(path, "WholeBrain", "T1w", weight)


def write(path: Path, values: np.ndarray) -> MapPlace:
    """A map on disk."""
    image_like(values.astype(np.float32), grid(2)).to_filename(path)
    return place(path)


def test_a_stack_of_blocks_holds_their_sums(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    maps = [rng.normal(size=(91, 109, 91)) * brain() for _ in range(2)]
    parts = [[write(tmp_path / f"{i}.nii.gz", values)] for i, values in enumerate(maps)]
    within = np.zeros((46, 55, 46), bool)
    within[20, 30, 25] = within[22, 30, 25] = True
    stack = build_stack(parts, within, tmp_path / "stack.npy", edge=2)
    sums = [[values[x : x + 2, 60:62, 50:52].sum() for x in (40, 44)] for values in maps]
    np.testing.assert_allclose(stack.data(), sums, rtol=1e-4)


def test_a_stack_holds_the_maps(tmp_path: Path) -> None:
    people = [MadeUp(f"{i}", 50.0, dba=i) for i in range(3)]
    for person in people:
        publish_person(tmp_path / "out", person)
    members = read_members(tmp_path / "out").people
    parts = [[member.maps["lrp", "WholeBrain_T1w"]] for member in members]
    stack = build_stack(parts, brain(), tmp_path / "work" / "stack.npy")
    expected = [values_of(person, "WholeBrain_T1w", 0)[stack.mask] for person in people]
    np.testing.assert_allclose(stack.data(), expected, atol=1e-6)
    assert stack.mask.sum() == brain().sum()
    again = load_stack(stack.path)
    assert (again.mask == stack.mask).all()
    assert again.coverage.max() == 1


def test_its_space_is_taken_before_maps_are_read(tmp_path: Path) -> None:
    """Otherwise a disk that is full ends the process instead of being an error."""
    parts = [[write(tmp_path / f"{i}.nii.gz", brain() * 1.0)] for i in range(3)]
    taken = []

    def told(done: int) -> None:
        (file,) = (path for path in (tmp_path / "work").iterdir() if path.is_file())
        taken.append(file.stat().st_blocks * 512 >= file.stat().st_size > 3 * 4 * brain().sum())

    build_stack(parts, brain(), tmp_path / "work" / "stack.npy", told=told)
    assert taken == [True] * 3


def test_a_sum_is_weighted(tmp_path: Path) -> None:
    one = write(tmp_path / "a.nii.gz", brain() * 2.0)
    two = write(tmp_path / "b.nii.gz", brain() * 3.0)
    parts = [[MapPlace(one.path, "", "", 0.5), MapPlace(two.path, "", "", 2.0)]]
    assert (build_stack(parts, brain(), tmp_path / "s.npy").data() == 7.0).all()


def test_voxels_that_few_carry_are_left_out(tmp_path: Path) -> None:
    left = brain().copy()
    left[46:] = False
    parts = [[write(tmp_path / f"{i}.nii.gz", brain() if i == 0 else left)] for i in range(3)]
    stack = build_stack(parts, brain(), tmp_path / "s.npy")
    assert (stack.mask == left).all()
    assert stack.coverage[~left & brain()] == pytest.approx(1 / 3)
    assert stack.data().shape == (3, left.sum())


def test_what_is_made_of_a_stack_is_an_array_of_its_own(tmp_path: Path) -> None:
    parts = [[write(tmp_path / f"{i}.nii.gz", brain() * (i - 1.5))] for i in range(4)]
    stack = build_stack(parts, brain(), tmp_path / "s.npy")
    own = derived_stack(stack, 2, lambda maps: np.abs(maps[[3, 0]]), tmp_path / "p.npy")
    assert own.data()[:, 5].tolist() == [1.5, 1.5]
    assert own.data().shape == (2, stack.data().shape[1])


def test_smoothing_keeps_the_sum_and_widens(tmp_path: Path) -> None:
    point = np.zeros(brain().shape)
    point[45, 54, 45] = 8.0
    parts = [[write(tmp_path / "a.nii.gz", point)]]
    stack = build_stack(parts, np.ones_like(brain()), tmp_path / "s.npy", fwhm=6)
    # Only where the map itself carries anything is tested.
    assert stack.mask.sum() == 1
    sigma = 6 / 2 / np.sqrt(8 * np.log(2))
    assert stack.data()[0, 0] == pytest.approx(8 / (sigma * np.sqrt(2 * np.pi)) ** 3, rel=0.05)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.ones((5, 5, 5)), "2 mm grid"),
        (np.full((91, 109, 91), np.nan), "not finite"),
        (np.zeros((91, 109, 91)), "nothing but zeros"),
    ],
)
def test_unusable_maps_are_named(tmp_path: Path, values: np.ndarray, sentence: str) -> None:
    path = tmp_path / "bad.nii.gz"
    nib.Nifti1Image(values.astype(np.float32), np.eye(4)).to_filename(path)
    with pytest.raises(InputError, match=sentence):
        build_stack([[place(path)]], brain(), tmp_path / "s.npy")
    assert not (tmp_path / "s.npy").exists()


def test_a_damaged_map_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.nii.gz"
    path.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"bad\.nii\.gz cannot be read"):
        build_stack([[place(path)]], brain(), tmp_path / "s.npy")
