"""Rows of a log in the user's terms: names and decoded values instead of arrays of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wilks.core.proposal import EvaluationStatus, Phase
from wilks.store.conventions import names_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from enum import IntEnum

    import pandas as pd
    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.core.space import Space
    from wilks.store.rows import Arrays

EXTRAS = ("log_likelihood", "phase", "status", "seconds", "worker", "stage")
"""Columns after the parameters."""


class Codes(NamedTuple):
    """A column with few different values: a list of them, and for every row the position in the list."""

    values: list[Value]
    positions: NDArray[np.intp]


def column_names(free: Sequence[str]) -> list[str]:
    """Names of all columns of a table; an extra column gives way to a parameter of the same name.

    Examples
    --------
    >>> column_names(["x", "phase"])
    ['x', 'phase', 'log_likelihood', 'phase_', 'status', 'seconds', 'worker', 'stage']
    """
    return [*free, *names_beside(free, EXTRAS)]


def name_of(kind: type[IntEnum], code: int) -> str:
    """Lower-case name of a phase or a status; the number itself when this version does not know it.

    Examples
    --------
    >>> name_of(EvaluationStatus, 2)
    'failed'
    """
    known = {int(member): member.name.lower() for member in kind}
    return known.get(code, str(code))


def decoded(block: Arrays, space: Space, titles: Sequence[str]) -> dict[str, NDArray[Any] | Codes]:
    """The columns of a table: real parameters as arrays, what has few values as `Codes`."""
    columns: list[NDArray[Any] | Codes] = []
    for number, name in enumerate(space.free):
        theta, domain = block["thetas"][:, number], space[name]
        columns.append(theta if domain.n_values is None else _codes(theta, domain.decode))
    columns += [
        block["log_likelihoods"],
        _codes(block["phases"], lambda code: name_of(Phase, int(code))),
        _codes(block["statuses"], lambda code: name_of(EvaluationStatus, int(code))),
        block["seconds"],
        block["workers"],
        _codes(block["stages"], lambda code: titles[int(code)]),
    ]
    return dict(zip(column_names(space.free), columns, strict=True))


def _codes(column: NDArray[Any], decode: Callable[[Any], Value]) -> Codes:
    distinct, positions = np.unique(column, return_inverse=True)
    return Codes([decode(item) for item in distinct.tolist()], positions.astype(np.intp, copy=False))


def to_dataframe(blocks: Iterable[Arrays], space: Space | None, titles: Sequence[str]) -> pd.DataFrame:
    """One row per evaluation: values by name (constants left out), then the extra columns."""
    import pandas as pd

    frames = [
        pd.DataFrame(
            {
                name: pd.Series(column.values).take(column.positions).array if isinstance(column, Codes) else column
                for name, column in decoded(block, space, titles).items()
            }
        )
        for block in blocks
        if space is not None
    ]
    if not frames:
        return pd.DataFrame(columns=column_names(space.free if space else ()))
    return pd.concat(frames, ignore_index=True)


def top(blocks: Iterable[Arrays], n: int) -> NDArray[np.float64] | None:
    """The `n` best points with a finite log-likelihood, best first, no point twice; None without rows."""
    thetas: NDArray[np.float64] | None = None
    values = np.empty(0)
    for block in blocks:
        new = block["log_likelihoods"]
        # Most blocks of a long run hold nothing that is better than what there is.
        wanted = np.isfinite(new) & (new > (values[-1] if len(values) == n else -np.inf))
        kept = block["thetas"][:0] if thetas is None else thetas
        thetas = np.concatenate([kept, block["thetas"][wanted]])
        values = np.concatenate([values, new[wanted]])
        order = np.argsort(-values, kind="stable")
        _, first = np.unique(thetas[order], axis=0, return_index=True)
        chosen = order[np.sort(first)[:n]]
        thetas, values = thetas[chosen], values[chosen]
    return thetas


def top_apart(blocks: Iterable[Arrays], n: int, apart: float, space: Space) -> NDArray[np.float64] | None:
    """The best point, then again and again the best that is farther than `apart` from all chosen; None without rows."""
    thetas: NDArray[np.float64] | None = None
    values = np.empty(0)
    for block in blocks:
        new = block["log_likelihoods"]
        wanted = np.isfinite(new) & (new > (values[-1] if len(values) == n else -np.inf))
        kept = block["thetas"][:0] if thetas is None else thetas
        thetas = np.concatenate([kept, block["thetas"][wanted]])
        values = np.concatenate([values, new[wanted]])
        chosen = _apart(space.to_unit(thetas), values, n, apart)
        thetas, values = thetas[chosen], values[chosen]
    return thetas


def _apart(units: NDArray[np.float64], values: NDArray[np.float64], n: int, apart: float) -> list[int]:
    left = values.copy()
    chosen: list[int] = []
    while len(chosen) < n and len(left):
        at = int(np.argmax(left))
        if left[at] == -np.inf:
            break
        chosen.append(at)
        left[np.abs(units - units[at]).max(axis=1) <= apart] = -np.inf
    return chosen
