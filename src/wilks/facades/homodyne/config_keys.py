"""The keys of the section ``optimization.nlsq`` of a configuration, and the fields of `NLSQConfig` that they set."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.translation_rules import SECTIONS as TRANSLATED

KEYS: dict[str, str] = {
    "workflow": "workflow",
    "goal": "goal",
    "loss": "loss",
    "trust_region_scale": "trust_region_scale",
    "max_iterations": "max_iterations",
    "ftol": "ftol",
    "xtol": "xtol",
    "gtol": "gtol",
    "x_scale": "x_scale",
    "x_scale_map": "x_scale_map",
    "diagnostics.enable": "enable_diagnostics",
    "streaming.enable": "enable_streaming",
    "streaming.chunk_size": "streaming_chunk_size",
    "stratified.enable": "enable_stratified",
    "stratified.target_chunk_size": "target_chunk_size",
    "recovery.enable": "enable_recovery",
    "recovery.max_attempts": "max_recovery_attempts",
    "progress.enable": "enable_progress_bar",
    "progress.verbose": "verbose",
    "progress.log_interval": "log_iteration_interval",
    "hybrid_streaming.enable": "enable_hybrid_streaming",
    **{
        f"hybrid_streaming.{name}": f"hybrid_{name}"
        for name in (
            "normalize",
            "normalization_strategy",
            "warmup_iterations",
            "max_warmup_iterations",
            "warmup_learning_rate",
            "gauss_newton_max_iterations",
            "gauss_newton_tol",
            "chunk_size",
            "trust_region_initial",
            "regularization_factor",
            "enable_checkpoints",
            "checkpoint_frequency",
            "validate_numerics",
            "enable_warm_start_detection",
            "warm_start_threshold",
            "enable_adaptive_warmup_lr",
            "warmup_lr_refinement",
            "warmup_lr_careful",
            "enable_cost_guard",
            "cost_increase_tolerance",
            "enable_step_clipping",
            "max_warmup_step_size",
        )
    },
    "multi_start.enable": "enable_multi_start",
    **{
        f"multi_start.{name}": f"multi_start_{name}"
        for name in (
            "n_starts",
            "seed",
            "sampling_strategy",
            "n_workers",
            "use_screening",
            "screen_keep_fraction",
            "refine_top_k",
            "refinement_ftol",
            "degeneracy_threshold",
        )
    },
    "anti_degeneracy.per_angle_mode": "per_angle_mode",
    "anti_degeneracy.fourier_order": "fourier_order",
    "anti_degeneracy.fourier_auto_threshold": "fourier_auto_threshold",
    "anti_degeneracy.constant_scaling_threshold": "constant_scaling_threshold",
    "anti_degeneracy.hierarchical.enable": "enable_hierarchical",
    **{
        f"anti_degeneracy.hierarchical.{name}": f"hierarchical_{name}"
        for name in ("max_outer_iterations", "outer_tolerance", "physical_max_iterations", "per_angle_max_iterations")
    },
    "anti_degeneracy.regularization.mode": "regularization_mode",
    "anti_degeneracy.regularization.lambda": "group_variance_lambda",
    "anti_degeneracy.regularization.target_cv": "regularization_target_cv",
    "anti_degeneracy.regularization.target_contribution": "regularization_target_contribution",
    "anti_degeneracy.regularization.max_cv": "regularization_max_cv",
    "anti_degeneracy.regularization.auto_tune_lambda": "regularization_auto_tune_lambda",
    "anti_degeneracy.gradient_monitoring.enable": "enable_gradient_monitoring",
    "anti_degeneracy.gradient_monitoring.ratio_threshold": "gradient_ratio_threshold",
    "anti_degeneracy.gradient_monitoring.consecutive_triggers": "gradient_consecutive_triggers",
    "anti_degeneracy.gradient_monitoring.response": "gradient_collapse_response",
    "cmaes.enable": "enable_cmaes",
    **{
        f"cmaes.{name}": f"cmaes_{name}"
        for name in (
            "preset",
            "max_generations",
            "popsize",
            "sigma",
            "sigma_warmstart",
            "warmstart_auto_skip",
            "warmstart_skip_threshold",
            "tol_fun",
            "tol_x",
            "restart_strategy",
            "max_restarts",
            "population_batch_size",
            "data_chunk_size",
            "refine_with_nlsq",
            "auto_select",
            "scale_threshold",
            "memory_limit_gb",
            "refinement_workflow",
            "refinement_ftol",
            "refinement_xtol",
            "refinement_gtol",
            "refinement_max_nfev",
            "refinement_loss",
            "normalize",
            "normalization_epsilon",
        )
    },
    "quality_validation.enable": "enable_quality_validation",
    **{
        f"quality_validation.{name}": f"quality_{name}"
        for name in (
            "reduced_chi_squared_threshold",
            "warn_on_max_restarts",
            "warn_on_bounds_hit",
            "warn_on_convergence_failure",
            "bounds_tolerance",
        )
    },
}
"""Dotted key -> field."""

ALIASES = {"tolerance": "ftol", "diagnostics.enabled": "diagnostics.enable"}
"""Other spellings of a key."""

_PLACE = "optimization.nlsq"
WITHOUT_FIELD = frozenset(
    f"{path}.{key}".removeprefix(f"{_PLACE}.")
    for path, part in TRANSLATED.items()
    if path == _PLACE or path.startswith(f"{_PLACE}.")
    for key in part.keys
).difference(KEYS, ALIASES) | {"multi_start.custom_starts"}
"""Keys that a configuration may hold and `NLSQConfig` has no field for."""

SECTIONS = frozenset(
    key.rsplit(".", depth)[0] for key in (*KEYS, *WITHOUT_FIELD) for depth in range(1, key.count(".") + 1)
)
"""Keys whose value is a mapping."""


def dotted(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of a nested mapping.

    Raises
    ------
    InvalidConfigurationError
        If a key is unknown, or a section is no mapping.

    Examples
    --------
    >>> dict(dotted({"loss": "huber", "cmaes": {"sigma": 0.3}}))
    {'loss': 'huber', 'cmaes.sigma': 0.3}
    """
    for key, value in section.items():
        name = f"{above}{key}"
        if name in SECTIONS:
            if isinstance(value, Mapping):
                yield from dotted(value, f"{name}.")
            elif value is not None:
                raise InvalidConfigurationError(f"optimization.nlsq.{name}: expected a mapping, got {value!r}")
        elif ALIASES.get(name, name) in KEYS or name in WITHOUT_FIELD:
            yield ALIASES.get(name, name), value
        else:
            known = sorted({*KEYS, *ALIASES, *WITHOUT_FIELD, *SECTIONS})
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidConfigurationError(f"optimization.nlsq: unknown key {name!r}{hint}")


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The nested mapping of dotted keys.

    Examples
    --------
    >>> nested({"loss": "huber", "cmaes.sigma": 0.3})
    {'loss': 'huber', 'cmaes': {'sigma': 0.3}}
    """
    found: dict[str, Any] = {}
    for name, value in flat.items():
        *above, last = name.split(".")
        inner = found
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return found


def problem_with(name: str, default: object, value: object) -> str:
    """Why a value cannot be that of a field whose default is known, or an empty text.

    Examples
    --------
    >>> problem_with("ftol", 1e-8, "small")
    "ftol: expected a number, got 'small'"
    """
    if default is None or name in ("x_scale", "x_scale_map"):
        return ""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else f"{name}: expected true or false, got {value!r}"
    if isinstance(default, str):
        return "" if isinstance(value, str) else f"{name}: expected text, got {value!r}"
    whole = isinstance(default, int)
    kind: type = numbers.Integral if whole else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(float(value)):  # type: ignore[arg-type]
        return f"{name}: expected {'a whole number' if whole else 'a number'}, got {value!r}"
    return ""
