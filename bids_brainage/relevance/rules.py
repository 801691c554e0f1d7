r"""The rules of LRP for linear layers, as data.

All rules share one form. A layer computes z_j = sum_i x_i w_ij + b_j. A rule splits the relevance R_j of
each output among the inputs by one or two *groups* of contributions,

.. math:: R_i = \sum_g c_g \sum_j \frac{\sum_t x_i^{(t)} w_{ij}^{(t)}}{z_j^{(g)}} R_j, \qquad
          z_j^{(g)} = \sum_i \sum_t x_i^{(t)} w_{ij}^{(t)} + b_j^{(g)} \pm \epsilon

whose *terms* t pair a part of the input (all of it, its positive or negative values, ones, a bound) with a
part of the kernel. What goes to b and epsilon is absorbed. So a rule is just a table; the engines
process such tables and know nothing about individual rules.

References
----------
Bach et al. 2015, PLOS ONE 10(7):e0130140 (epsilon, alpha-beta); Montavon et al. 2017, Pattern Recognition
65:211 (z+, z^B, w^2); Montavon et al. 2019, LNCS 11700, ch. 10 (gamma, composites); Lapuschkin et al. 2019,
Nat. Commun. 10:1096 (flat); Andeol et al. 2021, arXiv:2106.01254 (gamma for inputs of both signs);
Kohlbrenner et al. 2020, IJCNN (composites).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bids_brainage.networks.network import Floats

InputPart = Literal["all", "positive", "negative", "one", "low", "high"]
KernelPart = Literal["signed", "one", "square"]

#: Denominators nearer to zero than this are zero: what they would distribute is absorbed.
NOTHING = np.float32(1e-30)
_SIGNS = {None: 0, "positive": 1, "negative": -1}


@dataclass(frozen=True)
class Term:
    """A part of the input with a part of the kernel.

    Attributes
    ----------
    input : InputPart
        Which part of x.
    positive, negative : float
        The kernel part is ``positive * w+ + negative * w-`` where w+ and w- hold the positive and the
        negative weights.
    kernel : KernelPart
        ``one`` and ``square`` put 1 or w squared in the place of w; `positive` scales them.
    """

    input: InputPart = "all"
    positive: float = 1.0
    negative: float = 1.0
    kernel: KernelPart = "signed"


@dataclass(frozen=True)
class Group:
    """Terms that share one denominator.

    Attributes
    ----------
    terms : tuple of Term
        The contributions.
    share : float
        c_g: how much of the relevance this group passes on.
    bias_positive, bias_negative : float
        Which part of the bias is included, as for kernels.
    epsilon : float
        Stabiliser, added with the sign of z (0 counts as positive).
    given : {None, "positive", "negative"}
        Use this group only where the layer's own output has this sign (0 counts as positive).
    """

    terms: tuple[Term, ...]
    share: float = 1.0
    bias_positive: float = 0.0
    bias_negative: float = 0.0
    epsilon: float = 0.0
    given: Literal["positive", "negative"] | None = None


@dataclass(frozen=True)
class Rule:
    """A rule for linear layers: its groups, and the bounds of z^B where it has some."""

    name: str
    groups: tuple[Group, ...]
    low: float = 0.0
    high: float = 1.0


ALL = Term()
EXCITING = (Term("positive", 1.0, 0.0), Term("negative", 0.0, 1.0))
INHIBITING = (Term("positive", 0.0, 1.0), Term("negative", 1.0, 0.0))


def epsilon(value: float = 1e-6) -> Rule:
    """LRP-epsilon with the bias as a neuron (Bach 2015, eq. 58)."""
    return Rule(f"epsilon {value:g}", (Group((ALL,), 1.0, 1.0, 1.0, value),))


def alpha_beta(alpha: float = 1.0, beta: float = 0.0) -> Rule:
    """LRP-alpha-beta (Bach 2015, eq. 60); positive biases excite, negative ones inhibit.

    Raises
    ------
    ValueError
        Unless alpha - beta = 1 and beta is not negative, without which relevance is not conserved.
    """
    if beta < 0 or abs(alpha - beta - 1) > 1e-9:
        raise ValueError(f"alpha - beta must be 1 and beta at least 0, not {alpha} and {beta}")
    exciting = Group(EXCITING, alpha, bias_positive=1.0)
    inhibiting = Group(INHIBITING, -beta, bias_negative=1.0)
    return Rule(f"alpha {alpha:g} beta {beta:g}", (exciting, inhibiting) if beta else (exciting,))


def innvestigate_alpha_beta(alpha: float = 1.0, beta: float = 0.0) -> Rule:
    """Alpha-beta as in innvestigate 2.1.2: the whole bias in both denominators.

    Its two copies of the layer (positive and negative weights) each add their part of the bias to either sum.
    """
    exciting = Group(EXCITING, alpha, 1.0, 1.0)
    inhibiting = Group(INHIBITING, -beta, 1.0, 1.0)
    groups = (exciting, inhibiting) if beta else (exciting,)
    return Rule(f"innvestigate alpha {alpha:g} beta {beta:g}", groups)


def z_plus() -> Rule:
    """The z+ rule: alpha 1, beta 0, without bias (Montavon 2017, eq. 12, also for negative inputs)."""
    return Rule("z+", (Group(EXCITING),))


def gamma(value: float = 0.25, stabiliser: float = 0.0) -> Rule:
    """LRP-gamma (Montavon 2019), generalised to inputs and outputs of both signs (Andeol 2021)."""
    more = 1.0 + value
    positive = (Term("positive", more, 1.0), Term("negative", 1.0, more))
    negative = (Term("positive", 1.0, more), Term("negative", more, 1.0))
    return Rule(
        f"gamma {value:g}",
        (
            Group(positive, 1.0, more, 1.0, stabiliser, "positive"),
            Group(negative, 1.0, 1.0, more, stabiliser, "negative"),
        ),
    )


def flat() -> Rule:
    """Equal shares for all inputs of a neuron (Lapuschkin 2019)."""
    return Rule("flat", (Group((Term("one", kernel="one"),)),))


def w_square() -> Rule:
    """Shares in proportion to the squared weights (Montavon 2017, eq. 10)."""
    return Rule("w^2", (Group((Term("one", kernel="square"),)),))


def box(low: float = 0.0, high: float = 1.0) -> Rule:
    """The z^B rule for inputs between `low` and `high` (Montavon 2017, eq. 14)."""
    terms = (ALL, Term("low", -1.0, 0.0), Term("high", 0.0, -1.0))
    return Rule(f"box {low:g} {high:g}", (Group(terms),), low, high)


def input_part(x: Floats, part: InputPart, rule: Rule, x_negative: bool) -> Floats:
    """Return the part of the input `x` that a term takes; `x_negative` says whether any x is negative."""
    match part:
        case "all":
            return x
        case "positive":
            return np.maximum(x, 0) if x_negative else x
        case "negative":
            return np.minimum(x, 0)
        case "one":
            return np.ones_like(x)
        case "low":
            return np.full_like(x, rule.low)
        case "high":
            return np.full_like(x, rule.high)


def kernel_part(weights: Floats, term: Term) -> Floats:
    """Return the part of a kernel that a term takes."""
    if term.kernel == "one":
        return np.full_like(weights, term.positive)
    if term.kernel == "square":
        return np.float32(term.positive) * weights**2
    return _signed_part(weights, term.positive, term.negative)


def bias_part(bias: Floats, group: Group) -> Floats:
    """Return the part of a bias in a group's denominator."""
    return _signed_part(bias, group.bias_positive, group.bias_negative)


def _signed_part(weights: Floats, positive: float, negative: float) -> Floats:
    if positive == negative == 1.0:
        return weights
    return np.float32(positive) * np.maximum(weights, 0) + np.float32(negative) * np.minimum(weights, 0)


def matters(term: Term, kernel_positive: bool, kernel_negative: bool, x_negative: bool) -> bool:
    """Whether a term can be anything but zero, given the signs that occur in the kernel and in x."""
    if term.input == "negative" and not x_negative:
        return False
    if term.kernel != "signed":
        return True
    return (term.positive != 0 and kernel_positive) or (term.negative != 0 and kernel_negative)


def divide(
    group: Group, contributions: Floats, bias: Floats, relevance: Floats, own_output: Floats | None
) -> tuple[Floats, float]:
    """Divide the relevance of outputs by a group's denominator.

    Parameters
    ----------
    group : Group
        The group.
    contributions : array
        Sum over terms and inputs for each output, without bias.
    bias : array (n,) or (1,)
        The group's part of the bias, along the last axis of `contributions`.
    relevance : array
        Relevance of the outputs.
    own_output : array or None
        The layer's own z, for groups that depend on its sign.

    Returns
    -------
    tuple of (array, float)
        ``share * relevance / z`` for each output, and what bias, epsilon and empty denominators absorb.
    """
    from bids_brainage.relevance.sums import divide_rows

    width = contributions.shape[-1]
    rows = (contributions.size // max(1, width), width)
    quotient = np.empty_like(contributions)
    absorbed = divide_rows(
        contributions.reshape(rows),
        np.ascontiguousarray(np.broadcast_to(bias, width)),
        relevance.reshape(rows),
        (relevance if own_output is None else own_output).reshape(rows),
        np.float32(group.share),
        np.float32(group.epsilon),
        _SIGNS[group.given],
        NOTHING,
        quotient.reshape(rows),
    )
    return quotient, absorbed
