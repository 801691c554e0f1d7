"""How large a network may be; a record of a few lines can otherwise ask for any amount of memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bids_brainage.networks.architecture import BaseModelSpec

#: Voxels along an axis of a network's input.
LARGEST_BOX = 512
#: Parameters of a network: 0.4 GB as float32. The paper's networks have half a million.
MOST_PARAMETERS = 100_000_000
#: Numbers that the convolutions make of one input, all together: 4 GB as float32. The paper's network makes
#: a third of that of a cube of 256 voxels an edge.
MOST_ACTIVATIONS = 1_000_000_000


def check_size(spec: BaseModelSpec, box: Sequence[int]) -> None:
    """Raise ValueError, with a reason to stand in a sentence, where a network is too large to be meant.

    Parameters
    ----------
    spec : BaseModelSpec
    box : sequence of int
        Spatial extents of its input.
    """
    if not all(1 <= extent <= LARGEST_BOX for extent in box):
        raise ValueError(f"a box must have 1 to {LARGEST_BOX} voxels an axis")
    parameters = spec.count_parameters((*box, 1))
    if parameters > MOST_PARAMETERS:
        raise ValueError(
            f"a network has at most {MOST_PARAMETERS:.0e} parameters, and this one {parameters:.2e}"
        )
    made = activations(spec, box)
    if made > MOST_ACTIVATIONS:
        raise ValueError(
            f"a network takes at most {4e-9 * MOST_ACTIVATIONS:.0f} GB of memory for one input, and this one "
            f"{4e-9 * made:.3g} GB"
        )


def activations(spec: BaseModelSpec, box: Sequence[int]) -> int:
    """How many numbers the convolutions make of one input."""
    total, extents = 0, tuple(box)
    for filters in spec.filters:
        total += math.prod(extents) * filters
        extents = tuple(math.ceil(extent / spec.pool_stride) for extent in extents)
    return total
