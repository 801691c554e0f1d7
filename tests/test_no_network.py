"""Nobody is called: not when graphs are built, and not by the libraries they are built with."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Every way out of a process to another machine goes through one of these.
WATCHED = """
import socket, sys
called = []
def refused(*what, **_):
    called.append(what[:2])
    raise OSError("no network")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refused
{code}
sys.exit(repr(called) if called else 0)
"""
PIECES = {
    "interfaces": """
from bids_brainage.interfaces.group import RunPiece
from bids_brainage.interfaces.images import Conform
from bids_brainage.interfaces.training import TrainBaseModel
RunPiece(), Conform(), TrainBaseModel()
""",
    "libraries": """
import bids_brainage, nipype, niworkflows, nireports, bids, nilearn, templateflow
from nipype.interfaces.utility import Merge
Merge(2)
""",
}


@pytest.mark.parametrize("name", PIECES)
def test_nobody_is_called(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED.format(code=PIECES[name])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
