"""What networks see of one simulated head however it lies, is scaled, or how widely its mask was drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing import templates
from bids_brainage.preprocessing.input_spec import InputSpec, IntensityRule, SamplingRule
from bids_brainage.preprocessing.network_input import box_centre, network_input, region_share
from bids_brainage.preprocessing.person_images import PersonImages
from bids_brainage.preprocessing.smooth_input import Scanned
from bids_brainage.preprocessing.transforms import Linear

GRID = nib.Nifti1Image(
    np.zeros((100, 115, 100), np.uint8),
    np.array([[-2.0, 0, 0, 99], [0, 0, 2, -117], [0, -2, 0, 120], [0, 0, 0, 1]]),
)
LPS = np.diag([-1.0, -1.0, 1.0])


def _spec(stage: str = "subject", region: str = "WholeBrain", **changes: object) -> InputSpec:
    values: dict[str, object] = {
        "modality": "T1w",
        "stage": stage,
        "space": "T1w" if stage == "subject" else "MNI152NLin6Asym",
        "region": region,
        "voxel_size": 6.0,
        "box": (32, 34, 38),
        "intensity": IntensityRule(anchor="white_matter"),
        "sampling": SamplingRule(resolution=8.0),
    }
    return InputSpec(**(values | changes))  # type: ignore[arg-type]


def _person(folder: Path, degrees: float = 0.0, gain: float = 1.0, wider: int = 0) -> PersonImages:
    """The template's brain as a person's, nodding by so many degrees, on the person's own grid."""
    folder.mkdir()
    angle = np.deg2rad(degrees)
    turn = np.eye(3)
    turn[1:, 1:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    brain = templates.template_brain(2)
    to_template = np.eye(4)
    to_template[:3, :3] = turn.T
    data = _placed(np.asarray(brain.dataobj, np.float32), to_template)
    mask = _placed(np.asarray(templates.template_mask(2).dataobj, np.float32), to_template) > 0.5
    if wider:
        mask = ndimage.binary_dilation(mask, iterations=wider)
    nib.Nifti1Image(data * np.float32(gain), GRID.affine).to_filename(folder / "t1w.nii")
    nib.Nifti1Image(mask.astype(np.uint8), GRID.affine).to_filename(folder / "mask.nii")
    t1w = folder / "t1w.nii"
    images = PersonImages(
        folder / "mask.nii", folder / "none.h5", {"T1w": t1w}, {}, {"T1w": Scanned((2.0,) * 3, "none")}
    )
    # Points of the template, in LPS, go where the turned head has them.
    images.__dict__["steps"] = (Linear(LPS @ turn @ LPS, np.zeros(3)),)
    return images


def _placed(data: np.ndarray, to_template: np.ndarray) -> np.ndarray:
    matrix = np.linalg.inv(templates.grid(2).affine) @ to_template @ GRID.affine
    return ndimage.affine_transform(data, matrix[:3, :3], matrix[:3, 3], GRID.shape, order=1)


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Root mean square, against that of the first."""
    return float(np.sqrt(np.mean((first - second) ** 2) / np.mean(first**2)))


@pytest.mark.parametrize(("stage", "region"), [("subject", "WholeBrain"), ("standard", "Cortical")])
def test_a_nod_changes_nothing(tmp_path: Path, stage: str, region: str) -> None:
    spec = _spec(stage, region)
    upright, nodding = _person(tmp_path / "a"), _person(tmp_path / "b", degrees=20)
    first, second = (network_input(images, spec).array for images in (upright, nodding))
    assert _difference(first, second) < 0.03
    blocks = spec.model_copy(update={"sampling": None, "intensity": IntensityRule()})
    if stage == "subject":
        assert _difference(*(network_input(images, blocks).array for images in (upright, nodding))) > 0.2


def test_a_scale_changes_nothing(tmp_path: Path) -> None:
    plain, brighter = _person(tmp_path / "a"), _person(tmp_path / "b", gain=3.7)
    first, second = (network_input(images, _spec()).array for images in (plain, brighter))
    assert np.abs(first - second).max() <= 1 / 255 + 1e-6


def test_a_wider_mask_changes_little(tmp_path: Path) -> None:
    """The template has fluid around it of which a mask may hold more or less."""
    narrow, wide = _person(tmp_path / "a"), _person(tmp_path / "b", wider=2)
    as_it_is, peeled = _spec(), _spec(sampling=SamplingRule(resolution=8.0, peeled=8.0))
    differences = [
        _difference(*(network_input(images, spec).array for images in (narrow, wide)))
        for spec in (as_it_is, peeled)
    ]
    assert differences[1] < 0.02
    assert differences[1] <= differences[0]


def test_relevance_of_a_nodding_head_lies_where_it_was_seen(tmp_path: Path) -> None:
    """The voxel that sees the left of the template's brain gives its years to the left of the person's."""
    images = _person(tmp_path / "a", degrees=20)
    model_input = network_input(images, _spec())
    values = np.zeros((32, 34, 38))
    values[10, 17, 19] = 2.0
    restored = model_input.placement.restore(values, "even").get_fdata()
    assert restored.sum() == pytest.approx(2.0, rel=1e-5)
    where = np.array(ndimage.center_of_mass(restored))
    point = GRID.affine[:3, :3] @ where + GRID.affine[:3, 3]
    # LIA: the first axis runs to the left, from its middle at 15.5.
    offset = np.array([(10 - 15.5) * -6.0, (19 - 18.5) * 6.0, (17 - 16.5) * -6.0])
    angle = np.deg2rad(20)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    expected = turn @ (box_centre("WholeBrain") + offset)
    assert np.abs(point - expected).max() < 2.0


def test_shares_of_regions_add_up_to_the_brain() -> None:
    """Parts have boxes of their own; where two boxes are the same, their shares add up."""
    whole = region_share("WholeBrain", (30, 30, 30), 6.0, "RAS", 8.0)
    assert whole.max() == pytest.approx(1.0, abs=1e-3)
    for region in ("Cortical", "Subcortical", "Cerebellum"):
        share = region_share(region, (30, 30, 30), 6.0, "RAS", 8.0)
        assert share.min() >= 0
        assert share.max() <= 1 + 1e-5
        volume = np.asarray(templates.region_mask(region).dataobj).sum() * 8
        assert share.sum() * 6**3 == pytest.approx(volume, rel=0.02)


def test_a_brain_that_the_box_does_not_hold_is_refused(tmp_path: Path) -> None:
    images = _person(tmp_path / "a")
    with pytest.raises(ImageError, match=r"t1w\.nii: .* % of the brain lie outside the 96 x"):
        network_input(images, _spec(box=(16, 34, 38)))
    dark = replace(images, _images={}, _brains={})
    dark.__dict__["steps"] = images.steps
    nib.Nifti1Image(np.zeros(GRID.shape, np.float32), GRID.affine).to_filename(tmp_path / "a" / "t1w.nii")
    with pytest.raises(ImageError, match=r"t1w\.nii"):
        network_input(dark, _spec())
