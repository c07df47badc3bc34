"""Options of a profile map that are rarely needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from wilks.core.errors import InvalidConfigurationError

_INNER = ("local", "global")


@dataclass(frozen=True)
class ProfileOptions:
    """How a profile map is made.

    Parameters
    ----------
    accuracy
        Of the values in the map, in log-likelihood: how far a cell that is accepted by one evaluation may differ from
        its prediction. Every other cell is optimised to a hundredth of it.
    inner
        Search of a cell: ``"local"``, from the solutions that its neighbours predict; or ``"global"``, differential
        evolution in every cell, and from every start of the search for optima, for likelihoods whose optima are too
        many to be followed. That costs hundreds of evaluations a cell and thousands a start; `max_starts` limits it.
    n_optima
        What is known of the number of optima in the region of interest: exactly so many, or (least, most) with None
        for what is not known. The search for optima ends as soon as the most are found, and not before the least.
    max_starts
        Most random starts of the search for optima; None for 12 in each dimension, and 40 at least; 0 for none, where
        what is given as `start` holds all optima.
    max_passes
        Most rounds of second chances for the cells.

    Raises
    ------
    InvalidConfigurationError
        If a value cannot be used.

    Examples
    --------
    >>> ProfileOptions(accuracy=1e-5).inner
    'local'
    """

    accuracy: float = 1e-3
    inner: Literal["local", "global"] = "local"
    n_optima: int | tuple[int | None, int | None] | None = None
    max_starts: int | None = None
    max_passes: int = 12

    def __post_init__(self) -> None:
        """Check the values."""
        accuracy = self.accuracy
        if isinstance(accuracy, bool) or not isinstance(accuracy, (int, float)) or not 0 < accuracy < math.inf:
            raise InvalidConfigurationError(f"accuracy: expected a positive log-likelihood, got {accuracy!r}")
        if self.inner not in _INNER:
            raise InvalidConfigurationError(f"inner: expected 'local' or 'global', got {self.inner!r}")
        limits = self.n_optima if isinstance(self.n_optima, tuple) else (self.n_optima, self.n_optima)
        if len(limits) != 2 or not all(limit is None or _is_count(limit, 1) for limit in limits):  # least and most
            raise InvalidConfigurationError(
                f"n_optima: expected a number of optima, or (least, most) with None for unknown, got {self.n_optima!r}"
            )
        least, most = limits
        if least is not None and most is not None and least > most:
            raise InvalidConfigurationError(f"n_optima: the least, {least}, is more than the most, {most}")
        if self.max_starts is not None and not _is_count(self.max_starts, 0):
            raise InvalidConfigurationError(f"max_starts: expected a number >= 0 or None, got {self.max_starts!r}")
        if not _is_count(self.max_passes, 0):
            raise InvalidConfigurationError(f"max_passes: expected a number >= 0, got {self.max_passes!r}")


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
