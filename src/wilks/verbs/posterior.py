"""From draws to the result of `wilks.sample`, whatever drew them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.random import keyed_generator
from wilks.core.status import Outcome, Status
from wilks.samplers.certificate import Certificate, Check
from wilks.samplers.chains import chain_checks
from wilks.samplers.importance_checks import pooled
from wilks.samplers.psis import systematic
from wilks.samplers.result import Posterior, Weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.samplers.chains import Chains
    from wilks.samplers.importance_checks import Sample
    from wilks.verbs.context import Context

_RESAMPLE, _SHUFFLE = 70, 71
_MOST_FAILED = 0.01
_FAILED = (
    "where the likelihood fails it counts as zero: mend it, or let it return minus infinity where that is meant "
    "(posterior.log.failures() has the tracebacks)"
)


def chains_posterior(context: Context, method: str, chains: Chains) -> Posterior:
    """The result of Markov chains."""
    names = context.problem.space.free
    draws = {name: chains.thetas[:, :, i] for i, name in enumerate(names)}
    there = chains.log_likelihoods.size > 0
    discrete = [name for name, n in zip(names, context.problem.space.n_values, strict=True) if n is not None]
    certificate = Certificate((*chain_checks(draws, chains.sampling, discrete), *chains.checks) if there else ())
    return _posterior(
        context,
        method,
        chains.thetas,
        chains.log_likelihoods,
        certificate,
        chains.ended,
        sampling=chains.sampling,
        log_evidence=chains.log_evidence,
        log_evidence_error=chains.log_evidence_error,
    )


def weighted_posterior(
    context: Context,
    method: str,
    samples: Sequence[Sample],
    certificate: Certificate,
    n_draws: int,
    ended: Status | None = None,
) -> Posterior:
    """The result of weighted draws: a chain of equally weighted ones for each population."""
    together = pooled(samples)
    populations = np.repeat(np.arange(len(samples)), [len(sample.raw) for sample in samples])
    weights = together.smoothed[0]
    kept = np.isfinite(weights)
    weighted = Weighted(together.thetas[kept], weights[kept], together.log_likelihoods[kept], populations[kept])
    chains = []
    for number, sample in enumerate(samples):
        if kept[populations == number].any():
            rows = systematic(sample.weights, n_draws // len(samples), keyed_generator(context.seed, _RESAMPLE, number))
            first = int(np.argmax(populations == number))
            chains.append(first + keyed_generator(context.seed, _SHUFFLE, number).permutation(rows))
    chosen = np.array(chains, dtype=np.int64).reshape(max(len(chains), 1), -1)
    return _posterior(
        context,
        method,
        together.thetas[chosen],
        together.log_likelihoods[chosen],
        certificate,
        ended,
        weighted=weighted if chains else None,
        log_evidence=together.log_evidence if chains else math.nan,
        log_evidence_error=together.log_evidence_error if chains else math.nan,
    )


def nothing_drawn(context: Context, method: str, ended: Status) -> Posterior:
    """The result of a run that was ended before it had any draws."""
    d = context.problem.space.dimension
    return _posterior(context, method, np.empty((1, 0, d)), np.empty((1, 0)), Certificate(()), ended)


def _posterior(
    context: Context,
    method: str,
    thetas: NDArray[np.float64],
    log_likelihoods: NDArray[np.float64],
    certificate: Certificate,
    ended: Status | None,
    **more: Any,  # noqa: ANN401 - fields of the result
) -> Posterior:
    space = context.problem.space
    n_failed = context.stats["n_failed"]
    if n_failed and certificate.checks:
        share = n_failed / max(context.n_evaluations, 1)
        certificate = Certificate(
            (*certificate.checks, Check.below("failed evaluations", share, _MOST_FAILED, _FAILED))
        )
    log_priors = space.log_prior(thetas) if thetas.size else np.empty(log_likelihoods.shape)
    best: dict[str, Any] = {}
    value = -math.inf
    if log_likelihoods.size:
        at = np.unravel_index(int(np.argmax(log_likelihoods + log_priors)), log_likelihoods.shape)
        best, value = space.to_values(thetas[at]), float(log_likelihoods[at])
    return Posterior(
        space=space,
        status=_status(certificate) if ended is None else _early(ended),
        best=best,
        log_likelihood=value,
        n_evaluations=context.n_evaluations,
        stats=context.stats,
        provenance=context.provenance(),
        log=context.log,
        method=method,
        names=space.free,
        draws={name: thetas[:, :, i] for i, name in enumerate(space.free)},
        log_likelihoods=log_likelihoods,
        log_priors=log_priors,
        certificate=certificate,
        **more,
    )


def _status(certificate: Certificate) -> Status:
    if certificate.ok:
        return Status(Outcome.CONVERGED, f"All {len(certificate.checks)} checks of the certificate hold.")
    return Status(Outcome.NOT_CONVERGED, certificate.message or "There are no draws.")


def _early(status: Status) -> Status:
    """How a run ended that was not let to its end; never a success."""
    if status.success:
        return Status(Outcome.NOT_CONVERGED, f"Nothing is certified yet: {status.message}")
    return status
