r"""Volume sampling: points through the whole region of interest, and across all its log-likelihoods.

A map holds the best points of every cell, a thin sheet in the region {log L > best - threshold}. Here an ensemble of
walkers fills the region: each is held to a level of log-likelihood of its own, the levels are spread evenly from the
threshold to the best, and the walkers move by the affine-invariant stretch move (see `wilks.loop.stretch`), half of
the ensemble at a time. They begin near their levels (see `volume_seeding`); the first third of the steps is left out of
the samples.

A proposal outside the box is rejected without an evaluation, which is what detailed balance asks for when the target
is zero there; so is one that violates a constraint, and one without a finite log-likelihood. A state that is kept
counts again: the samples are the distinct states, each with the number of steps that a walker stayed there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.proposal import Phase
from wilks.core.random import keyed_generator
from wilks.core.status import Outcome, Status
from wilks.loop import stretch
from wilks.loop.requests import Request, Requests
from wilks.profiles import volume_moves as moves
from wilks.profiles.volume_options import VolumeOptions
from wilks.profiles.volume_seeding import MAX_LOOKS, Rays, Seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space

_LEVELS, _RAYS, _SWEEP = 0, 1, 2
"""First part of the keys of the random generators."""
_BURN_IN = 3
"""One in so many steps is left out of the samples, at the beginning."""
_DEFAULTS = VolumeOptions()


@dataclass
class Batch:
    """What was proposed for some walkers, and waits for its evaluations.

    Attributes
    ----------
    walkers
        Whose proposals are evaluated.
    points
        The proposals, in the unit box.
    stretches, quantiles
        z of the move, and the uniform number that decides; of no meaning while the walkers are seeded.
    """

    walkers: NDArray[np.int64]
    points: NDArray[np.float64]
    stretches: NDArray[np.float64]
    quantiles: NDArray[np.float64]


@dataclass
class Visits:
    """States that walkers came to, one row each, in the order of the steps."""

    walkers: NDArray[np.int64]
    steps: NDArray[np.int64]
    points: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass
class VolumeState:
    """State of a volume sampling.

    Attributes
    ----------
    first_best, best, best_point
        Best log-likelihood at the start, now, and where, in the unit box.
    levels, positions, values
        Level of each walker, in descending order; where it is in the unit box; its log-likelihood there.
    rays
        The search for the first positions, until it is over.
    n_looks
        Rounds of this search that are answered.
    n_halves
        Moves of half of the ensemble that are done.
    n_asked
        Points that were handed out for evaluation.
    n_proposed, n_accepted, n_outside
        Moves that were proposed, accepted, and outside the box (rejected without an evaluation).
    moved
        Has the walker changed its state since the last entry in `visits`?
    visits
        States after the burn-in, an entry per step.
    """

    space: Space
    seed: int
    seeds: Seeds
    requests: Requests
    first_best: float = -math.inf
    best: float = -math.inf
    best_point: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    levels: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    positions: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    rays: Rays | None = None
    n_looks: int = 0
    batch: Batch | None = None
    n_halves: int = 0
    n_asked: int = 0
    n_proposed: int = 0
    n_accepted: int = 0
    n_outside: int = 0
    moved: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    visits: list[Visits] = field(default_factory=list)
    done: bool = False

    @property
    def n_sweeps(self) -> int:
        """Steps that all walkers have made."""
        return self.n_halves // 2


@dataclass(frozen=True)
class VolumeSampler:
    """Sampling of the region of interest; an `core.algorithm.Algorithm`.

    Parameters
    ----------
    threshold
        Depth of the region below the best log-likelihood.
    n_walkers, n_steps
        Size of the ensemble, and steps of each walker.
    options
        What is seldom changed.
    seeds
        What is known of the region.
    """

    threshold: float
    n_walkers: int
    n_steps: int
    options: VolumeOptions = _DEFAULTS
    seeds: Seeds | None = field(default=None, repr=False, compare=False)

    generational = True

    @property
    def sigma(self) -> float:
        """How far from its level a walker strays, in log-likelihood."""
        return self.options.sigma_fraction * self.threshold

    @property
    def n_burn_in(self) -> int:
        """Steps that are left out of the samples."""
        return self.n_steps // _BURN_IN

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> VolumeState:  # noqa: ARG002 - the seeds tell
        """Return the state before the first evaluation."""
        nothing = np.empty((0, space.dimension))
        seeds = self.seeds or Seeds.of((), nothing, np.empty(0), self.threshold)
        state = VolumeState(space, seed, seeds, Requests(space.dimension))
        best = seeds.best
        if best is None:
            state.done = True
            return state
        state.best_point, state.best = best
        state.first_best = state.best
        n = self.n_walkers
        state.levels = moves.draw_levels(state.best, self.threshold, n, keyed_generator(seed, _LEVELS))
        state.rays = Rays.drawn(seeds, state.levels, keyed_generator(seed, _RAYS))
        state.moved = np.ones(n, dtype=bool)
        return state

    def ask(self, state: VolumeState, limit: int) -> tuple[Proposals, VolumeState]:
        """Hand out points for all walkers that look for their level, or for half of the ensemble."""
        while not state.requests.opened and not state.done:
            if state.rays is not None:
                self._look(state, state.rays)
            else:
                self._move(state)
        return state.requests.take(limit), state

    def tell(self, state: VolumeState, evaluations: Evaluations) -> VolumeState:
        """Go on when all points of a batch are back."""
        if len(evaluations):
            top = int(np.argmax(evaluations.log_likelihoods))
            if evaluations.log_likelihoods[top] > state.best:
                state.best = float(evaluations.log_likelihoods[top])
                state.best_point = state.space.to_unit(evaluations.thetas[top])
        state.requests.answer(evaluations, lambda request: self._answered(state, request))
        return state

    def terminate(self, state: VolumeState) -> Status | None:
        """End after the last step, or before a batch that the budget does not allow."""
        if not state.done:
            return None
        if not len(state.levels):
            return Status(
                Outcome.NOT_CONVERGED,
                "Volume sampling was skipped: no point with a finite log-likelihood is known to begin from.",
            )
        steps = f"{state.n_sweeps} of {self.n_steps} steps of {self.n_walkers} walkers"
        if not state.visits:
            enough = self.n_walkers * (self.n_steps + 3)
            return Status(
                Outcome.NOT_CONVERGED,
                f"Volume sampling ended before the first sample, after {steps} and {state.n_asked} evaluations; "
                f"n_evaluations={self.options.n_evaluations} is too few, give about {enough}.",
            )
        return Status(Outcome.BUDGET_SPENT, f"{steps}.")

    def describe(self, state: VolumeState) -> tuple[str, float]:
        """What is going on, and the part of the work that is done."""
        if state.rays is not None:
            return "seeding walkers", 0.0
        return f"step {min(state.n_sweeps + 1, self.n_steps)} of {self.n_steps}", state.n_halves / (2 * self.n_steps)

    def _look(self, state: VolumeState, rays: Rays) -> None:
        """Evaluate the rays of walkers that have not met their level, or begin to walk."""
        walkers = rays.open(self.sigma, state.n_looks) if state.n_looks < MAX_LOOKS else np.empty(0, dtype=np.int64)
        if len(walkers) and self._affords(state, len(walkers)):
            none = np.empty(0)
            self._request(state, Batch(walkers, rays.points(rays.radii)[walkers], none, none))
            return
        state.positions, state.values = rays.points(rays.found), rays.values.copy()
        state.rays = None

    def _move(self, state: VolumeState) -> None:
        """Propose a move for half of the ensemble; without a proposal in the box the half is done."""
        if state.n_sweeps >= self.n_steps:
            state.done = True
            return
        parity = state.n_halves % 2
        walkers, others = stretch.half(self.n_walkers, parity), stretch.half(self.n_walkers, 1 - parity)
        quantiles = keyed_generator(state.seed, _SWEEP, state.n_halves).random((3, len(walkers)))
        fewest = state.space.dimension + 1
        chosen = moves.draw_partners(
            state.levels[walkers], state.levels[others], self.options.partner_window, fewest, quantiles[0]
        )
        stretches = stretch.draw_stretches(quantiles[1])
        points = stretch.stretched(state.positions[walkers], state.positions[others[chosen]], stretches)
        inside = stretch.inside_box(points)
        n_inside = int(inside.sum())
        if not self._affords(state, n_inside):
            state.done = True
            return
        state.n_proposed += len(walkers)
        state.n_outside += len(walkers) - n_inside
        if not n_inside:
            self._end_half(state)
            return
        self._request(state, Batch(walkers[inside], points[inside], stretches[inside], quantiles[2][inside]))

    def _affords(self, state: VolumeState, n: int) -> bool:
        most = self.options.n_evaluations
        return most is None or state.n_asked + n <= most

    def _request(self, state: VolumeState, batch: Batch) -> None:
        state.batch = batch
        state.n_asked += len(batch.walkers)
        state.requests.add(0, state.space.from_unit(batch.points), Phase.VOLUME)

    def _answered(self, state: VolumeState, request: Request) -> None:
        batch = state.batch
        assert batch is not None  # noqa: S101 - there is a batch as long as there is a request
        state.batch = None
        if state.rays is not None:
            state.rays.learn(batch.walkers, request.values)
            state.n_looks += 1
            return
        walkers, levels = batch.walkers, state.levels[batch.walkers]
        new = moves.log_target(request.values, levels, self.sigma)
        old = moves.log_target(state.values[walkers], levels, self.sigma)
        logarithms = stretch.log_acceptance(batch.stretches, state.space.dimension, new, old)
        with np.errstate(divide="ignore"):  # a quantile of zero accepts every target but zero
            accepted = np.log(batch.quantiles) < logarithms
        rows = walkers[accepted]
        state.positions[rows] = batch.points[accepted]
        state.values[rows] = request.values[accepted]
        state.moved[rows] = True
        state.n_accepted += len(rows)
        self._end_half(state)

    def _end_half(self, state: VolumeState) -> None:
        state.n_halves += 1
        if state.n_halves % 2 or state.n_sweeps <= self.n_burn_in:
            return
        walkers = np.flatnonzero(state.moved)
        steps = np.full(len(walkers), state.n_sweeps)
        state.visits.append(Visits(walkers, steps, state.positions[walkers], state.values[walkers]))
        state.moved[:] = False


def samples_of(state: VolumeState) -> tuple[Visits, NDArray[np.int64]]:
    """All states after the burn-in, and the number of steps that the walker stayed in each."""
    no_walkers = np.empty(0, dtype=np.int64)
    nothing = Visits(no_walkers, no_walkers, np.empty((0, state.space.dimension)), np.empty(0))
    parts = [nothing, *state.visits]
    visits = Visits(
        np.concatenate([part.walkers for part in parts]),
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.values for part in parts]),
    )
    order = np.lexsort((visits.steps, visits.walkers))
    ends = np.full(len(order), state.n_sweeps + 1)
    same = visits.walkers[order][1:] == visits.walkers[order][:-1]
    ends[:-1][same] = visits.steps[order][1:][same]
    counts = np.empty(len(order), dtype=np.int64)
    counts[order] = ends - visits.steps[order]
    return visits, counts
