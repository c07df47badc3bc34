"""The affine-invariant ensemble as an algorithm of the driver loop: several ensembles that know nothing of each other.

Half of every ensemble moves at a time (see `ensemble_moves`), all ensembles in one batch. What lies outside the box, or
where the prior vanishes, is rejected without an evaluation; a failed likelihood counts as zero. From time to time the
run is looked at (see `autocorrelation`): it ends when, after the warmup,

* every walker has made 50 autocorrelation times of steps, by which time they are well measured, and
* the chains of the result, one for each ensemble, have R-hat below 1.01 and effective sizes above 400,

or when the walkers have made all the steps that they may. At most a thousand steps are stored: when they are, every
second one is dropped, and from then on half as many are stored.

The random numbers of a half-step are keyed by its number and by the ensemble, and the ensembles start from different
points, so the draws do not depend on the number of workers.
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
from wilks.samplers import autocorrelation
from wilks.samplers.chains import chain_checks
from wilks.samplers.ensemble_moves import propose
from wilks.samplers.whitening import rough_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space
    from wilks.samplers.ensemble_options import Ensemble
    from wilks.samplers.known import Known
    from wilks.samplers.target import Target

    Array = NDArray[np.float64]

LEAST_TIMES = 50.0
"""Autocorrelation times that a walker has to make."""
_CAPACITY, _N_DRAWS = 1000, 4000
_MOST_PULLS = 30
_FIRST_LOOK, _LOOK_GROWTH = 100, 1.25
_STARTS, _MOVES, _PULLS = 0, 1, 2
"""First part of the keys of the random generators."""


@dataclass
class Look:
    """What a look at the run found.

    Attributes
    ----------
    n_steps, n_warmup
        Steps of a walker so far, and those that are dropped.
    time
        Longest autocorrelation time of the coordinates and of the log-density, in steps.
    passed
        Do the chains pass their checks?
    """

    n_steps: int = 0
    n_warmup: int = 0
    time: float = math.nan
    passed: bool = False

    @property
    def enough(self) -> bool:
        """Is there nothing left to wait for?"""
        return self.n_times >= LEAST_TIMES and self.passed

    @property
    def n_times(self) -> float:
        """Autocorrelation times after the warmup."""
        return (self.n_steps - self.n_warmup) / self.time


@dataclass
class Moving:
    """Proposals that wait for their evaluations; `rows` are places in the flat array of all walkers."""

    rows: NDArray[np.int64]
    points: Array
    log_priors: Array
    factors: Array
    quantiles: Array


@dataclass
class EnsembleState:
    """State of the ensembles.

    Attributes
    ----------
    positions, log_likelihoods, log_densities
        Of the walkers: coordinates of the target, shape (ensemble, walker, d), and what is known there, shape
        (ensemble, walker); not a number before the first evaluation.
    n_halves
        Moves of half of every ensemble that are done.
    every
        Steps between two that are stored.
    stored
        Positions, log-likelihoods and log-densities after every step that is stored.
    n_proposed, n_accepted
        Moves that were proposed, and accepted.
    n_pulls
        How often walkers were moved before they began, because they had no density where they were.
    begun
        Do the walkers move?
    """

    seed: int
    positions: Array
    log_likelihoods: Array
    log_densities: Array
    requests: Requests
    moving: Moving | None = None
    n_halves: int = 0
    every: int = 1
    stored: list[tuple[Array, Array, Array]] = field(default_factory=list)
    n_proposed: int = 0
    n_accepted: int = 0
    next_look: int = _FIRST_LOOK
    look: Look = field(default_factory=Look)
    n_pulls: int = 0
    begun: bool = False
    done: bool = False

    @property
    def n_steps(self) -> int:
        """Steps that every walker has made."""
        return self.n_halves // 2


@dataclass(frozen=True)
class EnsembleSampler:
    """Sampling by ensembles of walkers; an `core.algorithm.Algorithm`.

    Parameters
    ----------
    options
        Sizes.
    target
        The density.
    known
        What the walkers start from.
    """

    options: Ensemble
    target: Target = field(repr=False)
    known: Known = field(repr=False)

    generational = True

    def init(self, space: Space, seed: int, starts: Array) -> EnsembleState:  # noqa: ARG002 - the target has both
        """Put every walker on a point of its own."""
        n, d = self.options.walkers_for(self.target.dimension), self.target.dimension
        generator = keyed_generator(seed, _STARTS)
        n_all = n * self.options.n_ensembles
        points = np.unique(self.target.coordinates(rough_draws(self.target, self.known, 2 * n_all, generator)), axis=0)
        points = points[generator.permutation(len(points))]
        while len(points) < n_all:
            pairs = points[generator.integers(len(points), size=(2, n_all - len(points)))]
            points = np.concatenate([points, pairs.mean(axis=0)])
        positions = points[:n_all].reshape(self.options.n_ensembles, n, d)
        nothing = np.full(positions.shape[:2], -np.inf)
        return EnsembleState(seed, positions, nothing, nothing.copy(), Requests(d))

    def ask(self, state: EnsembleState, limit: int) -> tuple[Proposals, EnsembleState]:
        """Hand out the starts of all walkers, then the proposals of half of every ensemble."""
        while not state.requests.opened and not state.done:
            if state.begun:
                self._move(state)
            else:
                self._place(state, np.arange(state.log_densities.size))
        return state.requests.take(limit), state

    def tell(self, state: EnsembleState, evaluations: Evaluations) -> EnsembleState:
        """Go on when all points of a batch are back."""
        state.requests.answer(evaluations, lambda request: self._answered(state, request))
        return state

    def terminate(self, state: EnsembleState) -> Status | None:
        """End when there is enough, or after the last step."""
        if not state.done:
            return None
        if not state.begun:
            return Status(Outcome.NOT_CONVERGED, "No walker has a start with a finite log-likelihood.")
        if state.look.enough:
            return Status(Outcome.CONVERGED, f"{state.look.n_times:.0f} autocorrelation times of every walker.")
        return Status(Outcome.BUDGET_SPENT, f"The walkers have made {state.n_steps} steps.")

    def describe(self, state: EnsembleState) -> tuple[str, float]:
        """What is going on, and the part of the longest way that is done."""
        return f"step {state.n_steps}", state.n_steps / self.options.max_steps

    def draws(self, state: EnsembleState) -> tuple[Array, Array, Look]:
        """Thetas of the chains, shape (chain, draw, d), their log-likelihoods, and what a look at them finds."""
        look = Look(state.n_steps)
        if not state.stored:
            n_ensembles, _, d = state.positions.shape
            return np.empty((n_ensembles, 0, d)), np.empty((n_ensembles, 0)), look
        positions, values, densities = (np.stack(column) for column in zip(*state.stored, strict=True))
        n, _, _, d = positions.shape
        flat = positions.reshape(n, -1, d)
        begin = n // 2
        if np.isfinite(densities).all() and n >= 2 * autocorrelation.LEAST_PER_WALKER:
            densities = densities.reshape(n, -1)
            begin = autocorrelation.warmup_length(flat, densities)
            both = np.concatenate([flat, densities[:, :, None]], axis=2)[begin:]
            look.time = state.every * float(autocorrelation.autocorrelation_time(both).max())
        look.n_warmup = begin * state.every
        n_draws = self.options.n_draws or _N_DRAWS
        chains = autocorrelation.as_chains(positions[begin:], n_draws)
        thetas = self.target.thetas(chains.reshape(-1, d)).reshape(chains.shape)
        return thetas, autocorrelation.as_chains(values[begin:], n_draws), look

    def _move(self, state: EnsembleState) -> None:
        """Propose a move for half of every ensemble; without a proposal that has a prior density the half is done."""
        if state.n_steps >= self.options.max_steps:
            self._look(state)
            state.done = True
            return
        n_ensembles, n, _ = state.positions.shape
        parity = state.n_halves % 2
        movers, others = stretch.half(n, parity), stretch.half(n, 1 - parity)
        parts = []
        for ensemble in range(n_ensembles):
            generator = keyed_generator(state.seed, _MOVES, state.n_halves, ensemble)
            quantiles = generator.random(len(movers))
            walkers = state.positions[ensemble]
            parts.append((*propose(walkers[movers], walkers[others], generator), quantiles, ensemble * n + movers))
        points, factors, quantiles, rows = (np.concatenate(part) for part in zip(*parts, strict=True))
        state.n_proposed += len(rows)
        log_priors = self.target.log_prior(points)
        inside = np.isfinite(log_priors)
        moving = Moving(rows[inside], points[inside], log_priors[inside], factors[inside], quantiles[inside])
        if len(moving.rows):
            self._request(state, moving)
        else:
            self._end_half(state)

    def _place(self, state: EnsembleState, rows: NDArray[np.int64]) -> None:
        """Have walkers evaluated where they stand."""
        points = state.positions.reshape(-1, self.target.dimension)[rows]
        zeros = np.zeros(len(rows))
        self._request(state, Moving(rows, points, self.target.log_prior(points), zeros, zeros))

    def _gather(self, state: EnsembleState) -> None:
        """Pull walkers without a density half-way to one that has some, and begin when all have."""
        positions, alive = state.positions.reshape(-1, self.target.dimension), np.isfinite(state.log_densities).ravel()
        if not alive.any():
            state.done = True
        elif alive.all() or state.n_pulls >= _MOST_PULLS:
            state.begun = True
        else:
            rows = np.flatnonzero(~alive)
            chosen = keyed_generator(state.seed, _PULLS, state.n_pulls).integers(alive.sum(), size=len(rows))
            positions[rows] = 0.5 * (positions[rows] + positions[np.flatnonzero(alive)[chosen]])
            state.n_pulls += 1
            self._place(state, rows)

    def _request(self, state: EnsembleState, moving: Moving) -> None:
        state.moving = moving
        state.requests.add(0, self.target.thetas(moving.points), Phase.SAMPLE)

    def _answered(self, state: EnsembleState, request: Request) -> None:
        moving = state.moving
        assert moving is not None  # noqa: S101 - there is one as long as there is a request
        state.moving = None
        positions = state.positions.reshape(-1, self.target.dimension)
        values, densities = state.log_likelihoods.reshape(-1), state.log_densities.reshape(-1)
        new = moving.log_priors + np.where(np.isfinite(request.values), request.values, -np.inf)
        old = densities[moving.rows]
        with np.errstate(divide="ignore", invalid="ignore"):  # both densities may be zero: then nothing moves
            accepted = np.log(moving.quantiles) < moving.factors + new - old
        if not state.begun:
            accepted = np.isfinite(new)
        rows = moving.rows[accepted]
        positions[rows], values[rows] = moving.points[accepted], request.values[accepted]
        densities[rows] = new[accepted]
        if not state.begun:
            self._gather(state)
            return
        state.n_accepted += len(rows)
        self._end_half(state)

    def _end_half(self, state: EnsembleState) -> None:
        state.n_halves += 1
        if state.n_halves % 2:
            return
        if state.n_steps % state.every == 0:
            state.stored.append((state.positions.copy(), state.log_likelihoods.copy(), state.log_densities.copy()))
        if len(state.stored) >= _CAPACITY:
            state.stored = state.stored[1::2]
            state.every *= 2
        if state.n_steps >= state.next_look:
            state.next_look = math.ceil(_LOOK_GROWTH * state.n_steps)
            self._look(state)

    def _look(self, state: EnsembleState) -> None:
        """Measure; the chains only when the walkers have made enough of a way."""
        thetas, _, look = self.draws(state)
        state.look = look
        if look.n_times >= LEAST_TIMES:
            draws = {name: thetas[:, :, column] for column, name in enumerate(self.target.space.free)}
            look.passed = all(check.ok for check in chain_checks(draws, {}))
        state.done = look.enough
