"""The settings of consensus Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from wilks.core.errors import InvalidConfigurationError
from wilks.core.problem import Problem
from wilks.samplers.consensus.combination import METHODS
from wilks.samplers.consensus.sharding import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FULL_SIZE = 10_000
"""Points of a shard from which all draws are made."""


@dataclass(frozen=True, eq=False)
class Consensus:
    """Consensus Monte Carlo: shards of the data are sampled each alone, and their posteriors combined.

    It is for data that do not fit on one machine, or whose likelihood is too slow as a whole. The combination is an
    approximation, so its draws are weighted with the full likelihood: where that works they are exact, and where it
    does not the result says that the consensus is biased here.

    Parameters
    ----------
    shards
        One problem for each shard, whose likelihoods multiply to that of the problem that is sampled; or a function
        that returns that of a shard's number, called where the shard is sampled, so that each worker reads its own data
        only. None for a problem that can cut itself (`wilks.samplers.consensus.sharding.ShardedProblem`).
    n_shards
        Number of shards; for a function, or for a problem that cuts itself (None: by the size of the data).
    sizes
        Number of points of each shard, if they are known: the largest begin, and small ones take fewer draws.
    strategy, max_points, min_coverage
        For a problem that cuts itself, as in `wilks.samplers.consensus.sharding.split`.
    n_draws
        Draws from each shard at most. A shard of n points takes min(1, n / 10 000) of them, but not fewer than 200 and
        50 for each parameter.
    combination
        ``"auto"``, ``"consensus"``, ``"gaussian_product"``, ``"robust"``, ``"hierarchical"``, ``"mixtures"``; for
        comparison ``"weighted_gaussian"`` and ``"simple_average"``.
    n_verified
        Points at which the full likelihood is evaluated to weight the combination.
    max_retries
        How often a shard that failed is tried again, with other random numbers.
    min_success
        Part of the shards without which nothing is combined. A posterior without all shards is one of fewer data, and
        is never called converged.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> Consensus(n_shards=8, strategy="balanced").combination
    'auto'
    """

    shards: Sequence[Problem] | Callable[[int], Problem] | None = None
    n_shards: int | None = None
    sizes: Sequence[int] | None = None
    strategy: Strategy = "balanced"
    max_points: int | None = None
    min_coverage: float = 0.8
    n_draws: int = 1000
    combination: str = "auto"
    n_verified: int = 4000
    max_retries: int = 2
    min_success: float = 0.9

    def __post_init__(self) -> None:
        """Check every option."""
        for name, least in (("n_draws", 100), ("n_verified", 100), ("max_retries", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidConfigurationError(f"{name}: expected an integer of at least {least}, got {value!r}")
        for name, least in (("n_shards", 2), ("max_points", 1)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise InvalidConfigurationError(
                    f"{name}: expected an integer of at least {least} or None, got {value!r}"
                )
        for name in ("min_success", "min_coverage"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise InvalidConfigurationError(f"{name}: expected a number from 0 to 1, got {value!r}")
        if self.combination != "auto" and self.combination not in METHODS:
            expected = f"'auto' or one of {', '.join(METHODS)}"
            raise InvalidConfigurationError(f"combination: expected {expected}, got {self.combination!r}")
        if self.strategy not in get_args(Strategy):
            expected = ", ".join(get_args(Strategy))
            raise InvalidConfigurationError(f"strategy: expected one of {expected}, got {self.strategy!r}")
        self._check_shards()

    def _check_shards(self) -> None:
        if self.shards is None:
            return
        if callable(self.shards):
            if self.n_shards is None:
                raise InvalidConfigurationError("n_shards: a function for shards needs their number, got None")
        else:
            wrong = [each for each in self.shards if not isinstance(each, Problem)]
            if len(self.shards) < 2 or wrong:
                raise InvalidConfigurationError(
                    f"shards: expected at least two problems, got {wrong[0] if wrong else self.shards!r:.200}"
                )
            if self.n_shards not in (None, len(self.shards)):
                raise InvalidConfigurationError(
                    f"n_shards: {len(self.shards)} problems were given, got n_shards={self.n_shards}; leave it out"
                )
        n = self.n_shards or len(self.shards)  # type: ignore[arg-type]  # a function has its number
        if self.sizes is not None and (len(self.sizes) != n or min(self.sizes) < 1):
            raise InvalidConfigurationError(
                f"sizes: expected a positive number for each of {n} shards, got {self.sizes!r:.200}"
            )

    def draws_of(self, size: int | None, dimension: int) -> int:
        """Number of draws from a shard of this size; None if it is not known.

        Examples
        --------
        >>> Consensus().draws_of(None, 3), Consensus().draws_of(4000, 3), Consensus().draws_of(100, 7)
        (1000, 400, 350)
        """
        if size is None:
            return self.n_draws
        wanted = int(self.n_draws * min(1.0, size / _FULL_SIZE))
        return min(self.n_draws, max(wanted, 200, 50 * dimension))
