"""The command line ``bids_brainage BIDS_DIR OUTPUT_DIR {participant,group,train} [options]``."""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bids_brainage import __version__, config
from bids_brainage.config import RunConfig
from bids_brainage.quoting import one_line

_DESCRIPTION = """\
Estimate brain age from T1w, FLAIR and SWI with multi-level ensembles of 3D CNNs, and show with Layer-wise
Relevance Propagation which voxels made the brain look older or younger. Nothing is written to BIDS_DIR, and
no network is used."""

_EPILOG = """\
Exit codes: 0 success; 1 somebody failed (or has a flag of --fail-on-flag), the others are done; 2 wrong
usage or input; 3 a bug in the program; 4 a disk ran full or failed; 130 interrupted; 143 terminated.
More in docs/usage.md."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; its defaults are those of `RunConfig`."""
    parser = _Parser(
        prog="bids_brainage",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("bids_dir", metavar="BIDS_DIR", help="the BIDS dataset; only read")
    parser.add_argument(
        "output_dir",
        metavar="OUTPUT_DIR",
        help="where results go: outside BIDS_DIR, or BIDS_DIR/derivatives/<name>",
    )
    parser.add_argument(
        "analysis_level",
        nargs="+",
        choices=config.LEVELS,
        metavar="{participant,group,train}",
        help="what to run: estimate and explain people, compare groups of those who are finished, or train "
        "a model on finished derivatives",
    )
    _add_selection(parser.add_argument_group("Which images"))
    _add_model(parser.add_argument_group("Preprocessing, model and explanation"))
    _add_group(parser.add_argument_group("Statistics (level group)"))
    _add_training(parser.add_argument_group("Training (level train)"))
    _add_running(parser.add_argument_group("Running"))
    _add_other(parser.add_argument_group("Other"))
    return parser


def parse(argv: Sequence[str] | None = None) -> RunConfig:
    """Turn arguments into a `RunConfig`.

    Values in --config-file replace defaults; what is typed takes precedence. By default, processors and
    memory are those the job may use.

    Raises
    ------
    InputError
        If the --config-file is not usable.
    SystemExit
        As argparse does, with code 2, for wrong usage; with 0 for --help and --version.
    """
    parser = build_parser()
    typed = _checked(parser, parser.parse_args(argv))
    settings = config.read_settings(typed["config_file"]) if "config_file" in typed else {}
    values = settings | typed
    values["run_id"] = _run_id()
    _fill_resources(values)
    return RunConfig(**values)


def _checked(parser: argparse.ArgumentParser, given: argparse.Namespace) -> dict[str, Any]:
    """What was typed, as the run uses it; wrong usage ends the program."""
    typed = {}
    for name, value in vars(given).items():
        if value is None:
            continue
        try:
            typed[name] = config.checked(name, value)
        except ValueError as error:
            shown = one_line(" ".join(map(str, value)) if isinstance(value, list) else value)
            parser.error(f"argument {_written(name)}: '{shown}' is not allowed: {error}")
    return typed


def _written(name: str) -> str:
    """How an option, or one of the three places, is written."""
    placed = ("bids_dir", "output_dir", "analysis_level")
    return name.upper() if name in placed else "--" + name.replace("_", "-")


def _add_selection(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add(
        "--participant-label",
        nargs="+",
        metavar="LABEL",
        help="only these participants, with or without sub-",
    )
    add(
        "--session-label",
        nargs="+",
        metavar="LABEL",
        help="only these sessions, with or without ses-",
    )
    add(
        "--modalities",
        nargs="+",
        metavar="MODALITY",
        help="sequences to use, of T1w, FLAIR, T2starw (also swi) and T2w; T1w is always read (default: the "
        "first three, and T2w where a --model takes it in)",
    )
    add(
        "--require-all-modalities",
        action="store_true",
        help="fail who lacks one of the --modalities, or whose image of one cannot be used (default: the "
        "estimate is based on the others, with a flag)",
    )
    add(
        "--bids-filter-file",
        metavar="FILE",
        help='JSON that narrows the selection, as in fMRIPrep: {"t1w": {"acquisition": "mprage"}}',
    )
    add("--skip-bids-validation", action="store_true", help="do not run bids-validator-deno first")
    add(
        "--bids-database-dir",
        metavar="DIR",
        help="keep pybids' index of the whole dataset here, and reuse it",
    )
    add(
        "-d",
        "--derivatives",
        nargs="+",
        action=_Derivatives,
        metavar="NAME=PATH",
        help="start from derivatives of sMRIPrep or fMRIPrep; also folders of images that you made for a "
        "--model that takes them in",
    )
    add(
        "--fs-subjects-dir",
        metavar="DIR",
        help="start from FreeSurfer's brain.finalsurfs.mgz, as in the paper",
    )
    add(
        "--allow-raw-fallback",
        action="store_true",
        help="take raw images of those whom --derivatives or --fs-subjects-dir lack, instead of failing them",
    )


def _add_model(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add(
        "--skull-strip",
        choices=config.SKULL_STRIP,
        help="how the brain is extracted: auto uses the best installed method (default auto)",
    )
    add(
        "--model",
        nargs="+",
        metavar="NAME_OR_PATH",
        help="model bundle: a name (see bids_brainage_models list) or a folder; several are run side by side "
        "on the same images (default demo)",
    )
    add(
        "--ensemble",
        nargs="+",
        metavar="NAME",
        help="ensembles to use, as the model calls them (see bids_brainage_models show; default all)",
    )
    add(
        "--explain",
        nargs="+",
        choices=config.EXPLANATIONS,
        help="maps to make: lrp, why the model says this age; dba, why not that of the average brain of the "
        "person's age; reference, why not that of the average brain of all ages (default lrp dba)",
    )
    add(
        "--lrp-rule",
        choices=config.LRP_RULES,
        metavar="RULE",
        help=f"{_list(config.LRP_RULES)} (default: the paper's preset-a, or what a published network's "
        "recipe names)",
    )
    add(
        "--lrp-backend",
        choices=config.LRP_BACKENDS,
        help="what propagates relevance: this program or iNNvestigate (default native)",
    )
    add(
        "--relevance-aggregation",
        choices=config.AGGREGATIONS,
        help="weigh the base models' maps as the heads do, so that they add up to the estimate, or take "
        "their mean, as in the paper (default heads)",
    )
    add("--no-relevance", action="store_true", help="estimates only, no maps")
    add("--preproc-only", action="store_true", help="prepare images and stop")
    add(
        "--output-spaces",
        nargs="+",
        metavar="SPACE",
        help="spaces in which relevance maps are written: T1w (the person's own, 1 mm) and "
        f"{config.STANDARD_SPACE} (default {config.STANDARD_SPACE})",
    )
    add(
        "--maps",
        choices=config.MAPS,
        help="relevance maps to write: the ensemble's alone, or those of its sub-ensembles too (default "
        "sub-ensemble)",
    )


def _add_group(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add("--group-model", metavar="FILE", help="design and contrasts, as BIDS Stats Models JSON")
    add(
        "--contrast",
        nargs="+",
        action="extend",
        metavar="COLUMN",
        help="columns whose effect on the maps is tested: dba, age, one of participants.tsv, sessions.tsv or "
        "phenotype/, or intercept for the mean",
    )
    add(
        "--covariates",
        nargs="+",
        action="extend",
        metavar="COLUMN",
        help="columns that the tests of --contrast allow for",
    )
    add(
        "--sessions",
        choices=config.GROUP_SESSIONS,
        help="what --contrast asks of people with several sessions: the first alone (default), effects "
        "within people, or the change a year from first to last",
    )
    add("--no-paper", action="store_true", help="leave out the four analyses of Hofmann et al. (2022)")
    add(
        "--map",
        nargs="+",
        choices=config.GROUP_MAPS,
        help="maps that are tested: LRP's, or those of what differs from the average brain of the age "
        "(default lrp)",
    )
    add(
        "--test",
        nargs="*",
        choices=config.GROUP_TESTS,
        help="what is tested: voxels, regions, both (default) or, without a word, neither",
    )
    add("--inference", choices=config.INFERENCES, help="statistic of voxelwise tests (default tfce)")
    add(
        "--cluster-p",
        type=float,
        metavar="P",
        help="threshold of --inference extent and mass (default 0.001)",
    )
    add("--n-permutations", type=int, metavar="N", help="permutations of each test (default 5000)")
    add(
        "--tail-approximation",
        action="store_true",
        help="also give p values from a generalised Pareto distribution fitted to the permutations' tail",
    )
    add("--one-sided", action="store_true", help="test --contrast for positive effects alone")
    add(
        "--correct-over",
        nargs="+",
        choices=config.FAMILIES,
        help="also correct over the contrasts of an analysis, or over the maps of all sub-ensembles",
    )
    add("--group-mask", metavar="FILE", help="voxels to test, on the 2 mm grid (default: the brain)")
    add("--smoothing", type=float, metavar="FWHM", help="smooth the maps before, mm (default 0)")
    add(
        "--atlas",
        nargs="+",
        metavar="NAME_OR_FILE",
        help=f"regions: {_list(config.ATLASES)}, or a NIfTI image of labels (default merged)",
    )
    add(
        "--by",
        nargs="+",
        action="extend",
        metavar="COLUMN",
        help="also report accuracy by these columns (sex and site are reported where they exist)",
    )
    add(
        "--window",
        nargs=3,
        type=float,
        metavar=("WIDTH", "STEP", "LEAST"),
        help="sliding windows over age: years, years, and people a window needs (default 10 1 20)",
    )


def _add_training(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add("--model-out", metavar="DIR", help="folder of the new model bundle; its name is the bundle's name")
    add(
        "--training-plan",
        metavar="NAME_OR_FILE",
        help="what is trained and how: paper, demo, finetune, or a YAML file (default paper; "
        "with --from-bundle finetune)",
    )
    add(
        "--target",
        metavar="COLUMN",
        help="numeric column of participants.tsv to estimate (default: the plan's or "
        "--from-bundle's, else age)",
    )
    add(
        "--from-bundle",
        metavar="NAME_OR_PATH",
        help="start from this model bundle instead of from scratch",
    )
    add(
        "--refit",
        choices=config.REFITS,
        help="with --from-bundle: fit only new heads, or continue training all weights (default heads)",
    )
    add(
        "--folds",
        type=int,
        metavar="K",
        help="repetitions to train, at most as many as needed to test each person once (default: the plan's)",
    )


def _add_running(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add("-w", "--work-dir", metavar="DIR", help="where intermediate results go (default ./work)")
    add(
        "--nprocs",
        type=int,
        metavar="N",
        help="processors to use at once (default: what the job may use)",
    )
    add(
        "--omp-nthreads",
        type=int,
        metavar="N",
        help="threads a step may use (default 1); other numbers change registrations slightly",
    )
    add("--mem", type=float, metavar="GB", help="memory to use (default: what the job may use)")
    add("--low-mem", action="store_true", help="use less memory and take more time; results are the same")
    add("--use-plugin", metavar="FILE", help="nipype plugin settings, YAML")
    add(
        "--random-seed",
        "--seed",
        dest="random_seed",
        type=int,
        metavar="N",
        help="seed of everything random (default 1)",
    )
    add(
        "--stop-on-first-crash",
        action="store_true",
        help="stop everything when somebody fails, or an image is refused",
    )
    add(
        "--fail-on-flag",
        nargs="+",
        action="extend",
        metavar="CODE",
        help="end with code 1 if somebody has one of these flags (listed in docs/outputs.md; default: none)",
    )
    add("--reports-only", action="store_true", help="only rewrite the pages from existing results")
    add("--boilerplate-only", action="store_true", help="only write the methods text (logs/CITATION.*)")
    add("--dry-run", action="store_true", help="show what would be run for whom; write nothing")
    add("--keep-work", action="store_true", help="keep the work folder of those who are finished")
    add("--clean-workdir", action="store_true", help="first remove what earlier runs left in the work folder")


def _add_other(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add(
        "--config-file",
        metavar="FILE",
        help="TOML file of options, like the config.toml of an earlier run; what is typed wins",
    )
    add("-v", "--verbose", action="count", help="say more; twice: include messages of libraries")
    add("--debug", action="store_true", help="show tracebacks")
    group.add_argument("--version", action="version", version=f"bids_brainage {__version__}")


def _adder(group: argparse._ArgumentGroup) -> Any:
    """Return `group.add_argument` with default None, by which options that were not typed are known."""

    def add(*names: str, **settings: Any) -> None:
        group.add_argument(*names, default=None, **settings)

    return add


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tell wrong usage in two lines: with all options, the usage would fill the screen."""
        usage = (
            f"usage: {self.prog} BIDS_DIR OUTPUT_DIR {{participant,group,train}} [options]; --help lists them"
        )
        self.exit(2, f"{usage}\n{self.prog}: error: {message}\n")


class _HelpFormatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


class _Derivatives(argparse.Action):
    """Collect NAME=PATH; a bare PATH is named after its folder."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        found = dict(getattr(namespace, self.dest) or {})
        for value in values:
            name, _, folder = value.partition("=")
            if not folder or "/" in name:
                folder = value
                name = Path(value).name or value
            if name in found:
                parser.error(f"argument {option_string}: {name!r} is given twice")
            found[name] = folder
        setattr(namespace, self.dest, found)


def _fill_resources(values: dict[str, Any]) -> None:
    from bids_brainage import resources

    if "nprocs" not in values:
        values["nprocs"] = resources.available_processors()
    if "mem" not in values:
        values["mem"] = round(resources.available_memory_gb(), 2)


def _run_id() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S')}_{secrets.token_hex(4)}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
