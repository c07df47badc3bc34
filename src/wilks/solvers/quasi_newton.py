r"""Quasi-Newton ascent in a box, with a dense curvature estimate and batches of trial points.

The model at u is :math:`L(u + p) \approx L + g^T p - p^T B p / 2` with B positive definite. One iteration:

1. gradient g by forward differences that step inwards and are corrected with B (`evaluation.finite_differences`,
   equation 1), all coordinates in one batch, or from the user;
2. B is updated by BFGS with Powell's damping (Nocedal and Wright 2006, procedure 18.2), s = step, y = change of -g:

   .. math:: \theta = 1 \mbox{ if } s^T y \ge 0.1\, s^T B s \mbox{ else } 0.9\, s^T B s / (s^T B s - s^T y)    (1)

   .. math:: r = \theta y + (1 - \theta) B s                                                                  (2)

   .. math:: B \leftarrow B - B s s^T B / (s^T B s) + r r^T / (s^T r)                                         (3)

3. the step is the maximiser of the model within the box and within a fraction of it (`solvers.box_step`): bounds are
   active constraints, a free step is never clipped;
4. the full step is tried; if the rise is less than Armijo's fraction of the promise, shorter steps from
   quadratic interpolation follow.

It ends when the promised gain :math:`g^T p - p^T B p / 2` is below the tolerance, or, which saves one gradient, when a
full step has just delivered what a trustworthy model had promised: then the gain that remains is at most the
disagreement. A curvature that was never updated may not end an ascent, and one that began as a guess may be far too
stiff in directions that no step has explored yet, so that it promises too little: before the end the second
derivatives along the coordinates are measured, and the ascent goes on where they are softer, or where one of the
points lies higher.

When no shorter step helps, the gradient is taken by central differences with steps that fit the curvature, and, if
much is still promised, twice more with longer steps that a noisy likelihood does not drown. If that does not help
either, the noise of the likelihood is reached. Next to points without a likelihood nothing counts as converged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.evaluation.finite_differences import shifted
from wilks.solvers.box_step import bounds_within, box_step
from wilks.solvers.curvature import Curvature, hessian_from, hessian_points, repaired
from wilks.solvers.gradient import (
    ROUGHEST,
    careful_slopes,
    check_derivatives,
    check_points,
    gradient_points,
    has_room,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Want

_ARMIJO = 1e-4
_LONGEST = 0.3
_FIRST_MOVE = 0.1
_TRUSTED_GAIN = 1e-2
_MAX_BACKTRACKS, _MAX_BACKTRACKS_AT_WALL = 8, 4
_DAMPED = 0.1
_MOST_PAIRS, _PARALLEL = 20, 1e-12
_NOISE_GAIN = 1e-2
_MAX_CHECKS = 3
_SOFTER = 0.5
_MOST_RESCALED = 1e7  # in standard errors


@dataclass
class QuasiNewtonAscent:
    """State of one ascent; the attributes without underscores are those of `core.algorithm.Ascent`."""

    points: NDArray[np.float64]
    u: NDArray[np.float64]
    value: float
    curvature: NDArray[np.float64]
    gradient: NDArray[np.float64]
    stage: str
    fresh: bool
    converged: bool = False
    reason: str = ""
    iteration: int = 0
    steps: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    missing: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    step: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    promise: float = 0.0
    slope: float = 0.0
    length: float = 1.0
    n_backtracks: int = 0
    careful: bool = False
    measuring: bool = False
    turned: bool = False
    guessed: bool = False
    unchecked: bool = False
    n_checks: int = 0
    roughness: int = 0
    walled: bool = False
    old: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=list)
    softest: float = math.inf


@dataclass(frozen=True)
class QuasiNewton:
    """Local maximiser for likelihoods; a `core.algorithm.LocalSolver`.

    Parameters
    ----------
    tolerance
        Gain in log-likelihood below which an ascent ends.
    max_iterations
        Iterations after which it ends without convergence.
    use_gradient
        The problem supplies a gradient; entries that are NaN are filled in by differences.
    step
        Of the quick differences, in the unit box: as short as the noise of the likelihood allows.
    """

    tolerance: float = 1e-6
    max_iterations: int = 200
    use_gradient: bool = False
    step: float = 1e-6

    name = "quasi-Newton (BFGS, active set at the bounds)"

    @property
    def want(self) -> Want:
        """Values, or values with gradients."""
        return "gradient" if self.use_gradient else "value"

    def start(
        self,
        u: NDArray[np.float64],
        *,
        value: float | None = None,
        curvature: NDArray[np.float64] | None = None,
        measure: bool = False,
    ) -> QuasiNewtonAscent:
        """Begin at `u`; a `value` that is known there saves an evaluation, a `curvature` most of the iterations.

        With `measure` the first gradient is taken by central differences, and the curvature is scaled to the second
        derivatives that these give: for a curvature that comes from a point some way off.
        """
        m = len(u)
        ascent = QuasiNewtonAscent(
            points=u[None, :].copy(),
            u=u.copy(),
            value=-math.inf,
            curvature=np.eye(m) if curvature is None else curvature,
            gradient=np.full(m, np.nan),
            stage="value",
            fresh=curvature is None,
            careful=measure and curvature is not None,
            measuring=measure and curvature is not None,
            guessed=curvature is None,
            unchecked=curvature is None,
        )
        if value is not None and not self.use_gradient:
            return self.advance(ascent, np.array([value]))
        return ascent

    def advance(
        self,
        ascent: QuasiNewtonAscent,
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> QuasiNewtonAscent:
        """Take the values at ``ascent.points`` and go on."""
        first = None if payloads is None else payloads[0]
        if ascent.stage == "value":
            ascent.value = float(values[0])
            if not math.isfinite(ascent.value):
                return _end(ascent, "no finite value at the start")
            return self._begin_gradient(ascent, first)
        if ascent.stage == "gradient":
            return self._end_gradient(ascent, values)
        if ascent.stage == "check":
            return self._end_check(ascent, values, payloads)
        return self._end_trial(ascent, float(values[0]), first)

    def curvature_points(self, u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points that measure the Hessian at `u`."""
        return hessian_points(u, curvature)

    def curvature_from(
        self,
        u: NDArray[np.float64],
        value: float,
        curvature: NDArray[np.float64],
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,  # noqa: ARG002 - other solvers measure with them
    ) -> Curvature:
        """The Hessian from the values at `curvature_points`."""
        return hessian_from(u, value, curvature, values)

    def _begin_gradient(self, ascent: QuasiNewtonAscent, given: NDArray[np.float64] | None) -> QuasiNewtonAscent:
        m = len(ascent.u)
        if m == 0:
            ascent.converged = True
            return _end(ascent, "nothing to optimise")
        ascent.gradient = np.full(m, np.nan) if given is None else given.copy()
        ascent.missing = np.flatnonzero(~np.isfinite(ascent.gradient))
        if not len(ascent.missing):
            return self._after_gradient(ascent)
        ascent.stage = "gradient"
        ascent.points, ascent.steps = gradient_points(ascent, self.step)
        return ascent

    def _end_gradient(self, ascent: QuasiNewtonAscent, values: NDArray[np.float64]) -> QuasiNewtonAscent:
        which, h = ascent.missing, ascent.steps[ascent.missing]
        if ascent.careful:
            slopes, bends = careful_slopes(ascent, values)
            if ascent.measuring:
                room = has_room(ascent)[which]
                if ascent.guessed and ascent.roughness:  # correlations that were learnt from noise
                    ascent.curvature = np.diag(np.diag(ascent.curvature))
                _rescale(ascent, which[room], bends[room], only_softer=False)
                ascent.measuring, ascent.careful = False, ascent.roughness > 0
        else:
            bend = 0.0 if ascent.fresh else np.diag(ascent.curvature)[which]
            moved = ascent.points[np.arange(len(which)), which] != ascent.u[which]
            slopes = np.where(moved, (values - ascent.value) / h + 0.5 * h * bend, np.nan)
        finite = np.isfinite(slopes)
        ascent.gradient[which[finite]] = slopes[finite]
        if not finite.all() and not (ascent.careful or ascent.turned):
            ascent.turned = True  # undefined on this side: look at the other, if it lies in the box
            ascent.missing = which[~finite]
            ascent.steps = -ascent.steps
            ascent.points = np.clip(shifted(ascent.u, ascent.steps, ascent.missing), 0.0, 1.0)
            return ascent
        ascent.gradient[~np.isfinite(ascent.gradient)] = 0.0
        ascent.walled = not finite.all()
        ascent.turned = False
        return self._after_gradient(ascent)

    def _after_gradient(self, ascent: QuasiNewtonAscent) -> QuasiNewtonAscent:
        """Update the curvature, find the step, and end or try it."""
        if ascent.old is not None:
            _update(ascent, ascent.u - ascent.old[0], ascent.old[1] - ascent.gradient)
            ascent.old = None
        elif ascent.fresh:
            size = float(np.abs(ascent.gradient).max()) / _FIRST_MOVE
            ascent.curvature = np.eye(len(ascent.u)) * max(size, 1e-8)
        ascent.step, _ = box_step(ascent.gradient, ascent.curvature, *bounds_within(ascent.u, _LONGEST))
        ascent.slope = float(ascent.gradient @ ascent.step)
        ascent.promise = ascent.slope - 0.5 * float(ascent.step @ ascent.curvature @ ascent.step)
        if ascent.promise < self.tolerance and (not ascent.fresh or ascent.promise == 0.0):
            return self._conclude(ascent, "the promised gain is below the tolerance")
        if ascent.iteration >= self.max_iterations:
            return _end(ascent, f"no convergence in {self.max_iterations} iterations")
        ascent.iteration += 1
        ascent.length, ascent.n_backtracks = 1.0, 0
        return _try(ascent)

    def _end_trial(
        self, ascent: QuasiNewtonAscent, value: float, given: NDArray[np.float64] | None
    ) -> QuasiNewtonAscent:
        gain = value - ascent.value
        if gain >= _ARMIJO * ascent.slope * ascent.length:
            return self._accept(ascent, value, given)
        at_wall = not (math.isfinite(gain) or ascent.careful or self.use_gradient)
        if ascent.n_backtracks < (_MAX_BACKTRACKS_AT_WALL if at_wall else _MAX_BACKTRACKS):
            ascent.n_backtracks += 1
            ascent.length *= _shorter(gain, ascent.slope * ascent.length)
            return _try(ascent)
        enough = 2 if ascent.guessed else 1  # noise makes a guess stiff, and then it promises nothing
        worth = ascent.roughness < enough or ascent.promise >= _NOISE_GAIN
        if ascent.roughness < ROUGHEST and worth and not self.use_gradient:
            ascent.roughness += 1
            ascent.careful = True
            ascent.measuring = ascent.roughness > 1
            ascent.old = None
            return self._begin_gradient(ascent, None)
        ascent.converged = ascent.promise < _NOISE_GAIN and not ascent.walled
        return _end(ascent, f"no step rises; a gain of {ascent.promise:.1e} is promised and not found")

    def _accept(self, ascent: QuasiNewtonAscent, value: float, given: NDArray[np.float64] | None) -> QuasiNewtonAscent:
        gain = value - ascent.value
        ascent.old = (ascent.u, ascent.gradient)
        ascent.u, ascent.value = ascent.points[0], value
        whole = ascent.length == 1.0 and float(np.abs(ascent.step).max()) < _LONGEST
        if (
            whole
            and not (ascent.fresh or ascent.walled)
            and ascent.promise < _TRUSTED_GAIN
            and abs(gain - ascent.promise) < self.tolerance
        ):
            ascent.gradient = ascent.gradient - ascent.curvature @ ascent.step
            return self._conclude(ascent, "a full step delivered what was promised")
        return self._begin_gradient(ascent, given)

    def _conclude(self, ascent: QuasiNewtonAscent, reason: str) -> QuasiNewtonAscent:
        """End, after a look at the second derivatives along the coordinates if the curvature began as a guess."""
        if not ascent.unchecked or ascent.n_checks >= _MAX_CHECKS:
            ascent.converged = not ascent.walled
            return _end(ascent, "next to points without a likelihood" if ascent.walled else reason)
        ascent.unchecked = False
        ascent.n_checks += 1
        ascent.reason = reason
        ascent.stage = "check"
        ascent.points, ascent.steps = check_points(ascent, both_sides=not self.use_gradient)
        return ascent

    def _end_check(
        self,
        ascent: QuasiNewtonAscent,
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None,
    ) -> QuasiNewtonAscent:
        ascent.old = None
        slopes, bends = check_derivatives(ascent, values, payloads if self.use_gradient else None)
        ascent.unchecked = True
        fresh, ascent.fresh = ascent.fresh, False
        if _rescale(ascent, np.arange(len(ascent.u)), bends, only_softer=not fresh):
            ascent.gradient = np.where(np.isfinite(slopes), slopes, ascent.gradient)
            return self._after_gradient(ascent)
        best = int(np.argmax(values))
        if values[best] > ascent.value + self.tolerance:  # a saddle, or noise
            ascent.u, ascent.value = ascent.points[best], float(values[best])
            return self._begin_gradient(ascent, None if payloads is None else payloads[best])
        ascent.unchecked = False
        return self._conclude(ascent, ascent.reason)


def _try(ascent: QuasiNewtonAscent) -> QuasiNewtonAscent:
    ascent.stage = "trial"
    ascent.points = np.clip(ascent.u + ascent.length * ascent.step, 0.0, 1.0)[None, :]
    return ascent


def _end(ascent: QuasiNewtonAscent, reason: str) -> QuasiNewtonAscent:
    ascent.points = ascent.points[:0]
    ascent.stage, ascent.reason = "ended", reason
    return ascent


def _shorter(gain: float, slope: float) -> float:
    """Factor for the next step length, from the parabola through value, slope and the failed trial."""
    if not math.isfinite(gain):
        return 0.3
    return min(0.6, max(0.1, slope / (2 * (slope - gain))))


def _rescale(
    ascent: QuasiNewtonAscent, which: NDArray[np.int64], measured: NDArray[np.float64], *, only_softer: bool
) -> bool:
    """Give the curvature the diagonal that was measured, keeping the correlations; was anything much softer?"""
    factors = np.ones(len(ascent.u))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(measured / np.diag(ascent.curvature)[which])
    usable = np.isfinite(ratio) & (ratio > 0) & ((ratio < _SOFTER) | (not only_softer))
    factors[which[usable]] = np.clip(ratio[usable], 1.0 / _MOST_RESCALED, _MOST_RESCALED)
    ascent.curvature = ascent.curvature * np.outer(factors, factors)
    return bool((factors < _SOFTER).any())


def _update(ascent: QuasiNewtonAscent, s: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Damped BFGS; a curvature that began as a guess is built anew from its pairs, in the softest scale seen so far.

    The scale of the first pair is that of the stiffest direction, and updates alone would take very many iterations to
    soften the others. From the softest scale the pairs put the stiffness back where it was seen (Nocedal and Wright
    2006, section 7.2, with a dense matrix).
    """
    sy, size = float(s @ y), math.sqrt(float(s @ s) * float(y @ y))
    if not s.any():
        return
    curvature = ascent.curvature
    building = ascent.guessed and not ascent.roughness and not ascent.n_checks  # nothing measured to be kept
    if building and sy > _PARALLEL * size:
        ascent.pairs = [*ascent.pairs[1 - max(_MOST_PAIRS, 2 * len(s)) :], (s, y)]
        ascent.softest = min(ascent.softest, float(y @ y) / sy)
        curvature = np.eye(len(s)) * ascent.softest
        for step, change in ascent.pairs:
            curvature = _updated(curvature, step, change)
    else:
        curvature = _updated(curvature, s, y)
    ascent.fresh = False
    try:
        np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:  # positive definite but for rounding
        curvature = repaired(curvature)
    ascent.curvature = curvature


def _updated(b: NDArray[np.float64], s: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    bs, sy = b @ s, float(s @ y)
    sbs = float(s @ bs)
    theta = 1.0 if sy >= _DAMPED * sbs else (1 - _DAMPED) * sbs / (sbs - sy)  # (1)
    r = theta * y + (1 - theta) * bs  # (2)
    found: NDArray[np.float64] = b - np.outer(bs, bs) / sbs + np.outer(r, r) / float(s @ r)  # (3)
    return found
