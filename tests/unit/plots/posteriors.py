"""Posteriors with known draws, for the tests of pictures and of what goes to ArviZ."""

import numpy as np

import wilks
from tests.unit.plots.examples import PROVENANCE
from wilks.core.status import Outcome, Status
from wilks.samplers.certificate import Certificate, Check
from wilks.samplers.psis import effective_size, k_limit, smoothed
from wilks.samplers.result import Posterior, Weighted

CHAIN_CHECKS = (
    Check.below("R-hat", 1.002, 1.01, "draw longer chains", "a"),
    Check.at_least("bulk ESS", 812.0, 400.0, "draw longer chains", "a"),
)
SPACE = wilks.Space(
    a=wilks.Real(-5, 5, label="$a$", unit="m"),
    rate=wilks.Real(1e-3, 10, scale="log", unit="1/s"),
    b=wilks.Real(-20, 20, prior=wilks.Normal(0, 3)),
    scale=3.0,
    model="flat",
)


def posterior(space, draws, *, checks=CHAIN_CHECKS, **more):
    """A posterior around any draws, shape (chain, draw)."""
    thetas = np.stack([draws[name] for name in space.free], axis=-1)
    best = space.to_values(thetas[0, 0])
    certificate = Certificate(tuple(checks))
    settings = {
        "space": space,
        "status": Status(Outcome.CONVERGED if certificate.ok else Outcome.NOT_CONVERGED, certificate.message),
        "best": best,
        "log_likelihood": 0.0,
        "n_evaluations": 12_000,
        "stats": {},
        "provenance": PROVENANCE,
        "method": "NUTS",
        "names": space.free,
        "draws": draws,
        "log_likelihoods": -0.5 * sum((draws[name] - draws[name].mean()) ** 2 for name in space.free),
        "log_priors": space.log_prior(thetas),
        "certificate": certificate,
    }
    return Posterior(**(settings | more))


def moving(generator, shape, *, memory=0.5):
    """Standard normal chains whose neighbours are correlated."""
    steps = generator.normal(size=shape)
    found = np.empty(shape)
    found[:, 0] = steps[:, 0]
    for i in range(1, shape[1]):
        found[:, i] = memory * found[:, i - 1] + np.sqrt(1 - memory**2) * steps[:, i]
    return found


def recorded(generator, shape, *, n_diverging=6):
    """What NUTS records of its draws."""
    diverging = np.zeros(shape)
    diverging.flat[:: -(-diverging.size // n_diverging)] = 1.0
    kinetic = 0.5 * (generator.normal(size=(3, *shape)) ** 2).sum(axis=0)
    energy = kinetic + 0.5 * sum(moving(generator, shape) ** 2 for _ in range(3))
    return {
        "diverging": diverging,
        "energy": energy,
        "tree_depth": np.full(shape, 3.0),
        "n_steps": np.full(shape, 7.0),
        "acceptance_rate": np.full(shape, 0.87),
        "step_size": np.full(shape, 0.4),
    }


def gaussian(n_chains=4, n_draws=500, **more):
    """Three correlated parameters, one of them on a log scale, two constants, drawn by NUTS."""
    generator = np.random.default_rng(1)
    x, y, z = (moving(generator, (n_chains, n_draws)) for _ in range(3))
    draws = {"a": 1 + 0.3 * x, "rate": 10 ** (-1 + 0.2 * (0.9 * x + 0.43 * y)), "b": 2 * z - x}
    settings = {"sampling": recorded(generator, (n_chains, n_draws))}
    return posterior(SPACE, draws, **(settings | more))


def bimodal(n_chains=4, n_draws=500):
    """Two modes; the last of the chains stays in one of them all the time. No energies."""
    generator = np.random.default_rng(2)
    shape = (n_chains, n_draws)
    left = np.arange(n_draws) // 60 % 2 == np.arange(n_chains)[:, None] % 2
    left[-1] = False
    draws = {"a": np.where(left, -2.0, 1.5) + 0.4 * generator.normal(size=shape), "b": generator.normal(size=shape)}
    space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    bad = Check.below("R-hat", 1.31, 1.01, "the chains disagree", "a")
    return posterior(space, draws, checks=(bad, CHAIN_CHECKS[1]), method="ensemble")


def many(d=27, n_chains=4, n_draws=300):
    """Many parameters; the last one mixes worst."""
    generator = np.random.default_rng(3)
    names = [f"contrast_{i}" for i in range(d)]
    space = wilks.Space({name: wilks.Real(-100, 100) for name in names})
    shape = (n_chains, n_draws)
    draws = {name: i + moving(generator, shape, memory=0.3 + 0.6 * i / d) for i, name in enumerate(names)}
    return posterior(space, draws, sampling=recorded(generator, shape))


def mixed(n_chains=2, n_draws=400):
    """Every kind of parameter, one that never moved, and quantities derived from them."""
    generator = np.random.default_rng(4)
    space = wilks.Space(
        a=wilks.Real(-5, 5),
        order=wilks.Integer(0, 9),
        power=wilks.Grid([0.5, 1.0, 2.0, 5.0]),
        kind=wilks.Categorical(["flat", "slightly curved", "open"], label="kind"),
        stuck=wilks.Real(0, 1),
    )
    shape = (n_chains, n_draws)
    draws = {
        "a": generator.normal(size=shape),
        "order": np.clip(np.round(generator.normal(3, 1, shape)), 0, 9),
        "power": generator.choice([0.5, 1.0, 2.0, 5.0], shape, p=[0.1, 0.2, 0.6, 0.1]),
        "kind": generator.choice(3, shape, p=[0.6, 0.3, 0.1]).astype(float),
        "stuck": np.full(shape, 0.25),
    }
    derived = {"square": draws["a"] ** 2, "curve": draws["a"][..., None] * np.arange(3.0)}
    return posterior(space, draws, derived=derived, method="parallel tempering")


def importance(n=3000, n_draws=1000, *, width=1.2):
    """Weighted draws of a normal proposal, and those that were resampled; one that is too narrow gives a heavy tail."""
    generator = np.random.default_rng(5)
    x = width * generator.normal(size=(n, 2))
    log_weights, k = smoothed((-0.5 * x**2 + 0.5 * (x / width) ** 2).sum(axis=1))
    inside = np.clip(x, -50, 50)
    weighted = Weighted(inside, log_weights, -0.5 * (x**2).sum(axis=1), np.arange(n) % 2)
    picked = generator.choice(n, n_draws, p=np.exp(log_weights))
    space = wilks.Space(a=wilks.Real(-50, 50), b=wilks.Real(-50, 50))
    checks = (
        Check.below("Pareto k-hat", k, k_limit(n), "draw more"),
        Check.at_least("importance ESS", effective_size(log_weights), 400.0, "draw more"),
    )
    draws = {"a": inside[picked, 0][None], "b": inside[picked, 1][None]}
    return posterior(space, draws, checks=checks, weighted=weighted, method="importance sampling")
