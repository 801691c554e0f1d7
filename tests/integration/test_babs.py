"""The way BABS calls a BIDS-App: in a clone, one session of one participant, results packed as a zip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bids_brainage.cli.simulate import main as simulate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people with two sessions each, images as links to the annex, below inputs/data/BIDS."""
    folder = tmp_path_factory.mktemp("clone")
    dataset, annex = folder / "inputs/data/BIDS", folder / ".git/annex/objects"
    assert simulate(["cohort", str(dataset), "--n", "2", "--seed", "3", "--voxel-size", "4"]) == 0
    annex.mkdir(parents=True)
    for person in dataset.glob("sub-*"):
        for image in sorted(person.glob("anat/*")):
            kept = image.rename(annex / image.name)
            for session in ("ses-1", "ses-2"):
                link = person / session / "anat" / image.name.replace("_", f"_{session}_", 1)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(os.path.relpath(kept, link.parent))
        (person / "anat").rmdir()
    return folder


def test_one_session_of_one_participant(clone: Path, bundle: Path) -> None:
    """Relative paths, labels with their prefix, the filter file that BABS writes, a work folder in .git."""
    filters = {"t1w": {"datatype": "anat", "session": "1", "suffix": "T1w"}, "bold": {"session": "1"}}
    (clone / "filter.json").write_text(json.dumps(filters))
    command = [
        "inputs/data/BIDS", "outputs", "participant", "--participant-label", "sub-0001",
        "--session-label", "ses-1", "--bids-filter-file", "filter.json", "-w", ".git/tmp/wkdir",
        "--skip-bids-validation",
        "--model", str(bundle), "--nprocs", "2", "--modalities", "T1w",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bids_brainage", *command],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(clone / "sub-0001_ses-1_bids_brainage-0-1-0.zip", "w") as archive:
        for path in sorted((clone / "outputs").rglob("*")):
            archive.write(path, path.relative_to(clone))
        names = archive.namelist()
    assert "outputs/sub-0001.html" in names
    assert "outputs/sub-0001/ses-1/anat/sub-0001_ses-1_desc-TypeI_brainage.json" in names
    assert not [name for name in names if "ses-2" in name or "sub-0002" in name]
    assert not [path for path in (clone / "outputs").rglob("*") if path.is_symlink()]
