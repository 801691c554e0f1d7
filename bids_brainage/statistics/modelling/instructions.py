"""Transformations of a BIDS Stats Model: instructions by name, those that make sense for a table of people.

They follow pybids-transforms-v1, but for the queries of Filter, see `rows_that_meet`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.modelling.columns import (
    Cell,
    PeopleTable,
    cell_text,
    number,
    read_column,
)
from bids_brainage.statistics.modelling.queries import rows_that_meet
from bids_brainage.suggestions import some, suggestion

_Cells = Sequence[Cell]


@dataclass(frozen=True)
class _Instruction:
    """What an instruction does, and what it takes.

    Attributes
    ----------
    function : callable
        Takes the table, the names of inputs and outputs, and the options; returns the columns that it makes.
    options : mapping of str to type
    outputs : {"same", "new", "one", "own"}
        Where results go: in place of the inputs unless others are named, to others that must be named, to
        a single one, or to columns that the function names.
    drops : bool
        The inputs are there no more.
    """

    function: Callable[..., dict[str, _Cells]]
    options: Mapping[str, type] = field(default_factory=dict)
    outputs: Literal["same", "new", "one", "own"] = "same"
    drops: bool = False


def transformed_table(table: PeopleTable, instructions: Sequence[Any]) -> PeopleTable:
    """Apply instructions one after the other.

    Raises
    ------
    InputError
        If one is unknown, lacks something or has an option that it does not take, or a column is not there or
        holds no numbers.
    """
    for place, instruction in enumerate(instructions, 1):
        try:
            table = _applied(table, instruction)
        except InputError as error:
            raise InputError(messages.INSTRUCTION_REFUSED.format(place=place, reason=error)) from error
    return table


def _applied(table: PeopleTable, given: Any) -> PeopleTable:
    if not isinstance(given, dict) or not isinstance(given.get("Name"), str):
        raise InputError(messages.INSTRUCTION_NAMELESS)
    name = given["Name"]
    if name not in INSTRUCTIONS:
        known = ", ".join(INSTRUCTIONS)
        facts = {"name": one_line(name), "hint": suggestion([name], INSTRUCTIONS), "known": known}
        raise InputError(messages.INSTRUCTION_UNKNOWN.format(**facts))
    instruction = INSTRUCTIONS[name]
    inputs = _names(given, "Input", name)
    if not inputs:
        raise InputError(messages.INSTRUCTION_NAMES.format(name=name, key="Input"))
    for column in inputs:
        if column not in table:
            read_column(table, column)
    options = _options(given, name, instruction.options)
    outputs = _outputs(given, name, inputs, instruction.outputs)
    made = instruction.function(table, inputs, outputs, **options)
    return {
        **{key: cells for key, cells in table.items() if not instruction.drops or key not in inputs},
        **made,
    }


def _names(given: Mapping[str, Any], key: str, name: str) -> list[str]:
    """Names of columns, one or a list."""
    value = given.get(key, [])
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(each, str) and each for each in names):
        raise InputError(messages.INSTRUCTION_NAMES.format(name=name, key=key))
    return names


def _outputs(given: Mapping[str, Any], name: str, inputs: list[str], kind: str) -> list[str]:
    """Where results go, see `_Instruction`."""
    outputs = _names(given, "Output", name)
    if not outputs and kind in ("same", "own"):
        return inputs
    needed = {"same": len(inputs), "new": len(inputs), "one": 1, "own": 0}[kind]
    if len(outputs) != needed:
        raise InputError(messages.INSTRUCTION_OUTPUTS.format(name=name, needed=needed, n=len(outputs)))
    return outputs


def _options(given: Mapping[str, Any], name: str, known: Mapping[str, type]) -> dict[str, Any]:
    """The options of an instruction."""
    options = {key: value for key, value in given.items() if key not in ("Name", "Input", "Output")}
    for key, value in options.items():
        if key not in known:
            facts = {"name": name, "option": one_line(key), "hint": suggestion([key], known)}
            raise InputError(messages.INSTRUCTION_OPTION.format(**facts, known=", ".join(known) or "none"))
        wanted = (int, float) if known[key] is float else known[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and known[key] is not bool):
            facts = {"name": name, "option": key, "value": one_line(value), "wanted": known[key].__name__}
            raise InputError(messages.INSTRUCTION_VALUE.format(**facts))
    if name in _NEEDED and _NEEDED[name] not in options:
        raise InputError(messages.INSTRUCTION_LACKS.format(name=name, option=_NEEDED[name]))
    return options


def _numbers(cells: _Cells) -> np.ndarray:
    """Cells as numbers, NaN where missing."""
    texts = [cell_text(cell) for cell in cells]
    values = [np.nan if text is None else number(text) for text in texts]
    odd = [str(text) for text, value in zip(texts, values, strict=True) if value is None]
    if odd:
        raise InputError(
            messages.INSTRUCTION_NO_NUMBERS.format(texts=some(list(dict.fromkeys(odd)), ", ", most=3))
        )
    return np.array(values, dtype=np.float64)


def _cells(values: np.ndarray) -> list[Cell]:
    """Numbers as cells; what is not finite is missing."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _each(function: Callable[..., np.ndarray]) -> Callable[..., dict[str, _Cells]]:
    """A function of numbers, for each input."""

    def of_columns(
        table: PeopleTable, inputs: list[str], outputs: list[str], **options: Any
    ) -> dict[str, _Cells]:
        made = [_cells(function(_numbers(table[name]), **options)) for name in inputs]
        return dict(zip(outputs, made, strict=True))

    return of_columns


def _copied(table: PeopleTable, inputs: list[str], outputs: list[str]) -> dict[str, _Cells]:
    return {output: table[name] for name, output in zip(inputs, outputs, strict=True)}


def _scaled(values: np.ndarray, Demean: bool = True, Rescale: bool = True) -> np.ndarray:
    known = values[~np.isnan(values)]
    if len(known) < 2 or np.ptp(known) == 0:
        raise InputError(messages.INSTRUCTION_CONSTANT)
    centred = values - known.mean() if Demean else values
    return centred / known.std(ddof=1) if Rescale else centred


def _threshold(
    values: np.ndarray, Threshold: float = 0, Binarize: bool = False, Above: bool = True, Signed: bool = True
) -> np.ndarray:
    compared = values if Signed else np.abs(values)
    kept = compared >= Threshold if Above else compared <= Threshold
    return np.where(np.isnan(values), np.nan, np.where(kept, 1.0 if Binarize else values, 0.0))


def _power(values: np.ndarray, Value: float) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.power(values, float(Value))


def _sum(
    table: PeopleTable, inputs: list[str], outputs: list[str], Weights: Sequence[float] | None = None
) -> dict[str, _Cells]:
    weights = [1.0] * len(inputs) if Weights is None else Weights
    real = all(isinstance(weight, int | float) and not isinstance(weight, bool) for weight in weights)
    if len(weights) != len(inputs) or not real:
        raise InputError(messages.INSTRUCTION_WEIGHTS.format(n=len(inputs)))
    return {outputs[0]: _cells(np.transpose([_numbers(table[name]) for name in inputs]) @ np.array(weights))}


def _product(table: PeopleTable, inputs: list[str], outputs: list[str]) -> dict[str, _Cells]:
    with np.errstate(over="ignore"):
        return {outputs[0]: _cells(np.prod([_numbers(table[name]) for name in inputs], axis=0))}


def _replaced(
    table: PeopleTable, inputs: list[str], outputs: list[str], Replace: Mapping[str, Any]
) -> dict[str, _Cells]:
    if not all(value is None or isinstance(value, str | int | float) for value in Replace.values()):
        raise InputError(messages.INSTRUCTION_REPLACE)
    return {
        output: [Replace.get(cell_text(cell) or "n/a", cell) for cell in table[name]]
        for name, output in zip(inputs, outputs, strict=True)
    }


def _factored(table: PeopleTable, inputs: list[str], outputs: list[str]) -> dict[str, _Cells]:
    """For each level of a column, a column of ones and zeros: ``sex.F``, ``sex.M``."""
    made: dict[str, _Cells] = {}
    for name in inputs:
        column = read_column(table, name, categorical=True)
        for place, level in enumerate(column.levels):
            made[f"{name}.{level}"] = _cells(np.where(column.missing, np.nan, column.values == place))
    return made


def _filtered(table: PeopleTable, inputs: list[str], outputs: list[str], Query: str) -> dict[str, _Cells]:
    """Cells of those for whom a query holds; others are missing, and so do not take part."""
    kept = rows_that_meet(table, Query)
    return {
        output: [cell if keep else None for cell, keep in zip(table[name], kept, strict=True)]
        for name, output in zip(inputs, outputs, strict=True)
    }


INSTRUCTIONS: Mapping[str, _Instruction] = {
    "Rename": _Instruction(_copied, outputs="new", drops=True),
    "Copy": _Instruction(_copied, outputs="new"),
    "Replace": _Instruction(_replaced, {"Replace": dict}),
    "Factor": _Instruction(_factored, outputs="own"),
    "Filter": _Instruction(_filtered, {"Query": str}),
    "Scale": _Instruction(_each(_scaled), {"Demean": bool, "Rescale": bool}),
    "Demean": _Instruction(_each(partial(_scaled, Rescale=False))),
    "Threshold": _Instruction(
        _each(_threshold), {"Threshold": float, "Binarize": bool, "Above": bool, "Signed": bool}
    ),
    "Power": _Instruction(_each(_power), {"Value": float}),
    "Sum": _Instruction(_sum, {"Weights": list}, outputs="one"),
    "Product": _Instruction(_product, outputs="one"),
}
#: Options without which an instruction means nothing.
_NEEDED: Mapping[str, str] = {"Replace": "Replace", "Filter": "Query", "Power": "Value"}
