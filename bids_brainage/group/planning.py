"""Which models are tested on which maps, and what cannot be tested and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.bids.dataset import read_json
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.group.members import ALL, MapKind, MapPlace, Member, Members
from bids_brainage.group.naming import entities, map_label
from bids_brainage.group.people import PeopleTable, people_table
from bids_brainage.group.permutations import region_test
from bids_brainage.group.unit import Maps, Procedure, Unit
from bids_brainage.preprocessing.other_atlases import MERGED
from bids_brainage.records.files import write_json
from bids_brainage.records.group import SkippedAnalysis
from bids_brainage.statistics.modelling.longitudinal import change_model, within_model
from bids_brainage.statistics.modelling.model import GroupModel, Settings, Skipped
from bids_brainage.statistics.modelling.paper import paper_models
from bids_brainage.statistics.modelling.quick import quick_model
from bids_brainage.statistics.modelling.stats_design import stats_models
from bids_brainage.statistics.permutation.inference import check_together
from bids_brainage.suggestions import some

#: What --contrast asks of people who were seen more than once.
MODELS: dict[str, Callable[..., GroupModel]] = {
    "first": quick_model,
    "within": within_model,
    "change": change_model,
}


@dataclass(frozen=True, eq=False)
class StackPlan:
    """A stack that is to be built.

    Attributes
    ----------
    maps : Maps
    members : tuple of Member
        Who has such a map, in the order of the stack's rows.
    parts : tuple
        For each, the maps that make up theirs; none if regions are read off tables alone.
    fingerprint : str
        Of the files, the mask and the smoothing.
    path : Path
    """

    maps: Maps
    members: tuple[Member, ...]
    parts: tuple[tuple[MapPlace, ...], ...]
    fingerprint: str
    path: Path

    def save(self, mask: Path, fwhm: float) -> Path:
        """Write what a node needs to build it."""
        people = [[[str(part.path), part.weight] for part in parts] for parts in self.parts]
        return write_json(self.path.with_suffix(".json"), {"people": people, "mask": str(mask), "fwhm": fwhm})


@dataclass(frozen=True, eq=False)
class Plan:
    """All that is to be tested.

    Attributes
    ----------
    stacks : tuple of StackPlan
    units : dict of str to tuple of Unit
        By analysis.
    skipped : tuple of SkippedAnalysis
    """

    stacks: tuple[StackPlan, ...]
    units: Mapping[str, tuple[Unit, ...]]
    skipped: tuple[SkippedAnalysis, ...]

    def stack_of(self, unit: Unit) -> StackPlan:
        """The stack that a unit's maps are in."""
        return next(stack for stack in self.stacks if stack.path == unit.stack)


@dataclass
class _Found:
    units: dict[str, list[Unit]] = field(default_factory=dict)
    skipped: dict[str, SkippedAnalysis] = field(default_factory=dict)

    def skip(self, skipped: Sequence[Skipped]) -> None:
        """Note what cannot be done, and why."""
        for own in skipped:
            lacks = SkippedAnalysis(name=own.name, title=own.title, source=own.source, reason=own.reason)
            self.skipped.setdefault(own.name, lacks)


def make_plan(
    members: Members,
    cells: Mapping[str, Sequence[str | None]],
    config: RunConfig,
    mask: NDArray[np.bool_],
    folder: Path,
) -> Plan:
    """Find out what can be tested.

    Parameters
    ----------
    members : Members
    cells : mapping
        The dataset's columns, one cell for each of ``members.people``.
    config : RunConfig
    mask : ndarray of bool
        Voxels that may be tested.
    folder : Path
        Where stacks go.

    Raises
    ------
    InputError
        A model that was asked for cannot be tested on any maps.
    """
    stacks = tuple(_stacks(members, config, mask, folder)) if config.test else ()
    place = {member.name + member.ensemble: row for row, member in enumerate(members.people)}
    found = _Found()
    for stack in stacks:
        rows = [place[member.name + member.ensemble] for member in stack.members]
        own = {name: [column[row] for row in rows] for name, column in cells.items()}
        _plan_stack(stack, people_table(stack.members, own), config, found)
    for units in found.units.values():
        _check_corrected_together(units)
    # What could be tested on some maps is not called skipped.
    skipped = tuple(own for name, own in found.skipped.items() if name not in found.units)
    return Plan(stacks, {name: tuple(units) for name, units in found.units.items()}, skipped)


def _plan_stack(stack: StackPlan, table: PeopleTable, config: RunConfig, found: _Found) -> None:
    models: list[GroupModel] = []
    if not config.no_paper:
        models, skipped = paper_models(table)
        found.skip(skipped)
    asked = list(_asked(table, config, found))
    names = entities([model.name for model in (*models, *asked)])
    for name, model in zip(names, (*models, *asked), strict=True):
        found.units.setdefault(name, []).append(_unit(name, model, stack, config))


def _label(maps: Maps) -> str:
    return map_label(maps.ensemble, maps.region, maps.modality, maps.kind)


def _check_corrected_together(units: Sequence[Unit]) -> None:
    """Refuse before anything is computed what cannot be corrected together."""
    over = units[0].procedure.correct_over
    for unit in units:
        if "contrasts" in over:
            check_together([region_test(unit, contrast) for contrast in unit.design.contrasts])
        if "maps" in over and unit.people != units[0].people:
            one, other = (_label(own.maps) for own in (units[0], unit))
            raise InputError(messages.GROUP_OTHER_PEOPLE.format(analysis=unit.analysis, one=one, other=other))


def _asked(table: PeopleTable, config: RunConfig, found: _Found) -> Iterator[GroupModel]:
    """The user's own models."""
    usual = Settings(config.n_permutations, not config.one_sided, config.correct_over)  # type: ignore[arg-type]
    if config.group_model is not None:
        content = read_json(config.group_model)
        models, skipped = stats_models(content, table, usual, config.group_model.name)
        found.skip(skipped)
        yield from models
    for contrast in config.contrast:
        yield MODELS[config.sessions](table, contrast, config.covariates, settings=usual)


def _unit(name: str, model: GroupModel, stack: StackPlan, config: RunConfig) -> Unit:
    settings = model.settings
    procedure = Procedure(
        inference=config.inference,  # type: ignore[arg-type]
        cluster_p=config.cluster_p,
        n_permutations=config.n_permutations if model.source else settings.n_permutations,
        seed=config.random_seed,
        two_sided=settings.two_sided,
        absolute=settings.values == "absolute",
        tails=config.tail_approximation,
        correct_over=config.correct_over if model.source else settings.correct_over,
    )
    return Unit(
        analysis=name,
        title=model.title or model.name,
        source=model.source,
        maps=stack.maps,
        design=model.design,
        people=tuple(stack.members[row].name for row in model.rows),
        rows=np.asarray(model.rows, dtype=np.intp),
        stack=stack.path,
        stack_fingerprint=stack.fingerprint,
        procedure=procedure,
        notes=model.notes,
        minus=None if model.minus is None else np.asarray(model.minus, dtype=np.intp),
        years=None if model.years is None else np.asarray(model.years, dtype=np.float64),
    )


def _stacks(
    members: Members, config: RunConfig, mask: NDArray[np.bool_], folder: Path
) -> Iterator[StackPlan]:
    """A stack for each sub-ensemble, and for each ensemble as a whole, of each kind of maps."""
    around = hashlib.sha256(np.packbits(mask).tobytes() + str(config.smoothing).encode()).hexdigest()
    for ensemble in members.ensembles:
        people = members.of(ensemble)
        kinds: tuple[MapKind, ...] = config.map  # type: ignore[assignment]
        for kind in kinds:
            if reads_maps(config):
                names = {name for member in people for own, name in member.maps if own == kind}
            else:
                names = {name for member in people if kind in member.regions for name in member.parts}
            if not names:
                raise InputError(messages.GROUP_NO_MAPS.format(kind=kind))
            for name in dict.fromkeys([*sorted(names), ALL]):
                yield _stack(people, Maps(ensemble, name, *_sees(people, name), kind), around, folder, config)


def reads_maps(config: RunConfig) -> bool:
    """Whether maps are read; the regions of the merged atlas are in tables."""
    return "voxels" in config.test or any(name != MERGED for name in config.atlas)


def _sees(people: Sequence[Member], name: str) -> tuple[str, str]:
    """Region and sequence of a sub-ensemble; of the sum over all, neither."""
    return next((member.parts[name] for member in people if name in member.parts), ("", ""))


def _stack(people: Sequence[Member], maps: Maps, around: str, folder: Path, config: RunConfig) -> StackPlan:
    kind, name = maps.kind, maps.sub_ensemble
    if reads_maps(config):
        having = [(member, parts) for member in people if (parts := _parts(member, kind, name))]
        files = [[part.sha256, part.weight] for _, parts in having for part in parts]
    else:
        having = [(own, []) for own in people if kind in own.regions and (name == ALL or name in own.parts)]
        files = [[own.regions[kind].sha256, 1.0] for own, _ in having]
    fingerprint = hashlib.sha256(json.dumps([around, files]).encode()).hexdigest()
    label = _label(maps)
    return StackPlan(
        maps=maps,
        members=tuple(member for member, _ in having),
        parts=tuple(tuple(parts) for _, parts in having),
        fingerprint=fingerprint,
        path=folder / f"{label}-{fingerprint[:12]}.npy",
    )


def _parts(member: Member, kind: MapKind, name: str) -> list[MapPlace]:
    """The maps that make up a member's: the one of that name, or all sub-ensembles' for their sum."""
    own = member.maps.get((kind, name))
    if own is not None:
        return [own]
    if name != ALL:
        return []
    return [place for (other, _), place in member.maps.items() if other == kind]


def who_lacks(plan: Plan, members: Members) -> list[str]:
    """Sentences about people who have an estimate, but not all maps."""
    told = []
    for stack in plan.stacks:
        having = {member.name for member in stack.members}
        lacking = [own.name for own in members.of(stack.maps.ensemble) if own.name not in having]
        if lacking:
            told.append(
                messages.GROUP_LACKS.format(
                    maps=_label(stack.maps), n=len(lacking), names=some(lacking, ", ")
                )
            )
    return told
