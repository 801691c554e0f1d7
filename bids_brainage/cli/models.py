"""``bids_brainage_models``: list, show, check, evaluate and import bundles, add references or norms."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bids_brainage import messages
from bids_brainage.caches import brought_along
from bids_brainage.cli.endings import DISK, ended_with_reader, ending
from bids_brainage.cli.logs import set_up_console
from bids_brainage.cli.norms import add_norms
from bids_brainage.cli.recipes import add_recipes, warnings_of
from bids_brainage.errors import BrainAgeError, InputError
from bids_brainage.quoting import printable
from bids_brainage.resources import available_processors
from bids_brainage.terms import AGE
from bids_brainage.thread_limits import at_most

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.bundles.checking import Verdict
    from bids_brainage.models.bundles.schema import BundleRecord, Cohort, EnsembleRecord, Errors, Protocol
    from bids_brainage.models.evaluation.evaluation import Coverage

_log = logging.getLogger(__name__)
ALL_WELL, UNSOUND = 0, 2
SEQUENCES = {"T1w": "--t1w", "FLAIR": "--flair", "T2starw": "--t2starw"}
#: What is said of networks like the paper's, and what a recipe says of others.
OF_PLAIN_NETWORKS = {
    **SEQUENCES,
    "heads": "--heads",
    "inputs": "--inputs",
    "box": "--box",
    "activation": "--activation",
    "age_range": "--age-range",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        0; 2 where a bundle is missing or unsound.
    """
    arguments = build_parser().parse_args(argv)
    set_up_console(verbose=0)
    only_prints = arguments.action in ("list", "show", "check", "recipes")
    try:
        with ended_with_reader() if only_prints else nullcontext(), brought_along(), at_most(1):
            return int(arguments.work(arguments))
    except (BrainAgeError, KeyboardInterrupt) as error:
        code, sentence = ending(error)
    except OSError as error:
        code, sentence = ending(error)
        if code != DISK:
            place = error.filename or "the disk"
            code = UNSOUND
            sentence = messages.OUTPUT_NOT_WRITABLE.format(path=place, reason=error.strerror or error)
    _log.error("%s", sentence)
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all actions."""
    parser = argparse.ArgumentParser(prog="bids_brainage_models", description=__doc__)
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="{list,show,check,evaluate,recipes,import,references,norms}"
    )
    listing = actions.add_parser("list", help="bundles that can be called by name")
    listing.set_defaults(work=_list)
    show = actions.add_parser("show", help="what is in a bundle, and how good it is")
    show.set_defaults(work=_show)
    check = actions.add_parser("check", help="check schema, sums, architecture and reference predictions")
    check.set_defaults(work=_check)
    _add_evaluate(actions)
    add_recipes(actions)
    _add_import(actions)
    _add_references(actions)
    add_norms(actions)
    for action in (show, check):
        action.add_argument(
            "model", nargs="?", default="demo", help="name, folder or bundle.json (default: %(default)s)"
        )
    return parser


def _add_evaluate(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = actions.add_parser(
        "evaluate",
        help="errors, and how often intervals hold, on people a bundle has not seen",
        description="Compare a bundle's estimates with the known ages of people it was not trained on.",
    )
    evaluate.set_defaults(work=_evaluate)
    evaluate.add_argument("model", help="name, folder or bundle.json")
    evaluate.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="raw dataset, for participants.tsv")
    evaluate.add_argument(
        "derivatives",
        type=Path,
        metavar="DERIVATIVES",
        help="what bids_brainage BIDS_DIR DERIVATIVES participant --preproc-only has written",
    )
    evaluate.add_argument("out", type=Path, metavar="OUT", help="folder for the tables")
    _add_work(evaluate)


def _add_import(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    importing = actions.add_parser(
        "import",
        help="make a bundle of networks trained elsewhere: a published one's file, or Keras HDF5 files",
        description="Make a bundle of a published network, by its recipe, from the files of its authors, "
        "or of Keras HDF5 files of base models like the paper's. Nothing in them is executed.",
    )
    importing.set_defaults(work=_import)
    importing.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="with --recipe: the authors' file or files"
    )
    importing.add_argument(
        "--recipe", metavar="NAME", help="of a published network (see recipes), or a .yaml file of your own"
    )
    for modality, option in SEQUENCES.items():
        importing.add_argument(
            option,
            dest=modality,
            nargs="+",
            type=Path,
            metavar="FILE",
            help=f"network or networks of {modality}",
        )
    importing.add_argument(
        "--name",
        help="name of the bundle (default with --recipe: the recipe's); its ensemble is called after it, so "
        "that two files of one recipe can be run side by side",
    )
    importing.add_argument(
        "--source",
        choices=("given",),
        help="with --recipe: given, for networks that take in images that you brought to the template "
        "yourself (docs/published.md)",
    )
    importing.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to make")
    importing.add_argument(
        "--stage",
        choices=("subject", "standard"),
        default="subject",
        help="grid on which the networks were trained: the person's T1w at 1 mm, or MNI152NLin6Asym at 2 mm "
        "(default: %(default)s)",
    )
    importing.add_argument(
        "--input-max",
        type=float,
        default=255.0,
        metavar="X",
        help="largest value of the networks' inputs in training: 255 for grey values, 1 for those divided by "
        "255 (default: 255)",
    )
    importing.add_argument(
        "--age-range", nargs=2, type=float, metavar=("YOUNGEST", "OLDEST"), help="ages in training, in years"
    )
    importing.add_argument(
        "--heads", type=Path, metavar="JSON", help="heads fitted elsewhere (default: plain means)"
    )
    importing.add_argument("--inputs", type=Path, metavar="JSON", help="inputs that differ from the paper's")
    importing.add_argument(
        "--box",
        nargs=3,
        type=int,
        metavar=("X", "Y", "Z"),
        help="input in voxels, for files with only weights",
    )
    importing.add_argument(
        "--activation", choices=("relu", "leaky_relu"), help="for files with only weights; leaky: slope 0.2"
    )
    importing.add_argument("--licence", default="n/a", help="licence of the networks")
    importing.add_argument("--description", default="", help="one sentence about the networks")
    importing.add_argument("--model-version", default="1", metavar="VERSION", help="(default: %(default)s)")
    importing.add_argument(
        "--simulated",
        action="store_true",
        help="the networks were trained on simulated brains: a demonstration",
    )


def _add_references(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    references = actions.add_parser(
        "references",
        help="what brains of each age look like to a bundle, from your own people",
        description="Make the brains expected at each age, which --explain dba compares with, from people "
        "of your own, into a copy of a bundle.",
    )
    references.set_defaults(work=_references)
    references.add_argument("model", metavar="MODEL", help="name, folder or bundle.json")
    references.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="raw dataset, for ages")
    references.add_argument(
        "derivatives",
        type=Path,
        metavar="OUT",
        help="what bids_brainage BIDS_DIR OUT participant --preproc-only has written",
    )
    references.add_argument(
        "--model-out",
        type=Path,
        metavar="FOLDER",
        help="folder of the new bundle (default: ./<name of the model>-references)",
    )
    references.add_argument(
        "--modalities",
        nargs="+",
        choices=tuple(SEQUENCES),
        default=(),
        help="only of these sequences, where your people lack others (default: all that the model sees)",
    )
    _add_work(references)


def _add_work(action: argparse.ArgumentParser) -> None:
    """Where networks' inputs are kept, and how many processes make them."""
    action.add_argument(
        "-w", "--work-dir", type=Path, default=Path("work"), metavar="DIR", help="(default: ./%(default)s)"
    )
    action.add_argument(
        "--nprocs",
        type=int,
        default=available_processors(),
        metavar="P",
        help="processes (default: what this job may use)",
    )


def _references(arguments: argparse.Namespace) -> int:
    from bids_brainage.models.bundles.bundle import load_bundle
    from bids_brainage.models.cohorts.references import make_references

    bundle = load_bundle(arguments.model)
    made = make_references(
        bundle,
        arguments.derivatives,
        arguments.bids_dir / "participants.tsv",
        arguments.model_out or Path(f"{bundle.name}-references"),
        arguments.work_dir / f"references_{bundle.name}",
        arguments.modalities,
        arguments.nprocs,
    )
    console = _console()
    for title, text in _summary(made):
        console.print(f"{title + ':':22}{text}", soft_wrap=True)
    return ALL_WELL


def _evaluate(arguments: argparse.Namespace) -> int:
    from bids_brainage.models.bundles.bundle import load_bundle
    from bids_brainage.models.evaluation.evaluation import evaluate_bundle
    from bids_brainage.models.evaluation.published import FEWEST, published_fits, verdict
    from bids_brainage.models.evaluation.tables import write_evaluation

    bundle = load_bundle(arguments.model)
    evaluation = evaluate_bundle(
        bundle,
        arguments.derivatives,
        arguments.bids_dir / "participants.tsv",
        arguments.work_dir / f"evaluation_{bundle.name}",
        arguments.nprocs,
    )
    written = write_evaluation(arguments.out, bundle, evaluation)
    console = _console()
    unit = _unit(bundle)
    for errors in evaluation.errors.values():
        console.print(_errors_table(errors, unit))
    if evaluation.coverage:
        console.print(_coverage_table(evaluation.coverage, unit))
    if bundle.record.recipe is not None:
        fits = published_fits(bundle, evaluation)
        told = [sentence for fit in fits for sentence in verdict(fit, bundle.record.recipe)]
        for sentence in told or [messages.PUBLISHED_FEW.format(n=len(evaluation.people), least=FEWEST)]:
            console.print(sentence, soft_wrap=True)
    for path in written:
        console.print(str(path), soft_wrap=True)
    return ALL_WELL


def _coverage_table(rows: Sequence[Coverage], unit: str) -> Table:
    table = _table("interval", "given", "n", "holds", "by chance", f"width ({unit})")
    for row in rows:
        expected = "" if row.expected is None else "{:.0%} to {:.0%}".format(*row.expected)
        table.add_row(
            f"{row.ensemble} {row.level:.0%}",
            " + ".join(row.modalities),
            str(row.n),
            f"{row.covered:.1%}",
            expected,
            _rounded(row.width, unit),
        )
    return table


def _unit(bundle: Bundle) -> str:
    return "years" if bundle.estimates_age else bundle.record.unit or bundle.record.target


def _import(arguments: argparse.Namespace) -> int:
    bundle = _import_plain(arguments) if arguments.recipe is None else _import_published(arguments)
    console = _console()
    known = [] if bundle.record.recipe is None else warnings_of(bundle.record.recipe)
    for title, text in (*_summary(bundle), *known):
        console.print(f"{title + ':':22}{text}", soft_wrap=True)
    return ALL_WELL


def _import_published(arguments: argparse.Namespace) -> Bundle:
    from bids_brainage.models.importing.published import import_published
    from bids_brainage.models.importing.recipe import read_recipe

    recipe = read_recipe(arguments.recipe)
    given = [option for name, option in OF_PLAIN_NETWORKS.items() if getattr(arguments, name) is not None]
    if given:
        raise InputError(messages.IMPORT_RECIPE_OPTIONS.format(options=" and ".join(given)))
    if not arguments.files:
        raise InputError(messages.IMPORT_RECIPE_FILES.format(name=recipe.name, files=", ".join(recipe.files)))
    return import_published(recipe, arguments.files, arguments.out, arguments.name, arguments.source)


def _import_plain(arguments: argparse.Namespace) -> Bundle:
    from bids_brainage.models.importing.importing import ImportPlan, import_bundle
    from bids_brainage.networks.readers.keras_file import Hints

    if arguments.source is not None:
        raise InputError(messages.IMPORT_SOURCE_ALONE)
    if arguments.files:
        raise InputError(messages.IMPORT_NO_RECIPE.format(file=arguments.files[0]))
    if arguments.name is None:
        raise InputError(messages.IMPORT_NO_NAME)
    files = {modality: getattr(arguments, modality) for modality in SEQUENCES}
    plan = ImportPlan(
        files={modality: paths for modality, paths in files.items() if paths},
        name=arguments.name,
        version=arguments.model_version,
        licence=arguments.licence,
        description=arguments.description,
        purpose="demonstration" if arguments.simulated else "research",
        stage=arguments.stage,
        input_max=arguments.input_max,
        age_range=arguments.age_range and tuple(arguments.age_range),
        simulated=arguments.simulated,
        hints=Hints(arguments.box and tuple(arguments.box), arguments.activation),
        heads=arguments.heads,
        inputs=arguments.inputs,
    )
    return import_bundle(plan, arguments.out)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False)


def _list(_: argparse.Namespace) -> int:
    from bids_brainage.models.bundles.bundle import open_bundle
    from bids_brainage.models.bundles.finding import MODELS_VARIABLE, list_bundles

    console = _console()
    table = _table("name", "version", "purpose", "trained on", "folder")
    for name, path in list_bundles():
        try:
            record = open_bundle(path).record
        except BrainAgeError as error:
            _log.warning("%s", printable(str(error)))
            continue
        table.add_row(
            printable(name), record.version, record.purpose, _people(record.cohort), printable(str(path))
        )
    console.print(table)
    console.print(f"Further folders of bundles can be listed in {MODELS_VARIABLE}, separated by colons.")
    return ALL_WELL


def _show(arguments: argparse.Namespace) -> int:
    from bids_brainage.models.bundles.bundle import load_bundle

    bundle = load_bundle(arguments.model)
    console = _console()
    for title, text in _summary(bundle):
        console.print(f"{title + ':':22}{text}", soft_wrap=True)
    for ensemble in bundle.record.ensembles:
        console.print()
        console.print(_inputs_table(ensemble))
        if ensemble.errors:
            console.print(_errors_table(ensemble.errors, _unit(bundle)))
    return ALL_WELL


def _summary(bundle: Bundle) -> list[tuple[str, str]]:
    record = bundle.record
    protocol = record.protocol
    return [
        ("Bundle", f"{record.name} {record.version} ({record.purpose}; {record.licence})"),
        ("Description", record.description or "none"),
        ("Folder", str(bundle.path)),
        ("sha256", bundle.sha256),
        *([] if bundle.estimates_age else [("Estimates", _estimates(record))]),
        *[("Transferred from", text) for text in _parents(record)],
        ("Trained on", _trained_on(record.cohort)),
        ("References at ages", _references_of(record)),
        ("Norms of regions", _norms_of(record)),
        *([("Folds", f"{len(protocol.n_test)}, first fold {_roles(protocol)}")] if protocol.n_test else []),
        *[("Imported from", text) for text in _sources(protocol)],
        ("Heads fitted on", f"{protocol.heads_fitted_on}; top heads on {protocol.top_heads_fitted_on}"),
        ("Errors measured on", protocol.errors_measured_on),
        ("Turned round", _turned_round(record) or "nothing: no sub-ensemble has a negative weight"),
    ]


def _turned_round(record: BundleRecord) -> str:
    """Sub-ensembles with a negative weight in the estimate from some set of sequences."""
    names = {
        f"{ensemble.name}/{name}": None
        for ensemble in record.ensembles
        for head in (head for fold in ensemble.top_heads for head in fold)
        for name, weight in zip(head.sub_ensembles, head.head.coefficients, strict=True)
        if weight < 0
    }
    return ", ".join(names) and f"{', '.join(names)} (negative weights, of some set of sequences at least)"


def _estimates(record: BundleRecord) -> str:
    """The target, if it is not age, and its range."""
    text = f"{record.target}{f' ({record.unit})' if record.unit else ''}"
    known = record.cohort.target_range
    return text if known is None else f"{text}, {known[0]:.4g} to {known[1]:.4g} in training"


def _parents(record: BundleRecord) -> list[str]:
    done = {"heads": "its base models, new heads", "all": "its weights, trained further"}
    return [f"{p.name} {p.version} ({p.target}): {done[p.refit]}; sha256 {p.sha256}" for p in record.parents]


def _people(cohort: Cohort) -> str:
    number = "an unknown number of" if cohort.n is None else str(cohort.n)
    return f"{number} {'simulated people' if cohort.simulated else 'people'}"


def _trained_on(cohort: Cohort) -> str:
    """Number, ages and sequences of the training participants, as far as known."""
    ages = "of unknown age"
    if cohort.age_range is not None:
        ages = f"{cohort.age_range[0]:.0f} to {cohort.age_range[1]:.0f} years"
    if cohort.age_mean is not None and cohort.age_sd is not None:
        ages += f" (mean {cohort.age_mean:.1f}, sd {cohort.age_sd:.1f})"
    sequences = ", ".join(f"{name} ({n})" for name, n in cohort.sequences.items())
    return f"{_people(cohort)}, {ages}" + (f"; {sequences}" if sequences else "")


def _references_of(record: BundleRecord) -> str:
    """Whose inputs `--explain dba` compares people with."""
    facts = record.expected_inputs
    if facts is None:
        return "none, so no --explain dba (bids_brainage_models references makes some)"
    people = f"{facts.n} {'simulated people' if facts.simulated else 'people'}"
    unit = "years" if record.target == AGE else record.unit
    of = f" of {', '.join(facts.datasets)}" if any(facts.datasets) else ""
    return f"{people}{of}, {facts.ends[0]:.4g} to {facts.ends[1]:.4g} {unit}".rstrip()


def _norms_of(record: BundleRecord) -> str:
    """Whom z scores of regions compare with."""
    facts = record.region_norms
    if facts is None:
        return "none, so no z scores (bids_brainage_models norms makes some)"
    sets = [f"{own.ensemble} from {' + '.join(own.modalities)} ({own.n})" for own in facts.sets]
    of = f" of {', '.join(facts.datasets)}" if any(facts.datasets) else ""
    voxels = "; voxels, too" if any(own.voxels for own in facts.sets) else ""
    people = "simulated people" if facts.simulated else "people"
    return f"{len(facts.people)} {people}{of}: {', '.join(sets)}{voxels}"


def _roles(protocol: Protocol) -> str:
    numbers = (protocol.n_training[0], protocol.n_validation[0], protocol.n_test[0])
    return "{} training, {} validation, {} test".format(*numbers)


def _sources(protocol: Protocol) -> list[str]:
    return [
        f"{source.file} ({source.program}): {file}; sha256 {source.sha256}"
        for file, source in protocol.sources.items()
    ]


def _inputs_table(ensemble: EnsembleRecord) -> Table:
    table = _table(ensemble.name, "stage", "mm", "box", "base models", "parameters")
    for sub in ensemble.sub_ensembles:
        table.add_row(
            sub.name,
            sub.input.stage,
            f"{sub.input.voxel_size:g}",
            " x ".join(str(extent) for extent in sub.input.box),
            str(len(sub.folds[0].base_models)),
            str(sub.architecture.count_parameters(sub.input_shape)),
        )
    return table


def _errors_table(errors: Sequence[Errors], unit: str) -> Table:
    """Errors of base models (their mean), sub-ensembles, and the ensemble by what it is given."""
    table = _table(f"error in {unit}", "given", "n", "MAE", "RMSE", "R2", "MAE of guessing")
    base = [row for row in errors if row.level == "base_model"]
    if base:
        mean = [sum(getattr(row, name) for row in base) / len(base) for name in ("mae", "rmse", "r2")]
        cells = (_rounded(number, unit) for number in mean)
        table.add_row("base models (mean)", "", str(base[0].n), *cells, _rounded(base[0].guess_mae, unit))
    for row in errors:
        if row.level != "base_model":
            given = " + ".join(row.modalities)
            numbers = (row.mae, row.rmse, row.r2, row.guess_mae)
            table.add_row(row.name, given, str(row.n), *(_rounded(number, unit) for number in numbers))
    return table


def _rounded(number: float, unit: str) -> str:
    return f"{number:.2f}" if unit == "years" else f"{number:.3g}"


def _check(arguments: argparse.Namespace) -> int:
    from bids_brainage.models.bundles.checking import check_bundle
    from bids_brainage.models.bundles.finding import find_bundle

    console = _console()
    folder = find_bundle(arguments.model)
    sound = True
    for verdict in check_bundle(folder):
        sound = sound and verdict.passed
        for line in _verdict_lines(verdict):
            console.print(f"{verdict.item:16}{line}", soft_wrap=True)
    conclusion = "is sound" if sound else "is NOT sound: do not use it"
    console.print(f"The bundle in {folder} {conclusion}.", soft_wrap=True)
    return ALL_WELL if sound else UNSOUND


def _verdict_lines(verdict: Verdict) -> list[str]:
    if not verdict.checked:
        return ["not checked, because of the faults above"]
    return [f"WRONG: {problem}" for problem in verdict.problems] or [f"ok: {verdict.found}"]


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
