"""What is shown of a profile: how deep, and which confidence levels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from wilks.core.errors import InvalidConfigurationError
from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.profiles.result import ProfileResult


class Window(NamedTuple):
    """What is shown of a profile.

    Attributes
    ----------
    levels
        Confidence levels, ascending.
    bottom
        Lowest value, relative to the maximum.
    n_parameters
        Degrees of freedom of the confidence regions: the number of parameters that they are regions of.
    """

    levels: tuple[float, ...]
    bottom: float
    n_parameters: int

    @property
    def depths(self) -> dict[float, float]:
        """Drop of the log-likelihood that bounds the region of each level."""
        return {level: wilks_depth(level, self.n_parameters) for level in self.levels}


def window(
    result: ProfileResult, n_parameters: int, confidence: Sequence[float] | None = None, vmin: float | None = None
) -> Window:
    """Choose what is shown: by default the 68 and 95 % regions that the map reaches, down to its threshold.

    Raises
    ------
    InvalidConfigurationError
        If nothing was found, or a level was asked for that the region of interest does not reach, or `vmin` is not
        below zero.
    """
    if not result.best:
        raise InvalidConfigurationError("expected a profile with a finite log-likelihood, got one without")
    threshold = result.roi_threshold
    if vmin is not None and not -math.inf < vmin < 0:
        raise InvalidConfigurationError(f"vmin: expected a drop below the maximum, such as -4, got {vmin!r}")
    bottom = -threshold if vmin is None else float(vmin)
    if confidence is None:
        return Window(tuple(geometry.shown_levels(threshold, n_parameters)), bottom, n_parameters)
    chosen = Window(tuple(sorted(set(confidence))), bottom, n_parameters)
    for level, depth in chosen.depths.items():
        if depth > threshold:
            of_several = "one parameter" if n_parameters == 1 else f"{n_parameters} parameters"
            raise InvalidConfigurationError(
                f"confidence={level} of {of_several} needs the map down to {depth:.2f} below the maximum, but "
                f"roi_threshold={threshold:g}; make the profile with roi_threshold >= {depth:.2f}, or leave the level "
                "out"
            )
    return chosen


def percent(level: float) -> str:
    """Write a confidence level.

    Examples
    --------
    >>> percent(0.68), percent(0.9973)
    ('68 %', '99.73 %')
    """
    return f"{100 * level:.6g} %"
