r"""The two triangles of a matrix, brought together pair by pair.

With the values u (upper) and l (lower) of a pair and their worths :math:`w_u, w_l` (inverse variances, 0 where a value
is not known), the folded value and what it is worth are

.. math:: y = (w_u u + w_l l) / (w_u + w_l)                                                                      (1)

.. math:: w = w_u + w_l \quad \text{(independent halves)}, \qquad w = \max(w_u, w_l) \quad \text{(mirrored)}     (2)

A panel of rows and the columns below it are read together, so that a matrix goes through memory once, and nothing of
its size is made beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.packing import row_slice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.xpcs.storage import Storage

# Rows of a panel: the lines of the columns below stay in the cache until the last row has used them.
_ROWS = 32


def fold_values(matrix: NDArray[np.floating], storage: Storage, out: NDArray[np.floating]) -> None:
    """Write the folded values of `matrix` to `out`, all pairs; what is not finite stays so."""
    n_t = len(matrix)
    buffer = np.empty((_ROWS, n_t), out.dtype)
    for rows, columns in _panels(n_t):
        upper, lower = matrix[rows, columns], matrix[columns, rows].T
        panel = buffer[: len(upper), : upper.shape[1]]
        if storage == "upper":
            panel = upper
        elif storage == "lower":
            panel[:] = lower
        else:
            np.add(upper, lower, out=panel, dtype=out.dtype)
            panel *= 0.5
        _pack(panel, rows, n_t, out)


def fold_weighted(
    matrix: NDArray[np.floating],
    storage: Storage,
    sigma: NDArray[np.floating] | None,
    mask: NDArray[np.bool_] | None,
    out: tuple[NDArray[np.floating], NDArray[np.float64]],
) -> None:
    """Write folded values and their worths to the two arrays of `out`, by equations (1) and (2).

    Without `sigma` a pair that is known as well as it can be is worth 1. A value that is not masked and whose `sigma`
    is not positive gives a worth of NaN.
    """
    n_t = len(matrix)
    whole = 0.5 if sigma is None and storage == "full" else 1.0
    for rows, columns in _panels(n_t):
        upper, lower = matrix[rows, columns], matrix[columns, rows].T
        known = [np.isfinite(upper), np.isfinite(lower)]
        if mask is not None:
            known = [known[0] & mask[rows, columns], known[1] & mask[columns, rows].T]
        if storage == "upper":
            known[1][:] = False
        elif storage == "lower":
            known[0][:] = False
        worths = [each * whole for each in known]
        if sigma is not None:
            worths = [_divided(worths[0], sigma[rows, columns]), _divided(worths[1], sigma[columns, rows].T)]
        total = worths[0] + worths[1]
        parts = [np.where(worth > 0, worth * each, 0.0) for worth, each in zip(worths, (upper, lower), strict=True)]
        panel = np.divide(parts[0] + parts[1], total, out=np.zeros_like(total), where=total > 0)
        _pack(panel, rows, n_t, out[0])
        _pack(np.maximum(*worths) if storage == "mirrored" else total, rows, n_t, out[1])


def _panels(n_t: int) -> Iterator[tuple[slice, slice]]:
    """Rows of each panel, and its columns, from the first of these rows to the last of the matrix."""
    for start in range(0, n_t - 1, _ROWS):
        yield slice(start, min(start + _ROWS, n_t - 1)), slice(start, n_t)


def _pack(panel: NDArray[np.floating], rows: slice, n_t: int, out: NDArray[np.floating]) -> None:
    for k, i in enumerate(range(rows.start, rows.stop)):
        out[row_slice(i, n_t)] = panel[k, k + 1 :]


def _divided(worth: NDArray[np.floating], sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    variance = np.where(sigma > 0, sigma, np.nan).astype(np.float64) ** 2
    return np.where(worth > 0, worth / variance, 0.0)
