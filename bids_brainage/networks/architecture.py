"""The base model: five blocks of convolution and pooling, one dense layer, one output in years."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from tensorflow import keras

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


def build(
    spec: BaseModelSpec,
    input_shape: tuple[int, ...],
    target_bias: float = 0.0,
    seed: int = 0,
    initializer: Initializer = "glorot",
) -> keras.Model:
    """Build an untrained base model with the functional API of Keras 2.14 or 3.

    Parameters
    ----------
    spec : BaseModelSpec
    input_shape : tuple of int
        (x, y, z, channels) for volumes, (x, y, channels) for images.
    target_bias : float
        What the output layer's bias starts from: the training people's mean age, in years.
    seed : int
        Of the initial weights and the dropout layer.
    initializer : {"glorot", "he"}
        Uniform initial weights; Keras' default, or He et al. 2015, which keeps the signal's size
        through the layers.

    Returns
    -------
    keras.Model
        From (n, *input_shape) to (n, 1), in years. Layers are named ``conv_1``, ``activation_1``,
        ``pool_1`` ... ``flatten``, ``dropout``, ``dense``, ``dense_activation``, ``output``.
    """
    from tensorflow import keras

    layers = keras.layers
    volumes = len(input_shape) == 4
    convolution = layers.Conv3D if volumes else layers.Conv2D
    pooling = layers.MaxPooling3D if volumes else layers.MaxPooling2D

    def initial(number: int) -> keras.initializers.Initializer:
        kinds = {"glorot": keras.initializers.GlorotUniform, "he": keras.initializers.HeUniform}
        return kinds[initializer](seed=seed + number)

    inputs = keras.Input(shape=input_shape, name="image")
    x = inputs
    for number, (filters, kernel) in enumerate(zip(spec.filters, spec.kernels, strict=True), start=1):
        x = convolution(
            filters, kernel, padding="same", kernel_initializer=initial(number), name=f"conv_{number}"
        )(x)
        x = _activation(spec, f"activation_{number}")(x)
        x = pooling(spec.pool_size, spec.pool_stride, padding="same", name=f"pool_{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(spec.dropout, seed=seed, name="dropout")(x)
    x = layers.Dense(spec.dense_units, kernel_initializer=initial(100), name="dense")(x)
    x = _activation(spec, "dense_activation")(x)
    outputs = layers.Dense(
        1,
        # The output starts small in any case: the target bias is the first guess.
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 101),
        bias_initializer=keras.initializers.Constant(target_bias),
        name="output",
    )(x)
    return keras.Model(inputs, outputs, name="base_model")


def _activation(spec: BaseModelSpec, name: str) -> keras.layers.Layer:
    from tensorflow import keras

    if spec.activation == "relu":
        return keras.layers.ReLU(name=name)
    # By position: the slope's keyword is `alpha` in Keras 2 and `negative_slope` in Keras 3.
    return keras.layers.LeakyReLU(spec.negative_slope, name=name)
