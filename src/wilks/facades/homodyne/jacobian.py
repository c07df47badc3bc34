"""Derivatives of a user's residuals, and what they say of the parameters.

The residuals are a function ``residual_fn(x, *params)``, as ``scipy.optimize.curve_fit`` calls it. Derivatives are
exact if it is a function of JAX, and of second order in the step otherwise; both are those of `wilks.solvers`. A
function that fails, or is not finite, has none, and the functions here say so by None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.least_squares import ResidualProblem
from wilks.core.parameter import Real
from wilks.core.random import keyed_generator
from wilks.core.space import Space
from wilks.evaluation.answers import attempt, numbers_of
from wilks.solvers.autodiff import jax_jacobian
from wilks.solvers.jacobian import three_point_jacobian

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]
    Residual = Callable[..., Any]

__all__ = [
    "analyze_parameter_sensitivity",
    "compute_jacobian_condition_number",
    "compute_jacobian_stats",
    "estimate_gradient_noise",
]

STEP = 6e-6
"""Of a parameter, relative: about the cube root of the rounding error, the best for a central difference."""


def compute_jacobian_stats(
    residual_fn: Residual,
    x_subset: Any,  # noqa: ANN401 - handed on
    params: ArrayLike,
    scaling_factor: float,
) -> tuple[Arrays, Arrays] | tuple[None, None]:
    """Return J'J and the norms of the columns of J, for the derivatives J of the residuals.

    Parameters
    ----------
    residual_fn
        ``residual_fn(x_subset, *params)`` returns residuals, of any shape.
    x_subset
        Where they are wanted: a part of the data, such as `sample_xdata` chooses.
    params
        A point, shape (n,).
    scaling_factor
        Number of data over that in the part: J'J is multiplied by it, and the norms by its root.

    Returns
    -------
    jtj, norms
        Shapes (n, n) and (n,); None and None where there are no derivatives.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> jtj, norms = compute_jacobian_stats(lambda x, a, b: a * x + b, x, [1.0, 1.0], 2.0)
    >>> jtj.round(6)
    array([[10.,  6.],
           [ 6.,  4.]])
    """
    jacobian = jacobian_at(residual_fn, x_subset, params)
    if jacobian is None:
        return None, None
    return scaling_factor * jacobian.T @ jacobian, np.sqrt(scaling_factor) * np.linalg.norm(jacobian, axis=0)


def compute_jacobian_condition_number(
    residual_fn: Residual,
    x_subset: Any,  # noqa: ANN401 - handed on
    params: ArrayLike,
) -> float | None:
    """Return the condition number of the derivatives of the residuals; above 1e6 the fit is ill conditioned.

    It depends on the units of the parameters: what units cannot cure is in ``quality.condition_number`` of a fit.

    Parameters
    ----------
    residual_fn, x_subset, params
        As for `compute_jacobian_stats`.

    Returns
    -------
    float or None
        Infinite where a combination of parameters has no effect; None where there are no derivatives.
    """
    jacobian = jacobian_at(residual_fn, x_subset, params)
    return None if jacobian is None else float(np.linalg.cond(jacobian))


def analyze_parameter_sensitivity(
    residual_fn: Residual,
    x_subset: Any,  # noqa: ANN401 - handed on
    params: ArrayLike,
    param_names: Sequence[str],
) -> dict[str, float]:
    """Return how much each parameter moves the residuals, relative to the one that moves them most.

    Parameters
    ----------
    residual_fn, x_subset, params
        As for `compute_jacobian_stats`.
    param_names
        Names of all parameters, in their order.

    Returns
    -------
    dict
        Name -> norm of its column over the largest, 0 to 1; empty where there are no derivatives.

    Examples
    --------
    >>> found = analyze_parameter_sensitivity(lambda x, a, b: 4 * a * x + b * x, np.ones(3), [1.0, 1.0], ["a", "b"])
    >>> {name: round(value, 6) for name, value in found.items()}
    {'a': 1.0, 'b': 0.25}
    """
    if len(param_names) != np.size(params):
        raise InvalidConfigurationError(f"param_names: expected {np.size(params)} names, got {len(param_names)}")
    jacobian = jacobian_at(residual_fn, x_subset, params)
    if jacobian is None:
        return {}
    norms = np.linalg.norm(jacobian, axis=0)
    largest = float(norms.max())
    return dict(zip(param_names, (norms / (largest or 1.0)).tolist(), strict=True))


def estimate_gradient_noise(
    residual_fn: Residual,
    x_subset: Any,  # noqa: ANN401 - handed on
    params: ArrayLike,
    n_samples: int = 5,
    perturbation: float = 1e-6,
    seed: int = 42,
) -> float | None:
    """Return how much the derivatives differ between points that are as good as the same.

    Parameters
    ----------
    residual_fn, x_subset, params
        As for `compute_jacobian_stats`.
    n_samples
        Number of points, at least 2.
    perturbation
        Standard deviation of their relative distances from `params`.
    seed
        Of the points.

    Returns
    -------
    float or None
        Root mean square deviation of the derivatives over the norm of their mean (a coefficient of variation); None
        where there are no derivatives.

    Examples
    --------
    >>> estimate_gradient_noise(lambda x, a: a * x, np.ones(3), [1.0]) < 1e-8
    True
    """
    if n_samples < 2 or not perturbation > 0:
        raise InvalidConfigurationError(
            f"estimate_gradient_noise: expected n_samples >= 2 and perturbation > 0, got {n_samples}, {perturbation}"
        )
    centre, generator = np.asarray(params, dtype=float), keyed_generator(seed)
    found = []
    for _ in range(n_samples):
        moved = centre + perturbation * np.where(centre == 0.0, 1.0, centre) * generator.standard_normal(centre.shape)
        jacobian = jacobian_at(residual_fn, x_subset, moved)
        if jacobian is None:
            return None
        found.append(jacobian)
    mean = np.mean(found, axis=0)
    size = float(np.linalg.norm(mean))
    return float(np.sqrt(np.mean([np.sum((each - mean) ** 2) for each in found]))) / size if size else 0.0


def jacobian_at(residual_fn: Residual, x: Any, params: ArrayLike) -> Arrays | None:  # noqa: ANN401 - handed on
    """Return the derivatives of ``residual_fn(x, *params)``, shape (n_residuals, n_params), or None."""
    point = np.asarray(params, dtype=float).ravel()
    names = [f"p{number}" for number in range(len(point))]
    half = np.maximum(np.abs(point), 1.0)
    ends = zip(names, point - half, point + half, strict=True)
    space = Space({name: Real(float(lower), float(upper)) for name, lower, upper in ends})

    def flat(values: Any) -> Any:  # noqa: ANN401 - numbers, or what JAX traces in their place
        return residual_fn(x, *[values[name] for name in names]).reshape(-1)

    exact = jax_jacobian(ResidualProblem(space, flat), point).jacobian
    if exact is not None:
        answer, _ = attempt(exact, space.to_values(point))
        jacobian = None if answer is None else np.asarray(answer, dtype=float)
    else:
        jacobian = _differenced(residual_fn, x, point)
    return None if jacobian is None or not np.isfinite(jacobian).all() else jacobian


def _differenced(residual_fn: Residual, x: Any, point: Arrays) -> Arrays | None:  # noqa: ANN401 - handed on
    def answer(where: Arrays) -> Arrays | None:
        raw, error = attempt(residual_fn, x, *where.tolist())
        return None if error else numbers_of(np.ravel(raw), (None,), "residual_fn")

    centre = answer(point)
    if centre is None:
        return None
    step = STEP * np.where(point == 0.0, 1.0, np.abs(point))
    moved = [answer(point + sign * move) for sign in (1.0, -1.0) for move in np.diag(step)]
    if any(each is not None and len(each) != len(centre) for each in moved):
        raise InvalidProblemError("residual_fn: its number of residuals depends on a parameter; expected it not to")
    return three_point_jacobian(centre, (step, -step), moved)
