"""Diagnostics of a search as data: plain functions of scores and tables, and an accessor that runs them on a search.

The functions take a search table in any form: a data frame, a list of dictionaries, or a dictionary of sequences, with
a column "score"; where only scores matter, a list of scores will do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.facades.gfo.records import Records
    from wilks.searchers.tempering.diagnostics import TemperingDiagnostics

Direction = float
"""1 when the score is maximised, -1 when it is minimised."""


def columns(table: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - any kind of table
    """A search table, whatever its form, as columns by name.

    Examples
    --------
    >>> columns([{"score": 1.0, "x": 2}, {"score": 3.0, "x": 4}])
    {'score': [1.0, 3.0], 'x': [2, 4]}
    """
    if hasattr(table, "columns"):  # of pandas or polars
        return {str(name): list(table[name]) for name in table.columns}
    if isinstance(table, Mapping):
        return {str(name): list(values) for name, values in table.items()}
    rows = list(table)
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): [row.get(name, math.nan) for row in rows] for name in names}


def scores_of(table: Any) -> NDArray[np.float64]:  # noqa: ANN401 - a table or scores
    """Scores of a table, or the scores themselves, as an array."""
    is_table = hasattr(table, "columns") or isinstance(table, Mapping)
    if not is_table and (len(table) == 0 or not isinstance(table[0], Mapping)):
        return np.array(table, dtype=float)
    return np.array(columns(table)["score"], dtype=float)


def score_statistics(table: Any) -> dict[str, float]:  # noqa: ANN401 - a table or scores
    """Number, minimum, maximum, mean, standard deviation and quartiles of the finite scores, and how many are not.

    Examples
    --------
    >>> score_statistics([1.0, 3.0, float("nan")])["mean"]
    2.0
    """
    scores = scores_of(table)
    finite = scores[np.isfinite(scores)]
    found: dict[str, float] = {"n": len(scores), "n_invalid": len(scores) - len(finite)}
    quartiles = np.quantile(finite, [0.25, 0.5, 0.75]).tolist() if len(finite) else [math.nan] * 3
    values = [finite.min(), finite.max(), finite.mean(), finite.std()] if len(finite) else [math.nan] * 4
    found |= dict(zip(("min", "max", "mean", "std"), map(float, values), strict=True))
    return found | dict(zip(("quartile_1", "median", "quartile_3"), quartiles, strict=True))


def convergence(table: Any, direction: Direction = 1.0) -> NDArray[np.float64]:  # noqa: ANN401 - a table or scores
    """The best score up to each iteration; infinite, in the bad direction, before the first finite one.

    Examples
    --------
    >>> convergence([1.0, 3.0, 2.0]).tolist(), convergence([2.0, 3.0, 1.0], -1.0).tolist()
    ([1.0, 3.0, 3.0], [2.0, 2.0, 1.0])
    """
    values = direction * scores_of(table)
    values[~np.isfinite(values)] = -math.inf
    best: NDArray[np.float64] = direction * np.maximum.accumulate(values)
    return best


def improvements(table: Any, direction: Direction = 1.0) -> list[int]:  # noqa: ANN401 - a table or scores
    """Iterations that brought a new best score.

    Examples
    --------
    >>> improvements([1.0, 3.0, 2.0, 4.0])
    [0, 1, 3]
    """
    values = np.concatenate([[-math.inf], direction * convergence(table, direction)])
    found: list[int] = np.flatnonzero(values[1:] > values[:-1]).tolist()
    return found


def longest_plateau(table: Any, direction: Direction = 1.0) -> int:  # noqa: ANN401 - a table or scores
    """Largest number of iterations in a row without an improvement.

    Examples
    --------
    >>> longest_plateau([1.0, 0.0, 0.0, 2.0, 1.0])
    2
    """
    ends = [*improvements(table, direction), len(scores_of(table))]
    return max((after - before - 1 for before, after in zip([-1, *ends], ends, strict=False)), default=0)


def parameter_statistics(table: Any, best: int = 10, direction: Direction = 1.0) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    """For every column but the score: number of different values, and those of the best iterations.

    Examples
    --------
    >>> parameter_statistics({"score": [1.0, 3.0, 2.0], "x": [5, 6, 6]}, best=2)
    {'x': {'n_different': 2, 'best': [6, 6]}}
    """
    found = columns(table)
    values = direction * scores_of(table)
    values[~np.isfinite(values)] = -math.inf
    order = np.argsort(-values, kind="stable")[:best].tolist()
    return {
        name: {"n_different": len(set(map(repr, column))), "best": [column[row] for row in order]}
        for name, column in found.items()
        if name != "score"
    }


class DiagnosticsAccessor:
    """The diagnostics of one search.

    Parameters
    ----------
    records
        What was evaluated.
    course
        What the replicas did; None for a method without replicas.
    """

    def __init__(self, records: Records, course: TemperingDiagnostics | None) -> None:
        self._records = records
        self._course = course

    def score_statistics(self) -> dict[str, float]:
        """Statistics of the scores; see `diagnostics.score_statistics`."""
        return score_statistics(self._records.scores)

    def convergence(self) -> NDArray[np.float64]:
        """The best score up to each iteration."""
        return np.array(self._records.best_so_far)

    def improvements(self) -> list[int]:
        """Iterations that brought a new best score."""
        return improvements(self._records.scores, self._records.sign)

    def longest_plateau(self) -> int:
        """Largest number of iterations in a row without an improvement."""
        return longest_plateau(self._records.scores, self._records.sign)

    def parameter_statistics(self, best: int = 10) -> dict[str, dict[str, Any]]:
        """For every parameter: number of different values, and those of the best iterations."""
        table = {"score": self._records.scores, **self._records.space.columns(self._records.table)}
        return parameter_statistics(table, best, self._records.sign)

    def times(self) -> dict[str, NDArray[np.float64]]:
        """Seconds in the objective, and of the whole iteration, for each iteration."""
        return {"evaluation": np.array(self._records.eval_times), "iteration": np.array(self._records.iter_times)}

    def counts(self) -> dict[str, int]:
        """Iterations in all, of the initialisation, from memory, and with an exception that was caught."""
        records = self._records
        n_init = min(len(records), records.n_init)
        return {"n_iter": len(records), "n_init": n_init, "n_cached": records.n_cached, "n_caught": records.n_caught}

    # Parallel tempering

    @property
    def tempering(self) -> TemperingDiagnostics:
        """Everything about the replicas.

        Raises
        ------
        AttributeError
            If the method has no replicas, or none has moved yet.
        """
        if self._course is None:
            raise AttributeError(
                "there are no replicas: the method has none, or the search ended within its first points"
            )
        return self._course

    def ladder(self) -> NDArray[np.float64]:
        """Temperatures of the rungs, coldest first, in units of the score."""
        return self.tempering.ladder

    def ladder_history(self) -> dict[str, NDArray[Any]]:
        """Sweeps at which the ladder was adapted, and the temperatures then, shape (n, number of rungs)."""
        sweeps, temperatures = self.tempering.ladder_history
        return {"sweeps": sweeps, "temperatures": temperatures}

    def swap_rates(self) -> NDArray[np.float64]:
        """Mean probability of a swap between neighbouring rungs."""
        return self.tempering.swap_rates

    def swaps(self) -> dict[str, NDArray[np.int64]]:
        """Attempts and swaps of every pair of neighbouring rungs."""
        return {"attempts": self.tempering.swap_attempts, "accepted": self.tempering.swaps}

    def acceptance(self) -> NDArray[np.float64]:
        """Share of the moves that were accepted on every rung."""
        return self.tempering.acceptance

    def trajectory(self) -> NDArray[np.int64]:
        """Replica on every rung, shape (number of records, number of rungs)."""
        return self.tempering.trajectory

    def round_trips(self) -> int:
        """Journeys of a replica from the coldest rung to the hottest and back."""
        return self.tempering.round_trips

    def round_trip_rate(self) -> float:
        """Round trips per sweep."""
        return self.tempering.round_trip_rate

    def barrier(self) -> float:
        """Sum of the rejection rates of all pairs: how hard it is to travel along the ladder."""
        return self.tempering.barrier

    def __repr__(self) -> str:
        """Return the names of what can be asked."""
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"<diagnostics of {len(self._records)} iterations: {', '.join(names)}>"
