r"""Are the parameters that were declared linear linear? A look for the price of four evaluations.

If the residual is affine in some parameters, minus half its sum of squares is a parabola along every line on which only
these move, so over four equally spaced points the third difference vanishes:

.. math:: \Delta^3 L = L(t_3) - 3 L(t_2) + 3 L(t_1) - L(t_0) = 0                                                 (1)

The line leads through the box of the declared parameters in a random direction, all of them moving at once and the
others held at a random point: that shows a product of two declared parameters too. If (1) fails, each parameter is
moved alone, and those for which it fails again are named. Only log-likelihoods are compared, so data that are gone
through piece by piece are checked as any other.
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
from wilks.loop.requests import Request, Requests

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space

_KEY = 21
_N_POINTS = 4
_THIRD = np.array([-1.0, 3.0, -3.0, 1.0])  # (1)
_SHARE = 1e-5  # of the change of the log-likelihood along the line: what single precision leaves
_ROUNDING = 1e-12
_MOST_TRIES = 3


@dataclass
class LinearityCheckState:
    """State of a check.

    Attributes
    ----------
    columns
        Coordinates of the declared parameters.
    base
        Point of the unit box that holds the others.
    n_tries
        Points that were tried: one with four finite values is enough.
    bent
        Coordinates along which (1) fails, each moved alone.
    failed
        Does (1) fail when all move at once? None while that is not known.
    """

    space: Space
    seed: int
    columns: NDArray[np.int64]
    base: NDArray[np.float64]
    requests: Requests
    n_tries: int = 0
    failed: bool | None = None
    bent: list[int] = field(default_factory=list)

    @property
    def message(self) -> str:
        """What is wrong; empty when nothing is."""
        if not self.failed:
            return ""
        declared = [self.space.free[column] for column in self.columns]
        names = [self.space.free[column] for column in sorted(self.bent)]
        if names:
            verb = "is" if len(names) == 1 else "are"
            what = f"the residual is not linear in {', '.join(names)}, which {verb} declared so"
        else:
            what = f"the residual is linear in each of {', '.join(declared)}, but not in all of them at once: it has "
            what += "products of them"
        values = self.space.to_values(self.space.from_unit(self.base))
        held = [name for column, name in enumerate(self.space.free) if column not in self.columns]
        at = ", ".join(f"{name}={show(values[name])}" for name in held)
        where = f" (looked at along a line of {', '.join(declared)}{f', at {at}' if at else ''})"
        return f"linear: {what}{where}; declare only parameters that the residual is linear in when the others are held"


@dataclass(frozen=True)
class LinearityCheck:
    """Comparison of the log-likelihood with a parabola; a `core.algorithm.Algorithm`.

    Parameters
    ----------
    names
        The declared parameters.
    """

    names: tuple[str, ...]

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> LinearityCheckState:
        """Choose the line: through the first start if there is one, otherwise anywhere."""
        columns = np.array([space.index(name) for name in self.names if name in space.free], dtype=np.int64)
        base = starts[0] if len(starts) else keyed_generator(seed, _KEY).random(space.dimension)
        base = np.asarray(space.to_unit(space.from_unit(base)))
        state = LinearityCheckState(space, seed, columns, base, Requests(space.dimension))
        _ask_line(state, -1)
        return state

    def ask(self, state: LinearityCheckState, limit: int) -> tuple[Proposals, LinearityCheckState]:
        """Hand out the points of a line."""
        return state.requests.take(limit), state

    def tell(self, state: LinearityCheckState, evaluations: Evaluations) -> LinearityCheckState:
        """Compare."""
        state.requests.answer(evaluations, lambda request: _answered(state, request))
        return state

    def terminate(self, state: LinearityCheckState) -> Status | None:
        """End when all lines are compared, or cannot be."""
        if state.requests.opened:
            return None
        known = "nothing could be compared" if state.failed is None else "the line was compared"
        return Status(Outcome.CONVERGED, f"{known}.")


def _ask_line(state: LinearityCheckState, owner: int) -> None:
    """Ask for four points along all declared parameters (owner -1), or along one of them."""
    points = np.repeat(state.base[None, :], _N_POINTS, axis=0)
    ends = keyed_generator(state.seed, _KEY, 1, state.n_tries).random((2, len(state.columns)))
    ends[0], ends[1] = 0.25 * ends[0], 1.0 - 0.25 * ends[1]
    part = np.linspace(0.0, 1.0, _N_POINTS)[:, None]
    moving = state.columns == owner if owner >= 0 else np.ones(len(state.columns), dtype=bool)
    start = np.where(moving, ends[0], 0.5 * (ends[0] + ends[1]))
    end = np.where(moving, ends[1], start)
    points[:, state.columns] = start + part * (end - start)
    state.requests.add(owner, state.space.from_unit(points), Phase.GLOBAL)


def _answered(state: LinearityCheckState, request: Request) -> None:
    bent = _is_bent(request.values)
    if request.owner >= 0:
        if bent:
            state.bent.append(request.owner)
        return
    if bent is None:
        state.n_tries += 1
        if state.n_tries < _MOST_TRIES:
            fresh = keyed_generator(state.seed, _KEY, 2, state.n_tries).random(state.space.dimension)
            state.base = np.asarray(state.space.to_unit(state.space.from_unit(fresh)))
            _ask_line(state, -1)
        return
    state.failed = bent
    if bent and len(state.columns) > 1:
        for column in state.columns.tolist():
            _ask_line(state, column)
    elif bent:
        state.bent = state.columns.tolist()


def _is_bent(values: NDArray[np.float64]) -> bool | None:
    """Does (1) fail? None where a value is missing.

    Examples
    --------
    >>> x = np.arange(4.0)
    >>> _is_bent(-(x**2)), _is_bent(-(x**4)), _is_bent(np.array([1.0, -np.inf, 0.0, 0.0]))
    (False, True, None)
    """
    if not np.isfinite(values).all():
        return None
    tolerance = _SHARE * float(np.ptp(values)) + _ROUNDING * float(np.abs(values).max())
    return bool(abs(float(_THIRD @ values)) > tolerance) if math.isfinite(tolerance) else None
