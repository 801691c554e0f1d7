"""TFCE as it was published: a sum over many thresholds (Smith & Nichols 2009, equation 1); slow."""

from __future__ import annotations

import numpy as np


def stepped_tfce(volume: np.ndarray, steps: int, E: float, H: float, connectivity: int) -> np.ndarray:
    """Of the positive part; thresholds lie in the middle of equal steps up to the maximum."""
    height = volume.max() / steps
    found = np.zeros(volume.shape)
    for step in range(steps):
        threshold = (step + 0.5) * height
        for cluster in clusters(volume >= threshold, connectivity):
            for voxel in cluster:
                found[voxel] += len(cluster) ** E * threshold**H * height
    return found


def clusters(inside: np.ndarray, connectivity: int) -> list[list[tuple[int, ...]]]:
    """Connected true voxels, found by walking from each to its neighbours."""
    reach = {6: 1, 18: 2, 26: 3}[connectivity]
    steps = [
        np.array(step) - 1 for step in np.ndindex(3, 3, 3) if 1 <= np.abs(np.array(step) - 1).sum() <= reach
    ]
    left = {tuple(int(i) for i in voxel) for voxel in np.argwhere(inside)}
    found = []
    while left:
        ahead, cluster = [left.pop()], []
        while ahead:
            voxel = ahead.pop()
            cluster.append(voxel)
            for step in steps:
                neighbour = tuple(int(i) for i in np.array(voxel) + step)
                if neighbour in left:
                    left.remove(neighbour)
                    ahead.append(neighbour)
        found.append(cluster)
    return found
