"""Chunks of rearrangements, however they are divided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bids_brainage.errors import InputError
from bids_brainage.statistics.design import Contrast, Design
from bids_brainage.statistics.permutation.chunks import Chunk, PermutationTest, divide, observe, run_chunk
from bids_brainage.statistics.permutation.enhancement import TFCE, Clusters, Voxels
from bids_brainage.statistics.permutation.freedman_lane import BATCH, FreedmanLane
from bids_brainage.statistics.permutation.partition import partition
from bids_brainage.statistics.permutation.rearrangements import rearrangements

MASK = np.random.default_rng(2).random((11, 12, 13)) < 0.8
MEASURES = (Voxels(), TFCE(), Clusters("extent", 0.05), Clusters("mass", 0.05))


def made(asked: int = 300, two_tailed: bool = True, n: int = 37) -> tuple[np.ndarray, PermutationTest]:
    """Noise, and a test of one of two covariates."""
    rng = np.random.default_rng(1)
    matrix = np.column_stack([np.ones(n), rng.uniform(20, 80, n), rng.standard_normal(n)])
    contrast = Contrast("x", np.array([[0, 0, 1.0]]))
    design = Design(matrix, ("1", "age", "x"), (contrast,))
    data = rng.standard_normal((n, int(MASK.sum()))).astype(np.float32)
    data[:, 5] = 0
    every = rearrangements(design, [contrast], asked, 9)
    return data, PermutationTest(partition(matrix, contrast), every, MEASURES, two_tailed, MASK)


def joined(chunks: list[Chunk]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return (
        {name: np.concatenate([chunk.maxima[name] for chunk in chunks]) for name in chunks[0].maxima},
        {name: sum(chunk.exceedances[name] for chunk in chunks) for name in chunks[0].exceedances},
    )


@pytest.mark.parametrize("size", [1, 37, 128, 130])
@pytest.mark.parametrize(("threads", "blas"), [(1, 2), (3, 1)])
def test_results_are_the_same_to_the_bit_for_any_division(size, threads, blas):
    data, test = made(260 if size > 1 else 20)
    total = test.rearrangements.total
    maxima, counts = joined([run_chunk(data, test, 0, total, threads=2)])
    with threadpool_limits(blas, user_api="blas"):
        chunks = [
            run_chunk(data, test, start, min(start + size, total), threads) for start in range(0, total, size)
        ]
    again, counts_again = joined(chunks)
    for name in maxima:
        np.testing.assert_array_equal(maxima[name], again[name])
        np.testing.assert_array_equal(counts[name], counts_again[name])


def test_a_rearrangement_always_has_the_same_row_of_a_product(monkeypatch):
    """Rows of a matrix product are not always rounded alike."""
    data, test = made(300)
    every, engine, rows = test.rearrangements, FreedmanLane.__call__, []

    def noted(self, batch, threads=1):
        for row, moved in batch.items():
            rows.append(row)
            of_this_row = [every[index].source for index in range(row, every.total, BATCH)]
            assert any(np.array_equal(moved.source, source) for source in of_this_row)
        return engine(self, batch, threads)

    monkeypatch.setattr(FreedmanLane, "__call__", noted)
    run_chunk(data, test, 7, 131)
    assert rows == [*range(7, 128), 0, 1, 2]


def test_a_chunk_is_read_as_it_was_written(tmp_path):
    data, test = made(20)
    chunk = run_chunk(data, test, 3, 9)
    read = Chunk.load(chunk.save(tmp_path / "chunk.npz"))
    assert (read.start, read.stop) == (3, 9)
    for name in chunk.maxima:
        np.testing.assert_array_equal(read.maxima[name], chunk.maxima[name])
        np.testing.assert_array_equal(read.exceedances[name], chunk.exceedances[name])
    first = (tmp_path / "chunk.npz").read_bytes()
    assert chunk.save(tmp_path / "other.npz").read_bytes() == first


def test_number_zero_is_what_was_observed():
    data, test = made(5)
    observed, chunk = observe(data, test), run_chunk(data, test, 0, 1)
    for name, values in observed.measures.items():
        assert chunk.maxima[name].tolist() == [np.abs(values).max()]
        assert not chunk.exceedances[name].any()


def test_voxels_without_variation_reach_nothing_and_are_reached_always():
    data, test = made(50)
    assert observe(data, test).measures["tfce"][5] == 0
    assert run_chunk(data, test, 0, 51).exceedances["voxel"][5] == 50


def test_ranges_cover_all_once():
    for total, size in ((1, 100), (5001, 500), (129, 1), (70, 1000)):
        ranges = divide(total, size)
        assert [i for start, stop in ranges for i in range(start, stop)] == list(range(total))


def test_a_mask_of_other_voxels_and_data_without_variation_are_refused():
    data, test = made(5)
    with pytest.raises(InputError, match="mask"):
        observe(data[:, 1:], test)
    with pytest.raises(InputError, match="no voxel varies"):
        observe(np.ones_like(data), test)


def test_regions_are_tested_by_their_own_statistics():
    data, test = made(50)
    regions = replace(test, measures=(Voxels(),), mask=None)
    found, expected = run_chunk(data, regions, 0, 51), run_chunk(data, test, 0, 51)
    np.testing.assert_array_equal(found.maxima["voxel"], expected.maxima["voxel"])
    with pytest.raises(InputError, match="needs neighbours"):
        observe(data, replace(regions, measures=(TFCE(),)))


def test_f_has_one_tail():
    data, test = made(10)
    part = replace(test.part, reference=replace(test.part.reference, statistic="F"))
    squared = observe(data, replace(test, part=part)).measures
    np.testing.assert_allclose(squared["voxel"], observe(data, test).statistic ** 2, rtol=1e-5)
    assert squared["tfce"].min() == 0


def test_a_read_only_file_gives_what_memory_gives(tmp_path):
    data, test = made(30)
    np.save(tmp_path / "data.npy", data)
    mapped = np.load(tmp_path / "data.npy", mmap_mode="r")
    found, expected = run_chunk(mapped, test, 0, 31), run_chunk(data, test, 0, 31)
    for name in found.maxima:
        np.testing.assert_array_equal(found.maxima[name], expected.maxima[name])
