"""Shards as evaluations: a problem whose only parameter is the number of a job, and whose answer is a posterior.

So the driver loop, the run file, every executor and the treatment of failures serve shards as they serve points. Job j
of K shards is shard j mod K in its attempt j div K; its random numbers belong to the shard and the attempt, so draws do
not depend on where and when a job runs, and a run that was killed goes on with the same draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Never

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.least_squares import FactoredProblem
from wilks.core.parameter import Integer
from wilks.core.problem import Problem
from wilks.core.random import keyed_generator
from wilks.core.space import Space
from wilks.evaluation.call import evaluate_chunk
from wilks.samplers.consensus.shard import ShardSample, packed, shard_posterior
from wilks.samplers.known import Known
from wilks.samplers.target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.core.problem import Values
    from wilks.core.proposal import Want

_KEY_SEED, _KEY_DRAWS = 62, 63


@dataclass(frozen=True)
class ShardTask:
    """What a sampler is to do.

    Attributes
    ----------
    problem
        The shard.
    target
        Its posterior, with the root of the prior.
    known
        Modes of the whole problem, with the covariances that they have in a shard.
    n_draws
        Effective draws that are wanted.
    seed
        Of the random numbers.
    """

    problem: Problem
    target: Target
    known: Known
    n_draws: int
    seed: int


Sampler = Callable[[ShardTask], ShardSample]
"""Samples a shard; a function of a module, so that it can be sent to workers."""


@dataclass(frozen=True)
class ShardSource:
    """Where shards come from, and what is made of each.

    Attributes
    ----------
    shards
        The problems, or a function that returns that of a number.
    draws
        Number of draws from each shard.
    """

    shards: Sequence[Problem] | Callable[[int], Problem]
    draws: tuple[int, ...]

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return len(self.draws)

    def shard(self, number: int) -> Problem:
        """Return the problem of a shard."""
        return self.shards(number) if callable(self.shards) else self.shards[number]

    def identity(self) -> tuple[object, ...]:
        """What makes these shards these, for fingerprints."""
        if callable(self.shards):
            return self.shards, self.draws
        return tuple(shard.fingerprint for shard in self.shards), self.draws


class ShardJobs(FactoredProblem):
    """Posteriors of shards, as the answers of a problem; its rows are those of `packed`.

    Parameters
    ----------
    source
        The shards.
    sampler
        Samples one of them.
    target
        Posterior of the whole problem.
    known
        Its modes.
    seed
        Of all shards.
    n_attempts
        How often a shard may be tried.
    """

    def __init__(
        self, source: ShardSource, sampler: Sampler, target: Target, known: Known, *, seed: int, n_attempts: int
    ) -> None:
        self.source, self.sampler, self.known, self.seed = source, sampler, known, seed
        self.target = Target(target.space, target.chart, target.power / source.n_shards)
        self.references = reference_points(known)
        space = Space(job=Integer(0, source.n_shards * n_attempts - 1))
        super().__init__(space, (), f"{source.n_shards} shards", None)

    def functions(self) -> tuple[object, ...]:
        """What decides on the draws."""
        chart = type(self.target.chart).__qualname__
        settings = (self.seed, self.target.space.describe(), self.target.power, chart, self.sampler.__qualname__)
        return (*self.source.identity(), *settings, self.known.means, self.known.covariances)

    def supports(self, want: Want) -> bool:
        """Rows only."""
        return want == "residual"

    def fix(self, **values: Value) -> Never:
        """Refuse: a job has no parameters that could be held."""
        raise InvalidProblemError(f"jobs of shards: nothing can be fixed, got {', '.join(values)}")

    def log_likelihood(self, values: Values) -> float:  # noqa: ARG002 - interface
        """Zero: posteriors are not compared."""
        return 0.0

    def n_data(self, values: Values) -> int:  # noqa: ARG002 - interface
        """Number of shards."""
        return self.source.n_shards

    def factor(self, values: Values) -> tuple[float, NDArray[np.float64]]:
        """Sample a shard."""
        began = time.perf_counter()
        attempt, number = divmod(int(values["job"]), self.source.n_shards)
        problem = self.source.shard(number)
        self._check(problem, number)
        seed = int(keyed_generator(self.seed, _KEY_SEED, number, attempt).integers(2**63))
        known = Known(self.known.means, self.known.covariances * self.source.n_shards, self.known.log_likelihoods)
        n_draws = self.source.draws[number]
        sample = self.sampler(ShardTask(problem, self.target, known, n_draws, seed))
        references = evaluate_chunk(problem, self.target.thetas(self.references), "value").log_likelihoods
        generator = keyed_generator(self.seed, _KEY_DRAWS, number, attempt)
        seconds = time.perf_counter() - began
        posterior = shard_posterior(number, sample, n_draws, generator, references=references, seconds=seconds)
        return 0.0, packed(posterior)

    def _check(self, problem: Problem, number: int) -> None:
        if not isinstance(problem, Problem):
            raise InvalidConfigurationError(f"shards: expected a problem for shard {number}, got {problem!r:.200}")
        if problem.space != self.target.space:
            raise InvalidProblemError(
                f"shard {number} has another space than the whole problem; expected\n{self.target.space}, "
                f"got\n{problem.space}"
            )


def reference_points(known: Known) -> NDArray[np.float64]:
    """Points at which the shards are held against the whole: a mode, and one standard deviation from it.

    Shape (1 + d, d), in the coordinates of the target; none without a mode.
    """
    if not len(known.means):
        return np.empty((0, known.means.shape[1] if known.means.ndim == 2 else 0))
    size = np.sqrt(np.diag(known.covariances[0]))
    lower = size[:, None] * np.linalg.cholesky(known.covariances[0] / np.outer(size, size))
    return np.concatenate([known.means[:1], known.means[0] + lower.T])
