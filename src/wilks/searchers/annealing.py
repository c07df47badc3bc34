r"""Simulated annealing: one walker, or a few independent ones, whose temperature falls.

A proposal of loss f' replaces the state of loss f with probability min(1, exp(-(f' - f) / T)) (Metropolis et al. 1953;
Kirkpatrick, Gelatt and Vecchi 1983). The temperature comes from the first losses,

    T = c (median - min) r^s,                                                                   (1)

s in [0, 1] being how far the present cooling has come, so a constant added to the loss changes nothing. A cooling takes
the budget; without one, the temperature is raised again after every cooling, and each is twice as long as the one
before. A walker that has not come below its own best for a long time goes on from the best point of all walkers.

Steps of single coordinates are adapted to an acceptance of 0.3. Besides the moves of one replica of `moves`
there is one along the difference of two former states of the walkers (ter Braak and Vrugt 2008,
https://doi.org/10.1007/s11222-008-9104-9): it follows a valley that lies askew to the axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wilks.searchers import moves
from wilks.searchers.coordinates import CATEGORICAL, ORDERED, Coordinates, Point
from wilks.searchers.losses import acceptance, spread_of
from wilks.searchers.options import check_count
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import Batch, Findings, SearchState

if TYPE_CHECKING:
    from wilks.searchers.dice import Dice

_NORMAL, _HEAVY, _UNIFORM, _PAST, _SEVERAL = range(5)
_SHARES = (0.30, 0.15, 0.10, 0.30, 0.15)
_HIGH_REAL, _HIGH_DISCRETE = 0.15, 0.5
_FALL = 1e-7
_FIRST_STEP, _LEAST_STEP, _MOST_STEP = 0.1, 1e-9, 0.5
_TARGET_ONE, _TARGET_SEVERAL, _STEP_GAIN = 0.3, 0.25, 0.5
_CREDIT_DECAY = 0.998
_PAST_PER_PARAMETER, _LEAST_PAST = 10, 20
_PATIENCE_PER_PARAMETER = 50
_FIRST_COOLING_PER_PARAMETER, _MOST_DOUBLINGS = 200, 20


@dataclass
class Walker:
    """One chain.

    Attributes
    ----------
    point, loss
        Where it is.
    lowest
        Its best loss since it was last moved to the best point.
    n_idle
        Proposals since then, or since its best loss fell.
    steps
        Steps of single coordinates, as a share of the range.
    jump
        Step of moves of several coordinates.
    """

    point: Point
    loss: float
    lowest: float
    steps: list[float]
    jump: float = _FIRST_STEP
    n_idle: int = 0


@dataclass
class Annealing:
    """State of simulated annealing.

    Attributes
    ----------
    walkers
        The chains.
    past
        Former states, the oldest is overwritten.
    slot
        Position in `past` of the next one.
    spread
        Median minus minimum of the first losses; 0 while no difference was seen.
    best, best_loss
        The best point of all walkers.
    cooled_from
        Evaluations when the present cooling began.
    n_coolings, n_returns
        How often the temperature was raised, and how often a walker was moved to the best point.
    proposed, accepted
        Moves of all walkers.
    tried, won
        How often each kind of move was made and led to a better state, recent ones counting most.
    """

    walkers: list[Walker]
    past: list[Point]
    spread: float
    best: Point
    best_loss: float
    cooled_from: int
    slot: int = 0
    n_coolings: int = 0
    n_returns: int = 0
    proposed: int = 0
    accepted: int = 0
    tried: list[float] = field(default_factory=lambda: [0.0] * len(_SHARES))
    won: list[float] = field(default_factory=lambda: [0.0] * len(_SHARES))

    def propose(self, coordinates: Coordinates, dice: Dice) -> tuple[list[Point], list[tuple[int, int]]]:
        """Return one proposal for every walker, with the kind of move and the coordinate of each."""
        allowed = (True, True, True, len(self.past) > 2, len(coordinates.reals) > 1)
        weights = [
            (share * (1.0 + self.won[m] / self.tried[m]) if self.tried[m] else share) if allowed[m] else 0.0
            for m, share in enumerate(_SHARES)
        ]
        points: list[Point] = []
        notes: list[tuple[int, int]] = []
        for walker in self.walkers:
            move, j = dice.pick(weights), dice.integer(len(walker.point))
            proposed = self._moved(coordinates, dice, walker, move, j)
            points.append(coordinates.perturb_one(walker.point, dice) if proposed == walker.point else proposed)
            notes.append((move, j))
        return points, notes

    def _moved(self, coordinates: Coordinates, dice: Dice, walker: Walker, move: int, j: int) -> Point:
        point = walker.point
        if move == _NORMAL:
            step = walker.steps[j] * coordinates.widths[j] * dice.normal()
            return moves.move_one(coordinates, dice, point, j, step)
        if move == _HEAVY:
            return moves.move_one(coordinates, dice, point, j, moves.heavy_step(coordinates, dice, j))
        if move == _UNIFORM:
            return moves.uniform(coordinates, dice, point, j)
        if move == _PAST:
            return self._along_the_past(coordinates, dice, point)
        return moves.several(coordinates, dice, point, walker.jump)

    def _along_the_past(self, coordinates: Coordinates, dice: Dice, point: Point) -> Point:
        a = dice.integer(len(self.past))
        first, second = self.past[a], self.past[dice.other(len(self.past), a)]
        scale = 0.4 + 0.6 * dice.uniform()

        def value(j: int) -> float:
            if coordinates.kinds[j] == CATEGORICAL:
                return first[j]
            z = point[j] + scale * (first[j] - second[j])
            if coordinates.kinds[j] == ORDERED:
                z = math.floor(z + dice.uniform())
            return coordinates.settle(j, z, point[j], dice)

        return moves.masked(dice, point, value)

    def absorb(
        self, dice: Dice, points: list[Point], losses: list[float], notes: list[tuple[int, int]], temperature: float
    ) -> None:
        """Accept or reject the proposals, one for every walker."""
        self.spread = self.spread or spread_of([*(walker.loss for walker in self.walkers), *losses])
        for walker, point, loss, (move, j) in zip(self.walkers, points, losses, notes, strict=True):
            old = walker.loss
            probability = acceptance(loss, old, temperature)
            self.proposed += 1
            self.tried[move] = self.tried[move] * _CREDIT_DECAY + 1.0
            self.won[move] = self.won[move] * _CREDIT_DECAY + (loss < old)
            _adapt(walker, move, j, probability)
            walker.n_idle += 1
            if probability >= 1.0 or dice.uniform() < probability:
                self.accepted += 1
                self._remember(walker.point)
                walker.point, walker.loss = point, loss
            if loss < walker.lowest:
                walker.lowest, walker.n_idle = loss, 0
            if loss < self.best_loss:
                self.best, self.best_loss = point, loss

    def _remember(self, point: Point) -> None:
        if len(self.past) < max(_LEAST_PAST, _PAST_PER_PARAMETER * len(point)):
            self.past.append(point)
        else:
            self.past[self.slot] = point
            self.slot = (self.slot + 1) % len(self.past)

    def return_idle(self, patience: int) -> None:
        """Move walkers that have found nothing for a long time to the best point."""
        for walker in self.walkers:
            if walker.n_idle >= patience and self.best_loss < walker.loss:
                self.n_returns += 1
                walker.point, walker.loss = self.best.copy(), self.best_loss
                walker.lowest, walker.n_idle = self.best_loss, 0


def _adapt(walker: Walker, move: int, j: int, probability: float) -> None:
    if move == _NORMAL:
        step = walker.steps[j] * math.exp(_STEP_GAIN * (probability - _TARGET_ONE))
        walker.steps[j] = min(max(step, _LEAST_STEP), _MOST_STEP)
    elif move == _SEVERAL:
        step = walker.jump * math.exp(_STEP_GAIN * (probability - _TARGET_SEVERAL))
        walker.jump = min(max(step, _LEAST_STEP), _MOST_STEP)


@dataclass(frozen=True, kw_only=True)
class SimulatedAnnealing(Searcher):
    """A walker that takes worse points too, ever more rarely as its temperature falls.

    Parameters
    ----------
    n_chains
        Number of independent walkers, evaluated together.
    initial, boundary, restart_probability
        As in every search.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> from wilks.searchers.annealing import SimulatedAnnealing
    >>> space = wilks.Space(x=wilks.Real(-5, 5), kind=wilks.Categorical(["a", "b"]))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] - 1) ** 2 - (v["kind"] == "a"))
    >>> result = wilks.search(problem, SimulatedAnnealing(), n_evaluations=500, seed=1)
    >>> result.best["kind"], round(result.best["x"], 2)
    ('b', 1.0)
    """

    n_chains: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "n_chains")

    def n_initial(self, coordinates: Coordinates) -> int:
        """At least one point for every walker."""
        return max(super().n_initial(coordinates), self.n_chains)

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Start the walkers from the best points."""
        order = sorted(range(len(points)), key=losses.__getitem__)
        chosen = [order[k % len(order)] for k in range(self.n_chains)]
        d = state.coordinates.dimension
        state.engine = Annealing(
            walkers=[Walker(points[i].copy(), losses[i], losses[i], [_FIRST_STEP] * d) for i in chosen],
            past=[points[i] for i in order[: max(_LEAST_PAST, _PAST_PER_PARAMETER * d)]],
            spread=spread_of(losses),
            best=points[order[0]],
            best_loss=losses[order[0]],
            cooled_from=state.n_told,
        )

    def temperature(self, state: SearchState) -> float:
        """Temperature (1)."""
        engine: Annealing = state.engine
        share = (state.n_told - engine.cooled_from) / self._length(state)
        all_real = len(state.coordinates.reals) == state.coordinates.dimension
        heat = _HIGH_REAL if all_real else _HIGH_DISCRETE
        return float(heat * engine.spread * _FALL ** min(share, 1.0))

    def _length(self, state: SearchState) -> int:
        """Number of evaluations of the present cooling."""
        engine: Annealing = state.engine
        if self.budget is not None:
            return max(1, self.budget - engine.cooled_from)
        first = _FIRST_COOLING_PER_PARAMETER * state.coordinates.dimension * self.n_chains
        return int(first * 2 ** min(engine.n_coolings, _MOST_DOUBLINGS))

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return one proposal for every walker."""
        engine: Annealing = state.engine
        return engine.propose(state.coordinates, state.dice)

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Accept or reject, and bring back who is lost."""
        engine: Annealing = state.engine
        if self.budget is None and state.n_told - engine.cooled_from >= self._length(state):
            engine.cooled_from = state.n_told
            engine.n_coolings += 1
        engine.absorb(state.dice, batch.points, batch.losses, batch.notes, self.temperature(state))
        engine.return_idle(_PATIENCE_PER_PARAMETER * state.coordinates.dimension)

    def findings(self, state: SearchState) -> Findings:
        """Return the temperature and what was accepted."""
        engine: Annealing | None = state.engine
        if engine is None:
            return Findings()
        rate = engine.accepted / engine.proposed if engine.proposed else math.nan
        counted = {"n_reheatings": engine.n_coolings, "n_returns": engine.n_returns}
        return Findings({"temperature": self.temperature(state), "acceptance": rate, **counted})
