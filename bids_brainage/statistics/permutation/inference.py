"""From chunks of rearrangements to p values, corrected for the number of voxels, and of tests if asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.permutation.chunks import Chunk, Observed, PermutationTest, at_least, extreme
from bids_brainage.statistics.permutation.enhancement import Clusters, Measure
from bids_brainage.statistics.permutation.tails import tail_p


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a test found, by one measure.

    Attributes
    ----------
    measure : str
    observed : ndarray of float32, shape (voxels,)
        With its sign if both tails are tested.
    fwe : ndarray of float64, shape (voxels,)
        p, corrected by the null distribution of the maximum: the chance that any voxel would show as much.
    uncorrected : ndarray of float64, shape (voxels,), or None
        p of each voxel by its own null distribution; clusters have none.
    fdr : ndarray of float64, shape (voxels,), or None
        Uncorrected p, adjusted to control the share of false discoveries (Benjamini & Hochberg 1995) among
        the voxels that are tested.
    null : ndarray of float32, shape (rearrangements,)
        The maximum in each rearrangement, that of the data as they are first; over all tests that are
        corrected together.
    enumerated : bool
        The rearrangements are all there are.
    tail_fit : float or None
        How well a generalised Pareto distribution fits the tail of the null (p of the fit), if one was used
        for `fwe`.
    """

    measure: str
    observed: np.ndarray
    fwe: np.ndarray
    uncorrected: np.ndarray | None
    fdr: np.ndarray | None
    null: np.ndarray
    enumerated: bool
    tail_fit: float | None = None

    def threshold(self, level: float = 0.05) -> float:
        """Values of the measure above this one have a counted `fwe` of at most `level`."""
        return float(np.sort(self.null)[::-1][int(level * len(self.null) + 1e-9)])


def infer(
    tests: Sequence[tuple[PermutationTest, Observed, Sequence[Chunk]]],
    tails: bool = False,
) -> list[dict[str, Outcome]]:
    """p values of one test, or of several that are corrected together.

    With `m` rearrangements besides the first, of which `b` reach what is observed, p = (b + 1) / (m + 1)
    (Phipson & Smyth 2010); if they are enumerated this is the exact share of all.

    Parameters
    ----------
    tests : sequence of (test, observed, chunks)
        One, or more whose maxima are taken together: contrasts of a design, or several sets of data of the
        same people. They must have the same rearrangements, measures, tails and degrees of freedom.
    tails : bool
        Small corrected p values by a generalised Pareto distribution fitted to the null's tail, where it fits
        (Winkler et al. 2016).

    Returns
    -------
    list of dict of str to Outcome
        For each test, by measure.

    Raises
    ------
    InputError
        Chunks leave rearrangements out, or tests cannot be corrected together.
    """
    check_together([test for test, _, _ in tests])
    maxima = [joined(chunks, test.rearrangements.total) for test, _, chunks in tests]
    outcomes = []
    for test, observed, chunks in tests:
        found = {}
        for measure in test.measures:
            null = np.max([each[measure.name] for each in maxima], axis=0)
            found[measure.name] = _outcome(measure, test, observed, chunks, null, tails)
        outcomes.append(found)
    return outcomes


def check_together(tests: Sequence[PermutationTest]) -> None:
    """See whether tests can be corrected together; it needs nothing computed.

    Raises
    ------
    InputError
        Two of them, which are named, differ in rearrangements, measures, tails or degrees of freedom.
    """
    first = tests[0]
    for test in tests[1:]:
        ours, theirs = first.rearrangements, test.rearrangements
        same = (
            first.part.reference == test.part.reference
            and first.measures == test.measures
            and first.signed == test.signed
            and (ours.total, ours.distinct, ours.seed) == (theirs.total, theirs.distinct, theirs.seed)
            and len(first.part.effect) == len(test.part.effect)
        )
        if not same:
            raise InputError(messages.NOT_ONE_FAMILY.format(first=first.part.name, other=test.part.name))


def joined(chunks: Sequence[Chunk], total: int) -> dict[str, np.ndarray]:
    """The maxima of all rearrangements in order; each must be in one chunk."""
    ordered = sorted(chunks, key=lambda chunk: chunk.start)
    ends = [0, *(chunk.stop for chunk in ordered)]
    if [chunk.start for chunk in ordered] != ends[:-1] or ends[-1] != total:
        raise InputError(messages.CHUNKS_MISSING.format(total=total))
    return {name: np.concatenate([chunk.maxima[name] for chunk in ordered]) for name in ordered[0].maxima}


def exceeding_share(values: np.ndarray, null: np.ndarray) -> np.ndarray:
    """The share of a null distribution that reaches each value; values that differ by rounding are equal."""
    ordered = np.sort(null)
    return (len(null) - np.searchsorted(ordered, at_least(values), side="left")) / len(null)


def _outcome(
    measure: Measure,
    test: PermutationTest,
    observed: Observed,
    chunks: Sequence[Chunk],
    null: np.ndarray,
    tails: bool,
) -> Outcome:
    found = observed.measures[measure.name]
    values, enumerated = extreme(found, test), test.rearrangements.enumerated
    uncorrected = fdr = fit = None
    if not isinstance(measure, Clusters):
        reached = np.sum([chunk.exceedances[measure.name] for chunk in chunks], axis=0, dtype=np.int64)
        uncorrected = (reached + 1) / test.rearrangements.total
        fdr = _false_discovery(uncorrected, observed.tested)
    fwe = exceeding_share(values, null)
    if tails and not enumerated:
        fwe, fit = tail_p(values, null, fwe)
    return Outcome(measure.name, found, fwe, uncorrected, fdr, null, enumerated, fit)


def _false_discovery(p: np.ndarray, tested: np.ndarray) -> np.ndarray:
    from scipy import stats

    adjusted = np.ones(len(p))
    adjusted[tested] = stats.false_discovery_control(p[tested])
    return adjusted
