r"""The combination held against the full likelihood: exact weights, and what they say of it.

Points :math:`x_i` are drawn from a proposal q that is made of the combination: t distributions around its Gaussians, a
tenth of them three times as wide, and a twentieth around the modes of the whole problem, if these are known. With the
full posterior p, the weights :math:`w_i = p(x_i) / q(x_i)` make them draws from p, whatever the consensus is worth. How
much it is worth shows in the weights: if they do not pass the checks of importance sampling, the combination does not
cover the posterior, and its draws are handed out as what they are. The proposal is not adapted to these weights, so
that they say something that it does not know yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.proposal import Phase, Proposals
from wilks.core.status import Outcome, Status
from wilks.samplers.chains import LEAST_ESS
from wilks.samplers.consensus.modes import fitted_modes, reduced
from wilks.samplers.importance_checks import Sample, importance_checks, pooled
from wilks.samplers.mixture import TMixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations
    from wilks.core.space import Space
    from wilks.samplers.certificate import Check
    from wilks.samplers.consensus.combination import Combined
    from wilks.samplers.known import Known
    from wilks.samplers.target import Target

_DEGREES = 8.0
_WIDE_SHARE, _WIDER, _KNOWN_SHARE = 0.1, 3.0, 0.05
_MOST_COMPONENTS = 16
_OF_NUMBER = ("importance ESS", "bulk ESS", "tail ESS")
BIASED = "the consensus is biased here: sample the full likelihood (leave method= out), or take fewer and larger shards"
MORE_POINTS = "the consensus is near enough, but there are too few points: raise n_verified"
MISSING = "what is shown is not the posterior of all data: find out why these shards failed or were left out"


def proposal(combination: Combined, known: Known, generator: np.random.Generator) -> TMixture:
    """Mixture of t distributions around a combination, with wide and known parts."""
    mixture = combination.mixture
    if mixture.n_components == 1:
        n = len(combination.draws)
        found = fitted_modes(combination.draws, np.full(n, 1.0 / n), float(n), generator)
        mixture = found if found.n_components > 1 else mixture
    made = reduced(mixture, _MOST_COMPONENTS).as_t(_DEGREES)
    n = len(known.means)
    rest = np.array([_WIDE_SHARE, *[_KNOWN_SHARE / max(n, 1)] * n])
    means = [made.means, combination.mean[None], *known.means[:, None]]
    shapes = [made.shapes, combination.covariance[None] * _WIDER**2, *known.covariances[:, None]]
    shares = np.concatenate([made.shares / made.shares.sum() * (1.0 - rest.sum()), rest])
    return TMixture(shares, np.concatenate(means), np.concatenate(shapes), _DEGREES)


@dataclass
class PointsState:
    """State of the evaluation of given points: what is handed out, and the answers."""

    thetas: NDArray[np.float64]
    log_likelihoods: NDArray[np.float64]
    n_asked: int = 0
    n_told: int = 0


@dataclass(frozen=True)
class Points:
    """The log-likelihood at given points; a `core.algorithm.Algorithm`.

    The points are the starts that the loop is given, as points of the unit box.
    """

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> PointsState:  # noqa: ARG002 - interface
        """Keep the points."""
        return PointsState(space.from_unit(starts), np.full(len(starts), -np.inf))

    def ask(self, state: PointsState, limit: int) -> tuple[Proposals, PointsState]:
        """Hand out what is left."""
        ids = np.arange(state.n_asked, min(state.n_asked + limit, len(state.thetas)))
        state.n_asked += len(ids)
        return Proposals(ids, state.thetas[ids], np.full(len(ids), Phase.SAMPLE, dtype=np.int8)), state

    def tell(self, state: PointsState, evaluations: Evaluations) -> PointsState:
        """Keep the answers."""
        state.log_likelihoods[evaluations.ids] = evaluations.log_likelihoods
        state.n_told += len(evaluations)
        return state

    def terminate(self, state: PointsState) -> Status | None:
        """End with the last answer."""
        return Status(Outcome.CONVERGED) if state.n_told == len(state.thetas) else None


@dataclass(frozen=True)
class Verified:
    """What the weights say.

    Attributes
    ----------
    samples
        Two populations: weighted to the posterior where the checks hold, to the combination otherwise.
    checks
        Of the weights to the posterior.
    """

    samples: tuple[Sample, ...]
    checks: tuple[Check, ...]

    @property
    def exact(self) -> bool:
        """Do the weights hold?"""
        return all(check.ok for check in self.checks)


def verified(
    target: Target,
    combination: Combined,
    q: TMixture,
    x: NDArray[np.float64],
    log_likelihoods: NDArray[np.float64],
) -> Verified:
    """Weight points x, drawn from the proposal q, with the posterior; every second one is of the other population."""
    values = np.where(np.isfinite(log_likelihoods), log_likelihoods, -np.inf)
    log_q, log_target = q.log_density(x), target.log_density(x, values)
    samples = _populations(target, x, log_target - log_q, values)
    checks = importance_checks(samples, LEAST_ESS).checks
    covered = all(check.ok for check in checks if check.name not in _OF_NUMBER)
    checks = tuple(replace(check, advice=MORE_POINTS if covered else BIASED) for check in checks)
    if not all(check.ok for check in checks):
        inside = np.isfinite(target.log_prior(x))
        ratios = np.where(inside, combination.mixture.log_density(x) - log_q, -np.inf)
        # Their sum stands for the evidence, of which nothing better is known.
        shift = pooled(samples).log_evidence - pooled(_populations(target, x, ratios, values)).log_evidence
        samples = _populations(target, x, ratios + (shift if np.isfinite(shift) else 0.0), values)
    return Verified(samples, checks)


def _populations(
    target: Target, x: NDArray[np.float64], log_ratios: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[Sample, ...]:
    thetas, names = target.thetas(x), target.space.free
    parts = [slice(first, None, 2) for first in range(2)]
    return tuple(Sample(thetas[part], log_ratios[part] - np.log(len(x[part])), values[part], names) for part in parts)


def mismatch(shards: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    """How far the sum over shards is from the whole, in units of log-likelihood, apart from a constant.

    Parameters
    ----------
    shards
        Log-likelihoods of every shard at the reference points, shape (k, m).
    whole
        Log-likelihoods of the whole problem there, shape (m,).
    """
    apart = shards.sum(axis=0) - whole
    if len(apart) < 2 or not np.isfinite(apart).all():
        return float("nan")
    return float(np.abs(apart - apart[0]).max())
