"""What a fit says of its own quality: the flag and its reasons, degenerate optima, what is determined."""

import math

import numpy as np
import pytest

import wilks
from wilks import Integer, LikelihoodProblem, Real, ResidualProblem, Space, problems
from wilks.solvers.result import Identifiability
from wilks.verbs.fit_options import FitOptions

X = np.linspace(0, 3, 25)
NOISE = np.random.default_rng(1).normal(size=25)
SPACE = Space(a=Real(0, 10), b=Real(0.01, 5, scale="log"))


def fit(problem, **options):
    return wilks.fit(problem, callbacks=(), **({"seed": 1} | options))


def decay(sigma=0.05, assumed=0.05, **more):
    data = 2.3 * np.exp(-1.1 * X) + sigma * NOISE
    return ResidualProblem(SPACE, lambda v: (data - v["a"] * np.exp(-v["b"] * X)) / assumed, **more)


def test_a_good_fit():
    result = fit(decay())
    quality = result.quality
    assert (quality.flag, quality.reasons, quality.warnings, quality.degenerate) == ("good", (), (), False)
    assert quality.identifiable == {"a": Identifiability(ok=True), "b": Identifiability(ok=True)}
    assert quality.significance == {n: result.best[n] / result.standard_errors[n] for n in "ab"}
    assert all(abs(slope) < 1e-4 for slope in quality.scaled_gradient.values())
    assert "Quality" not in repr(result)


def test_sensitivities_are_the_norms_of_the_columns_of_the_jacobian():
    result = fit(decay())
    a, b = result.best["a"], result.best["b"]
    model = np.exp(-b * X)
    norms = {"a": np.linalg.norm(model / 0.05), "b": np.linalg.norm(a * X * model / 0.05)}
    assert result.quality.sensitivity == pytest.approx(norms, rel=1e-4)
    across = {"a": norms["a"] * 10, "b": norms["b"] * b * math.log(500)}
    assert list(result.quality.sensitivity) == sorted(across, key=across.get, reverse=True)
    assert result.quality.imbalance == pytest.approx(max(across.values()) / min(across.values()), rel=1e-4)


@pytest.mark.parametrize(
    ("assumed", "flag", "reason"),
    [
        (0.05, "good", ""),
        (0.03, "marginal", "the model, or sigma of the data, is off"),
        (0.01, "poor", "the model does not fit the data"),
        (0.5, "marginal", "sigma of the data is too large, or the model too flexible"),
    ],
)
def test_a_reduced_chi_squared_far_from_one(assumed, flag, reason):
    result = fit(decay(assumed=assumed))
    assert result.quality.flag == flag
    assert result.quality.reasons == (
        (f"the reduced chi-squared is {result.reduced_chi_squared:.3g}: {reason}",) if reason else ()
    )
    assert (f"Quality: {flag}." in repr(result)) == bool(reason)
    assert len(result.quality.warnings) == bool(reason)


def test_unknown_sigma_is_estimated():
    known, unknown = fit(decay(assumed=0.05)), fit(decay(assumed=1.0), options=FitOptions(sigma_known=False))
    assert unknown.quality.flag == "good"
    factor = math.sqrt(known.reduced_chi_squared)
    expected = {name: factor * error for name, error in known.standard_errors.items()}
    assert unknown.standard_errors == pytest.approx(expected, rel=1e-4)
    assert unknown.provenance.executed[-1].name == "standard errors"
    assert unknown.quality.significance["a"] == pytest.approx(unknown.best["a"] / unknown.standard_errors["a"])


def test_unknown_sigma_is_not_estimated_without_degrees_of_freedom():
    space = Space(a=Real(-5, 5), b=Real(-5, 5))
    problem = ResidualProblem(space, lambda v: np.array([v["a"] - 1.0, v["b"] - 2.0]) / 0.1)
    result = fit(problem, options=FitOptions(sigma_known=False))
    assert result.dof == 0
    assert all(math.isnan(error) for error in result.standard_errors.values())
    assert result.provenance.executed[-1].detail.startswith("unknown: sigma_known=False, and 0 degrees of freedom")
    assert fit(problem).standard_errors == pytest.approx({"a": 0.1, "b": 0.1})


def test_the_errors_of_a_loss_need_no_sigma():
    result = fit(decay(loss="huber"), options=FitOptions(sigma_known=False))
    assert result.standard_errors == fit(decay(loss="huber")).standard_errors
    assert "changes nothing" in result.provenance.executed[-1].detail


def test_a_parameter_at_its_bound():
    result = fit(LikelihoodProblem(Space(a=Real(0, 5), b=Real(-5, 5)), lambda v: -((v["a"] + 1) ** 2) - v["b"] ** 2))
    assert result.quality.flag == "marginal"
    assert result.quality.reasons == ("a is at a bound",)
    assert result.quality.identifiable["a"] == Identifiability(ok=False, reason="at its lower bound")
    assert result.quality.identifiable["b"].ok
    assert set(result.quality.scaled_gradient) == {"b"}
    assert set(result.quality.significance) == {"b"}


def test_a_flat_direction():
    space = Space({name: Real(-5, 5) for name in "abc"})
    result = fit(LikelihoodProblem(space, lambda v: -50 * (v["a"] + v["b"]) ** 2 - 50 * v["c"] ** 2))
    assert result.quality.flag == "poor"
    assert result.quality.reasons[0] == "a and b are not determined"
    found = result.quality.identifiable
    assert found["a"].reason == "nothing changes when it moves together with b"
    assert (found["a"].ok, found["b"].ok, found["c"].ok) == (False, False, True)


def test_a_parameter_that_could_be_almost_anywhere():
    problem = LikelihoodProblem(Space(a=Real(-5, 5), b=Real(-5, 5)), lambda v: -(v["a"] ** 2) - v["b"] ** 2 / 24)
    result = fit(problem)
    assert result.standard_errors["b"] == pytest.approx(math.sqrt(12), rel=1e-3)
    assert result.quality.flag == "marginal"
    assert result.quality.reasons[0] == "the standard error of b is more than 29 % of the range"
    assert result.quality.identifiable["b"].reason == "its standard error is 35 % of its range"


def test_degenerate_optima():
    equal = fit(problems.himmelblau_4d().problem, n_starts=20)
    assert equal.quality.degenerate
    assert equal.quality.flag == "marginal"
    assert any("other optima is within 4 of the best" in reason for reason in equal.quality.reasons)

    def log_likelihood(v):
        """Two peaks; the second one is three lower."""
        left, right = -50 * (v["x"] + 2) ** 2, -50 * (v["x"] - 2) ** 2 - 3
        return max(left, right)

    apart = fit(LikelihoodProblem(Space(x=Real(-5, 5)), log_likelihood))
    assert len(apart.basins) == 2
    assert not apart.quality.degenerate


def test_a_fit_that_was_stopped_is_poor():
    result = fit(problems.rosenbrock(4).problem, stop=wilks.MaxEvaluations(60))
    assert result.quality.flag == "poor"
    assert result.quality.reasons[0].startswith("Stopped at the limit on the number of evaluations")
    assert result.quality.identifiable["x0"] == Identifiability(ok=False, reason="no second derivatives were measured")


def test_nothing_at_all():
    quality = fit(LikelihoodProblem(Space(a=Real(0, 1)), lambda v: -math.inf)).quality
    assert (quality.flag, quality.reasons) == ("poor", ("nothing has a finite log-likelihood",))


def test_discrete_parameters_are_determined_by_their_values():
    space = Space(n=Integer(0, 3), a=Real(-5, 5))
    result = fit(LikelihoodProblem(space, lambda v: -9 * (v["n"] - 2) ** 2 - 9 * v["a"] ** 2))
    assert result.quality.identifiable["n"] == Identifiability(ok=True)
    assert result.quality.flag == "good"


def test_the_quality_survives_a_file_and_reads_well(tmp_path):
    result = fit(decay(assumed=0.03))
    again = wilks.load(result.save(tmp_path / "fit.wilks"))
    assert again.quality == result.quality
    assert result.quality.table().text().splitlines()[0] == "Quality: marginal"
    assert result.quality.table().text().splitlines()[-1].startswith("Because the reduced chi-squared is 1.")
    assert [line.split()[0] for line in result.quality.table().text().splitlines()[2:4]] == ["a", "b"]
