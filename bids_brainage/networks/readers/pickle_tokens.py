"""What a pickle says, without doing what it asks: nothing is imported, called or made.

A pickle is a program for a machine with a stack. `pickletools.genops` splits it into its instructions and
executes none; here they only move plain values. Where a pickle would name a class there is a `Name`, where it
would call something a `Call`, and where it points to something outside an `Outside`: records for the reader,
who recognises some of them.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

#: Instructions of one pickle. A network of a thousand arrays takes some fifty thousand.
MOST_INSTRUCTIONS = 2_000_000


class TokenError(Exception):
    """Why a pickle is not plain data; stands in a sentence."""


@dataclass(frozen=True)
class Name:
    """A class or function by name."""

    text: str


@dataclass(eq=False)
class Call:
    """What a call would give, with what would be put into it afterwards.

    Attributes
    ----------
    function : object
        A `Name`, if the pickle is of the usual kind.
    arguments : tuple
    entries : dict
        Items set in it, as in a dictionary.
    state : object
        What it would be told to remember.
    """

    function: Any
    arguments: Any
    entries: dict[Hashable, Any] = field(default_factory=dict)
    state: Any = None


@dataclass(frozen=True, eq=False)
class Outside:
    """Something that the pickle does not hold: its persistent identification."""

    key: Any


_MARK = object()


def read_tokens(stream: BinaryIO) -> Any:
    """The value that one pickle describes; `stream` stands behind it then.

    Raises
    ------
    TokenError
        It is not a whole pickle, has too many instructions, or none that plain data and torch's arrays need.
    """
    machine = _Machine()
    try:
        for count, (code, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= MOST_INSTRUCTIONS:
                raise TokenError(f"it has more than {MOST_INSTRUCTIONS:,} instructions")
            if code.name == "STOP":
                return machine.pop()
            machine.step(code.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise TokenError("it ends early, or is no pickle") from error
    raise TokenError("it ends early")


class _Machine:
    """The stack and the memory of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def pop(self) -> Any:
        """Take the topmost value; IndexError if there is none."""
        value = self.stack.pop()
        if value is _MARK:
            raise IndexError
        return value

    def since_mark(self) -> list[Any]:
        """Take all values above the last mark, and the mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise IndexError
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise TokenError(f"it has the instruction {name}")

    def put(self, place: int) -> None:
        """Remember the topmost value."""
        self.memory[place] = self.stack[-1]

    def call(self, function: Any, arguments: Any) -> None:
        """Note a call instead of making it."""
        self.stack.append(Call(function, arguments))

    def build(self) -> None:
        """Note the state that an object would be given."""
        state, target = self.pop(), self.stack[-1]
        if isinstance(target, Call):
            target.state = state

    def set_items(self, flat: list[Any]) -> None:
        """Put keys and values into the dictionary, or the call, on top."""
        target = self.stack[-1]
        entries = target.entries if isinstance(target, Call) else target
        # A deep tuple as key could exhaust the processor's stack when it is hashed.
        if not isinstance(entries, dict) or not all(type(key) in (str, int) for key in flat[::2]):
            raise TokenError("it has a dictionary with other keys than names and numbers")
        entries.update(zip(flat[::2], flat[1::2], strict=True))

    def append(self, values: list[Any]) -> None:
        """Put values into the list on top; the content of other things is not needed."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def pop_tuple(self, length: int) -> None:
        """Put the topmost values together."""
        values = [self.pop() for _ in range(length)]
        self.stack.append(tuple(reversed(values)))

    def pop_dict(self, flat: list[Any]) -> None:
        """Put keys and values into a new dictionary."""
        self.stack.append({})
        self.set_items(flat)

    def pop_pair(self) -> tuple[Any, Any]:
        """Take two values, the lower one first."""
        upper, lower = self.pop(), self.pop()
        return lower, upper

    def pop_one(self) -> None:
        """Drop the topmost value or mark."""
        self.stack.pop()

    def pop_mark(self) -> None:
        """Drop everything above the last mark, and the mark."""
        self.since_mark()

    def new_with_names(self) -> None:
        """Note a call with arguments by name."""
        named, (function, arguments) = self.pop(), self.pop_pair()
        self.call(function, (arguments, named))


_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
        *("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
    "MARK": lambda: _MARK,
}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PUT": lambda machine, place: machine.put(int(place)),
    "BINPUT": lambda machine, place: machine.put(place),
    "LONG_BINPUT": lambda machine, place: machine.put(place),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memory)),
    "GET": lambda machine, place: machine.stack.append(machine.memory[int(place)]),
    "BINGET": lambda machine, place: machine.stack.append(machine.memory[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memory[place]),
    "POP": lambda machine, _: machine.pop_one(),
    "POP_MARK": lambda machine, _: machine.pop_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.pop_tuple(1),
    "TUPLE2": lambda machine, _: machine.pop_tuple(2),
    "TUPLE3": lambda machine, _: machine.pop_tuple(3),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "FROZENSET": lambda machine, _: machine.stack.append(machine.since_mark()),
    "DICT": lambda machine, _: machine.pop_dict(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.pop_pair())),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.append(machine.since_mark()),
    "GLOBAL": lambda machine, text: machine.stack.append(Name(text.replace(" ", "."))),
    "STACK_GLOBAL": lambda machine, _: machine.stack.append(Name(".".join(map(str, machine.pop_pair())))),
    "REDUCE": lambda machine, _: machine.call(*machine.pop_pair()),
    "NEWOBJ": lambda machine, _: machine.call(*machine.pop_pair()),
    "NEWOBJ_EX": lambda machine, _: machine.new_with_names(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.stack.append(Outside(machine.pop())),
    "PERSID": lambda machine, text: machine.stack.append(Outside(text)),
}
