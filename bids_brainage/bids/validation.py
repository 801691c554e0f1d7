"""Whether the input is valid BIDS, as bids-validator-deno sees it; it needs no network."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from bids_brainage import messages
from bids_brainage.bids.dataset import view
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line

_log = logging.getLogger(__name__)

_PROGRAM = "bids-validator-deno"
_LONGEST = 3600
# An empty image, or one whose content is elsewhere, concerns one person, who is reported later by name.
_FORGIVEN = frozenset({"EMPTY_FILE", "SYMLINK_BROKEN"})
# The table lists everyone, but the validator only sees the folders that were asked for.
_FORGIVEN_IN_PART = frozenset({"PARTICIPANT_ID_MISMATCH"})
# `swi` has no official name, but is read.
_FORGIVEN_PLACE = re.compile(r"/swi/|_swi\.")
# Deno colours its errors even where it is asked not to.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def find_validator() -> Path | None:
    """Return the validator on PATH, or beside the Python that runs this program."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path=beside)
    return Path(found) if found else None


def validate(bids_dir: Path, participants: Sequence[str] = ()) -> None:
    """Validate a dataset, or those of its participants that are asked for.

    If the validator is not installed, a warning says so. Time grows with the participants asked for, not
    with the dataset.

    Parameters
    ----------
    bids_dir : Path
        The dataset.
    participants : sequence of str
        Labels without ``sub-``; none means everyone.

    Raises
    ------
    InputError
        If the validator finds errors; the sentence lists their kinds, the log each file.
    """
    program = find_validator()
    if program is None:
        _log.warning(messages.VALIDATOR_MISSING)
        return
    try:
        with view(bids_dir, participants) as folder:
            report = _run(program, folder)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        _log.warning(messages.VALIDATOR_FAILED.format(reason=error))
        return
    forgiven = _FORGIVEN | _FORGIVEN_IN_PART if participants else _FORGIVEN
    errors = [issue for issue in report["issues"]["issues"] if _is_error(issue, forgiven)]
    for issue in errors:
        _log.debug("BIDS: %s %s", issue.get("code"), issue.get("location", ""))
    if errors:
        raise InputError(
            messages.VALIDATOR_ERRORS.format(path=bids_dir, count=len(errors), summary=_summary(errors))
        )


def _run(program: Path, bids_dir: Path) -> dict[str, Any]:
    """Run the validator offline and return its JSON report."""
    beside = str(Path(sys.executable).parent)
    environ = os.environ | {
        "PATH": os.pathsep.join([os.environ.get("PATH", ""), beside]),
        "DENO_NO_UPDATE_CHECK": "1",
        "NO_COLOR": "1",
    }
    command = [str(program), str(bids_dir), "--format", "json", "--ignoreNiftiHeaders", "--ignoreWarnings"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environ, timeout=_LONGEST, check=False, errors="replace"
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
        report["issues"]["issues"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(_reason(done.stderr or done.stdout) or f"exit code {done.returncode}") from error
    return report


def _reason(told: str) -> str:
    """Return the first line of a complaint that names an error, else its first; behind it comes the stack."""
    lines = [one_line(_COLOUR.sub("", line)) for line in told.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")


def _is_error(issue: dict[str, Any], forgiven: Collection[str]) -> bool:
    if issue.get("severity") != "error" or issue.get("code") in forgiven:
        return False
    return not _FORGIVEN_PLACE.search(str(issue.get("location", "")))


def _summary(errors: list[dict[str, Any]], most: int = 3) -> str:
    counts = Counter(str(issue.get("code")) for issue in errors)
    examples = {str(issue.get("code")): str(issue.get("location", "")) for issue in reversed(errors)}
    parts = [f"{count} x {code}, as {examples[code]}" for code, count in counts.most_common(most)]
    more = len(counts) - most
    return "; ".join(parts) + (f"; {more} more kinds" if more > 0 else "")
