"""Small problems whose profiles have closed forms, one difficulty each, and the comparison of a map with the truth."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import wilks
from wilks import Categorical, Grid, Integer, LikelihoodProblem, Real, Space

TOLERANCE = 1e-3
"""Largest error of a cell in the region of interest."""


@dataclass(frozen=True)
class Case:
    """A problem, a map of it, and the true profile as a function of the axes' nodes (an open mesh of arrays)."""

    problem: LikelihoodProblem
    over: tuple[str, ...]
    truth: Callable[..., np.ndarray]
    grid: object
    threshold: float = 4.0
    maximum: float = 0.0
    more: dict[str, object] = field(default_factory=dict)

    def profile(self, seed=1, **more):
        return wilks.profile(
            self.problem,
            over=self.over,
            grid=self.grid,
            roi_threshold=self.threshold,
            seed=seed,
            **{"audit": 4, "callbacks": [], **self.more, **more},
        )

    def true_map(self, result):
        return np.asarray(self.truth(*np.ix_(*(result.axes[name] for name in self.over))), dtype=float)


def assert_exact(result, truth, maximum, tolerance=TOLERANCE):
    """Every cell of the true region is there and right, no cell is above the truth, every begun cell has a status."""
    found = result.log_likelihood_map
    assert found.shape == truth.shape
    region = truth > maximum - result.roi_threshold + 1e-9
    finite = np.isfinite(found)
    error = np.full(found.shape, np.inf)
    error[finite] = truth[finite] - found[finite]
    error = error[region]
    assert not np.isinf(error).any(), f"{int(np.isinf(error).sum())} of {error.size} cells are missing"
    assert error.max(initial=0.0) <= tolerance, f"{int((error > tolerance).sum())} of {error.size} cells are wrong"
    assert (found[finite] - truth[finite]).max(initial=-np.inf) <= 1e-9, "a cell lies above the truth"
    assert ((result.cell_status == 0) == np.isnan(found)).all()
    assert np.array_equal(
        result.in_roi, np.nan_to_num(found, nan=-np.inf) > result.log_likelihood - result.roi_threshold
    )


def assert_argmax_gives_the_map(result, problem):
    """The likelihood at the argmax of a cell is the map's value, exactly."""
    space = problem.space
    for index in np.argwhere(np.isfinite(result.log_likelihood_map)):
        at = tuple(index.tolist())
        theta = np.empty(space.dimension)
        for name, i in zip(result.over, at, strict=True):
            theta[space.index(name)] = result.axes[name][i]
        for name, values in result.argmax.items():
            theta[space.index(name)] = values[at]
        assert problem.log_likelihood(space.to_values(theta)) == result.log_likelihood_map[at]


def square(x):
    return -0.5 * x**2


def _log_axes():
    def log_likelihood(v):
        a, b = np.log(v["a"]), np.log(v["b"])
        return square(a) + square((b - 0.5 * a) / 0.3)

    space = Space(a=Real(0.01, 100, scale="log"), b=Real(0.05, 20, scale="log"))
    return Case(LikelihoodProblem(space, log_likelihood), ("a",), lambda a: square(np.log(a)), (41,))


def _uneven_nodes():
    nodes = {"y": [-2.0, -1.9, -0.3, 0.0, 0.7, 2.5], "x": [-3.5, -2.0, -1.9, -1.0, 0.05, 0.06, 1.0, 1.5, 2.9]}
    problem = _pulled(Space(x=Real(-4, 4), y=Real(-3, 3), n=Real(-9, 9)))
    return Case(problem, ("x", "y"), lambda x, y: square(x) + square(y), nodes, 6.0)


def _pulled(space):
    return LikelihoodProblem(
        space, lambda v: square(v["x"]) + square(v["y"]) + square((v["n"] - v["x"] * v["y"]) / 0.2)
    )


def _touches_the_box():
    problem = LikelihoodProblem(
        Space(x=Real(0, 3), y=Real(0, 3), n=Real(-9, 9)),
        lambda v: square(v["x"] + 0.5) + square(v["y"] - 2.8) + square((v["n"] - v["x"]) / 0.3) + 0.125,
    )
    return Case(problem, ("x", "y"), lambda x, y: square(x + 0.5) + square(y - 2.8) + 0.125, (21, 21))


def _ring():
    def truth(x, y):
        return square((np.hypot(x, y) - 2.0) / 0.15)

    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), y=Real(-4, 4), n=Real(-6, 6)),
        lambda v: float(truth(v["x"], v["y"])) + square((v["n"] - v["x"]) / 0.4),
    )
    return Case(problem, ("x", "y"), truth, (41, 41), 3.0)


def _narrow_ridge():
    """The region holds the cells of a diagonal only, none of which shares a face with another."""

    def truth(x, y):
        return square((y - x) / 0.02) + square(x)

    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), y=Real(-4, 4), n=Real(-20, 20)),
        lambda v: truth(v["x"], v["y"]) + square((v["n"] - v["x"] ** 2) / 0.5),
    )
    return Case(problem, ("x", "y"), truth, (41, 41))


def far_island():
    """An island of a few cells, far from the optimum, on a wide shoulder that lies below the region of interest."""

    def truth(x, y):
        far = np.hypot(x - 2.1, y - 2.1)
        return np.maximum(
            -0.5 * ((x + 2) ** 2 + (y + 2) ** 2), np.maximum(-6 - 0.1 * far**2, -1 - 0.5 * (far / 0.08) ** 2)
        )

    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), y=Real(-4, 4), n=Real(-6, 6)),
        lambda v: float(truth(v["x"], v["y"])) + square(v["n"] - 1),
    )
    return Case(problem, ("x", "y"), truth, (61, 61))


def _fold():
    """The best nuisance jumps from 2 to -2 where the two curves cross."""

    def curves(x):
        return -0.3 * (x + 1) ** 2, -0.2 - 0.3 * (x - 1.2) ** 2

    def log_likelihood(v):
        one, two = curves(v["x"])
        return max(one + square((v["n"] - 2) / 0.3), two + square((v["n"] + 2) / 0.3))

    problem = LikelihoodProblem(Space(x=Real(-5, 5), n=Real(-4, 4)), log_likelihood)
    return Case(problem, ("x",), lambda x: np.maximum(*curves(x)), (61,))


def _branch_without_an_optimum():
    """A branch that rises to the edge of the grid and beats the parabola only far from its top."""

    def curves(x):
        return square(x), -1.2 - 0.25 * (3 - x)

    def log_likelihood(v):
        one, two = curves(v["x"])
        return max(one + square((v["n"] - 1.5) / 0.2), two + square((v["n"] + 1.5) / 0.2))

    problem = LikelihoodProblem(Space(x=Real(-3, 3), n=Real(-3, 3)), log_likelihood)
    return Case(problem, ("x",), lambda x: np.maximum(*curves(x)), (61,))


def _nuisance_at_bounds():
    """The free optimum of both nuisances lies outside the box over part of the profile."""

    def log_likelihood(v):
        return square(v["x"]) + square((v["m"] - v["x"]) / 0.5) + square((v["n"] + v["x"] + 1) / 0.5)

    def truth(x):
        m, n = np.clip(x, -1, 1), np.clip(-x - 1, -1, 1)
        return square(x) + square((m - x) / 0.5) + square((n + x + 1) / 0.5)

    problem = LikelihoodProblem(Space(x=Real(-4, 4), m=Real(-1, 1), n=Real(-1, 1)), log_likelihood)
    return Case(problem, ("x",), truth, (81,))


def _wall_of_nan():
    """Undefined just beside the ridge: the optimum lies 0.1 from the wall, its width is 1."""

    def log_likelihood(v):
        if v["n"] > v["x"] + 0.1:
            return float("nan")
        return square(v["x"]) + square(v["n"] - v["x"])

    problem = LikelihoodProblem(Space(x=Real(-4, 4), n=Real(-6, 6)), log_likelihood)
    return Case(problem, ("x",), square, (41,))


def _raises_in_half_of_the_box():
    def log_likelihood(v):
        if v["n"] < 0:
            raise ValueError("negative")
        return square(v["x"]) + square(v["n"] - 2 - 0.3 * v["x"])

    return Case(LikelihoodProblem(Space(x=Real(-4, 4), n=Real(-6, 6)), log_likelihood), ("x",), square, (41,))


def _zero_likelihood_beyond_a_line():
    def log_likelihood(v):
        if v["x"] + v["y"] > 1.0:
            return -np.inf
        return square(v["x"]) + square(v["y"]) + square(v["n"] - v["x"])

    def truth(x, y):
        return np.where(x + y > 1.0, -np.inf, square(x) + square(y))

    problem = LikelihoodProblem(Space(x=Real(-4, 4), y=Real(-4, 4), n=Real(-6, 6)), log_likelihood)
    return Case(problem, ("x", "y"), truth, (25, 25))


def _constant():
    problem = LikelihoodProblem(Space(x=Real(-1, 1), y=Real(0, 5), n=Real(-1, 1)), lambda _: 3.0)
    return Case(problem, ("x", "y"), lambda x, y: 3.0 + 0 * x * y, (7, 5), maximum=3.0)


def _unlike_scales():
    def log_likelihood(v):
        a, b = v["a"] / 1e-9, v["b"] / 1e12
        return -0.5 * ((a - 0.5) ** 2 + (b - 0.5 - 0.9 * (a - 0.5)) ** 2 / 0.19) / 0.01

    problem = LikelihoodProblem(Space(a=Real(0, 1e-9), b=Real(0, 1e12)), log_likelihood)
    return Case(problem, ("a",), lambda a: square((a / 1e-9 - 0.5) / 0.1), (41,))


def _flat_nuisance():
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), n=Real(-5, 5), idle=Real(0, 1)), lambda v: square(v["x"]) + square(v["n"] - v["x"])
    )
    return Case(problem, ("x",), square, (41,))


def _sum_of_two_nuisances():
    """Only the sum of two nuisances is determined: a ridge in every cell."""
    problem = LikelihoodProblem(
        Space(x=Real(-3, 3), m=Real(-5, 5), n=Real(-5, 5)),
        lambda v: square(v["x"]) + square((v["m"] + v["n"] - v["x"]) / 0.1),
    )
    return Case(problem, ("x",), square, (41,))


def _discrete_axis(domain, values):
    positions = dict(zip(values, np.linspace(-1.5, 1.5, len(values)), strict=True))

    def log_likelihood(v):
        return square(positions[v["k"]]) + square((v["n"] - 2 * positions[v["k"]]) / 0.3) + square(v["x"] - 0.5)

    problem = LikelihoodProblem(Space(k=domain, x=Real(-3, 3), n=Real(-5, 5)), log_likelihood)
    nodes = np.array([domain.encode(value) for value in values])

    def truth(k, x):
        return square(np.interp(k, nodes, list(positions.values()))) + square(x - 0.5)

    return Case(problem, ("k", "x"), truth, {"x": 25})


def _discrete_nuisance():
    centres = {"left": -1.0, "middle": 0.2, "right": 1.5}

    def log_likelihood(v):
        return square(v["x"] - centres[v["kind"]]) + square((v["n"] - len(v["kind"])) / 0.5)

    problem = LikelihoodProblem(Space(x=Real(-4, 4), kind=Categorical(list(centres)), n=Real(0, 10)), log_likelihood)

    def truth(x):
        return np.max([square(x - centre) for centre in centres.values()], axis=0)

    return Case(problem, ("x",), truth, (41,))


def _fixed_parameter():
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), y=Real(-4, 4), n=Real(-6, 6)),
        lambda v: square(v["x"] - v["y"]) + square(v["n"] - v["x"]),
    )
    return Case(problem.fix(y=1.0), ("x",), lambda x: square(x - 1), (41,))


def _constraint():
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), n=Real(-6, 6)),
        lambda v: square(v["x"]) + square(v["n"] - v["x"]),
        constraints=lambda v: v["n"] < v["x"] + 0.2,
    )
    return Case(problem, ("x",), square, (41,))


def _vectorized():
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), n=Real(-6, 6), m=Real(-6, 6)),
        lambda v: square(v["x"]) + square(v["n"] - v["x"]) + square(v["m"] + v["n"]),
        vectorized=True,
    )
    return Case(problem, ("x",), square, (41,))


def curved(gradient):
    return LikelihoodProblem(
        Space(x=Real(-3, 3), m=Real(-6, 6), n=Real(-6, 6)),
        lambda v: square(v["x"]) + square((v["m"] - v["x"] ** 2 / 2) / 0.2) + square((v["n"] - v["m"]) / 0.5),
        gradient=gradient,
    )


def _whole_gradient(v):
    x, m, n = v["x"], v["m"], v["n"]
    pull, link = (m - x**2 / 2) / 0.04, (n - m) / 0.25
    return {"x": -x + pull * x, "m": -pull + link, "n": -link}


def _partial_gradient(v):
    whole = _whole_gradient(v)
    return {"n": whole["n"], "m": float("nan")}


def raising_gradient(v):
    raise RuntimeError("no gradient today")


def _gradient_with_gaps(v):
    """Raises away from the ridge."""
    return _whole_gradient(v) if abs(v["m"] - v["x"] ** 2 / 2) < 3 else raising_gradient(v)


def _one_cell():
    problem = _pulled(Space(x=Real(-4, 4), y=Real(-3, 3), n=Real(-9, 9)))
    return Case(problem, ("x", "y"), lambda x, y: square(x) + square(y), ([0.5], [-0.25]))


def _optimum_beyond_the_grid():
    problem = _pulled(Space(x=Real(-4, 4), y=Real(-3, 3), n=Real(-9, 9)))
    return Case(problem, ("x",), square, (np.linspace(1.5, 3.5, 21),))


def _all_profiled():
    problem = LikelihoodProblem(Space(x=Real(-4, 4), y=Real(-4, 4)), lambda v: square(v["x"]) + square(v["y"] - v["x"]))
    return Case(problem, ("x", "y"), lambda x, y: square(x) + square(y - x), (33, 29))


def _three_profiled():
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), y=Real(-4, 4), z=Real(-4, 4), n=Real(-9, 9)),
        lambda v: square(v["x"]) + square(v["y"]) + square(v["z"] - v["y"]) + square((v["n"] - v["x"]) / 0.3),
    )
    return Case(problem, ("z", "x", "y"), lambda z, x, y: square(x) + square(y) + square(z - y), (9, 11, 13), 3.0)


CASES: dict[str, Callable[[], Case]] = {
    "log axes": _log_axes,
    "uneven nodes": _uneven_nodes,
    "touches the box": _touches_the_box,
    "ring": _ring,
    "narrow ridge": _narrow_ridge,
    "fold": _fold,
    "branch without an optimum": _branch_without_an_optimum,
    "nuisances at bounds": _nuisance_at_bounds,
    "wall of NaN": _wall_of_nan,
    "raises in half of the box": _raises_in_half_of_the_box,
    "zero likelihood beyond a line": _zero_likelihood_beyond_a_line,
    "constant": _constant,
    "unlike scales": _unlike_scales,
    "flat nuisance": _flat_nuisance,
    "sum of two nuisances": _sum_of_two_nuisances,
    "integer axis": lambda: _discrete_axis(Integer(-2, 4), list(range(-2, 5))),
    "grid axis": lambda: _discrete_axis(Grid([0.1, 0.2, 0.5, 1.0]), [0.1, 0.2, 0.5, 1.0]),
    "categorical axis": lambda: _discrete_axis(Categorical(list("abcde")), list("abcde")),
    "discrete nuisance": _discrete_nuisance,
    "fixed parameter": _fixed_parameter,
    "constraint": _constraint,
    "vectorized": _vectorized,
    "gradient": lambda: Case(curved(_whole_gradient), ("x",), square, (41,)),
    "partial gradient": lambda: Case(curved(_partial_gradient), ("x",), square, (41,)),
    "gradient that raises here and there": lambda: Case(curved(_gradient_with_gaps), ("x",), square, (41,)),
    "one cell": _one_cell,
    "optimum beyond the grid": _optimum_beyond_the_grid,
    "all profiled": _all_profiled,
    "three profiled": _three_profiled,
}
