"""Networks and images whose ages PyTorch has told, in double precision: no PyTorch is needed to compare.

They are made by NumPy's old generator, whose numbers never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

CHANNELS = (32, 64, 128, 256, 256, 64)
Arrays = dict[str, np.ndarray]


@cache
def sfcn() -> Mapping[str, np.ndarray]:
    """The state_dict of an SFCN of Peng's, without counters."""
    rs = np.random.RandomState(20190719)
    found = torch_blocks(rs)
    found["classifier.conv_6.weight"] = (0.02 * rs.standard_normal((40, 64, 1, 1, 1))).astype(np.float32)
    found["classifier.conv_6.bias"] = (0.5 * rs.standard_normal(40)).astype(np.float32)
    return found


def torch_blocks(rs: np.random.RandomState) -> Arrays:
    """The convolutions and their normalisations."""
    found: Arrays = {}
    for i, o in enumerate(CHANNELS):
        c, k = (CHANNELS[i - 1] if i else 1), (3 if i < 5 else 1)
        name = f"feature_extractor.conv_{i}"
        found[f"{name}.0.weight"] = rs.standard_normal((o, c, k, k, k)) * np.sqrt(2 / (c * k**3))
        found[f"{name}.0.bias"] = 0.1 * rs.standard_normal(o)
        found[f"{name}.1.weight"] = rs.uniform(0.5, 1.5, o)
        found[f"{name}.1.bias"] = 0.1 * rs.standard_normal(o)
        found[f"{name}.1.running_mean"] = 0.1 * rs.standard_normal(o)
        found[f"{name}.1.running_var"] = rs.uniform(0.5, 1.5, o)
    return {name: array.astype(np.float32) for name, array in found.items()}


@cache
def pyment(head: str) -> Mapping[str, np.ndarray]:
    """The weights of pyment's ``reg``, ``sm`` or ``rank`` in the order in which Keras keeps them."""
    rs = np.random.RandomState(2022)
    blocks = torch_blocks(rs)
    units = {"reg": 1, "sm": 93, "rank": 91}[head]
    weight = (0.02 * rs.standard_normal((units, 64, 1, 1, 1))).astype(np.float32)
    bias = (0.5 * rs.standard_normal(units)).astype(np.float32)
    found: Arrays = {}
    for i in range(len(CHANNELS)):
        name, layer = f"feature_extractor.conv_{i}", f"sfcn-{head}_block-{i}"
        found[f"{layer}_conv/kernel:0"] = blocks[f"{name}.0.weight"].transpose(2, 3, 4, 1, 0)
        found[f"{layer}_conv/bias:0"] = blocks[f"{name}.0.bias"]
        for ours, theirs in zip(
            ("gamma", "beta", "moving_mean", "moving_variance"),
            ("weight", "bias", "running_mean", "running_var"),
            strict=True,
        ):
            found[f"{layer}_norm/{ours}:0"] = blocks[f"{name}.1.{theirs}"]
    found["head/kernel:0"] = np.ascontiguousarray(weight[:, :, 0, 0, 0].T)
    found["head/bias:0"] = np.array([40], np.float32) if head == "reg" else bias
    return found


@cache
def image() -> np.ndarray:
    """An ellipsoid of waves, uint8 on the grid of FSL's MNI152 at 1 mm (182, 218, 182)."""
    i, j, k = np.ogrid[:182, :218, :182]
    inside = ((i - 90) / 70) ** 2 + ((j - 110) / 85) ** 2 + ((k - 80) / 65) ** 2 < 1
    waves = 110 + 40 * np.sin(i / 7) + 30 * np.cos(j / 11) + 20 * np.sin(k / 5)
    return np.where(inside, np.rint(waves), 0).astype(np.uint8)


def cut(volume: np.ndarray, start: tuple[int, int, int] = (11, 13, 11)) -> np.ndarray:
    """The box (160, 192, 160, 1) of Peng's network from `start` on."""
    x, y, z = start
    return volume[x : x + 160, y : y + 192, z : z + 160, None].astype(np.float32)


@cache
def sfcn_input() -> np.ndarray:
    """The image divided by the mean of its grid, cut."""
    return cut(image() / image().mean())


@cache
def pyment_input() -> np.ndarray:
    """The image divided by 255, cut to pyment's box (167, 212, 160, 1)."""
    return (image() / 255)[6:173, 2:214, 0:160, None].astype(np.float32)
