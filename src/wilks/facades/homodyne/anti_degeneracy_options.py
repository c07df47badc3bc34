"""The options of `AntiDegeneracyController`: flat as fields, nested in a configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from wilks.facades.homodyne.adaptive_regularization import AdaptiveRegularizationConfig
from wilks.facades.homodyne.gradient_monitor import GradientMonitorConfig
from wilks.facades.homodyne.hierarchical import HierarchicalConfig
from wilks.facades.homodyne.shear_weighting import ShearWeightingConfig
from wilks.facades.homodyne.validation.options import CheckedOptions, limited, section

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AntiDegeneracyConfig"]

_SECTIONS: dict[str, tuple[type[CheckedOptions], dict[str, str]]] = {
    "hierarchical": (
        HierarchicalConfig,
        {
            "enable": "hierarchical_enable",
            "max_outer_iterations": "hierarchical_max_outer_iterations",
            "outer_tolerance": "hierarchical_outer_tolerance",
            "physical_max_iterations": "hierarchical_physical_max_iterations",
            "per_angle_max_iterations": "hierarchical_per_angle_max_iterations",
        },
    ),
    "regularization": (
        AdaptiveRegularizationConfig,
        {
            "mode": "regularization_mode",
            "lambda_base": "regularization_lambda",
            "target_cv": "regularization_target_cv",
            "target_contribution": "regularization_target_contribution",
            "max_cv": "regularization_max_cv",
        },
    ),
    "gradient_monitoring": (
        GradientMonitorConfig,
        {
            "enable": "gradient_monitoring_enable",
            "ratio_threshold": "gradient_ratio_threshold",
            "consecutive_triggers": "gradient_consecutive_triggers",
            "response_mode": "gradient_response_mode",
        },
    ),
    "shear_weighting": (
        ShearWeightingConfig,
        {
            "enable": "shear_weighting_enable",
            "min_weight": "shear_weighting_min_weight",
            "alpha": "shear_weighting_alpha",
            "update_frequency": "shear_weighting_update_frequency",
            "normalize": "shear_weighting_normalize",
        },
    ),
}
"""Section -> its options, and which of their fields are fields of `AntiDegeneracyConfig`, under which names."""

_OTHER_NAMES = {"regularization": {"lambda": "lambda_base"}, "gradient_monitoring": {"response": "response_mode"}}


@dataclass
class AntiDegeneracyConfig(CheckedOptions):
    """Options of `AntiDegeneracyController`; the sections are those of the classes named below.

    Attributes
    ----------
    enable
        Switch for everything.
    per_angle_mode
        ``"individual"``, ``"constant"``, ``"fourier"`` or ``"auto"``: see `AntiDegeneracyController`.
    fourier_order, fourier_auto_threshold, constant_scaling_threshold
        Order of the series, and numbers of angles for ``"auto"``.
    hierarchical_enable, ...
        `HierarchicalConfig`.
    regularization_mode, ...
        `AdaptiveRegularizationConfig`.
    gradient_monitoring_enable, ...
        `GradientMonitorConfig`.
    shear_weighting_enable, ...
        `ShearWeightingConfig`.
    """

    enable: bool = True
    per_angle_mode: Literal["individual", "constant", "fourier", "auto"] = "auto"
    fourier_order: int = limited(2, least=0)
    fourier_auto_threshold: int = limited(6, least=0)
    constant_scaling_threshold: int = limited(3, least=0)
    hierarchical_enable: bool = True
    hierarchical_max_outer_iterations: int = limited(5, least=1)
    hierarchical_outer_tolerance: float = limited(1e-6, above=0)
    hierarchical_physical_max_iterations: int = limited(100, least=1)
    hierarchical_per_angle_max_iterations: int = limited(50, least=1)
    regularization_mode: Literal["absolute", "relative", "auto"] = "relative"
    regularization_lambda: float = limited(1.0, least=0)
    regularization_target_cv: float = limited(0.1, above=0)
    regularization_target_contribution: float = limited(0.1, least=0)
    regularization_max_cv: float = limited(0.2, above=0)
    gradient_monitoring_enable: bool = True
    gradient_ratio_threshold: float = limited(0.01, above=0)
    gradient_consecutive_triggers: int = limited(5, least=1)
    gradient_response_mode: Literal["warn", "hierarchical", "reset", "abort"] = "hierarchical"
    shear_weighting_enable: bool = True
    shear_weighting_min_weight: float = limited(0.3, least=0, most=1)
    shear_weighting_alpha: float = limited(1.0, least=0)
    shear_weighting_update_frequency: int = limited(1, least=1)
    shear_weighting_normalize: bool = True
    _others: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any] | None) -> AntiDegeneracyConfig:
        """Make the options from a nested dictionary; options of a section without a field here count too.

        Raises
        ------
        InvalidConfigurationError
            If a key is unknown, or a value cannot be used.

        Examples
        --------
        >>> AntiDegeneracyConfig.from_dict({"regularization": {"lambda": 2.0}}).regularization_lambda
        2.0
        """
        where = "anti_degeneracy"
        flat = ("enable", "per_angle_mode", "fourier_order", "fourier_auto_threshold", "constant_scaling_threshold")
        given = section(where, config_dict, (*flat, *_SECTIONS))
        chosen = {name: given[name] for name in flat if name in given}
        others: dict[str, dict[str, Any]] = {}
        for part, (kind, places) in _SECTIONS.items():
            renamed = _OTHER_NAMES.get(part, {})
            known = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # all are dataclasses
            for key, value in section(f"{where}.{part}", given.get(part), (*known, *renamed)).items():
                name = renamed.get(key, key)
                if name in places:
                    chosen[places[name]] = value
                else:
                    others.setdefault(part, {})[name] = value
        found = cls(**chosen)
        found._others = others
        for part in others:
            found.options(part)  # a value that cannot be used is an error here, not later
        return found

    def options(self, part: str) -> Any:  # noqa: ANN401 - of the class of the section
        """Options of one section, such as ``"hierarchical"``, as an instance of their class."""
        kind, places = _SECTIONS[part]
        return kind(**{name: getattr(self, flat) for name, flat in places.items()}, **self._others.get(part, {}))
