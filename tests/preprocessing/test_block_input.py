"""What the networks see: sums, places and grey values against independent reckoning."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import aff2axcodes
from pydantic import ValidationError

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.block_input import largest_box, prepare
from bids_brainage.preprocessing.input_spec import InputSpec, IntensityRule
from bids_brainage.preprocessing.model_input import restore, stored_volume

ORIENTATIONS = ("LIA", "RAS", "LPS", "PIR", "ASR")


def _image(data: np.ndarray, size: float = 1.0, orientation: str = "RAS") -> nib.Nifti1Image:
    image = nib.Nifti1Image(data.astype(np.float32), np.diag([size, size, size, 1.0]))
    start = nib.io_orientation(image.affine)
    change = nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(orientation))
    return image.as_reoriented(change)


def _spec(**changes: object) -> InputSpec:
    values: dict[str, object] = {
        "modality": "T1w", "stage": "subject", "space": "T1w", "voxel_size": 2.0, "box": (9, 10, 11),
    }  # fmt: skip
    return InputSpec(**(values | changes))


def _brain(
    seed: int, shape: tuple[int, int, int] = (22, 19, 25), low: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    sizes = generator.integers(5, 15, 3)
    corner = [int(generator.integers(low, n - s + 1)) for n, s in zip(shape, sizes, strict=True)]
    mask[tuple(slice(c, c + s) for c, s in zip(corner, sizes, strict=True))] = True
    data = generator.gamma(4, 30, shape) * (generator.random(shape) > 0.1)
    return data, mask


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    factor=st.sampled_from([1, 2, 4]),
    size=st.sampled_from([1.0, 2.0]),
    source=st.sampled_from(ORIENTATIONS),
    target=st.sampled_from(ORIENTATIONS),
)
def test_relevance_keeps_its_sum_and_stays_on_the_grid(
    seed: int, factor: int, size: float, source: str, target: str
) -> None:
    data, mask = _brain(seed, low=0)
    image, brain = _image(data, size, source), _image(mask, size, source)
    box = tuple(-(-16 // factor) + extra for extra in (1, 0, 2))
    model_input = prepare(image, brain, _spec(voxel_size=size * factor, box=box, orientation=target))
    relevance = np.random.default_rng(seed).normal(size=box)
    restored = restore(relevance[..., None], model_input)
    assert restored.shape == image.shape
    np.testing.assert_array_equal(restored.affine, image.affine)
    total = np.abs(relevance).sum()
    assert abs(restored.get_fdata().sum() - relevance.sum()) < 1e-6 * total


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), source=st.sampled_from(ORIENTATIONS))
def test_without_averaging_the_way_back_is_the_inverse(seed: int, source: str) -> None:
    data, mask = _brain(seed)
    image, brain = _image(data, 1.0, source), _image(mask, 1.0, source)
    model_input = prepare(image, brain, _spec(voxel_size=1.0, box=(16, 17, 15)))
    grey = restore(model_input.array, model_input).get_fdata() * 255
    inside = brain.get_fdata() > 0
    median = np.median(image.get_fdata()[inside & (image.get_fdata() > 0)])
    expected = np.rint(np.clip(image.get_fdata() * 110 / median, 0, 383) * 255 / 383) * inside
    # Half values may fall to either side.
    assert np.abs(grey - expected).max() <= 1 + 1e-4
    assert np.mean(np.abs(grey - expected) > 0.01) < 1e-3


def test_blocks_share_relevance_by_intensity() -> None:
    """Worked by hand: one block of eight voxels with grey values 10, 30 and zeros."""
    data = np.zeros((2, 2, 2))
    data[0, 0, 0], data[1, 1, 1] = 1.0, 3.0
    image, mask = _image(data), _image(np.ones((2, 2, 2)))
    model_input = prepare(image, mask, _spec(box=(1, 1, 1), orientation="RAS"))
    restored = restore(np.array([8.0]), model_input).get_fdata()
    assert restored[0, 0, 0] == pytest.approx(2.0)
    assert restored[1, 1, 1] == pytest.approx(6.0)
    assert restored.sum() == pytest.approx(8.0)


def test_a_block_of_zeros_shares_equally() -> None:
    data = np.ones((4, 2, 2))
    data[2:] = 0
    image, mask = _image(data), _image(np.ones((4, 2, 2)))
    model_input = prepare(image, mask, _spec(box=(2, 1, 1), orientation="RAS"))
    restored = restore(np.array([0.0, 8.0]).reshape(2, 1, 1), model_input).get_fdata()
    np.testing.assert_allclose(restored[2:], 1.0)
    np.testing.assert_allclose(restored[:2], 0.0)


def test_brain_is_in_the_middle_of_the_box() -> None:
    data, mask = np.full((30, 30, 30), 100.0), np.zeros((30, 30, 30))
    mask[3:13, 10:20, 18:28] = 1
    array = prepare(
        _image(data), _image(mask), _spec(voxel_size=1.0, box=(14, 16, 12), orientation="RAS")
    ).array
    spans = [np.flatnonzero(array.any(axis=tuple(a for a in range(4) if a != axis))) for axis in range(3)]
    assert [(s[0], s[-1]) for s in spans] == [(2, 11), (3, 12), (1, 10)]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_brain_too_large_is_never_cut(axis: int) -> None:
    mask = np.zeros((30, 30, 30))
    extent = [10, 10, 10]
    extent[axis] = 21
    mask[tuple(slice(2, 2 + n) for n in extent)] = 1
    with pytest.raises(ImageError, match=r"sub-07.*does not fit into the model's box of 20 x 20 x 20"):
        prepare(_image(mask), _image(mask), _spec(box=(10, 10, 10)), name="sub-07_T1w.nii.gz")


def test_what_does_not_go_together_is_refused() -> None:
    ones = np.ones((8, 8, 8))
    with pytest.raises(ImageError, match="same grid"):
        prepare(_image(ones), _image(np.ones((8, 8, 9))), _spec())
    with pytest.raises(ImageError, match="whole multiple"):
        prepare(_image(ones, 0.8), _image(ones, 0.8), _spec())
    with pytest.raises(ImageError, match=r"mask of .* is empty"):
        prepare(_image(ones), _image(0 * ones), _spec())
    with pytest.raises(ImageError, match="nothing above zero"):
        prepare(_image(0 * ones), _image(ones), _spec())
    with pytest.raises(ValidationError):
        _spec(box=(0, 1, 2))


def test_intensity_rule_of_the_paper() -> None:
    """A voxel 383/110 times the median or more becomes 1, the median 110/383."""
    data = np.full((8, 8, 8), 50.0)
    data[0, 0, 0], data[1, 1, 1] = 1e6, 50 * 383 / 110
    array = prepare(_image(data), _image(data > 0), _spec(voxel_size=1.0, box=(8, 8, 8))).array
    assert sorted(np.unique(array)) == pytest.approx([round(110 / 383 * 255) / 255, 1.0])


def test_scale_of_the_scanner_does_not_matter() -> None:
    data, mask = _brain(3)
    first = prepare(_image(data), _image(mask), _spec())
    second = prepare(_image(7.3 * data), _image(mask), _spec())
    assert np.abs(first.array - second.array).max() <= 1 / 255 + 1e-6


def test_bytes_of_the_training_store_are_the_same_input() -> None:
    data, mask = _brain(4)
    model_input = prepare(_image(data), _image(mask), _spec())
    stored = stored_volume(model_input, np.uint8)
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal((stored / np.float32(255))[..., None], model_input.array)


def test_region_scale_comes_from_the_whole_brain() -> None:
    data, mask = np.full((12, 12, 12), 100.0), np.ones((12, 12, 12))
    data[:3] = 300
    region = np.zeros((12, 12, 12))
    region[:3] = 1
    spec = _spec(
        voxel_size=1.0, box=(12, 12, 12), region="Cortical", orientation="RAS",
        stage="standard", space="MNI152NLin6Asym",
    )  # fmt: skip
    array = prepare(_image(data), _image(mask), spec, _image(region)).array
    assert set(np.unique(array)) == {np.float32(0), np.float32(round(330 * 255 / 383) / 255)}
    assert (array > 0).sum() == region.sum()


def test_largest_box_holds_all_with_margin() -> None:
    masks = []
    for extent in ((5, 9, 7), (8, 3, 3)):
        mask = np.zeros((20, 20, 20))
        mask[tuple(slice(4, 4 + n) for n in extent)] = 1
        masks.append(_image(mask))
    assert largest_box(masks, 1.0, 2, "RAS") == (12, 13, 11)
    assert largest_box(masks, 2.0, 1, "RAS") == (6, 7, 6)
    x, y, z = largest_box(masks, 1.0, 2, "LIA")
    assert (x, y, z) == (12, 11, 13)


def test_the_array_is_in_the_orientation_asked_for() -> None:
    data = np.zeros((6, 6, 6))
    data[1:5, 1:5, 1:5] = 10
    data[4, 2, 2] = 30  # to the right
    image = _image(data, 1.0, "RAS")
    assert aff2axcodes(image.affine) == ("R", "A", "S")
    mask = _image(data > 0)
    spec = _spec(voxel_size=1.0, box=(4, 4, 4), orientation="LIA")
    brightest = np.unravel_index(prepare(image, mask, spec).array[..., 0].argmax(), (4, 4, 4))
    # Right is the first voxel along L; superior 1 of 4 is 2 along I; anterior 1 stays 1 along A.
    assert tuple(int(n) for n in brightest) == (0, 2, 1)


def test_rule_is_frozen() -> None:
    with pytest.raises(ValidationError):
        IntensityRule().clip = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_mask_covers_what_the_image_shows_there(orientation: str) -> None:
    """A mask that is the image itself, in two grey values, lies in the box as the image does."""
    data, mask = _brain(3)
    part = mask & (np.arange(data.shape[0]) % 3 > 0)[:, None, None]
    image, brain = (
        _image(np.where(part, 200.0, 100.0), orientation=orientation),
        _image(mask, orientation=orientation),
    )
    made = prepare(image, brain, _spec(orientation="LIA"))
    of_part = made.placement.covered(_image(part, orientation=orientation))
    of_brain = made.placement.covered(brain)
    assert of_part.sum() * 8 == pytest.approx(part.sum())
    # Most of the brain has 200, which becomes 110 before the scale is stretched; the rest has half of it.
    level = 110 / 2 * 255 / 383
    np.testing.assert_allclose(made.array[..., 0] * 255, level * (of_brain + of_part), atol=0.51)


def test_even_shares_go_to_dark_voxels_of_the_brain_as_well() -> None:
    """Worked by hand: of a block of eight voxels four are brain, one of them bright."""
    data, mask = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    data[0, 0, 0], mask[0] = 5.0, 1.0
    model_input = prepare(_image(data), _image(mask), _spec(box=(1, 1, 1), orientation="RAS"))
    shared = restore(np.array([-8.0]), model_input, "even").get_fdata()
    np.testing.assert_allclose(shared[0], -2.0)
    np.testing.assert_allclose(shared[1], 0.0)
    by_grey = restore(np.array([-8.0]), model_input).get_fdata()
    assert by_grey[0, 0, 0] == pytest.approx(-8.0)
