"""Is there anything that the constraints allow? Asked when an optimiser is made, so that no search hangs over it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidProblemError
from wilks.core.random import keyed_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wilks.facades.gfo.space import SearchSpace

_DRAWS, _MOST_DRAWS, _BLOCK = 10_000, 100_000, 100
_PATIENCE = 2.0
_COMMON = 0.01
_KEY = 0xFEA5


def is_allowed(space: SearchSpace, constraints: Iterable[Callable[..., Any]], numbers: Mapping[str, Any]) -> bool:
    """Do all constraints allow a point? Each is given a dictionary of its own, which it may change."""
    return all(constraint(space.para(numbers)) for constraint in constraints)


def allowed_points(
    space: SearchSpace,
    constraints: Sequence[Callable[..., Any]],
    given: Sequence[dict[str, float]],
    seed: int,
    n_wanted: int,
) -> list[dict[str, float]]:
    """Draw points until enough are allowed; return them where the constraints allow little, and none elsewhere.

    Where little is allowed, the designs of the initialisation would hit nothing. While nothing is found at all, the
    draws go on for a few seconds at most.

    Parameters
    ----------
    space
        The search space.
    constraints
        The user's functions.
    given
        Numbers of the points that the user wants to start from.
    seed
        Of the draws.
    n_wanted
        Number of points that are enough.

    Raises
    ------
    InvalidProblemError
        If none is allowed, neither of those drawn nor of those given.
    """
    found: list[dict[str, float]] = []
    generator = keyed_generator(seed, _KEY)
    n_drawn = 0
    until = time.perf_counter() + _PATIENCE
    while len(found) < n_wanted:
        if n_drawn >= _DRAWS and (found or n_drawn >= _MOST_DRAWS or time.perf_counter() > until):
            break
        units = generator.random((_BLOCK, space.space.dimension))
        for row in space.space.from_unit(units).tolist():
            numbers = space.snapped(space.space.values_of_row(row))
            if is_allowed(space, constraints, numbers):
                found.append(numbers)
        n_drawn += _BLOCK
    if not found and not any(is_allowed(space, constraints, point) for point in given):
        raise InvalidProblemError(
            f"constraints: 0 of {n_drawn} random points of the search space are allowed; check that the constraints "
            "return True for valid points, narrow the search space, or give a valid point as "
            "initialize={'warm_start': [...]}"
        )
    return found[:n_wanted] if len(found) < _COMMON * n_drawn else []
