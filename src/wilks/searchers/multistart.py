r"""Multi-start: local ascents from a space-filling design, until another start is unlikely to find anything new.

Starts come in Latin hypercube batches. Their ascents run side by side, so that every batch of points is large enough
to keep many workers busy, and end in basins: optima that agree in value and, in the metric of their curvature, in
place. After each batch the optima near the best are polished to a tight tolerance, since an ascent that ends early in a
curved valley looks like an optimum; of those that matter the second derivatives are measured, and when these promise a
further gain, the polish goes on with them. An ascent of a later batch whose value and
gradient agree with the quadratic model of a known basin is ended early and counted as a hit of it.

After a batch with N hits in all, of w distinct optima within `depth` of the best, the probability that the next
start finds an optimum of interest that is not known is estimated as (Boender and Rinnooy Kan 1987)

.. math:: p = \frac{w (w + 1)}{N (N - 1)}                                                                      (1)

and the search ends when it is small. Before that, the best optima are scanned: each coordinate in turn is moved from
end to end with the others held, and every other local maximum on such a line starts an ascent too. That finds the
combinations of basins of nearly separable problems, for which random starts would need thousands of ascents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.proposal import Phase
from wilks.core.random import keyed_generator
from wilks.core.status import Outcome, Status
from wilks.loop.requests import Request, Requests, in_unit
from wilks.searchers.basins import (
    MAX_COMBINATIONS,
    BasinRecord,
    cover_combinations,
    same_basin,
    same_discrete,
    scan_peaks,
    scan_points,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space

_BATCH = 8
_ENOUGH = 0.05
_MIN_HITS = 5
_CAP, _CAP_PER_DIMENSION = 40, 12
_EMPTY_BATCHES = 100
_STIFFER = 4.0  # second derivatives, against those that the steps were made for
_MAX_ROUNDS = 4
_GAIN_LEFT = 1e-6
_POLISH_DEPTH = 5.0
_MAX_SCANNED = 16


@dataclass
class Job:
    """One thing that is under way.

    `kind` is ``"start"`` (an ascent from a random start: only these count as hits), ``"given"``, ``"peak"`` (one from
    a scan), ``"polish"``, ``"measure"`` (second derivatives) or ``"scan"``; the last three belong to a `basin`.
    """

    kind: str
    base: NDArray[np.float64]
    ascent: Any = None
    basin: int = -1


@dataclass
class MultiStartState:
    """State of a multi-start."""

    space: Space
    seed: int
    columns: NDArray[np.int64]
    given: NDArray[np.float64]
    requests: Requests
    jobs: dict[int, Job] = field(default_factory=dict)
    basins: list[BasinRecord] = field(default_factory=list)
    stage: str = "ascend"
    next_owner: int = 0
    n_batches: int = 0
    n_started: int = 0
    n_aborted: int = 0
    n_data: int = 0
    n_scans: int = 0


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
        Number of starts besides those that are given; None for as many as rule (1) asks for.
    depth
        Optima down to this far below the best are of interest: they count in (1), are polished and measured.
    """

    local: LocalSolver
    polisher: LocalSolver
    n_starts: int | None = None
    depth: float = 0.0

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> MultiStartState:
        """Return the state before the first batch; `starts` are tried first."""
        columns = np.flatnonzero(space.is_continuous)
        requests = Requests(space.dimension, self.local.want)
        return MultiStartState(space, seed, columns, np.asarray(starts, dtype=float), requests)

    def ask(self, state: MultiStartState, limit: int) -> tuple[Proposals, MultiStartState]:
        """Hand out the points of all jobs; when all are done, begin what comes next."""
        while not state.requests.opened and state.stage != "done":
            self._next_stage(state)
        return state.requests.take(limit), state

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
        text = f"{state.n_started} starts, {len(state.basins)} {'basin' if len(state.basins) == 1 else 'basins'}."
        if best.converged:
            return Status(Outcome.CONVERGED, text)
        return Status(Outcome.NOT_CONVERGED, f"{text} The best ascent ended early: {best.reason}.")

    def describe(self, state: MultiStartState) -> tuple[str, float]:
        """What is going on, for people."""
        names = {"ascend": "ascents", "polish": "polishing", "measure": "second derivatives"}
        return f"{names.get(state.stage, state.stage)}, {len(state.basins)} basins", math.nan

    def undiscovered(self, state: MultiStartState) -> float:
        """Estimate (1): the probability that one more start would find another optimum of interest."""
        near = [basin for basin in self._of_interest(state) if basin.n_hits]
        # Every combination of discrete values is gone through: its first optimum is no discovery.
        combinations = {np.delete(basin.u, state.columns).tobytes() for basin in near}
        w, n = len(near) - len(combinations) + 1, sum(basin.n_hits for basin in near)
        return min(1.0, w * (w + 1) / (n * (n - 1))) if n > 1 else 1.0

    def _of_interest(self, state: MultiStartState) -> list[BasinRecord]:
        depth = max(self.depth, 1.0)  # hits of (1) need some width, also when only the best is wanted
        best = max((basin.value for basin in state.basins), default=-math.inf)
        return [basin for basin in state.basins if basin.value > best - depth]

    def _next_stage(self, state: MultiStartState) -> None:
        """Batch, polish, measure, and again: a measured basin tells later ascents where they are going."""
        if state.stage == "ascend":
            if self._begin_scan(state):
                state.stage = "polish"
            elif self._wants_batch(state):
                self._begin_batch(state)
                state.stage = "polish"
            else:
                state.stage = "done"
        elif state.stage == "polish":
            if not self._begin_polish(state):
                state.stage = "measure"
        elif not self._begin_measure(state):
            state.stage = "polish" if self._unpolished(state) else "ascend"

    def _wants_batch(self, state: MultiStartState) -> bool:
        if self.n_starts is not None:
            return state.n_batches == 0 or state.n_started - len(state.given) < self.n_starts
        n = state.space.dimension
        n_hits = sum(basin.n_hits for basin in state.basins)
        if not n_hits:
            return state.n_batches < _EMPTY_BATCHES
        if n_hits >= max(_CAP, _CAP_PER_DIMENSION * n):
            return False
        return n_hits < _MIN_HITS or self.undiscovered(state) >= _ENOUGH

    def _begin_batch(self, state: MultiStartState) -> None:
        from scipy.stats import qmc  # noqa: PLC0415 - scipy loads on use

        n = state.space.dimension
        sizes = [state.space[name].n_values or 1 for name in state.space.free]
        combinations = min(math.prod(sizes), MAX_COMBINATIONS)
        size = max(_BATCH, n, combinations)
        if self.n_starts is not None:
            size = min(size, self.n_starts - max(0, state.n_started - len(state.given)))
        design = np.empty((0, n))
        if size > 0:
            generator = keyed_generator(state.seed, 1, state.n_batches)
            design = qmc.LatinHypercube(n, rng=generator).random(size)
            cover_combinations(design, sizes)
        starts = np.concatenate([state.given, design]) if state.n_batches == 0 else design
        state.n_batches += 1
        state.n_started += len(starts)
        n_given = len(starts) - len(design)
        for number, u in enumerate(starts):
            base = state.space.to_unit(state.space.from_unit(u))  # discrete coordinates to the middle of their bins
            kind = "given" if number < n_given else "start"
            self._begin(state, Job(kind, base, self.local.start(base[state.columns])))

    def _begin(self, state: MultiStartState, job: Job) -> None:
        state.jobs[state.next_owner] = job
        self._request(state, state.next_owner, job.ascent.points, Phase.GLOBAL)
        state.next_owner += 1

    def _request(self, state: MultiStartState, owner: int, points: NDArray[np.float64], phase: Phase) -> None:
        full = np.repeat(state.jobs[owner].base[None, :], len(points), axis=0)
        full[:, state.columns] = points
        state.requests.add(owner, state.space.from_unit(full), phase)

    def _advance(self, state: MultiStartState, request: Request) -> None:
        job = state.jobs[request.owner]
        payloads = in_unit(state.space, request, state.requests.want, state.columns)
        if job.kind == "measure":
            del state.jobs[request.owner]
            self._measured(state, job.basin, request.values, payloads)
            return
        if job.kind == "scan":
            del state.jobs[request.owner]
            self._scanned(state, job, request.values)
            return
        solver = self.polisher if job.kind == "polish" else self.local
        if payloads is not None and payloads[0] is not None:
            state.n_data = len(payloads[0])
        job.ascent = solver.advance(job.ascent, request.values, payloads)
        if len(job.ascent.points) and self._joins_known(state, job):
            del state.jobs[request.owner]
        elif len(job.ascent.points):
            self._request(state, request.owner, job.ascent.points, Phase.GLOBAL)
        else:
            del state.jobs[request.owner]
            self._ended(state, job)

    def _joins_known(self, state: MultiStartState, job: Job) -> bool:
        """End an ascent that agrees with the quadratic model of another basin that is known."""
        ascent = job.ascent
        if not np.isfinite(ascent.gradient).all() or ascent.stage != "trial":
            return False
        own = state.basins[job.basin] if job.kind == "polish" else None
        for basin in state.basins:
            if basin is own or basin.value < ascent.value or (own is not None and not basin.polished):
                continue
            d = ascent.u - basin.u[state.columns]
            bd = basin.curvature @ d
            q = 0.5 * float(d @ bd)
            e = ascent.gradient + bd
            if (
                q < 4  # within the reach of the model: less than three standard errors
                and abs(basin.value - q - ascent.value) < 0.15 * q + 1e-3
                and same_discrete(state.columns, job.base, basin.u)
                and float(e @ np.linalg.solve(basin.curvature, e)) < 0.2 * q + 1e-4
            ):
                basin.n_hits += int(job.kind == "start") if own is None else own.n_hits
                if own is not None:  # it was on the way to `basin`; `_merge` takes it out
                    own.value, own.polished, own.n_hits = -math.inf, True, 0
                state.n_aborted += 1
                return True
        return False

    def _ended(self, state: MultiStartState, job: Job) -> None:
        ascent = job.ascent
        if not math.isfinite(ascent.value):
            return
        u = job.base.copy()
        u[state.columns] = ascent.u
        hits = int(job.kind == "start")
        found = BasinRecord(u, ascent.value, ascent.curvature, ascent.gradient, hits, ascent.converged, ascent.reason)
        if job.kind == "polish":
            old = state.basins[job.basin]
            found.n_hits, found.polished, found.rounds, found.scanned = old.n_hits, True, old.rounds, old.scanned
            if np.array_equal(old.u, u):  # the polish stayed: what was measured there holds
                found.measured, found.curvature = old.measured, old.curvature
                found.curvature_error, found.promise, found.stayed = old.curvature_error, old.promise, True
            state.basins[job.basin] = found
            return
        for basin in state.basins:
            if same_basin(state.columns, basin, found):
                hits, scanned = basin.n_hits + hits, basin.scanned
                if found.value > basin.value:
                    vars(basin).update(vars(found))
                basin.n_hits, basin.scanned = hits, scanned
                break
        else:
            state.basins.append(found)
        state.basins.sort(key=lambda basin: -basin.value)

    def _merge(self, state: MultiStartState) -> None:
        """Polished basins may turn out to be one."""
        kept: list[BasinRecord] = []
        for basin in sorted(state.basins, key=lambda basin: -basin.value):
            if not math.isfinite(basin.value):
                continue
            twin = next((other for other in kept if same_basin(state.columns, other, basin)), None)
            if twin is None:
                kept.append(basin)
            else:
                twin.n_hits += basin.n_hits
                twin.scanned = twin.scanned or basin.scanned
        state.basins = kept

    def _chosen(self, state: MultiStartState) -> list[int]:
        return [i for i, b in enumerate(state.basins) if b.value >= state.basins[0].value - self.depth]

    def _unpolished(self, state: MultiStartState) -> list[int]:
        if not state.basins:
            return []
        lowest = max(basin.value for basin in state.basins) - max(self.depth, _POLISH_DEPTH)
        return [i for i, basin in enumerate(state.basins) if basin.value >= lowest and not basin.polished]

    def _begin_scan(self, state: MultiStartState) -> bool:
        """Scan the best optimum of interest that was not scanned; only where the number of starts is not prescribed."""
        if self.n_starts is not None or not len(state.columns):
            return False
        todo = [i for i in self._chosen(state) if not state.basins[i].scanned] if state.basins else []
        if not todo or (todo[0] > 0 and state.n_scans >= _MAX_SCANNED):
            return False
        basin = state.basins[todo[0]]
        basin.scanned = True
        state.n_scans += 1
        state.jobs[state.next_owner] = Job("scan", basin.u, None, todo[0])
        self._request(state, state.next_owner, scan_points(basin.u[state.columns]), Phase.GLOBAL)
        state.next_owner += 1
        return True

    def _scanned(self, state: MultiStartState, job: Job, values: NDArray[np.float64]) -> None:
        """Start ascents from the local maxima on the lines of a scan, but for the one of the basin itself."""
        lowest = state.basins[0].value - 3.0 * max(self.depth, 4.0) - 2.0
        for v in scan_peaks(job.base[state.columns], values, lowest):
            self._begin(state, Job("peak", job.base, self.local.start(v)))

    def _begin_polish(self, state: MultiStartState) -> bool:
        todo = self._unpolished(state)
        if not todo:
            self._merge(state)
            todo = self._unpolished(state)
        for index in todo:
            basin = state.basins[index]
            ascent = self.polisher.start(basin.u[state.columns], value=basin.value, curvature=basin.curvature)
            job = Job("polish", basin.u, ascent, index)
            if len(ascent.points):
                self._begin(state, job)
            else:
                self._ended(state, job)
        return bool(todo)

    def _begin_measure(self, state: MultiStartState) -> bool:
        chosen = self._chosen(state) if state.basins else []
        todo = [i for i in chosen if state.basins[i].polished and state.basins[i].measured is None]
        for index in todo:
            basin = state.basins[index]
            points = self.polisher.curvature_points(basin.u[state.columns], basin.curvature)
            if not len(points):
                basin.measured = np.empty((0, 0))
                continue
            state.jobs[state.next_owner] = Job("measure", basin.u, None, index)
            self._request(state, state.next_owner, points, Phase.CURVATURE)
            state.next_owner += 1
        return bool(todo)

    def _measured(
        self,
        state: MultiStartState,
        index: int,
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None,
    ) -> None:
        basin = state.basins[index]
        u = basin.u[state.columns]
        basin.rounds += 1
        at = int(np.argmax(values))
        if values[at] > basin.value + _GAIN_LEFT and basin.rounds < _MAX_ROUNDS:  # go on from there
            basin.u = basin.u.copy()
            basin.u[state.columns] = self.polisher.curvature_points(u, basin.curvature)[at]
            basin.value, basin.polished = float(values[at]), False
            return
        assumed = np.diag(basin.curvature)
        found = self.polisher.curvature_from(u, basin.value, basin.curvature, values, payloads)
        if basin.rounds < _MAX_ROUNDS and (np.diag(found.positive) > _STIFFER * assumed).any():
            basin.curvature = found.positive  # the steps were too wide for it: measure again with those that fit
            return
        basin.measured, basin.curvature_error, basin.gradient = found.matrix, found.error, found.gradient
        basin.curvature, basin.promise = found.positive, found.promise
        if found.promise > _GAIN_LEFT and basin.rounds < _MAX_ROUNDS and not basin.stayed:
            basin.polished = False
