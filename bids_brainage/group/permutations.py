"""A unit's permutation tests: of voxels, in pieces that any machine may compute, and of regions at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_brainage.group.stacks import Stack, derived_stack, is_built, load_stack
from bids_brainage.group.unit import Procedure, Unit
from bids_brainage.statistics.design import Contrast
from bids_brainage.statistics.permutation.chunks import (
    Chunk,
    Observed,
    PermutationTest,
    divide,
    observe,
    run_chunk,
)
from bids_brainage.statistics.permutation.enhancement import TFCE, Clusters, Measure, Voxels
from bids_brainage.statistics.permutation.partition import partition
from bids_brainage.statistics.permutation.rearrangements import rearrangements

#: Rearrangements of one piece: long enough that starting it costs little, short enough to lose.
PIECE = 512
#: Voxels whose coefficients are computed at once.
COLUMNS = 65536


def measure_of(procedure: Procedure) -> Measure:
    """What voxels are judged by."""
    if procedure.inference == "tfce":
        return TFCE()
    if procedure.inference == "voxel":
        return Voxels()
    return Clusters(procedure.inference, procedure.cluster_p)


def voxel_test(unit: Unit, contrast: Contrast, mask: NDArray[np.bool_]) -> PermutationTest:
    """The test of a contrast at the voxels of a mask."""
    return _test(unit, contrast, (measure_of(unit.procedure),), mask)


def region_test(unit: Unit, contrast: Contrast) -> PermutationTest:
    """The test of a contrast at regions, corrected by the largest of them."""
    return _test(unit, contrast, (Voxels(),), None)


def _test(
    unit: Unit, contrast: Contrast, measures: tuple[Measure, ...], mask: NDArray[np.bool_] | None
) -> PermutationTest:
    # Contrasts that are corrected together are rearranged together.
    together = unit.design.contrasts if "contrasts" in unit.procedure.correct_over else (contrast,)
    asked, seed = unit.procedure.n_permutations, unit.procedure.seed
    return PermutationTest(
        part=partition(unit.design.matrix, contrast),
        rearrangements=rearrangements(unit.design, together, asked, seed),
        measures=measures,
        two_tailed=unit.procedure.two_sided,
        mask=mask,
    )


def maps_of(unit: Unit, folder: Path) -> Stack:
    """The maps that a unit is tested on: those of its people, or their change, with or without signs.

    The stack itself where it is just that; otherwise an array in the unit's folder, written if it is not
    there.
    """
    stack = load_stack(unit.stack)
    n = stack.data().shape[0]
    if unit.is_stack and np.array_equal(unit.rows, np.arange(n)):
        return stack
    path = folder / "maps.npy"
    if is_built(path):
        return load_stack(path)

    def made(everybody: NDArray[np.float32]) -> NDArray[np.float32]:
        own = unit.observations(everybody)
        return np.abs(own) if unit.procedure.absolute else own

    return derived_stack(stack, len(unit.rows), made, path)


def pieces(unit: Unit, number: int) -> list[tuple[int, int]]:
    """Ranges of rearrangements of a contrast, by its number; none depends on another."""
    test = region_test(unit, unit.design.contrasts[number])
    return divide(test.rearrangements.total, PIECE)


def piece_path(folder: Path, number: int, start: int, stop: int) -> Path:
    """Where what is found of a piece is kept."""
    return folder / f"contrast-{number}_{start:07d}-{stop:07d}.npz"


def run_piece(folder: Path, unit: Unit, number: int, start: int, stop: int, threads: int) -> Path:
    """Compute a piece, unless it is there."""
    path = piece_path(folder, number, start, stop)
    if not path.is_file():
        stack = maps_of(unit, folder)
        test = voxel_test(unit, unit.design.contrasts[number], stack.mask)
        run_chunk(stack.data(), test, start, stop, threads).save(path)
    return path


def pieces_done(folder: Path, unit: Unit, number: int) -> list[Chunk]:
    """All pieces of a contrast."""
    return [Chunk.load(piece_path(folder, number, *ends)) for ends in pieces(unit, number)]


def tested_regions(
    unit: Unit, number: int, values: NDArray[np.float32], threads: int
) -> tuple[PermutationTest, Observed, list[Chunk]]:
    """The test of a contrast at regions: values (n, regions) of the unit's people."""
    test = region_test(unit, unit.design.contrasts[number])
    chunk = run_chunk(values, test, 0, test.rearrangements.total, threads)
    return test, observe(values, test, threads), [chunk]


def effect_of(unit: Unit, contrast: Contrast, data: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """A t contrast of the coefficients, in the maps' unit (years) per unit of the contrast; None of an F."""
    if contrast.statistic == "F":
        return None
    weights = np.atleast_2d(contrast.weights) @ np.linalg.pinv(unit.design.matrix)
    blocks = range(0, data.shape[1], COLUMNS)
    return np.concatenate([(weights @ data[:, begin : begin + COLUMNS])[0] for begin in blocks]).astype(
        np.float32
    )
