"""What a page calls the number that is estimated: age in years, or another column of participants.tsv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Words:
    """Words and forms of numbers for one target.

    Attributes
    ----------
    target : str
        Column of participants.tsv.
    declared : str
        Its unit; empty where it is not known.
    """

    target: str = "age"
    declared: str = "years"

    @property
    def of_age(self) -> bool:
        """Whether the model estimates age."""
        return self.target == "age"

    @property
    def unit(self) -> str:
        """What numbers are in."""
        return self.declared or f"units of {self.target}"

    @property
    def estimate(self) -> str:
        """What is estimated."""
        return "brain age" if self.of_age else self.target

    @property
    def measured(self) -> str:
        """What it is compared with."""
        return "chronological age" if self.of_age else f"measured {self.target}"

    @property
    def more(self) -> str:
        """What positive relevance makes the estimate."""
        return "older" if self.of_age else "more"

    @property
    def less(self) -> str:
        """What negative relevance makes the estimate."""
        return "younger" if self.of_age else "less"

    @property
    def title(self) -> str:
        """Title of a participant's page."""
        return "Brain age report" if self.of_age else f"Estimate of {self.target}"

    def number(self, value: float | None) -> str:
        """An estimate: ages with one decimal, others with four digits."""
        form = ".1f" if self.of_age else ".4g"
        return "n/a" if value is None else format(float(value), form).replace("-", MINUS)

    def error(self, value: float | None) -> str:
        """A mean error: ages with two decimals, others with three digits."""
        form = ".2f" if self.of_age else ".3g"
        return "n/a" if value is None else format(float(value), form).replace("-", MINUS)

    def signed(self, value: float | None) -> str:
        """A difference, with its sign and the minus sign of typography."""
        text = "n/a" if value is None else format(float(value), "+.1f" if self.of_age else "+.3g")
        return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def words_of(record: Mapping[str, Any]) -> Words:
    """Words for an estimate (``*_brainage.json``) or a bundle; ages where it does not say."""
    target = record.get("target")
    if isinstance(target, Mapping):
        return Words(str(target["name"]), str(target.get("unit") or ""))
    return Words(str(target), str(record.get("unit") or "")) if target else Words()


def measured_value(record: Mapping[str, Any]) -> float | None:
    """What an estimate is compared with: the age, or the target's measured value; None where not known."""
    known = record.get("chronological_age") if words_of(record).of_age else record["target"].get("measured")
    return None if known is None else float(known)


def words_of_all(records: Sequence[Mapping[str, Any]]) -> Words:
    """Words for the page of several estimates."""
    return words_of(records[0]) if records else Words()
