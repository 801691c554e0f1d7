"""What a page calls things: what is estimated and its numbers, ensembles and regions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bids_brainage.records.estimate import EstimateRecord, ReferenceFacts, SubEnsemblePart
from bids_brainage.terms import AGE, SEQUENCES

MINUS = "\N{MINUS SIGN}"
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")


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

    target: str = AGE
    declared: str = "years"

    @property
    def of_age(self) -> bool:
        """Whether the model estimates age."""
        return self.target == AGE

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
        """What positive relevance makes an estimate."""
        return "older" if self.of_age else "higher"

    @property
    def less(self) -> str:
        """What negative relevance makes an estimate."""
        return "younger" if self.of_age else "lower"

    @property
    def title(self) -> str:
        """Title of a participant's page."""
        return "Brain age report" if self.of_age else f"Estimate of {self.target}"

    def number(self, value: float | None) -> str:
        """An estimate: ages with one decimal, others with four digits."""
        form = ".1f" if self.of_age else ".4g"
        return "n/a" if value is None else format(float(value), form).replace("-", MINUS)

    def change(self, value: float | None) -> str:
        """A difference in words: 13.2 years younger."""
        if value is None:
            return "n/a"
        size = self.number(abs(value))
        if not float(size.replace(MINUS, "-")):  # 8.4e-05 has one, too
            return f"neither {self.more} nor {self.less}"
        return f"{size} {self.unit} {self.more if value > 0 else self.less}"

    def error(self, value: float | None) -> str:
        """A mean error: ages with two decimals, others with three digits."""
        form = ".2f" if self.of_age else ".3g"
        return "n/a" if value is None else format(float(value), form).replace("-", MINUS)

    def signed(self, value: float | None) -> str:
        """A difference, with its sign and the minus sign of typography."""
        text = "n/a" if value is None else format(float(value), "+.1f" if self.of_age else "+.3g")
        return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def words_of(record: EstimateRecord) -> Words:
    """Words for an estimate."""
    return Words(record.target.name, record.target.unit)


def reference_name(reference: ReferenceFacts, words: Words) -> str:
    """What a person is compared with: people of age 63.2, or the average brain (of that age)."""
    if reference.age is None:
        return "the average brain of all people"
    at = f"age {reference.age:.1f}" if words.of_age else f"{words.target} {reference.age:.4g}"
    return f"people of {at}" if reference.n_usual else f"the average brain of {at}"


def spoken(label: str) -> str:
    """A label of a bundle as words: ``TypeII`` is Type II, ``WholeBrain`` Whole brain."""
    first, *others = [word for word in _WORDS.split(label) if word] or [label]
    return " ".join([first, *(word if word.isupper() else word.lower() for word in others)])


def sub_ensemble_name(part: SubEnsemblePart) -> str:
    """Region and modality of a sub-ensemble: Whole brain · T1w."""
    return f"{spoken(part.region)} · {part.modality}"


def in_order(modalities: Iterable[str]) -> list[str]:
    """Put sequences in the order T1w, FLAIR, T2starw, T2w, others last."""
    known = {name: place for place, name in enumerate(SEQUENCES)}
    return sorted(modalities, key=lambda name: (known.get(name, len(known)), name))
