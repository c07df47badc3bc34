"""Profiles by brute force agree with those that are known by other means."""

import numpy as np
import pytest

import wilks
from wilks import problems
from wilks.problems.search import SearchedProfile


def searched(known, **settings):
    space = known.problem.space
    limits = tuple((space[name].lower, space[name].upper) for name in space.free)
    return SearchedProfile(space.free, known.problem.log_likelihood, limits, **settings)


@pytest.mark.parametrize(
    ("known", "over"),
    [
        (problems.gaussian(3), ("x1",)),
        (problems.gaussian(3), ("x2", "x0")),
        (problems.bounded(), ("x0", "x3")),
        (problems.bounded(), ("x1",)),
        (problems.rosenbrock(3), ("x2",)),
        (problems.rosenbrock(4), ("x3", "x1")),
        (problems.himmelblau_4d(), ("x0",)),
        (problems.two_islands(), ("nuisance",)),
        (problems.styblinski_tang(4), ()),
        (problems.levy(2), ("x0", "x1")),
    ],
    ids=lambda value: value.problem.name if hasattr(value, "problem") else "-".join(value),
)
def test_searched_profile_is_the_exact_one(known, over):
    space = known.problem.space
    points = space.from_unit(np.random.default_rng(2).random((3, space.dimension)))
    nodes = [points[:, space.index(name)] for name in over]
    expected = known.profile(over, nodes) if over else known.maximum
    profile = searched(known)
    np.testing.assert_allclose(profile(over, nodes), expected, rtol=1e-9, atol=1e-9)
    # The argmax is where the log-likelihood takes this value.
    best = profile.argmax(over, nodes)
    mesh = dict(zip(over, np.meshgrid(*nodes, indexing="ij"), strict=True))
    values = {name: mesh.get(name, best.get(name)) for name in space.free}
    np.testing.assert_allclose(known.problem.log_likelihood(values), expected, rtol=1e-9, atol=1e-9)


def test_nodes_are_worked_off_in_parts(monkeypatch):
    known = problems.rotated_4d()
    nodes = [np.linspace(-5, 5, 4), np.linspace(-5, 5, 3)]
    at_once = known.profile(("x0", "x2"), nodes)
    monkeypatch.setattr("wilks.problems.search._CHUNK", 25_000)
    np.testing.assert_allclose(known.profile(("x0", "x2"), nodes), at_once, rtol=1e-12, atol=1e-12)


def test_too_many_free_parameters_are_refused():
    profile = searched(problems.sphere(7))
    with pytest.raises(wilks.WilksError, match=r"at most 5 of the parameters .* free, got 6 free"):
        profile(["x0"], [[0.0]])


def test_excluded_points_are_minus_infinity_and_no_argmax():
    def log_likelihood(values):
        return np.where(values["x"] > 0, -((values["y"] - values["x"]) ** 2), -np.inf)

    profile = SearchedProfile(("x", "y"), log_likelihood, ((-1.0, 1.0), (-1.0, 1.0)))
    assert profile(["x"], [[-0.5, 0.3]]).tolist() == [-np.inf, pytest.approx(0.0, abs=1e-12)]
    best = profile.argmax(["x"], [[-0.5, 0.3]])["y"]
    assert np.isnan(best[0])
    assert best[1] == pytest.approx(0.3, abs=1e-6)
