"""What every optimiser of the facade is made of: a search space, constraints, first points, a seed and an algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from wilks.core.random import resolve_seed
from wilks.facades.gfo.feasibility import allowed_points
from wilks.facades.gfo.options import Initialize, choice, functions, probability, real, whole
from wilks.facades.gfo.space import SearchSpace
from wilks.searchers.coordinates import BOUNDARIES
from wilks.searchers.designs import Initial
from wilks.searchers.evolution_strategy import EvolutionStrategy
from wilks.searchers.particle_swarm import ParticleSwarm
from wilks.searchers.tempering.algorithm import ParallelTempering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wilks.searchers.searcher import Searcher


@dataclass(frozen=True)
class Given:
    """The arguments that all optimisers share, as the user gave them."""

    search_space: Mapping[str, Any]
    initialize: Any = None
    constraints: Any = None
    random_state: Any = None
    rand_rest_p: Any = 0
    nth_process: Any = None
    boundary: Any = "clip"


class Setup:
    """The same, checked.

    Parameters
    ----------
    given
        What the user gave.
    make
        Makes the algorithm from what all algorithms share.
    known
        Points whose scores are known; they come before all others.

    Attributes
    ----------
    space
        The search space.
    constraints
        The user's functions.
    seed
        Of all random numbers.
    starts
        Numbers of the points that come first.
    n_init
        Number of points of the initialisation.
    algorithm
        The searcher.
    """

    def __init__(self, given: Given, make: Callable[..., Searcher], known: Sequence[Mapping[str, Any]] = ()) -> None:
        self.space = SearchSpace(given.search_space)
        self.constraints = functions("constraints", given.constraints)
        self.random_state = None if given.random_state is None else whole("random_state", given.random_state, 0)
        number = 0 if given.nth_process is None else whole("nth_process", given.nth_process, 0)
        self.seed = resolve_seed(self.random_state) + number
        initialize = Initialize.of(given.initialize)
        self.starts = [
            self.space.numbers(point, f"{where} {position}")
            for where, points in (
                ("initial_evaluations: pair", known),
                ("initialize: warm_start: point", initialize.warm_start),
            )
            for position, point in enumerate(points)
        ]
        self.n_init = max(1, initialize.n_asked + len(known))
        counts = dict(initialize.counts) if initialize.n_asked or known else {"random": 1}
        if self.constraints:
            found = allowed_points(self.space, self.constraints, self.starts, self.seed, self.n_init)
            if found:
                self.starts, counts = [*self.starts, *found], {}
                self.n_init = len(self.starts)
        self.algorithm = make(
            initial=Initial(latin_hypercube=0, **counts),
            boundary=choice("boundary", given.boundary, BOUNDARIES),
            restart_probability=probability("rand_rest_p", given.rand_rest_p),
            remember=False,
        )


def tempering(population: object, n_iter_swap: object) -> Callable[..., Searcher]:
    """A function that makes parallel tempering with the user's options."""
    return partial(
        ParallelTempering,
        n_replicas=whole("population", population, 1),
        swap_every=whole("n_iter_swap", n_iter_swap, 1),
    )


def swarm(population: object, inertia: object, cognitive: object, social: object) -> Callable[..., Searcher]:
    """A function that makes a particle swarm with the user's options."""
    return partial(
        ParticleSwarm,
        n_particles=whole("population", population, 1),
        inertia=real("inertia", inertia, 0.0),
        cognitive=real("cognitive_weight", cognitive, 0.0),
        social=real("social_weight", social, 0.0),
    )


def evolution(population: object, offspring: object, mutation: object, crossover: object) -> Callable[..., Searcher]:
    """A function that makes an evolution strategy with the user's options."""
    return partial(
        EvolutionStrategy,
        n_parents=whole("population", population, 1),
        n_offspring=whole("offspring", offspring, 1),
        mutation_probability=probability("mutation_rate", mutation),
        crossover_probability=probability("crossover_rate", crossover),
    )
