"""`NLSQWrapper`, and the warm-up of a multi-start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.facades.homodyne.adapter_base import NLSQAdapterBase
from wilks.facades.homodyne.core import Task, require_per_angle
from wilks.facades.homodyne.curve import Curve
from wilks.facades.homodyne.multistart import SingleStartResult
from wilks.facades.homodyne.question import warn_of_another_mode
from wilks.facades.homodyne.results import FallbackInfo, OptimizationResult
from wilks.facades.homodyne.strategies.solving import SolverSettings, solve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

__all__ = ["NLSQWrapper", "create_multistart_warmup_func"]

SOLVED = "contrast and offset follow exactly from the physical parameters; they need no start"
BUILT_IN = "gamma_dot_t0 and D0 are fitted by their logarithms; nothing needs to be transformed"
ONE_ENGINE = "there is one engine; it keeps to the memory limit and records what it does in the result"


class NLSQWrapper(NLSQAdapterBase):
    """Fits with the arguments of homodyne's wrapper.

    Parameters
    ----------
    enable_large_dataset
        No effect: how data are kept follows from their size and the memory limit.
    enable_recovery
        Search the whole box where the fit from the initial values is poor.
    enable_numerical_validation, max_retries, fast_mode
        No effect: the engine always checks its numbers, and it costs nothing.

    Examples
    --------
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(60), dt=0.1, q=0.0054, gap=None, phi=[0.0])
    >>> made = xpcs.simulate({"D0": 2e4, "alpha": -0.5, "D_offset": 0.0}, geometry, mode="static", sigma=0.01, seed=1)
    >>> data = {"phi": made.phi, "g2": made.c2, "t1": made.t, "t2": made.t, "q": 0.0054, "sigma": 0.01}
    >>> result = NLSQWrapper().fit(data, None, np.array([0.5, 1.0, 1e4, 0.0, 0.0]))
    >>> result.parameter_names
    ('contrast_0', 'offset_0', 'D0', 'alpha', 'D_offset')
    """

    def __init__(
        self,
        enable_large_dataset: bool = True,
        enable_recovery: bool = True,
        enable_numerical_validation: bool = True,
        max_retries: int = 2,
        fast_mode: bool = False,
    ) -> None:
        self.enable_large_dataset = enable_large_dataset
        self.enable_recovery = enable_recovery
        self.enable_numerical_validation = enable_numerical_validation
        self.max_retries = max_retries
        self.fast_mode = fast_mode

    def fit(
        self,
        data: Any,  # noqa: ANN401 - a dictionary, an object or TwoTimeData
        config: Any,  # noqa: ANN401 - a ConfigManager or its dictionary
        initial_params: ArrayLike | Mapping[str, float] | None = None,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        analysis_mode: str = "static_isotropic",
        per_angle_scaling: bool = True,
        diagnostics_enabled: bool = False,
        shear_transforms: dict[str, Any] | None = None,
        per_angle_scaling_initial: dict[str, list[float]] | None = None,
    ) -> OptimizationResult:
        """Fit.

        Parameters
        ----------
        data, config
            As for `fit_nlsq_jax`.
        initial_params
            Physical parameters, alone or after one contrast and one offset or those of every angle; or by name.
        bounds
            (lower, upper) in the same layout.
        analysis_mode
            ``"static_isotropic"`` or ``"laminar_flow"``; it goes before that of the configuration.
        per_angle_scaling
            Must be True.
        diagnostics_enabled
            Adds absorption, sensitivity and gradient of every parameter to ``nlsq_diagnostics``.
        shear_transforms, per_angle_scaling_initial
            No effect; ``nlsq_diagnostics["without_effect"]`` says why.
        """
        require_per_angle(per_angle_scaling)
        warn_of_another_mode(config, analysis_mode)
        task = Task.of(data, config, initial_params, analysis_mode, bounds)
        task.asked.nlsq.enable_recovery &= self.enable_recovery
        unused = {"shear_transforms": BUILT_IN} if shear_transforms else {}
        unused |= {"per_angle_scaling_initial": SOLVED} if per_angle_scaling_initial else {}
        for name, default in (("enable_numerical_validation", True), ("max_retries", 2), ("fast_mode", False)):
            if getattr(self, name) != default:
                unused[name] = ONE_ENGINE
        return fitted(task, "NLSQWrapper", unused, with_diagnostics=diagnostics_enabled)


def fitted(task: Task, adapter: str, unused: dict[str, str], *, with_diagnostics: bool) -> OptimizationResult:
    """The local fit of a task, in the name of an adapter."""
    found, actions = task.local()
    more: dict[str, Any] = {"without_effect": task.asked.without_effect | unused}
    if with_diagnostics:
        inner = found.diagnostics
        more |= {name: getattr(inner, name) for name in ("absorption", "sensitivity", "gradient")}
    device = {"adapter": adapter, "fallback": FallbackInfo(False, adapter).to_dict()}
    return task.result(found, device, actions, more)


def create_multistart_warmup_func(
    model_func: Callable[..., ArrayLike],
    xdata: ArrayLike,
    ydata: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    warmup_learning_rate: float = 0.001,
    normalize: bool = True,
    chunk_size: int = 50_000,
) -> Callable[[Any, ArrayLike, int], SingleStartResult]:
    """Return a function that improves a start by a few iterations of least squares in the bounds.

    It is what `run_multistart_nlsq` takes as ``warmup_fit_func``.

    Parameters
    ----------
    model_func
        ``model_func(x, *params)``.
    xdata, ydata
        Data; points along the first axis.
    bounds
        (lower, upper); None for none.
    warmup_learning_rate, normalize
        No effect: there is no rate, and the steps are damped in units of the Jacobian.
    chunk_size
        Points that the function gets at a time.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 30)
    >>> warm = create_multistart_warmup_func(lambda x, a, b: a * x + b, x, 2 * x + 1, ([-9, -9], [9, 9]))
    >>> warm(None, np.array([0.0, 0.0]), 20).chi_squared < 1e-6
    True
    """
    curve = Curve(model_func, xdata, ydata, chunk_size=chunk_size)

    def warm(data: Any, initial_params: ArrayLike, n_iterations: int) -> SingleStartResult:  # noqa: ANN401 - not used
        start, began = np.asarray(initial_params, dtype=float).ravel(), time.perf_counter()
        n = len(start)
        settings = SolverSettings(max_evaluations=1 + max(1, int(n_iterations)))
        names = [f"p{k}" for k in range(n)]
        found = solve(curve.residual, start, bounds, names, settings, chunked=curve.is_chunked, callbacks=())
        chi_squared = curve.chi_squared(found.params)
        return SingleStartResult(
            0,
            start,
            found.params,
            chi_squared,
            chi_squared / max(1, len(curve.y) - n),
            success=bool(np.isfinite(chi_squared)),
            status=int(found.success),
            message=found.message,
            n_iterations=found.n_evaluations - 1,
            n_fev=found.n_evaluations,
            wall_time=time.perf_counter() - began,
        )

    return warm
