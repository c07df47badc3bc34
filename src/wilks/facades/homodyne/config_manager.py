"""A configuration of homodyne as a dictionary, with what its page asks of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.facades.gfo.options import guess
from wilks.store import document
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import ALIASES, DEFAULTS, check_mode
from wilks.xpcs.scaling import CONTRAST_BOUNDS, OFFSET_BOUNDS

__all__ = ["ConfigManager"]

THEIR_NAMES = {"gamma_dot_0": "gamma_dot_t0", "gamma_dot_offset": "gamma_dot_t_offset"}
"""Names of the engine -> names of homodyne, where they differ."""


def their_names(mode: str) -> tuple[str, ...]:
    """Names of the physical parameters of a mode, in the order of its vectors.

    Examples
    --------
    >>> their_names("static")
    ('D0', 'alpha', 'D_offset')
    """
    return tuple(THEIR_NAMES.get(name, name) for name in PHYSICAL_NAMES[check_mode(mode)])


def their_name(name: str) -> str:
    """The name in homodyne of a parameter by any of its names.

    Examples
    --------
    >>> their_name("gamma_dot_0"), their_name("phi_0")
    ('gamma_dot_t0', 'phi0')
    """
    ours = ALIASES.get(name, name)
    return THEIR_NAMES.get(ours, ours)


class ConfigManager:
    """A configuration in the schema of homodyne.

    Parameters
    ----------
    config_file
        YAML, or JSON, which is YAML too.
    config_override
        The configuration itself, in place of the file; it is copied.

    Attributes
    ----------
    config
        The nested dictionary. Change it, or use `update_config`; what is in it when a fit begins counts.

    Raises
    ------
    InvalidConfigurationError
        If the file cannot be read. Keys are checked when a fit begins.

    Examples
    --------
    >>> manager = ConfigManager(config_override={"analysis_mode": "static"})
    >>> manager.update_config("optimization.nlsq.loss", "linear")
    >>> manager.config["optimization"]
    {'nlsq': {'loss': 'linear'}}
    """

    def __init__(
        self, config_file: str | Path = "homodyne_config.yaml", config_override: Mapping[str, Any] | None = None
    ) -> None:
        self.config_file = str(config_file)
        self.config: dict[str, Any] = {} if config_override is None else copy.deepcopy(dict(config_override))
        if config_override is None:
            self.load_config()

    def load_config(self) -> None:
        """Read the file again."""
        self.config = document.read(Path(self.config_file)).data

    def get_config(self) -> dict[str, Any]:
        """The nested dictionary."""
        return self.config

    def update_config(self, key: str, value: Any) -> None:  # noqa: ANN401 - any value
        """Set the value of a dotted key, such as ``"optimization.nlsq.loss"``."""
        *above, last = key.split(".")
        inner = self.config
        for part in above:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise InvalidConfigurationError(f"update_config: {part!r} in {key!r} is a value, not a section")
        inner[last] = value

    @property
    def analysis_mode(self) -> str:
        """``"static"`` or ``"laminar_flow"``."""
        return check_mode(self.config.get("analysis_mode", "static"))

    def is_static_mode_enabled(self) -> bool:
        """Is there no flow?"""
        return self.analysis_mode == "static"

    def get_target_angle_ranges(self) -> dict[str, Any]:
        """The section ``phi_filtering``: the angles that are wanted."""
        return dict(self._section("phi_filtering") or {"enabled": False})

    def get_parameter_bounds(self, parameter_names: list[str] | None = None) -> list[dict[str, Any]]:
        """Bounds of the physical parameters of the mode, or of those that are named, contrast and offset included.

        Returns
        -------
        list of dict
            ``name``, ``min``, ``max`` and ``type`` of each.

        Examples
        --------
        >>> ConfigManager(config_override={}).get_parameter_bounds(["alpha"])
        [{'name': 'alpha', 'min': -2.0, 'max': 2.0, 'type': 'TruncatedNormal'}]
        """
        known: dict[str, Any] = {
            name: {"name": name, "min": lower, "max": upper, "type": "TruncatedNormal"}
            for name, (lower, upper) in _default_bounds().items()
        }
        for entry in self._section("parameter_space").get("bounds") or []:
            name = their_name(str(entry.get("name")))
            if name not in known:
                raise InvalidConfigurationError(f"parameter_space.bounds: {entry.get('name')!r} is no parameter")
            known[name] |= {key: _number(entry[key], name, key) for key in ("min", "max") if key in entry}
            known[name] |= {"type": entry["type"]} if "type" in entry else {}
        wanted = list(their_names(self.analysis_mode)) if parameter_names is None else parameter_names
        try:
            return [known[their_name(name)] for name in wanted]
        except KeyError as error:
            raise InvalidConfigurationError(f"get_parameter_bounds: {error} is no parameter") from None

    def get_active_parameters(self) -> list[str]:
        """Names of the physical parameters that are fitted."""
        section = self._section("initial_parameters")
        active = section.get("active_parameters") or their_names(self.analysis_mode)
        fixed = [their_name(name) for name in section.get("fixed_parameters") or ()]
        return [name for name in map(their_name, active) if name not in fixed]

    def get_initial_parameters(self, use_midpoint_defaults: bool = True) -> dict[str, float]:
        """Initial values of the parameters that are fitted.

        Parameters
        ----------
        use_midpoint_defaults
            Where the configuration has none, take the middle of the bounds, that of the logarithms for ``D0`` and
            ``gamma_dot_t0``; otherwise that is an error.

        Examples
        --------
        >>> given = {"parameter_names": ["D0", "alpha", "D_offset"], "values": [1000.0, 0.5, 10.0]}
        >>> ConfigManager(config_override={"initial_parameters": given}).get_initial_parameters()
        {'D0': 1000.0, 'alpha': 0.5, 'D_offset': 10.0}
        """
        given = self.given_values()
        active = self.get_active_parameters()
        missing = [name for name in active if name not in given]
        if missing and not use_midpoint_defaults:
            raise InvalidConfigurationError(
                f"initial_parameters.values: no value of {', '.join(missing)}; give them, or let the middle of the "
                "bounds be taken"
            )
        boxes = {box["name"]: (box["min"], box["max"]) for box in self.get_parameter_bounds(missing)}
        return {name: given[name] if name in given else _middle(name, *boxes[name]) for name in active}

    def given_values(self) -> dict[str, float]:
        """Initial values that the configuration has, contrast and offset excepted."""
        section = self._section("initial_parameters")
        values = section.get("values")
        if values is None:
            return {}
        names = section.get("parameter_names") or list(their_names(self.analysis_mode))
        if isinstance(values, Mapping):
            names, values = list(values), list(values.values())
        if len(names) != len(values):
            raise InvalidConfigurationError(
                f"initial_parameters: {len(names)} parameter_names, but {len(values)} values; give one for each"
            )
        known = [*their_names(self.analysis_mode), "contrast", "offset"]
        unknown = [name for name in names if their_name(name) not in known]
        if unknown:
            raise InvalidConfigurationError(
                f"initial_parameters: {', '.join(map(repr, unknown))} is no parameter; {guess(unknown[0], known)}"
            )
        pairs = zip(map(their_name, names), values, strict=True)
        return {
            name: _number(value, name, "initial value")
            for name, value in pairs
            if value is not None and name not in ("contrast", "offset")
        }

    def get_cmc_config(self) -> dict[str, Any]:
        """The section ``optimization.cmc``."""
        return dict(self._section("optimization").get("cmc") or {})

    def nlsq(self) -> dict[str, Any]:
        """The section ``optimization.nlsq``."""
        return dict(self._section("optimization").get("nlsq") or {})

    def _section(self, name: str) -> dict[str, Any]:
        found = self.config.get(name)
        if found is not None and not isinstance(found, Mapping):
            raise InvalidConfigurationError(f"{name}: expected a mapping, got {found!r}")
        return dict(found or {})


def _default_bounds() -> dict[str, tuple[float, float]]:
    physical = {THEIR_NAMES.get(name, name): (box.lower, box.upper) for name, box in DEFAULTS.items()}
    return {"contrast": CONTRAST_BOUNDS, "offset": OFFSET_BOUNDS, **physical}


def _number(value: Any, name: str, what: str) -> float:  # noqa: ANN401 - what a file may hold
    """The value as a number; files have some of them in quotes."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidConfigurationError(f"{what} of {name}: expected a number, got {value!r}") from None


def _middle(name: str, lower: float, upper: float) -> float:
    box = DEFAULTS[ALIASES.get(name, name)]
    logarithmic = isinstance(box, Real) and box.scale == "log" and lower > 0
    return math.sqrt(lower * upper) if logarithmic else (lower + upper) / 2
