"""A built wheel holds all of the package, nothing of the tests, and runs outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("bids_brainage", "boilerplate", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
pytest.importorskip("setuptools")
pytest.importorskip("wheel")


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what a wheel is built from, so that no build folder of an earlier time gets into it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    (folder / "tests").mkdir()
    (folder / "tests" / "__init__.py").touch()
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", out, checkout)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel_of_sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    build = "import sys; from setuptools.build_meta import build_sdist; print(build_sdist(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, out], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (packed,) = out.glob("*.tar.gz")
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", out, packed)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_package_is_in_the_wheel(checkout: Path, names: set[str]) -> None:
    package = checkout / "bids_brainage"
    modules_and_data = {
        path.relative_to(checkout).as_posix() for path in package.rglob("*") if path.is_file()
    }
    boilerplate = {f"bids_brainage/boilerplate/{path.name}" for path in (checkout / "boilerplate").iterdir()}
    inside = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert inside == modules_and_data | boilerplate


def test_the_wheel_of_an_sdist_is_the_same(wheel_of_sdist: Path, names: set[str]) -> None:
    with zipfile.ZipFile(wheel_of_sdist) as archive:
        assert set(archive.namelist()) == names


@pytest.mark.slow
def test_an_installed_sdist_runs_the_demo_outside_the_checkout(wheel_of_sdist: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip("install", "--no-index", "--no-deps", "--target", target, wheel_of_sdist)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(target), "PYTHONSAFEPATH": "1"}
    for name, *arguments in (
        ("bids_brainage_simulate", "cohort", "bids", "--n", "1", "--voxel-size", "4"),
        ("bids_brainage", "bids", "out", "participant", "--skip-bids-validation", "-w", "work"),
    ):
        command = [sys.executable, str(target / "bin" / name), *arguments]
        done = subprocess.run(
            command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert list(elsewhere.glob("out/sub-*.html"))
    assert len(list(elsewhere.glob("out/sub-*/anat/*_brainage.json"))) == 2


def test_every_folder_of_modules_is_a_package() -> None:
    """`find:` passes over folders without __init__.py, and `import` does not."""
    folders = {path.parent for path in (ROOT / "bids_brainage").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize(
    "name",
    [
        "data/outputs.yaml",
        "data/models/demo/bundle.json",
        "data/reports/page.html.j2",
        "data/reports/group/tables.yaml",
        "boilerplate/methods.md.j2",
        "boilerplate/group.md.j2",
        "boilerplate/references.bib",
    ],
)
def test_what_is_read_at_run_time_is_there(names: set[str], name: str) -> None:
    assert f"bids_brainage/{name}" in names


def test_licence_and_commands_are_there(wheel: Path, names: set[str]) -> None:
    assert any(name.endswith("LICENSE") for name in names)
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        text = archive.read(entry_points).decode()
    for command in ("bids_brainage", "bids_brainage_models", "bids_brainage_simulate"):
        assert f"{command} = bids_brainage.cli." in text


def test_an_installed_wheel_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip("install", "--no-index", "--no-deps", "--target", target, wheel)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(target), "PYTHONSAFEPATH": "1"}

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            list(map(str, arguments)),
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run(sys.executable, target / "bin/bids_brainage", "--version").startswith("bids_brainage")
    for command in ("bids_brainage_models", "bids_brainage_simulate"):
        assert run(sys.executable, target / "bin" / command, "--help").startswith(f"usage: {command}")
    places = run(
        sys.executable, "-c",
        "import bids_brainage, bids_brainage.boilerplate as b; print(bids_brainage.__file__, b.__file__)",
    )  # fmt: skip
    assert all(Path(place).is_relative_to(target) for place in places.split())
    run(sys.executable, "-c", "from bids_brainage.reports.boilerplate import references; assert references()")
