"""How fast are permutation tests with TFCE, how much memory do they take, and how does the cost grow?

    python benchmarks/permutation.py [--threads 2] [--rounds 2] [--ours 256] [--theirs 4] [--folder TMP]

In nilearn's 2 mm brain mask, smooth maps of 400 simulated people are tested for a score beside age: by
nilearn's ``permuted_ols(tfce=True)`` and by this project, in turns, with one tail and with two. Then by this
project alone: 100 and 2,000 people (a memory map of 1.9 GB in a temporary folder), a quarter of the voxels,
half the permutations, one thread. Prints one JSON line. Seconds are those of the clock, which a busy machine
lengthens, and of the processors; from these follow what 5,000 permutations, 10,000 of 8 contrasts, and 40,000
people would take on a quiet machine. nilearn has one process, its default: its jobs divide permutations, so
that the ratio of processor seconds is that of equal cores. Memory is the largest resident, pages of the
memory map included. TFCE alone is also measured beside the package tfce, which is as exact.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

N, MANY = 400, 2000


def brain() -> np.ndarray:
    """The mask, in the grid that it comes in."""
    from nilearn.datasets import load_mni152_brain_mask

    return load_mni152_brain_mask(resolution=2).get_fdata() > 0


def covariates(n: int) -> np.ndarray:
    """Score, constant and age."""
    rng = np.random.default_rng(1)
    age = rng.uniform(50, 80, n)
    return np.column_stack([age / 10 + rng.standard_normal(n), np.ones(n), age])


def write_maps(folder: Path) -> None:
    """Smooth noise of N people; MANY people are sums of two of these."""
    from scipy.ndimage import gaussian_filter

    mask, rng = brain(), np.random.default_rng(0)
    few = np.lib.format.open_memmap(folder / f"{N}.npy", "w+", np.float32, (N, int(mask.sum())))
    for row in few:
        row[:] = gaussian_filter(rng.standard_normal(mask.shape, dtype=np.float32), 1.5)[mask]
    many = np.lib.format.open_memmap(folder / f"{MANY}.npy", "w+", np.float32, (MANY, few.shape[1]))
    for row in many:
        first, second = rng.choice(N, 2, replace=False)
        row[:] = few[first] * rng.choice([-1, 1]) + few[second]


def ours(
    folder: Path, n: int, voxels: float, tails: int, permutations: int, threads: int
) -> dict[str, float]:
    """Seconds a permutation, and of what comes before."""
    from bids_brainage.statistics.design import Contrast, Design
    from bids_brainage.statistics.permutation.chunks import PermutationTest, run_chunk
    from bids_brainage.statistics.permutation.enhancement import TFCE
    from bids_brainage.statistics.permutation.freedman_lane import BATCH, FreedmanLane, prepare
    from bids_brainage.statistics.permutation.partition import partition
    from bids_brainage.statistics.permutation.rearrangements import rearrangements

    data, mask = np.load(folder / f"{max(n, N)}.npy", mmap_mode="r")[:n], brain()
    if voxels < 1:
        inside = np.flatnonzero(mask)
        mask.flat[inside[int(voxels * len(inside)) :]] = False
        data = data[:, : int(mask.sum())]
    matrix, contrast = covariates(n), Contrast("score", np.array([[1.0, 0, 0]]))
    design = Design(matrix, ("score", "1", "age"), (contrast,))
    every, part = rearrangements(design, [contrast], 10_000, 0), partition(matrix, contrast)
    test = PermutationTest(part, every, (TFCE(),), tails == 2, mask)
    prepare(data, part, threads)  # The file is in memory from here on.
    prepared, before = timed(prepare, data, part, threads)
    engine = FreedmanLane(data, part, prepared, every.orbits, exact=False)
    _, products = timed(engine, {i: every[i] for i in range(1, BATCH)}, threads)
    _, whole = timed(run_chunk, data, test, BATCH, BATCH + permutations, threads)
    return {
        "seconds": (whole[0] - before[0]) / permutations,
        "cpu_seconds": (whole[1] - before[1]) / permutations,
        "cpu_seconds_of_statistics": products[1] / BATCH,
        "cpu_seconds_before": before[1],
        "peak_gb": peak_gb(),
    }


def theirs(folder: Path, tails: int, permutations: int) -> dict[str, float]:
    """Seconds a permutation of nilearn: the difference of many and few."""
    import nibabel as nib
    from nilearn.datasets import load_mni152_brain_mask
    from nilearn.maskers import NiftiMasker
    from nilearn.mass_univariate import permuted_ols

    data, matrix = np.load(folder / f"{N}.npy"), covariates(N)
    image = load_mni152_brain_mask(resolution=2)
    masker = NiftiMasker(nib.Nifti1Image(brain().astype(np.uint8), image.affine)).fit()

    def run(count: int) -> Any:
        return permuted_ols(
            matrix[:, :1], data, matrix[:, 2:], n_perm=count, two_sided_test=tails == 2, n_jobs=1,
            random_state=0, masker=masker, tfce=True, output_type="dict",
        )  # fmt: skip

    run(1)  # What happens only once is behind it.
    (_, few), (_, many) = timed(run, 1), timed(run, 1 + permutations)
    return {
        "seconds": (many[0] - few[0]) / permutations,
        "cpu_seconds": (many[1] - few[1]) / permutations,
        "peak_gb": peak_gb(),
    }


def transform(folder: Path, tails: int, maps: int) -> dict[str, float]:
    """Seconds a map that TFCE alone takes, here and in the package tfce, in turns."""
    from tfce import tfce

    from bids_brainage.statistics.permutation.enhancement import TFCE, enhance
    from bids_brainage.statistics.permutation.grid import Grid
    from bids_brainage.statistics.permutation.partition import Reference

    grid, reference = Grid(brain()), Reference("t", 1, N - 3)
    data = np.load(folder / f"{N}.npy", mmap_mode="r")
    spent = np.zeros((maps + 1, 2))
    for index in range(maps + 1):
        values = np.asarray(data[index]) / data[index].std()
        volume = grid.volume(values).T
        _, (_, spent[index, 0]) = timed(enhance, values, TFCE(), grid, reference, tails == 2)
        _, (_, spent[index, 1]) = timed(lambda v=volume: tfce(v, connectivity=6, two_sided=tails == 2))
    ours, theirs = spent[1:].mean(axis=0)  # The first compiles.
    return {"cpu_seconds": ours, "cpu_seconds_of_tfce": theirs, "times_as_fast": theirs / ours}


def timed(work: Any, *given: Any) -> tuple[Any, tuple[float, float]]:
    """What it returns, and seconds of the clock and of the processors."""
    clock, processors = time.perf_counter(), time.process_time()
    done = work(*given)
    return done, (time.perf_counter() - clock, time.process_time() - processors)


def peak_gb() -> float:
    """Largest resident memory of this process so far."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def child(folder: Path, name: str, *given: float) -> dict[str, float]:
    """One measurement, in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps([str(folder), name, *given])]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def compared(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Both programs in turns; of each the round that was disturbed least."""
    found: dict[str, Any] = {}
    for tails in (1, 2):
        rounds = [
            (
                child(folder, "ours", N, 1, tails, options.ours, options.threads),
                child(folder, "theirs", tails, options.theirs),
            )
            for _ in range(options.rounds)
        ]
        here, there = (min(runs, key=lambda run: run["cpu_seconds"]) for runs in zip(*rounds, strict=True))
        found[f"tails_{tails}"] = {
            "ours": here,
            "nilearn": there,
            "times_as_fast_as_one_process": [b["seconds"] / a["seconds"] for a, b in rounds],
            "times_as_fast_on_equal_cores": [b["cpu_seconds"] / a["cpu_seconds"] for a, b in rounds],
            "quiet_minutes_of_5000": minutes(here, 5000, options.threads),
            "quiet_minutes_of_10000_of_8_contrasts": 8 * minutes(here, 10_000, options.threads),
        }
    return found


def minutes(one: dict[str, float], permutations: int, threads: int) -> float:
    """What so many take if nothing else runs, in pieces of 512."""
    pieces = permutations / 512
    return (pieces * one["cpu_seconds_before"] + permutations * one["cpu_seconds"]) / threads / 60


def growth(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Ours with one tail: more and fewer people, fewer voxels, fewer permutations."""
    one_tail = {
        "people_100": (N // 4, 1, 1, options.ours, options.threads),
        "people_400": (N, 1, 1, options.ours, options.threads),
        "people_2000": (MANY, 1, 1, options.ours, options.threads),
        "quarter_of_the_voxels": (N, 0.25, 1, options.ours, options.threads),
        "half_the_permutations": (N, 1, 1, options.ours // 2, options.threads),
        "one_thread": (N, 1, 1, options.ours, 1),
    }
    found: dict[str, Any] = {name: child(folder, "ours", *given) for name, given in one_tail.items()}
    few, many = found["people_400"], found["people_2000"]

    def more(key: str) -> float:
        return (many[key] - few[key]) / (MANY - N) * (40_000 - N)

    # TFCE takes as long for any number of people.
    expected = {
        "cpu_seconds": few["cpu_seconds"] + more("cpu_seconds_of_statistics"),
        "cpu_seconds_before": few["cpu_seconds_before"] + more("cpu_seconds_before"),
    }
    found["people_40000_expected"] = {
        **expected,
        "quiet_minutes_of_5000": minutes(expected, 5000, options.threads),
        "file_gb": 40_000 * int(brain().sum()) * 4 / 1e9,
        "times_the_file_is_read_for_5000": 5000 / 128 + 5000 / 512,
    }
    return found


def rounded(value: Any) -> Any:
    """Three significant digits."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.3g}") if isinstance(value, float) else value


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--ours", type=int, default=256, help="permutations of this project, whole batches of 128"
    )
    parser.add_argument("--theirs", type=int, default=4, help="permutations of nilearn")
    parser.add_argument("--folder", type=Path, help="where the temporary folder (2.3 GB) is made")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folder, name, *given = json.loads(options.child)
        print(
            json.dumps({"ours": ours, "theirs": theirs, "transform": transform}[name](Path(folder), *given))
        )
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        write_maps(Path(name))
        result = {
            "question": f"permutations with TFCE, {N} people, {int(brain().sum())} voxels",
            "threads": options.threads,
            **compared(Path(name), options),
            "transform": {f"tails_{tails}": child(Path(name), "transform", tails, 20) for tails in (1, 2)},
            "growth": growth(Path(name), options),
        }
    print(json.dumps(rounded(result)))


if __name__ == "__main__":
    main()
