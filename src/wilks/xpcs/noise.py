r"""How noisy the folded correlations are, when nobody says.

Along the age, at constant lag, the model is smooth and white noise is not. The second difference

.. math:: d = y_{i,j} - 2 y_{i+1,j+1} + y_{i+2,j+2}, \quad \mathrm{var}\,d = 6 \sigma^2                         (1)

cancels the model up to its curvature from frame to frame, however steep its decay with the lag is. Rows of a triangle
are contiguous in memory and the three values of (1) stand in the same place of three rows, so the rows of some ages are
enough. Pairs of unequal weights are divided by their own :math:`(1/w_i + 4/w_{i+1} + 1/w_{i+2})^{1/2}` in place of
:math:`\sqrt 6`.

The scale of d must not be moved by hot pixels, nor by the few first frames, where the dynamics may change quickly. The
median of :math:`|d|`, 0.6745 standard deviations of a normal distribution, resists both and is imprecise. It serves as
a start: the root mean square of what lies within three standard deviations is taken, divided by 0.98658, that of a
normal distribution cut there, and this once more with the better standard deviation.

Where both halves of the matrix have noise of their own, half of their difference has the standard deviation of their
mean, without any model: a second estimate. Noise that the halves share does not show in it, so it is reported beside
the first and not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.packing import row_slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GIVEN = "given"
GIVEN_PER_VALUE = "given for every value"
ESTIMATED = "estimated from second differences along the age"

_MEDIAN_OF_NORMAL = 0.6744897501960817
# About this many differences determine sigma to 0.7 %, in a small part of the time of folding a million values.
N_DIFFERENCES = 15_000
_CUT = 3.0
_RMS_WITHIN_CUT = 0.986578
_FOR_MEDIAN = 4000


def sigma_along_age(y: NDArray[np.floating], weights: NDArray[np.floating] | None, n_t: int) -> float:
    """Standard deviation of a folded pair of weight 1 of one angle, by equation (1); NaN if there are too few pairs.

    Parameters
    ----------
    y, weights
        As one row of `Pairs`.
    n_t
        Number of times.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(1).normal(0, 0.02, 500 * 499 // 2)
    >>> round(sigma_along_age(y, None, 500), 3)
    0.02
    """
    differences = []
    for i in _sampled(n_t - 3, max(1, N_DIFFERENCES * 2 // n_t)):
        rows = [row_slice(i + k, n_t) for k in range(3)]
        n = rows[2].stop - rows[2].start
        first, second, third = (y[row.start : row.start + n] for row in rows)
        difference = np.abs(first - 2 * second + third)
        if weights is None:
            differences.append(difference / np.sqrt(6))
            continue
        a, b, c = (weights[row.start : row.start + n] for row in rows)
        known = (a > 0) & (b > 0) & (c > 0)
        a, b, c = a[known], b[known], c[known]
        differences.append(difference[known] / np.sqrt(1 / a + 4 / b + 1 / c))
    return _scale(differences)


def sigma_of_halves(matrix: NDArray[np.floating]) -> float:
    """Standard deviation of the mean of two halves with independent noise, from their difference; NaN if none."""
    n_t = len(matrix)
    differences = []
    for i in _sampled(n_t - 2, max(1, N_DIFFERENCES * 2 // n_t)):
        with np.errstate(invalid="ignore"):
            difference = np.abs(matrix[i, i + 1 :] - matrix[i + 1 :, i]) / 2
        differences.append(difference[np.isfinite(difference)])
    return _scale(differences)


def _sampled(last: int, count: int) -> list[int]:
    """Indices 0 ... `last`, or `count` of them evenly spread."""
    return sorted({round(i) for i in np.linspace(0, last, min(count, last + 1)).tolist()}) if last >= 0 else []


def _scale(differences: Sequence[NDArray[np.floating]]) -> float:
    every = np.concatenate(differences) if differences else np.empty(0)
    if not len(every):
        return float("nan")
    scale = float(np.median(every[:: max(1, len(every) // _FOR_MEDIAN)])) / _MEDIAN_OF_NORMAL
    for _ in range(2):
        within = every[every <= _CUT * scale]
        scale = float(np.sqrt(np.square(within, dtype=np.float64).mean())) / _RMS_WITHIN_CUT
    return scale
