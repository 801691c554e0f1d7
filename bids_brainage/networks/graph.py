"""A network as data: its layers without weights and its readout, as a bundle keeps them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.graph_layers import AnyGraphLayer, DenseRecord, GraphLayer, Shape, describe
from bids_brainage.networks.layers import Layer
from bids_brainage.networks.network import Network
from bids_brainage.networks.readouts import AnyReadout, LinearReadout, Readout

#: What layers call the network's input.
IMAGE = "image"
#: Layers of a network; a DenseNet of 201 has some 900.
MOST_LAYERS = 4000


class LayerGraph(PydanticModel):
    """An architecture of any layers that have rules, and how the last one's outputs become years.

    Attributes
    ----------
    layers : tuple of GraphLayer
        In an order in which each comes after its inputs; the image is called `IMAGE`. The last is dense.
    readout : Readout
        How the last layer's outputs become years.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["graph"] = "graph"
    layers: tuple[AnyGraphLayer, ...] = Field(min_length=1, max_length=MOST_LAYERS)
    readout: AnyReadout = LinearReadout()

    @model_validator(mode="after")
    def _in_order(self) -> LayerGraph:
        known = {IMAGE}
        for layer in self.layers:
            if layer.name in known or not set(layer.inputs) <= known:
                raise ValueError(
                    f"layer {layer.name} has a name or inputs that do not fit the layers before it"
                )
            known.add(layer.name)
        last = self.layers[-1]
        if not isinstance(last, DenseRecord) or last.units != self.readout.outputs:
            raise ValueError(f"the last layer must be dense with {self.readout.outputs} units")
        return self

    def shapes(self, input_shape: Shape) -> Iterator[tuple[GraphLayer, list[Shape], Shape]]:
        """Each layer with the shapes of its inputs and of its output.

        Parameters
        ----------
        input_shape : tuple of int
            Three spatial extents and the number of channels.

        Raises
        ------
        ValueError
            A layer cannot take what comes to it; the text says which.
        """
        found: dict[str, Shape] = {IMAGE: tuple(input_shape)}
        for layer in self.layers:
            inputs = [found[name] for name in layer.inputs]
            found[layer.name] = layer.output_shape(inputs)
            yield layer, inputs, found[layer.name]

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Name and shape of every weight, in the order of the layers; ValueError as for `shapes`."""
        return {
            f"{layer.name}/{part}": shape
            for layer, inputs, _ in self.shapes(input_shape)
            for part, shape in layer.weight_shapes(inputs).items()
        }

    def count_parameters(self, input_shape: Shape) -> int:
        """Number of weights for `input_shape` (three spatial axes, then channels)."""
        return sum(math.prod(shape) for shape in self.weight_shapes(input_shape).values())

    def network(self, weights: Mapping[str, np.ndarray], input_shape: Shape) -> Network:
        """The network that these weights make, ready to predict and to be explained.

        Parameters
        ----------
        weights : mapping of str to float array
            Named and shaped as `weight_shapes(input_shape)` says.
        input_shape : tuple of int
            Three spatial extents and the number of channels.
        """
        made = []
        for layer, inputs, _ in self.shapes(input_shape):
            names = layer.weight_shapes(inputs)
            arrays = {part: np.asarray(weights[f"{layer.name}/{part}"], np.float32) for part in names}
            made.append(layer.layer(arrays))
        return Network(tuple(made), tuple(input_shape), IMAGE, self.readout)


def _kind(content: Any) -> str:
    """Whether an architecture is a graph; without a word about it, it consists of the paper's blocks."""
    kind = content.get("kind") if isinstance(content, dict) else getattr(content, "kind", None)
    return "graph" if kind == "graph" else "blocks"


#: Of a network in a bundle: the paper's blocks, or a graph.
Architecture = Annotated[
    Annotated[BaseModelSpec, Tag("blocks")] | Annotated[LayerGraph, Tag("graph")], Discriminator(_kind)
]


def graph_of(
    layers: Sequence[Layer], readout: Readout | None = None
) -> tuple[LayerGraph, dict[str, np.ndarray]]:
    """A network as data: the graph, and its weights by name.

    Parameters
    ----------
    layers : sequence of Layer
        In order, the image called `IMAGE`.
    readout : Readout, optional
        By default, the output is years.

    Raises
    ------
    pydantic.ValidationError
        The layers do not make a network, or one that is too large.
    """
    weights = {
        f"{layer.name}/{part}": array
        for layer in layers
        for part in ("kernel", "scale", "bias")
        if (array := getattr(layer, part, None)) is not None
    }
    content = {"layers": [describe(layer) for layer in layers], "readout": readout or LinearReadout()}
    return LayerGraph.model_validate(content), weights
