"""Results, and results that are put together from parts."""

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne import (
    FallbackInfo,
    FunctionEvaluationCounter,
    NLSQResult,
    OptimizationResult,
    QualityMetrics,
    ResultBuilder,
    UseSequentialOptimization,
    compute_quality_metrics,
    compute_uncertainties,
    determine_convergence_status,
    normalize_nlsq_result,
)


def made(**changes):
    given = {
        "parameters": [1.0, 2.0],
        "uncertainties": [0.1, 0.2],
        "covariance": np.diag([0.01, 0.04]),
        "chi_squared": 10.0,
        "reduced_chi_squared": 1.0,
        "convergence_status": "converged",
        "iterations": 3,
        "execution_time": 0.5,
        "device_info": {},
    }
    return OptimizationResult(**{**given, **changes})


def test_result_has_the_defaults_of_the_page():
    result = made()
    assert result.success
    assert (result.recovery_actions, result.quality_flag, result.sigma_is_default) == ([], "good", False)
    assert result.streaming_diagnostics is result.stratification_diagnostics is result.nlsq_diagnostics is None
    assert isinstance(result.parameters, np.ndarray)


@pytest.mark.parametrize(("status", "word"), [("max_iter", "before convergence"), ("failed", "Failed")])
def test_result_that_did_not_converge(status, word):
    result = made(convergence_status=status)
    assert not result.success
    assert word in result.message


def test_older_result():
    older = NLSQResult({"D0": 1.0}, {"D0": 0.1}, 9.0, 0.9, True, "fine", 7, 0.2)
    assert (older.method, older.n_iterations, older.parameter_errors) == ("nlsq", 7, {"D0": 0.1})
    again = NLSQResult.of(made(parameter_names=("D0", "alpha")))
    assert again.parameters == {"D0": 1.0, "alpha": 2.0}
    assert again.parameter_errors == {"D0": 0.1, "alpha": 0.2}


def test_small_things():
    counted = FunctionEvaluationCounter(lambda x, *, y: x + y)
    assert counted(1, y=2) + counted(3, y=4) == 10
    assert counted.count == 2
    info = FallbackInfo(True, "NLSQWrapper", "no")
    assert info.to_dict() == {
        "fallback_occurred": True,
        "adapter_used": "NLSQWrapper",
        "adapter_error": "no",
        "wrapper_error": None,
    }
    assert UseSequentialOptimization("data", "why").reason == "why"


@pytest.mark.parametrize(
    ("size", "status", "flag"),
    [
        (1.0, None, "good"),
        (1.0, ["active", "at_lower_bound"], "marginal"),
        (1.7, None, "marginal"),
        (3.0, None, "poor"),
        (1.0, ["at_upper_bound"] * 3, "poor"),
    ],
)
def test_quality(size, status, flag):
    found = compute_quality_metrics(np.full(102, size), 102, 2, status)
    assert found.quality_flag == flag
    assert found.chi_squared == pytest.approx(102 * size**2)
    assert found.reduced_chi_squared == pytest.approx(1.02 * size**2)


def test_uncertainties_of_what_is_no_covariance():
    assert np.isnan(compute_uncertainties([[-1.0]])).all()
    with pytest.raises(InvalidDataError, match="square"):
        compute_uncertainties(np.ones((2, 3)))


class Fitted:
    def __init__(self):
        self.x = [1.0]
        self.covariance = [[4.0]]
        self.nfev = 5


@pytest.mark.parametrize(
    ("result", "covariance", "info"),
    [
        (([1.0], [[4.0]]), True, {}),
        (([1.0], [[4.0]], {"nfev": 5}), True, {"nfev": 5}),
        ({"popt": [1.0], "pcov": [[4.0]], "nfev": 5}, True, {"nfev": 5}),
        ({"x": [1.0], "info": {"nfev": 5}}, False, {"nfev": 5}),
        (Fitted(), True, {"nfev": 5}),
    ],
)
def test_forms_of_a_result(result, covariance, info):
    popt, pcov, found = normalize_nlsq_result(result, "standard")
    assert popt.tolist() == [1.0]
    assert (pcov is not None) == covariance
    assert found == {**info, "strategy": "standard"}


def test_something_without_parameters_is_no_result():
    with pytest.raises(InvalidDataError, match=r"large: expected \(popt, pcov\)"):
        normalize_nlsq_result({"nfev": 1}, "large")


@pytest.mark.parametrize(
    ("info", "reduced", "status"),
    [
        ({"success": True}, 99.0, "converged"),
        ({"success": False, "message": "max_nfev reached"}, 1.0, "max_iter"),
        ({"success": False, "message": "singular"}, 1.0, "failed"),
        ({}, 1.0, "converged"),
        ({}, 6.0, "failed"),
    ],
)
def test_convergence(info, reduced, status):
    assert determine_convergence_status(info, QualityMetrics(0.0, reduced, "unknown")) == status


def test_builder_with_residuals():
    x = np.arange(5.0)
    builder = ResultBuilder().with_parameters([2.0]).with_covariance([[0.25]]).with_data_size(5).with_start_time(0.0)
    builder.with_recovery_actions(["again"]).with_info({"nfev": 8}).with_nlsq_diagnostics({"a": 1})
    built = builder.with_stratification_diagnostics("chunks").build(lambda x, a: x - a, x)
    assert built["chi_squared"] == 10.0
    assert built["reduced_chi_squared"] == 2.5
    assert built["iterations"] == 8
    assert built["execution_time"] > 0
    assert built["recovery_actions"] == ["again"]
    assert built["stratification_diagnostics"] == "chunks"
    result = OptimizationResult(**built)
    assert result.uncertainties.tolist() == [0.5]


def test_builder_without_anything():
    with pytest.raises(InvalidConfigurationError, match="with_parameters"):
        ResultBuilder().build()
    built = ResultBuilder().with_parameters([1.0]).build()
    assert np.isnan(built["chi_squared"])
    assert built["convergence_status"] == "failed"


class Series:
    """One coefficient for contrast and one for offset, for two angles."""

    def get_jacobian_transform(self):
        return np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])


def test_builder_transforms_a_fourier_covariance():
    builder = ResultBuilder().with_covariance(np.diag([4.0, 9.0, 16.0]))
    builder.with_fourier_covariance_transform(Series(), n_phi=2, n_physical=1)
    expected = np.zeros((5, 5))
    expected[:2, :2], expected[2:4, 2:4], expected[4, 4] = 4.0, 9.0, 16.0
    assert np.array_equal(builder.covariance, expected)
    assert ResultBuilder().with_fourier_covariance_transform(Series(), 2, 1).covariance is None
    with pytest.raises(InvalidDataError, match=r"expected the shape \(4, 4\)"):
        ResultBuilder().with_covariance(np.eye(3)).with_fourier_covariance_transform(Series(), 2, 2)
