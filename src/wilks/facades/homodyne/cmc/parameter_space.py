"""Bounds and priors of the parameters, as a configuration states them: `ParameterSpace` and `PriorDistribution`.

Every type of prior has its effect, cut to the bounds and normalised there. A parameter for which the configuration
names no type has a flat prior: on the logarithm where the engine fits it there (D0 and the shear rate, with positive
bounds), on the value otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.parameter import Real
from wilks.core.prior import LogNormal, LogUniform, Normal, Uniform
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.config_manager import ConfigManager, their_name, their_names
from wilks.xpcs.parameters import ALIASES, DEFAULTS, check_mode

if TYPE_CHECKING:
    from wilks.core.prior import Prior

__all__ = ["ParameterSpace", "PriorDistribution"]

TYPES = ("TruncatedNormal", "Normal", "Uniform", "LogNormal", "LogUniform", "BetaScaled")
SCALING = ("contrast", "offset")
_QUARTER = 0.25


@dataclass(frozen=True)
class PriorDistribution:
    """The prior of one parameter.

    Attributes
    ----------
    dist_type
        ``"TruncatedNormal"`` (or ``"Normal"``: all priors are cut to the bounds), ``"Uniform"``, ``"LogNormal"``,
        ``"LogUniform"`` or ``"BetaScaled"``.
    min_val, max_val
        Bounds.
    mu, sigma
        Mean and standard deviation, for ``"LogNormal"`` those of the logarithm; the middle of the bounds and a quarter
        of their distance where None.
    alpha, beta
        Of ``"BetaScaled"``, a beta distribution between the bounds.

    Examples
    --------
    >>> PriorDistribution("TruncatedNormal", 0.0, 1.0, mu=0.5, sigma=0.1).domain("contrast").prior
    Normal(mean=0.5, standard_deviation=0.1)
    """

    dist_type: str
    min_val: float
    max_val: float
    mu: float | None = None
    sigma: float | None = None
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        """Check the type."""
        if self.dist_type not in TYPES:
            raise InvalidConfigurationError(f"prior: unknown type {self.dist_type!r}; {guess(self.dist_type, TYPES)}")

    def prior(self) -> Prior:
        """The density in the words of wilks; `wilks.Real` cuts it to the bounds."""
        low, high = self.min_val, self.max_val
        if self.dist_type == "Uniform":
            return Uniform(low, high)
        if self.dist_type == "BetaScaled":
            from scipy import stats  # noqa: PLC0415 - loads on use

            scaled: Prior = stats.beta(self.alpha, self.beta, loc=low, scale=high - low)
            return scaled
        if self.dist_type.startswith("Log"):
            if not low > 0:
                raise InvalidConfigurationError(
                    f"prior: {self.dist_type} needs positive bounds, got {low:g} to {high:g}; raise the lower one"
                )
            if self.dist_type == "LogUniform":
                return LogUniform(low, high)
            middle, spread = self._moments(math.log(low), math.log(high))
            return LogNormal(math.exp(middle), spread)
        return Normal(*self._moments(low, high))

    def _moments(self, low: float, high: float) -> tuple[float, float]:
        middle = (low + high) / 2 if self.mu is None else self.mu
        return middle, _QUARTER * (high - low) if self.sigma is None else self.sigma

    def domain(self, name: str) -> Real:
        """The parameter with its bounds and this prior.

        Raises
        ------
        InvalidConfigurationError
            If bounds and prior do not fit together.
        """
        default = DEFAULTS.get(ALIASES.get(name, name))
        scale = default.scale if default is not None and self.min_val > 0 else "linear"
        unit, label = ("", "") if default is None else (default.unit, default.label)
        try:
            return Real(self.min_val, self.max_val, scale=scale, prior=self.prior(), unit=unit, label=label)
        except InvalidProblemError as error:
            raise InvalidConfigurationError(f"{name}: {error}") from error


@dataclass(frozen=True)
class ParameterSpace:
    """Bounds and priors of all parameters of a mode, contrast and offset included.

    Attributes
    ----------
    model_type
        ``"static"`` or ``"laminar_flow"``.
    priors
        Name -> prior, which has the bounds.
    fixed
        Name -> value of parameters that are not sampled.

    Examples
    --------
    >>> bounds = [{"name": "D0", "min": 1e3, "max": 1e5, "type": "LogNormal", "prior_mu": 9.2, "prior_sigma": 1.0}]
    >>> space = ParameterSpace.from_config({"analysis_mode": "static", "parameter_space": {"bounds": bounds}})
    >>> space.get_bounds("D0"), space.get_prior("D0").dist_type, space.get_prior("alpha").dist_type
    ((1000.0, 100000.0), 'LogNormal', 'Uniform')
    """

    model_type: str
    priors: dict[str, PriorDistribution]
    fixed: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config_dict: Mapping[str, Any], analysis_mode: str | None = None) -> ParameterSpace:
        """Read the sections ``parameter_space`` and ``initial_parameters.fixed_parameters`` of a configuration.

        Raises
        ------
        InvalidConfigurationError
            If a name or a type is unknown, or a value cannot be used.
        """
        manager = ConfigManager(config_override=config_dict)
        mode = check_mode(analysis_mode or manager.analysis_mode)
        names = [*SCALING, *their_names(mode)]
        boxes = {box["name"]: (box["min"], box["max"]) for box in manager.get_parameter_bounds(names)}
        given = {
            their_name(str(entry.get("name"))): entry
            for entry in (manager.config.get("parameter_space") or {}).get("bounds") or ()
        }
        priors = {name: _prior(name, *boxes[name], given.get(name, {})) for name in names}
        return cls(mode, priors, _fixed(manager, names))

    @classmethod
    def from_defaults(cls, analysis_mode: str = "static") -> ParameterSpace:
        """Default bounds with flat priors."""
        return cls.from_config({}, analysis_mode)

    @property
    def parameter_names(self) -> list[str]:
        """Names of the physical parameters."""
        return list(their_names(self.model_type))

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Name -> (lower, upper)."""
        return {name: (prior.min_val, prior.max_val) for name, prior in self.priors.items()}

    def get_prior(self, param_name: str) -> PriorDistribution:
        """The prior of a parameter; that of ``contrast_2`` is that of ``contrast``.

        Raises
        ------
        InvalidConfigurationError
            If there is no such parameter.
        """
        name = base_name(param_name)
        if name not in self.priors:
            raise InvalidConfigurationError(f"{param_name!r} is no parameter; {guess(param_name, self.priors)}")
        return self.priors[name]

    def get_bounds(self, param_name: str) -> tuple[float, float]:
        """Bounds of a parameter."""
        prior = self.get_prior(param_name)
        return prior.min_val, prior.max_val

    def parameters(self) -> dict[str, Real | float]:
        """Boxes and fixed values as `wilks.xpcs.fit` takes them."""
        found: dict[str, Real | float] = {
            name: self.fixed[name] if name in self.fixed else prior.domain(name) for name, prior in self.priors.items()
        }
        # Contrast and offset are integrated over their box with a flat prior, or fixed by the scaling.
        return found | {name: Real(*self.get_bounds(name)) for name in SCALING if name in self.priors}


def base_name(param_name: str) -> str:
    """The name without the number of an angle, in the words of homodyne.

    Examples
    --------
    >>> base_name("contrast_12"), base_name("offset_avg"), base_name("gamma_dot_0")
    ('contrast', 'offset', 'gamma_dot_t0')
    """
    for name in SCALING:
        rest = param_name.removeprefix(f"{name}_")
        if rest != param_name and (rest.isdigit() or rest == "avg"):
            return name
    return their_name(param_name)


def _prior(name: str, low: float, high: float, entry: Mapping[str, Any]) -> PriorDistribution:
    default = DEFAULTS.get(ALIASES.get(name, name))
    logarithmic = default is not None and default.scale == "log" and low > 0
    kind = str(entry.get("type", "LogUniform" if logarithmic else "Uniform"))
    moments = {}
    for key, field_name in (("prior_mu", "mu"), ("prior_sigma", "sigma")):
        if entry.get(key) is not None:
            try:
                moments[field_name] = float(entry[key])
            except (TypeError, ValueError):
                raise InvalidConfigurationError(f"{key} of {name}: expected a number, got {entry[key]!r}") from None
    return PriorDistribution(kind, float(low), float(high), **moments)


def _fixed(manager: ConfigManager, names: list[str]) -> dict[str, float]:
    section = (manager.config.get("initial_parameters") or {}).get("fixed_parameters") or {}
    if isinstance(section, Mapping):
        return {their_name(str(name)): float(value) for name, value in section.items()}
    values = manager.given_values()
    found = {}
    for name in map(their_name, section):
        if name not in values:
            raise InvalidConfigurationError(
                f"initial_parameters.fixed_parameters: no value of {name!r}; known are {', '.join(names)}, and the "
                "value stands in initial_parameters.values"
            )
        found[name] = values[name]
    return found
