r"""The pass without flow: the model is the same for all angles, and only the data differ.

The columns of the model, :math:`V = [1, f, f \Delta E_a]`, are computed once per row of the triangle; what is left for
an angle is a product of its data with them. Each row is a matrix product too small for threads of BLAS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.packing import row_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.xpcs.curves import Curves

# Angles x columns at a time: a product with 15 columns is below the size for which BLAS starts threads.
_ENTRIES = 12288


def static_gram(
    curves: Curves,
    rows: range,
    y: NDArray[np.floating],
    weights: NDArray[np.floating] | None,
    *,
    derivatives: bool,
) -> NDArray[np.float64]:
    """Gram matrices over the pairs of some rows, shape (n_angles, 6, 6) or (n_angles, 3, 3).

    Parameters
    ----------
    curves
        Without flow.
    rows
        Consecutive rows of the triangle.
    y, weights
        Their pairs, shape (n_angles, n_pairs).
    derivatives
        With the columns of the derivatives?
    """
    n_model, n_t = 5 if derivatives else 2, len(curves.decay)
    first, second = np.triu_indices(n_model)
    products = np.zeros((len(y), len(first)))
    with_y, y_with_y = np.zeros((len(y), n_model)), np.zeros(len(y))
    for columns, pairs, i in _pieces(n_t, rows, max(1, _ENTRIES // len(y))):
        V = np.empty((n_model, columns.stop - columns.start))
        V[0] = 1.0
        np.exp(curves.decay[i] - curves.decay[columns], out=V[1])
        if derivatives:
            np.multiply(V[1], curves.decay_slopes[:, columns] - curves.decay_slopes[:, i, None], out=V[2:])
        data = np.asarray(y[:, pairs], dtype=np.float64)
        weighted = data
        if weights is None:
            products += (V @ V.T)[first, second]
        else:
            w = np.asarray(weights[:, pairs], dtype=np.float64)
            weighted = w * data
            products += w @ (V[first] * V[second]).T
        with_y += weighted @ V.T
        y_with_y += np.einsum("kj,kj->k", weighted, data)
    grams = np.empty((len(y), n_model + 1, n_model + 1))
    grams[:, first, second] = grams[:, second, first] = products
    grams[:, :-1, -1] = grams[:, -1, :-1] = with_y
    grams[:, -1, -1] = y_with_y
    return grams


def static_models(curves: Curves, rows: range) -> NDArray[np.float64]:
    """Model f at the pairs of some rows, for any angle."""
    return np.concatenate([np.exp(curves.decay[i] - curves.decay[i + 1 :]) for i in rows])


def _pieces(n_t: int, rows: range, width: int) -> Iterator[tuple[slice, slice, int]]:
    """Return columns, where their pairs are among those of the rows, and their row."""
    for i in rows:
        start = row_start(n_t, i) - row_start(n_t, rows.start) - i - 1
        for low in range(i + 1, n_t, width):
            high = min(low + width, n_t)
            yield slice(low, high), slice(start + low, start + high), i
