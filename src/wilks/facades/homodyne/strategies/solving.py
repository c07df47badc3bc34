"""Least squares for residuals of the user's own, in the terms of ``scipy.optimize``: handed to `wilks.fit`.

The fit is one ascent from the start that is given (Levenberg-Marquardt with bounds). Residuals are not taken to be
divided by their standard deviations: the covariance is multiplied by the reduced chi-squared, as `curve_fit` does.

The engine wants a finite box and takes its steps for derivatives from it. A parameter without bounds gets a box so wide
that such steps would be too long, so its problem brings derivatives along whose steps follow the parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.least_squares import ResidualProblem
from wilks.core.loss import Loss
from wilks.core.parameter import Real
from wilks.core.space import Space
from wilks.evaluation.answers import attempt
from wilks.facades.homodyne.data_prep import validate_bounds, validate_initial_params
from wilks.facades.homodyne.notices import NoEffectWarning, notice
from wilks.loop.stopping import MaxEvaluations
from wilks.solvers.jacobian import three_point_jacobian
from wilks.verbs.fit import fit
from wilks.verbs.fit_options import FitOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.solvers.result import FitResult
    from wilks.store.log import EvaluationLog

    Arrays = NDArray[np.float64]

_WIDE = 1000.0
"""Half of the box of a parameter without bounds, over the larger of 1 and its start."""
_STEP = 6e-6
"""Of a parameter, relative: about the cube root of the rounding error, the best for a central difference."""
_USED = ("loss", "f_scale", "x_scale", "max_nfev")
_WITHOUT_EFFECT = ("ftol", "xtol", "gtol", "verbose", "method", "jac", "diff_step", "tr_solver", "tr_options")


@dataclass(frozen=True)
class SolverSettings:
    """What a caller may say of the solver.

    Attributes
    ----------
    loss
        With its scale.
    x_scale
        Typical scale of each parameter, by name, for the damping; empty for the Jacobian's.
    max_evaluations
        Limit, or None.
    """

    loss: Loss = field(default_factory=Loss)
    x_scale: Mapping[str, float] = field(default_factory=dict)
    max_evaluations: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any], names: Sequence[str]) -> SolverSettings:
        """Take keywords of ``scipy.optimize.least_squares``.

        Raises
        ------
        InvalidConfigurationError
            If one is unknown or cannot be used.
        """
        unknown = [name for name in given if name not in (*_USED, *_WITHOUT_EFFECT)]
        if unknown:
            raise InvalidConfigurationError(
                f"unknown option of the solver {unknown[0]!r}; known are {', '.join((*_USED, *_WITHOUT_EFFECT))}"
            )
        idle = [name for name in given if name in _WITHOUT_EFFECT]
        if idle:
            notice(
                f"{', '.join(idle)}: no effect; the fit ends where its gain in log-likelihood does", NoEffectWarning, 4
            )
        limit = given.get("max_nfev")
        loss = Loss(given.get("loss", "linear"), float(given.get("f_scale", 1.0)))
        return cls(loss, _scales(given.get("x_scale"), names), None if limit is None else int(limit))


@dataclass(frozen=True, eq=False)
class Solved:
    """The end of an ascent.

    Attributes
    ----------
    params, covariance
        Shapes (n,) and (n, n); the covariance is 0 for what was fixed, NaN for what ended at a bound.
    cost
        Half the sum of squares, or of what the loss makes of them.
    success
        Has it converged?
    n_evaluations
        Number of evaluations of the residuals.
    message
        A sentence for people.
    result
        The whole result of wilks; None if nothing was free.
    """

    params: Arrays
    covariance: Arrays
    cost: float
    success: bool
    n_evaluations: int
    message: str
    result: FitResult | None


def solve(
    residual: Callable[..., Any],
    start: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike] | None,
    names: Sequence[str],
    settings: SolverSettings,
    *,
    chunked: bool = False,
    log: EvaluationLog | None = None,
) -> Solved:
    """Minimise the sum of squares of ``residual(*params)`` from one start.

    Parameters
    ----------
    residual
        Returns a 1-D array; if `chunked`, a generator of these.
    start, bounds
        Parameters, and their lower and upper bounds or None; equal bounds fix a parameter.
    names
        Of the parameters.
    settings
        Of the solver.
    chunked
        Do the residuals come in pieces?
    log
        Where the evaluations are kept.
    """
    begin = validate_initial_params(start, bounds)
    lower, upper, is_open = _box(begin, bounds)
    _, _, _, mask = strip_fixed_parameters(begin, lower, upper)
    domains: dict[str, Any] = {
        name: Real(float(lower[k]), float(upper[k]), initial=float(begin[k])) if mask[k] else float(begin[k])
        for k, name in enumerate(names)
    }
    covariance = np.where(np.logical_and.outer(mask, mask), np.nan, 0.0)

    if not mask.any():
        return Solved(begin, covariance, np.nan, True, 0, "All parameters are fixed.", None)
    numbers = _Numbers(residual, tuple(names), begin, (lower, upper), mask, chunked)
    jacobian = numbers.jacobian if is_open else None
    problem = ResidualProblem(Space(domains), numbers, jacobian=jacobian, loss=settings.loss, chunked=chunked)
    scales = {name: scale for name, scale in settings.x_scale.items() if domains.get(name) is not None} or None
    limit = None if settings.max_evaluations is None else MaxEvaluations(settings.max_evaluations)
    options = FitOptions(method="local", x_scale=scales, sigma_known=False)
    found = fit(problem, options=options, stop=limit, log=log, seed=0)
    if not found.best:
        _, error = attempt(lambda: list(numbers.pieces(begin)))
        message = f"{found.status.message} At the start: {error or 'residuals are not finite'}"
        return Solved(begin, covariance, np.inf, False, found.n_evaluations, message, found)
    params = restore_fixed_parameters([float(found.best[name]) for name in found.names], begin, mask)  # type: ignore[arg-type]  # all are real
    covariance[np.ix_(mask, mask)] = found.covariance
    cost = -float(found.log_likelihood)
    return Solved(params, covariance, cost, found.status.success, found.n_evaluations, found.status.message, found)


def strip_fixed_parameters(
    initial_params: ArrayLike, lower_bounds: ArrayLike, upper_bounds: ArrayLike
) -> tuple[Arrays, Arrays, Arrays, NDArray[np.bool_]]:
    """Leave out the parameters whose bounds are equal.

    Parameters
    ----------
    initial_params, lower_bounds, upper_bounds
        Of all parameters, shape (n,).

    Returns
    -------
    free_params, free_lower, free_upper, free_mask
        Of those that are left, and which these are, shape (n,).

    Examples
    --------
    >>> free, lower, upper, mask = strip_fixed_parameters([1.0, 2.0, 3.0], [0.0, 2.0, 0.0], [5.0, 2.0, 5.0])
    >>> free, mask
    (array([1., 3.]), array([ True, False,  True]))
    """
    params, lower, upper = (
        np.asarray(each, dtype=float).ravel() for each in (initial_params, lower_bounds, upper_bounds)
    )
    if not params.shape == lower.shape == upper.shape:
        raise InvalidConfigurationError(
            f"expected as many lower and upper bounds as parameters, got {len(lower)}, {len(upper)} and {len(params)}"
        )
    free = lower < upper
    return params[free], lower[free], upper[free], free


def restore_fixed_parameters(free_result: ArrayLike, fixed_values: ArrayLike, free_mask: ArrayLike) -> Arrays:
    """Put fixed parameters back among the free ones: the inverse of `strip_fixed_parameters`.

    Parameters
    ----------
    free_result
        Values of the free parameters.
    fixed_values
        Values of all, of which those that are fixed are taken, shape (n,).
    free_mask
        Which are free, shape (n,).

    Examples
    --------
    >>> restore_fixed_parameters([1.5, 3.5], [1.0, 2.0, 3.0], [True, False, True])
    array([1.5, 2. , 3.5])
    """
    whole, mask = np.array(fixed_values, dtype=float), np.asarray(free_mask, dtype=bool)
    values = np.asarray(free_result, dtype=float).ravel()
    if mask.shape != whole.shape or values.size != mask.sum():
        raise InvalidConfigurationError(
            f"expected {int(mask.sum())} free values and a mask of {whole.size}, got {values.size} and {mask.size}"
        )
    whole[mask] = values
    return whole


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The residuals as a function of values by name, and their derivatives by steps that follow the parameters."""

    residual: Callable[..., Any]
    names: tuple[str, ...]
    start: Arrays
    box: tuple[Arrays, Arrays]
    is_free: NDArray[np.bool_]
    chunked: bool

    def __call__(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - user's answer
        return self.residual(*[values[name] for name in self.names])

    def jacobian(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one matrix, or a generator of them
        found = self._matrices(np.array([float(values[name]) for name in self.names]))
        return found if self.chunked else next(found)

    def _matrices(self, point: Arrays) -> Iterator[Arrays]:
        typical = np.maximum(np.abs(point), np.abs(self.start))
        steps = _STEP * np.where(typical > 0, typical, 1.0)
        lower, upper = self.box
        above, below = point + steps <= upper, point - steps >= lower  # at a bound both points lie on one side
        ahead = np.where(above, steps, -2.0 * steps)[self.is_free]
        behind = np.where(below, -steps, np.where(above, 2.0 * steps, -steps))[self.is_free]
        moves = np.concatenate([np.eye(len(point))[self.is_free] * each[:, None] for each in (ahead, behind)])
        everywhere = [self.pieces(where) for where in (point, *(point + moves))]
        for centre, *moved in zip(*everywhere, strict=True):
            yield three_point_jacobian(centre, (ahead, behind), moved)

    def pieces(self, point: Arrays) -> Iterator[Arrays]:
        """Go through the residuals at a point."""
        answer = self.residual(*point.tolist())
        for piece in answer if self.chunked else (answer,):
            yield np.asarray(piece, dtype=float)


def _box(start: Arrays, bounds: tuple[ArrayLike, ArrayLike] | None) -> tuple[Arrays, Arrays, bool]:
    """Bounds, finite ones where there are none, and whether there are such."""
    reach = _WIDE * np.maximum(np.abs(start), 1.0)
    checked = validate_bounds(bounds, len(start))
    if checked is None:
        return start - reach, start + reach, True
    lower, upper = checked
    known = np.isfinite(lower), np.isfinite(upper)
    is_open = not (known[0] & known[1]).all()
    return np.where(known[0], lower, start - reach), np.where(known[1], upper, start + reach), is_open


def _scales(given: Any, names: Sequence[str]) -> dict[str, float]:  # noqa: ANN401 - checked here
    """Typical scales by name; those of the Jacobian for None, "jac" and 1."""
    if given is None or (isinstance(given, str) and given == "jac") or (np.ndim(given) == 0 and given == 1.0):
        return {}
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise InvalidConfigurationError(f"x_scale: {unknown[0]!r} is no parameter; they are {', '.join(names)}")
        return {name: float(scale) for name, scale in given.items()}
    scales = np.asarray(given)
    if scales.dtype.kind not in "fiu" or scales.size not in (1, len(names)):
        raise InvalidConfigurationError(
            f"x_scale: expected 'jac', one positive number, or {len(names)}, one for each parameter, got {given!r:.200}"
        )
    return dict(zip(names, np.broadcast_to(scales.astype(float).ravel(), len(names)).tolist(), strict=True))
