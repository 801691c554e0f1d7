"""What docs/group.md shows works, and its lists are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from bids_brainage.statistics.modelling.formula import parse_formula
from bids_brainage.statistics.modelling.instructions import INSTRUCTIONS
from bids_brainage.statistics.modelling.options import SoftwareOptions
from bids_brainage.statistics.modelling.paper import paper_analyses
from bids_brainage.statistics.modelling.stats_design import stats_models
from bids_brainage.statistics.modelling.transforms import TRANSFORMS

PAGE = (Path(__file__).parents[3] / "docs/group.md").read_text(encoding="utf-8")


def test_the_example_makes_designs() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    generator = np.random.default_rng(1)
    table = {
        "age": list(generator.uniform(40, 80, 300)),
        "bmi": list(generator.normal(25, 3, 300)),
        "sex": ["F", "M"] * 150,
        "diabetes": list(generator.choice(["no", "yes"], 300)),
        "site": list(generator.choice(["A", "B", "C"], 300)),
    }
    models, skipped = stats_models(json.loads(example), table)
    assert not skipped
    assert [dict(model.levels) for model in models] == [{"sex": "F"}, {"sex": "M"}]
    for model in models:
        assert [contrast.name for contrast in model.design.contrasts] == ["steeperInDiabetes", "sites"]
        assert model.settings.n_permutations == 10000
        assert all(float(table["age"][row]) >= 50 for row in model.rows)


def test_lists_are_complete() -> None:
    for name in (*INSTRUCTIONS, *(f"{name}(x" for name in TRANSFORMS), *SoftwareOptions.model_fields):
        assert name in PAGE
    for analysis in paper_analyses().analyses:
        assert re.search(rf"`{analysis.name}` \| {analysis.values} .* {analysis.fewest} ", PAGE)


def test_formulas_are_read() -> None:
    for text in ("`Größe (cm)` + I(x**2)", "(age + sex + site)**2", 'C(x, "reference") + bs(x, 4, 2)'):
        parse_formula(text)
