"""The inputs that a person's is compared with: of the training people on average, and at an age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.models.bundles.bundle import Bundle


@dataclass(frozen=True, eq=False)
class ReferenceInput:
    """An input to compare a person's with.

    Attributes
    ----------
    array : float32 array (*box, 1)
        In [0, 1].
    age : float or None
        At which it is expected, or the target's value; None if it is the mean over all people.
    n : int or None
        How many people it was made from; None if unknown.
    usual : float32 array (*box, 1), optional
        The map of people against it that is usual at that age, in years of the sub-ensemble's own estimate.
    usually_left : float
        What its quadrature usually leaves.
    """

    array: NDArray[np.float32]
    age: float | None
    n: int | None
    usual: NDArray[np.float32] | None = None
    usually_left: float = 0.0


def mean_reference(bundle: Bundle, ensemble: str, sub_ensemble: str) -> ReferenceInput | None:
    """The mean input of the people whom references were made from; None if it is not known."""
    own, facts = bundle.expected.get(f"{ensemble}/{sub_ensemble}"), bundle.record.expected_inputs
    if own is not None and facts is not None:
        return ReferenceInput(own.input.mean, None, facts.n)
    if sub_ensemble not in bundle.norms(ensemble):
        # Imported: its reference input is nobody's.
        return None
    trained_on = bundle.record.protocol.n_training
    grey = bundle.mean_inputs(ensemble)[sub_ensemble][..., None].astype(np.float32)
    return ReferenceInput(grey / np.float32(255), None, trained_on[0] if trained_on else None)


def age_reference(bundle: Bundle, ensemble: str, sub_ensemble: str, age: float) -> ReferenceInput | None:
    """The input expected at the nearest age that is known; None if the bundle has none."""
    own, facts = bundle.expected.get(f"{ensemble}/{sub_ensemble}"), bundle.record.expected_inputs
    if own is None or facts is None:
        return None
    image, nearest = own.input.at(age), own.input.ages.nearest(age)
    if own.usual is None:
        return ReferenceInput(image, nearest, facts.n)
    return ReferenceInput(image, nearest, facts.n, own.usual.at(age), own.usual.left_at(age))
