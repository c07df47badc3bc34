r"""The schedule of a profile map: which cell is optimised next, from where, and on which branch.

Each cell is the problem with the profiled parameters fixed, maximised over the nuisance parameters by a local solver
that is given. The map is found by a flood, best first:

1. every known optimum seeds a branch in its nearest cell, with its argmax carried there along the tangent;
2. a solved cell inside the region of interest (above the best value seen minus the threshold) offers its branch to
   its neighbours; the start is predicted from all solved neighbours of the branch (`profiles.prediction`), with
   their curvature; so one ring of cells outside the region is solved too;
3. a branch goes on also where another one is better, as long as it is less than `MARGIN` below it and their distance
   changes (`profiles.branches`); two branches that meet in one argmax are united; an ascent that ends far from where
   it was expected begins a new branch.

A large map is flooded on a lattice of its cells first (`profiles.seeding` says how wide), and refined to the grid later
(`profiles.refinement`). When nothing is left to flood, second chances follow (`profiles.healing`), each of which may
start a flood again. A cell that beats the best optimum starts an ascent in the full space, whose end becomes an
optimum, and the map goes on from there. Values are always evaluated, so a cell can be too low but never too high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.proposal import EvaluationStatus, Phase
from wilks.core.status import Outcome, Status
from wilks.loop.foresight import AHEAD, ONE_WORKER, points_ahead
from wilks.loop.requests import Request, Requests, in_unit
from wilks.profiles import healing, refinement
from wilks.profiles.audit import AuditLedger
from wilks.profiles.branches import comes_to_known, is_hopeless, is_tie, runs_parallel
from wilks.profiles.ends import finish_cell
from wilks.profiles.handover import Known, take_over
from wilks.profiles.options import ProfileOptions
from wilks.profiles.prediction import predict
from wilks.profiles.records import Records
from wilks.profiles.seeding import add_optimum, climb_from_best, end_climb, lattice_spacing
from wilks.profiles.state import Job, MapState, Optimum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space
    from wilks.profiles.grid import ProfileGrid

_HOPELESS = 3.0
_ATTEMPTS = 3
_MEASURE_EVERY = 4
_FORESEEN = ("extend", "offer", "optimum")
_PHASES = {
    "extend": Phase.MAP,
    "refine": Phase.REFINE,
    "offer": Phase.SUSPECT,
    "optimum": Phase.GLOBAL,
    "explore": Phase.SUSPECT,
    "scan": Phase.SUSPECT,
    "audit": Phase.AUDIT,
}


@dataclass(frozen=True)
class ProfileMap:
    """Profile map as a `core.algorithm.Algorithm`.

    Parameters
    ----------
    local
        Solver of the cells.
    threshold
        Depth of the region of interest.
    n_audit
        Number of cells to audit.
    grid
        The grid.
    optima
        Known optima of the full problem.
    known
        What earlier maps know of the grid.
    options
        The rarely needed ones.
    """

    local: LocalSolver
    threshold: float
    n_audit: int
    grid: ProfileGrid = field(repr=False)
    optima: tuple[Optimum, ...] = field(repr=False)
    known: Known | None = field(default=None, repr=False)
    options: ProfileOptions = field(default_factory=ProfileOptions)

    generational = False

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> MapState:  # noqa: ARG002 - optima instead
        """Seed the branches of the known optima."""
        continuous = space.is_continuous
        columns = np.array([space.index(name) for name in self.grid.names])
        inner = np.array([c for c in np.flatnonzero(continuous) if c not in columns], dtype=np.int64)
        n, spacing = self.grid.n_cells, lattice_spacing(self.grid, space, self.optima, self.threshold)
        state = MapState(
            space=space,
            seed=seed,
            grid=self.grid,
            columns=columns,
            inner=inner,
            requests=Requests(space.dimension, self.local.want),
            records=Records(len(inner)),
            best_values=np.full(n, np.nan),
            best_rows=np.full(n, -1, dtype=np.int64),
            audit=AuditLedger(self.n_audit if len(columns) < space.dimension else 0),
            spacing=spacing,
            coarsest=spacing,
        )
        if self.known is not None:
            take_over(self, state, self.known)
        for optimum in sorted(self.optima, key=lambda optimum: -optimum.value):
            add_optimum(self, state, optimum)
        return state

    def ask(self, state: MapState, limit: int) -> tuple[Proposals, MapState]:
        """Take tasks from the queue until there are enough points; when all is done, begin the next stage."""
        while state.requests.n_unsent < limit:
            if state.queue:
                self._begin_task(state, *state.pop())
            elif state.candidates:
                refinement.queue_block(self, state)
            elif state.requests.is_waiting or state.stage == "done":
                break
            elif not climb_from_best(self, state):
                healing.next_stage(self, state)
        if limit <= ONE_WORKER:
            return state.requests.take(limit, patient=False), state
        self._foresee(state, limit)
        return state.requests.take(limit), state

    def _foresee(self, state: MapState, limit: int) -> None:
        """Let workers that would be idle evaluate what the ascents will probably need next."""
        requests = state.requests
        n_workers = (limit + requests.n_under_way) // AHEAD
        for number, job in state.jobs.items():
            if requests.n_unsent + requests.n_under_way >= n_workers:
                return
            if job.kind in _FORESEEN and number not in requests.aheads:
                points = points_ahead(self.local, job.ascent)
                if len(points):
                    requests.add(number, self._thetas(state, job, points), _PHASES[job.kind], ahead=True)

    def tell(self, state: MapState, evaluations: Evaluations) -> MapState:
        """Advance the ascents whose points are complete."""
        audited = (evaluations.phases == Phase.AUDIT) & (evaluations.statuses != EvaluationStatus.VIOLATED)
        state.audit.n_evaluations += int(audited.sum())
        state.requests.answer(evaluations, lambda request: self._advance(state, request))
        return state

    def terminate(self, state: MapState) -> Status | None:
        """End after the audit."""
        if state.stage != "done":
            return None
        inside = state.best_values > state.best - self.threshold
        unfinished = int((~state.records.converged[state.best_rows[inside]]).sum())
        if not inside.any():
            return Status(Outcome.NOT_CONVERGED, "No cell of the grid lies in the region of interest.")
        text = f"{int(inside.sum())} cells in the region of interest."
        if state.failed_cells:
            n = len(state.failed_cells)
            text += f" {n} {'cell has' if n == 1 else 'cells have'} no finite value."
        if unfinished:
            return Status(
                Outcome.NOT_CONVERGED, f"{text} {unfinished} of them did not reach the tolerance: lower limits."
            )
        return Status(Outcome.CONVERGED, text)

    def describe(self, state: MapState) -> tuple[str, float]:
        """What is going on, for people."""
        solved = int((state.best_rows >= 0).sum())
        names = {"flood": "map", "heal": "second chances", "explore": "islands", "cross": "optima", "scan": "scans"}
        return f"{names.get(state.stage, state.stage)}, {solved} cells", math.nan

    def cut(self, state: MapState) -> float:
        """Lower edge of the region of interest as it stands."""
        return state.best - self.threshold

    def region(self, state: MapState) -> NDArray[np.int64]:
        """Cells of the region of interest as it stands."""
        found: NDArray[np.int64] = np.flatnonzero(state.best_values > self.cut(state))
        return found

    # ------------------------------------------------------------------ jobs

    def begin(
        self,
        state: MapState,
        kind: str,
        cell: int,
        label: int,
        base: NDArray[np.float64],
        v: NDArray[np.float64],
        **more: object,
    ) -> None:
        """Start an ascent in a cell from `v`; label -1 begins a branch."""
        curvature = more.get("curvature")
        age = int(more.get("age", 0))  # type: ignore[call-overload]  # an integer by the callers below
        if label < 0:
            label = self.new_branch(state, base, self.tangent_in(state, cell))
        measure = age >= _MEASURE_EVERY
        ascent = self.local.start(v, curvature=None if curvature is None else curvature.copy(), measure=measure)  # type: ignore[attr-defined]
        job = Job(kind, cell, label, base, ascent, v, float(more.get("demand", -math.inf)), 0 if measure else age)  # type: ignore[arg-type]
        job.informed = curvature is not None
        job.guess = more.get("guess")
        state.pending.append((state.records.root(label), cell))
        self.enter(state, job)

    def tangent_in(self, state: MapState, cell: int) -> NDArray[np.float64] | None:
        """How the argmax moves on the best branch of a cell: the best guess for one that nothing is known of."""
        row = int(state.best_rows[cell])
        return None if row < 0 else state.tangents[int(state.records.labels[row])]

    def new_branch(self, state: MapState, base: NDArray[np.float64], tangent: NDArray[np.float64] | None = None) -> int:
        """Make a label for a branch whose discrete coordinates are those of `base`."""
        label = state.records.new_label(state.combination(base))
        state.bases.append(base.copy())
        state.tangents.append(np.zeros((len(state.inner), len(state.columns))) if tangent is None else tangent)
        return label

    def enter(self, state: MapState, job: Job) -> None:
        """Register a job and request its points."""
        number = state.next_number
        state.next_number += 1
        state.jobs[number] = job
        self.request(state, number, job.ascent.points)

    def request(self, state: MapState, number: int, points: NDArray[np.float64]) -> None:
        """Request points of a job, given in the coordinates that its ascent moves."""
        job = state.jobs[number]
        is_patient = job.kind == "audit" and state.stage != "audit"
        state.requests.add(number, self._thetas(state, job, points), _PHASES[job.kind], patient=is_patient)

    def _thetas(self, state: MapState, job: Job, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of a job in the full space."""
        full = np.repeat(job.base[None, :], len(points), axis=0)
        full[:, self.moved(state, job)] = points
        theta = state.space.from_unit(full)
        if job.cell >= 0:
            theta[:, state.columns] = state.grid.theta(job.cell)  # exactly the node, without rounding
        return theta

    def moved(self, state: MapState, job: Job) -> NDArray[np.int64]:
        """Columns of theta that the ascent of a job moves."""
        if job.cell >= 0:
            return state.inner
        found: NDArray[np.int64] = np.flatnonzero(state.space.is_continuous)
        return found

    # ------------------------------------------------------------------ tasks

    def _begin_task(self, state: MapState, kind: str, cell: int, row: int) -> None:
        if kind == "extend":
            self._extend(state, cell, row)
        elif kind == "refine":
            refinement.begin_cell(self, state, cell)
        else:
            healing.begin_task(self, state, kind, cell, row)

    def _extend(self, state: MapState, cell: int, row: int) -> None:
        """Carry the branch of a solved cell to its neighbour, if that can matter."""
        records = state.records
        label = records.root(int(records.labels[row]))
        value, parent = float(records.values[row]), int(records.cells[row])
        if value <= self.cut(state) or value < state.best_values[parent] - state.margin:
            return
        if records.row_of(cell, label) is not None or (label, cell) in state.pending:
            return
        attempts = state.attempts.get((label, cell), 0)
        if attempts >= _ATTEMPTS or runs_parallel(state, row, cell):
            return
        guess = predict(state.grid, records, cell, row, state.tangents[label], state.spacing)
        known = state.best_values[cell]
        if np.isfinite(known) and guess.value + 3 * guess.uncertainty < known - state.margin:
            return
        twin = records.alike(cell, guess.argument, records.discrete[label])
        if twin is not None and np.isfinite(known):
            records.unite(label, int(records.labels[twin]))
            return
        state.attempts[label, cell] = attempts + 1  # each may end elsewhere, from either side of a fold for ever
        self.begin(
            state,
            "extend",
            cell,
            label,
            state.bases[label],
            guess.argument,
            curvature=records.curvatures[guess.nearest],
            age=int(records.ages[guess.nearest]) + 1,
            demand=known - _HOPELESS if np.isfinite(known) else -math.inf,
        )

    # ------------------------------------------------------------------ answers

    def _advance(self, state: MapState, request: Request) -> None:
        number, job = request.owner, state.jobs[request.owner]
        payloads = in_unit(state.space, request, state.requests.want, self.moved(state, job))
        if job.kind in ("audit", "explore", "scan"):
            healing.advance(self, state, number, request, payloads)
            return
        job.ascent = self.local.advance(job.ascent, request.values, payloads)
        is_over = self._is_over(state, job)
        if not is_over and len(job.ascent.points):
            self.request(state, number, job.ascent.points)
            return
        self._drop(state, number)
        if not is_over:
            (end_climb if job.cell < 0 else finish_cell)(self, state, job)
        if job.kind == "refine":  # the next branch may be better there
            refinement.begin_cell(self, state, job.cell)

    def _is_over(self, state: MapState, job: Job) -> bool:
        """Is an ascent given up before its end, or was its first evaluation all that it takes?"""
        if not job.looked:
            job.looked = True
            if math.isfinite(job.demand) and job.ascent.value <= job.demand:
                return True
            if job.kind == "offer" and is_tie(state, job, self.options.accuracy):
                return True
            if job.kind == "refine" and refinement.accepts(self, state, job):
                return True
        return len(job.ascent.points) > 0 and (comes_to_known(state, job) or is_hopeless(state, job))

    def _drop(self, state: MapState, number: int) -> None:
        job = state.jobs.pop(number)
        if number in state.requests.aheads:
            state.requests.withdraw(number)
        for at, (label, cell) in enumerate(state.pending):
            if cell == job.cell and state.records.root(label) == state.records.root(job.label):
                del state.pending[at]
                break
