"""The base model: five blocks of convolution and pooling, one dense layer, one output in years."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field, model_validator

from bids_brainage.networks.network import (
    Activation,
    Convolution,
    Dense,
    Flatten,
    Layer,
    Network,
    Pooling,
    Triple,
)

Width = Annotated[int, Field(ge=1, le=2048)]
Extent = Annotated[int, Field(ge=1, le=15)]
Initializer = Literal["glorot", "he"]


class BaseModelSpec(PydanticModel):
    """Architecture of one base model; the defaults are the paper's.

    Source: Hofmann et al. 2022, NeuroImage, 10.1016/j.neuroimage.2022.119504, "Base model".

    Attributes
    ----------
    filters, kernels : tuple of int
        Channels and kernel edge of each convolution.
    pool_size, pool_stride : int
        Edge and stride of the max-pooling after each convolution (padding SAME throughout).
    dense_units : int
        Width of the dense layer before the output.
    dropout : float
        Share of the flattened features dropped while training.
    activation : {"relu", "leaky_relu"}
        After each convolution and the dense layer.
    negative_slope : float
        Slope of the leaky ReLU below zero.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    filters: tuple[Width, ...] = Field(default=(16, 16, 32, 64, 32), min_length=1, max_length=12)
    kernels: tuple[Extent, ...] = Field(default=(3, 3, 3, 3, 1), min_length=1, max_length=12)
    pool_size: Extent = 3
    pool_stride: Extent = 2
    dense_units: Width = 64
    dropout: float = Field(default=0.5, ge=0, lt=1)
    activation: Literal["relu", "leaky_relu"] = "leaky_relu"
    negative_slope: float = Field(default=0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_kernel_for_each_convolution(self) -> BaseModelSpec:
        if len(self.kernels) != len(self.filters):
            raise ValueError("filters and kernels must be equally many")
        return self

    def feature_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what the last pooling gives for `input_shape` (spatial axes, then channels)."""
        spatial = input_shape[:-1]
        for _ in self.filters:
            spatial = tuple(math.ceil(extent / self.pool_stride) for extent in spatial)
        return (*spatial, self.filters[-1])

    def weight_shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight, in the order of the layers.

        Parameters
        ----------
        input_shape : tuple of int
            Spatial extents and, last, the number of channels.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        dimensions, channels = len(input_shape) - 1, input_shape[-1]
        for number, (filters, kernel) in enumerate(zip(self.filters, self.kernels, strict=True), start=1):
            shapes[f"conv_{number}/kernel"] = (*(kernel,) * dimensions, channels, filters)
            shapes[f"conv_{number}/bias"] = (filters,)
            channels = filters
        shapes["dense/kernel"] = (math.prod(self.feature_shape(input_shape)), self.dense_units)
        shapes["dense/bias"] = (self.dense_units,)
        shapes["output/kernel"] = (self.dense_units, 1)
        shapes["output/bias"] = (1,)
        return shapes

    def count_parameters(self, input_shape: tuple[int, ...]) -> int:
        """Number of trainable parameters for `input_shape` (spatial axes, then channels)."""
        return sum(math.prod(shape) for shape in self.weight_shapes(input_shape).values())

    def network(self, weights: Mapping[str, np.ndarray], input_shape: tuple[int, ...]) -> Network:
        """The network that these weights make, ready to predict and to be explained.

        Parameters
        ----------
        weights : mapping of str to float array
            Named and shaped as `weight_shapes(input_shape)` says.
        input_shape : tuple of int
            Spatial extents, two or three, and, last, the number of channels.

        Returns
        -------
        Network
            Its layers are called ``conv_1``, ``activation_1``, ``pool_1`` ... ``flatten``, ``dense``,
            ``dense_activation``, ``output``.
        """
        flat = len(input_shape) == 3
        layers: list[Layer] = []

        def behind() -> tuple[str, ...]:
            return (layers[-1].name if layers else "image",)

        for number in range(1, len(self.filters) + 1):
            kernel, bias = _kernel_and_bias(weights, f"conv_{number}")
            layers.append(Convolution(f"conv_{number}", behind(), kernel[None] if flat else kernel, bias))
            layers.append(self._activation(f"activation_{number}", behind()))
            size, step = _triple(self.pool_size, flat), _triple(self.pool_stride, flat)
            layers.append(Pooling(f"pool_{number}", behind(), "max", size, step))
        layers.append(Flatten("flatten", behind()))
        layers.append(Dense("dense", behind(), *_kernel_and_bias(weights, "dense")))
        layers.append(self._activation("dense_activation", behind()))
        layers.append(Dense("output", behind(), *_kernel_and_bias(weights, "output")))
        return Network(tuple(layers), tuple(input_shape))

    def _activation(self, name: str, inputs: tuple[str, ...]) -> Activation:
        return Activation(name, inputs, self.activation, self.negative_slope, own_layer=True)


def _kernel_and_bias(weights: Mapping[str, np.ndarray], layer: str) -> tuple[np.ndarray, np.ndarray]:
    kernel, bias = (np.asarray(weights[f"{layer}/{kind}"], np.float32) for kind in ("kernel", "bias"))
    return kernel, bias


def _triple(extent: int, flat: bool) -> Triple:
    """An extent along each axis; an image of one slice has nothing along its first."""
    return (1 if flat else extent, extent, extent)
