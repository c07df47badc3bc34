"""The course of a fit: its stages, how it searches, what it does when it does not converge, and who may evaluate it."""

import re

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.errors import FitFailedError
from wilks.core.status import Outcome
from wilks.xpcs import course

TRUTH = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 0.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 0.0, "phi0": 4.0,
}  # fmt: skip
FIXED = {"D_offset": 0.0, "gamma_dot_offset": 0.0}
FEW = {"n_starts": 40, "n_refined": 4}


def measured(n_t=60, seed=3):
    place = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, [80.0, -15.0, 30.0, 5.0])
    return xpcs.simulate(TRUTH, place, sigma=0.01, seed=seed)


DATA = measured()


def fitted(data=DATA, *, parameters=FIXED, keywords=None, **options):
    more = {"seed": 2, "callbacks": ()} | (keywords or {})
    return xpcs.fit(data, parameters=parameters, options=xpcs.FitOptions(**(FEW | options)), **more)


def steps(result):
    return {step.name: step for step in result.provenance.executed}


def names(result):
    return [step.name for step in result.provenance.executed]


def pulls(result):
    return max(
        abs(result.values[name] - TRUTH[name]) / result.standard_errors[name]
        for name in result.space.free
    )  # fmt: skip


def test_stages_are_recorded_with_what_they_cost():
    result = fitted()
    assert names(result) == ["screening", "refinement on a subset", "refinement on a subset", "fit of all data"]
    assert result.n_evaluations == sum(step.n_evaluations for step in result.provenance.executed)
    screening, _, large, last = result.provenance.executed
    assert screening.n_evaluations == 40
    assert screening.detail.startswith("40 points of a latin hypercube design, on ")
    assert screening.detail.endswith("the best 4 that lie apart go on")
    assert "curved steps" in large.detail
    assert last.detail.endswith(f"{result.stats['kernel']} kernel")
    assert last.n_evaluations < 15
    assert pulls(result) < 4


def test_subsets_of_about_the_same_size_are_one():
    """With few frames the small subset is most of the large one."""
    assert names(fitted(measured(24))) == ["screening", "refinement on a subset", "fit of all data"]


def test_local_goes_from_the_given_values_alone():
    result = fitted(method="local", keywords={"start": TRUTH | {"D0": 1.5e4}})
    assert "screening" not in names(result)
    assert "from 1 start on" in steps(result)["refinement on a subset"].detail
    assert pulls(result) < 4
    initial = fitted(method="local", parameters=FIXED | {"D0": wilks.Real(1e2, 1e5, scale="log", initial=1e4)})
    assert steps(initial)["start"].detail == "no initial values were given: the middle of the boxes"


def test_evolution_strategy():
    result = fitted(measured(24), method="cma_es", n_restarts=1)
    assert re.match(r"\d+ runs with BIPOP restarts, on ", steps(result)["CMA-ES"].detail)
    assert steps(result)["CMA-ES"].n_evaluations > 40
    assert pulls(result) < 4


@pytest.mark.parametrize(("widest", "chosen"), [(500.0, "multi_start"), (1e5, "cma_es")])
def test_the_method_is_chosen_by_the_widths_of_the_boxes(widest, chosen):
    place = xpcs.Geometry(0.1 * np.arange(20), 0.1, 0.0054, None, [0.0])
    data = xpcs.simulate({"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}, place, mode="static", sigma=0.01, seed=1)
    boxes = {"D0": wilks.Real(2e4 - widest / 2, 2e4 + widest / 2), "alpha": wilks.Real(-0.5, 0.5), "D_offset": 0.0}
    if widest > 1e4:
        boxes["D0"] = wilks.Real(1.0, 1.0 + widest)
    options = xpcs.FitOptions(method="auto", n_restarts=1, **FEW)
    result = xpcs.fit(data, "static", parameters=boxes, options=options, seed=1, callbacks=())
    assert steps(result)["choice of method"].detail == f"{chosen}: the widths of the boxes differ by {widest:.3g}"
    assert ("CMA-ES" in names(result)) == (chosen == "cma_es")


def stubborn(monkeypatch, failures):
    """Solvers whose first ascents on all data, `failures` of them, end without convergence."""
    built, solver_of = [], course.Course._solver

    def solver(self, tolerance, max_iterations):
        if tolerance != self.options.tolerance:
            return solver_of(self, tolerance, max_iterations)
        built.append(solver_of(self, tolerance, max_iterations))
        return built[-1]

    ends = iter([True] * failures)
    advance = course.Retracted.advance

    def ending(self, ascent, values, payloads=None):
        ascent = advance(self, ascent, values, payloads)
        if self in built and not len(ascent.points) and next(ends, False):
            ascent.converged, ascent.reason = False, "of a test"
        return ascent

    monkeypatch.setattr(course.Course, "_solver", solver)
    monkeypatch.setattr(course.Retracted, "advance", ending)


def test_a_fit_that_did_not_converge_is_tried_again_and_says_so(monkeypatch):
    stubborn(monkeypatch, 1)
    result = fitted(method="local", keywords={"start": TRUTH})
    assert names(result)[-2:] == ["fit of all data", "recovery"]
    detail = result.provenance.executed[-1].detail
    assert detail.startswith("attempt 1 of 2: from the best point, moved by up to 5 % of the box, first damping 100: ")
    assert result.status.success
    assert result.n_evaluations == sum(step.n_evaluations for step in result.provenance.executed)
    assert pulls(result) < 4


def test_two_attempts_and_no_more(monkeypatch):
    stubborn(monkeypatch, 9)
    result = fitted(method="local", keywords={"start": TRUTH})
    assert names(result).count("recovery") == 2
    assert result.status.outcome is Outcome.NOT_CONVERGED
    assert result.quality.flag == "poor"
    assert pulls(result) < 5  # the best point is kept
    stubborn(monkeypatch, 9)
    with pytest.raises(FitFailedError):
        fitted(method="local", keywords={"start": TRUTH, "throw": True})


def test_a_recovery_that_is_stopped_is_the_last(monkeypatch):
    stubborn(monkeypatch, 9)
    titles = []

    def stop(info):
        titles.append(info.title)
        return "recovery" in info.title

    result = fitted(method="local", keywords={"start": TRUTH, "callbacks": [stop]})
    assert not any("recovery 2" in title for title in titles)
    assert names(result).count("recovery") == 1
    assert result.status.outcome is Outcome.STOPPED_BY_CALLBACK
    assert pulls(result) < 5


def test_the_seed_decides():
    one, again, other = (fitted(keywords={"seed": seed}) for seed in (5, 5, 6))
    assert one.best == again.best
    assert one.n_evaluations == again.n_evaluations
    assert [basin.values for basin in one.basins] == [basin.values for basin in again.basins]
    assert one.n_evaluations != other.n_evaluations
    for name in one.space.free:
        assert other.values[name] == pytest.approx(one.values[name], abs=0.1 * one.standard_errors[name])


def test_other_processes_give_the_same_answer():
    data = measured(24)
    alone = fitted(data)
    with wilks.ProcessExecutor(2) as executor:
        together = fitted(data, keywords={"executor": executor})
    assert together.n_evaluations == alone.n_evaluations
    for name in alone.space.free:
        assert together.values[name] == pytest.approx(alone.values[name], rel=1e-9)


def test_weights_by_shear_take_a_second_refinement():
    result = fitted(measured(24), weights=xpcs.ShearWeights())
    assert names(result) == [
        "screening", "refinement on a subset", "weights", "refinement on a subset", "fit of all data"
    ]  # fmt: skip
    assert re.fullmatch(r"of the angles by their shear, for phi0 = [\d.]+", steps(result)["weights"].detail)


def test_weights_of_one_are_no_weights():
    plain, weighted = fitted(measured(24)), fitted(measured(24), weights=[1.0] * 4)
    assert plain.best == weighted.best
    assert plain.standard_errors == weighted.standard_errors
    scaled = fitted(measured(24), weights=[2.0] * 4)
    for name in plain.space.free:
        assert scaled.values[name] == pytest.approx(plain.values[name], abs=1e-3 * plain.standard_errors[name])
        assert scaled.standard_errors[name] == pytest.approx(plain.standard_errors[name], rel=1e-4)
    assert scaled.chi_squared == pytest.approx(plain.chi_squared)
