"""The verdict on a fit, at its thresholds."""

import math

import pytest

from wilks.xpcs.identifiability import Identifiability
from wilks.xpcs.quality import GOOD_MISFIT, MARGINAL_MISFIT, MAX_CONDITION, Findings, verdict

YES = Identifiability(True)
NO = Identifiability(False, "why not")


def of(**changes):
    usual = {
        "converged": True,
        "reduced_chi_squared": 1.0,
        "identifiable": {"a": YES, "b": YES},
        "at_bounds": {},
        "condition_number": 10.0,
        "values": {"a": -6.0, "b": 1.0},
        "errors": {"a": 2.0, "b": 0.5},
        "n_basins": 1,
        "degenerate": False,
        "remarks": (),
    }
    return verdict(Findings(**(usual | changes)))


def test_good():
    found = of()
    assert found.flag == str(found) == "good"
    assert found.reasons == ()
    assert found.significance == {"a": 3.0, "b": 2.0}


@pytest.mark.parametrize("side", [-1, 1])
def test_misfit(side):
    def flag(off):
        return of(reduced_chi_squared=1 + side * off).flag

    assert flag(GOOD_MISFIT - 1e-6) == "good"
    assert flag(GOOD_MISFIT + 1e-6) == "marginal"
    assert flag(MARGINAL_MISFIT - 1e-6) == "marginal"
    assert flag(MARGINAL_MISFIT + 1e-6) == "poor"


def test_misfit_that_is_not_known():
    assert of(reduced_chi_squared=math.nan).flag == "poor"
    assert of(reduced_chi_squared=None).flag == "good"


def test_misfit_says_how_much():
    assert "Reduced chi-squared is 1.3:" in of(reduced_chi_squared=1.3).reasons[0]


def test_convergence():
    found = of(converged=False)
    assert (found.flag, found.reasons) == ("poor", ("The fit did not converge.",))


def test_parameters_that_are_not_determined():
    some = of(identifiable={"a": YES, "b": NO})
    assert some.flag == "marginal"
    assert some.reasons == ("Not determined by the data: b.",)
    assert of(identifiable={"a": NO, "b": NO}).flag == "poor"


def test_bounds():
    found = of(at_bounds={"a": "lower", "contrast_1": "upper"})
    assert (found.flag, found.reasons) == ("marginal", ("At a bound: a, contrast_1.",))
    once = of(at_bounds={"a": "lower"}, identifiable={"a": NO, "b": YES})
    assert len(once.reasons) == 1  # not said twice


def test_condition():
    assert of(condition_number=MAX_CONDITION).flag == "good"
    found = of(condition_number=2 * MAX_CONDITION)
    assert found.flag == "marginal"
    assert "condition number 2.0e+10" in found.reasons[0]
    assert len(of(condition_number=math.inf, identifiable={"a": YES, "b": NO}).reasons) == 1


def test_other_optima_and_remarks():
    assert of(degenerate=True, n_basins=2).flag == "marginal"
    found = of(remarks=("Half of it is missing.",), converged=False)
    assert found.flag == "poor"
    assert found.reasons == ("The fit did not converge.", "Half of it is missing.")


@pytest.mark.parametrize("error", [math.inf, math.nan, 0.0])
def test_significance_without_an_error(error):
    assert of(errors={"a": error}).significance == {"a": 0.0}
