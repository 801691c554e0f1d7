"""Interrupted, then changed, then finished: the results are those of a run that nothing disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_brainage.cli.run import main as run
from bids_brainage.cli.simulate import main as simulate
from bids_brainage.records.reading import SessionPlace, read_record
from bids_brainage.records.session import TEMPLATE

# What holds run times, and what is made of it.
TIMED = ("provenance", "_page.json")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bids") / "cohort"
    assert simulate(["cohort", str(folder), "--n", "1", "--seed", "3", "--voxel-size", "4"]) == 0
    return folder


def options(dataset: Path, bundle: Path, out: Path, *more: str) -> list[str]:
    own = ["-w", str(out.parent / "work"), "--model", str(bundle), "--skip-bids-validation"]
    own += ["--modalities", "T1w", "FLAIR", "--ensemble", "TypeI", "--nprocs", "2"]
    return [str(dataset), str(out), "participant", *own, *more]


def killed(arguments: list[str], when: Callable[[], bool]) -> None:
    """Start the command line and kill all of it at a moment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bids_brainage", *arguments],
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.DEVNULL,
    )
    try:
        limit = time.monotonic() + 300
        while not when() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.02)
        assert process.poll() is None, "it ended before it was killed"
        assert when()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def results(out: Path) -> dict[str, object]:
    """Every file of the person and what is in it, run times aside."""
    found: dict[str, object] = {}
    for path in sorted((out / "sub-0001").rglob("*")):
        if path.is_dir() or any(part in path.name for part in TIMED):
            continue
        content: object = path.read_bytes()
        if path.name.endswith("_record.json"):
            content = json.loads(path.read_text())
            for group in ("preprocessing", "estimates"):
                for stage in content[group].values():  # type: ignore[index]
                    stage.pop("seconds")
        found[str(path.relative_to(out))] = content
    return found


def test_an_interrupted_then_changed_then_finished_run_equals_an_undisturbed_one(
    dataset: Path, bundle: Path, tmp_path: Path
) -> None:
    undisturbed, out = tmp_path / "one/out", tmp_path / "other/out"
    assert run(options(dataset, bundle, undisturbed, "--random-seed", "2")) == 0
    place = SessionPlace.of(out, "0001", None)
    work = out.parent / "work"

    def warp_is_published() -> bool:
        record = read_record(place)
        return record is not None and TEMPLATE in record.preprocessing

    killed(options(dataset, bundle, out, "--random-seed", "1"), warp_is_published)
    of_seed_1 = place.path("transform", source="T1w", target="MNI152NLin6Asym").read_bytes()
    # Another seed: the images of the first stand in its place until they are replaced.
    registers = lambda: any(work.rglob("register/_node.pklz")) or any(work.rglob("register/*.h5"))  # noqa: E731
    first = {path: path.stat().st_mtime_ns for path in work.rglob("register/*")}
    changed = lambda: {p: p.stat().st_mtime_ns for p in work.rglob("register/*")} != first  # noqa: E731
    killed(options(dataset, bundle, out, "--random-seed", "2"), lambda: registers() and changed())
    assert place.path("transform", source="T1w", target="MNI152NLin6Asym").read_bytes() == of_seed_1
    record = read_record(place)
    assert record is not None
    assert not record.estimates
    assert run(options(dataset, bundle, out, "--random-seed", "2")) == 0
    found, expected = results(out), results(undisturbed)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    assert place.path("transform", source="T1w", target="MNI152NLin6Asym").read_bytes() != of_seed_1
    assert not any(work.rglob("*register*"))


def test_steps_that_are_done_are_not_done_again(dataset: Path, bundle: Path, tmp_path: Path) -> None:
    """Killed once the T1w image is warped and the FLAIR aligned with it."""
    out = tmp_path / "out"
    work = tmp_path / "work"

    def steps() -> dict[str, int]:
        names = ("register/template-*.h5", "flair_wf/align/rigid.h5")
        return {path.name: path.stat().st_mtime_ns for name in names for path in work.rglob(name)}

    def aligned_and_warped() -> bool:
        results = ("flair_wf/align/result_align.pklz", "template_wf/register/result_register.pklz")
        return all(any(work.rglob(name)) for name in results)

    killed(options(dataset, bundle, out), aligned_and_warped)
    before = steps()
    assert len(before) == 3
    assert run(options(dataset, bundle, out, "--keep-work")) == 0
    assert steps() == before
