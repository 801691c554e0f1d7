"""``python -m bids_brainage.cli.train_bundle``: make a bundle of finished derivatives, as a plan says."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from bids_brainage.cli.logs import set_up_console
from bids_brainage.errors import BrainAgeError

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the arguments say and return the exit code."""
    arguments = _parser().parse_args(argv)
    set_up_console(verbose=0)
    from bids_brainage.models.plan import load_plan
    from bids_brainage.models.training import train_bundle

    work_dir = arguments.work_dir or arguments.out.with_name(arguments.out.name + "_training")
    try:
        bundle = train_bundle(
            arguments.derivatives,
            arguments.participants,
            load_plan(arguments.plan),
            arguments.out,
            work_dir,
            arguments.nprocs,
        )
    except BrainAgeError as error:
        _log.error("%s", error)
        return error.exit_code
    print((work_dir / "errors.tsv").read_text(encoding="utf-8"))
    print(f"Bundle {bundle.name} is in {bundle.path}; log and errors are in {work_dir}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bids_brainage.cli.train_bundle",
        description="Train multi-level ensembles on what `bids_brainage ... participant` has prepared.",
    )
    parser.add_argument("derivatives", type=Path, nargs="+", help="folders that bids_brainage has written")
    parser.add_argument("--participants", type=Path, required=True, help="participants.tsv with the ages")
    parser.add_argument("--plan", type=Path, required=True, help="training plan (YAML)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument(
        "-w", "--work-dir", type=Path, help="what is finished is kept here (default: OUT_training)"
    )
    parser.add_argument("--nprocs", type=int, default=1, help="base models trained side by side")
    return parser


if __name__ == "__main__":
    sys.exit(main())
