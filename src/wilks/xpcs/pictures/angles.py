"""Which angles a figure shows, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_ANGLES = 6
"""Angles that one figure has room for."""


def chosen(angles: Sequence[int] | None, known: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the positions of some angles, checked; None for all that are known.

    Raises
    ------
    InvalidConfigurationError
        If one is not there, or there is none.

    Examples
    --------
    >>> import numpy as np
    >>> chosen(None, np.array([True, False, True])), chosen([-1], np.array([True, False, True]))
    ((0, 2), (2,))
    """
    n = len(known)
    if angles is None:
        return tuple(np.flatnonzero(known).tolist())
    found = tuple(angles)
    wrong = [
        each
        for each in found
        if isinstance(each, bool) or not isinstance(each, (int, np.integer)) or not -n <= each < n
    ]
    if wrong or not found:
        raise InvalidConfigurationError(
            f"angles: expected positions in the data, integers from 0 to {n - 1}, at least one, got {angles!r}"
        )
    return tuple(int(each) % n for each in found)


def of_one_figure(angles: Sequence[int] | None, known: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the positions of the angles of one figure; by default all, or some evenly spread if they are too many.

    Raises
    ------
    InvalidConfigurationError
        If one is not there, or they are more than a figure has room for.
    """
    found = chosen(angles, known)
    if len(found) <= MOST_ANGLES:
        return found
    if angles is not None:
        raise InvalidConfigurationError(
            f"angles: expected at most {MOST_ANGLES} in one figure, got {len(found)}; drawings(...) makes several "
            "figures"
        )
    return tuple(found[i] for i in np.linspace(0, len(found) - 1, MOST_ANGLES).round().astype(int).tolist())


def pages(angles: Sequence[int]) -> list[tuple[int, ...]]:
    """Distribute angles over figures, about as many on each.

    Examples
    --------
    >>> [len(page) for page in pages(range(13))]
    [5, 4, 4]
    """
    n_pages = -(-len(angles) // MOST_ANGLES)
    return [tuple(page.tolist()) for page in np.array_split(np.asarray(angles, dtype=int), n_pages)]


def angle_text(phi: float) -> str:
    r"""Name of an angle in a picture.

    Examples
    --------
    >>> angle_text(-7.5)
    '$\\phi$ = -7.5°'
    """
    return rf"$\phi$ = {phi:.4g}°"
