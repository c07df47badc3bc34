"""Is a fit as good as it should be? Thresholds on the numbers of a result; nothing is raised.

`wilks.xpcs.XpcsFit.quality` is the verdict of the engine, which also knows what the data determine.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.facades.homodyne.validation.options import CheckedOptions, limited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Note = Callable[[str, list[str]], None]

__all__ = ["FitQualityConfig", "FitQualityReport", "validate_fit_quality"]

_log = logging.getLogger(__name__)
_SCALING = ("contrast", "offset")


@dataclass
class FitQualityConfig(CheckedOptions):
    """Options of `validate_fit_quality`.

    Attributes
    ----------
    enable
        If False, nothing is checked.
    reduced_chi_squared_threshold
        Reduced chi-squared above which there is a warning.
    chi2_good_threshold, chi2_acceptable_threshold
        Reduced chi-squared below which a fit is good, and acceptable.
    min_parameter_significance
        Least ratio of a physical parameter to its uncertainty.
    max_condition_number
        Of the covariance matrix, in units in which its diagonal is 1.
    warn_on_max_restarts, warn_on_bounds_hit, warn_on_convergence_failure
        Which of these to look at.
    bounds_tolerance
        Distance to a bound, in widths of the box, that counts as at the bound.
    """

    enable: bool = True
    reduced_chi_squared_threshold: float = limited(10.0, above=0)
    chi2_good_threshold: float = limited(2.0, above=0)
    chi2_acceptable_threshold: float = limited(5.0, above=0)
    min_parameter_significance: float = limited(2.0, least=0)
    max_condition_number: float = limited(1e12, least=1)
    warn_on_max_restarts: bool = True
    warn_on_bounds_hit: bool = True
    warn_on_convergence_failure: bool = True
    bounds_tolerance: float = limited(1e-9, least=0)

    @classmethod
    def from_validation_config(cls, validation_config: Mapping[str, Any] | None) -> FitQualityConfig:
        """Make the options from a section of a configuration; None is an empty one."""
        return cls.from_dict(validation_config)


@dataclass
class FitQualityReport:
    """What `validate_fit_quality` found.

    Attributes
    ----------
    passed
        Are there no warnings?
    warnings
        Sentences for people.
    checks_performed
        Name -> passed, of the checks that could be made.
    """

    passed: bool = True
    warnings: list[str] = field(default_factory=list)
    checks_performed: dict[str, bool] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary that JSON can hold."""
        return {
            "quality_validation_passed": self.passed,
            "quality_warnings": list(self.warnings),
            "quality_checks": dict(self.checks_performed),
        }


def validate_fit_quality(
    result: Any,  # noqa: ANN401 - anything with some of the attributes
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    config: FitQualityConfig | None = None,
    param_labels: Sequence[str] | None = None,
) -> FitQualityReport:
    """Check the numbers of a result; each warning is also in the log.

    Parameters
    ----------
    result
        An `OptimizationResult`, or anything with some of its attributes; what is missing is not checked.
    bounds
        Lower and upper bounds of the parameters, to see which are hit.
    config
        Options.
    param_labels
        Names of the parameters: those of contrasts and offsets are not physical, and not judged. Without names (the
        result may have them, as ``parameter_names``) all count as physical.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> result = SimpleNamespace(reduced_chi_squared=12.0)
    >>> config = FitQualityConfig(reduced_chi_squared_threshold=10.0)
    >>> report = validate_fit_quality(result, config=config)
    >>> report.passed, report.checks_performed["reduced_chi_squared"]
    (False, False)
    """
    options, report = config or FitQualityConfig(), FitQualityReport()
    if not options.enable:
        return report
    values = np.asarray(getattr(result, "parameters", ()), dtype=float)
    labels: list[str] = list(param_labels or getattr(result, "parameter_names", None) or ())
    if len(labels) != len(values):
        labels = [f"parameter {k}" for k in range(len(values))]
    physical = np.array([not label.startswith(_SCALING) for label in labels], dtype=bool)

    def note(name: str, texts: list[str]) -> None:
        report.checks_performed[name] = not texts
        report.warnings += texts

    for check in (_chi_squared, _condition, _restarts, _convergence):
        check(result, options, note)
    _significance(result, options, note, values, labels, physical)
    if bounds is not None and options.warn_on_bounds_hit:
        lower, upper = (np.asarray(each, dtype=float)[physical] for each in bounds)
        slack = options.bounds_tolerance * np.where(np.isfinite(upper - lower), upper - lower, 1.0)
        low, high = values[physical] <= lower + slack, values[physical] >= upper - slack
        names = [label for label, is_physical in zip(labels, physical, strict=True) if is_physical]
        hit = [
            f"{name} (at its {'lower' if low[k] else 'upper'} bound)"
            for k, name in enumerate(names)
            if low[k] or high[k]
        ]
        text = f"Physical parameters at a bound: {', '.join(hit)}; widen the bounds, or fix what the data do not tell."
        note("physical_bounds", [text] if hit else [])
    report.passed = not report.warnings
    for text in report.warnings:
        _log.warning(text)
    return report


def _chi_squared(result: Any, options: FitQualityConfig, note: Note) -> None:  # noqa: ANN401
    reduced = getattr(result, "reduced_chi_squared", None)
    if reduced is None:
        return
    limit, acceptable = options.reduced_chi_squared_threshold, options.chi2_acceptable_threshold
    text = f"Reduced chi-squared is {reduced:.4g}, above {limit:g}: the model or sigma is not right."
    note("reduced_chi_squared", [] if reduced <= limit else [text])
    kind = "good" if reduced < options.chi2_good_threshold else "acceptable" if reduced < acceptable else "poor"
    text = f"By its reduced chi-squared, {reduced:.4g}, the fit is poor (acceptable is below {acceptable:g})."
    note("chi2_quality", [text] if kind == "poor" else [])


def _significance(
    result: Any,  # noqa: ANN401 - as above
    options: FitQualityConfig,
    note: Note,
    values: NDArray[np.float64],
    labels: list[str],
    physical: NDArray[np.bool_],
) -> None:
    errors = np.asarray(getattr(result, "uncertainties", ()), dtype=float)
    if not errors.size or errors.shape != values.shape:
        return
    least = options.min_parameter_significance
    weak = [labels[k] for k in np.flatnonzero(physical & (errors > 0) & (np.abs(values) < least * errors))]
    text = f"Smaller than {least:g} of their uncertainties, so not told from zero: {', '.join(weak)}."
    note("parameter_significance", [text] if weak else [])


def _condition(result: Any, options: FitQualityConfig, note: Note) -> None:  # noqa: ANN401
    covariance = getattr(result, "covariance", None)
    if covariance is None:
        return
    matrix = np.asarray(covariance, dtype=float)
    size = np.sqrt(np.diag(matrix))
    free = np.isfinite(size) & (size > 0)  # neither fixed nor at a bound
    if not free.any():
        return
    scaled = matrix[np.ix_(free, free)] / np.outer(size[free], size[free])
    number, limit = float(np.linalg.cond(scaled)), options.max_condition_number
    text = f"The condition number of the covariance is {number:.2e}, above {limit:.0e}: parameters are degenerate."
    note("condition_number", [] if number <= limit else [text])


def _restarts(result: Any, options: FitQualityConfig, note: Note) -> None:  # noqa: ANN401
    reason = (getattr(result, "device_info", None) or {}).get("convergence_reason")
    if options.warn_on_max_restarts and reason is not None:
        text = "CMA-ES used up its restarts without converging: allow more, or narrow the bounds."
        note("cmaes_convergence", [text] if reason == "max_restarts" else [])


def _convergence(result: Any, options: FitQualityConfig, note: Note) -> None:  # noqa: ANN401
    status = getattr(result, "convergence_status", None)
    if options.warn_on_convergence_failure and status is not None:
        text = f"The fit did not converge (status: {status})."
        note("convergence_status", [] if status == "converged" else [text])
