"""Compiles the loops of relevance and brain extraction for one level of processors, while the image is built.

`python fill_caches.py LEVEL FOLDER` runs what users run, on a simulated person and on networks of other widths, so that
every loop is compiled for every kind of numbers; where this machine's processor lacks the level, it says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bids_brainage.caches import LEVELS, processor_has

SETTINGS = {"NUMBA_CPU_FEATURES": "", "OMP_NUM_THREADS": "1"}
#: Channels that vectors of all widths divide, and such that none does.
FILTERS = ((8, 16, 32), (4, 12), (3, 1))
SHAPES = ((19, 21, 18, 1), (23, 20, 2))


def main(level: str, folder: Path) -> None:
    """Fill `folder`/`level` with machine code, in processes of their own."""
    if not processor_has(level):
        print(f"This processor has no {level}; such machines will use the next level of {', '.join(LEVELS)}.")
        return
    own = {"NUMBA_CPU_NAME": level, "NUMBA_CACHE_DIR": str(folder / level), "MPLCONFIGDIR": str(folder / "matplotlib")}
    environment = {**os.environ, **SETTINGS, **own}
    with tempfile.TemporaryDirectory() as place:
        environment |= {"HOME": place}
        programs = Path(sys.executable).parent
        for command in (
            [sys.executable, __file__, "networks"],
            [programs / "bids_brainage_simulate", "cohort", f"{place}/bids", "--n", "1", "--voxel-size", "2", "--skull"],
            [programs / "bids_brainage", f"{place}/bids", f"{place}/out", "participant", "-w", f"{place}/work"],
        ):
            subprocess.run([str(part) for part in command], env=environment, check=True)


def explain_networks() -> None:
    """Explain one image by small networks of each kind, by each rule."""
    import numpy as np

    from bids_brainage.networks.architecture import BaseModelSpec
    from bids_brainage.relevance import COMPOSITES, explain

    random = np.random.default_rng(0)
    for filters in FILTERS:
        for shape in SHAPES:
            spec = BaseModelSpec(filters=filters, kernels=(3,) * len(filters), dense_units=8)
            weights = {
                name: random.normal(0, 0.1, own).astype(np.float32)
                for name, own in spec.weight_shapes(shape).items()
            }
            network, image = spec.network(weights, shape), random.random(shape).astype(np.float32)
            for composite in COMPOSITES:
                explain(network, image[None], composite, threads=2)


if __name__ == "__main__":
    if sys.argv[1:] == ["networks"]:
        explain_networks()
    else:
        main(sys.argv[1], Path(sys.argv[2]))
