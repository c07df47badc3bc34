"""What a result says of the user's gradient, and what becomes of a wrong one."""

import numpy as np
import pytest

import wilks
from wilks import InvalidProblemError, LikelihoodProblem, Real, Space

SPACE = Space(a=Real(-5, 5), b=Real(-5, 5))


def log_likelihood(values):
    return -0.5 * ((values["a"] - 1) ** 2 / 0.04 + (values["b"] - values["a"]) ** 2)


def whole(values):
    a, b = values["a"], values["b"]
    return {"a": -(a - 1) / 0.04 + (b - a), "b": -(b - a)}


def half(values):
    return {"a": whole(values)["a"]}


def broken(values):
    raise ZeroDivisionError("by my own code")


def misshapen(values):
    return np.ones(3)


def run(verb, gradient, **more):
    problem = LikelihoodProblem(SPACE, log_likelihood, gradient=gradient)
    if verb == "fit":
        return wilks.fit(problem, seed=1, **more)
    return wilks.profile(problem, over="a", grid=[np.linspace(0.4, 1.6, 13)], seed=1, audit=2, **more)


@pytest.mark.parametrize("verb", ["fit", "profile"])
@pytest.mark.parametrize("gradient", [whole, half, broken, misshapen])
def test_statistics(verb, gradient):
    result = run(verb, gradient)
    assert result.status.success
    assert result.best["a"] == pytest.approx(1.0, abs=1e-3)
    stats, steps = result.stats, {step.name: step.detail for step in result.provenance.executed}
    assert stats["n_gradients"] > 0
    assert (stats["n_gradient_entries_missing"] > 0) == (gradient is half)
    assert stats["n_gradient_errors"] == (stats["n_gradients"] if gradient in (broken, misshapen) else 0)
    assert ("finite differences were used there" in steps.get("gradient", "")) == (gradient in (broken, misshapen))
    if gradient is half:
        assert stats["n_gradient_entries_missing"] == stats["n_gradients"]
    if gradient is broken:
        assert steps["gradient"].endswith("ZeroDivisionError: by my own code")
    assert stats["n_failed"] == 0


def test_without_a_gradient_there_is_nothing_to_count():
    result = run("fit", None)
    assert "n_gradients" not in result.stats
    assert "check of the gradient" not in {step.name for step in result.provenance.executed}


def test_counts_from_worker_processes_are_the_same():
    with wilks.ProcessExecutor(2) as executor:
        parallel = run("fit", half, executor=executor)
    serial = run("fit", half)
    names = ("n_gradients", "n_gradient_entries_missing", "n_gradient_errors")
    assert [parallel.stats[name] for name in names] == [serial.stats[name] for name in names]
    assert parallel.best == serial.best


@pytest.mark.parametrize("verb", ["fit", "profile"])
def test_the_gradient_of_chi_squared_is_refused(verb):
    with pytest.raises(InvalidProblemError, match=r"the gradient says that it changes by .* and it changes by"):
        run(verb, lambda v: {name: -2 * slope for name, slope in whole(v).items()})


def test_one_wrong_sign_is_a_warning():
    result = run("fit", lambda v: {"a": whole(v)["a"], "b": -whole(v)["b"]})
    assert "does not fit the log-likelihood" in result.stats["gradient_warning"]


def test_the_check_costs_four_evaluations_at_most():
    steps = {step.name: step for step in run("fit", whole).provenance.executed}
    assert steps["check of the gradient"].n_evaluations == 4
    assert steps["check of the gradient"].detail == "agrees with differences at 2 points"


def test_a_resumed_fit_counts_alike(tmp_path):
    names = ("n_gradients", "n_gradient_entries_missing", "n_gradient_errors")
    whole_run = run("fit", half)
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        run("fit", half, log=log, stop=wilks.MaxEvaluations(20))
        resumed = run("fit", half, log=log)
    assert [resumed.stats[name] for name in names] == [whole_run.stats[name] for name in names]
    assert resumed.n_evaluations == whole_run.n_evaluations
