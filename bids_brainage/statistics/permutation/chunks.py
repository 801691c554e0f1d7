"""Some of a test's rearrangements, computed anywhere, and what is kept of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.atomic import replacing
from bids_brainage.errors import InputError
from bids_brainage.statistics.permutation.enhancement import Measure, enhance
from bids_brainage.statistics.permutation.freedman_lane import BATCH, FreedmanLane, Prepared, prepare
from bids_brainage.statistics.permutation.grid import Grid
from bids_brainage.statistics.permutation.partition import Partition
from bids_brainage.statistics.permutation.rearrangements import Rearrangements

#: Values that differ by less than this share are equal: what differs is how they were rounded.
TIE = 1e-5


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """A contrast, and how it is tested.

    Attributes
    ----------
    part : Partition
    rearrangements : Rearrangements
    measures : tuple of Voxels, TFCE or Clusters
    two_tailed : bool
        Negative effects count as well as positive ones. F tests have one tail.
    mask : ndarray of bool, shape (x, y, z), or None
        Where the columns of the data lie, in C order; None for regions.
    """

    part: Partition
    rearrangements: Rearrangements
    measures: tuple[Measure, ...]
    two_tailed: bool = True
    mask: np.ndarray | None = None

    @property
    def signed(self) -> bool:
        """Whether both tails are tested."""
        return self.two_tailed and self.part.reference.statistic == "t"


@dataclass(frozen=True, eq=False)
class Observed:
    """The test's maps of the data as they are.

    Attributes
    ----------
    statistic : ndarray of float32, shape (voxels,)
        t or F.
    tested : ndarray of bool, shape (voxels,)
        False where a voxel does not vary or is fitted perfectly; the statistic is 0 there.
    measures : dict of str to ndarray of float32, shape (voxels,)
        By the name of each measure.
    """

    statistic: np.ndarray
    tested: np.ndarray
    measures: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Chunk:
    """What is kept of rearrangements ``start`` to ``stop - 1`` of a test.

    Attributes
    ----------
    start, stop : int
    maxima : dict of str to ndarray of float32, shape (stop - start,)
        The largest value of each measure anywhere in the map, of both signs if both tails are tested.
    exceedances : dict of str to ndarray of int32, shape (voxels,)
        In how many rearrangements, number 0 not counted, each voxel's value is at least that observed there.
    """

    start: int
    stop: int
    maxima: dict[str, np.ndarray]
    exceedances: dict[str, np.ndarray]

    def save(self, path: Path) -> Path:
        """Write an .npz file, whole or not at all."""
        arrays = {"range": np.array([self.start, self.stop])}
        arrays |= {f"maxima.{name}": values for name, values in self.maxima.items()}
        arrays |= {f"exceedances.{name}": values for name, values in self.exceedances.items()}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        return path

    @classmethod
    def load(cls, path: Path) -> Chunk:
        """Read what :meth:`save` wrote; nothing is unpickled."""
        with np.load(path, allow_pickle=False) as arrays:
            start, stop = arrays["range"].tolist()
            kinds: dict[str, dict[str, np.ndarray]] = {"maxima": {}, "exceedances": {}}
            for key in arrays.files:
                kind, _, name = key.partition(".")
                if name:
                    kinds[kind][name] = arrays[key]
        return cls(start, stop, **kinds)


def divide(total: int, size: int) -> list[tuple[int, int]]:
    """Ranges that cover ``0`` to ``total - 1``, of about `size`, whole batches where possible."""
    step = max(1, round(size / BATCH)) * BATCH
    return [(start, min(start + step, total)) for start in range(0, total, step)]


def observe(data: np.ndarray, test: PermutationTest, threads: int = 1) -> Observed:
    """The statistic and the measures of the data as they are.

    Raises
    ------
    InputError
        The data do not fit the test or are not finite, or nothing in them can be tested.
    """
    return _observed(prepare(data, test.part, threads), test, _grid(data, test))


def run_chunk(data: np.ndarray, test: PermutationTest, start: int, stop: int, threads: int = 1) -> Chunk:
    """Compute rearrangements ``start`` to ``stop - 1``.

    What is found of a rearrangement does not depend on how they are divided, nor on the number of threads.

    Parameters
    ----------
    data : ndarray of float32, shape (n, voxels)
        May be a read-only memory map; a batch of rearrangements reads it once, block by block.
    test : PermutationTest
    start, stop : int
        Whole batches take the least time; see :func:`divide`.
    threads : int

    Raises
    ------
    InputError
        As :func:`observe`.
    """
    grid = _grid(data, test)
    prepared = prepare(data, test.part, threads)
    observed = _observed(prepared, test, grid)
    every = test.rearrangements
    engine = FreedmanLane(data, test.part, prepared, every.orbits, exact=every.enumerated)
    least = {name: at_least(extreme(values, test)) for name, values in observed.measures.items()}
    maxima = {name: np.empty(stop - start, dtype=np.float32) for name in least}
    counts = {name: np.zeros(data.shape[1], dtype=np.int32) for name in least}
    if start == 0:
        for name, values in observed.measures.items():
            maxima[name][0] = extreme(values, test).max()

    def judge(measure: Measure, statistic: np.ndarray) -> tuple[float, np.ndarray]:
        values = extreme(enhance(statistic, measure, grid, test.part.reference, test.signed), test)
        return values.max(), values >= least[measure.name]

    with ThreadPoolExecutor(threads) as pool:
        for first in range(start // BATCH * BATCH, stop, BATCH):
            wanted = range(max(start, first, 1), min(stop, first + BATCH))
            statistics = engine({index - first: every[index] for index in wanted}, threads)
            rows = statistics[wanted.start - first : wanted.stop - first]
            for measure in test.measures:
                judged = pool.map(judge, repeat(measure), rows)
                for index, (largest, reached) in zip(wanted, judged, strict=True):
                    maxima[measure.name][index - start] = largest
                    counts[measure.name] += reached
    return Chunk(start, stop, maxima, counts)


def at_least(values: np.ndarray) -> np.ndarray:
    """From where on another value counts as large as these."""
    return values - TIE * np.abs(values)


def _grid(data: np.ndarray, test: PermutationTest) -> Grid | None:
    if test.mask is None:
        return None
    grid = Grid(test.mask)
    if grid.voxels != data.shape[1]:
        raise InputError(messages.MASK_VOXELS.format(n=grid.voxels, columns=data.shape[1]))
    return grid


def _observed(prepared: Prepared, test: PermutationTest, grid: Grid | None) -> Observed:
    if not prepared.tested.any():
        raise InputError(messages.NOTHING_VARIES.format(name=test.part.name))
    measures = {
        measure.name: enhance(prepared.observed, measure, grid, test.part.reference, test.signed)
        for measure in test.measures
    }
    return Observed(prepared.observed, prepared.tested, measures)


def extreme(values: np.ndarray, test: PermutationTest) -> np.ndarray:
    """What is compared: the value, without its sign if both tails are tested."""
    return np.abs(values) if test.signed else values
