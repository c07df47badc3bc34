"""What a configuration of homodyne asks of `wilks.xpcs.fit`.

The configuration is translated by `wilks.xpcs.translation`, as the command line does it, so unknown keys are errors
and everything that does not matter here is listed with the reason. Arguments of the functions go before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.config import NLSQConfig
from wilks.facades.homodyne.config_manager import ConfigManager, their_name
from wilks.facades.homodyne.notices import notice
from wilks.store.document import Document
from wilks.xpcs.configuration import load_document
from wilks.xpcs.convention import Convention
from wilks.xpcs.fitting import fit
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import ALIASES, DEFAULTS, check_mode, physical_space

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.space import Space
    from wilks.facades.homodyne.measurement import Measurement
    from wilks.xpcs.options import FitOptions, Method
    from wilks.xpcs.result import XpcsFit
    from wilks.xpcs.scaling import Scaling

_SCALING = ("contrast", "offset")
_HONOURED = frozenset(
    f"optimization.nlsq.{key}"
    for key in (
        "progress.enable",
        "recovery.enable",
        "multi_start.enable",
        "multi_start.n_starts",
        "multi_start.seed",
        "multi_start.sampling_strategy",
        "multi_start.n_workers",
        "multi_start.use_screening",
        "multi_start.screen_keep_fraction",
        "multi_start.degeneracy_threshold",
        "cmaes.enable",
        "cmaes.restart_strategy",
        "cmaes.max_restarts",
        "cmaes.auto_select",
        "cmaes.scale_threshold",
        "cmaes.warmstart_auto_skip",
        "cmaes.warmstart_skip_threshold",
    )
)
"""Keys that the translation drops, since a fit of wilks needs none of them, and that have their effect here."""
_OF_THE_FILE = (
    "analyzer_parameters.start_frame",
    "analyzer_parameters.end_frame",
    "analyzer_parameters.scattering.wavevector_q",
    "phi_filtering",
)
"""Keys that select what is read of a file, and change nothing where the data are there."""
_IN_MEMORY = "in memory"
"""Stands for the data file, which a configuration must name and a fit of arrays does not have."""


@dataclass(frozen=True)
class Asked:
    """What is to be fitted, and how.

    Attributes
    ----------
    mode, scaling, parameters, options
        Arguments of `wilks.xpcs.fit`.
    start
        Initial values of the configuration by the names of the engine; empty if it has none.
    nlsq
        The section ``optimization.nlsq``.
    custom_starts
        Starts that ``multi_start`` lists there.
    dt, gap, q
        What the configuration says of the data, in s, Å and 1/Å; None where it does not.
    without_effect
        Key and reason of everything in the configuration that changes nothing.
    """

    mode: str
    scaling: Scaling
    parameters: dict[str, Real | float]
    options: FitOptions
    start: dict[str, float]
    nlsq: NLSQConfig
    custom_starts: list[list[float]]
    dt: float | None
    gap: float | None
    q: float | None
    without_effect: dict[str, str]

    @property
    def space(self) -> Space:
        """The physical parameters."""
        return physical_space(check_mode(self.mode), self.parameters)[0]

    def bounds(self) -> NDArray[np.float64]:
        """Bounds of the physical parameters that are fitted, shape (n, 2)."""
        space = self.space
        boxes = [space[name] for name in space.free]
        return np.array([(box.lower, box.upper) for box in boxes if isinstance(box, Real)])

    def with_mode(self, mode: str) -> Asked:
        """The same in another mode: parameters and starts of the other one are left out."""
        known = (*PHYSICAL_NAMES[check_mode(mode)], *_SCALING)
        return replace(
            self,
            mode=check_mode(mode),
            parameters={name: value for name, value in self.parameters.items() if name in known},
            start={name: value for name, value in self.start.items() if name in known},
        )

    def with_bounds(self, bounds: tuple[ArrayLike, ArrayLike], n_phi: int) -> Asked:
        """The same with other boxes: (lower, upper) in the layout of a vector of parameters.

        Contrast and offset have one box for all angles, the widest that is given. Where lower and upper are the same
        the parameter is fixed.
        """
        lower, upper = (np.asarray(side, dtype=float).ravel() for side in bounds)
        if lower.shape != upper.shape or not (lower <= upper).all():
            wrong = np.flatnonzero(lower > upper).tolist() if lower.shape == upper.shape else "different lengths"
            raise InvalidConfigurationError(f"bounds: expected lower <= upper for every parameter, not so at {wrong}")
        low, high = self.split(lower, n_phi, "bounds"), self.split(upper, n_phi, "bounds")
        boxes = dict(self.parameters)
        for name, values in low.items():
            least, most = float(values.min()), float(high[name].max())
            scale = DEFAULTS[name].scale if name in DEFAULTS and least > 0 else "linear"
            if least < most:
                boxes[name] = Real(least, most, scale=scale)
            elif name in _SCALING:
                raise InvalidConfigurationError(
                    f"bounds: {name} is held at {least:g}; fix it by per_angle_mode='constant'"
                )
            else:
                boxes[name] = least
        return replace(self, parameters=boxes)

    def split(self, vector: NDArray[np.float64], n_phi: int, what: str) -> dict[str, NDArray[np.float64]]:
        """A vector of parameters by name: the physical ones alone, or after one or n_phi contrasts and offsets."""
        names = PHYSICAL_NAMES[check_mode(self.mode)]
        n_scaling = len(vector) - len(names)
        if n_scaling not in (0, 2, 2 * n_phi):
            raise InvalidConfigurationError(
                f"{what}: expected {len(names)} physical parameters ({', '.join(map(their_name, names))}), alone or "
                f"after contrasts and offsets of all or of each of {n_phi} angles, got {len(vector)} numbers"
            )
        found = {name: vector[n_scaling + k : n_scaling + k + 1] for k, name in enumerate(names)}
        half = n_scaling // 2
        return found | ({"contrast": vector[:half], "offset": vector[half:n_scaling]} if half else {})

    def start_from(self, given: Mapping[str, float] | ArrayLike | None, n_phi: int) -> dict[str, float] | None:
        """Where a local fit starts: the argument before the configuration before the middle; None if there is neither.

        Contrast and offset need no start. Values outside their bounds are moved onto them, with a warning.
        """
        if given is None and not self.start:
            return None
        values = dict(self.start)
        if isinstance(given, Mapping):
            values |= _named(given, self.mode)
        elif given is not None:
            vector = np.asarray(given, dtype=float).ravel()
            parts = self.split(vector, n_phi, "initial_params")
            values |= {name: float(part[0]) for name, part in parts.items() if name not in _SCALING}
        space = self.space
        middle = space.to_values(space.from_unit(np.full(space.dimension, 0.5)))
        found = {}
        for name in space.free:
            box, value = space[name], float(values.get(name, middle[name]))  # type: ignore[arg-type]  # all are real
            lower, upper = (box.lower, box.upper) if isinstance(box, Real) else (value, value)
            if not np.isfinite(value):
                raise InvalidConfigurationError(f"initial_params: {their_name(name)} is {value}, expected a number")
            if not lower <= value <= upper:
                text = f"initial_params: {their_name(name)} = {value:g} is outside {lower:g} to {upper:g}"
                notice(f"{text}; the fit starts at the bound", stacklevel=5)
            found[name] = float(np.clip(value, lower, upper))
        return found

    def fit(
        self, measured: Measurement, method: Method, start: dict[str, float] | None, n_restarts: int | None = None
    ) -> XpcsFit:
        """Fit."""
        options = replace(self.options, method=method, n_restarts=n_restarts or self.options.n_restarts)
        return fit(
            measured.data,
            self.mode,
            scaling=self.scaling,
            parameters=self.parameters,
            convention=Convention.homodyne(),
            options=options,
            start=start,
            seed=self.nlsq.multi_start_seed,
            callbacks=None if self.nlsq.enable_progress_bar else (),
        )


def asked(config: Any, mode: str | None = None) -> Asked:  # noqa: ANN401 - checked here
    """Read a configuration.

    Parameters
    ----------
    config
        A `ConfigManager`, its dictionary, an `NLSQConfig`, or None.
    mode
        Goes before that of the configuration.

    Raises
    ------
    InvalidConfigurationError
        If a key is unknown or a value cannot be used.

    Examples
    --------
    >>> asked({"analysis_mode": "static", "optimization": {"nlsq": {"loss": "linear"}}}).options.loss.name
    'linear'
    """
    manager = manager_of(config)
    section = manager.nlsq()
    nlsq = NLSQConfig.from_dict(section)
    if not nlsq.is_valid():
        raise InvalidConfigurationError("optimization.nlsq: " + "; ".join(nlsq.validate()))
    custom = (section.get("multi_start") or {}).pop("custom_starts", None)
    plain: dict[str, Any] = _plain(manager.config)
    plain["analysis_mode"] = check_mode(mode or manager.config.get("analysis_mode", "static"))
    plain.setdefault("optimization", {})["nlsq"] = {"loss": nlsq.loss, **_plain(section)}
    if not (plain.get("experimental_data") or {}).get("file_path"):
        plain["experimental_data"] = {**(plain.get("experimental_data") or {}), "file_path": _IN_MEMORY}
    loaded = load_document(Document(Path("configuration"), plain))
    configuration, translation = loaded.configuration, loaded.translation
    analyzer = plain.get("analyzer_parameters") or {}
    found = Asked(
        mode=configuration.model.mode,
        scaling=configuration.scaling(),
        parameters=configuration.parameters(),
        options=configuration.options(),
        start=dict(configuration.model.start or {}),
        nlsq=nlsq,
        custom_starts=[list(start) for start in custom or ()],
        dt=analyzer.get("dt"),
        gap=(analyzer.get("geometry") or {}).get("stator_rotor_gap"),
        q=(analyzer.get("scattering") or {}).get("wavevector_q"),
        without_effect=_of_the_file(plain) | ({} if translation is None else _without_effect(translation.dropped)),
    )
    return found if mode is None else found.with_mode(mode)


def manager_of(config: Any) -> ConfigManager:  # noqa: ANN401 - checked here
    """The configuration as a `ConfigManager` of its own."""
    if isinstance(config, NLSQConfig):
        return ConfigManager(config_override={"optimization": {"nlsq": config.to_dict()}})
    if isinstance(config, (str, Path)):
        raise InvalidConfigurationError(f"config: got the text {str(config)!r}; read it by ConfigManager({config!r})")
    given = {} if config is None else config if isinstance(config, Mapping) else getattr(config, "config", None)
    if not isinstance(given, Mapping):
        raise InvalidConfigurationError(
            f"config: expected a ConfigManager, its dictionary, an NLSQConfig or None, got a {type(config).__name__}"
        )
    return ConfigManager(config_override=given)


def warn_of_another_mode(config: Any, mode: str) -> None:  # noqa: ANN401 - checked in `manager_of`
    """Warn the caller of an adapter if its argument, or the default of that, overrules the configuration."""
    own = manager_of(config).config.get("analysis_mode")
    if own is not None and check_mode(own) != check_mode(mode):
        notice(
            f"analysis_mode={mode!r}, the default if it is left out, goes before {own!r} in the configuration",
            stacklevel=4,
        )


def _without_effect(dropped: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {str(key): str(why) for key, why in dropped if key not in _HONOURED}


def _of_the_file(plain: dict[str, Any]) -> dict[str, str]:
    found = {}
    for key in _OF_THE_FILE:
        value: Any = plain
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            found[key] = "selects what is read of a file; here the data were given"
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a file may hold
    """The value as a file would hold it: a configuration made by a script may have tuples and numbers of NumPy."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _plain(value.tolist()) if isinstance(value, (np.ndarray, np.generic)) else value


def _named(given: Mapping[str, float], mode: str) -> dict[str, float]:
    known = PHYSICAL_NAMES[check_mode(mode)]
    found = {}
    for key, value in given.items():
        name = ALIASES.get(key, key)
        if name in known:
            found[name] = float(value)
        elif str(key).rstrip("0123456789").rstrip("_") not in _SCALING:
            names = (*map(their_name, known), *_SCALING)
            raise InvalidConfigurationError(f"initial_params: {key!r} is no parameter of {mode!r}; {guess(key, names)}")
    return found
