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

Reference: J. Demmel, L. Grigori, M. Hoemmen, J. Langou, Communication-optimal parallel and sequential QR and LU
factorizations, SIAM J. Sci. Comput. 34 (2012) A206.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 6000  # numbers in a block: 48 kB, below the size from which OpenBLAS starts threads
_TALL = 4  # rows of a block, at least, in units of the columns: a square block is all factor
_TOGETHER = 16  # blocks in one call, which costs as much as factorising one of them


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

    def add(self, rows: NDArray[np.float64]) -> None:
        """Take rows, shape (n, n_columns), into account; they are not changed.

        Raises
        ------
        ValueError
            If the shape is another one.
        """
        if rows.ndim != 2 or rows.shape[1] != self.n_columns:
            raise ValueError(f"RowFactor: expected rows of shape (n, {self.n_columns}), got {rows.shape}")
        self.n_rows += len(rows)
        n_whole = len(rows) // self._block * self._block
        for start in range(0, n_whole, _TOGETHER * self._block):
            part = rows[start : min(start + _TOGETHER * self._block, n_whole)]
            self._wait(np.asarray(np.linalg.qr(part.reshape(-1, self._block, self.n_columns), mode="r")))
        if n_whole < len(rows):
            self._wait(np.array(rows[n_whole:], dtype=float))

    def merge(self, other: RowFactor) -> None:
        """Take all rows that another factor has seen into account."""
        n_rows = self.n_rows + other.n_rows
        self.add(other.rows())
        self.n_rows = n_rows

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
