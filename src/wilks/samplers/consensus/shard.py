"""The posterior of one shard: its draws, their moments and modes, and its way through a worker as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import EvaluationError
from wilks.samplers.consensus.modes import GaussianMixture, fitted_modes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_EIGENVALUE = 1e-13
"""Of the correlations, per dimension: below it the draws lie in a plane."""


@dataclass(frozen=True)
class ShardSample:
    """What a sampler returns of a shard.

    Attributes
    ----------
    x
        Draws in the coordinates of the target, shape (n, d).
    log_weights
        Logarithms of their weights, whose sum is 1; shape (n,).
    ess
        Effective number of draws.
    certified
        Do all checks of the sampler hold?
    n_evaluations
        Calls of the likelihood.
    method
        The sampler.
    """

    x: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    ess: float
    certified: bool
    n_evaluations: int
    method: str


@dataclass(frozen=True)
class ShardPosterior:
    """Posterior of a shard, given its root of the prior.

    Attributes
    ----------
    number
        The shard's, counted from 0.
    draws
        Equally weighted and in random order, shape (n, d).
    mean, covariance
        Of the weighted draws.
    ess
        Effective number of draws that these rest on.
    certified, n_evaluations, method
        As in `ShardSample`.
    modes
        Mixture of Gaussians that was fitted to the weighted draws.
    references
        Log-likelihoods of the shard at the reference points of the run, shape (m,).
    seconds
        Time that it took.
    """

    number: int
    draws: NDArray[np.float64]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    ess: float
    certified: bool
    n_evaluations: int
    method: str
    modes: GaussianMixture
    references: NDArray[np.float64]
    seconds: float

    @property
    def precision(self) -> NDArray[np.float64]:
        r"""Estimate of the inverse covariance without bias for normal draws.

        The inverse of a covariance from n draws is too large by (n - 1) / (n - d - 2) on average (Hartlap, Simon and
        Schneider 2007, https://doi.org/10.1051/0004-6361:20066170).
        """
        d = len(self.mean)
        return np.asarray(np.linalg.inv(self.covariance) * ((self.ess - d - 2.0) / (self.ess - 1.0)))


def shard_posterior(
    number: int,
    sample: ShardSample,
    n_draws: int,
    generator: np.random.Generator,
    *,
    references: NDArray[np.float64],
    seconds: float,
) -> ShardPosterior:
    """Make the posterior of a shard of what its sampler returned.

    Raises
    ------
    EvaluationError
        If the draws are not finite, too few, or do not spread in every direction.
    """
    x, weights = sample.x, np.exp(sample.log_weights)
    d = x.shape[1]
    if not (np.isfinite(x).all() and np.isfinite(weights).all() and weights.sum() > 0):
        raise EvaluationError(
            f"shard {number}: the draws of {sample.method} or their weights are not finite; "
            "does the log-likelihood of the shard return NaN?"
        )
    if not sample.ess > 2 * (d + 2):
        raise EvaluationError(
            f"shard {number}: {sample.ess:.1f} effective draws by {sample.method}, "
            f"expected more than {2 * (d + 2)} for {d} parameters"
        )
    weights /= weights.sum()
    mean = weights @ x
    apart = x - mean
    covariance = (apart * weights[:, None]).T @ apart / (1.0 - float(weights @ weights))
    size = np.sqrt(np.diag(covariance))
    flat = (np.ptp(x[weights > 0], axis=0) == 0).any() or not (size > 0).all()
    if flat or np.linalg.eigvalsh(covariance / np.outer(size, size))[0] < _LEAST_EIGENVALUE * d:
        raise EvaluationError(f"shard {number}: the draws by {sample.method} do not spread in every direction")
    rows = np.searchsorted(np.cumsum(weights), (np.arange(n_draws) + generator.random()) / n_draws)
    rows = generator.permutation(rows.clip(max=len(x) - 1))
    return ShardPosterior(
        number,
        x[rows],
        mean,
        covariance,
        sample.ess,
        sample.certified,
        sample.n_evaluations,
        sample.method,
        fitted_modes(x, weights, sample.ess, generator),
        references,
        seconds,
    )


def packed(shard: ShardPosterior) -> NDArray[np.float64]:
    """The posterior as rows of two numbers, which any worker can send back."""
    scalars = [shard.number, shard.ess, shard.certified, shard.n_evaluations, shard.seconds]
    modes = shard.modes
    arrays = [
        np.array(scalars, dtype=float),
        np.frombuffer(shard.method.encode(), dtype=np.uint8),
        shard.draws,
        shard.mean,
        shard.covariance,
        modes.log_shares,
        modes.means,
        modes.covariances,
        shard.references,
    ]
    head = [float(len(arrays))]
    for array in arrays:
        head += [float(array.ndim), *map(float, array.shape)]
    flat = np.concatenate([np.array(head), *(array.ravel().astype(float) for array in arrays)])
    return np.append(flat, np.zeros(len(flat) % 2)).reshape(-1, 2)


def unpacked(rows: NDArray[np.float64]) -> ShardPosterior:
    """Reverse `packed`."""
    flat, at = rows.ravel(), 1
    shapes = []
    for _ in range(int(flat[0])):
        n = int(flat[at])
        shapes.append(tuple(int(size) for size in flat[at + 1 : at + 1 + n]))
        at += 1 + n
    arrays = []
    for shape in shapes:
        size = int(np.prod(shape))
        arrays.append(flat[at : at + size].reshape(shape).copy())
        at += size
    scalars, text, draws, mean, covariance, log_shares, means, covariances, references = arrays
    return ShardPosterior(
        int(scalars[0]),
        draws,
        mean,
        covariance,
        float(scalars[1]),
        bool(scalars[2]),
        int(scalars[3]),
        text.astype(np.uint8).tobytes().decode(),
        GaussianMixture(log_shares, means, covariances),
        references,
        float(scalars[4]),
    )
