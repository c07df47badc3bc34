"""Shards of data: which point goes where, and how many shards there should be.

Every point is in exactly one shard. Four ways:

* ``"random"``: shuffled, then cut into equal parts.
* ``"balanced"``: the points of every label (the angle of a measurement, the night of an observation) are shuffled and
  dealt out over all shards, so that each shard holds every label in proportion and can determine what depends on it.
* ``"stratified"``: each shard holds one label only. A parameter that only other labels determine is left to the prior
  there.
* ``"contiguous"``: cut as they are. Shards then differ by what drifts along the data.

Size of a shard, unless it is given: a number of points by the table, times a factor for the number of labels, times
2000 / (number of draws) between 1/4 and 2, since a shard that is drawn from longer should cost as much; not below the
floor. A shard of too few points has a posterior far from a Gaussian, one of too many saves nothing.

=====================  ==========  =============  =============  ============  =======
points                 below 2e6   2e6 to 1e8     1e8 to 1e9     1e9 and more  floor
=====================  ==========  =============  =============  ============  =======
up to 5 parameters     10 000      15 000         15 000         20 000        5 000
more                   8 000       5 000          8 000          10 000        3 000
most shards            2 000       10 000         50 000         100 000
=====================  ==========  =============  =============  ============  =======

Factors for labels: 0.6 for up to 3, 0.7 up to 5, 0.85 up to 10, 1 for more, and 1 without labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.random import keyed_generator
from wilks.core.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.problem import Problem

Strategy = Literal["random", "balanced", "stratified", "contiguous"]

MIN_POINTS = 100_000
"""Number of points from which shards are worth it, unless somebody asks for them."""
_KEY = 61
_LIMITS = (2_000_000, 100_000_000, 1_000_000_000)
_FEW_PARAMETERS = 5
_SIZES_FEW, _FLOOR_FEW = (10_000, 15_000, 15_000, 20_000), 5_000
_SIZES_MANY, _FLOOR_MANY = (8_000, 5_000, 8_000, 10_000), 3_000
_MOST_SHARDS = (2_000, 10_000, 50_000, 100_000)
_LABEL_FACTORS = ((3, 0.6), (5, 0.7), (10, 0.85))
_TYPICAL_DRAWS = 2000
_LISTED = 20


class ShardedProblem(Protocol):
    """A problem that can be cut into shards; to be a `wilks.core.problem.Problem` besides."""

    n_points: int
    """Number of data points."""
    labels: NDArray[np.generic] | None
    """Label of every point for a balanced or stratified split, shape (n_points,); None if there are none."""

    def shards(self, indices: Sequence[NDArray[np.int64]]) -> Sequence[Problem]:
        """Return one problem for every array of point numbers; their likelihoods multiply to that of the whole."""
        ...


@dataclass(frozen=True, repr=False)
class Split:
    """Which points every shard holds.

    Attributes
    ----------
    indices
        An array of point numbers for every shard, ascending.
    coverage
        Part of the labels that every shard holds, shape (k,); ones without labels.
    strategy
        How it was made.
    n_points
        Number of points in all.
    """

    indices: tuple[NDArray[np.int64], ...]
    coverage: NDArray[np.float64]
    strategy: str
    n_points: int

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return len(self.indices)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of points of every shard."""
        return np.array([len(each) for each in self.indices], dtype=np.int64)

    @property
    def complete(self) -> bool:
        """Is every point in exactly one shard?"""
        return bool(np.array_equal(np.sort(np.concatenate(self.indices)), np.arange(self.n_points)))

    def table(self) -> Table:
        """Sizes and coverages, as a table."""
        shown = list(zip(self.sizes.tolist(), self.coverage.tolist(), strict=True))[:_LISTED]
        rows = tuple((str(number), str(size), f"{part:.0%}") for number, (size, part) in enumerate(shown))
        more = f"{self.n_shards - _LISTED} more shards; " if self.n_shards > _LISTED else ""
        used = "every point is in one shard" if self.complete else "NOT every point is in exactly one shard"
        title = f"{self.n_points} points in {self.n_shards} shards, {self.strategy}"
        return Table(title, ("shard", "points", "labels covered"), rows, f"{more}{used}.")

    def __repr__(self) -> str:
        """Return the table."""
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()


def default_size(n: int, dimension: int, n_draws: int = 1000, n_labels: int = 0) -> int:
    """Points per shard by the rule at the head of this module.

    Parameters
    ----------
    n, dimension
        Number of points and of parameters.
    n_draws
        Draws per shard, warmup included.
    n_labels
        Number of labels; 0 without.

    Examples
    --------
    >>> default_size(1_000_000, dimension=3, n_draws=2000), default_size(50_000_000, 7, 2000, n_labels=3)
    (10000, 3000)
    """
    few = dimension <= _FEW_PARAMETERS
    size = (_SIZES_FEW if few else _SIZES_MANY)[_column(n)]
    factor = next((factor for most, factor in _LABEL_FACTORS if 0 < n_labels <= most), 1.0)
    scaled = size * factor * min(max(_TYPICAL_DRAWS / n_draws, 0.25), 2.0)
    return max(int(scaled), _FLOOR_FEW if few else _FLOOR_MANY)


def n_shards_for(n: int, size: int) -> int:
    """Number of shards of at most `size` points, within the limit of the table."""
    return max(1, min(math.ceil(n / size), _MOST_SHARDS[_column(n)]))


def needs_shards(
    n: int, *, enable: bool | Literal["auto"] = "auto", n_shards: int | None = None, max_points: int | None = None
) -> bool:
    """Is it worth cutting n points? Above 100 000 points, or when a number or a size of shards is asked for.

    Examples
    --------
    >>> needs_shards(50_000), needs_shards(200_000), needs_shards(50_000, n_shards=4), needs_shards(10**6, enable=False)
    (False, True, True, False)
    """
    if enable != "auto":
        return bool(enable)
    return n_shards is not None or max_points is not None or n >= MIN_POINTS


def split(
    n: int,
    strategy: Strategy = "random",
    *,
    labels: ArrayLike | None = None,
    n_shards: int | None = None,
    max_points: int = 10_000,
    min_coverage: float = 0.8,
    seed: int = 0,
) -> Split:
    """Deal n points out to shards.

    Parameters
    ----------
    n
        Number of points.
    strategy
        ``"random"``, ``"balanced"``, ``"stratified"`` or ``"contiguous"``; see the head of this module.
    labels
        Label of every point, shape (n,).
    n_shards
        Number of shards; as many as `max_points` asks for when None. A stratified split may need more: at least one
        for each label.
    max_points
        Points per shard, for None; `default_size` has a rule for it.
    min_coverage
        Part of the labels that every shard of a balanced split has to hold. When `n_shards` is None there are as few
        shards as that takes.
    seed
        Of the shuffling.

    Raises
    ------
    InvalidConfigurationError
        If an argument is out of its range, a split by labels has none, or the coverage cannot be reached.

    Examples
    --------
    >>> found = split(10, "balanced", labels=[0] * 6 + [1] * 4, n_shards=2)
    >>> found.sizes.tolist(), found.coverage.tolist(), found.complete
    ([5, 5], [1.0, 1.0], True)
    """
    _check(n, strategy, n_shards, max_points, min_coverage)
    codes = _codes(labels, n)
    if codes is None and strategy in ("balanced", "stratified"):
        raise InvalidConfigurationError(f"labels: a {strategy} split needs the label of every point, got None")
    wanted = n_shards_for(n, max_points) if n_shards is None else n_shards
    order = np.arange(n) if strategy == "contiguous" else keyed_generator(seed, _KEY).permutation(n)
    if codes is None or strategy in ("random", "contiguous"):
        parts = np.array_split(order, wanted)
    elif strategy == "stratified":
        parts = _stratified(order, codes, wanted)
    else:
        parts = _balanced(order, codes, wanted)
        while n_shards is None and len(parts) > 1 and _coverage(parts, codes).min() < min_coverage:
            parts = _balanced(order, codes, max(1, int(0.8 * len(parts))))
    coverage = _coverage(parts, codes)
    if strategy == "balanced" and coverage.min() < min_coverage:
        raise InvalidConfigurationError(
            f"n_shards={n_shards}: a shard would hold {coverage.min():.0%} of the labels, where "
            f"min_coverage={min_coverage:g} is asked for; ask for fewer shards, or for less coverage"
        )
    return Split(tuple(np.sort(part) for part in parts), coverage, strategy, n)


def _check(n: int, strategy: str, n_shards: int | None, max_points: int, min_coverage: float) -> None:
    if strategy not in get_args(Strategy):
        raise InvalidConfigurationError(f"strategy: expected one of {', '.join(get_args(Strategy))}, got {strategy!r}")
    for name, value in (("n", n), ("n_shards", n_shards), ("max_points", max_points)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InvalidConfigurationError(f"{name}: expected a positive integer, got {value!r}")
    if n_shards is not None and n_shards > n:
        raise InvalidConfigurationError(f"n_shards: expected at most one for each of the {n} points, got {n_shards}")
    if not 0 <= min_coverage <= 1:
        raise InvalidConfigurationError(f"min_coverage: expected a number from 0 to 1, got {min_coverage!r}")


def _column(n: int) -> int:
    return sum(n >= limit for limit in _LIMITS)


def _codes(labels: ArrayLike | None, n: int) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.shape != (n,):
        raise InvalidConfigurationError(f"labels: expected one for each of the {n} points, got shape {array.shape}")
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def _stratified(order: NDArray[np.int64], codes: NDArray[np.int64], n_shards: int) -> list[NDArray[np.int64]]:
    """Shards of one label each, in proportion to the number of its points and at least one."""
    counts = np.bincount(codes)
    shares = n_shards * counts / counts.sum()
    n_parts = np.maximum(1, np.floor(shares)).astype(int)
    rest = np.argsort(n_parts - shares, kind="stable")  # those that miss most first
    n_parts[rest[: max(0, n_shards - int(n_parts.sum()))]] += 1
    sorted_codes = codes[order]
    return [
        part
        for code in range(len(counts))
        for part in np.array_split(order[sorted_codes == code], min(int(n_parts[code]), int(counts[code])))
    ]


def _balanced(order: NDArray[np.int64], codes: NDArray[np.int64], n_shards: int) -> list[NDArray[np.int64]]:
    """Deal the shuffled points of one label after another out, going on where the label before has ended."""
    dealt = order[np.argsort(codes[order], kind="stable")]
    return [dealt[first::n_shards] for first in range(n_shards)]


def _coverage(parts: Sequence[NDArray[np.int64]], codes: NDArray[np.int64] | None) -> NDArray[np.float64]:
    if codes is None:
        return np.ones(len(parts))
    n_labels = int(codes.max()) + 1
    return np.array([len(np.unique(codes[part])) / n_labels for part in parts])
