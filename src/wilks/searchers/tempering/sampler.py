r"""Replica exchange as a sampler: exact in the limit of many sweeps, with the evidence as a by-product.

Rung k samples prior(x) exp(-beta_k E(x)), E being the loss, at 1 = beta_0 > ... > beta_(R-1) = 0. A proposal y of a
symmetric move (`kernels`) replaces x with probability

    min(1, exp(-beta_k (E(y) - E(x))) prior(y) / prior(x)),                                     (1)

and then neighbours exchange their states by `ladder.swap_probability`, in which the prior cancels. On the hottest
rung states are independent draws from the prior, a new one in every second sweep, which is enough for a source of new
modes and an anchor of the evidence. A proposal outside the box or the constraints, or where the prior vanishes, is
rejected, and the state counts again; outside the box that costs no evaluation.

The burn-in takes a fifth of the budget, in rounds of doubling length. Steps are adapted to the acceptance that is best
for them (Robbins and Monro 1951). After every round but the last the rungs are placed anew, at equal steps of the
cumulative rejection Lambda and 2 Lambda + 1 in number, which makes round trips quickest (Syed et al. 2022,
https://doi.org/10.1111/rssb.12464). Then ladder, steps and the archive of the differential moves are frozen, so that
what follows is a Markov chain with the right stationary distribution; only its states are returned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.searchers.tempering import kernels
from wilks.searchers.tempering.base_measure import BaseMeasure
from wilks.searchers.tempering.burn_in import BurnIn, between, first_betas
from wilks.searchers.tempering.diagnostics import Record
from wilks.searchers.tempering.evidence import log_evidence
from wilks.searchers.tempering.ladder import even_rejection, pairs, swap_probability
from wilks.searchers.tempering.sample import TemperedSample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.dice import Dice

_FIRST_RUNGS, _LEAST_RUNGS, _MOST_RUNGS = 8, 3, 16
_FIRST_STEP, _LEAST_STEP, _MOST_STEP = 0.1, 1e-9, 1.0
_LEAST_JUMP, _MOST_JUMP = 1e-3, 1e2
_TARGET_ONE, _TARGETS_ALL = 0.44, (0.44, 0.35, 0.30)
_GAIN, _LEAST_GAIN = 2.0, 0.05
_ARCHIVE_SHARE, _ARCHIVE_SIZE = 0.7, 2000
_BLOCK = 256
_PRIOR_EVERY = 2
_NOT_EVALUATED, _UNMOVED = -1, -2

Notes = tuple[int, list[int], list[tuple[int, int]], list[float]]
"""Number of the sweep, row of every rung in the batch, its move and coordinate, log-prior of every row."""


@dataclass
class SamplerState:
    """State of the sampler, by rung, the coldest first.

    Attributes
    ----------
    points, losses, log_priors, replicas
        State, its loss and log-prior, and the identity of the replica on each rung.
    betas
        Inverse temperatures, from 1 to 0.
    steps, jumps
        Steps of the coordinates, steps[rung][coordinate], as a share of their ranges, and the factor on them for moves
        of all coordinates.
    n_tried
        Moves in the present round, of each coordinate and, last, of all.
    plan
        The burn-in.
    n_rungs
        Number of rungs if it is given.
    archive
        Points for the differential moves.
    frozen
        Has the burn-in ended?
    n_burn_in
        Evaluations before the frozen phase.
    n_swept
        Sweeps since the beginning.
    blocks, recent
        States and losses of the frozen phase: arrays (sweep, rung, coordinate) and (sweep, rung), and those of the
        latest sweeps.
    """

    points: list[Point]
    losses: list[float]
    log_priors: list[float]
    replicas: list[int]
    betas: list[float]
    steps: list[list[float]]
    jumps: list[float]
    n_tried: list[list[int]]
    base: BaseMeasure
    plan: BurnIn
    record: Record
    n_rungs: int | None = None
    archive: list[Point] = field(default_factory=list)
    frozen: bool = False
    n_burn_in: int = 0
    n_swept: int = 0
    blocks: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=list)
    recent: list[tuple[list[Point], list[float]]] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        coordinates: Coordinates,
        points: list[Point],
        losses: list[float],
        n_rungs: int | None,
        n_told: int,
        budget: int,
    ) -> SamplerState:
        """Spread the first points over a first ladder, the better ones on the colder rungs."""
        base = BaseMeasure.of(coordinates)
        log_priors = base.log_densities(coordinates, points)
        order = sorted(range(len(points)), key=lambda i: (log_priors[i] == -math.inf, losses[i]))
        n, d = n_rungs or _FIRST_RUNGS, coordinates.dimension
        allowed = [i for i in order if log_priors[i] > -math.inf] or order
        chosen = [allowed[round(k * (len(allowed) - 1) / (n - 1))] for k in range(n)]
        state = cls(
            points=[points[i] for i in chosen],
            losses=[losses[i] if log_priors[i] > -math.inf else math.inf for i in chosen],
            log_priors=[log_priors[i] for i in chosen],
            replicas=list(range(n)),
            betas=first_betas(losses, n),
            steps=[[_FIRST_STEP] * d for _ in range(n)],
            jumps=[1.0] * n,
            n_tried=[[0] * (d + 1) for _ in range(n)],
            base=base,
            plan=BurnIn.planned(n_told, budget, n),
            record=Record.of(n),
            n_rungs=n_rungs,
        )
        state.record.adapted(state.temperatures)
        return state

    @property
    def temperatures(self) -> list[float]:
        """Temperatures of the rungs; infinite on the last."""
        return [1.0 / beta if beta > 0 else math.inf for beta in self.betas]

    def propose(self, coordinates: Coordinates, dice: Dice) -> tuple[list[Point], Notes]:
        """Return the proposals that need an evaluation, at least one, and what was proposed on every rung."""
        proposals: list[Point] = []
        rows: list[int] = []
        made: list[tuple[int, int]] = []
        archive, with_archive = self.archive, self.frozen and len(self.archive) > 1
        last = len(self.points) - 1
        for k in range(last):
            point, steps = self.points[k], self.steps[k]
            kind, j = kernels.choose(coordinates, dice, with_archive=with_archive), -1
            moved: Point | None
            if kind == kernels.ONE:
                j = dice.integer(len(point))
                moved = kernels.one(coordinates, dice, point, j, steps[j])
            elif kind == kernels.ALL:
                moved = kernels.several(coordinates, dice, point, steps, self.jumps[k])
            else:
                moved = kernels.differential(coordinates, dice, point, archive, steps)
            made.append((kind, j))
            if moved is None or moved == point:
                rows.append(_NOT_EVALUATED if moved is None else _UNMOVED)
            else:
                rows.append(len(proposals))
                proposals.append(moved)
        log_priors = self.base.log_densities(coordinates, proposals)
        if -math.inf in log_priors:
            proposals, log_priors, rows = _without_excluded(proposals, log_priors, rows)
        if proposals and self.n_swept % _PRIOR_EVERY:
            rows.append(_UNMOVED)
        else:
            drawn = self.base.draw(coordinates, dice)
            rows.append(len(proposals))
            proposals.append(drawn)
            log_priors += self.base.log_densities(coordinates, [drawn])
        made.append((kernels.PRIOR, -1))
        return proposals, (self.n_swept, rows, made, log_priors)

    def absorb(
        self,
        dice: Dice,
        points: list[Point],
        losses: list[float],
        violated: list[int],
        notes: Notes,
    ) -> bool:
        """Accept or reject; False for proposals that were made from states which are gone."""
        n_swept, rows, made, log_priors = notes
        if n_swept != self.n_swept:
            return False
        record, adapting = self.record, not self.frozen
        for k, row in enumerate(rows):
            if row == _UNMOVED:
                continue
            record.proposed[k] += 1
            probability = 0.0
            if row >= 0 and row not in violated:
                change = log_priors[row] - self.log_priors[k]
                probability = acceptance(self.betas[k], losses[row], self.losses[k], change)
                if made[k][0] == kernels.PRIOR:
                    probability = 1.0  # a draw from the target itself
            if adapting:
                self._adapt(k, made[k], probability)
            if probability >= 1.0 or (probability > 0.0 and dice.uniform() < probability):
                record.accepted[k] += 1
                self.points[k], self.losses[k], self.log_priors[k] = points[row], losses[row], log_priors[row]
        return True

    def _adapt(self, k: int, move: tuple[int, int], probability: float) -> None:
        kind, j = move
        if kind == kernels.ONE:
            factor = self._factor(k, j, probability - _TARGET_ONE)
            self.steps[k][j] = min(max(self.steps[k][j] * factor, _LEAST_STEP), _MOST_STEP)
        elif kind == kernels.ALL:
            d = len(self.steps[k])
            factor = self._factor(k, -1, probability - _TARGETS_ALL[min(d, len(_TARGETS_ALL)) - 1])
            if d == 1:
                self.steps[k][0] = min(max(self.steps[k][0] * factor, _LEAST_STEP), _MOST_STEP)
            else:
                self.jumps[k] = min(max(self.jumps[k] * factor, _LEAST_JUMP), _MOST_JUMP)

    def _factor(self, k: int, which: int, excess: float) -> float:
        self.n_tried[k][which] += 1
        return math.exp(excess * max(_LEAST_GAIN, _GAIN / math.sqrt(self.n_tried[k][which] + 1)))

    def end_sweep(self, dice: Dice, n_told: int, *, attempt: bool) -> None:
        """Neighbours exchange their states; then the sweep is stored, or the burn-in goes on."""
        if attempt:
            self._exchange(dice)
        self.record.swept(self.replicas)
        self.n_swept += 1
        if self.frozen:
            self.recent.append((self.points.copy(), self.losses.copy()))
            if len(self.recent) >= _BLOCK:
                self.blocks.append(_as_arrays(self.recent))
                self.recent = []
        elif n_told >= self.plan.round_end:
            self._end_round(n_told)
        elif self.plan.last_round and n_told >= self.plan.end - _ARCHIVE_SHARE * self.plan.length:
            self._collect()

    def _exchange(self, dice: Dice) -> None:
        """Even pairs, then odd ones: swaps cost no evaluation, and further rounds of them gained nothing."""
        record, betas, points, losses = self.record, self.betas, self.points, self.losses
        log_priors, replicas, n = self.log_priors, self.replicas, len(self.points)
        for i in (*pairs(0, n), *pairs(1, n)):
            j = i + 1
            probability = swap_probability(betas[i], betas[j], losses[i], losses[j])
            record.swap_attempts[i] += 1
            record.swap_probability[i] += probability
            if probability >= 1.0 or dice.uniform() < probability:
                record.swaps[i] += 1
                points[i], points[j] = points[j], points[i]
                losses[i], losses[j] = losses[j], losses[i]
                log_priors[i], log_priors[j] = log_priors[j], log_priors[i]
                replicas[i], replicas[j] = replicas[j], replicas[i]

    def _collect(self) -> None:
        """Enter the states of the two coldest rungs, the prior's not among them, now and then."""
        n_sweeps = _ARCHIVE_SHARE * self.plan.length / len(self.points)
        if self.n_swept % max(1, round(2 * n_sweeps / _ARCHIVE_SIZE)) == 0:
            self.archive += self.points[: min(2, len(self.points) - 1)]

    def _end_round(self, n_told: int) -> None:
        if not all(math.isfinite(loss) for loss in self.losses[:-1]):
            if self.plan.last_round:  # nothing to sample yet: look on
                self.plan.end = self.plan.round_end = n_told + self.plan.length
                return
        elif self.plan.last_round:
            self.frozen, self.n_burn_in = True, n_told
            self._new_record()
            return
        self._place_rungs()
        self.plan.next_round()

    def _place_rungs(self) -> None:
        """Place the rungs by what was rejected; each takes the state of the nearest old one, and steps between them."""
        rejections = self.rejections
        barrier = sum(rejections)
        n = self.n_rungs or min(max(round(2 * barrier) + 1, _LEAST_RUNGS), _MOST_RUNGS)
        old, self.betas = self.betas, even_rejection(self.betas, rejections, n)
        finite = [k for k, loss in enumerate(self.losses) if math.isfinite(loss)] or list(range(len(old)))
        nearest = [min(finite, key=lambda k, beta=beta: abs(old[k] - beta)) for beta in self.betas]  # type: ignore[misc]
        self.points = [self.points[k] for k in nearest]
        self.losses = [self.losses[k] for k in nearest]
        self.log_priors = [self.log_priors[k] for k in nearest]
        self.steps = between(old, self.betas, self.steps)
        self.jumps = [row[0] for row in between(old, self.betas, [[jump] for jump in self.jumps])]
        self.replicas = list(range(n))
        self.n_tried = [[0] * len(self.n_tried[0]) for _ in range(n)]
        self._new_record()
        self.record.ladders.append((self.n_swept, self.temperatures))

    def _new_record(self) -> None:
        ladders = self.record.ladders
        self.record = Record.of(len(self.points))
        self.record.ladders = ladders
        self.replicas = list(range(len(self.points)))

    @property
    def rejections(self) -> list[float]:
        """Mean rejection probability of every pair; one half before the first attempt."""
        record = self.record
        return [
            1.0 - total / n if n else 0.5
            for total, n in zip(record.swap_probability, record.swap_attempts, strict=True)
        ]

    @property
    def n_draws(self) -> int:
        """Number of sweeps in the frozen phase."""
        return sum(len(losses) for _, losses in self.blocks) + len(self.recent)

    def sample(self, coordinates: Coordinates) -> TemperedSample | None:
        """Return the draws of the frozen phase as of now; None before it has any."""
        if not self.n_draws:
            return None
        blocks = [*self.blocks, *([_as_arrays(self.recent)] if self.recent else [])]
        points = np.concatenate([block for block, _ in blocks])
        losses = np.concatenate([block for _, block in blocks])
        thetas = coordinates.space.from_unit(coordinates.units(points))  # type: ignore[arg-type]  # rows of an array
        thetas = thetas.reshape(points.shape)
        betas = np.array(self.betas)
        evidence, error = log_evidence(losses[:, ::-1], betas[::-1])
        return TemperedSample(
            states={name: np.ascontiguousarray(thetas[:, :, j].T) for j, name in enumerate(coordinates.space.free)},
            rung_log_likelihoods=np.ascontiguousarray(-losses.T),
            betas=betas,
            log_evidence=evidence,
            log_evidence_error=error,
            n_burn_in=self.n_burn_in,
        )


def acceptance(beta: float, proposed: float, present: float, prior_change: float) -> float:
    """Metropolis' probability (1), from two losses and the change of the log-prior.

    Examples
    --------
    >>> acceptance(1.0, 2.0, 1.0, 0.0) == math.exp(-1)
    True
    >>> acceptance(0.5, math.inf, 1.0, 3.0)
    0.0
    """
    if present == math.inf:
        return 1.0
    if proposed == math.inf:
        return 0.0
    exponent = prior_change - beta * (proposed - present)
    return 1.0 if exponent >= 0.0 else math.exp(exponent)


def _without_excluded(
    proposals: list[Point], log_priors: list[float], rows: list[int]
) -> tuple[list[Point], list[float], list[int]]:
    """Leave out the proposals at which the prior vanishes."""
    kept = [row for row, log_prior in enumerate(log_priors) if log_prior > -math.inf]
    place = {row: at for at, row in enumerate(kept)}
    return (
        [proposals[row] for row in kept],
        [log_priors[row] for row in kept],
        [place.get(row, _NOT_EVALUATED) if row >= 0 else row for row in rows],
    )


def _as_arrays(sweeps: list[tuple[list[Point], list[float]]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([points for points, _ in sweeps]), np.array([losses for _, losses in sweeps])
