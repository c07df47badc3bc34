"""Settings of the section ``optimization.nlsq``: read strictly, with the names and defaults of homodyne.

What they mean to a fit is in `wilks.facades.homodyne.question`; most of them steer parts that the engine does not have.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.config_keys import KEYS, dotted, nested, problem_with
from wilks.store import document

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HybridRecoveryConfig", "NLSQConfig", "safe_bool", "safe_float", "safe_int"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "workflow": ("auto", "auto_global", "hpc", "standard", "streaming"),
    "goal": ("quality", "fast", "robust", "global", "memory_efficient"),
    "loss": ("linear", "soft_l1", "huber", "cauchy", "arctan"),
    "hybrid_normalization_strategy": ("auto", "bounds", "p0", "none"),
    "multi_start_sampling_strategy": ("latin_hypercube", "sobol", "random"),
    "per_angle_mode": ("auto", "individual", "constant", "fourier"),
    "regularization_mode": ("absolute", "relative", "auto"),
    "gradient_collapse_response": ("warn", "hierarchical", "reset", "abort"),
    "cmaes_preset": ("cmaes-fast", "cmaes", "cmaes-global"),
    "cmaes_restart_strategy": ("none", "bipop"),
    "cmaes_refinement_workflow": ("auto", "standard", "streaming"),
    "cmaes_refinement_loss": ("linear", "soft_l1", "huber", "cauchy", "arctan"),
}
_POSITIVE = frozenset(
    {
        "trust_region_scale", "max_iterations", "ftol", "xtol", "gtol", "streaming_chunk_size", "target_chunk_size",
        "hybrid_warmup_iterations", "hybrid_max_warmup_iterations", "hybrid_warmup_learning_rate",
        "hybrid_gauss_newton_max_iterations", "hybrid_gauss_newton_tol", "hybrid_chunk_size",
        "hybrid_trust_region_initial", "hybrid_checkpoint_frequency", "hybrid_max_warmup_step_size",
        "multi_start_n_starts", "multi_start_refine_top_k", "multi_start_refinement_ftol",
        "multi_start_degeneracy_threshold", "multi_start_screen_keep_fraction", "fourier_order",
        "fourier_auto_threshold", "constant_scaling_threshold", "hierarchical_max_outer_iterations",
        "hierarchical_outer_tolerance", "hierarchical_physical_max_iterations",
        "hierarchical_per_angle_max_iterations", "regularization_target_cv", "regularization_max_cv",
        "gradient_ratio_threshold", "gradient_consecutive_triggers", "cmaes_sigma", "cmaes_sigma_warmstart",
        "cmaes_tol_fun", "cmaes_tol_x", "cmaes_warmstart_skip_threshold", "cmaes_scale_threshold",
        "cmaes_memory_limit_gb", "cmaes_refinement_ftol", "cmaes_refinement_xtol", "cmaes_refinement_gtol",
        "cmaes_refinement_max_nfev", "quality_reduced_chi_squared_threshold", "log_iteration_interval",
    }
)  # fmt: skip
_AT_MOST_1 = frozenset({"multi_start_screen_keep_fraction", "cmaes_sigma", "cmaes_sigma_warmstart"})
_NOT_NEGATIVE = frozenset(
    {"max_recovery_attempts", "multi_start_n_workers", "cmaes_max_restarts", "group_variance_lambda", "verbose",
     "quality_bounds_tolerance", "hybrid_regularization_factor"}
)  # fmt: skip


def safe_float(value: Any, default: float) -> float:  # noqa: ANN401 - anything
    """Return the value as a number, or the default where it is none.

    Examples
    --------
    >>> safe_float("3.14", 0.0), safe_float(None, 1.0), safe_float("invalid", 2.5)
    (3.14, 1.0, 2.5)
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


def safe_int(value: Any, default: int) -> int:  # noqa: ANN401 - anything
    """Return the value as a whole number, or the default where it is none.

    Examples
    --------
    >>> safe_int("42", 0), safe_int(None, 10), safe_int("invalid", 5)
    (42, 10, 5)
    """
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default


def safe_bool(value: Any, default: bool) -> bool:  # noqa: ANN401 - anything
    """Return the value as true or false, or the default where it is neither.

    Examples
    --------
    >>> safe_bool("yes", False), safe_bool(0, True), safe_bool("perhaps", True)
    (True, False, True)
    """
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    return words.get(str(value).strip().lower(), default)


@dataclass
class HybridRecoveryConfig:
    """How every retry is more careful than the one before.

    Examples
    --------
    >>> HybridRecoveryConfig().get_retry_settings(2)
    {'lr_multiplier': 0.25, 'lambda_multiplier': 4.0, 'trust_multiplier': 0.25}
    """

    max_retries: int = 3
    lr_decay: float = 0.5
    lambda_growth: float = 2.0
    trust_decay: float = 0.5
    log_retries: bool = True

    def get_retry_settings(self, attempt: int) -> dict[str, float]:
        """Factors on learning rate, regularisation and trust region of a retry, counted from 1."""
        return {
            "lr_multiplier": self.lr_decay**attempt,
            "lambda_multiplier": self.lambda_growth**attempt,
            "trust_multiplier": self.trust_decay**attempt,
        }


@dataclass
class NLSQConfig:
    """The settings, flat; `KEYS` says which key of the configuration sets which field.

    Examples
    --------
    >>> config = NLSQConfig.from_dict({"loss": "linear", "multi_start": {"enable": True}})
    >>> config.loss, config.enable_multi_start, config.tolerance
    ('linear', True, 1e-08)
    """

    workflow: str = "auto"
    goal: str = "quality"
    loss: str = "soft_l1"
    trust_region_scale: float = 1.0
    max_iterations: int = 1000
    ftol: float = 1e-8
    xtol: float = 1e-8
    gtol: float = 1e-8
    x_scale: str | list[float] = "jac"
    x_scale_map: dict[str, float] | None = None
    enable_diagnostics: bool = True
    enable_streaming: bool = True
    streaming_chunk_size: int = 50000
    enable_stratified: bool = True
    target_chunk_size: int = 100000
    enable_recovery: bool = True
    max_recovery_attempts: int = 3
    enable_progress_bar: bool = True
    verbose: int = 1
    log_iteration_interval: int = 10
    enable_hybrid_streaming: bool = True
    hybrid_normalize: bool = True
    hybrid_normalization_strategy: str = "auto"
    hybrid_warmup_iterations: int = 200
    hybrid_max_warmup_iterations: int = 500
    hybrid_warmup_learning_rate: float = 0.001
    hybrid_gauss_newton_max_iterations: int = 100
    hybrid_gauss_newton_tol: float = 1e-8
    hybrid_chunk_size: int = 10000
    hybrid_trust_region_initial: float = 1.0
    hybrid_regularization_factor: float = 1e-10
    hybrid_enable_checkpoints: bool = True
    hybrid_checkpoint_frequency: int = 100
    hybrid_validate_numerics: bool = True
    hybrid_enable_warm_start_detection: bool = True
    hybrid_warm_start_threshold: float = 0.01
    hybrid_enable_adaptive_warmup_lr: bool = True
    hybrid_warmup_lr_refinement: float = 1e-6
    hybrid_warmup_lr_careful: float = 1e-5
    hybrid_enable_cost_guard: bool = True
    hybrid_cost_increase_tolerance: float = 0.05
    hybrid_enable_step_clipping: bool = True
    hybrid_max_warmup_step_size: float = 0.1
    enable_multi_start: bool = False
    multi_start_n_starts: int = 10
    multi_start_seed: int = 42
    multi_start_sampling_strategy: str = "latin_hypercube"
    multi_start_n_workers: int = 0
    multi_start_use_screening: bool = True
    multi_start_screen_keep_fraction: float = 0.5
    multi_start_refine_top_k: int = 3
    multi_start_refinement_ftol: float = 1e-12
    multi_start_degeneracy_threshold: float = 0.1
    per_angle_mode: str = "auto"
    fourier_order: int = 2
    fourier_auto_threshold: int = 6
    constant_scaling_threshold: int = 3
    enable_hierarchical: bool = True
    hierarchical_max_outer_iterations: int = 5
    hierarchical_outer_tolerance: float = 1e-6
    hierarchical_physical_max_iterations: int = 100
    hierarchical_per_angle_max_iterations: int = 50
    regularization_mode: str = "relative"
    group_variance_lambda: float = 1.0
    regularization_target_cv: float = 0.1
    regularization_target_contribution: float = 0.1
    regularization_max_cv: float = 0.2
    regularization_auto_tune_lambda: bool = True
    enable_gradient_monitoring: bool = True
    gradient_ratio_threshold: float = 0.01
    gradient_consecutive_triggers: int = 5
    gradient_collapse_response: str = "hierarchical"
    enable_cmaes: bool = False
    cmaes_preset: str = "cmaes"
    cmaes_max_generations: int | None = None
    cmaes_popsize: int | None = None
    cmaes_sigma: float = 0.5
    cmaes_sigma_warmstart: float = 0.05
    cmaes_warmstart_auto_skip: bool = True
    cmaes_warmstart_skip_threshold: float = 5.0
    cmaes_tol_fun: float = 1e-8
    cmaes_tol_x: float = 1e-8
    cmaes_restart_strategy: str = "bipop"
    cmaes_max_restarts: int = 9
    cmaes_population_batch_size: int | None = None
    cmaes_data_chunk_size: int | None = None
    cmaes_refine_with_nlsq: bool = True
    cmaes_auto_select: bool = True
    cmaes_scale_threshold: float = 1000.0
    cmaes_memory_limit_gb: float = 8.0
    cmaes_refinement_workflow: str = "auto"
    cmaes_refinement_ftol: float = 1e-10
    cmaes_refinement_xtol: float = 1e-10
    cmaes_refinement_gtol: float = 1e-10
    cmaes_refinement_max_nfev: int = 500
    cmaes_refinement_loss: str = "linear"
    cmaes_normalize: bool = True
    cmaes_normalization_epsilon: float = 1e-12
    enable_quality_validation: bool = True
    quality_reduced_chi_squared_threshold: float = 10.0
    quality_warn_on_max_restarts: bool = True
    quality_warn_on_bounds_hit: bool = True
    quality_warn_on_convergence_failure: bool = True
    quality_bounds_tolerance: float = 1e-9
    _validation_errors: list[str] = field(default_factory=list, repr=False, compare=False)

    @property
    def tolerance(self) -> float:
        """The same as `ftol`."""
        return self.ftol

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any]) -> NLSQConfig:
        """Read the section ``optimization.nlsq``, given as a nested mapping.

        Values are taken as they are, and `validate` judges them; keys that do not exist are refused at once.

        Raises
        ------
        InvalidConfigurationError
            If a key is unknown.
        """
        return cls(**{KEYS[key]: value for key, value in dotted(config_dict) if key in KEYS})

    @classmethod
    def from_yaml(cls, yaml_path: str) -> NLSQConfig:
        """Read a configuration file, take its section ``optimization.nlsq``, and check it.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InvalidConfigurationError
            If it has no such section, a key is unknown, or a value cannot be used.
        """
        path = Path(yaml_path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; give the path of a YAML configuration")
        section: Any = document.read(path).data
        for key in ("optimization", "nlsq"):
            section = section.get(key) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            raise InvalidConfigurationError(f"{path}: expected a section optimization.nlsq, there is none")
        found = cls.from_dict(section)
        if not found.is_valid():
            raise InvalidConfigurationError(f"{path}: optimization.nlsq: {'; '.join(found.validate())}")
        return found

    def validate(self) -> list[str]:
        """Return what is wrong, in sentences; an empty list if nothing is."""
        found = []
        for each in _fields():
            name, value = each.name, getattr(self, each.name)
            text = problem_with(name, each.default, value)
            if not text and name in _CHOICES and value not in _CHOICES[name]:
                text = f"{name}: expected one of {', '.join(map(repr, _CHOICES[name]))}, got {value!r}"
            elif not text and name in _POSITIVE and not value > 0:
                text = f"{name}: expected a positive number, got {value!r}"
            elif not text and name in _NOT_NEGATIVE and not value >= 0:
                text = f"{name}: expected a number >= 0, got {value!r}"
            if not text and name in _AT_MOST_1 and value > 1:
                text = f"{name}: expected a fraction, above 0 and up to 1, got {value!r}"
            found += [text] if text else []
        self._validation_errors = found
        return found

    def is_valid(self) -> bool:
        """Can all values be used?"""
        return not self.validate()

    def to_dict(self) -> dict[str, Any]:
        """The nested mapping that `from_dict` reads, with every field."""
        return nested({key: getattr(self, name) for key, name in KEYS.items()})

    def to_workflow_kwargs(self) -> dict[str, Any]:
        """Arguments of a ``curve_fit`` in the words of SciPy.

        Examples
        --------
        >>> NLSQConfig(goal="fast").to_workflow_kwargs()["goal"]
        'fast'
        """
        goal = {} if self.goal == "quality" else {"goal": self.goal}
        tolerances = {name: getattr(self, name) for name in ("ftol", "gtol", "xtol")}
        return goal | tolerances | {"max_nfev": self.max_iterations, "loss": self.loss}

    def not_default(self) -> list[str]:
        """Names of the fields that are not at their default."""
        return [each.name for each in _fields() if getattr(self, each.name) != each.default]


def _fields() -> list[Any]:
    return [each for each in fields(NLSQConfig) if not each.name.startswith("_")]
