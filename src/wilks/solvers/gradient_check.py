r"""Is the user's gradient that of the user's log-likelihood? A look for the price of four evaluations.

At two points the change of the log-likelihood L over a short step s is compared with what the gradients g at both ends
say (the trapezoidal rule, exact for a parabola):

.. math:: L(u + s) - L(u) \approx \tfrac12 \left[g(u) + g(u + s)\right]^T s                                     (1)

The step is made so that every derivative contributes about the same to the right-hand side, :math:`s_i = \epsilon w_i /
g_i` with random weights w, so that one wrong derivative among many shows. Where the log-likelihood bends too much
within the step, or one of its ends has no likelihood, nothing is concluded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.proposal import Phase
from wilks.core.random import keyed_generator
from wilks.core.status import Outcome, Status
from wilks.core.table import show
from wilks.loop.requests import Request, Requests, in_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space

_KEY = 20
_N_POINTS = 2
_FROM_START = 0.1  # of the way from a given start to a random point: off the optimum, where derivatives vanish
_CHANGE, _RELATIVE_CHANGE = 1e-3, 1e-9  # of the log-likelihood per coordinate
_LONGEST = 1e-3  # part of the box
_BENT, _GROSS = 0.25, 0.3
_ROUNDING = 1e-13


@dataclass
class GradientCheckState:
    """State of a check.

    Attributes
    ----------
    ends
        For every point that was compared: the point of the unit box, what the gradient says of the change of the
        log-likelihood over the step, and what it is.
    """

    space: Space
    columns: NDArray[np.int64]
    points: NDArray[np.float64]
    requests: Requests
    firsts: dict[int, tuple[float, NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)
    ends: list[tuple[NDArray[np.float64], float, float]] = field(default_factory=list)

    @property
    def is_wrong(self) -> bool:
        """Does the gradient point the wrong way at every point that was compared?"""
        return bool(self.ends) and all(actual < -_GROSS * promised for _, promised, actual in self.ends)

    @property
    def message(self) -> str:
        """What is wrong, with the numbers; empty when nothing is."""
        for u, promised, actual in self.ends:
            if abs(actual - promised) > _GROSS * abs(promised):
                values = self.space.to_values(self.space.from_unit(u))
                where = ", ".join(f"{name}={show(value)}" for name, value in values.items())
                return (
                    f"the gradient does not fit the log-likelihood: over a short step from {where} the gradient says "
                    f"that it changes by {promised:.4g}, and it changes by {actual:.4g}; the derivatives must be those "
                    "of the log-likelihood (not of minus the log-likelihood or of chi-squared) with respect to the "
                    "values (not to their logarithms), in the order of the space"
                )
        return ""


@dataclass(frozen=True)
class GradientCheck:
    """Comparison of the user's gradient with differences; a `core.algorithm.Algorithm`."""

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> GradientCheckState:
        """Choose the points: near the first start if there is one, otherwise anywhere."""
        points = keyed_generator(seed, _KEY).random((_N_POINTS, space.dimension))
        if len(starts):
            points = starts[0] + _FROM_START * (points - starts[0])
            discrete = ~space.is_continuous
            points[:, discrete] = starts[0][discrete]
        points = space.to_unit(space.from_unit(points))
        columns = np.flatnonzero(space.is_continuous)
        requests = Requests(space.dimension, "gradient")
        for number, theta in enumerate(space.from_unit(points)):
            requests.add(number, theta[None, :], Phase.GLOBAL)
        return GradientCheckState(space, columns, points, requests)

    def ask(self, state: GradientCheckState, limit: int) -> tuple[Proposals, GradientCheckState]:
        """Hand out both points, then the other ends of the steps from them."""
        return state.requests.take(limit), state

    def tell(self, state: GradientCheckState, evaluations: Evaluations) -> GradientCheckState:
        """Make the steps, or compare."""
        state.requests.answer(evaluations, lambda request: _answered(state, request))
        return state

    def terminate(self, state: GradientCheckState) -> Status | None:
        """End when both points are compared, or cannot be."""
        if state.requests.opened:
            return None
        return Status(Outcome.CONVERGED, f"{len(state.ends)} points compared.")


def _answered(state: GradientCheckState, request: Request) -> None:
    number, value = request.owner, float(request.values[0])
    payloads = in_unit(state.space, request, "gradient", state.columns)
    gradient = None if payloads is None else payloads[0]
    if gradient is None or not math.isfinite(value):
        return
    u = state.points[number]
    if number not in state.firsts:
        step = _step(u[state.columns], gradient, value, keyed_generator(number, _KEY))
        state.firsts[number] = (value, gradient, step)
        if step.any():
            other = u.copy()
            other[state.columns] += step
            state.requests.add(number, state.space.from_unit(other[None, :]), Phase.GLOBAL)
        return
    before, slopes, step = state.firsts[number]
    moved = step != 0
    one, other_end = slopes[moved] @ step[moved], gradient[moved] @ step[moved]
    noise = _ROUNDING * (abs(before) + abs(value))
    promised = 0.5 * (one + other_end)
    if np.isfinite(promised) and abs(promised) > 10 * noise and abs(one - other_end) < _BENT * abs(promised):
        state.ends.append((u, float(promised), value - before))


def _step(
    u: NDArray[np.float64], gradient: NDArray[np.float64], value: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """A step inside the box over the coordinates whose derivatives are known, uphill wherever there is room."""
    change = (_CHANGE + _RELATIVE_CHANGE * abs(value)) * generator.uniform(0.9, 1.1, len(u))
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.minimum(change / np.abs(gradient), _LONGEST)
    step = np.where(np.isfinite(gradient) & (gradient != 0), np.copysign(size, gradient), 0.0)
    outside = (u + step < 0) | (u + step > 1)
    return np.where(outside, -step, step)
