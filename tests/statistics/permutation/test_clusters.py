"""Clusters and peaks of a map made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.statistics.permutation.clusters import find_clusters


def test_clusters_of_a_map_made_by_hand():
    volume = np.zeros((12, 5, 5))
    volume[1:4, 1, 1] = 3, 5, 4
    volume[9, 1, 1] = 4.5
    volume[4:9, 1, 1] = 2.5
    volume[5, 4, 4], volume[5, 3, 4] = -7, -2.1
    volume[0, 4, 0] = 1.9
    mask = np.ones(volume.shape, dtype=bool)
    mask[:, 0] = False
    values = volume[mask]
    p = np.where(np.abs(values) > 4, 0.01, 0.04)
    first, second = find_clusters(values, mask, np.abs(values) > 2, p, threshold=2)
    assert first.voxels.tolist() == [[5, 3, 4], [5, 4, 4]]
    assert first.mass == pytest.approx(5.1)
    assert [(peak.voxel, peak.value, peak.p) for peak in first.peaks] == [((5, 4, 4), -7, 0.01)]
    assert second.size == 9
    assert second.mass == pytest.approx(3 + 5 + 4 + 4.5 + 5 * 2.5 - 9 * 2)
    # The plateau between is lower than what it touches.
    assert [peak.voxel for peak in second.peaks] == [(2, 1, 1), (9, 1, 1)]
    assert second.peaks[1].value == 4.5


@pytest.mark.parametrize(("connectivity", "count"), [(6, 3), (18, 2), (26, 1)])
def test_neighbours_share_faces_edges_or_corners(connectivity, count):
    volume = np.zeros((4, 4, 4))
    volume[0, 0, 0], volume[1, 1, 0], volume[2, 2, 1] = 1, 2, 3
    mask = np.ones(volume.shape, dtype=bool)
    found = find_clusters(volume.ravel(), mask, volume.ravel() > 0, connectivity=connectivity)
    assert len(found) == count
    assert found[0].peaks[0].value == 3


def test_opposite_signs_are_never_one_cluster_and_none_is_no_cluster():
    mask = np.ones((2, 2, 2), dtype=bool)
    values = np.array([1, -1, 1, -1, 1, -1, 1, -1.0])
    assert [cluster.size for cluster in find_clusters(values, mask, values != 0)] == [4, 4]
    assert find_clusters(values, mask, values > 5) == []


def test_peaks_are_apart_and_not_too_many():
    volume = np.ones((1, 1, 20))
    volume[0, 0, [2, 5, 9, 13, 17]] = 9, 8, 7, 6, 5
    mask = np.ones(volume.shape, dtype=bool)
    (cluster,) = find_clusters(volume.ravel(), mask, volume.ravel() > 0, apart=4, most=3)
    assert [peak.voxel[2] for peak in cluster.peaks] == [2, 9, 13]


def test_a_slope_has_one_peak():
    values = np.arange(1.0, 21)
    mask = np.ones((1, 1, 20), dtype=bool)
    (cluster,) = find_clusters(values, mask, values > 0)
    assert [peak.voxel[2] for peak in cluster.peaks] == [19]
