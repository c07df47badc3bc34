r"""One pass over the residuals at an optimum, for errors that the second derivatives of the search do not give.

Of the residual r and its Jacobian J there, by the problem's own Jacobian or by three-point differences, remain

* the triangular factor F of J, :math:`J^T J = F^T F`, which has all the digits that its product loses;
* with another loss than the linear one, the two parts of its covariance (`solvers.robust`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.loss import Loss
from wilks.core.proposal import Phase
from wilks.core.status import Outcome, Status
from wilks.loop.requests import Request, Requests, in_unit
from wilks.solvers.jacobian import offset_points, three_point_jacobian, three_point_offsets
from wilks.solvers.robust import sandwich

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space

_CENTRE, _STENCIL = 0, 1


@dataclass
class ResidualPassState:
    """State of a pass.

    Attributes
    ----------
    columns
        Continuous coordinates.
    u
        The optimum, in the unit box.
    residual
        The residual there, until the stencil is back.
    factor
        F, of shape (k, m) with k <= m; None while it is not known.
    parts
        Parts of the covariance; None for the linear loss.
    by_differences
        Is the Jacobian one of differences?
    """

    space: Space
    columns: NDArray[np.int64]
    u: NDArray[np.float64]
    requests: Requests
    residual: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    factor: NDArray[np.float64] | None = None
    parts: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    by_differences: bool = False


@dataclass(frozen=True)
class ResidualPass:
    """Residual and Jacobian at an optimum; a `core.algorithm.Algorithm`.

    Parameters
    ----------
    sharpness
        Second derivatives there, one per continuous coordinate, to which the differences are fitted.
    loss
        Loss of the residuals, which are not rescaled by it.
    """

    sharpness: tuple[float, ...]
    loss: Loss = Loss()  # noqa: RUF009 - frozen

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> ResidualPassState:  # noqa: ARG002
        """Ask for the first start, the optimum."""
        columns = np.flatnonzero(space.is_continuous)
        state = ResidualPassState(space, columns, starts[0], Requests(space.dimension, "residual"))
        state.requests.add(_CENTRE, space.from_unit(starts[:1]), Phase.CURVATURE)
        return state

    def ask(self, state: ResidualPassState, limit: int) -> tuple[Proposals, ResidualPassState]:
        """Hand out the optimum, then the points of the differences if they are needed."""
        return state.requests.take(limit), state

    def tell(self, state: ResidualPassState, evaluations: Evaluations) -> ResidualPassState:
        """Take the residuals."""
        state.requests.answer(evaluations, lambda request: self._answered(state, request))
        return state

    def terminate(self, state: ResidualPassState) -> Status | None:
        """End when the factor is known, or cannot be."""
        return None if state.requests.opened else Status(Outcome.CONVERGED)

    def _answered(self, state: ResidualPassState, request: Request) -> None:
        answers = in_unit(state.space, request, "residual", state.columns) or []
        v = state.u[state.columns]
        offsets = three_point_offsets(v, np.diag(self.sharpness))
        if request.owner == _STENCIL:
            residuals = [None if answer is None else answer[:, 0] for answer in answers]
            self._reduce(state, three_point_jacobian(state.residual, offsets, residuals))
        elif answers[0] is not None and answers[0].shape[1] > 1:
            state.residual = answers[0][:, 0]
            self._reduce(state, answers[0][:, 1:])
        elif answers[0] is not None and len(v):
            state.residual, state.by_differences = answers[0][:, 0], True
            points = np.repeat(state.u[None, :], 2 * len(v), axis=0)
            points[:, state.columns] = offset_points(v, *offsets)
            state.requests.add(_STENCIL, state.space.from_unit(points), Phase.CURVATURE)

    def _reduce(self, state: ResidualPassState, jacobian: NDArray[np.float64]) -> None:
        if np.isfinite(jacobian).all():
            state.factor = np.asarray(np.linalg.qr(jacobian, mode="r"))
            if not self.loss.is_linear:
                found = sandwich(state.residual, jacobian, self.loss)
                state.parts = (found.curvature, found.spread)
        state.residual = np.empty(0)
