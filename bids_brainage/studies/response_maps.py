"""Maps of a sub-ensemble's estimate by the name of a method, on the grid of its networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_brainage.config import LRP_RULES

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.bundles.references import ReferenceInput
    from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble

#: Layer-wise relevance by its rules; against the mean reference; against the brain expected at that age.
METHODS = (*(rule for rule in LRP_RULES if "innvestigate" not in rule), "reference", "dba")
#: From what the networks see (*box, 1) to the map (*box,), in the sub-ensemble's own years.
Explain = Callable[[NDArray[np.float32]], NDArray[np.float64]]


def explainers(
    methods: tuple[str, ...], bundle: Bundle, ensemble: str, sub: SubEnsemble, age: float
) -> dict[str, Explain]:
    """How a sub-ensemble's estimates for a person are explained, by method.

    A method for which the bundle has no reference is left out.

    Parameters
    ----------
    methods : tuple of str
        Of `METHODS`.
    bundle : Bundle
    ensemble : str
        Its name.
    sub : SubEnsemble
    age : float
        Of the person, years.
    """
    from bids_brainage.models.bundles.references import age_reference, mean_reference

    found: dict[str, Explain] = {}
    for method in methods:
        if method not in ("reference", "dba"):
            found[method] = partial(_relevance, sub, method)
            continue
        known = (bundle, ensemble, sub.name)
        reference = mean_reference(*known) if method == "reference" else age_reference(*known, age)
        if reference is not None:
            found[method] = partial(_difference, sub, reference)
    return found


def _relevance(sub: SubEnsemble, rule: str, array: NDArray[np.float32]) -> NDArray[np.float64]:
    from bids_brainage.estimates.parts import weights_of
    from bids_brainage.relevance.backends import explain_ensemble_with

    networks = [model.network for model in sub.base_models]
    explained = explain_ensemble_with("native", networks, array, weights_of(sub, "heads"), rule)
    return _on_box(explained.relevance, array)


def _difference(
    sub: SubEnsemble, reference: ReferenceInput, array: NDArray[np.float32]
) -> NDArray[np.float64]:
    from bids_brainage.relevance.difference import explain_difference

    # What is usual at an age is taken off DBA maps; between before and after, it makes no difference.
    networks = [model.network for model in sub.base_models]
    return _on_box(explain_difference(networks, array, reference.array, sub.head).relevance, array)


def _on_box(relevance: NDArray, array: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(relevance, dtype=np.float64).reshape(array.shape[:3])
