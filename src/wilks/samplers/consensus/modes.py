r"""Shards with several modes: mixtures of Gaussians, and the product of mixtures with the masses that belong to it.

The posterior is the product of those of the shards. With :math:`p_s(x) = \sum_m a_{sm} N(x; \mu_{sm}, \Sigma_{sm})` it
is again a mixture, with a component for every choice of one mode from each shard. For two shards,

.. math:: N(x; \mu_1, \Sigma_1) \, N(x; \mu_2, \Sigma_2) = c \, N(x; \mu, \Sigma), \quad
          c = N(\mu_1; \mu_2, \Sigma_1 + \Sigma_2)                                                              (1)

.. math:: \Sigma = \Sigma_1 (\Sigma_1 + \Sigma_2)^{-1} \Sigma_2, \quad
          \mu = \Sigma_2 (\Sigma_1 + \Sigma_2)^{-1} \mu_1 + \Sigma_1 (\Sigma_1 + \Sigma_2)^{-1} \mu_2             (2)

The factor c is what matches modes: of those that lie far apart nothing is left, without any clustering, and of those
that belong together it says how well they overlap, so that the masses come out right and not only the places. Shards
are multiplied in pairs, then pairs of pairs (as in Neiswanger, Wang and Xing 2014, https://arxiv.org/abs/1311.4780, for
kernels). After each product the components of least mass are merged into the nearest of those that stay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.samplers.mixture import TMixture, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NORMAL = 1e7
"""Degrees of freedom at which a t distribution is a Gaussian for all that is done here."""
_MOST_MODES, _N_STARTS, _N_STEPS, _PRIOR_WEIGHT = 3, 3, 60, 0.001
_MOST_COMPONENTS, _NEGLIGIBLE = 32, math.log(1e-14)
_DIP, _N_BETWEEN = 0.5, 41


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of Gaussians.

    Attributes
    ----------
    log_shares
        Logarithms of the masses, whose sum is 1; shape (k,).
    means, covariances
        Shapes (k, d) and (k, d, d).
    """

    log_shares: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.log_shares)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the whole."""
        return np.asarray(np.exp(self.log_shares) @ self.means)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of the whole."""
        apart = self.means - self.mean
        return np.asarray(
            np.einsum("k,kij->ij", np.exp(self.log_shares), self.covariances + apart[:, :, None] * apart[:, None, :])
        )

    def as_t(self, degrees: float) -> TMixture:
        """Mixture of t distributions with the same means and covariances."""
        factor = (degrees - 2.0) / degrees
        return TMixture(np.exp(self.log_shares), self.means, self.covariances * factor, degrees)

    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of the density at x, shape (n, d) -> (n,)."""
        parts = [
            share + _log_normal(x - mean, covariance)
            for share, mean, covariance in zip(self.log_shares, self.means, self.covariances, strict=True)
        ]
        return np.asarray(np.logaddexp.reduce(np.stack(parts), axis=0))

    @property
    def is_multimodal(self) -> bool:
        """Do the components make modes of their own, with a valley between two that is half as deep as the lower?"""
        for i in range(self.n_components):
            for j in range(i):
                steps = np.linspace(0.0, 1.0, _N_BETWEEN)[:, None]
                along = self.log_density(self.means[i] + steps * (self.means[j] - self.means[i]))
                if along[1:-1].min() < min(along[0], along[-1]) + math.log(_DIP):
                    return True
        return False


def fitted_modes(
    x: NDArray[np.float64], weights: NDArray[np.float64], ess: float, generator: np.random.Generator
) -> GaussianMixture:
    """Fit one to three Gaussians to weighted draws; the Bayesian information criterion says how many.

    Parameters
    ----------
    x, weights
        Shapes (n, d) and (n,); the weights sum to 1.
    ess
        How many independent draws these are worth.
    generator
        For the starts.
    """
    centre = weights @ x
    apart = x - centre
    covariance = (apart * weights[:, None]).T @ apart
    lower = lower_root(covariance)
    white = np.asarray(np.linalg.solve(lower, apart.T).T, dtype=float)
    best, least = None, math.inf
    for k in range(1, _MOST_MODES + 1):
        trials = [_fit(white, weights, k, generator) for _ in range(_N_STARTS if k > 1 else 1)]
        mixture, value = max(trials, key=lambda trial: trial[1])
        d = white.shape[1]
        n_numbers = k * (1 + d + d * (d + 1) // 2) - 1
        criterion = n_numbers * math.log(ess) - 2.0 * ess * value
        if mixture.n_components == k and criterion < least:
            best, least = mixture, criterion
    found = best or mixture
    means = centre + found.means @ lower.T
    return GaussianMixture(np.log(found.shares), means, lower @ found.shapes @ lower.T)


def _fit(
    white: NDArray[np.float64], weights: NDArray[np.float64], k: int, generator: np.random.Generator
) -> tuple[TMixture, float]:
    """Fit k Gaussians to draws with zero mean and unit covariance, the first centre at a draw, the others far away."""
    d = white.shape[1]
    if k == 1:
        single = TMixture(np.ones(1), np.zeros((1, d)), np.eye(d)[None], _NORMAL)
        return single, float(weights @ single.log_density(white))
    chosen = [int(generator.choice(len(white), p=weights))]
    while len(chosen) < k:
        gaps = ((white[:, None] - white[chosen]) ** 2).sum(axis=2).min(axis=1) * weights
        chosen.append(int(generator.choice(len(white), p=gaps / gaps.sum())))
    nearest = ((white[:, None] - white[chosen]) ** 2).sum(axis=2).argmin(axis=1)
    means, shapes, shares = [], [], []
    for number in range(k):
        own = weights * (nearest == number)
        mean = own @ white / own.sum()
        apart = white - mean
        shape = (apart * own[:, None]).T @ apart / own.sum()
        means.append(mean)
        shapes.append(shape + 0.05 * np.eye(d))
        shares.append(own.sum())
    start = TMixture(np.array(shares), np.array(means), np.array(shapes), _NORMAL)
    return fitted(start, white, weights, _PRIOR_WEIGHT, _N_STEPS)


def product(mixtures: Sequence[GaussianMixture]) -> GaussianMixture:
    """Product of mixtures by equations (1) and (2), normalised.

    Examples
    --------
    >>> half = GaussianMixture(np.log([0.5, 0.5]), np.array([[-9.0], [9.0]]), np.ones((2, 1, 1)))
    >>> most = GaussianMixture(np.log([0.1, 0.9]), np.array([[-9.0], [9.0]]), np.ones((2, 1, 1)))
    >>> found = product([half, most])
    >>> np.exp(found.log_shares).round(3).tolist(), found.means.ravel().tolist()
    ([0.9, 0.1], [9.0, -9.0])
    """
    level = list(mixtures)
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [reduced(_of_two(*pair)) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]


def _of_two(first: GaussianMixture, second: GaussianMixture) -> GaussianMixture:
    d = first.means.shape[1]
    both = first.covariances[:, None] + second.covariances[None, :]
    size = np.sqrt(np.einsum("klii->kli", both))
    correlations = both / (size[..., :, None] * size[..., None, :])
    apart = second.means[None, :] - first.means[:, None]
    # Sigma_1 (Sigma_1 + Sigma_2)^-1, with all numbers brought to the sizes of the sum first.
    scaled = np.broadcast_to(first.covariances[:, None], both.shape) / (size[..., :, None] * size[..., None, :])
    gains = np.swapaxes(np.linalg.solve(correlations, scaled), -1, -2)
    gains = size[..., :, None] * gains / size[..., None, :]
    steps = apart / size
    distances = np.einsum("kli,kli->kl", steps, np.linalg.solve(correlations, steps[..., None])[..., 0])
    sizes = np.linalg.slogdet(correlations)[1] + 2.0 * np.log(size).sum(axis=-1)
    overlaps = -0.5 * (distances + sizes + d * math.log(2 * math.pi))
    logs = (first.log_shares[:, None] + second.log_shares[None, :] + overlaps).ravel()
    means = first.means[:, None] + np.einsum("klij,klj->kli", gains, apart)
    covariances = gains @ second.covariances[None, :]
    covariances = 0.5 * (covariances + np.swapaxes(covariances, -1, -2))
    return GaussianMixture(logs - np.logaddexp.reduce(logs), means.reshape(-1, d), covariances.reshape(-1, d, d))


def reduced(mixture: GaussianMixture, most: int = _MOST_COMPONENTS) -> GaussianMixture:
    """Keep the heaviest components, and merge the others into the nearest, so that mean and covariance stay."""
    order = np.argsort(-mixture.log_shares, kind="stable")
    order = order[mixture.log_shares[order] > mixture.log_shares[order[0]] + _NEGLIGIBLE]
    kept, rest = order[:most], order[most:]
    gaps = np.empty((len(kept), len(rest)))
    for row, k in enumerate(kept):
        white = np.linalg.solve(lower_root(mixture.covariances[k]), (mixture.means[rest] - mixture.means[k]).T)
        gaps[row] = (white**2).sum(axis=0)
    nearest = gaps.argmin(axis=0)
    parts = [_merged(mixture, np.append(k, rest[nearest == row])) for row, k in enumerate(kept)]
    logs = np.array([part[0] for part in parts])
    means, covariances = np.array([part[1] for part in parts]), np.array([part[2] for part in parts])
    return GaussianMixture(logs - np.logaddexp.reduce(logs), means, covariances)


def _merged(
    mixture: GaussianMixture, group: NDArray[np.int64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    logs = mixture.log_shares[group]
    total = float(np.logaddexp.reduce(logs))
    part = GaussianMixture(logs - total, mixture.means[group], mixture.covariances[group])
    return total, part.mean, part.covariance


def _log_normal(apart: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the normal density at rows of distances from the mean."""
    lower = lower_root(covariance)
    white = np.linalg.solve(lower, apart.T)
    d = len(lower)
    constant = float(np.log(np.diag(lower)).sum()) + 0.5 * d * math.log(2 * math.pi)
    return np.asarray(-0.5 * (white**2).sum(axis=0) - constant)


def lower_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower triangle L with L L' = covariance, accurate whatever the sizes of its entries."""
    size = np.sqrt(np.diag(covariance))
    return np.asarray(size[:, None] * np.linalg.cholesky(covariance / np.outer(size, size)))
