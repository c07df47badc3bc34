"""What an importance sampling has drawn so far, and from what."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.samplers.importance_checks import Round

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.loop.requests import Requests
    from wilks.samplers.certificate import Certificate
    from wilks.samplers.importance_walk import Walk
    from wilks.samplers.mixture import TMixture


@dataclass
class Population:
    """Draws of one population, with what they were drawn from.

    Attributes
    ----------
    mixture
        m_r of the next round.
    mixtures, counts
        m_r and n_r of the rounds so far.
    x, log_likelihoods, log_priors
        Draws, shape (n, d), and their log-likelihoods and log-densities of the prior (Jacobian and power included).
    log_proposals
        Log of the denominator of (2), shape (n,).
    log_own
        Log of the q_r of the round that made each draw, shape (n,).
    pending, inside
        Draws of the round that is under way, and which of them lie in the box.
    """

    mixture: TMixture
    mixtures: list[TMixture] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    x: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    log_likelihoods: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    log_priors: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    log_proposals: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    log_own: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    pending: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    inside: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))

    @property
    def log_weights(self) -> NDArray[np.float64]:
        """Log of (2), for the draws of complete rounds, shape (n,)."""
        n = len(self.log_likelihoods)
        return self.log_likelihoods + self.log_priors[:n] - self.log_proposals[:n]

    @property
    def rounds(self) -> tuple[Round, ...]:
        """What every complete round alone says of the evidence."""
        n, ends = len(self.log_likelihoods), np.cumsum(self.counts)
        weights = self.log_likelihoods + self.log_priors[:n] - self.log_own[:n]
        return tuple(Round.of(part) for part in np.split(weights, ends[ends < n]))

    def answer(self, values: NDArray[np.float64]) -> None:
        """Enter the log-likelihoods of a round; what was not evaluated has none."""
        found = np.full(len(self.pending), -np.inf)
        found[self.inside] = np.where(np.isfinite(values), values, -np.inf)
        self.log_likelihoods = np.concatenate([self.log_likelihoods, found])
        self.pending = np.empty((0, self.x.shape[1]))

    def last_round(self) -> Population:
        """The draws of the last round alone, which must be complete."""
        n = self.counts[-1]
        columns = (self.x, self.log_likelihoods, self.log_priors, self.log_own)
        x, log_likelihoods, log_priors, log_own = (column[-n:] for column in columns)
        log_proposals = log_own + math.log(n)
        return Population(self.mixture, self.mixtures[-1:], [n], x, log_likelihoods, log_priors, log_proposals, log_own)


@dataclass
class ImportanceState:
    """State of an importance sampling.

    Attributes
    ----------
    n_rounds
        Rounds that are complete.
    n_dropped
        Rounds whose draws do not count, once the first one after them is complete: what the proposal was fitted to,
        when it settled. None before that.
    walk
        The walkers that follow, when all checks of the draws hold.
    certificate
        Of the last complete round, and of the walk.
    """

    seed: int
    populations: list[Population]
    requests: Requests
    n_rounds: int = 0
    n_dropped: int | None = None
    walk: Walk | None = None
    certificate: Certificate | None = None
    done: bool = False
