"""What a search has found, row by row, in the user's units; a few numbers for each row, in growing arrays."""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import NDArray

    from wilks.facades.gfo.space import SearchSpace

_SUFFIX = "_metric"


def _floats() -> array[float]:
    return array("d")


@dataclass
class Records:
    """Everything that was evaluated.

    Attributes
    ----------
    space
        The search space.
    sign
        1 when the score is maximised, -1 when it is minimised.
    numbers
        Numbers of the free parameters, row after row.
    scores
        Scores in the user's units.
    best_so_far
        The best score up to each row.
    eval_times, iter_times
        Seconds in the objective, and from the end of one iteration to the end of the next.
    metrics
        Row -> metrics, where there are any.
    best_row, best
        Row of the best finite score, -1 without one, and its log-likelihood, which is the score with the sign.
    n_init
        Number of rows of the initialisation.
    n_cached, n_caught
        Rows whose score was remembered, and those where the objective raised something that was caught.
    """

    space: SearchSpace
    sign: float = 1.0
    numbers: array[float] = field(default_factory=_floats)
    scores: array[float] = field(default_factory=_floats)
    best_so_far: array[float] = field(default_factory=_floats)
    eval_times: array[float] = field(default_factory=_floats)
    iter_times: array[float] = field(default_factory=_floats)
    metrics: dict[int, dict[str, Any]] = field(default_factory=dict)
    best_row: int = -1
    best: float = -math.inf
    n_init: int = 0
    n_cached: int = 0
    n_caught: int = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.scores)

    def add(self, numbers: Iterable[float], score: float, eval_time: float, iter_time: float) -> float:
        """Enter a row; return its log-likelihood, minus infinity where the score is no finite number."""
        self.numbers.extend(numbers)
        sign = self.sign
        value = sign * score
        if not -math.inf < value < math.inf:
            value = -math.inf
        elif value > self.best:
            self.best, self.best_row = value, len(self.scores)
        self.best_so_far.append(sign * self.best)
        self.eval_times.append(eval_time)
        self.iter_times.append(iter_time)
        self.scores.append(score)  # the last one: Ctrl-C may come between any two lines, see `mend`
        return value

    def mend(self) -> None:
        """Take back what Ctrl-C left of a row."""
        n = len(self.scores)
        del self.numbers[n * len(self.space.free) :]
        for column in (self.best_so_far, self.eval_times, self.iter_times):
            del column[n:]
        if self.best_row >= n:
            self.best_row = self.best_within(n)
            self.best = self.sign * self.scores[self.best_row] if self.best_row >= 0 else -math.inf

    def best_within(self, n: int) -> int:
        """Row of the best finite score among the first `n`, -1 without one."""
        finite = [position for position in range(n) if math.isfinite(self.scores[position])]
        return max(finite, key=lambda position: self.sign * self.scores[position], default=-1)

    @property
    def best_score(self) -> float:
        """The best score; infinite, in the bad direction, without one."""
        return self.sign * self.best

    def row(self, position: int) -> array[float]:
        """Numbers of a row."""
        d = len(self.space.free)
        return self.numbers[position * d : (position + 1) * d]

    def para(self, position: int) -> dict[str, Any]:
        """Values of a row."""
        return self.space.para_of_row(self.row(position))

    @property
    def table(self) -> NDArray[np.float64]:
        """Numbers, shape (n, number of free parameters)."""
        return np.array(self.numbers).reshape(len(self), len(self.space.free))

    def best_points(self, n: int) -> list[dict[str, Any]]:
        """Numbers by name of the best different points, best first."""
        values = self.sign * np.array(self.scores)
        values[~np.isfinite(values)] = -math.inf
        found: dict[tuple[float, ...], None] = {}
        for position in np.argsort(-values, kind="stable").tolist():
            if len(found) == n or values[position] == -math.inf:
                break
            found.setdefault(tuple(self.row(position)))
        return [dict(zip(self.space.free, row, strict=True)) for row in found]

    def to_dataframe(self) -> pd.DataFrame:
        """Score, metrics and values, one row for each evaluation, in order."""
        import pandas as pd

        columns: dict[str, Any] = {"score": np.array(self.scores)}
        taken = {"score", *self.space.names}
        for name in dict.fromkeys(itertools.chain.from_iterable(self.metrics.values())):
            column: list[Any] = [math.nan] * len(self)
            for position, metrics in self.metrics.items():
                if name in metrics:
                    column[position] = metrics[name]
            columns[_free_name(str(name), taken)] = pd.Series(column)
        for name, values in self.space.columns(self.table).items():
            columns[name] = values if isinstance(values, np.ndarray) else _series(values)
        return pd.DataFrame(columns)


def _series(values: list[Any]) -> pd.Series[Any]:
    """A column of any objects, none of which pandas takes apart."""
    import pandas as pd

    column = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        column[position] = value
    return pd.Series(column).infer_objects()


def _free_name(name: str, taken: set[str]) -> str:
    """A name for the column of a metric that no other column has."""
    while name in taken:
        name += _SUFFIX
    taken.add(name)
    return name


class Convergence(Sequence[float]):
    """The best score at each iteration so far: a list to read that is not copied.

    Examples
    --------
    >>> view = Convergence(array("d", [1.0, 2.0, 2.0, 5.0]), 3)
    >>> len(view), view[-1], view[:2], view == [1.0, 2.0, 2.0]
    (3, 2.0, [1.0, 2.0], True)
    """

    __slots__ = ("_scores", "_size")

    def __init__(self, scores: array[float], size: int) -> None:
        self._scores = scores
        self._size = size

    def __len__(self) -> int:
        """Return the number of iterations."""
        return self._size

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> list[float]: ...

    def __getitem__(self, index: int | slice) -> float | list[float]:
        """Return one best score, or a list of some."""
        if isinstance(index, slice):
            return [self._scores[i] for i in range(*index.indices(self._size))]
        return self._scores[range(self._size)[index]]

    def __eq__(self, other: object) -> bool:
        """Equal to every sequence of the same numbers."""
        return isinstance(other, Sequence) and len(other) == self._size and all(map(float.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401 - NumPy's protocol
        """For NumPy: an array of its own."""
        return np.array(self._scores[: self._size], dtype=dtype)

    def __repr__(self) -> str:
        """Return the numbers as a list shows them."""
        return repr(self[:])
