r"""Names of parameters, their scales, and the transforms of shear parameters between physics and a solver.

A solver of its own may like :math:`\log \dot\gamma_0` better than the rate, and beta as its distance from a reference.
The engine of wilks needs neither: rates and amplitudes are on a log scale in its space from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.config_manager import their_name
from wilks.facades.homodyne.parameter_utils import build_parameter_labels
from wilks.facades.homodyne.validation.options import section
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import SCALING_NAMES, check_mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]
    Bounds = tuple[Arrays, Arrays]

__all__ = [
    "adjust_covariance_for_transforms",
    "apply_forward_shear_transforms_to_bounds",
    "apply_forward_shear_transforms_to_vector",
    "apply_inverse_shear_transforms_to_vector",
    "build_per_parameter_x_scale",
    "build_physical_index_map",
    "format_x_scale_for_log",
    "normalize_param_key",
    "normalize_x_scale_map",
    "parse_shear_transform_config",
    "wrap_model_function_with_transforms",
    "wrap_stratified_function_with_transforms",
]

_RATE, _EXPONENT = "gamma_dot_t0", "beta"
_OPTIONS: dict[str, Any] = {"enable_gamma_dot_log": False, "enable_beta_centering": False, "beta_reference": 0.0}


def normalize_param_key(name: str) -> str:
    """Return the name that homodyne uses for a parameter, whatever it was called; a name without aliases stays.

    Examples
    --------
    >>> normalize_param_key(" gamma_dot_0 "), normalize_param_key("phi_0"), normalize_param_key("D0")
    ('gamma_dot_t0', 'phi0', 'D0')
    """
    return their_name(name.strip())


def normalize_x_scale_map(raw_map: Mapping[str, float] | None) -> dict[str, float]:
    """Return a map of typical scales with the names of homodyne; None is empty.

    Raises
    ------
    InvalidConfigurationError
        If it is no map, a scale is not positive, or two names mean the same parameter.

    Examples
    --------
    >>> normalize_x_scale_map({"gamma_dot_0": "1e-3"})
    {'gamma_dot_t0': 0.001}
    """
    if raw_map is None:
        return {}
    if not isinstance(raw_map, Mapping):
        raise InvalidConfigurationError(f"x_scale_map: expected names and scales, got {raw_map!r:.200}")
    found: dict[str, float] = {}
    for name, raw in raw_map.items():
        key = normalize_param_key(str(name))
        try:
            value = float(raw)
        except (TypeError, ValueError):
            value = np.nan
        if not 0 < value < np.inf:
            raise InvalidConfigurationError(f"x_scale_map: expected a positive number for {name!r}, got {raw!r}")
        if key in found:
            raise InvalidConfigurationError(f"x_scale_map: {name!r} means {key!r}, which is there already; give one")
        found[key] = value
    return found


def build_per_parameter_x_scale(
    per_angle_scaling: bool,
    n_angles: int,
    physical_param_names: Sequence[str],
    analysis_mode: str,
    override_map: Mapping[str, float] | None,
) -> Arrays | None:
    """Return the typical scale of every parameter: 1 where none is given.

    Parameters
    ----------
    per_angle_scaling
        Has every angle a contrast and an offset of its own?
    n_angles
        Number of angles.
    physical_param_names
        Names of the physical parameters, in their order.
    analysis_mode
        ``"static"`` or ``"laminar_flow"``.
    override_map
        Name -> scale; ``contrast`` and ``offset`` mean those of all angles.

    Returns
    -------
    array or None
        Shape (n,); None if all scales are 1.

    Raises
    ------
    InvalidConfigurationError
        If a name is no parameter of the mode, or a scale not positive.

    Examples
    --------
    >>> build_per_parameter_x_scale(True, 2, ["D0", "alpha", "D_offset"], "static", {"D0": 1e4}).tolist()
    [1.0, 1.0, 1.0, 1.0, 10000.0, 1.0, 1.0]
    """
    given = normalize_x_scale_map(override_map)
    labels = build_parameter_labels(per_angle_scaling, n_angles, [normalize_param_key(n) for n in physical_param_names])
    known = {*labels, *SCALING_NAMES, *map(normalize_param_key, PHYSICAL_NAMES[check_mode(analysis_mode)])}
    unknown = [name for name in given if name not in known]
    if unknown:
        hint = guess(unknown[0], sorted(known))
        raise InvalidConfigurationError(f"x_scale_map: {unknown[0]!r} is no parameter of {analysis_mode!r}; {hint}")
    scales = [given.get(label, given.get(label.split("_")[0], 1.0) if _is_scaling(label) else 1.0) for label in labels]
    return None if all(scale == 1.0 for scale in scales) else np.array(scales)


def format_x_scale_for_log(value: object) -> str:
    """Return a scale, or the range of several, in a few words.

    Examples
    --------
    >>> format_x_scale_for_log("jac"), format_x_scale_for_log([1.0, 1e4])
    ('jac', '2 scales from 1 to 10000')
    """
    if value is None or isinstance(value, str):
        return str(value)
    scales = np.asarray(value, dtype=float).ravel()
    if scales.size == 1:
        return f"{scales[0]:g}"
    return f"{scales.size} scales from {scales.min():g} to {scales.max():g}" if scales.size else "none"


def parse_shear_transform_config(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return all options of the transforms, those that are not given at their defaults.

    Parameters
    ----------
    config
        With ``enable_gamma_dot_log``, ``enable_beta_centering`` and ``beta_reference``; None for no transform.

    Raises
    ------
    InvalidConfigurationError
        If a key is unknown, or a value cannot be used.

    Examples
    --------
    >>> parse_shear_transform_config({"enable_gamma_dot_log": True})
    {'enable_gamma_dot_log': True, 'enable_beta_centering': False, 'beta_reference': 0.0}
    """
    found = {**_OPTIONS, **section("shear transforms", config, tuple(_OPTIONS))}
    for name in ("enable_gamma_dot_log", "enable_beta_centering"):
        if not isinstance(found[name], bool):
            raise InvalidConfigurationError(f"shear transforms: {name}: expected True or False, got {found[name]!r}")
    reference = found["beta_reference"]
    if isinstance(reference, bool) or not isinstance(reference, (int, float)) or not np.isfinite(reference):
        raise InvalidConfigurationError(f"shear transforms: beta_reference: expected a number, got {reference!r}")
    return {**found, "beta_reference": float(reference)}


def build_physical_index_map(
    per_angle_scaling: bool, n_angles: int, physical_param_names: Sequence[str]
) -> dict[str, int]:
    """Return the position of every physical parameter in the vector of all.

    Examples
    --------
    >>> build_physical_index_map(True, 3, ["D0", "gamma_dot_0"])
    {'D0': 6, 'gamma_dot_t0': 7}
    """
    first = 2 * n_angles if per_angle_scaling else 2
    return {normalize_param_key(name): first + k for k, name in enumerate(physical_param_names)}


@dataclass(frozen=True)
class ShearTransforms:
    """Which positions of a vector are transformed, and how.

    Attributes
    ----------
    logarithmic
        Positions of parameters whose logarithm the solver sees.
    centred
        Position -> reference that is subtracted.
    """

    logarithmic: tuple[int, ...] = ()
    centred: Mapping[int, float] = field(default_factory=dict)

    def forward(self, params: ArrayLike) -> Arrays:
        """Return what the solver sees."""
        vector = np.array(params, dtype=float)
        for k in self.logarithmic:
            if not vector[k] > 0:
                raise InvalidConfigurationError(
                    f"{_RATE}: expected a positive number for its logarithm, got {vector[k]:g}"
                )
            vector[k] = np.log(vector[k])
        for k, reference in self.centred.items():
            vector[k] -= reference
        return vector

    def inverse(self, params: ArrayLike) -> Arrays:
        """Return the physical values."""
        vector = np.array(params, dtype=float)
        for k in self.logarithmic:
            vector[k] = np.exp(vector[k])
        for k, reference in self.centred.items():
            vector[k] += reference
        return vector


def apply_forward_shear_transforms_to_vector(
    params: ArrayLike, index_map: Mapping[str, int], transform_cfg: Mapping[str, Any] | None
) -> tuple[Arrays, ShearTransforms]:
    """Transform parameters to what a solver sees.

    Parameters
    ----------
    params
        Physical values, shape (n,).
    index_map
        Where the physical parameters are: `build_physical_index_map`.
    transform_cfg
        What to transform: ``enable_gamma_dot_log`` takes the logarithm of gamma_dot_t0, ``enable_beta_centering``
        subtracts ``beta_reference`` from beta.

    Returns
    -------
    transformed, state
        The values, and what the other functions need to know to follow or to go back.

    Raises
    ------
    InvalidConfigurationError
        If a logarithm is asked for of a number that is not positive.

    Examples
    --------
    >>> where = {"gamma_dot_t0": 0, "beta": 1}
    >>> config = {"enable_gamma_dot_log": True, "enable_beta_centering": True, "beta_reference": 0.5}
    >>> vector, state = apply_forward_shear_transforms_to_vector([1.0, 0.75], where, config)
    >>> vector.tolist(), apply_inverse_shear_transforms_to_vector(vector, state).tolist()
    ([0.0, 0.25], [1.0, 0.75])
    """
    options = parse_shear_transform_config(transform_cfg)
    logarithmic = (index_map[_RATE],) if options["enable_gamma_dot_log"] and _RATE in index_map else ()
    centred = {}
    if options["enable_beta_centering"] and _EXPONENT in index_map:
        centred = {index_map[_EXPONENT]: options["beta_reference"]}
    state = ShearTransforms(logarithmic, centred)
    return state.forward(params), state


def apply_forward_shear_transforms_to_bounds(
    bounds: tuple[ArrayLike, ArrayLike] | None, state: ShearTransforms | None
) -> Bounds | None:
    """Transform lower and upper bounds as the parameters; None stays None.

    Raises
    ------
    InvalidConfigurationError
        If a bound of gamma_dot_t0 is not positive and its logarithm is asked for.
    """
    if bounds is None:
        return None
    known = state or ShearTransforms()
    return known.forward(bounds[0]), known.forward(bounds[1])


def apply_inverse_shear_transforms_to_vector(params: ArrayLike, state: ShearTransforms | None) -> Arrays:
    """Transform what a solver sees back to physical values."""
    return (state or ShearTransforms()).inverse(params)


def adjust_covariance_for_transforms(
    covariance: ArrayLike, transformed_params: ArrayLike, physical_params: ArrayLike, state: ShearTransforms | None
) -> Arrays:
    """Return the covariance of the physical values, from that of what a solver sees.

    Parameters
    ----------
    covariance
        Shape (n, n).
    transformed_params, physical_params
        The point in both forms, shape (n,).
    state
        Of the transforms.

    Examples
    --------
    >>> adjust_covariance_for_transforms([[0.01]], [np.log(2.0)], [2.0], ShearTransforms((0,)))
    array([[0.04]])
    """
    known, physical = state or ShearTransforms(), np.asarray(physical_params, dtype=float)
    if physical.shape != np.shape(transformed_params):
        raise InvalidConfigurationError(
            f"expected as many transformed as physical parameters, got {np.shape(transformed_params)} and "
            f"{physical.shape}"
        )
    slopes = np.ones(len(physical))
    slopes[list(known.logarithmic)] = physical[list(known.logarithmic)]  # d exp(u) / du
    return np.asarray(covariance, dtype=float) * np.outer(slopes, slopes)


def wrap_model_function_with_transforms(
    model_fn: Callable[..., Any], state: ShearTransforms | None
) -> Callable[..., Any]:
    """Return ``model_fn(xdata, *params)`` as a function of what a solver sees.

    Examples
    --------
    >>> model = wrap_model_function_with_transforms(lambda x, rate: rate * x, ShearTransforms((0,)))
    >>> round(float(model(2.0, np.log(3.0))), 6)
    6.0
    """

    def model(xdata: Any, *params: float) -> Any:  # noqa: ANN401 - handed on
        return model_fn(xdata, *apply_inverse_shear_transforms_to_vector(params, state))

    return model


def wrap_stratified_function_with_transforms(
    residual_fn: Callable[[Arrays], Any], state: ShearTransforms | None
) -> Callable[[ArrayLike], Any]:
    """Return ``residual_fn(params)`` as a function of what a solver sees."""

    def residual(params: ArrayLike) -> Any:  # noqa: ANN401 - handed on
        return residual_fn(apply_inverse_shear_transforms_to_vector(params, state))

    return residual


def _is_scaling(label: str) -> bool:
    name, _, number = label.partition("_")
    return name in SCALING_NAMES and (number.isdigit() or not number)
