"""Writes boutiques/bids_brainage.json, which tells platforms how bids_brainage is called.

`python boutiques/describe.py` makes it of the parser, for Boutiques and what builds on it (CBRAIN,
for example). A test compares the two, so run it when an option has changed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bids_brainage import __version__
from bids_brainage.cli.parser import build_parser

FILE = Path(__file__).with_name("bids_brainage.json")
#: Metavars of what must be there when the program starts; folders of results are only names.
_FILES = {"FILE"}
_FOLDERS_READ = {"bids_dir", "fs_subjects_dir"}
#: What is no use to a platform: it prints and ends.
_LEFT_OUT = {"help", "version"}


def descriptor() -> dict[str, Any]:
    """The descriptor, after version 0.5 of Boutiques' schema."""
    inputs: list[dict[str, Any]] = []
    groups = []
    for group in build_parser()._action_groups:
        own = [_input(action) for action in group._group_actions if action.dest not in _LEFT_OUT]
        inputs += own
        if group.title not in ("positional arguments", "options", "optional arguments"):
            members = [entry["id"] for entry in own]
            groups.append({"id": _identifier(str(group.title)), "name": group.title, "members": members})
    inputs.sort(key=lambda entry: entry["optional"])
    return {
        "name": "bids_brainage",
        "description": "Brain age from T1w, FLAIR and SWI by ensembles of 3D CNNs, explained voxel by voxel.",
        "author": "The bids_brainage developers",
        "tool-version": __version__,
        "schema-version": "0.5",
        "command-line": "bids_brainage " + " ".join(entry["value-key"] for entry in inputs),
        "container-image": {"type": "docker", "image": f"bids_brainage:{__version__}", "entrypoint": True},
        "inputs": inputs,
        "groups": [group for group in groups if group["members"]],
        "output-files": [
            {
                "id": "results",
                "name": "Results",
                "path-template": "[OUTPUT_DIR]",
                "description": "A BIDS derivative.",
            }
        ],
        "error-codes": [
            {"code": code, "description": what}
            for code, what in (
                (1, "Somebody failed and is named; the others are done."),
                (2, "Wrong usage or input; nothing was computed."),
                (3, "A bug in the program."),
                (4, "A disk became full or failed."),
            )
        ],
        "suggested-resources": {"cpu-cores": 2, "ram": 6, "walltime-estimate": 3600},
        "tags": {"domain": ["neuroinformatics", "mri"], "bids-app": ["true"]},
    }


def _input(action: argparse.Action) -> dict[str, Any]:
    """One argument of the command line."""
    placed = not action.option_strings
    entry: dict[str, Any] = {
        "id": action.dest,
        "name": (action.dest if placed else action.option_strings[-1].lstrip("-")).replace("_", "-"),
        "description": (action.help or "").replace("%%", "%"),
        "type": _type(action),
        "value-key": f"[{action.dest.upper()}]",
        "optional": not placed,
    }
    if not placed:
        entry["command-line-flag"] = next(name for name in action.option_strings if name.startswith("--"))
    if action.type is int:
        entry["integer"] = True
    if action.choices:
        entry["value-choices"] = list(action.choices)
    if isinstance(action.nargs, int) and action.nargs > 0:
        entry |= {"list": True, "min-list-entries": action.nargs, "max-list-entries": action.nargs}
    elif action.nargs in ("+", "*"):
        # A flag without a word cannot be said in Boutiques.
        entry |= {"list": True, "min-list-entries": 1}
    return entry


def _type(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "Flag"
    if action.type in (int, float):
        return "Number"
    return "File" if action.dest in _FOLDERS_READ or action.metavar in _FILES else "String"


def _identifier(title: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in title.lower()).strip("_")


if __name__ == "__main__":
    FILE.write_text(json.dumps(descriptor(), indent=2) + "\n", encoding="utf-8")
