"""Eight people through Slurm, one job each, and the group job after them: the same as one local run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.container import results
from tests.container.conftest import ROOT, run, simulated

pytestmark = pytest.mark.container

PEOPLE = 8
#: A table and an analysis of regions: minutes, not hours.
GROUP_OPTIONS = "--test regions --n-permutations 100"
#: Seconds that all jobs may take together.
LIMIT = 3600


@pytest.fixture(scope="module")
def people(place: Path) -> Path:
    return simulated(place / "people", "--n", str(PEOPLE), "--seed", "5", "--voxel-size", "4")


@pytest.fixture(scope="module")
def locally(people: Path, place: Path) -> Path:
    """Both levels in one run of the installation that runs these tests."""
    out, work = place / "local", place / "local_work"
    options = ["--skip-bids-validation", "--nprocs", "2", "-w", work, *shlex.split(GROUP_OPTIONS)]
    run([shutil.which("bids_brainage") or "bids_brainage", people, out, "participant", "group", *options])
    return out


@pytest.fixture(scope="module")
def through_slurm(people: Path, sif: Path, apptainer: list[str], place: Path) -> Path:
    """Both levels by singularity/slurm/submit.sh."""
    if shutil.which("sbatch") is None:
        pytest.skip("there is no sbatch on the PATH")
    out, work = place / "slurm_out", place / "slurm_work"
    for folder in (out, work):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    settings = {
        "BIDS": str(people), "OUT": str(out), "WORK": str(work), "IMAGE": str(sif),
        "APPTAINER": shlex.join(apptainer), "GROUP_OPTIONS": GROUP_OPTIONS,
    }  # fmt: skip
    logs = f"--output={place}/%x-%A_%a.log"
    said = run(
        [ROOT / "singularity/slurm/submit.sh", "--cpus-per-task=1", "--mem=4G", logs],
        env={**os.environ, **settings},
        umask=0,  # jobs may run as somebody else than these tests
    ).stdout
    wait_for(said.split()[1], said.split()[3], place)
    return out


def wait_for(array: str, group: str, place: Path) -> None:
    """Wait until neither job is in the queue."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        asked = ["squeue", "--noheader", "--jobs", f"{array},{group}"]
        queue = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        if not queue.strip():
            return
        time.sleep(5)
    subprocess.run(["scancel", array, group], check=False)
    logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in place.glob("brainage*.log"))
    pytest.fail(f"not done in {LIMIT} s\n{logs}")


def test_an_array_and_a_group_job_end_with_the_files_of_one_run(through_slurm: Path, locally: Path) -> None:
    assert results.files(through_slurm) == results.files(locally)


def test_they_estimate_the_same(through_slurm: Path, locally: Path) -> None:
    assert len(results.estimates(locally)) == 2 * PEOPLE
    assert results.furthest(through_slurm, locally) <= results.TOLERANCE


def test_nobody_leaves_anything_in_scratch(through_slurm: Path, place: Path) -> None:
    assert list((place / "slurm_work").glob("sub-*")) == []


def test_jobs_read_their_own_participant_only(through_slurm: Path) -> None:
    """Each job's settings name one participant, and pybids' index is of one (docs/usage.md)."""
    configs = [path.read_text(encoding="utf-8") for path in through_slurm.glob("logs/*/config.toml")]
    alone = [text for text in configs if 'analysis_level = [\n    "participant"' in text]
    assert len(alone) == PEOPLE
    assert all(text.count("participant_label = [\n    ") == 1 for text in alone)
