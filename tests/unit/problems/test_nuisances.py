"""Problems with nuisance parameters: what they do, and that the best ones are the best, not the mean."""

import itertools
import math
import pickle

import numpy as np
import pytest

import wilks
from tests.unit.problems.brute_force import best_of_the_others
from wilks import problems

MODES = ("shift", "scale", "rotation", "additive", "mixed")
CONSTRAINTS = ("gaussian", "uniform", "soft_uniform")
REGISTERED = [name for name in problems.list_test_functions() if name.endswith(CONSTRAINTS)]
FLAT = math.sqrt(3)


def made(mode, constraint="gaussian", base="himmelblau_4d", **settings):
    return problems.with_nuisances(problems.test_function(base), mode=mode, constraint=constraint, **settings)


def limits_of_nuisances(known):
    likelihood = known.problem.log_likelihood
    return [(-FLAT, FLAT) if likelihood.constraint == "uniform" else (-5, 5)] * len(likelihood.nuisances)


def interest_of(known):
    return known.problem.log_likelihood.interest


def test_every_mode_is_registered_with_every_constraint():
    endings = {f"{mode}_{constraint}" for mode, constraint in itertools.product(MODES, CONSTRAINTS)}
    assert {ending for ending in endings if any(name.endswith(ending) for name in REGISTERED)} == endings
    assert len(REGISTERED) == 15
    for name in REGISTERED:
        likelihood = problems.test_function(name).problem.log_likelihood
        assert name.endswith(f"_{likelihood.constraint}")
        # Three in the mode that takes three actions in turn.
        assert likelihood.nuisances == ("nu0", "nu1", "nu2")[: 3 if "_mixed_" in name else 2]


def moved_by_hand(likelihood, x, nu):
    """The formulas of the documentation for the box [-6, 6]^n, one parameter at a time; M is already times s."""
    x, matrix = list(x), likelihood.matrix
    for j, action in enumerate(likelihood.actions):
        if action == "rotation":
            p, q = j % len(x), (j + 1) % len(x)
            angle = likelihood.angle * nu[j]
            x[p], x[q] = (
                math.cos(angle) * x[p] - math.sin(angle) * x[q],
                math.sin(angle) * x[p] + math.cos(angle) * x[q],
            )
    factor = [1.0] * len(x)
    offset = [0.0] * len(x)
    for j, action in enumerate(likelihood.actions):
        for i in range(len(x)):
            factor[i] += 0.1 * matrix[i, j] * nu[j] if action == "scale" else 0.0
            offset[i] += 0.05 * 12 * matrix[i, j] * nu[j] if action == "shift" else 0.0
    return [min(max(v * f + o, -6.0), 6.0) for v, f, o in zip(x, factor, offset, strict=True)]


@pytest.mark.parametrize("mode", MODES)
def test_log_likelihood_is_the_formula(mode):
    base = problems.himmelblau_4d().problem
    problem = made(mode, n=4, strength=2.0).problem
    likelihood = problem.log_likelihood
    assert np.linalg.norm(likelihood.matrix, axis=0) == pytest.approx(2.0)
    assert likelihood.angle == pytest.approx(0.2)
    for theta in problem.space.from_unit(np.random.default_rng(1).random((20, 8))).tolist():
        x, nu = theta[:4], theta[4:]
        moved = moved_by_hand(likelihood, x, nu)
        expected = base.log_likelihood(dict(zip(base.space.free, moved, strict=True))) - sum(v * v for v in nu) / 2
        if mode == "additive":
            expected -= 0.5 * np.sum((likelihood.matrix @ nu) ** 2)
        assert problem.log_likelihood(problem.space.to_values(theta)) == pytest.approx(expected, rel=1e-10)


def test_mixed_takes_the_actions_in_turn():
    assert made("mixed", n=4).problem.log_likelihood.actions == ("shift", "scale", "rotation", "shift")


@pytest.mark.parametrize(
    ("constraint", "nu", "expected"),
    [
        ("gaussian", 2.0, -2.0),
        ("gaussian", -5.0, -12.5),
        ("uniform", 1.7, 0.0),
        ("uniform", 1.74, -math.inf),
        ("uniform", -5.0, -math.inf),
        ("soft_uniform", -1.7, 0.0),
        ("soft_uniform", -(FLAT + 0.5), -2.0),
    ],
)
def test_constraint(constraint, nu, expected):
    problem = made("additive", constraint, "sphere_2d", n=1, strength=0.0).problem
    assert problem.log_likelihood({"x0": 0.0, "x1": 0.0, "nu0": nu}) == pytest.approx(expected)
    batch = problem.log_likelihood({"x0": np.zeros(2), "x1": np.zeros(2), "nu0": np.array([0.0, nu])})
    assert batch.tolist() == [0.0, pytest.approx(expected)]


@pytest.mark.parametrize("name", REGISTERED)
def test_maximum_is_that_of_the_base(name):
    known = problems.test_function(name)
    space, generator = known.problem.space, np.random.default_rng(4)
    assert known.maximum == 0
    for point in known.maxima:
        assert known.problem.log_likelihood(point) == pytest.approx(0.0, abs=1e-12)
        assert all(point[nuisance] == 0 for nuisance in known.problem.log_likelihood.nuisances)
    points = space.from_unit(generator.random((50_000, space.dimension)))
    assert known.problem.log_likelihood(dict(zip(space.free, points.T, strict=True))).max() <= 1e-12


@pytest.mark.parametrize("name", REGISTERED)
def test_optimal_nuisances_are_optimal(name):
    known = problems.test_function(name)
    interest, limits = interest_of(known), limits_of_nuisances(known)
    space = known.problem.space
    for theta in space.from_unit(0.1 + 0.8 * np.random.default_rng(5).random((2, space.dimension))):
        values = {each: float(theta[space.index(each)]) for each in interest}
        best = problems.optimal_nuisances(known, values)
        height = known.problem.log_likelihood({**values, **best})
        brute = best_of_the_others(known.problem, values, limits)
        # Brute force stops at 1e-8 where a bound of the box makes a kink.
        assert height == pytest.approx(brute, rel=1e-8, abs=1e-8)
        assert height >= brute - 1e-9 * (1 + abs(brute))
        assert known.profile(interest, [[values[each]] for each in interest]).item() == pytest.approx(height, abs=1e-12)


@pytest.mark.parametrize("mode", ["shift", "scale", "rotation", "mixed"])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_optimal_nuisances_are_not_the_mean_away_from_a_maximum(mode, constraint):
    known = made(mode, constraint, n=3 if mode == "mixed" else 2, strength=3.0)
    values = {"x0": 4.2, "x1": 2.6, "x2": -2.0, "x3": 3.9}
    best = problems.optimal_nuisances(known, values)
    at_mean = known.problem.log_likelihood({**values, **dict.fromkeys(best, 0.0)})
    assert known.problem.log_likelihood({**values, **best}) > at_mean + 1.0
    assert max(abs(value) for value in best.values()) > 0.1


@pytest.mark.parametrize("mode", MODES)
def test_optimal_nuisances_are_the_mean_at_a_maximum(mode):
    known = made(mode)
    for point in known.maxima[::5]:
        best = problems.optimal_nuisances(known, {name: point[name] for name in interest_of(known)})
        assert list(best.values()) == pytest.approx([0.0, 0.0], abs=1e-5)


def test_optimal_nuisances_of_the_control_are_the_mean_everywhere():
    known = made("additive")
    best = problems.optimal_nuisances(known, {"x0": 2.2, "x1": 1.1, "x2": -2.0, "x3": 3.5})
    assert list(best.values()) == pytest.approx([0.0, 0.0], abs=1e-6)
    base, nodes = problems.himmelblau_4d(), [[-1.0, 2.0], [0.5]]
    np.testing.assert_allclose(known.profile(["x1", "x2"], nodes), base.profile(["x1", "x2"], nodes), atol=1e-9)


def test_optimal_shift_of_a_parabola_in_closed_form():
    """log L = -(x + a nu)^2 - nu^2 / 2 is largest at nu = -a x / (a^2 + 1 / 2)."""
    known = made("shift", base="sphere_1d", n=1, strength=4.0)
    a = 0.05 * 10 * known.problem.log_likelihood.matrix.item()
    for x in (-4.0, 0.0, 1.0, 3.0):
        best = problems.optimal_nuisances(known, {"x0": x})["nu0"]
        assert best == pytest.approx(-a * x / (a**2 + 0.5), abs=1e-6)
        assert known.profile(["x0"], [[x]]).item() == pytest.approx(-(x**2) / (1 + 2 * a**2), abs=1e-10)


SLICES = [
    ("himmelblau_4d_shift_gaussian", ("x0", "x1")),
    ("himmelblau_4d_rotation_gaussian", ("x0", "x2")),
    ("himmelblau_4d_scale_uniform", ("x3", "x1")),
    ("sphere_4d_scale_soft_uniform", ("x1", "x2")),
    ("styblinski_tang_2d_shift_uniform", ("x0",)),
    ("rastrigin_2d_shift_soft_uniform", ("x1",)),
    ("rosenbrock_2d_scale_gaussian", ("x0",)),
    ("beale_2d_rotation_uniform", ("x1",)),
    ("levy_2d_rotation_soft_uniform", ("x0",)),
    ("ackley_2d_additive_gaussian", ("x0",)),
    ("styblinski_tang_2d_mixed_gaussian", ("x1",)),
    ("rosenbrock_2d_mixed_uniform", ("x1",)),
    ("levy_2d_mixed_soft_uniform", ("x0",)),
    ("rastrigin_2d_shift_soft_uniform", ("nu0", "x1")),
]
# Others have the same action, and others the same constraint.
THOROUGH = {
    "himmelblau_4d_shift_gaussian",
    "himmelblau_4d_rotation_gaussian",
    "sphere_4d_scale_soft_uniform",
    "levy_2d_mixed_soft_uniform",
}


@pytest.mark.parametrize(
    ("name", "over"),
    [pytest.param(*each, marks=pytest.mark.slow) if each[0] in THOROUGH else each for each in SLICES],
    ids=[f"{name}-{'-'.join(over)}" for name, over in SLICES],
)
def test_profile_agrees_with_brute_force(name, over):
    known = problems.test_function(name)
    space = known.problem.space
    box = dict(zip(space.free, [*[None] * len(interest_of(known)), *limits_of_nuisances(known)], strict=True))
    limits = [box[each] or (space[each].lower, space[each].upper) for each in space.free if each not in over]
    theta = space.from_unit(0.25 + 0.5 * np.random.default_rng(6).random(space.dimension))
    fixed = {each: float(theta[space.index(each)]) for each in over}
    height = known.profile(over, [[value] for value in fixed.values()]).item()
    brute = best_of_the_others(known.problem, fixed, limits)
    assert height == pytest.approx(brute, rel=1e-6, abs=1e-6)
    assert height >= brute - 1e-8 * (1 + abs(brute))


def test_profile_verb_finds_the_known_profile():
    known = made("shift", base="styblinski_tang_2d", strength=2.0)
    result = wilks.profile(known.problem, over="x0", grid=13, roi_threshold=20.0, seed=1)
    exact = known.profile(["x0"], [result.axes["x0"]])
    visited = np.isfinite(result.log_likelihood_map)
    assert np.count_nonzero(visited) >= 3
    np.testing.assert_allclose(result.log_likelihood_map[visited], exact[visited], atol=0.01)


# A problem of the user's own: a point at a time, with a constant, and only defined in its box.

CALLS = []


def own_log_likelihood(values):
    CALLS.append(values)
    assert values["unit"] == "mm"
    return -((math.sqrt(values["a"]) - 1.0) ** 2) - 3.0 * (values["b"] - 0.5) ** 2


def own_problem():
    space = wilks.Space(a=wilks.Real(0, 4), unit="mm", b=wilks.Real(-1, 1))
    return wilks.LikelihoodProblem(space, own_log_likelihood, name="own")


@pytest.mark.parametrize("mode", MODES)
def test_problem_of_ones_own(mode):
    CALLS.clear()
    wrapped = problems.with_nuisances(own_problem(), 1, mode=mode, strength=3.0)
    assert isinstance(wrapped, wilks.LikelihoodProblem)
    assert not wrapped.vectorized
    assert wrapped.space.free == ("a", "b", "nu0")
    best = problems.optimal_nuisances(wrapped, {"a": 0.1, "b": -0.9})
    scan = [wrapped.log_likelihood({"a": 0.1, "b": -0.9, "nu0": nu}) for nu in np.linspace(-5, 5, 2001)]
    assert wrapped.log_likelihood({"a": 0.1, "b": -0.9, **best}) >= max(scan) - 1e-9
    assert all(0 <= values["a"] <= 4 and -1 <= values["b"] <= 1 for values in CALLS)
    assert all(type(values["a"]) is float for values in CALLS)


@pytest.mark.parametrize(
    ("problem", "settings", "message"),
    [
        (problems.sphere(2), {"mode": "shifted"}, "mode: expected one of shift, scale, rotation"),
        (problems.sphere(2), {"constraint": "flat"}, "constraint: expected one of gaussian, uniform, soft_uniform"),
        (problems.sphere(2), {"n": 0}, "at least one nuisance parameter"),
        (problems.sphere(1), {"mode": "rotation"}, "a rotation needs two parameters"),
        (problems.sphere(1), {"mode": "mixed", "n": 3}, "a rotation needs two parameters"),
        (problems.supernova_residuals(), {}, "expected a KnownProblem or a LikelihoodProblem, got ResidualProblem"),
        (
            wilks.LikelihoodProblem(wilks.Space(k=wilks.Integer(0, 3)), own_log_likelihood),
            {},
            "expected real parameters only, got k",
        ),
        (
            wilks.LikelihoodProblem(wilks.Space(nu1=wilks.Real(0, 3)), own_log_likelihood),
            {},
            "parameters of its own called nu1",
        ),
        (
            wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(0, 3)), own_log_likelihood, constraints=bool),
            {},
            "has constraints",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(problem, settings, message):
    with pytest.raises(wilks.WilksError, match=message):
        problems.with_nuisances(problem, **settings)


def test_optimal_nuisances_wants_such_a_problem_and_all_parameters_of_interest():
    with pytest.raises(wilks.WilksError, match=r"made by wilks\.problems\.with_nuisances"):
        problems.optimal_nuisances(problems.sphere(2), {"x0": 0.0})
    with pytest.raises(wilks.WilksError, match="got none for x1"):
        problems.optimal_nuisances(made("shift", base="sphere_2d"), {"x0": 0.0})


def test_settings_make_different_problems_and_the_same_settings_the_same():
    variants = [made("shift"), made("scale"), made("shift", "uniform"), made("shift", seed=1), made("shift", n=3)]
    variants.append(made("shift", strength=0.5))
    assert len({known.problem.fingerprint for known in variants}) == len(variants)
    assert made("shift").problem.fingerprint == variants[0].problem.fingerprint
    again = pickle.loads(pickle.dumps(variants[0]))
    assert again.problem.fingerprint == variants[0].problem.fingerprint


def test_wrapped_problem_can_have_parameters_fixed():
    known = made("scale", base="sphere_2d")
    fixed = known.problem.fix(nu0=0.0, nu1=0.0)
    assert wilks.fit(fixed, seed=1).log_likelihood == pytest.approx(0.0, abs=1e-6)
