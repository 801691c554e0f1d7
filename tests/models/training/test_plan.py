"""The training plan: the paper's protocol by default, the demo's departures on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import bids_brainage
from bids_brainage.errors import InputError
from bids_brainage.models.ensembles.ensemble import modality_subsets
from bids_brainage.models.training.plan import (
    EnsemblePlan,
    HeadPlan,
    SplitPlan,
    TrainingPlan,
    make_plan,
    read_plan_file,
)
from tests.odd_files import ODD, patience  # noqa: F401

DEMO = Path(bids_brainage.__file__).parent / "data" / "models" / "demo_plan.yaml"


def test_defaults_are_the_papers():
    ensemble = {"name": "TypeI", "stage": "subject", "regions": ["WholeBrain"], "modalities": ["T1w"]}
    plan = TrainingPlan.model_validate({"name": "x", "ensembles": [ensemble | {"base_models": 10}]})
    assert plan.fitting.learning_rate == 5e-4
    assert plan.architecture.dropout == 0.5
    assert plan.split.parts == (8, 1, 1)
    assert plan.split.folds == 10
    assert plan.heads.alpha == 1.0
    assert plan.heads.top_alpha == 0
    assert plan.heads.top_fitted_on == "test"
    assert plan.input.intensity.clip == 383


def test_only_the_papers_plan_has_weights_of_either_sign():
    shipped = {path.stem: read_plan_file(path)["heads"] for path in DEMO.parent.glob("*_plan.yaml")}
    signs = {name: heads["positive"] for name, heads in shipped.items()}
    assert signs == {"demo_plan": True, "finetune_plan": True, "paper_plan": False}
    assert HeadPlan().positive


def test_the_demo_plan_has_both_types_and_room_for_real_heads():
    plan = make_plan(read_plan_file(DEMO), str(DEMO))
    assert plan.purpose == "demonstration"
    names = {ensemble.name: [sub[0] for sub in ensemble.sub_ensembles()] for ensemble in plan.ensembles}
    assert names["TypeI"] == ["WholeBrain_T1w", "WholeBrain_FLAIR", "WholeBrain_T2starw"]
    assert len(names["TypeII"]) == 9
    assert all(ensemble.base_models >= 2 for ensemble in plan.ensembles)
    assert plan.input.smallest_subject_box_mm >= (176, 176, 208)
    assert plan.input.orientation == "LIA"


@pytest.mark.parametrize("wrong", [{"parts": (8, 1, 0)}, {"parts": (8, 1, 1), "folds": 11}, {"folds": 0}])
def test_impossible_splits_are_refused(wrong):
    with pytest.raises(ValidationError):
        SplitPlan(**wrong)


def test_an_ensemble_needs_base_models():
    with pytest.raises(ValidationError):
        EnsemblePlan(name="x", stage="subject", regions=("WholeBrain",), modalities=("T1w",), base_models=0)


def test_every_subset_of_modalities_once():
    subsets = modality_subsets(("T1w", "FLAIR", "T2starw"))
    assert len(set(subsets)) == 7
    assert subsets[0] == ("T1w", "FLAIR", "T2starw")


ENSEMBLES = "ensembles: [{name: A, stage: standard, regions: [Cortical], modalities: [T1w], base_models: 1}]"


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        make_plan(read_plan_file(path), str(path))
    assert "\n" not in str(told.value)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 600


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("name", ODD)
def test_what_is_not_a_file_is_no_plan(tmp_path: Path, name: str):
    ODD[name](tmp_path / "plan.yaml")
    refused(tmp_path / "plan.yaml", "not a regular file|Too many levels")


BOMBS = {
    "deep": "[" * 50_000,
    "large": "#" * 200_000,
    "no date": f"name: 2020-99-99\n{ENSEMBLES}",
    "digits": f"name: x\nseed: {'1' * 5_000}\n{ENSEMBLES}",
    "base 60": f"name: x\nseed: {'1:' * 5_000}1\n{ENSEMBLES}",
    "circle": f"name: x\ninput: &i {{intensity: *i}}\n{ENSEMBLES}",
    "aliases": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else '*a'] * 9)}]\n" for i in range(12))
    + "name: x\nensembles: *a11",
    "many": "name: x\nensembles: [" + "{}, " * 20_000 + "]",
    "code": "name: !!python/object/apply:os.system ['touch executed']",
    "control": f'name: x\nlicence: "\\x1b[2J"\n{ENSEMBLES}',
    "direction": f'name: x\ndescription: "\\u202egnuos"\n{ENSEMBLES}',
    "key": f'name: x\n"\\x1b[2J": 1\n{ENSEMBLES}',
    "infinite": f"name: x\ninput: {{intensity: {{clip: .inf}}}}\n{ENSEMBLES}",
}


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("name", BOMBS)
def test_plans_that_mean_harm_are_one_sentence(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(BOMBS[name])
    refused(tmp_path / "plan.yaml", "plan.yaml")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage": "subject"}, "Cortical needs the stage standard"),
        ({"regions": ["WholeBrain", "Elsewhere"]}, "no region Elsewhere"),
        ({"regions": ["Cortical", "Cortical"]}, "given twice"),
        ({"modalities": ["T1w", "T1w"]}, "given twice"),
        ({"name": "My-MLens"}, "String should match"),
    ],
)
def test_ensembles_that_cannot_be_are_refused(change, words):
    plan = {
        "name": "A",
        "stage": "standard",
        "regions": ["Cortical"],
        "modalities": ["T1w"],
        "base_models": 1,
    }
    EnsemblePlan.model_validate(plan)
    with pytest.raises(ValidationError, match=words):
        EnsemblePlan.model_validate(plan | change)


def test_a_description_of_several_lines_becomes_one():
    ensemble = {"name": "A", "stage": "subject", "regions": ["WholeBrain"], "modalities": ["T1w"]}
    content = {"name": "x", "ensembles": [ensemble | {"base_models": 1}], "description": "two\n  lines\n"}
    assert TrainingPlan.model_validate(content).description == "two lines"
