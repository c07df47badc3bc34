"""The contracts of an algorithm and of the local solver that larger algorithms are built of.

An algorithm is a frozen configuration; everything that changes is in its State, which is a value: plain numbers,
arrays, lists, dictionaries and dataclasses of these (see `wilks.core.encoding`). Only the driver loop evaluates.
`ask` and `tell` consume the state that they are given and return the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Proposals, Want
    from wilks.core.space import Space
    from wilks.core.status import Status

StateT = TypeVar("StateT")


class Algorithm(Protocol[StateT]):
    """What the driver loop needs of a search, a fit, a profile or a sampler."""

    @property
    def generational(self) -> bool:
        """True: the answer must not depend on the number of workers, so each batch is told as a whole."""
        ...

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> StateT:
        """Return the first state; `starts` are points in the unit box, shape (n, dimension), maybe none."""
        ...

    def ask(self, state: StateT, limit: int) -> tuple[Proposals, StateT]:
        """Return 0 to `limit` proposals. None, with nothing outstanding, means that nothing is left to do."""
        ...

    def tell(self, state: StateT, evaluations: Evaluations) -> StateT:
        """Take in any subset of what was asked, in any order."""
        ...

    def terminate(self, state: StateT) -> Status | None:
        """Return the status when the goal is reached, None while there is work."""
        ...


class Ascent(Protocol):
    """State of one local maximisation, in the unit box of the free coordinates (m of them)."""

    points: NDArray[np.float64]
    """Points to evaluate next, shape (k, m); no rows when the ascent has ended."""
    u: NDArray[np.float64]
    """Best point, shape (m,)."""
    value: float
    """Log-likelihood there; minus infinity while nothing finite was seen."""
    curvature: NDArray[np.float64]
    """Estimate of minus the Hessian at `u`, positive definite, shape (m, m)."""
    gradient: NDArray[np.float64]
    """Gradient of the log-likelihood at (or last seen before) `u`, shape (m,)."""
    converged: bool
    """Did it end within its tolerance?"""
    reason: str
    """Why it ended, in words."""


class MeasuredCurvature(Protocol):
    """Derivatives of the log-likelihood at a point of the unit box."""

    @property
    def gradient(self) -> NDArray[np.float64]:
        """Shape (m,)."""
        ...

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Minus the Hessian, shape (m, m), as measured."""
        ...

    @property
    def error(self) -> float:
        """Relative uncertainty of the standard errors, NaN if unknown."""
        ...

    @property
    def positive(self) -> NDArray[np.float64]:
        """`matrix` made positive definite."""
        ...

    @property
    def promise(self) -> float:
        """Gain in log-likelihood that a Newton step within the box promises."""
        ...


class LocalSolver(Protocol):
    """A local maximiser that asks for batches of points."""

    @property
    def want(self) -> Want:
        """What it needs of every point."""
        ...

    @property
    def name(self) -> str:
        """For reports."""
        ...

    def start(
        self,
        u: NDArray[np.float64],
        *,
        value: float | None = None,
        curvature: NDArray[np.float64] | None = None,
        measure: bool = False,
    ) -> Any:  # noqa: ANN401 - each solver has its own Ascent, which it alone advances
        """Begin at `u`, shape (m,), with what is known there; `measure` asks to check the given curvature."""
        ...

    def advance(
        self,
        ascent: Any,  # noqa: ANN401 - as above
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        """Take the answers for ``ascent.points``, in their order, and return the next state."""
        ...

    def curvature_points(self, u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points that measure the second derivatives at an optimum, shape (k, m)."""
        ...

    def curvature_from(
        self,
        u: NDArray[np.float64],
        value: float,
        curvature: NDArray[np.float64],
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> MeasuredCurvature:
        """Put the answers at `curvature_points` together."""
        ...
