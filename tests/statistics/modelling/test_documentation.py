"""What docs/group.md and docs/designs.md show works, and lists are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from bids_brainage.statistics.modelling.formula import parse_formula
from bids_brainage.statistics.modelling.instructions import INSTRUCTIONS
from bids_brainage.statistics.modelling.options import SoftwareOptions
from bids_brainage.statistics.modelling.paper import paper_analyses
from bids_brainage.statistics.modelling.quick import quick_model
from bids_brainage.statistics.modelling.stats_design import stats_models
from bids_brainage.statistics.modelling.transforms import TRANSFORMS

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "group.md").read_text(encoding="utf-8")


def people() -> dict[str, list]:
    generator = np.random.default_rng(1)
    return {
        "age": list(generator.uniform(40, 80, 300)),
        "bmi": list(generator.normal(25, 3, 300)),
        "sex": ["F", "M"] * 150,
        "diabetes": list(generator.choice(["no", "yes"], 300)),
        "site": list(generator.choice(["A", "B", "C"], 300)),
    }


def test_the_example_makes_designs() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    table = people()
    models, skipped = stats_models(json.loads(example), table)
    assert not skipped
    assert [dict(model.levels) for model in models] == [{"sex": "F"}, {"sex": "M"}]
    for model in models:
        assert [contrast.name for contrast in model.design.contrasts] == ["steeperInDiabetes", "sites"]
        assert model.settings.n_permutations == 10000
        assert all(float(table["age"][row]) >= 50 for row in model.rows)


def test_the_worked_design_exchanges_within_sites() -> None:
    (example,) = re.findall(
        r"```json\n(.*?)```", (DOCS / "designs.md").read_text(encoding="utf-8"), re.DOTALL
    )
    table = people()
    (model,), skipped = stats_models(json.loads(example), table)
    assert not skipped
    assert [contrast.name for contrast in model.design.contrasts] == ["diabetes: yes - no"]
    exchange = model.design.exchangeability
    assert exchange.blocks is not None
    assert exchange.within
    assert len(set(zip(exchange.blocks, table["site"], strict=True))) == 3


def test_questions_of_the_worked_designs_can_be_asked() -> None:
    page = (DOCS / "designs.md").read_text(encoding="utf-8")
    table = people() | {"memory": list(np.linspace(80, 120, 300) + np.arange(300) % 7)}
    asked = re.findall(r"--contrast \"?([\w:*]+)\"? --covariates ((?:[a-z]+ ?)+)", page)
    assert len(asked) >= 5
    for contrast, covariates in asked:
        if contrast in ("intercept", "treatment"):
            continue
        assert quick_model(table, contrast, covariates.split()).design.contrasts


def test_lists_are_complete() -> None:
    for name in (*INSTRUCTIONS, *(f"{name}(x" for name in TRANSFORMS), *SoftwareOptions.model_fields):
        assert name in PAGE
    for analysis in paper_analyses().analyses:
        assert re.search(rf"`{analysis.name}` \| {analysis.values} .* {analysis.fewest} ", PAGE)


def test_formulas_are_read() -> None:
    for text in ("`Größe (cm)` + I(x**2)", "(age + sex + site)**2", 'C(x, "reference") + bs(x, 4, 2)'):
        parse_formula(text)
