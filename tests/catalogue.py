"""Algorithms and problems for tests that run all of one kind on all of the other: one place for both."""

from collections.abc import Callable
from typing import Any

import numpy as np

import wilks
from wilks import problems
from wilks.problems import KnownProblem
from wilks.profiles.grid import make_grid
from wilks.profiles.schedule import ProfileMap
from wilks.profiles.state import Optimum
from wilks.searchers.multistart import MultiStart
from wilks.searchers.searcher import Searcher
from wilks.verbs.local_solvers import local_solvers

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


def multistart(known: KnownProblem) -> MultiStart:
    """The algorithm behind `wilks.fit`."""
    return MultiStart(*local_solvers(known.problem))


def profile_map(known: KnownProblem, n_nodes: int = 9) -> ProfileMap:
    """The algorithm behind `wilks.profile`, over the first two parameters, from the known maxima."""
    space = known.problem.space
    names = space.free[:2]
    grid = make_grid(space, names, (n_nodes, n_nodes))
    curvature = np.eye(space.dimension)
    optima = tuple(
        Optimum(space.to_unit(space.to_theta(values)), known.maximum, curvature, reliable=False)
        for values in known.maxima
    )
    return ProfileMap(local_solvers(known.problem)[0], 4.0, 3, grid, optima)


# Every algorithm, made for a problem; the tests of the contract run each on each.
ALGORITHMS: dict[str, Callable[[KnownProblem], Any]] = {"multistart": multistart, "profile_map": profile_map}

# Every algorithm of `wilks.search`, with the settings that make another algorithm of it.
SEARCHES: dict[str, Callable[[], Searcher]] = {
    "portfolio": wilks.Portfolio,
    "portfolio_in_batches": lambda: wilks.Portfolio(batch_size=5),
    "tempering": wilks.ParallelTempering,
    "sampler": lambda: wilks.ParallelTempering(sampling=True),
    "local_restarts": wilks.LocalRestarts,
    "annealing": wilks.SimulatedAnnealing,
    "annealing_in_chains": lambda: wilks.SimulatedAnnealing(n_chains=3),
    "particle_swarm": wilks.ParticleSwarm,
    "evolution_strategy": wilks.EvolutionStrategy,
    "differential_evolution": wilks.DifferentialEvolution,
    "cma_es": wilks.CmaEs,
    "random": wilks.RandomSearch,
    "latin_hypercube": wilks.LatinHypercube,
    "sobol": wilks.Sobol,
}
