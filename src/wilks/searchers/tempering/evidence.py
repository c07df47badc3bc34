r"""Log-evidence and weights from the losses on all rungs.

Rung r samples prior x exp(-beta_r E), E being the loss, and Z_r is the integral of that; Z_0 = 1 at beta = 0, where the
prior is drawn from. Between neighbours a, b with as many states each, c = log(Z_b / Z_a) solves (Bennett 1976)

    mean over a of s(u - c)  =  mean over b of s(c - u),   u = (beta_a - beta_b) E,   s(x) = 1 / (1 + exp(-x)),   (1)

which has the least variance of all estimators of this kind, and log Z is the sum over the pairs. To first order its
error is the mean over the sweeps t of

    psi_t = sum over pairs of [s(u_a,t - c) - s(c - u_b,t)] / slope of (1),                                        (2)

whose variance takes in that neighbours exchange states and that sweeps follow one another: it is the sum of all
autocovariances, cut off where their sums in twos turn negative (Geyer 1992, https://doi.org/10.1214/ss/1177011137).

The states of all rungs together, each with the weight

    w  ~  exp(-E) / sum over r of n_r exp(-beta_r E - log Z_r),                                                     (3)

are a sample at beta = 1 (Shirts and Chodera 2008, https://doi.org/10.1063/1.2978177); log Z_r is there the solution
of the equations that say that (3) with beta_r in place of 1 sums to Z_r.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NEWTON_STEPS, _TOLERANCE = 200, 1e-10
_MBAR_ROUNDS, _MBAR_TOLERANCE = 500, 1e-8


def log_evidence(losses: Array, betas: Array) -> tuple[float, float]:
    """Return log(Z at the last beta / Z at the first) and its standard error.

    Parameters
    ----------
    losses
        Losses of the states, shape (n_sweeps, n_rungs); infinite ones only at beta = 0.
    betas
        Inverse temperatures, ascending, shape (n_rungs,).
    """
    ratios, influence = _bridges(losses, betas)
    n = len(losses)
    error = math.sqrt(long_run_variance(influence) / n) if n > 1 else math.inf
    return float(ratios.sum()), error


def mbar_log_weights(losses: Array, betas: Array) -> Array:
    """Logarithms of the weights (3) of all states, shape of `losses`; the weights add up to one."""
    finite = losses[np.isfinite(losses)]
    shift = float(finite.min()) if len(finite) else 0.0
    n, n_rungs = losses.shape
    energies = losses.ravel() - shift
    exponents = np.array([np.zeros(len(energies)) if beta == 0 else -beta * energies for beta in betas])
    log_z = np.concatenate([[0.0], np.cumsum(_bridges(losses - shift, betas)[0])])
    for _ in range(_MBAR_ROUNDS):
        mixture = _log_sum(exponents - log_z[:, None], axis=0)
        found = _log_sum(exponents - mixture, axis=1) - math.log(n)
        found -= found[0]
        change = float(np.abs(found - log_z).max())
        log_z = found
        if change < _MBAR_TOLERANCE:
            break
    weights = -energies - _log_sum(exponents - log_z[:, None], axis=0)
    return np.asarray(weights - _log_sum(weights[None, :], axis=1)).reshape(n, n_rungs)


def bennett(first: Array, second: Array) -> float:
    """Solve (1) for c, given u of the states of both members of a pair."""
    finite = first[np.isfinite(first)]
    known = np.concatenate([finite, second])
    # Where the likelihood vanishes u is minus infinity; the share of the others bounds the ratio.
    share = max(len(finite), 0.5) / len(first)
    low, high = float(known.min()) + math.log(share), float(known.max())
    c = 0.5 * (low + high)
    for _ in range(_NEWTON_STEPS):
        forward, back = _sigmoid(first - c), _sigmoid(c - second)
        excess = float(forward.mean() - back.mean())
        if excess > 0:
            low = c
        else:
            high = c
        slope = float((forward * (1 - forward)).mean() + (back * (1 - back)).mean())
        step = excess / slope if slope > 0 else math.inf
        nearer = c + step
        c, before = (nearer if low < nearer < high else 0.5 * (low + high)), c
        if abs(c - before) <= _TOLERANCE * (1 + abs(c)):
            break
    return c


def long_run_variance(series: Array) -> float:
    """Sum of all autocovariances of a series: n times the variance of its mean."""
    n = len(series)
    centred = series - series.mean()
    if n < 4 or not centred.any():
        return float((centred**2).mean())
    transform = np.fft.rfft(centred, 1 << (2 * n - 1).bit_length())
    covariances = np.fft.irfft(transform * transform.conj())[: n - n % 2] / n
    twos = covariances.reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(twos <= 0)
    kept = np.minimum.accumulate(twos[: negative[0]] if len(negative) else twos)
    return float(max(2 * kept.sum() - covariances[0], 0.0)) if len(kept) else float(covariances[0])


def _bridges(losses: Array, betas: Array) -> tuple[Array, Array]:
    """Log-ratios of all pairs of neighbours, and the influence (2) of every sweep."""
    ratios = np.zeros(len(betas) - 1)
    influence = np.zeros(len(losses))
    for pair in range(len(ratios)):
        gap = betas[pair + 1] - betas[pair]
        first, second = -gap * losses[:, pair], -gap * losses[:, pair + 1]
        c = ratios[pair] = bennett(first, second)
        forward, back = _sigmoid(first - c), _sigmoid(c - second)
        slope = float((forward * (1 - forward)).mean() + (back * (1 - back)).mean())
        if slope > 0:
            influence += (forward - back) / slope
    return ratios, influence


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _log_sum(exponents: Array, axis: int) -> Array:
    highest = exponents.max(axis=axis, keepdims=True)
    return np.asarray(np.log(np.exp(exponents - highest).sum(axis=axis)) + highest.squeeze(axis))
