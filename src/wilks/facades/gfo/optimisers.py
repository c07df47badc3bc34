"""The optimisers, with the names and arguments of Gradient-Free-Optimizers; each one is an algorithm of wilks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.facades.gfo.search import SearchOptimizer
from wilks.facades.gfo.setup import Given, evolution, swarm, tempering
from wilks.searchers.annealing import SimulatedAnnealing
from wilks.searchers.random_search import RandomSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Constraints = list[Callable[[dict[str, Any]], bool]] | None
    Designs = Mapping[str, Any] | None


class ParallelTemperingOptimizer(SearchOptimizer):
    """Replica exchange: walkers at several temperatures that exchange their states; `wilks.ParallelTempering`.

    Parameters
    ----------
    search_space
        Name -> an array, list or range of values, a tuple ``(low, high)`` or ``(low, high, "log")``, a frozen
        distribution of ``scipy.stats``, or a plain value for a constant.
    initialize
        Numbers of first points ``{"grid": ..., "vertices": ..., "random": ..., "warm_start": [points]}``;
        ``{"vertices": 4, "random": 2}`` by default.
    constraints
        Functions of a point, True where it is allowed; elsewhere the objective is never called.
    random_state
        Seed; None for a different search every time.
    rand_rest_p
        Probability that a step goes to a random point; 1 is random search.
    nth_process
        Added to the seed.
    boundary
        What becomes of a step beyond the bounds: "clip", "reflect", "periodic", "random" or "intermediate".
    population
        Number of replicas, each at its own temperature.
    n_iter_swap
        Sweeps between two attempts to swap; a sweep is one evaluation for every replica.

    Raises
    ------
    InvalidConfigurationError, InvalidProblemError
        If an argument cannot be used, or the constraints allow nothing.

    Examples
    --------
    >>> import numpy as np
    >>> def objective(para):
    ...     return -(para["x"] ** 2) - (para["kind"] == "a")
    >>> space = {"x": np.linspace(-10, 10, 101), "kind": ["a", "b"]}
    >>> opt = ParallelTemperingOptimizer(space, random_state=1)
    >>> opt.search(objective, n_iter=300, verbosity=False)
    >>> opt.best_para["kind"], abs(float(opt.best_para["x"])) < 0.01
    ('b', True)
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initialize: Designs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        nth_process: int | None = None,
        boundary: str = "clip",
        population: int = 5,
        n_iter_swap: int = 5,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary)
        super().__init__(given, tempering(population, n_iter_swap))


class SimulatedAnnealingOptimizer(SearchOptimizer):
    """A walker whose temperature falls: `wilks.SimulatedAnnealing`.

    Its steps and its temperature adapt themselves, so there is nothing to say about their size and schedule.

    Parameters
    ----------
    search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary
        As for `ParallelTemperingOptimizer`.

    Examples
    --------
    >>> opt = SimulatedAnnealingOptimizer({"x": (-10.0, 10.0)}, random_state=1)
    >>> opt.search(lambda para: (para["x"] - 3) ** 2, n_iter=300, optimum="minimum", verbosity=False)
    >>> abs(opt.best_para["x"] - 3) < 0.1
    True
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initialize: Designs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        nth_process: int | None = None,
        boundary: str = "clip",
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary)
        super().__init__(given, SimulatedAnnealing)


class ParticleSwarmOptimizer(SearchOptimizer):
    """Points that fly to the best places they know: `wilks.ParticleSwarm`.

    Parameters
    ----------
    search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary
        As for `ParallelTemperingOptimizer`.
    population
        Number of particles.
    inertia
        Share of its velocity that a particle keeps.
    cognitive_weight, social_weight
        Pull of its own best place and of the best place of the swarm.

    Examples
    --------
    >>> opt = ParticleSwarmOptimizer({"x": (-10.0, 10.0)}, random_state=1)
    >>> opt.search(lambda para: -((para["x"] - 3) ** 2), n_iter=500, verbosity=False)
    >>> abs(opt.best_para["x"] - 3) < 0.1
    True
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initialize: Designs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        nth_process: int | None = None,
        boundary: str = "clip",
        population: int = 10,
        inertia: float = 0.7298,
        cognitive_weight: float = 1.49618,
        social_weight: float = 1.49618,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary)
        super().__init__(given, swarm(population, inertia, cognitive_weight, social_weight))


class EvolutionStrategyOptimizer(SearchOptimizer):
    """Mutation, recombination and selection: `wilks.EvolutionStrategy`.

    Parameters
    ----------
    search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary
        As for `ParallelTemperingOptimizer`.
    population
        Number of individuals that survive a generation.
    offspring
        Number of individuals that are born in it.
    mutation_rate, crossover_rate
        Probabilities that an offspring is mutated, and that it has two parents.

    Examples
    --------
    >>> opt = EvolutionStrategyOptimizer({"x": (-10.0, 10.0)}, random_state=1)
    >>> opt.search(lambda para: -((para["x"] - 3) ** 2), n_iter=500, verbosity=False)
    >>> abs(opt.best_para["x"] - 3) < 0.1
    True
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initialize: Designs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        nth_process: int | None = None,
        boundary: str = "clip",
        population: int = 10,
        offspring: int = 20,
        mutation_rate: float = 0.7,
        crossover_rate: float = 0.3,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary)
        super().__init__(given, evolution(population, offspring, mutation_rate, crossover_rate))


class HillClimbingOptimizer(SearchOptimizer):
    """One walker that hardly ever accepts a worse point: `wilks.ParallelTempering` with a single, cold replica.

    Its steps adapt themselves, so there is nothing to say about their size and distribution.

    Parameters
    ----------
    search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary
        As for `ParallelTemperingOptimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> opt = HillClimbingOptimizer({"x": np.linspace(-10, 10, 101)}, random_state=1)
    >>> opt.search(lambda para: -(para["x"] ** 2), n_iter=100, verbosity=False)
    >>> abs(float(opt.best_para["x"])) < 0.01
    True
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initialize: Designs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        nth_process: int | None = None,
        boundary: str = "clip",
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, nth_process, boundary)
        super().__init__(given, tempering(1, 1))


class RandomSearchOptimizer(SearchOptimizer):
    """Uniformly random points: `wilks.RandomSearch`.

    Parameters
    ----------
    search_space, initialize, constraints, random_state, nth_process, boundary
        As for `ParallelTemperingOptimizer`.

    Examples
    --------
    >>> opt = RandomSearchOptimizer({"x": (-1.0, 1.0)}, random_state=1)
    >>> opt.search(lambda para: -(para["x"] ** 2), n_iter=100, verbosity=False)
    >>> len(opt.search_data)
    100
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initialize: Designs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        nth_process: int | None = None,
        boundary: str = "clip",
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, 0, nth_process, boundary)
        super().__init__(given, RandomSearch)
