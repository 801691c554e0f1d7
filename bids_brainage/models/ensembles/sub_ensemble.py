"""Several base models that see the same image, and the head above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.ensembles.head_model import Head
from bids_brainage.preprocessing.recipes.vocabulary import NetworkInput
from bids_brainage.relevance.engine.explanation import predict_scores


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

    def scores(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        """What each base model's last layer gives (m,) for one image (*box, channels)."""
        return tuple(predict_scores(model.network, image[None])[0] for model in self.base_models)

    def years(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        """Base-model predictions (k,) from such scores."""
        models = zip(self.base_models, scores, strict=True)
        return np.array([float(model.network.readout.years(given[None])[0]) for model, given in models])

    def distributions(self, scores: Sequence[np.ndarray]) -> tuple[tuple[float, float], ...]:
        """Spread and most probable age of each base model's distribution over ages, if it has one."""
        models = zip(self.base_models, scores, strict=True)
        found = [model.network.readout.distribution(given) for model, given in models]
        return tuple(own for own in found if own is not None)

    def check_predictions(self, predictions: np.ndarray) -> np.ndarray:
        """The predictions as float64 (..., k); InputError if they do not fit or are not finite."""
        values = np.asarray(predictions, dtype=np.float64)
        if values.ndim < 1 or values.shape[-1] != len(self.base_models) or not np.isfinite(values).all():
            raise InputError(
                messages.BASE_PREDICTIONS.format(sub_ensemble=self.name, k=len(self.base_models))
            )
        return values
