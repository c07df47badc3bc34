r"""Multi-start: local ascents from a space-filling design, until another start is unlikely to find anything new.

What is under way are jobs, each of which asks for a small batch of points at a time:

* ascents from given points, from random ones (rows of Latin hypercubes) and from the peaks of scans. They end in
  basins: optima that agree in value and, in the metric of their curvature, in place. An ascent ends early, and counts
  as a hit, when value and gradient agree with the quadratic model of a known basin, or when it comes onto the way that
  an earlier ascent took (`searchers.paths`);
* the polish of an optimum near the best to a tight tolerance, since an ascent that ends early in a curved valley looks
  like an optimum; the measurement of its second derivatives, if it is of interest; and where these promise a further
  gain, the polish again;
* scans: from the best optima, each coordinate is moved from end to end with the others held, and every other local
  maximum on such a line starts an ascent. That finds the combinations of basins of nearly separable problems, for
  which random starts would need thousands of ascents.

Random starts end when the estimated probability that another one finds something new is small (`searchers.start_rule`);
those under way are then withdrawn.

What is known makes every further ascent cheaper: one worker has one start under way at a time, polishes and measures
its end, and scans, before it goes on. Many workers have more of them under way, also beside a scan: the foremost goes
on, and the others use the workers that it leaves idle. A generational multi-start has a fixed number of starts under
way, so that its answer does not depend on the number of workers: the same schedule, with the batch as its clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.random import keyed_generator
from wilks.core.status import Outcome, Status
from wilks.loop.foresight import AHEAD, ONE_WORKER, points_ahead
from wilks.loop.requests import Request, Requests, in_unit
from wilks.searchers.arrivals import enter_end, follow, is_superfluous
from wilks.searchers.basins import n_combinations, start_design
from wilks.searchers.multistart_state import Job, MultiStartState
from wilks.searchers.paths import Paths
from wilks.searchers.start_rule import Count, StartRule, distinct, undiscovered
from wilks.searchers.tending import (
    MAX_SCANNED,
    POLISH_DEPTH,
    begin_measure,
    begin_scan,
    measured,
    next_scan,
    scanned,
    tend,
)

__all__ = ["MultiStart", "MultiStartState"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space

_BATCH = 8
_TOGETHER = 4
_EVERYBODY = 1_000_000
_SPECULATIVE = 8
_WIDTH = 1.0  # of what is of interest at least: hits need some, also when only the best is wanted


@dataclass(frozen=True)
class MultiStart:
    """Global maximisation by local ascents from many starts; an `core.algorithm.Algorithm`.

    Parameters
    ----------
    local
        Solver of the ascents.
    polisher
        Solver of the optima that matter, with a tight tolerance.
    n_starts
        Number of starts besides those that are given; None for as many as the rule asks for.
    depth
        Optima down to this far below the best are of interest: they count in the rule, are polished and measured.
    n_optima
        How many optima of interest there are, or (fewest, most), None for a bound that is not known: the starts end as
        soon as there are so many at most, and go on until there are so many at least, up to the cap.
    max_starts
        Cap on the number of random starts; None for one that grows with the dimension.
    rolling
        As many starts under way as the workers can evaluate. The answer is the same only to within the tolerance then.
    """

    local: LocalSolver
    polisher: LocalSolver
    n_starts: int | None = None
    depth: float = 0.0
    n_optima: int | tuple[int | None, int | None] | None = None
    max_starts: int | None = None
    rolling: bool = False

    def __post_init__(self) -> None:
        """Check the bounds on the starts."""
        self.rule.check()

    @property
    def generational(self) -> bool:
        """Does the answer not depend on the number of workers?"""
        return not self.rolling

    @property
    def rule(self) -> StartRule:
        """When enough starts were made."""
        return StartRule(self.n_starts, self.n_optima, self.max_starts)

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> MultiStartState:
        """Return the state before the first start; `starts` are tried first."""
        columns = np.flatnonzero(space.is_continuous)
        requests = Requests(space.dimension, self.local.want)
        given = np.asarray(starts, dtype=float)
        nothing = np.empty((0, space.dimension))
        return MultiStartState(space, seed, columns, given, requests, Paths.none(space.dimension), nothing)

    def ask(self, state: MultiStartState, limit: int) -> tuple[Proposals, MultiStartState]:
        """Begin what comes next while there is room, and hand out the points of all jobs."""
        room = limit + state.requests.n_under_way
        patient = not self.rolling or room <= ONE_WORKER
        n_workers = _EVERYBODY if patient else room // AHEAD
        if state.stage != "done" and not state.waiting:
            self._withdraw_surplus(state)
        while state.stage != "done":
            self._release(state, n_workers, patient=patient)
            if state.requests.n_unsent >= limit and not patient:
                break
            if not (patient and state.waiting) and self._begin_next(state, patient=patient, extra=0):
                continue
            if not patient:
                self._foresee(state, n_workers)
                if self._begin_next(state, patient=patient, extra=_SPECULATIVE):
                    continue
            state.waiting = True
            if not state.jobs:
                state.stage = "done"
            break
        return state.requests.take(limit), state

    def _release(self, state: MultiStartState, n_workers: int, *, patient: bool) -> None:
        """Ask for the points of the foremost random start, and, if workers are idle, for those of the others.

        While no basin is known they can learn from nobody, and the foremost may as well hurry.
        """
        while True:
            leader = next(iter(state.under_way("start")), -1)
            if leader in state.held:
                state.add(leader, state.held.pop(leader))
            if not (patient or state.basins):
                self._foresee(state, n_workers)
            for owner in list(state.held):
                if state.n_asked >= n_workers:
                    break
                state.add(owner, state.held.pop(owner))
            if not state.requests.foreseen:
                return
            state.requests.finish_foreseen(lambda request: self._advance(state, request))

    def _foresee(self, state: MultiStartState, n_workers: int) -> None:
        """Let idle workers evaluate what the ascents will probably need next."""
        for owner in state.under_way("given", "peak", "polish") + state.under_way("start"):
            if state.n_asked >= n_workers:
                return
            job = state.jobs[owner]
            if owner not in state.held and owner not in state.requests.aheads:
                points = points_ahead(self.polisher if job.kind == "polish" else self.local, job.ascent)
                if len(points):
                    state.add(owner, points, ahead=True)

    def tell(self, state: MultiStartState, evaluations: Evaluations) -> MultiStartState:
        """Advance the jobs whose points are complete."""
        state.requests.answer(evaluations, lambda request: self._advance(state, request))
        return state

    def terminate(self, state: MultiStartState) -> Status | None:
        """End when the optima of interest are polished and measured."""
        if state.stage != "done":
            return None
        if not state.basins:
            return Status(Outcome.NOT_CONVERGED, f"None of {state.n_started} starts has a finite log-likelihood.")
        best = state.basins[0]
        text = f"{state.n_started} starts, {len(state.basins)} {'basin' if len(state.basins) == 1 else 'basins'}"
        if state.ended_by == "cap":
            text += ", ended by the cap on the number of starts"
        elif state.ended_by == "n_optima":
            text += ", ended by the number of optima that was asked for"
        if best.converged:
            return Status(Outcome.CONVERGED, f"{text}.")
        return Status(Outcome.NOT_CONVERGED, f"{text}. The best ascent ended early: {best.reason}.")

    def describe(self, state: MultiStartState) -> tuple[str, float]:
        """What is going on, for people."""
        names = {"scan": "scans", "peak": "scans", "polish": "polishing", "measure": "second derivatives"}
        kinds = {job.kind for job in state.jobs.values()}
        what = "ascents" if "start" in kinds else next((names[kind] for kind in names if kind in kinds), "ascents")
        return f"{what}, {len(state.basins)} basins", math.nan

    def undiscovered(self, state: MultiStartState) -> float:
        """Estimated probability that one more start would find another optimum of interest."""
        near = state.of_interest(max(self.depth, _WIDTH))
        return undiscovered(distinct(near, state.columns), sum(basin.n_hits for basin in near))

    def _count(self, state: MultiStartState) -> Count:
        near = state.of_interest(max(self.depth, _WIDTH))
        known = [basin for basin in near if basin.polished or basin is near[0]]
        total = n_combinations(state.space)
        return Count(
            dimension=state.space.dimension,
            optima=sum(basin.polished for basin in near),
            pending=sum(not basin.polished for basin in near),
            w=distinct(known, state.columns),
            n=sum(basin.n_hits for basin in near),
            hits=sum(basin.n_hits for basin in state.basins),
            over=state.n_random - len(state.under_way("start")),
            least=total if total > 1 else 0,
        )

    # ------------------------------------------------------------------ what comes next

    def _withdraw_surplus(self, state: MultiStartState) -> None:
        """Withdraw the starts under way when the rule has had enough of them, and all the rest with all optima."""
        if self.n_starts is not None:
            return
        count = self._count(state)
        more, state.ended_by = self.rule.more(count)
        if more or count.pending:
            return
        surplus = state.under_way("start")
        if self.rule.has_all_optima(count):
            surplus += state.under_way("given", "peak", "scan")
        for owner in surplus:
            state.n_withdrawn += state.jobs[owner].n_hits
            state.paths.drop(Paths.of_ascent(owner))
            state.withdraw(owner)

    def _begin_next(self, state: MultiStartState, *, patient: bool, extra: int) -> bool:
        """Begin one job; False if there is none to begin now. Starts may be `extra` to those that it takes at least."""
        if state.untended:
            busy = {job.basin for job in state.jobs.values()}
            for basin in state.basins:
                if basin.number not in busy and tend(self, state, basin):
                    return True
            state.untended = False
        count = self._count(state)
        if state.n_given < len(state.given) and not self.rule.has_all_optima(count):
            self._begin_ascent(state, "given", state.given[state.n_given])
            state.n_given += 1
            return True
        more = self.rule.more(count)[0]
        scan = next_scan(self, state, count, more)
        if scan is not None:
            if patient and state.jobs:
                return False
            if scan.measured is None:
                begin_measure(self, state, scan)
            else:
                begin_scan(state, scan)
            return True
        return self._begin_start(state, more, count, patient=patient, extra=extra) or self._begin_last(state)

    def _begin_last(self, state: MultiStartState) -> bool:
        """When all else is done, measure the optima of interest that were not."""
        if state.jobs:
            return False
        for basin in state.of_interest(self.depth)[:MAX_SCANNED]:
            if basin.polished and basin.measured is None:
                begin_measure(self, state, basin)
                return True
        return False

    def _begin_start(self, state: MultiStartState, more: int, count: Count, *, patient: bool, extra: int) -> bool:
        n_under_way = len(state.under_way("start"))
        if not patient:
            if state.held:
                return False
            most = more + extra if more and self.n_starts is None else more
        elif n_under_way < len(state.jobs) - len(state.under_way("given")):
            return False  # what becomes known will save evaluations
        else:
            in_vain = 0 if count.hits else count.over
            most = min(more, max(1 if self.rolling else _TOGETHER, in_vain))
        if n_under_way >= most or (self.max_starts is not None and state.n_random >= self.max_starts):
            return False
        if state.n_in_batch == len(state.design):
            self._draw_batch(state)
        self._begin_ascent(state, "start", state.design[state.n_in_batch])
        state.n_in_batch += 1
        state.n_random += 1
        return True

    def _draw_batch(self, state: MultiStartState) -> None:
        size = max(_BATCH, state.space.dimension, n_combinations(state.space))
        if self.n_starts is not None:
            size = min(size, self.n_starts - state.n_random)
        state.design = start_design(state.space, size, keyed_generator(state.seed, 1, state.n_batches))
        state.n_batches += 1
        state.n_in_batch = 0

    def _begin_ascent(self, state: MultiStartState, kind: str, u: NDArray[np.float64]) -> None:
        base = state.space.to_unit(state.space.from_unit(u))  # discrete coordinates to the middle of their bins
        self.begin(state, Job(kind, base, self.local.start(base[state.columns])))

    def begin(self, state: MultiStartState, job: Job) -> None:
        """Start an ascent, or enter its end if it has nothing to ask for."""
        if len(job.ascent.points):
            state.begin(job, job.ascent.points)
        else:
            enter_end(state, state.next_owner, job)

    # ------------------------------------------------------------------ answers

    def _advance(self, state: MultiStartState, request: Request) -> None:
        job = state.jobs[request.owner]
        payloads = in_unit(state.space, request, state.requests.want, state.columns)
        if job.ascent is None:
            del state.jobs[request.owner]
            basin = state.basin(job.basin)
            state.waiting = False
            if job.kind == "measure":
                measured(self, state, basin, request.values, payloads)
            else:
                scanned(self, state, basin, job.base, request.values)
            return
        solver = self.polisher if job.kind == "polish" else self.local
        job.ascent = solver.advance(job.ascent, request.values, payloads)
        if job.kind != "polish":
            follow(state, request.owner, job)
        lowest = state.basins[0].value - max(self.depth, POLISH_DEPTH) if state.basins else -math.inf
        if not len(job.ascent.points):
            state.withdraw(request.owner)
            state.waiting = False
            enter_end(state, request.owner, job)
        elif is_superfluous(state, request.owner, job, lowest):
            if request.owner in state.jobs:  # the polish of what is no basin is gone already
                state.withdraw(request.owner)
            state.waiting = False
        else:
            state.request(request.owner, job.ascent.points)
