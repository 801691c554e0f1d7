"""Which distortions are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.robustness import distortions as d
from tests.robustness.distortions import Distortion, Draw

#: The kinds of each family, in the order in which families may follow each other.
FAMILIES: dict[str, tuple[Draw, ...]] = {
    "crop": (d.neck_cut, d.tight, d.brain_cut),
    "defacing": (d.defacing,),
    "noise": (d.noise,),
    "bias": (d.bias,),
    "voxel size": (d.cubes, d.thick_slices),
    "pose": (d.turned_by_header, d.turned_and_resampled, d.orientation_lost),
    "intensity": (d.scaled, d.offset_below, d.offset_above, d.another_type, d.gamma),
    "header": (d.far_origin, d.header_form, d.header_form),
}
PAIRED = 0.2  # part of the distortions that are two at once


def draw(count: int, seed: int) -> list[Distortion]:
    """Draw distortions: all families in turn, their kinds in random order; at the end two at once."""
    order = np.random.default_rng(seed)
    kinds = {name: [own[i] for i in order.permutation(len(own))] for name, own in FAMILIES.items()}
    families = list(kinds.values())
    singles = count - int(PAIRED * count)
    drawn = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        if number < singles:
            turn, place = divmod(number, len(families))
            found = families[place][turn % len(families[place])](rng)
        else:
            one, other = (families[i] for i in sorted(rng.choice(len(families), 2, replace=False)))
            found = one[rng.integers(len(one))](rng).then(other[rng.integers(len(other))](rng))
        drawn.append(replace(found, name=f"{number + 1:02d} {found.name}"))
    return drawn
