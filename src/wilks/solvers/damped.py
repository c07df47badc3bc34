r"""A least-squares solver whose damping is prescribed: how much of it there is at first, and in which units.

Levenberg-Marquardt damps a step p by :math:`\lambda |D p|^2`. By default an ascent begins without damping, and D holds
the norms of the columns of the Jacobian. Both can be wrong: an ascent that has failed may succeed with shorter steps;
and where a column nearly vanishes at the start, nothing holds its parameter back. With typical scales :math:`x_i`,

.. math:: D_{ii} = k / x_i, \quad k = \max_i \left(|J_i| x_i\right)                                             (1)

where the maximum is over the columns met so far. The common factor k only keeps D from falling below the norms: the
solver adapts :math:`\lambda`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.solvers.around import Around

if TYPE_CHECKING:
    from numpy.typing import NDArray


_SHORTER = 0.3


@dataclass(frozen=True)
class Damped(Around):
    """A local solver with a damping of its own; a `core.algorithm.LocalSolver`.

    A solver that knows no damping is left as it is.

    Parameters
    ----------
    solver
        The solver.
    damping
        What the first damping is at least; with it, the first steps are shorter. 0 leaves that to the solver.
    scales
        Typical scale of every coordinate that is moved, in the unit box, 0 where it comes from the Jacobian.
    """

    damping: float = 0.0
    scales: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """For reports."""
        first = f", first damping {self.damping:g}" if self.damping else ""
        return f"{self.solver.name}{first}{', damped by the given scales' if any(self.scales) else ''}"

    def start(
        self,
        u: NDArray[np.float64],
        *,
        value: float | None = None,
        curvature: NDArray[np.float64] | None = None,
        measure: bool = False,
    ) -> Any:  # noqa: ANN401 - the ascent of whatever solver
        """Begin at `u`."""
        ascent = super().start(u, value=value, curvature=curvature, measure=measure)
        if self.damping and hasattr(ascent, "damping"):
            ascent.damping = max(ascent.damping, self.damping)
            ascent.reach *= _SHORTER
        return ascent

    def advance(
        self,
        ascent: Any,  # noqa: ANN401 - as above
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        """Go on, and bring the units of the damping back to those of the scales."""
        ascent = super().advance(ascent, values, payloads)
        if any(self.scales) and hasattr(ascent, "scale"):
            ascent.scale = scaled(ascent.scale, np.array(self.scales))
        return ascent


def scaled(norms: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """D of (1) from the largest norms of the columns so far; a coordinate whose scale is 0 keeps its norm.

    Examples
    --------
    >>> scaled(np.array([4.0, 1.0, 7.0]), np.array([0.5, 0.1, 0.0])).tolist()
    [4.0, 20.0, 7.0]
    """
    own = scales > 0
    found = norms.copy()
    if own.any():
        found[own] = float((norms[own] * scales[own]).max()) / scales[own]
    return found
