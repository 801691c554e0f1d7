"""One sub-ensemble after the other: its networks run forward once, and back from what that pass kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.estimates.inputs import InputMaker
from bids_brainage.preprocessing.model_input import ModelInput

if TYPE_CHECKING:
    from bids_brainage.models.ensembles.ensemble import MultiLevelEnsemble
    from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble
    from bids_brainage.records.estimate import ExplanationFacts
    from bids_brainage.relevance.engine.explanation import EnsembleExplanation

Weights = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Part:
    """One sub-ensemble and one person.

    Attributes
    ----------
    sub : SubEnsemble
    input : ModelInput
        What its networks see.
    outputs : array (k,)
        Their outputs, in years.
    explanation : EnsembleExplanation or None
        Of the sub-ensemble's own estimate, in its own years.
    distributions : tuple of (float, float)
        Standard deviation and most probable age (years) of each network's distribution over ages; empty
        where networks have none.
    """

    sub: SubEnsemble
    input: ModelInput
    outputs: np.ndarray
    explanation: EnsembleExplanation | None
    distributions: tuple[tuple[float, float], ...] = ()


def run_networks(
    ensemble: MultiLevelEnsemble, maker: InputMaker, lrp: ExplanationFacts | None, threads: int
) -> Iterator[Part]:
    """Run all networks of an ensemble for which there are images.

    Yields
    ------
    Part
        In the order of the ensemble.
    """
    for sub in ensemble.sub_ensembles.values():
        if not maker.sees(sub):
            continue
        model_input = maker.of(sub)
        if lrp is None:
            scores = sub.scores(model_input.array)
            yield Part(sub, model_input, sub.years(scores), None, sub.distributions(scores))
        else:
            yield _explained(sub, model_input, lrp, threads)


def _explained(sub: SubEnsemble, model_input: ModelInput, lrp: ExplanationFacts, threads: int) -> Part:
    from bids_brainage.relevance.backends import explain_ensemble_with

    explanation = explain_ensemble_with(
        lrp.backend,
        [model.network for model in sub.base_models],
        model_input.array,
        weights_of(sub, lrp.aggregation),
        lrp.rule,
        threads=threads,
    )
    # The estimate is the same, whichever backend explains it.
    scores = explanation.scores or sub.scores(model_input.array)
    return Part(sub, model_input, sub.years(scores), explanation, sub.distributions(scores))


def weights_of(sub: SubEnsemble, aggregation: str) -> Weights:
    """What a sub-ensemble's map makes of each base model's map, given their outputs (k,).

    ``heads``: d estimate / d output by the head model (of a curved head, slopes of secants), so that the
    map adds up to the sub-ensemble's estimate. ``mean``: the plain mean (Hofmann et al. 2022, Methods).
    """
    if aggregation == "mean":
        return lambda outputs: np.full(len(outputs), 1 / len(outputs))
    return lambda outputs: np.asarray(sub.head.secants(outputs, sub.target_biases)[0])


def constant_of(part: Part, aggregation: str) -> float:
    """Years of a sub-ensemble's own estimate that no base model contributes."""
    if aggregation == "mean":
        return 0.0
    return float(part.sub.head.secants(part.outputs, part.sub.target_biases)[1])


def own_estimate(part: Part, aggregation: str) -> float:
    """A sub-ensemble's estimate from its networks' outputs."""
    return float(part.outputs.mean()) if aggregation == "mean" else float(part.sub.head.apply(part.outputs))
