r"""Triangular factor of a tall matrix whose rows arrive piece by piece.

With A cut into blocks of rows and their factors :math:`A_b = Q_b R_b`,

.. math:: A = \mbox{diag}(Q_1, Q_2, \dots) \begin{pmatrix} R_1 \\ R_2 \\ \vdots \end{pmatrix}, \quad
          \begin{pmatrix} R_1 \\ R_2 \\ \vdots \end{pmatrix} = Q R                                              (1)

so R, the triangular factor of the stacked small factors, is one of A (Demmel, Grigori, Hoemmen and Langou 2012): only
R is kept, whatever the number of rows. It has the sums of squares and products of A, :math:`R^T R = A^T A`, and was
made by orthogonal transformations alone. So the solution of a least-squares problem keeps the digits that the condition
number :math:`\kappa` leaves, which the product :math:`A^T A` with its :math:`\kappa^2` would not.

Blocks are small enough for the cache of a core, and for LAPACK to stay on one: its threads cost more than they bring
on matrices with few columns.

Most matrices that arrive in one very tall piece need no Householder vectors for all of their rows. Of a sample of rows
(every k-th), with its columns divided by their sizes N and decomposed as :math:`S N^{-1} = U \Sigma V^T`,

.. math:: Y = N^{-1} V \Sigma^{-1}, \quad B = A Y, \quad B^T B = C^T C, \quad R = \mbox{qr}(C \Sigma V^T N)       (2)

where :math:`\Sigma V^T N` is the inverse of Y. Where the sample speaks for all rows, the columns of B are nearly
orthogonal, and :math:`B^T B` has no digits to lose: its condition number has to be below 100. Otherwise, with columns
that lack rank or a few rows that have all the weight, the rows are reflected as above. That B is rounded does no harm.
The errors of the product, :math:`u |A| |Y|` with the unit of rounding u, amount to errors of A of the size

.. math:: u |A| |Y| |Y^{-1}| = u |A| N^{-1} |V| |V^T| N                                                         (3)

which is a few units in the size of each column, whatever the condition number of A, as it is with (1). The inverse of
a triangular factor in the place of Y has no such bound: its errors grow with the condition of the leading columns.

Reference: J. Demmel, L. Grigori, M. Hoemmen, J. Langou, Communication-optimal parallel and sequential QR and LU
factorizations, SIAM J. Sci. Comput. 34 (2012) A206. For (2): Y. Fan, Y. Guo, T. Lin, A novel randomized XR-based
preconditioned CholeskyQR algorithm, arXiv:2111.11148 (2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BLOCK = 6000  # numbers in a block: 48 kB, below the size from which OpenBLAS starts threads
_TALL = 4  # rows of a block, at least, in units of the columns: a square block is all factor
_TOGETHER = 16  # blocks in one call, which costs as much as factorising one of them
_VERY_TALL, _WIDE = 1000, 8  # where (2) pays: rows in units of the columns, and columns
_SAMPLE = 40  # rows in units of the columns
_RANK = 1e-13
_TRUSTED = 100.0
_UNTHREADED = 250_000  # multiplications in a product, below the number from which OpenBLAS starts threads


class RowFactor:
    """Upper triangular factor of all rows seen so far; rows are finite, which the caller checks.

    Parameters
    ----------
    n_columns
        Number of columns, at least one.

    Attributes
    ----------
    n_rows
        Number of rows seen.

    Examples
    --------
    >>> factor = RowFactor(2)
    >>> for chunk in np.arange(12.0).reshape(3, 2, 2):
    ...     factor.add(chunk)
    >>> triangle = factor.rows()
    >>> triangle.shape, (triangle.T @ triangle).round(9).tolist()
    ((2, 2), [[220.0, 250.0], [250.0, 286.0]])
    """

    def __init__(self, n_columns: int) -> None:
        if n_columns < 1:
            raise ValueError(f"RowFactor: expected at least one column, got {n_columns}")
        self.n_columns = n_columns
        self.n_rows = 0
        self._block = max(_BLOCK // n_columns, _TALL * n_columns)
        self._waiting: list[NDArray[np.float64]] = []
        self._n_waiting = 0

    def add(self, *columns: NDArray[np.float64]) -> None:
        """Take rows, shape (n, n_columns), into account; they are not changed.

        They may be given as several matrices side by side, which are put together block by block.

        Raises
        ------
        ValueError
            If the shape is another one.
        """
        shapes = [part.shape for part in columns]
        n = shapes[0][0] if shapes and shapes[0] else 0
        if any(len(shape) != 2 or shape[0] != n for shape in shapes) or sum(s[1] for s in shapes) != self.n_columns:
            got = " and ".join(map(str, shapes))
            raise ValueError(f"RowFactor: expected rows of shape (n, {self.n_columns}), got {got or 'nothing'}")
        self.n_rows += n
        if n >= _VERY_TALL * self.n_columns and self.n_columns >= _WIDE:
            triangle = _preconditioned(columns, n, self.n_columns)
            if triangle is not None:
                self._wait(triangle)
                return
        n_whole = n // self._block * self._block
        for start in range(0, n_whole, _TOGETHER * self._block):
            part = _side_by_side(columns, start, min(start + _TOGETHER * self._block, n_whole))
            self._wait(np.asarray(np.linalg.qr(part.reshape(-1, self._block, self.n_columns), mode="r")))
        if n_whole < n:
            self._wait(np.array(_side_by_side(columns, n_whole, n), dtype=float))

    def rows(self) -> NDArray[np.float64]:
        """Return R, upper triangular with as many rows as columns, or as there were rows if these are fewer."""
        if not self._waiting:
            return np.empty((0, self.n_columns))
        reduced = np.asarray(np.linalg.qr(np.concatenate(self._waiting), mode="r"))
        self._waiting, self._n_waiting = [reduced], len(reduced)
        return reduced.copy()

    def _wait(self, rows: NDArray[np.float64]) -> None:
        """Keep rows until there are enough for a block; R alone stays of that (1)."""
        self._waiting.append(rows.reshape(-1, self.n_columns))
        self._n_waiting += len(self._waiting[-1])
        if self._n_waiting >= self._block:
            self.rows()


def _side_by_side(columns: Sequence[NDArray[np.float64]], start: int, stop: int) -> NDArray[np.float64]:
    """Rows from `start` to `stop` of matrices side by side; not necessarily a copy."""
    parts = [part[start:stop] for part in columns]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _preconditioned(columns: Sequence[NDArray[np.float64]], n: int, m: int) -> NDArray[np.float64] | None:
    """Triangular factor by (2); None where the sample does not speak for all rows."""
    step = n // (_SAMPLE * m)
    sample = np.linalg.qr(np.concatenate([part[::step] for part in columns], axis=1), mode="r")
    sizes = np.abs(sample).max(axis=0)
    if not (np.isfinite(sizes) & (sizes > 0.0)).all():
        return None
    _, values, axes = np.linalg.svd(sample / sizes)
    if not values[-1] > _RANK * values[0]:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # where a row is beyond all that the sample has
        gram = _gram(columns, n, (axes / values[:, None]) / sizes)
    if not np.isfinite(gram).all():
        return None
    spread = np.linalg.eigvalsh(gram)
    if not _TRUSTED * spread[0] > spread[-1]:
        return None
    return np.asarray(np.linalg.qr(np.linalg.cholesky(gram).T @ (values[:, None] * axes * sizes), mode="r"))


def _gram(columns: Sequence[NDArray[np.float64]], n: int, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """B'B of B = A Y, from Y transposed; A is put together block by block, its columns one after another."""
    m = len(right)
    size = max(_TALL * m, _UNTHREADED // m**2)
    block, product, gram = np.empty((m, size)), np.empty((m, size)), np.zeros((m, m))
    for start in range(0, n, size):
        stop = min(start + size, n)
        first = 0
        for part in columns:
            block[first : first + part.shape[1], : stop - start] = part[start:stop].T
            first += part.shape[1]
        rows = np.matmul(right, block[:, : stop - start], out=product[:, : stop - start])
        gram += rows @ rows.T
    return gram
