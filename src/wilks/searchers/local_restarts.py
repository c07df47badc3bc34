"""Multi-start of a local method: ascents over the real parameters from points drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wilks.searchers.designs import latin_hypercube
from wilks.searchers.incumbent import Incumbent
from wilks.searchers.losses import spread_of
from wilks.searchers.options import check_count
from wilks.searchers.polish import Polish
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import Batch, Findings, SearchState

if TYPE_CHECKING:
    from wilks.core.algorithm import LocalSolver
    from wilks.searchers.coordinates import Point


@dataclass
class RestartsState:
    """State of the ascents.

    Attributes
    ----------
    waiting
        Starts that have not begun, the next one last.
    own
        Best point of the ascent under way; None between two.
    """

    scale: float
    waiting: list[tuple[Point, float]]
    own: Incumbent | None = None
    polish: Polish | None = None
    n_ascents: int = 0


@dataclass(frozen=True, kw_only=True)
class LocalRestarts(Searcher):
    """Local ascents one after the other, from the first points, best first, and then from Latin hypercubes.

    Discrete parameters keep the value of the start. Right for smooth likelihoods with few maxima; for those `wilks.fit`
    does the same and knows when to stop.

    Parameters
    ----------
    screen
        Of so many points the best one is a start.
    solver
        Local solver; `wilks.search` supplies it.
    initial, restart_probability, remember
        As in every search; the ascents keep within the bounds by themselves, so `boundary` means nothing here.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.problems.rosenbrock(4).problem
    >>> result = wilks.search(problem, wilks.LocalRestarts(), n_evaluations=1500, seed=1)
    >>> result.log_likelihood > -1e-6
    True
    """

    screen: int = 4
    solver: LocalSolver | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "screen")

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Line the first points up, the best one last."""
        order = sorted(range(len(points)), key=lambda i: -losses[i])
        state.engine = RestartsState(spread_of(losses), [(points[i], losses[i]) for i in order])

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return the points of the ascent, or those of which the best begins the next one."""
        engine: RestartsState = state.engine
        if engine.own is None and engine.waiting:
            point, loss = engine.waiting.pop()
            engine.own, engine.polish = Incumbent(point, loss, engine.scale), Polish(loss)
            engine.n_ascents += 1
        if engine.own is not None and engine.polish is not None and self.solver is not None:
            points = engine.polish.propose(state.coordinates, self.solver, engine.own)
            if points:
                return points, "ascent"
            if not engine.polish.waiting:
                engine.own = engine.polish = None
        return latin_hypercube(state.coordinates, state.dice, self.screen), "starts"

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Advance the ascent, or keep the best of the starts."""
        engine: RestartsState = state.engine
        if batch.notes == "starts":
            loss = min(batch.losses)
            engine.waiting.insert(0, (batch.points[batch.losses.index(loss)], loss))
        elif engine.own is not None and engine.polish is not None and self.solver is not None:
            engine.polish.absorb(self.solver, engine.own, batch.points, batch.losses)

    def findings(self, state: SearchState) -> Findings:
        """Return the number of ascents."""
        engine: RestartsState | None = state.engine
        if not state.coordinates.reals:
            return Findings({"note": "There is no real parameter to ascend in: this was a random search."})
        return Findings({} if engine is None else {"n_ascents": engine.n_ascents})
