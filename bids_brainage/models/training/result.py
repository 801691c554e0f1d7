"""How the training of a base model went, as it is kept beside the weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from bids_brainage.atomic import write_text
from bids_brainage.models.training.task import Task
from bids_brainage.reading import read_json

LARGEST_NOTES = 10_000_000


@dataclass(frozen=True)
class TrainingResult:
    """The course of a base model's training.

    Attributes
    ----------
    file : str
        The model's name.
    fingerprint : str
        Of its task.
    best_epoch : int
        From 0; -1 where the weights it began from were better than those of any epoch.
    validation_mae : float
        Mean absolute error of the weights that are kept, in the target's unit.
    seconds : float
        That training took, interruptions not counted.
    history : list of dict
        Of every epoch ``loss``, ``validation_mse`` and ``validation_mae``, in units of training.
    restarts : int
        How often its schedule began again.
    """

    file: str
    fingerprint: str
    best_epoch: int
    validation_mae: float
    seconds: float
    history: list[dict[str, float]]
    restarts: int = 0


def write_result(task: Task, result: TrainingResult) -> None:
    """Keep how it went: from then on the training is finished."""
    write_text(task.notes, json.dumps(asdict(result), indent=1) + "\n")


def finished_result(task: Task) -> TrainingResult | None:
    """Result of a base model's training, if it is finished and of this plan and data."""
    try:
        result = TrainingResult(**read_json(task.notes, LARGEST_NOTES))
    except (OSError, ValueError, TypeError):
        return None
    return result if task.path.is_file() and result.fingerprint == task.fingerprint() else None
