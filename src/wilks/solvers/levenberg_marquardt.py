r"""Levenberg-Marquardt for residual problems, with bounds as active constraints.

The residual is linearised, :math:`r(u + p) \approx r + J p`, and the step solves the damped least-squares problem

.. math:: \min_p |r + J p|^2 + \lambda |D p|^2 \quad \mbox{within the box}, \quad D_{ii} = \max |J_i|            (1)

by an orthogonal factorisation of the stacked matrix, never by normal equations, so an ill-conditioned Jacobian keeps
its digits; bounds are handled by the active set of `solvers.box_step`. The damping follows Nielsen (1999): with the
gain ratio :math:`\rho` (delivered over promised),

.. math:: \lambda \leftarrow \lambda \max(1/3, 1 - (2\rho - 1)^3) \mbox{ if } \rho > 0, \quad
          \mbox{else } \lambda \leftarrow \nu\lambda, \; \nu \leftarrow 2\nu                                      (2)

A step reaches no further than a tenth of the box at first, twice as far after every step that the linear model
predicted well: a linearisation knows nothing of the other end of the box.

An ascent ends when the step without damping promises less than the tolerance; a small promise that is due to the
damping ends nothing. When no step rises, the Jacobian is taken once more by three-point differences, which it is from
the beginning with `accurate`: the bias of forward differences, small as it is, shifts the point where it ends.

The log-likelihood is :math:`-|r|^2 / 2`, its gradient :math:`-J^T r`, and its curvature :math:`J^T J` (Gauss-Newton).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.evaluation.finite_differences import shifted
from wilks.solvers.box_step import active_set_step, bounds_within
from wilks.solvers.curvature import Curvature, measured, parabola_error, parabola_points, repaired
from wilks.solvers.jacobian import (
    forward_jacobian,
    forward_offsets,
    offset_points,
    three_point_jacobian,
    three_point_offsets,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Want
    from wilks.solvers.jacobian import Residuals

_FIRST_DAMPING = 1e-3
_SMALLEST_DAMPING = 1e-14
_LARGEST_DAMPING = 1e16
_FIRST_REACH, _LONGEST = 0.1, 0.5
_ACCEPT = 1e-3
_PREDICTED = 0.75
_NOISE_GAIN = 1e-2
_ROUNDING = 4e-16


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
    triangle: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    scale: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    missing: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    given: bool = False
    accurate: bool = False
    damping: float = _FIRST_DAMPING
    growth: float = 2.0
    reach: float = _FIRST_REACH
    promise: float = 0.0
    full_promise: float = 0.0
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
    accurate
        Take all Jacobians by three-point differences, for a polish to full precision.
    """

    tolerance: float = 1e-6
    max_iterations: int = 400
    accurate: bool = False

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
        known = curvature is not None
        return LevenbergMarquardtAscent(
            u[None, :].copy(),
            u.copy(),
            -math.inf,
            np.eye(m) if curvature is None else curvature,
            np.full(m, np.nan),
            scale=np.zeros(m),
            accurate=self.accurate,
            damping=_SMALLEST_DAMPING if known else _FIRST_DAMPING,
            reach=_LONGEST if known else _FIRST_REACH,
        )

    def advance(
        self,
        ascent: LevenbergMarquardtAscent,
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> LevenbergMarquardtAscent:
        """Take the residuals at ``ascent.points`` and go on."""
        answers = payloads or [None] * len(values)
        if ascent.stage == "jacobian":
            return self._end_jacobian(ascent, _residuals(answers))
        if ascent.stage == "other side":
            return self._end_other_side(ascent, _residuals(answers))
        if ascent.stage == "trial":
            return self._end_trial(ascent, float(values[0]), answers[0])
        if answers[0] is None:
            return _end(ascent, "no finite value at the start")
        ascent.value = float(values[0])
        return self._linearise(ascent, answers[0])

    def curvature_points(self, u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of a three-point Jacobian, the centre, and the points of `solvers.curvature.parabola_points`."""
        stencil = offset_points(u, *three_point_offsets(u, curvature))
        return np.concatenate([u[None, :], stencil, parabola_points(u, curvature)])

    def curvature_from(
        self,
        u: NDArray[np.float64],
        value: float,
        curvature: NDArray[np.float64],
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> Curvature:
        """Gauss-Newton curvature from the residuals at `curvature_points`."""
        m = len(u)
        answers = (payloads or [None])[: 2 * m + 1]
        if answers[0] is None:
            return measured(u, np.zeros(m), curvature, math.nan)
        centre, jacobian = answers[0][:, 0], answers[0][:, 1:]
        if not jacobian.shape[1]:
            jacobian = three_point_jacobian(centre, three_point_offsets(u, curvature), _residuals(answers[1:]))
            if np.isnan(jacobian).any():
                return measured(u, np.zeros(m), curvature, math.nan)
        gradient, matrix = -jacobian.T @ centre, jacobian.T @ jacobian
        error = parabola_error(u, value, gradient, matrix, (parabola_points(u, curvature), values[2 * m + 1 :]))
        return measured(u, gradient, matrix, error)

    def _linearise(self, ascent: LevenbergMarquardtAscent, payload: NDArray[np.float64]) -> LevenbergMarquardtAscent:
        ascent.residual = payload[:, 0]
        if not len(ascent.u):
            ascent.converged = True
            return _end(ascent, "nothing to optimise")
        ascent.given = payload.shape[1] > 1
        if ascent.given:
            ascent.jacobian = payload[:, 1:]
            return self._step(ascent)
        ascent.stage = "jacobian"
        if ascent.accurate:
            ascent.points = offset_points(ascent.u, *three_point_offsets(ascent.u, ascent.curvature))
        else:
            ascent.points = offset_points(ascent.u, forward_offsets(ascent.u))
        return ascent

    def _end_jacobian(self, ascent: LevenbergMarquardtAscent, answers: Residuals) -> LevenbergMarquardtAscent:
        if ascent.accurate:
            offsets = three_point_offsets(ascent.u, ascent.curvature)
            ascent.jacobian = three_point_jacobian(ascent.residual, offsets, answers)
            return self._step(ascent)
        ascent.jacobian = forward_jacobian(ascent.residual, forward_offsets(ascent.u), answers)
        ascent.missing = np.flatnonzero(np.isnan(ascent.jacobian).any(axis=0))
        if not len(ascent.missing):
            return self._step(ascent)
        ascent.stage = "other side"  # undefined on this side: look at the other
        ascent.points = np.clip(shifted(ascent.u, -forward_offsets(ascent.u), ascent.missing), 0.0, 1.0)
        return ascent

    def _end_other_side(self, ascent: LevenbergMarquardtAscent, answers: Residuals) -> LevenbergMarquardtAscent:
        which = ascent.missing
        moves = ascent.points[np.arange(len(which)), which] - ascent.u[which]
        offsets = np.where(moves != 0.0, moves, np.nan)
        ascent.jacobian[:, which] = forward_jacobian(ascent.residual, offsets, answers)
        return self._step(ascent)

    def _step(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        """Solve (1), and end or try the step."""
        np.nan_to_num(ascent.jacobian, copy=False, nan=0.0)  # what is undefined on both sides stays where it is
        ascent.gradient = -ascent.jacobian.T @ ascent.residual
        ascent.curvature = ascent.jacobian.T @ ascent.jacobian
        norms = np.sqrt(np.diag(ascent.curvature))
        ascent.scale = np.maximum(ascent.scale, norms)
        ascent.triangle = np.asarray(np.linalg.qr(np.column_stack([ascent.jacobian, ascent.residual]), mode="r"))
        ascent.full_promise = _promise(ascent, _bounded_step(ascent, math.sqrt(_SMALLEST_DAMPING) * norms, _LONGEST))
        return self._try(ascent)

    def _try(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        if ascent.full_promise <= max(self.tolerance * min(1.0, -ascent.value), -_ROUNDING * ascent.value):
            ascent.converged = True
            return _end(ascent, "the promised gain is below the tolerance")
        if ascent.iteration >= self.max_iterations:
            return _end(ascent, f"no convergence in {self.max_iterations} trial steps")
        step = _bounded_step(ascent, math.sqrt(ascent.damping) * ascent.scale, ascent.reach)
        ascent.promise = _promise(ascent, step)
        if ascent.damping > _LARGEST_DAMPING or ascent.promise <= 0.0:  # steps of rounding size
            return self._stuck(ascent)
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
            if ratio > _PREDICTED:
                ascent.reach = min(_LONGEST, 2.0 * ascent.reach)
            ascent.u, ascent.value = ascent.points[0], value
            return self._linearise(ascent, payload)
        ascent.damping *= ascent.growth  # (2)
        ascent.growth *= 2.0
        return self._try(ascent)

    def _stuck(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        """No step rises: a better Jacobian may know one."""
        if ascent.accurate or ascent.given:
            ascent.converged = ascent.full_promise < _NOISE_GAIN
            return _end(ascent, f"no step rises; a gain of {ascent.full_promise:.1e} is promised and not found")
        ascent.accurate = True
        ascent.scale = np.zeros_like(ascent.scale)
        ascent.damping, ascent.growth = _FIRST_DAMPING, 2.0
        return self._linearise(ascent, ascent.residual[:, None])


def _end(ascent: LevenbergMarquardtAscent, reason: str) -> LevenbergMarquardtAscent:
    ascent.points = ascent.points[:0]
    ascent.curvature = repaired(ascent.curvature)  # a product of Jacobians may be singular
    ascent.stage, ascent.reason = "ended", reason
    return ascent


def _residuals(answers: list[NDArray[np.float64] | None]) -> Residuals:
    return [None if answer is None else answer[:, 0] for answer in answers]


def _promise(ascent: LevenbergMarquardtAscent, step: NDArray[np.float64]) -> float:
    """Gain of the linear model; not as a difference of two sums of squares, which would leave rounding alone."""
    change = ascent.jacobian @ step
    return -float(change @ ascent.residual + 0.5 * change @ change)


def _bounded_step(ascent: LevenbergMarquardtAscent, weights: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Solve (1) within the box and within `reach`, from the triangular factor of (J, r)."""
    m, triangle = len(ascent.u), ascent.triangle
    stacked = np.concatenate([triangle[:, :m], np.diag(weights)])
    sizes = np.linalg.norm(stacked, axis=0)
    sizes = np.where(sizes > 0, sizes, 1.0)  # columns of one size: what is small in rank is not what is small in units
    target = np.concatenate([-triangle[:, m], np.zeros(m)])

    def maximise(free: NDArray[np.bool_], step: NDArray[np.float64]) -> NDArray[np.float64]:
        right = target - stacked[:, ~free] @ step[~free]
        found = np.linalg.lstsq(stacked[:, free] / sizes[free], right, rcond=None)[0]
        return np.asarray(found / sizes[free])

    bounds = bounds_within(ascent.u, reach)
    step, _ = active_set_step(ascent.gradient, maximise, lambda p: stacked.T @ (target - stacked @ p), *bounds)
    return step
