"""How large a network may be; otherwise a record of a few lines could request any amount of memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.graph import LayerGraph

#: Voxels along an axis of a network's input.
LARGEST_BOX = 512
#: Parameters of a network: 0.4 GB as float32. The paper's networks have half a million.
MOST_PARAMETERS = 100_000_000
#: Numbers that all convolutions produce for one input: 4 GB as float32. The paper's network produces a third
#: of that for a cube with an edge of 256 voxels; the layers of the published ones half of it.
MOST_ACTIVATIONS = 1_000_000_000


def check_size(spec: BaseModelSpec | LayerGraph, box: Sequence[int]) -> None:
    """Raise ValueError, with a reason to put into a sentence, if a network is too large for its box.

    Parameters
    ----------
    spec : BaseModelSpec or LayerGraph
    box : sequence of int
        Spatial extents of its input.
    """
    if not all(1 <= extent <= LARGEST_BOX for extent in box):
        raise ValueError(f"a box must have 1 to {LARGEST_BOX} voxels per axis")
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


def activations(spec: BaseModelSpec | LayerGraph, box: Sequence[int]) -> int:
    """How many numbers the convolutions produce for one input; of a graph, all layers."""
    if isinstance(spec, LayerGraph):
        return sum(math.prod(shape) for _, _, shape in spec.shapes((*box, 1)))
    total, extents = 0, tuple(box)
    for filters in spec.filters:
        total += math.prod(extents) * filters
        extents = tuple(math.ceil(extent / spec.pool_stride) for extent in extents)
    return total
