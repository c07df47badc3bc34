"""Known posteriors: every number against brute force, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wilks.problems.posteriors import (
    POSTERIORS,
    funnel_posterior,
    gaussian_posterior,
    mixture_posterior,
    scatter_posterior,
)

# Two parameters, or as few as the problem has: the numbers by which one is told from ten are the same formulas.
SMALL = {
    "units": lambda: gaussian_posterior(2),
    "tails": POSTERIORS["tails"],
    "bound": POSTERIORS["bound"],
    "scale": POSTERIORS["scale"],
    "ridge": POSTERIORS["ridge"],
    "modes": lambda: mixture_posterior(2),
    "scatter": lambda: scatter_posterior(1),
    "funnel": lambda: funnel_posterior(1),
}
N_NODES = {2: 1001, 3: 101}
# How much denser the grid is inside.
WARPS = {"units": (3.0, 3.0), "tails": (8.0, 8.0, 8.0), "scatter": (0.0, 6.0, 6.0), "funnel": (0.0, 10.0)}


def axis(n, warp):
    """Points of [0, 1] and their weights: Simpson's rule, of a variable in which the middle is wide."""
    t = np.linspace(-1.0, 1.0, n)
    weights = np.where(np.arange(n) % 2, 4.0, 2.0) / (3.0 * (n - 1))
    weights[[0, -1]] /= 2.0
    if not warp:
        return 0.5 + 0.5 * t, weights
    return 0.5 + 0.5 * np.sinh(warp * t) / np.sinh(warp), weights * warp * np.cosh(warp * t) / np.sinh(warp)


def brute_force(known, warps):
    """Thetas of a grid over the box, with their posterior weights; and the log-evidence."""
    space = known.problem.space
    axes = [axis(N_NODES[space.dimension], warp) for warp in warps or (0.0,) * space.dimension]
    units = np.stack(np.meshgrid(*(u for u, _ in axes), indexing="ij"), axis=-1).reshape(-1, space.dimension)
    weights = np.prod(np.meshgrid(*(w for _, w in axes), indexing="ij"), axis=0).ravel()
    thetas = space.from_unit(units)
    slopes = np.log(space.slope(thetas)).sum(axis=1)
    values = known.problem.log_likelihood(dict(zip(space.free, thetas.T, strict=True)))
    terms = np.exp(values - values.max() + space.log_prior(thetas) + slopes) * weights
    return thetas, terms / terms.sum(), math.log(terms.sum()) + values.max()


@pytest.mark.parametrize("name", SMALL)
def test_moments_and_evidence_by_brute_force(name):
    known = SMALL[name]()
    thetas, weights, evidence = brute_force(known, WARPS.get(name))
    means = weights @ thetas
    covariance = ((thetas - means) * weights[:, None]).T @ (thetas - means)
    spreads = np.sqrt(np.diag(covariance))
    exact = np.array(list(known.standard_deviations.values()))
    np.testing.assert_allclose((means - list(known.means.values())) / exact, 0.0, atol=1e-3)
    np.testing.assert_allclose(spreads / exact, 1.0, atol=1e-3)
    np.testing.assert_allclose(covariance / np.outer(spreads, spreads), known.correlations, atol=1e-3)
    assert evidence == pytest.approx(known.log_evidence, abs=2e-3)


@pytest.mark.parametrize("name", POSTERIORS)
def test_quantiles_have_the_moments(name):
    known = POSTERIORS[name]()
    nodes, weights = np.polynomial.legendre.leggauss(200)
    p = 0.5 * (1.0 + np.sin(0.5 * np.pi * nodes))  # dense at the ends, where the quantiles run away
    weights = 0.25 * np.pi * weights * np.cos(0.5 * np.pi * nodes)
    for parameter, mean in list(known.means.items())[:3]:
        spread = known.standard_deviations[parameter]
        z = (known.quantile(parameter, p) - mean) / spread
        assert weights @ z == pytest.approx(0.0, abs=2e-3)
        assert weights @ z**2 == pytest.approx(1.0, abs=4e-3)


@pytest.mark.parametrize("name", POSTERIORS)
def test_gradient_agrees_with_differences(name):
    known = POSTERIORS[name]()
    space = known.problem.space
    steps = 1e-6 * np.array(list(known.standard_deviations.values()))
    point = np.array(list(known.means.values())) + 0.3e6 * steps
    ends = point + np.concatenate([np.diag(steps), -np.diag(steps)])
    values = known.problem.log_likelihood(dict(zip(space.free, ends.T, strict=True)))
    d = space.dimension
    gradient = known.problem.gradient(space.to_values(point))
    np.testing.assert_allclose(gradient * steps, (values[:d] - values[d:]) / 2.0, rtol=1e-5, atol=1e-13)


def test_no_such_parameter():
    with pytest.raises(ValueError, match="no parameter 'z'; the parameters are a, b"):
        POSTERIORS["bound"]().quantile("z", 0.5)
