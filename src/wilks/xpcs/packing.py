"""Where a pair of times is kept: the strict upper triangle of a matrix, row by row, as one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def pair_count(n_t: int) -> int:
    """Return the number of pairs of `n_t` times."""
    return n_t * (n_t - 1) // 2


def row_start(n_t: int, i: int) -> int:
    """Return where the row i begins: the pairs (i, i + 1) ... (i, n_t - 1)."""
    return i * n_t - i * (i + 1) // 2


def row_slice(i: int, n_t: int) -> slice:
    """Where the pairs (i, i + 1) ... (i, n_t - 1) are.

    Examples
    --------
    >>> row_slice(1, 4)
    slice(3, 5, None)
    """
    start = row_start(n_t, i)
    return slice(start, start + n_t - 1 - i)


def pair_index(i: NDArray[np.intp], j: NDArray[np.intp], n_t: int) -> NDArray[np.intp]:
    """Where the pairs (i, j) are, for arrays of indices i < j."""
    index: NDArray[np.intp] = i * n_t - i * (i + 1) // 2 + (j - i - 1)
    return index
