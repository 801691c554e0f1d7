"""How fast are permutation tests with TFCE, how much memory do they take, and how does the cost grow?

    python benchmarks/permutation.py [--threads 2] [--rounds 2] [--ours 256] [--theirs 4] [--folder TMP]

In nilearn's 2 mm brain mask, smooth maps of 400 simulated people are tested for a score beside age: by
nilearn's ``permuted_ols(tfce=True)`` and by this project, in turns, with one tail and with two. Then by this
project alone: 100 and 2,000 people (a memory map of 1.9 GB in a temporary folder), a quarter of the voxels,
half the permutations, one thread. Prints one JSON line: seconds a permutation, how many times as fast, what
5,000 permutations, 10,000 of 8 contrasts, and 40,000 people would take, and peak resident memory (pages of
the memory map included).
"""

from __future__ import annotations

import argparse
import json
import resource
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
    prepared, before = timed(prepare, data, part, threads)
    engine = FreedmanLane(data, part, prepared, every.orbits, exact=False)
    _, products = timed(engine, {i: every[i] for i in range(1, BATCH)}, threads)
    _, whole = timed(run_chunk, data, test, BATCH, BATCH + permutations, threads)
    return {
        "seconds": (whole - before) / permutations,
        "of_that_statistics": products / BATCH,
        "seconds_before": before,
        "peak_gb": peak_gb(),
    }


def theirs(folder: Path, tails: int, permutations: int, threads: int) -> dict[str, float]:
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
            matrix[:, :1], data, matrix[:, 2:], n_perm=count, two_sided_test=tails == 2, n_jobs=threads,
            random_state=0, masker=masker, tfce=True, output_type="dict",
        )  # fmt: skip

    (_, few), (_, many) = timed(run, threads), timed(run, threads + permutations)
    return {"seconds": (many - few) / permutations, "peak_gb": peak_gb()}


def timed(work: Any, *given: Any) -> tuple[Any, float]:
    """What it returns, and the seconds it takes."""
    started = time.perf_counter()
    return work(*given), time.perf_counter() - started


def peak_gb() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


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
                child(folder, "theirs", tails, options.theirs, options.threads),
            )
            for _ in range(options.rounds)
        ]
        here, there = (min(runs, key=lambda run: run["seconds"]) for runs in zip(*rounds, strict=True))
        ratios = sorted(b["seconds"] / a["seconds"] for a, b in rounds)
        found[f"tails_{tails}"] = {
            "ours": here,
            "nilearn": there,
            "times_as_fast": [round(ratio, 1) for ratio in ratios],
            "minutes_of_5000": (here["seconds_before"] * 10 + here["seconds"] * 5000) / 60,
            "minutes_of_10000_of_8_contrasts": 8
            * (here["seconds_before"] * 20 + here["seconds"] * 10_000)
            / 60,
        }
    return found


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
    slope = (many["of_that_statistics"] - few["of_that_statistics"]) / (MANY - N)
    seconds = few["seconds"] + slope * (40_000 - N)
    found["people_40000_expected"] = {
        "seconds": seconds,
        "minutes_of_5000": seconds * 5000 / 60,
        "file_gb": 40_000 * int(brain().sum()) * 4 / 1e9,
        "times_the_file_is_read_for_5000": 40,
    }
    return found


def rounded(value: Any) -> Any:
    """Three significant digits."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
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
        print(json.dumps({"ours": ours, "theirs": theirs}[name](Path(folder), *given)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        write_maps(Path(name))
        result = {
            "question": f"permutations with TFCE, {N} people, {int(brain().sum())} voxels",
            "threads": options.threads,
            **compared(Path(name), options),
            "growth": growth(Path(name), options),
        }
    print(json.dumps(rounded(result)))


if __name__ == "__main__":
    main()
