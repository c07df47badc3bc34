r"""Posteriors that are known by other means, and how far another one is from them.

`static_grid` sums the posterior of static correlations over a grid of the physical parameters. It shares nothing with
the package but the simulated data: the curve is integrated here, and contrasts, offsets and noise are integrated out
by the formula of Bayesian linear regression, with the prior 1 / s and a flat one of the coefficients,

.. math:: \log p(y | \theta) = -\tfrac12 \sum_a \log \det X_a^T X_a
          - \tfrac{N - 2 G}{2} \log \sum_a \mathrm{RSS}_a, \quad X_a = [1, f]                                  (1)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import wilks
from wilks.samplers.intervals import weighted_quantiles
from wilks.xpcs.fitting import check_question, problem_of
from wilks.xpcs.posterior.problem import MarginalProblem
from wilks.xpcs.preparation import prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.statistical.calibration import Setup
    from wilks import xpcs

    Array = NDArray[np.float64]

_ENDS = np.array([0.05, 0.95])
_BATCH = 2000


@dataclass(frozen=True)
class Moments:
    """Of a posterior: mean (d,), covariance (d, d), and 5 and 95 % quantiles (2, d)."""

    mean: Array
    covariance: Array
    quantiles: Array

    @classmethod
    def of(cls, thetas: Array, weights: Array) -> Moments:
        """Of weighted points."""
        mean = weights @ thetas
        apart = thetas - mean
        quantiles = [weighted_quantiles(column, weights, _ENDS) for column in thetas.T]
        return cls(mean, (apart * weights[:, None]).T @ apart, np.stack(quantiles, axis=1))

    @classmethod
    def of_posterior(cls, posterior: wilks.Posterior) -> Moments:
        """As the posterior itself gives them."""
        quantiles = [posterior.quantiles(name, _ENDS) for name in posterior.names]
        return cls(np.array(list(posterior.means.values())), posterior.covariance, np.stack(quantiles, axis=1))


@dataclass(frozen=True)
class Agreement:
    """How far a posterior is from its reference.

    Attributes
    ----------
    mean
        Largest distance of means, in standard deviations.
    spreads
        Smallest and largest ratio of standard deviations.
    quantile
        Largest distance of quantiles, in standard deviations.
    eigen
        Smallest and largest ratio of standard deviations along any direction.
    mahalanobis
        Distance of the means over sqrt(d).
    failures
        What is farther than it may be.
    """

    mean: float
    spreads: tuple[float, float]
    quantile: float
    eigen: tuple[float, float]
    mahalanobis: float
    failures: tuple[str, ...]


def agreement(found: Moments, reference: Moments, ess: float = math.inf) -> Agreement:
    """Compare two posteriors, of which the first comes from `ess` effective draws.

    Limits: means 0.05 sd, standard deviations 3 %, quantiles 0.1 sd, standard deviations along any direction 5 %,
    Mahalanobis distance of the means 0.1 sqrt(d); and three Monte Carlo standard errors, those of a Gaussian.
    """
    d, error = len(reference.mean), 3.0 / math.sqrt(ess)
    sd = np.sqrt(np.diag(reference.covariance))
    apart = found.mean - reference.mean
    ratios = np.sqrt(np.diag(found.covariance)) / sd
    root = np.linalg.inv(np.linalg.cholesky(reference.covariance))
    eigen = np.sqrt(np.linalg.eigvalsh(root @ found.covariance @ root.T))
    numbers = {
        "mean": (float(np.abs(apart / sd).max()), 0.05 + error),
        "standard deviation": (float(np.abs(ratios - 1.0).max()), 0.03 + error / math.sqrt(2.0)),
        "quantile": (float(np.abs((found.quantiles - reference.quantiles) / sd).max()), 0.1 + 2.1 * error),
        "direction": (float(np.abs(eigen - 1.0).max()), 0.05 + error * math.sqrt(d / 2.0)),
        "Mahalanobis": (float(np.linalg.norm(root @ apart)) / math.sqrt(d), 0.1 + error),
    }
    failures = tuple(f"{name}: {value:.3f} > {limit:.3f}" for name, (value, limit) in numbers.items() if value > limit)
    return Agreement(
        numbers["mean"][0],
        (float(ratios.min()), float(ratios.max())),
        numbers["quantile"][0],
        (float(eigen.min()), float(eigen.max())),
        numbers["Mahalanobis"][0],
        failures,
    )


# ---------------------------------------------------------------------- static correlations on a grid


@dataclass(frozen=True)
class StaticGrid:
    """Points of a grid of the physical parameters, and what does not belong to the likelihood there.

    Attributes
    ----------
    thetas
        Shape (n, 3).
    log_priors
        Of the parameters, and the volume that each point stands for, up to a constant.
    log_likelihoods
        Equation (1).
    """

    thetas: Array
    log_priors: Array
    log_likelihoods: Array

    def moments(self, log_likelihoods: Array | None = None) -> Moments:
        """Of the posterior with these likelihoods, by default those of equation (1)."""
        logs = self.log_priors + (self.log_likelihoods if log_likelihoods is None else log_likelihoods)
        weights = np.exp(logs - logs.max())
        return Moments.of(self.thetas, weights / weights.sum())


def static_grid(setup: Setup, data: xpcs.TwoTimeData, near: Moments, n: int = 41, reach: float = 5.5) -> StaticGrid:
    """Grid along the axes of a posterior that is roughly known, in log D0, alpha and D_offset."""
    scale = np.array([1.0 / near.mean[0], 1.0, 1.0])  # of d(log D0, alpha, D_offset) by d theta
    centre = np.array([math.log(near.mean[0]), *near.mean[1:]])
    root = np.linalg.cholesky(near.covariance * np.outer(scale, scale))
    axis = np.linspace(-reach, reach, n)
    # Turned, so that no parameter has only as many values as the grid has along an axis.
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    z = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3) @ turn
    thetas = centre + z @ root.T
    thetas[:, 0] = np.exp(thetas[:, 0])
    space = setup.space
    u = space.to_unit(thetas)
    thetas = thetas[((u > 0.0) & (u < 1.0)).all(axis=1)]
    return StaticGrid(thetas, space.log_prior(thetas) + np.log(thetas[:, 0]), _regression(data, thetas))


def _regression(data: xpcs.TwoTimeData, thetas: Array) -> Array:
    """Equation (1), every pair of times once."""
    first, second = np.triu_indices(data.n_t, 1)
    ages = np.maximum(data.t, 0.5 * data.dt)
    ys = [data.matrix(k)[first, second] for k in range(data.n_phi)]
    found = np.empty(len(thetas))
    for start in range(0, len(thetas), _BATCH):
        d0, alpha, offset = thetas[start : start + _BATCH].T[:, :, None]
        rate = d0 * ages**alpha + offset
        steps = 0.5 * (rate[:, 1:] + rate[:, :-1]) * np.diff(data.t)
        integral = np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps, axis=1)], axis=1)
        f = np.exp(-(data.q**2) * (integral[:, second] - integral[:, first]))
        centred = f - f.mean(axis=1, keepdims=True)
        squares = np.einsum("np,np->n", centred, centred)
        total, log_det = 0.0, 0.0
        for y in ys:
            total = total + ((y - y.mean()) ** 2).sum() - (centred @ y) ** 2 / squares
            log_det = log_det + np.log(squares)  # and log N, a constant
        n_pairs = len(ys) * len(first)
        found[start : start + _BATCH] = -0.5 * log_det - 0.5 * (n_pairs - 2 * len(ys)) * np.log(total)
    return found


def marginal_problem(setup: Setup, data: xpcs.TwoTimeData) -> MarginalProblem:
    """What `wilks.xpcs.sample` samples, with bounds of contrast and offset that cut nothing off."""
    question = check_question(data, setup.mode, "individual", setup.boxes, None, setup.options)
    base = problem_of(question, prepare(data, question))
    return MarginalProblem(base, "integrated", space=setup.space, bounds=((-2.0, 3.0), (-1.0, 3.0)))


# ---------------------------------------------------------------------- a straight line

N_SHARDS = 4
_T = np.linspace(9.0, 10.0, 20 * N_SHARDS)
_Y = 1.0 + 0.5 * _T + np.random.default_rng(3).standard_normal(len(_T))
_PRIOR = {"a": (0.0, 3.0), "b": (1.0, 0.3)}
LINE = wilks.Space({name: wilks.Real(-60.0, 60.0, prior=wilks.Normal(*given)) for name, given in _PRIOR.items()})


def _squares(values: dict[str, Array], shard: Array) -> Array:
    t, y = shard
    apart = y - np.multiply.outer(values["a"], np.ones_like(t)) - np.multiply.outer(values["b"], t)
    return np.asarray((apart**2).sum(axis=-1)[..., None])


def _half(values: dict[str, Array], total: Array) -> Array:
    return np.asarray(-0.5 * total[..., 0])


def line(first: int = 0, last: int = N_SHARDS) -> wilks.AdditiveProblem:
    """Measurements of a straight line in some shards; in each, intercept and slope have the correlation -0.9995."""
    shards = np.split(np.stack([_T, _Y]), N_SHARDS, axis=1)[first:last]
    pieces = [np.ascontiguousarray(each) for each in shards]
    return wilks.AdditiveProblem(LINE, pieces, _squares, _half, vectorized=True)


def line_moments() -> Moments:
    """The posterior of all shards, in closed form."""
    means, sds = np.array(list(_PRIOR.values())).T
    design = np.stack([np.ones_like(_T), _T], axis=1)
    covariance = np.linalg.inv(design.T @ design + np.diag(sds**-2))
    mean = covariance @ (design.T @ _Y + means / sds**2)
    quantiles = mean + np.array([[-1.6448536], [1.6448536]]) * np.sqrt(np.diag(covariance))
    return Moments(mean, covariance, quantiles)
