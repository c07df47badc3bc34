"""The test functions by name: formulas of the literature, maxima to the last digit, profiles against brute force."""

import itertools
import math
import pickle

import numpy as np
import pytest

import wilks
from tests.unit.problems.brute_force import best_of_the_others
from wilks import problems
from wilks.evaluation.call import evaluate_chunk

PLAIN = [name for name in problems.list_test_functions() if "_gaussian" not in name and "uniform" not in name]
SEARCHED = ["rotated_4d", "bounded_coupled_4d", "rippled_coupled_4d"]


def uniform(space, n, seed=0):
    return space.from_unit(np.random.default_rng(seed).random((n, space.dimension)))


def himmelblau(x, y):
    return (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2


def levy(x):
    w = [1 + (each - 1) / 4 for each in x]
    middle = sum((each - 1) ** 2 * (1 + 10 * math.sin(math.pi * each + 1) ** 2) for each in w[:-1])
    return math.sin(math.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)


def ackley(x):
    bowl = -20 * math.exp(-0.2 * math.sqrt(sum(each**2 for each in x) / len(x)))
    return bowl - math.exp(sum(math.cos(2 * math.pi * each) for each in x) / len(x)) + 20 + math.e


def griewank(x):
    return 1 + sum(each**2 for each in x) / 4000 - math.prod(math.cos(v / math.sqrt(i + 1)) for i, v in enumerate(x))


def michalewicz(x):
    return -sum(math.sin(v) * math.sin((i + 1) * v**2 / math.pi) ** 20 for i, v in enumerate(x))


def beale(x):
    return sum((c - x[0] + x[0] * x[1] ** k) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


def eggholder(pairs):
    total = 0.0
    for x, y in zip(pairs[::2], pairs[1::2], strict=True):
        total -= (y + 47) * math.sin(math.sqrt(abs(x / 2 + y + 47))) + x * math.sin(math.sqrt(abs(x - (y + 47))))
    return total


# As minimisation problems in the literature: family, function, published least value for n parameters (rounded there).
LITERATURE = {
    "sphere": (lambda x: sum(v * v for v in x), lambda n: 0.0),
    "rosenbrock": (
        lambda x: 0.1 * sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(x)),
        lambda n: 0.0,
    ),
    "himmelblau": (lambda x: 0.05 * (himmelblau(*x[:2]) + himmelblau(*x[2:])), lambda n: 0.0),
    "beale": (beale, lambda n: 0.0),
    "eggholder": (eggholder, lambda n: -959.6407 * n / 2),
    "rastrigin": (lambda x: sum(10 + v * v - 10 * math.cos(2 * math.pi * v) for v in x), lambda n: 0.0),
    "ackley": (ackley, lambda n: 0.0),
    "griewank": (griewank, lambda n: 0.0),
    "michalewicz": (michalewicz, {2: -1.8013, 4: -3.6989, 6: -5.6877, 10: -9.66015}.get),
    "styblinski_tang": (lambda x: sum(v**4 - 16 * v * v + 5 * v for v in x) / 2, lambda n: -39.16617 * n),
    "levy": (levy, lambda n: 0.0),
    "schwefel": (lambda x: -sum(v * math.sin(math.sqrt(abs(v))) for v in x), lambda n: -418.9829 * n),
}
BY_FAMILY = [(name, name.rpartition("_")[0]) for name in PLAIN if name.rpartition("_")[0] in LITERATURE]


def test_the_inventory_is_complete():
    families = ["sphere", "rosenbrock", "rastrigin", "ackley", "griewank", "michalewicz", "styblinski_tang", "levy"]
    wanted = {f"{name}_{n}d" for name in (*families, "schwefel") for n in (2, 4, 6, 10)}
    wanted |= {"himmelblau_4d", "beale_2d", "eggholder_2d", "eggholder_4d", "eggholder_6d", *SEARCHED}
    assert wanted <= set(problems.list_test_functions())


@pytest.mark.parametrize(("name", "family"), BY_FAMILY)
def test_function_is_that_of_the_literature(name, family):
    known = problems.test_function(name)
    function, least = LITERATURE[family]
    dimension = known.problem.space.dimension
    # The published least values are rounded to at least four decimals for each parameter.
    shift = least(dimension)
    for theta in uniform(known.problem.space, 20):
        ours = known.problem.log_likelihood(known.problem.space.to_values(theta))
        assert ours == pytest.approx(shift - function(theta.tolist()), rel=1e-9, abs=6e-5 * dimension)


@pytest.mark.parametrize("name", PLAIN)
def test_maximum_is_zero_to_the_last_digit(name):
    known = problems.test_function(name)
    assert known.maximum == 0 or name.startswith("bounded_4d")
    for point in known.maxima:
        known.problem.space.to_theta(point)
        assert known.problem.log_likelihood(point) == pytest.approx(known.maximum, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in PLAIN if name not in ("himmelblau_4d", "eggholder_2d")])
def test_no_step_from_a_maximum_leads_upwards(name):
    known = problems.test_function(name)
    space, generator = known.problem.space, np.random.default_rng(7)
    for point in known.maxima:
        theta = space.to_theta(point)
        for scale in (1e-6, 1e-4, 1e-2, 1.0):
            steps = scale * generator.normal(size=(500, space.dimension)) * (space.from_unit([1] * len(theta)) - theta)
            near = space.from_unit(np.clip(space.to_unit(theta + steps), 0, 1))
            values = dict(zip(space.free, near.T, strict=True))
            assert known.problem.log_likelihood(values).max() <= known.maximum + 1e-12


@pytest.mark.parametrize("name", [*PLAIN, "levy_2d_mixed_gaussian", "rosenbrock_4d_rotation_uniform"])
def test_arrays_of_points_give_the_same_as_one_point_at_a_time(name):
    problem = problems.test_function(name).problem
    space = problem.space
    points = uniform(space, 7, seed=3)
    single = [problem.log_likelihood(space.to_values(point)) for point in points]
    assert all(type(value) is float for value in single)
    batch = problem.log_likelihood(dict(zip(space.free, points.T, strict=True)))
    np.testing.assert_allclose(batch, single, rtol=1e-12, atol=1e-12)
    # With a parameter fixed, a number comes among the arrays.
    mixed = {name: points[:, i] if i else float(points[0, 0]) for i, name in enumerate(space.free)}
    assert problem.log_likelihood(mixed)[0] == pytest.approx(single[0], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", ["sphere_2d", "michalewicz_4d", "eggholder_4d", "ackley_2d_shift_uniform"])
def test_problems_are_evaluated_in_batches_also_with_a_parameter_fixed(name):
    problem = problems.test_function(name).problem
    assert problem.vectorized
    first = problem.space.free[0]
    for each in (problem, problem.fix(**{first: 0.5})):
        points = uniform(each.space, 5)
        answer = evaluate_chunk(each, points, "value")
        expected = [each.log_likelihood(each.space.to_values(point)) for point in points]
        np.testing.assert_allclose(answer.log_likelihoods, expected, rtol=1e-12)
        assert not answer.errors


SLICES = [
    ("sphere_4d", ("x1", "x3")),
    ("ackley_2d", ("x0",)),
    ("ackley_4d", ("x2", "x0")),
    ("beale_2d", ("x0",)),
    ("beale_2d", ("x1",)),
    ("eggholder_2d", ("x0",)),
    ("eggholder_2d", ("x1",)),
    ("eggholder_4d", ("x3", "x0")),
    ("griewank_2d", ("x0",)),
    ("griewank_2d", ("x1",)),
    ("griewank_4d", ("x3", "x0")),
    ("michalewicz_4d", ("x1", "x2")),
    ("styblinski_tang_4d", ("x2", "x0")),
    ("levy_2d", ("x0",)),
    ("levy_4d", ("x1", "x2")),
    ("levy_4d", ("x3", "x0")),
    ("rastrigin_4d", ("x1", "x2")),
    ("schwefel_4d", ("x0", "x2")),
    ("himmelblau_4d", ("x2",)),
    ("rotated_4d", ("x0", "x1")),
    ("rotated_4d", ("x3", "x1", "x2")),
    ("rotated_4d", ("x2",)),
    ("bounded_coupled_4d", ("x0", "x1")),
    ("bounded_coupled_4d", ("x3",)),
    ("rippled_coupled_4d", ("x0", "x1")),
    ("rippled_coupled_4d", ("x3", "x0")),
    ("rippled_coupled_4d", ("x1",)),
]


@pytest.mark.parametrize(("name", "over"), SLICES, ids=[f"{name}-{'-'.join(over)}" for name, over in SLICES])
def test_profile_agrees_with_brute_force(name, over):
    known = problems.test_function(name)
    space = known.problem.space
    nodes = [uniform(space, 2, seed=5)[:, space.index(each)] for each in over]
    table = known.profile(over, nodes)
    assert table.shape == (2,) * len(over)
    for index in [(0,) * len(over), (1,) * len(over)]:
        fixed = {each: float(nodes[axis][i]) for axis, (each, i) in enumerate(zip(over, index, strict=True))}
        assert table[index] == pytest.approx(best_of_the_others(known.problem, fixed), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("over", ["x0", "x1"])
def test_profile_of_eggholder_along_the_whole_axis(over):
    """Also where the best there is lies on a bound of the other parameter."""
    known = problems.eggholder(2)
    # At the last two the highest point of a scan is not next to the highest top, along x0 and along x1.
    nodes = np.concatenate((np.linspace(-512, 512, 33), [458.1888, 437.2224]))
    profile = known.profile([over], [nodes])
    line = np.linspace(-512, 512, 200_001)
    for node, height in zip(nodes.tolist(), profile.tolist(), strict=True):
        values = {"x0": node, "x1": line} if over == "x0" else {"x0": line, "x1": node}
        brute = known.problem.log_likelihood(values).max()
        assert brute - 1e-9 <= height <= brute + 1e-3


def test_profile_of_griewank_where_the_product_of_the_cosines_is_negative():
    """There the best point is not at 0: one of the other parameters turns the sign."""
    known = problems.griewank(4)
    for fixed in ({"x0": 3.0, "x2": 0.5}, {"x1": 4.6, "x3": 0.0}, {"x0": 1.5708, "x3": 0.0}, {"x0": 1.571, "x1": 0.2}):
        names = list(fixed)
        height = known.profile(names, [[value] for value in fixed.values()]).item()
        brute = best_of_the_others(known.problem, fixed)
        assert height == pytest.approx(brute, abs=1e-9)
    # Beyond 8 the bowl alone costs more than a turn of the sign within.
    brute = best_of_the_others(known.problem, {"x2": 4.0}, limits=[(-8, 8)] * 3)
    assert known.profile(["x2"], [[4.0]]).item() == pytest.approx(brute, abs=1e-9)
    zeros = {"x0": 3.0, "x2": 0.5, "x1": 0.0, "x3": 0.0}
    at_zero = known.problem.log_likelihood({name: zeros[name] for name in known.problem.space.free})
    assert known.profile(["x0", "x2"], [[3.0], [0.5]]).item() > at_zero + 1.0


def test_profile_of_beale_at_the_values_where_its_equations_degenerate():
    known = problems.beale_2d()
    assert known.profile(["x0"], [[0.0]]).item() == pytest.approx(-(1.5**2 + 2.25**2 + 2.625**2))
    assert known.profile(["x1"], [[1.0]]).item() == pytest.approx(-(1.5**2 + 2.25**2 + 2.625**2))


@pytest.mark.parametrize("name", [name for name in PLAIN if name not in SEARCHED])
def test_profile_at_the_best_point_is_the_maximum(name):
    known = problems.test_function(name)
    for size in (1, 2):
        for names in itertools.combinations(known.problem.space.free[:5], size):
            values = known.profile(names, [[known.best[each]] for each in names])
            assert values.item() == pytest.approx(known.maximum, abs=1e-9)


def test_published_values_of_michalewicz():
    assert problems.michalewicz(5).problem.log_likelihood(dict.fromkeys("abcde", 0.0)) == pytest.approx(
        -4.687658, abs=1e-6
    )
    assert problems.michalewicz(10).problem.log_likelihood(dict.fromkeys("abcdefghij", 0.0)) == pytest.approx(
        -9.66015, abs=1e-5
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("himelblau_4d", "did you mean 'himmelblau_4d'"),
        ("sphere", "did you mean 'sphere_2d'|did you mean 'sphere_4d'|did you mean 'sphere_6d'"),
        ("beale_4d", "did you mean 'beale_2d'"),
        ("sphere_0d", "did you mean 'sphere_"),
        ("x", "see wilks.problems.list_test_functions"),
        ("levy_4d_shift_gausian", "did you mean"),
        ("levi_4d_shift_gaussian", "unknown test function 'levi_4d', did you mean 'levy_4d'"),
    ],
)
def test_unknown_names_are_refused_with_a_hint(name, hint):
    with pytest.raises(wilks.WilksError, match=hint):
        problems.test_function(name)


def test_families_come_in_any_number_of_parameters():
    assert problems.test_function("rosenbrock_8d").problem.space.dimension == 8
    assert problems.test_function("levy_1d").profile(["x0"], [[1.0]]).item() == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(wilks.WilksError, match="even number of parameters, got 3"):
        problems.test_function("eggholder_3d")


def test_every_name_makes_the_problem_of_that_name():
    for name in problems.list_test_functions():
        assert problems.test_function(name).problem.name == name


def test_problems_are_told_apart_and_can_be_sent_to_another_process():
    made = {name: problems.test_function(name) for name in problems.list_test_functions()}
    assert len({known.problem.fingerprint for known in made.values()}) == len(made)
    for name, known in made.items():
        again = pickle.loads(pickle.dumps(known))
        assert again.problem.fingerprint == known.problem.fingerprint, name


def test_maxima_of_the_rotated_function_are_all_there_are():
    known = problems.rotated_4d()
    assert len(known.maxima) == 16
    # A climb from any point near the top ends at one of them.
    space = known.problem.space
    tops = np.array([list(point.values()) for point in known.maxima])
    assert np.abs(tops[:, None] - tops).max(axis=2)[~np.eye(16, dtype=bool)].min() > 0.5
    points = uniform(space, 400_000, seed=8)
    heights = known.problem.log_likelihood(dict(zip(space.free, points.T, strict=True)))
    for point in points[heights > -0.2]:
        assert np.linalg.norm(tops - point, axis=1).min() < 1.0


def test_bounds_of_the_coupled_function_are_active_in_the_region_of_interest():
    known = problems.bounded_coupled_4d()
    assert known.best["x2"] == 3.0
    nodes = np.linspace(-6, 6, 13)
    inside = known.profile(["x0", "x1"], [nodes, nodes]) > -5
    optima = known.profile.argmax(["x0", "x1"], [nodes, nodes])
    on_bound = (np.abs(optima["x2"]) > 3 - 1e-9) | (np.abs(optima["x3"]) > 3 - 1e-9)
    assert 0.2 < on_bound[inside].mean() < 0.8


def test_map_of_the_rippled_function_is_a_patchwork():
    known = problems.rippled_coupled_4d()
    nodes = np.linspace(-4, 4, 41)
    optima = known.profile.argmax(["x0", "x1"], [nodes, nodes[5:36:5]])
    x0, x1 = np.meshgrid(nodes, nodes[5:36:5], indexing="ij")
    inside = known.problem.log_likelihood({"x0": x0, "x1": x1, **optima}) > -4
    steps = np.stack([np.diff(optima[name], axis=0) for name in ("x2", "x3")])
    jumps = (np.abs(steps) > 0.5).any(axis=0)
    # Seven lines through the region, with two or three changes of the branch on each.
    assert np.count_nonzero(jumps & inside[1:] & inside[:-1]) > 12
