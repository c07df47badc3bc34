r"""Adaptive importance sampling with a mixture of t distributions: the quickest exact way to a posterior of few bells.

Every known mode begins with a t distribution of its height and curvature. In round r each population draws n_r points
from the proposal

.. math:: q_r = 0.8 \, m_r + 0.15 \, m_r^{\mathrm{wide}} + 0.05 \, \pi                                          (1)

with the mixture m_r (`mixture`), the same centres with doubled lengths and heavy tails, and the prior, which keeps the
weights of what was not expected bounded. All draws of all rounds count, with deterministic mixture weights

.. math:: w(x) = \frac{L(x) \, \pi(x)}{\sum_r n_r q_r(x)}                                                        (2)

(Veach and Guibas 1995; Cornuet, Marin, Mira and Robert 2012, https://doi.org/10.1111/j.1467-9469.2011.00756.x). The
next mixture is the one nearest to the weighted draws; while few draws carry all the weight, to a power of the weights
that leaves enough of them. It is high where it was fitted, so that evidences and tails by (2) are too small. Therefore,
when the checks hold with a third of the effective draws, or two thirds of the rounds are over, the proposal settles:
the draws that it was fitted to are dropped, and what is certified are draws that it was not fitted to.

The number of components stays that of the modes. A mixture that grows towards its own draws fits what it has seen so
well that k-hat no longer tells of what it has not seen: funnels and bananas then pass with standard deviations 20 %
too small. With one component for each mode they fail, as they should, and a Markov chain has to do it.

Two populations adapt and draw without knowing of each other. Their means, spreads and evidences have to agree. When all
checks of the draws hold, walkers look for places that the draws have missed (`importance_walk`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.proposal import Phase
from wilks.core.random import keyed_generator
from wilks.core.status import Outcome, Status
from wilks.loop.requests import Request, Requests
from wilks.samplers.certificate import Certificate
from wilks.samplers.importance_checks import Sample, importance_checks
from wilks.samplers.importance_state import ImportanceState, Population
from wilks.samplers.importance_walk import Walk
from wilks.samplers.mixture import TMixture, fitted, proper
from wilks.samplers.psis import effective_size, smoothed, systematic
from wilks.samplers.target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space
    from wilks.samplers.known import Known

N_POPULATIONS = 2
_WIDE, _PRIOR = 0.15, 0.05
_WIDER, _WIDE_DEGREES, _FIRST_DEGREES = 2.0, 4.0, 5.0
_DEGREES = (3.0, 5.0, 10.0, 30.0)
_LEAST_FIRST, _FIRST_PER_PARAMETER = 250, 50
_GROWTH, _MOST_GROWTH = 1.3, 4.0
_MARGIN = 1.1
_ADAPTING, _PROMISING = 2 / 3, 0.3
_MOST_FITTED = 4000
_LEAST_SHARE = 0.05
_DRAW, _THIN = 0, 1


@dataclass(frozen=True)
class AdaptiveImportance:
    """Adaptive importance sampling with mixtures of t distributions, one for each known mode.

    Exact for any posterior in the limit of many draws, and quick where it is close to a few bells: a thousand
    effective draws from some four thousand evaluations: those of a round run side by side, and the walkers after the
    last one fifty at a time. Where it is not (funnels, bananas, modes that nobody found) the certificate fails.

    Parameters
    ----------
    ess
        Effective number of draws to reach.
    n_first
        Draws of each of the two populations in the first round; None for 250 or 50 per parameter, whichever is more.
    max_rounds
        Rounds at most.

    Raises
    ------
    InvalidConfigurationError
        If a number cannot be used.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(-9, 9)), lambda v: -0.5 * v["a"] ** 2)
    >>> posterior = wilks.sample(problem, wilks.AdaptiveImportance(ess=500), seed=1)
    >>> posterior.certificate.ok, round(posterior.standard_deviations["a"], 1)
    (True, 1.0)
    """

    ess: float = 1000.0
    n_first: int | None = None
    max_rounds: int = 10

    def __post_init__(self) -> None:
        if isinstance(self.ess, bool) or not isinstance(self.ess, (int, float)) or not 1 <= self.ess < math.inf:
            raise InvalidConfigurationError(f"AdaptiveImportance: ess: expected a number >= 1, got {self.ess!r}")
        for name, least in (("n_first", 20), ("max_rounds", 1)):
            value = getattr(self, name)
            if value is None and name == "n_first":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidConfigurationError(
                    f"AdaptiveImportance: {name}: expected an integer >= {least}, got {value!r}"
                )


@dataclass(frozen=True)
class ImportanceSampler:
    """The algorithm that the driver loop runs; an `core.algorithm.Algorithm`.

    Attributes
    ----------
    options
        What the user chose.
    target
        The density.
    known
        Modes and their widths.
    """

    options: AdaptiveImportance
    target: Target = field(repr=False)
    known: Known = field(repr=False)
    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> ImportanceState:  # noqa: ARG002 - `known`
        """Return the state before the first round."""
        mixture = first_mixture(self.target, self.known)
        d = self.target.dimension
        populations = [Population(mixture, x=np.empty((0, d))) for _ in range(N_POPULATIONS)]
        return ImportanceState(seed, populations, Requests(d))

    def ask(self, state: ImportanceState, limit: int) -> tuple[Proposals, ImportanceState]:
        """Return the draws of a round, of all populations; after the last one, the moves of walkers."""
        if not state.done and not state.requests.opened:
            if state.walk is None:
                self._draw(state)
            else:
                self._move(state, state.walk)
        return state.requests.take(limit), state

    def tell(self, state: ImportanceState, evaluations: Evaluations) -> ImportanceState:
        """Take answers; when a round is complete, weigh, adapt and look whether it is enough."""

        def finish(request: Request) -> None:
            if state.walk is None:
                state.populations[request.owner].answer(request.values)
            else:
                self._end_move(state, state.walk, request.values)

        walked = state.walk is not None
        state.requests.answer(evaluations, finish)
        if not (state.requests.opened or state.done or walked):
            self._end_round(state)
        return state

    def terminate(self, state: ImportanceState) -> Status | None:
        """Return the status when all checks hold or the last round is over."""
        if not state.done:
            return None
        ok = state.certificate is not None and state.certificate.ok
        return Status(Outcome.CONVERGED if ok else Outcome.NOT_CONVERGED)

    def describe(self, state: ImportanceState) -> tuple[str, float]:
        """What is going on, for people."""
        if state.certificate is None:
            return "first round", math.nan
        if state.walk is not None:
            return "walkers look for what the draws have missed", state.walk.n_halves / state.walk.n_most
        reached = state.certificate["importance ESS"].value
        return f"round {state.n_rounds + 1}, {reached:.0f} effective draws", min(reached / self.options.ess, 1.0)

    def _draw(self, state: ImportanceState) -> None:
        n = self._size(state)
        for number, population in enumerate(state.populations):
            generator = keyed_generator(state.seed, _DRAW, number, state.n_rounds)
            n_wide, n_prior = round(_WIDE * n), round(_PRIOR * n)
            mixture = population.mixture
            x = np.concatenate(
                [
                    mixture.draw(generator, n - n_wide - n_prior),
                    _wide(mixture).draw(generator, n_wide),
                    self.target.coordinates(self.target.space.draw(generator, n_prior)),
                ]
            )
            population.pending = x
            population.mixtures.append(mixture)
            population.counts.append(n)
            log_priors = self.target.log_prior(x)
            population.inside = np.isfinite(log_priors)
            self._count_proposals(population, x, log_priors)
            if population.inside.any():
                state.requests.add(number, self.target.thetas(x[population.inside]), Phase.SAMPLE)
            else:
                population.answer(np.empty(0))

    def _size(self, state: ImportanceState) -> int:
        """Number of draws of the next round, of each population: once the proposal has settled, those that it takes."""
        first = self.options.n_first or max(_LEAST_FIRST, _FIRST_PER_PARAMETER * self.target.dimension)
        if state.n_dropped is None or state.certificate is None:
            return int(first * min(_GROWTH**state.n_rounds, _MOST_GROWTH))
        n, reached = sum(state.populations[0].counts), state.certificate["importance ESS"].value
        missing = _MARGIN * self.options.ess - (0.0 if state.n_rounds == state.n_dropped else reached)
        wanted = n * missing / max(reached, 1.0) if missing > 0 else n / 2  # other checks want more
        return int(np.clip(wanted, first, _MOST_GROWTH * first))

    def _count_proposals(self, population: Population, x: NDArray[np.float64], log_priors: NDArray[np.float64]) -> None:
        """Enter new draws with the denominators of (2), and add the new term to those of the old draws."""
        every = list(zip(population.mixtures, population.counts, strict=True))
        parts = [math.log(n) + self._log_proposal(m, x) for m, n in every]
        old = population.log_proposals
        if len(old):
            mixture, n = every[-1]
            old = np.logaddexp(old, math.log(n) + self._log_proposal(mixture, population.x))
        population.x = np.concatenate([population.x, x])
        population.log_priors = np.concatenate([population.log_priors, log_priors])
        population.log_proposals = np.concatenate([old, np.logaddexp.reduce(parts, axis=0)])
        population.log_own = np.concatenate([population.log_own, parts[-1] - math.log(every[-1][1])])

    def _log_proposal(self, mixture: TMixture, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of q_r, equation (1)."""
        whole = Target(self.target.space, self.target.chart).log_prior(x)
        return np.logaddexp(
            np.logaddexp(
                math.log(1.0 - _WIDE - _PRIOR) + mixture.log_density(x),
                math.log(_WIDE) + _wide(mixture).log_density(x),
            ),
            math.log(_PRIOR) + whole,
        )

    def _end_round(self, state: ImportanceState) -> None:
        state.n_rounds += 1
        if state.n_rounds - 1 == state.n_dropped:
            state.populations = [population.last_round() for population in state.populations]
        samples, most, settled = self.samples(state), self.options.max_rounds, state.n_dropped is not None
        state.certificate = importance_checks(samples, self.options.ess)
        if state.certificate.ok and (settled or state.n_rounds >= most):
            state.walk = self._walk(state)
            state.certificate = Certificate((*state.certificate.checks, state.walk.check()))
            return
        state.done = state.n_rounds >= most
        late = state.n_rounds >= max(1, int(_ADAPTING * most))
        if state.done or (settled and (late or state.certificate["Pareto k-hat"].ok)):
            return
        if settled or late or importance_checks(samples, _PROMISING * self.options.ess).ok:
            state.n_dropped = state.n_rounds
        for number, population in enumerate(state.populations):
            population.mixture = _adapted(population, keyed_generator(state.seed, _THIN, number, state.n_rounds))

    def _walk(self, state: ImportanceState) -> Walk:
        """Walkers that begin at the draws that count."""
        x = np.concatenate([each.x for each in state.populations])
        log_targets = np.concatenate([each.log_likelihoods + each.log_priors for each in state.populations])
        return Walk.of(state.seed, x, log_targets, self._log_proposals(state, x))

    def _log_proposals(self, state: ImportanceState, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of the mean of the last proposals of all populations."""
        parts = [self._log_proposal(each.mixtures[-1], x) for each in state.populations]
        return np.asarray(np.logaddexp.reduce(parts, axis=0) - math.log(len(parts)))

    def _move(self, state: ImportanceState, walk: Walk) -> None:
        """Propose moves that lie in the box, or end the walk."""
        while not (state.done or state.requests.opened):
            thetas = walk.propose(self.target)
            if len(thetas):
                state.requests.add(0, thetas, Phase.SAMPLE)
            else:
                self._end_move(state, walk, np.empty(0))

    def _end_move(self, state: ImportanceState, walk: Walk, values: NDArray[np.float64]) -> None:
        walk.move(values, partial(self._log_proposals, state))
        if walk.done and state.certificate is not None:
            state.certificate = Certificate((*state.certificate.checks[:-1], walk.check()))
            state.done = True

    def samples(self, state: ImportanceState) -> list[Sample]:
        """Draws of the complete rounds of every population, in the parameters, with their weights."""
        return [
            Sample(self.target.thetas(each.x)[: len(w)], w, each.log_likelihoods, self.target.space.free, each.rounds)
            for each, w in ((each, each.log_weights) for each in state.populations)
        ]


def first_mixture(target: Target, known: Known) -> TMixture:
    """A component for every mode, in proportion to the mass of its bell, each with at least 5 %.

    Without any mode, one that is as wide as the prior.
    """
    d = target.dimension
    if not len(known.means):
        x = target.coordinates(target.space.draw(keyed_generator(0), 1000))
        shape = proper(np.cov(x.T).reshape(d, d))
        return TMixture(np.ones(1), x.mean(axis=0)[None], shape[None], _FIRST_DEGREES)
    shapes = np.array([proper(each) for each in known.covariances])
    heights = target.log_density(known.means, known.log_likelihoods)
    masses = heights + 0.5 * np.linalg.slogdet(shapes)[1]
    masses = np.where(np.isfinite(masses), masses, -np.inf)
    top = masses.max()
    shares = np.exp(masses - top) if np.isfinite(top) else np.ones(len(masses))
    shares = np.maximum(shares / shares.sum(), _LEAST_SHARE)
    return TMixture(shares / shares.sum(), known.means, shapes, _FIRST_DEGREES)


def _wide(mixture: TMixture) -> TMixture:
    return mixture.wider(_WIDER).with_degrees(_WIDE_DEGREES)


def _adapted(population: Population, generator: np.random.Generator) -> TMixture:
    """The mixture that is nearest to the weighted draws, with the tails that suit them best."""
    mixture, d = population.mixture, population.x.shape[1]
    weights, _ = smoothed(population.log_weights)
    if not np.isfinite(weights).any():
        return mixture.wider(_WIDER)  # nothing has any probability there
    weights = _tempered(weights, min(len(weights) / 4, 10.0 * d * mixture.n_components))
    n_effective = effective_size(weights)
    x, share = _thinned(population.x, np.exp(weights), generator)
    prior_weight = min(0.25, 0.5 * (d + 2) / n_effective)
    best, score = mixture, -math.inf
    for degrees in _DEGREES:
        found, value = fitted(mixture.with_degrees(degrees), x, share, prior_weight)
        if value > score + 1e-4:
            best, score = found, value
    return best


def _tempered(log_weights: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """The largest power of the weights, at most 1, that leaves an effective number of them; normalised."""
    if effective_size(log_weights) >= least:
        return log_weights
    low, high, found = 0.0, 1.0, log_weights
    finite = np.where(np.isfinite(log_weights), log_weights, -np.inf)
    for _ in range(30):
        power = 0.5 * (low + high)
        with np.errstate(invalid="ignore"):
            trial = np.where(np.isfinite(finite), power * finite, -np.inf)
        trial = trial - np.logaddexp.reduce(trial)
        if effective_size(trial) >= least:
            low, found = power, trial
        else:
            high = power
    return found


def _thinned(
    x: NDArray[np.float64], weights: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most some thousand draws for the fit of the mixture, by systematic resampling."""
    if len(x) <= _MOST_FITTED:
        return x, weights
    rows = systematic(weights, _MOST_FITTED, generator)
    return x[rows], np.full(_MOST_FITTED, 1.0 / _MOST_FITTED)
