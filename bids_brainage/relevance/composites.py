"""Composites: which rule is used for which kind of layer.

A composite is data. ``COMPOSITES`` holds the named ones; the engine takes any other `Composite` as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.relevance import rules
from bids_brainage.relevance.rules import Rule

#: Shares in proportion to the contributions, with the smallest useful stabiliser.
_PROPORTIONAL = rules.epsilon(1e-6)


@dataclass(frozen=True)
class Composite:
    """A rule for each kind of layer.

    Attributes
    ----------
    name : str
        Its name in sidecars.
    convolution, dense, average_pooling, affine : Rule
        Rules of the linear layers. `affine` is for batch normalisation that could not be folded.
    add : float
        Epsilon by which the sum of a residual connection is divided.
    input : Rule or None
        Rule of linear layers that see the image itself, instead of the others.
    activation : {"pass", "innvestigate"}
        Activations pass relevance on unchanged; innvestigate uses the gradient of those that are separate
        layers.
    max_pooling : {"winner"}
        All relevance goes to the first of the largest values in the window.
    tie_tolerance : float
        A value must exceed another by more than this fraction of it to win over it, so that rounding, which
        differs from one processor to another, does not choose between equal voxels.
    """

    name: str
    convolution: Rule
    dense: Rule
    average_pooling: Rule = _PROPORTIONAL
    affine: Rule = _PROPORTIONAL
    add: float = 1e-6
    input: Rule | None = None
    activation: Literal["pass", "innvestigate"] = "pass"
    max_pooling: Literal["winner"] = "winner"
    tie_tolerance: float = 2e-6


_PRESET_A = Composite("preset-a", rules.alpha_beta(1, 0), rules.epsilon(0.1))

COMPOSITES: dict[str, Composite] = {
    composite.name: composite
    for composite in (
        _PRESET_A,
        replace(_PRESET_A, name="preset-a-flat", input=rules.flat()),
        replace(_PRESET_A, name="preset-b", convolution=rules.alpha_beta(2, 1)),
        Composite("epsilon-plus", rules.z_plus(), rules.epsilon(1e-6)),
        Composite("gamma", rules.gamma(0.25), rules.epsilon(1e-6)),
        Composite(
            "innvestigate-preset-a",
            rules.innvestigate_alpha_beta(1, 0),
            rules.epsilon(0.1),
            average_pooling=rules.epsilon(0.0),
            add=0.0,
            activation="innvestigate",
            tie_tolerance=0.0,
        ),
    )
}


def find_composite(composite: str | Composite) -> Composite:
    """Return a composite by name, or the given one itself.

    Raises
    ------
    NetworkError
        If there is none of that name.
    """
    if isinstance(composite, Composite):
        return composite
    if composite not in COMPOSITES:
        raise NetworkError(messages.COMPOSITE_UNKNOWN.format(name=composite, known=", ".join(COMPOSITES)))
    return COMPOSITES[composite]
