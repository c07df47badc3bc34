"""Priors and initial values of the parameters, and the order in which they stand.

A prior is a `wilks.Real`: bounds with a density that is cut to them (``log_prior``, ``draw``), as `wilks.xpcs.sample`
takes it. Names and order are contrast of every angle, offset of every angle, physical parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.core.prior import Normal
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.cmc.parameter_space import SCALING, PriorDistribution, base_name
from wilks.facades.homodyne.config_manager import their_name, their_names
from wilks.facades.homodyne.notices import notice
from wilks.facades.homodyne.parameter_utils import compute_quantile_per_angle_scaling
from wilks.facades.homodyne.points import Points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace

__all__ = [
    "build_init_values_dict",
    "build_nlsq_informed_prior",
    "build_nlsq_informed_priors",
    "build_prior",
    "build_prior_from_spec",
    "estimate_contrast_offset_from_data",
    "estimate_per_angle_scaling",
    "extract_nlsq_values_for_cmc",
    "get_init_value",
    "get_param_names_in_order",
    "validate_init_values_order",
    "validate_initial_value_bounds",
]

_ANY_Q = 1.0  # quantiles of the values do not depend on the wave vector
_MARGIN = 0.01
_NARROWEST, _WIDEST, _UNKNOWN = 0.01, 0.5, 0.1
_FLAT_KEYS = ("params", "parameters", "best_params")
_ERROR_KEYS = ("uncertainties", "parameter_errors", "errors", "stds")


def estimate_contrast_offset_from_data(
    c2_data: ArrayLike,
    t1: ArrayLike,
    t2: ArrayLike,
    contrast_bounds: tuple[float, float] = (0.0, 1.0),
    offset_bounds: tuple[float, float] = (0.5, 1.5),
    lag_floor_quantile: float = 0.80,
    lag_ceiling_quantile: float = 0.20,
    value_quantile_low: float = 0.10,
    value_quantile_high: float = 0.90,
) -> tuple[float, float]:
    """Estimate contrast and offset of one angle from its values at short and at long lags.

    As `wilks.facades.homodyne.parameter_utils.compute_quantile_per_angle_scaling`; the middle of the bounds where
    there are no values at long or at short lags.

    Examples
    --------
    >>> first, second = np.triu_indices(40, 1)
    >>> c2 = 1.0 + 0.3 * np.exp(-0.2 * (second - first))
    >>> contrast, offset = estimate_contrast_offset_from_data(c2, first, second)
    >>> 0.15 < contrast < 0.35, 0.99 < offset < 1.05
    (True, True)
    """
    values = np.asarray(c2_data, dtype=float).ravel()
    first, second = (np.asarray(times, dtype=float).ravel() for times in (t1, t2))
    points = Points(np.zeros(len(values)), np.minimum(first, second), np.maximum(first, second), values, _ANY_Q)
    contrast, offset = compute_quantile_per_angle_scaling(
        points,
        contrast_bounds,
        offset_bounds,
        lag_floor_quantile,
        lag_ceiling_quantile,
        value_quantile_low,
        value_quantile_high,
    )
    return _or_middle(contrast.item(), contrast_bounds), _or_middle(offset.item(), offset_bounds)


def estimate_per_angle_scaling(
    c2_data: ArrayLike,
    t1: ArrayLike,
    t2: ArrayLike,
    phi_indices: ArrayLike,
    n_phi: int,
    contrast_bounds: tuple[float, float],
    offset_bounds: tuple[float, float],
) -> dict[str, float]:
    """Estimate contrast and offset of every angle: ``contrast_0``, ``offset_0``, ``contrast_1``, ..."""
    values, index = np.asarray(c2_data, dtype=float), np.asarray(phi_indices)
    first, second = np.asarray(t1, dtype=float), np.asarray(t2, dtype=float)
    found = {}
    for angle in range(n_phi):
        of = index == angle
        if not of.any():
            pair = _or_middle(math.nan, contrast_bounds), _or_middle(math.nan, offset_bounds)
        else:
            pair = estimate_contrast_offset_from_data(values[of], first[of], second[of], contrast_bounds, offset_bounds)
        found[f"contrast_{angle}"], found[f"offset_{angle}"] = pair
    return found


def build_prior_from_spec(prior_spec: PriorDistribution) -> Real:
    """Make the prior that a specification describes.

    Examples
    --------
    >>> build_prior_from_spec(PriorDistribution("Uniform", -2.0, 2.0)).log_prior(np.array([0.0, 3.0])).round(3)
    array([-1.386,   -inf])
    """
    return prior_spec.domain("")


def build_prior(param_name: str, parameter_space: ParameterSpace) -> Real:
    """Make the prior of a parameter; that of ``contrast_2`` is that of ``contrast``."""
    return parameter_space.get_prior(param_name).domain(base_name(param_name))


def get_init_value(
    param_name: str, initial_values: Mapping[str, float] | None, parameter_space: ParameterSpace
) -> float:
    """Initial value of a parameter: under its name, under that without the angle, or the middle of the bounds.

    Examples
    --------
    >>> from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace
    >>> space = ParameterSpace.from_defaults()
    >>> get_init_value("contrast_1", {"contrast": 0.4}, space), get_init_value("offset_0", None, space)
    (0.4, 1.0)
    """
    found = _given(param_name, initial_values or {})
    return _or_middle(math.nan if found is None else found, parameter_space.get_bounds(param_name))


def validate_initial_value_bounds(param_name: str, value: float, parameter_space: ParameterSpace) -> tuple[float, bool]:
    """Move a value that is outside its bounds to 1 % of their distance inside, with a warning.

    Returns
    -------
    value, was_moved

    Examples
    --------
    >>> from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace
    >>> validate_initial_value_bounds("alpha", -0.5, ParameterSpace.from_defaults())
    (-0.5, False)
    """
    low, high = parameter_space.get_bounds(param_name)
    if not math.isfinite(value):
        raise InvalidConfigurationError(f"initial value of {param_name}: expected a number, got {value!r}")
    if low <= value <= high:
        return float(value), False
    margin = _MARGIN * (high - low)
    moved = min(max(value, low + margin), high - margin)
    notice(f"initial value of {param_name}: {value:g} is outside {low:g} to {high:g}; {moved:g} is taken")
    return moved, True


def build_init_values_dict(
    n_phi: int,
    analysis_mode: str,
    initial_values: Mapping[str, float] | None,
    parameter_space: ParameterSpace,
    *,
    c2_data: ArrayLike | None = None,
    t1: ArrayLike | None = None,
    t2: ArrayLike | None = None,
    phi_indices: ArrayLike | None = None,
    per_angle_mode: str = "individual",
) -> dict[str, float]:
    """Initial values of all sampled parameters, in their order.

    Contrast and offset of an angle come from the value for the angle, that for all angles, the data, or the middle of
    the bounds, whichever is there first.

    Raises
    ------
    InvalidConfigurationError
        If a name is no parameter, or only some of the data are given.
    """
    names = get_param_names_in_order(n_phi, analysis_mode, per_angle_mode)
    known = {*names, *SCALING, *their_names(analysis_mode)}
    given = {
        base_name(name) if base_name(name) not in SCALING else name: v for name, v in (initial_values or {}).items()
    }
    for name in given:
        if name not in known and base_name(name) not in SCALING:
            raise InvalidConfigurationError(f"initial_values: {name!r} is no parameter; {guess(name, sorted(known))}")
    estimated: dict[str, float] = {}
    arrays = (c2_data, t1, t2, phi_indices)
    if c2_data is not None:
        if any(array is None for array in arrays):
            raise InvalidConfigurationError("build_init_values_dict: with c2_data give t1, t2 and phi_indices too")
        bounds = [parameter_space.get_bounds(name) for name in SCALING]
        estimated = estimate_per_angle_scaling(*arrays, n_phi, *bounds)  # type: ignore[arg-type]  # none is None
        for name in SCALING:
            estimated[name] = float(np.mean([estimated[f"{name}_{angle}"] for angle in range(n_phi)]))
    found = {}
    for name in names:
        value = _given(name, given)
        if value is None:
            value = estimated.get(name)
        if value is None:
            value = get_init_value(name, None, parameter_space)
        found[name] = validate_initial_value_bounds(name, value, parameter_space)[0]
    return found


def get_param_names_in_order(n_phi: int, analysis_mode: str, per_angle_mode: str = "individual") -> list[str]:
    """Names of the parameters that are sampled, sigma excepted, in their order.

    Examples
    --------
    >>> get_param_names_in_order(2, "static")
    ['contrast_0', 'contrast_1', 'offset_0', 'offset_1', 'D0', 'alpha', 'D_offset']
    >>> get_param_names_in_order(2, "static", "auto")
    ['contrast', 'offset', 'D0', 'alpha', 'D_offset']
    >>> get_param_names_in_order(2, "static", "constant")
    ['D0', 'alpha', 'D_offset']
    """
    physical = list(their_names(analysis_mode))
    if per_angle_mode == "individual":
        return [*(f"{what}_{angle}" for what in SCALING for angle in range(n_phi)), *physical]
    if per_angle_mode == "auto":
        return [*SCALING, *physical]
    if per_angle_mode in ("constant", "constant_averaged"):
        return physical
    modes = ("individual", "auto", "constant", "constant_averaged")
    raise InvalidConfigurationError(f"per_angle_mode: got {per_angle_mode!r}; {guess(per_angle_mode, modes)}")


def validate_init_values_order(init_values: Mapping[str, float], expected_names: Sequence[str]) -> None:
    """Check that the names are the expected ones in the expected order.

    Raises
    ------
    InvalidConfigurationError
        A ValueError that names the first difference.
    """
    given = list(init_values)
    for place, (found, expected) in enumerate(zip(given, expected_names, strict=False)):
        if found != expected:
            raise InvalidConfigurationError(f"initial values: expected {expected!r} at place {place}, got {found!r}")
    if len(given) != len(expected_names):
        raise InvalidConfigurationError(f"initial values: expected {len(expected_names)} of them, got {len(given)}")


def build_nlsq_informed_prior(
    param_name: str,
    nlsq_value: float,
    nlsq_std: float | None,
    bounds: tuple[float, float],
    width_factor: float = 2.0,
) -> Real:
    """A normal prior about the value of a fit, cut to the bounds.

    Its standard deviation is `width_factor` times the standard error, within 1 % and 50 % of the distance of the
    bounds; 10 % of it without a standard error. A prior from a fit of the same data uses these twice: with a factor w
    the posterior is narrower by 1 / sqrt(1 + 1 / w^2).

    Examples
    --------
    >>> prior = build_nlsq_informed_prior("D0", 1234.5, 45.6, (100, 10000), width_factor=3.0).prior
    >>> prior.mean, round(prior.standard_deviation, 1)
    (1234.5, 136.8)
    """
    low, high = map(float, bounds)
    if not low < high:
        raise InvalidConfigurationError(f"bounds of {param_name}: expected low < high, got {bounds!r}")
    if not width_factor > 0:
        raise InvalidConfigurationError(f"width_factor: expected a positive number, got {width_factor!r}")
    width = high - low
    known = nlsq_std is not None and math.isfinite(nlsq_std) and nlsq_std > 0
    wanted = width_factor * nlsq_std if known and nlsq_std is not None else _UNKNOWN * width
    spread = min(max(wanted, _NARROWEST * width), _WIDEST * width)
    plain = PriorDistribution("Uniform", low, high).domain(param_name)
    center = min(max(float(nlsq_value), low), high)
    return Real(low, high, scale=plain.scale, prior=Normal(center, spread), unit=plain.unit, label=plain.label)


def build_nlsq_informed_priors(
    nlsq_result: Mapping[str, float],
    nlsq_uncertainties: Mapping[str, float] | None,
    parameter_space: ParameterSpace,
    analysis_mode: str,
    n_phi: int,
    width_factor: float = 2.0,
) -> dict[str, Real]:
    """Priors about the values of a fit, of all physical parameters that it has."""
    values = {their_name(name): value for name, value in nlsq_result.items()}
    errors = {their_name(name): value for name, value in (nlsq_uncertainties or {}).items()}
    return {
        name: build_nlsq_informed_prior(
            name, values[name], errors.get(name), parameter_space.get_bounds(name), width_factor
        )
        for name in their_names(analysis_mode)
        if name in values
    }


def extract_nlsq_values_for_cmc(nlsq_result: Any) -> tuple[dict[str, float], dict[str, float] | None]:  # noqa: ANN401
    """Values and standard errors of a fit by name.

    Parameters
    ----------
    nlsq_result
        An `OptimizationResult`, an `XpcsFit`, or a dictionary: names and values, or with one under ``"params"``,
        ``"parameters"`` or ``"best_params"`` and another under ``"uncertainties"``.

    Returns
    -------
    values, uncertainties
        The latter None if there are none.

    Raises
    ------
    InvalidConfigurationError
        If it is none of these.

    Examples
    --------
    >>> extract_nlsq_values_for_cmc({"params": {"D0": 1e4}, "uncertainties": {"D0": 50.0}})
    ({'D0': 10000.0}, {'D0': 50.0})
    """
    if isinstance(nlsq_result, Mapping):
        key = next((key for key in _FLAT_KEYS if isinstance(nlsq_result.get(key), Mapping)), None)
        values = _numbers(nlsq_result if key is None else nlsq_result[key])
        given = next((nlsq_result[key] for key in _ERROR_KEYS if isinstance(nlsq_result.get(key), Mapping)), None)
        if values:
            return values, None if given is None else _numbers(given)
    names = getattr(nlsq_result, "parameter_names", None)
    if names:  # a result of fit_nlsq_jax
        vector = zip(names, nlsq_result.parameters.tolist(), strict=True)
        errors = zip(names, nlsq_result.uncertainties.tolist(), strict=True)
        return _numbers(dict(vector)), _numbers(dict(errors))
    physical, standard = (getattr(nlsq_result, name, None) for name in ("physical", "standard_errors"))
    if isinstance(physical, Mapping) and isinstance(standard, Mapping):  # a result of wilks.xpcs.fit
        return _numbers(physical), _numbers({name: standard.get(name, math.nan) for name in physical})
    raise InvalidConfigurationError(
        "nlsq_result: expected a result of fit_nlsq_jax, an XpcsFit, or a dictionary of names and values, got "
        f"{nlsq_result!r:.80}"
    )


def _numbers(given: Mapping[str, Any]) -> dict[str, float]:
    return {
        their_name(str(name)): float(value)
        for name, value in given.items()
        if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    }


def _given(param_name: str, values: Mapping[str, float]) -> float | None:
    for name in (param_name, base_name(param_name)):
        if values.get(name) is not None:
            return float(values[name])
    return None


def _or_middle(value: float, bounds: tuple[float, float]) -> float:
    return value if math.isfinite(value) else (bounds[0] + bounds[1]) / 2
