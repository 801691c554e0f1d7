"""Training one base model: our own step, deterministic from its seed, kept on disk when done."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import NetworkError
from bids_brainage.models.architecture import BaseModelSpec, build
from bids_brainage.models.base_model import BaseModel, get_weights
from bids_brainage.models.plan import FittingPlan
from bids_brainage.models.splits import Split
from bids_brainage.models.store import VolumeStore
from bids_brainage.models.weights_file import read_arrays, write_arrays

if TYPE_CHECKING:
    from tensorflow import keras

_log = logging.getLogger(__name__)
Step = Callable[[Any, Any, Any], Any]


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
        Of all people in the store, in years.
    split : Split
    architecture : BaseModelSpec
    fitting : FittingPlan
    seed : int
        Of the whole training; the model's own is derived from it.
    folder : Path
        Where finished models are kept.
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

    @property
    def file(self) -> str:
        """Path of the weights, below `folder` and in the bundle alike."""
        ensemble, _, sub = self.key.partition("/")
        return f"{ensemble}/fold-{self.fold}/{sub}_bm-{self.index:02d}.safetensors"

    @property
    def model_seed(self) -> int:
        """Seed of this model: depends on nothing but the training's seed and the model's place."""
        text = f"{self.seed} {self.key} {self.fold} {self.index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 2**30

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: the box and one channel."""
        return (*self.store.specs[self.key].box, 1)

    def fingerprint(self) -> str:
        """Changes with everything that decides the result."""
        digest = hashlib.sha256()
        parts = (self.architecture, self.fitting, self.store.specs[self.key])
        digest.update("\n".join(part.model_dump_json() for part in parts).encode())
        digest.update(f"{self.model_seed} {self.store.fingerprint}".encode())
        for array in (self.ages, *asdict(self.split).values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class TrainingResult:
    """How a base model's training went; errors in years."""

    file: str
    fingerprint: str
    best_epoch: int
    validation_mae: float
    seconds: float
    history: list[dict[str, float]]


def train_base_model(task: TrainingTask) -> TrainingResult:
    """Train a base model, unless a finished one of the same plan and data is on disk.

    The weights of the epoch with the lowest validation error are kept.
    """
    notes = (task.folder / task.file).with_suffix(".json")
    fingerprint = task.fingerprint()
    kept = _finished(notes)
    if kept is not None and kept.fingerprint == fingerprint and (task.folder / task.file).is_file():
        return kept
    started = time.monotonic()
    best, history = _fit(task)
    weights = {
        name: array.astype(task.fitting.weights_dtype) if array.ndim > 1 else array
        for name, array in best.items()
    }
    write_arrays(task.folder / task.file, weights)
    best_epoch = min(range(len(history)), key=lambda epoch: history[epoch]["validation_mse"])
    result = TrainingResult(
        file=task.file,
        fingerprint=fingerprint,
        best_epoch=best_epoch,
        validation_mae=history[best_epoch]["validation_mae"],
        seconds=round(time.monotonic() - started, 1),
        history=history,
    )
    write_text(notes, json.dumps(asdict(result), indent=1))
    return result


def load_trained(task: TrainingTask) -> BaseModel:
    """The base model that `train_base_model` has kept."""
    weights = read_arrays((task.folder / task.file).read_bytes(), task.file)
    return BaseModel(Path(task.file).stem, task.architecture, task.input_shape, weights)


def predict_people(model: BaseModel, store: VolumeStore, key: str, people: np.ndarray) -> np.ndarray:
    """Predictions (n,) in years for people of the store; the volumes are read a few at a time."""
    volumes = store.volumes(key)
    batches = [people[start : start + 16] for start in range(0, len(people), 16)]
    scaled = (volumes[batch][..., None].astype(np.float32) / np.float32(255) for batch in batches)
    return np.concatenate([model.predict(images) for images in scaled])


def limit_threads(threads: int = 1) -> None:
    """Let TensorFlow use so many threads; the last bits of a sum may depend on their number."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # It fails on the graph of a training step, and says so each time.
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
        What dropout drops depends on the seed alone, so that a step can be repeated.
    """
    import tensorflow as tf
    from tensorflow import keras

    features = keras.Model(model.inputs[0], model.get_layer("flatten").output)
    head = [model.get_layer(name) for name in ("dense", "dense_activation", "output")]
    variables = model.trainable_variables
    optimizer.build(variables)
    keep = 1 - spec.dropout

    def forward(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        x = features(tf.cast(images, tf.float32) / 255, training=True)
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


def _fit(task: TrainingTask) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    """The best epoch's weights, and each epoch's errors."""
    from tensorflow import keras

    target_bias = float(task.ages[task.split.training].mean())
    initializer = task.fitting.initializer
    model = build(task.architecture, task.input_shape, target_bias, task.model_seed, initializer)
    optimizer = keras.optimizers.Adam(task.fitting.learning_rate)
    step = make_step(model, task.architecture, optimizer)
    best: dict[str, np.ndarray] = get_weights(model)
    history: list[dict[str, float]] = []
    for epoch in range(task.fitting.epochs):
        optimizer.learning_rate = learning_rate(task.fitting, epoch)
        loss = _run_epoch(task, step, epoch)
        if not math.isfinite(loss):
            raise NetworkError(messages.LOSS_NOT_FINITE.format(model=task.file, epoch=epoch))
        weights = get_weights(model)
        errors = _validation_errors(task, weights)
        if not history or errors["validation_mse"] < min(e["validation_mse"] for e in history):
            best = weights
        history.append({"loss": round(loss, 4), **errors})
    return best, history


def _run_epoch(task: TrainingTask, step: Step, epoch: int) -> float:
    """Show every training person once, in random order; the mean loss in squared years."""
    rng = np.random.default_rng([task.model_seed, epoch])
    volumes = task.store.volumes(task.key)
    order = rng.permutation(task.split.training)
    losses = []
    for start in range(0, len(order), task.fitting.batch_size):
        people = order[start : start + task.fitting.batch_size]
        images = np.array(volumes[people])
        if task.fitting.flip:
            mirrored = rng.random(len(people)) < 0.5
            images[mirrored] = images[mirrored, ::-1]
        seed = rng.integers(2**31, size=2).astype(np.int32)
        losses.append(float(step(images[..., None], task.ages[people].astype(np.float32), seed)))
    return float(np.mean(losses))


def _validation_errors(task: TrainingTask, weights: dict[str, np.ndarray]) -> dict[str, float]:
    model = BaseModel(task.file, task.architecture, task.input_shape, weights)
    predictions = predict_people(model, task.store, task.key, task.split.validation)
    errors = predictions - task.ages[task.split.validation]
    return {
        "validation_mse": round(float(np.mean(errors**2)), 4),
        "validation_mae": round(float(np.mean(np.abs(errors))), 4),
    }


def _finished(notes: Path) -> TrainingResult | None:
    try:
        return TrainingResult(**json.loads(notes.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
