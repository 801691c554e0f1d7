"""Base models of volumes: what one is shown in an epoch, read from the store a batch at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage.models.cohorts.store import VolumeStore, predict_people
from bids_brainage.models.ensembles.age_bias import even_age_weights
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.training.augmentation import augment
from bids_brainage.models.training.plan import FittingPlan
from bids_brainage.models.training.splits import Split
from bids_brainage.models.training.start import Start
from bids_brainage.models.training.task import ShowEpoch, Task
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.graph import Architecture

if TYPE_CHECKING:
    from tensorflow import keras

Step = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True, eq=False)
class TrainingTask(Task):
    """One base model of volumes to train; see `Task` for the rest.

    Attributes
    ----------
    key : str
        ``<ensemble>/<sub-ensemble>``, a key of the store.
    fold, index : int
        Repetition, and number of the base model in its sub-ensemble.
    store : VolumeStore
        Of everybody who has an entry in `ages`.
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
    architecture: Architecture
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
    def path(self) -> Path:
        """Where the finished weights go."""
        return self.folder / self.file

    @property
    def name(self) -> str:
        """Its file's path, which says all of its place."""
        return self.file

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

    def epochs(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> ShowEpoch:
        """Compile a step; an epoch is as many as show everybody."""
        step = make_step(model, self.blocks, optimizer)
        return lambda epoch, attempt: _run_epoch(self, step, epoch, attempt)

    def predict(self, model: BaseModel, people: np.ndarray) -> np.ndarray:
        """Predictions (n,) of `model` for some people."""
        return predict_people(model, self.store, self.key, people)


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
