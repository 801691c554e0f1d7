"""The plain engine: every layer separately, forward and back, as in the equations.

It takes any network and composite. `engine` does the same faster for the layers of brain-age networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import (
    Activation,
    Add,
    Affine,
    Concatenate,
    Convolution,
    Dense,
    Flatten,
    Floats,
    Layer,
    Network,
    Pad,
    Pooling,
)
from bids_brainage.relevance import rules
from bids_brainage.relevance.accounts import LayerAccount
from bids_brainage.relevance.composites import Composite
from bids_brainage.relevance.peers import operators
from bids_brainage.relevance.peers.operators import Operator
from bids_brainage.relevance.peers.pooling import Winners, max_pool, unpool
from bids_brainage.relevance.rules import Rule, Term

Linear = Convolution | Dense | Affine


class State:
    """What the way forward keeps for the way back: outputs of layers and winners of max pooling.

    `threads` may work on one layer at a time, both ways.
    """

    def __init__(self, network: Network, images: Floats, threads: int = 1) -> None:
        self.outputs: dict[str, Floats] = {network.input_name: images}
        self.winners: dict[str, Winners] = {}
        self.threads = threads

    def inputs(self, layer: Layer) -> list[Floats]:
        """Return the inputs of `layer`."""
        return [self.outputs[name] for name in layer.inputs]


def forward(network: Network, volumes: Floats, composite: Composite) -> State:
    """Run `volumes` (n, d, h, w, c) through the network."""
    state = State(network, volumes)
    for layer in network.layers:
        state.outputs[layer.name] = forward_layer(layer, state, composite)
    return state


def forward_layer(layer: Layer, state: State, composite: Composite) -> Floats:
    """Return the output of one layer; notes the winners if it is a max pooling."""
    x = state.outputs[layer.inputs[0]]
    match layer:
        case Activation():
            return activate(layer, x)
        case Flatten():
            return x.reshape(len(x), -1)
        case Add():
            return np.sum(state.inputs(layer), axis=0, dtype=np.float32)
        case Concatenate():
            return np.concatenate(state.inputs(layer), axis=-1)
        case Pad():
            return np.pad(x, ((0, 0), *zip(layer.before, layer.after, strict=True), (0, 0)))
        case Pooling(mode="max"):
            size, strides = operators.window(layer, x.shape)
            pooled, winners = max_pool(x, size, strides, layer.padding, composite.tie_tolerance)
            state.winners[layer.name] = winners
            return pooled
        case _:
            operator = make_operator(layer, x.shape, state.threads)
            return operator.forward(x, rules.ALL) + operator.bias


def backward(
    network: Network, state: State, composite: Composite, start: Floats, accounts: list[LayerAccount]
) -> Floats:
    """Pass the relevance `start` (n, 1) of the output neuron back to the image, and note the accounts."""
    relevance: dict[str, Floats] = {network.layers[-1].name: start}
    for layer in reversed(network.layers):
        backward_step(network, layer, state, composite, relevance, accounts)
    return relevance[network.input_name]


def backward_step(
    network: Network,
    layer: Layer,
    state: State,
    composite: Composite,
    relevance: dict[str, Floats],
    accounts: list[LayerAccount],
) -> None:
    """Move the relevance of one layer's output, in `relevance`, to its inputs."""
    received = relevance.pop(layer.name)
    shares, absorbed = backward_layer(network, layer, state, composite, received)
    passed = sum(total(share) for share in shares)
    accounts.append(LayerAccount(layer.name, total(received), passed, absorbed))
    add_share(relevance, layer.inputs, shares)


def add_share(relevance: dict[str, Floats], names: Sequence[str], shares: Sequence[Floats]) -> None:
    """Add shares to the relevance received so far by the outputs `names`."""
    for name, share in zip(names, shares, strict=True):
        relevance[name] = relevance[name] + share if name in relevance else share


def backward_layer(
    network: Network, layer: Layer, state: State, composite: Composite, received: Floats
) -> tuple[list[Floats], float]:
    """Return what one layer passes on to each of its inputs, and what it absorbs."""
    inputs = state.inputs(layer)
    x = inputs[0]
    match layer:
        case Activation():
            share = through_activation(layer, x, composite, received)
            return [share], total(received) - total(share) if share is not received else 0.0
        case Flatten():
            return [received.reshape(x.shape)], 0.0
        case Add():
            return _through_add(inputs, composite.add, received)
        case Concatenate():
            return through_concatenate(inputs, received), 0.0
        case Pad():
            share = through_pad(layer, received)
            return [share], total(received) - total(share)
        case Pooling(mode="max"):
            return [unpool(received, state.winners[layer.name], x.shape)], 0.0
        case _:
            rule = rule_of(network, layer, composite)
            share, absorbed = through_linear(rule, make_operator(layer, x.shape, state.threads), x, received)
            return [share], absorbed


def through_linear(rule: Rule, operator: Operator, x: Floats, received: Floats) -> tuple[Floats, float]:
    """Apply a rule to a linear layer: return what each input receives, and what is absorbed."""
    shares, absorbed = divide_linear(rule, operator, x, received)
    given = [part * operator.transpose(quotient, term) for part, term, quotient in shares]
    return _total_of(given, x), absorbed


def _total_of(arrays: list[Floats], like: Floats) -> Floats:
    """Their sum, in the first of them; zeros like another array if there are none."""
    if not arrays:
        return np.zeros_like(like)
    for other in arrays[1:]:
        arrays[0] += other
    return arrays[0]


def divide_linear(
    rule: Rule, operator: Operator, x: Floats, received: Floats
) -> tuple[list[tuple[Floats, Term, Floats]], float]:
    """Divide what the outputs of a linear layer received (`rules`, the equation at the top).

    Returns
    -------
    tuple of (list, float)
        Terms with their part of `x` and the quotients, and what is absorbed.
    """
    own = None
    if any(group.given for group in rule.groups):
        own = operator.forward(x, rules.ALL) + operator.for_outputs(operator.bias)
    signs, x_negative = operator.signs(), bool(x.min(initial=0) < 0)
    shares: list[tuple[Floats, Term, Floats]] = []
    absorbed = 0.0
    for group in rule.groups:
        terms = [term for term in group.terms if rules.matters(term, *signs, x_negative)]
        parts = [rules.input_part(x, term.input, rule, x_negative) for term in terms]
        own_parts = [operator.forward(part, term) for part, term in zip(parts, terms, strict=True)]
        z = _total_of(own_parts, received)
        bias = operator.for_outputs(rules.bias_part(operator.bias, group))
        quotient, kept = rules.divide(group, z, bias, received, own)
        absorbed += kept
        shares.extend((part, term, quotient) for part, term in zip(parts, terms, strict=True))
    return shares, absorbed


def through_activation(layer: Activation, x: Floats, composite: Composite, received: Floats) -> Floats:
    """Return what an activation with input `x` passes on."""
    if composite.activation == "pass" or not layer.own_layer:
        return received
    return received * derivative(layer, x)


def _through_add(inputs: list[Floats], epsilon: float, received: Floats) -> tuple[list[Floats], float]:
    """Share in proportion to the summands."""
    group = rules.Group((), epsilon=epsilon)
    z = np.sum(inputs, axis=0, dtype=np.float32)
    quotient, absorbed = rules.divide(group, z, np.zeros(1, np.float32), received, None)
    return [x * quotient for x in inputs], absorbed


def through_concatenate(inputs: Sequence[Floats], received: Floats) -> list[Floats]:
    """Give each input what its channels received."""
    ends = np.cumsum([x.shape[-1] for x in inputs])[:-1]
    return np.split(received, ends, axis=-1)


def through_pad(layer: Pad, received: Floats) -> Floats:
    """Return what the volume inside the zeros received; the rest fell on nothing."""
    inside = (
        slice(before, n - after)
        for before, n, after in zip(layer.before, received.shape[1:4], layer.after, strict=True)
    )
    return received[(slice(None), *inside)]


def activate(layer: Activation, x: Floats) -> Floats:
    """Apply an activation."""
    match layer.function:
        case "relu":
            return np.maximum(x, 0)
        case "leaky_relu":
            return np.where(x > 0, x, np.float32(layer.slope) * x)
        case "elu":
            return np.where(x > 0, x, np.float32(layer.slope) * np.expm1(np.minimum(x, 0)))


def derivative(layer: Activation, x: Floats) -> Floats:
    """Return the derivative of an activation at `x`; at 0 that from below."""
    below = np.float32(layer.slope) * (np.exp(np.minimum(x, 0)) if layer.function == "elu" else np.float32(1))
    return np.where(x > 0, np.float32(1), below)


#: Operator of each kind of layer.
OPERATORS: Mapping[type[Layer], type] = {
    Convolution: operators.ConvolutionOperator,
    Dense: operators.DenseOperator,
    Affine: operators.AffineOperator,
    Pooling: operators.AveragePoolingOperator,
}


def make_operator(layer: Layer, shape: tuple[int, ...], threads: int = 1) -> Operator:
    """Return the operator of a linear layer for inputs of `shape`; of convolutions, with so many threads."""
    if isinstance(layer, Convolution):
        return operators.ConvolutionOperator(layer, shape, threads)
    if type(layer) not in OPERATORS:
        raise NetworkError(messages.LAYER_UNKNOWN.format(layer=layer.name, kind=type(layer).__name__))
    return OPERATORS[type(layer)](layer, shape)


def rule_of(network: Network, layer: Layer, composite: Composite) -> Rule:
    """Return the composite's rule for a linear layer."""
    if composite.input is not None and not isinstance(layer, Pooling) and sees_image(network, layer):
        return composite.input
    match layer:
        case Convolution():
            return composite.convolution
        case Dense():
            return composite.dense
        case Affine():
            return composite.affine
        case _:
            return composite.average_pooling


def sees_image(network: Network, layer: Layer) -> bool:
    """Whether there is nothing linear between the image and `layer`."""
    made_by = {each.name: each for each in network.layers}
    names = list(layer.inputs)
    while names:
        name = names.pop()
        if name == network.input_name:
            return True
        before = made_by[name]
        if not isinstance(before, Linear):
            names.extend(before.inputs)
    return False


def total(array: Floats) -> float:
    """Sum in double precision."""
    from bids_brainage.relevance import sums

    return float(sums.total(array.ravel()))
