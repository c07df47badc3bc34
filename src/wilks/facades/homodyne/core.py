"""`fit_nlsq_jax` and its two global relatives, on `wilks.xpcs.fit`.

A local fit from a guess may end in an optimum that is not the best one. Where that shows (not converged, or a fit that
cannot be right), the whole box is searched as well, the better fit is taken, and `recovery_actions` says so. Without
any guess the box is searched at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.status import Outcome
from wilks.facades.homodyne.cmaes_wrapper import CMAESWrapper, CMAESWrapperConfig
from wilks.facades.homodyne.measurement import Measurement, direct_form, measurement
from wilks.facades.homodyne.multistart import MultiStartConfig, MultiStartResult, SingleStartResult, run_from
from wilks.facades.homodyne.notices import notice
from wilks.facades.homodyne.outcome import optimization_result, vector
from wilks.facades.homodyne.question import Asked, asked
from wilks.facades.homodyne.results import FallbackInfo, NLSQResult, OptimizationResult
from wilks.xpcs.convention import Convention
from wilks.xpcs.fitting import problem
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.options import FitOptions
from wilks.xpcs.parameters import check_mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from wilks.xpcs.result import XpcsFit

__all__ = ["NLSQResult", "fit_nlsq_cmaes", "fit_nlsq_jax", "fit_nlsq_multistart"]

_SAME = 0.01
_NO_START = "no initial values were given: the whole box was searched"


@dataclass(frozen=True)
class Task:
    """Data with what is asked of them and where to start."""

    measured: Measurement
    asked: Asked
    start: dict[str, float] | None

    @classmethod
    def of(
        cls,
        data: Any,  # noqa: ANN401 - checked by `measurement`
        config: Any,  # noqa: ANN401 - checked by `asked`
        initial_params: Mapping[str, float] | ArrayLike | None,
        mode: str | None = None,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Task:
        """Check all arguments."""
        question = asked(config, mode)
        found = measurement(data, question.dt, question.gap)
        said = (("dt", question.dt, found.data.dt, "s"), ("the gap", question.gap, found.data.gap, "Å"))
        for what, wanted, there, unit in (*said, ("q", question.q, found.data.q, "1/Å")):
            if wanted is not None and there is not None and abs(wanted - there) > _SAME * there:
                text = f"{what} is {wanted:g} {unit} in the configuration and {there:g} {unit} in the data"
                notice(f"{text}, which go before it", stacklevel=4)
        if bounds is not None:
            question = question.with_bounds(bounds, found.data.n_phi)
        return cls(found, question, question.start_from(initial_params, found.data.n_phi))

    def result(
        self, fit: XpcsFit, device: dict[str, Any], actions: list[str], diagnostics: dict[str, Any] | None = None
    ) -> OptimizationResult:
        """The result in the form of homodyne."""
        return optimization_result(
            fit,
            sigma_is_default=self.measured.sigma_is_default,
            device=device,
            actions=actions,
            diagnostics={"without_effect": self.asked.without_effect, **(diagnostics or {})},
        )

    def local(self) -> tuple[XpcsFit, list[str]]:
        """A local fit, and a search of the box where that is not enough."""
        if self.start is None:
            return self.asked.fit(self.measured, "multi_start", None), [_NO_START]
        first = self.asked.fit(self.measured, "local", self.start)
        if not self.asked.nlsq.enable_recovery or (first.status.success and first.quality.flag != "poor"):
            return first, []
        again = self.asked.fit(self.measured, "multi_start", self.start)
        why = " ".join(first.quality.reasons) or first.status.message
        better = _cost(again) < _cost(first)
        found = f"chi-squared {again.chi_squared:.6g} for {first.chi_squared:.6g}" if better else "nothing better"
        return (again if better else first), [f"the fit from the initial values was poor ({why}); search: {found}"]


def fit_nlsq_jax(
    data: Any = None,  # noqa: ANN401 - a dictionary, an object or TwoTimeData
    config: Any = None,  # noqa: ANN401 - a ConfigManager or its dictionary
    initial_params: Mapping[str, float] | ArrayLike | None = None,
    per_angle_scaling: bool = True,
    use_adapter: bool = False,
    _skip_global_selection: bool = False,
    **arrays: Any,  # noqa: ANN401 - arrays
) -> OptimizationResult:
    """Fit two-time correlations by least squares, a contrast and an offset for every angle.

    With ``cmaes.enable`` in the configuration this is `fit_nlsq_cmaes`, with ``multi_start.enable``
    `fit_nlsq_multistart`; otherwise a local fit from the initial values.

    Parameters
    ----------
    data
        See `wilks.facades.homodyne.measurement.measurement`. In its place the arrays may be given as keywords: ``t1``,
        ``t2``, ``c2``, ``q2_phi_t1_t2`` (squares of the wave vector), ``phi_rad`` in radians, ``mode``. The physical
        parameters then come first in the result.
    config
        A `ConfigManager`, its dictionary, or None for the defaults.
    initial_params
        Name -> value; what is missing is taken from the configuration, or in the middle of its bounds.
    per_angle_scaling
        Must be True.
    use_adapter
        Only names the adapter in the result: there is one engine.

    Returns
    -------
    OptimizationResult

    Raises
    ------
    InvalidDataError, InvalidConfigurationError
        Both are a ValueError: the data or the configuration cannot be used.

    Examples
    --------
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(60), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> made = xpcs.simulate({"D0": 2e4, "alpha": -0.5, "D_offset": 0.0}, geometry, mode="static", sigma=0.01, seed=1)
    >>> data = {"phi": made.phi, "g2": made.c2, "t1": made.t, "t2": made.t, "q": 0.0054, "sigma": 0.01}
    >>> result = fit_nlsq_jax(data, {"analysis_mode": "static", "optimization": {"nlsq": {"loss": "linear"}}})
    >>> result.success, result.parameter_names[4]
    (True, 'D0')
    >>> bool(abs(result.parameters[4] - 2e4) < 4 * result.uncertainties[4])
    True
    """
    require_per_angle(per_angle_scaling)
    if data is None:
        mode = arrays.pop("mode", None)
        task = Task.of(direct_form(arrays), config, initial_params, mode or (None if config is not None else "static"))
    elif arrays:
        raise InvalidConfigurationError(f"fit_nlsq_jax: give data or the arrays {', '.join(arrays)}, not both")
    else:
        task = Task.of(data, config, initial_params)
    adapter = "NLSQAdapter" if use_adapter else "NLSQWrapper"
    nlsq = task.asked.nlsq
    if nlsq.enable_cmaes and not _skip_global_selection:
        result = _cmaes(task)
    elif nlsq.enable_multi_start and not _skip_global_selection:
        result = _multistart(task).to_optimization_result()
    else:
        fit, actions = task.local()
        result = task.result(fit, {}, actions)
    result.device_info |= {"adapter": adapter, "fallback": FallbackInfo(False, adapter).to_dict()}
    return result if data is not None else _physical_first(result)


def fit_nlsq_multistart(
    data: Any,  # noqa: ANN401 - as above
    config: Any,  # noqa: ANN401 - as above
    initial_params: Mapping[str, float] | ArrayLike | None = None,
    per_angle_scaling: bool = True,
) -> MultiStartResult:
    """Fit from many starts, all data every time.

    The starts are a Latin hypercube (or random) in the bounds, on the logarithms of ``D0`` and ``gamma_dot_t0``, with
    the initial values and those of ``custom_starts`` before them. They are screened by chi-squared of all data.

    Parameters
    ----------
    data, config, initial_params, per_angle_scaling
        As for `fit_nlsq_jax`.

    Raises
    ------
    InvalidConfigurationError
        If ``multi_start.enable`` is not set, or as for `fit_nlsq_jax`.
    """
    require_per_angle(per_angle_scaling)
    task = Task.of(data, config, initial_params)
    if not task.asked.nlsq.enable_multi_start:
        raise InvalidConfigurationError("optimization.nlsq.multi_start.enable is false; set it to true")
    return _multistart(task)


def fit_nlsq_cmaes(
    data: Any,  # noqa: ANN401 - as above
    config: Any,  # noqa: ANN401 - as above
    initial_params: Mapping[str, float] | ArrayLike | None = None,
    per_angle_scaling: bool = True,
) -> OptimizationResult:
    """Fit after a search by CMA-ES with restarts.

    With initial values a local fit comes first; if it is good enough (``warmstart_auto_skip``: reduced chi-squared
    below the threshold, and a quality that is not poor) there is no search. With ``auto_select`` the search is by
    multi-start, if enabled, where the widths of the bounds differ too little for CMA-ES to be of use. ``max_restarts``
    is a limit: the search makes four restarts, after which further ones hardly ever find another optimum.

    Parameters
    ----------
    data, config, initial_params, per_angle_scaling
        As for `fit_nlsq_jax`.

    Raises
    ------
    InvalidConfigurationError
        If ``cmaes.enable`` is not set, or as for `fit_nlsq_jax`.
    """
    require_per_angle(per_angle_scaling)
    task = Task.of(data, config, initial_params)
    if not task.asked.nlsq.enable_cmaes:
        raise InvalidConfigurationError("optimization.nlsq.cmaes.enable is false; set it to true")
    return _cmaes(task)


def require_per_angle(per_angle_scaling: bool) -> None:
    """Refuse one contrast and offset for all angles by the argument: that is a choice of the configuration."""
    if per_angle_scaling is not True:
        raise InvalidConfigurationError(
            f"per_angle_scaling: expected True, got {per_angle_scaling!r}; one contrast and offset for all angles is "
            "biased if they differ"
        )


def _cost(fit: XpcsFit) -> float:
    return -fit.log_likelihood if fit.status.success or fit.has_best else float("inf")


def _multistart(task: Task) -> MultiStartResult:
    question, space = task.asked, task.asked.space
    config = MultiStartConfig.from_nlsq_config(question.nlsq)
    config.custom_starts = question.custom_starts or None
    plain = problem(
        task.measured.data,
        question.mode,
        scaling=question.scaling,
        parameters=question.parameters,
        convention=Convention.homodyne(),
        options=FitOptions(memory_limit=question.options.memory_limit, n_threads=config.n_workers or None),
    )

    def single(number: int, theta: NDArray[np.float64]) -> SingleStartResult:
        return _single(task, number, theta, dict(zip(space.free, theta.tolist(), strict=True)), "local")

    def cost(theta: NDArray[np.float64]) -> float:
        values = space.constants | dict(zip(space.free, theta.tolist(), strict=True))
        return -2.0 * plain.log_likelihood(values)

    given = [] if task.start is None else [[task.start[name] for name in space.free]]
    names = PHYSICAL_NAMES[check_mode(question.mode)]
    for start in question.custom_starts:
        parts = question.split(np.asarray(start, dtype=float), task.measured.data.n_phi, "custom_starts")
        given.append([float(parts[name][0]) for name in names if name in space.free])
    starts = space.from_unit(config.design(np.array([[0.0, 1.0]] * space.dimension)))
    found = run_from(starts, np.array(given).reshape(-1, space.dimension), config, single, cost, n_workers=1)
    best, actions = found.best.fit, []
    if question.nlsq.enable_recovery and best is not None and best.quality.flag == "poor":
        values = {name: float(best.best[name]) for name in space.free} if best.has_best else None  # type: ignore[arg-type]
        theta = np.array(list((values or task.start or {}).values()))
        found.include(_single(task, len(found.all_results), theta, values, "multi_start"))
        why = " ".join(best.quality.reasons) or best.status.message
        actions.append(f"the best of the fits from the starts was poor ({why}); the box was searched as well")
    found.context = {
        "sigma_is_default": task.measured.sigma_is_default,
        "without_effect": question.without_effect,
        "actions": actions,
    }
    return found


def _single(
    task: Task,
    number: int,
    theta: NDArray[np.float64],
    start: dict[str, float] | None,
    method: Any,  # noqa: ANN401
) -> SingleStartResult:
    fit = task.asked.fit(task.measured, method, start)
    _, values, covariance = vector(fit)
    return SingleStartResult(
        number,
        theta,
        values,
        fit.chi_squared if np.isfinite(fit.chi_squared) else float("inf"),
        fit.reduced_chi_squared,
        fit.status.success,
        1 if fit.status.success else 0,
        fit.status.message,
        n_iterations=fit.n_evaluations,
        n_fev=fit.n_evaluations,
        wall_time=fit.provenance.seconds,
        hessian=fit.information,
        covariance=covariance,
        fit=fit,
    )


def _cmaes(task: Task) -> OptimizationResult:
    nlsq = task.asked.nlsq
    chooser = CMAESWrapper(CMAESWrapperConfig.from_nlsq_config(nlsq))
    bounds = task.asked.bounds()
    ratio = chooser.compute_scale_ratio((bounds[:, 0], bounds[:, 1]))
    report: dict[str, Any] = {"scale_ratio": ratio, "skipped": False}
    if nlsq.cmaes_auto_select and not ratio > nlsq.cmaes_scale_threshold:
        reason = f"the widths of the bounds differ by {ratio:.3g}, not more than {nlsq.cmaes_scale_threshold:g}"
        if nlsq.enable_multi_start:
            result = _multistart(task).to_optimization_result()
            result.recovery_actions.append(f"multi-start in place of CMA-ES: {reason}")
            return result
        local, actions = task.local()
        return task.result(local, {}, [f"local fit in place of CMA-ES: {reason}", *actions])
    warm = None if task.start is None else task.asked.fit(task.measured, "local", task.start)
    fit = warm
    if warm is not None:
        report |= {"warmstart_chi_squared": warm.chi_squared}
        good = warm.status.success and warm.quality.flag != "poor"
        skip = nlsq.cmaes_warmstart_auto_skip and warm.reduced_chi_squared < nlsq.cmaes_warmstart_skip_threshold
        report["skipped"] = good and skip
    if fit is None or not report["skipped"]:
        start = task.start if warm is None or not warm.has_best else {n: warm.physical[n] for n in warm.space.free}
        most = nlsq.cmaes_max_restarts if nlsq.cmaes_restart_strategy == "bipop" else 1
        fit = task.asked.fit(task.measured, "cma_es", start, min(max(most, 1), FitOptions().n_restarts))
        if warm is not None and _cost(warm) < _cost(fit):
            fit = warm
    if warm is not None:
        report["chi_squared_improvement"] = 1.0 - fit.chi_squared / warm.chi_squared
    device = {"method": "cmaes", "convergence_reason": _reason(fit, searched=not report["skipped"])}
    return task.result(fit, device, [], {"cmaes": report})


def _reason(fit: XpcsFit, *, searched: bool) -> str:
    """In one word, how a search by CMA-ES and the fits after it ended; `validate_fit_quality` looks at it."""
    if fit.status.success:
        return "converged" if searched else "warm_start"
    return "max_restarts" if fit.status.outcome is Outcome.NOT_CONVERGED else fit.status.outcome.name.lower()


def _physical_first(result: OptimizationResult) -> OptimizationResult:
    """The order of the example with keywords: its ``parameters[0]`` is D0."""
    n_scaling = sum(name.startswith(("contrast_", "offset_")) for name in result.parameter_names)
    n = len(result.parameter_names)
    order = np.r_[n_scaling:n, :n_scaling]
    result.parameters, result.uncertainties = result.parameters[order], result.uncertainties[order]
    result.covariance = result.covariance[np.ix_(order, order)]
    result.parameter_names = tuple(result.parameter_names[k] for k in order)
    return result
