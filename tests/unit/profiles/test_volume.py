import dataclasses
import json
import math
import random

import h5py
import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.core import encoding
from wilks.core.proposal import Evaluations, EvaluationStatus, Phase
from wilks.core.status import Outcome, Status
from wilks.loop import stretch
from wilks.profiles import volume_moves as moves
from wilks.profiles.state import Optimum
from wilks.profiles.volume import VolumeSampler, samples_of
from wilks.profiles.volume_options import VolumeOptions
from wilks.profiles.volume_result import VolumeResult
from wilks.profiles.volume_seeding import MAX_LOOKS, Rays, Seeds, factor_of, points_of_map

SPACE = wilks.Space(a=wilks.Real(-4, 4), b=wilks.Real(1e-2, 1e2, scale="log"), c=wilks.Real(0, 1))
MEAN = np.array([0.5, 0.4, 0.05])
WIDTHS = np.array([0.05, 0.1, 0.2])
DEPTH = 4.0


def log_likelihoods(units):
    return -0.5 * (((units - MEAN) / WIDTHS) ** 2).sum(axis=1)


def optimum(at=MEAN, value=0.0, widths=WIDTHS):
    return Optimum(np.array(at), value, np.diag(np.asarray(widths) ** -2.0))


def seeds(points=(), values=()):
    return Seeds.of((optimum(),), np.array(points, dtype=float).reshape(-1, 3), np.array(values, dtype=float), DEPTH)


def sampler(n_steps=9, known=None, **options):
    return VolumeSampler(DEPTH, 24, n_steps, VolumeOptions(**options), seeds() if known is None else known)


def answered(proposals, function=log_likelihoods):
    values = function(SPACE.to_unit(proposals.thetas))
    bad, n = ~np.isfinite(values), len(proposals)
    return Evaluations(
        proposals.ids,
        proposals.thetas,
        proposals.phases,
        np.where(bad, -np.inf, values),
        np.where(bad, EvaluationStatus.FAILED, EvaluationStatus.OK).astype(np.int8),
        np.zeros(n, dtype=np.float32),
        np.ones(n, dtype=np.int32),
    )


def some(evaluations, rows):
    fields = ("ids", "thetas", "phases", "log_likelihoods", "statuses", "seconds", "workers")
    return Evaluations(**{name: getattr(evaluations, name)[rows] for name in fields})


def play(algorithm, *, limit=1000, function=log_likelihoods, between=lambda state: state, source=None, seed=1):
    """Run by hand; with a `source`, answers come in pieces and out of order. Return the state and the batches."""
    state, waiting, batches = algorithm.init(SPACE, seed, np.empty((0, 3))), [], []
    while algorithm.terminate(state) is None:
        proposals, state = algorithm.ask(between(state), limit)
        assert len(proposals) <= limit
        if len(proposals):
            batches.append(proposals)
            waiting.append(answered(proposals, function))
        elif not waiting:
            break
        told = waiting.pop() if source is None else waiting.pop(source.randrange(len(waiting)))
        if source is not None:
            order = source.sample(range(len(told)), len(told))
            n = source.randint(1, len(told))
            if n < len(told):
                waiting.append(some(told, order[n:]))
            told = some(told, order[:n])
        state = algorithm.tell(between(state), told)
    return state, batches


# The moves


def test_levels_are_spread_over_the_depth():
    levels = moves.draw_levels(-3.0, 4.0, 50, np.random.default_rng(1))
    assert (np.diff(levels) < 0).all()
    assert np.floor((-3.0 - levels) / 4.0 * 50).tolist() == list(range(50))


def test_both_halves_have_the_levels_of_the_whole():
    assert stretch.half(5, 0).tolist() == [0, 2, 4]
    assert stretch.half(5, 1).tolist() == [1, 3]


def test_stretches_follow_their_density():
    stretches = stretch.draw_stretches(np.random.default_rng(1).random(4000))
    assert stretches.min() >= 0.5
    assert stretches.max() <= 2.0
    # The distribution function of a density proportional to z^(-1/2).
    assert stats.kstest(stretches, lambda z: np.sqrt(2 * z) - 1.0).pvalue > 1e-3


OTHERS = np.linspace(0.0, -4.0, 41)


@pytest.mark.parametrize("window", [0.05, 0.31, 1.0, 100.0])
def test_partners_have_near_levels_and_each_the_same_chance(window):
    generator = np.random.default_rng(1)
    for level in (0.1, -0.02, -2.0, -3.97, -4.2):
        chosen = moves.draw_partners(np.full(4000, level), OTHERS, window, 3, generator.random(4000))
        distances = np.abs(OTHERS - level)
        allowed = np.flatnonzero((distances <= window) | (distances <= np.sort(distances)[2]))
        assert set(chosen.tolist()) == set(allowed.tolist())
        counts = np.bincount(chosen, minlength=len(OTHERS))[allowed]
        assert stats.chisquare(counts).pvalue > 1e-4


def test_without_a_window_everybody_is_a_partner():
    chosen = moves.draw_partners(np.zeros(4000), OTHERS, None, 3, np.random.default_rng(1).random(4000))
    assert set(chosen.tolist()) == set(range(41))
    assert moves.draw_partners(np.zeros(1), OTHERS, None, 3, np.array([1.0 - 1e-16])).tolist() == [40]


def test_a_window_is_symmetric_where_it_is_wider_than_the_fewest():
    """Walker i may choose j exactly when j may choose i."""
    levels = moves.draw_levels(0.0, 4.0, 60, np.random.default_rng(3))
    halves = [levels[stretch.half(60, parity)] for parity in (0, 1)]
    grid = np.linspace(0.0, 1.0, 400, endpoint=False)

    def choices(own, others):
        return {
            (i, int(j))
            for i, level in enumerate(own)
            for j in moves.draw_partners(np.full(400, level), others, 0.5, 2, grid)
        }

    assert choices(halves[0], halves[1]) == {(i, j) for j, i in choices(halves[1], halves[0])}


def test_a_proposal_lies_on_the_line():
    found = stretch.stretched(np.array([[1.0, 2.0]]), np.array([[0.0, 1.0]]), np.array([2.0]))
    assert found.tolist() == [[2.0, 3.0]]


def test_faces_belong_to_the_box():
    points = np.array([[0.0, 1.0], [0.5, 1.0 + 1e-12], [-1e-12, 0.5], [np.nan, 0.5]])
    assert stretch.inside_box(points).tolist() == [True, False, False, False]


def test_the_target_is_zero_without_a_finite_value():
    found = moves.log_target(np.array([-1.0, -2.0, -np.inf, np.nan]), np.full(4, -1.0), 0.5)
    assert found.tolist() == [0.0, -2.0, -np.inf, -np.inf]


# Seeding


def test_a_factor_is_triangular_and_gives_the_covariance():
    curvature = np.array([[400.0, 150.0, 0.0], [150.0, 900.0, -80.0], [0.0, -80.0, 100.0]])
    factor = factor_of(curvature)
    assert np.array_equal(factor, np.tril(factor))
    assert (np.diag(factor) > 0).all()
    np.testing.assert_allclose(factor @ factor.T, np.linalg.inv(curvature), atol=1e-12)


@pytest.mark.parametrize("flat", [0.0, 1e-30, -1.0])
def test_a_flat_direction_is_no_wider_than_half_the_box(flat):
    factor = factor_of(np.diag([1e12, flat]))
    np.testing.assert_allclose(np.diag(factor), [1e-6, 0.5])


def test_seeds_keep_what_lies_in_the_region():
    low = optimum([0.1, 0.1, 0.1], value=-5.0)
    points = np.array([[0.5, 0.4, 0.1], [0.9, 0.4, 0.1], [0.5, 0.4, 0.2], [0.5, 0.3, 0.2]])
    found = Seeds.of((low, optimum()), points, np.array([-1.0, -4.5, np.nan, -0.5]), DEPTH)
    assert found.optimum_values.tolist() == [0.0]
    assert found.point_values.tolist() == [-0.5, -1.0]
    assert found.points[0].tolist() == [0.5, 0.3, 0.2]
    point, value = found.best
    assert (point.tolist(), value) == (MEAN.tolist(), 0.0)


def test_a_point_may_be_the_best():
    found = Seeds.of((optimum(),), np.array([[0.2, 0.2, 0.2]]), np.array([6.0]), DEPTH)
    assert found.best[1] == 6.0
    assert not len(found.optima)


def test_the_order_of_points_does_not_matter_not_even_among_equals():
    points = np.random.default_rng(1).random((50, 3))
    values = np.repeat([-1.0, -2.0], 25)
    found, backwards = seeds(points, values), seeds(points[::-1], values[::-1])
    np.testing.assert_array_equal(found.points, backwards.points)


def test_an_optimum_that_comes_twice_counts_once():
    again, other = optimum(MEAN + 0.001, -1e-4), optimum(MEAN + np.array([0.1, 0.0, 0.0]), -2.0)
    found = Seeds.of((again, optimum(), other), np.empty((0, 3)), np.empty(0), DEPTH)
    assert found.optimum_values.tolist() == [0.0, -2.0]


def test_without_points_there_is_no_best():
    assert Seeds.of((), np.empty((0, 3)), np.empty(0), DEPTH).best is None


def test_heaps_of_points_are_thinned():
    """Finite differences around an optimum tell nothing of the region; of a heap elsewhere one point is enough."""
    generator = np.random.default_rng(1)
    heap = MEAN + 1e-6 * generator.standard_normal((50, 3))
    away = MEAN + np.array([0.1, 0.0, 0.0]) + 1e-6 * generator.standard_normal((50, 3))
    points = np.concatenate([heap, away])
    values = log_likelihoods(points)
    found = seeds(points, values).thinned(1000)
    assert found.point_values.tolist() == [values[50:].max()]
    spread = generator.random((3000, 3))
    assert len(seeds(spread, np.full(3000, -1.0)).thinned(40).points) == 40


def test_a_ray_meets_its_level_in_few_looks():
    levels = moves.draw_levels(0.0, DEPTH, 200, np.random.default_rng(1))
    rays = Rays.drawn(seeds(), levels, np.random.default_rng(2))
    n_looks = 0
    for n in range(MAX_LOOKS):
        rows = rays.open(0.05, n)
        assert n or len(rows) == 200
        points = rays.points(rays.radii)[rows]
        assert ((points >= 0) & (points <= 1)).all()
        rays.learn(rows, log_likelihoods(points))
        n_looks += len(rows)
    assert n_looks < 2.5 * 200  # half of the rays are folded at a face of the box, close to the best point
    assert np.mean(np.abs(rays.values - levels) < 0.05) > 0.95
    np.testing.assert_allclose(log_likelihoods(rays.points(rays.found)), rays.values)


def test_a_walker_leaves_the_origin_of_its_ray_as_soon_as_something_finite_was_seen():
    """Also when it was farther from its level: walkers that begin at one place would not part."""
    rays = Rays.drawn(seeds(), np.full(9, -0.1), np.random.default_rng(2))
    first = rays.radii.copy()
    rays.learn(np.arange(9), np.where(np.arange(9) < 5, -3.0, -np.inf))
    np.testing.assert_array_equal(rays.found, np.where(np.arange(9) < 5, first, 0.0))
    assert rays.values.tolist() == [-3.0] * 5 + [0.0] * 4


def test_a_ray_comes_back_from_where_the_likelihood_ends():
    def walled(units):
        return np.where(np.abs(units[:, 0] - 0.5) < 0.02, log_likelihoods(units), -np.inf)

    levels = np.full(60, -3.0)
    rays = Rays.drawn(seeds(), levels, np.random.default_rng(2))
    for n in range(MAX_LOOKS):
        rows = rays.open(0.05, n)
        rays.learn(rows, walled(rays.points(rays.radii)[rows]))
    assert np.isfinite(rays.values).all()
    assert (rays.found > 0).mean() > 0.9


def test_a_profile_gives_its_cells_as_points():
    problem = wilks.LikelihoodProblem(SPACE, lambda v: float(log_likelihoods(unit_of(v))[0]))
    result = wilks.profile(problem, over=("c", "a"), grid=(5, 7), audit=0, seed=1, callbacks=())
    points, values = points_of_map(result)
    assert len(values) == np.isfinite(result.log_likelihood_map).sum() > 3
    np.testing.assert_allclose(log_likelihoods(points), values, atol=1e-9)
    strange = dataclasses.replace(result, over=("c", "q"), axes={"c": result.axes["c"], "q": result.axes["a"]})
    assert len(points_of_map(strange)[0]) == 0


def unit_of(values):
    return SPACE.to_unit(SPACE.to_theta(values))[None]


# The algorithm


def test_a_state_is_a_value():
    """Writing and reading it at every step changes nothing."""
    expected = play(sampler())
    found = play(sampler(), between=lambda state: encoding.decode(encoding.encode(state)))
    assert [batch.thetas.tobytes() for batch in found[1]] == [batch.thetas.tobytes() for batch in expected[1]]
    assert encoding.encode(found[0]) == encoding.encode(expected[0])


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pieces_in_any_order_change_nothing(limit):
    expected, _ = play(sampler())
    found, _ = play(sampler(), limit=limit, source=random.Random(limit))
    assert encoding.encode(found.visits) == encoding.encode(expected.visits)
    assert found.n_accepted == expected.n_accepted


def test_another_seed_gives_other_walks():
    first, second = (play(sampler(), seed=seed)[1] for seed in (1, 2))
    assert first[0].thetas.tobytes() != second[0].thetas.tobytes()


def test_every_state_is_counted_once():
    algorithm = sampler(n_steps=10)
    state, batches = play(algorithm)
    visits, counts = samples_of(state)
    assert algorithm.n_burn_in == 3
    assert counts.sum() == 24 * 7
    assert counts.min() >= 1
    for walker in range(24):
        mine = visits.walkers == walker
        assert counts[mine].sum() == 7
        assert visits.steps[mine].min() == 4
        assert (np.diff(visits.points[mine], axis=0) != 0).any(axis=1).all()  # distinct states only
    np.testing.assert_allclose(log_likelihoods(visits.points), visits.values, atol=1e-9)
    assert state.n_asked == sum(map(len, batches))
    assert {int(phase) for batch in batches for phase in batch.phases} == {Phase.VOLUME}
    assert state.n_proposed == 24 * 10
    moved = sum(map(len, batches[-20:]))
    assert state.n_outside == state.n_proposed - moved > 0  # the best point is close to a face


def test_half_of_the_ensemble_is_one_batch():
    _, batches = play(sampler(known=Seeds.of((optimum([0.5, 0.5, 0.5]),), np.empty((0, 3)), np.empty(0), DEPTH)))
    assert max(len(batch) for batch in batches[-18:]) == 12


@pytest.mark.parametrize("n", [1, 30, 60, 100])
def test_a_budget_is_never_exceeded(n):
    algorithm = sampler(n_evaluations=n)
    state, batches = play(algorithm)
    assert sum(map(len, batches)) <= n
    status = algorithm.terminate(state)
    if n < 60:
        assert status.outcome is Outcome.NOT_CONVERGED
        assert f"n_evaluations={n}" in status.message
    if n == 100:
        assert state.n_sweeps < 9
        assert sum(map(len, batches)) > n - 12


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_failures_are_rejections(share):
    generator = np.random.default_rng(1)

    def failing(units):
        return np.where(generator.random(len(units)) < share, np.nan, log_likelihoods(units))

    state, _ = play(sampler(n_steps=30), function=failing)
    assert np.isfinite(state.values).all()
    assert np.isfinite(samples_of(state)[0].values).all()
    assert state.n_accepted > 0


def test_nothing_but_failures_leaves_the_walkers_where_they_are():
    state, _ = play(sampler(), function=lambda units: np.full(len(units), np.nan))
    assert state.n_accepted == 0
    assert (state.positions == MEAN).all()


def test_a_better_point_is_noticed():
    algorithm = sampler(known=Seeds.of((optimum([0.55, 0.4, 0.1], -1.0),), np.empty((0, 3)), np.empty(0), DEPTH))
    state, _ = play(algorithm)
    assert state.first_best == -1.0
    assert -1.0 < state.best <= 0.0
    np.testing.assert_allclose(log_likelihoods(state.best_point[None]), state.best)


def test_nothing_known_is_said():
    algorithm = VolumeSampler(DEPTH, 24, 9)
    state, batches = play(algorithm)
    assert not batches
    status = algorithm.terminate(state)
    assert status.outcome is Outcome.NOT_CONVERGED
    assert "skipped: no point with a finite log-likelihood" in status.message


def test_it_says_what_it_does():
    algorithm = sampler()
    state = algorithm.init(SPACE, 1, np.empty((0, 3)))
    assert algorithm.describe(state) == ("seeding walkers", 0.0)
    state, _ = play(algorithm)
    assert algorithm.describe(state) == ("step 9 of 9", 1.0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"n_evaluations": 0}, "n_evaluations: expected a positive integer or None, got 0"),
        ({"n_evaluations": 2.5}, "n_evaluations: expected a positive integer or None, got 2.5"),
        ({"sigma_fraction": 0}, "sigma_fraction: expected a number in (0, 1], got 0"),
        ({"sigma_fraction": math.nan}, "sigma_fraction: expected a number in (0, 1], got nan"),
        ({"partner_window": -1.0}, "partner_window: expected a positive difference in log-likelihood or None, got -1"),
        ({"use_log": 1}, "use_log: expected True or False, got 1"),
    ],
)
def test_options_are_checked(options, expected):
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        VolumeOptions(**options)
    assert str(error.value).startswith(expected)


# The result


def result(**more):
    from tests.unit.plots.examples import PROVENANCE

    samples = np.array([[-1.0, 2.0, 0.5], [0.5, 20.0, 0.25], [0.0, 1.0, 1.0]])
    fields = {
        "space": SPACE,
        "status": Status(Outcome.BUDGET_SPENT, "9 of 9 steps of 24 walkers."),
        "best": {"a": 0.0, "b": 1.5, "c": 0.5},
        "log_likelihood": -10.0,
        "n_evaluations": 500,
        "stats": {},
        "provenance": PROVENANCE,
        "samples": samples,
        "log_likelihoods": np.array([-10.05, -12.0, -13.99]),
        "counts": np.array([1, 5, 2]),
        "levels": np.array([-10.2, -12.3, -13.7]),
        "band": (-14.0, -10.0),
        "roi_threshold": 4.0,
        "sigma": 0.4,
        "n_walkers": 24,
        "n_steps": 9,
        "n_sweeps": 9,
        "n_outside": 3,
        "mean_acceptance": 0.3,
        "in_band_fraction": 0.9,
        "best_drift": 0.0,
    }
    return VolumeResult(**fields | more)


def skipped():
    return result(
        status=Status(Outcome.NOT_CONVERGED, "Volume sampling was skipped."),
        best={},
        log_likelihood=-math.inf,
        samples=np.empty((0, 3)),
        log_likelihoods=np.empty(0),
        counts=np.empty(0, dtype=np.int64),
        levels=np.empty(0),
        band=(-math.inf, -math.inf),
        n_walkers=0,
        n_sweeps=0,
        mean_acceptance=math.nan,
        in_band_fraction=math.nan,
    )


def test_the_histogram_counts_states():
    edges, counts = result().histogram
    np.testing.assert_allclose(edges, np.linspace(-14, -10, 21))
    assert (counts[19], counts[10], counts[0], counts.sum()) == (1, 5, 2, 8)


def test_a_table_a_summary_and_what_is_shown():
    text = repr(result())
    assert "Volume: 3 samples, log-likelihood -10 at best, down to -14" in text
    assert "9 steps of 24 walkers, 30 % of the moves accepted, 90 % of the states in the region." in text
    assert "500 evaluations" in text
    assert ("a", "0", "-1", "0.5", "") in result().table().rows
    assert 'alt="Samples of the region of interest over a, b, c"' in result()._repr_html_()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"best_drift": 0.5}, "rose by 0.5 during the sampling: the start was not the maximum"),
        ({"mean_acceptance": 0.01}, "Few moves were accepted"),
        ({"counts": np.array([0, 5, 2])}, "The best tenth of the log-likelihoods holds 0.0 % of the states"),
    ],
)
def test_what_to_keep_in_mind_is_said(more, expected):
    assert expected in result(**more).summary()
    assert expected not in result().summary()


def test_samples_as_a_table():
    frame = result().to_dataframe()
    assert list(frame.columns) == ["a", "b", "c", "log_likelihood", "count", "level"]
    assert frame["b"].tolist() == [2.0, 20.0, 1.0]
    assert frame["count"].tolist() == [1, 5, 2]
    space = wilks.Space(count=wilks.Real(-4, 4), b=wilks.Real(0, 1), c=wilks.Real(0, 1))
    assert list(result(space=space).to_dataframe().columns)[3:] == ["log_likelihood", "count_", "level"]
    space = wilks.Space(count=wilks.Real(-4, 4), count_=wilks.Real(0, 1), c=wilks.Real(0, 1))
    frame = result(space=space).to_dataframe()
    assert list(frame.columns) == ["count", "count_", "c", "log_likelihood", "count__", "level"]
    assert frame["count_"].tolist() == [2.0, 20.0, 1.0]


def test_samples_as_files(tmp_path):
    path = result().write_samples(tmp_path / "new" / "samples.csv")
    first = path.read_text().splitlines()[0]
    assert first == "-1.0000000000e+00, 2.0000000000e+00, 5.0000000000e-01, -1.0050000000e+01"
    for name in ("samples.h5", "samples.hdf5"):
        with h5py.File(result().write_samples(tmp_path / name)) as file:
            rows = file["samples"][()]
            assert list(file["samples"].attrs["columns"]) == ["a", "b", "c", "log_likelihood"]
        np.testing.assert_array_equal(rows[:, :3], result().samples)
        np.testing.assert_array_equal(rows[:, 3], result().log_likelihoods)
    with pytest.raises(wilks.InvalidConfigurationError, match="exists already"):
        result().write_samples(path)
    assert result(samples=np.zeros((3, 3))).write_samples(path, overwrite=True).read_text().startswith("0.0000")
    with pytest.raises(wilks.InvalidConfigurationError, match="ends in one of"):
        result().write_samples(tmp_path / "samples.dat")


def test_a_summary_as_a_file(tmp_path):
    found = json.loads(result().write_summary(tmp_path / "summary.json").read_text())
    assert found["n_walkers"] == 24
    assert (found["band_lowest"], found["band_best"]) == (-14.0, -10.0)
    assert found["mean_acceptance"] == 0.3
    assert sum(found["histogram"]["counts"]) == 8
    assert len(found["histogram"]["edges"]) == 21
    with pytest.raises(wilks.InvalidConfigurationError, match="exists already"):
        result().write_summary(tmp_path / "summary.json")
    with pytest.raises(wilks.CheckpointError, match="cannot be written"):
        result().write_summary(tmp_path / "summary.json" / "below.json")


def test_a_skipped_stage(tmp_path):
    empty = skipped()
    assert empty.is_skipped
    assert "There are no samples." in repr(empty)
    assert "img" not in empty._repr_html_()
    assert [part.size for part in empty.histogram] == [0, 0]
    assert len(empty.to_dataframe()) == 0
    found = json.loads(empty.write_summary(tmp_path / "summary.json").read_text())
    assert found["skipped"]
    assert found["band_best"] is None


def test_a_result_is_saved_and_loaded(tmp_path):
    loaded = wilks.load(result().save(tmp_path / "result.wilks"))
    assert repr(loaded) == repr(result())
    np.testing.assert_array_equal(loaded.samples, result().samples)
    assert loaded.band == (-14.0, -10.0)
