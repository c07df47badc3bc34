r"""What to show on the diagonal of a two-time correlation matrix.

On the diagonal a frame is correlated with itself, and the shot noise of the photons is correlated with itself too: the
values lie far above the others and hide them in a picture. A fit never uses them. For display they can be left out, or
replaced by an estimate of :math:`c_2(t, t)` without shot noise from what lies beside them.

With :math:`d_l(k) = c_2(k, k + l)` the values at the lag of l frames, and :math:`v_l(i)` the mean of those whose two
frames lie about the frame i (a lag of 2 has one, :math:`d_2(i - 1)`; lags of 1 and 3 have two),

* neighbours: :math:`v_1(i)`;
* median: the median of :math:`d_1` over the six pairs nearest to i, which outliers do not move;
* interpolated: the straight line through :math:`v_1, v_2, v_3` by least squares, taken at the lag 0; where only two of
  them are known the line through these, and where one is, that one. The first two estimates are those of a lag of one
  frame, and so too low where the correlation decays fast; this one is nearly free of that, and noisier.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Diagonal = Literal["measured", "masked", "neighbours", "median", "interpolated"]
_HALF_WINDOW = 3
"""Pairs at a lag of one frame before and after a frame, of which the median is taken."""
_LAGS = (1, 2, 3)


def with_diagonal(matrix: NDArray[np.float64], diagonal: Diagonal) -> NDArray[np.float64]:
    """Return a symmetric matrix with another diagonal; NaN counts as not measured.

    Parameters
    ----------
    matrix
        Shape (n_t, n_t); it is not changed.
    diagonal
        ``"measured"``: as it is. ``"masked"``: NaN. ``"neighbours"``: the mean of the two values beside it.
        ``"median"``: the median of the six values at a lag of one frame that are nearest. ``"interpolated"``: a
        straight line through the first three lags, taken at lag 0.

    Raises
    ------
    InvalidConfigurationError
        If there is no such choice.

    Examples
    --------
    >>> with_diagonal(np.array([[9.0, 1.3, 1.2], [1.3, 9.0, 1.1], [1.2, 1.1, 9.0]]), "neighbours").diagonal()
    array([1.3, 1.2, 1.1])
    """
    known = get_args(Diagonal)
    if diagonal not in known:
        near = difflib.get_close_matches(str(diagonal), known, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InvalidConfigurationError(
            f"diagonal: expected one of {', '.join(map(repr, known))}, got {diagonal!r}{hint}"
        )
    if diagonal == "measured":
        return matrix
    values = {"masked": _nothing, "neighbours": _neighbours, "median": _median, "interpolated": _line}[diagonal](matrix)
    shown = matrix.copy()
    np.fill_diagonal(shown, values)
    return shown


def _nothing(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(matrix), np.nan)


def _neighbours(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return _centred(matrix, 1)


def _median(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    beyond = np.full(_HALF_WINDOW, np.nan)
    pairs = np.concatenate([beyond, np.diagonal(matrix, 1), beyond])
    # The pairs (i - 3, i - 2) to (i + 2, i + 3) of the frame i; the one before the first frame is padding.
    windows = np.lib.stride_tricks.sliding_window_view(pairs, 2 * _HALF_WINDOW)
    found = np.full(len(matrix), np.nan)
    known = np.isfinite(windows).any(axis=1)
    found[known] = np.nanmedian(windows[known], axis=1)
    return found


def _line(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.array([_centred(matrix, lag) for lag in _LAGS])
    known = np.isfinite(values)
    lags = np.array(_LAGS, dtype=float)[:, None]
    values = np.where(known, values, 0.0)
    n, sum_x, sum_xx = known.sum(axis=0), (lags * known).sum(axis=0), (lags**2 * known).sum(axis=0)
    sum_y, sum_xy = values.sum(axis=0), (lags * values).sum(axis=0)
    found = np.full(len(matrix), np.nan)
    one, more = n == 1, n > 1
    found[one] = sum_y[one]
    determinant = n * sum_xx - sum_x**2
    found[more] = ((sum_xx * sum_y - sum_x * sum_xy)[more]) / determinant[more]
    return found


def _centred(matrix: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Mean of the values at a lag whose two frames lie about each frame, one as near as the other or one further."""
    n = len(matrix)
    pairs = np.diagonal(matrix, lag)
    total, count = np.zeros(n), np.zeros(n)
    for before in {lag // 2, lag - lag // 2}:
        frames = np.arange(before, before + len(pairs))  # the pair (k, k + lag) is about the frame k + before
        known = np.isfinite(pairs)
        total[frames[known]] += pairs[known]
        count[frames[known]] += 1
    return np.asarray(np.divide(total, count, out=np.full(n, np.nan), where=count > 0))
