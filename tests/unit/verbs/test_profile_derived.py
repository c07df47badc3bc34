"""Profiles over derived quantities, against closed forms and brute force."""

import math

import numpy as np
import pytest

import wilks
from wilks import Derived, InvalidConfigurationError, LikelihoodProblem, Real, ResidualProblem, Space

CENTRE = np.array([0.7, 0.4])
PRECISION = np.linalg.inv([[1.0, 0.6], [0.6, 0.8]])
SPACE = Space(a=Real(-5, 5), b=Real(-5, 5))


def gaussian(values):
    d = np.array([values["a"], values["b"]]) - CENTRE
    return -0.5 * float(d @ PRECISION @ d)


def slopes(values):
    return dict(zip("ab", (-PRECISION @ (np.array([values["a"], values["b"]]) - CENTRE)).tolist(), strict=True))


def largest(points):
    """Largest log-likelihood of the Gaussian on a curve, shape (n, 2), within the box."""
    inside = (np.abs(points) <= 5).all(axis=1)
    d = points[inside] - CENTRE
    return float((-0.5 * np.einsum("ni,ij,nj->n", d, PRECISION, d)).max())


def of_sum(q):
    return -0.5 * (q - CENTRE.sum()) ** 2 / np.linalg.inv(PRECISION).sum()


def of_radius(q):
    t = np.linspace(0, 2 * np.pi, 40_001)
    return largest(q * np.stack([np.cos(t), np.sin(t)], axis=1))


def of_product(q):
    a = np.geomspace(abs(q) / 5, 5, 40_001)
    a = np.concatenate([a, -a])
    return largest(np.stack([a, q / a], axis=1))


QUANTITIES = {
    "sum": (lambda v: v["a"] + v["b"], -4, 6, of_sum),
    "radius": (lambda v: math.sqrt(v["a"] ** 2 + v["b"] ** 2), 0.3, 4, of_radius),
    "product": (lambda v: v["a"] * v["b"], -3, 8, of_product),
}


@pytest.mark.parametrize("gradient", [None, slopes], ids=["", "gradient"])
@pytest.mark.parametrize(
    ("name", "solve_for"),
    [
        ("sum", "a"),
        ("sum", "b"),
        pytest.param("radius", "a", marks=pytest.mark.slow),
        ("radius", "b"),
        pytest.param("product", "b", marks=pytest.mark.slow),
        *((n, None) for n in QUANTITIES),
    ],
)
def test_gaussian(name, solve_for, gradient):
    function, lower, upper, truth = QUANTITIES[name]
    problem = LikelihoodProblem(SPACE, gaussian, gradient=gradient)
    result = wilks.profile(problem, over=Derived(name, function, lower, upper, solve_for), grid=[24], seed=1, audit=3)
    axis, found = result.axes[name], result.log_likelihood_map
    exact = np.array([truth(q) for q in axis])
    inside = exact > -4.0
    assert inside.sum() > 5
    assert found[inside] == pytest.approx(exact[inside], abs=1e-3)
    assert (found[np.isfinite(found)] <= exact[np.isfinite(found)] + 1e-4).all()
    assert result.over == (name,)
    assert sorted(result.argmax) == ["a", "b"]
    for q, a, b, value in zip(axis, result.argmax["a"], result.argmax["b"], found, strict=True):
        if np.isfinite(value):
            assert function({"a": a, "b": b}) == pytest.approx(q, abs=1e-9)
            assert gaussian({"a": a, "b": b}) == pytest.approx(value, abs=1e-9)
    assert [result.best[n] for n in "ab"] == pytest.approx(CENTRE, abs=1e-3)
    assert result.best[name] == pytest.approx(function(result.best), abs=1e-9)
    assert result.n_evaluations == len(result.log.arrays()["thetas"]) == len(result.log)


def test_intervals_of_a_sum_are_those_of_error_propagation():
    problem = LikelihoodProblem(SPACE, gaussian)
    result = wilks.profile(problem, over=Derived("sum", lambda v: v["a"] + v["b"], -4, 6), grid=[41], seed=1, audit=0)
    [piece] = result.intervals("sum", 0.6827)
    sigma = math.sqrt(np.linalg.inv(PRECISION).sum())
    assert piece[:2] == pytest.approx((1.1 - sigma, 1.1 + sigma), abs=2e-3)
    assert "sum in the place of" in str(result.provenance.executed)
    assert "sum" in result.table().text()


def double(values):
    """Two optima of b, symmetrical but for their height and their a."""
    b, a = values["b"], values["a"]
    right, left = -0.5 * ((b - 2) / 0.3) ** 2, -0.7 - 0.5 * ((b + 1.8) / 0.4) ** 2
    return np.logaddexp(right, left) - 0.5 * (a - b / 2) ** 2


def test_several_solutions_take_the_largest():
    problem = LikelihoodProblem(SPACE, double)
    square = Derived("square", lambda v: v["b"] ** 2, 0, 16, "b")
    result = wilks.profile(problem, over=square, grid=[65], seed=1, audit=3)
    axis = result.axes["square"]
    exact = np.max([[double({"a": s * q / 2, "b": s * q}) for q in np.sqrt(axis)] for s in (1, -1)], axis=0)
    inside = exact > result.log_likelihood - 4
    assert result.log_likelihood_map[inside] == pytest.approx(exact[inside], abs=1e-4)
    signs = np.sign(result.argmax["b"][inside])
    assert {-1.0, 1.0} == set(signs[axis[inside] > 0].tolist())
    assert result.argmax["a"][inside] == pytest.approx(result.argmax["b"][inside] / 2, abs=0.02)
    thetas = result.log.arrays()["thetas"]
    assert (thetas[:, 1] < 0).any()
    assert (thetas[:, 1] > 0).any()


def test_a_quantity_with_three_solutions():
    cubic = Derived("cubic", lambda v: v["b"] ** 3 - 3 * v["b"], -6, 6, "b")
    problem = LikelihoodProblem(SPACE, gaussian)
    result = wilks.profile(problem, over=cubic, grid=[41], seed=1, audit=3)
    exact = []
    for q in result.axes["cubic"]:
        roots = np.roots([1, 0, -3, -q])
        real = roots[np.abs(roots.imag) < 1e-6].real
        exact.append(max(-0.5 * (b - CENTRE[1]) ** 2 / 0.8 for b in real if abs(b) <= 5))
    exact = np.array(exact)
    inside = exact > -4
    assert result.log_likelihood_map[inside] == pytest.approx(exact[inside], abs=1e-3)


def test_a_map_of_a_parameter_and_a_quantity():
    space = Space(a=Real(-5, 5), b=Real(-5, 5), c=Real(-3, 3))
    problem = LikelihoodProblem(space, lambda v: gaussian(v) - 0.5 * (v["c"] - 0.3 * v["a"]) ** 2)
    quantity = Derived("ab", lambda v: v["a"] + v["b"], -4, 6)
    result = wilks.profile(problem, over=["a", quantity], grid=[13, 15], seed=1, audit=3)
    a, q = np.meshgrid(result.axes["a"], result.axes["ab"], indexing="ij")
    pairs = np.stack([a.ravel(), (q - a).ravel()], axis=1)
    exact = np.array([gaussian(dict(zip("ab", pair, strict=True))) for pair in pairs])
    exact = np.where(np.abs(pairs).max(axis=1) <= 5, exact, -np.inf).reshape(a.shape)
    inside = exact > result.log_likelihood - 4
    assert result.log_likelihood_map[inside] == pytest.approx(exact[inside], abs=1e-4)
    assert set(result.argmax) == {"b", "c"}
    assert result.argmax["b"][inside] == pytest.approx((q - a)[inside])
    assert result.argmax["c"][inside] == pytest.approx(0.3 * a[inside], abs=0.01)
    assert result.contours(0.8)


def test_a_map_of_two_quantities():
    both = [Derived("s", lambda v: v["a"] + v["b"], -3, 5), Derived("p", lambda v: v["a"] * v["b"], -4, 4)]
    result = wilks.profile(LikelihoodProblem(SPACE, gaussian), over=both, grid=[9, 9], seed=1, audit=0)
    for i, s in enumerate(result.axes["s"]):
        for j, p in enumerate(result.axes["p"]):
            found = result.log_likelihood_map[i, j]
            if s * s < 4 * p:
                assert not np.isfinite(found)
                continue
            one = (s + math.sqrt(s * s - 4 * p)) / 2
            exact = max(gaussian({"a": one, "b": s - one}), gaussian({"a": s - one, "b": one}))
            if exact > result.log_likelihood - 4 and s * s > 4 * p:
                assert found == pytest.approx(exact, abs=1e-6)
    assert set(result.argmax) == {"a", "b"}


def test_residuals_constraints_and_integers():
    x = np.linspace(0, 2, 9)
    space = Space(slope=Real(-5, 5), offset=Real(-5, 5), order=wilks.Integer(1, 2))

    def residual(values):
        return (values["slope"] * x ** values["order"] + values["offset"] - 1.5 * x - 0.5) / 0.3

    problem = ResidualProblem(space, residual, constraints=lambda v: v["slope"] > -1)
    end = Derived("end", lambda v: v["slope"] * 2 ** v["order"] + v["offset"], 0, 6)
    result = wilks.profile(problem, over=end, grid=np.linspace(2.6, 4.4, 13), seed=1, audit=2)
    plain = LikelihoodProblem(space, problem.log_likelihood, constraints=problem.constraints)
    again = wilks.profile(plain, over=end, grid=np.linspace(2.6, 4.4, 13), seed=1, audit=2)
    inside = result.in_roi & again.in_roi
    assert inside.sum() > 5
    assert result.log_likelihood_map[inside] == pytest.approx(again.log_likelihood_map[inside], abs=1e-3)
    visited = np.isfinite(result.log_likelihood_map)
    assert (result.argmax["slope"][visited] > -1).all()
    assert result.stats["n_violated"] > 0
    assert result.provenance.fingerprint == problem.fingerprint
    assert set(result.argmax) == {"slope", "offset", "order"}


def test_the_log_is_shared_with_the_original_problem(tmp_path):
    problem = LikelihoodProblem(SPACE, gaussian, name="gauss")
    quantity = Derived("sum", lambda v: v["a"] + v["b"], -4, 6)
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        fit = wilks.fit(problem, seed=1, log=log)
        result = wilks.profile(problem, over=quantity, grid=[21], start=fit, seed=1, log=log)
        n = len(log)
        again = wilks.profile(problem, over=quantity, grid=[21], start=fit, seed=1, log=log)
        assert len(log) == n
        assert again.log_likelihood_map == pytest.approx(result.log_likelihood_map, nan_ok=True)
        assert again.argmax["b"] == pytest.approx(result.argmax["b"], nan_ok=True)
        wilks.fit(problem, start=result, n_starts=0, seed=2, log=log)
    path = result.save(tmp_path / "result.wilks")
    loaded = wilks.load(path)
    assert loaded.intervals("sum", 0.68) == result.intervals("sum", 0.68)
    assert loaded.best == result.best


def test_an_interrupted_map_goes_on(tmp_path):
    problem = LikelihoodProblem(SPACE, double)
    arguments = {"over": Derived("square", lambda v: v["b"] ** 2, 0, 16, "b"), "grid": [41], "seed": 1, "audit": 3}
    whole = wilks.profile(problem, **arguments)
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        for budget in (60, 300, 500):
            stopped = wilks.profile(problem, **arguments, log=log, stop=wilks.MaxEvaluations(budget))
            assert not stopped.status.success
        resumed = wilks.profile(problem, **arguments, log=log)
        assert resumed.n_evaluations == whole.n_evaluations
        assert len(log) == whole.n_evaluations
    assert resumed.log_likelihood_map == pytest.approx(whole.log_likelihood_map, nan_ok=True)
    assert resumed.argmax["b"] == pytest.approx(whole.argmax["b"], nan_ok=True)


def test_worker_processes_give_the_same_map():
    problem = LikelihoodProblem(SPACE, double)
    square = Derived("square", lambda v: v["b"] ** 2, 0, 16, "b")
    serial = wilks.profile(problem, over=square, grid=[33], seed=1, audit=2)
    with wilks.ProcessExecutor(2) as executor:
        parallel = wilks.profile(problem, over=square, grid=[33], seed=1, audit=2, executor=executor)
    inside = serial.in_roi
    assert parallel.log_likelihood_map[inside] == pytest.approx(serial.log_likelihood_map[inside], abs=1e-3)


@pytest.mark.parametrize(
    ("over", "text"),
    [
        (["b", Derived("q", lambda v: v["a"] + v["b"], -4, 6, "b")], "'b' is profiled itself, so no derived quantity"),
        ([Derived("q", lambda v: v["a"] + v["b"], 5, 6)], r"the best point lies outside .*: q=1.1 \(interval 5 to 6\)"),
    ],
)
def test_refused(over, text):
    with pytest.raises(InvalidConfigurationError, match=text):
        wilks.profile(LikelihoodProblem(SPACE, gaussian), over=over, seed=1)


def test_a_profiled_parameter_is_not_chosen():
    quantity = Derived("q", lambda v: v["a"] + 3 * v["b"], -9, 9)
    result = wilks.profile(LikelihoodProblem(SPACE, gaussian), over=["b", quantity], grid=[5, 5], seed=1, audit=0)
    assert "q in the place of a" in str(result.provenance.executed)
