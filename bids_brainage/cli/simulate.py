"""`bids_brainage_simulate`: simulated brains with known truth, and the paper's simulation study."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from bids_brainage import __version__
from bids_brainage.caches import brought_along
from bids_brainage.cli import injection
from bids_brainage.cli.bars import progress
from bids_brainage.cli.endings import FAULT, TerminationError, ending, told_of_termination
from bids_brainage.errors import BrainAgeError
from bids_brainage.resources import available_processors
from bids_brainage.thread_limits import at_most


def build_parser() -> argparse.ArgumentParser:
    """The command line of `bids_brainage_simulate`."""
    parser = argparse.ArgumentParser(
        prog="bids_brainage_simulate", description="Simulate brains, or tori, whose ageing is known."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    cohort = commands.add_parser("cohort", help="a BIDS dataset of simulated T1w, FLAIR and T2starw images")
    cohort.add_argument("folder", type=Path, metavar="DIR", help="where to write the dataset")
    cohort.add_argument("--n", type=_at_least(1), default=10, help="number of people (default: %(default)s)")
    cohort.add_argument("--seed", type=_at_least(0), default=0, help="seed of the simulation (default: 0)")
    cohort.add_argument(
        "--voxel-size", type=int, choices=(1, 2, 4), metavar="MM", help="1, 2 or 4 mm (default: 2)"
    )
    cohort.add_argument("--skull", action="store_true", help="with scalp, skull, eyes and neck")
    cohort.add_argument(
        "--varied",
        action="store_true",
        help="everybody scanned differently: 1 or 2 mm, with and without skull, turned by up to 12 degrees",
    )
    cohort.add_argument(
        "--start", type=_at_least(0), default=0, metavar="I", help="number of the first person, from 0"
    )
    cohort.add_argument(
        "--age-range", type=float, nargs=2, metavar=("MIN", "MAX"), help="ages, uniform (default: 20 80)"
    )
    cohort.add_argument("--nprocs", type=_at_least(1), default=1, metavar="P", help="processes (default: 1)")
    cohort.add_argument("-v", "--verbose", action="store_true", help="tell more")
    tori = commands.add_parser(
        "tori", help="the simulation study of the paper: train on tori, explain, measure"
    )
    tori.add_argument("folder", type=Path, metavar="OUT", help="where to write tables, maps and the page")
    tori.add_argument(
        "--n", type=_at_least(50), default=2000, help="number of tori, at least 50 (default: %(default)s)"
    )
    tori.add_argument("--seed", type=_at_least(0), default=0, help="seed of the study (default: 0)")
    tori.add_argument(
        "--epochs", type=_at_least(1), default=80, metavar="N", help="epochs of training (default: 80)"
    )
    tori.add_argument(
        "--base-models", type=_at_least(1), default=2, metavar="K", help="networks to train (default: 2)"
    )
    tori.add_argument(
        "--as-in-paper", action="store_true", help="constant learning rate, tori never mirrored"
    )
    tori.add_argument(
        "--nprocs",
        type=_at_least(1),
        default=available_processors(),
        metavar="P",
        help="processes (default: what this job may use)",
    )
    tori.add_argument("-v", "--verbose", action="store_true", help="report every epoch")
    truth = commands.add_parser("truth", help="relevance maps of simulated brains against what aged in them")
    truth.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="a dataset that `cohort` has made")
    truth.add_argument("derivatives", type=Path, metavar="DERIVATIVES", help="derivatives made from it")
    truth.add_argument("folder", type=Path, metavar="OUT", help="where to write the tables")
    truth.add_argument("--model", default="demo", help="name or folder of the model bundle (default: demo)")
    truth.add_argument(
        "--nprocs",
        type=_at_least(1),
        default=available_processors(),
        metavar="P",
        help="processes (default: what this job may use)",
    )
    truth.add_argument("-v", "--verbose", action="store_true", help="tell more")
    injection.add_commands(commands, _at_least)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `bids_brainage_simulate`; the return value is the exit code."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if (
        arguments.command == "cohort"
        and arguments.age_range
        and not 0 <= arguments.age_range[0] < arguments.age_range[1] <= 110
    ):
        parser.error("--age-range: MIN must be below MAX, and both between 0 and 110.")
    if arguments.command == "cohort" and arguments.varied and (arguments.voxel_size or arguments.skull):
        parser.error("--varied draws voxel sizes and skull; leave out --voxel-size and --skull.")
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, format="%(message)s")
    try:
        with told_of_termination(), brought_along(), at_most(1):
            return {"cohort": _cohort, "tori": _tori, "truth": _truth}.get(arguments.command, injection.run)(
                arguments
            )
    except (BrainAgeError, OSError, KeyboardInterrupt, TerminationError) as error:
        code, sentence = ending(error)
        if code == FAULT:
            raise
        sys.stderr.write(f"{sentence}\n")
        return code


def _cohort(arguments: argparse.Namespace) -> int:
    from bids_brainage.simulation.cohort import Settings, write_cohort
    from bids_brainage.simulation.spec import load_spec

    low, high = arguments.age_range or load_spec().ageing.age_range
    voxel_size, skull = arguments.voxel_size or 2, arguments.skull
    if arguments.varied:
        voxel_size = skull = None
    settings = Settings(arguments.seed, voxel_size, skull, (low, high))
    made = write_cohort(
        arguments.folder,
        settings,
        n=arguments.n,
        start=arguments.start,
        nprocs=arguments.nprocs,
        progress=progress,
    )
    there = arguments.n - made
    sys.stdout.write(f"{arguments.folder}: {made} people simulated, {there} were there already.\n")
    return 0


def _tori(arguments: argparse.Namespace) -> int:
    from bids_brainage.studies.tori_study import run_tori_study
    from bids_brainage.studies.tori_training import StudySettings

    _tell_always(arguments.verbose)
    settings = StudySettings(
        arguments.n, arguments.seed, arguments.epochs, arguments.base_models, arguments.as_in_paper
    )
    page = run_tori_study(arguments.folder, settings, arguments.nprocs)
    sys.stdout.write(f"The page is {page}\n")
    return 0


def _truth(arguments: argparse.Namespace) -> int:
    from bids_brainage.studies.brain_truth import compare_with_truth, short_table

    _tell_always(arguments.verbose)
    summary = compare_with_truth(
        arguments.bids_dir, arguments.derivatives, arguments.folder, arguments.model, arguments.nprocs
    )
    sys.stdout.write(f"{short_table(summary)}\nAll figures are in {arguments.folder / 'truth.tsv'}\n")
    return 0


def _tell_always(verbose: bool) -> None:
    """Report progress: it takes minutes."""
    logging.getLogger("bids_brainage").setLevel(logging.DEBUG if verbose else logging.INFO)


def _at_least(least: int) -> type[int]:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return value

    number.__name__ = "whole number"
    return number  # type: ignore[return-value]


if __name__ == "__main__":
    sys.exit(main())
