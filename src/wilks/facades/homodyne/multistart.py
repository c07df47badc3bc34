"""Fits from many starts: the design, the screening, the fits, and how many optima they found.

Every fit takes all data. Two fits are of one basin if all their parameters agree, to a fraction of themselves or within
three of their standard errors; basins that fit about as well as the best one are what makes a problem degenerate.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.evaluation.executors import n_usable_cores
from wilks.facades.homodyne.outcome import optimization_result
from wilks.facades.homodyne.results import OptimizationResult
from wilks.facades.homodyne.starts import (
    box_of,
    check_zero_volume_bounds,
    generate_lhs_starts,
    generate_random_starts,
    generate_sobol_starts,
    include_custom_starts,
    mapped,
    screen_starts,
    validate_n_starts_for_lhs,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from wilks.verbs.fit_options import FitOptions
    from wilks.xpcs.result import XpcsFit

    Vector = NDArray[np.float64]

__all__ = [
    "MultiStartConfig",
    "MultiStartResult",
    "SingleStartResult",
    "check_zero_volume_bounds",
    "detect_degeneracy",
    "generate_lhs_starts",
    "generate_random_starts",
    "get_n_workers",
    "include_custom_starts",
    "run_multistart_nlsq",
    "screen_starts",
    "validate_n_starts_for_lhs",
]

_DESIGNS = {
    "latin_hypercube": generate_lhs_starts,
    "sobol": generate_sobol_starts,
    "random": generate_random_starts,
}
_MIN_KEEP = 3
_WITHIN_ERRORS = 3.0
_WARMUP_ITERATIONS = 50
_SAME_FIT = 4.0
"""Excess of chi-squared, in units of the noise, that is no more than chance."""


@dataclass
class MultiStartConfig:
    """How many starts, and what becomes of them.

    Fits end where a further step gains nothing that matters, so `refine_top_k` and `refinement_ftol` have no effect.

    Examples
    --------
    >>> MultiStartConfig(n_starts=4).design([[0.0, 1.0], [5.0, 6.0]]).shape
    (4, 2)
    """

    enable: bool = False
    n_starts: int = 10
    seed: int = 42
    sampling_strategy: str = "latin_hypercube"
    custom_starts: list[list[float]] | None = None
    n_workers: int = 0
    use_screening: bool = True
    screen_keep_fraction: float = 0.5
    refine_top_k: int = 3
    refinement_ftol: float = 1e-12
    degeneracy_threshold: float = 0.1

    @classmethod
    def from_nlsq_config(cls, nlsq_config: Any) -> MultiStartConfig:  # noqa: ANN401 - an NLSQConfig
        """Take the fields that begin with ``multi_start_``."""
        names = [name for name in cls.__dataclass_fields__ if hasattr(nlsq_config, f"multi_start_{name}")]
        found = {name: getattr(nlsq_config, f"multi_start_{name}") for name in names}
        return cls(enable=nlsq_config.enable_multi_start, **found)

    def to_nlsq_global_config(self) -> FitOptions:
        """The options of `wilks.fit` that come nearest: a screening whose best starts are refined."""
        from wilks.verbs.fit_options import FitOptions  # noqa: PLC0415 - the only use of the general fit here

        return FitOptions(
            method="screening",
            design=self.sampling_strategy,  # type: ignore[arg-type]  # checked there
            n_screened=self.n_starts,
            n_refined=self.n_kept(self.n_starts),
        )

    def n_kept(self, n_starts: int) -> int:
        """Starts that are left after the screening."""
        if not self.use_screening:
            return n_starts
        return min(n_starts, max(_MIN_KEEP, math.ceil(self.screen_keep_fraction * n_starts)))

    def design(self, bounds: ArrayLike) -> Vector:
        """The starts in the bounds."""
        if self.sampling_strategy not in _DESIGNS:
            raise InvalidConfigurationError(
                f"sampling_strategy: expected one of {', '.join(map(repr, _DESIGNS))}, got {self.sampling_strategy!r}"
            )
        return _DESIGNS[self.sampling_strategy](bounds, self.n_starts, self.seed)


@dataclass
class SingleStartResult:
    """What came of one start; `fit` is the result of `wilks.xpcs.fit` where that made it."""

    start_idx: int
    initial_params: Vector
    final_params: Vector
    chi_squared: float
    reduced_chi_squared: float = math.inf
    success: bool = False
    status: int = 0
    message: str = ""
    n_iterations: int = 0
    n_fev: int = 0
    wall_time: float = 0.0
    hessian: Vector | None = None
    covariance: Vector | None = None
    jacobian: Vector | None = None
    fit: XpcsFit | None = field(default=None, repr=False, kw_only=True)


@dataclass
class MultiStartResult:
    """All fits, the best one, and how many optima there are.

    Attributes
    ----------
    best, all_results
        By chi-squared, and in the order of the starts.
    config
        What was asked for.
    strategy_used
        ``"full"``: every fit took all data; ``"phase1"`` if starts were warmed up and only the best one was fitted.
    n_successful, n_unique_basins, degeneracy_detected, total_wall_time
        Converged fits; optima that fit about as well as the best; are there several?; in s.
    screening_costs
        Chi-squared of the starts that were kept; None without a screening.
    basin_labels
        Basin of every result, -1 for those that fit worse or failed; None where fewer than two converged.
    context
        What a result in the form of `OptimizationResult` needs besides.
    """

    best: SingleStartResult
    all_results: list[SingleStartResult]
    config: MultiStartConfig
    strategy_used: str
    n_successful: int = 0
    n_unique_basins: int = 1
    degeneracy_detected: bool = False
    total_wall_time: float = 0.0
    screening_costs: Vector | None = None
    basin_labels: NDArray[np.int64] | None = None
    context: dict[str, Any] = field(default_factory=dict, repr=False, kw_only=True)

    def include(self, result: SingleStartResult) -> None:
        """Add one more result, and judge again."""
        self.all_results.append(result)
        self.total_wall_time += result.wall_time
        self.best = _best(self.all_results)
        self.n_successful = sum(each.success for each in self.all_results)
        found = detect_degeneracy(self.all_results, self.config.degeneracy_threshold)
        self.degeneracy_detected, self.n_unique_basins, self.basin_labels = found

    def to_optimization_result(self) -> OptimizationResult:
        """The best fit as an `OptimizationResult`; what the other ones say is in its ``nlsq_diagnostics``."""
        report = {
            "n_starts": len(self.all_results),
            "n_successful": self.n_successful,
            "n_unique_basins": self.n_unique_basins,
            "degeneracy_detected": self.degeneracy_detected,
            "chi_squared_all": [each.chi_squared for each in self.all_results],
            "strategy_used": self.strategy_used,
        }
        device = {"method": "multi-start"}
        if self.best.fit is not None:
            result = optimization_result(
                self.best.fit,
                sigma_is_default=bool(self.context.get("sigma_is_default")),
                device=device,
                actions=self.context.get("actions", ()),
                diagnostics={"multi_start": report, "without_effect": self.context.get("without_effect", {})},
            )
            result.execution_time = self.total_wall_time
        else:
            result = self._plain(device, {"multi_start": report})
        if self._is_ambiguous() and result.quality_flag == "good":
            result.quality_flag = "marginal"
        return result

    def _is_ambiguous(self) -> bool:
        """Do the data hardly tell another basin from the best one? `degeneracy_detected` says so much sooner."""
        labels = () if self.basin_labels is None else self.basin_labels.tolist()
        noise = max(1.0, self.best.reduced_chi_squared) if math.isfinite(self.best.reduced_chi_squared) else 1.0
        limit = self.best.chi_squared + _SAME_FIT * noise
        return any(
            label > 0 and each.chi_squared < limit for label, each in zip(labels, self.all_results, strict=bool(labels))
        )

    def _plain(self, device: dict[str, Any], diagnostics: dict[str, Any]) -> OptimizationResult:
        best, n = self.best, len(self.best.final_params)
        covariance = np.full((n, n), np.nan) if best.covariance is None else best.covariance
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(np.diag(covariance))
        return OptimizationResult(
            best.final_params,
            errors,
            covariance,
            best.chi_squared,
            best.reduced_chi_squared,
            "converged" if best.success else "failed",
            best.n_iterations,
            self.total_wall_time,
            {"device": "cpu", **device},
            quality_flag="good" if best.success else "poor",
            nlsq_diagnostics=diagnostics,
        )


def detect_degeneracy(
    results: list[SingleStartResult], chi_sq_threshold: float = 0.1, param_threshold: float = 0.2
) -> tuple[bool, int, NDArray[np.int64] | None]:
    """Do several different optima fit about as well?

    Parameters
    ----------
    results
        The fits.
    chi_sq_threshold
        Relative excess of chi-squared over the best one up to which an optimum fits about as well.
    param_threshold
        Relative difference up to which parameters agree.

    Returns
    -------
    tuple
        The answer, the number of such optima, and the basin of every result (-1 for those that fit worse or failed);
        None in its place where fewer than two converged.
    """
    good = [number for number, each in enumerate(results) if each.success and math.isfinite(each.chi_squared)]
    if len(good) < 2:
        return False, 1, None
    good.sort(key=lambda number: results[number].chi_squared)
    limit = results[good[0]].chi_squared * (1 + chi_sq_threshold)
    labels = np.full(len(results), -1, dtype=np.int64)
    centres: list[SingleStartResult] = []
    for number in good:
        each = results[number]
        if each.chi_squared > limit:
            continue
        at = next((k for k, centre in enumerate(centres) if _agree(centre, each, param_threshold)), len(centres))
        if at == len(centres):
            centres.append(each)
        labels[number] = at
    return len(centres) > 1, len(centres), labels


def get_n_workers(config: MultiStartConfig, n_starts: int) -> int:
    """Number of fits at the same time: as asked for, or one for each core, and not more than there are starts.

    Examples
    --------
    >>> get_n_workers(MultiStartConfig(n_workers=8), 3)
    3
    """
    return max(1, min(config.n_workers or n_usable_cores(), n_starts))


def run_multistart_nlsq(
    data: Any,  # noqa: ANN401 - passed on
    bounds: ArrayLike,
    config: MultiStartConfig,
    single_fit_func: Callable[[Any, Vector], SingleStartResult],
    cost_func: Callable[[Vector], float] | None = None,
    custom_starts: ArrayLike | None = None,
    warmup_fit_func: Callable[[Any, Vector, int], SingleStartResult] | None = None,
) -> MultiStartResult:
    """Fit from many starts with a function of the user.

    Parameters
    ----------
    data
        Passed on.
    bounds
        Shape (n, 2), or (lower, upper).
    config
        How many starts, and how.
    single_fit_func
        ``(data, initial_params) -> SingleStartResult``; called from several threads if `config` has several workers.
    cost_func
        Chi-squared of a vector, for the screening; there is none without it.
    custom_starts
        In place of those of `config`.
    warmup_fit_func
        ``(data, initial_params, n_iterations) -> SingleStartResult``: warms up every start, and only the best is
        fitted; see `create_multistart_warmup_func`.
    """
    box = box_of(bounds)
    validate_n_starts_for_lhs(config.n_starts, len(box))
    given = config.custom_starts if custom_starts is None else custom_starts
    custom = (
        include_custom_starts(np.empty((0, len(box))), given, box) if given is not None else np.empty((0, len(box)))
    )
    starts = config.design(box)
    if check_zero_volume_bounds(box):
        starts, custom = box[:, 0][None, :], np.empty((0, len(box)))
    workers = get_n_workers(config, len(starts) + len(custom))

    def single(number: int, theta: Vector) -> SingleStartResult:
        return single_fit_func(data, theta)

    if warmup_fit_func is None:
        return run_from(starts, custom, config, single, cost_func, n_workers=workers)

    def warm(number: int, theta: Vector) -> SingleStartResult:
        return warmup_fit_func(data, theta, _WARMUP_ITERATIONS)

    found = run_from(starts, custom, config, warm, cost_func, n_workers=workers)
    found.include(single_fit_func(data, found.best.final_params))
    found.strategy_used = "phase1"
    return found


def run_from(
    starts: Vector,
    custom: Vector,
    config: MultiStartConfig,
    single: Callable[[int, Vector], SingleStartResult],
    cost: Callable[[Vector], float] | None,
    *,
    n_workers: int,
) -> MultiStartResult:
    """Screen the starts, fit from the custom ones and from those that are left, and judge the results."""
    began, costs = time.perf_counter(), None
    if cost is not None and config.use_screening and len(starts) > 1:
        starts, costs = screen_starts(cost, starts, config.screen_keep_fraction, _MIN_KEEP, n_workers)
    points = np.vstack([custom, starts])
    results = list(mapped(lambda item: single(*item), list(enumerate(points)), n_workers))
    for number, each in enumerate(results):
        each.start_idx = number
    if not any(math.isfinite(each.chi_squared) for each in results):
        raise InvalidConfigurationError(
            f"multi-start: none of {len(results)} starts gave a finite chi-squared; check the bounds and the model"
        )
    degenerate, n_basins, labels = detect_degeneracy(results, config.degeneracy_threshold)
    return MultiStartResult(
        _best(results),
        results,
        config,
        "full",
        sum(each.success for each in results),
        n_basins,
        degenerate,
        time.perf_counter() - began,
        costs,
        labels,
    )


def _best(results: list[SingleStartResult]) -> SingleStartResult:
    return min(results, key=lambda each: each.chi_squared if math.isfinite(each.chi_squared) else math.inf)


def _agree(one: SingleStartResult, other: SingleStartResult, threshold: float) -> bool:
    a, b = np.asarray(one.final_params, dtype=float), np.asarray(other.final_params, dtype=float)
    near = threshold * np.maximum(np.abs(a), np.abs(b))
    for each in (one, other):
        if each.covariance is not None:
            with np.errstate(invalid="ignore"):
                errors = np.sqrt(np.diag(each.covariance))
            near = np.maximum(near, _WITHIN_ERRORS * np.nan_to_num(errors, nan=0.0, posinf=np.inf))
    both = np.isfinite(a) & np.isfinite(b)
    return bool((np.abs(a - b)[both] <= near[both]).all())
