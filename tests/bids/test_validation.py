"""The real validator, over a dataset of which only some people are asked for."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.bids.validation import find_validator, validate
from bids_brainage.errors import InputError

pytestmark = pytest.mark.skipif(find_validator() is None, reason="bids-validator-deno is not installed")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "bids"
    for label in ("01", "02"):
        path = root / f"sub-{label}/anat/sub-{label}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)).to_filename(path)
    (root / "dataset_description.json").write_text('{"Name": "Two", "BIDSVersion": "1.9.0"}')
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\nsub-02\t40\n")
    (root / "README").write_text("Two people, so that one of them can be asked for.\n")
    return root


@pytest.mark.parametrize("participants", [(), ("01",), ("02", "01")])
def test_a_valid_dataset_passes_whoever_is_asked_for(dataset: Path, participants: tuple[str, ...]) -> None:
    validate(dataset, participants)


def test_a_table_of_other_people_is_an_error_where_everybody_is_asked_for(dataset: Path) -> None:
    (dataset / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\nsub-77\t40\n")
    with pytest.raises(InputError, match="PARTICIPANT_ID_MISMATCH"):
        validate(dataset)


def test_only_those_asked_for_are_looked_at(dataset: Path) -> None:
    (dataset / "sub-02/anat/sub-02_T9w.nii.gz").write_bytes(b"x")
    validate(dataset, ("01",))
    with pytest.raises(InputError, match="sub-02_T9w"):
        validate(dataset, ("02",))
