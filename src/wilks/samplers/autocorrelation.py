r"""How long an ensemble of walkers remembers, when it has forgotten its beginning, and its steps as chains.

The autocorrelation time of a quantity f is

.. math:: \tau = 1 + 2 \sum_{t=1}^{M} \rho(t), \qquad
          \rho(t) = \frac{\overline{(f_k(s) - \bar f)(f_k(s + t) - \bar f)}}{\overline{(f_k(s) - \bar f)^2}}         (1)

with means over the steps s and the walkers k, and one mean of f for all walkers: walkers that stay in different places
are told from each other for ever, so that tau is long. M is the smallest one that is at least 5 tau (Sokal 1997,
https://doi.org/10.1007/978-1-4899-0319-8_6).

The beginning is dropped up to where the mean log-density of the ensemble comes within two standard deviations of what
it does in the second half of the run, and five autocorrelation times more; at most half of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_WINDOW, _FORGOTTEN, _WITHIN = 5.0, 5.0, 2.0
LEAST_PER_WALKER = 16
"""Fewest draws that are kept of a walker, which stand in their order in a chain."""


def autocorrelation_time(series: Array) -> Array:
    """Autocorrelation times (1), in steps.

    Parameters
    ----------
    series
        Shape (step, walker, quantity).

    Returns
    -------
    array
        Shape (quantity,); as long as the series for what does not move.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(2000, 20, 1))
    >>> bool(abs(autocorrelation_time(noise)[0] - 1.0) < 0.1)
    True
    """
    n = len(series)
    apart = series - series.mean(axis=(0, 1))
    size = 1 << (2 * n - 1).bit_length()
    transform = np.fft.rfft(apart, size, axis=0)
    power = (transform * transform.conj()).real.mean(axis=1)
    covariances = np.fft.irfft(power, size, axis=0)[:n] / np.arange(n, 0, -1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        times = 2.0 * np.cumsum(covariances / covariances[0], axis=0) - 1.0
    far = np.arange(n)[:, None] >= _WINDOW * times
    found = times[np.where(far.any(axis=0), far.argmax(axis=0), n - 1), np.arange(series.shape[2])]
    return np.where(np.isfinite(found), np.maximum(found, 1.0), float(n))


def warmup_length(positions: Array, log_densities: Array) -> int:
    """Number of steps to drop.

    Parameters
    ----------
    positions
        Shape (step, walker, d).
    log_densities
        Shape (step, walker).
    """
    n = len(positions)
    later = slice(n // 2, None)
    means = log_densities.mean(axis=1)
    near = np.abs(means - means[later].mean()) <= _WITHIN * means[later].std()
    arrival = int(near.argmax()) if near.any() else n
    quantities = np.concatenate([positions[later], log_densities[later][:, :, None]], axis=2)
    return min(n // 2, arrival + round(_FORGOTTEN * float(autocorrelation_time(quantities).max())))


def as_chains(steps: Array, n_draws: int) -> Array:
    """Thinned steps of all ensembles, one chain for each.

    The first half of a chain holds the first half of the steps, walker after walker, and its second half the second
    half of the steps: so split R-hat tells drift, and autocorrelations run along the ways of single walkers.

    Parameters
    ----------
    steps
        Shape (step, ensemble, walker, ...).
    n_draws
        About how many draws to keep.

    Examples
    --------
    >>> as_chains(np.arange(32)[:, None, None] + np.array([0.1, 0.2]), 10)[0, :10].tolist()
    [1.1, 3.1, 5.1, 7.1, 9.1, 11.1, 13.1, 15.1, 1.2, 3.2]
    """
    n, n_ensembles, n_walkers, *rest = steps.shape
    wanted = max(round(n_draws / (n_ensembles * n_walkers)), LEAST_PER_WALKER)
    per_walker = min(wanted, n)
    per_walker -= per_walker % 2
    chosen = ((np.arange(per_walker) + 0.5) * n / max(per_walker, 1)).astype(np.int64)
    halves = steps[chosen].reshape(2, per_walker // 2, n_ensembles, n_walkers, *rest)
    ordered = np.moveaxis(halves, (2, 0, 3, 1), (0, 1, 2, 3))
    return np.asarray(ordered.reshape(n_ensembles, per_walker * n_walkers, *rest))
