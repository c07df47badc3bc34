"""What all gradient-free searches share: first points, batches, the boundary, random restarts, points seen before.

A search proposes a batch of points, hears of their losses (minus the log-likelihood; infinite where there is none), and
proposes the next one. A subclass says how, in three functions; everything it knows is in the state that it is given.
Points outside the constraints have an infinite loss and cost nothing: the driver loop does not count them.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.proposal import EvaluationStatus, Phase, Proposals
from wilks.core.status import Outcome, Status
from wilks.searchers.coordinates import BOUNDARIES, CATEGORICAL, Boundary, Coordinates, Point
from wilks.searchers.designs import Initial, random_points
from wilks.searchers.dice import Dice
from wilks.searchers.options import check_number
from wilks.searchers.state import Batch, Findings, Memory, SearchState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations
    from wilks.core.space import Space

_FREE_ROUNDS = 50
_UNSEEN_DRAWS = 1000
_MOST_DRAWN = 1000
_MANY_IN_VAIN = 1000
_UNSEEN = "unseen"
_DEFAULT_INITIAL = Initial()
_VIOLATED = int(EvaluationStatus.VIOLATED)


@dataclass(frozen=True, kw_only=True)
class Searcher(ABC):
    """A gradient-free search.

    Parameters
    ----------
    initial
        How the first points are chosen.
    boundary
        What becomes of a coordinate that leaves its range: ``"reflect"``, ``"clip"``, ``"periodic"``, ``"random"`` or
        ``"intermediate"`` (half-way to the bound).
    restart_probability
        Probability that a proposal is replaced by a uniformly random point; 1 is random search.
    remember
        In a space with discrete parameters: evaluate no point twice.
    budget
        Number of evaluations that are planned; `wilks.search` sets it. Schedules stretch over it.
    """

    initial: Initial = _DEFAULT_INITIAL
    boundary: Boundary = "reflect"
    restart_probability: float = 0.0
    remember: bool = True
    budget: int | None = field(default=None, repr=False)

    generational = True
    phase = Phase.SEARCH
    moves_in_vain = True  # may proposals be moved when none has met the constraints for long?
    needs_first = True  # one evaluated point at least before the search proper

    def __post_init__(self) -> None:
        """Check the options.

        Raises
        ------
        InvalidConfigurationError
            If an option cannot be used.
        """
        name = type(self).__name__
        if not isinstance(self.initial, Initial):
            raise InvalidConfigurationError(f"{name}: initial: expected wilks.Initial(...), got {self.initial!r}")
        if self.boundary not in BOUNDARIES:
            raise InvalidConfigurationError(
                f"{name}: boundary: expected one of {', '.join(BOUNDARIES)}, got {self.boundary!r}"
            )
        if not isinstance(self.remember, bool):
            raise InvalidConfigurationError(f"{name}: remember: expected True or False, got {self.remember!r}")
        check_number(self, "restart_probability", 0.0, 1.0)

    @abstractmethod
    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Take the points of the initial stage, none of them violated, and make ``state.engine``."""

    @abstractmethod
    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return points to evaluate and notes about them; no point when nothing is left to do."""

    @abstractmethod
    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Take the losses of a batch of `propose`."""

    @property
    def text(self) -> str:
        """The algorithm as one would write it, options that have their default left out."""
        own = [f.name for f in fields(self) if f.repr and getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in own)})"

    @property
    def remembers_points(self) -> bool:
        """Are points of a discrete space evaluated once? A sampler counts every visit."""
        return self.remember

    def learn(self, state: SearchState, point: Point, loss: float) -> None:  # noqa: B027 - what it knows may be enough
        """Hear of a point that this search did not propose; by default only the best is kept."""

    def n_initial(self, coordinates: Coordinates) -> int:
        """Number of initial points where none are asked for; each search has its own need."""
        n = max(8, 2 * coordinates.dimension + 4)
        return n if self.budget is None else max(1, min(n, self.budget // 5))

    def findings(self, state: SearchState) -> Findings:  # noqa: ARG002 - for those that have something to tell
        """Return what the search found out besides its best point."""
        return Findings()

    def used(self, state: SearchState) -> float:
        """Share of the budget that is used, 0 without a budget."""
        return min(1.0, state.n_told / self.budget) if self.budget else 0.0

    # The contract with the driver loop

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> SearchState:
        """Return the state before the first batch; `starts` are evaluated first."""
        coordinates = Coordinates.of(space, self.boundary)
        dice = Dice.keyed(seed)
        given = coordinates.points(np.asarray(starts, dtype=float))
        first = given + self.initial.points(coordinates, dice, max(0, self.n_initial(coordinates) - len(given)))
        remembers = self.remembers_points and any(coordinates.sizes)
        seen = Memory(np.empty((0, coordinates.dimension + 2))) if remembers else None
        if not first and self.needs_first:
            first = [coordinates.random_point(dice)]
        state = SearchState(coordinates, dice, first, len(first), seen=seen)
        if not first:
            state.stage = "search"
            self.begin(state, [], [])
        return state

    def ask(self, state: SearchState, limit: int) -> tuple[Proposals, SearchState]:
        """Hand out the open batch; when all is told, propose the next one."""
        if not state.open and state.stage != "done":
            self._fill(state)
        return self._hand_out(state, limit), state

    def ask_more(self, state: SearchState, limit: int) -> tuple[Proposals, SearchState]:
        """Hand out `limit` points though others are outstanding: further proposals from the same state of knowledge."""
        handed = [self.ask(state, limit)[0]]
        left = limit - len(handed[0])
        for _ in range(limit + _FREE_ROUNDS):  # a discrete space may have nothing new to offer
            if left <= 0 or state.stage == "done":
                break
            if all(batch.n_handed == len(batch.points) for batch in state.open):
                n_open = len(state.open)
                self._fill(state)
                if len(state.open) == n_open:
                    break
            handed.append(self._hand_out(state, left))
            left -= len(handed[-1])
        ids, thetas, phases = (np.concatenate([getattr(p, f) for p in handed]) for f in ("ids", "thetas", "phases"))
        return Proposals(ids, thetas, phases), state

    def tell(self, state: SearchState, evaluations: Evaluations) -> SearchState:
        """Enter the losses; every batch that is complete, and has none before it, is absorbed."""
        # Lists all through: most batches are small. A NaN is never equal to itself, and never wins.
        losses = [-value if value == value else math.inf for value in evaluations.log_likelihoods.tolist()]  # noqa: PLR0124
        statuses, ids = evaluations.statuses.tolist(), evaluations.ids.tolist()
        violated = [row for row, status in enumerate(statuses) if status == _VIOLATED] if any(statuses) else []
        state.n_told += len(losses) - len(violated)
        state.n_in_vain = state.n_in_vain + len(losses) if len(violated) == len(losses) else 0
        batch = state.open[0]
        n = len(batch.points)
        if len(ids) == n and ids == list(range(batch.first_id, batch.first_id + n)):
            batch.losses, batch.violated = losses, violated  # the whole batch, in order
        else:
            self._enter(state, ids, losses, set(violated))
        while state.open and state.open[0].complete:
            self._complete(state, state.open.pop(0))
        return state

    def terminate(self, state: SearchState) -> Status | None:
        """End when the method has nothing left to do."""
        return Status(Outcome.CONVERGED, state.note) if state.stage == "done" else None

    def describe(self, state: SearchState) -> tuple[str, float]:
        """What is going on, for people."""
        fraction = self.used(state) if self.budget else math.nan
        return ("first points" if state.stage == "initial" else "search"), fraction

    # Batches

    def _fill(self, state: SearchState) -> None:
        """Open the next batch that holds something new."""
        for _ in range(_FREE_ROUNDS):
            points, notes = self._next(state)
            if not points:
                if not state.open:  # what is outstanding may bring new proposals
                    state.stage = "done"
                return
            batch = Batch(state.next_id, points, [math.nan] * len(points), notes=notes)
            state.next_id += len(points)
            if state.seen is not None:
                batch.keys = state.seen.keys(points)
                state.seen.recall(batch)
            if state.open or not batch.complete:
                state.open.append(batch)
                return
            self._complete(state, batch)
        self._open_unseen(state)

    def _next(self, state: SearchState) -> tuple[list[Point], Any]:
        if state.stage == "initial":
            points, state.first = state.first, []
            return points or self._more_first(state), None
        points, notes = self.propose(state)
        if self.restart_probability > 0:
            points = points.copy()  # a method may remember its own list
            for row in range(len(points)):
                if state.dice.uniform() < self.restart_probability:
                    points[row] = state.coordinates.random_point(state.dice)
        if state.n_in_vain > _MANY_IN_VAIN and self.moves_in_vain:
            points = [self._pulled(state, point) if state.dice.uniform() < 0.5 else point for point in points]
        return points, notes

    def _pulled(self, state: SearchState, point: Point) -> Point:
        """Return a point on the way from the best one: where constraints leave little, that is where others are."""
        if state.best is None:
            return state.coordinates.random_point(state.dice)
        part = 10.0 ** (-4.0 * state.dice.uniform())
        return [
            start
            if kind == CATEGORICAL
            else state.coordinates.settle(j, start + part * (end - start), start, state.dice)
            for j, (kind, start, end) in enumerate(zip(state.coordinates.kinds, state.best, point, strict=True))
        ]

    def _more_first(self, state: SearchState) -> list[Point]:
        """Draw as many points as it takes to find those that are missing, by the share that was allowed so far."""
        missing = max(1, state.n_first - len(state.first_points))
        share = max(1, len(state.first_points)) / max(1, state.n_drawn)
        return random_points(state.coordinates, state.dice, min(_MOST_DRAWN, math.ceil(missing / min(share, 1.0))))

    def _complete(self, state: SearchState, batch: Batch) -> None:
        lowest = min(batch.losses)
        if lowest < state.best_loss:
            row = batch.losses.index(lowest)
            state.offer(batch.first_id + row, batch.points[row], lowest)
        if state.seen is not None:
            batch.keys = batch.keys or state.seen.keys(batch.points)  # a checkpoint has none
            state.seen.enter(batch)
        if state.stage == "search" and batch.notes == _UNSEEN:
            self.learn(state, batch.points[0], batch.losses[0])
        elif state.stage == "search":
            self.absorb(state, batch)
        elif state.stage == "initial":
            allowed = sorted(set(range(len(batch.points))).difference(batch.violated))
            state.first_points += [batch.points[row] for row in allowed]
            state.first_losses += [batch.losses[row] for row in allowed]
            state.n_drawn += len(batch.points)
            if len(state.first_points) >= state.n_first and not state.open:
                state.stage = "search"
                self.begin(state, state.first_points, state.first_losses)
                state.first_points, state.first_losses = [], []

    def _open_unseen(self, state: SearchState) -> None:
        """Everything that is proposed was evaluated before: look elsewhere, and end when nothing is left."""
        if state.seen is None:
            return
        seen, coordinates = state.seen.losses, state.coordinates
        if len(seen) >= coordinates.n_points:
            state.stage, state.note = "done", f"All {len(seen)} points of the space were evaluated."
            return
        drawn = (coordinates.random_point(state.dice) for _ in range(_UNSEEN_DRAWS))
        waiting = {key for batch in state.open for key in Memory.keys(batch.points)}
        candidates = itertools.chain(drawn, _in_order(coordinates.sizes))
        point = next((p for p in candidates if (key := Memory.keys([p])[0]) not in seen and key not in waiting), None)
        if point is None:
            return  # all that is left is outstanding
        state.open.append(Batch(state.next_id, [point], [math.nan], notes=_UNSEEN))
        state.next_id += 1

    def _hand_out(self, state: SearchState, limit: int) -> Proposals:
        for batch in state.open:
            points, first, n = batch.points, batch.n_handed, len(batch.points)
            if first == n:
                continue
            rows: Sequence[int] = range(first, n)
            if state.seen is not None:
                losses, twins = batch.losses, batch.twins
                rows = [row for row in rows if losses[row] != losses[row] and row not in twins]  # NaN
            batch.n_handed = n if len(rows) <= limit else rows[limit]
            rows = rows[:limit]
            n_rows = len(rows)
            if n_rows == n:
                ids = np.arange(batch.first_id, batch.first_id + n)
            else:
                ids = np.array(rows, dtype=np.int64) + batch.first_id
                points = [points[row] for row in rows]
            phases = np.empty(n_rows, dtype=np.int8)
            phases.fill(int(self.phase))
            return Proposals(ids, state.coordinates.thetas(points), phases)
        return Proposals.empty(state.coordinates.dimension)

    def _enter(self, state: SearchState, ids: list[int], losses: list[float], violated: set[int]) -> None:
        """Enter losses one by one, whichever they are."""
        batch = state.open[0]
        for position, (number, loss) in enumerate(zip(ids, losses, strict=True)):
            row = number - batch.first_id
            if not 0 <= row < len(batch.points):
                batch = next(b for b in state.open if b.first_id <= number < b.first_id + len(b.points))
                row = number - batch.first_id
            batch.losses[row] = loss
            if position in violated:
                batch.violated.append(row)
            state.offer(number, batch.points[row], loss)
        for batch in state.open:
            for row, earlier in batch.twins.items():
                batch.losses[row] = batch.losses[earlier]
                if earlier in batch.violated and row not in batch.violated:
                    batch.violated.append(row)


def _in_order(sizes: list[int]) -> Iterator[Point]:
    """Every point of a discrete space; the axes are not written out before the first one is wanted."""
    for row in itertools.product(*map(range, sizes)):
        yield [float(i) for i in row]
