"""Layer-wise Relevance Propagation and its rivals; quality of explanations."""

from bids_brainage.relevance.accounts import LayerAccount
from bids_brainage.relevance.composites import COMPOSITES, Composite
from bids_brainage.relevance.engine import (
    EnsembleExplanation,
    Explanation,
    explain,
    explain_ensemble,
    predict,
)
from bids_brainage.relevance.network import Network, from_keras

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
