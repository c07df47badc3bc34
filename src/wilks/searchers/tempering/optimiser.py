r"""Replica exchange as an optimiser.

Replicas walk at temperatures T_0 < ... < T_(N-1). A proposal of loss f' replaces a state of loss f with probability
min(1, exp(-(f' - f) / T_k)) (Metropolis et al. 1953); after a sweep neighbours exchange states, `ladder`. The ends of
the ladder come from the first losses,

    T_hi = c (median - min),     T_lo = 1e-4 ... 1e-7 T_hi, falling with the share of the budget that is used,      (1)

so a constant added to the loss changes nothing, and a factor nothing but the scale of T. The positions c_k of the rungs
between the ends, log T_k = log T_lo + c_k log(T_hi / T_lo), are adapted to equal rejection. Every rung k has a step of
its own for every coordinate, adapted to an acceptance of 0.3 (0.25 for moves of several coordinates).

The moves look at the other replicas and the ladder never rests, so the states are no sample: see `sampler` for that.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wilks.searchers import moves
from wilks.searchers.losses import acceptance, spread_of
from wilks.searchers.tempering.diagnostics import Record
from wilks.searchers.tempering.ladder import geometric, pairs, respaced, swap_probability

if TYPE_CHECKING:
    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.dice import Dice

_HIGH_REAL, _HIGH_DISCRETE = 0.15, 0.5
_LOW, _COOLING, _LOW_WITHOUT_BUDGET = 1e-4, 1e-3, 1e-5
_ADAPT_EVERY = 20
_FIRST_STEP = 0.1
_LEAST_STEP, _MOST_STEP = 1e-9, 0.5
_TARGET_ONE, _TARGET_SEVERAL, _STEP_GAIN = 0.3, 0.25, 0.5
_CREDIT_DECAY = 0.998
_STEPPED = (moves.NORMAL, moves.SEVERAL)


@dataclass
class TemperingState:
    """State of the replicas, by rung, the coldest first.

    Attributes
    ----------
    points, losses, replicas
        State, its loss, and the identity of the replica on each rung.
    steps
        Steps of moves of one coordinate, as a share of its range: steps[rung][coordinate].
    jumps
        Step of the moves of several coordinates, by rung.
    positions
        Positions c_k of the rungs.
    spread
        Median minus minimum of the first losses; 0 while no difference was seen.
    heat
        Factor c of (1).
    tried, won
        How often each move was made and improved its replica, recent ones counting most.
    recent_attempts, recent_probability
        Memory of the swaps of every pair since the ladder was adapted, older ones counting half.
    """

    points: list[Point]
    losses: list[float]
    replicas: list[int]
    steps: list[list[float]]
    jumps: list[float]
    positions: list[float]
    shares: list[float]
    spread: float
    heat: float
    record: Record
    tried: list[float] = field(default_factory=lambda: [0.0] * len(moves.SHARES))
    won: list[float] = field(default_factory=lambda: [0.0] * len(moves.SHARES))
    recent_attempts: list[float] = field(default_factory=list)
    recent_probability: list[float] = field(default_factory=list)

    @classmethod
    def begin(
        cls, coordinates: Coordinates, points: list[Point], losses: list[float], n: int, *, heat: float | None = None
    ) -> TemperingState:
        """Start `n` replicas from the best of some points, the best one coldest."""
        order = sorted(range(len(points)), key=lambda i: losses[i])
        chosen = [order[i % len(order)] for i in range(n)]
        chosen.sort(key=lambda i: losses[i])
        d = coordinates.dimension
        default = _HIGH_REAL if len(coordinates.reals) == d else _HIGH_DISCRETE
        return cls(
            points=[points[i].copy() for i in chosen],
            losses=[losses[i] for i in chosen],
            replicas=list(range(n)),
            steps=[[_FIRST_STEP] * d for _ in range(n)],
            jumps=[_FIRST_STEP] * n,
            positions=[i / (n - 1) for i in range(n)] if n > 1 else [0.0],
            shares=moves.shares(coordinates, n),
            spread=spread_of(losses),
            heat=default if heat is None else heat,
            record=Record.of(n),
            recent_attempts=[0.0] * (n - 1),
            recent_probability=[0.0] * (n - 1),
        )

    def temperatures(self, used: float | None) -> list[float]:
        """Temperatures (1) when this share of the budget is used; None where there is no budget."""
        high = self.heat * self.spread
        low = high * (_LOW_WITHOUT_BUDGET if used is None else _LOW * _COOLING**used)
        return geometric(low, high, self.positions)

    def propose(self, coordinates: Coordinates, dice: Dice) -> tuple[list[Point], list[tuple[int, int]]]:
        """Return one proposal for every replica, with the move and the coordinate of each."""
        tried, won = self.tried, self.won
        weights = [share * (1.0 + won[m] / tried[m]) if tried[m] else share for m, share in enumerate(self.shares)]
        cumulative = list(itertools.accumulate(weights))
        uniform, total, d = dice.uniform, cumulative[-1], coordinates.dimension
        points: list[Point] = []
        notes: list[tuple[int, int]] = []
        for k, point in enumerate(self.points):
            # As `Dice.pick`; a number below 1 times the total is less than the total, also after rounding.
            move, j = bisect_right(cumulative, uniform() * total), int(uniform() * d)
            if move == moves.NORMAL:
                step = self.steps[k][j] * coordinates.widths[j] * dice.normal()
                proposed = moves.move_one(coordinates, dice, point, j, step)
            elif move == moves.HEAVY:
                proposed = moves.move_one(coordinates, dice, point, j, moves.heavy_step(coordinates, dice, j))
            elif move == moves.UNIFORM:
                proposed = moves.uniform(coordinates, dice, point, j)
            elif move == moves.DIFFERENTIAL:
                proposed = moves.differential(coordinates, dice, self.points, k)
            elif move == moves.CROSSOVER:
                proposed = moves.crossover(dice, self.points, k)
            else:
                proposed = moves.several(coordinates, dice, point, self.jumps[k])
            points.append(coordinates.perturb_one(point, dice) if proposed == point else proposed)
            notes.append((move, j))
        return points, notes

    def absorb(
        self,
        dice: Dice,
        points: list[Point],
        losses: list[float],
        notes: list[tuple[int, int]],
        used: float | None,
    ) -> None:
        """Accept or reject the proposals, one for every replica, and count."""
        if self.spread == 0.0:
            self.spread = spread_of([*self.losses, *losses])
        temperatures, record, tried, won = self.temperatures(used), self.record, self.tried, self.won
        present, n_proposed, n_accepted = self.losses, record.proposed, record.accepted
        for k, (proposed, loss, (move, j)) in enumerate(zip(points, losses, notes, strict=True)):
            old = present[k]
            probability = 1.0 if loss <= old else acceptance(loss, old, temperatures[k])
            tried[move] = tried[move] * _CREDIT_DECAY + 1.0
            won[move] = won[move] * _CREDIT_DECAY + (loss < old)
            if move in _STEPPED:
                self._adapt_step(k, move, j, probability)
            n_proposed[k] += 1
            if probability >= 1.0 or dice.uniform() < probability:
                n_accepted[k] += 1
                self.points[k], present[k] = proposed, loss

    def _adapt_step(self, k: int, move: int, j: int, probability: float) -> None:
        if move == moves.NORMAL:
            steps = self.steps[k]
            step = steps[j] * math.exp(_STEP_GAIN * (probability - _TARGET_ONE))
            steps[j] = min(max(step, _LEAST_STEP), _MOST_STEP)
        else:
            step = self.jumps[k] * math.exp(_STEP_GAIN * (probability - _TARGET_SEVERAL))
            self.jumps[k] = min(max(step, _LEAST_STEP), _MOST_STEP)

    def swap(self, dice: Dice, used: float | None, *, attempt: bool = True) -> None:
        """End a sweep: neighbours exchange their states, and now and then the ladder is adapted."""
        record = self.record
        if attempt and len(self.points) > 1 and self.spread > 0.0:
            self._exchange(dice, [1.0 / t for t in self.temperatures(used)])
        record.swept(self.replicas)
        if record.n_sweeps % _ADAPT_EVERY == 0 and all(self.recent_attempts) and len(self.points) > 1:
            rates = [p / n for p, n in zip(self.recent_probability, self.recent_attempts, strict=True)]
            self.positions = respaced(self.positions, rates)
            self.recent_attempts = [0.5 * n for n in self.recent_attempts]
            self.recent_probability = [0.5 * p for p in self.recent_probability]
            record.adapted(self.temperatures(used))

    def _exchange(self, dice: Dice, betas: list[float]) -> None:
        record, points, losses, replicas = self.record, self.points, self.losses, self.replicas
        attempts, probabilities = record.swap_attempts, record.swap_probability
        recent_attempts, recent_probability = self.recent_attempts, self.recent_probability
        n_done = min(attempts) + max(attempts)  # even and odd pairs take turns
        for i in pairs(n_done, len(points)):
            j = i + 1
            probability = swap_probability(betas[i], betas[j], losses[i], losses[j])
            attempts[i] += 1
            probabilities[i] += probability
            recent_attempts[i] += 1.0
            recent_probability[i] += probability
            if probability >= 1.0 or dice.uniform() < probability:
                record.swaps[i] += 1
                points[i], points[j] = points[j], points[i]
                losses[i], losses[j] = losses[j], losses[i]
                replicas[i], replicas[j] = replicas[j], replicas[i]

    def adopt(self, point: Point, loss: float) -> None:
        """Put a point found elsewhere on the coldest rung, if it is better than all replicas."""
        if loss < min(self.losses):
            self.points[0], self.losses[0] = point.copy(), loss
