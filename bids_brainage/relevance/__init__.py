"""Layer-wise Relevance Propagation and methods to compare it with; quality of explanations."""

from bids_brainage.networks.network import Network
from bids_brainage.networks.readers.keras_layers import from_keras
from bids_brainage.relevance.accounts import LayerAccount
from bids_brainage.relevance.composites import COMPOSITES, Composite
from bids_brainage.relevance.engine.explanation import (
    EnsembleExplanation,
    Explanation,
    explain,
    explain_ensemble,
    predict,
)

__all__ = [
    "COMPOSITES",
    "Composite",
    "EnsembleExplanation",
    "Explanation",
    "LayerAccount",
    "Network",
    "explain",
    "explain_ensemble",
    "from_keras",
    "predict",
]
