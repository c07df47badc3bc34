r"""Pareto-smoothed importance sampling: weights with a tamed tail, and k-hat, which says whether they can be trusted.

The largest M = min(N / 5, 3 sqrt(N)) importance ratios of N are taken for draws from a generalised Pareto distribution
over their threshold u,

.. math:: p(r) = \frac{1}{s} \left(1 + k \frac{r - u}{s}\right)^{-1/k - 1}                                     (1)

and replaced by its quantiles at (i - 1/2) / M, in order (Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25(72)).
The fit is that of Zhang and Stephens 2009 (https://doi.org/10.1198/tech.2009.08017): a mean over the profile
likelihood of b = -k / s on a grid of quantiles,

.. math:: k(b) = \overline{\log(1 - b x)}, \quad
          \ell(b) = n \left[\log(-b / k(b)) - k(b) - 1\right], \quad
          \hat b = \sum_j b_j \, e^{\ell_j} / \sum_j e^{\ell_j}
                                                                                                              (2)

with k drawn towards 1/2 by ten observations, as in the paper of 2024. Moments of the ratios beyond 1/k do not exist;
the average that an estimate is needs far too many draws where k-hat is above min(1 - 1/log10 N, 0.7).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST_IN_TAIL = 5
_PRIOR_WEIGHT, _PRIOR_K = 10.0, 0.5


def smoothed(log_weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Smooth importance weights.

    Parameters
    ----------
    log_weights
        Logarithms of the ratios target / proposal up to a constant, shape (n,); minus infinity where the target is 0.

    Returns
    -------
    array, float
        Log of the smoothed weights, whose sum is 1, and k-hat; infinite where there are too few weights to tell.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_t(3, size=4000)
    >>> weights, k = smoothed(-0.5 * x**2 + 2 * np.log1p(x**2 / 3))
    >>> k < 0.5, round(float(np.exp(weights) @ x**2), 1)
    (True, 1.0)
    """
    ratios = np.asarray(log_weights, dtype=float)
    top = float(np.max(ratios, initial=-math.inf))
    if not math.isfinite(top):
        return np.full(len(ratios), -math.inf), math.inf
    ratios = ratios - top
    n = len(ratios)
    n_tail = min(n // 5, math.ceil(3.0 * math.sqrt(n)))
    k = math.inf
    if n_tail >= _FEWEST_IN_TAIL:
        order = np.argsort(ratios, kind="stable")
        tail, rest = order[-n_tail:], order[-n_tail - 1]
        tail = tail[np.isfinite(ratios[tail])]  # what is impossible stays so
        threshold = max(float(ratios[rest]), math.log(np.finfo(float).tiny))
        excess = np.exp(ratios[tail]) - math.exp(threshold)
        if excess[-1] <= 1e-10 * max(math.exp(threshold), excess[-1]):
            k = -math.inf  # all the largest weights are equal: no tail at all
        elif (excess > 0).sum() >= _FEWEST_IN_TAIL:
            k, scale = pareto_fit(excess)
            if math.isfinite(k):
                quantiles = _quantiles((np.arange(len(tail)) + 0.5) / len(tail), k, scale)
                ratios[tail] = np.minimum(np.log(quantiles + math.exp(threshold)), 0.0)
    return ratios - float(np.logaddexp.reduce(ratios)), k


def pareto_fit(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Shape k and scale of the generalised Pareto distribution of excesses over a threshold, by equation (2).

    Parameters
    ----------
    excess
        Ascending, not negative, shape (n,).
    """
    x = np.asarray(excess, dtype=float)
    x = x[x > 0]
    n = len(x)
    m = 30 + int(math.sqrt(n))
    quartile = x[int(n / 4 + 0.5) - 1]
    b = 1.0 / x[-1] + (1.0 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3.0 * quartile)
    k = np.log1p(-b[:, None] * x).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = n * (np.log(-b / k) - k - 1.0)
    profile = np.where(np.isfinite(profile), profile, -np.inf)
    weights = np.exp(profile - profile.max())
    centre = float(weights @ b / weights.sum())
    shape = float(np.log1p(-centre * x).mean())
    scale = -shape / centre
    return (n * shape + _PRIOR_WEIGHT * _PRIOR_K) / (n + _PRIOR_WEIGHT), scale


def _quantiles(p: NDArray[np.float64], k: float, scale: float) -> NDArray[np.float64]:
    if abs(k) < 1e-12:
        return np.asarray(-scale * np.log1p(-p))
    with np.errstate(over="ignore"):  # k may be in the hundreds; the caller cuts at the largest ratio
        return np.asarray(scale * np.expm1(-k * np.log1p(-p)) / k)


def k_limit(n: int) -> float:
    """Largest k-hat at which averages over n weighted draws can be trusted.

    Examples
    --------
    >>> round(k_limit(1000), 3), k_limit(100_000)
    (0.667, 0.7)
    """
    return min(1.0 - 1.0 / math.log10(n), 0.7) if n > 10 else 0.0


def effective_size(log_weights: NDArray[np.float64]) -> float:
    """Kish's effective number of draws of weights whose sum is 1; 0 where all weights are 0."""
    total = float(np.logaddexp.reduce(2.0 * log_weights)) if len(log_weights) else -math.inf
    return math.exp(-total) if math.isfinite(total) else 0.0


def systematic(weights: NDArray[np.float64], n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Rows of n equally weighted draws, by systematic resampling of weights whose sum is 1.

    Examples
    --------
    >>> systematic(np.array([0.5, 0.0, 0.5]), 4, np.random.default_rng(1)).tolist()
    [0, 0, 2, 2]
    """
    ends = np.cumsum(weights)
    rows = np.searchsorted(ends / ends[-1], (np.arange(n) + generator.random()) / n, side="right")
    return np.asarray(np.minimum(rows, len(weights) - 1), dtype=np.int64)
