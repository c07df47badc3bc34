"""What people, likelihoods and machines do to a profile map: one test for each kind of trouble, on `wilks.profile`."""

import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import wilks
from tests.unit.profiles.examples import assert_argmax_gives_the_map, assert_exact, square
from wilks import LikelihoodProblem, Real, Space, problems
from wilks.core.cells import CellStatus
from wilks.core.proposal import Phase
from wilks.plots import profile_1d, profile_2d
from wilks.store.samples import write_samples

mpl.use("Agg")

SPACE = Space(x=Real(-4, 4), y=Real(-4, 4), n=Real(-6, 6))


def hill(v):
    """Its profile over x and y is that of two independent Gaussians."""
    return square(v["x"]) + square(v["y"]) + square((v["n"] - v["x"] * v["y"] / 4) / 0.5)


def true_hill(result):
    x, y = np.ix_(*(result.axes[name] for name in ("x", "y")))
    return square(x) + square(y)


def profile(likelihood=hill, over=("x", "y"), grid=(17, 17), space=SPACE, **more):
    problem = LikelihoodProblem(space, likelihood, name="p")
    return wilks.profile(problem, over=over, grid=grid, **{"seed": 1, "audit": 3, "callbacks": (), **more})


def assert_same(one, two):
    np.testing.assert_array_equal(one.log_likelihood_map, two.log_likelihood_map)
    np.testing.assert_array_equal(one.cell_status, two.cell_status)
    for name in one.argmax:
        np.testing.assert_array_equal(one.argmax[name], two.argmax[name])
    assert one.best == two.best


class Counted:
    """A likelihood that counts its calls."""

    def __init__(self, likelihood=hill):
        self.likelihood, self.n_calls = likelihood, 0

    def __call__(self, values):
        self.n_calls += 1
        return self.likelihood(values)


# Bounds, scales, flat directions


@pytest.mark.parametrize(
    ("known", "over", "grid", "threshold"),
    [
        (problems.bounded(4), ("x0", "x1"), (31, 31), 4.0),
        (problems.bounded(4), ("x3",), (81,), 4.0),
        (problems.bounded(6), ("x4", "x1"), (15, 15), 4.0),
        pytest.param(problems.bounded_coupled_4d(), ("x0", "x1"), (25, 25), 5.0, marks=pytest.mark.slow),
        (problems.bounded_coupled_4d(), ("x0",), (61,), 5.0),
    ],
    ids=["2 of 4", "1 of 4", "2 of 6", "coupled", "coupled, 1 of 4"],
)
def test_nuisances_that_end_on_bounds(known, over, grid, threshold):
    """All cells are right where the bounds are active, and which are active changes across the map."""
    result = wilks.profile(known.problem, over=over, grid=grid, roi_threshold=threshold, seed=1, audit=3, callbacks=())
    assert result.status.success
    assert_exact(result, known.profile(over, [result.axes[name] for name in over]), known.maximum)
    if not known.problem.vectorized:  # of which single calls differ in the last digit
        assert_argmax_gives_the_map(result, known.problem)
    space = known.problem.space
    ends = [np.isin(values[result.in_roi], [space[n].lower, space[n].upper]) for n, values in result.argmax.items()]
    share = np.mean(np.any(ends, axis=0))
    assert share > 0.1


def test_scales_that_differ_by_24_orders_and_a_flat_direction():
    space = Space(
        tiny=Real(0, 1e-12),
        huge=Real(-1e12, 1e12),
        ratio=Real(1e-6, 1e6, scale="log"),
        idle=Real(-1e5, 1e5),
        one=Real(0, 1),
    )

    def likelihood(v):
        a, b = 10 * v["tiny"] / 1e-12 - 4, 5 * v["huge"] / 1e12
        c, d = math.log10(v["ratio"]), 10 * v["one"] - 5
        return square(a) + square((b - 0.8 * a) / 0.6) + square((c - 0.5 * b) / 0.5) + square((d - a) / 0.1)

    for over, grid in ((("tiny",), (41,)), (("tiny", "huge"), (21, 21))):
        result = profile(likelihood, over, grid, space)
        assert result.status.success
        nodes = np.ix_(*(result.axes[name] for name in over))
        a = 10 * nodes[0] / 1e-12 - 4
        truth = square(a) if len(over) == 1 else square(a) + square((5 * nodes[1] / 1e12 - 0.8 * a) / 0.6)
        assert_exact(result, truth, 0.0)


def test_a_shift_of_the_parameters_changes_nothing():
    """The steps of finite differences go with the box, not with the parameter's value."""
    found = []
    for shift in (0.0, 2.0**20):
        space = Space({name: Real(-4 + shift, 4 + shift) for name in ("x", "y", "n")})
        shifted = lambda v, by=shift: hill({name: x - by for name, x in v.items()})  # noqa: E731
        found.append(profile(shifted, space=space, roi_threshold=4.1))
    plain, shifted = found
    assert shifted.n_evaluations == pytest.approx(plain.n_evaluations, rel=0.05)
    np.testing.assert_array_equal(shifted.in_roi, plain.in_roi)
    inside = plain.in_roi
    np.testing.assert_allclose(shifted.log_likelihood_map[inside], plain.log_likelihood_map[inside], atol=1e-4)
    np.testing.assert_allclose(shifted.argmax["n"][inside] - 2.0**20, plain.argmax["n"][inside], atol=2e-2)


# Cells


@pytest.mark.parametrize("answer", [math.nan, None, math.inf], ids=["nan", "none", "plus infinity"])
def test_a_wall_beside_the_optimum(answer):
    """Cells whose optimum is away from the wall are right, and those behind it end without a value."""

    def walled(v):
        return (
            answer
            if v["x"] > 0.26 or v["n"] > v["x"] + 0.3
            else square(v["x"]) + square(v["y"]) + square(v["n"] - v["x"])
        )

    result = profile(walled)
    x = result.axes["x"]
    behind = np.broadcast_to((x > 0.26)[:, None], result.in_roi.shape)
    error = (true_hill(result) - result.log_likelihood_map)[(true_hill(result) > -4 + 1e-9) & ~behind]
    assert error.size > 30
    assert np.abs(error).max() < 1e-3
    assert not np.isfinite(result.log_likelihood_map[behind]).any()
    assert set(np.unique(result.cell_status[behind])) <= {CellStatus.UNVISITED, CellStatus.FAILED}
    assert result.stats["n_failed"] > 0
    assert result.best["x"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("kind", [pytest.param("rugged", marks=pytest.mark.slow), "rosenbrock", "full of holes"])
def test_no_cell_vanishes(kind):
    """Every cell in which the flood or the refinement evaluated anything ends with a status, and it is counted."""
    known = problems.rosenbrock(4) if kind == "rosenbrock" else problems.levy_4d()
    base = known.problem.log_likelihood

    def likelihood(v):
        return math.nan if kind == "full of holes" and math.sin(9 * v["x2"] + 7 * v["x3"]) > 0.8 else base(v)

    log, over = wilks.EvaluationLog(), ("x0", "x1")
    result = profile(likelihood, over, (25, 25), known.problem.space, roi_threshold=5.0, log=log)
    rows = log.arrays()
    of_map = rows["thetas"][np.isin(rows["phases"], (Phase.MAP, Phase.REFINE))][:, :2]
    begun = {
        tuple(np.argmin(np.abs(axis - x)) for axis, x in zip(result.axes.values(), p, strict=True)) for p in of_map
    }
    assert len(begun) > 10
    assert all(result.cell_status[at] != CellStatus.UNVISITED for at in begun)
    assert ((result.cell_status == CellStatus.UNVISITED) == np.isnan(result.log_likelihood_map)).all()
    assert np.isneginf(result.log_likelihood_map[result.cell_status == CellStatus.FAILED]).all()
    if kind != "full of holes":
        assert_exact(result, known.profile(over, list(result.axes.values())), known.maximum)


def test_the_numbers_of_nodes_go_with_the_names():
    """In whichever order the parameters are named, each has the number of nodes that was said for it."""

    def skewed(v):
        return square(v["x"]) + square((v["y"] - 1) / 0.7) + square(v["n"] - v["x"])

    one = profile(skewed, ("y", "x"), (31, 11))
    two = profile(skewed, ("x", "y"), (11, 31))
    by_name = profile(skewed, ("y", "x"), {"x": 11, "y": 31})
    assert list(one.axes) == ["y", "x"]
    assert one.log_likelihood_map.shape == by_name.log_likelihood_map.shape == (31, 11)
    assert {name: len(nodes) for name, nodes in one.axes.items()} == {"x": 11, "y": 31}
    assert_same(one, by_name)
    for result in (one, two):
        x, y = np.ix_(*(two.axes[name] for name in two.over))
        truth = square(x) + square((y - 1) / 0.7)
        assert_exact(result, truth if result.over == ("x", "y") else truth.T, 0.0)


# Options


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: profile(roi_treshold=3.0), TypeError, "unexpected keyword argument 'roi_treshold'"),
        (lambda: wilks.ProfileOptions(acuracy=1e-3), TypeError, "unexpected keyword argument 'acuracy'"),
        (lambda: profile(options={"accuracy": 1e-3}), ValueError, r"options: expected a wilks.ProfileOptions, got {"),
        (lambda: profile(options=wilks.ProfileOptions(inner="locl")), ValueError, "inner: .*'local'.*got 'locl'"),
        (lambda: profile(over=("x", "z")), ValueError, "over: 'z' is no free parameter; they are x, y, n"),
        (lambda: profile(grid={"x": 11, "z": 11}), ValueError, "grid: 'z' is not profiled here"),
        (lambda: problems.test_function("himelblau_4d"), ValueError, "did you mean 'himmelblau_4d'"),
    ],
    ids=["argument", "option", "dictionary", "choice", "over", "grid", "problem"],
)
def test_a_typing_error_is_said_before_anything_is_evaluated(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


# What was known before is used

KNOWN = problems.himmelblau_4d()
FOUR = {"over": ("x0", "x1"), "grid": (13, 13), "space": KNOWN.problem.space, "roi_threshold": 5.0}
OTHERS = {**FOUR, "over": ("x2", "x3")}


def assert_himmelblau(result):
    assert_exact(result, KNOWN.profile(result.over, list(result.axes.values())), KNOWN.maximum)


@pytest.fixture(scope="module")
def first():
    """A profile, and the log of it."""
    log = wilks.EvaluationLog()
    return profile(KNOWN.problem.log_likelihood, **FOUR, log=log), log


@pytest.fixture(scope="module")
def n_cold():
    """Evaluations of a profile of the other parameters when nothing is known."""
    return profile(KNOWN.problem.log_likelihood, **OTHERS).n_evaluations


@pytest.mark.slow
def test_a_log_saves_evaluations(n_cold):
    """A second projection does not search for the optima again, and the same one evaluates nothing."""
    log = wilks.EvaluationLog()
    profile(KNOWN.problem.log_likelihood, **FOUR, log=log)
    before = len(log)
    result = profile(KNOWN.problem.log_likelihood, **OTHERS, log=log)
    assert len(log) - before < 0.5 * n_cold
    assert_himmelblau(result)
    before = len(log)
    assert_same(profile(KNOWN.problem.log_likelihood, **OTHERS, log=log), result)
    assert len(log) == before


@pytest.mark.parametrize("kind", ["csv", "h5"])
def test_a_sample_file_saves_evaluations(first, n_cold, tmp_path, kind):
    """Its optima are starts, so that few others are needed for a map that is right."""
    rows = first[1].arrays()
    path = write_samples(np.column_stack([rows["thetas"], rows["log_likelihoods"]]), tmp_path / f"samples.{kind}")
    log, options = wilks.EvaluationLog(), wilks.ProfileOptions(max_starts=1)
    log.import_samples(path, LikelihoodProblem(FOUR["space"], KNOWN.problem.log_likelihood, name="p"))
    before = len(log)
    result = profile(KNOWN.problem.log_likelihood, **OTHERS, options=options, log=log)
    assert len(log) - before == result.n_evaluations < 0.9 * n_cold
    assert_himmelblau(result)


@pytest.mark.slow
def test_an_earlier_profile_saves_evaluations(first, n_cold):
    """Its optima are not searched for again; on a finer grid, neither are its cells."""
    earlier, _ = first
    result = profile(KNOWN.problem.log_likelihood, **OTHERS, start=earlier)
    assert result.n_evaluations < 0.5 * n_cold
    assert_himmelblau(result)
    finer = profile(KNOWN.problem.log_likelihood, **{**FOUR, "grid": (25, 25)}, start=earlier)
    assert finer.n_evaluations < n_cold / 3
    assert_himmelblau(finer)
    shared = earlier.in_roi
    assert (finer.log_likelihood_map[::2, ::2][shared] >= earlier.log_likelihood_map[shared]).all()


# Likelihoods that fail


def _exit(_):
    sys.exit(3)


def _raise(_):
    raise ZeroDivisionError


FAILURES = {
    "raises": (_raise, "ZeroDivisionError"),
    "nan": (lambda _: math.nan, "finite float or minus infinity, got nan"),
    "plus infinity": (lambda _: math.inf, "finite float or minus infinity, got inf"),
    "none": (lambda _: None, "must return one float, got None"),
    "text": (lambda _: "high", "must return one float, got 'high'"),
    "array of one": (lambda _: np.array([1.0]), r"must return one float, got an array of shape \(1,\)"),
    "array": (lambda _: np.zeros((2, 3)), r"must return one float, got an array of shape \(2, 3\)"),
    "empty": (lambda _: np.empty(0), r"must return one float, got an array of shape \(0,\)"),
    "exit": (_exit, "SystemExit"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_one_that_always_fails(kind, capfd):
    """It is said after few evaluations, once, with the point and the reason."""
    failing, words = FAILURES[kind]
    counted = Counted(failing)
    with pytest.raises(wilks.EvaluationError, match=rf"(?s)evaluations failed.*{words}") as caught:
        profile(counted)
    assert set(caught.value.values) == {"x", "y", "n"}
    assert counted.n_calls < 300
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", FAILURES)
def test_one_that_fails_here_and_there(kind, capfd):
    """The map is right all the same: narrow stripes without a value cross the nuisance."""
    failing, _ = FAILURES[kind]
    result = profile(lambda v: failing(v) if math.sin(40 * v["n"]) > 0.97 else hill(v))
    found, truth = result.log_likelihood_map, true_hill(result)
    x, y = np.ix_(*result.axes.values())
    region = truth > -4 + 1e-9
    defined = region & (np.sin(10 * x * y) < 0.8)  # at the argmax
    assert defined.sum() > 0.6 * region.sum()
    assert np.abs(found - truth)[defined].max() < 1e-3
    assert (found[region] <= truth[region] + 1e-9).all()
    assert (result.cell_status[region] != CellStatus.UNVISITED).all()
    assert 0 < result.stats["n_failed"] == result.log.counts()["failed"]
    assert capfd.readouterr() == ("", "")


def test_no_likelihood_anywhere():
    """Minus infinity is a value: the result has no best point, and is no success."""
    result = profile(lambda _: -math.inf)
    assert not result.status.success
    assert (result.best, result.log_likelihood) == ({}, -math.inf)
    assert not result.in_roi.any()


def test_arrays_without_axes_are_numbers():
    """A 0-d array and a NumPy scalar are as good as a float."""
    plain = profile()
    assert_same(profile(lambda v: np.array(hill(v))), plain)
    assert_same(profile(lambda v: np.float64(hill(v))), plain)


# Processes


@pytest.mark.parametrize("way", [pytest.param("exit", marks=pytest.mark.slow), "kill"])
def test_workers_that_die(way):
    """The points that kill workers are recorded as lost; all other cells are right."""

    def deadly(v):
        if abs(v["x"] - 2.0) < 1e-9:
            os._exit(3) if way == "exit" else os.kill(os.getpid(), signal.SIGKILL)
        return square(v["x"]) + square(v["n"] - v["x"])

    space = Space(x=Real(-2, 2), n=Real(-6, 6))
    with wilks.ProcessExecutor(2) as executor:
        result = profile(deadly, "x", (5,), space, audit=0, executor=executor)
    assert result.cell_status.tolist()[-1] == CellStatus.FAILED
    assert result.stats["n_failed"] == result.log.counts()["lost"] > 0
    np.testing.assert_allclose(result.log_likelihood_map[:-1], [-2.0, -0.5, 0.0, -0.5], atol=1e-3)


def test_processes_take_functions_that_no_module_holds():
    """A closure goes to the workers, and the values are those of the serial run."""
    width = 0.5
    closure = lambda v: square(v["x"]) + square((v["n"] - v["x"]) / width)  # noqa: E731
    arguments = {"over": "x", "grid": (17,), "space": SPACE}
    with wilks.ProcessExecutor(2) as executor:
        parallel = profile(closure, **arguments, executor=executor)
    serial = profile(closure, **arguments)
    np.testing.assert_allclose(parallel.log_likelihood_map, serial.log_likelihood_map, atol=1e-4)


def test_a_plain_program_runs(tmp_path):
    """No guard, no launcher, no set-up; nothing on the error stream."""
    (tmp_path / "script.py").write_text(
        textwrap.dedent("""
        import wilks
        space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
        problem = wilks.LikelihoodProblem(space, lambda v: -(v["a"] ** 2) - (v["b"] - v["a"]) ** 2)
        result = wilks.profile(problem, over=("a",), grid=(11,), seed=1, audit=0)
        print(result.status.success, result.log_likelihood_map.round(4)[5], result.n_evaluations > 20)
        """)
    )
    source = str(Path(wilks.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout.replace("-0.0", "0.0"), run.stderr) == (0, "True 0.0 True\n", "")


# Random numbers


def test_the_seed_is_all_that_chance_depends_on():
    """The same seed gives the same bits, whatever was drawn from elsewhere; another one gives others."""
    np.random.seed(7)  # noqa: NPY002 - the generator that must not matter
    before = str(np.random.get_state())  # noqa: NPY002
    one = profile(audit=5)
    assert str(np.random.get_state()) == before  # noqa: NPY002
    np.random.random(1000)  # noqa: NPY002
    two = profile(audit=5)
    assert_same(one, two)
    assert one.n_evaluations == two.n_evaluations
    for name, column in one.log.arrays().items():
        if name not in ("seconds", "workers"):
            np.testing.assert_array_equal(column, two.log.arrays()[name])
    other = profile(audit=5, seed=2)
    assert not np.array_equal(other.log.arrays()["thetas"][:20], one.log.arrays()["thetas"][:20])
    assert_exact(other, true_hill(other), 0.0)
    assert one.provenance.seed == 1


def test_without_a_seed_one_is_drawn_and_kept():
    """The result names it, and with it the run can be repeated."""
    free = profile(seed=None, grid=(9, 9))
    assert free.provenance.seed != profile(seed=None, grid=(9, 9)).provenance.seed
    assert_same(profile(seed=free.provenance.seed, grid=(9, 9)), free)


# Volume


def test_samples_of_the_volume_stay_in_the_box():
    """The peak lies in a corner: nothing is evaluated outside, and the seed repeats the samples."""
    space = Space(x=Real(0, 4), y=Real(0, 4), n=Real(-1, 1))
    outside = []

    def corner(v):
        outside.extend(name for name in space.free if not space[name].lower <= v[name] <= space[name].upper)
        return square(v["x"] + 0.2) + square(v["y"] + 0.1) + square(v["n"] - 1.2)

    problem = LikelihoodProblem(space, corner, name="p")
    start = wilks.profile(problem, over=("x", "y"), grid=(11, 11), seed=1, audit=0, callbacks=())
    runs = [
        wilks.sample_volume(problem, start=start, n_walkers=40, n_steps=12, seed=s, callbacks=()) for s in (1, 1, 2)
    ]
    tables = [run.log.arrays()["thetas"] for run in runs]
    assert outside == []
    assert len(tables[0]) > 100
    np.testing.assert_array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])


# Counts and pictures


def test_every_result_counts_its_own_evaluations():
    """Two profiles that share a log: the number of each is its own."""
    log = wilks.EvaluationLog()
    one = profile(over=("x", "y"), log=log, seed=1)
    n_one = len(log)
    two = profile(over=("n", "y"), log=log, seed=2)
    assert (one.n_evaluations, two.n_evaluations) == (n_one, len(log) - n_one)


def test_pictures_name_the_parameters():
    """By label and unit where there are such, by name otherwise."""
    space = Space(x=Real(-4, 4, label="mass", unit="kg"), y=Real(-4, 4), n=Real(-6, 6))
    axes = profile_2d(profile(space=space)).axes[0]
    assert "mass" in axes.get_xlabel()
    assert "kg" in axes.get_xlabel()
    assert axes.get_ylabel() == "y"
    line = profile_1d(profile(over="x", grid=(15,), space=space)).axes[0]
    assert "mass" in line.get_xlabel()
