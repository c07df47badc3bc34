"""A local solver around another one: what it does not change it leaves to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver, MeasuredCurvature
    from wilks.core.proposal import Want


@dataclass(frozen=True)
class Around:
    """Base of solvers that change a part of another one; a `core.algorithm.LocalSolver`.

    Parameters
    ----------
    solver
        The other one.
    """

    solver: LocalSolver

    @property
    def want(self) -> Want:
        """What the solver needs of every point."""
        return self.solver.want

    @property
    def name(self) -> str:
        """For reports."""
        return self.solver.name

    def start(
        self,
        u: NDArray[np.float64],
        *,
        value: float | None = None,
        curvature: NDArray[np.float64] | None = None,
        measure: bool = False,
    ) -> Any:  # noqa: ANN401 - the ascent of whatever solver
        """Begin at `u`."""
        return self.solver.start(u, value=value, curvature=curvature, measure=measure)

    def advance(
        self,
        ascent: Any,  # noqa: ANN401 - as above
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        """Take the answers for ``ascent.points`` and go on."""
        return self.solver.advance(ascent, values, payloads)

    def curvature_points(self, u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points that measure the second derivatives."""
        return self.solver.curvature_points(u, curvature)

    def curvature_from(
        self,
        u: NDArray[np.float64],
        value: float,
        curvature: NDArray[np.float64],
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> MeasuredCurvature:
        """Put their answers together."""
        return self.solver.curvature_from(u, value, curvature, values, payloads)
