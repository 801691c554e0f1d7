"""Training one base model: our own step, determined by its seed, saved when done."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import NetworkError
from bids_brainage.models.cohorts.store import VolumeStore, predict_people
from bids_brainage.models.ensembles.age_bias import even_age_weights
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.training.augmentation import augment
from bids_brainage.models.training.checkpoint import Checkpoint, load_checkpoint
from bids_brainage.models.training.keras_model import build, get_weights, set_weights
from bids_brainage.models.training.plan import FittingPlan
from bids_brainage.models.training.splits import Split
from bids_brainage.models.training.start import Start
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.weights_file import read_arrays, write_arrays

if TYPE_CHECKING:
    from tensorflow import keras

_log = logging.getLogger(__name__)
Step = Callable[[Any, Any, Any], Any]
# A model whose validation error is above this fraction of that of guessing the mean has not learned yet.
STUCK = 0.85
MOST_RESTARTS = 3


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """One base model to train.

    Attributes
    ----------
    key : str
        ``<ensemble>/<sub-ensemble>``, a key of the store.
    fold, index : int
        Repetition, and number of the base model in its sub-ensemble.
    store : VolumeStore
    ages : array (n,)
        The target of all people in the store, in years or the target's unit.
    split : Split
    architecture : BaseModelSpec
    fitting : FittingPlan
    seed : int
        Of the whole training; the model's own is derived from it.
    folder : Path
        Where finished models are kept.
    scale : float
        The target's unit for training: learning rates are meant for the spread of ages. Finished weights
        predict in the target's own unit.
    start : Start or None
        Where the model starts from, if not from scratch.
    """

    key: str
    fold: int
    index: int
    store: VolumeStore
    ages: np.ndarray
    split: Split
    architecture: BaseModelSpec
    fitting: FittingPlan
    seed: int
    folder: Path
    scale: float = 1.0
    start: Start | None = None

    @property
    def file(self) -> str:
        """Path of the weights, the same below `folder` and in the bundle; all folds share kept weights."""
        ensemble, _, sub = self.key.partition("/")
        fold = 0 if self.start and self.start.kept else self.fold
        return f"{ensemble}/fold-{fold}/{sub}_bm-{self.index:02d}.safetensors"

    @property
    def targets(self) -> np.ndarray:
        """The target of all people (n,) in units of training."""
        return self.ages / self.scale

    @property
    def notes(self) -> Path:
        """Beside the weights: the course of the training; written last."""
        return (self.folder / self.file).with_suffix(".json")

    @property
    def checkpoint(self) -> Path:
        """State of the training; removed when it is done."""
        return (self.folder / self.file).with_suffix(".checkpoint.safetensors")

    @property
    def model_seed(self) -> int:
        """Seed of this model: depends only on the training's seed and the model's place."""
        text = f"{self.seed} {self.key} {self.fold} {self.index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 2**30

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: the box and one channel."""
        return (*self.store.specs[self.key].box, 1)

    def fingerprint(self) -> str:
        """Changes with everything that determines the result."""
        digest = hashlib.sha256()
        parts = (self.architecture, self.fitting, self.store.specs[self.key])
        digest.update("\n".join(part.model_dump_json() for part in parts).encode())
        digest.update(f"{self.model_seed} {self.store.fingerprint}".encode())
        for array in (self.ages, *asdict(self.split).values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        if self.scale != 1:
            digest.update(f"{self.scale}".encode())
        if self.start:
            digest.update(self.start.fingerprint().encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class TrainingResult:
    """The course of a base model's training.

    `validation_mae` is in the target's unit, `history` in units of training. `best_epoch` is -1 if
    the initial weights were better than those of any epoch.
    """

    file: str
    fingerprint: str
    best_epoch: int
    validation_mae: float
    seconds: float
    history: list[dict[str, float]]
    restarts: int = 0


def train_base_model(task: TrainingTask) -> TrainingResult:
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
    started = time.monotonic()
    fit = _Fit(task)
    fitted, begun = fit.run(), fit.begun
    history = fitted.history
    write_arrays(task.folder / task.file, _as_stored(task, fitted.best))
    best_epoch = min(range(len(history)), key=lambda epoch: history[epoch]["validation_mse"])
    best = history[best_epoch]
    if begun is not None and begun["validation_mse"] <= best["validation_mse"]:
        best_epoch, best = -1, begun
    result = TrainingResult(
        file=task.file,
        fingerprint=task.fingerprint(),
        best_epoch=best_epoch,
        validation_mae=best["validation_mae"] * task.scale,
        seconds=round(time.monotonic() - started, 1),
        history=history,
        restarts=fitted.attempt,
    )
    write_text(task.notes, json.dumps(asdict(result), indent=1))
    task.checkpoint.unlink(missing_ok=True)
    return result


def keep_start(task: TrainingTask) -> TrainingResult:
    """Take the initial weights of a base model unchanged; nothing is trained.

    Its error is NaN if it predicts another target.

    Raises
    ------
    BundleError
        They are missing, or altered.
    """
    if task.start is None:
        raise ValueError("a base model without a start has nothing to keep")
    write_arrays(task.folder / task.file, task.start.weights())
    people, mae = task.split.validation, math.nan
    if task.start.same_target:
        errors = predict_people(load_trained(task), task.store, task.key, people) - task.ages[people]
        mae = float(np.mean(np.abs(errors)))
    return TrainingResult(task.file, task.fingerprint(), -1, mae, 0.0, [])


def _as_stored(task: TrainingTask, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
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


def load_trained(task: TrainingTask) -> BaseModel:
    """The base model that `train_base_model` has kept."""
    weights = read_arrays((task.folder / task.file).read_bytes(), task.file)
    return BaseModel(Path(task.file).stem, task.architecture, task.input_shape, weights)


def limit_threads(threads: int = 1) -> None:
    """Let TensorFlow use this many threads; the last bits of a sum may depend on their number."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # It fails on the graph of a training step, and warns each time.
    tf.config.optimizer.set_experimental_options({"remapping": False})


def learning_rate(fitting: FittingPlan, epoch: int) -> float:
    """Learning rate of an epoch: constant, or half a cosine from the first epoch towards zero."""
    if fitting.schedule == "constant":
        return fitting.learning_rate
    return fitting.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / fitting.epochs))


def make_step(model: keras.Model, spec: BaseModelSpec, optimizer: keras.optimizers.Optimizer) -> Step:
    """One step of gradient descent on the mean squared error.

    Parameters
    ----------
    model : keras.Model
        Made by `build`.
    spec : BaseModelSpec
    optimizer : keras.optimizers.Optimizer

    Returns
    -------
    callable
        (images uint8 (b, *box, 1), ages float32 (b,), seed int32 (2,)) to the loss in squared years.
        What dropout drops depends only on the seed, so that a step can be repeated.
    """
    import tensorflow as tf

    features = _features(model, spec)
    head = [model.get_layer(name) for name in ("dense", "dense_activation", "output")]
    variables = model.trainable_variables
    optimizer.build(variables)
    keep = 1 - spec.dropout

    def forward(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        x = features(tf.cast(images, tf.float32) / 255)
        kept = tf.random.stateless_uniform(tf.shape(x), seed) < keep
        x = tf.where(kept, x / keep, 0.0)
        for layer in head:
            x = layer(x)
        return x[:, 0]

    signature = [
        tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.uint8),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((2,), tf.int32),
    ]

    @tf.function(input_signature=signature)
    def step(images: tf.Tensor, ages: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(forward(images, seed) - ages))
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    return step


def _features(model: keras.Model, spec: BaseModelSpec) -> Callable[[Any], Any]:
    """The model up to its flatten layer, from images scaled to [0, 1].

    Bias and activation come after the pooling instead of before it. As neither changes which voxel of a
    window is the largest, the result is the same, with an eighth of the work.
    """
    import tensorflow as tf

    blocks = range(1, len(spec.filters) + 1)
    convolutions, activations, poolings = (
        [model.get_layer(f"{kind}_{number}") for number in blocks] for kind in ("conv", "activation", "pool")
    )

    def features(x: tf.Tensor) -> tf.Tensor:
        for convolution, activation, pooling in zip(convolutions, activations, poolings, strict=True):
            x = pooling(tf.nn.convolution(x, convolution.kernel, padding="SAME"))
            x = activation(tf.nn.bias_add(x, convolution.bias))
        return model.get_layer("flatten")(x)

    return features


class _Fit:
    """One base model in training: a network, its optimiser, and their progress."""

    def __init__(self, task: TrainingTask) -> None:
        from tensorflow import keras

        self.task = task
        self.mean_age = float(task.targets[task.split.training].mean())
        self.model: keras.Model = build(
            task.architecture, task.input_shape, self.mean_age, task.model_seed, task.fitting.initializer
        )
        self.optimizer = keras.optimizers.Adam(task.fitting.learning_rate)
        self.step = make_step(self.model, task.architecture, self.optimizer)
        self.fingerprint = task.fingerprint()
        self.fresh_optimizer = self._optimizer_arrays()
        #: Validation errors of the initial weights, if they come from another bundle.
        self.begun: dict[str, float] | None = None
        if task.start is not None:
            set_weights(self.model, task.start.begin(self.mean_age, task.scale))
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
        epoch = len(state.history)
        self.optimizer.learning_rate = learning_rate(task.fitting, epoch)
        loss = _run_epoch(task, self.step, epoch, state.attempt)
        weights = get_weights(self.model)
        errors = _validation_errors(task, weights) if math.isfinite(loss) else {}
        if not all(math.isfinite(value) for value in (loss, *errors.values())):
            raise NetworkError(messages.LOSS_NOT_FINITE.format(model=task.file, epoch=epoch))
        earlier = [*state.history, *([self.begun] if self.begun else [])]
        if all(errors["validation_mse"] < e["validation_mse"] for e in earlier):
            state.best = weights
        state.weights, state.optimizer = weights, self._optimizer_arrays()
        state.history.append({"loss": round(loss, 4), **errors})

    def _is_stuck(self) -> bool:
        """Whether the model, when it is time to check, is hardly better than guessing the mean age.

        A model that started from another bundle's weights may be as bad for another reason.
        """
        if self.task.start is not None:
            return False
        if len(self.state.history) != self.task.fitting.restart_after or self.state.attempt >= MOST_RESTARTS:
            return False
        guess = np.mean((self.task.targets[self.task.split.validation] - self.mean_age) ** 2)
        return bool(min(e["validation_mse"] for e in self.state.history) > STUCK * guess)

    def _begin_again(self) -> None:
        """Restart the schedule, so that the learning rate does not fall before anything is learned.

        A leaky network keeps its weights: it leaves the flat plateau at the mean age in time. ReLUs can all
        die for good: such a network gets other weights, drawn from seed and attempt.
        """
        task, attempt = self.task, self.state.attempt + 1
        _log.info(messages.BASE_MODEL_RESTARTED.format(file=task.file, attempt=attempt))
        if task.architecture.activation != "relu":
            weights = self.state.weights
            self.state = Checkpoint(self.fingerprint, attempt, [], weights, weights, self.state.optimizer)
            return
        seed = task.model_seed + 1_000_003 * attempt
        fresh = build(task.architecture, task.input_shape, self.mean_age, seed, task.fitting.initializer)
        weights = get_weights(fresh)
        self.state = Checkpoint(self.fingerprint, attempt, [], weights, weights, self.fresh_optimizer)
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


def _run_epoch(task: TrainingTask, step: Step, epoch: int, attempt: int) -> float:
    """Show the training people in random order; return the mean loss in squared units of training."""
    rng = np.random.default_rng([task.model_seed, attempt, epoch])
    volumes = task.store.volumes(task.key)
    targets = task.targets.astype(np.float32)
    order = _order(task, rng)
    losses = []
    for start in range(0, len(order), task.fitting.batch_size):
        people = order[start : start + task.fitting.batch_size]
        images = augment(volumes[people], task.fitting.augmentation, rng, flip=task.fitting.flip)
        seed = rng.integers(2**31, size=2).astype(np.int32)
        losses.append(float(step(images[..., None], targets[people], seed)))
    return float(np.mean(losses))


def _order(task: TrainingTask, rng: np.random.Generator) -> np.ndarray:
    """Order of people: everyone once, or as many, drawn so that ages are equally frequent."""
    people = task.split.training
    if task.fitting.sampling == "everybody":
        return rng.permutation(people)
    return rng.choice(people, len(people), p=even_age_weights(task.targets[people]))


def _validation_errors(task: TrainingTask, weights: dict[str, np.ndarray]) -> dict[str, float]:
    model = BaseModel(task.file, task.architecture, task.input_shape, weights)
    predictions = predict_people(model, task.store, task.key, task.split.validation)
    errors = predictions - task.targets[task.split.validation]
    return {
        "validation_mse": round(float(np.mean(errors**2)), 4),
        "validation_mae": round(float(np.mean(np.abs(errors))), 4),
    }


def finished_result(task: TrainingTask) -> TrainingResult | None:
    """Result of a base model's training, if it is finished and of this plan and data."""
    try:
        result = TrainingResult(**json.loads(task.notes.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    there = (task.folder / task.file).is_file()
    return result if there and result.fingerprint == task.fingerprint() else None
