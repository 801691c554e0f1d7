"""Progress of the running nodes: for the log, for the page, and for the person waiting."""

from __future__ import annotations

import errno
import json
import logging
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.quoting import one_line
from bids_brainage.records.session import FIRST, TEMPLATE, StageKey
from bids_brainage.terms import MODALITIES

if TYPE_CHECKING:
    from bids_brainage.workflows.plugin import Heard

#: What the workflow of each modality is called.
_STAGES = {"anatomical": FIRST, "template": TEMPLATE} | {
    name.lower(): name for name in MODALITIES if name != FIRST
}

LOGGER = logging.getLogger(__name__)

_CRASHED_NODE = re.compile(r"^Node: (?P<name>\S+)", re.MULTILINE)
_TOLD_ERROR = re.compile(r"^\s*bids_brainage\.[\w.]+Error: (?P<sentence>.+)", re.MULTILINE)
# The line that a traceback ends with.
_ERROR = re.compile(
    r"^\s*(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit))(?:: (?P<text>.*))?$", re.MULTILINE
)
# NumPy tells of a short write in words of its own.
_FULL = re.compile(
    rf"OSError: (?:\[Errno (?:{errno.ENOSPC}|{errno.EDQUOT})\][^:\n]*(?:: '(?P<place>[^'\n]*)')?"
    r"|\d+ requested and \d+ written)"
)
_FOLDER = re.compile(r"^Working directory: (?P<place>.+)", re.MULTILINE)
_WRAPPER = "nipype.pipeline.engine.nodes.NodeExecutionError"
# What nipype adds where the failed step left no results.
_CRASH_OF_CRASHFILE = "When creating this crashfile"


class Progress:
    """Nipype status callback that keeps the seconds each node took.

    Parameters
    ----------
    people : mapping of str to str
        Name of a session's workflow to the session's name (``sub-01_ses-1``).
    folder : Path
        Where the seconds of sessions that are not finished are kept from run to run.
    """

    def __init__(self, people: Mapping[str, str], folder: Path) -> None:
        self.people = dict(people)
        self.folder = folder
        self._seconds: dict[str, dict[str, float]] = {}
        self._started: dict[str, float] = {}
        self._heard: set[tuple[str | None, str]] = set()

    def __call__(self, node: Any, status: str) -> None:
        """Take note that a node starts, ends or fails."""
        session, step = self._place(node.fullname)
        if session is None:
            return
        if status == "start":
            self._started[node.fullname] = time.monotonic()
            LOGGER.debug("%s: %s", session, step)
            return
        now = time.monotonic()
        seconds = now - self._started.get(node.fullname, now)
        if status == "exception":
            LOGGER.error("%s: %s failed after %.1f s", session, step, seconds)
            return
        if not node.run_without_submitting:
            own = self._own(session)
            # A step done by an earlier run is only checked again.
            own[step] = max(round(seconds, 2), own.get(step, 0.0))
            LOGGER.info("%s: %s took %.1f s", session, step, seconds)
            write_text(self._file(session), json.dumps(own))

    def hear(self, fullname: str, heard: list[Heard]) -> None:
        """Log once, with the person's name, what a step logged in its worker; others' words for -v alone."""
        session, step = self._place(fullname)
        for own in heard:
            if (session, own.text) not in self._heard:
                self._heard.add((session, own.text))
                ours = own.logger.split(".")[0] == "bids_brainage"
                level = own.level if ours else logging.DEBUG
                LOGGER.log(level, "%s: %s: %s", session or "the run", step, one_line(own.text))

    def seconds_of(self, session: str) -> dict[StageKey, dict[str, float]]:
        """Seconds of the steps that prepared a session's images, in this run and earlier ones, by stage."""
        stages: dict[StageKey, dict[str, float]] = {}
        for step, seconds in self._own(session).items():
            _, _, place = step.partition("preprocessing.")
            part, _, name = place.partition(".")
            if part in _STAGES:
                modality = _STAGES[part]
                stages.setdefault(("preprocessing", modality), {})[f"{modality} {name}"] = seconds
        return stages

    def forget(self, session: str) -> None:
        """Drop what was kept of a session that is finished."""
        self._seconds.pop(session, None)
        self._file(session).unlink(missing_ok=True)

    def _own(self, session: str) -> dict[str, float]:
        if session not in self._seconds:
            try:
                kept = json.loads(self._file(session).read_text(encoding="utf-8"))
                self._seconds[session] = {str(step): float(seconds) for step, seconds in kept.items()}
            except (OSError, ValueError, TypeError, AttributeError):
                self._seconds[session] = {}
        return self._seconds[session]

    def _file(self, session: str) -> Path:
        return self.folder / f"{session}.json"

    def _place(self, fullname: str) -> tuple[str | None, str]:
        parts = fullname.split(".")
        for index, part in enumerate(parts):
            if part in self.people:
                steps = [step.removesuffix("_wf") for step in parts[index + 1 :]]
                return self.people[part], ".".join(steps)
        return None, fullname


class Crashes:
    """nipype's crash files of a run, each read once.

    Parameters
    ----------
    log_dir : Path
    """

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir
        self._read: dict[Path, tuple[list[str], str]] = {}

    def of(self, people: Mapping[str, str]) -> dict[str, list[tuple[str, Path]]]:
        """By name, the sentences and files of the nodes that failed; `people` maps parts of nodes' names."""
        crashes: dict[str, list[tuple[str, Path]]] = defaultdict(list)
        for path in sorted(self.log_dir.glob("crash-*.txt")):
            if path not in self._read:
                self._read[path] = _read_crash(path)
            parts, sentence = self._read[path]
            for part in people.keys() & set(parts):
                crashes[people[part]].append((sentence, path))
        return dict(crashes)


def _read_crash(path: Path) -> tuple[list[str], str]:
    """The parts of the failed node's name, and the sentence that a person should read."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = _CRASHED_NODE.search(text)
    return found["name"].split(".") if found else [], crash_sentence(text)


def crash_sentence(text: str) -> str:
    """Find the one sentence of a crash file that a person should read.

    Nipype wraps the error of a step in errors of its own, before and after. What counts is our own error;
    else that a disk was full, of which other errors follow; else the last that a traceback ends with.
    """
    text, _, _ = text.partition(_CRASH_OF_CRASHFILE)
    told = _TOLD_ERROR.findall(text)
    if told:
        return str(told[-1]).strip()
    full = _FULL.search(text)
    if full:
        folder = _FOLDER.search(text)
        place = full["place"] or (folder["place"] if folder else "the disk")
        return messages.DISK_FULL.format(place=place)
    errors = [match[0].strip() for match in _ERROR.finditer(text) if match["name"] != _WRAPPER]
    lines = errors or [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
