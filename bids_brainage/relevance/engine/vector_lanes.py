"""Lanes as vector instructions, written out for the compiler (LLVM) behind numba.

They run on every processor: vectors longer than its own are processed in parts. Sums are added in the same
order everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import config, types
from numba.extending import intrinsic, models, register_model


def _long_vectors() -> bool:
    """Whether the processor that code is compiled for, not always this one, has vectors of 16 numbers."""
    chosen_name = getattr(config, "CPU_NAME", None)
    if chosen_name:
        return bool(chosen_name == "x86-64-v4")
    return bool(get_host_cpu_features().get("avx512f"))


#: Widths for many numbers, the processor's own first. They change no sum.
WIDTHS = (16, 8, 4, 2, 1) if _long_vectors() else (8, 4, 2, 1)
#: Widths for patches: for long rows, and for short ones.
WIDE, NARROW = 16, 4
#: Whether a convolution written with lanes is quicker than that of the plain engine.
CONVOLVE = True


def marker(width: int) -> tuple[int, ...]:
    """Return what gives compiled loops a width: a tuple of that length, as it must be part of a type."""
    return (0,) * width


class Lanes(types.Type):
    """The compiler's name for a vector of `width` numbers; a power of two."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.vector = ir.VectorType(ir.FloatType(), width)
        super().__init__(name=f"Lanes({width})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, lanes.vector)


Generator = Callable[[Any, Any, Any, Any], Any]


def _shuffled(builder: Any, value: Any, places: list[int]) -> Any:
    """Return the vector of some places of another."""
    return builder.shuffle_vector(
        value, value, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
    )


def _repeated(builder: Any, number: Any, lanes: Lanes) -> Any:
    """Return a vector of equal numbers."""
    empty = ir.Constant(lanes.vector, ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0))
    return _shuffled(builder, first, [0] * lanes.width)


def _place(context: Any, builder: Any, signature: Any, arguments: Any, lanes: Lanes) -> Any:
    """Return where in an array (first argument) the vector at an index (second argument) lies."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(data, [arguments[1]]), lanes.vector.as_pointer())


@intrinsic
def filled(typing: Any, value: Any, width: Any) -> tuple[Any, Generator]:
    """filled(value, width): a vector as wide as the tuple `width` of one value."""
    lanes = Lanes(width.count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _repeated(builder, arguments[0], lanes)

    return lanes(types.float32, width), generate


@intrinsic
def load(typing: Any, array: Any, index: Any, width: Any) -> tuple[Any, Generator]:
    """load(array, index, width): the numbers of a flat array from `index` on."""
    lanes = Lanes(width.count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature, arguments, lanes), align=4)

    return lanes(array, types.intp, width), generate


@intrinsic
def repeated(typing: Any, array: Any, index: Any, width: Any) -> tuple[Any, Generator]:
    """repeated(array, index, width): a vector of one number of a flat array."""
    lanes = Lanes(width.count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return _repeated(builder, builder.load(builder.gep(data, [arguments[1]]), align=4), lanes)

    return lanes(array, types.intp, width), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> tuple[Any, Generator]:
    """store(array, index, value): put a vector into a flat array from `index` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments, value)
        builder.store(arguments[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def plus(typing: Any, x: Any, y: Any) -> tuple[Any, Generator]:
    """plus(x, y): x + y."""
    return x(x, x), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@intrinsic
def negated(typing: Any, x: Any) -> tuple[Any, Generator]:
    """negated(x): -x."""
    return x(x), lambda context, builder, signature, arguments: builder.fneg(*arguments)


@intrinsic
def multiply_add(typing: Any, x: Any, y: Any, z: Any) -> tuple[Any, Generator]:
    """multiply_add(x, y, z): x * y + z."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        product = builder.fmul(arguments[0], arguments[1], flags=["contract"])
        return builder.fadd(product, arguments[2], flags=["contract"])

    return x(x, x, x), generate


@intrinsic
def chosen(typing: Any, x: Any, y: Any, larger: Any, other: Any) -> tuple[Any, Generator]:
    """chosen(x, y, larger, other): each number of `larger` where x > y, else that of `other`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments[:2]), *arguments[2:])

    return x(x, x, x, x), generate


@intrinsic
def total(typing: Any, x: Any) -> tuple[Any, Generator]:
    """total(x): the sum of a vector's numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, width = arguments[0], x.width
        while width > 1:
            width //= 2
            halves = list(range(width)), list(range(width, 2 * width))
            value = builder.fadd(*(_shuffled(builder, value, half) for half in halves))
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return types.float32(x), generate
