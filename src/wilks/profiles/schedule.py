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

When nothing is left to flood, second chances follow (`profiles.healing`), each of which may start a flood again:
islands, argmax values of other optima, neighbours' argmax values, and the audit. A cell that beats the best optimum
starts an ascent in the full space, whose end becomes an optimum, and the map goes on from there.
Values are always evaluated, so a cell can be too low but never too high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.proposal import Phase
from wilks.core.status import Outcome, Status
from wilks.loop.requests import Request, Requests, in_unit
from wilks.profiles import healing
from wilks.profiles.audit import AuditLedger
from wilks.profiles.branches import runs_parallel, tangent_of
from wilks.profiles.prediction import predict
from wilks.profiles.records import Records, Solution
from wilks.profiles.state import MARGIN, Job, MapState, Optimum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space
    from wilks.profiles.grid import ProfileGrid

_HOPELESS = 3.0
_OPTIMISM = 3.0
_ATTEMPTS = 3
_ROUNDING = 1e-7
_MEASURE_EVERY = 4
_JUMP, _SMALL_JUMP, _JUMP_GAIN = 0.1, 0.03, 2.0
_BETTER = 1e-3
_PHASES = {
    "extend": Phase.MAP,
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
    """

    local: LocalSolver
    threshold: float
    n_audit: int
    grid: ProfileGrid = field(repr=False)
    optima: tuple[Optimum, ...] = field(repr=False)

    generational = False

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> MapState:  # noqa: ARG002 - optima instead
        """Seed the branches of the known optima."""
        continuous = space.is_continuous
        columns = np.array([space.index(name) for name in self.grid.names])
        inner = np.array([c for c in np.flatnonzero(continuous) if c not in columns], dtype=np.int64)
        n = self.grid.n_cells
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
            audit=AuditLedger(self.n_audit if len(inner) else 0),
        )
        for optimum in sorted(self.optima, key=lambda optimum: -optimum.value):
            self._add_optimum(state, optimum)
        return state

    def ask(self, state: MapState, limit: int) -> tuple[Proposals, MapState]:
        """Take tasks from the queue until there are enough points; when all is done, begin the next stage."""
        while state.requests.n_unsent < limit:
            if state.queue:
                self._begin_task(state, *state.pop())
            elif state.requests.opened or state.stage == "done":
                break
            elif not self._climb_from_best(state):
                healing.next_stage(self, state)
        return state.requests.take(limit), state

    def tell(self, state: MapState, evaluations: Evaluations) -> MapState:
        """Advance the ascents whose points are complete."""
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

    # ------------------------------------------------------------------ optima

    def _add_optimum(self, state: MapState, optimum: Optimum) -> None:
        """Seed a branch in the nearest cell, the argmax carried along the tangent."""
        state.optima.append(optimum)
        if optimum.value > state.best:
            state.best, state.best_u = optimum.value, optimum.u
        tangent, block = tangent_of(state, optimum)
        label = self.new_branch(state, optimum.u, tangent)
        at = optimum.u[state.columns]
        # Around the best one all corners, so that a peak narrower than the grid has its sides, too.
        for cell in state.grid.around_point(at) if optimum.value >= state.best else [state.grid.nearest(at)]:
            v = np.clip(optimum.u[state.inner] + tangent @ (state.grid.unit(cell) - at), 0.0, 1.0)
            self.begin(state, "extend", cell, label, optimum.u, v, curvature=block)

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
            label = self.new_branch(state, base)
        measure = age >= _MEASURE_EVERY
        ascent = self.local.start(v, curvature=None if curvature is None else curvature.copy(), measure=measure)  # type: ignore[attr-defined]
        job = Job(kind, cell, label, base, ascent, v, float(more.get("demand", -math.inf)), 0 if measure else age)  # type: ignore[arg-type]
        job.informed = curvature is not None
        state.pending.append((state.records.root(label), cell))
        self.enter(state, job)

    def new_branch(self, state: MapState, base: NDArray[np.float64], tangent: NDArray[np.float64] | None = None) -> int:
        """Make a label for a branch whose discrete coordinates are those of `base`."""
        label = state.records.new_label()
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
        full = np.repeat(job.base[None, :], len(points), axis=0)
        full[:, self.moved(state, job)] = points
        theta = state.space.from_unit(full)
        if job.cell >= 0:
            theta[:, state.columns] = state.grid.theta(job.cell)  # exactly the node, without rounding
        if job.kind == "audit":
            state.audit.n_evaluations += len(points)
        state.requests.add(number, theta, _PHASES[job.kind])

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
        else:
            healing.begin_task(self, state, kind, cell, row)

    def _extend(self, state: MapState, cell: int, row: int) -> None:
        """Carry the branch of a solved cell to its neighbour, if that can matter."""
        records = state.records
        label = records.root(int(records.labels[row]))
        value, parent = float(records.values[row]), int(records.cells[row])
        if value <= self.cut(state) or value < state.best_values[parent] - MARGIN:
            return
        if records.row_of(cell, label) is not None or (label, cell) in state.pending:
            return
        attempts = state.attempts.get((label, cell), 0)
        if attempts >= _ATTEMPTS or runs_parallel(state, row, cell):
            return
        guess = predict(state.grid, records, cell, row, state.tangents[label])
        known = state.best_values[cell]
        if np.isfinite(known) and guess.value + 3 * guess.uncertainty < known - MARGIN:
            return
        twin = records.alike(cell, guess.argument)
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
        if not job.looked:
            job.looked = True
            if math.isfinite(job.demand) and job.ascent.value <= job.demand:
                self._drop(state, number)
                return
        if len(job.ascent.points):
            if self._comes_to_known(state, job) or self._is_hopeless(state, job):
                self._drop(state, number)
            else:
                self.request(state, number, job.ascent.points)
            return
        self._drop(state, number)
        if job.cell < 0:
            self._end_optimum(state, job)
        else:
            self.finish_cell(state, job)

    def _comes_to_known(self, state: MapState, job: Job) -> bool:
        """Is the next trial point of an offered argmax a solution that the cell has already?"""
        ascent = job.ascent
        if job.kind != "offer" or ascent.stage != "trial":
            return False
        row = state.records.alike(job.cell, ascent.points[0])
        return row is not None and bool(state.records.values[row] >= ascent.value)

    def _is_hopeless(self, state: MapState, job: Job) -> bool:
        """Does the first step promise an end that lies further below the best branch than branches are followed?"""
        ascent = job.ascent
        if job.cell < 0 or ascent.stage != "trial" or ascent.iteration != 1 or not job.informed:
            return False
        promised = ascent.value + _OPTIMISM * ascent.promise
        return bool(promised < state.best_values[job.cell] - MARGIN)  # False where nothing is known

    def _drop(self, state: MapState, number: int) -> None:
        job = state.jobs.pop(number)
        for at, (label, cell) in enumerate(state.pending):
            if cell == job.cell and state.records.root(label) == state.records.root(job.label):
                del state.pending[at]
                break

    def _end_optimum(self, state: MapState, job: Job) -> None:
        ascent = job.ascent
        if not math.isfinite(ascent.value):
            return
        u = job.base.copy()
        u[self.moved(state, job)] = ascent.u
        state.n_better_optima += 1
        self._add_optimum(state, Optimum(u, ascent.value, ascent.curvature, reliable=False))

    def finish_cell(self, state: MapState, job: Job) -> None:
        """Enter the end of an ascent into the table, and offer it to the neighbours."""
        ascent, records = job.ascent, state.records
        if not math.isfinite(ascent.value):
            if state.best_rows[job.cell] < 0 and job.cell not in state.failed_cells:
                state.failed_cells.append(job.cell)
            return
        label = self._label_of_end(state, job)
        solution = Solution(ascent.value, ascent.u, ascent.curvature, job.age, ascent.converged)
        row = records.alike(job.cell, ascent.u)
        if row is not None:
            records.unite(label, int(records.labels[row]))
        else:
            row = records.row_of(job.cell, label)
        if row is None:
            row = records.add(job.cell, label, solution)
        elif ascent.value > records.values[row] + (0.0 if ascent.converged else _ROUNDING):
            records.put(row, solution)
        else:
            return
        self._enter_value(state, job, row)

    def _label_of_end(self, state: MapState, job: Job) -> int:
        """The branch of the prediction, or a new one when the ascent went somewhere else."""
        moved = float(np.abs(job.ascent.u - job.start).max(initial=0.0))
        d = job.ascent.u - job.start
        gain = 0.5 * float(d @ job.ascent.curvature @ d) if len(d) else 0.0
        if moved > _JUMP or (moved > _SMALL_JUMP and gain > _JUMP_GAIN):
            return self.new_branch(state, job.base)
        return state.records.root(job.label)

    def _enter_value(self, state: MapState, job: Job, row: int) -> None:
        """Raise the map where the row is better, and queue what follows from it."""
        records, cell = state.records, job.cell
        value = float(records.values[row])
        known = float(state.best_values[cell])
        if not value <= known and not self._is_tie_without_end(state, row, cell):  # better, or the first
            state.best_values[cell], state.best_rows[cell] = value, row
            if cell in state.failed_cells:
                state.failed_cells.remove(cell)
            if math.isfinite(known) and value > known + 1e-4:
                state.n_improved += 1
        if value > state.best:
            state.best, state.best_u = value, self.full_point(state, cell, row)
        if value > self.cut(state) and value > state.best_values[cell] - MARGIN:
            faces = state.grid.neighbours(cell)
            for other in faces:
                state.push(0, value, "extend", other, row)
            # Corners last, when the faces have nothing left: a ridge narrower than a cell may lead through them only.
            for other in state.grid.neighbours(cell, diagonal=True):
                if other not in faces:
                    state.push(1, value, "extend", other, row)

    def _is_tie_without_end(self, state: MapState, row: int, cell: int) -> bool:
        """Would an ascent that did not reach its tolerance take the place of one that did, for a rounding error?"""
        records, best = state.records, state.best_rows[cell]
        if best < 0 or records.converged[row] or not records.converged[best]:
            return False
        return bool(records.values[row] <= state.best_values[cell] + _ROUNDING)

    def full_point(self, state: MapState, cell: int, row: int) -> NDArray[np.float64]:
        """Full point of the unit box of a solution."""
        u = state.bases[int(state.records.labels[row])].copy()
        u[state.columns] = state.grid.unit(cell)
        u[state.inner] = state.records.arguments[row]
        return u

    def _climb_from_best(self, state: MapState) -> bool:
        """Where a cell beats every optimum, climb from it in the full space; False when there is no such cell."""
        known = max((optimum.value for optimum in state.optima), default=math.inf)
        if state.best <= known + _BETTER or state.best <= state.climbed_from:
            return False
        state.climbed_from = state.best
        v = state.best_u[np.flatnonzero(state.space.is_continuous)]
        self.enter(state, Job("optimum", -1, -1, state.best_u, self.local.start(v), v))
        return True
