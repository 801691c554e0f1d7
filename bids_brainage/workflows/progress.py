"""What the running nodes have come to: for the log, for the page, and for the person waiting."""

from __future__ import annotations

import json
import logging
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOGGER = logging.getLogger(__name__)

_CRASHED_NODE = re.compile(r"^Node: (?P<name>\S+)", re.MULTILINE)
_TOLD_ERROR = re.compile(r"bids_brainage\.errors\.\w+: (?P<sentence>.+)")


class Progress:
    """Nipype status callback that keeps the seconds each node took.

    Parameters
    ----------
    people : mapping of str to str
        Name of a session's workflow to the session's name (``sub-01_ses-1``).
    folder : Path
        Where ``<session>.json`` with the run times is written; the page reads it there.
    """

    def __init__(self, people: Mapping[str, str], folder: Path) -> None:
        self.people = dict(people)
        self.folder = folder
        self.seconds: dict[str, dict[str, float]] = defaultdict(dict)
        self._started: dict[str, float] = {}

    def __call__(self, node: Any, status: str) -> None:
        """Take note that a node starts, ends or fails."""
        session, step = self._place(node.fullname)
        if session is None:
            return
        if status == "start":
            self._started[node.fullname] = time.monotonic()
            LOGGER.debug("%s: %s", session, step)
            return
        seconds = time.monotonic() - self._started.get(node.fullname, time.monotonic())
        if status == "exception":
            LOGGER.error("%s: %s failed after %.1f s", session, step, seconds)
            return
        if not node.run_without_submitting:
            self.seconds[session][step] = round(seconds, 2)
            LOGGER.info("%s: %s took %.1f s", session, step, seconds)
            self._write(session)

    def _place(self, fullname: str) -> tuple[str | None, str]:
        parts = fullname.split(".")
        for index, part in enumerate(parts):
            if part in self.people:
                steps = [step.removesuffix("_wf") for step in parts[index + 1 :]]
                return self.people[part], ".".join(steps)
        return None, fullname

    def _write(self, session: str) -> None:
        from bids_brainage.atomic import write_text

        write_text(run_times_file(self.folder, session), json.dumps(self.seconds[session], indent=1))


def run_times_file(folder: Path, session: str) -> Path:
    """Where the run times of one session stand."""
    return folder / f"{session}_run-times.json"


def read_crashes(log_dir: Path, people: Mapping[str, str]) -> dict[str, list[tuple[str, Path]]]:
    """Read nipype's crash files: session's name to the sentences and files of its failed nodes."""
    crashes: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for path in sorted(log_dir.glob("crash-*.txt")):
        text = path.read_text(encoding="utf-8", errors="replace")
        found = _CRASHED_NODE.search(text)
        parts = found["name"].split(".") if found else []
        for part in parts:
            if part in people:
                crashes[people[part]].append((crash_sentence(text), path))
    return dict(crashes)


def crash_sentence(text: str) -> str:
    """Find the one sentence of a crash file that a person should read."""
    told = _TOLD_ERROR.findall(text)
    if told:
        return str(told[-1]).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
