"""Posteriors by hand: exact importance sampling from a Student t, with no sampler of wilks in it."""

import numpy as np

from wilks.core.result import Provenance, Step
from wilks.core.status import Outcome, Status
from wilks.samplers.certificate import Certificate, Check
from wilks.samplers.result import Posterior, Weighted

CERTIFIED = Certificate((Check.below("Pareto k-hat", 0.1, 0.7, "draw more"),))
FAILED = Certificate((Check.below("R-hat", 1.3, 1.01, "draw longer chains", "a"),))
_NU = 5


def drawn(problem, mean, covariance, n=8000, *, prior_power=1.0, certificate=CERTIFIED, seed=1):
    """Weighted draws; `mean` and `covariance` are those of the proposal."""
    generator = np.random.default_rng(seed)
    factor = np.linalg.cholesky(np.atleast_2d(np.array(covariance, dtype=float)))
    normal = generator.normal(size=(n, len(factor)))
    thetas = np.atleast_1d(mean) + normal @ factor.T / np.sqrt(generator.chisquare(_NU, size=(n, 1)) / _NU)
    space = problem.space
    ends = [space.from_unit(np.full(space.dimension, end)) for end in (0.0, 1.0)]
    thetas = thetas[((thetas > ends[0]) & (thetas < ends[1])).all(axis=1)]
    apart = np.linalg.solve(factor, (thetas - np.atleast_1d(mean)).T)
    proposal = -0.5 * (_NU + len(factor)) * np.log1p(np.sum(apart**2, axis=0) / _NU)
    heights = np.array([problem.log_likelihood(space.to_values(theta)) for theta in thetas])
    log_prior = space.log_prior(thetas)
    log_weights = heights + prior_power * log_prior - proposal
    log_weights -= np.logaddexp.reduce(log_weights)
    rows = generator.choice(len(thetas), size=2000, p=np.exp(log_weights))
    best = int(np.argmax(heights))
    return Posterior(
        space=space,
        status=Status(Outcome.CONVERGED if certificate.ok else Outcome.NOT_CONVERGED, certificate.message),
        best=space.to_values(thetas[best]),
        log_likelihood=float(heights[best]),
        n_evaluations=len(thetas),
        stats={},
        provenance=Provenance(
            {"wilks": "0"}, 1, problem.name, problem.fingerprint, (Step("draws", "of a t", n),), "serial", "", 0.0
        ),
        method="importance sampling",
        names=space.free,
        draws={name: thetas[rows, i].reshape(4, -1) for i, name in enumerate(space.free)},
        log_likelihoods=heights[rows].reshape(4, -1),
        log_priors=log_prior[rows].reshape(4, -1),
        certificate=certificate,
        weighted=Weighted(thetas, log_weights, heights, np.zeros(len(thetas), dtype=np.int64)),
    )
