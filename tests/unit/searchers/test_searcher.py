"""What every gradient-free search does, whichever it is."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import (
    LINE,
    MIXED,
    REAL,
    SMALL,
    SPACES,
    VIOLATED,
    answered,
    begin,
    bowl,
    play,
    rows,
    sphere,
)
from wilks.core import encoding
from wilks.core.errors import InvalidConfigurationError
from wilks.core.status import Outcome
from wilks.searchers.annealing import SimulatedAnnealing
from wilks.searchers.cma_es import CmaEs
from wilks.searchers.designs import Initial
from wilks.searchers.differential_evolution import DifferentialEvolution
from wilks.searchers.evolution_strategy import EvolutionStrategy
from wilks.searchers.particle_swarm import ParticleSwarm
from wilks.searchers.random_search import LatinHypercube, RandomSearch, Sobol

LEARNING = [SimulatedAnnealing, ParticleSwarm, EvolutionStrategy, DifferentialEvolution, CmaEs]
ENDLESS = [*LEARNING, RandomSearch]
ALL = [*ENDLESS, LatinHypercube, Sobol]

every = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
learning = pytest.mark.parametrize("kind", LEARNING, ids=lambda kind: kind.__name__)


def inside(space, thetas):
    units = space.to_unit(np.array(thetas))
    return bool(((units >= 0) & (units <= 1)).all())


# Spaces and budgets


@every
@pytest.mark.parametrize("name", SPACES)
def test_every_kind_of_parameter(kind, name):
    space = SPACES[name]
    course = play(kind(budget=150), space, bowl, 150)
    assert inside(space, course.thetas)
    assert all(math.isfinite(loss) for loss in course.losses)
    n_points = math.prod(space.n_values) if all(space.n_values) else math.inf
    assert len(course.losses) == min(150, n_points)
    assert course.state.best_loss == course.best


@every
@pytest.mark.parametrize("n", [1, 2, 5])
def test_tiny_budgets(kind, n):
    for space in (REAL, MIXED):
        course = play(kind(budget=n), space, bowl, n)
        assert len(course.losses) == n
        assert course.state.best_loss == course.best


@every
def test_without_a_budget(kind):
    assert len(play(kind(), MIXED, bowl, 150).losses) == 150


@every
def test_same_seed_same_course(kind):
    one, two, other = (play(kind(budget=120), MIXED, bowl, 120, seed=seed) for seed in (1, 1, 2))
    assert one.thetas == two.thetas
    assert one.thetas != other.thetas


@learning
def test_solves_a_sphere(kind):
    found = []
    for seed in range(3):
        space, loss = sphere(3, seed)
        found.append(play(kind(budget=2000), space, loss, 2000, seed=seed).best)
    assert max(found) < 1e-3


@learning
def test_beats_random_search_on_mixed_parameters(kind):
    def median(searcher):
        return np.median([play(searcher(budget=300), MIXED, bowl, 300, seed=seed).best for seed in range(3)])

    assert median(kind) < 0.4 * median(RandomSearch)


@every
def test_starts_come_first(kind):
    course = play(kind(budget=30), LINE, bowl, 30, starts=[[0.25], [0.75]])
    assert course.thetas[:2] == [[0.0], [2.0]]
    assert len(course.thetas) == 30


def test_initial_points_that_are_asked_for():
    course = play(ParticleSwarm(initial=Initial(vertices=2), budget=30), LINE, bowl, 30)
    assert sorted(course.thetas[:2]) == [[-1.0], [3.0]]


# Losses: only differences count, and what is not finite never wins


@learning
@pytest.mark.parametrize("space", [REAL, MIXED], ids=["real", "mixed"])
def test_a_constant_changes_nothing(kind, space):
    def on_a_grid(values, offset=0.0):  # so that the offset is exact
        return round(bowl(values) * 2**20) / 2**20 + offset

    plain = play(kind(budget=250), space, on_a_grid, 250)
    for offset in (2.0**20, -(2.0**10)):
        assert play(kind(budget=250), space, lambda v, c=offset: on_a_grid(v, c), 250).thetas == plain.thetas


@learning
@pytest.mark.parametrize("space", [REAL, MIXED], ids=["real", "mixed"])
def test_a_power_of_two_changes_nothing(kind, space):
    plain = play(kind(budget=250), space, bowl, 250)
    for factor in (2.0**30, 2.0**-30):
        assert play(kind(budget=250), space, lambda v, k=factor: k * bowl(v), 250).thetas == plain.thetas


@every
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_nothing_finite(kind, value):
    course = play(kind(budget=120), MIXED, lambda _: value, 120)
    assert len(course.losses) == 120
    assert course.state.best is None
    assert course.state.best_loss == math.inf


@learning
def test_a_constant_loss(kind):
    course = play(kind(budget=300), MIXED, lambda _: 3.0, 300)
    assert len(course.losses) == 300
    assert course.state.best_loss == 3.0


@every
def test_nan_never_wins(kind):
    course = play(kind(budget=200), REAL, lambda v: math.nan if v["x"] > 1 else bowl(v), 200)
    assert math.isfinite(course.state.best_loss)
    assert REAL.to_values(course.state.coordinates.thetas([course.state.best])[0])["x"] <= 1


@learning
def test_half_of_the_evaluations_fail(kind):
    def failing(values):
        return math.inf if math.sin(1e6 * values["x0"]) > 0 else loss(values)

    space, loss = sphere(2)
    assert play(kind(budget=1000), space, failing, 1000).best < 0.01


@every
def test_violated_points_cost_nothing(kind):
    n_called = [0]

    def loss(values):
        n_called[0] += 1
        return VIOLATED if values["x"] > 0 else bowl(values)

    course = play(kind(budget=100), REAL, loss, 100)
    assert len(course.losses) == 100
    assert n_called[0] > 100
    assert course.state.n_told == 100
    assert all(math.isfinite(loss) for loss in course.losses)


# The course of a run


@every
@pytest.mark.parametrize("name", ["mixed", "small"])
def test_a_checkpoint_changes_nothing(kind, name):
    space = SPACES[name]
    plain = play(kind(budget=120), space, bowl, 120)
    saved = play(kind(budget=120), space, bowl, 120, between=lambda s: encoding.decode(encoding.encode(s)))
    assert saved.thetas == plain.thetas
    assert saved.ended == plain.ended


@every
def test_order_of_answers_within_a_batch(kind):
    plain = play(kind(budget=120), MIXED, bowl, 120)
    assert play(kind(budget=120), MIXED, bowl, 120, shuffled=np.random.default_rng(1)).thetas == plain.thetas


@every
def test_small_pieces_of_a_batch(kind):
    """Handing out three at a time gives the points of handing out everything."""
    algorithm = kind(budget=60)
    state, thetas = begin(algorithm, MIXED), []
    while len(thetas) < 60 and algorithm.terminate(state) is None:
        proposals, state = algorithm.ask(state, 3)
        outstanding = answered(MIXED, proposals, bowl)
        while len(proposals):
            proposals, state = algorithm.ask(state, 3)
            thetas += outstanding.thetas.tolist()
            state = algorithm.tell(state, outstanding)
            outstanding = answered(MIXED, proposals, bowl)
    assert thetas[:60] == play(kind(budget=60), MIXED, bowl, 60).thetas


@every
@pytest.mark.parametrize("name", ["real", "mixed", "small"])
def test_ask_more(kind, name):
    """Proposals beyond the open batch, told in any order, each with an identity of its own."""
    space, generator = SPACES[name], np.random.default_rng(0)
    algorithm = kind(budget=400)
    state, ids, n_told, waiting = begin(algorithm, space), set(), 0, []
    while n_told < 150 and algorithm.terminate(state) is None:
        proposals, state = algorithm.ask_more(state, 17)
        assert len(proposals) <= 17
        assert not ids & set(proposals.ids.tolist())
        ids |= set(proposals.ids.tolist())
        waiting += [rows(answered(space, proposals, bowl), [i]) for i in range(len(proposals))]
        if not waiting:
            break
        for _ in range(max(1, len(waiting) // 2)):
            state = algorithm.tell(state, waiting.pop(generator.integers(len(waiting))))
            n_told += 1
    assert n_told >= 150 or name == "small"
    assert state.best_loss < 5


@every
def test_a_discrete_space_is_exhausted(kind):
    calls = []

    def loss(values):
        calls.append(tuple(values.values()))
        return bowl(values)

    algorithm = kind()
    course = play(algorithm, SMALL, loss, 1000)
    assert course.ended
    assert len(calls) == len(set(calls)) == 15
    status = algorithm.terminate(course.state)
    assert status.outcome is Outcome.CONVERGED
    assert "All 15 points" in status.message


def test_points_may_be_forgotten():
    course = play(RandomSearch(remember=False), SMALL, bowl, 200)
    assert len(course.losses) == 200


@learning
def test_restart_probability_one_is_random_search(kind):
    space, _ = sphere(2)
    thetas = np.array(play(kind(budget=1000, restart_probability=1.0), space, lambda v: v["x0"], 1000).thetas[50:])
    assert abs(thetas.mean(axis=0)).max() < 5 * math.sqrt(4 / 12 / len(thetas))
    for column in thetas.T:  # Kolmogorov-Smirnov distance at p = 1e-4
        uniform = (np.sort(column) + 1) / 2
        assert np.abs(uniform - np.arange(len(uniform)) / len(uniform)).max() < 2.23 / math.sqrt(len(uniform))


@learning
@pytest.mark.parametrize("boundary", ["reflect", "clip", "periodic", "random", "intermediate"])
def test_an_optimum_at_the_bound(kind, boundary):
    space = wilks.Space(x=wilks.Real(0, 1), n=wilks.Integer(0, 20))
    course = play(kind(boundary=boundary, budget=400), space, lambda v: v["x"] + v["n"], 400)
    assert inside(space, course.thetas)
    assert course.best < 0.1


@learning
def test_some_random_restarts(kind):
    space, loss = sphere(2)
    assert play(kind(restart_probability=0.2, budget=1000), space, loss, 1000).best < 1e-3


# Options and findings


@every
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("initial", 5),
        ("boundary", "wall"),
        ("restart_probability", 1.5),
        ("restart_probability", True),
        ("restart_probability", "often"),
    ],
)
def test_options_are_checked(kind, option, value):
    with pytest.raises(InvalidConfigurationError, match=f"{kind.__name__}: {option}: expected .*, got"):
        kind(**{option: value})


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (SimulatedAnnealing, "n_chains", 0),
        (SimulatedAnnealing, "n_chains", None),
        (ParticleSwarm, "n_particles", 0),
        (ParticleSwarm, "n_particles", 2.5),
        (ParticleSwarm, "inertia", -0.1),
        (ParticleSwarm, "social", math.nan),
        (ParticleSwarm, "cognitive", "much"),
        (EvolutionStrategy, "n_parents", 0),
        (EvolutionStrategy, "n_offspring", True),
        (EvolutionStrategy, "mutation_probability", 1.1),
        (EvolutionStrategy, "crossover_probability", -1),
        (DifferentialEvolution, "n_members", 3),
        (CmaEs, "n_draws", 1),
        (CmaEs, "sigma", 0.0),
        (RandomSearch, "batch_size", 0),
        (LatinHypercube, "n_points", 0),
        (Sobol, "n_points", 1.0),
    ],
)
def test_own_options_are_checked(kind, option, value):
    with pytest.raises(InvalidConfigurationError, match=f"{kind.__name__}: {option}: expected .*, got"):
        kind(**{option: value})


@learning
def test_findings(kind):
    algorithm = kind(budget=100)
    assert algorithm.findings(begin(algorithm, REAL)).details == {}
    details = algorithm.findings(play(algorithm, REAL, bowl, 100).state).details
    assert details
    assert all(math.isfinite(value) for value in details.values())


@every
def test_through_the_verb(kind):
    problem = wilks.LikelihoodProblem(MIXED, lambda v: -bowl(v))
    result = wilks.search(problem, kind(), n_evaluations=200, seed=1, callbacks=[])
    assert result.status.success
    assert result.n_evaluations == 200
    assert result.log_likelihood == -bowl(result.best)
