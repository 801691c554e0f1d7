"""What lies in the folder that a command is started in is never run, by no process of it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bids_brainage
from bids_brainage.cli.elsewhere import in_full
from bids_brainage.config import RunConfig

ROOT = Path(bids_brainage.__file__).parent
MODULES = {"bids_brainage": "run", "bids_brainage_simulate": "simulate", "bids_brainage_models": "models"}
# Modules that Python, its workers, and the libraries used import early or late.
TRAPS = """
    abc argparse concurrent dataclasses encodings errno h5py importlib inspect json logging multiprocessing
    nibabel nipype numpy os pathlib pickle platform random re resource secrets selectors signal site
    sitecustomize socket string struct subprocess tempfile threading tomllib types typing usercustomize yaml
"""


@pytest.fixture
def traps(tmp_path):
    """A folder of modules that leave a mark when they are imported, and of settings of libraries."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in TRAPS.split():
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write('{name} ')\n")
    (folder / "nipype.cfg").write_text(f"[execution]\ncrashdump_dir = {tmp_path / 'sprung-crashes'}\n")
    (folder / ".numba_config.yaml").write_text(f"CACHE_DIR: {tmp_path / 'sprung-cache'}\n")
    return folder


def sprung(tmp_path):
    return {path.name: path.read_text() if path.is_file() else "" for path in tmp_path.glob("sprung*")}


def start(command, folder):
    """Run a command in `folder`; that the package is on the path stands for its being installed."""
    environ = os.environ | {"PYTHONPATH": str(ROOT.parent)}
    environ.pop("PYTHONSAFEPATH", None)
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300)


def console(folder, name, *arguments):
    """A script as pip installs it; Python's path then begins with the script's own folder."""
    script = folder / "bin" / name
    script.parent.mkdir()
    script.write_text(
        f"import sys\nfrom bids_brainage.cli.{MODULES[name]} import main\n"
        "if __name__ == '__main__':\n    sys.exit(main())\n"
    )
    return [sys.executable, str(script), *map(str, arguments)]


def test_the_traps_spring_where_nothing_is_done_against_them(traps, tmp_path):
    start([sys.executable, "-c", "import argparse"], traps)
    assert "argparse" in sprung(tmp_path)["sprung"]


@pytest.mark.parametrize("kind", ["script", "module"])
def test_a_participant_in_worker_processes(kind, traps, tmp_path):
    """The image is none, so that the run ends with the first step, in a worker."""
    image = tmp_path / "bids/sub-01/anat/sub-01_T1w.nii"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"no image" * 100)
    description = {"Name": "x", "BIDSVersion": "1.9.0"}
    (tmp_path / "bids/dataset_description.json").write_text(json.dumps(description))
    places = [tmp_path / "bids", tmp_path / "out", "participant", "-w", tmp_path / "work"]
    words = [*map(str, places), "--skip-bids-validation", "--preproc-only", "--nprocs", "2"]
    command = console(tmp_path, "bids_brainage", *words)
    if kind == "module":
        command = [sys.executable, "-m", "bids_brainage", *words]
    done = start(command, traps)
    assert done.returncode == 1, done.stderr
    assert "sub-01_T1w.nii" in done.stderr
    assert not sprung(tmp_path)


@pytest.mark.slow
def test_simulated_people_in_worker_processes(traps, tmp_path):
    words = ["cohort", tmp_path / "made", "--n", 2, "--voxel-size", 4, "--nprocs", 2]
    done = start(console(tmp_path, "bids_brainage_simulate", *words), traps)
    assert done.returncode == 0, done.stderr
    assert not sprung(tmp_path)


def test_a_keras_file_is_read_in_a_process_of_its_own(traps, tmp_path):
    (tmp_path / "model.h5").write_bytes(b"no HDF5" * 100)
    words = ["import", "--t1w", tmp_path / "model.h5", "--out", tmp_path / "bundle", "--name", "x"]
    done = start(console(tmp_path, "bids_brainage_models", *words), traps)
    assert done.returncode == 2
    assert not sprung(tmp_path)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_every_command_makes_its_pools_safe(method, traps, tmp_path):
    """Of those that train and that simulate tori, how their workers begin is tried: a study takes minutes."""
    code = (
        "import bids_brainage.cli\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "if __name__ == '__main__':\n"
        f"    with ProcessPoolExecutor(1, mp_context=get_context({method!r})) as pool:\n"
        "        print(pool.submit(abs, -3).result())\n"
    )
    (tmp_path / "command.py").write_text(code)
    done = start([sys.executable, str(tmp_path / "command.py")], traps)
    assert done.stdout.split() == ["3"], done.stderr
    assert not sprung(tmp_path)


def test_every_module_started_as_a_process_is_started_safely():
    commands = [
        (path.name, command)
        for path in ROOT.rglob("*.py")
        for command in re.findall(r"\[\s*sys\.executable[^]]*]", path.read_text())
    ]
    assert commands
    assert [name for name, command in commands if '"-P"' not in command] == []


def test_what_is_named_relative_to_the_start_is_remembered_in_full(tmp_path, monkeypatch):
    """A run leaves that folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("ours", "demo"):
        Path(name).mkdir()
        (Path(name) / "bundle.json").touch()
    for name in ("paper", "plan.yaml"):
        Path(name).touch()
    config = RunConfig(bids_dir="in", output_dir="out", model=("ours", "demo"), from_bundle="demo")
    found = in_full(dataclasses.replace(config, training_plan="paper"))
    assert found.model == (str(tmp_path / "ours"), "demo")
    assert (found.from_bundle, found.training_plan) == ("demo", "paper")
    found = in_full(dataclasses.replace(config, training_plan="plan.yaml"))
    assert found.training_plan == str(tmp_path / "plan.yaml")
