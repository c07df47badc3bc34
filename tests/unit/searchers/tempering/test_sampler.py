"""The sampling mode: its options, burn-in, ladder, prior, what it returns and when it returns nothing."""

import copy
import math

import numpy as np
import pytest

import wilks
from wilks.core import encoding
from wilks.core.errors import InvalidConfigurationError
from wilks.core.prior import Normal
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.dice import Dice
from wilks.searchers.state import Batch
from wilks.searchers.tempering.base_measure import BaseMeasure
from wilks.searchers.tempering.burn_in import BurnIn, between, first_betas
from wilks.searchers.tempering.ladder import even_rejection
from wilks.searchers.tempering.sampler import acceptance

SPACE = wilks.Space(x=wilks.Real(-5, 5), n=wilks.Integer(0, 9), kind=wilks.Categorical(["a", "b", "c"]))


def log_likelihood(v):
    return -0.5 * (v["x"] - 1) ** 2 - 0.1 * (v["n"] - 3) ** 2 - (v["kind"] == "a")


PROBLEM = wilks.LikelihoodProblem(SPACE, log_likelihood)


def sampled(problem=PROBLEM, n_evaluations=3000, seed=1, **options):
    run = {"callbacks": [], **{key: options.pop(key) for key in ("log", "callbacks", "stop") if key in options}}
    algorithm = wilks.ParallelTempering(sampling=True, **options)
    return wilks.search(problem, algorithm, n_evaluations=n_evaluations, seed=seed, **run)


# Options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampling": 1}, "sampling: expected True or False, got 1"),
        ({"n_replicas": 1}, "n_replicas: expected at least 2 with sampling=True"),
        ({"boundary": "clip"}, "boundary: expected 'reflect' .* got 'clip', which would bias the draws"),
        ({"restart_probability": 0.1}, "restart_probability: expected 0 with sampling=True"),
    ],
)
def test_options_that_would_bias_the_draws_are_refused(options, words):
    with pytest.raises(InvalidConfigurationError, match=words):
        wilks.ParallelTempering(**{"sampling": True, **options})


def test_a_budget_is_needed():
    with pytest.raises(InvalidConfigurationError, match=r"pass n_evaluations=\.\.\."):
        sampled(n_evaluations=None, stop=wilks.MaxTime(1.0))


# What it returns


def test_the_sample():
    result = sampled()
    sample = result.sample
    n_rungs, n_draws = sample.rung_log_likelihoods.shape
    assert result.status.success
    assert result.n_evaluations == 3000
    assert 3 <= n_rungs <= 16
    assert sample.betas[0] == 1.0
    assert sample.betas[-1] == 0.0
    assert (np.diff(sample.betas) < 0).all()
    assert np.array_equal(1 / sample.betas[:-1], result.ladder[:-1])
    assert math.isinf(result.ladder[-1])
    assert set(result.draws) == set(SPACE.free)
    assert result.draws["x"].shape == sample.log_likelihoods.shape == (1, n_draws)
    assert sample.states["x"].shape == (n_rungs, n_draws)
    assert 0.19 * 3000 < sample.n_burn_in < 0.25 * 3000
    for i in (0, n_draws // 2, n_draws - 1):
        for rung in (0, n_rungs - 1):
            values = SPACE.to_values([sample.states[name][rung, i] for name in SPACE.free])
            assert log_likelihood(values) == pytest.approx(sample.rung_log_likelihoods[rung, i])
    assert f"{n_draws} draws at T = 1 from {n_rungs} rungs" in result.details["sampling"]


def test_diagnostics_are_of_the_frozen_phase():
    result = sampled()
    t = result.tempering
    assert t.n_sweeps == result.draws["x"].shape[1]
    assert (t.swap_attempts == t.n_sweeps).all()
    assert ((t.swap_rates > 0.1) & (t.swap_rates <= 1)).all()
    assert t.round_trips > 20
    sweeps, ladders = t.ladder_history
    assert len(sweeps) == len(ladders) >= 3
    assert np.isinf(ladders[0][7])  # the first ladder has eight rungs
    last = ladders[-1][~np.isnan(ladders[-1])]
    assert np.array_equal(last, t.ladder)


def test_points_seen_before_are_evaluated_again():
    calls = []
    space = wilks.Space(kind=wilks.Categorical(["a", "b", "c"]))
    problem = wilks.LikelihoodProblem(space, lambda v: calls.append(1) or 0.0)
    result = sampled(problem, 1500)
    assert len(calls) == result.n_evaluations == 1500


def test_a_number_of_replicas_is_kept():
    assert len(sampled(n_replicas=5).sample.betas) == 5
    assert sampled(n_replicas=2).sample.betas.tolist() == [1.0, 0.0]


def test_swaps_now_and_then():
    t = sampled(swap_every=4).tempering
    assert t.n_sweeps / 4 - 1 <= t.swap_attempts[0] <= t.n_sweeps / 4 + 1


def test_r_hat_and_effective_draws():
    sample = sampled(n_evaluations=6000).sample
    n_draws = sample.draws["x"].size
    assert set(sample.r_hat) == set(sample.ess) == set(SPACE.free)
    assert all(0.99 < value < 1.05 for value in sample.r_hat.values())
    assert all(50 < value < 1.5 * n_draws for value in sample.ess.values())


def test_r_hat_of_a_constant_is_unknown():
    space = wilks.Space(kind=wilks.Categorical(["a", "b"]), x=wilks.Real(0, 1))
    sample = sampled(wilks.LikelihoodProblem(space, lambda v: 0.0 if v["kind"] == "a" else -1e6)).sample
    assert math.isnan(sample.r_hat["kind"])
    assert sample.r_hat["x"] < 1.1


def test_a_saved_result_holds_the_sample(tmp_path):
    result = sampled(n_evaluations=1500)
    loaded = wilks.load(result.save(tmp_path / "result"))
    assert np.array_equal(loaded.draws["x"], result.draws["x"])
    assert loaded.log_evidence == result.log_evidence


# When there is too little


def test_a_budget_that_ends_in_the_burn_in_gives_no_sample_and_says_so():
    result = sampled(n_evaluations=300)
    assert result.sample is None
    assert result.draws is None
    assert result.log_evidence is None
    assert "No draws: the burn-in was going on after 300 evaluations" in result.details["sampling"]
    assert "raise n_evaluations to" in result.details["sampling"]


def test_a_run_that_ends_among_the_first_points():
    result = sampled(n_evaluations=3000, stop=wilks.MaxEvaluations(5))
    assert result.sample is None
    assert "among the first points" in result.details["sampling"]


def test_a_small_budget_is_named():
    details = sampled(n_evaluations=900).details["sampling"]
    assert "of the budget, which is too small" in details


def test_modes_that_no_replica_connects_are_named():
    """A spike that the prior hardly finds, on few rungs."""
    space = wilks.Space({f"x{i}": wilks.Real(0, 1) for i in range(6)})
    problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * sum(((x - 0.3) / 1e-3) ** 2 for x in v.values()))
    details = sampled(problem, 3000, n_replicas=3).details["sampling"]
    assert "hardly exchange states" in details
    assert "round trips" in details


def test_an_interrupted_run_returns_its_draws():
    result = sampled(n_evaluations=4000, stop=wilks.MaxEvaluations(2000))
    assert result.n_evaluations == 2000
    assert result.draws["x"].size > 100
    assert math.isfinite(result.log_evidence)


# The course of a run


def test_what_goes_on_is_described():
    seen = []
    sampled(n_evaluations=3000, callbacks=[lambda info: seen.append(info.activity)])
    algorithm = wilks.ParallelTempering(sampling=True, budget=2000)
    state = algorithm.init(SPACE, 1, np.empty((0, 3)))
    assert algorithm.describe(state)[0] == "first points"
    drive(algorithm, state, 300)
    assert algorithm.describe(state)[0] == "burn-in"
    drive(algorithm, state, 1500)
    activity, fraction = algorithm.describe(state)
    assert activity == "sampling"
    assert 0.7 < fraction < 0.8
    assert seen[-1] == "sampling"


def losses_at(state, points):
    rows = state.coordinates.thetas(points).tolist()
    return [-log_likelihood(SPACE.values_of_row(row)) for row in rows]


def drive(algorithm, state, n_told):
    """Sweep until so many points were told, without the loop."""
    if state.engine is None:
        state.n_told = len(state.first)
        state.stage = "search"
        algorithm.begin(state, state.first, losses_at(state, state.first))
    while state.n_told < n_told:
        points, notes = algorithm.propose(state)
        state.n_told += len(points)
        algorithm.absorb(state, Batch(0, points, losses_at(state, points), notes=notes))


def test_a_state_that_was_saved_goes_on_as_if_it_had_not_been():
    algorithm = wilks.ParallelTempering(sampling=True, budget=2500)
    state = algorithm.init(SPACE, 1, np.empty((0, 3)))
    for stop in (300, 1200, 2500):  # burn-in, frozen, end
        drive(algorithm, state, stop)
        again = encoding.decode(encoding.encode(state))
        drive(algorithm, again, stop + 200)
        other = copy.deepcopy(state)
        drive(algorithm, other, stop + 200)
        assert again.engine.points == other.engine.points
        assert again.engine.betas == other.engine.betas
        assert again.engine.n_draws == other.engine.n_draws


def test_a_run_with_more_evaluations_goes_on(tmp_path):
    path = tmp_path / "run.db"
    with wilks.EvaluationLog(path) as log:
        first = sampled(n_evaluations=2000, log=log)
    with wilks.EvaluationLog(path) as log:
        second = sampled(n_evaluations=3000, log=log)
    n = first.draws["x"].size
    assert second.draws["x"].size > n
    assert np.array_equal(second.draws["x"][:, :n], first.draws["x"])


def test_proposals_from_states_that_are_gone_are_left_out():
    algorithm = wilks.ParallelTempering(sampling=True, budget=2500)
    state = algorithm.init(SPACE, 1, np.empty((0, 3)))
    drive(algorithm, state, 1500)
    batches = []
    for _ in range(2):
        points, notes = algorithm.propose(state)
        batches.append(Batch(0, points, losses_at(state, points), notes=notes))
    before = state.engine.n_swept
    for batch in batches:
        algorithm.absorb(state, batch)
    assert state.engine.n_swept == before + 1


def test_every_sweep_asks_for_something():
    """Also where every proposal is outside the box, or repeats the state."""
    space = wilks.Space(n=wilks.Integer(0, 1))
    result = sampled(wilks.LikelihoodProblem(space, lambda v: 0.0), 800, n_replicas=2)
    assert result.n_evaluations == 800


def test_a_run_without_a_finite_value_draws_nothing():
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -math.inf)
    result = sampled(problem, 1500)
    assert result.sample is None
    assert not result.status.success


# Parts


def test_the_acceptance():
    assert acceptance(1.0, 1.0, 2.0, 0.0) == 1.0
    assert acceptance(0.5, 3.0, 1.0, 0.0) == pytest.approx(math.exp(-1))
    assert acceptance(0.0, 100.0, 1.0, -0.5) == pytest.approx(math.exp(-0.5))
    assert acceptance(0.5, math.inf, 1.0, 0.0) == 0.0
    assert acceptance(0.5, 1.0, math.inf, -5.0) == 1.0


@pytest.mark.parametrize(("budget", "lengths"), [(20_000, [265, 530, 1060]), (2000, [80, 160])])
def test_rounds_double(budget, lengths):
    plan = BurnIn.planned(20, budget, 8)
    ends = []
    while not plan.last_round:
        ends.append(plan.round_end)
        plan.next_round()
    assert np.diff([20, *ends]).tolist() == lengths
    assert plan.end - ends[-1] >= 2 * lengths[-1]


def test_first_ladders():
    losses = [float(i) for i in range(101)]
    betas = first_betas(losses, 8)
    assert len(betas) == 8
    assert betas[0] == 1.0
    assert betas[-2] == pytest.approx(1 / 100)
    assert betas[-1] == 0.0
    assert first_betas([math.inf], 3) == [1.0, pytest.approx(0.3), 0.0]
    assert first_betas(losses, 2) == [1.0, 0.0]


def test_equal_steps_of_rejection():
    betas = even_rejection([1.0, 0.25, 0.0], [0.4, 0.4], 5)
    assert betas == [1.0, pytest.approx(0.5), pytest.approx(0.25), pytest.approx(0.125), 0.0]
    many = even_rejection([1.0, 0.5, 0.1, 0.0], [0.0, 0.0, 1.0], 9)
    assert (np.diff(many) < 0).all()
    assert even_rejection([1.0, 0.3, 0.0], [0.2, 0.9], 2) == [1.0, 0.0]


def test_steps_between_rungs():
    rows = between([1.0, 0.01, 0.0], [1.0, 0.1, 0.01, 0.0], [[0.1], [1.0], [9.0]])
    assert np.ravel(rows).tolist() == pytest.approx([0.1, math.sqrt(0.1), 1.0, 1.0])


def test_the_prior_in_the_coordinates_of_the_search():
    space = wilks.Space(
        x=wilks.Real(0, 4, prior=Normal(1.0, 0.5)),
        y=wilks.Real(1, 100, scale="log", prior=Normal(10.0, 5.0)),
        plain=wilks.Real(1, 100, scale="log"),
        kind=wilks.Categorical(["a", "b"], prior=[0.75, 0.25]),
    )
    coordinates, dice = Coordinates.of(space), Dice.keyed(1)
    base = BaseMeasure.of(coordinates)
    points = [base.draw(coordinates, dice) for _ in range(4000)]
    # The mean of 1 / density over the prior is the volume of the unit box (times 1 for the discrete one).
    inverse = np.exp(-np.array(base.log_densities(coordinates, [[x, 0.5, p, k] for x, _, p, k in points])))
    reference = math.exp(-base.log_densities(coordinates, [[0.25, 0.5, 0.5, 0.0]])[0])
    assert (inverse > 0).all()
    assert reference > 0
    u = np.linspace(0, 1, 4001)
    densities = np.exp(base.log_densities(coordinates, [[0.25, v, 0.1, 0.0] for v in u]))
    fixed = math.exp(base.log_densities(coordinates, [[0.25, 0.5, 0.1, 0.0]])[0])
    y_density = densities / fixed
    theta = 100**u
    right = np.exp(-0.5 * ((theta - 10) / 5) ** 2) * theta
    assert y_density == pytest.approx(right / (np.exp(0.0) * 10.0), rel=1e-9)
    drawn = np.array([point[1] for point in points])
    mean = np.trapezoid(u * right, u) / np.trapezoid(right, u)
    assert drawn.mean() == pytest.approx(mean, abs=4 * drawn.std() / math.sqrt(4000))
    assert np.mean([point[3] for point in points]) == pytest.approx(0.25, abs=0.03)
    assert base.log_densities(coordinates, [[0.25, 0.5, 0.5, 1.0], [0.25, 0.5, 0.5, 0.0]]) == pytest.approx(
        [math.log(0.5) - math.log(reference) - math.log(1.5), -math.log(reference)]
    )
    assert BaseMeasure.of(Coordinates.of(SPACE)).uniform
