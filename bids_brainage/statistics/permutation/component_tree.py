"""Compiled loops of TFCE: a map's clusters at all heights, and the integral over them.

At every height h a voxel lies in a cluster of extent e(h), and its TFCE is the integral of e^E h^H from 0 to
its own height (Smith & Nichols 2009, doi:10.1016/j.neuroimage.2008.03.061, equation 1). Extents change only
at heights of voxels, so that the integral is a sum. Clusters that grow and merge as h descends form a tree:
voxels are added from the highest on, and each joins the clusters of its neighbours (union-find, as for the
max-tree of Najman & Couprie 2006, doi:10.1109/TIP.2006.877518). As the smaller cluster always joins the
larger, a voxel's cluster is found in few steps.
"""

from __future__ import annotations

import numpy as np

from bids_brainage.compiling import compiled

_DIGIT = 11
_DIGITS = (1 << _DIGIT) - 1


@compiled
def enhance_positive(values, sign, places, steps, size, extent_power, height_power, out):  # type: ignore[no-untyped-def]
    """Write the TFCE of what is positive in ``sign * values`` into `out`, with that sign.

    Parameters
    ----------
    values : array of float32, shape (voxels,)
    sign : {1, -1}
    places : array of int32, shape (voxels,)
        Where each voxel lies in a flat volume that has a border of one voxel.
    steps : array of int32
        From a place to its neighbours.
    size : int
        Places of the volume.
    extent_power, height_power : float
        E and H.
    out : array of float32, shape (voxels,)
        Left alone where nothing is positive.
    """
    heights, voxels = _descending(values, sign)
    parents, extents = _tree(voxels, places, steps, size)
    n = heights.size
    powers, sums = np.empty(n), np.empty(n)
    for node in range(n - 1, -1, -1):
        parent = parents[node]
        powers[node] = _power(np.float64(heights[node]), height_power + 1)
        extent = _power(np.float64(extents[node]), extent_power)
        if parent == node:
            sums[node] = extent * powers[node]
        else:
            sums[node] = sums[parent] + extent * (powers[node] - powers[parent])
        out[voxels[node]] = sign * sums[node] / (height_power + 1)


@compiled
def _power(base, exponent):  # type: ignore[no-untyped-def]
    """``base ** exponent``, quickly for FSL's exponents."""
    if exponent == 0.5:
        return np.sqrt(base)
    if exponent == 3.0:
        return base * base * base
    return base**exponent


@compiled
def _descending(values, sign):  # type: ignore[no-untyped-def]
    """Heights above 0, highest first, and their voxels.

    Sorted by digits of their bits: positive floats have the order of these as integers.
    """
    bits = values.view(np.uint32)
    keys, voxels = np.empty(values.size, np.uint32), np.empty(values.size, np.int32)
    n = 0
    for voxel in range(values.size):
        if sign * values[voxel] > 0:
            keys[n], voxels[n] = bits[voxel] & np.uint32(0x7FFFFFFF), voxel
            n += 1
    keys, voxels = keys[:n], voxels[:n]
    other_keys, other_voxels = np.empty_like(keys), np.empty_like(voxels)
    for shift in range(0, 32, _DIGIT):
        place = np.zeros(_DIGITS + 1, np.int32)
        for key in keys:
            place[(key >> shift) & _DIGITS] += 1
        before = 0
        for digit in range(_DIGITS, -1, -1):
            count = place[digit]
            place[digit] = before
            before += count
        for i in range(n):
            digit = (keys[i] >> shift) & _DIGITS
            other_keys[place[digit]], other_voxels[place[digit]] = keys[i], voxels[i]
            place[digit] += 1
        keys, other_keys = other_keys, keys
        voxels, other_voxels = other_voxels, voxels
    return keys.view(np.float32), voxels


@compiled
def _tree(voxels, places, steps, size):  # type: ignore[no-untyped-def]
    """Parent of each voxel (both by their place in `voxels`), and the extent of the cluster when it joined.

    A root is its own parent.
    """
    n = voxels.size
    node_at = np.full(size, -1, np.int32)
    parents, extents = np.empty(n, np.int32), np.empty(n, np.int32)
    towards = np.empty(n, np.int32)  # To a voxel that stands for the cluster, or to itself.
    lowest = np.empty(n, np.int32)  # The last voxel of the cluster that a voxel stands for.
    for node in range(n):
        place = places[voxels[node]]
        parents[node] = towards[node] = lowest[node] = node
        extents[node] = 1
        own = node
        for step in steps:
            found = node_at[place + step]
            if found < 0:
                continue
            while towards[found] != found:
                towards[found] = towards[towards[found]]
                found = towards[found]
            if found == own:
                continue
            last = lowest[found]
            parents[last] = node
            if extents[last] >= extents[node]:
                towards[own], own = found, found
            else:
                towards[found] = own
            extents[node] += extents[last]
            lowest[own] = node
        node_at[place] = node
    return parents, extents
