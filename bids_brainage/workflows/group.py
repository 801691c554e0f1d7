"""The group level: finished sessions in; one table, tests of their maps and a page out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nipype.pipeline import engine as pe
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.config import RunConfig
from bids_brainage.errors import ImageError, InputError
from bids_brainage.group.analysis import (
    AnalysisPlan,
    fingerprint_of,
    is_done,
    observed_regions,
    save_region_tables,
)
from bids_brainage.group.columns import other_ages, read_columns
from bids_brainage.group.members import Members, read_members
from bids_brainage.group.naming import atlas_label, map_label
from bids_brainage.group.people import shadowed
from bids_brainage.group.people_tables import check_by, write_people_tables
from bids_brainage.group.permutations import pieces
from bids_brainage.group.place_tables import write_place_tables
from bids_brainage.group.planning import Plan, StackPlan, make_plan, reads_maps, who_lacks
from bids_brainage.group.profile_tables import write_profile_tables
from bids_brainage.group.region_values import region_values
from bids_brainage.group.table import write_brainage
from bids_brainage.group.unit import Unit
from bids_brainage.interfaces.group import BuildStack, RunPiece, SelectMaps, WriteAnalysis
from bids_brainage.locks import locked
from bids_brainage.preprocessing.other_atlases import MERGED, find_atlas
from bids_brainage.records.group import GroupRecord
from bids_brainage.reports.group.page import write_group_page
from bids_brainage.suggestions import some
from bids_brainage.workflows.crashes import Crashes
from bids_brainage.workflows.execution import Execution

LOGGER = logging.getLogger(__name__)

GROUP = "group"
RECORD = "group.json"
LOCK = "group.lock"
# Gigabytes of a piece: statistics of a batch, TFCE and Python itself (0.51 measured with 40 people and one
# thread), and what grows with people, on each thread.
PIECE_GB = 0.75
PERSON_GB = 2.5e-5
# Processor seconds of a rearrangement on the 2 mm brain, of positive effects alone and of both signs, and of
# each person in it: 80,000 rearrangements with TFCE of up to 400 people took 32 minutes of them. What other
# measures need was measured beside TFCE, as a share of it.
SECONDS = {
    "tfce": {False: 0.013, True: 0.022},
    "voxel": {False: 0.0035, True: 0.0035},
    "extent": {False: 0.0105, True: 0.0115},
    "mass": {False: 0.0105, True: 0.0145},
}
SECONDS_PER_PERSON = 1.6e-5


@dataclass(frozen=True)
class GroupOutcome:
    """How the group level ended.

    Attributes
    ----------
    record : GroupRecord
    failed : dict of str to str
        By analysis, why it could not be finished.
    """

    record: GroupRecord
    failed: dict[str, str]


def run_group(config: RunConfig) -> GroupOutcome:
    """Compare all who are finished in ``config.output_dir``.

    Raises
    ------
    InputError
        Nobody is finished, estimates cannot be compared, or a table, model, mask or atlas cannot be used.
    BusyError
        Another run of the group level writes to the same output or work folder.
    """
    with ExitStack() as held:
        for folder in (config.log_dir.parent, config.work_dir):
            held.enter_context(locked(folder / LOCK, messages.GROUP_LEVEL.format(folder=folder)))
        return _only_page(config) if config.reports_only else _compared(config)


def _compared(config: RunConfig) -> GroupOutcome:
    """Write tables, tests and page."""
    out, work = config.output_dir / GROUP, config.work_dir / GROUP
    LOGGER.info(messages.GROUP_READING.format(folder=config.output_dir))
    members, cells, mask, plan = _asked(config)
    warnings = _warnings(config, members, cells, plan)
    for sentence in warnings:
        LOGGER.warning("%s", sentence)
    for skipped in plan.skipped:
        LOGGER.info(messages.GROUP_SKIPPED.format(title=skipped.title, reason=skipped.reason))
    LOGGER.info(messages.GROUP_PEOPLE.format(n=len(members.people), people=members.participants))
    write_brainage(out, members)
    tables = write_people_tables(
        out,
        members,
        cells,
        by=config.by,
        window=config.window,
        permutations=config.n_permutations,
        seed=config.random_seed,
    ) | write_place_tables(out, members, cells)
    tables |= write_profile_tables(out, members, cells, config.map, config.random_seed)  # type: ignore[arg-type]
    LOGGER.info(messages.GROUP_TABLES.format(n=len(members.people), tables=", ".join(tables)))
    failed = _test(config, plan, mask, out, work)
    record = _record(config, members, plan, warnings, failed).model_copy(update={"tables": tables})
    record.write(out / RECORD)
    write_group_page(config.output_dir, _tell_section)
    return GroupOutcome(record, failed)


def _only_page(config: RunConfig) -> GroupOutcome:
    """Make the page anew from what was written before."""
    path = config.output_dir / GROUP / RECORD
    if not path.is_file():
        raise InputError(messages.GROUP_NO_RECORD.format(path=path))
    record = GroupRecord.read(path)
    write_group_page(config.output_dir, _tell_section)
    return GroupOutcome(record, dict(record.failed))


def _tell_section(name: str) -> None:
    LOGGER.info(messages.GROUP_PAGE.format(name=name))


def describe_group(config: RunConfig) -> str:
    """What the group level would do (``--dry-run``): people, analyses, time and disk space."""
    members, cells, mask, plan = _asked(config)
    lines = [
        f"group: {len(members.people)} estimates of {members.participants} people "
        f"by {' and '.join(members.ensembles)}, "
        f"model {members.models}"
    ]
    lines += [f"    ! {sentence}" for sentence in _warnings(config, members, cells, plan)]
    for name, units in plan.units.items():
        first = units[0]
        contrasts = ", ".join(contrast.name for contrast in first.design.contrasts)
        lines.append(f"{name}: {contrasts}; {len(first.people)} people, {len(units)} sets of maps")
    lines += [f"{skipped.name}: left out. {skipped.reason}" for skipped in plan.skipped]
    if "voxels" in config.test:
        hours = _seconds(plan) / 3600 / config.nprocs
        disk = 4 * mask.sum() * sum(len(stack.members) for stack in plan.stacks) / 1e9
        lines.append(f"about {hours:.1f} hours on {config.nprocs} processors, {disk:.1f} GB of work folder")
    return "\n".join(lines)


def _seconds(plan: Plan) -> float:
    """Processor time of all rearrangements of voxels."""
    return sum(
        pieces(unit, number)[-1][1]
        * (
            SECONDS[unit.procedure.inference][unit.procedure.two_sided]
            + SECONDS_PER_PERSON * len(unit.people)
        )
        for unit in _all(plan.units)
        for number in range(len(unit.design.contrasts))
    )


def _asked(
    config: RunConfig,
) -> tuple[Members, dict[str, tuple[str | None, ...]], NDArray[np.bool_], Plan]:
    """Who is finished, what tables say about them, voxels that may be tested, and what is to be tested."""
    members = read_members(config.output_dir, config.participant_label, config.session_label, config.ensemble)
    cells = read_columns(config.bids_dir, members.people).cells
    mask = _mask(config)
    check_by(members, cells, config.by)
    _check_atlases(config.atlas)
    plan = make_plan(members, cells, config, mask, config.work_dir / GROUP / "stacks")
    return members, cells, mask, plan


def _check_atlases(names: Sequence[str]) -> None:
    """Refuse what cannot be read, and what would be called alike."""
    taken: dict[str, str] = {}
    for name in names:
        label = atlas_label(find_atlas(name).name)
        if taken.setdefault(label.lower(), name) != name:
            other = taken[label.lower()]
            raise InputError(messages.GROUP_ATLASES_ALIKE.format(one=other, other=name, label=label))


def _mask(config: RunConfig) -> NDArray[np.bool_]:
    """Voxels that may be tested."""
    from bids_brainage.preprocessing.header import read_mask
    from bids_brainage.preprocessing.templates import grid, template_mask

    brain = np.asanyarray(template_mask(2).dataobj) > 0
    if config.group_mask is None:
        return brain
    try:
        image = read_mask(config.group_mask, messages.GROUP_MASK_EMPTY)
    except ImageError as error:
        raise InputError(str(error)) from error
    if image.shape != brain.shape or not np.allclose(image.affine, grid(2).affine, atol=1e-3):
        raise InputError(messages.GROUP_MASK_GRID.format(path=config.group_mask))
    within = brain & (np.asanyarray(image.dataobj) > 0)
    if not within.any():
        raise InputError(messages.GROUP_MASK_EMPTY.format(file=config.group_mask))
    return within


def _warnings(
    config: RunConfig, members: Members, cells: Mapping[str, Sequence[str | None]], plan: Plan
) -> list[str]:
    """What a reader must know about who takes part, and about their tables."""
    told = []
    if members.unfinished:
        names = some(members.unfinished, ", ")
        told.append(messages.GROUP_UNFINISHED.format(n=len(members.unfinished), names=names))
    seen = list(dict.fromkeys(member.name for member in members.people if member.seen_in_training))
    if seen:
        told.append(messages.GROUP_SEEN.format(n=len(seen), names=some(seen, ", ")))
    versions = sorted({own.version for own in members.people if own.version})
    if len(versions) > 1:
        told.append(messages.GROUP_VERSIONS.format(versions=some(versions, ", ")))
    if hidden := shadowed(cells):
        told.append(messages.GROUP_SHADOWED.format(names=some(hidden, ", ")))
    if older := other_ages(config.bids_dir, members.people):
        told.append(messages.GROUP_OLD_AGES.format(names=some(older, ", ")))
    return told + who_lacks(plan, members)


def _test(config: RunConfig, plan: Plan, mask: NDArray[np.bool_], out: Path, work: Path) -> dict[str, str]:
    """Compute what is not there yet; why analyses failed, by name."""
    if not config.test:
        return {}
    voxels = "voxels" in config.test
    atlases = config.atlas if "regions" in config.test else ()
    held = {name: find_atlas(name).fingerprint for name in atlases}
    prints = {name: fingerprint_of(units, voxels, held) for name, units in plan.units.items()}
    todo = {name: plan.units[name] for name, own in prints.items() if not is_done(out / name, own)}
    for name in prints.keys() - todo.keys():
        LOGGER.info(messages.GROUP_FINISHED_BEFORE.format(name=name))
    if not todo:
        return {}
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "mask.npy", mask)
    folders = {unit.fingerprint: _saved(unit, plan.stack_of(unit), work, atlases) for unit in _all(todo)}
    plans = {}
    for name, units in todo.items():
        own = tuple(folders[unit.fingerprint] for unit in units)
        ready = AnalysisPlan(own, voxels, tuple(atlases), config.smoothing, prints[name])
        plans[name] = ready.save(work / f"analysis-{name}.json")
    graph = init_group_wf(
        units=todo, stacks=plan.stacks, folders=folders, plans=plans, config=config, out=out, work=work
    )
    LOGGER.info(messages.GROUP_TESTING.format(n=len(todo), names=some(list(todo), ", ")))
    with closing(Execution(config, _Told(graph))) as execution:
        execution.run(graph)
    return _failures(config, todo, prints, out)


def _all(units: Mapping[str, Sequence[Unit]]) -> list[Unit]:
    return [unit for own in units.values() for unit in own]


def _saved(unit: Unit, stack: StackPlan, work: Path, atlases: Sequence[str]) -> Path:
    """Write a unit where its nodes find it."""
    maps = unit.maps
    label = map_label(maps.ensemble, maps.region, maps.modality, maps.kind)
    folder = work / "units" / f"{unit.analysis}-{label}-{unit.fingerprint[:12]}"
    unit.save(folder)
    if MERGED in atlases:
        everybody = region_values(stack.members, maps, find_atlas(MERGED), None)
        save_region_tables(folder, observed_regions(everybody, unit))
    return folder


def init_group_wf(
    *,
    units: Mapping[str, Sequence[Unit]],
    stacks: Sequence[StackPlan],
    folders: Mapping[str, Path],
    plans: Mapping[str, Path],
    config: RunConfig,
    out: Path,
    work: Path,
    name: str = "group_wf",
) -> pe.Workflow:
    """Stacks, then each test in pieces that do not depend on each other, then each analysis' results.

    Parameters
    ----------
    units : mapping
        By analysis, its units.
    stacks : sequence of StackPlan
    folders : mapping
        By a unit's fingerprint, where it was saved.
    plans : mapping
        By analysis, the file of its `AnalysisPlan`.
    config : RunConfig
    out, work : Path
        ``group`` of results, and the work folder.
    """
    workflow = pe.Workflow(name=name, base_dir=str(work))
    threads = config.omp_nthreads
    by_path = {stack.path: stack for stack in stacks}
    built: dict[Path, pe.Node] = {}
    for analysis, own in units.items():
        write = pe.Node(
            WriteAnalysis(plan=str(plans[analysis]), out=str(out / analysis), threads=threads),
            name=f"write_{analysis}",
            mem_gb=max(_piece_gb(unit, threads) for unit in own),
            n_procs=threads,
        )
        workflow.add_nodes([write])
        before: list[pe.Node] = []
        for unit in own if reads_maps(config) else ():
            if unit.stack not in built:
                built[unit.stack] = _stack_node(by_path[unit.stack], work, config)
            before += _unit_nodes(workflow, unit, folders[unit.fingerprint], built[unit.stack], config)
        if before:
            _wait_for(workflow, write, before)
    return workflow


def _piece_gb(unit: Unit, threads: int) -> float:
    return round(PIECE_GB + PERSON_GB * len(unit.people) * threads, 2)


def _wait_for(workflow: pe.Workflow, write: pe.Node, before: Sequence[pe.Node]) -> None:
    """Write an analysis when all that it is made of is done."""
    from nipype.interfaces.utility import Merge

    gathered = pe.Node(Merge(len(before)), name=write.name.replace("write_", "all_", 1))
    gathered.run_without_submitting = True
    for place, node in enumerate(before, start=1):
        workflow.connect(node, "done", gathered, f"in{place}")
    workflow.connect(gathered, "out", write, "after")


def _stack_node(stack: StackPlan, work: Path, config: RunConfig) -> pe.Node:
    plan = stack.save(work / "mask.npy", config.smoothing)
    label = stack.path.stem.replace("-", "_")
    return pe.Node(BuildStack(plan=str(plan), path=str(stack.path)), name=f"stack_{label}", mem_gb=0.5)


def _unit_nodes(
    workflow: pe.Workflow, unit: Unit, folder: Path, stack: pe.Node, config: RunConfig
) -> list[pe.Node]:
    """The nodes after which a unit can be written: all pieces, or only its stack."""
    if "voxels" not in config.test:
        return [stack]
    name = folder.name.replace("-", "_")
    select = pe.Node(SelectMaps(folder=str(folder)), name=f"maps_{name}", mem_gb=0.5)
    workflow.connect(stack, "done", select, "after")
    found = []
    for number in range(len(unit.design.contrasts)):
        for start, stop in pieces(unit, number):
            piece = pe.Node(
                RunPiece(
                    folder=str(folder),
                    contrast=number,
                    start=start,
                    stop=stop,
                    threads=config.omp_nthreads,
                ),
                name=f"test_{name}_{number}_{start:07d}",
                mem_gb=_piece_gb(unit, config.omp_nthreads),
                n_procs=config.omp_nthreads,
            )
            workflow.connect(select, "done", piece, "after")
            found.append(piece)
    return found


class _Told:
    """Nipype status callback that reports how far the group level is."""

    def __init__(self, workflow: pe.Workflow) -> None:
        names = [node.name for node in workflow._graph.nodes()]
        self.total = sum(name.startswith(("stack_", "test_", "write_")) for name in names)
        self.done = 0

    def __call__(self, node: Any, status: str) -> None:
        kind, _, what = node.name.partition("_")
        if kind not in ("stack", "test", "write") or status == "start":
            return
        if status == "exception":
            LOGGER.error(messages.GROUP_STEP_FAILED.format(step=node.name))
            return
        self.done += 1
        sentence = {"stack": messages.GROUP_STACKED, "test": messages.GROUP_TESTED}.get(
            kind, messages.GROUP_WRITTEN
        )
        LOGGER.info(sentence.format(name=what, done=self.done, total=self.total))


def _failures(
    config: RunConfig, todo: Mapping[str, Sequence[Unit]], prints: Mapping[str, str], out: Path
) -> dict[str, str]:
    missing = [name for name in todo if not is_done(out / name, prints[name])]
    if not missing:
        return {}
    found = Crashes(config.log_dir).of({"group_wf": "group"})
    reason = next((crash.sentence for own in found.values() for crash in own), messages.SESSION_INCOMPLETE)
    return dict.fromkeys(missing, reason)


def _record(
    config: RunConfig,
    members: Members,
    plan: Plan,
    warnings: Sequence[str],
    failed: Mapping[str, str],
) -> GroupRecord:
    from bids_brainage.bids.dataset import read_json

    name = read_json(config.bids_dir / "dataset_description.json").get("Name", "")
    return GroupRecord(
        dataset=str(name),
        model=members.models,
        disclaimer=next((own.disclaimer for own in members.people if own.disclaimer), None),
        target=members.target,
        unit=members.unit,
        ensembles=members.ensembles,
        estimates=len(members.people),
        unfinished=members.unfinished,
        analyses=tuple(own for own in plan.units if config.test and own not in failed),
        skipped=plan.skipped,
        failed=dict(failed),
        warnings=tuple(warnings),
    )
