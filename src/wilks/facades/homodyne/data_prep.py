"""Vectors of parameters and their bounds, got ready for a solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.notices import HomodyneWarning, notice
from wilks.facades.homodyne.parameter_utils import build_parameter_labels, classify_parameter_status

if TYPE_CHECKING:
    import logging

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]
    Bounds = tuple[Arrays, Arrays]

__all__ = [
    "ExpandedParameters",
    "PreparedData",
    "build_parameter_labels",
    "classify_parameter_status",
    "convert_bounds_to_nlsq_format",
    "expand_per_angle_parameters",
    "validate_bounds",
    "validate_initial_params",
]


@dataclass(eq=False)
class PreparedData:
    """Data as vectors.

    Attributes
    ----------
    xdata, ydata
        Where, and what was measured there.
    n_data
        Number of values.
    n_phi, phi_unique
        Number of different angles, and these.
    """

    xdata: Arrays
    ydata: Arrays
    n_data: int
    n_phi: int
    phi_unique: Arrays


@dataclass(eq=False)
class ExpandedParameters:
    """A contrast and an offset for every angle, and the physical parameters.

    Attributes
    ----------
    params
        Contrasts, offsets, physical parameters.
    bounds
        Their lower and upper bounds; None for none.
    n_params, n_physical, n_angles
        Numbers of parameters, of physical ones, and of angles.
    """

    params: Arrays
    bounds: Bounds | None
    n_params: int
    n_physical: int
    n_angles: int


def expand_per_angle_parameters(
    compact_params: ArrayLike,
    compact_bounds: tuple[ArrayLike, ArrayLike] | None,
    n_angles: int,
    n_physical: int,
    logger: logging.Logger | None = None,
) -> ExpandedParameters:
    """Give every angle the contrast and the offset of all.

    Parameters
    ----------
    compact_params
        Contrast, offset, physical parameters.
    compact_bounds
        Lower and upper bounds of these, or None.
    n_angles, n_physical
        Numbers of angles and of physical parameters.
    logger
        Told of what was done.

    Raises
    ------
    InvalidConfigurationError
        If the number of parameters or bounds is another one.

    Examples
    --------
    >>> expand_per_angle_parameters([0.3, 1.0, 1e4], None, n_angles=2, n_physical=1).params.tolist()
    [0.3, 0.3, 1.0, 1.0, 10000.0]
    """

    def expanded(what: str, given: ArrayLike) -> Arrays:
        vector = np.asarray(given, dtype=float).ravel()
        if len(vector) != 2 + n_physical:
            raise InvalidConfigurationError(
                f"{what}: expected {2 + n_physical} numbers, contrast, offset and {n_physical} physical parameters, "
                f"got {len(vector)}"
            )
        return np.concatenate([np.repeat(vector[:2], n_angles), vector[2:]])

    params = expanded("compact_params", compact_params)
    bounds = None
    if compact_bounds is not None:
        bounds = expanded("lower bounds", compact_bounds[0]), expanded("upper bounds", compact_bounds[1])
    if logger is not None:
        logger.debug("%d parameters became %d for %d angles", 2 + n_physical, len(params), n_angles)
    return ExpandedParameters(params, bounds, len(params), n_physical, n_angles)


def validate_bounds(
    bounds: tuple[ArrayLike, ArrayLike] | None, n_params: int, logger: logging.Logger | None = None
) -> Bounds | None:
    """Check bounds, and return them as arrays; None stays None.

    Raises
    ------
    InvalidConfigurationError
        If they are not one pair for every parameter, one is NaN, or a lower one exceeds the upper one.

    Examples
    --------
    >>> validate_bounds(([0, 0], [1, 2]), 2)
    (array([0., 0.]), array([1., 2.]))
    """
    if bounds is None:
        if logger is not None:
            logger.debug("no bounds")
        return None
    lower, upper = _pair(bounds)
    if lower.shape != (n_params,) or upper.shape != (n_params,):
        raise InvalidConfigurationError(
            f"bounds: expected {n_params} lower and upper ones, got {lower.size} and {upper.size}"
        )
    wrong = np.flatnonzero(~(lower <= upper))
    if len(wrong):
        k = int(wrong[0])
        raise InvalidConfigurationError(
            f"bounds of parameter {k}: expected lower <= upper, got {lower[k]:g} and {upper[k]:g}"
        )
    return lower, upper


def validate_initial_params(
    params: ArrayLike, bounds: tuple[ArrayLike, ArrayLike] | None, logger: logging.Logger | None = None
) -> Arrays:
    """Check a start, and move into the bounds what is outside, with a warning.

    Raises
    ------
    InvalidConfigurationError
        If a number is not finite, or the bounds cannot be used.

    Examples
    --------
    >>> validate_initial_params([0.5, 1.0], ([0, 0], [1, 2]))
    array([0.5, 1. ])
    """
    start = np.array(params, dtype=float).ravel()
    if not np.isfinite(start).all():
        raise InvalidConfigurationError(f"initial parameters: expected finite numbers, got {start!r:.200}")
    checked = validate_bounds(bounds, len(start), logger)
    if checked is None:
        return start
    inside: Arrays = np.clip(start, *checked)
    moved = np.flatnonzero(inside != start)
    if len(moved):
        text = ", ".join(f"parameter {k} from {start[k]:g} to {inside[k]:g}" for k in moved.tolist())
        notice(f"initial parameters outside their bounds were moved: {text}", HomodyneWarning)
    return inside


def convert_bounds_to_nlsq_format(bounds: tuple[ArrayLike, ArrayLike] | None) -> Bounds | None:
    """Return lower and upper bounds as arrays of floats; None stays None.

    Raises
    ------
    InvalidConfigurationError
        If it is no pair.
    """
    return None if bounds is None else _pair(bounds)


def _pair(bounds: tuple[ArrayLike, ArrayLike]) -> Bounds:
    if not isinstance(bounds, (tuple, list, np.ndarray)) or len(bounds) != 2:
        raise InvalidConfigurationError(f"bounds: expected (lower, upper), got {bounds!r:.200}")
    lower, upper = (np.asarray(each, dtype=float) for each in bounds)
    return lower, upper
