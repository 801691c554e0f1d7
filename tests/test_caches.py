"""Caches of an image: which fit a processor, and that they serve a program that can write nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bids_brainage import messages
from bids_brainage.caches import LEVELS, VARIABLE, brought_along, fitting_level, processor_has
from bids_brainage.errors import InputError

#: From Linux on a Haswell, on a Sapphire Rapids and on an older one (shortened to what counts).
HASWELL = "fpu sse4_2 avx f16c movbe bmi1 avx2 bmi2 abm fma"
SAPPHIRE = HASWELL + " avx512f avx512dq avx512cd avx512bw avx512vl avx512_fp16"
OLD = "fpu sse4_2 avx"

LOOP = """
from bids_brainage.caches import brought_along

with brought_along():
    import numpy as np
    from bids_brainage.relevance.engine import spans, vector_lanes

    spans._row_bounds(np.ones((2, 3, 8), np.float32), ((0, 2, 1), (0, 3, 1)), (1, 1))
    stats = spans._row_bounds.stats
    print(vector_lanes.WIDTHS[0], sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


@pytest.fixture
def image(tmp_path):
    """Caches of both levels, and a function that writes a /proc/cpuinfo."""
    for name in (*LEVELS, "matplotlib"):
        (tmp_path / "image" / name / "engine_1").mkdir(parents=True)
        (tmp_path / "image" / name / "engine_1" / "loop.nbi").write_text(name)
    return tmp_path / "image"


def cpuinfo(folder: Path, flags: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: {flags}\nbugs\t:\n")
    return path


@pytest.mark.parametrize(("flags", "level"), [(HASWELL, "x86-64-v3"), (SAPPHIRE, "x86-64-v4"), (OLD, None)])
def test_the_best_level_is_linked(image: Path, tmp_path: Path, flags: str, level: str | None) -> None:
    environ = {VARIABLE: str(image)}
    with brought_along(environ, cpuinfo(tmp_path, flags)):
        code, fonts = Path(environ["NUMBA_CACHE_DIR"]), Path(environ["MPLCONFIGDIR"])
        assert environ.get("NUMBA_CPU_NAME") == level
        assert environ.get("NUMBA_CPU_FEATURES") == (None if level is None else "")
        loops = {path.read_text() for path in code.rglob("*.nbi")}
        assert loops == (set() if level is None else {level})
        assert (fonts / "engine_1" / "loop.nbi").read_text() == "matplotlib"
    assert environ == {VARIABLE: str(image)}
    assert not code.exists()
    assert (image / "x86-64-v3" / "engine_1" / "loop.nbi").is_file()


def test_what_an_image_lacks_is_replaced_by_the_next_level(image: Path, tmp_path: Path) -> None:
    (image / "x86-64-v4").rename(image / "elsewhere")
    assert fitting_level(image, cpuinfo(tmp_path, SAPPHIRE)) == "x86-64-v3"


def test_a_machine_that_does_not_tell_gets_no_machine_code(image: Path, tmp_path: Path) -> None:
    assert fitting_level(image, tmp_path / "absent") is None


def test_what_the_user_has_set_is_left_alone(image: Path, tmp_path: Path) -> None:
    environ = {VARIABLE: str(image), "NUMBA_CACHE_DIR": "/mine"}
    with brought_along(environ, cpuinfo(tmp_path, HASWELL)):
        assert environ["NUMBA_CACHE_DIR"] == "/mine"
    assert environ["NUMBA_CACHE_DIR"] == "/mine"


def test_nothing_happens_outside_of_an_image() -> None:
    environ: dict[str, str] = {}
    with brought_along(environ):
        assert environ == {}


def test_no_temporary_folder_is_said(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(InputError, match=messages.NO_TEMPORARY_FOLDER), brought_along({VARIABLE: str(image)}):
        pass


def loop(**settings: str) -> list[int]:
    """Longest vectors, loops found and loops compiled by a process with these settings."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", LOOP], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


def test_machine_code_of_the_level_is_found_and_nothing_is_compiled(tmp_path: Path) -> None:
    level = next((name for name in LEVELS if processor_has(name)), None)
    if level is None:
        pytest.skip("this processor has no level that images have")
    folder = str(tmp_path / level)
    vectors = 16 if level == "x86-64-v4" else 8
    made = loop(NUMBA_CPU_NAME=level, NUMBA_CPU_FEATURES="", NUMBA_CACHE_DIR=folder)
    assert made == [vectors, 0, 1]
    assert loop(**{VARIABLE: str(tmp_path)}) == [vectors, 1, 0]
