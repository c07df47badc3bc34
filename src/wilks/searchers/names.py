"""Algorithms of `wilks.search` by the names that configurations and the command line use; each loads on use."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from wilks.searchers.searcher import Searcher

DEFAULT = "portfolio"

ALGORITHMS: dict[str, str] = {
    "portfolio": "wilks.searchers.portfolio.algorithm:Portfolio",
    "parallel_tempering": "wilks.searchers.tempering.algorithm:ParallelTempering",
    "simulated_annealing": "wilks.searchers.annealing:SimulatedAnnealing",
    "particle_swarm": "wilks.searchers.particle_swarm:ParticleSwarm",
    "evolution_strategy": "wilks.searchers.evolution_strategy:EvolutionStrategy",
    "differential_evolution": "wilks.searchers.differential_evolution:DifferentialEvolution",
    "cma_es": "wilks.searchers.cma_es:CmaEs",
    "random": "wilks.searchers.random_search:RandomSearch",
    "latin_hypercube": "wilks.searchers.random_search:LatinHypercube",
    "sobol": "wilks.searchers.random_search:Sobol",
    "multistart": "wilks.searchers.local_restarts:LocalRestarts",
}
"""Name -> ``module:Class``."""


def algorithm_class(name: str) -> type[Searcher]:
    """Return the class of an algorithm.

    Raises
    ------
    InvalidConfigurationError
        If there is none of this name.

    Examples
    --------
    >>> algorithm_class("parallel_tempering").__name__
    'ParallelTempering'
    """
    if name not in ALGORITHMS:
        near = difflib.get_close_matches(name, ALGORITHMS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(ALGORITHMS)}"
        raise InvalidConfigurationError(f"unknown algorithm {name!r}, {hint}")
    module, _, found = ALGORITHMS[name].partition(":")
    algorithm: type[Searcher] = getattr(importlib.import_module(module), found)
    return algorithm
