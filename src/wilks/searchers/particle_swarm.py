r"""Particle swarm: points with velocities that are drawn to the best places they know.

A particle at x with velocity v remembers its best place p, and all know the best place g of the swarm:

    v' = w v + c_1 U_1 (p - x) + c_2 U_2 (g - x),        x' = x + v',                               (1)

with random numbers U of every coordinate. The default weights are the constriction of Clerc and Kennedy (2002,
https://doi.org/10.1109/4235.985692): w = 0.7298, c_1 = c_2 = 1.49618. Velocities are limited to half of the range.

An ordered coordinate flies as a real one and is rounded for the evaluation. A categorical one keeps its level or takes
that of p, of g, or a random one, with probabilities in the proportions of w, c_1 and c_2. A swarm that has collapsed is
drawn anew. Losses are only compared, so any increasing function of them gives the same flight; the differences matter
for the collapse alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.searchers.coordinates import CATEGORICAL, Coordinates, Point
from wilks.searchers.designs import latin_hypercube
from wilks.searchers.losses import spread_of
from wilks.searchers.options import check_count, check_number
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import Batch, Findings, SearchState

if TYPE_CHECKING:
    from wilks.searchers.dice import Dice

_PER_ROOT, _LEAST, _MOST = 0.35, 8, 40
_UNPLANNED = 12
_MOST_VELOCITY = 0.5
_RANDOM_LEVEL = 0.05
_COLLAPSED_LOSS, _COLLAPSED_POINT = 1e-12, 1e-8


@dataclass
class Flight:
    """Where a proposal came from.

    Attributes
    ----------
    particle
        Position in the swarm.
    position, velocity
        Of the particle when it gets there, before rounding.
    """

    particle: int
    position: Point
    velocity: Point


@dataclass
class Swarm:
    """State of a particle swarm.

    Attributes
    ----------
    positions, velocities
        Of the particles; ordered coordinates are not rounded.
    bests, best_losses
        Best place of each particle.
    spread
        Median minus minimum of the first losses, 0 while no difference was seen.
    growing
        Are particles still missing?
    since
        Identity of the first point that may belong to it: what was proposed before a restart is not taken.
    n_restarts
        How often a collapsed swarm was drawn anew.
    """

    positions: list[Point]
    velocities: list[Point]
    bests: list[Point]
    best_losses: list[float]
    spread: float = 0.0
    growing: bool = True
    since: int = 0
    n_restarts: int = 0

    def join(self, coordinates: Coordinates, dice: Dice, points: list[Point], losses: list[float], size: int) -> None:
        """Take new particles, the best ones where there are too many, with velocities to random places."""
        self.spread = self.spread or spread_of([*self.best_losses, *losses])
        for i in sorted(range(len(points)), key=losses.__getitem__)[: size - len(self.positions)]:
            towards = coordinates.random_point(dice)
            self.positions.append(points[i].copy())
            self.velocities.append([(t - x) / 2 for t, x in zip(towards, points[i], strict=True)])
            self.bests.append(points[i])
            self.best_losses.append(losses[i])
        self.growing = len(self.positions) < size

    def empty(self, since: int) -> None:
        """Begin anew."""
        self.positions, self.velocities, self.bests, self.best_losses = [], [], [], []
        self.growing, self.since = True, since
        self.n_restarts += 1

    def collapsed(self, coordinates: Coordinates) -> bool:
        """Are all particles at one place, or all their best places as good as equal?"""
        lowest, highest = min(self.best_losses), max(self.best_losses)
        if self.spread > 0 and highest - lowest <= _COLLAPSED_LOSS * self.spread:
            return True
        return all(
            max(values) - min(values) <= _COLLAPSED_POINT * width
            for values, width in zip(zip(*self.bests, strict=True), coordinates.widths, strict=True)
        ) and all(
            abs(v) <= _COLLAPSED_POINT * width
            for velocity in self.velocities
            for v, width in zip(velocity, coordinates.widths, strict=True)
        )

    def fly(self, coordinates: Coordinates, dice: Dice, weights: tuple[float, float, float]) -> list[Flight]:
        """Move every particle by (1)."""
        leader = self.bests[min(range(len(self.bests)), key=self.best_losses.__getitem__)]
        flights: list[Flight] = []
        for i in range(len(self.positions)):
            position, velocity = self._moved(coordinates, dice, i, leader, weights)
            flights.append(Flight(i, position, velocity))
        return flights

    def _moved(
        self, coordinates: Coordinates, dice: Dice, i: int, leader: Point, weights: tuple[float, float, float]
    ) -> tuple[Point, Point]:
        inertia, cognitive, social = weights
        best, position, velocity = self.bests[i], self.positions[i].copy(), self.velocities[i].copy()
        for j, kind in enumerate(coordinates.kinds):
            x = position[j]
            if kind == CATEGORICAL:
                position[j] = _level(coordinates, dice, j, (x, best[j], leader[j]), weights)
                continue
            width = coordinates.widths[j]
            pull = cognitive * dice.uniform() * (best[j] - x) + social * dice.uniform() * (leader[j] - x)
            limit = _MOST_VELOCITY * max(width, 1.0)
            v = min(max(inertia * velocity[j] + pull, -limit), limit)
            position[j], velocity[j] = _landed(coordinates, dice, j, x, v)
        return position, velocity


def _level(
    coordinates: Coordinates, dice: Dice, j: int, known: tuple[float, float, float], weights: tuple[float, float, float]
) -> float:
    """Draw a level: at random, or among the present one, the particle's best and the swarm's best."""
    if dice.uniform() < _RANDOM_LEVEL or not any(weights):
        return coordinates.random_value(j, dice)
    return known[dice.pick(weights)]


def _landed(coordinates: Coordinates, dice: Dice, j: int, x: float, v: float) -> tuple[float, float]:
    """Where a step ends and with what velocity: at the bound the boundary rule decides, and the velocity turns."""
    target = x + v
    if coordinates.low[j] <= target <= coordinates.high[j]:
        return target, v
    return coordinates.settle(j, target, x, dice), (v if coordinates.boundary == "periodic" else -0.5 * v)


@dataclass(frozen=True, kw_only=True)
class ParticleSwarm(Searcher):
    """A swarm of points that fly to the best places they know.

    Parameters
    ----------
    n_particles
        Size of the swarm; None for a number that suits the budget.
    inertia
        Share of its velocity that a particle keeps.
    cognitive, social
        Weight of its own best place and of the best place of the swarm.
    initial, boundary, restart_probability
        As in every search.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> from wilks.searchers.particle_swarm import ParticleSwarm
    >>> space = wilks.Space(x=wilks.Real(-5, 5), n=wilks.Integer(0, 9))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] - 1) ** 2 - (v["n"] - 3) ** 2)
    >>> result = wilks.search(problem, ParticleSwarm(), n_evaluations=500, seed=1)
    >>> result.best["n"], round(result.best["x"], 3)
    (3, 1.0)
    """

    n_particles: int | None = None
    inertia: float = 0.7298
    cognitive: float = 1.49618
    social: float = 1.49618

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "n_particles", optional=True)
        for name in ("inertia", "cognitive", "social"):
            check_number(self, name, 0.0, math.inf)

    @property
    def n_wanted(self) -> int:
        """Number of particles."""
        if self.n_particles is not None:
            return self.n_particles
        return int(min(max(_LEAST, _PER_ROOT * math.sqrt(self.budget)), _MOST)) if self.budget else _UNPLANNED

    def n_initial(self, coordinates: Coordinates) -> int:  # noqa: ARG002 - the same in every space
        """The swarm."""
        return self.n_wanted

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Begin with the initial points; what is missing is drawn."""
        state.engine = Swarm([], [], [], [])
        state.engine.join(state.coordinates, state.dice, points, losses, self.n_wanted)

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return where every particle flies, or particles that are missing."""
        swarm: Swarm = state.engine
        coordinates, dice = state.coordinates, state.dice
        if not swarm.growing and swarm.collapsed(coordinates):
            swarm.empty(state.next_id)
        if swarm.growing:
            return latin_hypercube(coordinates, dice, self.n_wanted - len(swarm.positions)), None
        flights = swarm.fly(coordinates, dice, (self.inertia, self.cognitive, self.social))
        return [_rounded(coordinates, dice, flight.position) for flight in flights], flights

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Put the particles where they flew, or take new ones."""
        swarm: Swarm = state.engine
        coordinates, dice = state.coordinates, state.dice
        if batch.first_id < swarm.since:
            return
        if batch.notes is None:
            swarm.join(coordinates, dice, batch.points, batch.losses, self.n_wanted)
            return
        for point, loss, flight in zip(batch.points, batch.losses, batch.notes, strict=True):
            i: int = flight.particle
            as_flown = point == _rounded(coordinates, dice, flight.position)  # else it was replaced by a random point
            swarm.positions[i] = flight.position if as_flown else point.copy()
            swarm.velocities[i] = flight.velocity
            if loss <= swarm.best_losses[i]:
                swarm.bests[i], swarm.best_losses[i] = point, loss

    def findings(self, state: SearchState) -> Findings:
        """Return the size of the swarm and the number of restarts."""
        swarm: Swarm | None = state.engine
        if swarm is None:
            return Findings()
        return Findings({"n_particles": len(swarm.positions), "n_restarts": swarm.n_restarts})


def _rounded(coordinates: Coordinates, dice: Dice, position: Point) -> Point:
    """Where a particle is evaluated."""
    return [coordinates.settle(j, x, x, dice) for j, x in enumerate(position)]
