"""Compiles the loops of relevance, skull stripping and statistics for a level of processors, for an image.

`python fill_caches.py LEVEL FOLDER` explains a small network, extracts a ball, enhances a map and correlates
ranks, so that all loops are compiled for the kinds of numbers that users' models and heads bring. Where this
machine's processor lacks the level, it says so and does nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bids_brainage.caches import LEVELS, processor_has

#: Channels that vectors of 16, of 8 and of 4 numbers divide.
FILTERS = (16, 8, 4)
SHAPE = (19, 21, 18, 1)


def main(level: str, folder: Path) -> None:
    """Fill `folder` with machine code of a level, and with the list of fonts."""
    if not processor_has(level):
        print(f"This processor has no {level}; those that have it will use the next of {', '.join(LEVELS)}.")
        return
    os.environ |= {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(folder / level)}
    os.environ["MPLCONFIGDIR"] = str(folder / "matplotlib")
    import matplotlib.font_manager  # noqa: F401

    explain_network()
    extract_ball()
    enhance_map()
    correlate_ranks()
    print(f"{level}: {len(list(folder.rglob('*.nbc')))} pieces of machine code")


def explain_network() -> None:
    """Explain an image by a small network, by each rule, in one thread and in two, and by two networks."""
    import numpy as np

    from bids_brainage.networks.architecture import BaseModelSpec
    from bids_brainage.relevance import COMPOSITES, explain, explain_ensemble, predict

    random = np.random.default_rng(0)
    spec = BaseModelSpec(filters=FILTERS, kernels=(3,) * len(FILTERS), dense_units=8)
    weights = {
        name: random.normal(0, 0.1, own).astype(np.float32) for name, own in spec.weight_shapes(SHAPE).items()
    }
    network, images = spec.network(weights, SHAPE), random.random((2, *SHAPE)).astype(np.float32)
    predict(network, images)
    for composite in COMPOSITES:
        for threads in (1, 2):
            explain(network, images[:1], composite, threads=threads)
    explain_ensemble([network, network], images[0], np.full(2, 0.5))


def extract_ball() -> None:
    """Extract the brain of a ball."""
    import nibabel as nib
    import numpy as np
    from brainextractor import BrainExtractor

    places = np.indices((40, 40, 40)) - 19.5
    ball = np.where((places**2).sum(axis=0) < 12**2, 100, 1).astype(np.float32)
    extractor = BrainExtractor(img=nib.Nifti1Image(ball, np.diag([2, 2, 2, 1])))
    extractor.run(3)
    extractor.compute_mask()


def enhance_map() -> None:
    """Enhance a statistic of both signs."""
    import numpy as np

    from bids_brainage.statistics.permutation.enhancement import TFCE, enhance
    from bids_brainage.statistics.permutation.grid import Grid
    from bids_brainage.statistics.permutation.partition import Reference

    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    enhance(values, TFCE(), Grid(np.ones((10, 10, 10), dtype=bool)), Reference("t", 1, 30), two_tailed=True)


def correlate_ranks() -> None:
    """Correlate ranks in a window."""
    import numpy as np

    from bids_brainage.statistics.people.window_kernels import rank_kernel

    values = np.random.default_rng(0).standard_normal((2, 12))
    rank_kernel(*values, [slice(0, 12)])(np.arange(12)[None])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
