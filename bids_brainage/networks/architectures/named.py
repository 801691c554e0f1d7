"""Published architectures by name, and a network from the arrays of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.faults import first_fault
from bids_brainage.networks.architectures import densenet, sfcn, westman
from bids_brainage.networks.architectures.torch_layers import Arrays, Shapes
from bids_brainage.networks.graph import LayerGraph, graph_of
from bids_brainage.networks.layers import Layer, Triple
from bids_brainage.networks.network import fold_affine
from bids_brainage.networks.readouts import Readout
from bids_brainage.quoting import one_line

#: Arrays that are listed of each kind of difference.
MOST_LISTED = 12


def _as_they_are(arrays: Arrays) -> Arrays:
    return arrays


@dataclass(frozen=True)
class Architecture:
    """How a family of files is read.

    Attributes
    ----------
    title : str
        What it is called in sentences.
    shapes : callable
        Names and shapes that the arrays of a file must have, given these arrays.
    layers : callable
        The layers that the arrays make for a box of such extents; normalisation need not be folded.
    arranged : callable
        The arrays under the names that the others use.
    box : tuple of int, optional
        The only extents that it can take.
    """

    title: str
    shapes: Callable[[Arrays], Shapes]
    layers: Callable[[Arrays, Triple], list[Layer]]
    arranged: Callable[[Arrays], Arrays] = _as_they_are
    box: Triple | None = None


ARCHITECTURES: Mapping[str, Architecture] = {
    "sfcn": Architecture(
        "SFCN (Peng et al. 2021)", sfcn.torch_shapes, sfcn.torch_layers, box=(160, 192, 160)
    ),
    "sfcn-keras": Architecture(
        "SFCN of pyment", sfcn.keras_shapes, sfcn.keras_layers, arranged=sfcn.keras_arrays
    ),
    **{
        name: Architecture(f"MONAI's DenseNet{name[-3:]}", densenet.shapes(blocks), densenet.layers(blocks))
        for name, blocks in densenet.BLOCKS.items()
    },
    "westman": Architecture(
        "the residual network of Dartora et al. (2024)", westman.shapes, westman.layers, box=westman.BOX
    ),
}


def build_network(
    name: str, arrays: Mapping[str, np.ndarray], box: Triple, readout: Readout, source: str
) -> tuple[LayerGraph, dict[str, np.ndarray]]:
    """The network that the arrays of a file make.

    Parameters
    ----------
    name : str
        Key of `ARCHITECTURES`.
    arrays : mapping of str to float32 array
        As `readers.weights.read_weights` gives them.
    box : tuple of int
        Spatial extents of the input, which has one channel.
    readout : Readout
        How its outputs become years.
    source : str
        The file, for sentences.

    Returns
    -------
    tuple of (LayerGraph, dict)
        The architecture, and its weights by name.

    Raises
    ------
    InputError
        Arrays are missing, too many or of another shape (those found are listed beside those expected), a
        variance is negative, there are as many outputs as another network has, or the box does not fit.
    """
    architecture = ARCHITECTURES[name]
    arrays = architecture.arranged(arrays)
    _check_arrays(architecture, arrays, source)
    if architecture.box is not None and box != architecture.box:
        raise InputError(
            messages.ARCHITECTURE_BOX.format(
                file=source, title=architecture.title, box=_extents(box), expected=_extents(architecture.box)
            )
        )
    layers = fold_affine(architecture.layers(arrays, box))
    outputs = layers[-1].kernel.shape[1]  # type: ignore[attr-defined]
    if outputs != readout.outputs:
        sentence = messages.ARCHITECTURE_CLASSES if outputs == 2 else messages.ARCHITECTURE_OUTPUTS
        raise InputError(sentence.format(file=source, found=outputs, expected=readout.outputs))
    try:
        graph, weights = graph_of(layers, readout)
        graph.weight_shapes((*box, 1))
    except ValidationError as error:
        reason = str(first_fault(error))
        raise InputError(messages.ARCHITECTURE_UNFIT.format(file=source, reason=reason)) from error
    except ValueError as error:
        raise InputError(messages.ARCHITECTURE_UNFIT.format(file=source, reason=error)) from error
    return graph, weights


def _check_arrays(architecture: Architecture, arrays: Arrays, source: str) -> None:
    """Refuse another network's arrays, and those that no training gives."""
    expected = architecture.shapes(arrays)
    missing = {key: shape for key, shape in expected.items() if key not in arrays}
    foreign = {key: array.shape for key, array in arrays.items() if key not in expected}
    others = [
        f"{key} {arrays[key].shape} instead of {shape}"
        for key, shape in expected.items()
        if key in arrays and arrays[key].shape != shape
    ]
    if missing or foreign or others:
        told = {
            "missing": [f"{key} {shape}" for key, shape in missing.items()],
            "of another shape": others,
            "not of this network": [f"{key} {shape}" for key, shape in foreign.items()],
        }
        differences = "; ".join(f"{what}: {_listed(own)}" for what, own in told.items() if own)
        raise InputError(
            messages.ARCHITECTURE_ARRAYS.format(
                file=source,
                title=architecture.title,
                found=len(arrays),
                expected=len(expected),
                differences=differences,
            )
        )
    for key, array in arrays.items():
        if key.endswith(("running_var", "moving_variance")) and (array < 0).any():
            raise InputError(messages.ARCHITECTURE_VARIANCE.format(file=source, name=one_line(key)))


def _listed(entries: list[str]) -> str:
    """The first entries, and how many more there are."""
    shown = ", ".join(one_line(entry) for entry in entries[:MOST_LISTED])
    more = len(entries) - MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def _extents(box: Triple) -> str:
    return " x ".join(map(str, box))
