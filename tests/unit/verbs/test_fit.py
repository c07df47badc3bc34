"""`fit` as a user meets it."""

import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import wilks
from tests.catalogue import KNOWN_PROBLEMS
from wilks import Categorical, Grid, Integer, LikelihoodProblem, Outcome, Real, ResidualProblem, Space, problems

SPACE = Space(a=Real(-5, 5), b=Real(-5, 5))
X = np.linspace(0, 3, 25)


def valley(v):
    return -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2 / 0.25)


PROBLEM = LikelihoodProblem(SPACE, valley)
EXACT = np.array([[1.0, 1.0], [1.0, 1.25]])


def fit(problem, **options):
    return wilks.fit(problem, callbacks=(), **({"seed": 1} | options))


def counted(function):
    calls = []

    def wrapped(v):
        calls.append(dict(v))
        return function(v)

    return wrapped, calls


@pytest.mark.parametrize("name", KNOWN_PROBLEMS)
def test_known_problems(name):
    known = KNOWN_PROBLEMS[name]()
    result = fit(known.problem)
    assert result.status.success
    assert result.log_likelihood == pytest.approx(known.maximum, abs=1e-6)
    assert result.log_likelihood == known.problem.log_likelihood(result.best)


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 6])
def test_covariance_of_a_gaussian(dimension):
    """Correlation 0.9 between neighbours, standard deviations over four orders of magnitude."""
    scale = 10.0 ** np.linspace(-2, 2, dimension)
    exact = np.outer(scale, scale) * 0.9 ** np.abs(np.subtract.outer(np.arange(dimension), np.arange(dimension)))
    precision, names = np.linalg.inv(exact), [f"x{i}" for i in range(dimension)]

    def log_likelihood(v):
        d = np.array([v[name] for name in names]) - 0.3 * scale
        return -0.5 * float(d @ precision @ d)

    space = Space({name: Real(-10 * s, 12 * s) for name, s in zip(names, scale.tolist(), strict=True)})
    result = fit(LikelihoodProblem(space, log_likelihood))
    assert result.covariance == pytest.approx(exact, rel=1e-4)
    assert list(result.standard_errors.values()) == pytest.approx(scale.tolist(), rel=1e-4)
    assert result.correlation == pytest.approx(exact / np.outer(scale, scale), abs=1e-4)
    assert result.quality.curvature_error < 1e-3
    assert result.quality.warnings == ()


def test_errors_on_a_log_scale_are_those_of_the_parameter():
    """A normal distribution of log(a) with width 0.1 around log(20): at the best point the error of a is 2."""
    problem = LikelihoodProblem(
        Space(a=Real(1e-2, 1e4, scale="log")), lambda v: -0.5 * ((math.log(v["a"]) - math.log(20)) / 0.1) ** 2
    )
    result = fit(problem)
    assert result.best["a"] == pytest.approx(20, rel=1e-6)
    assert result.standard_errors["a"] == pytest.approx(2.0, rel=1e-4)


def test_a_fixed_parameter_has_no_error_and_shrinks_the_others():
    result = fit(PROBLEM.fix(a=1.0))
    assert result.names == ("b",)
    assert result.best == {"a": 1.0, "b": pytest.approx(1.0, abs=1e-4)}
    assert result.standard_errors == {"b": pytest.approx(0.5, rel=1e-4)}
    assert result.log_likelihood == pytest.approx(-0.5, abs=1e-7)


def test_a_parameter_at_its_bound_is_held():
    """The maximum in the box is at a = 0; the error of b is the one at fixed a, not the one of the free fit."""
    problem = LikelihoodProblem(Space(a=Real(0, 5), b=Real(-5, 5)), lambda v: valley(v | {"a": v["a"] + 2}))
    result = fit(problem)
    assert result.best["a"] == 0.0
    assert result.at_bounds == {"a": "lower"}
    assert math.isnan(result.standard_errors["a"])
    assert result.standard_errors["b"] == pytest.approx(0.5, rel=1e-3)
    assert np.isnan(result.covariance[0]).all()
    assert result.quality.warnings == ("a is at its lower bound: it is held there in the errors of the others.",)
    assert "at its lower bound" in repr(result)


def test_residuals_bring_chi_squared():
    rng = np.random.default_rng(1)
    data = 2.3 * np.exp(-1.1 * X) + 0.05 * rng.normal(size=25)
    space = Space(a=Real(0, 10), b=Real(0, 5))
    problem = ResidualProblem(space, lambda v: (data - v["a"] * np.exp(-v["b"] * X)) / 0.05)
    result = fit(problem)
    assert result.chi_squared == pytest.approx(-2 * result.log_likelihood)
    assert (result.dof, result.reduced_chi_squared) == (23, result.chi_squared / 23)
    same = fit(LikelihoodProblem(space, problem.log_likelihood))
    assert same.chi_squared is None
    assert same.reduced_chi_squared is None
    for name in ("a", "b"):
        assert same.best[name] == pytest.approx(result.best[name], abs=1e-3 * result.standard_errors[name])
        assert same.standard_errors[name] == pytest.approx(result.standard_errors[name], rel=0.03)


def test_a_given_jacobian_changes_no_number_that_matters():
    data = 2.3 * np.exp(-1.1 * X)
    space = Space(a=Real(0, 10), b=Real(0.01, 5, scale="log"))

    def residual(v):
        return (data - v["a"] * np.exp(-v["b"] * X)) / 0.05

    def jacobian(v):
        decay = np.exp(-v["b"] * X)
        return np.column_stack([-decay, v["a"] * X * decay]) / 0.05

    with_it = fit(ResidualProblem(space, residual, jacobian=jacobian))
    without = fit(ResidualProblem(space, residual))
    assert with_it.n_evaluations < without.n_evaluations
    assert with_it.standard_errors == pytest.approx(without.standard_errors, rel=1e-4)


FLAT = {
    "ridge": (lambda v: -50 * (v["a"] + v["b"]) ** 2 - v["c"] ** 2, [("a", "b")]),
    "curved ridge": (lambda v: -50 * ((v["a"] + 6) * (v["b"] + 6) - 30) ** 2 - v["c"] ** 2, [("a", "b")]),
    "unused": (lambda v: -50 * v["a"] ** 2 - v["c"] ** 2 + 1e3, [("b",)]),
    "constant": (lambda v: 3.0, [("a",), ("b",), ("c",)]),
    "scales": (lambda v: -50 * (1e4 * v["a"] + v["b"]) ** 2 - v["c"] ** 2, [("a", "b")]),
}


@pytest.mark.parametrize("name", FLAT)
def test_flat_directions_are_reported(name):
    function, expected = FLAT[name]
    result = fit(LikelihoodProblem(Space(a=Real(-5, 5), b=Real(-5, 5), c=Real(-5, 5)), function))
    assert sorted(tuple(direction) for direction in result.quality.flat_directions) == expected
    flat = {parameter for direction in expected for parameter in direction}
    for parameter, error in result.standard_errors.items():
        assert math.isinf(error) == (parameter in flat)
    assert sum("flat direction" in warning for warning in result.quality.warnings) == len(expected)
    assert repr(result).count("not determined") == len(flat)


def test_two_degenerate_pairs_come_out_as_two():
    def log_likelihood(v):
        return -50 * (v["a"] + v["b"]) ** 2 - 20 * (v["c"] - 2 * v["d"]) ** 2 - v["e"] ** 2

    result = fit(LikelihoodProblem(Space({name: Real(-5, 5) for name in "abcde"}), log_likelihood))
    one, two = sorted(result.quality.flat_directions, key=sorted)
    assert one == {"a": pytest.approx(-1, abs=1e-3), "b": pytest.approx(1, abs=1e-3)} or one["a"] == 1
    assert two["d"] / two["c"] == pytest.approx(0.5, abs=1e-3)
    assert result.standard_errors["e"] == pytest.approx(math.sqrt(0.5), rel=1e-3)


def test_flat_directions_of_residuals():
    result = fit(ResidualProblem(SPACE, lambda v: 10 * (v["a"] + v["b"]) * np.ones(3)))
    assert [set(direction) for direction in result.quality.flat_directions] == [{"a", "b"}]


def test_a_saddle_is_left_or_reported():
    def log_likelihood(v):
        return v["a"] ** 2 - 0.1 * v["a"] ** 4 - v["b"] ** 2

    problem = LikelihoodProblem(Space(a=Real(-3, 3), b=Real(-3, 3)), log_likelihood)
    result = fit(problem, start={"a": 0.0, "b": 0.0}, n_starts=0)
    assert abs(result.best["a"]) == pytest.approx(math.sqrt(5), abs=1e-3)


@pytest.mark.parametrize(("counts", "flagged"), [(3, True), (1000, False)])
def test_a_likelihood_that_is_no_parabola_is_flagged(counts, flagged):
    problem = LikelihoodProblem(Space(mean=Real(0.01, 10 * counts)), lambda v: counts * math.log(v["mean"]) - v["mean"])
    result = fit(problem)
    assert result.standard_errors["mean"] == pytest.approx(math.sqrt(counts), rel=1e-3)
    warned = [warning for warning in result.quality.warnings if "not parabolic (the errors are off by 23 %)" in warning]
    assert bool(warned) is flagged
    assert result.quality.curvature_error == pytest.approx(0.234 if flagged else 0.0107, rel=0.02)


def test_residuals_that_are_no_parabola_are_flagged_too():
    """One decay that has hardly begun: the rate is known to a factor."""
    data = np.exp(-0.4 * X)
    problem = ResidualProblem(Space(b=Real(0, 20)), lambda v: (data - np.exp(-v["b"] * X)) / 1.5)
    result = fit(problem)
    assert result.quality.curvature_error > 0.1
    assert any("not parabolic" in warning for warning in result.quality.warnings)


def test_a_likelihood_that_ends_next_to_its_best_point():
    problem = LikelihoodProblem(SPACE, lambda v: -math.inf if v["a"] < 0.1 else valley(v))
    result = fit(problem)
    assert not result.status.success
    assert result.best["a"] == pytest.approx(0.1, abs=0.01)
    assert math.isnan(result.standard_errors["a"])
    assert any("ends next to the best point" in warning for warning in result.quality.warnings)


# Starts.


def test_start_from_a_dictionary_alone():
    result = fit(PROBLEM, start={"a": 4.0, "b": 4.0}, n_starts=0)
    assert result.stats["n_starts"] == 1
    assert result.log_likelihood == pytest.approx(0.0, abs=1e-8)


def test_a_local_fit_stays_in_its_basin():
    known = problems.two_islands()
    for start in known.maxima:
        others = fit(known.problem, start={**start}, n_starts=0)
        assert others.best["x"] == pytest.approx(start["x"], abs=1e-3)


def test_start_from_several_points_and_from_results():
    known = problems.himmelblau_4d()
    points = list(known.maxima[:3])
    result = fit(known.problem, start=points, n_starts=0)
    assert result.stats["n_starts"] == 3
    assert len(result.basins) == 3
    again = fit(known.problem, start=result, n_starts=0)
    assert again.stats["n_starts"] == 1
    assert again.best == pytest.approx(result.best, abs=1e-4)
    both = fit(known.problem, start=[result, points[1]], n_starts=0)
    assert both.stats["n_starts"] == 2


def test_start_from_the_initial_values_of_the_space():
    space = Space(a=Real(-5, 5, initial=3.0), b=Real(-5, 5, initial=2.0))
    function, calls = counted(valley)
    fit(LikelihoodProblem(space, function), n_starts=0)
    assert calls[0] == pytest.approx({"a": 3.0, "b": 2.0})


def test_a_result_of_the_free_problem_starts_a_restricted_one():
    free = fit(PROBLEM)
    result = fit(PROBLEM.fix(a=2.0), start=free, n_starts=0)
    assert result.best["b"] == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("n_starts", [1, 50])
def test_the_number_of_starts_is_what_was_asked_for(n_starts):
    assert fit(PROBLEM, n_starts=n_starts).stats["n_starts"] == n_starts


# Discrete parameters.


def test_all_combinations_of_discrete_values_are_gone_through():
    table = {("x", 1): -3.0, ("x", 2): 0.0, ("x", 3): -1.0, ("y", 1): -2.0, ("y", 2): -4.0, ("y", 3): 1.5}
    space = Space(kind=Categorical(["x", "y"]), n=Integer(1, 3), a=Real(-5, 5))

    def log_likelihood(v):
        return table[v["kind"], v["n"]] - 0.5 * (v["a"] - v["n"]) ** 2

    result = fit(LikelihoodProblem(space, log_likelihood))
    assert result.best == {"kind": "y", "n": 3, "a": pytest.approx(3.0, abs=1e-4)}
    assert result.standard_errors["a"] == pytest.approx(1.0, rel=1e-4)
    assert math.isnan(result.standard_errors["n"])
    values = {(basin.values["kind"], basin.values["n"]): basin.log_likelihood for basin in result.basins}
    assert values == pytest.approx(table, abs=1e-3)
    assert isinstance(result.best["n"], int)


def test_only_discrete_parameters():
    space = Space(n=Integer(0, 7), g=Grid([0.5, 1.0, 4.0]))
    function, calls = counted(lambda v: -((v["n"] - 5) ** 2) - (v["g"] - 1) ** 2)
    result = fit(LikelihoodProblem(space, function))
    assert result.best == {"n": 5, "g": 1.0}
    assert result.status.success
    assert {(c["n"], c["g"]) for c in calls} == {(n, g) for n in range(8) for g in (0.5, 1.0, 4.0)}


def test_one_parameter_of_each_kind_alone():
    for domain in (Real(0, 9), Integer(0, 9), Grid([1.0, 2.0, 3.0]), Real(0.1, 9, scale="log")):
        result = fit(LikelihoodProblem(Space(x=domain), lambda v: -((v["x"] - 2) ** 2)))
        assert result.best["x"] == pytest.approx(2, abs=1e-3)


def test_too_many_combinations_are_refused_with_advice():
    space = Space(n=Integer(0, 7), m=Integer(0, 8), a=Real(0, 1))
    with pytest.raises(wilks.InvalidProblemError) as caught:
        fit(LikelihoodProblem(space, lambda v: 0.0))
    assert str(caught.value) == (
        "fit: the discrete parameters n, m have 72 combinations, and each would need local ascents of its own "
        "(at most 64 are gone through); fix some of them with problem.fix(...)"
    )


# The common keywords.


def test_every_evaluation_is_counted():
    function, calls = counted(valley)
    result = fit(LikelihoodProblem(SPACE, function))
    assert result.n_evaluations == len(calls) == sum(step.n_evaluations for step in result.provenance.executed)


def test_a_seed_repeats_and_another_does_not():
    known = problems.himmelblau_4d()
    one, two, other = (fit(known.problem, seed=seed) for seed in (3, 3, 4))
    assert one.best == two.best
    assert one.n_evaluations == two.n_evaluations
    assert [b.log_likelihood for b in one.basins] == [b.log_likelihood for b in two.basins]
    assert other.n_evaluations != one.n_evaluations


def test_a_seed_that_was_not_given_is_recorded():
    result = fit(PROBLEM, seed=None)
    again = fit(PROBLEM, seed=result.provenance.seed)
    assert again.best == result.best


def test_executors_give_identical_results():
    known = problems.himmelblau_4d()
    serial = fit(known.problem)
    with ThreadPoolExecutor(3) as pool:
        threads = fit(known.problem, executor=pool)
    processes = fit(known.problem, executor=wilks.ProcessExecutor(2))
    for other in (threads, processes):
        assert other.best == serial.best
        assert other.n_evaluations == serial.n_evaluations
        assert (other.covariance == serial.covariance).all()


def test_a_log_is_shared_and_warms_the_next_fit():
    log = wilks.EvaluationLog()
    first = fit(PROBLEM, log=log)
    second = fit(PROBLEM, log=log, n_starts=0, seed=9, start={"a": 4.0, "b": -4.0})
    assert second.stats["n_starts"] == 2  # the given one, and the best of the log
    assert second.log_likelihood >= first.log_likelihood


def test_a_finished_fit_in_a_log_is_not_done_again(tmp_path):
    function, calls = counted(valley)
    problem = LikelihoodProblem(SPACE, function)
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        first = fit(problem, log=log)
    n_calls = len(calls)
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        second = fit(problem, log=log)
    assert len(calls) == n_calls
    assert second.best == first.best


def test_stopping_early_keeps_the_best_so_far():
    result = fit(problems.rosenbrock(4).problem, stop=wilks.MaxEvaluations(60))
    assert result.status.outcome is Outcome.EVALUATION_LIMIT
    assert not result.status.success
    assert result.n_evaluations == 60
    assert set(result.best) == {"x0", "x1", "x2", "x3"}
    assert math.isnan(result.standard_errors["x0"])
    repr(result)


def test_throw_raises_with_the_result():
    with pytest.raises(wilks.FitFailedError, match="Stopped at the limit on the number of evaluations") as caught:
        fit(PROBLEM, stop=wilks.MaxEvaluations(5), throw=True)
    assert caught.value.result.n_evaluations == 5
    assert pickle.loads(pickle.dumps(caught.value)).result.n_evaluations == 5
    assert fit(PROBLEM, throw=True).status.success


def test_every_evaluation_failing_shows_the_reason():
    with pytest.raises(wilks.EvaluationError, match="no such parameter"):
        fit(LikelihoodProblem(SPACE, lambda v: v["no such parameter"]))


def test_a_gradient_of_the_wrong_length_costs_nothing_but_itself():
    problem = LikelihoodProblem(SPACE, valley, gradient=lambda v: [1.0, 2.0, 3.0])
    result = fit(problem)
    assert result.covariance == pytest.approx(EXACT, rel=1e-3)
    assert result.stats["n_failed"] == 0
    assert "gradient must return an array of floats of shape (2,), got shape (3,)" in result.log.failures(1)[0].error


def test_a_partial_gradient():
    problem = LikelihoodProblem(SPACE, valley, gradient=lambda v: {"b": -4 * (v["b"] - v["a"])})
    result = fit(problem)
    assert result.covariance == pytest.approx(EXACT, rel=1e-3)


# Hard likelihoods.


@pytest.mark.parametrize("n_seeds", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_himmelblau_in_four_dimensions_from_many_seeds(n_seeds):
    known = problems.himmelblau_4d()
    found = [fit(known.problem, seed=seed).log_likelihood > known.maximum - 1e-6 for seed in range(n_seeds)]
    assert sum(found) >= n_seeds - 1


def test_mostly_impossible():
    """A hundredth of the box has a likelihood at all."""

    def log_likelihood(v):
        return -math.inf if abs(v["a"] - 2) > 0.5 or abs(v["b"] + 3) > 0.5 else -((v["a"] - 2.1) ** 2)

    result = fit(LikelihoodProblem(SPACE, log_likelihood))
    assert result.best["a"] == pytest.approx(2.1, abs=1e-3)


def test_nothing_possible():
    result = fit(LikelihoodProblem(SPACE, lambda v: -math.inf))
    assert result.best == {}
    assert result.log_likelihood == -math.inf
    assert "has a finite log-likelihood" in result.status.message
    assert not result.status.success
    assert repr(result)
    assert result._repr_html_()


def test_a_narrow_peak():
    """One standard deviation is a ten-thousandth of the box; the log-likelihood leads there from everywhere."""
    problem = LikelihoodProblem(SPACE, lambda v: -0.5 * (((v["a"] - 1) / 1e-3) ** 2 + ((v["b"] + 2) / 1e-3) ** 2))
    result = fit(problem)
    assert result.best == pytest.approx({"a": 1.0, "b": -2.0}, abs=1e-6)
    assert list(result.standard_errors.values()) == pytest.approx([1e-3, 1e-3], rel=1e-3)


def test_very_different_curvatures():
    def log_likelihood(v):
        return -0.5 * sum((v[f"x{i}"] / 10.0**-i) ** 2 for i in range(0, 7, 2))

    space = Space({f"x{i}": Real(-8, 10) for i in range(0, 7, 2)})
    result = fit(LikelihoodProblem(space, log_likelihood))
    assert result.status.success
    assert list(result.standard_errors.values()) == pytest.approx([1, 1e-2, 1e-4, 1e-6], rel=1e-3)


def test_basins_are_sorted_and_counted():
    result = fit(problems.two_islands().problem)
    one, two = result.basins
    assert one.log_likelihood == result.log_likelihood
    assert one.log_likelihood - two.log_likelihood == pytest.approx(1.0, abs=1e-3)
    assert one.n_hits + two.n_hits == result.stats["n_starts"]
    assert one.values == result.best


# What is left behind.


def test_a_result_survives_a_file(tmp_path):
    result = fit(PROBLEM)
    again = wilks.load(result.save(tmp_path / "fit.wilks"))
    assert again.best == result.best
    assert again.standard_errors == result.standard_errors
    assert (again.covariance == result.covariance).all()
    assert again.quality == result.quality
    assert again.basins == result.basins
    assert repr(again) == repr(result)
    assert again.log is None


def test_provenance():
    provenance = fit(PROBLEM).provenance
    assert (provenance.seed, provenance.problem, provenance.executor) == (1, "valley", wilks.SerialExecutor().name)
    assert provenance.fingerprint == PROBLEM.fingerprint
    assert [step.name for step in provenance.executed] == ["multi-start"]
    assert "quasi-Newton" in provenance.executed[0].detail


GOLDEN = """\
Converged. 7 starts, 1 basin.
Fit: log-likelihood -1.75; chi-squared 3.5 for 3 degrees of freedom
parameter          value
slope      2.000 ± 0.063    m/s
offset     1.000 ± 0.089      m
kind                   z  fixed
{n_evaluations} evaluations"""

GOLDEN_HTML = (
    "<p>Converged. 7 starts, 1 basin. {n_evaluations} evaluations.</p>"
    "<table><caption>Fit: log-likelihood -1.75; chi-squared 3.5 for 3 degrees of freedom</caption>"
    "<thead><tr><th>parameter</th><th>value</th><th></th></tr></thead><tbody>"
    "<tr><td>slope</td><td>2.000 ± 0.063</td><td>m/s</td></tr>"
    "<tr><td>offset</td><td>1.000 ± 0.089</td><td>m</td></tr>"
    "<tr><td>kind</td><td>z</td><td>fixed</td></tr></tbody></table>"
)


def test_text_of_a_result():
    """A line through five points; what the data deviate by is orthogonal to both parameters."""
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    data = 1.0 + 2.0 * x + 0.1 * np.array([2.0, -1.0, -2.0, -1.0, 2.0])
    space = Space(slope=Real(-9, 9, unit="m/s"), offset=Real(-9, 9, unit="m"), kind="z")
    result = fit(ResidualProblem(space, lambda v: (data - v["offset"] - v["slope"] * x) / 0.2))
    assert repr(result) == GOLDEN.format(n_evaluations=result.n_evaluations)
    text, image = result._repr_html_().split("<img ")
    assert text == GOLDEN_HTML.format(n_evaluations=result.n_evaluations)
    assert 'src="data:image/png;base64,' in image


ARGUMENTS = {
    "problem": (
        lambda: wilks.fit(SPACE),
        "fit: expected a wilks.LikelihoodProblem or wilks.ResidualProblem first, got Space",
    ),
    "negative n_starts": (lambda: fit(PROBLEM, n_starts=-1), "n_starts: expected an integer >= 0 or None, got -1"),
    "boolean n_starts": (lambda: fit(PROBLEM, n_starts=True), "n_starts: expected an integer >= 0 or None, got True"),
    "real n_starts": (lambda: fit(PROBLEM, n_starts=2.5), "n_starts: expected an integer >= 0 or None, got 2.5"),
    "nowhere to start": (
        lambda: fit(PROBLEM, n_starts=0),
        "fit: n_starts=0 needs start=, or initial values in the space",
    ),
    "seed": (lambda: fit(PROBLEM, seed=-1), "seed: expected a non-negative integer or None, got -1"),
    "log": (lambda: fit(PROBLEM, log="run.sqlite"), "log: expected a wilks.EvaluationLog, got 'run.sqlite'"),
    "start": (
        lambda: fit(PROBLEM, start=[3.0]),
        "start: expected a result, a dictionary of values or a list of these, got 3.0",
    ),
    "start is a number": (
        lambda: fit(PROBLEM, start=3.0),
        "start: expected a result, a dictionary of values or a list of these, got 3.0",
    ),
    "start is an array": (
        lambda: fit(PROBLEM, start=np.array([1.0, 2.0])),
        "start: expected a result, a dictionary of values or a list of these, got array([1., 2.])",
    ),
    "start misses a name": (lambda: fit(PROBLEM, start={"a": 1.0}), "no value for b; expected values for a, b"),
    "start has an unknown name": (
        lambda: fit(PROBLEM, start={"a": 1.0, "b": 1.0, "c": 1.0}),
        "unknown parameter 'c'; the parameters are a, b",
    ),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_wrong_arguments(name):
    call, message = ARGUMENTS[name]
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        call()
    assert isinstance(caught.value, wilks.WilksError)
    assert str(caught.value) == message


def test_a_start_outside_the_box_names_the_parameter():
    with pytest.raises(wilks.InvalidProblemError, match=r"parameter 'a': .*7"):
        fit(PROBLEM, start={"a": 7.0, "b": 0.0})


@pytest.mark.parametrize("away", [0.0, 1e-12, 1e-9, 1e-6])
@pytest.mark.parametrize("n_starts", [0, None])
def test_errors_of_a_narrow_peak_from_its_very_top(n_starts, away):
    """Where no step leads anywhere nothing is known of the curvature, and the first steps for it are too wide."""
    space = wilks.Space(x=wilks.Real(-5, 5))
    problem = wilks.LikelihoodProblem(space, lambda v: -50 * (v["x"] - 1) ** 2 - 3 * math.sin(8 * (v["x"] - 1)) ** 2)
    fit = wilks.fit(problem, start={"x": 1.0 + away}, n_starts=n_starts, seed=1)
    assert fit.standard_errors["x"] == pytest.approx(1 / math.sqrt(100 + 6 * 64), rel=1e-3)


@pytest.mark.parametrize("n_starts", [0, None])
def test_errors_of_a_narrow_peak_near_the_end_of_the_likelihood(n_starts):
    """The constraint lies ten standard errors away, and nearer than the first steps would be."""
    space = wilks.Space(x=wilks.Real(0, 10), y=wilks.Real(0, 10))
    problem = wilks.LikelihoodProblem(
        space,
        lambda v: -0.5 * ((v["x"] - 5) / 0.01) ** 2 - 0.5 * ((v["y"] - 5) / 0.5) ** 2,
        constraints=[lambda v: v["x"] < 5.1],
    )
    fit = wilks.fit(problem, start={"x": 5.0, "y": 5.0}, n_starts=n_starts, seed=1)
    assert list(fit.standard_errors.values()) == pytest.approx([0.01, 0.5], rel=1e-3)
