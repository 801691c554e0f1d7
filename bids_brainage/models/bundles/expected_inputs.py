"""The file of the inputs that are expected at ages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.schema import BundleRecord, ExpectedInputs
from bids_brainage.models.ensembles.expected import LEVELS, SCALES, VOXELS, ExpectedInput


def pack_expected(expected: Mapping[str, ExpectedInput]) -> dict[str, np.ndarray]:
    """The arrays of a bundle's file, from what is expected by ``<ensemble>/<sub-ensemble>``."""
    return {f"{key}/{name}": array for key, own in expected.items() for name, array in own.packed().items()}


def unpack_expected(
    record: BundleRecord, facts: ExpectedInputs, arrays: Mapping[str, np.ndarray], source: str
) -> dict[str, ExpectedInput]:
    """What is expected, by ``<ensemble>/<sub-ensemble>``; sub-ensembles may be lacking.

    Raises
    ------
    BundleError
        An array of `source` is not as the record's inputs need it.
    """
    boxes = {f"{e.name}/{s.name}": s.input.box for e in record.ensembles for s in e.sub_ensembles}
    known = {f"{key}/{name}" for key in boxes for name in (VOXELS, LEVELS, SCALES)}
    if unknown := set(arrays) - known:
        first, reason = sorted(unknown)[0], "the bundle has no such sub-ensemble"
        raise BundleError(messages.EXPECTED_WRONG.format(file=source, key=first, reason=reason))
    found = {}
    for key, box in boxes.items():
        if f"{key}/{VOXELS}" not in arrays:
            continue
        own = {name: arrays.get(f"{key}/{name}", np.empty(0)) for name in (VOXELS, LEVELS, SCALES)}
        try:
            found[key] = ExpectedInput.unpacked(own, box, facts.centre, facts.spread, facts.ends)
        except ValueError as error:
            raise BundleError(messages.EXPECTED_WRONG.format(file=source, key=key, reason=error)) from error
    return found
