"""Every public problem says the truth about itself: maximum, profiles, gradient."""

import itertools
import pickle

import numpy as np
import pytest
from scipy.optimize import approx_fprime, differential_evolution, minimize

import wilks
from tests.catalogue import KNOWN_PROBLEMS, WITH_GRADIENT
from wilks import problems


def box(space, names):
    return [(space[name].lower, space[name].upper) for name in names]


@pytest.fixture(params=KNOWN_PROBLEMS)
def known(request):
    return KNOWN_PROBLEMS[request.param]()


def test_maxima_reach_the_maximum(known):
    for point in known.maxima:
        assert known.problem.log_likelihood(point) == pytest.approx(known.maximum, abs=1e-12)
        known.problem.space.to_theta(point)
    assert known.best == known.maxima[0]


def test_nothing_lies_above_the_maximum(known):
    space, generator = known.problem.space, np.random.default_rng(1)
    points = space.from_unit(generator.random((2000, space.dimension)))
    assert max(known.problem.log_likelihood(space.to_values(point)) for point in points) <= known.maximum


def test_profile_at_the_best_point_is_the_maximum(known):
    space = known.problem.space
    for size in (1, 2):
        for names in itertools.combinations(space.free, size):
            values = known.profile(names, [[known.best[name]] for name in names])
            assert values.item() == pytest.approx(known.maximum, abs=1e-9)


def test_full_profile_is_the_log_likelihood(known):
    """No nuisance parameter left: the profile must be the function itself."""
    space, generator = known.problem.space, np.random.default_rng(2)
    nodes = list(space.from_unit(generator.random((2, space.dimension))).T)
    table = known.profile(space.free, nodes)
    for index in np.ndindex(table.shape):
        values = {name: nodes[axis][i] for axis, (name, i) in enumerate(zip(space.free, index, strict=True))}
        assert table[index] == pytest.approx(known.problem.log_likelihood(values), rel=1e-12, abs=1e-12)


SLICES = [
    ("gaussian_3d", ("x1",)),
    ("gaussian_3d", ("x2", "x0")),
    ("banana", ("x",)),
    ("banana", ("y",)),
    ("bounded_4d", ("x1",)),
    ("bounded_4d", ("x0", "x3")),
    ("two_islands", ("x",)),
    ("two_islands", ("nuisance",)),
    ("two_islands", ("nuisance", "y")),
    ("rippled", ("x",)),
    ("rippled", ("nuisance",)),
    ("rosenbrock_4d", ("x0",)),
    ("rosenbrock_4d", ("x3",)),
    ("rosenbrock_4d", ("x1", "x3")),
    ("rosenbrock_4d", ("x3", "x0")),
    ("himmelblau_4d", ("x0",)),
    ("himmelblau_4d", ("x3", "x0")),
    ("levy_4d", ("x0", "x3")),
    ("rastrigin_2d", ("x1",)),
]


def best_of_the_others(problem, fixed):
    """Global optimisation over everything that is not fixed: many polished starts and differential evolution."""
    names = [name for name in problem.space.free if name not in fixed]
    bounds = box(problem.space, names)

    def cost(x):
        values = {**fixed, **dict(zip(names, x.tolist(), strict=True))}
        return -problem.log_likelihood({name: values[name] for name in problem.space.free})

    if len(names) == 1:
        scan = np.linspace(*bounds[0], 4001)
        start = scan[np.argmin([cost(x) for x in scan[:, None]])]
        near = [(max(start - 0.01, bounds[0][0]), min(start + 0.01, bounds[0][1]))]
        return -minimize(cost, [start], bounds=near, method="L-BFGS-B", options={"ftol": 1e-15}).fun
    answer = differential_evolution(cost, bounds, seed=3, popsize=12, maxiter=150, tol=1e-10, polish=True)
    least, generator = answer.fun, np.random.default_rng(4)
    lower, upper = np.array(bounds).T
    for start in lower + generator.random((8, len(names))) * (upper - lower):
        least = min(least, minimize(cost, start, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-15}).fun)
    return -least


@pytest.mark.parametrize(("name", "over"), SLICES, ids=[f"{name}-{'-'.join(over)}" for name, over in SLICES])
def test_profile_agrees_with_global_optimisation(name, over):
    known = KNOWN_PROBLEMS[name]()
    space, generator = known.problem.space, np.random.default_rng(5)
    nodes = [space.from_unit(generator.random((2, space.dimension)))[:, space.index(each)] for each in over]
    table = known.profile(over, nodes)
    assert table.shape == (2,) * len(over)
    for index in [(0,) * len(over), (1,) * len(over)]:
        fixed = {each: float(nodes[axis][i]) for axis, (each, i) in enumerate(zip(over, index, strict=True))}
        brute = best_of_the_others(known.problem, fixed)
        assert table[index] == pytest.approx(brute, rel=1e-6, abs=1e-6)
        assert table[index] >= brute - 1e-7 * (1 + abs(brute))


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_gradient_is_the_derivative(name):
    problem = WITH_GRADIENT[name]().problem
    space, generator = problem.space, np.random.default_rng(6)

    def function(x):
        return problem.log_likelihood(space.to_values(x))

    for theta in space.from_unit(0.1 + 0.8 * generator.random((5, space.dimension))):
        numerical = approx_fprime(theta, function, 1e-6)
        scale = 1 + np.abs(numerical).max()
        np.testing.assert_allclose(problem.gradient(space.to_values(theta)) / scale, numerical / scale, atol=2e-5)


def test_problems_and_profiles_can_be_sent_to_another_process(known):
    again = pickle.loads(pickle.dumps(known))
    assert again.problem.fingerprint == known.problem.fingerprint
    assert again.maximum == known.maximum
    name = known.problem.space.free[0]
    np.testing.assert_array_equal(again.profile([name], [[0.5]]), known.profile([name], [[0.5]]))


def test_problems_are_told_apart_by_their_fingerprints():
    made = [make().problem.fingerprint for make in KNOWN_PROBLEMS.values()]
    assert len(set(made)) == len(made)
    assert problems.gaussian(3).problem.fingerprint != problems.gaussian(3, correlation=0.5).problem.fingerprint
    assert problems.two_islands().problem.fingerprint != problems.two_islands(drop=2.0).problem.fingerprint


@pytest.mark.parametrize(
    ("names", "nodes"), [(("x0", "x0"), ([0.0], [0.0])), (("nowhere",), ([0.0],)), (("x0", "x1"), ([0.0],))]
)
def test_profile_refuses_names_that_make_no_sense(names, nodes):
    with pytest.raises(wilks.WilksError, match="expected different names out of x0, x1"):
        problems.rastrigin(2).profile(names, nodes)


def test_gaussian_profile_is_the_schur_complement():
    known = problems.gaussian(10)
    covariance = 0.9 ** np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    x, y = np.linspace(-2, 2, 5), np.linspace(-1, 1, 3)
    inner = np.linalg.inv(covariance[np.ix_([1, 7], [1, 7])])
    expected = [[-0.5 * np.array([a, b]) @ inner @ np.array([a, b]) for b in y] for a in x]
    np.testing.assert_allclose(known.profile(("x1", "x7"), (x, y)), expected, rtol=1e-9, atol=1e-9)


def test_bounded_has_active_bounds_that_change_along_the_profile():
    known = problems.bounded()
    names = known.problem.space.free
    assert sorted(known.best[name] == pytest.approx(0.0, abs=1e-12) for name in names) == [False, False, True, True]
    nodes = np.linspace(0, 4, 9)
    optima = known.profile._conditional_optima([1], [0, 2, 3], nodes[:, None])
    active = (optima <= 0) | (optima >= 4)
    assert active.any()
    assert not active.all(axis=0).all()


def test_two_islands_is_two_islands():
    x = np.linspace(-4, 4, 401)
    inside = problems.two_islands().profile(["x"], [x]) > -4.0
    assert np.count_nonzero(np.diff(inside.astype(int)) == 1) == 2
    assert x[inside].min() < -2 < x[inside & (x < 0)].max() < 0 < x[inside & (x > 0)].min() < 2 < x[inside].max()


def test_himmelblau_has_sixteen_maxima():
    maxima = problems.himmelblau_4d().maxima
    assert len({tuple(point.values()) for point in maxima}) == 16
