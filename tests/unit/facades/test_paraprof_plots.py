"""Pictures under the names of paraprof: which files are written, and with which settings."""

import numpy as np
import pytest

from wilks import plots
from wilks.core.wilks_theorem import wilks_depth
from wilks.facades import (
    ConfigurationError,
    ProfileProjector,
    plot_profiled_parameters,
    plot_profiles,
    plot_volume_samples,
    run_all_projections,
    run_projection,
    set_log_level,
)
from wilks.facades.paraprof.visualization import PlotSettings

NAMES = ["mass", "width", "rate"]
PLANE = {"dims": [1, 0], "grid_points": [8, 10]}
SOLID = {"dims": [0, 1, 2], "grid_points": [8, 8, 8]}


@pytest.fixture(autouse=True)
def quiet():
    set_log_level("ERROR")
    yield
    set_log_level("INFO")


def hill(p):
    return -0.5 * float(p[0] ** 2 + (p[1] - p[0]) ** 2 + 2 * (p[2] + p[1]) ** 2)


def projector(projection, **changed):
    arguments = {"parameter_names": NAMES, "seed": 1, "audit": 0, "roi_threshold": 5.0} | changed
    return ProfileProjector(hill, [(-6, 6)] * 3, [projection], **arguments)


@pytest.fixture(scope="module")
def plane():
    set_log_level("ERROR")
    sampler = projector(PLANE)
    run_all_projections(None, sampler)
    return sampler


@pytest.fixture(scope="module")
def solid():
    set_log_level("ERROR")
    sampler = projector(SOLID)
    run_all_projections(None, sampler)
    return sampler


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        (
            {"dims": [1], "grid_points": [10]},
            {"profile_plot_rank_0_dims_1_coarse.png", "profile_plot_rank_0_dims_1_coarse_profiled_params.png"},
        ),
        (
            PLANE | {"grid_refinement_factor": 2},
            {
                f"profile_plot_rank_0_dims_1_0_{grid}{part}.png"
                for grid in ("coarse", "refined")
                for part in ("", "_profiled_param_2")
            },
        ),
        ({"dims": [2, 1, 0], "grid_points": [5, 5, 5]}, {"profile_plot_rank_0_dims_2_1_0_coarse.png"}),
    ],
)
def test_files_of_a_projection(tmp_path, projection, expected):
    settings = {"output_dir": str(tmp_path / "new"), "dpi": 30}
    run_projection(None, projector(projection), projection, save_plots=True, plot_settings=settings)
    assert {path.name for path in (tmp_path / "new").iterdir()} == expected
    assert all(path.stat().st_size > 1000 for path in (tmp_path / "new").iterdir())


def test_nothing_is_drawn_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_projection(None, projector(PLANE), PLANE)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def drawn(monkeypatch):
    """Figures in the order in which they are saved, instead of files."""
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path, *, dpi: figures.append((figure, path, dpi)) or path)
    return figures


def test_labels_are_the_names(plane, drawn):
    plot_profiles(plane, "map")
    (profile, path, dpi), (argmax, _, _) = drawn
    assert (str(path), dpi) == ("map.png", 300)
    assert (profile.axes[0].get_xlabel(), profile.axes[0].get_ylabel()) == ("width", "mass")
    assert any("rate" in axes.get_ylabel() for axes in argmax.axes)


def test_settings_reach_the_picture(plane, drawn):
    settings = {"vmin": -2.5, "vmax": 0.0, "contour_levels": [-2.0, -1.0], "plot_profiled_params": False}
    assert [path.name for path in plot_profiles(plane, "map", settings | {"filetype": "pdf"})] == ["map.pdf"]
    ((figure, _, _),) = drawn
    (mesh,) = figure.axes[0].collections[:1]
    assert mesh.get_clim() == (-2.5, 0.0)
    assert len(figure.axes[0].collections) == len(_with_levels(plane, drawn, [-1.0]).axes[0].collections) + 1


def _with_levels(sampler, drawn, levels):
    plot_profiles(sampler, "map", {"contour_levels": levels, "plot_profiled_params": False})
    return drawn[-1][0]


@pytest.mark.parametrize("n_parameters", [1, 2])
def test_contours_become_confidence_regions_by_the_theorem(n_parameters):
    confidence = PlotSettings.of({"contour_levels": [-1.0, -3.0]}).confidence(n_parameters)
    assert [wilks_depth(level, n_parameters) for level in confidence] == pytest.approx([1.0, 3.0])
    assert PlotSettings.of({}).confidence(n_parameters) is None
    for depth in (*np.linspace(0.5, 20, 40), 3.5, 4.5, 9.0):
        (share,) = PlotSettings.of({"contour_levels": [-depth]}, depth).confidence(n_parameters)
        assert depth - 1e-3 < wilks_depth(share, n_parameters) <= depth, "a map that ends there can draw it"


def test_slices_go_through_the_best_cell_or_are_maximised(solid, drawn):
    maps = {}
    for mode in ("max", "all"):
        plot_profiles(solid, "map", {"slice_mode": mode, "plot_profiled_params": False})
        axes = drawn[-1][0].axes[0]
        maps[mode] = axes.collections[0].get_array().compressed()
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("mass", "width")
    assert len(maps["max"]) < len(maps["all"])  # a cut of the region is smaller than its shadow
    assert maps["max"].max() == pytest.approx(0.0, abs=0.3)


def test_profiled_parameters_alone(plane, drawn):
    (path,) = plot_profiled_parameters(plane, "where")
    assert (path.name, len(drawn)) == ("where_profiled_param_2.png", 1)


def test_profiled_parameters_of_three_axes_have_a_panel_per_pair(drawn):
    sampler = ProfileProjector(
        lambda p: -0.5 * float(p @ p), [(-4, 4)] * 4, [{"dims": [0, 1, 2], "grid_points": [4] * 3}], seed=1, audit=0
    )
    run_all_projections(None, sampler)
    paths = plot_profiles(sampler, "map")
    assert [path.name for path in paths] == ["map.png", "map_profiled_param_3.png"]
    assert sum(bool(axes.get_xlabel()) for axes in drawn[1][0].axes) == 3


def test_all_parameters_on_the_grid_leave_nothing_profiled(solid, drawn):
    assert plot_profiled_parameters(solid, "where") == []
    assert drawn == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "expected a dictionary"),
        ({"dip": 100}, "did you mean 'dpi'"),
        ({"dpi": 0}, "dpi: expected an integer >= 1"),
        ({"filetype": "doc"}, "filetype: got 'doc'"),
        ({"slice_mode": "some"}, "known are max, all"),
        ({"vmin": 1.0}, "vmin: expected a drop below the maximum"),
        ({"contour_levels": []}, "one to four numbers"),
        ({"contour_levels": [1.0]}, "expected numbers below 0"),
        ({"contour_levels": [-7.0]}, "not below -5, where the map ends, got -7"),
        ({"plot_profiled_params": "no"}, "expected True or False"),
        ({"output_dir": ""}, "output_dir"),
    ],
)
def test_settings_that_cannot_be_used(plane, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        plot_profiles(plane, "map", settings)


def test_an_upper_end_of_the_colours_has_no_effect_and_that_is_said(plane, drawn):
    with pytest.warns(UserWarning, match="vmax has no effect"):
        plot_profiles(plane, "map", {"vmax": -1.0})


def test_before_a_run_there_is_nothing_to_draw():
    with pytest.raises(ConfigurationError, match="there is no map yet"):
        plot_profiles(projector(PLANE), "map")


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    set_log_level("ERROR")
    output = str(tmp_path_factory.mktemp("volume") / "v.csv")
    sampler = projector(PLANE, volume_sampling={"n_walkers": 20, "n_steps": 6, "output_file": output})
    (outcome,) = run_all_projections(None, sampler)
    return sampler.volume_stage_result, outcome["coarse_solution"]


def test_volume_samples_over_a_map(tmp_path, volume):
    found, solution = volume
    settings = {"output_dir": str(tmp_path), "dpi": 40}
    path = plot_volume_samples(found, dims=(0, 1), filename="scan", plot_settings=settings, grid_solution=solution)
    assert path == tmp_path / "scan_volume_0_1.png"
    assert path.stat().st_size > 1000


def test_volume_samples_with_labels_of_ones_own(volume, drawn):
    plot_volume_samples(volume[0], (2, 0), "scan", parameter_names=["$m$", "$w$", "$r$"])
    ((figure, path, _),) = drawn
    assert path.name == "scan_volume_2_0.png"
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("$r$", "$m$")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"volume_result": None}, "expected sampler.volume_stage_result with samples, got None"),
        ({"volume_result": {"skipped": True, "reason": "no region"}}, "none: no region"),
        ({"dims": (0, 0)}, "two different indices between 0 and 2"),
        ({"dims": (0, 5)}, "two different indices"),
        ({"dims": (0, 2)}, "expected a map over mass and rate, got one over width and mass"),
        ({"parameter_names": ["a"]}, "parameter_names: expected 3 names"),
    ],
)
def test_volume_pictures_that_cannot_be_drawn(volume, changed, words):
    found, solution = volume
    given = {"volume_result": found, "dims": (0, 1), "filename": "scan", "grid_solution": solution} | changed
    with pytest.raises(ConfigurationError, match=words):
        plot_volume_samples(**given)
