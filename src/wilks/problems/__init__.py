"""Public test problems with known answers.

Two kinds: real data (`supernova`), and analytic functions that come as a `KnownProblem`, with their maximum and their
exact profiles.
"""

from wilks.problems.analytic import banana, rippled, two_islands
from wilks.problems.known import KnownProblem
from wilks.problems.quadratic import bounded, gaussian
from wilks.problems.rosenbrock import rosenbrock
from wilks.problems.supernova import supernova, supernova_data, supernova_residuals
from wilks.problems.textbook import himmelblau_4d, levy_4d, rastrigin

__all__ = [
    "KnownProblem",
    "banana",
    "bounded",
    "gaussian",
    "himmelblau_4d",
    "levy_4d",
    "rastrigin",
    "rippled",
    "rosenbrock",
    "supernova",
    "supernova_data",
    "supernova_residuals",
    "two_islands",
]
