"""Names, bounds and starts of vectors of parameters: contrasts, offsets, physical parameters, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.jacobian import compute_jacobian_stats
from wilks.facades.homodyne.points import physical_values, points_of
from wilks.xpcs.convention import Convention
from wilks.xpcs.fitting import problem
from wilks.xpcs.folding import fold
from wilks.xpcs.parameters import ALIASES
from wilks.xpcs.quantiles import quantile_scaling

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]

__all__ = [
    "build_parameter_labels",
    "classify_parameter_status",
    "compute_consistent_per_angle_init",
    "compute_jacobian_stats",
    "compute_quantile_per_angle_scaling",
    "sample_xdata",
]

_NO_SLOPE = 1e-12


def build_parameter_labels(per_angle_scaling: bool, n_phi: int, physical_param_names: Sequence[str]) -> list[str]:
    """Return the names of all parameters in their order.

    Parameters
    ----------
    per_angle_scaling
        Has every angle a contrast and an offset of its own?
    n_phi
        Number of angles.
    physical_param_names
        Names of the physical parameters.

    Examples
    --------
    >>> build_parameter_labels(True, 2, ["D0", "alpha"])
    ['contrast_0', 'contrast_1', 'offset_0', 'offset_1', 'D0', 'alpha']
    """
    if not per_angle_scaling:
        return ["contrast", "offset", *physical_param_names]
    return [*(f"{what}_{k}" for what in ("contrast", "offset") for k in range(n_phi)), *physical_param_names]


def classify_parameter_status(
    values: ArrayLike, lower: ArrayLike | None, upper: ArrayLike | None, atol: float = 1e-9
) -> list[str]:
    """Say of every parameter whether it is at a bound.

    Parameters
    ----------
    values
        Shape (n,).
    lower, upper
        Bounds, shape (n,), or None for none.
    atol
        Distance within which a parameter is at its bound.

    Returns
    -------
    list of str
        ``"active"``, ``"at_lower_bound"`` or ``"at_upper_bound"`` for each.

    Examples
    --------
    >>> classify_parameter_status([0.0, 0.5, 1.0], [0, 0, 0], [1, 1, 1])
    ['at_lower_bound', 'active', 'at_upper_bound']
    """
    given = np.asarray(values, dtype=float).ravel()
    least = np.full(given.shape, -np.inf) if lower is None else np.asarray(lower, dtype=float).ravel()
    most = np.full(given.shape, np.inf) if upper is None else np.asarray(upper, dtype=float).ravel()
    if least.shape != given.shape or most.shape != given.shape:
        raise InvalidConfigurationError(
            f"bounds: expected {len(given)} lower and upper ones, got {len(least)} and {len(most)}"
        )
    at_lower, at_upper = given - least <= atol, most - given <= atol
    status: list[str] = np.where(at_lower, "at_lower_bound", np.where(at_upper, "at_upper_bound", "active")).tolist()
    return status


def sample_xdata(xdata: ArrayLike, max_points: int) -> Any:  # noqa: ANN401 - an array of any type
    """Return at most `max_points` of the data, evenly spread along the first axis.

    Examples
    --------
    >>> sample_xdata(np.arange(9), 3)
    array([0, 4, 8])
    """
    data = np.asarray(xdata)
    if max_points < 1:
        raise InvalidConfigurationError(f"max_points: expected an integer >= 1, got {max_points!r}")
    if len(data) <= max_points:
        return data
    return data[np.round(np.linspace(0, len(data) - 1, max_points)).astype(np.intp)]


def compute_consistent_per_angle_init(
    stratified_data: object,
    physical_params: ArrayLike,
    physical_param_names: Sequence[str],
    default_contrast: float = 0.5,
    default_offset: float = 1.0,
    logger: logging.Logger | None = None,
) -> tuple[Arrays, Arrays]:
    """Return the contrast and the offset of every angle that fit best when the physical parameters are given.

    They are those that the engine finds at every step of a fit (variable projection), within 0 to 1 and 0.5 to 1.5.

    Parameters
    ----------
    stratified_data
        Points of all angles: with ``chunks``, with ``phi_flat``, ``t1_flat``, ``t2_flat`` and ``g2_flat``, or with
        ``phi``, ``t1``, ``t2`` and ``g2``; and ``q``, ``L`` and ``dt``.
    physical_params, physical_param_names
        Values, and their names in the same order, of all parameters of a mode.
    default_contrast, default_offset
        For angles whose data do not determine the two.
    logger
        Told of these.

    Returns
    -------
    contrast_per_angle, offset_per_angle
        Angles ascending, shape (n_phi,).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from wilks.facades.homodyne.fit_computation import compute_g2_batch
    >>> t, truth = 0.1 * np.arange(20), [1e4, -0.3, 0.0]
    >>> g2 = compute_g2_batch(truth, t, t, [0.0, 1.0], 0.0054, 2e6, 0.1, contrast=0.25, offset=1.02)
    >>> data = SimpleNamespace(phi=np.rad2deg([0.0, 1.0]), t1=t, t2=t, g2=g2, q=0.0054, L=2e6, dt=0.1)
    >>> contrast, offset = compute_consistent_per_angle_init(data, truth, ["D0", "alpha", "D_offset"])
    >>> contrast.round(6), offset.round(6)
    (array([0.25, 0.25]), array([1.02, 1.02]))
    """
    vector = np.asarray(physical_params, dtype=float).ravel()
    names = [ALIASES.get(name, name) for name in physical_param_names]
    if len(names) != len(vector):
        raise InvalidConfigurationError(f"physical_param_names: expected {len(vector)} names, got {len(names)}")
    in_order, mode = physical_values(vector)
    if set(names) != set(in_order):
        raise InvalidConfigurationError(f"physical_param_names: expected {', '.join(in_order)}, got {', '.join(names)}")
    data = points_of(stratified_data).two_time_data()
    asked = problem(data, mode, convention=Convention.homodyne())
    found = asked.projection(dict(zip(names, vector.tolist(), strict=True)))
    contrast, offset = np.full(data.n_phi, float(default_contrast)), np.full(data.n_phi, float(default_offset))
    determined = np.zeros(data.n_phi, dtype=bool)
    if found is not None:
        used = np.searchsorted(data.phi, asked.geometry.phi)
        linear = found.sums.products[:, :2, :2]
        size = linear[:, 0, 0] * linear[:, 1, 1]
        good = size - linear[:, 0, 1] ** 2 > _NO_SLOPE * size
        determined[used[good]] = True
        contrast[used[good]], offset[used[good]] = found.contrast[good], found.offset[good]
    if logger is not None and not determined.all():
        logger.warning("contrast and offset of %d angles are not determined: defaults", int((~determined).sum()))
    return contrast, offset


def compute_quantile_per_angle_scaling(
    stratified_data: object,
    contrast_bounds: tuple[float, float] = (0.0, 1.0),
    offset_bounds: tuple[float, float] = (0.5, 1.5),
    lag_floor_quantile: float = 0.80,
    lag_ceiling_quantile: float = 0.20,
    value_quantile_low: float = 0.10,
    value_quantile_high: float = 0.90,
    logger: logging.Logger | None = None,
) -> tuple[Arrays, Arrays]:
    """Estimate contrast and offset of every angle without a model: the values at short and at long lags.

    The estimate is that of `wilks.xpcs.quantiles`, which takes out what noise alone adds to a quantile.

    Parameters
    ----------
    stratified_data
        As for `compute_consistent_per_angle_init`.
    contrast_bounds, offset_bounds
        The estimates are moved into them.
    lag_floor_quantile, lag_ceiling_quantile
        Lags above the one quantile are long, below the other short.
    value_quantile_low, value_quantile_high
        Quantiles of the values at long and at short lags that are offset, and offset plus contrast.
    logger
        Told of the estimates.

    Returns
    -------
    contrast_per_angle, offset_per_angle
        Angles ascending, shape (n_phi,); NaN for an angle without values at long or short lags.
    """
    data = points_of(stratified_data).two_time_data()
    contrast, offset = quantile_scaling(
        fold(data).pairs, lag_floor_quantile, lag_ceiling_quantile, value_quantile_low, value_quantile_high
    )
    contrast, offset = np.clip(contrast, *contrast_bounds), np.clip(offset, *offset_bounds)
    if logger is not None:
        logger.info("contrast %s, offset %s from quantiles", contrast.round(4).tolist(), offset.round(4).tolist())
    return contrast, offset
