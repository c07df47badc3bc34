r"""A least-squares solver whose trial steps follow a curve instead of a straight line.

Where parameters are entangled, the valley of chi-squared is narrow and bends in their coordinates: straight steps leave
it at once, and the damping makes them short. Let w(u) be other coordinates of the same point, in which the valley is
nearly straight. The linearised problem is solved in u as ever, and its step p is carried out in w,

.. math:: u_+ = w^{-1}(w(u) + w'(u) \, p)                                                                        (1)

which agrees with :math:`u + p` to first order: a retraction in the sense of Absil, Mahony and Sepulchre (2008). What
the linear model promises of a step is not touched, and so neither is the theory of convergence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.solvers.around import Around

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.least_squares import Retraction


@dataclass(frozen=True)
class Retracted(Around):
    """A local solver with curved steps; a `core.algorithm.LocalSolver`.

    Parameters
    ----------
    solver
        A solver whose ascents mark their trial steps by ``stage == "trial"``.
    retraction
        Where a step leads to.
    """

    retraction: Retraction

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.solver.name}, curved steps"

    def advance(
        self,
        ascent: Any,  # noqa: ANN401 - as above
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        """Go on, and bend the next trial step."""
        ascent = super().advance(ascent, values, payloads)
        if len(ascent.points) == 1 and ascent.stage == "trial":
            ascent.points = self.retraction(ascent.u, ascent.points[0] - ascent.u)[None, :]
        return ascent
