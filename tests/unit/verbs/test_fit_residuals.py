"""Fits of residuals: declared linear parameters, losses and their errors, data in chunks, Jacobians by JAX."""

import math

import numpy as np
import pytest

import wilks
from wilks import Outcome, Real, ResidualProblem, Space
from wilks.core.loss import Loss
from wilks.solvers.robust import sandwich
from wilks.verbs.fit_options import FitOptions
from wilks.verbs.local_solvers import linear_positions, local_solvers, loss_of, residual_solver

X = np.linspace(0, 5, 60)
RNG = np.random.default_rng(7)
SIGMA = 0.05
SPACE = Space(a=Real(0, 10), k=Real(0.05, 10, scale="log"), c=Real(-5, 5))
DATA = 3 * np.exp(-0.7 * X) + 1 + SIGMA * RNG.normal(size=60)


def residual(v):
    return (DATA - v["a"] * np.exp(-v["k"] * X) - v["c"]) / SIGMA


def pieces(v):
    whole = residual(v)
    yield from (whole[:25], whole[25:30], whole[30:])


def jacobian(v):
    decay = np.exp(-v["k"] * X)
    return np.column_stack([-decay, v["a"] * X * decay, -np.ones(60)]) / SIGMA


def fit(problem, **options):
    return wilks.fit(problem, callbacks=(), **({"seed": 1} | options))


def names(result):
    return [step.name for step in result.provenance.executed]


PLAIN = fit(ResidualProblem(SPACE, residual))


@pytest.mark.parametrize("projection", ["kaufman", "full"])
@pytest.mark.parametrize("given", [True, False])
def test_declared_linear_parameters_change_the_way_and_not_the_end(projection, given):
    problem = ResidualProblem(SPACE, residual, jacobian=jacobian if given else None, linear=("a", "c"))
    result = fit(problem, options=FitOptions(projection=projection))
    assert result.status.success
    assert result.best == pytest.approx(PLAIN.best, rel=1e-6)
    assert result.standard_errors == pytest.approx(PLAIN.standard_errors, rel=1e-4)
    first = result.provenance.executed[0]
    assert (first.name, first.n_evaluations) == ("check of linear parameters", 4)
    assert first.detail == "a, c: linear along a line through the box"


def test_a_wrong_declaration_is_refused_before_the_fit():
    space = Space(a=Real(0, 10), k=Real(0.05, 10), c=Real(-5, 5))
    with pytest.raises(wilks.InvalidProblemError, match=r"^fit: linear: the residual is not linear in k, which is"):
        fit(ResidualProblem(space, residual, linear=("a", "k")))


def test_positions_are_those_among_the_coordinates_that_move():
    space = Space(n=wilks.Integer(0, 2), a=Real(0, 10), k=Real(0.05, 10), c=Real(-5, 5))
    problem = ResidualProblem(space, residual, linear=("c", "a"))
    assert linear_positions(problem) == (2, 0)
    assert linear_positions(problem, held=("a",)) == (1,)
    assert linear_positions(problem, held=("k",)) == (1, 0)
    assert linear_positions(problem.fix(c=1.0)) == (0,)
    assert residual_solver(problem, 1e-3, held=("a", "c")).linear == ()


def test_solvers_fit_the_problem():
    local, polisher = local_solvers(ResidualProblem(SPACE, residual, jacobian=jacobian, linear=("a",)))
    assert (local.linear, local.given, local.loss, polisher.accurate) == ((0,), True, Loss(), True)
    robust, _ = local_solvers(ResidualProblem(SPACE, residual, linear=("a",), loss="huber"))
    assert (robust.linear, robust.given, robust.loss) == ((), False, Loss("huber"))
    chunked, _ = local_solvers(ResidualProblem(SPACE, pieces, chunked=True, loss="huber"))
    assert (chunked.given, chunked.loss) == (True, Loss())
    assert loss_of(ResidualProblem(SPACE, pieces, chunked=True, loss="huber")) == Loss("huber")


@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy", "arctan"])
def test_errors_are_those_of_the_loss(loss):
    """Those of the formula, with the exact Jacobian at the best point."""
    result = fit(ResidualProblem(SPACE, residual, loss=Loss(loss, 1.5), linear=("a", "c")))
    assert result.status.success
    assert names(result) == ["linear parameters", "multi-start", "errors"]
    exact = sandwich(residual(result.best), jacobian(result.best), Loss(loss, 1.5)).covariance()
    assert result.covariance == pytest.approx(exact, rel=1e-4)
    for name, error in PLAIN.standard_errors.items():
        assert abs(result.best[name] - PLAIN.best[name]) < 2 * error
    assert not any("chi-squared" in reason for reason in result.quality.reasons)


def test_outliers_hardly_count_with_a_robust_loss():
    data = DATA.copy()
    data[::7] += 3.0

    def disturbed(v):
        return (data - v["a"] * np.exp(-v["k"] * X) - v["c"]) / SIGMA

    robust = fit(ResidualProblem(SPACE, disturbed, loss="cauchy"))
    squares = fit(ResidualProblem(SPACE, disturbed))
    assert abs(robust.best["c"] - 1.0) < 0.1 < abs(squares.best["c"] - 1.0)
    assert robust.standard_errors["c"] < 0.1
    assert squares.quality.flag == "poor"


@pytest.mark.parametrize("loss", ["linear", "cauchy"])
def test_data_in_chunks(loss):
    whole = fit(ResidualProblem(SPACE, residual, loss=loss, jacobian=jacobian))
    for with_jacobian in (True, False):
        matrices = (lambda v: iter(np.split(jacobian(v), [25, 30]))) if with_jacobian else None
        result = fit(ResidualProblem(SPACE, pieces, chunked=True, loss=loss, jacobian=matrices))
        assert result.best == pytest.approx(whole.best, rel=1e-5)
        assert result.standard_errors == pytest.approx(whole.standard_errors, rel=1e-4)
        assert result.dof == 57


def test_ill_conditioned_residuals_keep_their_digits():
    """The sum and the difference of two nearly equal columns: 1 / 3e-8 is the ratio of what is known of them."""
    space = Space(a=Real(-1e3, 1e3), b=Real(-1e3, 1e3))
    matrix = np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-25], [1.0, 1.0]])
    target = np.array([3.0, 3.0 + 2.0**-25, 3.0])  # a = 2, b = 1
    weight = 1e8
    problem = ResidualProblem(
        space,
        lambda v: weight * ((matrix[:, 0] * v["a"] + matrix[:, 1] * v["b"]) - target),
        jacobian=lambda v: weight * matrix,
    )
    result = fit(problem, start={"a": 1.9, "b": 1.05}, n_starts=0)
    assert "errors" in names(result)
    exact = math.sqrt(1.5) / (weight * 2.0**-25)  # from the determinant of the 2 x 2 normal matrix, by hand
    assert result.standard_errors["b"] == pytest.approx(exact, rel=1e-6)
    assert not result.quality.flat_directions


def test_interrupted_while_the_errors_are_taken():
    n_calls = fit(ResidualProblem(SPACE, residual, loss="cauchy")).n_evaluations
    seen = []

    def counted(v):
        seen.append(v)
        if len(seen) == n_calls - 1:
            raise KeyboardInterrupt
        return residual(v)

    result = fit(ResidualProblem(SPACE, counted, loss="cauchy"))
    assert result.status.outcome is Outcome.INTERRUPTED
    assert result.best["a"] == pytest.approx(PLAIN.best["a"], abs=0.1)
    assert math.isnan(result.standard_errors["a"])
    assert result.quality.flag == "poor"


class TestJax:
    """Residuals that are functions of JAX."""

    @pytest.fixture(autouse=True)
    def jnp(self):
        jax = pytest.importorskip("jax")
        before = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", True)
        yield jax.numpy
        jax.config.update("jax_enable_x64", before)

    def test_its_jacobian_is_used_and_said(self, jnp):
        data = jnp.asarray(DATA)
        problem = ResidualProblem(SPACE, lambda v: (data - v["a"] * jnp.exp(-v["k"] * jnp.asarray(X)) - v["c"]) / SIGMA)
        result = fit(problem)
        assert result.provenance.executed[0].name == "Jacobian"
        assert "automatic differentiation" in result.provenance.executed[0].detail
        assert result.best == pytest.approx(PLAIN.best, rel=1e-8)
        assert result.n_evaluations < PLAIN.n_evaluations
        assert result.provenance.fingerprint == problem.fingerprint

    def test_a_finished_fit_is_found_again(self, jnp, tmp_path):
        problem = ResidualProblem(SPACE, lambda v: (jnp.asarray(DATA) - v["a"] * jnp.exp(-v["k"] * X) - v["c"]) / SIGMA)
        with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
            first = fit(problem, log=log)
        with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
            second = fit(problem, log=log)
        assert second.best == first.best
        assert second.stats["n_reused"] == first.n_evaluations

    def test_what_cannot_be_traced_is_said(self, jnp):
        result = fit(ResidualProblem(SPACE, lambda v: jnp.asarray(residual({n: float(v[n]) for n in "akc"}))))
        assert result.provenance.executed[0].detail.startswith("by differences: the residual cannot be traced")
        assert result.best == pytest.approx(PLAIN.best, rel=1e-6)


def test_a_residual_that_fails_in_the_pass_for_the_errors_loses_no_fit():
    x = np.linspace(0, 1, 40)
    calls = {"left": 10**9}

    def residual(values):
        calls["left"] -= 1
        if calls["left"] < 0:
            raise ZeroDivisionError("the disk is gone")
        yield (np.exp(-x) - values["a"] * np.exp(-values["k"] * x)) / 0.1

    space = wilks.Space(a=wilks.Real(0, 3), k=wilks.Real(0, 3))
    problem = wilks.ResidualProblem(space, residual, loss="huber", chunked=True)
    options = {"start": {"a": 1.2, "k": 0.8}, "n_starts": 0, "seed": 1, "callbacks": ()}
    before = calls["left"]
    whole = wilks.fit(problem, **options)
    used = before - calls["left"]
    calls["left"] = used - 1
    cut = wilks.fit(problem, **options)
    assert cut.best == whole.best
    assert math.isnan(cut.standard_errors["a"])
    assert any("the disk is gone" in step.detail for step in cut.provenance.executed)
