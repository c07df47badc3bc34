import pickle
import subprocess
import sys
import textwrap

import cloudpickle
import numpy as np
import pytest

from wilks import Categorical, LikelihoodProblem, ProcessExecutor, Real, ResidualProblem, Space, StopRun
from wilks.core.proposal import Proposals
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.solvers.autodiff import jax_jacobian

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

X = np.linspace(0.0, 2.0, 40)
SPACE = Space(a=Real(0, 5), rate=Real(0.1, 10, scale="log"), offset=Real(-1, 1), power=2.0)
THETA = np.array([2.0, 1.5, 0.3])


def residual(values):
    x = jnp.asarray(X)
    return values["a"] * jnp.exp(-values["rate"] * x) + values["offset"] * x ** values["power"]


def expected(theta):
    decay = np.exp(-theta[1] * X)
    return np.column_stack([decay, -theta[0] * X * decay, X**2])


@pytest.fixture(scope="module", autouse=True)
def _x64():
    """Not set back: JAX mixes the two up when it is changed in the middle of a process."""
    jax.config.update("jax_enable_x64", True)


def values_at(theta, space=SPACE):
    return space.to_values(theta)


def test_the_derivatives_of_a_jax_function_are_exact():
    found = jax_jacobian(ResidualProblem(SPACE, residual), THETA)
    assert found.reason == ""
    jacobian = found.jacobian(values_at(THETA))
    assert type(jacobian) is np.ndarray
    np.testing.assert_allclose(jacobian, expected(THETA), rtol=1e-13, atol=1e-15)
    other = np.array([1.0, 0.2, -0.5])
    np.testing.assert_allclose(found.jacobian(values_at(other)), expected(other), rtol=1e-13, atol=1e-15)


def test_it_is_compiled_once():
    n_traces = 0

    def counted(values):
        nonlocal n_traces
        n_traces += 1
        return residual(values)

    problem = ResidualProblem(SPACE, counted)
    first = jax_jacobian(problem, THETA).jacobian
    for scale in (1.0, 0.9, 0.8):
        first(values_at(scale * THETA))
    assert n_traces <= 3  # the call at the start, the test whether it can be traced, and the compilation
    n_traces = 0
    jax_jacobian(problem, THETA).jacobian(values_at(THETA))  # the problem is known
    assert n_traces == 0


def test_of_a_restriction_the_columns_are_those_of_the_root():
    problem = ResidualProblem(SPACE, residual).fix(rate=1.5)
    jacobian = jax_jacobian(problem, THETA[[0, 2]]).jacobian(problem.space.to_values(THETA[[0, 2]]))
    np.testing.assert_allclose(jacobian, expected(THETA) * [1.0, 0.0, 1.0], rtol=1e-13, atol=1e-15)


def test_a_problem_takes_it_and_keeps_its_log():
    problem = ResidualProblem(SPACE, residual, linear=("a", "offset"), loss="huber")
    with_it = problem.with_jacobian(jax_jacobian(problem, THETA).jacobian)
    assert with_it.root is problem
    assert (with_it.linear, with_it.loss, with_it.residual) == (problem.linear, problem.loss, residual)


def test_in_other_processes():
    """JAX has its defaults there until the Jacobian arrives, which are 32 bits."""
    problem = ResidualProblem(SPACE, residual)
    problem = problem.with_jacobian(jax_jacobian(problem, THETA).jacobian)
    with ProcessExecutor(1) as executor:
        evaluator = Evaluator(problem, as_executor(executor))
        evaluator.submit(Proposals(np.arange(1), THETA[None, :], np.zeros(1, dtype=np.int8), "residual"))
        (found,) = evaluator.collect()
    factor = found.payloads[0][:, 1:]
    np.testing.assert_allclose(factor.T @ factor, expected(THETA).T @ expected(THETA), rtol=1e-12)


def test_what_was_compiled_stays_here():
    jacobian = jax_jacobian(ResidualProblem(SPACE, residual), THETA).jacobian
    jacobian(values_at(THETA))
    copy = pickle.loads(cloudpickle.dumps(jacobian))
    assert copy._compiled is None
    assert jacobian._compiled is not None


def branching(values):
    return jnp.asarray(X) * values["a"] if values["a"] > 1 else jnp.asarray(X)


def through_numpy(values):
    return jnp.asarray(np.sin(values["a"]) * X)


def raising(values):
    jnp.zeros(1)
    raise ZeroDivisionError("by my own code\nand more")


REFUSED = {
    "branches of Python": (branching, "cannot be traced by JAX: TracerBoolConversionError"),
    "NumPy inside": (through_numpy, "cannot be traced by JAX: TracerArrayConversionError"),
    "a NumPy function": (lambda v: v["a"] * X, "does not speak of JAX"),
    "an array of NumPy": (lambda v: np.asarray(v["a"] * jnp.asarray(X)), "returns no jax.Array, but a ndarray"),
    "a list": (lambda v: [float(jnp.sin(v["a"]))], "returns no jax.Array, but a list"),
    "raises": (raising, "ZeroDivisionError: by my own code"),
    "a matrix": (lambda v: v["a"] * jnp.ones((2, 2)), "expected a 1-D array with derivatives of shape (n, 3)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_differentiated_says_why(case):
    function, text = REFUSED[case]
    found = jax_jacobian(ResidualProblem(SPACE, function), THETA)
    assert found.jacobian is None
    assert text in found.reason
    assert "\n" not in found.reason


def never(values):
    raise AssertionError("was called")


UNFIT = {
    "likelihood": (LikelihoodProblem(SPACE, never), "no residual"),
    "has one": (ResidualProblem(SPACE, never, jacobian=never), "has a Jacobian"),
    "chunked": (ResidualProblem(SPACE, never, chunked=True), "in chunks"),
    "no word of it": (ResidualProblem(SPACE, never), "does not speak of JAX"),
    "discrete": (
        ResidualProblem(Space(a=Real(0, 1), kind=Categorical(["u", "v"])), never),
        "discrete parameters: kind",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_no_case_for_jax_is_not_called(case):
    problem, text = UNFIT[case]
    found = jax_jacobian(problem, THETA)
    assert found.jacobian is None
    assert text in found.reason


def test_a_request_to_stop_is_no_failure():
    def stopping(values):
        jnp.zeros(1)
        raise StopRun

    with pytest.raises(StopRun):
        jax_jacobian(ResidualProblem(SPACE, stopping), THETA)


def test_data_of_single_precision_are_told():
    found = jax_jacobian(ResidualProblem(SPACE, lambda v: residual(v).astype("float32")), THETA)
    assert found.reason.startswith("the residual is of float32")
    assert found.reason.endswith("are so")
    np.testing.assert_allclose(found.jacobian(values_at(THETA)), expected(THETA), rtol=1e-5, atol=1e-6)


def test_jax_without_64_bits_is_told():
    program = """
        import jax.numpy as jnp
        import numpy as np
        import wilks
        from wilks.solvers.autodiff import jax_jacobian

        x = np.linspace(0, 2, 40)
        problem = wilks.ResidualProblem(wilks.Space(a=wilks.Real(0, 5)), lambda v: jnp.sin(v["a"] * jnp.asarray(x)))
        found = jax_jacobian(problem, np.array([1.5]))
        assert "float32" in found.reason and "jax_enable_x64" in found.reason, found.reason
        jacobian = found.jacobian({"a": 1.5})
        assert jacobian.dtype == np.float64
        assert np.allclose(jacobian[:, 0], x * np.cos(1.5 * x), rtol=1e-5, atol=1e-6)
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(program)], check=True)


def test_derivatives_that_are_not_a_number_are_differences():
    """The root of the branch that is not taken has no derivative at zero, and zero times infinity is NaN."""

    def trapped(values):
        x = jnp.asarray(X) - 1.0
        return values["a"] * jnp.where(x > 0, x**2 * values["rate"], jnp.sqrt(0.0 * values["rate"])) + values["offset"]

    problem = ResidualProblem(SPACE, trapped)
    jacobian = jax_jacobian(problem, THETA).jacobian
    assert np.isnan(jax.jit(jax.jacfwd(jacobian.of_array))(THETA)).any()
    found = jacobian(values_at(THETA))
    right = np.where(X > 1, (X - 1.0) ** 2, 0.0)
    np.testing.assert_allclose(found, np.column_stack([1.5 * right, 2.0 * right, np.ones(40)]), rtol=1e-6, atol=1e-6)


def test_jax_is_not_imported_to_find_out(monkeypatch):
    monkeypatch.delitem(sys.modules, "jax")
    assert jax_jacobian(ResidualProblem(SPACE, never), THETA) == (None, "JAX has not been imported")
    assert "jax" not in sys.modules
