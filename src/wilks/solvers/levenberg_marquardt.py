r"""Levenberg-Marquardt for residual problems, with bounds as active constraints.

The residual is linearised, :math:`r(u + p) \approx r + J p`, and the step solves the damped least-squares problem

.. math:: \min_p |r + J p|^2 + \lambda |D p|^2 \quad \mbox{within the box}, \quad D_{ii} = |J_i|                 (1)

by an orthogonal factorisation of the stacked matrix, never by normal equations, so an ill-conditioned Jacobian keeps
its digits. A coordinate that leaves the box is put on its bound and the others are solved again. The damping
follows Nielsen (1999): with the gain ratio :math:`\rho` (delivered over promised),

.. math:: \lambda \leftarrow \lambda \max(1/3, 1 - (2\rho - 1)^3) \mbox{ if } \rho > 0, \quad
          \mbox{else } \lambda \leftarrow \nu\lambda, \; \nu \leftarrow 2\nu                                      (2)

The log-likelihood is :math:`-|r|^2 / 2`, its gradient :math:`-J^T r`, and its curvature :math:`J^T J` (Gauss-Newton).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.evaluation.finite_differences import forward_steps, shifted
from wilks.solvers.curvature import Curvature, measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Want

_STEP = 1e-7
_CENTRAL_STEP = 1e-5
_FIRST_DAMPING = 1e-3
_SMALLEST_DAMPING = 1e-14
_LONGEST = 0.5
_ACCEPT = 1e-3


@dataclass
class LevenbergMarquardtAscent:
    """State of one ascent; the attributes up to `reason` are those of `core.algorithm.Ascent`."""

    points: NDArray[np.float64]
    u: NDArray[np.float64]
    value: float
    curvature: NDArray[np.float64]
    gradient: NDArray[np.float64]
    stage: str = "value"
    converged: bool = False
    reason: str = ""
    residual: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    jacobian: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    scale: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    damping: float = _FIRST_DAMPING
    growth: float = 2.0
    promise: float = 0.0
    iteration: int = 0


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Local solver for residual problems; a `core.algorithm.LocalSolver`.

    Parameters
    ----------
    tolerance
        Gain in log-likelihood below which an ascent ends, also relative to the log-likelihood.
    max_iterations
        Trial steps after which it ends without convergence.
    """

    tolerance: float = 1e-6
    max_iterations: int = 400

    name = "Levenberg-Marquardt (QR, active set at the bounds)"
    want: Want = field(default="residual", init=False)

    def start(
        self,
        u: NDArray[np.float64],
        *,
        value: float | None = None,  # noqa: ARG002 - the residual vector is needed, not only its sum of squares
        curvature: NDArray[np.float64] | None = None,
        measure: bool = False,  # noqa: ARG002 - every Jacobian measures the curvature
    ) -> LevenbergMarquardtAscent:
        """Begin at `u`."""
        m = len(u)
        known = np.eye(m) if curvature is None else curvature
        damping = _FIRST_DAMPING if curvature is None else _SMALLEST_DAMPING
        return LevenbergMarquardtAscent(
            u[None, :].copy(), u.copy(), -math.inf, known, np.full(m, np.nan), scale=np.zeros(m), damping=damping
        )

    def advance(
        self,
        ascent: LevenbergMarquardtAscent,
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> LevenbergMarquardtAscent:
        """Take the residuals at ``ascent.points`` and go on."""
        answers = payloads or [None] * len(values)
        if ascent.stage == "value":
            if answers[0] is None:
                return _end(ascent, "no finite value at the start")
            ascent.value = float(values[0])
            return self._linearise(ascent, answers[0])
        if ascent.stage == "jacobian":
            return self._end_jacobian(ascent, answers)
        return self._end_trial(ascent, float(values[0]), answers[0])

    def curvature_points(self, u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of a central Jacobian, and the centre."""
        every = np.arange(len(u))
        ahead, behind = _central_steps(u)
        del curvature
        return np.concatenate([u[None, :], shifted(u, ahead, every), shifted(u, behind, every)])

    def curvature_from(
        self,
        u: NDArray[np.float64],
        value: float,  # noqa: ARG002 - the centre is among the points
        curvature: NDArray[np.float64],
        values: NDArray[np.float64],  # noqa: ARG002 - the residuals say more
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> Curvature:
        """Gauss-Newton curvature from the residuals at `curvature_points`."""
        m = len(u)
        residuals = payloads or []
        if len(residuals) != 2 * m + 1 or any(r is None for r in residuals):
            return measured(u, np.zeros(m), curvature, math.nan)
        blocks = [r for r in residuals if r is not None]
        if blocks[0].shape[1] > 1:
            jacobian = blocks[0][:, 1:]
        else:
            ahead, behind = _central_steps(u)
            columns = [(blocks[1 + i] - blocks[1 + m + i])[:, 0] / (ahead[i] - behind[i]) for i in range(m)]
            jacobian = np.column_stack(columns)
        return measured(u, -jacobian.T @ blocks[0][:, 0], jacobian.T @ jacobian, 0.0)

    def _linearise(self, ascent: LevenbergMarquardtAscent, payload: NDArray[np.float64]) -> LevenbergMarquardtAscent:
        ascent.residual = payload[:, 0]
        if not len(ascent.u):
            ascent.converged = True
            return _end(ascent, "nothing to optimise")
        if payload.shape[1] > 1:
            ascent.jacobian = payload[:, 1:]
            return self._step(ascent)
        ascent.stage = "jacobian"
        ascent.points = shifted(ascent.u, forward_steps(ascent.u, _STEP), np.arange(len(ascent.u)))
        return ascent

    def _end_jacobian(
        self, ascent: LevenbergMarquardtAscent, answers: list[NDArray[np.float64] | None]
    ) -> LevenbergMarquardtAscent:
        steps = forward_steps(ascent.u, _STEP)
        zero = np.zeros_like(ascent.residual)
        columns = [zero if a is None else (a[:, 0] - ascent.residual) / h for a, h in zip(answers, steps, strict=True)]
        ascent.jacobian = np.column_stack(columns)
        return self._step(ascent)

    def _step(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        """Solve (1), and end or try the step."""
        ascent.gradient = -ascent.jacobian.T @ ascent.residual
        ascent.curvature = ascent.jacobian.T @ ascent.jacobian
        ascent.scale = np.maximum(ascent.scale, np.sqrt(np.diag(ascent.curvature)))
        floor = max(float(ascent.scale.max()), 1e-300) * 1e-12
        weights = math.sqrt(ascent.damping) * np.maximum(ascent.scale, floor)
        step = _bounded_least_squares(ascent, weights)
        after = ascent.residual + ascent.jacobian @ step
        ascent.promise = 0.5 * float(ascent.residual @ ascent.residual - after @ after)
        if ascent.promise <= self.tolerance * min(1.0, -ascent.value):
            ascent.converged = True
            return _end(ascent, "the promised gain is below the tolerance")
        if ascent.iteration >= self.max_iterations:
            return _end(ascent, f"no convergence in {self.max_iterations} trial steps")
        ascent.iteration += 1
        ascent.stage = "trial"
        ascent.points = np.clip(ascent.u + step, 0.0, 1.0)[None, :]
        return ascent

    def _end_trial(
        self, ascent: LevenbergMarquardtAscent, value: float, payload: NDArray[np.float64] | None
    ) -> LevenbergMarquardtAscent:
        ratio = (value - ascent.value) / ascent.promise if payload is not None else -math.inf
        if payload is not None and ratio > _ACCEPT:
            factor = max(1.0 / 3.0, 1.0 - (2.0 * ratio - 1.0) ** 3) if ratio < 1 else 1.0 / 3.0
            ascent.damping = max(_SMALLEST_DAMPING, ascent.damping * factor)  # (2)
            ascent.growth = 2.0
            ascent.u, ascent.value = ascent.points[0], value
            return self._linearise(ascent, payload)
        ascent.damping *= ascent.growth  # (2)
        ascent.growth *= 2.0
        if ascent.damping > 1e16:  # steps of rounding size
            ascent.converged = ascent.promise < 1e-8 * max(1.0, -ascent.value)
            return _end(ascent, f"no step rises; a gain of {ascent.promise:.1e} is promised and not found")
        return self._step(ascent)


def _end(ascent: LevenbergMarquardtAscent, reason: str) -> LevenbergMarquardtAscent:
    ascent.points = ascent.points[:0]
    ascent.stage, ascent.reason = "ended", reason
    return ascent


def _central_steps(u: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps ahead and behind that stay in the box."""
    return np.minimum(_CENTRAL_STEP, 1.0 - u), -np.minimum(_CENTRAL_STEP, u)


def _bounded_least_squares(ascent: LevenbergMarquardtAscent, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve (1): QR of the stacked matrix, coordinates that leave the box held on their bounds one after the other."""
    m = len(ascent.u)
    lower, upper = np.maximum(-ascent.u, -_LONGEST), np.minimum(1.0 - ascent.u, _LONGEST)
    held = ((lower >= 0) & (ascent.gradient < 0)) | ((upper <= 0) & (ascent.gradient > 0))
    step = np.zeros(m)
    triangle = np.linalg.qr(np.column_stack([ascent.jacobian, ascent.residual]), mode="r")
    jacobian, residual = triangle[:, :m], triangle[:, m]
    for _ in range(m + 1):
        free = ~held
        if free.any():
            right = -(residual + jacobian[:, held] @ step[held])
            stacked = np.concatenate([jacobian[:, free], np.diag(weights[free])])
            target = np.concatenate([right, np.zeros(int(free.sum()))])
            step[free] = np.linalg.lstsq(stacked, target, rcond=None)[0]
        outside = np.where(free, np.maximum(lower - step, step - upper), -np.inf)
        worst = int(np.argmax(outside))
        if outside[worst] <= 0:
            break
        step[worst] = lower[worst] if step[worst] < lower[worst] else upper[worst]
        held[worst] = True
    return np.clip(step, lower, upper)
