r"""How a correlation matrix was stored: both halves, one of them, or one of them twice.

The correlation of the times :math:`t_1, t_2` is that of :math:`t_2, t_1`. Files keep one half of the matrix, loaders
often mirror it, and a simulation may draw the noise of both halves. The values look alike and differ in what they are
worth: a mirrored pair is one measurement, and a fit that counts it twice reports errors that are too small by
:math:`\sqrt 2`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Storage = Literal["full", "mirrored", "upper", "lower", "dead"]
"""Both halves with noise of their own; both halves with the same values; one half, the other 0 or NaN; nothing."""

_SAMPLED_ROWS = 12
# Halves that were averaged or converted in single precision agree to its rounding; noise is never that small.
_SAME = 1e-6


def storage_of(matrix: NDArray[np.floating]) -> Storage:
    """How `matrix`, shape (n_t, n_t), is stored; its diagonal does not matter.

    A half is absent if all of it is 0 or NaN. Two halves are mirrored if most of the sampled pairs agree: a few
    pixels that were changed in one half only do not make the others independent measurements.

    Examples
    --------
    >>> import numpy as np
    >>> half = np.triu(np.random.default_rng(1).normal(1.2, 0.02, (5, 5)))
    >>> storage_of(half), storage_of(half + half.T)
    ('upper', 'mirrored')
    """
    n_t = len(matrix)
    no_lower = _is_empty(matrix[i, :i] for i in range(n_t - 1, 0, -1))
    no_upper = _is_empty(matrix[i, i + 1 :] for i in range(n_t - 1))
    if no_lower:
        return "dead" if no_upper else "upper"
    if no_upper:
        return "lower"
    return "mirrored" if _mirrored(matrix) else "full"


def _is_empty(rows: Iterable[NDArray[np.floating]]) -> bool:
    return all(not row.any() or bool(((row == 0) | np.isnan(row)).all()) for row in rows)


def _mirrored(matrix: NDArray[np.floating]) -> bool:
    n_t = len(matrix)
    n_known = n_equal = 0
    for i in np.unique(np.linspace(0, n_t - 2, min(_SAMPLED_ROWS, n_t - 1)).astype(int)):
        upper, lower = matrix[i, i + 1 :], matrix[i + 1 :, i]
        # Pixels that are 0 in both halves were not measured, and say nothing.
        known = np.isfinite(upper) & np.isfinite(lower) & ((upper != 0) | (lower != 0))
        upper, lower = upper[known], lower[known]
        n_known += len(upper)
        n_equal += int((np.abs(upper - lower) <= _SAME * np.abs(upper)).sum())
    return 2 * n_equal > n_known


def filled(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return `matrix`, or a copy with both halves if one of them is absent.

    Examples
    --------
    >>> import numpy as np
    >>> filled(np.array([[2.0, 1.3], [0.0, 2.0]]))
    array([[2. , 1.3],
           [1.3, 2. ]])
    """
    storage = storage_of(matrix)
    if storage not in ("upper", "lower"):
        return matrix
    lower = np.tri(len(matrix), k=-1, dtype=bool)
    absent = lower if storage == "upper" else lower.T
    return np.where(absent, matrix.T, matrix)
