"""The verb `sample`: draws from the posterior, with a certificate that says whether they can be trusted."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.chart import BoxChart
from wilks.core.errors import InvalidConfigurationError, SampleFailedError
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.samplers.consensus.options import Consensus
from wilks.samplers.ensemble_options import Ensemble
from wilks.samplers.importance import AdaptiveImportance, ImportanceSampler
from wilks.samplers.nuts_options import Nuts
from wilks.samplers.target import Target
from wilks.searchers.tempering.algorithm import ParallelTempering
from wilks.verbs.context import Common, Context
from wilks.verbs.posterior import chains_posterior, nothing_drawn, weighted_posterior
from wilks.verbs.sample_consensus import consensus_draws
from wilks.verbs.sample_ensemble import ensemble_draws
from wilks.verbs.sample_known import known_from
from wilks.verbs.sample_nuts import gradient_source, nuts_draws
from wilks.verbs.sample_tempering import tempered_draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.loop.drive import Callback
    from wilks.loop.stopping import StoppingRule
    from wilks.samplers.known import Known
    from wilks.samplers.result import Posterior
    from wilks.store.log import EvaluationLog
    from wilks.verbs.context import Start

    Method = AdaptiveImportance | Nuts | Ensemble | ParallelTempering | Consensus

_ROUGH_ROUNDS = 3
_N_STARTS = 40
_MOST_PLACES = 1000
_FEW = 8
_METHODS = (AdaptiveImportance, Nuts, Ensemble, ParallelTempering, Consensus)


def sample(
    problem: object,
    method: Method | None = None,
    *,
    start: Start = None,
    n_draws: int = 4000,
    n_starts: int | None = None,
    executor: object = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> Posterior:
    """Draw from the posterior: likelihood times prior, the prior as the space declares it.

    Without a `method`, importance sampling from the optima of a fit comes first: some four thousand evaluations, many
    side by side, where the posterior is close to a bell for each mode. Where its certificate fails, NUTS follows (with
    JAX, or another gradient and many parameters), or an affine-invariant ensemble, or tempering where there are several
    modes; discrete parameters take tempering at once. What was tried is in ``provenance.executed``.

    Parameters
    ----------
    problem
        A problem of any kind.
    method
        `AdaptiveImportance`, `Nuts`, `Ensemble`, ``ParallelTempering(sampling=True)`` or `Consensus`, with their
        options; None to choose.
    start
        A `FitResult` of this problem, whose optima and covariance the samplers begin with; or where a fit is to begin:
        an earlier result, a dictionary of values, or a list of these.
    n_draws
        Number of equally weighted draws to return, about, over all chains; `Nuts` has its own number.
    n_starts
        Random starts of the search for modes, 40 by default; those of a fit that is given count, and 0 trusts it.
    executor
        As for `wilks.fit`; the draws do not depend on it.
    log
        Where evaluations are kept; with a file, sampling that was interrupted goes on when it is called again with the
        same `seed`.
    seed
        Seed of the random numbers; drawn and recorded when None.
    stop
        Stopping rules, for example ``wilks.MaxTime(60)``.
    callbacks
        Called with the course of the run; a progress line in terminals by default.
    throw
        Raise `SampleFailedError` instead of returning a posterior whose ``status.success`` is False.

    Returns
    -------
    Posterior
        Draws, summary and certificate. ``status.success`` is True only if every check of the certificate holds.

    Raises
    ------
    InvalidProblemError, InvalidConfigurationError
        If an argument cannot be used.
    EvaluationError
        If every evaluation fails; it shows the first traceback.
    MissingDependencyError
        If a method was asked for whose package is not installed.
    SampleFailedError
        With ``throw=True``, if the certificate does not hold.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(a=wilks.Real(-9, 9), b=wilks.Real(-9, 9, prior=wilks.Normal(0, 1)))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * ((v["a"] - 1) ** 2 + (v["b"] - 1) ** 2))
    >>> posterior = wilks.sample(problem, seed=1)
    >>> posterior.status.success, round(posterior.means["b"], 1), round(posterior.standard_deviations["b"], 1)
    (True, 0.5, 0.7)
    """
    check_arguments(method, n_draws, n_starts)
    context = Context(problem, "sample", Common(executor, log, seed, stop, callbacks))  # type: ignore[arg-type]  # checked
    result = _sampled(context, method, start, n_draws, _N_STARTS if n_starts is None else n_starts)
    if throw and not result.status.success:
        raise SampleFailedError(result)
    return result


def check_arguments(method: object, n_draws: object, n_starts: object) -> None:
    """Refuse what cannot be used."""
    if method is not None and not isinstance(method, _METHODS):
        names = ", ".join(
            f"wilks.{kind.__name__}({'sampling=True' if kind is ParallelTempering else '...'})" for kind in _METHODS
        )
        raise InvalidConfigurationError(f"method: expected None or one of {names}, got {method!r}")
    if isinstance(method, ParallelTempering) and not method.sampling:
        raise InvalidConfigurationError(
            "method: expected wilks.ParallelTempering(sampling=True), got an optimiser; wilks.search takes it"
        )
    if isinstance(n_draws, bool) or not isinstance(n_draws, int) or n_draws < 100:
        raise InvalidConfigurationError(f"n_draws: expected an integer >= 100, got {n_draws!r}")
    if n_starts is not None and (isinstance(n_starts, bool) or not isinstance(n_starts, int) or n_starts < 0):
        raise InvalidConfigurationError(f"n_starts: expected an integer >= 0 or None, got {n_starts!r}")


def _sampled(context: Context, method: Method | None, start: Start, n_draws: int, n_starts: int) -> Posterior:
    space = context.problem.space
    if isinstance(method, ParallelTempering) or (method is None and not space.is_continuous.all()):
        return _tempered(context, method or ParallelTempering(sampling=True), context.starts(start), n_draws)
    target = Target(space, context.problem.chart() or BoxChart())
    known, ended = known_from(context, target, start, n_starts)
    return draw_known(context, method, target, known, n_draws, ended)


def draw_known(
    context: Context, method: Method | None, target: Target, known: Known, n_draws: int, ended: Status | None = None
) -> Posterior:
    """Draw from a target of which the modes are known; `ended` if their search was ended from outside."""
    if ended is not None:
        return nothing_drawn(context, "nothing yet", ended)
    if isinstance(method, Consensus):
        found = consensus_draws(context, method, target, known)
        if not found.samples:
            return nothing_drawn(context, found.method, found.ended or Status(Outcome.NOT_CONVERGED))
        return weighted_posterior(context, found.method, found.samples, found.certificate, n_draws, found.ended)
    if method is None:
        return _chosen(context, target, known, n_draws)
    if isinstance(method, AdaptiveImportance):
        return _importance(context, method, target, known, n_draws)[0]
    _, rough = _importance(context, AdaptiveImportance(max_rounds=_ROUGH_ROUNDS), target, known, n_draws)
    return _chains(context, method, target, rough, n_draws)


def _chosen(context: Context, target: Target, known: Known, n_draws: int) -> Posterior:
    """The first method that its certificate accepts; the last one if none does."""
    result, rough = _importance(context, AdaptiveImportance(), target, known, n_draws)
    attempts = {result.method: result.certificate}
    if result.status.outcome is not Outcome.NOT_CONVERGED:
        return result
    for method in _others(context, target, known):
        best = result
        result = _chains(context, method, target, rough, n_draws)
        if isinstance(method, ParallelTempering) or result.status.outcome is not Outcome.NOT_CONVERGED:
            return replace(result, attempts=attempts)
        attempts = {**attempts, result.method: result.certificate}
        result = result if len(result.certificate.failures) <= len(best.certificate.failures) else best
    return replace(result, attempts={name: each for name, each in attempts.items() if name != result.method})


def _others(context: Context, target: Target, known: Known) -> list[Method]:
    """What to try after importance sampling, in order.

    A gradient that is called through Python costs some hundred microseconds beside what it takes itself, so that few
    parameters are done sooner by the ensemble.
    """
    if len(known.means) > 1:
        return [ParallelTempering(sampling=True)]
    theta = target.thetas(known.means[:1] if len(known.means) else np.full((1, target.dimension), 0.5))[0]
    source = gradient_source(context.problem, theta)
    if not source:
        return [Ensemble()]
    if importlib.util.find_spec("numpyro") is None:
        detail = "not tried, though there is a gradient: it needs numpyro, pip install 'wilks[sample]'"
        context.steps.append(Step("NUTS", detail))
        return [Ensemble()]
    quick = source == "jax" or target.dimension > _FEW
    return [Nuts(), Ensemble()] if quick else [Ensemble(), Nuts()]


def _importance(
    context: Context, options: AdaptiveImportance, target: Target, known: Known, n_draws: int
) -> tuple[Posterior, Known]:
    """The posterior by importance sampling, and what is known with its draws."""
    sampler = ImportanceSampler(options, target, known)
    identity = (known.means, known.covariances, target.power, repr(target.chart))
    title = f"importance sampling of {context.problem.name}"
    outcomes = context.run(sampler, title, np.empty((0, target.dimension)), *identity)
    state = outcomes.state
    ended = None if state.done else outcomes.status
    if state.certificate is None:
        context.steps.append(Step("importance sampling", "ended in the first round", outcomes.run.n_evaluations))
        return nothing_drawn(context, "adaptive importance sampling", outcomes.status), known
    samples, certificate = sampler.samples(state), state.certificate
    n_modes, n = len(known.means), sum(len(sample.raw) for sample in samples)
    detail = f"{state.n_rounds} rounds, {n_modes} mode{'s' if n_modes != 1 else ''}, {n} draws: " + (
        "certified" if certificate.ok else certificate.message
    )
    context.steps.append(Step("importance sampling", detail, outcomes.run.n_evaluations))
    result = weighted_posterior(context, "adaptive importance sampling", samples, certificate, n_draws, ended)
    x = np.empty((0, target.dimension))
    if result.log_likelihoods.size:
        thetas = np.stack([result.draws[name].ravel() for name in result.names], axis=1)
        x = target.coordinates(thetas[:: max(1, len(thetas) // _MOST_PLACES)])
    return result, replace(known, draws=x)


def _chains(context: Context, method: Method, target: Target, known: Known, n_draws: int) -> Posterior:
    if isinstance(method, Nuts):
        return chains_posterior(context, "NUTS", nuts_draws(context, method, target, known))
    if isinstance(method, Ensemble):
        method = method if method.n_draws else replace(method, n_draws=n_draws)
        return chains_posterior(context, "affine-invariant ensemble", ensemble_draws(context, method, target, known))
    assert isinstance(method, ParallelTempering)  # noqa: S101 - for the type checker
    return _tempered(context, method, np.clip(target.chart.to_unit(known.means), 0.0, 1.0), n_draws)


def _tempered(context: Context, method: ParallelTempering, starts: NDArray[np.float64], n_draws: int) -> Posterior:
    chains = tempered_draws(context, method, starts, n_draws=n_draws)
    return chains_posterior(context, "parallel tempering", chains)
