"""Runs under the names of paraprof, in one process: right answers in the shapes of paraprof, at a known cost."""

import copy
import pickle
import sys

import numpy as np
import pytest

import wilks
from wilks.facades import (
    ConfigurationError,
    InvalidProjectionError,
    ProfileProjector,
    get_test_function,
    master_main,
    paraprof,
    read_samples,
    run_all_projections,
    run_projection,
    run_scan,
    run_volume_sampling,
    set_log_level,
    terminate_workers,
    worker_main,
    write_samples,
)
from wilks.facades.paraprof import scan

BOUNDS = [(-6, 6), (-5, 5), (-4, 4)]
CURVATURE = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 2.0]])
LINE = {"dims": [0], "grid_points": [12]}
PLANE = {"dims": [2, 0], "grid_points": [8, 12]}


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    """No messages, and files with their default names in a folder of the test."""
    monkeypatch.chdir(tmp_path)
    set_log_level("ERROR")
    yield
    set_log_level("INFO")


class Hill:
    """A Gaussian that counts its calls; copies and pickles count for themselves."""

    def __init__(self):
        self.n = 0

    def __call__(self, p):
        self.n += 1
        return -0.5 * float(p @ CURVATURE @ p)

    def __reduce__(self):
        return Hill, ()


def exact(dims, points):
    """Profile of the Gaussian by the Schur complement."""
    rest = [dim for dim in range(3) if dim not in dims]
    block = CURVATURE[np.ix_(dims, dims)]
    if rest:
        cross = CURVATURE[np.ix_(dims, rest)]
        block = block - cross @ np.linalg.solve(CURVATURE[np.ix_(rest, rest)], cross.T)
    return -0.5 * np.einsum("ki,ij,kj->k", points, block, points)


def projector(target=None, **changed):
    arguments = {"bounds": BOUNDS, "projections": [LINE], "seed": 1, "audit": 0} | changed
    return ProfileProjector(Hill() if target is None else target, **arguments)


def check_solution(solution, projection):
    dims = list(projection["dims"])
    assert solution["projection_dims"] == dims
    assert solution["profiled_dims"] == [dim for dim in range(3) if dim not in dims]
    axes = solution["grid_axes"]
    assert solution["grid_shape"] == tuple(map(len, axes))
    for dim, axis in zip(dims, axes, strict=True):
        assert axis[[0, -1]].tolist() == list(map(float, BOUNDS[dim]))
    assert len(solution["solutions"]) > 1
    for index, cell in solution["solutions"].items():
        place = np.array([axis[i] for axis, i in zip(axes, index, strict=True)])
        full = cell["full_params"]
        np.testing.assert_array_equal(full[dims], place)
        np.testing.assert_array_equal(full[solution["profiled_dims"]], cell["profiled_params"])
        assert cell["likelihood"] == pytest.approx(Hill()(full), abs=1e-12)
        assert cell["likelihood"] == pytest.approx(exact(dims, place[None])[0], abs=1e-3)


def in_region(solution, dims):
    """Indices of the cells that the true region of interest holds."""
    grid = np.stack(np.meshgrid(*solution["grid_axes"], indexing="ij"), axis=-1)
    values = exact(list(dims), grid.reshape(-1, len(dims))).reshape(grid.shape[:-1])
    return {tuple(index) for index in np.argwhere(values > -4.0).tolist()}


@pytest.mark.parametrize("projection", [LINE, PLANE, PLANE | {"optimization_method": "lbfgsb"}])
def test_one_projection(projection):
    sampler = projector()
    outcome = run_projection(None, sampler, projection)
    assert outcome["refined_solution"] is None
    solution = outcome["coarse_solution"]
    assert solution["grid_shape"] == tuple(n + 1 for n in projection["grid_points"])
    check_solution(solution, projection)
    assert in_region(solution, projection["dims"]) <= set(solution["solutions"])


def test_dims_keep_their_order_and_their_grid_points():
    solution = run_projection(None, projector(), {"dims": [1, 0], "grid_points": [10, 4]})["coarse_solution"]
    assert (solution["projection_dims"], solution["grid_shape"]) == ([1, 0], (11, 5))
    assert solution["grid_axes"][0][-1] == 5.0
    assert solution["grid_axes"][1][-1] == 6.0


def test_every_call_is_counted_once():
    target = Hill()
    sampler = projector(target, audit=3)
    outcomes = run_all_projections(None, sampler, [LINE, PLANE | {"grid_refinement_factor": 2}])
    first, second = (outcome["metrics"] for outcome in outcomes)
    assert first["coarse_target_calls"] == first["projection_target_calls"] == first["total_target_calls"]
    assert second["projection_target_calls"] == second["coarse_target_calls"] + second["refined_target_calls"]
    assert second["total_target_calls"] == sampler.target_calls == target.n
    assert first["total_target_calls"] + second["projection_target_calls"] == target.n
    assert second["global_max"] == sampler.global_max_target_val == pytest.approx(0.0, abs=1e-6)


def test_refined_grid():
    projection = PLANE | {"grid_refinement_factor": 3, "patch_refined_grid": True}
    outcome = run_projection(None, projector(), projection)
    coarse, fine = outcome["coarse_solution"], outcome["refined_solution"]
    assert (coarse["grid_shape"], fine["grid_shape"]) == ((9, 13), (25, 37))
    check_solution(fine, projection)
    assert in_region(fine, projection["dims"]) <= set(fine["solutions"])
    for index, cell in coarse["solutions"].items():
        finer = fine["solutions"].get(tuple(3 * i for i in index))
        assert finer is None or finer["likelihood"] >= cell["likelihood"] - 1e-9


def test_refinement_begins_with_the_coarse_grid():
    whole = {"dims": [0, 2], "grid_points": [24, 24]}
    in_steps = run_projection(None, projector(), whole | {"grid_points": [12, 12], "grid_refinement_factor": 2})
    alone = run_projection(None, projector(), whole)["metrics"]["coarse_target_calls"]
    assert in_steps["metrics"]["refined_target_calls"] < 0.8 * alone


def test_later_projections_take_over_the_optima():
    alone = run_projection(None, projector(), PLANE)["metrics"]["projection_target_calls"]
    calls = {}
    for reuse in (True, False):
        sampler = projector(advanced_config={"cross_projection": {"pool_seeded_initial_maxima": reuse}})
        later = run_all_projections(None, sampler, [LINE, PLANE])[1]
        check_solution(later["coarse_solution"], PLANE)
        calls[reuse] = later["metrics"]["projection_target_calls"]
    assert calls[True] < 0.8 * alone
    assert calls[True] < 0.8 * calls[False]


def test_a_new_search_for_the_optima_can_be_asked_for():
    sampler = projector()
    run_projection(None, sampler, LINE)
    reused = run_projection(None, sampler, PLANE)["coarse_solution"]["profile"]
    again = run_projection(None, sampler, PLANE, skip_init_opt_on_warm_start=False)["coarse_solution"]["profile"]
    assert [profile.provenance.executed[0].name for profile in (reused, again)] == ["handed over", "multi-start"]
    assert again.provenance.executed[0].n_evaluations > 0
    assert again.provenance.seed != reused.provenance.seed


def test_all_dims_on_the_grid_are_evaluated_directly():
    target = Hill()
    projection = {"dims": [2, 0, 1], "grid_points": [4, 6, 6]}
    sampler = projector(target)
    solution = run_projection(None, sampler, projection)["coarse_solution"]
    assert solution["profiled_dims"] == []
    assert {len(cell["profiled_params"]) for cell in solution["solutions"].values()} == {0}
    check_solution(solution, projection)
    assert in_region(solution, projection["dims"]) <= set(solution["solutions"])
    assert sampler.target_calls == target.n


def test_state_of_the_projector_after_a_run():
    sampler = projector(projections=[PLANE])
    assert (sampler.projection_dims, sampler.profiled_dims, sampler.grid_shape) == ([2, 0], [1], (9, 13))
    with pytest.raises(ConfigurationError, match="there is no map yet"):
        sampler.export_grid_solution()
    outcomes = run_all_projections(None, sampler)
    solution = outcomes[0]["coarse_solution"]
    assert outcomes[0]["projection_config"] is sampler.projections[0]
    assert (sampler.n_proj_dims, sampler.n_prof_dims) == (2, 1)
    grid = sampler.profile_likelihood_grid
    assert grid == {index: cell["likelihood"] for index, cell in solution["solutions"].items()}
    assert sampler.export_grid_solution()["solutions"].keys() == grid.keys()
    state = sampler.population[max(grid, key=grid.get)]
    assert (state["status"], state["profiled_params"].shape) == ("converged", (1, 1))
    assert state["fitnesses"].tolist() == [state["best_fitness"]]
    (optimum,) = sampler.initial_optima_registry
    assert optimum["point"] == pytest.approx(np.zeros(3), abs=1e-3)
    assert optimum["point_norm"] == pytest.approx(np.full(3, 0.5), abs=1e-3)
    assert optimum["target_val"] == pytest.approx(0.0, abs=1e-6)
    pool = sampler.global_solution_pool
    assert pool[0]["fitness"] == sampler.global_max_target_val
    assert [entry["fitness"] for entry in pool] == sorted((e["fitness"] for e in pool), reverse=True)
    assert Hill()(pool[0]["full_params"]) == pool[0]["fitness"]
    assert {entry["grid_idx"] for entry in pool} == {None, *grid}
    assert solution["global_solution_pool"][0]["fitness"] == pool[0]["fitness"]
    assert solution["profile"].log is None
    assert sampler.profile_result.intervals("x0", 0.68)


def test_names_go_with_the_results():
    sampler = projector(parameter_names=["mass", "width", "rate"], projections=[{"dims": ["rate"], "grid_points": [8]}])
    solution = run_all_projections(None, sampler)[0]["coarse_solution"]
    assert solution["projection_dims"] == [2]
    assert solution["profile"].over == ("rate",)
    assert list(solution["profile"].argmax) == ["mass", "width"]


def test_results_can_be_pickled():
    sampler = projector(volume_sampling={"n_walkers": 20, "n_steps": 3, "output_file": "v.csv"})
    outcome = run_projection(None, sampler, LINE)
    back = pickle.loads(pickle.dumps(outcome))
    assert back["metrics"] == outcome["metrics"]
    assert back["coarse_solution"]["profile"].log_likelihood == outcome["metrics"]["global_max"]


def test_arguments_are_not_changed():
    projections = [LINE | {"dims": ["x"], "grid_refinement_factor": 2}]
    before = copy.deepcopy(projections)
    run_all_projections(None, projector(parameter_names=["x", "y", "z"], projections=projections), projections)
    assert projections == before


def test_the_seed_fixes_everything():
    first, second = (run_projection(None, projector(seed=5, audit=4), PLANE) for _ in range(2))
    assert first["metrics"] == second["metrics"]
    for index, cell in first["coarse_solution"]["solutions"].items():
        assert cell["likelihood"] == second["coarse_solution"]["solutions"][index]["likelihood"]


def test_all_projections_are_checked_before_any_is_run():
    target = Hill()
    with pytest.raises(InvalidProjectionError):
        run_all_projections(None, projector(target), [LINE, {"dims": [7], "grid_points": [5]}])
    with pytest.raises(ConfigurationError):
        run_all_projections(None, projector(target), [LINE], plot_settings={"dpi": -1})
    assert target.n == 0


@pytest.mark.parametrize("run", [run_projection, run_all_projections, run_scan, run_volume_sampling])
def test_sampler_must_be_a_projector(run):
    with pytest.raises(ConfigurationError, match="expected a ProfileProjector, got dict"):
        run(None, {}, [LINE])


def left(p):
    if p[0] > 1.0:
        sys.exit(3)
    return -0.5 * float(p @ CURVATURE @ p)


def nothing(p):
    return None if p[0] > 1.0 else -0.5 * float(p @ CURVATURE @ p)


def broken(p):
    if p[0] > 1.0:
        raise ZeroDivisionError
    return -0.5 * float(p @ CURVATURE @ p)


def not_a_number(p):
    return np.nan if p[0] > 1.0 else -0.5 * float(p @ CURVATURE @ p)


@pytest.mark.parametrize("target", [left, nothing, broken, not_a_number])
def test_calls_that_fail_are_counted_and_the_run_goes_on(target):
    sampler = projector(target)
    solution = run_projection(None, sampler, LINE)["coarse_solution"]
    assert 0 < sampler.target_call_errors < sampler.target_calls
    for index, x in enumerate(solution["grid_axes"][0].tolist()):
        inside = x <= 1.0 and exact([0], np.array([[x]]))[0] > -4.0
        if inside:
            assert solution["solutions"][index,]["likelihood"] == pytest.approx(exact([0], [[x]])[0], abs=1e-3)
        if x > 1.0:
            assert (index,) not in solution["solutions"]


def test_a_target_that_always_fails_ends_the_run():
    def never(p):
        raise ZeroDivisionError("never works")

    with pytest.raises(wilks.EvaluationError, match="never works"):
        run_all_projections(None, projector(never), [LINE])


def test_an_array_with_one_number_is_a_number():
    plain = run_projection(None, projector(), LINE)
    wrapped = run_projection(None, projector(lambda p: np.array([Hill()(p)])), LINE)
    assert wrapped["metrics"] == plain["metrics"]


STIFFNESS = np.diag(np.arange(1.0, 9.0)) + 0.4
WIDE = {"dims": [0, 3], "grid_points": [20, 20]}


def full(p):
    return -CURVATURE @ p


def slope(p):
    return -STIFFNESS @ p


def partly(p):
    return np.where(np.arange(8) == 5, np.inf, slope(p))


def by_index(p):
    return {index: value for index, value in enumerate(slope(p)) if index != 5}


@pytest.fixture(scope="module")
def calls_without_gradient():
    sampler = projector(lambda p: -0.5 * p @ STIFFNESS @ p, bounds=[(-4, 4)] * 8, projections=[WIDE])
    run_projection(None, sampler, WIDE)
    assert (sampler.target_calls_saved_by_user_gradient, sampler.user_gradient_errors) == (0, 0)
    return sampler.target_calls


@pytest.mark.parametrize("gradient", [slope, partly, by_index])
def test_gradient_saves_calls(gradient, calls_without_gradient):
    sampler = projector(
        lambda p: -0.5 * p @ STIFFNESS @ p, bounds=[(-4, 4)] * 8, projections=[WIDE], grad_func=gradient
    )
    solution = run_projection(None, sampler, WIDE)["coarse_solution"]
    rest = [dim for dim in range(8) if dim not in (0, 3)]
    cross = STIFFNESS[np.ix_([0, 3], rest)]
    profiled = STIFFNESS[np.ix_([0, 3], [0, 3])] - cross @ np.linalg.solve(STIFFNESS[np.ix_(rest, rest)], cross.T)
    for cell in solution["solutions"].values():
        place = cell["full_params"][[0, 3]]
        assert cell["likelihood"] == pytest.approx(-0.5 * place @ profiled @ place, abs=1e-3)
    assert sampler.target_calls < 0.95 * calls_without_gradient
    assert sampler.target_calls_saved_by_user_gradient > calls_without_gradient - sampler.target_calls
    assert sampler.user_gradient_errors == 0


def test_a_gradient_of_the_wrong_sign_is_refused():
    with pytest.raises(wilks.InvalidProblemError, match="not of minus the log-likelihood"):
        run_projection(None, projector(grad_func=lambda p: CURVATURE @ p), PLANE)


@pytest.mark.parametrize("answer", [None, np.zeros(2), {5: 1.0}])
def test_a_gradient_that_fails_is_replaced(answer):
    sampler = projector(grad_func=lambda p: answer)
    check_solution(run_projection(None, sampler, PLANE)["coarse_solution"], PLANE)
    assert sampler.user_gradient_errors > 0
    assert sampler.target_calls_saved_by_user_gradient == 0
    assert sampler.target_call_errors == 0


@pytest.mark.parametrize("name", ["samples.csv", "samples.h5"])
def test_every_evaluation_is_in_the_sample_file(tmp_path, name):
    path = str(tmp_path / name)
    with projector(samples_output_file=path) as sampler:
        run_projection(None, sampler, LINE)
        samples = read_samples(path)
        assert len(samples) == sampler.target_calls
        assert set(samples[:, -1]) <= {paraprof.PHASE_INITIAL, paraprof.PHASE_SCAN, paraprof.PHASE_CURVATURE, 3.0}
        run_projection(None, sampler, PLANE | {"grid_refinement_factor": 2})
    samples = read_samples(path)
    assert samples.shape == (sampler.target_calls, 5)
    assert {paraprof.PHASE_SCAN, paraprof.PHASE_REFINE} <= set(samples[:, -1])
    assert samples[:, 3] == pytest.approx([Hill()(p) for p in samples[:, :3]], abs=1e-7)
    with projector(samples_output_file=path) as again:
        run_projection(None, again, LINE)
    assert len(read_samples(path)) == len(samples) + again.target_calls


def test_points_of_a_refined_grid_have_their_own_phase(tmp_path):
    path = str(tmp_path / "s.csv")
    log_likelihood, bounds, _ = get_test_function("rosenbrock_4d")  # its refined map has branches of its own
    projection = {"dims": [0, 1], "grid_points": [20, 20], "grid_refinement_factor": 2}
    with projector(log_likelihood, bounds=bounds, samples_output_file=path) as sampler:
        metrics = run_projection(None, sampler, projection)["metrics"]
    coarse, refined = np.split(read_samples(path)[:, -1], [metrics["coarse_target_calls"]])
    assert paraprof.PHASE_SCAN in coarse
    assert paraprof.PHASE_SCAN not in refined
    assert paraprof.PHASE_REFINE in refined


def test_sample_file_of_another_problem_is_refused_at_once(tmp_path):
    write_samples(np.ones((2, 4)), tmp_path / "s.csv")
    with pytest.raises(wilks.InvalidDataError, match="has 4 columns"):
        projector(samples_output_file=str(tmp_path / "s.csv"))


class Islands:
    """Four narrow optima of which a search from scratch has to find all."""

    places = np.array([[-3.0, -3.0, 1.0], [3.0, -3.0, -1.0], [-3.0, 3.0, 0.5], [3.5, 3.0, -0.5]])

    def __call__(self, p):
        squares = ((p - self.places) ** 2).sum(axis=1) / 0.3
        return float(np.logaddexp.reduce(-0.5 * squares))


@pytest.mark.parametrize("run", [run_all_projections, run_scan])
def test_warm_start_saves_evaluations_in_every_projection(tmp_path, run):
    path = str(tmp_path / "samples.csv")
    projections = [{"dims": [0], "grid_points": [48]}, {"dims": [1], "grid_points": [40]}]
    settings = {"samples_output_file": path, "warm_start_file": path, "bounds": [(-6, 6)] * 3}
    calls = []
    for _ in range(2):  # the file does not exist before the first time
        with projector(Islands(), projections=projections, **settings) as sampler:
            outcomes = run(None, sampler, projections)
        calls.append([outcome["metrics"]["projection_target_calls"] for outcome in outcomes])
        assert sampler.global_max_target_val == pytest.approx(0.0, abs=1e-3)
        assert len(sampler.initial_optima_registry) == 4
    assert calls[1][0] < 0.8 * calls[0][0]
    assert calls[1][1] <= 1.1 * calls[0][1]
    assert len(read_samples(path)) == np.sum(calls)


def test_warm_start_looks_into_the_file_for_later_projections_too(tmp_path):
    path = str(tmp_path / "known.csv")
    write_samples([[*place, Islands()(place), 0] for place in Islands.places], path)
    sampler = projector(Islands(), bounds=[(-6, 6)] * 3, warm_start_file=path, n_initial_optimizations=1)
    for projection in (LINE, {"dims": [1], "grid_points": [20]}):
        run_projection(None, sampler, projection, skip_init_opt_on_warm_start=False)
        assert len(sampler.initial_optima_registry) == 4
    assert sampler.scan.log.n_imported == 4


def test_samples_outside_the_bounds_are_left_out(tmp_path):
    rows = [[0, 0, 0, 0, 0], [50, 0, 0, 3.0, 0], [0, 0, 0, np.nan, 0]]
    write_samples(rows, tmp_path / "s.csv")
    sampler = projector(warm_start_file=str(tmp_path / "s.csv"))
    assert sampler.scan.log.n_imported == 1


def test_warm_start_from_a_file_of_another_problem(tmp_path):
    write_samples(np.zeros((2, 9)), tmp_path / "s.csv")
    with pytest.raises(ConfigurationError, match=r"warm_start_file: .*expected 5 columns"):
        projector(warm_start_file=str(tmp_path / "s.csv"))


def test_a_few_samples_do_not_take_the_place_of_a_search(tmp_path):
    write_samples([[5.0, 5.0, 5.0, Islands()(np.full(3, 5.0)), 0]], tmp_path / "s.csv")
    sampler = projector(Islands(), bounds=[(-6, 6)] * 3, warm_start_file=str(tmp_path / "s.csv"))
    run_projection(None, sampler, LINE)
    assert len(sampler.initial_optima_registry) == 4


def needle(p):
    """A hill with a needle on it that no random start finds."""
    return Hill()(p) + 5.0 * float(np.exp(-0.5 * ((p - 1.0) ** 2).sum() / 0.02**2))


@pytest.mark.parametrize(("points", "best"), [(None, 0.0), ([[1.01, 0.99, 1.0]], 5.0 + Hill()(np.ones(3)))])
def test_initial_points_are_starts(points, best):
    sampler = projector(needle, initial_points=points)
    run_projection(None, sampler, LINE)
    assert sampler.global_max_target_val == pytest.approx(best, abs=0.05)


def test_interrupted_scan_keeps_its_samples(tmp_path):
    path = str(tmp_path / "s.csv")
    target = Hill()

    def impatient(p):
        if target.n >= 300:
            raise KeyboardInterrupt
        return target(p)

    with pytest.raises(KeyboardInterrupt), projector(impatient, samples_output_file=path) as sampler:
        run_all_projections(None, sampler, [PLANE, LINE])
    assert len(read_samples(path)) == sampler.target_calls == 300


def test_after_an_interruption_the_projector_goes_on_and_counts_right(tmp_path):
    path = str(tmp_path / "s.csv")
    target = Hill()
    patience = [150]

    def impatient(p):
        if target.n >= patience[0]:
            raise KeyboardInterrupt
        return target(p)

    sampler = projector(impatient, samples_output_file=path)
    with pytest.raises(KeyboardInterrupt):
        run_projection(None, sampler, PLANE)
    assert np.isfinite(sampler.global_max_target_val)
    patience[0] = 10**6
    check_solution(run_projection(None, sampler, PLANE)["coarse_solution"], PLANE)
    assert sampler.target_calls == target.n == len(read_samples(path))


def test_volume_sampling_after_the_projections(tmp_path):
    output = tmp_path / "out" / "volume.csv"
    samples = str(tmp_path / "s.csv")
    options = {"n_walkers": 40, "n_steps": 9, "output_file": str(output), "roi_threshold": 6.0}
    with projector(volume_sampling=options, samples_output_file=samples) as sampler:
        outcomes = run_all_projections(None, sampler, [LINE, PLANE])
    found = sampler.volume_stage_result
    n, n_columns = found["samples"].shape
    assert (found["skipped"], found["reason"], n_columns) == (False, None, 4)
    assert n == found["stats"]["n_in_band"] > 40
    assert (found["samples"][:, 3] > found["band_lo_final"] - 1e-12).all()
    assert found["band_lo_final"] == pytest.approx(-6.0, abs=1e-3)
    assert found["samples"][:, 3] == pytest.approx([Hill()(p) for p in found["samples"][:, :3]])
    stats = found["stats"]
    assert (stats["n_walkers"], stats["n_steps"]) == (40, 9)
    assert 0 < stats["mean_acceptance"] < 1
    assert sum(stats["lnl_histogram"]["counts"]) > 0
    np.testing.assert_allclose(read_samples(output), found["samples"], rtol=1e-9, atol=1e-9)
    summary = (output.parent / "volume_summary.json").read_text()
    assert f'"n_in_band": {n}' in summary
    logged = read_samples(samples)
    assert len(logged) == sampler.target_calls
    assert 0 < (logged[:, -1] == paraprof.PHASE_VOLUME).sum() <= stats["n_evals"]
    again = run_volume_sampling(None, sampler, outcomes)
    assert again is sampler.volume_stage_result


def test_volume_sampling_must_have_been_asked_for():
    with pytest.raises(ConfigurationError, match="without"):
        run_volume_sampling(None, projector(), [])


def test_master_main_leaves_the_map_in_the_projector():
    sampler = projector(projections=[PLANE | {"grid_refinement_factor": 2}, LINE])
    assert master_main(None, sampler) is None
    assert sampler.grid_shape == (9, 13)
    check_solution(sampler.export_grid_solution(), PLANE)


class Alone:
    """A communicator of one process."""

    def __init__(self, rank=0, size=1):
        self.rank, self.size, self.sent = rank, size, []

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.size

    def bcast(self, thing, root=0):
        self.sent.append((pickle.loads(pickle.dumps(thing)), root))
        return thing


def test_a_job_of_one_process_runs_here():
    comm = Alone()
    sampler = projector(Hill(), grad_func=full)
    outcomes = run_scan(comm, sampler, [LINE])
    check_solution(outcomes[0]["coarse_solution"], LINE)
    (((target, gradient), root),) = comm.sent
    assert (root, target(np.ones(3)), gradient(np.ones(3)).tolist()) == (
        0,
        Hill()(np.ones(3)),
        full(np.ones(3)).tolist(),
    )
    assert outcomes[0]["coarse_solution"]["profile"].provenance.executor == "serial"
    terminate_workers(comm, 0)


def test_functions_of_the_ranks_need_not_be_sent():
    comm = Alone()
    sampler = projector(grad_func=full)
    outcomes = run_scan(comm, sampler, [LINE], broadcast_target_func=False)
    check_solution(outcomes[0]["coarse_solution"], LINE)
    assert comm.sent == []
    assert sampler.target_calls_saved_by_user_gradient > 0


def test_only_rank_0_runs_projections():
    with pytest.raises(ConfigurationError, match="this is rank 2, and myrank=2"):
        run_projection(Alone(2, 4), projector(), LINE, myrank=2)
    with pytest.raises(ConfigurationError, match="rank 0 runs the projector"):
        worker_main(Alone(0, 4), 0)


@pytest.fixture
def asked(monkeypatch):
    """The keywords of every call of `wilks.profile`, which goes on as usual."""
    calls = []

    def profile(problem, **keywords):
        calls.append(keywords)
        return wilks.profile(problem, **keywords)

    monkeypatch.setattr(scan, "profile", profile)
    return calls


def test_what_the_volume_sampling_is_asked_for(monkeypatch):
    calls = []

    def sample_volume(problem, **keywords):
        calls.append(keywords)
        return wilks.sample_volume(problem, **keywords)

    monkeypatch.setattr(scan, "sample_volume", sample_volume)
    options = {
        "n_walkers": 20,
        "n_steps": 7,
        "eval_budget": 150,
        "sigma_frac": 0.3,
        "roi_threshold": 6.0,
        "partner_level_window": 2.5,
        "warm_start": False,
    }
    with projector(volume_sampling=options) as sampler:
        run_all_projections(None, sampler, [PLANE])
    (asked,) = calls
    expected = wilks.VolumeOptions(n_evaluations=150, sigma_fraction=0.3, partner_window=2.5, use_log=False)
    assert asked["options"] == expected
    assert (asked["n_walkers"], asked["n_steps"], asked["roi_threshold"]) == (20, 7, 6.0)


def test_what_wilks_is_asked_for(asked):
    projection = PLANE | {"grid_refinement_factor": 2}
    sampler = projector(
        roi_threshold=3.0,
        audit=5,
        max_patching_waves=3,
        n_initial_optimizations=30,
        n_optima={"max": 4},
        initial_points=[[1.0, 2.0, 3.0]],
        advanced_config={"convergence_threshold": 1e-4},
    )
    run_projection(None, sampler, projection)
    coarse, refined = asked
    assert (
        coarse["options"]
        == refined["options"]
        == wilks.ProfileOptions(accuracy=1e-4, max_passes=3, max_starts=30, n_optima=(None, 4))
    )
    assert coarse["start"] == [{"x0": 1.0, "x1": 2.0, "x2": 3.0}]
    assert [start.log_likelihood_map.shape for start in refined["start"]] == [(9, 13)]
    assert (coarse["over"], coarse["grid"], coarse["audit"]) == (["x2", "x0"], [9, 13], 0)
    assert (refined["over"], refined["grid"], refined["audit"]) == (["x2", "x0"], [17, 25], 5)
    assert {call["roi_threshold"] for call in asked} == {3.0}
    assert {call["seed"] for call in asked} == {1}


def test_defaults_are_those_of_wilks(asked):
    run_projection(None, ProfileProjector(Hill(), BOUNDS, [LINE], seed=1), LINE)
    (call,) = asked
    assert (call["options"], call["audit"]) == (wilks.ProfileOptions(), 12)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("method", ["de", "lbfgsb"])
def test_a_search_in_every_cell_has_to_be_asked_for(asked, method, early):
    sampler = projector(advanced_config={"de": {"allow_early_DE_exit": early}})
    projection = {"dims": [0], "grid_points": [6], "optimization_method": method}
    solution = run_projection(None, sampler, projection)["coarse_solution"]
    check_solution(solution, projection)
    assert asked[0]["options"].inner == ("global" if method == "de" and not early else "local")
