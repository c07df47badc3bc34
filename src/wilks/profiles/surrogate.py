r"""A local polynomial through what is known around many cells at once: where their argmax is, and how high.

For one branch and a cell c, the k nearest solutions of the branch (k = 4, 16, 40 in one, two, three dimensions) are
fitted by polynomials of total degree q in the steps from the cell, as high as their number allows and at most 3, by
least squares with weights

.. math:: w = 1 / (r^2 + 0.3)                                                                                  (1)

r the distance in spacings of the coarser lattice. Since only the value at the cell itself is wanted, a fit is a fixed
combination of the neighbours, which depends on their pattern alone: cells with the same pattern are one product of
matrices. Solutions that were themselves accepted on the strength of such a fit on the same lattice are left out: they
know nothing of their own of the argmax, and an error would drift from cell to cell.

A second fit of the same degree to about twice as many solutions is worse by more than the first is wrong (a second
fit of a lower degree would not do: on a symmetric pattern it has the same value in the middle). With B the curvature
of the nearest solution, their differences give

.. math:: unc = 0.3 |L - L'| + residual, \qquad loss = \tfrac12 (v - v')^T B (v - v')                          (2)

the uncertainty of the value and the log-likelihood lost by an argmax that is wrong by the difference. Where there are
too few solutions for a second fit, one of a lower degree that differs takes its place.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.profiles.grid import ProfileGrid
    from wilks.profiles.records import Records

_NARROW = {1: 4, 2: 16}
_WIDE = {1: 6, 2: 30}
_NARROW_MORE, _WIDE_MORE = 40, 80
_ENOUGH_MORE = 1.3  # solutions of the second fit, against those of the first
_REACH = {1: 8, 2: 5}
_REACH_MORE = 3
_HIGHEST = 3
_RANK = 1e-4
_DIFFERENT = 1e-6


@dataclass(frozen=True)
class Fits:
    """Fits of one branch, one row per cell.

    Attributes
    ----------
    known
        Could two fits be made? The rest holds only where this is true.
    arguments
        Argmax, inside the unit box, shape (cells, m).
    values, uncertainties, losses
        Log-likelihood, its uncertainty and the loss (2), shape (cells,).
    nearest
        Row of the nearest solution, -1 without any.
    """

    known: NDArray[np.bool_]
    arguments: NDArray[np.float64]
    values: NDArray[np.float64]
    uncertainties: NDArray[np.float64]
    losses: NDArray[np.float64]
    nearest: NDArray[np.int64]


def fit_rows(
    grid: ProfileGrid,
    records: Records,
    rows: NDArray[np.int64],
    cells: NDArray[np.int64],
    spacing: int,
) -> Fits:
    """Fit one branch around each of `cells`, through those of its rows that lie on the lattice and near by."""
    steps = tuple(0 if fixed else s for fixed, s in zip(grid.stepwise, grid.strides(spacing), strict=True))
    table = np.full(grid.n_cells, -1, dtype=np.int64)
    table[records.cells[rows]] = rows
    return _fit_cells(grid, records, table, cells, steps)


def _fit_cells(
    grid: ProfileGrid,
    records: Records,
    table: NDArray[np.int64],
    cells: NDArray[np.int64],
    steps: tuple[int, ...],
) -> Fits:
    offsets = _offsets(steps)
    rows = _rows_at(grid, table, cells, offsets)
    n, m = len(cells), records.m
    there = rows >= 0
    most = _WIDE.get(_n_ordered(steps), _WIDE_MORE)
    there &= np.cumsum(there, axis=1) <= most
    fits = Fits(
        np.zeros(n, dtype=bool),
        np.zeros((n, m)),
        np.full(n, np.nan),
        np.full(n, np.inf),
        np.full(n, np.inf),
        np.full(n, -1, dtype=np.int64),
    )
    if not len(offsets):  # no axis has an order
        return fits
    fits.nearest[:] = np.where(there.any(axis=1), rows[np.arange(n), there.argmax(axis=1)], -1)
    patterns, group = np.unique(np.packbits(there, axis=1), axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        which = np.flatnonzero(group == number)
        _fit_pattern(records, fits, (which, rows[which][:, there[which[0]]]), pattern.tobytes(), steps)
    return fits


def _fit_pattern(
    records: Records,
    fits: Fits,
    group: tuple[NDArray[np.int64], NDArray[np.int64]],
    pattern: bytes,
    steps: tuple[int, ...],
) -> None:
    which, near = group
    weights = _coefficients(pattern, steps)
    if weights is None:
        return
    first, second, spread = weights
    values, aims = records.estimates[near], records.aims[near]
    found = values @ first
    arguments = np.einsum("k,nkm->nm", first, aims)
    change = arguments - np.einsum("k,nkm->nm", second, aims)
    residual = np.sqrt(np.mean((values @ spread) ** 2, axis=1))
    curvatures = records.curvatures[fits.nearest[which]]
    fits.known[which] = True
    fits.arguments[which] = np.clip(arguments, 0.0, 1.0)
    fits.values[which] = found
    fits.uncertainties[which] = 0.3 * np.abs(found - values @ second) + residual
    fits.losses[which] = 0.5 * np.einsum("ni,nij,nj->n", change, curvatures, change)


def _n_ordered(steps: tuple[int, ...]) -> int:
    return sum(step > 0 for step in steps)


@lru_cache(maxsize=64)
def _offsets(steps: tuple[int, ...]) -> NDArray[np.int64]:
    """Offsets of the lattice positions around a cell, the nearest first, without the cell itself."""
    reach = _REACH.get(_n_ordered(steps), _REACH_MORE)
    ranges = [range(-reach, reach + 1) if step else range(1) for step in steps]
    every = np.array(list(itertools.product(*ranges)), dtype=np.int64).reshape(-1, len(steps))
    order = np.argsort((every**2).sum(axis=1), kind="stable")[1:]
    found: NDArray[np.int64] = every[order] * np.array(steps, dtype=np.int64)
    return found


def _rows_at(
    grid: ProfileGrid, table: NDArray[np.int64], cells: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rows of the branch at the offsets from each cell, -1 where it has none or the grid has ended."""
    shape = np.array(grid.shape)
    positions = grid.indices[cells][:, None, :] + offsets
    inside = ((positions >= 0) & (positions < shape)).all(axis=2)
    factors = np.concatenate([np.cumprod(shape[::-1])[-2::-1], [1]]).astype(np.int64)
    flat = np.where(inside, positions @ factors, 0)
    found: NDArray[np.int64] = np.where(inside, table[flat], -1)
    return found


@lru_cache(maxsize=20_000)  # the same patterns come again and again
def _coefficients(
    pattern: bytes, steps: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Coefficients of the neighbours in the two fits, and the matrix that gives the residuals of the first.

    None where their number or their places do not suffice for a parabola and another fit.
    """
    design, weights, terms = _monomials(steps)
    bits = np.unpackbits(np.frombuffer(pattern, dtype=np.uint8))[: len(weights)].astype(bool)
    design, weights = design[bits], weights[bits]
    n = min(len(weights), _NARROW.get(_n_ordered(steps), _NARROW_MORE))
    degree, first = next(
        ((q, fit) for q in range(_HIGHEST, 1, -1) if (fit := _fit(design[:n, : terms[q]], weights[:n])) is not None),
        (0, None),
    )
    if first is None:
        return None
    coefficients = np.pad(first[0], (0, len(weights) - n))
    others: Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]] = (
        (design[:n, : terms[q]], weights[:n]) for q in range(degree - 1, 0, -1)
    )
    if len(weights) >= _ENOUGH_MORE * n:
        others = itertools.chain([(design[:, : terms[degree]], weights)], others)
    for other in others:
        fit = _fit(*other)
        if fit is not None:
            second = np.pad(fit[0], (0, len(weights) - len(fit[0])))
            if float(np.abs(second - coefficients).max()) > _DIFFERENT:
                basis = first[1]
                spread = np.zeros((len(weights), n))
                spread[:n] = (np.eye(n) - basis @ basis.T) * weights[:n, None]  # weighted residuals of the values
                return coefficients, second, spread
    return None


def _fit(
    design: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Coefficients that give the value in the middle, and an orthonormal basis of the fits; None if impossible."""
    if len(design) < design.shape[1]:
        return None
    left, singular, right = np.linalg.svd(design, full_matrices=False)
    if singular[-1] < _RANK * singular[0]:
        return None
    found: NDArray[np.float64] = left @ (right[:, 0] / singular) * weights
    return found, left


@lru_cache(maxsize=64)
def _monomials(steps: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, ...]]:
    """Weighted monomials at every offset, the lower degrees first; weights (1); number of terms up to each degree."""
    ordered = [k for k, step in enumerate(steps) if step]
    at = _offsets(steps)[:, ordered] / np.array([2.0 * steps[k] for k in ordered])  # in spacings of the coarser lattice
    weights = np.sqrt(1.0 / ((at**2).sum(axis=1) + 0.3))  # (1)
    columns, terms = [np.ones(len(at))], [1]
    for degree in range(1, _HIGHEST + 1):
        products = itertools.combinations_with_replacement(range(len(ordered)), degree)
        columns += [np.prod(at[:, which], axis=1) for which in products]
        terms.append(len(columns))
    return np.column_stack(columns) * weights[:, None], weights, tuple(terms)
