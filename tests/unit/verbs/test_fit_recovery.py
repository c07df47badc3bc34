"""Recovery: what a fit does when no ascent converged, and that it says so."""

import math

import numpy as np
import pytest

import wilks
from wilks import LikelihoodProblem, Outcome, Real, ResidualProblem, Space

SPACE = Space(a=Real(-5, 5), b=Real(-5, 5))
START = {"a": 3.0, "b": 3.0}


def fit(problem, **options):
    return wilks.fit(problem, callbacks=(), **({"seed": 1} | options))


def recoveries(result):
    return [step for step in result.provenance.executed if step.name == "recovery"]


def holed(v):
    """No likelihood next to the start."""
    if math.hypot(v["a"] - 3.0, v["b"] - 3.0) < 0.1:
        return -math.inf
    return -0.5 * ((v["a"] - 1) ** 2 + (v["b"] - 1) ** 2)


@pytest.mark.parametrize("kind", ["likelihood", "residual"])
def test_a_start_without_a_likelihood_is_moved_a_little(kind):
    def residual(v):
        return np.array([v["a"] - 1, v["b"] - 1]) * (1.0 if holed(v) > -math.inf else math.nan)

    problem = LikelihoodProblem(SPACE, holed) if kind == "likelihood" else ResidualProblem(SPACE, residual)
    result = fit(problem, start=START, n_starts=0)
    assert result.status.success
    assert result.best == pytest.approx({"a": 1.0, "b": 1.0}, abs=1e-5)
    (step,) = recoveries(result)
    assert step.detail.startswith("attempt 1 of 3: from the starts, moved by up to 5 % of the box, by ")
    assert step.detail.endswith(f"at the bounds){', first damping 0.1' * (kind == 'residual')}: converged")
    assert result.stats["n_recoveries"] == 1
    assert result.n_evaluations == sum(step.n_evaluations for step in result.provenance.executed)
    assert "Only the given starts were used: there may be a better optimum elsewhere." in result.quality.warnings


def test_there_are_three_attempts_from_different_points():
    seen = []

    def nowhere(v):
        seen.append((v["a"], v["b"]))
        return -math.inf

    result = fit(LikelihoodProblem(SPACE, nowhere), start=START, n_starts=0)
    assert not result.status.success
    assert len(recoveries(result)) == 3
    assert len(set(seen)) == 4
    assert np.abs(np.array(seen) - 3.0).max() <= 0.05 * 10


def test_an_ascent_that_did_not_converge_is_taken_up_again():
    """A noisy likelihood: no step rises, though gradients promise one."""
    rng = np.random.default_rng(1)

    def noisy(v):
        return -0.5 * ((v["a"] - 1) ** 2 + (v["b"] - 1) ** 2) + 0.3 * rng.random()

    problem = LikelihoodProblem(SPACE, noisy)
    result = fit(problem, start=START, n_starts=0)
    if not result.status.success:
        assert len(recoveries(result)) == 3
    assert result.best == pytest.approx({"a": 1.0, "b": 1.0}, abs=1.0)


EDGE = {"a": 0.105, "b": 0.0}


def cliff(v):
    """A narrow ledge at which the likelihood ends, where no ascent can converge, above an ordinary maximum."""
    if v["a"] < 0.1:
        return -math.inf
    if v["a"] < 0.11:
        return 10.0 - 50 * v["a"] - 0.5 * v["b"] ** 2
    return -0.5 * ((v["a"] - 1) ** 2 + (v["b"] - 1) ** 2)


def test_the_best_point_is_never_given_up():
    """Every attempt converges, and to where the likelihood is lower."""
    result = fit(LikelihoodProblem(SPACE, cliff), start=EDGE, n_starts=0, seed=3)
    assert len(recoveries(result)) == 3
    assert any(step.detail.endswith("converged") for step in recoveries(result))
    assert result.log_likelihood > 4.0
    assert result.best["a"] == pytest.approx(0.1, abs=0.01)
    assert not result.status.success


def test_nothing_is_recovered_where_some_ascent_converged_or_somebody_stopped_the_fit():
    other = {"a": 0.0, "b": 0.0}
    good = fit(LikelihoodProblem(SPACE, holed), start=[START, other], n_starts=0)
    assert good.status.success
    assert not recoveries(good)
    mixed = fit(LikelihoodProblem(SPACE, cliff), start=[EDGE, other | {"a": 2.0}], n_starts=0)
    assert not mixed.status.success
    assert not recoveries(mixed)
    stopped = fit(LikelihoodProblem(SPACE, lambda v: -math.inf), start=START, n_starts=0, stop=wilks.MaxEvaluations(1))
    assert stopped.status.outcome is Outcome.EVALUATION_LIMIT
    assert not recoveries(stopped)


def test_a_limit_ends_the_recovery_too():
    problem = LikelihoodProblem(SPACE, lambda v: -math.inf)
    result = fit(problem, start=START, n_starts=0, stop=wilks.MaxEvaluations(2))
    assert result.n_evaluations == 2
    assert result.status.outcome is Outcome.EVALUATION_LIMIT
    assert len(recoveries(result)) == 1


def test_a_recovery_repeats_and_resumes(tmp_path):
    problem = LikelihoodProblem(SPACE, holed)
    whole = fit(problem, start=START, n_starts=0)
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        fit(problem, start=START, n_starts=0, log=log, stop=wilks.MaxEvaluations(6))
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        again = fit(problem, start=START, n_starts=0, log=log)
    assert again.best == whole.best
    assert again.stats["n_reused"] == 6
