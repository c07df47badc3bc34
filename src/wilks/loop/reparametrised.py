"""An algorithm that works in derived coordinates, driven on the problem that they are derived from.

Every point that the algorithm proposes becomes as many points of the original problem as there are solutions for the
parameter that is replaced (`core.derived`). They are what is evaluated, counted and logged. Of their answers the
algorithm gets the best one, with the derivatives in its own coordinates. A point without a solution is answered as one
that violates a constraint; nobody is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.proposal import Evaluations, EvaluationStatus, Proposals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import Algorithm
    from wilks.core.derived import DerivedProblem
    from wilks.core.proposal import Want
    from wilks.core.space import Space
    from wilks.core.status import Status

_OK, _EXCLUDED, _FAILED, _VIOLATED, _LOST = (int(status) for status in EvaluationStatus)
_RANK = {_VIOLATED: 0, _LOST: 1, _FAILED: 2, _EXCLUDED: 3, _OK: 4}
_MAX_VOID = 20_000
"""Points without a solution in a row after which nothing else is expected."""


@dataclass
class Proposed:
    """A point of the algorithm, its solutions, and their answers as they come back.

    Attributes
    ----------
    theta, phase
        As proposed.
    solutions
        Points of the original problem, shape (k, dimension there).
    n_left
        Number of those that are not answered.
    best
        The best one so far, -1 for none.
    value, status, seconds, worker, payload, error
        Its answer; `seconds` of all together.
    """

    theta: NDArray[np.float64]
    phase: int
    solutions: NDArray[np.float64]
    n_left: int
    best: int = -1
    value: float = -math.inf
    status: int = _VIOLATED
    seconds: float = 0.0
    worker: int = 0
    payload: NDArray[np.float64] | None = None
    error: str = ""


@dataclass
class ReparametrisedState:
    """State of a reparametrised algorithm.

    Attributes
    ----------
    inner
        State of the algorithm.
    proposed
        Its points that it was not told of yet, by their ids.
    places
        Id of a point of the original problem -> id of the algorithm's point, and which of its solutions.
    backlog
        Ids of points that were not handed out yet.
    want
        What is wanted of those.
    ready
        Ids of the algorithm's points that are answered.
    n_void
        Number of points without a solution.
    several, chosen, n_several
        The points of the algorithm that had several solutions, and the best one of each; the first `n_several` rows.
    """

    inner: Any
    proposed: dict[int, Proposed] = field(default_factory=dict)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    backlog: list[int] = field(default_factory=list)
    want: Want = "value"
    ready: list[int] = field(default_factory=list)
    next_id: int = 0
    n_void: int = 0
    n_void_in_a_row: int = 0
    several: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    chosen: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    n_several: int = 0


@dataclass(frozen=True)
class Reparametrised:
    """An algorithm in the coordinates of a `core.derived.DerivedProblem`; a `core.algorithm.Algorithm`.

    Drive it on ``problem.base``.

    Parameters
    ----------
    algorithm
        The algorithm.
    problem
        The problem whose space it works in.
    """

    algorithm: Algorithm[Any]
    problem: DerivedProblem

    @property
    def generational(self) -> bool:
        """As the algorithm."""
        return self.algorithm.generational

    def __repr__(self) -> str:
        """Identify the algorithm and the quantities, in every interpreter alike."""
        return f"Reparametrised({self.algorithm!r}, {self.problem.fingerprint})"

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> ReparametrisedState:
        """Begin in the derived space; `starts` are points in the unit box of the original one."""
        own = self.problem.space
        thetas = self.problem.from_base(space.from_unit(starts)) if len(starts) else np.empty((0, own.dimension))
        thetas = thetas[np.isfinite(thetas).all(axis=1)]
        return ReparametrisedState(
            self.algorithm.init(own, seed, own.to_unit(thetas)),
            several=np.empty((0, own.dimension)),
            chosen=np.empty((0, space.dimension)),
        )

    def ask(self, state: ReparametrisedState, limit: int) -> tuple[Proposals, ReparametrisedState]:
        """Hand out solutions of what the algorithm proposes."""
        while not state.backlog:
            proposals, state.inner = self.algorithm.ask(state.inner, limit)
            if len(proposals):
                self._solve(state, proposals)
            if state.n_void_in_a_row >= _MAX_VOID:
                break
            if not state.backlog and not self._tell_ready(state) and not len(proposals):
                break
        ids, state.backlog = state.backlog[:limit], state.backlog[limit:]
        if not ids:
            return Proposals.empty(self.problem.base.space.dimension), state
        found = [(state.proposed[owner], slot) for owner, slot in (state.places[number] for number in ids)]
        return Proposals(
            np.array(ids, dtype=np.int64),
            np.array([point.solutions[slot] for point, slot in found]),
            np.array([point.phase for point, _ in found], dtype=np.int8),
            state.want,
        ), state

    def tell(self, state: ReparametrisedState, evaluations: Evaluations) -> ReparametrisedState:
        """Collect the answers, and tell the algorithm of the points that are complete."""
        payloads = evaluations.payloads or [None] * len(evaluations)
        for row, number in enumerate(evaluations.ids.tolist()):
            owner, slot = state.places.pop(number)
            point = state.proposed[owner]
            point.n_left -= 1
            point.seconds += float(evaluations.seconds[row])
            value, status = float(evaluations.log_likelihoods[row]), int(evaluations.statuses[row])
            # Of equals the first: an answer must not depend on the order in which the solutions came back.
            better = (value, _RANK[status], -slot) > (point.value, _RANK[point.status], -point.best)
            if point.best < 0 or better:
                point.best, point.value, point.status = slot, value, status
                point.worker, point.payload = int(evaluations.workers[row]), payloads[row]
                point.error = evaluations.errors.get(row, "")
            if not point.n_left:
                state.ready.append(owner)
                self._remember(state, point)
        self._tell_ready(state)
        return state

    def terminate(self, state: ReparametrisedState) -> Status | None:
        """As the algorithm."""
        return self.algorithm.terminate(state.inner)

    def describe(self, state: ReparametrisedState) -> tuple[str, float]:
        """As the algorithm, if it has something to say."""
        describe = getattr(self.algorithm, "describe", None)
        return describe(state.inner) if describe else ("", math.nan)

    def _solve(self, state: ReparametrisedState, proposals: Proposals) -> None:
        state.want = proposals.want
        rows = zip(proposals.ids.tolist(), proposals.thetas, proposals.phases.tolist(), strict=True)
        for number, theta, phase in rows:
            solutions = self.problem.preimages(theta)
            k = len(solutions)
            state.proposed[number] = Proposed(theta.copy(), int(phase), solutions, k)
            for slot in range(k):
                state.places[state.next_id] = (number, slot)
                state.backlog.append(state.next_id)
                state.next_id += 1
            state.n_void_in_a_row = 0 if k else state.n_void_in_a_row + 1
            if not k:
                state.n_void += 1
                state.ready.append(number)

    def _tell_ready(self, state: ReparametrisedState) -> bool:
        """Tell the algorithm what is complete, a whole batch if it wants that; was there anything to tell?"""
        if not state.ready or (self.generational and len(state.ready) < len(state.proposed)):
            return False
        ids = sorted(state.ready)
        points = [state.proposed.pop(number) for number in ids]
        state.ready = []
        payloads = None if state.want == "value" else [self._payload(state.want, point) for point in points]
        answers = Evaluations(
            ids=np.array(ids, dtype=np.int64),
            thetas=np.array([point.theta for point in points]),
            phases=np.array([point.phase for point in points], dtype=np.int8),
            log_likelihoods=np.array([point.value for point in points]),
            statuses=np.array([point.status for point in points], dtype=np.int8),
            seconds=np.array([point.seconds for point in points], dtype=np.float32),
            workers=np.array([point.worker for point in points], dtype=np.int32),
            payloads=payloads,
            errors={at: point.error for at, point in enumerate(points) if point.error},
        )
        state.inner = self.algorithm.tell(state.inner, answers)
        return True

    def _payload(self, want: Want, point: Proposed) -> NDArray[np.float64] | None:
        """Derivatives of the best solution in the algorithm's coordinates (core.derived, equation 2)."""
        given = point.payload
        if given is None or (want == "residual" and given.shape[1] == 1):
            return given
        theta = point.solutions[point.best]
        slopes, own = self.problem.base.space.slope(theta), self.problem.space.slope(point.theta)
        tangent = self.problem.tangent(theta)
        with np.errstate(all="ignore"):
            moved = np.where(own == 0, 0.0, tangent * slopes[:, None] / own)
            derivatives = given if want == "gradient" else given[:, 1:]
            # What does not count may be unknown.
            terms = np.where(moved == 0, 0.0, derivatives[..., None] * moved)
        found = np.where(np.isfinite(total := terms.sum(axis=-2)), total, np.nan)
        return found if want == "gradient" else np.column_stack([given[:, 0], found])

    def _remember(self, state: ReparametrisedState, point: Proposed) -> None:
        """Note which of several solutions was the best."""
        if len(point.solutions) < 2 or not math.isfinite(point.value):
            return
        if state.n_several == len(state.several):
            size = max(64, 2 * state.n_several)
            state.several = np.resize(state.several, (size, state.several.shape[1]))
            state.chosen = np.resize(state.chosen, (size, state.chosen.shape[1]))
        state.several[state.n_several] = point.theta
        state.chosen[state.n_several] = point.solutions[point.best]
        state.n_several += 1


def original_points(
    problem: DerivedProblem, state: ReparametrisedState, thetas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The points of the original problem that gave points of the algorithm their values; NaN where none did.

    Parameters
    ----------
    problem, state
        The problem in derived coordinates, and the state of a run on it.
    thetas
        Points in derived coordinates, shape (n, dimension).
    """
    known = {state.several[row].tobytes(): row for row in range(state.n_several)}
    found = np.full((len(thetas), problem.base.space.dimension), np.nan)
    for at, theta in enumerate(thetas):
        row = known.get(theta.tobytes())
        if row is not None:
            found[at] = state.chosen[row]
            continue
        solutions = problem.preimages(theta)
        if len(solutions) == 1:
            found[at] = solutions[0]
        elif len(solutions) and state.n_several:  # like the nearest point that was evaluated
            near = int(np.argmin(np.abs(state.several[: state.n_several] - theta).sum(axis=1)))
            found[at] = solutions[np.argmin(np.abs(solutions - state.chosen[near]).sum(axis=1))]
    return found
