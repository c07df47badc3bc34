r"""What there is to know of the residuals of one angle, in sums that are small and can be added up over angles.

With the residuals :math:`r_{ij}` (in units of sigma) of the pairs :math:`i < j` that the fit used, these are power
sums, counts in classes, sums of squares at every lag :math:`j - i`, and the products at shifts (a, b) of both times,

.. math:: P_{ab} = \sum_{ij} r_{ij} \, r_{i+a,\,j+b}, \quad N_{ab} = \text{number of these products}              (1)

Both are correlations of a matrix with itself (of r with zeros where nothing is known, and of ones and zeros), so all
shifts up to K follow from one Fourier transform each, of matrices padded by K zeros so that no product wraps around
(Wiener and Khinchin). A pair and its mirror image are one measurement: only one half of the matrix takes part.

Shifts along the age at fixed lag are (s, s), along the lag (0, s) and (s, 0): the later or the earlier time moves and
the other frame is shared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wilks.xpcs.packing import pair_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CLASSES = np.linspace(-8.0, 8.0, 65)
"""Edges of the classes that residuals are counted in; what lies beyond is counted in the outermost."""
TAILS = (3.0, 5.0)
"""Residuals whose size is beyond these are counted."""
MAX_SHIFT = 40
EXPECTED_BEYOND = (0.0026997960632601866, 5.733031437583869e-07)
"""Fractions of normal noise beyond `TAILS`."""
Direction = Literal["age", "lag"]
_PART = 4
"""Shifts go up to a quarter of the frames: beyond it there are few products."""


@dataclass(frozen=True, eq=False)
class ResidualSums:
    r"""Sums over the residuals of some angles.

    Attributes
    ----------
    n
        Number of residuals.
    powers
        Sums of the first four powers, shape (4,).
    tails
        Number of residuals beyond each of `TAILS` on either side.
    counts
        Number in each of the `CLASSES`.
    squares, n_squares
        Sum of squares at every lag, from 1 frame to n_t - 1, and their number, shape (n_t - 1,).
    products, n_products
        :math:`P_{ab} / \overline{r^2}` and :math:`N_{ab}` of equation (1) for a = 0 ... K and b = -K ... K, shape
        (K + 1, 2 K + 1): products over the mean square of the angle, so that a sigma that is off in one angle does
        not make its products count more.
    """

    n: int
    powers: NDArray[np.float64]
    tails: NDArray[np.int64]
    counts: NDArray[np.int64]
    squares: NDArray[np.float64]
    n_squares: NDArray[np.int64]
    products: NDArray[np.float64]
    n_products: NDArray[np.float64]

    @property
    def max_shift(self) -> int:
        """Largest shift K."""
        return len(self.products) - 1

    @property
    def mean(self) -> float:
        """Mean, 0 for noise around the right model."""
        return self._moment(0)

    @property
    def chi_squared(self) -> float:
        """Sum of the squares."""
        return float(self.powers[1])

    @property
    def standard_deviation(self) -> float:
        """Standard deviation, 1 where sigma is right."""
        return math.sqrt(max(self._moment(1) - self.mean**2, 0.0)) if self.n else math.nan

    @property
    def bulk_deviation(self) -> float:
        """Standard deviation of the normal distribution with as many values between -1 and 1: blind to outliers."""
        from scipy.special import ndtri  # noqa: PLC0415 - scipy loads on use

        if not self.n:
            return math.nan
        within = self.counts[(CLASSES[:-1] >= -1) & (CLASSES[1:] <= 1)].sum() / self.n
        return 1 / float(ndtri((1 + np.clip(within, 0.5 / self.n, 1 - 0.5 / self.n)) / 2))

    @property
    def skewness(self) -> float:
        """Third central moment over the cube of the standard deviation, 0 for normal noise."""
        mean, width = self.mean, self.standard_deviation
        central = self._moment(2) - 3 * mean * self._moment(1) + 2 * mean**3
        return central / width**3 if width > 0 else math.nan

    @property
    def excess_kurtosis(self) -> float:
        """Fourth central moment over the fourth power of the standard deviation, minus 3: 0 for normal noise."""
        mean, width = self.mean, self.standard_deviation
        central = self._moment(3) - 4 * mean * self._moment(2) + 6 * mean**2 * self._moment(1) - 3 * mean**4
        return central / width**4 - 3 if width > 0 else math.nan

    @property
    def beyond(self) -> tuple[float, float]:
        """Fractions of the residuals beyond 3 and beyond 5; `EXPECTED_BEYOND` is what normal noise has."""
        three, five = (self.tails / self.n if self.n else np.full(2, math.nan)).tolist()
        return three, five

    @property
    def mean_squares(self) -> NDArray[np.float64]:
        """Chi-squared per pair at every lag from 1 frame on, shape (n_t - 1,); NaN where there is no pair."""
        unknown = np.full(len(self.squares), math.nan)
        return np.asarray(np.divide(self.squares, self.n_squares, out=unknown, where=self.n_squares > 0))

    def along(self, direction: Direction) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        r"""Autocorrelation at shifts 1 ... K along ``"age"`` or ``"lag"``, and its standard error for white noise.

        Products of two different pairs have the mean 0 and the variance 1 then, and no two of them are correlated:
        the standard error is :math:`N^{-1/2}`, the number of products whatever their distribution. NaN and infinite
        where there is no product.
        """
        k = self.max_shift
        shifts = np.arange(1, k + 1)
        if direction == "age":
            products, n = self.products[shifts, k + shifts], self.n_products[shifts, k + shifts]
        else:
            products = self.products[0, k + shifts] + self.products[shifts, k]
            n = self.n_products[0, k + shifts] + self.n_products[shifts, k]
        with np.errstate(invalid="ignore", divide="ignore"):
            return products / n, 1 / np.sqrt(n)

    def _moment(self, power: int) -> float:
        return float(self.powers[power]) / self.n if self.n else math.nan


def residual_sums(residual: NDArray[np.float64]) -> ResidualSums:
    """Return the sums over one angle.

    Parameters
    ----------
    residual
        Standardised residuals, shape (n_t, n_t), NaN where the fit used nothing; only what is above the diagonal is
        looked at.

    Examples
    --------
    >>> import numpy as np
    >>> sums = residual_sums(np.random.default_rng(1).normal(size=(200, 200)))
    >>> sums.n, sums.max_shift
    (19900, 40)
    >>> correlation, error = sums.along("age")
    >>> bool((np.abs(correlation) < 4 * error).all())
    True
    """
    n_t = len(residual)
    known = np.triu(np.isfinite(residual), 1)
    values = residual[known]
    squares = np.square(values)
    clipped = np.clip(values, CLASSES[0], CLASSES[-1])
    filled = np.where(known, residual, 0.0)
    of_lag = by_age_and_lag(np.square(filled)).sum(axis=0)
    k = max(1, min(MAX_SHIFT, n_t // _PART))
    mean_square = float(squares.mean()) if len(values) and squares.any() else 1.0
    return ResidualSums(
        n=len(values),
        powers=np.array([values.sum(), squares.sum(), squares @ values, squares @ squares]),
        tails=np.array([int((squares > limit**2).sum()) for limit in TAILS]),
        counts=np.histogram(clipped, CLASSES)[0],
        squares=of_lag[1:n_t],
        n_squares=by_age_and_lag(known).sum(axis=0)[1:n_t],
        products=_products(filled, k) / mean_square,
        n_products=_complete(n_t, k) if len(values) == pair_count(n_t) else np.rint(_products(known, k)),
    )


def joined(parts: Sequence[ResidualSums]) -> ResidualSums:
    """Return the sums over several angles of one measurement."""
    names = ("powers", "tails", "counts", "squares", "n_squares", "products", "n_products")
    return ResidualSums(
        sum(part.n for part in parts), *(np.sum([getattr(part, name) for part in parts], axis=0) for name in names)
    )


def first_lags(n_t: int, n: int) -> NDArray[np.intp]:
    """First lags, in frames, of at most n classes of about the same width on a logarithmic scale.

    Examples
    --------
    >>> first_lags(10, 3).tolist()
    [1, 2, 4]
    """
    return np.unique(np.geomspace(1, n_t, n + 1).astype(int))[:-1]


def by_age_and_lag(matrix: NDArray[Any]) -> NDArray[Any]:
    """Bring the pairs (i, i + l) of row i to column l, shape (n_t, n_t + 1); zero where there is no such pair.

    Parameters
    ----------
    matrix
        Shape (n_t, n_t), zero below the diagonal.

    Examples
    --------
    >>> import numpy as np
    >>> by_age_and_lag(np.array([[1, 2, 3], [0, 4, 5], [0, 0, 6]]))
    array([[1, 2, 3, 0],
           [4, 5, 0, 0],
           [6, 0, 0, 0]])
    """
    # Entry (i, i + l) is number i (n_t + 1) + l of the flat matrix: rows one longer begin at the diagonal.
    n_t = len(matrix)
    return np.append(matrix, np.zeros(n_t, matrix.dtype)).reshape(n_t, n_t + 1)


@lru_cache(maxsize=4)
def _complete(n_t: int, k: int) -> NDArray[np.float64]:
    """Numbers of products where all pairs are known."""
    return np.rint(_products(np.tri(n_t, k=-1).T, k))


def _products(matrix: NDArray[Any], k: int) -> NDArray[np.float64]:
    """Equation (1) for shifts up to k, shape (k + 1, 2 k + 1)."""
    from scipy import fft  # noqa: PLC0415 - scipy loads on use

    # Single precision loses 1e-7 of the sum of squares, far less than the noise of any sum of products.
    size = fft.next_fast_len(len(matrix) + k, real=True)
    transform = fft.rfft2(matrix.astype(np.float32), (size, size))
    power = np.square(transform.real) + np.square(transform.imag)
    rows = fft.irfft(fft.ifft(power, axis=0)[: k + 1], size, axis=1)
    return np.asarray(rows[:, np.arange(-k, k + 1)], dtype=np.float64)
