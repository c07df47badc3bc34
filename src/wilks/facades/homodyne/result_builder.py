"""Results put together from the parts that an optimiser returns."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne.outcome import transformed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "QualityMetrics",
    "ResultBuilder",
    "compute_quality_metrics",
    "compute_uncertainties",
    "determine_convergence_status",
    "normalize_nlsq_result",
]

_GOOD, _MARGINAL = 2.0, 5.0
_MOST_AT_BOUNDS = 2


@dataclass
class QualityMetrics:
    """How well residuals fit.

    Attributes
    ----------
    chi_squared, reduced_chi_squared
        Sum of squared residuals, and the same over the degrees of freedom.
    quality_flag
        ``"good"``, ``"marginal"``, ``"poor"``, or ``"unknown"`` without residuals.
    n_at_bounds
        Parameters at their bounds.
    """

    chi_squared: float
    reduced_chi_squared: float
    quality_flag: str
    n_at_bounds: int = 0


def compute_quality_metrics(
    residuals: ArrayLike, n_data: int, n_params: int, parameter_status: Sequence[str] | None = None
) -> QualityMetrics:
    """Quality of residuals that are divided by sigma.

    Good is a reduced chi-squared below 2 with nothing at a bound, marginal one below 5 with at most two parameters
    at bounds.

    Parameters
    ----------
    residuals
        (data - model) / sigma.
    n_data, n_params
        Degrees of freedom are their difference.
    parameter_status
        Words such as ``"active"`` and ``"at_lower_bound"``, as `classify_parameter_status` returns.

    Examples
    --------
    >>> compute_quality_metrics([1.0, -1.0, 1.0, 1.0], 4, 2)
    QualityMetrics(chi_squared=4.0, reduced_chi_squared=2.0, quality_flag='marginal', n_at_bounds=0)
    """
    chi_squared = float(np.sum(np.square(np.asarray(residuals, dtype=float))))
    reduced = chi_squared / max(n_data - n_params, 1)
    bounded = sum(status in ("at_lower_bound", "at_upper_bound") for status in parameter_status or ())
    flag = "poor"
    if reduced < _GOOD and not bounded:
        flag = "good"
    elif reduced < _MARGINAL and bounded <= _MOST_AT_BOUNDS:
        flag = "marginal"
    return QualityMetrics(chi_squared, reduced, flag, bounded)


def compute_uncertainties(covariance: ArrayLike) -> NDArray[np.float64]:
    """Square roots of the diagonal; NaN where it is negative, which no covariance is.

    Examples
    --------
    >>> compute_uncertainties([[4.0, 0.0], [0.0, 9.0]]).tolist()
    [2.0, 3.0]
    """
    matrix = np.asarray(covariance, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InvalidDataError(f"covariance: expected a square matrix, got the shape {matrix.shape}")
    diagonal = np.diag(matrix)
    return np.sqrt(np.where(diagonal >= 0, diagonal, np.nan))


def normalize_nlsq_result(
    result: Any,  # noqa: ANN401 - tuples, dictionaries and objects of several packages
    strategy_name: str = "unknown",
    logger: Any = None,  # noqa: ANN401 - a logging.Logger
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, dict[str, Any]]:
    """Return (parameters, covariance or None, information), whatever form a result has.

    Parameters
    ----------
    result
        ``(popt, pcov)`` or ``(popt, pcov, info)``, or a dictionary or an object with ``popt``, ``x`` or
        ``parameters``, and ``pcov``, ``covariance`` or ``cov``; everything else in it is information.
    strategy_name
        For the information and the message of an error.
    logger
        Told at the level DEBUG what form it was.

    Raises
    ------
    InvalidDataError
        If there are no parameters in it.

    Examples
    --------
    >>> popt, pcov, info = normalize_nlsq_result({"x": [1.0, 2.0], "nfev": 7}, "standard")
    >>> popt.tolist(), pcov, info["nfev"]
    ([1.0, 2.0], None, 7)
    """
    if isinstance(result, tuple) and len(result) in (2, 3):
        extra = result[2] if len(result) == 3 else {}
        found = {"popt": result[0], "pcov": result[1], **(extra if isinstance(extra, Mapping) else {"info": extra})}
    elif isinstance(result, Mapping):
        found = dict(result)
    else:
        found = {**getattr(result, "__dict__", {})}
    if logger is not None:
        logger.debug("%s: result of type %s", strategy_name, type(result).__name__)
    parameters = next((found.pop(key) for key in ("popt", "x", "parameters") if key in found), None)
    covariance = next((found.pop(key) for key in ("pcov", "covariance", "cov") if key in found), None)
    if parameters is None:
        raise InvalidDataError(
            f"{strategy_name}: expected (popt, pcov), (popt, pcov, info), or something with popt, x or parameters, "
            f"got a {type(result).__name__}"
        )
    inner = found.pop("info", None)
    information = {**found, **(inner if isinstance(inner, Mapping) else {}), "strategy": strategy_name}
    return (
        np.asarray(parameters, dtype=float),
        None if covariance is None else np.asarray(covariance, dtype=float),
        information,
    )


def determine_convergence_status(info: Mapping[str, Any], quality_metrics: QualityMetrics) -> str:
    """``"converged"``, ``"max_iter"`` or ``"failed"``, from what the optimiser said of itself.

    An optimiser that says nothing has converged if its reduced chi-squared is below 5.

    Examples
    --------
    >>> none = QualityMetrics(0.0, 0.0, "unknown")
    >>> determine_convergence_status({"success": False, "message": "max_nfev reached"}, none)
    'max_iter'
    """
    if "success" not in info:
        return "converged" if quality_metrics.reduced_chi_squared < _MARGINAL else "failed"
    if info["success"]:
        return "converged"
    message = str(info.get("message", "")).lower()
    limited = ("max" in message or "limit" in message) and any(what in message for what in ("iter", "fev", "eval"))
    return "max_iter" if limited else "failed"


@dataclass
class ResultBuilder:
    """Collects the parts of a result; every method returns the builder.

    Examples
    --------
    >>> builder = ResultBuilder().with_parameters([2.0]).with_covariance([[0.25]]).with_data_size(11)
    >>> built = builder.with_info({"success": True, "fun": 5.0}).build()
    >>> built["uncertainties"].tolist(), built["chi_squared"], built["convergence_status"]
    ([0.5], 10.0, 'converged')
    """

    parameters: NDArray[np.float64] | None = None
    covariance: NDArray[np.float64] | None = None
    n_data: int = 0
    start_time: float = field(default_factory=time.time)
    recovery_actions: list[str] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    stratification_diagnostics: Any = None
    nlsq_diagnostics: dict[str, Any] | None = None

    def with_parameters(self, params: ArrayLike) -> ResultBuilder:
        """Set the parameters."""
        self.parameters = np.asarray(params, dtype=float)
        return self

    def with_covariance(self, cov: ArrayLike | None) -> ResultBuilder:
        """Set their covariance."""
        self.covariance = None if cov is None else np.asarray(cov, dtype=float)
        return self

    def with_data_size(self, n_data: int) -> ResultBuilder:
        """Set the number of data."""
        self.n_data = int(n_data)
        return self

    def with_start_time(self, start_time: float) -> ResultBuilder:
        """Set when it began, by `time.time`."""
        self.start_time = float(start_time)
        return self

    def with_recovery_actions(self, actions: Sequence[str]) -> ResultBuilder:
        """Set what was done beyond the plain fit."""
        self.recovery_actions = list(actions)
        return self

    def with_info(self, info: Mapping[str, Any]) -> ResultBuilder:
        """Set what the optimiser said of itself."""
        self.info = dict(info)
        return self

    def with_stratification_diagnostics(self, diags: Any) -> ResultBuilder:  # noqa: ANN401 - passed on
        """Set the diagnostics of chunks of angles."""
        self.stratification_diagnostics = diags
        return self

    def with_nlsq_diagnostics(self, diags: dict[str, Any] | None) -> ResultBuilder:
        """Set the diagnostics of the solver."""
        self.nlsq_diagnostics = diags
        return self

    def with_fourier_covariance_transform(
        self,
        fourier_reparameterizer: Any,  # noqa: ANN401 - a FourierReparameterizer
        n_phi: int,
        n_physical: int,
    ) -> ResultBuilder:
        """Turn the covariance of Fourier coefficients into that of contrast and offset of every angle.

        With the derivatives J of the values with respect to the coefficients, block by block,
        ``cov = J @ cov_fourier @ J.T``; the physical parameters stay. Nothing happens without a covariance or without
        a series.

        Parameters
        ----------
        fourier_reparameterizer
            Has ``get_jacobian_transform()``, of shape (2 n_phi, n_coeffs).
        n_phi, n_physical
            Numbers of angles and of physical parameters.
        """
        if self.covariance is None or fourier_reparameterizer is None:
            return self
        inner = np.asarray(fourier_reparameterizer.get_jacobian_transform(), dtype=float)
        expected = (inner.shape[1] + n_physical,) * 2
        if inner.shape[0] != 2 * n_phi or self.covariance.shape != expected:
            raise InvalidDataError(
                f"covariance: expected the shape {expected} for {inner.shape[1]} coefficients of {n_phi} angles and "
                f"{n_physical} physical parameters, got {self.covariance.shape}"
            )
        whole = np.zeros((2 * n_phi + n_physical, expected[0]))
        whole[: 2 * n_phi, : inner.shape[1]] = inner
        whole[2 * n_phi :, inner.shape[1] :] = np.eye(n_physical)
        self.covariance = transformed(whole, self.covariance)
        return self

    def build(
        self, residual_fn: Callable[..., ArrayLike] | None = None, xdata: ArrayLike | None = None
    ) -> dict[str, Any]:
        """Return all fields of a result.

        Parameters
        ----------
        residual_fn, xdata
            ``residual_fn(xdata, *parameters)`` are the residuals; without them chi-squared is twice ``info["fun"]``.

        Raises
        ------
        InvalidConfigurationError
            If there are no parameters.
        """
        if self.parameters is None:
            raise InvalidConfigurationError("ResultBuilder: no parameters yet; call with_parameters first")
        n = len(self.parameters)
        if residual_fn is not None and xdata is not None:
            residuals = residual_fn(np.asarray(xdata), *self.parameters.tolist())
            quality = compute_quality_metrics(residuals, self.n_data or np.size(residuals), n)
        else:
            chi_squared = 2.0 * float(self.info["fun"]) if "fun" in self.info else math.nan
            quality = QualityMetrics(chi_squared, chi_squared / max(self.n_data - n, 1), "unknown")
        return {
            "parameters": self.parameters,
            "uncertainties": np.full(n, np.nan) if self.covariance is None else compute_uncertainties(self.covariance),
            "covariance": np.full((n, n), np.nan) if self.covariance is None else self.covariance,
            "chi_squared": quality.chi_squared,
            "reduced_chi_squared": quality.reduced_chi_squared,
            "convergence_status": determine_convergence_status(self.info, quality),
            "iterations": int(self.info.get("nit", self.info.get("nfev", 0))),
            "execution_time": time.time() - self.start_time,
            "device_info": {"device": "cpu"},
            "recovery_actions": list(self.recovery_actions),
            "quality_flag": quality.quality_flag,
            "stratification_diagnostics": self.stratification_diagnostics,
            "nlsq_diagnostics": self.nlsq_diagnostics,
        }
