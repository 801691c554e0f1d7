"""The design of a training: who is shown to which base model. A file, so that any process can take part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.models.people import TrainingCohort
from bids_brainage.models.plan import TrainingPlan
from bids_brainage.models.splits import Split, split_by_age
from bids_brainage.models.store import VolumeStore
from bids_brainage.models.trainer import TrainingTask
from bids_brainage.preprocessing.model_input import InputSpec


@dataclass(frozen=True, eq=False)
class TrainingDesign:
    """All that the base models' trainings depend on.

    Attributes
    ----------
    plan : TrainingPlan
    store : VolumeStore
    ages : array (n,)
        The target of everybody in the store, in years (or the target's unit).
    splits : sequence of Split
        One a fold.
    folder : Path
        Where trained base models are kept.
    """

    plan: TrainingPlan
    store: VolumeStore
    ages: np.ndarray
    splits: Sequence[Split]
    folder: Path

    def tasks(self) -> dict[tuple[str, int], list[TrainingTask]]:
        """All base models to train, by (key of the sub-ensemble, fold)."""
        return {
            (f"{ensemble.name}/{name}", fold): [
                self.task(f"{ensemble.name}/{name}", fold, index) for index in range(ensemble.base_models)
            ]
            for fold in range(len(self.splits))
            for ensemble in self.plan.ensembles
            for name, _, _ in ensemble.sub_ensembles()
        }

    def task(self, key: str, fold: int, index: int) -> TrainingTask:
        """One of them."""
        ensemble = next(e for e in self.plan.ensembles if e.name == key.partition("/")[0])
        fitting = self.plan.fitting
        return TrainingTask(
            key=key,
            fold=fold,
            index=index,
            store=self.store,
            ages=self.ages,
            split=self.splits[fold],
            architecture=self.plan.architecture,
            fitting=fitting.model_copy(update={"epochs": ensemble.epochs or fitting.epochs}),
            seed=self.plan.seed,
            folder=self.folder,
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
        }
        return write_text(path, json.dumps(content))


def load_design(path: Path) -> TrainingDesign:
    """Read back what `TrainingDesign.save` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    store = content["store"]
    specs = {key: InputSpec.model_validate(spec) for key, spec in store["specs"].items()}
    return TrainingDesign(
        plan=TrainingPlan.model_validate(content["plan"]),
        store=VolumeStore(Path(store["path"]), specs, store["n"], store["fingerprint"]),
        ages=np.array(content["ages"]),
        splits=[
            Split(**{role: np.array(people, dtype=int) for role, people in split.items()})
            for split in content["splits"]
        ],
        folder=Path(content["folder"]),
    )


def make_splits(plan: TrainingPlan, cohort: TrainingCohort) -> list[Split]:
    """The plan's folds; InputError where the people do not suffice for them."""
    ages = np.array([person.age for person in cohort.people])
    least = 2 * sum(plan.split.parts)
    if np.ptp(ages) == 0:
        raise InputError(messages.CONSTANT_AGE.format(n=len(ages)))
    groups = [person.group for person in cohort.people]
    splits = split_by_age(ages, groups, plan.split.parts, plan.split.folds, plan.seed)
    smallest = min(len(role) for s in splits for role in (s.training, s.validation, s.test))
    if len(ages) < least or smallest < 2:
        raise InputError(messages.TOO_FEW_PEOPLE.format(n=len(ages), least=least))
    return splits
