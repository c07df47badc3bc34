r"""Likelihoods of data in shards, of which a few numbers that add say everything.

Let the data be the shards :math:`y_1, \dots, y_K`, and let there be a function s of the parameters and of one shard,
with values in R^k, such that the log-likelihood of all data is

.. math:: \log L(\theta) = \ell(\theta, S(\theta)), \qquad S(\theta) = \sum_{i=1}^K s(\theta, y_i)            (1)

Then K workers can each go through their own shard, and k numbers per worker and point give the likelihood of the whole:
no approximation is made, and nothing is left to combine afterwards. A sum of log-likelihoods is the case k = 1 with
:math:`\ell = S`; parameters that integrate out in closed form need some more numbers.

Floating-point sums depend on their order. Here it is that of a binary tree over the numbers of the shards, whoever has
which shard: a block of :math:`2^m` shards that begins at a multiple of :math:`2^m` is the sum of its halves (pairwise
summation, error :math:`O(\log K)`; N. J. Higham, SIAM J. Sci. Comput. 14, 783, 1993). A worker adds the complete blocks
among its shards, and the rest of the tree is the same everywhere, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import EvaluationError, InvalidProblemError
from wilks.core.problem import LikelihoodProblem, name_of, require_callable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.parameter import Value
    from wilks.core.problem import Function, Problem, Values
    from wilks.core.space import Space

    Sums = Callable[[Values, Any], ArrayLike]
    LogLikelihoodOfTotal = Callable[[Values, NDArray[np.float64]], Any]


@dataclass(frozen=True)
class Block:
    """Sums over the shards from ``position * 2**level`` up to the next multiple of ``2**level``, or to the last one."""

    level: int
    position: int
    sums: NDArray[np.float64]


def merged(blocks: Iterable[Block]) -> list[Block]:
    """Add the blocks of adjacent shards, given in order, as far as they are halves of a block.

    Examples
    --------
    >>> ones = [Block(0, position, np.ones(1)) for position in range(1, 4)]
    >>> [(block.level, block.position, block.sums.tolist()) for block in merged(ones)]
    [(0, 1, [1.0]), (1, 1, [2.0])]
    """
    found: list[Block] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for block in blocks:
            right = block
            while found and found[-1].level == right.level and found[-1].position % 2 == 0:
                left = found.pop()
                right = Block(left.level + 1, left.position // 2, left.sums + right.sums)
            found.append(right)
    return found


def total_of(blocks: Iterable[Block]) -> NDArray[np.float64]:
    """Sum of the blocks of all shards, given in order."""
    *others, last = merged(blocks)
    total = last.sums
    with np.errstate(over="ignore", invalid="ignore"):
        for block in reversed(others):
            total = block.sums + total
    return total


@dataclass(frozen=True)
class Shards:
    """Some shards of the data, one after another, and the numbers that add over them.

    Parameters
    ----------
    data
        The shards.
    sums
        The user's function of values and one shard.
    vectorized
        Does it take arrays of values?
    first, n_all
        Number of the first of these shards, and how many there are in all.
    """

    data: tuple[Any, ...]
    sums: Sums
    vectorized: bool
    first: int
    n_all: int

    def part(self, start: int, stop: int) -> Shards:
        """Some of these shards."""
        return Shards(self.data[start:stop], self.sums, self.vectorized, self.first + start, self.n_all)

    def name(self, index: int) -> str:
        """Which shard it is, for messages."""
        return f"shard {self.first + index} of {self.n_all} (counted from 0)"

    def sums_of(self, index: int, values: Values) -> NDArray[np.float64]:
        """Numbers of one shard, shape (k,), or (n, k) for arrays of n values; NaN where they are not defined.

        Raises
        ------
        InvalidProblemError
            If the user's function returns something else; or whatever it raises, with the number of the shard.
        """
        with _Noted(self.name(index)):
            raw = self.sums(own(values), self.data[index])
        array = np.asarray(raw)
        n = n_points(values) if self.vectorized else None
        expected = "(k,)" if n is None else f"({n}, k), one row for each point"
        shape = array.shape[:-1] if array.ndim else None
        if array.dtype.kind not in "fiu" or shape != (() if n is None else (n,)) or not array.shape[-1]:
            got = f"shape {array.shape} of dtype {array.dtype}" if array.ndim else f"{raw!r:.200}"
            raise InvalidProblemError(
                f"sums, {self.name(index)}: expected an array of floats of shape {expected}, got {got}"
            )
        return array.astype(float)

    def require_alike(self, index: int, n: int, n_before: int) -> None:
        """Refuse a shard that has another number of sums than those before it."""
        if n != n_before:
            raise InvalidProblemError(
                f"sums, {self.name(index)}: {n} numbers, where the shards before have {n_before}; "
                "only numbers that every shard has can be added"
            )

    def undefined(self, index: int, sums: NDArray[np.float64]) -> str:
        """What is wrong with NaN among the numbers of a point; empty where there is none."""
        n = int(np.count_nonzero(np.isnan(sums)))
        return f"sums, {self.name(index)}: {n} of {sums.size} numbers are NaN" if n else ""

    def total(self, values: Values) -> NDArray[np.float64]:
        """Sums over these shards, shape (k,) or (n, k)."""
        return total_of(self._blocks(values))

    def _blocks(self, values: Values) -> Iterable[Block]:
        n_before = 0
        for index in range(len(self.data)):
            sums = self.sums_of(index, values)
            n_before = n_before or sums.shape[-1]
            self.require_alike(index, sums.shape[-1], n_before)
            if complaint := self.undefined(index, sums):
                raise EvaluationError(complaint)
            yield Block(0, self.first + index, sums)


class AdditiveProblem(LikelihoodProblem):
    """A likelihood of data in shards, of which each is needed for a few numbers that add.

    The log-likelihood is that of all data, exactly, so everything that is derived from it is too: fits, profiles and
    posteriors. In one process the shards are gone through one after another; `wilks.ShardedExecutor` spreads them over
    workers that keep them.

    Parameters
    ----------
    space
        The parameters.
    shards
        The pieces of the data: arrays, names of files with a range of rows, anything that can be pickled. What large
        data are read from is better than the data: then only the worker that needs them has them.
    sums
        Function of a dictionary of values and of one shard that returns a 1-D array of numbers that add over shards.
    log_likelihood
        Function of the dictionary and of the total of these arrays over all shards that returns one float.
    constraints, name
        As for `LikelihoodProblem`.
    vectorized
        Both functions take a dictionary of arrays of shape (n,): `sums` returns an array of shape (n, k), and
        `log_likelihood`, given the total of that shape, one of shape (n,). Data that are read for one point are then
        read for all.

    Raises
    ------
    InvalidProblemError
        If there are no shards, or a function cannot be called.

    Examples
    --------
    The mean and the width of a normal distribution, from numbers in three shards. Their count, sum and sum of squares
    say everything:

    >>> import numpy as np, wilks
    >>> shards = np.split(np.random.default_rng(1).normal(3.0, 2.0, 3000), 3)
    >>> def sums(values, shard):
    ...     return [len(shard), shard.sum(), (shard**2).sum()]
    >>> def log_likelihood(values, total):
    ...     n, s, s2 = total
    ...     mean, width = values["mean"], values["width"]
    ...     return -n * np.log(width) - 0.5 * (s2 - 2 * mean * s + n * mean**2) / width**2
    >>> space = wilks.Space(mean=wilks.Real(-10, 10), width=wilks.Real(0.1, 10))
    >>> problem = AdditiveProblem(space, shards, sums, log_likelihood)
    >>> fit = wilks.fit(problem, seed=1)
    >>> bool(np.isclose(fit.best["mean"], np.mean(np.concatenate(shards)), rtol=1e-4))
    True
    """

    def __init__(
        self,
        space: Space,
        shards: Sequence[Any] | NDArray[Any],
        sums: Sums,
        log_likelihood: LogLikelihoodOfTotal,
        *,
        constraints: Sequence[Function] | Function = (),
        vectorized: bool = False,
        name: str = "",
        _root: Problem | None = None,
    ) -> None:
        require_callable(sums, "sums")
        require_callable(log_likelihood, "log_likelihood")
        pieces = _pieces(shards)
        self.shards = pieces
        self.sums = sums
        self.additive = Shards(pieces, sums, vectorized, 0, len(pieces))
        self.log_likelihood_of_total = log_likelihood
        super().__init__(
            space,
            _Whole(self.additive, log_likelihood),
            constraints=constraints,
            vectorized=vectorized,
            name=name or name_of(log_likelihood),
            _root=_root,
        )

    def fix(self, **values: Value) -> AdditiveProblem:
        """Return the same problem with some parameters fixed."""
        return AdditiveProblem(
            self.space.fix(**values),
            self.shards,
            self.sums,
            self.log_likelihood_of_total,
            constraints=self.constraints,
            vectorized=self.vectorized,
            name=self.name,
            _root=self.root,
        )

    def functions(self) -> tuple[object, ...]:
        """The user's functions and the shards."""
        return (self.sums, self.log_likelihood_of_total, self.shards)


@dataclass(frozen=True)
class _Whole:
    """Log-likelihood of all shards."""

    shards: Shards
    log_likelihood: LogLikelihoodOfTotal

    def __call__(self, values: Values) -> Any:  # noqa: ANN401 - the user's answer
        total = self.shards.total(values)
        return self.log_likelihood(own(values), total)


class _Noted:
    """Adds to an exception where it happened."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing has happened yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Add a note."""
        if error is not None:
            error.add_note(f"in {self._where}")


def own(values: Values) -> dict[str, Any]:
    """Return a copy that a user's function may change."""
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def n_points(values: Mapping[str, Any]) -> int:
    """Number of points in a dictionary of arrays."""
    return next((len(value) for value in values.values() if np.ndim(value) == 1), 1)


def _pieces(shards: object) -> tuple[Any, ...]:
    is_sequence = hasattr(shards, "__len__") and hasattr(shards, "__getitem__") and not hasattr(shards, "keys")
    if not is_sequence or isinstance(shards, (str, bytes)) or getattr(shards, "shape", None) == () or not len(shards):  # type: ignore[arg-type]  # just checked
        raise InvalidProblemError(
            f"shards: expected a list of the pieces of the data, at least one, got {shards!r:.200}; a single piece "
            "goes into a list too"
        )
    return tuple(shards)  # type: ignore[arg-type]  # just checked
