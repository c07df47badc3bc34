"""NUTS as a method of `wilks.sample`: where the gradient comes from, and what is done when chains fail their checks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidProblemError, MissingDependencyError
from wilks.core.least_squares import FactoredProblem, ResidualProblem
from wilks.core.problem import LikelihoodProblem
from wilks.core.random import keyed_generator
from wilks.core.result import Step
from wilks.loop.drive import Watch
from wilks.loop.progress import Progress
from wilks.loop.stopping import as_rules
from wilks.samplers.chains import Chains, chain_checks
from wilks.samplers.course import Course
from wilks.samplers.host import HostLikelihood, Placement
from wilks.samplers.traced import TracedLikelihood, traced_likelihood
from wilks.samplers.whitening import Whitening, rough_draws, without_walls
from wilks.solvers.mentions import mentions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want
    from wilks.samplers.certificate import Check
    from wilks.samplers.known import Known
    from wilks.samplers.nuts import NutsRun
    from wilks.samplers.nuts_options import Nuts
    from wilks.samplers.target import Target
    from wilks.verbs.context import Context

_KEY = 60
_N_ROUGH = 400
_STARTS_PER_CHAIN = 20
_TARGETS = (0.95, 0.99)
_APART = 1.05
"""R-hat from which on chains are in different places; below it they are too short."""
_WANTS: dict[str, Want] = {"gradient": "gradient", "residuals": "residual"}
_SOURCES = {
    "jax": "JAX",
    "gradient": "the gradient of the problem",
    "residuals": "the Jacobian of the residuals",
}


def gradient_source(problem: Problem, theta: NDArray[np.float64]) -> str:
    """Where NUTS would take the gradient of the log-likelihood from.

    Parameters
    ----------
    problem
        Of any kind.
    theta
        A point of it, shape (d,); a likelihood whose code speaks of JAX is traced there.

    Returns
    -------
    str
        ``"jax"``, ``"gradient"``, ``"residuals"``, or nothing when there is none.

    Examples
    --------
    >>> import numpy as np, wilks
    >>> space = wilks.Space(a=wilks.Real(-1, 1))
    >>> gradient_source(wilks.LikelihoodProblem(space, lambda v: -(v["a"] ** 2)), np.zeros(1))
    ''
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -(v["a"] ** 2), gradient=lambda v: [-2 * v["a"]])
    >>> gradient_source(problem, np.zeros(1))
    'gradient'
    """
    if isinstance(_of_jax(problem, theta), TracedLikelihood):
        return "jax"
    if problem.supports("gradient"):
        return "gradient"
    has_rows = isinstance(problem, ResidualProblem) and (problem.jacobian is not None or problem.chunked)
    return "residuals" if has_rows or isinstance(problem, FactoredProblem) else ""


def _of_jax(problem: Problem, theta: NDArray[np.float64]) -> TracedLikelihood | str:
    function = problem.residual if isinstance(problem, ResidualProblem) else getattr(problem, "log_likelihood", None)
    if not isinstance(problem, (LikelihoodProblem, ResidualProblem)) or not mentions(function, "jax"):
        return "its code does not speak of JAX"
    return traced_likelihood(problem, theta)


def nuts_draws(context: Context, method: Nuts, target: Target, known: Known) -> Chains:
    """Draw from a posterior by NUTS.

    Parameters
    ----------
    context
        The call of the verb; evaluations and steps are entered there.
    method
        Options.
    target
        The density; over a box it is sampled on the whole line.
    known
        Modes or draws, in the coordinates of `target`: they give the first whitening and the starts.

    Returns
    -------
    Chains
        Those of the last attempt; as far as they came, if a rule or the user ended them.

    Raises
    ------
    InvalidProblemError
        If the likelihood has no gradient, or one that points the wrong way, or no start has a density.
    MissingDependencyError
        If NumPyro is not installed.
    """
    try:
        from wilks.samplers.nuts import NutsRun, restore_precision  # noqa: PLC0415 - JAX loads on use
    except ImportError:
        raise MissingDependencyError("NUTS", "numpyro", "sample") from None
    problem = context.problem
    generator = keyed_generator(context.seed, _KEY)
    thetas = rough_draws(target, known, _N_ROUGH, generator)
    first = target.thetas(known.means[:1])[0] if len(known.means) else thetas[0]
    source = gradient_source(problem, first)
    if not source:
        reason = _of_jax(problem, first)
        raise InvalidProblemError(
            f"NUTS: {problem.name!r} has no gradient ({reason}); give gradient= to wilks.LikelihoodProblem or "
            "jacobian= to wilks.ResidualProblem, write the likelihood with jax.numpy, or use method=wilks.Ensemble()"
        )
    if source == "gradient" and not any(step.name == "check of the gradient" for step in context.steps):
        ended = context.check_gradient(problem.space.to_unit(first[None, :]))
        if ended is not None:
            return Chains(np.empty((1, 0, target.dimension)), np.empty((1, 0)), ended=ended)
    attempts = _Attempts(context, method, without_walls(target), source, NutsRun)
    try:
        with Course(_watch(context)) as course:
            chains = attempts.run(course, thetas)
    finally:
        if source == "jax":
            restore_precision()
    context.n_evaluations += course.n_evaluations
    context.stats["n_failed"] += course.n_failed
    context.stats["n_violated"] += course.n_violated
    context.steps += attempts.steps
    return replace(chains, n_evaluations=course.n_evaluations, steps=tuple(attempts.steps), ended=course.status)


def _watch(context: Context) -> Watch:
    callbacks = context.common.callbacks
    return Watch(
        f"NUTS of {context.problem.name}",
        as_rules(context.common.stop),
        (Progress(),) if callbacks is None else tuple(callbacks),
        context.n_evaluations,
        time.perf_counter() - context.began,
    )


@dataclass
class _Attempts:
    """Runs one after another, each more careful than the one before, until the chains pass their checks.

    Attributes
    ----------
    steps
        What was executed.
    """

    context: Context
    method: Nuts
    target: Target
    source: str
    run_class: type[NutsRun]
    steps: list[Step] = field(default_factory=list)

    def run(self, course: Course, thetas: NDArray[np.float64]) -> Chains:
        """Draw, beginning with thetas that are roughly posterior draws."""
        method, n_draws = self.method, self.method.n_draws
        chains = Chains(np.empty((method.n_chains, 0, self.target.dimension)), np.empty((method.n_chains, 0)))
        run: NutsRun | None = None
        likelihood: TracedLikelihood | HostLikelihood | None = None
        for attempt in range(self.method.max_retries + 1):
            before = course.n_evaluations
            if run is None or likelihood is None:
                likelihood = self._likelihood(thetas, course)
                run = self._begun(attempt, method, likelihood, thetas, course)
            run.advance(n_draws)
            found = Chains(run.thetas(), run.log_likelihoods(), run.sampling())
            checks = self._checks(found)
            self._record(method, found, checks, likelihood, course, before)
            if course.status is None or run.n_draws >= chains.log_likelihoods.shape[1]:
                chains = found
            failed = {check.name: check.value for check in checks if not check.ok}
            if course.status is not None or not failed.keys() & {"divergences", "R-hat", "bulk ESS", "tail ESS"}:
                break
            if "divergences" not in failed and failed.get("R-hat", 1.0) < _APART:
                n_draws *= 2
                continue
            thetas = found.thetas.reshape(-1, self.target.dimension)
            accept = next((each for each in _TARGETS if each > method.target_accept), method.target_accept)
            method, run = replace(method, target_accept=accept, n_warmup=2 * method.n_warmup), None
        return chains

    def _likelihood(self, thetas: NDArray[np.float64], course: Course) -> TracedLikelihood | HostLikelihood:
        problem = self.context.problem
        traced = _of_jax(problem, thetas[0]) if self.source == "jax" else ""
        if isinstance(traced, TracedLikelihood):
            return traced
        return HostLikelihood(problem, _WANTS[self.source], thetas.std(axis=0), course)

    def _begun(
        self,
        attempt: int,
        method: Nuts,
        likelihood: TracedLikelihood | HostLikelihood,
        thetas: NDArray[np.float64],
        course: Course,
    ) -> NutsRun:
        """A run in coordinates that are whitened by the draws, which it starts from."""
        generator = keyed_generator(self.context.seed, _KEY, attempt)
        points = self.target.coordinates(thetas)
        whitening = Whitening.of(points)
        starts = whitening.inverse(generator.permutation(points)[: _STARTS_PER_CHAIN * method.n_chains])
        seeds = generator.integers(2**31, size=method.n_chains).tolist()
        return self.run_class(Placement(self.target, whitening), likelihood, method, seeds, starts, course)

    def _checks(self, found: Chains) -> list[Check]:
        names = self.context.problem.space.free
        draws = {name: found.thetas[:, :, column] for column, name in enumerate(names)}
        return chain_checks(draws, found.sampling)

    def _record(
        self,
        method: Nuts,
        found: Chains,
        checks: list[Check],
        likelihood: TracedLikelihood | HostLikelihood,
        course: Course,
        before: int,
    ) -> None:
        n_chains, n_draws = found.log_likelihoods.shape
        values = ", ".join(f"{check.name} {check.value:.4g}" for check in checks)
        detail = (
            f"{n_chains} chains of {n_draws} draws after {method.n_warmup} of warmup, gradients by "
            f"{_SOURCES[self.source]}, target_accept {method.target_accept:g}: {values}"
        )
        if isinstance(likelihood, HostLikelihood) and likelihood.n_differences:
            detail += f"; derivatives by finite differences at {likelihood.n_differences} points"
            detail += f", since the gradient failed: {likelihood.error}" if likelihood.error else ""
        if course.status is not None:
            detail += f". {course.status.message}"
        self.steps.append(Step("NUTS", detail, course.n_evaluations - before))
