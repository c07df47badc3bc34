"""Results with the attributes of homodyne; `OptimizationResult.fit` is the result of wilks that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wilks.xpcs.result import XpcsFit

__all__ = ["FallbackInfo", "FunctionEvaluationCounter", "NLSQResult", "OptimizationResult", "UseSequentialOptimization"]

_MESSAGES = {
    "converged": "Converged",
    "max_iter": "Stopped before convergence",
    "failed": "Failed",
}


@dataclass
class FunctionEvaluationCounter:
    """A function that counts its calls.

    Examples
    --------
    >>> counted = FunctionEvaluationCounter(abs)
    >>> counted(-2) + counted(3), counted.count
    (5, 2)
    """

    fn: Callable[..., Any]
    count: int = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - what the function takes and returns
        """Call the function, and count."""
        self.count += 1
        return self.fn(*args, **kwargs)


@dataclass(repr=False)
class OptimizationResult:
    """The result of a fit.

    Attributes
    ----------
    parameters
        Contrast of every angle, offset of every angle, physical parameters; `parameter_names` says so.
    uncertainties
        Standard errors in the same order: 0 for what is fixed, NaN for what ended at a bound, infinite for what the
        data do not determine.
    covariance
        Of all of them.
    chi_squared, reduced_chi_squared
        Sum of squared residuals over sigma, each pair of times once, and the same over the degrees of freedom.
    convergence_status
        ``"converged"``, ``"max_iter"`` or ``"failed"``.
    iterations
        Evaluations on all data.
    execution_time
        Wall time in s.
    device_info
        What ran: ``device``, ``method``, ``adapter``, ``strategy``, ``kernel`` and ``fallback``.
    recovery_actions
        What was done beyond the plain fit, in sentences.
    quality_flag
        ``"good"``, ``"marginal"`` or ``"poor"``.
    streaming_diagnostics, stratification_diagnostics
        None: every pass goes through all data, angle by angle.
    nlsq_diagnostics
        Reasons of the quality, notes on the data, identifiability, basins, options without effect.
    sigma_is_default
        Was sigma missing, so that 0.01 was taken? The covariance is then that of residuals of the size they have.
    fit
        The result of `wilks.xpcs.fit`; None for a result that was built by hand.
    parameter_names
        Names of `parameters`.

    Examples
    --------
    >>> result = OptimizationResult([1.0], [0.1], [[0.01]], 9.0, 1.1, "converged", 4, 0.1, {})
    >>> result.success, result.message
    (True, 'Converged: reduced chi-squared 1.1, quality good')
    >>> result
    OptimizationResult: Converged: reduced chi-squared 1.1, quality good
      parameter 0 = 1 ± 0.1
    """

    parameters: NDArray[np.float64]
    uncertainties: NDArray[np.float64]
    covariance: NDArray[np.float64]
    chi_squared: float
    reduced_chi_squared: float
    convergence_status: str
    iterations: int
    execution_time: float
    device_info: dict[str, Any]
    recovery_actions: list[str] = field(default_factory=list)
    quality_flag: str = "good"
    streaming_diagnostics: dict[str, Any] | None = None
    stratification_diagnostics: Any = None
    nlsq_diagnostics: dict[str, Any] | None = None
    sigma_is_default: bool = False
    fit: XpcsFit | None = field(default=None, repr=False, kw_only=True)
    parameter_names: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        """Make the numbers arrays."""
        for name in ("parameters", "uncertainties", "covariance"):
            setattr(self, name, np.asarray(getattr(self, name), dtype=float))

    @property
    def success(self) -> bool:
        """Did the fit converge?"""
        return self.convergence_status == "converged"

    @property
    def message(self) -> str:
        """What became of the fit, in words."""
        outcome = _MESSAGES.get(self.convergence_status, self.convergence_status)
        return f"{outcome}: reduced chi-squared {self.reduced_chi_squared:.4g}, quality {self.quality_flag}"

    def __repr__(self) -> str:
        """The outcome and a line for every parameter."""
        names = self.parameter_names or tuple(f"parameter {k}" for k in range(len(self.parameters)))
        wide = max(map(len, names), default=0)
        lines = (
            f"  {name:<{wide}} = {value:.6g} ± {error:.2g}"
            for name, value, error in zip(names, self.parameters, self.uncertainties, strict=False)
        )
        return "\n".join((f"OptimizationResult: {self.message}", *lines))

    def values(self) -> dict[str, float]:
        """Name -> value."""
        return dict(zip(self.parameter_names, self.parameters.tolist(), strict=True))


class NLSQResult:
    """The older result, with names for the parameters.

    Parameters
    ----------
    parameters, parameter_errors
        Name -> value, and name -> standard error.
    chi_squared, reduced_chi_squared, success, message, n_iterations, optimization_time, method
        As in `OptimizationResult`.
    """

    def __init__(
        self,
        parameters: dict[str, float],
        parameter_errors: dict[str, float],
        chi_squared: float,
        reduced_chi_squared: float,
        success: bool,
        message: str,
        n_iterations: int,
        optimization_time: float,
        method: str = "nlsq",
    ) -> None:
        self.parameters = parameters
        self.parameter_errors = parameter_errors
        self.chi_squared = chi_squared
        self.reduced_chi_squared = reduced_chi_squared
        self.success = success
        self.message = message
        self.n_iterations = n_iterations
        self.optimization_time = optimization_time
        self.method = method

    @classmethod
    def of(cls, result: OptimizationResult) -> NLSQResult:
        """The same numbers by name."""
        names = result.parameter_names
        return cls(
            result.values(),
            dict(zip(names, result.uncertainties.tolist(), strict=True)),
            result.chi_squared,
            result.reduced_chi_squared,
            result.success,
            result.message,
            result.iterations,
            result.execution_time,
            str(result.device_info.get("method", "nlsq")),
        )


@dataclass
class FallbackInfo:
    """Which adapter fitted. There is one engine behind both, so nothing ever falls back.

    Examples
    --------
    >>> FallbackInfo(False, "NLSQAdapter").to_dict()["fallback_occurred"]
    False
    """

    fallback_occurred: bool
    adapter_used: str
    adapter_error: str | None = None
    wrapper_error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dictionary."""
        return dict(vars(self))


@dataclass
class UseSequentialOptimization:
    """A mark that angles are to be fitted one by one; `wilks.xpcs.sequential` does that.

    Attributes
    ----------
    data
        The data.
    reason
        Why.
    """

    data: Any
    reason: str
