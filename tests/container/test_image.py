"""The image: what is in it, and the main job in it, by a stranger who may write nowhere and reach nobody."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.container import results
from tests.container.conftest import IMAGE, PERSON, REVISION, STRANGER, VERSION, Engine

pytestmark = pytest.mark.container

#: Of the image, unpacked.
LARGEST = 2.2e9
PROGRAMS = {
    "compilers": "gcc cc g++ clang make ld as",
    "installers": "pip pip3 conda git",
    "tools for tests": "pytest hypothesis ruff mypy",
}
PIECES = """
import importlib, pkgutil, bids_brainage
for module in pkgutil.walk_packages(bids_brainage.__path__, "bids_brainage."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import tensorflow as tf
layers = tf.keras.layers
model = tf.keras.Sequential([layers.Conv3D(2, 3, padding="same"), layers.GlobalAveragePooling3D()])
model.compile("adam", "mse")
model.fit(tf.zeros((2, 8, 8, 8, 1)), tf.zeros((2, 2)), verbose=0)
print("trained by", tf.__version__)
"""


@pytest.fixture(scope="module")
def record(engine: Engine) -> dict[str, object]:
    """What the image says of itself."""
    (found,) = json.loads(engine.call("inspect", "--type", "image", IMAGE).stdout)
    return dict(found)


@dataclass(frozen=True)
class MainJob:
    """What the main job left, what it said, and which machine code it had to make."""

    out: Path
    said: str
    compiled: set[str]


@pytest.fixture(scope="module")
def job(engine: Engine, person: Path, place: Path) -> MainJob:
    """The main job by a stranger; its temporary folder, which is removed, is looked into meanwhile."""
    out, tmp = place / "image_out", place / "image_tmp"
    for folder in (out, tmp):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    command = engine.stranger(
        "/data", "/out", "participant", "-w", "/tmp/work", *PERSON,
        settings=["-v", f"{person}:/data:ro", "-v", f"{out}:/out"], tmp=f"-v={tmp}:/tmp",
    )  # fmt: skip
    compiled = set()
    log = place / "image.log"
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            found = (path for path in tmp.glob("bids_brainage-*/numba/*/*.nbc") if not path.is_symlink())
            compiled |= {path.name for path in found}
            time.sleep(0.5)
    text = log.read_text(encoding="utf-8")
    assert process.returncode == 0, text
    return MainJob(out, text, compiled)


def test_it_is_small_enough(record: dict[str, object]) -> None:
    assert 0 < int(str(record["Size"])) < LARGEST


def test_it_says_what_it_is(record: dict[str, object]) -> None:
    config = record["Config"]
    assert isinstance(config, dict)
    assert config["Entrypoint"] == ["/opt/bids_brainage/bin/bids_brainage"]
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert labels["title"] == "bids_brainage"
    if "CONTAINER_IMAGE" not in os.environ:
        assert (labels["version"], labels["revision"]) == (VERSION, REVISION)


@pytest.mark.parametrize("what", PROGRAMS)
def test_nothing_is_in_it_that_only_makes_images(engine: Engine, what: str) -> None:
    assert engine.inside(f"for name in {PROGRAMS[what]}; do command -v $name || true; done") == ""


def test_it_has_no_caches_of_installers_and_no_tests(engine: Engine) -> None:
    lines = engine.inside(
        "ls -A /var/lib/apt/lists /var/cache/apt /root/.cache 2> /dev/null | grep -v : ;"
        "find /opt/bids_brainage -type d -name tests; find / -xdev -name '*.whl' 2> /dev/null; true"
    )
    assert lines.split() == []


def test_every_module_is_imported_and_a_network_is_trained(engine: Engine) -> None:
    settings = ["--entrypoint", "/opt/bids_brainage/bin/python"]
    assert "trained by" in engine.as_stranger("-c", PIECES, settings=settings).stdout


def test_the_other_commands_run(engine: Engine) -> None:
    settings = ["--entrypoint", "bids_brainage_models"]
    assert "demo" in engine.as_stranger("check", "demo", settings=settings).stdout


def test_the_main_job_writes_all_files(job: MainJob) -> None:
    assert results.files(job.out) == results.golden("participant")
    assert {path.stat().st_uid for path in job.out.rglob("*")} == {STRANGER}


def test_the_main_job_estimates_what_the_installation_does(job: MainJob, natively: Path) -> None:
    assert results.furthest(job.out, natively) <= results.TOLERANCE


def test_the_first_map_compiles_nothing(job: MainJob) -> None:
    assert job.compiled == set()


def test_no_warning_comes_of_where_it_runs(job: MainJob) -> None:
    words = ("matplotlib", "permission", "read-only", "templateflow", "no such file")
    assert [line for line in job.said.lower().splitlines() if any(word in line for word in words)] == []
