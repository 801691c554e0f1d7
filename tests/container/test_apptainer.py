"""The image as a SIF: tested by its own %test, and the main job with nothing of the host and no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container import results
from tests.container.conftest import PERSON, run

pytestmark = pytest.mark.container

ALONE = ("--containall", "--net", "--network", "none")


def test_it_tests_itself(sif: Path, apptainer: list[str]) -> None:
    said = run([*apptainer, "test", "--containall", sif]).stdout
    assert "a tiny map sums to" in said


def test_labels_and_help(sif: Path, apptainer: list[str]) -> None:
    labels = run([*apptainer, "inspect", sif]).stdout
    assert "org.opencontainers.image.version" in labels
    assert "Application: bids_brainage" in labels
    assert "docs/cluster.md" in run([*apptainer, "run-help", sif]).stdout


def test_the_main_job(sif: Path, apptainer: list[str], person: Path, natively: Path, place: Path) -> None:
    out, work = place / "sif_out", place / "sif_work"
    for folder in (out, work):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    binds = ["-B", f"{person}:/data:ro", "-B", f"{out}:/out", "-B", f"{work}:/work"]
    run([*apptainer, "run", *ALONE, *binds, sif, "/data", "/out", "participant", "-w", "/work", *PERSON])
    assert results.files(out) == results.golden("participant")
    assert results.furthest(out, natively) <= results.TOLERANCE
