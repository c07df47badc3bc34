r"""Coordinates in which a posterior is about a standard Gaussian, and points to start chains from.

With the mean m and a square root C of the covariance S = C C' of points that are roughly posterior draws,

.. math:: x = m + C z                                                                                            (1)

The square root is taken of the correlations, so that the answer does not depend on the units of the coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.chart import BoxChart, LineChart
from wilks.samplers.target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.samplers.known import Known

_LEAST_EIGENVALUE = 1e-12
"""Of a correlation matrix."""
_N_PULLS = 30
_LEAST_DISTINCT = 10
"""Different draws per dimension below which a Gaussian at the modes says more than they do."""


@dataclass(frozen=True)
class Whitening:
    """The map (1).

    Attributes
    ----------
    centre, factor
        m, shape (d,), and C, shape (d, d).

    Examples
    --------
    >>> whitening = Whitening.of(np.array([[0.0, 2.0], [2.0, 2.0], [0.0, 6.0], [2.0, 6.0]]))
    >>> x = np.array([[5.0, 1.0]])
    >>> whitening(whitening.inverse(x)).round(12).tolist()
    [[5.0, 1.0]]
    """

    centre: NDArray[np.float64]
    factor: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.float64]) -> Whitening:
        """Whiten points, shape (n, d); a coordinate in which they do not differ keeps its scale."""
        apart = points - points.mean(axis=0)
        return cls.of_gaussian(points.mean(axis=0), apart.T @ apart / max(len(points) - 1, 1))

    @classmethod
    def of_gaussian(cls, mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> Whitening:
        """Whiten a Gaussian; of a matrix that is no covariance, the part that is one."""
        variances = np.nan_to_num(np.diag(covariance), posinf=0.0)
        sd = np.sqrt(np.where(variances > 0, variances, 1.0))
        values, vectors = np.linalg.eigh(np.nan_to_num(covariance, posinf=0.0, neginf=0.0) / np.outer(sd, sd))
        return cls(mean, sd[:, None] * vectors * np.sqrt(np.maximum(values, _LEAST_EIGENVALUE)))

    def __call__(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates x of z, shape (n, d)."""
        return np.asarray(self.centre + z @ self.factor.T)

    def inverse(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Whitened coordinates of x, shape (n, d)."""
        return np.asarray(np.linalg.solve(self.factor, (x - self.centre).T).T)


def without_walls(target: Target) -> Target:
    """Return the same density where there are no walls: that of the box over the whole line."""
    return Target(target.space, LineChart(), target.power) if isinstance(target.chart, BoxChart) else target


def rough_draws(target: Target, known: Known, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Thetas that are roughly posterior draws, shape (n or more, d): those that are known, or Gaussian about the modes.

    What a Gaussian puts outside the box is mirrored by its walls; where the prior has no density, it is pulled towards
    the mode until there is one. Where nothing is known, draws of the prior.
    """
    if len(known.draws) and len(np.unique(known.draws, axis=0)) >= _LEAST_DISTINCT * target.dimension:
        return target.thetas(known.draws)
    points = np.empty((0, target.dimension))
    if len(known.means):
        gaussians = [Whitening.of_gaussian(*mode) for mode in zip(known.means, known.covariances, strict=True)]
        modes = generator.choice(len(gaussians), size=n, p=_masses(gaussians, known.log_likelihoods))
        factors = np.array([gaussian.factor for gaussian in gaussians])[modes]
        points = known.means[modes] + np.einsum("nij,nj->ni", factors, generator.standard_normal((n, target.dimension)))
        if isinstance(target.chart, BoxChart):
            points = 1.0 - np.abs(1.0 - points % 2.0)  # mirrored by the walls
        points = _pulled(target, known.means[modes], points)
    return target.thetas(points) if len(points) else target.space.draw(generator, n)


def _masses(gaussians: list[Whitening], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of Gaussians whose peaks have these log-likelihoods."""
    logs = np.array([np.linalg.slogdet(each.factor)[1] for each in gaussians]) + heights
    logs = np.where(np.isfinite(logs), logs, -np.inf)
    masses = np.exp(logs - logs.max()) if np.isfinite(logs).any() else np.ones(len(logs))
    return np.asarray(masses / masses.sum())


def _pulled(target: Target, means: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points, each brought halfway to its mean until the prior has a density there; without those that never do."""
    for _ in range(_N_PULLS):
        outside = ~np.isfinite(target.log_prior(points))
        if not outside.any():
            break
        points = np.where(outside[:, None], 0.5 * (means + points), points)
    return points[np.isfinite(target.log_prior(points))]
