r"""Levenberg-Marquardt for residual problems, with bounds as active constraints, and linear parameters solved for.

The residual is linearised, :math:`r(u + p) \approx r + J p`, and the step solves the damped least-squares problem

.. math:: \min_p |r + J p|^2 + \lambda |D p|^2 \quad \mbox{within the box}, \quad D_{ii} = \max |J_i|            (1)

by an orthogonal factorisation (`solvers.linear_model`), never by normal equations, so an ill-conditioned Jacobian keeps
its digits; bounds are handled by the active set of `solvers.box_step`, and the damping follows what the steps deliver
(`solvers.residual_ascent`). A step reaches no further than a tenth of the box at first, twice as far after every step
that the linear model predicted well: a linearisation knows nothing of the other end of the box.

Parameters that are declared linear (`solvers.variable_projection`) are neither damped nor limited in reach: at every
trial point they are solved for, within their bounds, and what decides is the log-likelihood with them. Where that moves
them noticeably the point is evaluated again there, so what is reported was evaluated. A residual that is not the
predicted one ends the ascent, since a parameter is not linear.

An ascent ends when the step without damping promises less than the tolerance; a small promise that is due to the
damping ends nothing. When no step rises, the Jacobian is taken once more by three-point differences, which it is from
the beginning with `accurate`: the bias of forward differences, small as it is, shifts the point where it ends.

The log-likelihood is :math:`-|r|^2 / 2`, its gradient :math:`-J^T r`, and its curvature :math:`J^T J` (Gauss-Newton).
With another loss the rows are rescaled so that these are the gradient and the curvature of the loss (`core.loss`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.loss import Loss
from wilks.solvers.jacobian import forward_offsets, forward_sizes, offset_points
from wilks.solvers.linear_model import LinearModel, factor_of
from wilks.solvers.residual_ascent import (
    FIRST_REACH,
    LONGEST,
    NO_DAMPING,
    PROJECTED_DAMPING,
    LevenbergMarquardtAscent,
)
from wilks.solvers.residual_curvature import residual_curvature, residual_curvature_points
from wilks.solvers.residual_differences import ResidualDifferences
from wilks.solvers.variable_projection import projected_norms, projection_rows, resolved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Want
    from wilks.solvers.curvature import Curvature
    from wilks.solvers.jacobian import Residuals

    Array = NDArray[np.float64]
    Payloads = list[Array | None]

_LARGEST_DAMPING = 1e16
_NOISE_GAIN = 1e-2
_ROUNDING = 4e-16
_NOTICED = 0.1  # part of the gain of a step
_CLEARLY, _HARDER = 0.9, 2.0
_AFFINE = 1e-6
_MUCH_SHORTER = 0.3
_SMALLEST_OFFSET, _NEARER = 1e-6, 1 / 16
_LINEAR = Loss("linear")


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
    linear
        Positions, among the coordinates that are moved, of parameters in which the residual is affine.
    loss
        Loss of the values, when residuals and Jacobians come without it.
    projection
        Jacobian of the projected residual: ``"kaufman"``, or ``"full"``, which costs more points.
    given
        Does every answer hold a Jacobian? The curvature is measured with fewer points then.

    Raises
    ------
    InvalidConfigurationError
        If the projection is unknown, or there are linear parameters and a loss that is not linear.
    """

    tolerance: float = 1e-6
    max_iterations: int = 400
    accurate: bool = False
    linear: tuple[int, ...] = ()
    loss: Loss = _LINEAR
    projection: str = "kaufman"
    given: bool = False

    name = "Levenberg-Marquardt (QR, active set at the bounds)"
    want: Want = field(default="residual", init=False)

    def __post_init__(self) -> None:
        """Check what was given."""
        if self.projection not in ("kaufman", "full"):
            raise InvalidConfigurationError(f"projection: expected 'kaufman' or 'full', got {self.projection!r}")
        if self.linear and not self.loss.is_linear:
            raise InvalidConfigurationError(
                f"linear: parameters can be solved for in ordinary least squares, not with the loss {self.loss.name!r}"
            )

    def start(
        self,
        u: Array,
        *,
        value: float | None = None,  # noqa: ARG002 - the residual vector is needed, not only its sum of squares
        curvature: Array | None = None,
        measure: bool = False,  # noqa: ARG002 - every Jacobian measures the curvature
    ) -> LevenbergMarquardtAscent:
        """Begin at `u`."""
        m = len(u)
        known = curvature is not None
        ascent = LevenbergMarquardtAscent(
            u[None, :].copy(),
            u.copy(),
            -math.inf,
            np.eye(m) if curvature is None else curvature,
            np.full(m, np.nan),
            scale=np.zeros(m),
            sizes=forward_sizes(np.zeros(m)),
            steepest=np.zeros(m),
            given=self.given,
            accurate=self.accurate,
            damping=PROJECTED_DAMPING if self.linear and not known else NO_DAMPING,
            reach=LONGEST if known else FIRST_REACH,
        )
        ascent.points = self._around(ascent, ascent.u)
        return ascent

    def advance(
        self, ascent: LevenbergMarquardtAscent, values: Array, payloads: Payloads | None = None
    ) -> LevenbergMarquardtAscent:
        """Take the residuals at ``ascent.points`` and go on."""
        answers = payloads or [None] * len(values)
        if ascent.stage == "jacobian":
            return self._end_jacobian(ascent, answers)
        if ascent.stage == "other side":
            return self._end_other_side(ascent, _residuals(answers))
        if ascent.stage == "recentre":
            return self._end_recentre(ascent, float(values[0]), answers)
        return self._look(ascent, float(values[0]), answers)

    def curvature_points(self, u: Array, curvature: Array) -> Array:
        """Points that measure the second derivatives."""
        return residual_curvature_points(u, curvature, given=self.given)

    def curvature_from(
        self, u: Array, value: float, curvature: Array, values: Array, payloads: Payloads | None = None
    ) -> Curvature:
        """Gauss-Newton curvature from the residuals at `curvature_points`."""
        answers = payloads or [None] * len(values)
        return residual_curvature((u, value, curvature), values, answers, self.loss, given=self.given)

    # ------------------------------------------------------------------ points that are looked at

    def _around(self, ascent: LevenbergMarquardtAscent, u: Array) -> Array:
        """Return a point, and those that give its linear columns."""
        if not self.linear or ascent.given:
            return u[None, :].copy()
        return np.concatenate([u[None, :], self._differences(ascent, u).linear_points(u)])

    def _differences(self, ascent: LevenbergMarquardtAscent, u: Array) -> ResidualDifferences:
        linear = np.array(sorted(self.linear), dtype=np.intp)
        others = np.setdiff1d(np.arange(len(u)), linear)
        curvature = ascent.curvature if ascent.accurate and not ascent.given else None
        return ResidualDifferences(u, linear, others, curvature, ascent.offset, ascent.sizes)

    def _look(self, ascent: LevenbergMarquardtAscent, value: float, answers: Payloads) -> LevenbergMarquardtAscent:
        """Take the start, or accept a trial or not, with its linear parameters where they are best."""
        point, payload, is_trial = ascent.points[0].copy(), answers[0], ascent.stage == "trial"
        if payload is None:
            return self._reject(ascent) if is_trial else ascent.end("no finite value at the start")
        ascent.given = payload.shape[1] > 1
        if not len(point):
            ascent.value, ascent.converged = value, True
            return ascent.end("nothing to optimise")
        if self.linear:
            missing = any(answer is None for answer in answers[1:]) and ascent.offset > _SMALLEST_OFFSET
            if missing and not ascent.given:
                ascent.offset *= _NEARER  # the likelihood is not defined everywhere: nearer points may do
                ascent.points = self._around(ascent, point)
                return ascent
            ascent.value = ascent.value if is_trial else value
            return self._resolve(ascent, value, payload, answers[1:])
        if is_trial and not ascent.accepts(value):
            return self._reject(ascent)
        return self._arrive(ascent, point, value, factor_of(payload, self.loss) if ascent.given else payload)

    def _resolve(
        self, ascent: LevenbergMarquardtAscent, value: float, payload: Array, around: Payloads
    ) -> LevenbergMarquardtAscent:
        """Solve for the linear parameters at the start or at a trial; go there if that is noticeable."""
        point = ascent.points[0].copy()
        differences = self._differences(ascent, point)
        linear, rows = differences.linear, self._linear_rows(ascent, differences, payload, around)
        best = resolved(rows[:, [*linear, -1]] if ascent.given else rows, point[linear])
        total = max(value, -0.5 * best.remaining**2)
        gain = total - ascent.value if ascent.stage == "trial" else 0.0
        noticed = total - value > max(self._little(total), _NOTICED * gain)
        if ascent.stage == "trial" and not ascent.accepts(total if noticed else value):
            return self._reject(ascent)
        if not noticed:
            return self._arrive(ascent, point, value, rows)
        point[linear] = np.clip(point[linear] + best.move, 0.0, 1.0)
        ascent.length, ascent.remaining, ascent.rounding = best.length, best.remaining, best.rounding
        ascent.stage, ascent.points = "recentre", point[None, :]
        if not ascent.given:
            rows[:, -1] += rows[:, :-1] @ best.move
            ascent.found = rows
            ascent.points = np.concatenate([ascent.points, self._difference_points(ascent, point)])
        return ascent

    def _linear_rows(
        self, ascent: LevenbergMarquardtAscent, differences: ResidualDifferences, payload: Array, around: Payloads
    ) -> Array:
        """Return the factor (J | r) if there is a Jacobian, or (linear columns | residual)."""
        if ascent.given:
            return factor_of(payload, self.loss)
        columns = differences.linear_columns(payload[:, 0], _residuals(around))
        return np.column_stack([np.nan_to_num(columns, copy=False, nan=0.0), payload[:, 0]])

    def _end_recentre(
        self, ascent: LevenbergMarquardtAscent, value: float, answers: Payloads
    ) -> LevenbergMarquardtAscent:
        """Compare the residual where the linear parameters are best with the one that was predicted."""
        point, payload = ascent.points[0].copy(), answers[0]
        if payload is None:
            if len(ascent.triangle):
                return self._reject(ascent)
            return ascent.end(
                "no finite value where the linear parameters are best; if a constraint concerns them, declare none"
            )
        if ascent.given:
            off = abs(float(np.linalg.norm(payload[:, 0])) - ascent.remaining)
        else:
            off = float(np.linalg.norm(payload[:, 0] - ascent.found[:, -1]))
        if off > _AFFINE * (ascent.length + ascent.remaining) + ascent.rounding:
            which = f"coordinate {self.linear[0]}" if len(self.linear) == 1 else f"one of the coordinates {self.linear}"
            if value > ascent.value:
                ascent.u, ascent.value = point, value
            return ascent.end(f"{which} is declared linear and is not: off by {off:.1e} of {ascent.length:.1e}")
        if value <= ascent.value and len(ascent.triangle):  # what it gained was rounding
            return self._reject(ascent)
        if ascent.given:
            return self._arrive(ascent, point, value, factor_of(payload, self.loss))
        ascent.found[:, -1] = payload[:, 0]
        ascent.u, ascent.value, ascent.here = point, value, ascent.found
        return self._end_jacobian(ascent, answers[1:])

    def _arrive(
        self, ascent: LevenbergMarquardtAscent, u: Array, value: float, rows: Array
    ) -> LevenbergMarquardtAscent:
        """Go on from an accepted point, with its factor if there is a Jacobian."""
        ascent.u, ascent.value = u, value
        if ascent.given:
            ascent.triangle = rows
            return self._differentiate(ascent) if self._is_full(ascent) else self._step(ascent)
        ascent.here = rows
        return self._differentiate(ascent)

    # ------------------------------------------------------------------ the Jacobian

    def _is_full(self, ascent: LevenbergMarquardtAscent) -> bool:
        return self.projection == "full" and 0 < len(self.linear) < len(ascent.u)

    def _difference_points(self, ascent: LevenbergMarquardtAscent, u: Array) -> Array:
        """Points for the columns of the parameters that are not linear, and for the full projection."""
        ascent.sizes = forward_sizes(ascent.steepest)
        differences = self._differences(ascent, u)
        if self._is_full(ascent) and not ascent.given:
            return np.concatenate([differences.points(), differences.mixed_points()])
        return differences.points()

    def _differentiate(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        ascent.stage, ascent.points = "jacobian", self._difference_points(ascent, ascent.u)
        return ascent if len(ascent.points) else self._end_jacobian(ascent, [])

    def _end_jacobian(self, ascent: LevenbergMarquardtAscent, answers: Payloads) -> LevenbergMarquardtAscent:
        differences = self._differences(ascent, ascent.u)
        if ascent.given:
            ascent.products = differences.given_products(answers)
            return self._step(ascent)
        residuals, n = _residuals(answers), differences.n_points
        if self._is_full(ascent):
            ascent.products = differences.mixed_products(residuals[: len(differences.others)], residuals[n:])
        ascent.jacobian = differences.columns(ascent.here[:, -1], residuals[:n])
        ascent.missing = np.flatnonzero(np.isnan(ascent.jacobian).any(axis=0))
        if ascent.accurate or not len(ascent.missing):
            return self._complete(ascent)
        ascent.stage = "other side"  # undefined on this side: look at the other
        ascent.points = offset_points(
            ascent.u, -forward_offsets(ascent.u, ascent.sizes), which=differences.others[ascent.missing]
        )
        return ascent

    def _end_other_side(self, ascent: LevenbergMarquardtAscent, answers: Residuals) -> LevenbergMarquardtAscent:
        differences, centre = self._differences(ascent, ascent.u), ascent.here[:, -1]
        ascent.jacobian[:, ascent.missing] = differences.other_columns(centre, ascent.missing, ascent.points, answers)
        return self._complete(ascent)

    def _complete(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        """Put the Jacobian together; what is undefined on both sides stays where it is."""
        rows = self._differences(ascent, ascent.u).rows(ascent.here, ascent.jacobian)
        ascent.triangle = factor_of(rows, self.loss)
        norms = LinearModel(ascent.triangle).norms
        ascent.steepest = np.maximum(ascent.steepest, norms)
        # Differences over much more than the residuals change in say little: again, over less.
        if not ascent.accurate and (forward_sizes(norms) < _MUCH_SHORTER * ascent.sizes).any():
            return self._differentiate(ascent)
        return self._step(ascent)

    # ------------------------------------------------------------------ steps

    def _little(self, value: float) -> float:
        """Gain that is not worth a step from a point with this value."""
        return max(self.tolerance * min(1.0, -value), -_ROUNDING * value)

    def _step(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        """Solve (1), and end or try the step."""
        model, differences = LinearModel(ascent.triangle), self._differences(ascent, ascent.u)
        if not (np.isfinite(model.gradient).all() and np.isfinite(model.curvature).all()):
            return ascent.end("the derivatives are beyond all numbers")
        linear, others = differences.linear, differences.others
        ascent.gradient, ascent.curvature = model.gradient, model.curvature
        norms = np.zeros(len(ascent.u))
        norms[others] = projected_norms(ascent.triangle, linear, others) if len(linear) else model.norms
        ascent.scale = np.maximum(ascent.scale, norms)
        if self._is_full(ascent):
            free = linear[(ascent.u[linear] > 0.0) & (ascent.u[linear] < 1.0)]
            mixed = differences.mixed(ascent.products, ascent.triangle)[np.isin(linear, free)]
            ascent.extra = projection_rows(ascent.triangle, free, others, mixed)
        floor = np.zeros_like(norms) if ascent.given else math.sqrt(NO_DAMPING) * norms
        ascent.full_promise = model.gain(model.step(floor, *ascent.bounds(LONGEST, linear)))
        return self._try(ascent)

    def _try(self, ascent: LevenbergMarquardtAscent, failed: float = math.inf) -> LevenbergMarquardtAscent:
        """End, or try a step that promises clearly less than one that has `failed`."""
        if ascent.full_promise <= self._little(ascent.value):
            ascent.converged = True
            return ascent.end("the promised gain is below the tolerance")
        if ascent.iteration >= self.max_iterations:
            return ascent.end(f"no convergence in {self.max_iterations} trial steps")
        model = LinearModel(np.concatenate([ascent.triangle, ascent.extra]) if len(ascent.extra) else ascent.triangle)
        bounds = ascent.bounds(ascent.reach, np.array(self.linear, dtype=np.intp))
        while True:
            undamped = ascent.given and ascent.damping <= NO_DAMPING
            step = model.step((0.0 if undamped else math.sqrt(ascent.damping)) * ascent.scale, *bounds)
            ascent.promise = model.gain(step)
            if ascent.promise <= _CLEARLY * failed or ascent.damping > _LARGEST_DAMPING:
                break
            ascent.damping *= _HARDER
        if ascent.damping > _LARGEST_DAMPING or ascent.promise <= 0.0:  # steps of rounding size
            return self._stuck(ascent)
        ascent.iteration += 1
        ascent.stage = "trial"
        ascent.points = self._around(ascent, np.clip(ascent.u + step, 0.0, 1.0))
        return ascent

    def _reject(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        ascent.reject()
        return self._try(ascent, ascent.promise)

    def _stuck(self, ascent: LevenbergMarquardtAscent) -> LevenbergMarquardtAscent:
        """No step rises: a better Jacobian may know one."""
        if ascent.accurate or ascent.given:
            ascent.converged = ascent.full_promise < _NOISE_GAIN
            return ascent.end(f"no step rises; a gain of {ascent.full_promise:.1e} is promised and not found")
        ascent.accurate = True
        ascent.scale = np.zeros_like(ascent.scale)
        ascent.damping, ascent.growth = NO_DAMPING, 2.0
        return self._differentiate(ascent)


def _residuals(answers: Payloads) -> Residuals:
    return [None if answer is None else answer[:, 0] for answer in answers]
