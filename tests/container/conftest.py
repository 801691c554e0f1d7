"""The image, what turns it into a SIF, and simulated people: built once for all tests that need them.

Nothing of this runs unless `-m container` asks for it (`make test-container`). What cannot be called is
skipped, and the report says so. Variables, each a command with its options:

CONTAINER_ENGINE
    docker or podman; by default the first of them on the PATH.
CONTAINER_IMAGE
    An image that is there already; otherwise one is built.
APPTAINER_IMAGE
    A SIF that is there already; otherwise it is made of the image.
CONTAINER_BUILD_OPTIONS
    More options for `build`, as --network host.
APPTAINER
    apptainer or singularity; by default the first of them on the PATH.
CONTAINER_TEST_DIR
    A folder that all of them see by the same name, for the image, the people and all results.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = os.environ.get("CONTAINER_IMAGE", "localhost/bids_brainage:test")
#: Nobody's on any machine.
STRANGER = 4321
VERSION, REVISION = "0.0.0+test", "0123456789abcdef"

Done: TypeAlias = subprocess.CompletedProcess[str]


def run(command: Sequence[str | Path], **settings: object) -> Done:
    """Run a command, show it, and fail with what it said."""
    words = [str(word) for word in command]
    print("$", shlex.join(words))
    done = subprocess.run(words, capture_output=True, text=True, check=False, **settings)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
    return done


def command_of(variable: str, names: Sequence[str]) -> list[str]:
    """The command that a variable gives, or the first program found; skips where there is none."""
    if os.environ.get(variable):
        return shlex.split(os.environ[variable])
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(names)} is on the PATH, and {variable} is not set")
    return [found]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that every program and every user may write to."""
    given = os.environ.get("CONTAINER_TEST_DIR")
    folder = Path(given) if given else tmp_path_factory.mktemp("container")
    folder.mkdir(parents=True, exist_ok=True)
    for parent in (folder, *folder.parents):
        if str(parent).startswith("/tmp/pytest-of-"):
            parent.chmod(0o755)
    folder.chmod(0o777)
    return folder


@dataclass(frozen=True)
class Engine:
    """docker or podman, with the image built."""

    command: list[str]

    def call(self, *arguments: str | Path) -> Done:
        return run([*self.command, *arguments])

    def stranger(
        self, *arguments: str | Path, settings: Sequence[str], tmp: str = "--tmpfs=/tmp"
    ) -> list[str]:
        """The command that runs the image as someone unknown to it, read-only and without a network."""
        safe = ["--rm", "--read-only", tmp, "--network", "none", "--user", f"{STRANGER}:{STRANGER}"]
        return [*self.command, "run", *safe, *settings, IMAGE, *map(str, arguments)]

    def as_stranger(self, *arguments: str | Path, settings: Sequence[str] = ()) -> Done:
        """Run it; only /tmp and binds can be written to."""
        return run(self.stranger(*arguments, settings=settings))

    def inside(self, script: str) -> str:
        """What a shell script says that runs in the image."""
        return self.as_stranger("-c", script, settings=["--entrypoint", "/bin/sh"]).stdout


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine, after it has built the image."""
    own = Engine(command_of("CONTAINER_ENGINE", ("docker", "podman")))
    if "CONTAINER_IMAGE" in os.environ:
        return own
    options = shlex.split(os.environ.get("CONTAINER_BUILD_OPTIONS", ""))
    labels = ["--build-arg", f"VERSION={VERSION}", "--build-arg", f"REVISION={REVISION}"]
    own.call("build", *options, *labels, "-t", IMAGE, ROOT)
    return own


@pytest.fixture(scope="session")
def apptainer() -> list[str]:
    """apptainer or singularity."""
    return command_of("APPTAINER", ("apptainer", "singularity"))


@pytest.fixture(scope="session")
def sif(request: pytest.FixtureRequest, apptainer: list[str], place: Path) -> Path:
    """The image as a SIF, by the definition file."""
    if "APPTAINER_IMAGE" in os.environ:
        return Path(os.environ["APPTAINER_IMAGE"])
    engine: Engine = request.getfixturevalue("engine")
    archive = place / "bids_brainage.tar"
    archive.unlink(missing_ok=True)
    engine.call("save", "-o", archive, IMAGE)
    archive.chmod(0o644)
    definition = place / "bids_brainage.def"
    text = (ROOT / "singularity/bids_brainage.def").read_text(encoding="utf-8")
    # The only difference: an absolute path, because these tests do not change into the folder.
    definition.write_text(text.replace("From: bids_brainage.tar", f"From: {archive}"), encoding="utf-8")
    image = place / "bids_brainage.sif"
    run([*apptainer, "build", "--force", image, definition])
    archive.unlink()
    return image


@pytest.fixture(scope="session")
def person(place: Path) -> Path:
    """One simulated person at 2 mm."""
    return simulated(place / "person", "--n", "1", "--seed", "11", "--voxel-size", "2")


@pytest.fixture(scope="session")
def natively(person: Path, place: Path) -> Path:
    """What the installation that runs these tests makes of the person."""
    out, work = place / "native", place / "native_work"
    run([shutil.which("bids_brainage") or "bids_brainage", person, out, "participant", "-w", work, *PERSON])
    return out


PERSON = ("--skip-bids-validation", "--nprocs", "2", "--omp-nthreads", "1")


def simulated(folder: Path, *options: str) -> Path:
    """A dataset of simulated people."""
    run([shutil.which("bids_brainage_simulate") or "bids_brainage_simulate", "cohort", folder, *options])
    return folder
