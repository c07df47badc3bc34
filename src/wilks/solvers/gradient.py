"""Differences that a quasi-Newton ascent asks for: quick, careful, and as a check of its curvature.

The quick gradient takes one step of a fixed size per coordinate. The careful one takes two, of a size that fits the
curvature, or, for a likelihood with noise, of a size that grows from attempt to attempt. All stay in the unit box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.evaluation.finite_differences import forward_steps, shifted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.solvers.quasi_newton import QuasiNewtonAscent

_SIGMAS = 0.05
_LONGEST = 1e-2
_SHORTEST = (1e-6, 1e-6, 1e-3, 1e-2)  # of careful steps, by the roughness that an ascent has met
ROUGHEST = len(_SHORTEST) - 1
_SHORTEST_CHECK, _UNKNOWN_CHECK = 1e-5, 1e-4


def gradient_points(ascent: QuasiNewtonAscent, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points for the missing part of the gradient, one or (careful) two for each coordinate, and the steps."""
    u, forward = ascent.u, forward_steps(ascent.u, step)
    if not ascent.careful:
        return shifted(u, forward, ascent.missing), forward
    shortest, room = _SHORTEST[ascent.roughness], has_room(ascent)
    wide = np.minimum(_fitting(ascent, shortest), np.minimum(u, 1.0 - u))
    steps = np.where(room, wide, forward_steps(u, shortest))
    other = np.where(room, -steps, 2 * steps)
    return np.concatenate([shifted(u, steps, ascent.missing), shifted(u, other, ascent.missing)]), steps


def has_room(ascent: QuasiNewtonAscent) -> NDArray[np.bool_]:
    """Where careful differences fit into the box on both sides."""
    return np.minimum(ascent.u, 1.0 - ascent.u) > _SHORTEST[ascent.roughness]


def _fitting(ascent: QuasiNewtonAscent, shortest: float) -> NDArray[np.float64]:
    """Steps of a fraction of the standard error that the curvature says."""
    return np.clip(_SIGMAS / np.sqrt(np.diag(ascent.curvature)), shortest, _LONGEST)


def careful_slopes(
    ascent: QuasiNewtonAscent, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and minus second derivatives for the missing coordinates; the latter only where there is room.

    Central differences, of second order on one side at a bound, of first order where one side has no likelihood; NaN
    where that is the side uphill, where nothing can be gained.
    """
    which, h = ascent.missing, ascent.steps[ascent.missing]
    ahead, behind = values[: len(which)], values[len(which) :]
    room = has_room(ascent)[which]
    with np.errstate(invalid="ignore"):
        slopes = np.where(room, (ahead - behind) / (2 * h), (4 * ahead - behind - 3 * ascent.value) / (2 * h))
        back = (ascent.value - behind) / np.where(room, h, -2 * h)
        alone = np.where(np.isfinite(ahead), (ahead - ascent.value) / h, back)
        uphill = np.where(np.isfinite(ahead), alone * h < 0, alone * np.where(room, h, -2 * h) > 0)
        alone = np.where(uphill, np.nan, alone)
        bends = (2 * ascent.value - ahead - behind) / h**2
    return np.where(np.isfinite(slopes), slopes, alone), bends


def check_points(ascent: QuasiNewtonAscent, *, both_sides: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points around an end that look at the second derivatives along the coordinates, and the steps.

    Where the point lies closer to a bound than a step, the steps of that coordinate are cut down, to nothing at the
    bound itself.
    """
    u, every = ascent.u, np.arange(len(ascent.u))
    # A curvature that no step has updated says nothing of what fits.
    steps = np.full(len(u), _UNKNOWN_CHECK) if ascent.fresh else _fitting(ascent, _SHORTEST_CHECK)
    if both_sides:
        steps = np.minimum(steps, np.minimum(u, 1.0 - u))
        return np.concatenate([shifted(u, steps, every), shifted(u, -steps, every)]), steps
    steps = np.where(u > 0.5, -steps, steps)
    return shifted(u, steps, every), steps


def check_derivatives(
    ascent: QuasiNewtonAscent,
    values: NDArray[np.float64],
    gradients: list[NDArray[np.float64] | None] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and minus second derivatives from the answers at `check_points`, NaN where they are not known.

    A coordinate whose derivative the user left out has its second one from the value, on one side.
    """
    m, h = len(ascent.u), ascent.steps
    with np.errstate(divide="ignore", invalid="ignore"):
        if gradients is not None:
            there = np.array([np.nan if g is None else g[i] for i, g in enumerate(gradients)])
            by_value = 2 * (ascent.value + ascent.gradient * h - values) / h**2
            return ascent.gradient, np.where(np.isfinite(there), (ascent.gradient - there) / h, by_value)
        ahead, behind = values[:m], values[m:]
        return (ahead - behind) / (2 * h), (2 * ascent.value - ahead - behind) / h**2
