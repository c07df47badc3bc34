"""Checks of what goes into a fit, of what comes out, and of how good it is."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.adapter_base import NLSQAdapterBase
from wilks.facades.homodyne.validation import (
    FitQualityConfig,
    InputValidator,
    ResultValidator,
    validate_array_dimensions,
    validate_bounds_consistency,
    validate_covariance,
    validate_fit_quality,
    validate_initial_params,
    validate_no_nan_inf,
    validate_optimized_params,
    validate_result_consistency,
)
from wilks.facades.homodyne.validation.options import section

BOX = (np.zeros(3), np.ones(3))


def test_usage_of_the_page():
    # Input validation
    validator = InputValidator(strict_mode=True)
    xdata = np.random.rand(1000, 3)  # noqa: NPY002 - as on the page
    ydata = np.random.rand(1000)  # noqa: NPY002 - as on the page
    initial = np.array([1000.0, 0.8, 100.0])
    bounds = (np.array([100, 0, 0]), np.array([10000, 2, 1000]))
    is_valid = validator.validate_all(xdata, ydata, initial, bounds)
    assert is_valid

    # Result validation
    result_validator = ResultValidator(strict_mode=False)
    optimized = np.array([1234.5, 0.85, 150.0])
    covariance = np.eye(3) * 0.01
    is_valid = result_validator.validate_all(optimized, covariance, bounds)
    assert is_valid


@pytest.mark.parametrize(
    ("passes", "fails"),
    [
        (lambda: validate_array_dimensions(np.zeros((5, 3)), np.zeros(5)),
         lambda: validate_array_dimensions(np.zeros((3, 5)), np.zeros(5))),
        (lambda: validate_array_dimensions(np.zeros(5), np.zeros(5)),
         lambda: validate_array_dimensions(np.zeros(5), np.zeros((5, 1)))),
        (lambda: validate_no_nan_inf(np.zeros(3), "g2"), lambda: validate_no_nan_inf([0.0, np.inf], "g2")),
        (lambda: validate_bounds_consistency(BOX, np.zeros(3)), lambda: validate_bounds_consistency(BOX, np.zeros(2))),
        (lambda: validate_bounds_consistency((BOX[0], BOX[0]), BOX[0]),
         lambda: validate_bounds_consistency(BOX[::-1], np.zeros(3))),
        (lambda: validate_initial_params(np.zeros(3), BOX), lambda: validate_initial_params(np.full(3, 2.0), BOX)),
        (lambda: validate_initial_params(np.full(3, 2.0), None),
         lambda: validate_initial_params([0, 0, np.nan], None)),
        (lambda: validate_optimized_params(np.full(3, 1 + 1e-11), BOX),
         lambda: validate_optimized_params(np.full(3, 1 + 1e-9), BOX)),
        (lambda: validate_optimized_params(np.full(3, 1.05), BOX, tolerance=0.1),
         lambda: validate_optimized_params(np.full(2, 0.5), BOX)),
        (lambda: validate_covariance(np.diag([1e8, 1e-8]), 2), lambda: validate_covariance(np.eye(3), 2)),
        (lambda: validate_covariance(np.ones((2, 2)), 2), lambda: validate_covariance([[1, 2], [2, 1]], 2)),
        (lambda: validate_covariance([[1e-14, 5e-15], [5e-15, 1e-14]], 2),
         lambda: validate_covariance([[1e-14, 5e-15], [4e-15, 1e-14]], 2)),
        (lambda: validate_covariance(np.zeros((2, 2)), 2), lambda: validate_covariance(np.full((2, 2), np.nan), 2)),
        (lambda: validate_result_consistency(np.ones(3), 0.0), lambda: validate_result_consistency(np.ones(3), -1.0)),
        (lambda: validate_result_consistency([], 5.0), lambda: validate_result_consistency([np.nan], 1.0)),
    ],
)  # fmt: skip
def test_each_check_passes_and_fails(passes, fails, caplog):
    with caplog.at_level(logging.WARNING):
        assert passes() is True
        assert not caplog.text
        assert fails() is False
    assert caplog.text


def test_where_a_number_is_not_finite_is_in_the_log(caplog):
    assert not validate_no_nan_inf(np.array([[1, 2], [np.nan, 3]]), "g2", 7, {"angle": 3})
    assert "g2: 1 of 4 values are not finite, the first is [1, 0] = nan (iteration=7, angle=3)" in caplog.text


def test_strict_validators_name_everything_in_one_value_error():
    with pytest.raises(
        ValueError, match=r"xdata: expected one row for each of the 4 .*parameter 1 is 2, expected 0 to"
    ):
        InputValidator().validate_all(np.zeros((5, 3)), np.zeros(4), np.array([0.5, 2.0, 0.5]), BOX)
    with pytest.raises(ValueError, match=r"parameter 0 is 2.*eigenvalue is negative.*chi_squared"):
        ResultValidator(strict_mode=True).validate_all(np.full(3, 2.0), -np.eye(3), BOX, -1.0)


def test_lenient_validators_keep_what_they_found():
    validator = InputValidator(strict_mode=False)
    assert not validator.validate_all(np.zeros((5, 3)), np.full(5, np.nan), np.full(3, 0.5), (BOX[1], BOX[0]))
    assert [text.split(":")[0] for text in validator.validation_errors] == ["ydata", "bounds", "bounds", "bounds"]
    assert validator.validate_all(np.zeros((5, 3)), np.zeros(5), np.full(3, 0.5), None)
    assert validator.validation_errors == []
    checked = ResultValidator()
    assert not checked.validate_all([2.0, 0.5, 0.5], None, BOX)
    assert checked.validation_warnings == ["params: parameter 0 is 2, expected 0 to 1"]


# ---- quality ---------------------------------------------------------------------------------------------------------

LABELS = ["contrast_0", "offset_0", "D0", "alpha"]
BOUNDS = (np.array([0, 0.5, 100, -2]), np.array([1, 1.5, 1e5, 2.0]))


def result_of(**changes):
    good = {
        "parameters": np.array([0.3, 1.0, 2e4, 0.5]),
        "uncertainties": np.array([0.01, 0.01, 50, 0.1]),
        "covariance": np.diag([1e-4, 1e-4, 2500, 0.01]),
        "reduced_chi_squared": 1.01,
        "convergence_status": "converged",
        "device_info": {"method": "cmaes", "convergence_reason": "tol_fun"},
    }
    return SimpleNamespace(**{**good, **changes})


def test_quality_example_of_the_page(capsys):
    result, bounds = result_of(reduced_chi_squared=12.0), BOUNDS
    config = FitQualityConfig(reduced_chi_squared_threshold=10.0)
    report = validate_fit_quality(result, bounds=bounds, config=config)
    if not report.passed:
        print(f"Warnings: {report.warnings}")  # noqa: T201 - as on the page
    assert "Reduced chi-squared is 12, above 10" in capsys.readouterr().out


def test_a_good_fit_passes_all_checks():
    report = validate_fit_quality(result_of(), BOUNDS, param_labels=LABELS)
    assert report.passed
    assert report.warnings == []
    assert set(report.checks_performed) == {
        "reduced_chi_squared",
        "chi2_quality",
        "parameter_significance",
        "condition_number",
        "physical_bounds",
        "convergence_status",
        "cmaes_convergence",
    }
    assert report.to_dict()["quality_validation_passed"] is True


@pytest.mark.parametrize(
    ("changes", "check", "text"),
    [
        ({"reduced_chi_squared": 7.0}, "chi2_quality", "poor"),
        ({"reduced_chi_squared": np.nan}, "reduced_chi_squared", "nan"),
        ({"uncertainties": np.array([0.01, 0.01, 50, 0.3])}, "parameter_significance", "alpha"),
        ({"covariance": np.diag([1.0, 1, 1, 1]) + np.eye(4)[::-1] * (1 - 1e-14)}, "condition_number", "degenerate"),
        ({"parameters": np.array([0.3, 1.0, 100.0, 0.5])}, "physical_bounds", r"D0 \(at its lower bound\)"),
        ({"convergence_status": "max_iter"}, "convergence_status", "status: max_iter"),
        ({"device_info": {"convergence_reason": "max_restarts"}}, "cmaes_convergence", "restarts"),
    ],
)
def test_each_fault_is_found(changes, check, text, caplog):
    report = validate_fit_quality(result_of(**changes), BOUNDS, param_labels=LABELS)
    assert report.checks_performed[check] is False
    assert not report.passed
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(" ".join(report.warnings))
    assert report.warnings[0] in caplog.text


def test_scaling_is_not_judged_and_what_is_missing_is_not_checked():
    at_bound = result_of(parameters=np.array([1.0, 0.5, 2e4, 0.5]))
    assert validate_fit_quality(at_bound, BOUNDS, param_labels=LABELS).passed
    named = SimpleNamespace(**vars(at_bound), parameter_names=tuple(LABELS))
    assert validate_fit_quality(named, BOUNDS).passed
    assert not validate_fit_quality(at_bound, BOUNDS).passed  # without names all are physical
    assert validate_fit_quality(SimpleNamespace()).checks_performed == {}
    held = result_of(covariance=np.diag([1e-4, 1e-4, np.nan, 0.0]))
    assert validate_fit_quality(held, param_labels=LABELS).checks_performed["condition_number"]


def test_units_do_not_make_a_condition_number():
    apart = result_of(covariance=np.diag([1e-4, 1e-4, 1e12, 1e-12]))
    assert validate_fit_quality(apart, param_labels=LABELS).checks_performed["condition_number"]


def test_switches_of_the_quality():
    poor = result_of(parameters=np.array([0.3, 1.0, 100.0, 0.5]), convergence_status="failed")
    off = FitQualityConfig(warn_on_bounds_hit=False, warn_on_convergence_failure=False, warn_on_max_restarts=False)
    report = validate_fit_quality(poor, BOUNDS, off, LABELS)
    assert report.passed
    assert not {"physical_bounds", "convergence_status", "cmaes_convergence"} & set(report.checks_performed)
    assert validate_fit_quality(poor, BOUNDS, FitQualityConfig(enable=False)).checks_performed == {}
    read = FitQualityConfig.from_validation_config({"bounds_tolerance": "1e-3"})
    assert read.bounds_tolerance == 1e-3
    assert FitQualityConfig.from_validation_config(None) == FitQualityConfig()
    with pytest.raises(InvalidConfigurationError, match="did you mean 'bounds_tolerance'"):
        FitQualityConfig.from_validation_config({"bound_tolerance": 1e-3})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"enable": 1}, "enable: expected True or False, got 1"),
        ({"max_condition_number": "many"}, "max_condition_number: expected a number >= 1, got 'many'"),
        ({"bounds_tolerance": np.nan}, "bounds_tolerance: expected a number >= 0"),
        ({"chi2_good_threshold": True}, "chi2_good_threshold: expected a number > 0, got True"),
    ],
)
def test_options_are_checked_when_they_are_made(changes, message):
    with pytest.raises(InvalidConfigurationError, match=message):
        FitQualityConfig(**changes)


def test_sections_are_dictionaries():
    assert section("x", None, ("a",)) == {}
    with pytest.raises(InvalidConfigurationError, match="x: expected a dictionary"):
        section("x", [1], ("a",))


def test_an_adapter_without_a_fit_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        NLSQAdapterBase()
