"""How often do tests find something where there is nothing?

    python -m tests.statistics.null_study OUT.json [--simulations 400] [--rearrangements 99]

For each kind of design, smooth noise is made in a small volume, with errors as bad as that design allows:
skewed, heavy-tailed, correlated within people, of another mean and spread at each site, with nuisance that
explains much. OUT.json keeps the smallest corrected p of each simulation, which is not computed again.
Prints a line for each design and measure: the share of simulations with a corrected p of at most 0.05, and
whether it lies in the interval that holds 95 % of such shares if the truth is 5 % (or what few rearrangements
allow of it).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.ndimage import gaussian_filter

from bids_brainage.statistics.design import Contrast, Design, Exchangeability
from bids_brainage.statistics.permutation.chunks import PermutationTest, observe, run_chunk
from bids_brainage.statistics.permutation.enhancement import TFCE, Clusters, Measure, Voxels
from bids_brainage.statistics.permutation.inference import infer
from bids_brainage.statistics.permutation.partition import partition
from bids_brainage.statistics.permutation.rearrangements import rearrangements

LEVEL = 0.05
MASK = np.linalg.norm(np.indices((9, 9, 9)) - 4, axis=0) < 4.6
MEASURES: tuple[Measure, ...] = (Voxels(), TFCE(), Clusters("extent", 0.05), Clusters("mass", 0.05))


@dataclass(frozen=True)
class Case:
    """A design with data in which its contrasts are zero, both from a generator of random numbers."""

    make: Callable[[np.random.Generator], tuple[Design, np.ndarray]]
    two_tailed: bool = False


def smooth(errors: np.ndarray) -> np.ndarray:
    """Errors (n, x, y, z), smoothed within each person, as (n, voxels); their distribution stays skewed."""
    return np.stack([gaussian_filter(error, 0.8)[MASK] for error in errors])


def t(*weights: float) -> Contrast:
    """One row of weights."""
    return Contrast("x", np.array([weights], dtype=float))


def made(
    columns: list[np.ndarray], contrasts: tuple[Contrast, ...], exchangeability: Exchangeability | None = None
) -> Design:
    """A design of nameless columns."""
    matrix = np.column_stack(columns).astype(float)
    names = tuple(f"c{i}" for i in range(matrix.shape[1]))
    return Design(matrix, names, contrasts, exchangeability or Exchangeability())


def one_sample(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """Symmetric errors with heavy tails."""
    n = 16
    return made([np.ones(n)], (t(1),), Exchangeability(False, True)), smooth(
        rng.standard_t(3, (n, *MASK.shape))
    )


def two_sample(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """Skewed errors, groups of unequal size."""
    group = np.arange(20) < 7
    return made([group, ~group], (t(1, -1),)), smooth(rng.exponential(1, (20, *MASK.shape)) ** 1.5)


def few(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """Four against four: all 70 divisions are tried."""
    group = np.arange(8) < 4
    return made([group, ~group], (t(1, -1),)), smooth(rng.exponential(1, (8, *MASK.shape)))


def _with_age(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Age, a score that goes with it, and data that follow age, bent, and have skewed errors."""
    age = rng.uniform(-1, 1, n)
    score = age + 0.7 * rng.standard_normal(n)
    effect = rng.standard_normal(int(MASK.sum()))
    return age, score, smooth(rng.exponential(1, (n, *MASK.shape))) + np.outer(age + age**2, effect)


def nuisance(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """A score beside age and its square, which explain much."""
    age, score, data = _with_age(rng, 30)
    return made([score, np.ones(30), age, age**2], (t(1, 0, 0, 0),)), data


def f_test(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """Two columns at once, beside age."""
    age, score, data = _with_age(rng, 30)
    contrast = Contrast("x", np.eye(2, 5), "F")
    return made([score, rng.standard_normal(30), np.ones(30), age, age**2], (contrast,)), data


def _people(rng: np.random.Generator, people: int, times: int) -> tuple[np.ndarray, np.ndarray]:
    """Whose each observation is, and data in which most of the spread is between people."""
    who = np.repeat(np.arange(people), times)
    own = smooth(rng.exponential(2, (people, *MASK.shape)))
    return who, own[who] + smooth(rng.exponential(1, (len(who), *MASK.shape)))


def paired(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """Twice the same people, exchanged within them."""
    who, data = _people(rng, 12, 2)
    second = np.arange(24) % 2
    return made([second, np.eye(12)[who]], (t(1, *[0] * 12),), Exchangeability(blocks=who)), data


def whole_blocks(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """People seen twice are of one group or the other: they are exchanged as wholes."""
    who, data = _people(rng, 14, 2)
    group = who < 6
    wholes = Exchangeability(blocks=who, within=False, whole=True)
    return made([group, ~group], (t(1, -1),), wholes), data


def whole_flips(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """The mean of people seen three times: their signs change together."""
    who = np.repeat(np.arange(12), 3)
    data = smooth(rng.laplace(0, 2, (12, *MASK.shape)))[who] + smooth(rng.laplace(0, 1, (36, *MASK.shape)))
    wholes = Exchangeability(False, True, who, within=False, whole=True)
    return made([np.ones(36)], (t(1),), wholes), data


def sites(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """Sites differ in mean, spread and share of the group."""
    site = np.repeat([0, 1, 2], [8, 12, 10])
    group = rng.random(30) < np.array([0.3, 0.5, 0.7])[site]
    group[[0, 8, 20]], group[[1, 9, 21]] = True, False
    spread, mean = np.array([1.0, 3.0, 0.5])[site], np.array([0.0, 5.0, -3.0])[site]
    data = smooth(rng.exponential(1, (30, *MASK.shape)) * spread[:, None, None, None]) + mean[:, None]
    return made([group, np.eye(3)[site]], (t(1, 0, 0, 0),), Exchangeability(blocks=site)), data


def two_contrasts(rng: np.random.Generator) -> tuple[Design, np.ndarray]:
    """Two scores, corrected together."""
    age, score, data = _with_age(rng, 24)
    columns = [score, rng.standard_normal(24), np.ones(24), age, age**2]
    return made(columns, (t(1, 0, 0, 0, 0), t(0, 1, 0, 0, 0))), data


CASES = {
    "one sample": Case(one_sample),
    "one sample, two tails": Case(one_sample, True),
    "two samples": Case(two_sample),
    "two samples, two tails": Case(two_sample, True),
    "few, enumerated": Case(few),
    "nuisance": Case(nuisance),
    "nuisance, two tails": Case(nuisance, True),
    "F": Case(f_test),
    "paired, within blocks": Case(paired),
    "whole blocks": Case(whole_blocks),
    "whole blocks, signs": Case(whole_flips, True),
    "site blocks": Case(sites, True),
    "two contrasts together": Case(two_contrasts, True),
}


def smallest(case: Case, seed: int, asked: int) -> dict[str, float]:
    """The smallest corrected p of a simulation, by measure, and the number of rearrangements."""
    design, data = case.make(np.random.default_rng(seed))
    every = rearrangements(design, design.contrasts, asked, seed)
    results = []
    for contrast in design.contrasts:
        test = PermutationTest(partition(design.matrix, contrast), every, MEASURES, case.two_tailed, MASK)
        values = data.astype(np.float32)
        results.append((test, observe(values, test), [run_chunk(values, test, 0, every.total)]))
    outcomes = infer(results)
    least = {name: float(min(outcome[name].fwe.min() for outcome in outcomes)) for name in outcomes[0]}
    return least | {"rearrangements": every.total}


def summary(found: list[dict[str, float]], measure: str) -> dict[str, object]:
    """The share of errors, and the interval it should lie in."""
    n = len(found)
    errors = sum(one[measure] <= LEVEL + 1e-9 for one in found)
    total = found[0]["rearrangements"]
    attainable = np.floor(LEVEL * total + 1e-9) / total
    low, high = stats.binom.ppf([0.025, 0.975], n, [attainable, LEVEL]) / n
    share = errors / n
    return {"share": share, "low": low, "high": high, "n": n, "within": bool(low <= share <= high)}


def main() -> None:
    """Compute what is missing, print what is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--simulations", type=int, default=400)
    parser.add_argument("--rearrangements", type=int, default=99)
    parser.add_argument("--designs", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in options.designs:
        done = found.setdefault(name, [])
        for seed in range(len(done), options.simulations):
            done.append(smallest(CASES[name], seed, options.rearrangements))
            if seed % 50 == 49:
                options.out.write_text(json.dumps(found))
        options.out.write_text(json.dumps(found))
        for measure in MEASURES:
            print(
                json.dumps({"design": name, "measure": measure.name} | summary(done, measure.name)),
                flush=True,
            )


if __name__ == "__main__":
    main()
