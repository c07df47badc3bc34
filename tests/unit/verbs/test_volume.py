import concurrent.futures
import math

import numpy as np
import pytest

import wilks
from wilks.core import encoding
from wilks.core.proposal import EvaluationStatus, Phase
from wilks.core.status import Outcome

SPACE = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5), c=wilks.Real(0, 20))
QUICK = {"n_walkers": 40, "n_steps": 9, "seed": 1, "callbacks": ()}


def hill(values):
    a, b, c = values["a"], values["b"], values["c"]
    return -0.5 * ((a - 1) ** 2 + (b - a) ** 2 / 0.25 + (c - 10) ** 2 / 4)


def problem(**more):
    return wilks.LikelihoodProblem(SPACE, hill, name="hill", **more)


def at(samples, function=hill, space=SPACE):
    return np.array([function(space.to_values(theta)) for theta in samples])


def sample(made=None, **more):
    return wilks.sample_volume(made or problem(), **QUICK | more)


def volume_evaluations(result):
    return next(step for step in result.provenance.executed if step.name == "volume").n_evaluations


@pytest.fixture(scope="module")
def profiles():
    made = problem()
    return [
        wilks.profile(made, over=over, grid=grid, audit=0, seed=1, callbacks=())
        for over, grid in (("a", (21,)), (("a", "c"), (11, 11)))
    ]


@pytest.fixture(scope="module")
def fitted():
    return wilks.fit(problem(), seed=1, callbacks=())


def test_the_region_is_filled():
    result = sample(n_walkers=100, n_steps=30)
    assert result.status.outcome is Outcome.BUDGET_SPENT
    assert result.log_likelihood == pytest.approx(0.0, abs=1e-6)
    assert result.band == (result.log_likelihood - 4.0, result.log_likelihood)
    assert (result.n_walkers, result.n_steps, result.n_sweeps, result.n_in_band) == (100, 30, 30, len(result.samples))
    np.testing.assert_allclose(at(result.samples), result.log_likelihoods, atol=1e-9)
    assert (result.log_likelihoods > result.band[0]).all()
    assert 0.9 < result.in_band_fraction <= 1.0
    assert 0.2 < result.mean_acceptance < 0.5
    assert result.sigma == 0.4
    assert 0 <= result.best_drift < 1e-6
    _, counts = result.histogram
    assert counts.sum() == pytest.approx(result.in_band_fraction * 100 * 20)
    assert counts[:-2].min() > 0.02 * counts.sum()
    assert np.abs(result.log_likelihoods - result.levels).max() < 5 * result.sigma
    # Out to where the region ends: its extent is sqrt(2 * 4) standard deviations.
    reach = np.array([1.0, math.hypot(1.0, 0.5), 2.0]) * math.sqrt(8)
    span = np.abs(result.samples - [1.0, 1.0, 10.0]).max(axis=0) / reach
    assert (span > 0.75).all()
    assert (span < 1.0).all()
    assert set(result.best) == {"a", "b", "c"}
    assert [step.name for step in result.provenance.executed] == ["multi-start", "volume"]
    assert result.n_evaluations == sum(step.n_evaluations for step in result.provenance.executed)


def test_a_profile_gives_threshold_and_seeds(profiles):
    result = sample(start=profiles)
    assert result.roi_threshold == 4.0
    assert result.stats["n_known_points"] > 20
    assert [step.name for step in result.provenance.executed] == ["volume"]  # it hands over its optima, too
    assert result.stats["n_optima"] == 1
    deeper = sample(start=profiles[0], roi_threshold=9)
    assert deeper.roi_threshold == 9.0
    assert deeper.log_likelihoods.min() < deeper.log_likelihood - 7.0


def test_the_deepest_profile_gives_the_threshold(profiles):
    deep = wilks.profile(problem(), over="b", grid=(9,), roi_threshold=6.0, audit=0, seed=1, callbacks=())
    assert sample(start=[*profiles, deep]).roi_threshold == 6.0


def test_cells_of_another_problem_are_no_seeds(profiles):
    other = wilks.LikelihoodProblem(SPACE, lambda v: hill(v) - 0.01 * (v["c"] - 12) ** 2)
    result = sample(other, start=profiles, options=wilks.VolumeOptions(use_log=False))
    assert result.stats["n_known_points"] == 0
    np.testing.assert_allclose(at(result.samples, other.log_likelihood), result.log_likelihoods, atol=1e-9)


def test_walkers_leave_the_plane_of_a_map(profiles):
    """The cells of a Gaussian's map lie in a plane."""
    result = sample(start=profiles[1], options=wilks.VolumeOptions(use_log=False))
    assert np.ptp(result.samples[:, 1] - result.samples[:, 0]) > 1.0


@pytest.mark.parametrize("kind", ["fit", "search", "several", "volume"])
def test_other_results_spare_the_search_for_the_optima(kind, fitted, profiles):
    made = problem()
    start = {
        "fit": lambda: fitted,
        "search": lambda: wilks.search(made, n_evaluations=300, seed=1, callbacks=()),
        "several": lambda: [fitted, profiles[0], {"a": 0.0, "b": 0.0, "c": 3.0}],
        "volume": sample,
    }[kind]()
    result = sample(start=start)
    assert result.stats["n_starts"] == (2 if kind == "several" else 1)
    assert result.provenance.executed[0].n_evaluations < 200
    assert result.best_drift < 1e-3


def test_values_are_starts():
    result = sample(start={"a": 1.0, "b": 1.0, "c": 10.0})
    assert result.stats["n_starts"] > 1
    assert result.n_in_band


def test_a_log_seeds_walkers(fitted):
    logged = wilks.EvaluationLog()
    wilks.search(problem(), wilks.RandomSearch(), n_evaluations=3000, seed=3, log=logged, callbacks=())
    n_before = len(logged)
    found = sample(start=fitted, log=logged)
    without = sample(start=fitted, log=logged, options=wilks.VolumeOptions(use_log=False))
    assert found.stats["n_known_points"] > 10
    assert without.stats["n_known_points"] == 0
    table = logged.arrays()
    n_volume = volume_evaluations(found)
    assert (table["phases"][n_before:] == Phase.VOLUME).sum() > n_volume > 0


def test_a_restricted_problem_takes_its_own_points_from_a_shared_log():
    logged = wilks.EvaluationLog()
    wilks.search(problem(), wilks.RandomSearch(), n_evaluations=500, seed=3, log=logged, callbacks=())
    result = sample(problem().fix(c=10.0), log=logged)
    assert result.samples.shape[1] == 2
    assert result.best["c"] == 10.0
    np.testing.assert_allclose(at(result.samples, hill, problem().fix(c=10.0).space), result.log_likelihoods)
    rows = logged.arrays()["phases"] == Phase.VOLUME
    assert (logged.arrays()["thetas"][rows, 2] == 10.0).all()


def test_points_with_other_fixed_values_are_no_seeds():
    logged = wilks.EvaluationLog()
    wilks.search(problem(), wilks.RandomSearch(), n_evaluations=3000, seed=3, log=logged, callbacks=())
    narrow = problem().fix(c=11.0)
    start = wilks.fit(narrow, seed=1, callbacks=())
    assert bytes_of(sample(narrow, start=start, log=logged)) == bytes_of(sample(narrow, start=start))


def test_the_order_of_the_log_does_not_matter(monkeypatch, fitted):
    def found():
        logged = wilks.EvaluationLog()
        wilks.search(problem(), wilks.RandomSearch(), n_evaluations=3000, seed=3, log=logged, callbacks=())
        return sample(start=fitted, log=logged)

    right = wilks.EvaluationLog.iter_batches

    def backwards(self):
        for block in list(right(self))[::-1]:
            yield {name: column[::-1] for name, column in block.items()}

    expected = found()
    monkeypatch.setattr(wilks.EvaluationLog, "iter_batches", backwards)
    assert bytes_of(found()) == bytes_of(expected)


@pytest.mark.parametrize("corner", [0.0, 1.0])
def test_nothing_is_evaluated_outside_the_bounds(corner):
    """With the best point in a corner most lines lead out of the box."""
    seen = []

    def likelihood(values):
        seen.append(tuple(values.values()))
        x, y, z = ((value - corner) for value in values.values())
        return -40 * (abs(x) + abs(y) + abs(z))

    space = wilks.Space(x=wilks.Real(0, 1), y=wilks.Real(0, 1), z=wilks.Real(0, 1))
    result = sample(wilks.LikelihoodProblem(space, likelihood), n_walkers=100, n_steps=20)
    points = np.array(seen)
    assert len(points) == result.n_evaluations
    assert ((points >= 0) & (points <= 1)).all()
    assert ((result.samples >= 0) & (result.samples <= 1)).all()
    assert result.n_outside > 100
    assert result.n_in_band > 200
    moves = volume_evaluations(result)
    assert moves + result.n_outside < 100 * 20 + 6 * 100


def test_constraints_and_walls_are_rejections():
    def walled(values):
        if values["c"] < 9:
            return -math.inf
        return math.nan if values["c"] > 12 else hill(values)

    called = []

    def constraint(values):
        called.append(values)
        return values["a"] + values["b"] < 3

    made = wilks.LikelihoodProblem(SPACE, walled, constraints=constraint)
    result = sample(made, n_walkers=60)
    assert result.n_in_band > 100
    assert (result.samples[:, 2] >= 9).all()
    assert (result.samples[:, 2] <= 12).all()
    assert (result.samples[:, 0] + result.samples[:, 1] < 3).all()
    assert result.stats["n_violated"] > 0
    assert result.stats["n_failed"] > 0


def test_islands_that_are_known_are_all_filled():
    def two(values):
        return max(-0.5 * ((values["x"] - m) ** 2 + values["y"] ** 2) / 0.1**2 for m in (-2, 2))

    space = wilks.Space(x=wilks.Real(-4, 4), y=wilks.Real(-4, 4))
    result = sample(wilks.LikelihoodProblem(space, two))
    share = np.mean(result.samples[:, 0] > 0)
    assert 0.2 < share < 0.8


def test_one_parameter():
    space = wilks.Space(x=wilks.Real(1e-3, 1e3, scale="log"))
    result = sample(wilks.LikelihoodProblem(space, lambda v: -0.5 * math.log(v["x"]) ** 2))
    assert result.samples.min() < 0.1
    assert result.samples.max() > 10


def test_residuals():
    x = np.arange(5.0)
    space = wilks.Space(slope=wilks.Real(-5, 5), level=wilks.Real(-5, 5))
    made = wilks.ResidualProblem(space, lambda v: 2.0 * x - v["slope"] * x - v["level"])
    result = sample(made)
    expected = [made.log_likelihood(space.to_values(theta)) for theta in result.samples]
    np.testing.assert_allclose(expected, result.log_likelihoods, atol=1e-9)


def test_a_start_below_the_maximum_is_noticed():
    """Its curvature is that of a valley which is not the deepest."""

    def two(values):
        x = values["x"]
        return max(-0.5 * (x + 3) ** 2 / 0.1**2 - 5.0, -0.5 * (x - 0.0) ** 2 / 2.0**2 - 0.0 if x > -2 else -math.inf)

    space = wilks.Space(x=wilks.Real(-4, 4))
    made = wilks.LikelihoodProblem(space, two)
    low = wilks.fit(made, start={"x": -3.0}, n_starts=0, seed=1, callbacks=())
    assert low.log_likelihood == pytest.approx(-5.0)
    result = sample(made, start=low, roi_threshold=20, n_steps=40)
    assert result.best_drift > 4
    assert result.log_likelihood == pytest.approx(low.log_likelihood + result.best_drift)
    assert result.band[0] == result.log_likelihood - 20
    assert (result.log_likelihoods > result.band[0]).all()
    assert result.levels.min() < result.band[0]  # walkers held to levels that have turned out to lie outside
    assert "the start was not the maximum" in result.summary()


# The same answer however it is run


def bytes_of(result):
    return encoding.encode([result.samples, result.log_likelihoods, result.counts, result.levels, result.best])


def test_the_same_seed_repeats_and_another_does_not():
    assert bytes_of(sample()) == bytes_of(sample())
    assert bytes_of(sample()) != bytes_of(sample(seed=2))


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_the_number_of_workers_does_not_matter(kind):
    makers = {
        "threads": lambda: concurrent.futures.ThreadPoolExecutor(3),
        "processes": lambda: wilks.ProcessExecutor(2),
    }
    expected = sample()
    with makers[kind]() as executor:
        found = sample(executor=executor)
    assert bytes_of(found) == bytes_of(expected)
    assert found.n_evaluations == expected.n_evaluations


@pytest.mark.parametrize("n", [30, 300, 500])
def test_a_run_that_was_stopped_goes_on(tmp_path, n, profiles):
    """In the search for the optima, while seeding, while walking; from a file."""
    expected = sample(start=profiles[0])
    total = expected.n_evaluations
    n = min(n, total - 10)
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        first = sample(start=profiles[0], log=log, stop=wilks.MaxEvaluations(n))
        assert first.status.outcome is Outcome.EVALUATION_LIMIT
        assert first.n_evaluations == n
        assert first.best
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        found = sample(start=profiles[0], log=log)
        assert len(log) == total
    assert bytes_of(found) == bytes_of(expected)
    assert found.n_evaluations == total


def test_a_finished_run_is_not_repeated(tmp_path):
    with wilks.EvaluationLog(tmp_path / "run.sqlite") as log:
        first, second = sample(log=log), sample(log=log)
        assert second.stats["n_reused"] == second.n_evaluations == len(log)
    assert bytes_of(first) == bytes_of(second)


# Ends


def test_nothing_in_the_region_is_said_and_no_error():
    made = wilks.LikelihoodProblem(SPACE, lambda values: -math.inf)
    result = sample(made)
    assert result.is_skipped
    assert not result.status.success
    assert result.samples.shape == (0, 3)
    assert "skipped" in result.status.message
    with pytest.raises(wilks.FitFailedError):
        sample(made, throw=True)


def test_a_result_without_a_best_point_is_nothing_to_begin_from():
    made = wilks.LikelihoodProblem(SPACE, lambda values: -math.inf)
    empty = wilks.fit(made, seed=1, callbacks=())
    result = sample(made, start=empty)
    assert result.is_skipped
    assert result.n_evaluations == 0
    assert "skipped: no point with a finite log-likelihood" in result.status.message


def test_a_budget_of_evaluations(fitted):
    result = sample(start=fitted, options=wilks.VolumeOptions(n_evaluations=250))
    volume = result.provenance.executed[-1]
    assert 200 < volume.n_evaluations <= 250
    assert 0 < result.n_sweeps < 9
    assert result.status.outcome is Outcome.BUDGET_SPENT
    few = sample(start=fitted, options=wilks.VolumeOptions(n_evaluations=20))
    assert few.status.outcome is Outcome.NOT_CONVERGED
    assert "n_evaluations=20 is too few" in few.status.message


def test_a_callback_sees_the_steps():
    seen = []
    sample(callbacks=[lambda info: seen.append((info.title, info.activity))])
    assert ("volume of hill", "step 9 of 9") in seen


DISCRETE = wilks.LikelihoodProblem(
    wilks.Space(x=wilks.Real(0, 1), kind=wilks.Categorical(["a", "b"]), n=wilks.Integer(1, 3)), lambda v: -v["x"]
)


def test_discrete_parameters_are_refused():
    with pytest.raises(wilks.InvalidProblemError) as error:
        sample(DISCRETE)
    assert "kind, n is discrete" in str(error.value)
    assert "problem.fix(kind=...)" in str(error.value)
    assert sample(DISCRETE.fix(kind="a", n=2)).n_in_band


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"n_walkers": 7}, "n_walkers: expected at least 2 (d + 1) = 8 for 3 parameters, got 7"),
        ({"n_walkers": True}, "n_walkers: expected at least"),
        ({"n_steps": 0}, "n_steps: expected a positive integer, got 0"),
        ({"roi_threshold": -1}, "roi_threshold: expected a positive depth in log-likelihood or None, got -1"),
        ({"roi_threshold": math.inf}, "roi_threshold: expected a positive depth"),
        ({"options": {"sigma_fraction": 0.1}}, "options: expected a wilks.VolumeOptions, got {"),
        ({"start": 3}, "start: expected a profile, another result, a dictionary of values or a list of these, got 3"),
        ({"start": [{"a": 1.0}, None]}, "start: expected a profile"),
    ],
)
def test_arguments_are_checked(more, expected):
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        sample(**more)
    assert str(error.value).startswith(expected)


def test_a_start_with_a_missing_value_is_refused():
    with pytest.raises(wilks.InvalidProblemError, match="no value for b, c"):
        sample(start={"a": 1.0})


def test_a_problem_is_needed_first():
    with pytest.raises(wilks.InvalidProblemError, match=r"sample_volume: expected a wilks\.LikelihoodProblem"):
        wilks.sample_volume(hill)


def test_evaluations_are_logged_as_volume():
    log = wilks.EvaluationLog()
    result = sample(log=log)
    table = log.arrays()
    n = (table["phases"] == Phase.VOLUME).sum()
    assert n == volume_evaluations(result)
    assert (table["statuses"] == EvaluationStatus.OK).all()
