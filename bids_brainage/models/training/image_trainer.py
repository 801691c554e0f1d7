"""Training one base model on images held in memory; an interrupted training continues.

For small studies: a whole epoch is one call, so that no time is lost between steps of a few milliseconds.
"""

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
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import BundleError, NetworkError
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.training.keras_model import build, get_weights, set_weights
from bids_brainage.models.training.plan import FittingPlan
from bids_brainage.models.training.splits import Split
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.weights_file import read_arrays, write_arrays

if TYPE_CHECKING:
    from tensorflow import keras

log = logging.getLogger(__name__)
# The parts of a fitting plan that are used here.
DECISIVE = {"epochs", "batch_size", "learning_rate", "schedule", "initializer", "flip"}
Weights = dict[str, NDArray[np.float32]]
#: Shows the images `order` (steps, batch) once, mirrored where `mirrored` (steps, batch, 2) says; mean loss.
Epoch = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True, eq=False)
class ImageTask:
    """A base model to train.

    Attributes
    ----------
    file : Path
        Where the weights go (``.safetensors``); notes and the state of an unfinished training are beside it.
    images : array (n, height, width, 1), float32
        Intensities in [0, 1].
    ages : array (n,)
        Years.
    split : Split
    architecture : BaseModelSpec
    fitting : FittingPlan
        With `flip`, images are mirrored at random along both axes.
    seed : int
    """

    file: Path
    images: NDArray[np.float32]
    ages: NDArray[np.float64]
    split: Split
    architecture: BaseModelSpec
    fitting: FittingPlan
    seed: int

    def fingerprint(self) -> str:
        """Changes with everything that determines the result."""
        fitting = self.fitting.model_dump(include=DECISIVE)
        digest = hashlib.sha256(f"{self.architecture!r} {fitting} {self.seed}".encode())
        for array in (self.images, self.ages, *asdict(self.split).values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ImageFit:
    """Course of a training: errors in years, one entry per epoch; `best_epoch` counts from 0."""

    fingerprint: str
    best_epoch: int
    seconds: float
    loss: list[float]
    validation_mse: list[float]
    validation_mae: list[float]


@dataclass
class _State:
    """State of a training between two epochs."""

    current: Weights
    best: Weights
    optimizer: list[NDArray[Any]]
    history: NDArray[np.float64]
    seconds: float


def train_on_images(task: ImageTask) -> ImageFit:
    """Train a base model unless it is finished; continue one that was begun.

    The loss is the mean squared error, the optimiser Adam. The weights of the epoch with the lowest
    validation error are kept. An interrupted training ends with the same weights as an uninterrupted one.

    Raises
    ------
    NetworkError
        If the loss is not finite.
    """
    fingerprint = task.fingerprint()
    notes, begun = task.file.with_suffix(".json"), task.file.with_suffix(".unfinished.safetensors")
    kept = read_fit(notes)
    if kept is not None and kept.fingerprint == fingerprint and task.file.is_file():
        return kept
    state = _fit(task, begun, fingerprint)
    loss, mse, mae = state.history.round(4).T.tolist()
    fit = ImageFit(fingerprint, int(np.argmin(mse)), round(state.seconds, 1), loss, mse, mae)
    write_arrays(task.file, state.best)
    write_text(notes, json.dumps(asdict(fit), indent=1) + "\n")
    begun.unlink(missing_ok=True)
    return fit


def read_fit(notes: Path) -> ImageFit | None:
    """Course of a finished training; None if there is none."""
    try:
        return ImageFit(**json.loads(notes.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def load_image_model(task: ImageTask) -> BaseModel:
    """The base model that `train_on_images` has kept."""
    weights = read_arrays(task.file.read_bytes(), str(task.file))
    return BaseModel(task.file.stem, task.architecture, task.images.shape[1:], weights)


def _fit(task: ImageTask, begun: Path, fingerprint: str) -> _State:
    from tensorflow import keras

    bias = float(task.ages[task.split.training].mean())
    model = build(task.architecture, task.images.shape[1:], bias, task.seed, task.fitting.initializer)
    optimizer = keras.optimizers.Adam(task.fitting.learning_rate)
    optimizer.build(model.trainable_variables)
    show = _make_epoch(model, optimizer, task)
    state = _read_state(begun, fingerprint)
    if state is None:
        first = get_weights(model)
        state = _State(first, first, [np.asarray(v) for v in optimizer.variables], np.empty((0, 3)), 0.0)
    set_weights(model, state.current)
    for variable, value in zip(optimizer.variables, state.optimizer, strict=True):
        variable.assign(value.reshape(variable.shape))
    for epoch in range(len(state.history), task.fitting.epochs):
        started = time.monotonic()
        optimizer.learning_rate = _learning_rate(task.fitting, epoch)
        loss = float(show(*_draw_epoch(task, epoch)))
        state.current = get_weights(model)
        # A ReLU may hide a NaN from the loss, but not from the weights.
        if not math.isfinite(loss + sum(float(array.sum()) for array in state.current.values())):
            raise NetworkError(messages.LOSS_NOT_FINITE.format(model=task.file.stem, epoch=epoch))
        mse, mae = _validation_errors(task, state.current)
        if mse < state.history[:, 1].min(initial=math.inf):
            state.best = state.current
        state.history = np.vstack([state.history, [loss, mse, mae]])
        state.optimizer = [np.asarray(variable) for variable in optimizer.variables]
        state.seconds += time.monotonic() - started
        _write_state(begun, fingerprint, state)
        log.log(
            logging.INFO if (epoch + 1) % 10 == 0 else logging.DEBUG,
            "%s: epoch %d of %d, validation MAE %.2f years",
            task.file.stem, epoch + 1, task.fitting.epochs, mae,
        )  # fmt: skip
    return state


def _make_epoch(model: keras.Model, optimizer: keras.optimizers.Optimizer, task: ImageTask) -> Epoch:
    """Compile an epoch. What dropout drops depends only on the epoch's seed and the step."""
    import tensorflow as tf
    from tensorflow import keras

    features = keras.Model(model.inputs[0], model.get_layer("flatten").output)
    head = [model.get_layer(name) for name in ("dense", "dense_activation", "output")]
    keep = 1 - task.architecture.dropout
    images, ages = tf.constant(task.images), tf.constant(task.ages, tf.float32)
    variables = model.trainable_variables

    def predicted(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        x = features(batch, training=True)
        x = tf.where(tf.random.stateless_uniform(tf.shape(x), seed) < keep, x / keep, 0.0)
        for layer in head:
            x = layer(x)
        return x[:, 0]

    def step(chosen: tf.Tensor, mirrored: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        batch = tf.gather(images, chosen)
        for axis in (0, 1):
            batch = tf.where(mirrored[:, axis, None, None, None], tf.reverse(batch, [axis + 1]), batch)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(predicted(batch, seed) - tf.gather(ages, chosen)))
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    batch_size = task.fitting.batch_size
    signature = [
        tf.TensorSpec((None, batch_size), tf.int32),
        tf.TensorSpec((None, batch_size, 2), tf.bool),
        tf.TensorSpec((), tf.int32),
    ]

    @tf.function(input_signature=signature)
    def show(order: tf.Tensor, mirrored: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for i in tf.range(tf.shape(order)[0]):
            total += step(order[i], mirrored[i], tf.stack([seed, i]))
        return total / tf.cast(tf.shape(order)[0], tf.float32)

    return show


def _draw_epoch(task: ImageTask, epoch: int) -> tuple[NDArray[np.int32], NDArray[np.bool_], np.int32]:
    """The training images in random order, in whole batches; which are mirrored; the seed of dropout."""
    rng = np.random.default_rng([task.seed, epoch])
    batch_size = task.fitting.batch_size
    order = rng.permutation(task.split.training).astype(np.int32)
    steps = max(1, len(order) // batch_size)
    order = np.resize(order, (steps, batch_size))
    mirrored = task.fitting.flip & (rng.random((steps, batch_size, 2)) < 0.5)
    return order, mirrored, np.int32(rng.integers(2**31))


def _learning_rate(fitting: FittingPlan, epoch: int) -> float:
    """Constant, or half a cosine from the first epoch towards zero."""
    if fitting.schedule == "constant":
        return fitting.learning_rate
    return fitting.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / fitting.epochs))


def _validation_errors(task: ImageTask, weights: Weights) -> tuple[float, float]:
    model = BaseModel(task.file.stem, task.architecture, task.images.shape[1:], weights)
    validation = task.split.validation
    errors = model.predict(task.images[validation]) - task.ages[validation]
    return float(np.mean(errors**2)), float(np.mean(np.abs(errors)))


def _write_state(path: Path, fingerprint: str, state: _State) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "fingerprint": np.frombuffer(bytes.fromhex(fingerprint), np.uint8),
        "history": state.history,
        "seconds": np.array(state.seconds),
    }
    arrays |= {f"current/{name}": array for name, array in state.current.items()}
    arrays |= {f"best/{name}": array for name, array in state.best.items()}
    arrays |= {f"optimizer/{number:03d}": array for number, array in enumerate(state.optimizer)}
    write_arrays(path, arrays)


def _read_state(path: Path, fingerprint: str) -> _State | None:
    """The state of an unfinished training of the same fingerprint, if there is one."""
    try:
        arrays = read_arrays(path.read_bytes(), str(path))
    except (OSError, BundleError):
        return None
    if arrays["fingerprint"].tobytes().hex() != fingerprint:
        return None

    def part(prefix: str) -> dict[str, NDArray[Any]]:
        return {name.removeprefix(prefix): a for name, a in sorted(arrays.items()) if name.startswith(prefix)}

    return _State(
        part("current/"),
        part("best/"),
        list(part("optimizer/").values()),
        arrays["history"],
        arrays["seconds"].item(),
    )
