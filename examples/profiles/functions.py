"""Three test functions of four parameters as problems, for the configurations in this folder.

Each is known in every detail, so that a map can be checked cell by cell: `wilks.problems.test_function(name).profile`.
"""

from __future__ import annotations

import wilks


def himmelblau() -> wilks.LikelihoodProblem:
    """Sixteen optima of equal height, four in each pair of parameters."""
    return wilks.problems.test_function("himmelblau_4d").problem


def rosenbrock() -> wilks.LikelihoodProblem:
    """One optimum at the end of a thin, bent valley."""
    return wilks.problems.test_function("rosenbrock_4d").problem


def levy() -> wilks.LikelihoodProblem:
    """One global optimum among dozens of local ones."""
    return wilks.problems.test_function("levy_4d").problem
