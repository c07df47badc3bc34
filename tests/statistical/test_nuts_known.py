"""Draws of NUTS against posteriors that are known in closed form, whatever their gradients and coordinates."""

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.samplers.chains import chain_checks
from wilks.samplers.known import Known
from wilks.samplers.nuts_options import Nuts
from wilks.samplers.target import Target
from wilks.verbs.context import Common, Context
from wilks.verbs.sample_nuts import nuts_draws

jnp = pytest.importorskip("jax.numpy")
pytest.importorskip("numpyro")

QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def drawn(problem, values, method, width=0.1):
    """Chains that pass their checks, from a mode whose width is guessed."""
    space = problem.space
    mode = space.to_unit(space.to_theta(values))
    known = Known(mode[None, :], np.diag(np.full(len(mode), width**2))[None], np.zeros(1))
    context = Context(problem, "sample", Common(seed=7, callbacks=[]))
    chains = nuts_draws(context, method, Target(space), known)
    draws = {name: chains.thetas[:, :, i] for i, name in enumerate(space.free)}
    failed = [str(check) for check in chain_checks(draws, chains.sampling) if not check.ok]
    assert not failed, failed
    return draws, context


def agrees(draws, distribution, n_effective=1000):
    """Do the fractions of the draws below known quantiles agree, within four standard errors?"""
    found = (draws.ravel()[:, None] <= distribution.ppf(QUANTILES)).mean(axis=0)
    error = np.sqrt(QUANTILES * (1 - QUANTILES) / n_effective)
    return bool((np.abs(found - QUANTILES) < 4 * error).all())


@pytest.mark.slow
def test_a_correlated_gaussian_in_a_wide_box():
    scales = np.array([1e-6, 1e-3, 1.0, 1e3, 1e6])
    covariance = np.full((5, 5), 0.99) + 0.01 * np.eye(5)
    precision = jnp.asarray(np.linalg.inv(covariance))
    space = wilks.Space({f"x{i}": wilks.Real(-40 * scale, 40 * scale) for i, scale in enumerate(scales)})

    def log_likelihood(values):
        x = jnp.array([values[name] for name in space.free]) / scales
        return -0.5 * x @ precision @ x

    problem = wilks.LikelihoodProblem(space, log_likelihood)
    draws, _ = drawn(problem, dict.fromkeys(space.free, 0.0), Nuts(n_warmup=300, n_draws=600, max_retries=0), 0.02)
    for scale, (_, x) in zip(scales, draws.items(), strict=True):
        assert agrees(x, stats.norm(0, scale))
    correlations = np.corrcoef([x.ravel() for x in draws.values()])
    np.testing.assert_allclose(correlations[np.triu_indices(5, 1)], 0.99, atol=2e-3)


def test_bounds_and_priors_have_their_jacobians():
    """With the Jacobian of the log scale dropped, the median of the rate would be lower by a factor of exp(-.49)."""
    space = wilks.Space(
        edge=wilks.Real(0, 50),
        rate=wilks.Real(1e-4, 1e4, scale="log", prior=wilks.LogNormal(2.0, 0.7)),
        flat=wilks.Real(-1, 1),
    )
    problem = wilks.LikelihoodProblem(space, lambda v: -v["edge"] + 0.0 * jnp.abs(v["flat"]))
    method = Nuts(n_chains=2, n_warmup=250, n_draws=700, max_retries=0)
    draws, context = drawn(problem, {"edge": 0.5, "rate": 1.0, "flat": 0.0}, method)
    assert agrees(draws["edge"], stats.expon())
    assert agrees(draws["rate"], stats.lognorm(0.7, scale=2.0))
    assert agrees(draws["flat"], stats.uniform(-1, 2))
    without_jacobian = stats.lognorm(0.7, scale=2.0 * np.exp(-(0.7**2)))
    assert not agrees(draws["rate"], without_jacobian)
    assert "gradients by JAX" in context.steps[-1].detail


@pytest.mark.slow
def test_a_banana():
    """x is Gaussian, and so is what is left of y when the parabola is taken off."""
    space = wilks.Space(x=wilks.Real(-8, 8), y=wilks.Real(-10, 40))
    problem = wilks.LikelihoodProblem(
        space, lambda v: -0.5 * jnp.square(v["x"]) - 0.5 * jnp.square(v["y"] - 0.5 * v["x"] ** 2 + 1.0)
    )
    draws, _ = drawn(problem, {"x": 0.0, "y": -1.0}, Nuts(n_warmup=300, max_retries=1), width=0.05)
    assert agrees(draws["x"], stats.norm(), 400)
    assert agrees(draws["y"] - 0.5 * draws["x"] ** 2 + 1.0, stats.norm(), 400)
