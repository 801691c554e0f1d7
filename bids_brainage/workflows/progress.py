"""Progress of the running nodes: for the log, for the page, and for the person waiting."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage.atomic import write_text
from bids_brainage.quoting import one_line
from bids_brainage.records.session import FIRST, LINEAR, TEMPLATE, StageKey
from bids_brainage.workflows.node_names import stage_of

if TYPE_CHECKING:
    from bids_brainage.workflows.plugin import Heard

LOGGER = logging.getLogger(__name__)


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
            # A sequence may be done without (see left_out); whoever fails is told of as such.
            needed = stage_of(node.fullname.split(".")) in (None, FIRST, TEMPLATE, *LINEAR)
            level = logging.ERROR if needed else logging.WARNING
            LOGGER.log(level, "%s: %s failed after %.1f s", session, step, seconds)
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
            if modality := stage_of([f"{part}_wf"]):
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
