"""Where relevance went: what each layer received, passed on and absorbed, in years."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

#: Name of the line of the output neuron's bias; only limits and rounding may stand before it.
TARGET_BIAS = "target bias"


@dataclass(frozen=True)
class LayerAccount:
    """One line of an account, in years.

    `absorbed` is computed from bias, epsilon and empty denominators, not as a difference, so that
    received = passed on + absorbed checks the rule.
    """

    layer: str
    received: float
    passed_on: float
    absorbed: float

    @property
    def error(self) -> float:
        """The difference between received and passed on + absorbed: rounding, or a bug."""
        return self.received - self.passed_on - self.absorbed

    def as_dict(self) -> dict[str, str | float]:
        """Return the line as stored in the sidecar."""
        return asdict(self)


def absorbed(accounts: Iterable[LayerAccount]) -> float:
    """Return what all layers absorbed together, without the target bias."""
    return sum(line.absorbed for line in accounts if line.layer != TARGET_BIAS)


def weighted_sum(accounts: Iterable[tuple[float, Iterable[LayerAccount]]]) -> tuple[LayerAccount, ...]:
    """Add up the accounts of several networks of one architecture, each with its weight."""
    lines: dict[str, list[float]] = {}
    for weight, account in accounts:
        for line in account:
            sums = lines.setdefault(line.layer, [0.0, 0.0, 0.0])
            for index, years in enumerate((line.received, line.passed_on, line.absorbed)):
                sums[index] += weight * years
    return tuple(LayerAccount(layer, *sums) for layer, sums in lines.items())
