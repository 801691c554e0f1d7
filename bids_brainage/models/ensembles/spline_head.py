"""Curved heads: an additive model of several predictions, linear parts with a smooth deviation each.

estimate = constant + sum_i f_i(y_i), with f_i(y) = c_i y + g_i(y): the linear head, and a cubic spline of
its residual (a generalised additive model; Hastie and Tibshirani 1986, Stat Sci 1, 297). The splines'
coefficients are fitted by ridge regression: the larger the penalty, the more linear the head. Outside the
range of the people it was fitted on, each g_i continues as a straight line.

A positive head rises with every prediction. f_i is itself a spline, and one whose B-spline coefficients do
not descend does not descend (de Boor 1978, A Practical Guide to Splines; the steps between them are the
coefficients of I-splines, Ramsay 1988, Stat Sci 3, 425). So these steps are fitted, none below 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage.models.ensembles.head_model import HeadModel, ridge_nnls

DEGREE = 3
# Nearer than this to the reference, in units of its own size, the slope is the derivative.
NEAR = 1e-6
# Slopes below this are rounding: a level curve must not seem to descend.
LEVEL = 1e-9


@dataclass(frozen=True, eq=False)
class Curve:
    """A spline, continued straight outside its knots.

    Attributes
    ----------
    knots : float64 array (k + degree + 1,)
        Ascending, the target's unit; the spline's range is from `knots[degree]` to `knots[-degree - 1]`.
    coefficients : float64 array (k,)
        Of the B-splines, the target's unit.
    degree : int
    """

    knots: np.ndarray
    coefficients: np.ndarray
    degree: int = DEGREE

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The curve at `values` (...,)."""
        spline = self._spline()
        inside = np.clip(values, *self.ends)
        return spline(inside) + spline.derivative()(inside) * (values - inside)

    def slope(self, value: float) -> float:
        """Its derivative at a value."""
        return float(self._spline().derivative()(np.clip(value, *self.ends)))

    @property
    def ends(self) -> tuple[float, float]:
        """First and last value between which it is curved."""
        return float(self.knots[self.degree]), float(self.knots[-self.degree - 1])

    def _spline(self) -> Any:
        from scipy.interpolate import BSpline

        return BSpline(self.knots, self.coefficients, self.degree)


@dataclass(frozen=True, eq=False)
class SplineHead:
    """A linear head and a curve for each of its predictions (None if they were all the same).

    Attributes
    ----------
    linear : HeadModel
    curves : tuple of Curve or None
        In the order of the linear head's coefficients.
    """

    linear: HeadModel
    curves: tuple[Curve | None, ...]

    @classmethod
    def fit(
        cls,
        predictions: np.ndarray,
        ages: np.ndarray,
        alpha: float,
        spline_alpha: float,
        knots: int,
        spread: float = 15.0,
        positive: bool = False,
    ) -> SplineHead:
        """Fit the linear head, then the curves to its residual.

        Parameters
        ----------
        predictions : array (n, k)
        ages : array (n,)
        alpha : float
            Penalty of the linear head; see `HeadModel.fit`.
        spline_alpha : float
            Penalty of the curves' coefficients; above 0.
        knots : int
            Of each curve, evenly from the smallest to the largest prediction.
        spread : float
            Standard deviation of predictions that the penalty is meant for. A model that tells people less
            apart is penalised the more, as in ridge regression: one that always says nearly the same must
            not have its noise bent into estimates.
        positive : bool
            Whether the estimate must never fall where a prediction rises.
        """
        from sklearn.preprocessing import SplineTransformer

        predictions = np.asarray(predictions, dtype=np.float64)
        linear = HeadModel.fit(predictions, ages, alpha, positive)
        varies = np.ptp(predictions, axis=0) > 0
        if not varies.any():
            return cls(linear, (None,) * len(varies))
        basis = SplineTransformer(n_knots=knots, degree=DEGREE, knots="uniform", extrapolation="linear")
        shares = np.minimum(1, predictions[:, varies].std(axis=0) / spread)
        columns = np.repeat(shares, knots + DEGREE - 1)
        bases = basis.fit_transform(predictions[:, varies]) * columns
        rest = np.asarray(ages) - linear.apply(predictions)
        all_knots = [np.asarray(spline.t, np.float64) for spline in basis.bsplines_]
        if positive:
            slopes = linear.coefficients[varies]
            lines = [slope * _abscissae(t) for slope, t in zip(slopes, all_knots, strict=True)]
            bent, mean = _rising(bases, rest, np.concatenate(lines) / columns, spline_alpha, len(lines))
        else:
            bent, mean = _bent(bases, rest, spline_alpha)
        curves: list[Curve | None] = [None] * len(varies)
        blocks = np.split(bent * columns, len(all_knots))
        for i, t, coefficients in zip(np.flatnonzero(varies), all_knots, blocks, strict=True):
            curves[i] = Curve(t, coefficients)
        return cls(HeadModel(linear.coefficients, linear.intercept + mean), tuple(curves))

    def apply(self, predictions: np.ndarray) -> np.ndarray:
        """Estimates (...,) from predictions (..., k)."""
        values = np.asarray(predictions, dtype=np.float64)
        bent = [curve(values[..., i]) for i, curve in enumerate(self.curves) if curve is not None]
        return self.linear.apply(values) + sum(bent)

    def secants(self, values: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, float]:
        """One person's weights (k,) and constant: see `HeadModel.secants`.

        w_i = (f_i(y_i) - f_i(b_i)) / (y_i - b_i), the slope of the secant from the reference b_i; so that
        constant + w @ references is the same for everybody, namely the estimate of the references.
        """
        values, references = np.asarray(values, np.float64), np.asarray(references, np.float64)
        weights = self.linear.coefficients.copy()
        for i, curve in enumerate(self.curves):
            if curve is None:
                continue
            step = values[i] - references[i]
            if abs(step) > NEAR * max(1.0, abs(references[i])):
                weights[i] += float(curve(values[i]) - curve(references[i])) / step
            else:
                weights[i] += curve.slope(float(references[i]))
        weights[np.abs(weights) < LEVEL] = 0.0
        return weights, float(self.apply(values) - weights @ values)

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """Derivatives (k,) of the estimate by each prediction, at `values` (k,)."""
        bent = [0.0 if c is None else c.slope(float(v)) for c, v in zip(self.curves, values, strict=True)]
        return self.linear.coefficients + np.array(bent)


def _bent(bases: np.ndarray, rest: np.ndarray, alpha: float) -> tuple[np.ndarray, float]:
    """Coefficients and intercept by ridge regression."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=alpha).fit(bases, rest)
    return np.asarray(model.coef_, np.float64), float(model.intercept_)


def _rising(
    bases: np.ndarray, rest: np.ndarray, lines: np.ndarray, alpha: float, blocks: int
) -> tuple[np.ndarray, float]:
    """The same where no curve together with its straight line may descend.

    With b = C(L s) - l (s >= 0 the steps, L their sums, l the lines; C centres each block, as the ridge
    penalty does, for a constant costs nothing in the intercept), sum((r - B b)^2) + alpha sum(b^2) is a
    problem of non-negative least squares in s.

    Parameters
    ----------
    bases : array (n, blocks * k)
        B-splines of each prediction, centred here.
    rest : array (n,)
    lines : array (blocks * k,)
        Coefficients that the straight lines have in these bases.
    alpha : float
    blocks : int
    """
    k = len(lines) // blocks
    centring = np.kron(np.eye(blocks), np.eye(k) - 1 / k)
    steps = np.kron(np.eye(blocks), np.tril(np.ones((k, k)))[:, 1:])
    mean, mean_rest = bases.mean(axis=0), float(rest.mean())
    design = np.vstack([bases - mean, np.sqrt(alpha) * np.eye(len(lines))])
    values = np.concatenate([rest - mean_rest, np.zeros(len(lines))])
    straight = centring @ lines
    found = ridge_nnls(design @ centring @ steps, values + design @ straight, 0.0)
    bent = centring @ steps @ found - straight
    return bent, mean_rest - float(mean @ bent)


def _abscissae(knots: np.ndarray) -> np.ndarray:
    """The B-spline coefficients of f(y) = y (Greville): means of `DEGREE` knots after the first."""
    inner = np.lib.stride_tricks.sliding_window_view(knots[1:-1], DEGREE)
    return np.asarray(inner.mean(axis=1))
