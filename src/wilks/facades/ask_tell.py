"""The optimisers of `wilks.facades` with `ask` and `tell` instead of `search`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.facades.gfo.asktell import AskTellOptimizer, Plan, Trial
from wilks.facades.gfo.setup import Given, evolution, swarm, tempering
from wilks.searchers.annealing import SimulatedAnnealing
from wilks.searchers.random_search import RandomSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wilks.facades.gfo.asktell import Score

    Constraints = list[Callable[[dict[str, Any]], bool]] | None
    Pairs = Sequence[tuple[Mapping[str, Any], Score]] | None

__all__ = [
    "EvolutionStrategyOptimizer",
    "HillClimbingOptimizer",
    "ParallelTemperingOptimizer",
    "ParticleSwarmOptimizer",
    "RandomSearchOptimizer",
    "SimulatedAnnealingOptimizer",
    "Trial",
]


class ParallelTemperingOptimizer(AskTellOptimizer):
    """Replica exchange with `ask` and `tell`.

    Parameters
    ----------
    search_space, constraints, random_state, rand_rest_p, boundary, population, n_iter_swap
        As for `wilks.facades.ParallelTemperingOptimizer`.
    initial_evaluations
        Pairs of values and score that are known; without any, the first points are asked for.
    initialize
        Designs of the first points to ask for; by default ``{"vertices": 4, "random": 2}``, and none when there are
        initial evaluations.
    optimum
        "maximum" or "minimum".
    n_iter
        Number of evaluations that are planned, over which the schedule of temperatures stretches. The same number as in
        `search`, with the same seed, gives the same points.

    Examples
    --------
    >>> opt = ParallelTemperingOptimizer({"x": (-1.0, 1.0)}, random_state=1, n_iter=200)
    >>> for _ in range(50):
    ...     trials = opt.ask(4)
    ...     opt.tell([-(trial["x"] ** 2) for trial in trials])
    >>> abs(opt.best_para["x"]) < 0.01
    True
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initial_evaluations: Pairs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        boundary: str = "clip",
        population: int = 5,
        n_iter_swap: int = 5,
        *,
        initialize: Mapping[str, Any] | None = None,
        optimum: str = "maximum",
        n_iter: int | None = None,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, None, boundary)
        super().__init__(given, tempering(population, n_iter_swap), Plan(initial_evaluations, optimum, n_iter))


class HillClimbingOptimizer(AskTellOptimizer):
    """One cold replica, with `ask` and `tell`.

    Parameters
    ----------
    search_space, initial_evaluations, constraints, random_state, rand_rest_p, boundary, initialize, optimum, n_iter
        As for `ParallelTemperingOptimizer`.
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initial_evaluations: Pairs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        boundary: str = "clip",
        *,
        initialize: Mapping[str, Any] | None = None,
        optimum: str = "maximum",
        n_iter: int | None = None,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, None, boundary)
        super().__init__(given, tempering(1, 1), Plan(initial_evaluations, optimum, n_iter))


class SimulatedAnnealingOptimizer(AskTellOptimizer):
    """A walker whose temperature falls, with `ask` and `tell`.

    Parameters
    ----------
    search_space, initial_evaluations, constraints, random_state, rand_rest_p, boundary, initialize, optimum, n_iter
        As for `ParallelTemperingOptimizer`.
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initial_evaluations: Pairs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        boundary: str = "clip",
        *,
        initialize: Mapping[str, Any] | None = None,
        optimum: str = "maximum",
        n_iter: int | None = None,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, None, boundary)
        super().__init__(given, SimulatedAnnealing, Plan(initial_evaluations, optimum, n_iter))


class ParticleSwarmOptimizer(AskTellOptimizer):
    """A swarm of particles, with `ask` and `tell`.

    Parameters
    ----------
    search_space, initial_evaluations, constraints, random_state, rand_rest_p, boundary, initialize, optimum, n_iter
        As for `ParallelTemperingOptimizer`.
    population
        Number of particles.
    inertia
        Share of its velocity that a particle keeps.
    cognitive_weight, social_weight
        Pull of its own best place and of the best place of the swarm.
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initial_evaluations: Pairs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        boundary: str = "clip",
        population: int = 10,
        inertia: float = 0.7298,
        cognitive_weight: float = 1.49618,
        social_weight: float = 1.49618,
        *,
        initialize: Mapping[str, Any] | None = None,
        optimum: str = "maximum",
        n_iter: int | None = None,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, None, boundary)
        super().__init__(
            given,
            swarm(population, inertia, cognitive_weight, social_weight),
            Plan(initial_evaluations, optimum, n_iter),
        )


class EvolutionStrategyOptimizer(AskTellOptimizer):
    """Mutation, recombination and selection, with `ask` and `tell`.

    Parameters
    ----------
    search_space, initial_evaluations, constraints, random_state, rand_rest_p, boundary, initialize, optimum, n_iter
        As for `ParallelTemperingOptimizer`.
    population
        Number of individuals that survive a generation.
    offspring
        Number of individuals that are born in it.
    mutation_rate, crossover_rate
        Probabilities that an offspring is mutated, and that it has two parents.
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initial_evaluations: Pairs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        rand_rest_p: float = 0,
        boundary: str = "clip",
        population: int = 10,
        offspring: int = 20,
        mutation_rate: float = 0.7,
        crossover_rate: float = 0.3,
        *,
        initialize: Mapping[str, Any] | None = None,
        optimum: str = "maximum",
        n_iter: int | None = None,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, rand_rest_p, None, boundary)
        super().__init__(
            given,
            evolution(population, offspring, mutation_rate, crossover_rate),
            Plan(initial_evaluations, optimum, n_iter),
        )


class RandomSearchOptimizer(AskTellOptimizer):
    """Uniformly random points, with `ask` and `tell`.

    Parameters
    ----------
    search_space, initial_evaluations, constraints, random_state, boundary, initialize, optimum, n_iter
        As for `ParallelTemperingOptimizer`.
    """

    def __init__(
        self,
        search_space: Mapping[str, Any],
        initial_evaluations: Pairs = None,
        constraints: Constraints = None,
        random_state: int | None = None,
        boundary: str = "clip",
        *,
        initialize: Mapping[str, Any] | None = None,
        optimum: str = "maximum",
        n_iter: int | None = None,
    ) -> None:
        given = Given(search_space, initialize, constraints, random_state, 0, None, boundary)
        super().__init__(given, RandomSearch, Plan(initial_evaluations, optimum, n_iter))
