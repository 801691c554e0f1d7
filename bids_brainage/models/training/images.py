"""Base models of small images that are held in memory.

A whole epoch is one call, so that steps of a few milliseconds lose no time between them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.training.plan import FittingPlan
from bids_brainage.models.training.splits import Split
from bids_brainage.models.training.task import ShowEpoch, Task
from bids_brainage.networks.architecture import BaseModelSpec

if TYPE_CHECKING:
    from tensorflow import keras

#: Shows the images `order` (steps, batch) once, mirrored where `mirrored` (steps, batch, 2) says; mean loss.
Epoch = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True, eq=False)
class ImageTask(Task):
    """One base model of images to train; see `Task` for the rest.

    Attributes
    ----------
    file : Path
        Where the weights go (``.safetensors``).
    images : array (n, height, width, 1), float32
        Intensities in [0, 1].
    fitting : FittingPlan
        With `flip`, images are mirrored at random along both axes; nothing else is augmented, and an epoch
        shows everybody.
    seed : int
    """

    file: Path
    images: NDArray[np.float32]
    ages: NDArray[np.float64]
    split: Split
    architecture: BaseModelSpec
    fitting: FittingPlan
    seed: int

    @property
    def path(self) -> Path:
        """Where the weights go."""
        return self.file

    @property
    def name(self) -> str:
        """That of its file."""
        return self.file.stem

    @property
    def model_seed(self) -> int:
        """The seed itself."""
        return self.seed

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.images.shape[1:]

    def fingerprint(self) -> str:
        """Changes with everything that determines the result."""
        digest = hashlib.sha256(f"{self.architecture!r} {self.fitting!r} {self.seed}".encode())
        for array in (self.images, self.ages, *asdict(self.split).values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def epochs(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> ShowEpoch:
        """Compile an epoch; one that is shown again after a restart is the same."""
        show = _make_epoch(model, optimizer, self)
        return lambda epoch, _: float(show(*_draw_epoch(self, epoch)))

    def predict(self, model: BaseModel, people: NDArray[Any]) -> NDArray[np.float64]:
        """Predictions (n,) of `model` for some people, in years."""
        return model.predict(self.images[people])


def _make_epoch(model: keras.Model, optimizer: keras.optimizers.Optimizer, task: ImageTask) -> Epoch:
    """Compile an epoch. What dropout drops depends only on the epoch's seed and the step."""
    import tensorflow as tf
    from tensorflow import keras

    features = keras.Model(model.inputs[0], model.get_layer("flatten").output)
    head = [model.get_layer(name) for name in ("dense", "dense_activation", "output")]
    keep = 1 - task.blocks.dropout
    images, ages = tf.constant(task.images), tf.constant(task.ages, tf.float32)
    variables = model.trainable_variables
    optimizer.build(variables)

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
