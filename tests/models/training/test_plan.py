"""The training plan: the paper's protocol by default, the demo's departures on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import bids_brainage
from bids_brainage.models.ensembles.ensemble import modality_subsets
from bids_brainage.models.training.plan import EnsemblePlan, SplitPlan, TrainingPlan, load_plan

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


def test_the_demo_plan_has_both_types_and_room_for_real_heads():
    plan = load_plan(DEMO)
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
