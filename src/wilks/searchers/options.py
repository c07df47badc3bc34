"""Checks of the options of searches, with one kind of message."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from wilks.core.space import Space


def check_count(owner: object, name: str, *, least: int = 1, optional: bool = False) -> None:
    """Raise unless the option is an integer of at least `least`, or None where it is optional.

    Raises
    ------
    InvalidConfigurationError
        If it is not.
    """
    n = getattr(owner, name)
    if optional and n is None:
        return
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < least:
        expected = f"an integer >= {least}{' or None' if optional else ''}"
        raise InvalidConfigurationError(f"{type(owner).__name__}: {name}: expected {expected}, got {n!r}")


def check_number(owner: object, name: str, low: float, high: float, *, optional: bool = False) -> None:
    """Raise unless the option is a finite number in [low, high], or None where it is optional.

    Raises
    ------
    InvalidConfigurationError
        If it is not.
    """
    x = getattr(owner, name)
    if optional and x is None:
        return
    if isinstance(x, bool) or not isinstance(x, (int, float)) or not (math.isfinite(x) and low <= x <= high):
        interval = f"of at least {low:g}" if high == math.inf else f"in [{low:g}, {high:g}]"
        expected = f"a number {interval}{' or None' if optional else ''}"
        raise InvalidConfigurationError(f"{type(owner).__name__}: {name}: expected {expected}, got {x!r}")


def check_reals(owner: object, space: Space) -> None:
    """Raise unless the space has a real parameter.

    Raises
    ------
    InvalidConfigurationError
        If it has none.
    """
    if not space.is_continuous.any():
        raise InvalidConfigurationError(
            f"{type(owner).__name__}: local ascents need a real parameter, got {', '.join(space.free)}, which are "
            "discrete; use another algorithm"
        )
