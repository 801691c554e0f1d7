"""The statistic of one contrast under many rearrangements, at many voxels.

Rearranged data are never formed. With errors ``E = R_Z Y``, ``R_Z`` taking the nuisance out, the method of
Freedman and Lane regresses ``P E`` on the whole model, for every rearrangement ``P``. Its statistic needs the
products of ``P E`` with orthonormal directions of the model, ``Q' P R_Z Y``, and its total sum of squares,
which ``P`` does not change. The left factors ``Q' P R_Z`` of many rearrangements are the rows of one matrix,
so that a batch of them is one matrix product, which reads the data once.

Results are the same to the bit for any number of threads and any choice of rearrangements: products always
have the same shape and are each computed by one thread, a rearrangement always has the same row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.permutation.partition import Partition, Reference
from bids_brainage.statistics.permutation.rearrangements import Rearrangement
from bids_brainage.statistics.permutation.voxel_blocks import each_block

#: Rearrangements whose statistics are one matrix product.
BATCH = 128
# A sum of squares below this share of another is rounding.
_NOTHING = 1e-22


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is known of the data before anything is rearranged.

    Attributes
    ----------
    observed : ndarray of float32, shape (voxels,)
        The statistic of the data as they are.
    total : ndarray of float64, shape (voxels,)
        Sum of squares without the nuisance; infinite where nothing can be tested, which makes statistics 0.
    shift : ndarray of float32, shape (voxels,), or None
        A value near each voxel's mean, if the model holds a constant that takes it away again.
    """

    observed: np.ndarray
    total: np.ndarray
    shift: np.ndarray | None

    @property
    def tested(self) -> np.ndarray:
        """Voxels (bool) that vary and that the model does not fit perfectly."""
        return np.isfinite(self.total)


def check_finite(data: np.ndarray) -> None:
    """Refuse data that hold NaN or infinite values.

    Parameters
    ----------
    data : ndarray, shape (n, voxels)

    Raises
    ------
    InputError
        It says which observations (counted from 1) they are in.
    """
    bad = [row for row in range(len(data)) if not np.isfinite(data[row]).all()]
    if bad:
        rows = ", ".join(str(row + 1) for row in bad[:10]) + (", ..." if len(bad) > 10 else "")
        raise InputError(messages.DATA_NOT_FINITE.format(rows=rows, n=len(data)))


def prepare(data: np.ndarray, part: Partition, threads: int = 1) -> Prepared:
    """Go through the data once: the observed statistic, in double precision, and what all others need.

    Voxels that are constant, that the nuisance explains entirely, or that the model fits without any error
    are not tested: their statistic is 0, observed and rearranged.

    Parameters
    ----------
    data : ndarray of float32, shape (n, voxels)
        May be a memory map; it is read in blocks.
    part : Partition
    threads : int

    Raises
    ------
    InputError
        The data have another number of observations than the design, or are not finite.
    """
    if len(data) != len(part.effect):
        raise InputError(messages.DATA_LENGTH.format(n=len(data), design=len(part.effect)))
    voxels = data.shape[1]
    observed, total = np.zeros(voxels, dtype=np.float32), np.empty(voxels)
    constant = _holds_constant(part.nuisance)
    shift = np.empty(voxels, dtype=np.float32) if constant else None

    def block(where: slice) -> None:
        values = data[:, where].astype(np.float64)
        if shift is not None:
            mean = values.mean(axis=0)
            shift[where] = mean
            values -= mean
        scale = _squares(values)
        values -= part.nuisance @ (part.nuisance.T @ values)
        whole = _squares(values)
        products = part.effect.T @ values
        values -= part.effect @ products
        rest = _squares(values)
        varies = (data[1:, where] != data[0, where]).any(axis=0)
        tested = varies & (whole > _NOTHING * scale) & (rest > _NOTHING * whole)
        limited = np.where(tested, whole, np.inf)
        observed[where] = _statistic(products[None], rest[None], limited, part.reference)[0]
        total[where] = np.where(np.isfinite(scale), limited, np.nan)

    def quietly(where: slice) -> None:
        # Infinite values are refused below, in a sentence.
        with np.errstate(invalid="ignore"):
            block(where)

    each_block(quietly, data.shape, threads)
    if np.isnan(total).any():
        check_finite(data)
    return Prepared(observed, total, shift)


@dataclass(frozen=True, eq=False)
class FreedmanLane:
    """Statistics of rearranged data.

    Attributes
    ----------
    data : ndarray of float32, shape (n, voxels)
    part : Partition
    prepared : Prepared
    orbits : ndarray of int, shape (n,), or None
        What :class:`Rearrangements` tells of it.
    exact : bool
        In double precision. Needed if rearrangements may be close to the first, as they are if there are
        few: the error sum of squares is then a small difference of large numbers.
    """

    data: np.ndarray
    part: Partition
    prepared: Prepared
    orbits: np.ndarray | None
    exact: bool

    def __call__(self, batch: Mapping[int, Rearrangement], threads: int = 1) -> np.ndarray:
        """The statistics of a batch.

        Parameters
        ----------
        batch : mapping of int to Rearrangement
            Each with its row, from 0 to ``BATCH - 1``.
        threads : int

        Returns
        -------
        ndarray of float32, shape (BATCH, voxels)
            Rows that are not in the batch are zero.
        """
        precision: Any = np.float64 if self.exact else np.float32
        model = np.hstack([self.part.effect, moving(self.part.nuisance, self.orbits)])
        left: np.ndarray = self._left(batch, model).astype(precision)
        effects = self.part.effect.shape[1]
        statistics = np.empty((BATCH, self.data.shape[1]), dtype=np.float32)
        total, shift = self.prepared.total, self.prepared.shift

        def block(where: slice) -> None:
            values: np.ndarray = np.asarray(self.data[:, where], dtype=precision)
            if shift is not None:
                values = values - shift[where]
            products = (left @ values).reshape(BATCH, model.shape[1], -1)
            whole = total[where].astype(precision)
            rest = whole - np.einsum("bkv,bkv->bv", products, products)
            statistics[:, where] = _statistic(products[:, :effects], rest, whole, self.part.reference)

        each_block(block, self.data.shape, threads)
        return statistics

    def _left(self, batch: Mapping[int, Rearrangement], model: np.ndarray) -> np.ndarray:
        """``Q' P R_Z`` of each, one below the other."""
        left = np.zeros((BATCH, model.shape[1], len(model)), dtype=np.float64)
        nuisance = self.part.nuisance
        for row, rearrangement in batch.items():
            columns = rearrangement(model)
            left[row] = (columns - nuisance @ (nuisance.T @ columns)).T
        return left.reshape(BATCH * model.shape[1], len(model))


def moving(nuisance: np.ndarray, orbits: np.ndarray | None) -> np.ndarray:
    """The directions of the nuisance that exchanges change.

    A direction that is the same for all who may be exchanged has no product with errors that it was taken
    out of, however they are exchanged: the constant, for one, or the levels of people in a paired design.

    Parameters
    ----------
    nuisance : ndarray, shape (n, r)
        Orthonormal.
    orbits : ndarray of int, shape (n,), or None
        Who may be exchanged with whom; None if signs change too, which leaves no direction unchanged.

    Returns
    -------
    ndarray, shape (n, at most r)
    """
    if orbits is None or not nuisance.shape[1]:
        return nuisance
    sizes = np.bincount(orbits)
    means = np.stack([np.bincount(orbits, column) / np.maximum(sizes, 1) for column in nuisance.T], axis=1)
    _, singular, right = np.linalg.svd(nuisance - means[orbits], full_matrices=False)
    return nuisance @ right[singular > 1e-7].T


def _squares(values: np.ndarray) -> np.ndarray:
    """Sums of squares of columns."""
    return np.einsum("nv,nv->v", values, values)


def _statistic(products: np.ndarray, rest: np.ndarray, whole: np.ndarray, reference: Reference) -> np.ndarray:
    """t or F from products with directions of the effect (b, q, v), sums of squares: error (b, v), all (v,).

    An error below what single precision resolves of the whole is not known; without a limit statistics would
    be as large as rounding happens to make them. Where the whole is infinite the statistic is 0.
    """
    rest = np.maximum(rest, np.finfo(np.float32).eps * whole)
    if reference.statistic == "t":
        return products[:, 0] / np.sqrt(rest / reference.error)
    return np.einsum("bkv,bkv->bv", products, products) / (rest * (reference.effect / reference.error))


def _holds_constant(nuisance: np.ndarray) -> bool:
    ones = np.ones(len(nuisance)) / np.sqrt(len(nuisance))
    return bool(np.linalg.norm(ones - nuisance @ (nuisance.T @ ones)) < 1e-7)
