"""A base model to train: what the fit needs to know, whatever the network is shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.training.plan import FittingPlan
from bids_brainage.models.training.splits import Split
from bids_brainage.models.training.start import Start
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.graph import Architecture

if TYPE_CHECKING:
    from tensorflow import keras

#: Shows the training people of an epoch (its number, and that of the attempt); gives the mean loss.
ShowEpoch = Callable[[int, int], float]


class Task(ABC):
    """One base model to train.

    Attributes
    ----------
    ages : array (n,)
        The target of everybody, in years or the target's unit.
    split : Split
    architecture : BaseModelSpec or LayerGraph
        A graph is only ever kept.
    fitting : FittingPlan
    scale : float
        The target's unit for training: learning rates are meant for the spread of ages. Finished weights
        predict in the target's own unit.
    start : Start or None
        Where the model starts from, if not from scratch.
    """

    ages: np.ndarray
    split: Split
    architecture: Architecture
    fitting: FittingPlan
    scale: float = 1.0
    start: Start | None = None

    @property
    def blocks(self) -> BaseModelSpec:
        """The architecture of a network that is trained here."""
        if not isinstance(self.architecture, BaseModelSpec):
            raise TypeError("a published network is not trained")
        return self.architecture

    @property
    @abstractmethod
    def path(self) -> Path:
        """Where the finished weights go (``.safetensors``)."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the model is called in sentences and tables."""

    @property
    @abstractmethod
    def model_seed(self) -> int:
        """Seed of the initial weights, and of all that is drawn."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, with its channel."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes with everything that determines the result."""

    @abstractmethod
    def epochs(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> ShowEpoch:
        """Compile what shows `model` an epoch; it changes the variables of model and optimiser."""

    @abstractmethod
    def predict(self, model: BaseModel, people: np.ndarray) -> np.ndarray:
        """Predictions (n,) of `model` for some people."""

    @property
    def targets(self) -> np.ndarray:
        """The target of everybody (n,) in units of training."""
        return self.ages / self.scale

    @property
    def mean_target(self) -> float:
        """Mean of the training people, in units of training: what the model says at first."""
        return float(self.targets[self.split.training].mean())

    @property
    def notes(self) -> Path:
        """Beside the weights: the course of the training; written last."""
        return self.path.with_suffix(".json")

    @property
    def checkpoint(self) -> Path:
        """State of the training; removed when it is done."""
        return self.path.with_suffix(".checkpoint.safetensors")
