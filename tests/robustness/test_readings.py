"""Every reported file is read as what it shows, with a warning where something was put right, or refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.header import read_image
from bids_brainage.preprocessing.templates import template_brain
from tests.robustness.distorted import image_of, values
from tests.robustness.readings import READINGS, Reading


@pytest.fixture(scope="module")
def brain() -> nib.Nifti1Image:
    data = values(template_brain(2))
    return image_of(data / data.max() * 1500, template_brain(2).affine)


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_values_and_place_or_sentence(reading: Reading, brain: nib.Nifti1Image, tmp_path: Path) -> None:
    distorted = reading.make(brain)
    path = distorted.save(tmp_path / "sub-01_T1w")
    if reading.says:
        with pytest.raises(ImageError) as caught:
            read_image(path)
        assert reading.says in str(caught.value)
        assert path.name in str(caught.value)
        return
    image, warnings = read_image(path)
    assert [reading.warns in warning for warning in warnings] == [True] * bool(reading.warns)
    np.testing.assert_allclose(distorted.to_original @ image.affine, brain.affine, atol=1e-3)
    before, now = values(brain), values(image)
    np.testing.assert_allclose(now / now.max(), before / before.max(), atol=1e-3)
