"""The design of a training: which people each base model sees. A file, so that any process can take part."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.schema import AnyInput
from bids_brainage.models.cohorts.people import TrainingCohort
from bids_brainage.models.cohorts.store import VolumeStore
from bids_brainage.models.training.plan import TrainingPlan
from bids_brainage.models.training.splits import Split, split_by_age
from bids_brainage.models.training.start import Start
from bids_brainage.models.training.volumes import TrainingTask
from bids_brainage.networks.graph import Architecture
from bids_brainage.terms import AGE

_ARCHITECTURE: TypeAdapter[Architecture] = TypeAdapter(Architecture)
_INPUT: TypeAdapter[AnyInput] = TypeAdapter(AnyInput)

# Learning rates and penalties are meant for ages, whose standard deviation is about this many years. Other
# targets are trained, and their heads fitted, in a unit in which theirs is the same.
SPREAD_OF_AGES = 15.0


@dataclass(frozen=True, eq=False)
class TrainingDesign:
    """Everything the base models' training depends on.

    Attributes
    ----------
    plan : TrainingPlan
    store : VolumeStore
    ages : array (n,)
        The target of everyone in the store, in years (or the target's unit).
    splits : sequence of Split
        One per fold.
    folder : Path
        Where trained base models are stored.
    starts : mapping of str to sequence of Start
        By sub-ensemble, where its base models start from; empty if all are trained from scratch.
    """

    plan: TrainingPlan
    store: VolumeStore
    ages: np.ndarray
    splits: Sequence[Split]
    folder: Path
    starts: Mapping[str, Sequence[Start]] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether base models are taken unchanged from another bundle, so that only heads are fitted."""
        return any(start.kept for group in self.starts.values() for start in group)

    @property
    def base_predicts_target(self) -> bool:
        """Whether base models predict the target; kept ones may predict that of another bundle."""
        return all(s.same_target or not s.kept for group in self.starts.values() for s in group)

    def scale(self, fold: int) -> float:
        """The target's unit for training and for the heads' penalties; 1 year for ages."""
        if self.plan.target == AGE:
            return 1.0
        split = self.splits[fold]
        fitted_on = split.training if len(split.training) > 1 else split.validation
        return float(self.ages[fitted_on].std()) / SPREAD_OF_AGES or 1.0

    def base_scale(self, fold: int) -> float:
        """The unit of base models' predictions for the heads' penalties."""
        kept = [start.scale for group in self.starts.values() for start in group if start.kept]
        return kept[0] if kept else self.scale(fold)

    def tasks(self) -> dict[tuple[str, int], list[TrainingTask]]:
        """All base models to train, by (key of the sub-ensemble, fold)."""
        return {
            (f"{ensemble.name}/{name}", fold): [
                self.task(f"{ensemble.name}/{name}", fold, index)
                for index in range(
                    len(self.starts.get(f"{ensemble.name}/{name}", ())) or ensemble.base_models
                )
            ]
            for fold in range(len(self.splits))
            for ensemble in self.plan.ensembles
            for name, _, _ in ensemble.sub_ensembles()
        }

    def task(self, key: str, fold: int, index: int) -> TrainingTask:
        """One of them."""
        ensemble = next(e for e in self.plan.ensembles if e.name == key.partition("/")[0])
        fitting = self.plan.fitting
        start = self.starts[key][index] if self.starts else None
        return TrainingTask(
            key=key,
            fold=fold,
            index=index,
            store=self.store,
            ages=self.ages,
            split=self.splits[fold],
            architecture=start.architecture if start else self.plan.architecture,
            fitting=fitting.model_copy(update={"epochs": ensemble.epochs or fitting.epochs}),
            seed=self.plan.seed,
            folder=self.folder,
            scale=self.scale(fold),
            start=start,
        )

    def save(self, path: Path) -> Path:
        """Write the design as JSON; the volumes stay in the store."""
        content = {
            "plan": self.plan.model_dump(mode="json"),
            "store": {
                "path": str(self.store.path),
                "specs": {key: spec.model_dump(mode="json") for key, spec in self.store.specs.items()},
                "n": self.store.n,
                "fingerprint": self.store.fingerprint,
            },
            "ages": [float(age) for age in self.ages],
            "splits": [
                {role: getattr(split, role).tolist() for role in ("training", "validation", "test")}
                for split in self.splits
            ],
            "folder": str(self.folder),
            "starts": {key: [_start_on_disk(start) for start in group] for key, group in self.starts.items()},
        }
        return write_text(path, json.dumps(content))


def load_design(path: Path) -> TrainingDesign:
    """Read back what `TrainingDesign.save` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    store = content["store"]
    specs = {key: _INPUT.validate_python(spec) for key, spec in store["specs"].items()}
    return TrainingDesign(
        plan=TrainingPlan.model_validate(content["plan"]),
        store=VolumeStore(Path(store["path"]), specs, store["n"], store["fingerprint"]),
        ages=np.array(content["ages"]),
        splits=[
            Split(**{role: np.array(people, dtype=int) for role, people in split.items()})
            for split in content["splits"]
        ],
        folder=Path(content["folder"]),
        starts={
            key: tuple(
                Start(
                    **{
                        **start,
                        "file": Path(start["file"]),
                        "architecture": _ARCHITECTURE.validate_python(start["architecture"]),
                    }
                )
                for start in group
            )
            for key, group in content["starts"].items()
        },
    )


def _start_on_disk(start: Start) -> dict[str, Any]:
    return {
        **{name: getattr(start, name) for name in ("sha256", "kept", "same_target", "scale")},
        "file": str(start.file),
        "architecture": start.architecture.model_dump(mode="json"),
    }


def make_splits(plan: TrainingPlan, cohort: TrainingCohort, heads_only: bool = False) -> list[Split]:
    """The plan's folds; InputError if there are too few people for them.

    With `heads_only` no base model is trained, so everyone who is not tested validates.
    """
    values = cohort.values
    least = 2 * sum(plan.split.parts)
    if np.ptp(values) == 0:
        sentence = messages.CONSTANT_AGE if cohort.target == AGE else messages.TARGET_CONSTANT
        raise InputError(sentence.format(n=len(values), column=cohort.target, value=values[0]))
    groups = [person.group for person in cohort.people]
    splits = split_by_age(values, groups, plan.split.parts, plan.split.folds, plan.seed)
    smallest = min(len(role) for s in splits for role in (s.training, s.validation, s.test))
    if len(values) < least or smallest < 2:
        raise InputError(messages.TOO_FEW_PEOPLE.format(n=len(values), least=least))
    if not heads_only:
        return splits
    nobody = np.zeros(0, dtype=int)
    return [Split(nobody, np.union1d(split.training, split.validation), split.test) for split in splits]
