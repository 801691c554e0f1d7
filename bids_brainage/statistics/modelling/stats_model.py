"""BIDS Stats Models: what a file asks of a group, checked by its schema and by what can be done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.modelling.formula import Formula, parse_formula
from bids_brainage.statistics.modelling.options import SoftwareOptions, read_options
from bids_brainage.suggestions import some, suggestion

if TYPE_CHECKING:
    from bsmschema.models import BIDSStatsModel, Contrast, DummyContrasts, Node

# What a filter of input images may name here; maps are chosen by options.
_FILTERS = ("subject", "session")
# Grouping by what there is one of at this level means nothing, and is what files for several levels say.
_NO_GROUPS = ("contrast",)


@dataclass(frozen=True)
class StatsModel:
    """What a BIDS Stats Model asks of a group.

    Attributes
    ----------
    name : str
    variables : tuple of str or 1
        The model's X; names may hold ``*`` and ``?``.
    formula : Formula or None
    contrasts : tuple of bsmschema's Contrast
    dummies : bsmschema's DummyContrasts or None
    group_by : tuple of str
        Columns for whose groups the analysis is done one by one.
    instructions : tuple
        Transformations, see `transformed_table`.
    options : SoftwareOptions
    wanted : mapping of str to tuple of str
        Labels of the participants and sessions that take part; those that lack are not limited.
    """

    name: str
    variables: tuple[Any, ...]
    formula: Formula | None
    contrasts: tuple[Contrast, ...]
    dummies: DummyContrasts | None
    group_by: tuple[str, ...]
    instructions: tuple[Any, ...]
    options: SoftwareOptions
    wanted: Mapping[str, tuple[str, ...]]


def read_stats_model(content: Any) -> StatsModel:
    """Check what a BIDS Stats Model says, as JSON has it.

    Raises
    ------
    InputError
        If it does not follow the schema, says what the schema does not know, is not of one node at the level
        Dataset, or asks for what is not done here: other models than a GLM, haemodynamic responses, edges,
        options of time series.
    """
    model = _validated(content)
    if len(model.Nodes) != 1 or model.Nodes[0].Level != "Dataset":
        found = some([f"{node.Name} ({node.Level})" for node in model.Nodes], ", ") or "none"
        raise InputError(messages.STATS_LEVELS.format(nodes=found))
    (node,) = model.Nodes
    _check_supported(model, node)
    formula = parse_formula(node.Model.Formula) if node.Model.Formula is not None else None
    return StatsModel(
        name=one_line(model.Name),
        variables=tuple(node.Model.X),
        formula=formula,
        contrasts=tuple(node.Contrasts or ()),
        dummies=node.DummyContrasts,
        group_by=tuple(name for name in node.GroupBy if name not in _NO_GROUPS),
        instructions=tuple(node.Transformations.Instructions) if node.Transformations else (),
        options=read_options(node.Model.Software),
        wanted=_wanted(model.Input or {}),
    )


def _validated(content: Any) -> BIDSStatsModel:
    """What the schema makes of it."""
    from bsmschema.models import BIDSStatsModel
    from pydantic import ValidationError

    try:
        model = BIDSStatsModel.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        facts = {"place": one_line(place), "reason": one_line(first["msg"])}
        raise InputError(messages.STATS_SCHEMA.format(**facts)) from error
    _check_known(content, model.model_dump(exclude_unset=True), "")
    return model


def _check_known(given: Any, read: Any, place: str) -> None:
    """Refuse keys that the schema does not know, which it passes over in silence."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            if key not in read:
                raise InputError(messages.STATS_UNKNOWN.format(key=one_line(f"{place}{key}")))
            _check_known(value, read[key], f"{place}{key}.")
    elif isinstance(given, list) and isinstance(read, list):
        for number, (value, known) in enumerate(zip(given, read, strict=True)):
            _check_known(value, known, f"{place}{number}.")


def _check_supported(model: BIDSStatsModel, node: Node) -> None:
    """Refuse what is part of Stats Models but not done here."""
    refused = {
        f"Model.Type {node.Model.Type}": node.Model.Type != "glm",
        "Edges": bool(model.Edges),
        "Model.HRF": node.Model.HRF is not None,
        "Model.Options": node.Model.Options is not None,
        "GroupBy subject": "subject" in node.GroupBy or "participant_id" in node.GroupBy,
        "GroupBy run": "run" in node.GroupBy,
    }
    asked = [*(node.Contrasts or ()), *([node.DummyContrasts] if node.DummyContrasts else [])]
    refused["Test pass"] = any(contrast.Test == "pass" for contrast in asked)
    parts = [part for part, is_in in refused.items() if is_in]
    if parts:
        raise InputError(messages.STATS_NOT_HERE.format(parts=some(parts, ", ")))
    if not node.Contrasts and node.DummyContrasts is None:
        raise InputError(messages.STATS_NO_CONTRASTS)


def _wanted(filters: Mapping[str, list[Any]]) -> dict[str, tuple[str, ...]]:
    """The labels that Input names."""
    for name in filters:
        if name not in _FILTERS:
            facts = {"name": one_line(name), "hint": suggestion([name], _FILTERS)}
            raise InputError(messages.STATS_INPUT.format(**facts, known=" and ".join(_FILTERS)))
    return {name: tuple(str(label) for label in labels) for name, labels in filters.items()}
