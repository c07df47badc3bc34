"""A portfolio: search along the axes, polish, tempering and kicked restarts, in turns on one budget.

No single method is good at everything: separable losses fall to the axes, valleys to the polish, ruggedness and
discrete parameters to tempering, several basins to restarts. All share the best point, and blocks of evaluations go

1. to the axes until they have used 6 per coordinate;
2. to each method that has not run, once;
3. then with probability 0.7 to the method with the largest recent gain per evaluation, if any has one, else to the one
   that has used least of its share.

Gains are only compared with one another, so the choice knows no unit. A method with nothing to do leaves the choice
until the best point changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.searchers.incumbent import Incumbent
from wilks.searchers.losses import spread_of
from wilks.searchers.options import check_count, check_reals
from wilks.searchers.polish import Polish
from wilks.searchers.portfolio.axis import AxisSearch
from wilks.searchers.portfolio.kicks import Kicks
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import Batch, Findings, SearchState
from wilks.searchers.tempering.optimiser import TemperingState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.space import Space
    from wilks.searchers.coordinates import Point

AXES, POLISH, TEMPERING, KICKS = "axes", "polish", "tempering", "kicks"
METHODS = (AXES, POLISH, TEMPERING, KICKS)

_FIRST_AXES = 6
_GREEDY, _FORGET = 0.7, 0.9
_HEAT = 0.5
_KICKS, _KICKS_WITH_CATEGORIES = 0.7, 3.0
_NEGLIGIBLE = 1e-10  # of the spread of the first losses, per evaluation


@dataclass
class Ledger:
    """What one method has cost and brought.

    Attributes
    ----------
    used
        Evaluations.
    in_block, gain
        Evaluations and gain of its present block.
    rate
        Gain per evaluation in its latest block, fading with every block of another.
    idle_at
        Loss of the incumbent at which it had nothing to do; NaN while it has.
    """

    weight: float
    used: int = 0
    in_block: int = 0
    gain: float = 0.0
    rate: float = 0.0
    idle_at: float = math.nan


@dataclass
class PortfolioState:
    """State of the methods and of the choice between them.

    Attributes
    ----------
    current
        Method of the present block, empty between blocks.
    """

    incumbent: Incumbent
    ledgers: dict[str, Ledger]
    axes: AxisSearch
    polish: Polish
    tempering: TemperingState | None
    kicks: list[Kicks]
    current: str = ""


@dataclass(frozen=True, kw_only=True)
class Portfolio(Searcher):
    """The default search: four methods that share the best point, and evaluations by what they bring.

    Parameters
    ----------
    methods
        Which take part: ``"axes"`` (search along the coordinates), ``"polish"`` (a quasi-Newton ascent over the real
        parameters, which pays for its differences), ``"tempering"`` and ``"kicks"`` (restarts elsewhere).
    batch_size
        Points that are proposed together at least, for as many workers. The answer depends on it, not on the workers.
    solver
        Local solver of the polish; `wilks.search` supplies it.
    initial, boundary, restart_probability, remember
        As in every search.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.problems.rosenbrock(4).problem
    >>> result = wilks.search(problem, wilks.Portfolio(batch_size=4), n_evaluations=2000, seed=1)
    >>> result.log_likelihood > -1e-6
    True
    """

    methods: tuple[str, ...] = METHODS
    batch_size: int = 1
    solver: LocalSolver | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        listed = isinstance(self.methods, (tuple, list)) and all(isinstance(method, str) for method in self.methods)
        if not listed or not self.methods or not set(self.methods) <= set(METHODS):
            raise InvalidConfigurationError(
                f"Portfolio: methods: expected some of {', '.join(METHODS)}, got {self.methods!r}"
            )
        check_count(self, "batch_size")

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> SearchState:
        """Return the state before the first batch; `starts` are evaluated first.

        Raises
        ------
        InvalidConfigurationError
            If the polish is alone in a space without real parameters.
        """
        if tuple(self.methods) == (POLISH,):
            check_reals(self, space)
        return super().init(space, seed, starts)

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Set the methods up at the best of the first points."""
        coordinates = state.coordinates
        best = min(range(len(points)), key=lambda i: losses[i])
        scale = spread_of(losses)
        incumbent = Incumbent(points[best], losses[best], scale)
        discrete = 1.0 - len(coordinates.reals) / coordinates.dimension
        kicks = _KICKS_WITH_CATEGORIES if coordinates.categoricals else _KICKS
        weights = {AXES: 1.0, POLISH: 1.0, TEMPERING: 0.5 + 1.5 * discrete, KICKS: kicks}
        methods = [m for m in METHODS if m in self.methods]
        if not coordinates.reals or self.solver is None:
            methods = [m for m in methods if m != POLISH]
        tempering = None
        if TEMPERING in methods:
            n = min(max(6, coordinates.dimension), 12)
            tempering = TemperingState.begin(coordinates, points, losses, n, heat=_HEAT)
        state.engine = PortfolioState(
            incumbent=incumbent,
            ledgers={method: Ledger(weights[method]) for method in methods},
            axes=AxisSearch.at(incumbent.point),
            polish=Polish(incumbent.loss),
            tempering=tempering,
            kicks=[Kicks() for _ in range(max(1, self.batch_size // 2))],
        )

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return the points of one method, or of several where a batch is to be filled."""
        engine: PortfolioState = state.engine
        points: list[Point] = []
        notes: list[tuple[str, Any, int]] = []
        waiting: list[str] = []  # methods that need the answers to this batch before they can say more
        while len(points) < self.batch_size:
            method = engine.current if engine.current not in waiting else ""
            method = method or self._choose(state, engine, waiting)
            if not method:
                break
            engine.current = engine.current or method
            found, note = self._ask(state, engine, method)
            if found:
                points += found
                notes.append((method, note, len(found)))
            elif any(asked == method for asked, _, _ in notes) or _waits(engine, method):
                waiting.append(method)
            else:
                engine.ledgers[method].idle_at = engine.incumbent.loss
                engine.current = "" if engine.current == method else engine.current
        if not points:  # nobody knows what to do
            return [state.coordinates.random_point(state.dice)], [("", None, 1)]
        return points, notes

    def _choose(self, state: SearchState, engine: PortfolioState, waiting: list[str]) -> str:
        """Choose the method of the next block, or one that fills the batch; an empty name if all are idle."""
        now = engine.incumbent.loss
        ready = {
            name: ledger for name, ledger in engine.ledgers.items() if ledger.idle_at != now and name not in waiting
        }
        if not ready:
            return ""
        if AXES in ready and ready[AXES].used < _FIRST_AXES * state.coordinates.dimension:
            return AXES
        for name, ledger in ready.items():
            if not ledger.used:
                return name
        best = max(ready, key=lambda name: ready[name].rate)
        worth = _NEGLIGIBLE * engine.incumbent.scale
        if not waiting and ready[best].rate > worth and state.dice.uniform() < _GREEDY:
            return best
        return min(ready, key=lambda name: ready[name].used / ready[name].weight)

    def _ask(self, state: SearchState, engine: PortfolioState, method: str) -> tuple[list[Point], Any]:
        coordinates, dice, incumbent = state.coordinates, state.dice, engine.incumbent
        if method == AXES:
            return engine.axes.propose(coordinates, dice, incumbent)
        if method == POLISH and self.solver is not None:
            return engine.polish.propose(coordinates, self.solver, incumbent), None
        if method == TEMPERING and engine.tempering is not None:
            engine.tempering.adopt(incumbent.point, incumbent.loss)
            return engine.tempering.propose(coordinates, dice)
        for number, kicks in enumerate(engine.kicks):
            found, note = kicks.propose(coordinates, dice, self.solver, incumbent)
            if found:
                return found, (number, note)
        return [], None

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Give every method its answers, and close the block when it is full."""
        engine: PortfolioState = state.engine
        if not engine.incumbent.scale:
            engine.incumbent.scale = spread_of([engine.incumbent.loss, *batch.losses])
        at = 0
        for method, note, n in batch.notes:
            before = engine.incumbent.loss
            self._tell(state, engine, method, batch.points[at : at + n], batch.losses[at : at + n], note)
            at += n
            if method:
                self._account(state, engine, method, batch.n_paid(at - n, n), before - engine.incumbent.loss)

    def _account(self, state: SearchState, engine: PortfolioState, method: str, n: int, gain: float) -> None:
        """Enter cost and gain of a method; at the end of its block, its rate."""
        ledger = engine.ledgers[method]
        ledger.used += n
        ledger.in_block += n
        ledger.gain += gain if math.isfinite(gain) else 0.0
        if ledger.in_block >= max(8, state.coordinates.dimension + 4):
            ledger.rate = ledger.gain / ledger.in_block
            ledger.in_block, ledger.gain = 0, 0.0
            for other in engine.ledgers.values():
                other.rate *= _FORGET
            if engine.current == method:
                engine.current = ""

    def _tell(
        self,
        state: SearchState,
        engine: PortfolioState,
        method: str,
        points: list[Point],
        losses: list[float],
        note: Any,  # noqa: ANN401 - each method has its own
    ) -> None:
        coordinates, dice, incumbent = state.coordinates, state.dice, engine.incumbent
        if method == AXES:
            engine.axes.absorb(coordinates, incumbent, points[0], losses[0], note)
        elif method == POLISH and self.solver is not None:
            engine.polish.absorb(self.solver, incumbent, points, losses)
        elif method == TEMPERING and engine.tempering is not None:
            used = self.used(state) if self.budget else None
            engine.tempering.absorb(dice, points, losses, note, used)
            engine.tempering.swap(dice, used)
        elif method == KICKS:
            left = self.budget - state.n_told if self.budget else math.inf
            number, inner = note
            engine.kicks[number].absorb(coordinates, self.solver, incumbent, points, losses, inner, left)
        for point, loss in zip(points, losses, strict=True):
            incumbent.offer(point, loss)

    def learn(self, state: SearchState, point: Point, loss: float) -> None:
        """Let all methods go on from there, if it is the best."""
        engine: PortfolioState = state.engine
        engine.incumbent.offer(point, loss)

    def findings(self, state: SearchState) -> Findings:
        """Return how the evaluations were shared out."""
        engine: PortfolioState | None = state.engine
        if engine is None:
            return Findings()
        details: dict[str, object] = {f"n_evaluations_{name}": ledger.used for name, ledger in engine.ledgers.items()}
        details |= {"n_restarts": sum(kicks.n_restarts for kicks in engine.kicks)}
        return Findings(details)


def _waits(engine: PortfolioState, method: str) -> bool:
    """Has a method nothing to say before it hears of points that are outstanding?"""
    if method == POLISH:
        return engine.polish.waiting
    return method == KICKS and any(kicks.waiting for kicks in engine.kicks)
