r"""Walkers that look for what the draws of an importance sampling have missed.

k-hat is an extrapolation of the weights that were drawn. Where the posterior has a neck, or the mouth of a funnel, that
no draw came near, the weights that were drawn know nothing of it. A walk does come near. With the proposal q and the
weight w = L pi / q, walkers begin at draws that are chosen in proportion to w^2 and move, by the moves of an ensemble
(`ensemble_moves`), with the density

.. math:: f(x) \propto \frac{(L(x) \, \pi(x))^2}{q(x)} = L(x) \, \pi(x) \, w(x)                                  (1)

which prefers places where the proposal has too little. Where it has enough everywhere, weights are bounded and the
walkers stay where the draws are; where it has not, they climb. What is measured is how far,

.. math:: \max_{\mathrm{walk}} \log w - \max_{\mathrm{draws}} \log w                                             (2)

with as many evaluations as there are draws. It is below 0.7 for Gaussian posteriors of up to twenty parameters and
up to 1.5 for moderately skewed ones; it was 2.1 to 6.6 for funnels and models with a common scatter that passed all
other checks with standard deviations 5 to 35 % too small (`benchmarks/importance_honesty.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.random import keyed_generator
from wilks.loop import stretch
from wilks.samplers.certificate import Check
from wilks.samplers.ensemble_moves import propose
from wilks.samplers.psis import systematic

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wilks.samplers.target import Target

    Array = NDArray[np.float64]

_LEAST_WALKERS, _PER_PARAMETER = 100, 4
_LEAST_STEPS = 10
_MOST_GAIN = 2.0
_STARTS, _MOVES = 2, 3
_ADVICE = (
    "walkers found places to which the draws do not reach, such as the neck of a funnel: sample by a Markov chain "
    "(method=wilks.Nuts() where there is a gradient, wilks.Ensemble() or wilks.ParallelTempering(sampling=True))"
)


@dataclass
class Walk:
    """State of the walkers.

    Attributes
    ----------
    positions
        Coordinates, shape (n, d).
    log_densities, log_weights
        Log of (1) and of w at them, shape (n,).
    highest_draw, highest
        Largest log w of the draws, and of the walkers so far.
    n_halves, n_most
        Moves of half of the walkers: those that are done, and all.
    points, log_priors, factors, quantiles, rows
        Proposals that wait for their evaluations, and whose they are.
    """

    seed: int
    positions: Array
    log_densities: Array
    log_weights: Array
    highest_draw: float
    n_most: int
    highest: float = -math.inf
    n_halves: int = 0
    points: Array = field(default_factory=lambda: np.empty((0, 0)))
    log_priors: Array = field(default_factory=lambda: np.empty(0))
    factors: Array = field(default_factory=lambda: np.empty(0))
    quantiles: Array = field(default_factory=lambda: np.empty(0))
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @classmethod
    def of(cls, seed: int, x: Array, log_targets: Array, log_proposals: Array) -> Walk:
        """Begin at draws.

        Parameters
        ----------
        seed
            Seed of the random numbers.
        x
            The draws, shape (n, d).
        log_targets, log_proposals
            Log of L pi and of q there, shape (n,).
        """
        log_weights = log_targets - log_proposals
        log_tilted = 2.0 * log_weights  # draws are from q already
        share = np.exp(log_tilted - np.logaddexp.reduce(log_tilted))
        n_walkers = max(_LEAST_WALKERS, _PER_PARAMETER * x.shape[1])
        rows = systematic(share, n_walkers, keyed_generator(seed, _STARTS))
        rows = keyed_generator(seed, _STARTS, 1).permutation(rows)
        n_steps = max(_LEAST_STEPS, round(len(x) / n_walkers))
        log_densities = log_targets[rows] + log_weights[rows]
        return cls(seed, x[rows], log_densities, log_weights[rows], float(log_weights.max()), 2 * n_steps)

    @property
    def done(self) -> bool:
        """Have the walkers made all their moves?"""
        return self.n_halves >= self.n_most

    def propose(self, target: Target) -> Array:
        """Propose moves for half of the walkers; thetas of those inside the box, shape (k, d)."""
        n, parity = len(self.positions), self.n_halves % 2
        movers, others = stretch.half(n, parity), stretch.half(n, 1 - parity)
        generator = keyed_generator(self.seed, _MOVES, self.n_halves)
        quantiles = generator.random(len(movers))
        points, factors = propose(self.positions[movers], self.positions[others], generator)
        log_priors = target.log_prior(points)
        inside = np.isfinite(log_priors)
        self.points, self.log_priors, self.factors = points[inside], log_priors[inside], factors[inside]
        self.quantiles, self.rows = quantiles[inside], np.asarray(movers)[inside]
        return target.thetas(self.points)

    def move(self, log_likelihoods: Array, log_proposal: Callable[[Array], Array]) -> None:
        """Accept or reject what was proposed."""
        log_targets = self.log_priors + np.where(np.isfinite(log_likelihoods), log_likelihoods, -np.inf)
        log_weights = log_targets - log_proposal(self.points)
        log_densities = log_targets + log_weights
        accepted = np.log(self.quantiles) < self.factors + log_densities - self.log_densities[self.rows]
        rows = self.rows[accepted]
        self.positions[rows] = self.points[accepted]
        self.log_densities[rows], self.log_weights[rows] = log_densities[accepted], log_weights[accepted]
        self.highest = max(self.highest, float(self.log_weights.max()))
        self.n_halves += 1

    def check(self) -> Check:
        """What the certificate says of (2); before the end that cannot be measured."""
        gain = self.highest - self.highest_draw if self.done else math.nan
        return Check.below("log weight beyond draws", gain, _MOST_GAIN, _ADVICE)
