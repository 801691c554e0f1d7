"""Norms of regions' DBA from finished sessions of a reference group, into a copy of a bundle."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.bids.dataset import makers, read_json
from bids_brainage.bids.participants import ParticipantsTable
from bids_brainage.errors import InputError
from bids_brainage.group.dba_tables import DbaTable, read_dba_tables
from bids_brainage.group.members import read_members
from bids_brainage.group.table import columns
from bids_brainage.group.voxel_norms import check_maps, fit_voxel_norms
from bids_brainage.models.bundles.bundle import Bundle, participant_key
from bids_brainage.models.bundles.extending import extend_bundle
from bids_brainage.models.bundles.fields import LONGEST_NAME
from bids_brainage.models.bundles.region_norms import ALL, KnownNorms, pack_norms, place_norms
from bids_brainage.models.bundles.schema import NORMS_FILE, RegionNorms
from bids_brainage.quoting import one_line, printable
from bids_brainage.records.tables import write_table
from bids_brainage.statistics.people.norm_fitting import (
    FEWEST,
    FEWEST_OF_LEVEL,
    LEAST_SPREAD,
    Calibration,
    fit_norms,
)
from bids_brainage.statistics.people.norms import Groups
from bids_brainage.terms import SIMULATOR

_log = logging.getLogger(__name__)

CALIBRATION = "norms_calibration.tsv"


@dataclass(frozen=True, eq=False)
class MadeNorms:
    """One set of norms, and how the z scores of its people are distributed, each by norms of the others.

    `voxels` has the same of the blocks of each map, where there are norms of such.
    """

    known: KnownNorms
    calibration: Calibration
    voxels: Mapping[str, Calibration] = field(default_factory=dict)

    def parts(self) -> Iterator[tuple[str, Calibration]]:
        """The calibration of the ensemble (no name) and of each sub-ensemble."""
        facts, whole = self.known.facts, self.calibration
        for number, name in enumerate((ALL, *facts.sub_ensembles)):
            there = slice(number * facts.regions, (number + 1) * facts.regions)
            yield name, Calibration(whole.mean[there], whole.sd[there], whole.tails[there], whole.n)


def make_norms(
    bundle: Bundle,
    out_dir: Path,
    bids_dir: Path,
    folder: Path,
    by: Sequence[str] = (),
    participants: Sequence[str] = (),
    voxels: bool = False,
) -> tuple[Bundle, list[MadeNorms]]:
    """A bundle like another one, with mean and spread of each region's (and block of voxels') DBA at an age.

    Parameters
    ----------
    bundle : Bundle
    out_dir : Path
        Folder with finished sessions that this very bundle estimated.
    bids_dir : Path
        Raw dataset, for its name and the columns `by`.
    folder : Path
        Of the new bundle. The table of the calibration is written into it as well.
    by : sequence of str
        Columns of participants.tsv whose entries shift the mean and the spread, such as sex and site.
    participants : sequence of str
        The reference group, by labels; everybody if it is empty.
    voxels : bool
        Whether norms of the maps are made as well, by blocks of voxels in standard space.

    Raises
    ------
    InputError
        Nobody, too few people, or another model's estimates; a column, a table or a map cannot be used.
    """
    if folder.resolve() == bundle.path.resolve():
        raise InputError(messages.REFERENCES_SAME_FOLDER.format(path=folder))
    if bundle.record.expected_inputs is None:
        raise InputError(messages.NORMS_NO_REFERENCES.format(model=bundle.name))
    members = read_members(out_dir, participants, ensembles=bundle.ensembles)
    model = f"{bundle.name} {bundle.record.version} ({bundle.sha256[:8]})"
    if members.models != model:
        found = one_line(members.models)
        raise InputError(messages.NORMS_OTHER_MODEL.format(path=out_dir, found=found, model=model))
    tables = read_dba_tables(out_dir, members)
    if voxels:
        check_maps(out_dir, tables)
    entries = _entries(bids_dir, by, tables)
    made, used = [], []
    for title, rows in _sets(tables).items():
        own = [tables[row] for row in rows]
        groups = {column: labels[rows] for column, labels in entries.items()}
        try:
            of_regions = _fit(bundle, own, groups)
        except InputError as problem:
            _log.warning("%s", messages.NORMS_SET_LEFT_OUT.format(title=title, reason=problem))
            continue
        made.append(_with_voxels(bundle, of_regions, own, groups) if voxels else of_regions)
        used += own
        _log.info("%s", messages.NORMS_MADE.format(title=title, n=len(own)))
    if not made:
        found = ", ".join(f"{title}: {len(rows)}" for title, rows in _sets(tables).items()) or "none"
        raise InputError(messages.NORMS_NOBODY.format(path=out_dir, least=FEWEST, found=found))
    sets = tuple(own.known for own in made)
    new = extend_bundle(bundle, folder, _whose(bundle, bids_dir, sets, used), pack_norms(sets))
    write_table(folder / CALIBRATION, _rows(made), columns("norms"))
    return new, made


def _sets(tables: Sequence[DbaTable]) -> Mapping[str, np.ndarray]:
    """Rows of tables that are alike, by what they are called."""
    found: dict[str, list[int]] = {}
    for row, own in enumerate(tables):
        title = f"{own.member.ensemble} from {' + '.join(own.modalities)}"
        if own.aggregation == "mean":
            title += ", plain means of networks"
        found.setdefault(title, []).append(row)
    return {title: np.array(rows) for title, rows in found.items()}


def _entries(bids_dir: Path, by: Sequence[str], tables: Sequence[DbaTable]) -> Groups:
    """People's entries in the columns asked for."""
    if not by:
        return {}
    table = ParticipantsTable(bids_dir / "participants.tsv", required=True)
    people = [(own.member.participant, own.member.session) for own in tables]
    found: dict[str, np.ndarray] = {}
    for column in dict.fromkeys(by):
        entries = [table.group(*person, column) for person in people]
        facts = {"column": one_line(column), "file": table.path, "least": FEWEST_OF_LEVEL}
        counts = Counter(entry for entry in entries if entry).most_common(1)
        if not counts:
            raise InputError(messages.NORMS_NO_COLUMN.format(**facts))
        if counts[0][1] < FEWEST_OF_LEVEL:
            raise InputError(messages.NORMS_NO_LEVEL.format(**facts))
        found[printable(column)[:LONGEST_NAME]] = np.array(entries, dtype=object)
    return found


def _fit(bundle: Bundle, tables: Sequence[DbaTable], groups: Groups) -> MadeNorms:
    first = tables[0]
    ensemble = bundle.ensemble_record(first.member.ensemble)
    names = tuple(sub.name for sub in ensemble.sub_ensembles if sub.name in first.years)
    for own in tables:
        if {*own.years} != {ALL, *names} or len(own.years[ALL]) != len(first.years[ALL]):
            path = own.member.regions["dba"].path
            raise InputError(messages.GROUP_REGIONS_UNREADABLE.format(path=path))
    values = np.stack([np.concatenate([own.years[name] for name in (ALL, *names)]) for own in tables])
    ages, least = _ages(bundle, tables)
    norms, calibration = fit_norms(values, ages, groups, least_spread=least)
    beyond = calibration.tails[: len(first.years[ALL])]
    known = place_norms(
        ensemble=ensemble.name,
        modalities=first.modalities,
        aggregation=first.aggregation,
        sub_ensembles=names,
        norms=norms,
        beyond=float(np.nanmean(beyond)) if np.isfinite(beyond).any() else 0.0,
    )
    return MadeNorms(known, calibration)


def _with_voxels(bundle: Bundle, made: MadeNorms, tables: Sequence[DbaTable], groups: Groups) -> MadeNorms:
    known, (ages, least) = made.known, _ages(bundle, tables)
    found = fit_voxel_norms(tables, known.facts.sub_ensembles, ages, groups, least)
    facts = known.facts.model_copy(update={"voxels": found.known.facts})
    return replace(made, known=replace(known, facts=facts, voxels=found.known), voxels=found.calibrations)


def _ages(bundle: Bundle, tables: Sequence[DbaTable]) -> tuple[np.ndarray, float]:
    """Ages (or what is known of the target), and the standard deviation that they must have."""
    ages = np.array([own.known for own in tables])
    return ages, LEAST_SPREAD if bundle.estimates_age else 1e-9 * max(1.0, float(np.abs(ages).max()))


def _whose(
    bundle: Bundle, bids_dir: Path, sets: tuple[KnownNorms, ...], used: Sequence[DbaTable]
) -> RegionNorms:
    description = read_json(bids_dir / "dataset_description.json")
    dataset = str(description.get("Name", ""))
    salt = bundle.record.participants.salt
    return RegionNorms(
        file=NORMS_FILE,
        sets=tuple(own.facts for own in sets),
        datasets=(printable(dataset)[:LONGEST_NAME],),
        simulated=SIMULATOR in makers(description),
        people=tuple(sorted({participant_key(salt, own.member.participant, dataset) for own in used})),
    )


def _rows(made: Sequence[MadeNorms]) -> Iterator[dict[str, Any]]:
    """The table of the calibration: a row for each region of each map."""
    from bids_brainage.preprocessing.templates import atlas

    table = atlas()[1]
    known = dict(zip(table["index"], zip(table["name"], table["hemisphere"], strict=True), strict=True))
    for own in made:
        facts = own.known.facts
        for name, calibration in own.parts():
            labels = [str(index) for index in range(facts.regions)]
            for row in calibration.rows(labels):
                index = int(row.pop("place"))
                region, hemisphere = known.get(index, ("outside the atlas", "n/a"))
                yield {
                    "ensemble": facts.ensemble,
                    "modalities": "+".join(facts.modalities),
                    "sub_ensemble": name or "all",
                    "index": index,
                    "region": region,
                    "hemisphere": hemisphere,
                } | row
