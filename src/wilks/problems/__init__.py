"""Public test problems with known answers.

Real data (`supernova`); analytic functions that come as a `KnownProblem`, with their maximum and their exact profiles,
which `test_function` makes by name; and posteriors that come as a `KnownPosterior`, with their moments, quantiles and
evidence (`POSTERIORS`).
"""

from wilks.problems.analytic import banana, rippled, two_islands
from wilks.problems.entangled import ackley, beale_2d, eggholder, griewank
from wilks.problems.known import KnownProblem
from wilks.problems.nonseparable import bounded_coupled_4d, rippled_coupled_4d, rotated_4d
from wilks.problems.nuisances import optimal_nuisances, with_nuisances
from wilks.problems.posteriors import POSTERIORS, KnownPosterior
from wilks.problems.quadratic import bounded, gaussian
from wilks.problems.registry import list_test_functions, test_function
from wilks.problems.rosenbrock import rosenbrock
from wilks.problems.separable import michalewicz, schwefel, sphere, styblinski_tang
from wilks.problems.supernova import supernova, supernova_data, supernova_residuals
from wilks.problems.textbook import himmelblau_4d, levy, levy_4d, rastrigin

__all__ = [
    "POSTERIORS",
    "KnownPosterior",
    "KnownProblem",
    "ackley",
    "banana",
    "beale_2d",
    "bounded",
    "bounded_coupled_4d",
    "eggholder",
    "gaussian",
    "griewank",
    "himmelblau_4d",
    "levy",
    "levy_4d",
    "list_test_functions",
    "michalewicz",
    "optimal_nuisances",
    "rastrigin",
    "rippled",
    "rippled_coupled_4d",
    "rosenbrock",
    "rotated_4d",
    "schwefel",
    "sphere",
    "styblinski_tang",
    "supernova",
    "supernova_data",
    "supernova_residuals",
    "test_function",
    "two_islands",
    "with_nuisances",
]
