r"""Differential evolution that learns its own settings.

Every member x of a population of N competes with a trial point. The trial takes some coordinates, each with probability
CR and one at least, of the mutant

    v = x + F (x_pbest - x) + F (x_a - x_b),                                                    (1)

x_pbest being one of the best members, x_a another member, x_b a member or a point of the archive of beaten members
(current-to-pbest/1: Zhang and Sanderson 2009, https://doi.org/10.1109/TEVC.2009.2014613). F and CR are drawn around
means of those that made improvements, weighted with the improvement: a memory of the last H generations (Tanabe and
Fukunaga 2013, https://doi.org/10.1109/CEC.2013.6557555). When the budget is known the population shrinks linearly to 4
members (L-SHADE: Tanabe and Fukunaga 2014, https://doi.org/10.1109/CEC.2014.6900380). A population that has collapsed
is drawn anew.

An ordered coordinate is rounded up or down at random in proportion, floor(v + U); a categorical one takes a level of
one of the members in (1). Only differences of losses are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wilks.searchers.coordinates import CATEGORICAL, ORDERED, Coordinates, Point
from wilks.searchers.designs import latin_hypercube
from wilks.searchers.losses import spread_of
from wilks.searchers.options import check_count
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import Batch, Findings, SearchState

if TYPE_CHECKING:
    from wilks.searchers.dice import Dice

_LEAST = 4
# Size of a population: this factor times the root of the evaluations that are left, within limits (measured).
_PER_ROOT, _PER_ROOT_CATEGORICAL = 0.5, 0.8
_LEAST_WANTED, _MOST_PER_PARAMETER = 8, 18
_UNPLANNED = 10
_MOST_DOUBLINGS = 5
_MEMORY = 5
_WIDTH = 0.1
_FIRST_F, _FIRST_CR = 0.5, 0.5
_BEST_SHARE = 0.2
_COLLAPSED_LOSS, _COLLAPSED_POINT = 1e-12, 1e-9


@dataclass
class Trial:
    """What a trial point must be remembered by.

    Attributes
    ----------
    target
        Position of the member that it competes with.
    scale, rate
        F and CR that made it.
    """

    target: int
    scale: float
    rate: float


@dataclass
class Population:
    """State of differential evolution.

    Attributes
    ----------
    points, losses
        The members.
    archive
        Beaten members.
    scales, rates
        Memories of F and CR.
    slot
        Position in the memories that is overwritten next.
    size
        Number of members that the population began with.
    born
        Share of the budget that was used when it began.
    spread
        Median minus minimum of the first losses, 0 while no difference was seen.
    growing
        Are members still missing?
    since
        Identity of the first point that may belong to it: what was proposed before a restart is not taken.
    n_restarts
        How often a collapsed population was drawn anew.
    """

    points: list[Point]
    losses: list[float]
    size: int
    born: float
    spread: float
    growing: bool = True
    since: int = 0
    archive: list[Point] = field(default_factory=list)
    scales: list[float] = field(default_factory=lambda: [_FIRST_F] * _MEMORY)
    rates: list[float] = field(default_factory=lambda: [_FIRST_CR] * _MEMORY)
    slot: int = 0
    n_restarts: int = 0

    def join(self, points: list[Point], losses: list[float]) -> None:
        """Take new members, and keep the best where there are too many."""
        self.points += points
        self.losses += losses
        self.spread = self.spread or spread_of(self.losses)
        self.shrink(self.size)
        self.growing = len(self.points) < self.size

    def shrink(self, n: int) -> None:
        """Keep the `n` best members."""
        if n < len(self.points):
            order = sorted(range(len(self.points)), key=self.losses.__getitem__)[:n]
            self.points = [self.points[i] for i in order]
            self.losses = [self.losses[i] for i in order]

    def empty(self, size: int, born: float, since: int) -> None:
        """Begin anew with another population; what was learned about F and CR is forgotten with it."""
        self.points, self.losses, self.archive = [], [], []
        self.scales, self.rates, self.slot = [_FIRST_F] * _MEMORY, [_FIRST_CR] * _MEMORY, 0
        self.size, self.born, self.growing, self.since = size, born, True, since
        self.n_restarts += 1

    def collapsed(self, coordinates: Coordinates) -> bool:
        """Are all members as good as equal?"""
        lowest, highest = min(self.losses), max(self.losses)
        if self.spread > 0 and highest - lowest <= _COLLAPSED_LOSS * self.spread:
            return True
        return all(
            max(values) - min(values) <= _COLLAPSED_POINT * width
            for values, width in zip(zip(*self.points, strict=True), coordinates.widths, strict=True)
        )

    def trials(self, coordinates: Coordinates, dice: Dice) -> tuple[list[Point], list[Trial]]:
        """Return one trial for every member."""
        order = sorted(range(len(self.points)), key=self.losses.__getitem__)
        best = order[: max(2, round(_BEST_SHARE * len(order)))]
        points: list[Point] = []
        notes: list[Trial] = []
        for i, point in enumerate(self.points):
            slot = dice.integer(_MEMORY)
            rate = min(max(self.rates[slot] + _WIDTH * dice.normal(), 0.0), 1.0)
            scale = _positive_cauchy(self.scales[slot], dice)
            top = self.points[best[dice.integer(len(best))]]
            trial = self._trial(coordinates, dice, i, top, scale, rate)
            points.append(coordinates.perturb_one(point, dice) if trial == point else trial)
            notes.append(Trial(i, scale, rate))
        return points, notes

    def _trial(self, coordinates: Coordinates, dice: Dice, i: int, top: Point, scale: float, rate: float) -> Point:
        n = len(self.points)
        point, a = self.points[i], dice.other(n, i)
        b = dice.other(n + len(self.archive), i)
        while b == a:
            b = dice.other(n + len(self.archive), i)
        first = self.points[a]
        second = self.points[b] if b < n else self.archive[b - n]
        sure = dice.integer(len(point))
        trial = point.copy()
        for j, kind in enumerate(coordinates.kinds):
            if j != sure and dice.uniform() >= rate:
                continue
            if kind == CATEGORICAL:
                trial[j] = top[j] if dice.uniform() < scale else first[j]
                continue
            value = point[j] + scale * (top[j] - point[j] + first[j] - second[j])
            if kind == ORDERED:
                value = math.floor(value + dice.uniform())
            trial[j] = coordinates.settle(j, value, point[j], dice)
        return trial

    def compete(self, dice: Dice, points: list[Point], losses: list[float], notes: list[Trial]) -> None:
        """Let trials replace members that are not better, and learn from those that improved."""
        gains: list[float] = []
        winners: list[Trial] = []
        for point, loss, trial in zip(points, losses, notes, strict=True):
            target = trial.target % len(self.points)  # the population may have shrunk since
            old = self.losses[target]
            if loss < old:
                gains.append(old - loss)
                winners.append(trial)
                self.archive.append(self.points[target])
            if loss <= old:
                self.points[target], self.losses[target] = point, loss
        self._forget(dice)
        if winners:
            self._learn(gains, winners)

    def _forget(self, dice: Dice) -> None:
        while len(self.archive) > len(self.points):
            last = self.archive.pop()
            self.archive[dice.integer(len(self.archive))] = last

    def _learn(self, gains: list[float], winners: list[Trial]) -> None:
        finite = [gain for gain in gains if gain < math.inf]
        largest = max(finite, default=1.0)  # a member without a finite loss was replaced
        weights = [min(gain, largest) for gain in gains]
        self.scales[self.slot] = _lehmer_mean([t.scale for t in winners], weights)
        self.rates[self.slot] = _lehmer_mean([t.rate for t in winners], weights)
        self.slot = (self.slot + 1) % _MEMORY


def _positive_cauchy(middle: float, dice: Dice) -> float:
    drawn = 0.0
    while drawn <= 0.0:
        drawn = middle + _WIDTH * math.tan(math.pi * (dice.uniform() - 0.5))
    return min(drawn, 1.0)


def _lehmer_mean(values: list[float], weights: list[float]) -> float:
    """Weighted mean of the squares over the mean."""
    mean = sum(w * v for w, v in zip(weights, values, strict=True))
    return sum(w * v * v for w, v in zip(weights, values, strict=True)) / mean if mean > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class DifferentialEvolution(Searcher):
    """Differential evolution with settings learned from success and a population that shrinks to the budget (L-SHADE).

    Good on rugged functions and on mixed parameters, where it finds combinations of categories that others miss.

    Parameters
    ----------
    n_members
        Size of the population at first; None for a number that suits dimension and budget.
    initial, boundary, restart_probability
        As in every search.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> from wilks.searchers.differential_evolution import DifferentialEvolution
    >>> space = wilks.Space(x=wilks.Real(-5, 5), n=wilks.Integer(0, 9))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] - 1) ** 2 - (v["n"] - 3) ** 2)
    >>> result = wilks.search(problem, DifferentialEvolution(), n_evaluations=500, seed=1)
    >>> result.best["n"], round(result.best["x"], 3)
    (3, 1.0)
    """

    n_members: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "n_members", least=_LEAST, optional=True)

    def members_for(self, coordinates: Coordinates, left: float, n_restarts: int = 0) -> int:
        """Number of members at first, when this many evaluations are left."""
        if self.n_members is not None:
            return self.n_members
        d = coordinates.dimension
        if left == math.inf:
            return int((_UNPLANNED + 0.5 * d) * 2.0 ** min(n_restarts, _MOST_DOUBLINGS))
        factor = _PER_ROOT_CATEGORICAL if coordinates.categoricals else _PER_ROOT
        return int(min(max(_LEAST_WANTED, factor * math.sqrt(left)), _MOST_PER_PARAMETER * d))

    def n_initial(self, coordinates: Coordinates) -> int:
        """The first population."""
        return self.members_for(coordinates, self.budget or math.inf)

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Begin with the initial points; what is missing is drawn."""
        size = self.members_for(state.coordinates, self.budget or math.inf)
        state.engine = Population([], [], size, self.used(state), 0.0)
        state.engine.join(points, losses)

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return a trial for every member, or the members that are missing."""
        population: Population = state.engine
        coordinates, dice = state.coordinates, state.dice
        if not population.growing:
            if population.collapsed(coordinates):
                left = max(0, self.budget - state.n_told) if self.budget else math.inf
                size = self.members_for(coordinates, left, population.n_restarts + 1)
                population.empty(size, self.used(state), state.next_id)
            elif self.budget:
                age = (self.used(state) - population.born) / max(1.0 / self.budget, 1.0 - population.born)
                population.shrink(max(_LEAST, round(population.size + (_LEAST - population.size) * age)))
        if population.growing:
            return latin_hypercube(coordinates, dice, population.size - len(population.points)), None
        return population.trials(coordinates, dice)

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Let the trials compete with the members, or take new members."""
        population: Population = state.engine
        if batch.first_id < population.since:
            return
        if batch.notes is None:
            population.join(batch.points, batch.losses)
        else:
            population.compete(state.dice, batch.points, batch.losses, batch.notes)

    def findings(self, state: SearchState) -> Findings:
        """Return the size of the population and the number of restarts."""
        population: Population | None = state.engine
        if population is None:
            return Findings()
        return Findings({"n_members": len(population.points), "n_restarts": population.n_restarts})
