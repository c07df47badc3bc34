r"""State of a Levenberg-Marquardt ascent, and how its damping and its reach follow from what its steps delivered.

The state is a value, written to the run file between any two batches of points. The damping follows Nielsen (1999):
with the gain ratio :math:`\rho` (delivered over promised),

.. math:: \lambda \leftarrow \lambda \max(1/3, 1 - (2\rho - 1)^3) \mbox{ if } \rho > 0, \quad
          \mbox{else } \lambda \leftarrow \nu\lambda, \; \nu \leftarrow 2\nu                                      (1)

An ascent begins with a step without damping, that of Gauss and Newton: from a poor start it leads to where the model
fits at all, and a damped one may lead into a valley that takes hundreds of steps to leave. The damping comes with the
first trial that fails. With linear parameters solved for, the model fits as well as it can from the beginning, and the
first step is a cautious one.

Reference: H. B. Nielsen, Damping parameter in Marquardt's method, report IMM-REP-1999-05, Technical University of
Denmark (1999).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.solvers.box_step import bounds_within
from wilks.solvers.curvature import repaired

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_DAMPING, FIRST_DAMPING, PROJECTED_DAMPING = 1e-14, 1e-8, 0.1
FIRST_REACH, LONGEST = 0.1, 0.5
_ACCEPT = 1e-3
_PREDICTED = 0.75
_NOTHING = (0, 0)


@dataclass
class LevenbergMarquardtAscent:
    """State of one ascent; the attributes up to `reason` are those of `core.algorithm.Ascent`.

    Attributes
    ----------
    stage
        What `points` are: ``"value"`` the start, ``"trial"`` a step, ``"recentre"`` a step with its linear parameters
        solved for, ``"jacobian"`` and ``"other side"`` differences around `u`; ``"ended"``.
    triangle
        Rows with the sums of squares and products of (J | r) at `u`.
    extra
        Rows that the full Jacobian of the projection adds.
    found, here
        Of the point that is looked at, and of `u`, while there is no Jacobian: (linear columns | residual).
    jacobian, missing
        The other columns, by differences, and which of them have no residual on one side.
    products
        Products A'r around `u` that the full projection needs.
    offset, sizes
        Of the linear parameters, for their columns, and of forward differences in the others.
    steepest
        Largest norms that the columns of the Jacobian have had.
    length, remaining, rounding
        Norms of the change of the residual that the linear parameters will make, of what it will leave, and of what
        rounding may.
    """

    points: NDArray[np.float64]
    u: NDArray[np.float64]
    value: float
    curvature: NDArray[np.float64]
    gradient: NDArray[np.float64]
    stage: str = "value"
    converged: bool = False
    reason: str = ""
    triangle: NDArray[np.float64] = field(default_factory=lambda: np.empty(_NOTHING))
    extra: NDArray[np.float64] = field(default_factory=lambda: np.empty(_NOTHING))
    found: NDArray[np.float64] = field(default_factory=lambda: np.empty(_NOTHING))
    here: NDArray[np.float64] = field(default_factory=lambda: np.empty(_NOTHING))
    jacobian: NDArray[np.float64] = field(default_factory=lambda: np.empty(_NOTHING))
    products: NDArray[np.float64] = field(default_factory=lambda: np.empty(_NOTHING))
    missing: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    scale: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    offset: float = 0.5
    sizes: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    steepest: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    length: float = 0.0
    remaining: float = 0.0
    rounding: float = 0.0
    given: bool = False
    accurate: bool = False
    damping: float = NO_DAMPING
    growth: float = 2.0
    reach: float = FIRST_REACH
    promise: float = 0.0
    full_promise: float = 0.0
    iteration: int = 0

    def accepts(self, value: float) -> bool:
        """Is a trial with this value good enough? The damping and the reach follow."""
        ratio = (value - self.value) / self.promise
        if not ratio > _ACCEPT:
            return False
        factor = max(1.0 / 3.0, 1.0 - (2.0 * ratio - 1.0) ** 3) if ratio < 1 else 1.0 / 3.0
        self.damping = max(NO_DAMPING, self.damping * factor)  # (1)
        self.growth = 2.0
        if ratio > _PREDICTED:
            self.reach = min(LONGEST, 2.0 * self.reach)
        return True

    def reject(self) -> None:
        """Shorten the next step."""
        self.damping = max(FIRST_DAMPING, self.damping * self.growth)  # (1)
        self.growth *= 2.0

    def bounds(self, reach: float, linear: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds of a step: within the box, and within `reach` but for linear parameters."""
        lower, upper = bounds_within(self.u, reach)
        lower[linear], upper[linear] = -self.u[linear], 1.0 - self.u[linear]
        return lower, upper

    def end(self, reason: str) -> LevenbergMarquardtAscent:
        """Keep what is needed of an ascent that has ended."""
        self.points = self.points[:0]
        self.found, self.here, self.jacobian = self.found[:0, :0], self.here[:0, :0], self.jacobian[:0, :0]
        self.curvature = repaired(self.curvature)  # a product of Jacobians may be singular
        self.stage, self.reason = "ended", reason
        return self
