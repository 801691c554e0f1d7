"""Several base models that see the same image, and the head above them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.ensembles.head_model import Head
from bids_brainage.preprocessing.recipes.vocabulary import NetworkInput


@dataclass(frozen=True, eq=False)
class SubEnsemble:
    """Base models of one modality and region with their head.

    Attributes
    ----------
    name : str
        Region and modality: ``WholeBrain_T1w``.
    input : NetworkInput
        What the base models take in.
    base_models : tuple of BaseModel
    head : Head
        From the k base models' predictions to one estimate.
    """

    name: str
    input: NetworkInput
    base_models: tuple[BaseModel, ...]
    head: Head

    @property
    def region(self) -> str:
        """Region: WholeBrain, Cortical, Subcortical or Cerebellum."""
        return self.input.region

    @property
    def modality(self) -> str:
        """Modality: T1w, FLAIR or T2starw."""
        return self.input.modality

    @property
    def target_biases(self) -> np.ndarray:
        """Each base model's output (k,) before any voxel contributes."""
        return np.array([model.target_bias for model in self.base_models])

    def predict(self, images: np.ndarray, *, threads: int = 1) -> np.ndarray:
        """Base-model predictions (n, k) in years for images (n, *box, channels) as `input` makes them."""
        return np.stack([model.predict(images, threads=threads) for model in self.base_models], axis=1)

    def check_predictions(self, predictions: np.ndarray) -> np.ndarray:
        """The predictions as float64 (..., k); InputError if they do not fit or are not finite."""
        values = np.asarray(predictions, dtype=np.float64)
        if values.ndim < 1 or values.shape[-1] != len(self.base_models) or not np.isfinite(values).all():
            raise InputError(
                messages.BASE_PREDICTIONS.format(sub_ensemble=self.name, k=len(self.base_models))
            )
        return values
