"""`bids_brainage_simulate inject` and `respond`: changes of known dose, and what models make of them."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bids_brainage.bids.naming import strip_prefix
from bids_brainage.cli.bars import progress
from bids_brainage.resources import available_processors

AtLeast = Callable[[int], type[int]]


def add_commands(commands: Any, at_least: AtLeast) -> None:
    """Add both to the parser of `bids_brainage_simulate`; `at_least` makes types of whole numbers."""
    inject = commands.add_parser("inject", help="put a change of known dose and place into prepared images")
    inject.add_argument(
        "derivatives", type=Path, metavar="DERIVATIVES", help="what bids_brainage has prepared of any dataset"
    )
    inject.add_argument("folder", type=Path, metavar="OUT", help="where to write the altered images")
    inject.add_argument("--dose", required=True, type=float, metavar="X", help=f"how much: {_doses()}")
    _add_change(inject, at_least, nprocs=1)
    respond = commands.add_parser(
        "respond", help="what a model makes of such changes: years gained, and where its maps put them"
    )
    respond.add_argument(
        "bids_dir", type=Path, metavar="BIDS_DIR", help="the raw dataset: participants.tsv has ages"
    )
    respond.add_argument(
        "derivatives", type=Path, metavar="DERIVATIVES", help="what bids_brainage has prepared of it"
    )
    respond.add_argument("folder", type=Path, metavar="OUT", help="where to write the tables and the figure")
    respond.add_argument(
        "--doses", required=True, type=float, nargs="+", metavar="X", help=f"how much: {_doses()}"
    )
    respond.add_argument("--model", default="demo", help="name or folder of the model bundle (default: demo)")
    respond.add_argument(
        "--methods",
        nargs="+",
        default=["preset-a", "dba"],
        metavar="NAME",
        help="of maps: rules of --lrp-rule, reference, dba (default: preset-a dba)",
    )
    _add_change(respond, at_least, nprocs=available_processors())


def _doses() -> str:
    from bids_brainage.injection.change import load_injection

    units = {"share": "share (0 to 1)"}
    kinds = load_injection().kinds.items()
    return ", ".join(f"{name} in {units.get(kind.unit, kind.unit)}" for name, kind in kinds)


def _add_change(parser: argparse.ArgumentParser, at_least: AtLeast, nprocs: int) -> None:
    from bids_brainage.injection.change import SIDES, load_injection

    kinds = load_injection().kinds
    regions = "; ".join(f"{name}: {', '.join(kind.regions)}" for name, kind in kinds.items() if kind.regions)
    parser.add_argument("--change", required=True, choices=tuple(kinds), help="what is put into the images")
    parser.add_argument("--side", default="both", choices=SIDES, help="of the head (default: both)")
    parser.add_argument("--region", metavar="NAME", help=f"where (default: everywhere); {regions}")
    parser.add_argument(
        "--participant-label", nargs="+", default=[], metavar="LABEL", help="only these (default: everybody)"
    )
    parser.add_argument(
        "--seed", type=at_least(0), default=0, help="where lesions lie (default: 0); more contains less"
    )
    parser.add_argument(
        "--nprocs", type=at_least(1), default=nprocs, metavar="P", help="processes (default: %(default)s)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="tell more")


def run(arguments: argparse.Namespace) -> int:
    """Run either command; the return value is the exit code."""
    labels = [strip_prefix(label, "sub") for label in arguments.participant_label]
    return (_inject if arguments.command == "inject" else _respond)(arguments, labels)


def _inject(arguments: argparse.Namespace, labels: list[str]) -> int:
    from bids_brainage.injection.change import Change
    from bids_brainage.injection.dataset import inject_dataset

    change = Change(arguments.change, arguments.dose, arguments.side, arguments.region, arguments.seed)
    done = inject_dataset(
        arguments.derivatives,
        arguments.folder,
        change,
        labels,
        nprocs=arguments.nprocs,
        progress=progress,
    )
    sys.stdout.write(
        f"{arguments.folder}: {change} in {len(done.made)} sessions; {len(done.there)} were there already.\n"
    )
    return 0


def _respond(arguments: argparse.Namespace, labels: list[str]) -> int:
    from bids_brainage.injection.change import Change
    from bids_brainage.studies.injection_response import SUMMARY, measure_responses, short_table

    # It takes minutes, so it tells where it is.
    logging.getLogger("bids_brainage").setLevel(logging.DEBUG if arguments.verbose else logging.INFO)
    found = measure_responses(
        arguments.bids_dir,
        arguments.derivatives,
        arguments.folder,
        arguments.model,
        [
            Change(arguments.change, dose, arguments.side, arguments.region, arguments.seed)
            for dose in sorted(set(arguments.doses))
        ],
        methods=arguments.methods,
        labels=labels,
        nprocs=arguments.nprocs,
    )
    sys.stdout.write(f"{short_table(found.summary)}\nAll figures are in {arguments.folder / SUMMARY}\n")
    return 0
