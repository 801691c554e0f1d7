"""The file of the inputs that are expected at ages, and of the maps that are usual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.schema import BundleRecord, ExpectedInputs
from bids_brainage.models.ensembles import expected, usual_map
from bids_brainage.models.ensembles.expected import ExpectedInput
from bids_brainage.models.ensembles.parabolas import Ages
from bids_brainage.models.ensembles.usual_map import UsualMap

_ARRAYS = (
    expected.VOXELS,
    expected.LEVELS,
    expected.SCALES,
    usual_map.LEVELS,
    usual_map.STEPS,
    usual_map.LEFT,
)


@dataclass(frozen=True, eq=False)
class Expectation:
    """What is known of a sub-ensemble at each age.

    Attributes
    ----------
    input : ExpectedInput
    usual : UsualMap or None
        Of people against that input.
    """

    input: ExpectedInput
    usual: UsualMap | None = None


def pack_expected(known: Mapping[str, Expectation]) -> dict[str, np.ndarray]:
    """The arrays of a bundle's file, from what is known by ``<ensemble>/<sub-ensemble>``."""
    arrays: dict[str, np.ndarray] = {}
    for key, own in known.items():
        parts = own.input.packed() | (own.usual.packed() if own.usual else {})
        arrays |= {f"{key}/{name}": array for name, array in parts.items()}
    return arrays


def unpack_expected(
    record: BundleRecord, facts: ExpectedInputs, arrays: Mapping[str, np.ndarray], source: str
) -> dict[str, Expectation]:
    """What is known, by ``<ensemble>/<sub-ensemble>``; sub-ensembles may be lacking.

    Raises
    ------
    BundleError
        An array of `source` is not as the record's inputs need it.
    """
    boxes = {f"{e.name}/{s.name}": s.input.box for e in record.ensembles for s in e.sub_ensembles}
    if unknown := set(arrays) - {f"{key}/{name}" for key in boxes for name in _ARRAYS}:
        first, reason = sorted(unknown)[0], "the bundle has no such sub-ensemble"
        raise BundleError(messages.EXPECTED_WRONG.format(file=source, key=first, reason=reason))
    ages = Ages(facts.centre, facts.spread, facts.ends)
    found = {}
    for key, box in boxes.items():
        own = {name: arrays[f"{key}/{name}"] for name in _ARRAYS if f"{key}/{name}" in arrays}
        if not own:
            continue
        try:
            usual = UsualMap.unpacked(own, box, ages) if usual_map.LEVELS in own else None
            found[key] = Expectation(ExpectedInput.unpacked(own, box, ages), usual)
        except KeyError as error:
            reason = f"it has no {error.args[0]}"
            raise BundleError(messages.EXPECTED_WRONG.format(file=source, key=key, reason=reason)) from error
        except ValueError as error:
            raise BundleError(messages.EXPECTED_WRONG.format(file=source, key=key, reason=error)) from error
    return found
