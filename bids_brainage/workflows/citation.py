"""The methods text of a run: of what was done, or of what would be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.records.estimate import EstimateRecord
    from bids_brainage.records.reading import FinishedSession
    from bids_brainage.reports.boilerplate import EnsembleParts, Prepared
    from bids_brainage.workflows.models import Models

LOGGER = logging.getLogger(__name__)


def write_citation_of(sessions: Sequence[SessionInputs], config: RunConfig) -> None:
    """Write OUT/logs/CITATION.* from the finished estimates themselves; nothing where there are none."""
    from bids_brainage.records.reading import SessionPlace, read_session
    from bids_brainage.reports.boilerplate import facts_of, write_citation

    places = [SessionPlace.of(config.output_dir, own.participant, own.session) for own in sessions]
    finished = [found for found in map(read_session, places) if found is not None]
    records = [record for own in finished for record in _estimates(own) if record.ensemble in config.ensemble]
    if records:
        write_citation(config.output_dir, facts_of(records))


def _estimates(finished: FinishedSession) -> tuple[EstimateRecord, ...]:
    """A session's estimates; one with a damaged file is told and left out."""
    try:
        return finished.estimates
    except InputError as error:
        LOGGER.warning("%s", error)
        return ()


def write_planned_citation(sessions: Sequence[SessionInputs], config: RunConfig, models: Models) -> None:
    """Write OUT/logs/CITATION.* for what this command line would do (--boilerplate-only)."""
    from bids_brainage.estimates.summary import model_facts
    from bids_brainage.records.versions import package_versions
    from bids_brainage.reports.boilerplate import Facts, ways_of, write_citation
    from bids_brainage.workflows.participant import explained_against, explanation_facts

    prepared = ways_of(_planned(session, config) for session in sessions)
    others = {name for way in prepared for name in way.corrected}
    facts = Facts(
        versions=package_versions(),
        prepared=prepared,
        modalities=tuple(m for m in config.modalities if m == "T1w" or m in others),
        simulated=all(session.simulated for session in sessions),
    )
    if not config.preproc_only:
        compared = explained_against(config)
        used = {name: own for name, own in models.ensembles.items() if name in config.ensemble}
        bundles = tuple(dict.fromkeys(used.values()))
        explained = {explanation_facts(config, own.lrp_rule) for own in bundles} - {None}
        normed = [own.facts for each in bundles for own in each.region_norms if "dba" in compared]
        heads = [head for name, own in used.items() for head in own.ensemble(name).top_heads]
        facts = replace(
            facts,
            ensembles=tuple(_parts(own, name) for name, own in used.items()),
            models=tuple(model_facts(own) for own in bundles),
            targets=tuple(dict.fromkeys(own.record.target for own in bundles)),
            lrp=tuple(sorted(filter(None, explained), key=lambda own: own.rule)),
            compared=compared if any(own.record.expected_inputs for own in bundles) else (),
            intervals=any(head.normalised is not None or 0.95 in head.half_widths for head in heads),
            uncertainties=any(len(head.sub_ensembles) > 1 for head in heads),
            corrected=any(head.age_bias is not None for head in heads),
            norms=tuple(dict.fromkeys(own.n for own in normed if own.ensemble in config.ensemble)),
        )
    write_citation(config.output_dir, facts)


def _planned(session: SessionInputs, config: RunConfig) -> Prepared:
    """How a session's images would be prepared; which brain extraction "auto" means is not known yet."""
    from bids_brainage.records.estimate import Preparation
    from bids_brainage.reports.boilerplate import Prepared
    from bids_brainage.workflows.preprocessing import preparation_facts
    from bids_brainage.workflows.sources import sequence_files

    planned = Preparation.model_validate(preparation_facts(session, config))
    if config.skull_strip != "auto":
        planned = planned.model_copy(update={"skull_strip_method": config.skull_strip})
    return Prepared.of(planned, set(config.modalities) & sequence_files(session).keys())


def _parts(bundle: Bundle, name: str) -> EnsembleParts:
    from bids_brainage.reports.boilerplate import EnsembleParts

    inputs = [sub.input for sub in bundle.ensemble_record(name).sub_ensembles]
    return EnsembleParts.of(name, [(own.region, own.modality) for own in inputs])
