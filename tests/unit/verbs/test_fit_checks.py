"""What a fit looks at before it begins."""

import numpy as np
import pytest

import wilks
from wilks import Outcome, Real, ResidualProblem, Space

jnp = pytest.importorskip("jax.numpy")  # JAX is there, so that residuals are looked at

SPACE = Space(a=Real(0, 10), b=Real(-5, 5))
X = np.linspace(0, 1, 30)


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("answer", [np.asarray, jnp.asarray])
def test_a_residual_that_stops_ends_the_run_and_not_the_program(answer, at):
    """Also one that stops when it is traced."""
    calls = []

    def stopping(values):
        calls.append(values)
        if len(calls) < at:
            return answer(values["a"] * X + values["b"] - 1.0)
        raise wilks.StopRun

    result = wilks.fit(ResidualProblem(SPACE, stopping), seed=1, callbacks=())
    assert result.status.outcome is Outcome.STOPPED_BY_CALLBACK
    assert not result.stats["n_failed"]


def test_other_exceptions_mean_differences():
    def fails_where_it_is_tried(values):
        calls.append(values)
        if len(calls) == 1:
            raise SystemExit(1)
        return np.array([values["a"] - 1.0, values["b"] - 2.0])

    calls = []
    result = wilks.fit(ResidualProblem(SPACE, fails_where_it_is_tried), seed=1, callbacks=(), n_starts=2)
    assert result.status.success
    assert result.best == pytest.approx({"a": 1.0, "b": 2.0}, abs=1e-6)


def test_a_profile_takes_the_jacobian_too():
    def residual(values):
        return (values["a"] * jnp.exp(values["b"] * jnp.asarray(X)) - 3.0 * np.exp(0.5 * X)) / 0.1

    by_jax = wilks.profile(ResidualProblem(SPACE, residual), over="b", seed=1, callbacks=())
    plain = wilks.profile(
        ResidualProblem(SPACE, lambda v: np.asarray(residual(v), dtype=float)), over="b", seed=1, callbacks=()
    )
    assert by_jax.provenance.executed[0].name == "Jacobian"
    assert by_jax.n_evaluations < plain.n_evaluations
    assert by_jax.intervals("b", 0.95)[0][:2] == pytest.approx(plain.intervals("b", 0.95)[0][:2], rel=1e-2)
