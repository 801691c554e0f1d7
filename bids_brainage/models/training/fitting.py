"""Fitting one base model: deterministic from its seed, a checkpoint an epoch, kept on disk when done."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.training.checkpoint import Checkpoint, load_checkpoint
from bids_brainage.models.training.keras_model import build, get_weights, set_weights
from bids_brainage.models.training.plan import FittingPlan
from bids_brainage.models.training.result import TrainingResult, finished_result, write_result
from bids_brainage.models.training.task import Task
from bids_brainage.networks.weights_file import read_arrays, write_arrays

if TYPE_CHECKING:
    from tensorflow import keras

_log = logging.getLogger(__name__)
# A model whose validation error is above this fraction of that of guessing the mean has not learned yet.
STUCK = 0.85
MOST_RESTARTS = 3
# How many epochs pass between two lines of the log.
TOLD_EVERY = 10


def train_base_model(task: Task) -> TrainingResult:
    """Train a base model, unless a finished one of the same plan and data is on disk.

    The weights of the epoch with the lowest validation error are kept. Every epoch writes a checkpoint:
    if killed at any moment, training continues from there to the same result.

    Raises
    ------
    NetworkError
        Loss or errors are not finite; the checkpoint of the last good epoch stays.
    """
    kept = finished_result(task)
    if kept is not None:
        return kept
    fit = _Fit(task)
    fitted, begun = fit.run(), fit.begun
    history = fitted.history
    write_arrays(task.path, _as_stored(task, fitted.best))
    best_epoch = min(range(len(history)), key=lambda epoch: history[epoch]["validation_mse"])
    best = history[best_epoch]
    if begun is not None and begun["validation_mse"] <= best["validation_mse"]:
        best_epoch, best = -1, begun
    result = TrainingResult(
        file=task.name,
        fingerprint=fit.fingerprint,
        best_epoch=best_epoch,
        validation_mae=best["validation_mae"] * task.scale,
        seconds=round(fitted.seconds, 1),
        history=history,
        restarts=fitted.attempt,
    )
    write_result(task, result)
    task.checkpoint.unlink(missing_ok=True)
    return result


def keep_start(task: Task) -> TrainingResult:
    """Take the initial weights of a base model unchanged; nothing is trained.

    Its error is NaN if it predicts another target.

    Raises
    ------
    BundleError
        They are missing, or altered.
    """
    if task.start is None:
        raise ValueError("a base model without a start has nothing to keep")
    write_arrays(task.path, task.start.weights())
    people, mae = task.split.validation, math.nan
    if task.start.same_target:
        errors = task.predict(load_trained(task), people) - task.ages[people]
        mae = float(np.mean(np.abs(errors)))
    return TrainingResult(task.name, task.fingerprint(), -1, mae, 0.0, [])


def _as_stored(task: Task, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights as they are stored: in the target's unit, kernels rounded as the plan says."""
    stored = {
        name: array.astype(task.fitting.weights_dtype) if array.ndim > 1 else array
        for name, array in weights.items()
    }
    if task.scale != 1:
        # float16 ends at 65504.
        for name in ("output/kernel", "output/bias"):
            stored[name] = (weights[name] * np.float32(task.scale)).astype(np.float32)
    return stored


def load_trained(task: Task) -> BaseModel:
    """The base model that `train_base_model` has kept."""
    weights = read_arrays(task.path.read_bytes(), str(task.path))
    return BaseModel(task.path.stem, task.architecture, task.input_shape, weights)


def learning_rate(fitting: FittingPlan, epoch: int) -> float:
    """Learning rate of an epoch: constant, or half a cosine from the first epoch towards zero."""
    if fitting.schedule == "constant":
        return fitting.learning_rate
    return fitting.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / fitting.epochs))


class _Fit:
    """One base model in training: a network, its optimiser, and their progress."""

    def __init__(self, task: Task) -> None:
        from tensorflow import keras

        self.task = task
        self.model: keras.Model = build(
            task.blocks, task.input_shape, task.mean_target, task.model_seed, task.fitting.initializer
        )
        self.optimizer = keras.optimizers.Adam(task.fitting.learning_rate)
        self.show = task.epochs(self.model, self.optimizer)
        self.fingerprint = task.fingerprint()
        self.fresh_optimizer = self._optimizer_arrays()
        #: Validation errors of the initial weights, if they come from another bundle.
        self.begun: dict[str, float] | None = None
        if task.start is not None:
            set_weights(self.model, task.start.begin(task.mean_target, task.scale))
            self.begun = _validation_errors(task, get_weights(self.model))
        self.state = Checkpoint(self.fingerprint, 0, [], get_weights(self.model), get_weights(self.model))

    def run(self) -> Checkpoint:
        """Continue from the last checkpoint to the last epoch."""
        kept = load_checkpoint(self.task.checkpoint, self.fingerprint)
        if kept is not None:
            self.state = kept
            self._restore(kept.weights, kept.optimizer)
        while len(self.state.history) < self.task.fitting.epochs:
            self._one_epoch()
            if self._is_stuck():
                self._begin_again()
            self.state.save(self.task.checkpoint)
        return self.state

    def _one_epoch(self) -> None:
        task, state = self.task, self.state
        epoch, started = len(state.history), time.monotonic()
        self.optimizer.learning_rate = learning_rate(task.fitting, epoch)
        loss = self.show(epoch, state.attempt)
        weights = get_weights(self.model)
        # A ReLU may hide a NaN from the loss, but not from the weights.
        finite = math.isfinite(loss) and all(np.isfinite(array).all() for array in weights.values())
        errors = _validation_errors(task, weights) if finite else {}
        if not finite or not all(math.isfinite(value) for value in errors.values()):
            raise NetworkError(messages.LOSS_NOT_FINITE.format(model=task.name, epoch=epoch))
        earlier = [*state.history, *([self.begun] if self.begun else [])]
        if all(errors["validation_mse"] < e["validation_mse"] for e in earlier):
            state.best = weights
        state.weights, state.optimizer = weights, self._optimizer_arrays()
        state.history.append({"loss": round(loss, 4), **errors})
        state.seconds += time.monotonic() - started
        self._tell(errors["validation_mae"] * task.scale)

    def _tell(self, mae: float) -> None:
        done = len(self.state.history)
        level = logging.DEBUG if done % TOLD_EVERY else logging.INFO
        _log.log(
            level,
            messages.EPOCH_DONE.format(
                file=self.task.name, done=done, total=self.task.fitting.epochs, mae=mae
            ),
        )

    def _is_stuck(self) -> bool:
        """Whether the model, when it is time to check, is hardly better than guessing the mean age.

        A model that started from another bundle's weights may be as bad for another reason.
        """
        if self.task.start is not None:
            return False
        if len(self.state.history) != self.task.fitting.restart_after or self.state.attempt >= MOST_RESTARTS:
            return False
        guess = np.mean((self.task.targets[self.task.split.validation] - self.task.mean_target) ** 2)
        return bool(min(e["validation_mse"] for e in self.state.history) > STUCK * guess)

    def _begin_again(self) -> None:
        """Restart the schedule, so that the learning rate does not fall before anything is learned.

        A leaky network keeps its weights: it leaves the flat plateau at the mean age in time. ReLUs can all
        die for good: such a network gets other weights, drawn from seed and attempt.
        """
        task, attempt = self.task, self.state.attempt + 1
        _log.info(messages.BASE_MODEL_RESTARTED.format(file=task.name, attempt=attempt))
        if task.blocks.activation != "relu":
            weights = self.state.weights
            self.state = Checkpoint(
                self.fingerprint, attempt, [], weights, weights, self.state.optimizer, self.state.seconds
            )
            return
        seed = task.model_seed + 1_000_003 * attempt
        fresh = build(task.blocks, task.input_shape, task.mean_target, seed, task.fitting.initializer)
        weights = get_weights(fresh)
        self.state = Checkpoint(
            self.fingerprint, attempt, [], weights, weights, self.fresh_optimizer, self.state.seconds
        )
        self._restore(weights, self.fresh_optimizer)

    def _optimizer_arrays(self) -> list[np.ndarray]:
        return [np.asarray(variable) for variable in _variables(self.optimizer)]

    def _restore(self, weights: Mapping[str, np.ndarray], optimizer: Sequence[np.ndarray]) -> None:
        set_weights(self.model, weights)
        for variable, value in zip(_variables(self.optimizer), optimizer, strict=True):
            # A file of arrays turns scalars into vectors.
            variable.assign(np.reshape(value, variable.shape))


def _variables(optimizer: keras.optimizers.Optimizer) -> Sequence[Any]:
    """An optimiser's variables: a list in Keras 3, a method in some releases of Keras 2."""
    found = optimizer.variables
    return list(found() if callable(found) else found)


def _validation_errors(task: Task, weights: dict[str, np.ndarray]) -> dict[str, float]:
    people = task.split.validation
    model = BaseModel(task.name, task.architecture, task.input_shape, weights)
    errors = task.predict(model, people) - task.targets[people]
    return {
        "validation_mse": round(float(np.mean(errors**2)), 4),
        "validation_mae": round(float(np.mean(np.abs(errors))), 4),
    }
