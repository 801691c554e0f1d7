"""The grammar of formulas: words and signs to terms, from left to right."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NoReturn

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.modelling.factors import (
    INTERCEPT,
    Factor,
    Term,
    crossed_terms,
    distinct_terms,
    term_text,
)
from bids_brainage.statistics.modelling.transforms import TRANSFORMS, Literal, Parameter
from bids_brainage.suggestions import suggestion

# Far beyond what a design needs; they bound the time that hostile formulas take.
LONGEST, DEEPEST, MOST_TERMS, HIGHEST_POWER = 4000, 30, 300, 5

_TOKEN = re.compile(
    r"""(?P<blank>\s+)
      | (?P<quoted>`[^`]+`)
      | (?P<number>([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)(?![\w.])
      | (?P<text>"[^"\\]*"|'[^'\\]*')
      | (?P<name>[^\W\d][\w.]*)
      | (?P<sign>\*\*|[-+:*^(),=~])""",
    re.VERBOSE,
)


class Parser:
    """Reads a formula from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > LONGEST:
            raise InputError(messages.FORMULA_LONG.format(formula=one_line(text[:80]), most=LONGEST))
        self.tokens = self._tokens()
        self.place = 0
        self.says_intercept = False

    def _tokens(self) -> list[tuple[str, str]]:
        """The formula's words and signs, by kind."""
        tokens, start = [], 0
        while start < len(self.text):
            match = _TOKEN.match(self.text, start)
            if match is None or match.lastgroup is None:
                self.refuse(self.text[start : start + 40], messages.FORMULA_NOT_ALLOWED)
            if match.lastgroup != "blank":
                tokens.append((match.lastgroup, match.group()))
            start = match.end()
        return [*tokens, ("end", "")]

    @property
    def kind(self) -> str:
        return self.tokens[self.place][0]

    @property
    def shown(self) -> str:
        return self.tokens[self.place][1] or messages.FORMULA_END

    def sign(self, *signs: str) -> bool:
        """Whether one of these signs comes next."""
        return self.kind == "sign" and self.tokens[self.place][1] in signs

    def take(self) -> str:
        self.place += 1
        return self.tokens[self.place - 1][1]

    def expect(self, sign: str) -> None:
        if not self.sign(sign):
            self.refuse(self.shown, messages.FORMULA_EXPECTED.format(sign=sign))
        self.take()

    def refuse(self, part: str, why: str) -> NoReturn:
        facts = {"formula": one_line(self.text), "part": one_line(part), "why": why}
        raise InputError(messages.FORMULA_REFUSED.format(**facts, transforms=", ".join(TRANSFORMS)))

    def refuse_itself(self, term: Term) -> NoReturn:
        column = one_line(term[0].column) if term else "column"
        self.refuse(term_text(term), messages.FORMULA_ITSELF.format(column=column))

    def formula(self) -> list[Term]:
        """All terms of the formula; a tilde may stand before it."""
        if self.sign("~"):
            self.take()
        terms = self.sum(0)
        if self.kind != "end":
            self.refuse(self.shown, messages.FORMULA_UNEXPECTED)
        return terms

    def sum(self, depth: int) -> list[Term]:
        """Terms with + and - between them; 0 and 1 may stand here alone, outside of parentheses."""
        if depth > DEEPEST:
            self.refuse(self.shown, messages.FORMULA_DEEP)
        terms: list[Term] = []
        adds = not self.sign("-")
        if self.sign("+", "-"):
            self.take()
        while True:
            start = self.place
            found = self.constant(depth) if self.kind == "number" else self.product(depth)
            if adds:
                terms = self.distinct([*terms, *found])
            else:
                self.check_there(found, terms, start)
                terms = [term for term in terms if not _is_in(term, found)]
            if not self.sign("+", "-"):
                return terms
            adds = self.take() == "+"

    def constant(self, depth: int) -> list[Term]:
        """The intercept of a 1; nothing of a 0."""
        if depth or self.shown not in ("0", "1"):
            self.refuse(self.shown, messages.FORMULA_NUMBER)
        self.says_intercept = True
        return [INTERCEPT] if self.take() == "1" else []

    def check_there(self, found: list[Term], terms: list[Term], start: int) -> None:
        """Refuse to take out what is not there, but for the intercept, which always may be."""
        lacking = [term for term in found if term != INTERCEPT and not _is_in(term, terms)]
        if lacking or not found:
            self.refuse(
                term_text(lacking[0]) if lacking else self.tokens[start][1], messages.FORMULA_NOT_THERE
            )

    def product(self, depth: int) -> list[Term]:
        """Terms with * between them: all of them and their interactions."""
        terms = self.interaction(depth)
        while self.sign("*"):
            self.take()
            others = self.interaction(depth)
            terms = self.distinct([*terms, *others, *self.crossed(terms, others)])
        return terms

    def interaction(self, depth: int) -> list[Term]:
        """Terms with : between them."""
        terms = self.power(depth)
        while self.sign(":"):
            self.take()
            others = self.power(depth)
            if terms == others and len(terms) == 1:
                self.refuse_itself(terms[0])
            terms = self.crossed(terms, others)
        return terms

    def power(self, depth: int) -> list[Term]:
        """A sum to a power: its terms, and their interactions up to that order."""
        terms = base = self.atom(depth)
        if self.sign("**", "^"):
            self.take()
            if len(base) == 1:
                self.refuse_itself(base[0])
            for _ in range(self.exponent() - 1):
                terms = self.distinct([*terms, *self.crossed(terms, base)])
        return terms

    def exponent(self) -> int:
        shown = self.shown
        if self.kind != "number" or not (shown.isdecimal() and 1 <= int(shown) <= HIGHEST_POWER):
            self.refuse(shown, messages.FORMULA_EXPONENT.format(most=HIGHEST_POWER))
        return int(self.take())

    def atom(self, depth: int) -> list[Term]:
        """A column, a transform, or a sum in parentheses."""
        if self.sign("("):
            self.take()
            terms = self.sum(depth + 1)
            self.expect(")")
            return terms
        return [(self.factor(),)]

    def factor(self) -> Factor:
        """A column, as it is or transformed."""
        if self.kind == "quoted":
            return Factor(self.take()[1:-1])
        if self.kind != "name":
            self.refuse(self.shown, messages.FORMULA_UNEXPECTED)
        name = self.take()
        if not self.sign("("):
            return Factor(name)
        self.take()
        if name != "I" and name not in TRANSFORMS:
            self.refuse(name + "(", messages.FORMULA_CALL.format(hint=suggestion([name], TRANSFORMS)))
        factor = self.powered() if name == "I" else self.transformed(name)
        self.expect(")")
        return factor

    def powered(self) -> Factor:
        """What stands in I( ): a whole power of a column or of its deviations from the mean."""
        base = self.factor()
        if not self.sign("**", "^"):
            self.refuse(self.shown, messages.FORMULA_EXPECTED.format(sign="**"))
        if base.transform not in (None, "center", "scale") or base.power > 1:
            self.refuse(str(base), messages.FORMULA_POWERED)
        self.take()
        return replace(base, power=self.exponent())

    def transformed(self, name: str) -> Factor:
        """What stands between a transform's parentheses: a column and literals."""
        column = self.factor()
        if column.transform or column.power > 1:
            self.refuse(str(column), messages.FORMULA_NESTED.format(name=name))
        parameters = TRANSFORMS[name].parameters
        given: dict[str, Literal] = {}
        while self.sign(","):
            self.take()
            keyword = self.keyword() or next((key for key in parameters if key not in given), "")
            if keyword not in parameters or keyword in given:
                known = ", ".join(parameters) or messages.FORMULA_NONE
                self.refuse(keyword or self.shown, messages.FORMULA_ARGUMENT.format(name=name, known=known))
            given[keyword] = self.literal(parameters[keyword])
        return Factor(
            column.column, name, tuple(given.get(key, value.default) for key, value in parameters.items())
        )

    def keyword(self) -> str | None:
        """The name before = , if one comes next."""
        if self.kind == "name" and self.tokens[self.place + 1] == ("sign", "="):
            name = self.take()
            self.take()
            return name
        return None

    def literal(self, parameter: Parameter) -> Literal:
        """A whole number or a text in quotes."""
        kind, shown = self.kind, self.shown
        value: Literal = shown[1:-1] if kind == "text" else int(shown) if shown.isdecimal() else None
        if not parameter.takes(value):
            self.refuse(shown, messages.FORMULA_LITERAL.format(wanted=parameter.wanted))
        self.take()
        return value

    def crossed(self, terms: list[Term], others: list[Term]) -> list[Term]:
        """The interactions of two lists of terms."""
        self.check_few(len(terms) * len(others))
        return crossed_terms(terms, others)

    def distinct(self, terms: list[Term]) -> list[Term]:
        """Each term once."""
        terms = distinct_terms(terms)
        self.check_few(len(terms))
        return terms

    def check_few(self, count: int) -> None:
        if count > MOST_TERMS:
            self.refuse(self.shown, messages.FORMULA_MANY.format(most=MOST_TERMS))


def _is_in(term: Term, terms: list[Term]) -> bool:
    """Whether a term is among others, whatever the order of its factors."""
    return frozenset(term) in {frozenset(other) for other in terms}
