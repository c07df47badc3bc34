"""What `ProfileProjector` takes and refuses: every option has a definite meaning, and none is ignored in silence."""

import pickle
import warnings

import numpy as np
import pytest

from wilks import facades
from wilks.facades import (
    ConfigurationError,
    InvalidBoundsError,
    InvalidProjectionError,
    ParaProfError,
    ProfileProjector,
)
from wilks.facades.paraprof.advanced import ADVANCED, VOLUME, read_advanced, read_volume
from wilks.facades.paraprof.projection import Projection

BOUNDS = [(-5, 5), (-4, 4), (-3, 3)]
LINE = {"dims": [0], "grid_points": [10]}


def hill(p):
    return -0.5 * float(np.sum(np.asarray(p) ** 2))


def projector(**changed):
    arguments = {"target_func": hill, "bounds": BOUNDS, "projections": [LINE]} | changed
    return ProfileProjector(**arguments)


def test_defaults_are_those_of_the_page():
    sampler = projector()
    settings = sampler.settings
    assert (sampler.roi_threshold, settings.audit, settings.reuse_optima) == (4.0, 12, True)
    assert {settings.max_waves, settings.max_starts, settings.n_optima, settings.accuracy} == {None}
    assert (sampler.dims, sampler.parameter_names, sampler.samples_output_file) == (3, None, None)
    assert (sampler.target_calls, sampler.target_call_errors, sampler.de_cells_skipped) == (0, 0, 0)
    assert (sampler.target_calls_saved_by_user_gradient, sampler.user_gradient_errors) == (0, 0)
    assert sampler.global_max_target_val == -np.inf
    assert sampler.initial_optima_registry == sampler.global_solution_pool == []
    assert sampler.population == sampler.profile_likelihood_grid == {}
    assert sampler.volume_stage_result is None


def test_positional_arguments_have_the_order_of_paraprof():
    names = ("x", "y", "z")
    grad = np.zeros_like
    sampler = ProfileProjector(
        *(hill, BOUNDS, [LINE], 5.0, 3, 7, 50, True, 20, {"min": 2}, [[0, 0, 0]], grad, True, False),
        *(None, None, None, names, None),
    )
    settings = sampler.settings
    assert (settings.roi_threshold, settings.max_waves, settings.max_starts) == (5.0, 7, 20)
    assert (settings.n_optima, settings.grad_func, settings.names) == ((2, None), grad, names)
    assert settings.initial_points.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"target_func": 3}, "target_func: expected a function"),
        ({"grad_func": "g"}, "grad_func: expected a function"),
        ({"roi_threshold": 0}, "roi_threshold: expected a finite number > 0, got 0"),
        ({"roi_threshold": np.nan}, "roi_threshold"),
        ({"roi_threshold": True}, "roi_threshold"),
        ({"pop_per_grid_point": 0}, "pop_per_grid_point: expected an integer >= 1, got 0"),
        ({"max_patching_waves": 2.5}, "max_patching_waves: expected an integer >= 0, got 2.5"),
        ({"lbfgsb_max_iter": -1}, "lbfgsb_max_iter"),
        ({"lbfgsb_polish": "yes"}, "lbfgsb_polish: expected True or False, got 'yes'"),
        ({"n_initial_optimizations": 0}, "n_initial_optimizations"),
        ({"n_optima": 0}, "n_optima"),
        ({"n_optima": {"most": 3}}, "no option 'most'"),
        ({"n_optima": {"min": 4, "max": 3}}, "min <= max"),
        ({"n_optima": {}}, "'min', 'max' or both"),
        ({"initial_points": [[0, 0]]}, "expected points of 3 numbers each"),
        ({"initial_points": [[0, 0, 0], [0, 9, 0]]}, r"point 1, \[0.0, 9.0, 0.0\], lies outside the bounds"),
        ({"initial_points": [[-6, 0, 0]]}, "point 0, .* lies outside the bounds"),
        ({"initial_points": "here"}, "initial_points"),
        ({"parameter_names": ["a", "b"]}, "expected 3 different names"),
        ({"parameter_names": ["a", "b", "a"]}, "expected 3 different names"),
        ({"parameter_names": "abc"}, "expected 3 different names"),
        ({"samples_output_file": "samples.xlsx"}, "samples_output_file: samples.xlsx"),
        ({"warm_start_file": 3}, "warm_start_file: expected the name of a file"),
        ({"warm_start_file": "no_such_file.csv"}, "there is no file 'no_such_file.csv'"),
        ({"seed": -1}, "seed: expected an integer >= 0"),
        ({"audit": -1}, "audit"),
        ({"use_clustering": None}, "use_clustering"),
        ({"volume_sampling": {"n_walker": 10}}, "no option 'n_walker'.*did you mean 'n_walkers'"),
        ({"volume_sampling": {"n_walkers": 7}}, "n_walkers: expected an integer >= 8, got 7"),
        ({"volume_sampling": [1]}, "volume_sampling: expected a dictionary"),
        ({"volume_sampling": {"sigma_frac": 2.0}}, "sigma_frac: expected a finite number > 0 and <= 1"),
    ],
)
def test_argument_that_cannot_be_used(changed, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        projector(**changed)
    assert isinstance(caught.value, (ParaProfError, ValueError))
    assert caught.value.parameter


@pytest.mark.parametrize(
    "bounds", [None, [], [1, 2, 3], [(0, 1, 2)], [(1, 1)], [(2, 1)], [(0, np.inf)], [(np.nan, 1)], [("a", "b")]]
)
def test_bounds_that_cannot_be_used(bounds):
    with pytest.raises(InvalidBoundsError, match="bounds: ") as caught:
        projector(bounds=bounds, projections=[LINE])
    assert caught.value.bounds is bounds


@pytest.mark.parametrize(
    ("projection", "words"),
    [
        (None, "expected a dictionary"),
        ({"dims": [0]}, "'grid_points' is required"),
        ({"grid_points": [10]}, "'dims' is required"),
        (LINE | {"dims": [3]}, "indices between 0 and 2"),
        (LINE | {"dims": [-1]}, "indices between 0 and 2"),
        (LINE | {"dims": [True]}, "indices between 0 and 2"),
        (LINE | {"dims": [0.0]}, "indices between 0 and 2"),
        (LINE | {"dims": []}, "dims: expected a list"),
        (LINE | {"dims": 0}, "dims: expected a list"),
        (LINE | {"dims": "x"}, "dims: expected a list"),
        (LINE | {"dims": ["x"]}, "there are no parameter_names"),
        ({"dims": [0, 0], "grid_points": [5, 5]}, "different parameters"),
        ({"dims": [0, 1], "grid_points": [5]}, "one number of grid_points for each of the 2 dims"),
        (LINE | {"grid_points": [0]}, "grid_points: expected an integer >= 1, got 0"),
        (LINE | {"grid_points": [5.5]}, "grid_points"),
        (LINE | {"optimization_method": "newton"}, "optimization_method: got 'newton'; known are de, lbfgsb"),
        (LINE | {"grid_refinement_factor": 0}, "grid_refinement_factor"),
        (LINE | {"refinement_method": "cubic"}, "refinement_method"),
        (LINE | {"patch_coarse_grid": 1}, "patch_coarse_grid: expected True or False"),
        (LINE | {"optimisation_method": "de"}, "did you mean 'optimization_method'"),
    ],
)
def test_projection_that_cannot_be_used(projection, words):
    with pytest.raises(InvalidProjectionError, match=words) as caught:
        projector(projections=[projection])
    assert caught.value.projection is projection


@pytest.mark.parametrize("projections", [None, [], {}, "all", LINE])
def test_projections_must_be_a_list(projections):
    with pytest.raises(InvalidProjectionError, match="expected a list of dictionaries"):
        projector(projections=projections)


def test_name_that_is_no_parameter():
    with pytest.raises(InvalidProjectionError, match=r"no parameter 'thetta'.*did you mean 'theta'"):
        projector(parameter_names=["phi", "theta", "psi"], projections=[{"dims": ["thetta"], "grid_points": [5]}])


def test_numpy_numbers_are_numbers():
    projection = {"dims": np.array([2, 0]), "grid_points": np.array([4, 6])}
    sampler = projector(projections=[projection, {"dims": (np.int64(1),), "grid_points": (np.int32(3),)}])
    assert (sampler.projection_dims, sampler.grid_shape) == ([2, 0], (5, 7))


def test_dims_and_grid_points_stay_together():
    checked = Projection.of({"dims": [1, 0], "grid_points": [30, 10]}, ("a", "b"), by_name=False)
    assert (checked.dims, checked.grid(), checked.grid(2)) == ((1, 0), [31, 11], [61, 21])


def test_names_and_indices_can_be_mixed():
    checked = Projection.of({"dims": ["b", 0], "grid_points": [3, 4]}, ("a", "b"), by_name=True)
    assert checked.dims == (1, 0)


def test_advanced_options_are_known_by_section():
    given = {"de": {"convergence_window": 5}, "convergence_threshold": 1e-5, "basin_detection": {"min_starts": None}}
    assert read_advanced(given) == {
        "de.convergence_window": 5,
        "convergence_threshold": 1e-5,
        "basin_detection.min_starts": None,
    }
    assert read_advanced(None) == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"memory_sise": 3}, "no option 'memory_sise'.*did you mean 'memory_size'"),
        ({"de": {"convergence_windw": 3}}, "no option 'convergence_windw'.*did you mean 'convergence_window'"),
        ({"ftol": 1e-9}, r"it is given as \{'lbfgsb': \{'ftol': ...\}\}"),
        ({"de.convergence_window": 3}, r"it is given as \{'de': \{'convergence_window': ...\}\}"),
        ({"de": {"memory_size": 3}}, r"it is given as \{'memory_size': ...\}"),
        ({"lbfgsb": {"gradient_method": "middle"}}, "known are forward, central"),
        ({"suspect_recheck": {"max_fraction": 2}}, "max_fraction: expected a finite number >= 0 and <= 1, got 2"),
        ({"de": 3}, r"advanced_config\['de'\]: expected a dictionary, got 3"),
        ({3: 3}, "no option '3'"),
        ([("de", {})], "advanced_config: expected a dictionary"),
    ],
)
def test_advanced_option_that_does_not_exist_or_cannot_be_used(given, words):
    with pytest.raises(ConfigurationError, match=words):
        projector(advanced_config=given)


@pytest.mark.parametrize("options", [ADVANCED, VOLUME])
def test_every_default_passes_its_own_check(options):
    for name, option in options.items():
        assert option.check(name, option.default) == option.default


def test_options_without_effect_are_named_once():
    with pytest.warns(UserWarning, match="no effect") as caught:
        sampler = projector(
            pop_per_grid_point=5,
            lbfgsb_polish=False,
            use_clustering=False,
            refinement_direct_eval=True,
            advanced_config={"de": {"num_generations": 10}, "lbfgsb": {"ftol": 1e-9}},
        )
    (warning,) = caught
    assert warning.filename == __file__
    assert sampler.settings.without_effect == [
        "pop_per_grid_point",
        "lbfgsb_polish",
        "use_clustering",
        "refinement_direct_eval",
        "advanced_config: de.num_generations",
    ]


def test_defaults_that_are_spelt_out_need_no_warning():
    projector(pop_per_grid_point=3, lbfgsb_max_iter=50, advanced_config={"de": {"allow_early_DE_exit": True}})


def test_projection_options_without_effect_are_named():
    with pytest.warns(UserWarning, match="projection 1: patch_coarse_grid"):
        projector(projections=[LINE, LINE | {"patch_coarse_grid": False}])


def test_options_that_have_an_effect_reach_the_settings():
    settings = projector(
        max_patching_waves=3,
        n_initial_optimizations=77,
        n_optima={"min": 2, "max": 5},
        advanced_config={
            "convergence_threshold": 1e-4,
            "cross_projection": {"pool_seeded_initial_maxima": False},
        },
    ).settings
    assert (settings.max_waves, settings.max_starts, settings.n_optima) == (3, 77, (2, 5))
    assert (settings.accuracy, settings.reuse_optima) == (1e-4, False)


def test_without_early_stopping_the_starts_go_on_to_their_cap():
    config = {"basin_detection": {"undiscovered_threshold": 0}}
    at_least, at_most = projector(advanced_config=config).settings.n_optima
    assert at_least > 10**6
    assert at_most is None
    assert projector(advanced_config=config, n_optima=2).settings.n_optima == 2


@pytest.mark.parametrize(("threshold", "is_told"), [(0, False), (0.5, False), (0.3, True), (0.9, True)])
def test_a_stopping_threshold_without_effect_is_told(threshold, is_told):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        projector(advanced_config={"basin_detection": {"undiscovered_threshold": threshold}})
    assert any("undiscovered_threshold" in str(warning.message) for warning in told) is is_told


def test_volume_options_have_the_defaults_of_the_page():
    assert read_volume({}, 3) == {
        "n_walkers": 1000,
        "n_steps": 30,
        "eval_budget": None,
        "sigma_frac": 0.1,
        "roi_threshold": None,
        "partner_level_window": None,
        "warm_start": True,
        "output_file": "volume_samples.csv",
        "summary_file": None,
    }
    assert read_volume(None, 3) is None


def test_a_seed_that_was_not_given_is_reported():
    first, second = projector(), projector()
    assert first.seed != second.seed
    assert projector(seed=np.int64(3)).seed == 3


@pytest.mark.parametrize(
    "error",
    [
        InvalidProjectionError("no", {"dims": [0]}),
        InvalidBoundsError("no", [(1, 0)]),
        ConfigurationError("no", "seed", -1),
    ],
)
def test_errors_can_travel_between_processes(error):
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), vars(back)) == (type(error), "no", vars(error))


def test_errors_can_be_caught_as_in_paraprof():
    assert issubclass(facades.InvalidProjectionError, facades.ParaProfError)
    assert issubclass(facades.InvalidBoundsError, facades.ParaProfError)
    assert issubclass(facades.ConfigurationError, facades.ParaProfError)
    assert ConfigurationError("no", parameter="a", value=3).value == 3
