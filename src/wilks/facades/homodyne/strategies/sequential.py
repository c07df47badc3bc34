r"""One fit for each angle with residuals of the user's own, and their combination.

For the models of homodyne there is `wilks.xpcs.sequential`, which weighs whole covariance matrices and tests whether
the angles agree. Here every parameter has weights of its own,

.. math:: \mu = \sum_k w_k x_k / \sum_k w_k, \quad w_k = 1 / \sigma_k^2                                           (1)

so that :math:`\sigma^2 = 1 / \sum_k w_k`, and the covariance of two parameters follows from those of the angles.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError, WilksError
from wilks.facades.homodyne.jacobian import jacobian_at
from wilks.facades.homodyne.notices import notice
from wilks.facades.homodyne.strategies.solving import (
    SolverSettings,
    restore_fixed_parameters,
    solve,
    strip_fixed_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]

__all__ = [
    "AngleSubset",
    "SequentialFailedError",
    "SequentialResult",
    "combine_angle_results",
    "optimize_per_angle_sequential",
    "optimize_single_angle",
    "restore_fixed_parameters",
    "split_data_by_angle",
    "strip_fixed_parameters",
]

_FEW_POINTS = 10
_WEIGHTINGS = ("inverse_variance", "uniform", "n_points")


class SequentialFailedError(WilksError, RuntimeError):
    """Too few angles could be fitted."""


@dataclass(frozen=True, eq=False)
class AngleSubset:
    """The points of one angle.

    Attributes
    ----------
    phi_angle
        The angle.
    phi_indices
        Where its points are among all, shape (n_points,).
    n_points
        Their number.
    phi, t1, t2, g2_exp
        The points, shape (n_points,).
    """

    phi_angle: float
    phi_indices: NDArray[np.intp]
    n_points: int
    phi: Arrays
    t1: Arrays
    t2: Arrays
    g2_exp: Arrays


@dataclass(frozen=True, eq=False)
class SequentialResult:
    """Fits of single angles, and their combination.

    Attributes
    ----------
    combined_parameters, combined_covariance
        Shapes (n,) and (n, n).
    per_angle_results
        What `optimize_single_angle` said of each angle, also of those that failed.
    n_angles_optimized, n_angles_failed
        Number of angles whose fit converged, and of the others.
    total_cost
        Sum of the costs of those that converged.
    success_rate
        Their part of all.
    initial_jacobian_norms, final_jacobian_norms
        Norms of the columns of the Jacobian over all angles, at the start and at their own optima, shape (n,); None
        where there is none.
    """

    combined_parameters: Arrays
    combined_covariance: Arrays
    per_angle_results: list[dict[str, Any]]
    n_angles_optimized: int
    n_angles_failed: int
    total_cost: float
    success_rate: float
    initial_jacobian_norms: Arrays | None = None
    final_jacobian_norms: Arrays | None = None


def split_data_by_angle(
    phi: ArrayLike,
    t1: ArrayLike,
    t2: ArrayLike,
    g2_exp: ArrayLike,
    min_points_per_angle: int | None = None,
) -> list[AngleSubset]:
    """Split points by their angle, angles ascending.

    Parameters
    ----------
    phi, t1, t2, g2_exp
        Angle, times and value of each point, shape (n,).
    min_points_per_angle
        An angle with fewer points is an error; None warns of angles with fewer than 10.

    Raises
    ------
    InvalidDataError
        If an angle has too few points, or the arrays have different lengths.

    Examples
    --------
    >>> phi, t = np.repeat([0, 90], 10), np.tile(np.arange(10.0), 2)
    >>> [(subset.phi_angle, subset.n_points) for subset in split_data_by_angle(phi, t, t, np.ones(20))]
    [(0.0, 10), (90.0, 10)]
    """
    columns = [np.asarray(each, dtype=float).ravel() for each in (phi, t1, t2, g2_exp)]
    sizes = [column.size for column in columns]
    if len(set(sizes)) != 1 or not sizes[0]:
        raise InvalidDataError(f"phi, t1, t2, g2_exp: expected the same number of values, at least one, got {sizes}")
    found = []
    for angle in np.unique(columns[0]).tolist():
        where = np.flatnonzero(columns[0] == angle)
        found.append(AngleSubset(angle, where, len(where), *(column[where] for column in columns)))
    least = _FEW_POINTS if min_points_per_angle is None else min_points_per_angle
    few = [f"{subset.phi_angle:g} has {subset.n_points}" for subset in found if subset.n_points < least]
    if few and min_points_per_angle is not None:
        raise InvalidDataError(f"expected at least {least} points of every angle, but angle {', '.join(few)}")
    if few:
        notice(f"fewer than {least} points of an angle hardly determine anything: angle {', '.join(few)}")
    return found


def optimize_single_angle(
    subset: AngleSubset,
    residual_func: Callable[..., Any],
    initial_params: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike],
    **optimizer_kwargs: Any,  # noqa: ANN401 - checked by SolverSettings
) -> dict[str, Any]:
    """Fit one angle with `wilks.fit`.

    Parameters
    ----------
    subset
        Its points.
    residual_func
        ``residual_func(params, phi, t1, t2)``, or with the values besides, ``residual_func(params, phi, t1, t2, g2)``;
        returns the residuals.
    initial_params, bounds
        Start, and lower and upper bounds; equal bounds fix a parameter.
    **optimizer_kwargs
        ``loss``, ``f_scale``, ``x_scale`` and ``max_nfev`` as for ``scipy.optimize.least_squares``; its tolerances and
        its method have no effect, and a warning says so.

    Returns
    -------
    dict
        ``parameters``, ``covariance``, ``cost``, ``success``, ``n_iterations`` (evaluations of the residuals),
        ``message``, ``n_points`` and ``phi_angle``.
    """
    n = np.size(initial_params)
    names = [f"p{number}" for number in range(n)]
    return _fitted(subset, residual_func, initial_params, bounds, names, SolverSettings.of(optimizer_kwargs, names))


def combine_angle_results(
    per_angle_results: Sequence[dict[str, Any]], weighting: str = "inverse_variance"
) -> tuple[Arrays, Arrays, float]:
    """Combine the fits of single angles.

    Parameters
    ----------
    per_angle_results
        With ``parameters``, ``covariance``, ``cost`` and ``n_points``; those with ``success`` False are left out.
    weighting
        ``"inverse_variance"``: equation (1); an angle that does not determine a parameter has no weight in it.
        ``"uniform"``: the mean. ``"n_points"``: the mean weighted with the numbers of points.

    Returns
    -------
    combined_params, combined_cov, total_cost
        Shapes (n,) and (n, n), and the sum of the costs.

    Raises
    ------
    InvalidConfigurationError
        If there is no such weighting, or no angle that converged.

    Examples
    --------
    >>> one = {"parameters": [1.0], "covariance": [[1.0]], "cost": 2.0, "n_points": 10}
    >>> other = {"parameters": [4.0], "covariance": [[2.0]], "cost": 3.0, "n_points": 10}
    >>> combine_angle_results([one, other])
    (array([2.]), array([[0.66666667]]), 5.0)
    """
    if weighting not in _WEIGHTINGS:
        raise InvalidConfigurationError(f"weighting: expected one of {', '.join(_WEIGHTINGS)}, got {weighting!r}")
    used = [each for each in per_angle_results if each.get("success", True)]
    if not used:
        raise InvalidConfigurationError(f"combine_angle_results: none of {len(per_angle_results)} angles converged")
    points = np.array([each["parameters"] for each in used], dtype=float)
    covariances = np.array([each["covariance"] for each in used], dtype=float)
    weights = np.ones(points.shape)
    if weighting == "n_points":
        weights *= np.array([float(each["n_points"]) for each in used])[:, None]
    elif weighting == "inverse_variance":
        weights = _inverse_variances(np.diagonal(covariances, axis1=1, axis2=2))
    weights /= weights.sum(axis=0)
    combined = (weights * points).sum(axis=0)
    terms = weights[:, :, None] * weights[:, None, :]
    # An angle without weight in a parameter adds nothing, not even its NaN.
    covariance = np.where(terms > 0, np.where(terms > 0, terms, 1.0) * covariances, 0.0).sum(axis=0)
    return combined, covariance, float(sum(float(each["cost"]) for each in used))


def optimize_per_angle_sequential(
    phi: ArrayLike,
    t1: ArrayLike,
    t2: ArrayLike,
    g2_exp: ArrayLike,
    residual_func: Callable[..., Any],
    initial_params: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike],
    weighting: str = "inverse_variance",
    min_success_rate: float = 0.5,
    parameter_names: Sequence[str] | None = None,
    **optimizer_kwargs: Any,  # noqa: ANN401 - checked by SolverSettings
) -> SequentialResult:
    """Fit every angle by itself, and combine the fits.

    Parameters
    ----------
    phi, t1, t2, g2_exp
        Angle, times and value of each point, shape (n,).
    residual_func, initial_params, bounds, **optimizer_kwargs
        As for `optimize_single_angle`.
    weighting
        As for `combine_angle_results`.
    min_success_rate
        Part of the angles that must converge.
    parameter_names
        Names for an ``x_scale`` that is a dictionary.

    Raises
    ------
    SequentialFailedError
        If fewer angles converge.

    Examples
    --------
    >>> t, phi = np.tile(np.linspace(0, 1, 50), 2), np.repeat([0, 90], 50)
    >>> def residual(params, phi, t1, t2, g2):
    ...     return g2 - params[0] * np.exp(-t1)
    >>> found = optimize_per_angle_sequential(phi, t, t, 0.3 * np.exp(-t), residual, [0.5], ([0.0], [1.0]))
    >>> found.combined_parameters.round(6), found.success_rate
    (array([0.3]), 1.0)
    """
    if weighting not in _WEIGHTINGS:
        raise InvalidConfigurationError(f"weighting: expected one of {', '.join(_WEIGHTINGS)}, got {weighting!r}")
    names = list(parameter_names or (f"p{number}" for number in range(np.size(initial_params))))
    if len(names) != np.size(initial_params):
        raise InvalidConfigurationError(f"parameter_names: expected {np.size(initial_params)} names, got {len(names)}")
    settings = SolverSettings.of(optimizer_kwargs, names)
    subsets = split_data_by_angle(phi, t1, t2, g2_exp)
    results = [_fitted(subset, residual_func, initial_params, bounds, names, settings) for subset in subsets]
    n_good = sum(each["success"] for each in results)
    rate = n_good / len(results)
    if rate < min_success_rate or not n_good:
        raise SequentialFailedError(
            f"{n_good} of {len(results)} angles converged, {min_success_rate:.0%} are needed; the first that did not "
            f"said: {next(each['message'] for each in results if not each['success'])}"
        )
    combined, covariance, cost = combine_angle_results(results, weighting)
    first = _norms(subsets, residual_func, [np.asarray(initial_params, dtype=float)] * len(subsets))
    last = _norms(subsets, residual_func, [each["parameters"] for each in results])
    return SequentialResult(combined, covariance, results, n_good, len(results) - n_good, cost, rate, first, last)


def _fitted(
    subset: AngleSubset,
    residual_func: Callable[..., Any],
    start: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike],
    names: Sequence[str],
    settings: SolverSettings,
) -> dict[str, Any]:
    solved = solve(_residual_of(subset, residual_func), start, bounds, names, settings)
    return {
        "parameters": solved.params,
        "covariance": solved.covariance,
        "cost": solved.cost,
        "success": solved.success,
        "n_iterations": solved.n_evaluations,
        "message": solved.message,
        "n_points": subset.n_points,
        "phi_angle": subset.phi_angle,
    }


def _residual_of(subset: AngleSubset, residual_func: Callable[..., Any]) -> Callable[..., Any]:
    where: tuple[Arrays, ...] = (subset.phi, subset.t1, subset.t2, subset.g2_exp)
    if not _takes_values(residual_func):
        where = where[:3]

    def residual(*params: float) -> Any:  # noqa: ANN401 - user's answer
        return residual_func(np.array(params), *where)

    return residual


def _takes_values(residual_func: Callable[..., Any]) -> bool:
    """Does it take (params, phi, t1, t2, g2)? Without a signature to be seen it does."""
    try:
        signature = inspect.signature(residual_func)
    except ValueError:
        return True
    try:
        signature.bind(*range(5))
    except TypeError:
        return False
    return True


def _inverse_variances(variances: Arrays) -> Arrays:
    """Weights by equation (1), each column with a positive sum: exact angles alone, or all alike, if need be."""
    finite = np.isfinite(variances) & (variances >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(finite & (variances > 0), 1.0 / variances, 0.0)
    exact = finite & (variances == 0)
    weights = np.where(exact.any(axis=0), exact, weights)
    return np.where(weights.sum(axis=0) > 0, weights, 1.0)


def _norms(
    subsets: Sequence[AngleSubset], residual_func: Callable[..., Any], points: Sequence[Arrays]
) -> Arrays | None:
    total = np.zeros(len(points[0]))
    for subset, point in zip(subsets, points, strict=True):
        residual = _residual_of(subset, residual_func)
        jacobian = jacobian_at(lambda _, *params, residual=residual: residual(*params), None, point)
        if jacobian is None:
            return None
        total += (jacobian**2).sum(axis=0)
    return np.asarray(np.sqrt(total))
