r"""Evolution strategy (mu + lambda) with step sizes that evolve along with the points.

Every individual carries a step size s_j for each coordinate. An offspring has one parent or, with the probability of a
crossover, two: it takes each coordinate from one of them at random and the geometric mean of their steps. Then it is
mutated (Beyer and Schwefel 2002, https://doi.org/10.1023/A:1015059928466):

    s_j <- s_j exp(tau' N + tau N_j),        x_j <- x_j + s_j w_j N_j',                                  (1)

with tau = 1/sqrt(2 sqrt d), tau' = 1/sqrt(2 d), w_j the width of the range, in all coordinates or in a random subset.
The best mu of parents and offspring survive, a parent no longer than a number of generations, since one with lucky
values and useless steps would block the way. An ordered coordinate moves by one at least, a categorical one takes
another level with probability s_j, or 0.1 if that is more. A population that has collapsed is drawn anew. Losses are
only compared; their differences matter for the collapse alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wilks.searchers import moves
from wilks.searchers.coordinates import CATEGORICAL, Coordinates, Point
from wilks.searchers.designs import latin_hypercube
from wilks.searchers.losses import spread_of
from wilks.searchers.options import check_count, check_number
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import Batch, Findings, SearchState

if TYPE_CHECKING:
    from wilks.searchers.dice import Dice

_FIRST_STEP = 0.1
_LEAST_STEP, _MOST_STEP = 1e-9, 0.5
_LEAST_RATE = 0.1
_SUBSET = 0.8
_MOST_AGE = 20
_COLLAPSED_LOSS = 1e-12


@dataclass
class Individual:
    """A point with its step sizes.

    Attributes
    ----------
    point, loss
        Where it is.
    steps
        Step of each coordinate, as a share of the range; of a categorical one the probability of a change.
    age
        Generations that it has survived.
    """

    point: Point
    loss: float
    steps: list[float]
    age: int = 0


@dataclass
class Generation:
    """State of an evolution strategy.

    Attributes
    ----------
    parents
        The individuals, the best first.
    spread
        Median minus minimum of the first losses, 0 while no difference was seen.
    growing
        Are parents still missing?
    since
        Identity of the first point that may belong to it: what was proposed before a restart is not taken.
    n_generations, n_restarts
        Number of generations, and how often a collapsed population was drawn anew.
    """

    parents: list[Individual] = field(default_factory=list)
    spread: float = 0.0
    growing: bool = True
    since: int = 0
    n_generations: int = 0
    n_restarts: int = 0

    def join(self, points: list[Point], losses: list[float], size: int) -> None:
        """Take new parents, and keep the best where there are too many."""
        self.spread = self.spread or spread_of([*(p.loss for p in self.parents), *losses])
        self.parents += [
            Individual(point, loss, [_FIRST_STEP] * len(point)) for point, loss in zip(points, losses, strict=True)
        ]
        self.growing = len(self.parents) < size
        self.parents = sorted(self.parents, key=_loss)[:size]

    def empty(self, since: int) -> None:
        """Begin anew."""
        self.parents, self.growing, self.since = [], True, since
        self.n_restarts += 1

    def collapsed(self) -> bool:
        """Have the steps become useless, or all parents as good as equal?"""
        difference = self.parents[-1].loss - self.parents[0].loss
        if len(self.parents) > 1 and self.spread > 0 and difference <= _COLLAPSED_LOSS * self.spread:
            return True
        return all(max(parent.steps) <= 2 * _LEAST_STEP for parent in self.parents)

    def select(self, offspring: list[Individual], size: int, most_age: float) -> None:
        """Let the best survive; a parent that is too old gives way while there are enough others."""
        for parent in self.parents:
            parent.age += 1
        self.spread = self.spread or spread_of([p.loss for p in (*self.parents, *offspring)])
        young = [parent for parent in self.parents if parent.age <= most_age]
        old = [parent for parent in self.parents if parent.age > most_age]
        survivors = sorted([*offspring, *young], key=_loss)[:size]
        self.parents = sorted([*survivors, *old[: size - len(survivors)]], key=_loss)
        self.n_generations += 1


def _loss(individual: Individual) -> float:
    return individual.loss


@dataclass(frozen=True, kw_only=True)
class EvolutionStrategy(Searcher):
    """An evolution strategy with step sizes of every individual that evolve with it.

    Parameters
    ----------
    n_parents
        Number of individuals that survive a generation.
    n_offspring
        Number of individuals that are born in it.
    mutation_probability
        Probability that an offspring is mutated; one that equals its parent always is.
    crossover_probability
        Probability that an offspring has two parents.
    initial, boundary, restart_probability
        As in every search.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> from wilks.searchers.evolution_strategy import EvolutionStrategy
    >>> space = wilks.Space(x=wilks.Real(-5, 5), n=wilks.Integer(0, 9))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] - 1) ** 2 - (v["n"] - 3) ** 2)
    >>> result = wilks.search(problem, EvolutionStrategy(), n_evaluations=500, seed=1)
    >>> result.best["n"], round(result.best["x"], 3)
    (3, 1.0)
    """

    n_parents: int = 4
    n_offspring: int = 10
    mutation_probability: float = 0.9
    crossover_probability: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "n_parents")
        check_count(self, "n_offspring")
        check_number(self, "mutation_probability", 0.0, 1.0)
        check_number(self, "crossover_probability", 0.0, 1.0)

    def n_initial(self, coordinates: Coordinates) -> int:
        """At least the parents."""
        return max(super().n_initial(coordinates), self.n_parents)

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Begin with the best initial points; what is missing is drawn."""
        state.engine = Generation()
        state.engine.join(points, losses, self.n_parents)

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return the offspring, or parents that are missing; the notes are the steps of each."""
        generation: Generation = state.engine
        coordinates, dice = state.coordinates, state.dice
        if not generation.growing and generation.collapsed():
            generation.empty(state.next_id)
        if generation.growing:
            return latin_hypercube(coordinates, dice, self.n_initial(coordinates)), None
        points: list[Point] = []
        notes: list[list[float]] = []
        for _ in range(self.n_offspring):
            parent, point, steps = self._recombined(dice, generation.parents)
            if point == parent.point or dice.uniform() < self.mutation_probability:
                steps = _mutated_steps(dice, steps)
                point = _mutated(coordinates, dice, point, steps)
            points.append(coordinates.perturb_one(point, dice) if point == parent.point else point)
            notes.append(steps)
        return points, notes

    def _recombined(self, dice: Dice, parents: list[Individual]) -> tuple[Individual, Point, list[float]]:
        """Return a parent, and the point and the steps that are inherited from it and perhaps another one."""
        k = dice.integer(len(parents))
        first = parents[k]
        if len(parents) < 2 or dice.uniform() >= self.crossover_probability:
            return first, first.point.copy(), first.steps
        second = parents[dice.other(len(parents), k)]
        point = [a if dice.uniform() < 0.5 else b for a, b in zip(first.point, second.point, strict=True)]
        return first, point, [math.sqrt(a * b) for a, b in zip(first.steps, second.steps, strict=True)]

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Select the next parents, or take new ones."""
        generation: Generation = state.engine
        if batch.first_id < generation.since:
            return
        if batch.notes is None:
            generation.join(batch.points, batch.losses, self.n_parents)
            return
        offspring = [Individual(*row) for row in zip(batch.points, batch.losses, batch.notes, strict=True)]
        generation.select(offspring, self.n_parents, _MOST_AGE)

    def findings(self, state: SearchState) -> Findings:
        """Return the number of generations and of restarts."""
        generation: Generation | None = state.engine
        if generation is None:
            return Findings()
        return Findings({"n_generations": generation.n_generations, "n_restarts": generation.n_restarts})


def _mutated_steps(dice: Dice, steps: list[float]) -> list[float]:
    """The first half of (1)."""
    d = len(steps)
    common = dice.normal() / math.sqrt(2 * d)
    tau = 1.0 / math.sqrt(2 * math.sqrt(d))
    return [min(max(s * math.exp(common + tau * dice.normal()), _LEAST_STEP), _MOST_STEP) for s in steps]


def _mutated(coordinates: Coordinates, dice: Dice, point: Point, steps: list[float]) -> Point:
    """The second half of (1), in all coordinates or in a subset with one at least."""
    d = len(point)
    rate = 1.0 if dice.uniform() >= _SUBSET else dice.uniform()
    sure = dice.integer(d)
    for j, step in enumerate(steps):
        if j != sure and dice.uniform() >= rate:
            continue
        if coordinates.kinds[j] == CATEGORICAL and j != sure and dice.uniform() >= max(step, _LEAST_RATE):
            continue
        point = moves.move_one(coordinates, dice, point, j, step * coordinates.widths[j] * dice.normal())
    return point
