"""The methods text of a run: of what was done, or of what would be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bids_brainage.bids.naming import output_path
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig


def write_citation_of(sessions: Sequence[SessionInputs], config: RunConfig) -> None:
    """Write OUT/logs/CITATION.* from the estimates themselves; nothing where there are none."""
    from bids_brainage.reports.boilerplate import facts_of, write_citation

    records = []
    for session in sessions:
        for ensemble in config.ensemble:
            path = output_path(
                config.output_dir, session.participant, session.session, "brainage", ensemble=ensemble
            )
            if path.is_file():
                records.append(json.loads(path.read_text(encoding="utf-8")))
    if records:
        write_citation(config.output_dir, facts_of(records))


def write_planned_citation(sessions: Sequence[SessionInputs], config: RunConfig, bundle: Any) -> None:
    """Write OUT/logs/CITATION.* for what this command line would do (--boilerplate-only)."""
    from bids_brainage.records.versions import package_versions
    from bids_brainage.reports.boilerplate import facts_of, write_citation
    from bids_brainage.workflows.participant import explanation_facts

    modalities = [m for m in config.modalities if any(m == "T1w" or m in s.images for s in sessions)]
    common = {
        "versions": package_versions(),
        "modalities_used": modalities,
        "preprocessing": {
            "source": str(sessions[0].origin),
            "skull_strip_method": config.skull_strip,
        },
        "model": {}
        if bundle is None
        else {
            "name": bundle.name,
            "version": bundle.record.version,
            "purpose": bundle.record.purpose,
            "heads": bundle.heads,
        },
        **({} if bundle is None else {"target": {"name": bundle.record.target, "unit": bundle.record.unit}}),
        "lrp": explanation_facts(config),
        "simulated_input": sessions[0].simulated,
    }
    ensembles = () if config.preproc_only else config.ensemble
    write_citation(config.output_dir, facts_of([common | {"ensemble": name} for name in ensembles]))
