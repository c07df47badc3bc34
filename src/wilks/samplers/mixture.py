r"""Mixtures of multivariate Student t distributions: proposals that are fitted to weighted draws.

.. math:: q(x) = \sum_k a_k \, t_\nu(x; m_k, S_k), \quad
          t_\nu(x; m, S) = \frac{\Gamma((\nu + d) / 2)}{\Gamma(\nu / 2) (\nu\pi)^{d/2} |S|^{1/2}}
          \left(1 + \delta / \nu\right)^{-(\nu + d) / 2}, \quad \delta = (x - m)^T S^{-1} (x - m)                  (1)

Given draws x_i with weights w_i that stand for a density p, the mixture that is nearest to p, in the sense of
:math:`\int p \log(p / q)`, maximises :math:`\sum_i w_i \log q(x_i)`. Each step of expectation-maximisation raises it
(Peel and McLachlan 2000, https://doi.org/10.1023/A:1008981510081; with weights Cappé et al. 2008,
https://doi.org/10.1007/s11222-008-9059-x): with :math:`r_{ik} = w_i a_k t_k(x_i) / q(x_i)` and
:math:`u_{ik} = (\nu + d) / (\nu + \delta_{ik})`,

.. math:: a_k = \sum_i r_{ik}, \quad m_k = \frac{\sum_i r_{ik} u_{ik} x_i}{\sum_i r_{ik} u_{ik}}, \quad
          S_k = \frac{\sum_i r_{ik} u_{ik} (x_i - m_k)(x_i - m_k)^T + \lambda S_0}{\sum_i r_{ik} + \lambda}        (2)

in which S_0, the shape of the component before the fit, keeps a component of few draws from collapsing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST_SHARE = 1e-3
_RELATIVE_FLOOR = 1e-12


@dataclass(frozen=True)
class TMixture:
    """A mixture of t distributions.

    Attributes
    ----------
    shares
        a, positive, sum 1, shape (k,).
    means
        m, shape (k, d).
    shapes
        S, shape (k, d, d).
    degrees
        nu, the same for all components.

    Examples
    --------
    >>> mixture = TMixture(np.array([1.0]), np.zeros((1, 2)), np.eye(2)[None], 5.0)
    >>> mixture.log_density(np.zeros((1, 2))).round(4).tolist()
    [-1.8379]
    """

    shares: NDArray[np.float64]
    means: NDArray[np.float64]
    shapes: NDArray[np.float64]
    degrees: float

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.shares)

    def log_parts(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log of every a_k t_k(x), and the squared distances delta, both of shape (n, k)."""
        n, d = x.shape
        logs, deltas = np.empty((n, self.n_components)), np.empty((n, self.n_components))
        nu = self.degrees
        constant = math.lgamma(0.5 * (nu + d)) - math.lgamma(0.5 * nu) - 0.5 * d * math.log(nu * math.pi)
        for k in range(self.n_components):
            lower = np.linalg.cholesky(self.shapes[k])
            white = _solve_lower(lower, x - self.means[k])
            deltas[:, k] = np.einsum("ij,ij->i", white, white)
            size = float(np.log(np.diag(lower)).sum())
            logs[:, k] = math.log(self.shares[k]) + constant - size - 0.5 * (nu + d) * np.log1p(deltas[:, k] / nu)
        return logs, deltas

    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log q(x), shape (n,)."""
        return np.asarray(np.logaddexp.reduce(self.log_parts(x)[0], axis=1))

    def draw(self, generator: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Draw n points; every component gets its share of them, rounded at random."""
        d = self.means.shape[1]
        ends = np.cumsum(self.shares) / self.shares.sum()
        component = np.searchsorted(ends, (np.arange(n) + generator.random()) / max(n, 1)).clip(max=len(ends) - 1)
        roots = np.linalg.cholesky(self.shapes)
        normal = generator.standard_normal((n, d))
        spread = np.sqrt(self.degrees / generator.chisquare(self.degrees, size=n)) if n else np.empty(0)
        steps = np.einsum("nij,nj->ni", roots[component], normal)
        return np.asarray(self.means[component] + spread[:, None] * steps)

    def wider(self, factor: float) -> TMixture:
        """The same centres, with all lengths multiplied."""
        return TMixture(self.shares, self.means, self.shapes * factor**2, self.degrees)

    def with_degrees(self, degrees: float) -> TMixture:
        """The same components with other tails."""
        return TMixture(self.shares, self.means, self.shapes, degrees)


def fitted(
    start: TMixture, x: NDArray[np.float64], weights: NDArray[np.float64], prior_weight: float, n_steps: int = 30
) -> tuple[TMixture, float]:
    """Fit a mixture to weighted draws by equations (2).

    Parameters
    ----------
    start
        Where to begin.
    x, weights
        Draws, shape (n, d); their weights, sum 1.
    prior_weight
        lambda, as a share of all weight.
    n_steps
        Steps at most.

    Returns
    -------
    TMixture, float
        The mixture, without components that nothing is left of, and its mean of log q over the weighted draws.
    """
    kept = weights > 1e-12 * weights.max()
    x, weights = x[kept], weights[kept] / weights[kept].sum()
    mixture, before = start, -math.inf
    for _ in range(n_steps):
        logs, deltas = mixture.log_parts(x)
        total = np.logaddexp.reduce(logs, axis=1)
        now = float(weights @ total)
        if now - before < 1e-4:
            break
        before = now
        shares = weights[:, None] * np.exp(logs - total[:, None])
        kept = shares.sum(axis=0) > max(_SMALLEST_SHARE, 0.2 * prior_weight)
        if not kept.any():
            break
        start = replace(start, shapes=start.shapes[kept])
        mixture = _maximised(x, shares[:, kept], deltas[:, kept], start, prior_weight)
    return mixture, float(weights @ mixture.log_density(x))


def _maximised(
    x: NDArray[np.float64],
    shares: NDArray[np.float64],
    deltas: NDArray[np.float64],
    start: TMixture,
    prior_weight: float,
) -> TMixture:
    """Equations (2), from the shares r_ik and the distances delta_ik, with S_0 and the degrees of `start`."""
    nu, d = start.degrees, x.shape[1]
    sums = shares.sum(axis=0)
    means, shapes = [], []
    for k, total in enumerate(sums):
        pulled = shares[:, k] * (nu + d) / (nu + deltas[:, k])
        mean = pulled @ x / pulled.sum()
        apart = x - mean
        shape = (apart * pulled[:, None]).T @ apart + prior_weight * start.shapes[k]
        means.append(mean)
        shapes.append(proper(shape / (total + prior_weight)))
    return TMixture(sums / sums.sum(), np.array(means), np.array(shapes), nu)


def proper(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """A symmetric matrix made safely positive definite, relative to its own diagonal."""
    shape = 0.5 * (shape + shape.T)
    size = np.sqrt(np.maximum(np.diag(shape), np.finfo(float).tiny))
    scaled = shape / np.outer(size, size)
    values, vectors = np.linalg.eigh(scaled)
    if values[0] < _RELATIVE_FLOOR * len(values):
        scaled = (vectors * np.maximum(values, 1e-9)) @ vectors.T
    return np.asarray(scaled * np.outer(size, size))


def _solve_lower(lower: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows y with L y' = rows', for a lower triangle L."""
    return np.asarray(np.linalg.solve(lower, rows.T).T)
