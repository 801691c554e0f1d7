"""Why an estimate is not that of a reference: integrated gradients of a whole sub-ensemble, in years.

A sub-ensemble is its networks and the head above them. Its map is (image - reference) times the mean of its
gradient along the straight way from the reference to the image (Sundararajan et al. 2017, eq. 1), so that

    estimate = estimate of the reference + sum of the map + quadrature

The networks are piecewise linear: along the way their slopes jump, so that no rule beats that of midpoints.
It begins with a few points and takes three times as many where outputs and slopes at these do not agree; what
it leaves, *quadrature*, is known exactly, because the networks are run at both ends as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import Floats, Network
from bids_brainage.relevance.accounts import LayerAccount
from bids_brainage.relevance.engine.explanation import Account, check_networks, predict
from bids_brainage.relevance.engine.gradients import output_and_gradient
from bids_brainage.relevance.peers.plain import total
from bids_brainage.relevance.threads import each

#: Names of an account's lines.
REFERENCE, QUADRATURE = "reference", "quadrature"
#: Points at which gradients are taken at first, and at most; each number is three times the one before.
POINTS = (3, 9)
#: Years by which outputs and slopes may disagree, added up along the way, without more points being taken.
TOLERANCE = 0.05


class Combination(Protocol):
    """What makes one estimate of the networks' outputs."""

    def apply(self, predictions: NDArray) -> NDArray:
        """Estimates (...,) from outputs (..., k)."""

    def slopes(self, values: NDArray) -> NDArray:
        """Derivatives (k,) of the estimate by each output, at `values` (k,)."""


@dataclass(frozen=True)
class Difference:
    """What makes the estimate for an image differ from that for a reference.

    estimate = reference_estimate + sum of relevance + quadrature.

    Attributes
    ----------
    outputs, reference_outputs : array (k,)
        The networks' outputs for image and reference, in years.
    estimate, reference_estimate : float
        What the head makes of them.
    relevance : array (..., channels)
        Of the image's shape, in years.
    quadrature : float
        What the sum over points leaves of the difference.
    points : int
        At how many points each network's gradient was taken.
    """

    outputs: NDArray[np.float64]
    reference_outputs: NDArray[np.float64]
    estimate: float
    reference_estimate: float
    relevance: Floats
    quadrature: float
    points: int

    @property
    def passes(self) -> int:
        """How often each network was run forward: at the points and at both ends."""
        return self.points + 2

    @property
    def account(self) -> Account:
        """The way from the estimate to the map."""
        rest = self.estimate - self.reference_estimate
        return (
            LayerAccount(REFERENCE, self.estimate, rest, self.reference_estimate),
            LayerAccount(QUADRATURE, rest, total(self.relevance), self.quadrature),
        )


def explain_difference(
    networks: Sequence[Network],
    image: NDArray,
    reference: NDArray,
    head: Combination,
    *,
    tolerance: float = TOLERANCE,
    threads: int = 1,
) -> Difference:
    """Explain why the estimate for an image is not that for a reference.

    Parameters
    ----------
    networks : sequence of k Network
        All for the same input shape.
    image, reference : array (..., channels)
        Where they are the same, the map is zero.
    head : Combination
        From the networks' outputs to the estimate; may be curved.
    tolerance : float
        See `TOLERANCE`.
    threads : int
        How many networks and points are worked on at a time. It does not change the result.

    Raises
    ------
    NetworkError
        If networks, image and reference do not fit one another.
    """
    check_networks(networks)
    if np.shape(reference) != np.shape(image):
        raise NetworkError(messages.REFERENCE_SHAPE.format(image=np.shape(image), found=np.shape(reference)))
    end, start = networks[0].volumes(np.stack([image, reference]))
    pairs = list(each(lambda network: predict(network, np.stack([image, reference])), networks, threads))
    outputs, reference_outputs = np.array(pairs).T
    path = _Path(networks, start[None], (end - start)[None], head)
    path.ends = (float(head.apply(reference_outputs)), float(head.apply(outputs)))
    for points in POINTS:
        path.take(points, threads)
        if path.disagreement() <= tolerance:
            break
    relevance = (path.way[0] * path.mean_gradient).astype(np.float32)
    difference = path.ends[1] - path.ends[0]
    return Difference(
        outputs=outputs,
        reference_outputs=reference_outputs,
        estimate=path.ends[1],
        reference_estimate=path.ends[0],
        relevance=relevance.reshape(networks[0].input_shape),
        quadrature=difference - total(relevance),
        points=len(path.found),
    )


class _Path:
    """The straight way from a reference to an image, and what is known of the estimate on it.

    Attributes
    ----------
    start, way : array (1, d, h, w, c)
        Reference, and image minus reference.
    ends : tuple of float
        Estimates at both ends.
    found : dict of int to (float, float)
        Estimate and slope along the way, by the place of the point: of 2 * POINTS[-1] parts of the way, how
        many lie before it.
    """

    def __init__(self, networks: Sequence[Network], start: Floats, way: Floats, head: Combination) -> None:
        self.networks, self.start, self.way, self.head = networks, start, way, head
        self.ends = (0.0, 0.0)
        self.found: dict[int, tuple[float, float]] = {}
        self._gradients = np.zeros(way.shape[1:], np.float64)

    def take(self, points: int, threads: int) -> None:
        """Take the gradients at the middles of `points` equal parts of the way that are not known yet."""
        scale = POINTS[-1] // points
        middles = [scale * (2 * part + 1) for part in range(points)]
        new = [middle for middle in middles if middle not in self.found]
        for middle, results in zip(new, self._results(new, threads), strict=True):
            values = np.array([output for output, _ in results])
            slopes = self.head.slopes(values)
            gradient = sum(slope * own for slope, (_, own) in zip(slopes, results, strict=True))
            self._gradients += gradient[0]
            along = float(np.vdot(self.way.astype(np.float64), gradient))
            self.found[middle] = (float(self.head.apply(values)), along)

    def _results(self, middles: Sequence[int], threads: int) -> Iterator[list[tuple[float, Floats]]]:
        """For each point, outputs and gradients of all networks."""
        items = [(middle, network) for middle in middles for network in self.networks]

        def work(item: tuple[int, Network]) -> tuple[float, Floats]:
            share = np.float32(item[0] / (2 * POINTS[-1]))
            return output_and_gradient(item[1], self.start + share * self.way)

        results = each(work, items, threads)
        for _ in middles:
            yield [next(results) for _ in self.networks]

    @property
    def mean_gradient(self) -> NDArray[np.float64]:
        """Along the way, (d, h, w, c)."""
        return self._gradients / len(self.found)

    def disagreement(self) -> float:
        """Years by which estimates and slopes at neighbouring points disagree, added up along the way."""
        points = sorted(self.found)
        slopes = [self.found[point][1] for point in points]
        values = [self.ends[0], *(self.found[point][0] for point in points), self.ends[1]]
        # At the ends no slope is known: it is taken to be that of the point beside them.
        slopes = [slopes[0], *slopes, slopes[-1]]
        steps = np.diff([0, *points, 2 * POINTS[-1]]) / (2 * POINTS[-1])
        expected = steps * (np.array(slopes[1:]) + slopes[:-1]) / 2
        return float(np.abs(np.diff(values) - expected).sum())
