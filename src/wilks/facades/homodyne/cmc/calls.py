"""The forms in which the page calls `fit_mcmc_jax`, as one: pooled points, a data set with a configuration, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.cmc.config import CMCConfig
from wilks.facades.homodyne.cmc.data_prep import prepare_mcmc_data
from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace
from wilks.facades.homodyne.config_manager import ConfigManager
from wilks.facades.homodyne.measurement import DEFAULT_GAP, direct_form, measurement
from wilks.facades.homodyne.notices import notice
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.parameters import check_mode

if TYPE_CHECKING:
    from wilks.facades.homodyne.cmc.data_prep import PreparedData

ARRAYS = ("c2", "q2_phi_t1_t2", "phi_rad", "sigma")
OTHERS = ("config", "mode", "initial_params")
_METHODS = ("mcmc", "cmc", "nuts")
_SAME_INTERVAL = 0.01


@dataclass(frozen=True)
class Call:
    """What was given, checked.

    Attributes
    ----------
    data
        The measurement.
    prepared
        Its points, where they were given as such.
    mode
        ``"static"`` or ``"laminar_flow"``.
    config
        Settings.
    space
        Bounds and priors.
    start
        Initial values by name.
    """

    data: TwoTimeData
    prepared: PreparedData | None
    mode: str
    config: CMCConfig
    space: ParameterSpace
    start: dict[str, float]


def call_of(given: dict[str, Any], more: Mapping[str, Any]) -> Call:
    """Read the arguments of `fit_mcmc_jax`.

    Parameters
    ----------
    given
        Its named arguments.
    more
        Its further keywords.

    Raises
    ------
    InvalidConfigurationError, InvalidDataError
        If a keyword is unknown, or something is missing or given twice.
    """
    for key in more:
        if key not in (*ARRAYS, *OTHERS):
            raise InvalidConfigurationError(
                f"fit_mcmc_jax: no argument {key!r}; {guess(key, (*given, *ARRAYS, *OTHERS))}"
            )
    if given["method"] not in _METHODS:
        raise InvalidConfigurationError(f"method: got {given['method']!r}; {guess(given['method'], _METHODS)}")
    short = isinstance(given["data"], (Mapping, TwoTimeData)) or hasattr(given["data"], "c2_exp")
    config: Any = more.get("config")
    if short and given["t1"] is not None:
        config = given["t1"] if config is None else config
    manager = config if isinstance(config, ConfigManager) else None
    if isinstance(config, Mapping) and ("optimization" in config or "analysis_mode" in config):
        manager = ConfigManager(config_override=config)
    settings = config if manager is None else manager.get_cmc_config()
    settings = given["cmc_config"] if settings is None else settings
    mode = given["analysis_mode"] or more.get("mode") or (manager.analysis_mode if manager else "static")
    mode = check_mode(mode)
    space = given["parameter_space"]
    if space is None:
        space = (
            ParameterSpace.from_defaults(mode) if manager is None else ParameterSpace.from_config(manager.config, mode)
        )
    _check_space(space, mode)
    start = dict(given["initial_values"] or more.get("initial_params") or (manager.given_values() if manager else {}))
    if short:
        data, prepared = measurement(given["data"], given["dt"]).data, None
    elif given["data"] is None:
        arrays = {key: more.get(key) for key in ARRAYS} | {key: given[key] for key in ("t1", "t2", "L", "dt")}
        data, prepared = measurement(direct_form(arrays)).data, None
    else:
        data, prepared = _pooled(given, mode)
    return Call(data, prepared, mode, config_of(settings), space, start)


def config_of(given: Any) -> CMCConfig:  # noqa: ANN401 - checked here
    """The settings as a `CMCConfig`."""
    if given is None:
        return CMCConfig()
    if isinstance(given, Mapping):
        return CMCConfig.from_dict(given)
    if not isinstance(given, CMCConfig):
        raise InvalidConfigurationError(
            f"cmc_config: expected a dictionary or a CMCConfig, got a {type(given).__name__}"
        )
    if not given.is_valid():
        raise InvalidConfigurationError("cmc_config: " + "; ".join(given.validate()))
    return given


def _pooled(given: dict[str, Any], mode: str) -> tuple[TwoTimeData, PreparedData]:
    missing = [name for name in ("t1", "t2", "phi", "q") if given[name] is None]
    if missing:
        raise InvalidDataError(
            f"fit_mcmc_jax: {', '.join(missing)} missing; give a value for every pooled point, and q"
        )
    if given["L"] is None and mode == "laminar_flow":
        raise InvalidDataError("fit_mcmc_jax: L missing; laminar flow needs the gap, in Å")
    prepared = prepare_mcmc_data(given["data"], given["t1"], given["t2"], given["phi"])
    gap = DEFAULT_GAP if given["L"] is None else float(given["L"])
    return prepared.two_time_data(float(given["q"]), gap, _interval(prepared, given["dt"])), prepared


def _interval(prepared: PreparedData, dt: float | None) -> float | None:
    """Time between frames: that of the points, which goes before the argument where they differ."""
    if dt is None:
        return None
    times = np.unique(np.concatenate([prepared.t1, prepared.t2]))
    found = float(np.median(np.diff(times)))
    if abs(found - dt) > _SAME_INTERVAL * found and abs(round(found / dt) * dt - found) > _SAME_INTERVAL * found:
        notice(f"dt={dt:g} s, but the times of the points are {found:g} s apart, which goes before it", stacklevel=6)
        return None
    return float(dt)


def _check_space(space: Any, mode: str) -> None:  # noqa: ANN401 - what the user gave
    if not isinstance(space, ParameterSpace):
        raise InvalidConfigurationError(f"parameter_space: expected a ParameterSpace, got a {type(space).__name__}")
    if check_mode(space.model_type) != mode:
        raise InvalidConfigurationError(
            f"parameter_space is one of {space.model_type!r}, but analysis_mode is {mode!r}; make it by "
            f"ParameterSpace.from_config(config, {mode!r})"
        )
