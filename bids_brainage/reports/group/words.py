"""What a group's page calls sets of maps and analyses."""

from __future__ import annotations

from bids_brainage.records.group import UnitRecord
from bids_brainage.reports.words import spoken


def maps_name(unit: UnitRecord, several: bool) -> str:
    """What a set of maps is called: Whole brain · T1w, or that it is the ensemble's."""
    name = f"{spoken(unit.region)} · {unit.modality}" if unit.region else "All sub-ensembles together"
    return f"{spoken(unit.ensemble)}: {name}" if several else name


def short_name(analysis: str) -> str:
    """What an analysis is called where there is little room."""
    words = spoken(analysis)
    return words.replace("dba", "DBA") if "dba" in words.split() else words[:1].upper() + words[1:]
