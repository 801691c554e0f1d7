"""nipype's crash files: whose step failed, and what a person should read of it."""

from __future__ import annotations

import errno
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from bids_brainage import messages
from bids_brainage.workflows.node_names import stage_of

_CRASHED_NODE = re.compile(r"^Node: (?P<name>\S+)", re.MULTILINE)
_TOLD_ERROR = re.compile(r"^\s*bids_brainage\.[\w.]*?(?P<kind>\w+Error): (?P<sentence>.+)", re.MULTILINE)
# The line that a traceback ends with.
_ERROR = re.compile(
    r"^\s*(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit))(?:: (?P<text>.*))?$", re.MULTILINE
)
# NumPy tells of a short write in words of its own.
_FULL = re.compile(
    rf"OSError: (?:\[Errno (?:{errno.ENOSPC}|{errno.EDQUOT})\][^:\n]*(?:: '(?P<place>[^'\n]*)')?"
    r"|\d+ requested and \d+ written)"
)
# Python's, and NumPy's and TensorFlow's of the same meaning.
_NO_MEMORY = re.compile(r"^\s*(?:\S*MemoryError|\S*ResourceExhaustedError)\b", re.MULTILINE)
# What nipype says of a job of a batch system that left nothing behind.
_LOST_JOB = re.compile(r"Job id \((?P<job>\d+)\) finished or terminated")
_FOLDER = re.compile(r"^Working directory: (?P<place>.+)", re.MULTILINE)
_WRAPPER = "nipype.pipeline.engine.nodes.NodeExecutionError"
# What nipype adds where the failed step left no results.
_CRASH_OF_CRASHFILE = "When creating this crashfile"


class Crash(NamedTuple):
    """A node that failed.

    Attributes
    ----------
    sentence : str
        What a person should read.
    path : Path
        The crash file.
    node : tuple of str
        The parts of the node's name.
    kind : str
        Name of the program's own error; empty if it was none.
    """

    sentence: str
    path: Path
    node: tuple[str, ...]
    kind: str

    @classmethod
    def read(cls, path: Path) -> Crash:
        """Read a crash file."""
        text = path.read_text(encoding="utf-8", errors="replace")
        found = _CRASHED_NODE.search(text)
        name = found["name"] if found else ""
        told = _TOLD_ERROR.findall(text.partition(_CRASH_OF_CRASHFILE)[0])
        return cls(crash_sentence(text), path, tuple(name.split(".")), told[-1][0] if told else "")

    @property
    def stage(self) -> str | None:
        """The stage of preprocessing that the node belongs to, if any."""
        return stage_of(self.node)


class Crashes:
    """nipype's crash files of a run, each read once.

    Parameters
    ----------
    log_dir : Path
    """

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir
        self._read: dict[Path, Crash] = {}
        self._settled: set[Path] = set()

    def of(self, people: Mapping[str, str]) -> dict[str, list[Crash]]:
        """By name, the nodes that failed; `people` maps parts of nodes' names to names."""
        crashes: dict[str, list[Crash]] = defaultdict(list)
        for path in sorted(set(self.log_dir.glob("crash-*.txt")) - self._settled):
            if path not in self._read:
                self._read[path] = Crash.read(path)
            for part in people.keys() & set(self._read[path].node):
                crashes[people[part]].append(self._read[path])
        return dict(crashes)

    def settle(self, crashes: Iterable[Crash]) -> None:
        """Count these no more: what failed can be done without."""
        self._settled |= {crash.path for crash in crashes}


def crash_sentence(text: str) -> str:
    """Find the one sentence of a crash file that a person should read.

    Nipype wraps the error of a step in errors of its own, before and after. What counts is our own error;
    else that a disk was full or memory ran out, of which other errors follow, or that a job left no result;
    else the last that a traceback ends with.
    """
    text, _, _ = text.partition(_CRASH_OF_CRASHFILE)
    told = _TOLD_ERROR.findall(text)
    if told:
        return str(told[-1][1]).strip()
    full = _FULL.search(text)
    if full:
        folder = _FOLDER.search(text)
        place = full["place"] or (folder["place"] if folder else "the disk")
        return messages.DISK_FULL.format(place=place)
    if _NO_MEMORY.search(text):
        return messages.NO_MEMORY
    if lost := _LOST_JOB.search(text):
        return messages.JOB_ENDED.format(job=lost["job"])
    errors = [match[0].strip() for match in _ERROR.finditer(text) if match["name"] != _WRAPPER]
    lines = errors or [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
