"""Angles on the circle: which of those in a file are meant by a list of angles and ranges."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Angle = float | tuple[float, float]
"""An angle, or a range from the first to the second in the sense of growing angles; in degrees."""
_ROUNDING = 1e-6


def parse_angles(text: str) -> tuple[Angle, ...]:
    """Read angles and ranges in degrees from text: ``low:high`` is a range, commas separate.

    A range goes from its first angle to its second in the sense of growing angles, through 180 if need be.

    Raises
    ------
    InvalidConfigurationError
        If the text is something else.

    Examples
    --------
    >>> parse_angles("-10:10, 80, 170:-170")
    ((-10.0, 10.0), 80.0, (170.0, -170.0))
    """
    found: list[Angle] = []
    for part in text.split(","):
        try:
            ends = [float(end) for end in part.split(":")]
        except ValueError:
            ends = []
        if not (len(ends) in (1, 2) and all(map(math.isfinite, ends))):
            raise InvalidConfigurationError(
                f"angles: expected angles and ranges in degrees such as '-10:10,80,170:-170', got {part.strip()!r} in "
                f"{text!r}"
            )
        found.append(ends[0] if len(ends) == 1 else (ends[0], ends[1]))
    return tuple(found)


def checked_angles(angles: object) -> tuple[Angle, ...]:
    """Return angles and ranges as they are used; each entry is a number or a pair of numbers."""
    if isinstance(angles, str):
        raise InvalidConfigurationError(f"angles: expected a sequence, got the text {angles!r}; use parse_angles(...)")
    if not isinstance(angles, Sequence | np.ndarray) or not len(angles):
        raise InvalidConfigurationError(
            f"angles: expected a sequence of angles and ranges, or None for all: {angles!r}"
        )
    return tuple(_checked_angle(each) for each in angles)


def _checked_angle(value: object) -> Angle:
    pair = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    ends: list[Any] = list(value) if isinstance(value, Sequence | np.ndarray) and pair else [value]
    if len(ends) != 1 + pair or not all(isinstance(end, numbers.Real) and math.isfinite(end) for end in ends):
        raise InvalidConfigurationError(
            f"angles: expected a number or a range (low, high) in degrees, got {value!r} in the list"
        )
    return (float(ends[0]), float(ends[1])) if pair else float(ends[0])


def selected_angles(
    phi: NDArray[np.float64], angles: tuple[Angle, ...], tolerance: float, path: str
) -> tuple[NDArray[np.bool_], list[str]]:
    """Which of the angles `phi` are meant, and notes on ranges without any.

    Raises
    ------
    InvalidDataError
        If none is left, or there is none near an angle that was named.

    Examples
    --------
    >>> selected_angles(np.array([0.0, 90.0, 175.0, 185.0]), ((170.0, -170.0),), 0.5, "run.h5")[0].tolist()
    [False, False, True, True]
    """
    there = ", ".join(f"{value:.5g}" for value in np.unique(phi))
    chosen = np.zeros(len(phi), dtype=bool)
    notes = []
    for angle in angles:
        if isinstance(angle, tuple):
            meant = _in_range(phi, *angle)
            if not meant.any():
                notes.append(f"No angle lies between {angle[0]:g} and {angle[1]:g} degrees.")
        else:
            meant = np.abs((phi - angle + 180) % 360 - 180) <= tolerance
            if not meant.any():
                raise InvalidDataError(
                    f"{path}: no angle within {tolerance:g} degrees of {angle:g}; there are (degrees): {there}"
                )
        chosen |= meant
    if not chosen.any():
        ranges = ", ".join(f"{low:g}:{high:g}" for low, high in (a for a in angles if isinstance(a, tuple)))
        raise InvalidDataError(f"{path}: no angle lies in {ranges}; there are (degrees): {there}")
    return chosen, notes


def _in_range(phi: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    if high - low >= 360:
        return np.ones(len(phi), dtype=bool)
    width = (high - low) % 360
    beyond = (phi - low + _ROUNDING) % 360  # an angle at `low` must not be rounded to 360
    return np.asarray(beyond <= width + 2 * _ROUNDING)
