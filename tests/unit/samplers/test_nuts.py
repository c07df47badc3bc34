"""NUTS: options, gradients of every source, stops, retries; whether its draws are right is in tests/statistical."""

import signal
import sys
import threading

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.core.chart import LineChart
from wilks.core.least_squares import FactoredProblem, ResidualProblem
from wilks.core.status import Outcome
from wilks.loop.drive import Watch
from wilks.samplers.course import Course
from wilks.samplers.host import HostLikelihood, Placement
from wilks.samplers.known import Known
from wilks.samplers.nuts_options import Nuts
from wilks.samplers.target import Target
from wilks.samplers.traced import TracedLikelihood, traced_likelihood
from wilks.samplers.whitening import Whitening, rough_draws, without_walls
from wilks.verbs.context import Common, Context
from wilks.verbs.sample_nuts import gradient_source, nuts_draws

FEW = Nuts(n_chains=2, n_warmup=50, n_draws=60, max_retries=0)
X = np.linspace(-1.0, 1.0, 12)
DATA = 0.4 + 0.9 * X + 0.3 * np.sin(9.0 * X)


def line_space():
    return wilks.Space(a=wilks.Real(-3, 3), b=wilks.Real(0.1, 9, scale="log"))


def residual(values):
    return (DATA - values["a"] - values["b"] * X) / 0.2


def jacobian(values):
    return np.column_stack([-np.ones_like(X), -X]) / 0.2


def gaussian(**options):
    """A Gaussian of width 0.1 about (0.3, 1)."""
    return wilks.LikelihoodProblem(
        line_space(), lambda v: -50.0 * ((v["a"] - 0.3) ** 2 + (v["b"] - 1.0) ** 2), **options
    )


def slope(v):
    return {"a": -100.0 * (v["a"] - 0.3), "b": -100.0 * (v["b"] - 1.0)}


def known(problem, values):
    u = problem.space.to_unit(problem.space.to_theta(values))
    return Known(u[None, :], np.diag(np.full(len(u), 0.02**2))[None], np.zeros(1))


def begun(problem, **common):
    return Context(problem, "sample", Common(seed=5, callbacks=[], **common))


def drawn(context, method=FEW, a=0.3, b=1.0):
    problem = context.problem
    return nuts_draws(context, method, Target(problem.space), known(problem, {"a": a, "b": b}))


def differences(function, x, step=1e-6):
    moves = step * np.eye(len(x))
    return np.array([(function(x + move) - function(x - move)) / (2 * step) for move in moves])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_chains": 0}, "n_chains: expected an integer >= 1, got 0"),
        ({"n_warmup": 10}, "n_warmup: expected an integer >= 50"),
        ({"target_accept": 1.0}, "target_accept: expected a number between 0 and 1"),
        ({"dense_mass": 1}, "dense_mass: expected True or False"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(wilks.InvalidConfigurationError, match=text):
        Nuts(**options)


class Factored(FactoredProblem):
    def fix(self, **values):
        raise AssertionError

    def functions(self):
        return ()

    def n_data(self, values):
        return len(X)

    def log_likelihood(self, values):
        return self.factor(values)[0]

    def factor(self, values):
        rows = np.column_stack([residual(values), jacobian(values)])
        return -0.5 * float(rows[:, 0] @ rows[:, 0]), rows


def chunks(function):
    return lambda values: iter(np.array_split(function(values), 3))


@pytest.mark.parametrize(
    "problem",
    [
        ResidualProblem(line_space(), residual, jacobian=jacobian),
        ResidualProblem(line_space(), residual, jacobian=jacobian, loss=wilks.Loss("cauchy", 1.5)),
        ResidualProblem(line_space(), chunks(residual), jacobian=chunks(jacobian), loss="soft_l1", chunked=True),
        Factored(line_space(), (), "factored", None),
        gaussian(gradient=slope),
        gaussian(gradient=lambda v: {"b": slope(v)["b"]}),
        gaussian(gradient=lambda v: 1 / 0),
    ],
    ids=["residuals", "loss", "chunks", "factored", "gradient", "part of a gradient", "gradient that raises"],
)
def test_gradients_of_every_source_are_those_of_the_log_likelihood(problem):
    theta = np.array([0.7, 1.3])
    source = gradient_source(problem, theta)
    assert source == ("residuals" if isinstance(problem, (ResidualProblem, FactoredProblem)) else "gradient")
    want = "residual" if source == "residuals" else "gradient"
    value, gradient = HostLikelihood(problem, want, np.array([0.1, 0.1]), Course(Watch("")))(theta)

    def log_likelihood(point):
        return problem.log_likelihood(dict(zip("ab", point, strict=True)))

    assert value[0] == pytest.approx(log_likelihood(theta))
    np.testing.assert_allclose(gradient[0], differences(log_likelihood, theta), rtol=1e-5)


def test_what_fails_has_no_likelihood_and_is_counted():
    def log_likelihood(values):
        if values["a"] > 1:
            raise ValueError
        return -values["a"]

    problem = wilks.LikelihoodProblem(
        line_space(), log_likelihood, gradient=lambda v: [-1.0, 0.0], constraints=lambda v: v["b"] < 5
    )
    course = Course(Watch(""))
    likelihood = HostLikelihood(problem, "gradient", np.ones(2), course)
    for theta in ([2.0, 1.0], [0.0, 6.0], [np.nan, 1.0]):
        value, gradient = likelihood(np.array(theta))
        assert value[0] == -np.inf
        assert not gradient.any()
    assert (course.n_evaluations, course.n_failed, course.n_violated) == (1, 1, 1)


def test_no_gradient_no_nuts():
    problem = gaussian()
    assert gradient_source(problem, np.ones(2)) == ""
    with pytest.raises(wilks.InvalidProblemError, match=r"has no gradient .*give gradient= .*wilks\.Ensemble"):
        drawn(begun(problem))


def test_a_gradient_of_the_wrong_sign_is_refused():
    problem = gaussian(gradient=lambda v: {name: -each for name, each in slope(v).items()})
    with pytest.raises(wilks.InvalidProblemError, match="does not fit the log-likelihood"):
        drawn(begun(problem))


def test_missing_numpyro_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro", None)
    monkeypatch.setitem(sys.modules, "numpyro.infer", None)
    monkeypatch.delitem(sys.modules, "wilks.samplers.nuts", raising=False)
    with pytest.raises(wilks.MissingDependencyError, match=r"NUTS needs numpyro: pip install 'wilks\[sample\]'"):
        drawn(begun(gaussian(gradient=slope)))


@pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy", "arctan"])
def test_residuals_of_jax_have_the_log_likelihood_of_their_loss(loss):
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    def of_jax(values):
        return (jnp.asarray(DATA) - values["a"] - values["b"] * jnp.asarray(X)) / 0.2

    problem = ResidualProblem(line_space(), of_jax, loss=wilks.Loss(loss, 0.7), constraints=lambda v: v["a"] < 2)
    theta = np.array([0.7, 1.3])
    assert gradient_source(problem, theta) == "jax"
    traced = traced_likelihood(problem, theta)
    expected = ResidualProblem(line_space(), residual, loss=wilks.Loss(loss, 0.7))
    with jax.enable_x64(True):
        assert float(traced(theta)) == pytest.approx(expected.log_likelihood({"a": 0.7, "b": 1.3}), rel=1e-12)
        assert float(traced(np.array([2.5, 1.3]))) == -np.inf


def test_what_cannot_be_traced_is_told():
    jnp = pytest.importorskip("jax.numpy")
    space = line_space()
    vectorized = wilks.LikelihoodProblem(space, lambda v: -jnp.square(v["a"]), vectorized=True)
    assert isinstance(traced_likelihood(vectorized, np.ones(2)), TracedLikelihood)
    converts = wilks.LikelihoodProblem(space, lambda v: float(jnp.square(v["a"])))
    assert "cannot be traced" in traced_likelihood(converts, np.ones(2))
    of_shape = wilks.LikelihoodProblem(space, lambda v: jnp.ones(3) * v["a"])
    assert traced_likelihood(of_shape, np.ones(2)) != ""
    assert gradient_source(converts, np.ones(2)) == ""


PRIORS = wilks.Space(
    a=wilks.Real(-3, 3),
    b=wilks.Real(0.1, 9, scale="log"),
    c=wilks.Real(-1, 4, prior=wilks.Normal(0.5, 2.0)),
    d=wilks.Real(1e-3, 50, scale="log", prior=wilks.LogNormal(2.0, 0.8)),
    e=wilks.Real(0.5, 9, prior=wilks.LogUniform(0.2, 20.0)),
)


def test_the_density_of_jax_is_that_of_the_target():
    jax = pytest.importorskip("jax")
    nuts = pytest.importorskip("wilks.samplers.nuts")
    target = Target(PRIORS, LineChart(), power=0.5)
    generator = np.random.default_rng(1)
    whitening = Whitening.of(generator.normal(size=(20, 5)) @ generator.normal(size=(5, 5)))
    place = Placement(target, whitening)
    assert nuts.can_place(target)
    placed = nuts._placed(place)
    both = jax.jit(lambda z: (*placed(z), jax.jacfwd(lambda z: jax.numpy.append(*placed(z)))(z)))
    for z in generator.normal(size=(5, 5)):
        with jax.enable_x64(True):
            theta, log_prior, slopes = both(z)
        thetas, log_priors = place(z[None, :])
        np.testing.assert_allclose(theta, thetas[0], rtol=1e-12)
        np.testing.assert_allclose(log_prior, log_priors[0], rtol=1e-12)
        values, differenced = place.with_slopes(z)
        np.testing.assert_allclose(values, [*thetas[0], log_priors[0]])
        np.testing.assert_allclose(differenced, slopes, rtol=1e-4, atol=1e-4)


def test_whitening_ignores_units_and_survives_points_that_do_not_differ():
    generator = np.random.default_rng(2)
    points = generator.normal(size=(4000, 3)) @ np.array([[1.0, 0.9, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.0]])
    whitening = Whitening.of(points * np.array([1e-9, 1e6, 1.0]))
    z = whitening.inverse(points * np.array([1e-9, 1e6, 1.0]))
    np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(z.T)), [0.0, 1.0, 1.0], atol=1e-6)


def test_rough_draws_lie_where_the_prior_has_a_density():
    target = Target(PRIORS)
    mode = np.array([[0.0, 1.0, 0.3, 0.5, 0.5]])
    thetas = rough_draws(target, Known(mode, 9.0 * np.eye(5)[None], np.zeros(1)), 50, np.random.default_rng(3))
    assert thetas.shape == (50, 5)
    assert np.isfinite(without_walls(target).log_prior(without_walls(target).coordinates(thetas))).all()
    assert len(np.unique(thetas[:, 0])) == 50
    given = np.random.default_rng(4).random((80, 5))
    np.testing.assert_allclose(
        target.coordinates(rough_draws(target, Known(*3 * [np.empty(0)], given), 9, None)), given
    )


def test_a_callback_and_jax_draw_the_same_and_float32_still_works_after():
    """The user's function closes over a matrix of NumPy, which JAX 0.10 would confuse between precisions."""
    jax = pytest.importorskip("jax")
    pytest.importorskip("numpyro")
    matrix = np.array([[100.0, 60.0], [60.0, 90.0]])
    calls = []

    def of_jax(values):
        x = jax.numpy.array([values["a"] - 0.3, values["b"] - 1.0])
        return -0.5 * x @ matrix @ x

    def of_numpy(values):
        x = np.array([values["a"] - 0.3, values["b"] - 1.0])
        return -0.5 * float(x @ matrix @ x)

    def gradient(values):
        calls.append(values)
        if len(calls) % 7 == 0:
            raise ZeroDivisionError
        return -matrix @ np.array([values["a"] - 0.3, values["b"] - 1.0])

    one = begun(wilks.LikelihoodProblem(line_space(), of_jax))
    other = begun(wilks.LikelihoodProblem(line_space(), of_numpy, gradient=gradient))
    fast, slow = drawn(one), drawn(other)
    np.testing.assert_allclose(fast.thetas[:, :20], slow.thetas[:, :20], rtol=1e-3)
    assert fast.n_evaluations == one.n_evaluations
    assert fast.sampling["n_steps"].sum() < fast.n_evaluations < slow.n_evaluations  # differences cost values
    expected = [of_numpy(dict(zip("ab", theta, strict=True))) for theta in fast.thetas[0]]
    np.testing.assert_allclose(fast.log_likelihoods[0], expected, atol=1e-10)
    assert fast.log_likelihoods.shape == fast.sampling["diverging"].shape == (2, 60)
    np.testing.assert_array_equal(fast.sampling["tree_depth"], np.floor(np.log2(fast.sampling["n_steps"])) + 1)
    assert "gradients by JAX" in one.steps[-1].detail
    assert "gradients by the gradient of the problem" in other.steps[-1].detail
    assert "since the gradient failed: ZeroDivisionError" in other.steps[-1].detail
    of_jax({"a": 0.3, "b": 1.0})


@pytest.mark.slow
def test_failing_checks_are_followed_by_a_more_careful_run():
    jnp = pytest.importorskip("jax.numpy")
    pytest.importorskip("numpyro")
    problem = wilks.LikelihoodProblem(line_space(), lambda v: -50.0 * jnp.square(v["a"] - 0.3) - v["b"])
    hasty = Nuts(n_chains=2, n_warmup=50, n_draws=8, target_accept=0.9, max_retries=1)
    one = begun(problem)
    first = drawn(one, hasty)
    assert [step.name for step in one.steps] == ["NUTS", "NUTS"]  # eight draws cannot agree to one per cent
    assert "after 100 of warmup" in one.steps[1].detail
    assert "target_accept 0.95" in one.steps[1].detail
    assert sum(step.n_evaluations for step in one.steps) == first.n_evaluations == one.n_evaluations


@pytest.mark.slow
def test_the_same_seed_gives_the_same_draws_and_ctrl_c_the_first_of_them():
    pytest.importorskip("numpyro")
    calls, seen, last = [], [], None

    def gradient(values):
        calls.append(values)
        if len(calls) == last:
            signal.raise_signal(signal.SIGINT)
        return slope(values)

    whole = drawn(begun(gaussian(gradient=gradient)))
    last = int(0.9 * len(calls))
    calls.clear()
    context = Context(gaussian(gradient=gradient), "sample", Common(seed=5, callbacks=[seen.append]))
    chains = drawn(context)
    n_draws = chains.thetas.shape[1]
    assert n_draws < FEW.n_draws
    np.testing.assert_array_equal(chains.thetas, whole.thetas[:, :n_draws])
    np.testing.assert_array_equal(chains.log_likelihoods, whole.log_likelihoods[:, :n_draws])
    assert Outcome.INTERRUPTED.value in context.steps[-1].detail
    assert chains.ended.outcome is Outcome.INTERRUPTED
    assert whole.ended is None
    assert context.n_evaluations == last - 1  # the point that was interrupted is none
    assert seen[-1].n_evaluations == context.n_evaluations
    assert seen[-1].activity == "sampling"


def test_an_error_of_a_callback_leaves_no_thread_behind():
    jax = pytest.importorskip("jax")
    nuts = pytest.importorskip("wilks.samplers.nuts")

    def callback(info):
        raise RuntimeError("of the callback")

    bridge = nuts.Bridge(Course(Watch("", (), (callback,))))
    asked = bridge.differentiable(lambda x: (x, np.eye(2)), 2, 2)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="of the callback"):
        bridge.run(jax.jit(lambda x: asked(asked(x))), np.zeros(2))
    assert threading.active_count() == before


def test_rules_callbacks_and_likelihoods_end_a_course():
    def stop():
        raise wilks.StopRun

    by_rule = Course(Watch("", (wilks.MaxEvaluations(10),), n_before=4))
    by_rule.look()
    assert by_rule.status is None
    by_rule.n_evaluations = 6
    by_rule.look()
    assert by_rule.status.outcome is Outcome.EVALUATION_LIMIT
    by_callback, by_stop = Course(Watch("", (), (lambda info: True,))), Course(Watch("", (), (lambda info: stop(),)))
    by_callback.look()
    by_stop.look()
    by_likelihood = Course(Watch(""))
    assert by_likelihood.attempt(stop) is None
    assert by_likelihood.attempt(lambda: 3) == 3
    for course in (by_callback, by_stop, by_likelihood):
        assert course.status.outcome is Outcome.STOPPED_BY_CALLBACK


def test_no_start_with_a_density_is_told():
    pytest.importorskip("numpyro")
    problem = wilks.LikelihoodProblem(line_space(), lambda v: -np.inf, gradient=lambda v: [0.0, 0.0])
    with pytest.raises(wilks.InvalidProblemError, match="0 have a likelihood and a prior density, expected 2"):
        drawn(begun(problem))


def test_priors_that_jax_does_not_know_are_placed_by_numpy():
    jax = pytest.importorskip("jax")
    nuts = pytest.importorskip("wilks.samplers.nuts")

    def potential(prior):
        space = wilks.Space(a=wilks.Real(1e-3, 50, scale="log", prior=prior), b=wilks.Real(0, 3))
        problem = wilks.LikelihoodProblem(space, lambda v: -jax.numpy.square(v["a"]) * v["b"])
        place = Placement(Target(space, LineChart()), Whitening(np.zeros(2), np.array([[1.0, 0.0], [0.5, 2.0]])))
        bridge = nuts.Bridge(Course(Watch("")))
        both = jax.jit(jax.value_and_grad(nuts._potential(place, TracedLikelihood(problem), bridge)))
        return bridge.has_functions, bridge.run(both, np.array([0.3, -0.7]))

    in_jax, (value, gradient) = potential(wilks.LogNormal(2.0, 0.7))
    on_host, (host_value, host_gradient) = potential(stats.lognorm(0.7, scale=2.0))
    assert (in_jax, on_host) == (False, True)
    assert float(host_value) == pytest.approx(float(value), rel=1e-12)  # all 64 bits went through
    np.testing.assert_allclose(host_gradient, gradient, rtol=1e-5)
