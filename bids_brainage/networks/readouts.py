"""How the last layer's outputs become years.

For one image, a readout is explained by a dense layer of one neuron with the same output: relevance begins
there. Of a readout that bends, it is the *secant* from what the biases alone would say. With scores
z = W'f + b of features f, and years E(z),

    w = integral over t from 0 to 1 of grad E(b + t (z - b))      E(z) - E(b) = w . (z - b) = (W w) . f

exactly, so that E(b), the map and what layers absorb add up to the estimate (integrated gradients,
Sundararajan et al. 2017, eq. 1, of the readout alone, whose path is known in closed form). The mean gradient
does not change when the same number is added to all scores of a softmax: its entries sum to zero.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field, model_validator

from bids_brainage.networks.layers import Dense, Floats

Doubles = NDArray[np.float64]

#: Nodes of the quadrature: with 256, scores of a standard deviation of 30 are off by 4e-13 years.
NODES = 256
#: Lines of an account for what lies between an estimate and what its secant explains.
LIMITS, ROUNDING = "limits", "rounding"
MOST_OUTPUTS = 1000

Number = Annotated[float, Field(ge=-1e6, le=1e6)]


class Readout(PydanticModel):
    """What all readouts can do. The last layer's outputs are (n, m), or (m,) for one image."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    #: Years from the least or greatest estimate within which one counts as at its limit.
    near_limit: ClassVar[float] = 1.0

    @property
    def outputs(self) -> int:
        """How many outputs it reads."""
        return 1

    def fits(self, output: Dense) -> bool:
        """Whether it can read the outputs of such a layer."""
        return int(output.kernel.shape[1]) == self.outputs

    def target_bias(self, output: Dense) -> float:
        """What is explained if all features are zero, in years."""
        return float(self.explained(_bias(output)[None])[0])

    def years(self, outputs: Floats) -> Doubles:
        """Years (n,)."""
        return self.explained(outputs)

    def explained(self, outputs: NDArray) -> Doubles:
        """Years (n,) that the neuron gives: before limits and rounding."""
        raise NotImplementedError

    def slopes(self, outputs: NDArray) -> Doubles:
        """Derivatives (n, m) of `explained` by the outputs."""
        raise NotImplementedError

    def mean_slopes(self, start: Doubles, end: Doubles) -> Doubles:
        """The mean (m,) of `slopes` on the straight way between two outputs (m,)."""
        places, weights = _nodes()
        return weights @ self.slopes(start + places[:, None] * (end - start))

    def neuron(self, output: Dense, outputs: Floats) -> Dense:
        """The layer of one neuron whose output is `explained` for one image, whose outputs (m,) are given."""
        start = _bias(output)
        weights = self.mean_slopes(start, np.asarray(outputs, np.float64))
        kernel = output.kernel.astype(np.float64) @ weights
        bias = self.explained(start[None])
        return Dense(output.name, output.inputs, kernel[:, None].astype(np.float32), bias.astype(np.float32))

    def corrections(self, outputs: Floats) -> dict[str, float]:
        """Years added to what is explained for one image, outputs (m,), by name of the account's line."""
        difference = float((self.years(outputs[None]) - self.explained(outputs[None]))[0])
        return {self.correction: difference} if difference else {}

    @property
    def correction(self) -> str:
        """What the difference between an estimate and what is explained is called."""
        return LIMITS

    def distribution(self, outputs: Floats) -> tuple[float, float] | None:
        """Standard deviation and most probable age of the distribution over ages; None if there is none."""
        return None

    def at_limit(self, years: float) -> bool:
        """Whether an estimate is at, or beside, the least or greatest it can be."""
        low, high = self.range
        near = self.near_limit
        return (low is not None and years <= low + near) or (high is not None and years >= high - near)

    @property
    def range(self) -> tuple[float | None, float | None]:
        """The least and the greatest estimate, in years; None where there is no limit."""
        return None, None


class LinearReadout(Readout):
    """One output, scaled and shifted to years, and kept within limits.

    years = output * scale + offset, at least `low` and at most `high`.
    """

    near_limit: ClassVar[float] = 0.0

    kind: Literal["linear"] = "linear"
    scale: Number = 1.0
    offset: Number = 0.0
    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _possible(self) -> LinearReadout:
        if self.scale == 0:
            raise ValueError("a readout's scale must not be zero")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("a readout's lower limit must be below its upper one")
        return self

    @property
    def range(self) -> tuple[float | None, float | None]:
        """The limits."""
        return self.low, self.high

    def years(self, outputs: Floats) -> Doubles:
        """Years (n,)."""
        found = self.explained(outputs)
        if self.low is None and self.high is None:
            return found
        return np.clip(found, self.low, self.high)

    def explained(self, outputs: NDArray) -> Doubles:
        """Years (n,) without limits."""
        return np.asarray(outputs)[:, 0].astype(np.float64) * self.scale + self.offset

    def slopes(self, outputs: NDArray) -> Doubles:
        """The scale, everywhere."""
        return np.full(np.shape(outputs), self.scale)

    def neuron(self, output: Dense, outputs: Floats) -> Dense:
        """See `Readout.neuron`; the layer itself where nothing is scaled or shifted."""
        if (self.scale, self.offset) == (1.0, 0.0):
            return output
        return super().neuron(output, outputs)


class ExpectationReadout(Readout):
    """The expectation of age under the softmax of the scores of age bins.

    Attributes
    ----------
    first, step : float
        Years at the centre of the first bin, and between neighbouring ones.
    n : int
        How many bins.
    """

    kind: Literal["expectation"] = "expectation"
    first: Number
    step: float = Field(gt=0, le=100)
    n: int = Field(ge=3, le=MOST_OUTPUTS)

    @property
    def outputs(self) -> int:
        """One for each bin."""
        return self.n

    @property
    def centres(self) -> Doubles:
        """Years at the centre of each bin (n,)."""
        return self.first + self.step * np.arange(self.n)

    def explained(self, outputs: NDArray) -> Doubles:
        """Years (n,)."""
        return _softmax(outputs) @ self.centres

    def slopes(self, outputs: NDArray) -> Doubles:
        """dE/dz_k = p_k (c_k - E)."""
        shares = _softmax(outputs)
        return shares * (self.centres - (shares @ self.centres)[:, None])

    def distribution(self, outputs: Floats) -> tuple[float, float] | None:
        """Standard deviation and most probable age, in years."""
        shares, centres = _softmax(outputs[None])[0], self.centres
        variance = shares @ (centres - shares @ centres) ** 2
        return float(np.sqrt(variance)), float(centres[shares.argmax()])

    @property
    def range(self) -> tuple[float, float]:
        """The first and the last bin."""
        return self.first, self.first + self.step * (self.n - 1)


class CountReadout(Readout):
    """How many of the ages in a row a person has passed: the number of outputs above a threshold.

    years = first + step * (number of sigmoids above the threshold). The sum of the sigmoids themselves is
    explained, and what counting adds to it is rounding.

    Attributes
    ----------
    first, step : float
        Years if none is passed, and for each that is.
    n : int
        How many outputs.
    threshold : float
        Above which an age is passed.
    """

    kind: Literal["count"] = "count"
    first: Number
    step: float = Field(default=1.0, gt=0, le=100)
    n: int = Field(ge=3, le=MOST_OUTPUTS)
    threshold: float = Field(default=0.5, gt=0, lt=1)

    @property
    def outputs(self) -> int:
        """One for each age."""
        return self.n

    @property
    def correction(self) -> str:
        """What counting adds to the sum."""
        return ROUNDING

    def years(self, outputs: Floats) -> Doubles:
        """Years (n,)."""
        return self.first + self.step * (_sigmoid(outputs) > self.threshold).sum(axis=1).astype(np.float64)

    def explained(self, outputs: NDArray) -> Doubles:
        """Years (n,) without rounding."""
        return self.first + self.step * _sigmoid(outputs).sum(axis=1)

    def slopes(self, outputs: NDArray) -> Doubles:
        """Derivatives of the sum of the sigmoids."""
        shares = _sigmoid(outputs)
        return self.step * shares * (1 - shares)

    def mean_slopes(self, start: Doubles, end: Doubles) -> Doubles:
        """The slopes of the sigmoids' secants, in closed form."""
        way = end - start
        near = np.abs(way) < 1e-6
        rise = self.step * (_sigmoid(end) - _sigmoid(start))
        return np.where(near, self.slopes((start + end) / 2), rise / np.where(near, 1.0, way))

    @property
    def range(self) -> tuple[float, float]:
        """Where none is passed, and all."""
        return self.first, self.first + self.step * self.n


AnyReadout = Annotated[LinearReadout | ExpectationReadout | CountReadout, Field(discriminator="kind")]


@cache
def _nodes() -> tuple[Doubles, Doubles]:
    """Places and weights of the Gauss-Legendre rule on 0 to 1."""
    places, weights = np.polynomial.legendre.leggauss(NODES)
    return (places + 1) / 2, weights / 2


def _bias(output: Dense) -> Doubles:
    """The layer's bias (m,); zeros if it has none."""
    units = output.kernel.shape[1]
    return np.zeros(units) if output.bias is None else np.asarray(output.bias, np.float64)


def _softmax(scores: NDArray) -> Doubles:
    """Shares (n, m) of scores (n, m)."""
    scores = np.asarray(scores, np.float64)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _sigmoid(scores: NDArray) -> Doubles:
    from scipy.special import expit

    return np.asarray(expit(np.asarray(scores, np.float64)))
