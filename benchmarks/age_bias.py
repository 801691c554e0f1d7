"""What does each option against regression to the mean do to errors on people not in training?

    bids_brainage_simulate cohort A --n 400 --seed 20221 --voxel-size 2   (and B --n 200 --seed 20222)
    bids_brainage A A-out participant --preproc-only                      (and B B-out)
    python benchmarks/age_bias.py A A-out B B-out WORK [--seeds 1 2 3] [--nprocs 2]

Small ensembles (the subcortical region at 4 mm, three sequences, two base models each) are trained on people
of A, once with all ages equally frequent, once with few old people, and evaluated on B, for each seed (split,
initial weights, order). Prints one JSON line per option and seed: mean absolute error, that of people aged 65
or older, the paired difference to the plain training with its standard error over people, the slope of
(estimate - age) on age, which is 0 without regression to the mean, and the base models' mean absolute errors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage.models.cohorts.people import read_cohort
from bids_brainage.models.evaluation.evaluation import evaluate_bundle
from bids_brainage.models.training.plan import TrainingPlan
from bids_brainage.models.training.training import train_bundle

MODALITIES = ("T1w", "FLAIR", "T2starw")
OLD = 65.0
# In the skewed sample a person of 20 is ten times as likely to be drawn as one of 80.
RARITY = 10.0
SKEWED = 160
SAMPLE_SEED = 1

PLAN: dict[str, Any] = {
    "name": "age_bias",
    "purpose": "demonstration",
    "ensembles": [
        {
            "name": "TypeII",
            "stage": "standard",
            "regions": ["Subcortical"],
            "modalities": MODALITIES,
            "base_models": 2,
        }
    ],
    "input": {"voxel_size": 4.0, "margin": 1},
    "architecture": {"activation": "leaky_relu"},
    "fitting": {
        "epochs": 30,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "initializer": "he",
        "restart_after": 8,
    },
    "split": {"parts": [14, 3, 3], "folds": 1},
    "heads": {"alpha": 1.0, "top_alpha": 100.0, "top_fitted_on": "validation+test"},
}
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "plain": {},
    "sampling: even_ages": {"fitting": {"sampling": "even_ages"}},
    "augmentation": {
        "fitting": {
            "augmentation": {"rotation": 5, "scaling": 0.05, "shift": 1, "intensity": 0.1, "noise": 3},
        }
    },
    "flip: false": {"fitting": {"flip": False}},
    "heads.kind: spline": {"heads": {"kind": "spline"}},
}


def main() -> None:
    """Train and evaluate every option, print a JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("raw", "derivatives", "other_raw", "other_derivatives", "work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--nprocs", type=int, default=2)
    options = parser.parse_args()
    for sample, labels in samples(options).items():
        for seed in options.seeds:
            plain: np.ndarray | None = None
            for name, changes in OPTIONS.items():
                for judged in estimated(options, sample, labels, name, changes | {"seed": seed}):
                    plain = judged.errors if plain is None else plain
                    print(json.dumps(measured(sample, seed, judged, plain)), flush=True)


@dataclass(frozen=True, eq=False)
class Judged:
    """Estimates of people not in training (n,), their ages (n,), and base models' errors (k,), years."""

    option: str
    estimates: np.ndarray
    ages: np.ndarray
    base_models: list[float]

    @property
    def errors(self) -> np.ndarray:
        """Error of each."""
        return np.abs(self.estimates - self.ages)


def samples(options: argparse.Namespace) -> dict[str, list[str]]:
    """The training people: everyone, and a sample with few old people."""
    people = read_cohort([options.derivatives], options.raw / "participants.tsv", MODALITIES).people
    labels = np.array([person.participant for person in people])
    ages = np.array([person.age for person in people])
    likely = RARITY ** (-(ages - ages.min()) / np.ptp(ages))
    chosen = np.random.default_rng(SAMPLE_SEED).choice(
        len(ages), SKEWED, replace=False, p=likely / likely.sum()
    )
    return {"all ages": labels.tolist(), "old rare": sorted(labels[chosen].tolist())}


def estimated(
    options: argparse.Namespace, sample: str, labels: list[str], name: str, changes: Mapping[str, Any]
) -> Iterator[Judged]:
    """Estimates of a training with `changes`; for the plain training also the corrected ones."""
    plan = TrainingPlan.model_validate(merged(PLAN, changes))
    work = options.work / sample.replace(" ", "_")
    done = train_bundle(
        [options.derivatives],
        options.raw / "participants.tsv",
        plan,
        work / "bundle",
        work / "training",
        nprocs=options.nprocs,
        labels=labels,
    )
    evaluation = evaluate_bundle(
        done.bundle,
        options.other_derivatives,
        options.other_raw / "participants.tsv",
        options.work / "others",
        options.nprocs,
    )
    found = evaluation.estimates["TypeII"]
    ages = np.array([person.age for person in evaluation.people])
    estimates = np.array([estimate.brain_age for estimate in found])
    base = [round(row.mae, 2) for row in evaluation.errors["TypeII"] if row.level == "base_model"]
    yield Judged(name, estimates, ages, base)
    if name == "plain":
        line = found[0].top_head.age_bias
        assert line is not None
        yield Judged("brain_age_corrected", line.corrected(estimates, ages), ages, base)  # type: ignore[arg-type]


def merged(plan: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with some of its values, also within a section, replaced."""
    sections = {key: {**plan[key], **value} for key, value in changes.items() if isinstance(value, Mapping)}
    return {**plan, **changes, **sections}


def measured(sample: str, seed: int, judged: Judged, plain: np.ndarray) -> dict[str, Any]:
    """The figures of one option."""
    errors, ages = judged.errors, judged.ages
    difference = errors - plain
    return {
        "question": "options against regression to the mean",
        "trained_on": sample,
        "seed": seed,
        "option": judged.option,
        "n": len(ages),
        "mae": round(float(errors.mean()), 3),
        f"mae_from_{OLD:.0f}": round(float(errors[ages >= OLD].mean()), 3),
        "mae_minus_plain": round(float(difference.mean()), 3),
        "standard_error": round(float(difference.std(ddof=1) / np.sqrt(len(ages))), 3),
        "slope": round(float(np.polyfit(ages, judged.estimates - ages, 1)[0]), 3),
        "base_models": judged.base_models,
    }


if __name__ == "__main__":
    main()
