"""Base models from Keras HDF5 files, read as data: the architecture is JSON, the weights are arrays.

It reads whole models (``model.save("x.h5")`` of standalone Keras 2, TensorFlow's Keras 2 and Keras 3) and
weights alone (``save_weights`` to ``.h5``, in Keras 3 to ``.weights.h5``). Keras is never asked to load them:
it would run the code of Lambda layers and custom objects. Weights are matched by order and shape, so
the names of layers do not matter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.readers.faults import UnfitError
from bids_brainage.networks.readers.hdf5 import floats, member, names, open_hdf5, texts
from bids_brainage.networks.readers.keras_config import (
    DEEPEST_NESTING,
    Design,
    Shape,
    make_spec,
    read_config,
)
from bids_brainage.quoting import one_line

if TYPE_CHECKING:
    import h5py

ActivationName = Literal["relu", "leaky_relu"]

#: Limits for one network: parameters, and values that a layer gives for one image.
MOST_PARAMETERS = 100_000_000
MOST_VALUES = 400_000_000
LARGEST_BOX = 512


@dataclass(frozen=True, eq=False)
class KerasNetwork:
    """The content of a file, in our terms.

    Attributes
    ----------
    spec : BaseModelSpec
    input_shape : tuple of int
        The box and one channel.
    weights : mapping of str to float32 array
        Named as `spec.weight_shapes(input_shape)` says.
    program : str
        The program that wrote the file, such as ``Keras 2.3.1``.
    """

    spec: BaseModelSpec
    input_shape: Shape
    weights: Mapping[str, np.ndarray]
    program: str


@dataclass(frozen=True)
class Hints:
    """What a file with only weights does not say.

    Attributes
    ----------
    box : tuple of int, optional
        Spatial extents of the input.
    activation : {"relu", "leaky_relu"}, optional
        The leaky one with the paper's slope of 0.2.
    """

    box: tuple[int, int, int] | None = None
    activation: ActivationName | None = None


def read_keras_file(path: Path, hints: Hints | None = None) -> KerasNetwork:
    """Read one network.

    Parameters
    ----------
    path : Path
        An HDF5 file that Keras wrote.
    hints : Hints, optional
        Needed for files with only weights; if they contradict the file, it is refused.

    Raises
    ------
    InputError
        The file cannot be read, or holds what `BaseModelSpec` cannot express.
    """
    with open_hdf5(path) as root:
        try:
            return _read(root, hints or Hints())
        except UnfitError as error:
            fields = {name: one_line(value) for name, value in error.fields.items()}
            raise InputError(error.sentence.format(file=path, **fields)) from error


def read_keras_arrays(path: Path) -> dict[str, np.ndarray]:
    """All weights in a file of either kind, in the order of the layers, under the file's names.

    Raises
    ------
    InputError
        The file cannot be read, or holds no weights as Keras writes them.
    """
    with open_hdf5(path) as root:
        try:
            datasets = _datasets(root)
        except UnfitError as error:
            raise InputError(error.sentence.format(file=path, **error.fields)) from error
        parameters = sum(math.prod(dataset.shape) for dataset in datasets)
        if parameters > MOST_PARAMETERS:
            raise InputError(
                messages.FILE_PARAMETERS.format(file=path, found=parameters, most=MOST_PARAMETERS)
            )
        return {str(dataset.name).lstrip("/"): floats(dataset, dataset.shape) for dataset in datasets}


def _read(root: h5py.Group, hints: Hints) -> KerasNetwork:
    config = texts(root, "model_config")
    datasets = _datasets(root)
    design = read_config(config[0]) if config else _design_of_shapes(datasets, hints)
    _check_hints(design, hints)
    _check_size(design)
    return KerasNetwork(design.spec, design.input_shape, _weights(design, datasets), _program(root))


def _datasets(root: h5py.Group) -> list[h5py.Dataset]:
    """All weights in the file, in the order of the layers, not yet read."""
    import h5py

    saved = member(root, "model_weights")
    weights = root if saved is None else saved
    layers = texts(weights, "layer_names")
    found = list(_numbered(root)) if layers is None else list(_listed(weights, layers))
    if not found or not all(isinstance(node, h5py.Dataset) for node in found):
        raise UnfitError(messages.KERAS_NO_WEIGHTS)
    return found


def _listed(weights: h5py.Group, layers: Sequence[str]) -> Iterator[Any]:
    """The layout of Keras 2: attributes list the layers, and the weights of each."""
    for layer in layers:
        group = member(weights, layer)
        for name in (texts(group, "weight_names") or []) if group is not None else []:
            yield member(group, name)


def _numbered(root: h5py.Group) -> Iterator[h5py.Dataset]:
    """The layout of Keras 3's ``.weights.h5``: layers named by class and number, weights by number.

    All kinds of layers are side by side; each kind's numbers are in the order of the network, and its
    convolutions come before its dense layers.
    """
    layers = [(-len(own[0].shape), _natural(name), own) for name, own in _variables(root)]
    for _, _, own in sorted(layers, key=lambda layer: layer[:2]):
        yield from own


def _variables(group: h5py.Group, depth: int = 0) -> Iterator[tuple[str, list[h5py.Dataset]]]:
    """Name and weights of each layer that has some, including models within the model."""
    import h5py

    for container in ("layers", "_layer_checkpoint_dependencies"):
        layers = member(group, container)
        if not isinstance(layers, h5py.Group) or depth > DEEPEST_NESTING:
            continue
        for name in names(layers):
            own = member(layers, f"{name}/vars")
            numbers = sorted(names(own), key=_natural) if isinstance(own, h5py.Group) else []
            datasets = [member(own, number) for number in numbers]
            if datasets and all(isinstance(dataset, h5py.Dataset) for dataset in datasets):
                yield name, datasets
            layer = member(layers, name)
            if isinstance(layer, h5py.Group):
                yield from _variables(layer, depth + 1)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts conv3d, conv3d_2, conv3d_10 in this order."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _design_of_shapes(datasets: Sequence[h5py.Dataset], hints: Hints) -> Design:
    """The architecture of a file with only weights: kernel and bias of each layer; hints give the rest."""
    if hints.box is None or hints.activation is None:
        raise UnfitError(messages.KERAS_WEIGHTS_ALONE)
    kernels = [dataset.shape for dataset in datasets[::2]]
    dimensions = [len(shape) for shape in kernels]
    if len(datasets) % 2 or dimensions != [5] * (len(kernels) - 2) + [2, 2] or len(kernels) < 3:
        found = ", ".join(str(dataset.shape) for dataset in datasets[:20])
        raise UnfitError(messages.KERAS_WEIGHT_ORDER, found=found)
    spec = make_spec(
        filters=tuple(shape[4] for shape in kernels[:-2]),
        kernels=tuple(shape[0] for shape in kernels[:-2]),
        dense_units=kernels[-2][1],
        activation=hints.activation,
    )
    shape = (*hints.box, 1)
    return Design(spec, shape, tuple(spec.weight_shapes(shape)))


def _check_hints(design: Design, hints: Hints) -> None:
    given = {"--box": hints.box, "--activation": hints.activation}
    found = {"--box": tuple(design.input_shape[:-1]), "--activation": design.spec.activation}
    for option, value in given.items():
        if value is not None and value != found[option]:
            raise UnfitError(messages.KERAS_HINT, option=option, found=found[option], given=value)


def _check_size(design: Design) -> None:
    """Refuse networks that could not be run, before anything is allocated for them."""
    box, spec = design.input_shape[:-1], design.spec
    if len(box) != 3 or design.input_shape[-1] != 1 or not all(1 <= extent <= LARGEST_BOX for extent in box):
        raise UnfitError(messages.KERAS_INPUT, found=design.input_shape, most=LARGEST_BOX)
    parameters, values, extents = spec.count_parameters(design.input_shape), 0, list(box)
    for filters in spec.filters:
        values = max(values, math.prod(extents) * filters)
        extents = [math.ceil(extent / spec.pool_stride) for extent in extents]
    if parameters > MOST_PARAMETERS or values > MOST_VALUES:
        raise UnfitError(messages.KERAS_TOO_LARGE, parameters=parameters, values=values)


def _weights(design: Design, datasets: Sequence[h5py.Dataset]) -> dict[str, np.ndarray]:
    """The weights under our names; a bias that the network lacks is zero."""
    shapes = design.spec.weight_shapes(design.input_shape)
    if len(datasets) != len(design.stored):
        raise UnfitError(messages.KERAS_WEIGHT_COUNT, found=len(datasets), expected=len(design.stored))
    places = dict(zip(design.stored, datasets, strict=True))
    for name, dataset in places.items():
        if dataset.shape != shapes[name]:
            fields = {"found": dataset.shape, "expected": shapes[name]}
            raise UnfitError(messages.KERAS_WEIGHT_SHAPE, name=dataset.name, **fields)
    return {
        name: floats(places[name], shape) if name in places else np.zeros(shape, np.float32)
        for name, shape in shapes.items()
    }


def _program(root: h5py.Group) -> str:
    version = (texts(root, "keras_version") or [""])[0]
    return f"Keras {version}" if re.fullmatch(r"[0-9A-Za-z.+-]{1,30}", version) else "Keras"
