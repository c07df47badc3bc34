r"""Consensus: one posterior from those of the shards, with their full covariances.

With shard posteriors of covariance :math:`S_s` and precision :math:`P_s = S_s^{-1}`, the i-th draw of the consensus is

.. math:: x_i = \sum_s W_s \, x_{si}, \quad W_s = P^{-1} P_s, \quad P = \sum_s P_s                              (1)

(Scott et al. 2016, https://doi.org/10.1080/17509653.2016.1142191). For Gaussian shards this is exact: the mean is
:math:`\mu = P^{-1} \sum_s P_s \mu_s` and the covariance :math:`P^{-1}`, those of the product of the Gaussians. Weights
of single parameters, :math:`W_s` diagonal, are exact only if the parameters are independent in every shard; they are
here for comparison, as is the simple average.

Everything is done in coordinates in which the average covariance of the shards is the identity, so that no unit and no
size of a number matters, and nothing has to be kept from zero by a constant.

The sums in (1) may be taken over groups of shards first: a group is a shard with precision
:math:`P_g = \sum_{s \in g} P_s` and draws :math:`P_g^{-1} \sum_{s \in g} P_s x_{si}`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.samplers.consensus.modes import GaussianMixture, lower_root, product
from wilks.samplers.consensus.robust import outlying

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from wilks.samplers.consensus.shard import ShardPosterior

HIERARCHICAL_FROM = 500
"""Number of shards above which they are combined in groups."""
_GROUP = 32


@dataclass(frozen=True)
class Combined:
    """A posterior that was combined from shards.

    Attributes
    ----------
    method
        How, in words.
    draws
        Equally weighted, shape (n, d).
    mixture
        Gaussians that stand for it.
    dropped
        Number of a shard that was left out -> reason.
    """

    method: str
    draws: NDArray[np.float64]
    mixture: GaussianMixture
    dropped: dict[int, str]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean, shape (d,)."""
        return self.mixture.mean

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance, shape (d, d)."""
        return self.mixture.covariance


@dataclass(frozen=True)
class Group:
    """Some shards together: sum of their precisions, and draws, in white coordinates."""

    precision: NDArray[np.float64]
    mean: NDArray[np.float64]
    draws: NDArray[np.float64]


class Frame:
    """Coordinates in which the average covariance of shards is the identity, and their average mean zero."""

    def __init__(self, shards: Sequence[ShardPosterior]) -> None:
        covariance = np.mean([shard.covariance for shard in shards], axis=0)
        self._centre = np.mean([shard.mean for shard in shards], axis=0)
        self._lower = lower_root(covariance)

    def white(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of shape (n, d)."""
        return np.asarray(np.linalg.solve(self._lower, (x - self._centre).T).T)

    def plain(self, white: NDArray[np.float64]) -> NDArray[np.float64]:
        """Reverse `white`."""
        return np.asarray(self._centre + white @ self._lower.T)

    def white_precision(self, shard: ShardPosterior) -> NDArray[np.float64]:
        """Precision of a shard."""
        return np.asarray(self._lower.T @ shard.precision @ self._lower)

    def plain_covariance(self, precision: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance of a precision in white coordinates."""
        found = self._lower @ np.linalg.inv(precision) @ self._lower.T
        return np.asarray(0.5 * (found + found.T))


def combined(shards: Sequence[ShardPosterior], method: str, generator: np.random.Generator) -> Combined:
    """Combine the posteriors of shards.

    Parameters
    ----------
    shards
        In any order.
    method
        ``"auto"``, or one of `METHODS`. Automatic is ``"mixtures"`` if a shard has several modes, or most shards are
        not described by one Gaussian; otherwise ``"hierarchical"`` for more than 500 shards and ``"consensus"`` below.
    generator
        For methods that draw anew.

    Raises
    ------
    InvalidConfigurationError
        If there is no such method, or no shard.
    """
    if method != "auto" and method not in METHODS:
        raise InvalidConfigurationError(f"combination: expected 'auto' or one of {', '.join(METHODS)}, got {method!r}")
    if not shards:
        raise InvalidConfigurationError("combination: expected at least one shard, got none")
    ordered = sorted(shards, key=lambda shard: shard.number)
    if method == "auto":
        method = _automatic(ordered)
    return METHODS[method](ordered, generator)


def _automatic(shards: Sequence[ShardPosterior]) -> str:
    n_complex = sum(shard.modes.n_components > 1 for shard in shards)
    if 2 * n_complex > len(shards) or any(shard.modes.is_multimodal for shard in shards):
        return "mixtures"
    return "hierarchical" if len(shards) > HIERARCHICAL_FROM else "consensus"


def consensus(shards: Sequence[ShardPosterior], generator: np.random.Generator) -> Combined:  # noqa: ARG001 - interface
    """Weighted averages of the draws of the shards, by equation (1)."""
    return _plain("consensus of full covariances", *_grouped(shards))


def hierarchical(shards: Sequence[ShardPosterior], generator: np.random.Generator) -> Combined:  # noqa: ARG001 - interface
    """Equation (1) over groups of 32 shards, then over groups of groups: the same up to rounding."""
    frame = Frame(shards)
    level = [_group(frame, shard) for shard in _equal_lengths(shards)]
    while len(level) > 1:
        level = [_together(level[i : i + _GROUP]) for i in range(0, len(level), _GROUP)]
    return _plain("hierarchical consensus of full covariances", frame, level[0])


def gaussian_product(shards: Sequence[ShardPosterior], generator: np.random.Generator) -> Combined:
    """Product of a Gaussian for each shard."""
    frame, group = _grouped(shards)
    n, d = group.draws.shape
    found = _plain("product of Gaussians", frame, group)
    lower = np.linalg.cholesky(np.linalg.inv(group.precision))
    draws = frame.plain(group.mean + generator.standard_normal((n, d)) @ lower.T)
    return Combined(found.method, draws, found.mixture, {})


def robust(shards: Sequence[ShardPosterior], generator: np.random.Generator) -> Combined:
    """Consensus of the shards that agree; the others are left out as a whole, each with its reason."""
    dropped = outlying(shards)
    found = consensus([shard for shard in shards if shard.number not in dropped], generator)
    return Combined("robust consensus of full covariances", found.draws, found.mixture, dropped)


def mixtures(shards: Sequence[ShardPosterior], generator: np.random.Generator) -> Combined:
    """Product of the mixtures of Gaussians of all shards."""
    mixture = product([shard.modes for shard in shards])
    n = min(len(shard.draws) for shard in shards)
    component = generator.choice(mixture.n_components, size=n, p=np.exp(mixture.log_shares))
    lower = np.array([lower_root(covariance) for covariance in mixture.covariances])
    steps = np.einsum("nij,nj->ni", lower[component], generator.standard_normal((n, mixture.means.shape[1])))
    return Combined("product of mixtures of Gaussians", mixture.means[component] + steps, mixture, {})


def weighted_gaussian(shards: Sequence[ShardPosterior], generator: np.random.Generator) -> Combined:  # noqa: ARG001 - interface
    """Averages of the draws with a weight for each parameter, its inverse variance; for comparison."""
    weights = np.array([1.0 / np.diag(shard.covariance) for shard in shards])
    weights /= weights.sum(axis=0)
    draws = sum(weight * shard.draws for weight, shard in zip(weights, _equal_lengths(shards), strict=True))
    return _of_draws("averages weighted for each parameter", np.asarray(draws))


def simple_average(shards: Sequence[ShardPosterior], generator: np.random.Generator) -> Combined:  # noqa: ARG001 - interface
    """Averages of the draws without weights; for comparison."""
    return _of_draws("simple averages", np.mean([shard.draws for shard in _equal_lengths(shards)], axis=0))


METHODS: dict[str, Callable[[Sequence[ShardPosterior], np.random.Generator], Combined]] = {
    "consensus": consensus,
    "gaussian_product": gaussian_product,
    "robust": robust,
    "hierarchical": hierarchical,
    "mixtures": mixtures,
    "weighted_gaussian": weighted_gaussian,
    "simple_average": simple_average,
}


def _grouped(shards: Sequence[ShardPosterior]) -> tuple[Frame, Group]:
    frame = Frame(shards)
    return frame, _together([_group(frame, shard) for shard in _equal_lengths(shards)])


def _group(frame: Frame, shard: ShardPosterior) -> Group:
    return Group(frame.white_precision(shard), frame.white(shard.mean[None])[0], frame.white(shard.draws))


def _together(groups: Sequence[Group]) -> Group:
    precision = np.sum([group.precision for group in groups], axis=0)
    mean = np.linalg.solve(precision, np.sum([group.precision @ group.mean for group in groups], axis=0))
    pulled = np.sum([group.draws @ group.precision for group in groups], axis=0)  # precisions are symmetric
    return Group(precision, mean, np.linalg.solve(precision, pulled.T).T)


def _plain(method: str, frame: Frame, group: Group) -> Combined:
    mean = frame.plain(group.mean[None])
    mixture = GaussianMixture(np.zeros(1), mean, frame.plain_covariance(group.precision)[None])
    return Combined(method, frame.plain(group.draws), mixture, {})


def _of_draws(method: str, draws: NDArray[np.float64]) -> Combined:
    covariance = np.atleast_2d(np.cov(draws.T))
    return Combined(method, draws, GaussianMixture(np.zeros(1), draws.mean(axis=0)[None], covariance[None]), {})


def _equal_lengths(shards: Sequence[ShardPosterior]) -> list[ShardPosterior]:
    """The shards with the number of draws of the shortest."""
    n = min(len(shard.draws) for shard in shards)
    return [replace(shard, draws=shard.draws[:n]) for shard in shards]
