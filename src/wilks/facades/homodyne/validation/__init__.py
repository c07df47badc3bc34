"""Checks of what goes into a fit, of what comes out, and of how good it is."""

from wilks.facades.homodyne.validation.fit_quality import FitQualityConfig, FitQualityReport, validate_fit_quality
from wilks.facades.homodyne.validation.input_validator import (
    InputValidator,
    validate_array_dimensions,
    validate_bounds_consistency,
    validate_initial_params,
    validate_no_nan_inf,
)
from wilks.facades.homodyne.validation.result_validator import (
    ResultValidator,
    validate_covariance,
    validate_optimized_params,
    validate_result_consistency,
)

__all__ = [
    "FitQualityConfig",
    "FitQualityReport",
    "InputValidator",
    "ResultValidator",
    "validate_array_dimensions",
    "validate_bounds_consistency",
    "validate_covariance",
    "validate_fit_quality",
    "validate_initial_params",
    "validate_no_nan_inf",
    "validate_optimized_params",
    "validate_result_consistency",
]
