"""A bad second run is left out by name, whichever run it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bids_brainage.preprocessing.brain_mask import extract_brain
from bids_brainage.preprocessing.conform import conform
from bids_brainage.preprocessing.runs import average_runs
from tests.robustness.distorted import Distorted, Head, changed, turned, turned_about_centre, values
from tests.robustness.judging import RIGHT, brought_to, dice


def _noise_alone(head: Head) -> Distorted:
    """An aborted scan."""
    noise = np.random.default_rng(2).normal(0, 20, head.image.shape)
    return changed(head.image, np.abs(noise).astype(np.float32))


def _upper_half(head: Head) -> Distorted:
    data = values(head.image).copy()
    data[:, :, : data.shape[2] // 2] = 0
    return changed(head.image, data)


def _another_brain(head: Head) -> Distorted:
    """Someone else's: mirrored, wider and shorter."""
    return turned(changed(head.image, values(head.image)[::-1].copy()).image, np.diag([1.06, 0.95, 1.04, 1]))


def _moved(head: Head) -> Distorted:
    """The person lay otherwise, and the scanner's gain was another."""
    turn = Rotation.from_euler("x", 12, degrees=True).as_matrix()
    return turned_about_centre(changed(head.image, 3 * values(head.image)).image, turn)


RUNS: dict[str, tuple[Callable[[Head], Distorted], str]] = {
    "40 blank": (_noise_alone, "is left out"),
    "40 half": (_upper_half, "is left out"),
    "40 other": (_another_brain, "is left out"),
    "40 moved": (_moved, ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_the_mask_is_that_of_the_good_run(
    name: str, undistorted: Callable[[str], Head], tmp_path: Path
) -> None:
    (make, words), head = RUNS[name], undistorted("brain")
    files = [tmp_path / f"sub-01_run-{number}_T1w.nii" for number in (1, 2)]
    head.image.to_filename(files[0])
    make(head).image.to_filename(files[1])
    found = average_runs(files, work_dir=tmp_path)
    assert [words in warning and files[1].name in warning for warning in found.warnings] == [True] * bool(
        words
    )
    mask = extract_brain(conform(found.image)).mask
    truth = brought_to(head.brain, mask, np.eye(4))
    assert dice(np.asanyarray(mask.dataobj) > 0, truth) >= RIGHT
