"""Algorithms and problems for tests that run all of one kind on all of the other: one place for both."""

from collections.abc import Callable

from wilks import problems
from wilks.problems import KnownProblem

# Problems with exact profiles, by name; small ones first.
KNOWN_PROBLEMS: dict[str, Callable[[], KnownProblem]] = {
    "gaussian_3d": lambda: problems.gaussian(3),
    "banana": problems.banana,
    "bounded_4d": problems.bounded,
    "two_islands": problems.two_islands,
    "rippled": problems.rippled,
    "rosenbrock_2d": lambda: problems.rosenbrock(2),
    "rosenbrock_4d": lambda: problems.rosenbrock(4),
    "himmelblau_4d": problems.himmelblau_4d,
    "levy_4d": problems.levy_4d,
    "rastrigin_2d": lambda: problems.rastrigin(2),
    "gaussian_10d": lambda: problems.gaussian(10),
}

# Those with one maximum, no more than four parameters and no bound in the way: every method must get them right.
EASY_PROBLEMS = ("gaussian_3d", "banana", "rosenbrock_2d")

# The same with analytic gradients.
WITH_GRADIENT: dict[str, Callable[[], KnownProblem]] = {
    "gaussian_3d": lambda: problems.gaussian(3, with_gradient=True),
    "bounded_4d": lambda: problems.bounded(with_gradient=True),
    "rosenbrock_4d": lambda: problems.rosenbrock(4, with_gradient=True),
    "himmelblau_4d": lambda: problems.himmelblau_4d(with_gradient=True),
    "levy_4d": lambda: problems.levy_4d(with_gradient=True),
    "rastrigin_2d": lambda: problems.rastrigin(2, with_gradient=True),
}
