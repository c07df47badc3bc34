"""Least squares for residuals of the user's own, in the terms of ``scipy.optimize``: handed to `wilks.fit`.

The fit is one ascent from the start that is given (Levenberg-Marquardt with bounds). Unless `SolverSettings` says so,
residuals are not taken to be divided by their standard deviations: the covariance is multiplied by the reduced
chi-squared, as `curve_fit` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.loss import Loss
from wilks.facades.homodyne.notices import NoEffectWarning, notice
from wilks.facades.homodyne.strategies.squares import BoxedSquares
from wilks.facades.homodyne.validation.options import section
from wilks.loop.stopping import MaxEvaluations
from wilks.verbs.fit import fit
from wilks.verbs.fit_options import FitOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.solvers.result import FitResult
    from wilks.store.log import EvaluationLog

    Arrays = NDArray[np.float64]

_MOST_BOXES = 6
"""After that many boxes (see `squares`) a parameter is 10^18 times as far off as its start, and will not settle."""
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
    sigma_known
        Are residuals divided by standard deviations that are known? The covariance is then not scaled.
    """

    loss: Loss = field(default_factory=Loss)
    x_scale: Mapping[str, float] = field(default_factory=dict)
    max_evaluations: int | None = None
    sigma_known: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any], names: Sequence[str]) -> SolverSettings:
        """Take keywords of ``scipy.optimize.least_squares``.

        Raises
        ------
        InvalidConfigurationError
            If one is unknown or cannot be used.
        """
        section("solver", given, (*_USED, *_WITHOUT_EFFECT))
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
        Number of evaluations of the residuals, without those for derivatives.
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
    callbacks: Sequence[Callable[..., object]] | None = None,
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
        Where the evaluations in the first box are kept.
    callbacks
        As for `wilks.fit`: None shows the progress in a terminal.
    """
    squares = BoxedSquares.of(residual, start, bounds, names, chunked=chunked)
    mask = squares.is_free
    covariance = np.where(np.logical_and.outer(mask, mask), np.nan, 0.0)
    if not mask.any():
        return Solved(squares.start, covariance, np.nan, True, 0, "All parameters are fixed.", None)
    scales = {name: each for name, each in settings.x_scale.items() if mask[squares.names.index(name)]} or None
    options = FitOptions(method="local", x_scale=scales, sigma_known=settings.sigma_known)
    n_evaluations, left = 0, settings.max_evaluations
    for number in range(_MOST_BOXES):
        stop = None if left is None else MaxEvaluations(left)
        problem = squares.problem(settings.loss, squares.box)
        found = fit(problem, options=options, stop=stop, log=None if number else log, seed=0, callbacks=callbacks)
        n_evaluations += found.n_evaluations
        if not found.best:
            message = f"{found.status.message} {squares.complaint()}"
            return Solved(squares.start, covariance, np.inf, False, n_evaluations, message, found)
        params = squares.vector(found.best)
        leaves = squares.leaves(found.at_bounds)
        left = None if left is None else left - found.n_evaluations
        if not leaves or not found.status.success or (left is not None and left <= 0):
            break
        squares = squares.around(params)
    message = found.status.message
    if leaves:
        message = f"No end in sight: {', '.join(leaves)} still moves away from the start, now at {params}. {message}"
    covariance[np.ix_(mask, mask)] = found.covariance
    success = found.status.success and not leaves
    return Solved(params, covariance, -float(found.log_likelihood), success, n_evaluations, message, found)


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
