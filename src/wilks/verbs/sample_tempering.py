"""Parallel tempering as a method of `wilks.sample`, for several modes and for discrete parameters.

Two runs that share nothing but what they start from are driven in the same batches, so that their agreement says
something. When the first budget is used up their chains are checked; until they pass, the runs go on for as many
evaluations again. The ladders stay as the burn-in has left them: all of it is one Markov chain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.proposal import Evaluations, EvaluationStatus, Proposals
from wilks.core.random import keyed_generator
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.samplers.chains import Chains, chain_checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.searchers.state import SearchState
    from wilks.searchers.tempering.algorithm import ParallelTempering
    from wilks.searchers.tempering.sample import TemperedSample
    from wilks.verbs.context import Context

    Array = NDArray[np.float64]

N_RUNS = 2
_FIRST, _PER_PARAMETER = 8000, 2000
_MOST_DOUBLINGS = 4
_VIOLATED = int(EvaluationStatus.VIOLATED)


@dataclass
class RunsState:
    """State of the runs; `n_told` counts evaluations of all of them."""

    runs: list[SearchState]
    n_told: int = 0
    next_look: int = 0
    passed: bool = False
    done: bool = False


@dataclass(frozen=True)
class TemperingRuns:
    """Independent tempering runs; an `core.algorithm.Algorithm`.

    Parameters
    ----------
    sampler
        What each of them does, with a budget.
    n_draws
        About how many draws are kept, of all runs together.
    """

    sampler: ParallelTempering
    budget: int
    n_draws: int

    generational = True

    def init(self, space: Space, seed: int, starts: Array) -> RunsState:
        """Begin all runs, each with a seed of its own."""
        seeds = [int(keyed_generator(seed, number).integers(2**32)) for number in range(N_RUNS)]
        return RunsState([self.sampler.init(space, each, starts) for each in seeds], next_look=N_RUNS * self.budget)

    def ask(self, state: RunsState, limit: int) -> tuple[Proposals, RunsState]:
        """Hand out what every run wants to know."""
        parts = []
        for number, run in enumerate(state.runs):
            proposals, state.runs[number] = self.sampler.ask(run, limit)
            parts.append(Proposals(proposals.ids * N_RUNS + number, proposals.thetas, proposals.phases))
            limit -= len(proposals)
        ids, thetas, phases = (
            np.concatenate([getattr(part, f) for part in parts]) for f in ("ids", "thetas", "phases")
        )
        return Proposals(ids, thetas, phases), state

    def tell(self, state: RunsState, evaluations: Evaluations) -> RunsState:
        """Give every run its answers; look at the chains when it is time."""
        whose = evaluations.ids % N_RUNS
        for number, run in enumerate(state.runs):
            rows = whose == number
            if rows.any():
                state.runs[number] = self.sampler.tell(run, _of_run(evaluations, rows))
        state.n_told += int(np.count_nonzero(evaluations.statuses != _VIOLATED))
        if state.n_told >= state.next_look:
            chains = self.chains(state)
            space = state.runs[0].coordinates.space
            draws = {name: chains.thetas[:, :, column] for column, name in enumerate(space.free)}
            discrete = [name for name, n in zip(space.free, space.n_values, strict=True) if n is not None]
            state.passed = all(check.ok for check in chain_checks(draws, {}, discrete))
            state.done = state.passed or state.n_told >= N_RUNS * self.budget * 2**_MOST_DOUBLINGS
            state.next_look *= 2
        return state

    def terminate(self, state: RunsState) -> Status | None:
        """End when the chains pass, or after the last doubling."""
        if not state.done:
            return None
        n = state.n_told
        if state.passed:
            return Status(Outcome.CONVERGED, f"The chains pass their checks after {n} evaluations.")
        return Status(Outcome.BUDGET_SPENT, f"The chains do not pass their checks after {n} evaluations.")

    def describe(self, state: RunsState) -> tuple[str, float]:
        """What is going on, and the part of the way to the next look that is done."""
        return self.sampler.describe(state.runs[0])[0], state.n_told / max(state.next_look, 1)

    def samples(self, state: RunsState) -> list[TemperedSample]:
        """What the runs have drawn, of those that have begun to."""
        found = (self.sampler.findings(run).sample for run in state.runs)
        return [sample for sample in found if sample is not None]

    def chains(self, state: RunsState) -> Chains:
        """One chain for each run, thinned evenly, with the evidence of both; without draws if a run has none."""
        samples, names = self.samples(state), _names(state)
        n = min((sample.log_likelihoods.size for sample in samples), default=0)
        if len(samples) < N_RUNS:
            return Chains(np.empty((N_RUNS, 0, len(names))), np.empty((N_RUNS, 0)))
        n_kept = min(n, math.ceil(self.n_draws / N_RUNS))
        chosen = ((np.arange(n_kept) + 0.5) * n / n_kept).astype(np.int64) - n  # of the last n, where lengths differ
        thetas = np.stack([np.stack([sample.draws[name][0] for name in names], axis=1)[chosen] for sample in samples])
        log_likelihoods = np.stack([sample.log_likelihoods[0, chosen] for sample in samples])
        evidence, error = combined(
            np.array([sample.log_evidence for sample in samples]),
            np.array([sample.log_evidence_error for sample in samples]),
        )
        return Chains(thetas, log_likelihoods, log_evidence=evidence, log_evidence_error=error)


def _names(state: RunsState) -> tuple[str, ...]:
    return state.runs[0].coordinates.space.free


def _of_run(evaluations: Evaluations, rows: NDArray[np.bool_]) -> Evaluations:
    """The answers of one run, under the ids that it knows."""
    return Evaluations(
        evaluations.ids[rows] // N_RUNS,
        evaluations.thetas[rows],
        evaluations.phases[rows],
        evaluations.log_likelihoods[rows],
        evaluations.statuses[rows],
        evaluations.seconds[rows],
        evaluations.workers[rows],
    )


def combined(values: Array, errors: Array) -> tuple[float, float]:
    """Weighted mean of independent estimates and its error, which grows where they differ by more than they say.

    Weights are inverse variances; the error is multiplied by the root of chi squared per degree of freedom if that is
    above 1 (Birge 1932, https://doi.org/10.1103/PhysRev.40.207).

    Examples
    --------
    >>> combined(np.array([1.0, 1.0]), np.array([0.2, 0.2]))[0]
    1.0
    >>> [round(x, 3) for x in combined(np.array([0.0, 2.0]), np.array([0.1, 0.1]))]
    [1.0, 1.0]
    """
    if not (np.isfinite(errors) & (errors > 0)).all():
        return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
    weights = errors**-2.0
    mean = float(weights @ values / weights.sum())
    chi_squared = float(weights @ (values - mean) ** 2) / (len(values) - 1)
    return mean, math.sqrt(max(chi_squared, 1.0) / float(weights.sum()))


def tempered_draws(
    context: Context,
    method: ParallelTempering,
    starts: Array,
    *,
    n_draws: int = 4000,
    n_evaluations: int | None = None,
) -> Chains:
    """Draw from a posterior by parallel tempering, over parameters of any kind.

    Parameters
    ----------
    context
        The call of the verb; evaluations and steps are entered there.
    method
        With ``sampling=True``.
    starts
        Points of the unit box that every run evaluates first, shape (n, d); modes, for example. It may be none.
    n_draws
        About how many draws are kept, of all runs together.
    n_evaluations
        Of each run before the first look at the chains, a fifth of which is burn-in; None for 8000 and 2000 per
        parameter. It is doubled up to four times.

    Returns
    -------
    Chains
        One chain for each run, with the log-evidence; as far as it came, if a rule or the user ended it.
    """
    budget = _FIRST + _PER_PARAMETER * context.problem.space.dimension if n_evaluations is None else n_evaluations
    runs = TemperingRuns(replace(method, budget=budget), budget, n_draws)
    outcomes = context.run(runs, f"tempering of {context.problem.name}", starts, starts)
    state: RunsState = outcomes.state
    chains = runs.chains(state)
    remarks = [str(runs.sampler.findings(run).details.get("sampling", "")) for run in state.runs]
    detail = f"{runs.sampler.text}, {N_RUNS} runs. " + " ".join(
        f"Run {i + 1}: {text}" for i, text in enumerate(remarks)
    )
    step = Step("ParallelTempering", f"{detail} {outcomes.status.message}", outcomes.run.n_evaluations)
    context.steps.append(step)
    ended = None if runs.terminate(state) else outcomes.status
    return replace(chains, n_evaluations=outcomes.run.n_evaluations, steps=(step,), ended=ended)
