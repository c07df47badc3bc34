"""The table of an earlier search as the beginning of the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidDataError
from wilks.facades.gfo.diagnostics import columns
from wilks.facades.gfo.options import guess
from wilks.facades.gfo.storage import Key, ObjectiveResult

if TYPE_CHECKING:
    from wilks.facades.gfo.space import SearchSpace


def warm_scores(table: Any, space: SearchSpace, identity: str) -> dict[Key, ObjectiveResult]:  # noqa: ANN401 - a table
    """Keys and results for the rows of a table; rows that a search of this space cannot visit are left out.

    Parameters
    ----------
    table
        A data frame, a list of dictionaries or a dictionary of sequences, with a column for every parameter and
        "score"; every other column is a metric.
    space
        The search space.
    identity
        First entry of the keys.

    Raises
    ------
    InvalidDataError
        If a column is missing, or no row lies in the space.
    """
    try:
        found = columns(table)
    except (TypeError, AttributeError):
        raise InvalidDataError(f"memory_warm_start: expected a table such as search_data, got {table!r:.80}") from None
    for name in ("score", *space.names):
        if name not in found:
            raise InvalidDataError(f"memory_warm_start: no column {name!r}; {guess(name, found)}")
    metrics = [name for name in found if name != "score" and name not in space.names]
    scores: dict[Key, ObjectiveResult] = {}
    n_rows = len(found["score"])
    for row in range(n_rows):
        numbers = space.exact({name: found[name][row] for name in space.names})
        if numbers is not None:
            key = (identity, *numbers.values())
            scores[key] = ObjectiveResult(float(found["score"][row]), {name: found[name][row] for name in metrics})
    if n_rows and not scores:
        first = {name: found[name][0] for name in space.names}
        raise InvalidDataError(
            f"memory_warm_start: none of {n_rows} rows is a point of this search space; the first is {first!r}"
        )
    return scores
