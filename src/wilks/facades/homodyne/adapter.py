"""`NLSQAdapter`: the same fit as `NLSQWrapper`, with the arguments of the newer class."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.adapter_base import NLSQAdapterBase
from wilks.facades.homodyne.core import Task, require_per_angle
from wilks.facades.homodyne.model_cache import (
    CachedModel,
    ModelCacheKey,
    clear_model_cache,
    get_cache_stats,
    get_or_create_model,
)
from wilks.facades.homodyne.question import warn_of_another_mode
from wilks.facades.homodyne.wrapper import BUILT_IN, ONE_ENGINE, SOLVED, fitted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from wilks.facades.homodyne.results import OptimizationResult

__all__ = [
    "AdapterConfig",
    "CachedModel",
    "ModelCacheKey",
    "NLSQAdapter",
    "clear_model_cache",
    "get_adapter",
    "get_cache_stats",
    "get_or_create_model",
    "is_adapter_available",
]

_GOALS = ("fast", "robust", "quality", "memory_efficient")
_WORKFLOWS = ("auto", "standard", "streaming")


@dataclass
class AdapterConfig:
    """How `NLSQAdapter` fits: `enable_recovery` has an effect, the rest is listed in the result if it is given.

    Examples
    --------
    >>> AdapterConfig(goal="fast").not_default()
    ['goal']
    """

    enable_cache: bool = True
    enable_jit: bool = True
    enable_recovery: bool = True
    enable_stability: bool = True
    goal: str = "quality"
    workflow: str = "auto"

    def __post_init__(self) -> None:
        """Check the words."""
        for name, known in (("goal", _GOALS), ("workflow", _WORKFLOWS)):
            if getattr(self, name) not in known:
                raise InvalidConfigurationError(
                    f"AdapterConfig: {name}: expected one of {', '.join(map(repr, known))}, got {getattr(self, name)!r}"
                )

    def not_default(self) -> list[str]:
        """Fields that are not at their default."""
        return [each.name for each in fields(self) if getattr(self, each.name) != each.default]


class NLSQAdapter(NLSQAdapterBase):
    """Fits with the arguments of homodyne's adapter.

    Parameters
    ----------
    config
        None for the defaults.
    """

    def __init__(self, config: AdapterConfig | None = None) -> None:
        if config is not None and not isinstance(config, AdapterConfig):
            raise InvalidConfigurationError(f"NLSQAdapter: expected an AdapterConfig, got a {type(config).__name__}")
        self.config = config or AdapterConfig()

    def fit(
        self,
        data: Any,  # noqa: ANN401 - a dictionary, an object or TwoTimeData
        config: Any,  # noqa: ANN401 - a ConfigManager, its dictionary or an AdapterConfig
        initial_params: ArrayLike | Mapping[str, float] | None = None,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        analysis_mode: str = "static_isotropic",
        per_angle_scaling: bool = True,
        diagnostics_enabled: bool = False,
        shear_transforms: dict[str, Any] | None = None,
        per_angle_scaling_initial: dict[str, list[float]] | None = None,
        anti_degeneracy_controller: Any = None,  # noqa: ANN401 - an AntiDegeneracyController
    ) -> OptimizationResult:
        """Fit.

        Parameters
        ----------
        data, config, initial_params, bounds, analysis_mode, per_angle_scaling, diagnostics_enabled, shear_transforms,
        per_angle_scaling_initial
            As for `NLSQWrapper.fit`; `config` may be an `AdapterConfig`, which says nothing of the problem.
        anti_degeneracy_controller
            Its ``scaling`` and ``fit_options`` go before what the configuration says of contrast, offset and weights.
        """
        require_per_angle(per_angle_scaling)
        said = None if isinstance(config, AdapterConfig) else config
        warn_of_another_mode(said, analysis_mode)
        task = Task.of(data, said, initial_params, analysis_mode, bounds)
        task.asked.nlsq.enable_recovery &= self.config.enable_recovery
        if anti_degeneracy_controller is not None:
            chosen = anti_degeneracy_controller
            options = chosen.fit_options(task.asked.options)
            task = replace(task, asked=replace(task.asked, scaling=chosen.scaling, options=options))
        unused = {name: ONE_ENGINE for name in self.config.not_default() if name != "enable_recovery"}
        unused |= {"shear_transforms": BUILT_IN} if shear_transforms else {}
        unused |= {"per_angle_scaling_initial": SOLVED} if per_angle_scaling_initial else {}
        return fitted(task, "NLSQAdapter", unused, with_diagnostics=diagnostics_enabled)

    @property
    def workflow_available(self) -> bool:
        """True: how data are kept is chosen by their size."""
        return True


def get_adapter(config: AdapterConfig | None = None) -> NLSQAdapter:
    """Return an `NLSQAdapter`.

    Examples
    --------
    >>> get_adapter(AdapterConfig(enable_cache=False)).config.enable_cache
    False
    """
    return NLSQAdapter(config)


def is_adapter_available() -> bool:
    """True: there is nothing else to install.

    Examples
    --------
    >>> is_adapter_available()
    True
    """
    return True
