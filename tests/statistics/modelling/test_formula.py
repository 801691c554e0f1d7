"""Formulas mean what they mean elsewhere, and never run."""

from __future__ import annotations

import contextlib
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.factors import Factor, term_text
from bids_brainage.statistics.modelling.formula import parse_formula, parse_term
from bids_brainage.statistics.modelling.matrix import design_matrix

HOSTILE = [
    "{{__import__('os').system('touch {file}')}}",
    "{{open('{file}', 'w')}}",
    "open('{file}', 'w')",
    'age + open("{file}", "w")',
    "__import__('pathlib').Path('{file}').touch()",
    "I(open('{file}', 'w'))",
    "center(open('{file}', 'w'))",
    "C(site, open('{file}', 'w'))",
    "C(site, contr.treatment(open('{file}', 'w')))",
    "`age`.__class__.__base__.__subclasses__()",
    "age.__class__()",
    "np.log(age)",
    "age[open('{file}', 'w')]",
    "poly(age, degree=open('{file}', 'w'))",
    'eval(\'open("{file}", "w")\')',
    "(lambda: open('{file}', 'w'))()",
    "age if open('{file}', 'w') else site",
    "age @ site",
    "age; import os",
    "age\nimport os",
    "[f(x) for x in y]",
    'f\'{{open("{file}", "w")}}\'',
    "exec(\"open('{file}', 'w')\")",
    "age := 3",
    "`age",
    "\u202eage + {{1}}",
    "age\x00",
]
TABLE = {"age": [20.0, 30.0, 45.0, 50.0, 70.0, 61.0, 33.0, 41.0], "site": list("ababbabb")}


@pytest.mark.parametrize("text", HOSTILE)
def test_code_is_refused_and_never_runs(text: str, tmp_path: Path) -> None:
    file = tmp_path / "touched"
    formula = text.format(file=file)
    with pytest.raises(InputError) as caught:
        design_matrix(TABLE, parse_formula(formula).terms)
    assert not file.exists()
    assert "\n" not in str(caught.value)
    assert "\x00" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_the_sentence_names_formula_and_part() -> None:
    with pytest.raises(InputError, match=r"'age \+ np\.log\(site\)' cannot be used: 'np\.log\('"):
        parse_formula("age + np.log(site)")
    with pytest.raises(InputError, match="did you mean scale"):
        parse_formula("scal(age)")


def test_names_of_columns_that_are_code_are_names_alone(tmp_path: Path) -> None:
    # Even a column that is called so is looked up, and its levels are too.
    file = tmp_path / "touched"
    name = f"{{open('{file}', 'w')}}"
    table = {
        name: TABLE["age"],
        "f0_0": [f"[T.l1]{name}" if cell == "a" else "l1:f1_0" for cell in TABLE["site"]],
    }
    made = design_matrix(table, parse_formula(f"`{name}` * f0_0").terms)
    level = "f0_0[T.l1:f1_0]"
    assert made.columns == ("intercept", name, level, f"{name}:{level}")
    assert not file.exists()


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("`{}()[]+-*:^~,.='\"01 agesitCI" + "\n"), max_size=40) | st.text(max_size=20))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        assert len(design_matrix(TABLE, parse_formula(text).terms).matrix) == 8


@given(st.lists(st.sampled_from(list(string.ascii_lowercase[:5])), min_size=2, max_size=5, unique=True))
def test_a_product_is_all_main_effects_and_interactions(names: list[str]) -> None:
    terms = {frozenset(factor.column for factor in term) for term in parse_formula("*".join(names)).terms}
    assert len(terms) == 2 ** len(names)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("age", ["intercept", "age"]),
        ("~ age - 1", ["age"]),
        ("0 + age:sex", ["age:sex"]),
        ("a*b*c - a:b:c", ["intercept", "a", "b", "c", "a:b", "a:c", "b:c"]),
        ("(a + b + c)**2", ["intercept", "a", "b", "c", "a:b", "a:c", "b:c"]),
        ("(a + b):(c + d)", ["intercept", "a:c", "a:d", "b:c", "b:d"]),
        ("a:b + b:a + `größe in cm`", ["intercept", "größe in cm", "a:b"]),
        ("poly(age) + bs(age, degree=2) + I(center(age)^3)",
         ["intercept", "poly(age, 2)", "bs(age, 4, 2)", "I(center(age)**3)"]),
    ],
)  # fmt: skip
def test_terms(text: str, terms: list[str]) -> None:
    assert [term_text(term) for term in parse_formula(text).terms] == terms


@pytest.mark.parametrize(
    "text", ["age**2", "a:a", "(a + b)**9", "(a + b)**b", "2", "(1 + a)", "a + 3", "y ~ a", "a b", "a +", "",
             "0", "a - b", "poly(age, 9)", "poly(age, 2, 3)", "poly(age, order=2)", "C(site, 3)",
             "center(scale(a))", "I(poly(a, 2)**2)", "I(a)",
             "*".join("abcdefghijklmnopqrst"), "(" * 200 + "a" + ")" * 200, "a + " * 2000 + "a"],
)  # fmt: skip
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_formula(text)


def test_one_term() -> None:
    assert parse_term("C(site, 'b')") == (Factor("site", "C", ("b",)),)
    for text in ("a + b", "1", "0", "a*b"):
        with pytest.raises(InputError):
            parse_term(text)
