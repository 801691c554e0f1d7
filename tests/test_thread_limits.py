"""Threads of libraries, loaded before or meanwhile, here and in new processes; cases have fresh ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bids_brainage.cli import run as cli
from bids_brainage.thread_limits import THREAD_VARIABLES, at_most

PRODUCT = """
import json, os, sys
{first}
from bids_brainage.thread_limits import at_most
with at_most({threads}):
    import numpy, scipy.linalg
    from threadpoolctl import threadpool_info
    numpy.ones((50, 50)) @ numpy.ones((50, 50))
    scipy.linalg.eigvals(numpy.eye(3))
    print(json.dumps([pool["num_threads"] for pool in threadpool_info()]))
"""


@pytest.mark.parametrize("first", ["", "import numpy"], ids=["loaded later", "loaded before"])
@pytest.mark.parametrize("threads", [1, 2])
def test_products_take_so_many_threads_and_no_more(first: str, threads: int) -> None:
    code = PRODUCT.format(first=first, threads=threads)
    plain = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain)
    found = json.loads(done.stdout)
    assert found
    # On a machine of one processor there are no two.
    assert set(found) == {min(threads, os.cpu_count() or 1)}


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with at_most(3):
        assert {os.environ[name] for name in THREAD_VARIABLES} == {"3"}
    assert dict(os.environ) == before


@pytest.mark.parametrize(("options", "threads"), [((), "1"), (("--omp-nthreads", "3"), "3")])
def test_the_program_itself_keeps_to_omp_nthreads(
    options: tuple[str, ...], threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it computes in its own process, and whatever it starts."""
    seen = []
    monkeypatch.setattr(cli, "run", lambda config: seen.append(os.environ["OMP_NUM_THREADS"]) or 0)
    arguments = [str(tmp_path), str(tmp_path / "out"), "participant", "-w", str(tmp_path / "work")]
    assert cli.main([*arguments, "--nprocs", "8", *options]) == 0
    assert seen == [threads]
