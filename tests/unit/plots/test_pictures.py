import gc
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure

import wilks
from tests.unit.plots import examples
from wilks import plots
from wilks.core.cells import CellStatus
from wilks.core.status import Outcome, Status
from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry, style
from wilks.profiles.regions import Interval
from wilks.solvers.result import Basin
from wilks.verbs.compare import Comparison, Entry

ONE_D = {
    "gaussian": (examples.gaussian_1d, "omega_m"),
    "of a map": (examples.two_islands, "w"),
    "log axis": (examples.banana, "tau"),
    "cut by the box": (examples.cut_by_box, "w"),
    "categorical": (examples.discrete, "shape"),
    "grid": (examples.discrete, "power"),
    "of a volume": (examples.volume, "offset"),
}
MAPS = {"gaussian": examples.gaussian_2d, "banana": examples.banana, "islands": examples.two_islands}
MAPS["discrete"] = examples.discrete


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def horizontal_lines(ax):
    return sorted({line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]})


def comparison(**more):
    def entry(best, error, **flags):
        pieces_68 = [Interval(best - error, best + error, False, False)]
        pieces_95 = [Interval(best - 2 * error, best + 2 * error, flags.get("open_lower", False), False)]
        return Entry(best, error, tuple(pieces_68), tuple(pieces_95))

    entries = {
        "omega_m": (entry(0.3, 0.05), entry(0.33, 0.06, open_lower=True)),
        "w": (entry(-1.0, 0.2), None),
        "model": (Entry("flat", np.nan, (), ()), Entry("flat", np.nan, (), ())),
    }
    return Comparison(
        tuple(entries), ("fit", "profile"), entries, (-20.0, -20.0), more.pop("disagreements", ()), **more
    )


@pytest.mark.parametrize("case", ONE_D)
def test_profile_1d_draws_every_kind_of_axis(case):
    make, name = ONE_D[case]
    result = make()
    figure = plots.profile_1d(result, name)
    figure.canvas.draw()
    (ax,) = figure.axes
    assert ax.get_xlabel() == result.space.label(name)
    assert "ln L" in ax.get_ylabel()
    assert horizontal_lines(ax) == pytest.approx([-1.9207, -0.4945], abs=1e-3)
    assert {"68 %", "95 %"} <= {text.get_text() for text in ax.texts}
    low, high = ax.get_ylim()
    assert low == pytest.approx(-1.08 * result.roi_threshold)
    assert 0 < high < 1


def test_profile_1d_uses_the_scale_of_the_parameter():
    figure = plots.profile_1d(examples.banana(), "tau")
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[0].get_xlabel() == r"$\tau$ [s]"


def test_profile_1d_leaves_out_levels_below_the_region_of_interest():
    shallow = examples.profile(("w",), (np.linspace(-3, 0, 9),), np.zeros(9), best={"w": -1.0}, roi_threshold=1.0)
    figure = plots.profile_1d(shallow)
    assert horizontal_lines(figure.axes[0]) == pytest.approx([-0.4945], abs=1e-3)


def test_profile_1d_shades_the_intervals():
    result = examples.two_islands()
    ax = plots.profile_1d(result, "omega_m").axes[0]
    spans = sorted((c.get_datalim(ax.transData).x0, c.get_datalim(ax.transData).x1) for c in ax.collections)
    pieces = [piece[:2] for level in (0.68, 0.95) for piece in result.intervals("omega_m", level)]
    assert np.array(spans) == pytest.approx(np.array(sorted(pieces)))


def test_profile_1d_points_at_open_ends_only():
    open_axes = plots.profile_1d(examples.cut_by_box()).axes[0]
    arrows = [text for text in open_axes.texts if getattr(text, "arrow_patch", None)]
    assert [arrow.xy[0] for arrow in arrows] == [0.0, 0.0]
    assert "open end" in legend_texts(open_axes)
    closed_axes = plots.profile_1d(examples.gaussian_1d()).axes[0]
    assert legend_texts(closed_axes) == ["68 % set", "95 % set", "grid nodes", "best point"]


def test_profile_1d_shows_the_values_of_a_discrete_parameter():
    ax = plots.profile_1d(examples.discrete(), "shape").axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["elliptic", "spiral", "lens", "bar"]
    tops = {round(bar.get_x() + bar.get_width() / 2): bar.get_y() + bar.get_height() for bar in ax.patches}
    assert tops == pytest.approx({0: -0.9, 1: 0.0, 2: -1.4})


@pytest.mark.parametrize("case", MAPS)
def test_profile_2d_draws_map_outlines_and_colour_bar(case):
    result = MAPS[case]()
    figure = plots.profile_2d(result)
    figure.canvas.draw()
    ax, bar = figure.axes
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    assert mesh.get_clim() == (-result.roi_threshold, 0.0)
    assert mesh.get_array().shape == result.log_likelihood_map.T.shape
    assert "ln L" in bar.get_ylabel()
    assert (ax.get_xlabel(), ax.get_ylabel()) == tuple(result.space.label(name) for name in result.over)
    lines = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert [len(c.get_segments()) for c in lines] == [len(geometry.outlines(result, v)) for v in (0.68, 0.95)]


def test_profile_2d_leaves_what_lies_outside_the_region_of_interest_blank():
    result = examples.banana()
    ax = plots.profile_2d(result).axes[0]
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    assert np.array_equal(np.ma.getmaskarray(mesh.get_array()), ~result.in_roi.T)
    assert not any(getattr(c, "get_hatch", lambda: None)() for c in ax.collections)


def test_profile_2d_hatches_what_an_unfinished_map_did_not_visit():
    result = replace(examples.gaussian_2d(cut=6), stats={"is_complete": False})
    ax = plots.profile_2d(result).axes[0]
    assert any(getattr(c, "get_hatch", lambda: None)() == "////" for c in ax.collections)
    assert "not visited" in legend_texts(ax)
    known = next(c for c in ax.collections if isinstance(c, QuadMesh)).get_array()  # below the visited cells no hatch
    assert np.array_equal(np.ma.getmaskarray(known), np.isnan(result.log_likelihood_map.T))


def test_profile_2d_marks_cells_that_went_wrong():
    ax = plots.profile_2d(examples.banana()).axes[0]
    marks = {line.get_marker(): len(line.get_xdata()) for line in ax.lines}
    assert (marks["x"], marks["s"], marks["*"]) == (3, 1, 1)
    assert {"not converged", "no finite value"} <= set(legend_texts(ax))


def test_profile_2d_with_other_levels_and_colours():
    result = examples.gaussian_2d((81, 101))
    figure = plots.profile_2d(result, confidence=(0.9, 0.5), vmin=-2)
    ax, bar = figure.axes
    figure.canvas.draw()
    lines = [c for c in ax.collections if isinstance(c, LineCollection)]
    for collection, level in zip(lines, (0.5, 0.9), strict=True):
        d = np.concatenate(collection.get_segments()) - examples.MEAN
        drops = 0.5 * np.einsum("ij,jk,ik->i", d, np.linalg.inv(examples.COVARIANCE), d)
        assert drops == pytest.approx(wilks_depth(level, 2), rel=0.03)
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    assert mesh.get_clim() == (-2.0, 0.0)
    assert mesh.colorbar.extend == "min"
    assert [line.get_ydata()[0] for line in bar.lines] == pytest.approx([-wilks_depth(0.5, 2)])  # 0.9 lies below
    assert legend_texts(ax)[:2] == ["50 % region", "90 % region"]


def test_profile_1d_with_other_levels_and_depth():
    result = examples.gaussian_1d()
    ax = plots.profile_1d(result, confidence=(0.6827, 0.9545, 0.99), vmin=-3).axes[0]
    assert legend_texts(ax)[:3] == ["68.27 % set", "95.45 % set", "99 % set"]
    assert ax.get_ylim()[0] == pytest.approx(-3.24)
    assert horizontal_lines(ax) == pytest.approx([-3.3174, -2.0, -0.5], abs=1e-3)
    assert [text.get_text() for text in ax.texts] == ["68.27 %", "95.45 %"]  # that of 99 % lies below the picture


def went_wrong():
    result = examples.gaussian_1d()
    result.cell_status[[8, 14]] = CellStatus.NOT_CONVERGED
    result.cell_status[11], result.log_likelihood_map[11] = CellStatus.FAILED, -np.inf
    return result


def test_profile_1d_marks_nodes_that_went_wrong():
    result = went_wrong()
    ax = plots.profile_1d(result).axes[0]
    marks = {line.get_marker(): line for line in ax.lines}
    nodes = result.axes["omega_m"]
    assert marks["x"].get_xdata() == pytest.approx(nodes[[8, 14]])
    assert marks["x"].get_ydata()[0] == pytest.approx(-0.5 * ((nodes[8] - 0.28) / 0.06) ** 2)
    assert marks["s"].get_xdata() == pytest.approx(nodes[[11]])
    low, high = ax.get_ylim()
    assert all(low < y < high for mark in "xs" for y in marks[mark].get_ydata())
    assert legend_texts(ax)[-2:] == ["not converged", "no finite value"]


def test_profile_1d_refuses_what_is_not_profiled():
    with pytest.raises(wilks.InvalidConfigurationError, match="out of omega_m, got w"):
        plots.profile_1d(examples.gaussian_1d(), "w")


def test_profile_2d_says_nothing_of_what_does_not_occur():
    assert legend_texts(plots.profile_2d(examples.two_islands()).axes[0]) == [
        "68 % region",
        "95 % region",
        "best point",
    ]


def test_profile_2d_of_a_volume_projects():
    figure = plots.profile_2d(examples.volume(), ("w", "offset"))
    assert figure.axes[0].get_ylabel() == "offset [mag]"
    with pytest.raises(wilks.InvalidConfigurationError, match="needs two parameters"):
        plots.profile_2d(examples.gaussian_1d())


@pytest.mark.parametrize(
    ("make", "nuisance"),
    [
        (examples.gaussian_2d, "offset"),
        (examples.banana, "rate"),
        (examples.two_islands, "model"),
        (examples.discrete, "order"),
        (examples.gaussian_1d, "w"),
    ],
)
def test_argmax_map_draws_every_kind_of_nuisance(make, nuisance):
    result = make()
    figure = plots.argmax_map(result, nuisance)
    figure.canvas.draw()
    assert result.space.label(nuisance) in figure.axes[-1].get_ylabel()


def test_argmax_maps_have_a_panel_for_every_nuisance():
    figure = plots.argmax_maps(examples.two_islands())
    figure.canvas.draw()
    assert [ax.get_ylabel() for ax in figure.axes[2:]] == ["model at the maximum", "offset [mag] at the maximum"]
    meshes = [[c for c in ax.collections if isinstance(c, QuadMesh)] for ax in figure.axes[:2]]
    assert np.array_equal(np.ma.getmaskarray(meshes[1][0].get_array()), ~examples.two_islands().in_roi.T)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["68 % region", "95 % region", "best point"]


def test_argmax_curves_share_the_axis_of_the_profile():
    result = went_wrong()
    figure = plots.argmax_maps(result)
    figure.canvas.draw()
    upper, lower = figure.axes
    assert [ax.get_ylabel() for ax in (upper, lower)] == ["offset [mag]\nat the maximum", "$w$\nat the maximum"]
    assert (upper.get_xlabel(), lower.get_xlabel()) == ("", r"$\Omega_m$")
    nodes = next(line for line in lower.lines if line.get_marker() == "o")
    assert nodes.get_ydata() == pytest.approx(result.argmax["w"])
    spans = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in upper.patches)
    pieces = sorted(piece[:2] for level in (0.68, 0.95) for piece in result.intervals("omega_m", level))
    assert np.array(spans) == pytest.approx(np.array(pieces))
    crosses = next(line for line in upper.lines if line.get_marker() == "x")
    assert len(crosses.get_xdata()) == 2


def test_argmax_curve_shows_a_bound_that_is_reached():
    result = examples.gaussian_1d()
    at_bound = replace(result, argmax={"offset": np.clip(8 * result.argmax["offset"], -1, 0.5)})
    (ax,) = plots.argmax_map(at_bound, "offset").axes
    assert [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]] == []
    low, high = np.flatnonzero(result.in_roi)[[0, -1]]
    at_bound.argmax["offset"][low : high + 1] = np.linspace(-1, 0.5, high - low + 1)
    (ax,) = plots.argmax_map(at_bound, "offset").axes
    assert [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]] == [-1]


@pytest.mark.parametrize(
    ("make", "nuisances", "message"),
    [
        (examples.gaussian_2d, ("offset", "mass"), "no nuisance parameter 'mass' here; there are: offset"),
        (examples.cut_by_box, (), "no nuisance parameter to draw here; there are: omega_m"),
    ],
)
def test_argmax_maps_refuse_unknown_names(make, nuisances, message):
    with pytest.raises(wilks.InvalidConfigurationError, match=message):
        plots.argmax_maps(make(), nuisances)


def test_a_map_of_all_parameters_has_no_argmax():
    with pytest.raises(wilks.InvalidConfigurationError, match="there are: none, all parameters are profiled"):
        plots.argmax_maps(replace(examples.gaussian_2d(), argmax={}))


def test_argmax_map_shows_the_names_of_a_choice():
    bar = plots.argmax_map(examples.two_islands(), "model").axes[1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["flat", "curved"]


def test_argmax_map_refuses_unknown_names():
    with pytest.raises(wilks.InvalidConfigurationError, match="no nuisance parameter 'mass' here; there are: offset"):
        plots.argmax_map(examples.gaussian_2d(), "mass")
    with pytest.raises(wilks.InvalidConfigurationError, match="needs two parameters"):
        plots.argmax_map(examples.volume(), "mass")


def test_a_legend_takes_as_many_rows_as_the_width_needs():
    for width, n_columns in ((8.0, 3), (2.6, 2)):
        ax = Figure(figsize=(width, 3)).add_subplot()
        plots.profile_2d(examples.two_islands(), ax=ax)
        assert ax.get_legend()._ncols == n_columns


def test_given_axes_are_drawn_on():
    figure = Figure(figsize=(8, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert plots.profile_1d(examples.gaussian_1d(), ax=left) is figure
    assert plots.profile_2d(examples.gaussian_2d(), ax=right) is figure
    figure.canvas.draw()


def test_corner_takes_maps_and_curves():
    figure = plots.corner([examples.gaussian_2d(), examples.gaussian_1d()], fit=examples.fit())
    figure.canvas.draw()
    top, legend, lower_left, lower_right = figure.axes[:4]
    assert lower_left.get_xlabel() == r"$\Omega_m$"
    assert lower_left.get_ylabel() == lower_right.get_xlabel() == "$w$"
    assert lower_left.get_xlim() == top.get_xlim()
    assert "fit, 95 % ellipse" in legend_texts(legend)


def test_corner_of_a_volume_has_all_pairs():
    figure = plots.corner(examples.volume())
    figure.canvas.draw()
    meshes = [
        ax for ax in figure.axes if any(isinstance(c, QuadMesh) and c.get_clim()[0] == -4 for c in ax.collections)
    ]
    assert len([ax for ax in meshes if ax.get_ylabel() or ax.get_xlabel()]) >= 3


def test_corner_says_where_there_is_no_map():
    other = examples.cut_by_box()
    figure = plots.corner([examples.gaussian_1d(), other])
    figure.canvas.draw()
    assert any(text.get_text() == "no map" for ax in figure.axes for text in ax.texts)
    with pytest.raises(wilks.InvalidConfigurationError, match="at least one profile"):
        plots.corner([])


def test_fit_corner_draws_the_ellipses_of_the_covariance():
    fit = examples.fit()
    figure = plots.fit_corner(fit)
    figure.canvas.draw()
    panel = next(ax for ax in figure.axes if ax.get_xlabel() == r"$\Omega_m$" and ax.get_ylabel() == "$w$")
    for line, level in zip(panel.lines, (0.68, 0.95), strict=False):
        d = np.column_stack(line.get_data()) - [fit.best["omega_m"], fit.best["w"]]
        drop = 0.5 * np.einsum("ij,jk,ik->i", d, np.linalg.inv(fit.covariance), d)
        assert drop == pytest.approx(wilks_depth(level, 2))
    assert {"0.280 ± 0.060", "-1.10 ± 0.25"} <= {ax.get_title() for ax in figure.axes}


def test_fit_corner_leaves_out_what_is_not_determined():
    covariance = np.diag([0.01, np.nan])
    fit = examples.fit(covariance)
    figure = plots.fit_corner(fit)
    assert [ax.get_xlabel() for ax in figure.axes] == [r"$\Omega_m$"]
    with pytest.raises(wilks.InvalidConfigurationError, match=r"finite standard error, got w; this fit has: omega_m"):
        plots.fit_corner(fit, ["w"])


def test_fit_corner_stays_within_the_box():
    fit = examples.fit(np.diag([1.0, 0.04]))
    ax = next(ax for ax in plots.fit_corner(fit).axes if ax.get_xlabel() == r"$\Omega_m$")
    assert ax.get_xlim() == (0.0, 1.0)


def test_waterfall_has_one_point_per_start():
    ax = plots.waterfall(examples.fit()).axes[0]
    heights = np.concatenate([line.get_ydata() for line in ax.lines])
    assert len(heights) == 24
    assert (np.diff(heights) <= 0).all()
    assert [text.get_text() for text in ax.texts] == ["18 hits", "5 hits", "1 hit"]
    assert ax.get_yscale() == "linear"


def test_waterfall_of_distant_optima_is_logarithmic():
    best = examples.fit().best
    basins = (Basin(best, -20.0, 3), Basin(best, -1e5, 2), Basin(best, -np.inf, 4))
    figure = plots.waterfall(examples.fit(basins=basins))
    figure.canvas.draw()
    assert figure.axes[0].get_yscale() == "symlog"
    assert len(figure.axes[0].lines) == 2


def test_comparison_has_a_panel_per_parameter():
    figure = plots.comparison(comparison())
    figure.canvas.draw()
    assert [ax.get_xlabel() for ax in figure.axes] == ["omega_m", "w"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["fit", "profile"]
    assert "<" in [line.get_marker() for line in figure.axes[0].lines]
    assert "<" not in [line.get_marker() for line in figure.axes[1].lines]


def test_comparison_needs_numbers():
    names_only = replace(comparison(), names=("model",))
    with pytest.raises(wilks.InvalidConfigurationError, match="numbers for values, got model"):
        plots.comparison(names_only)


@pytest.mark.parametrize("text", ["cost in $", "$x", r"$\nonsense{$", "$$"])
def test_labels_with_dollars_are_drawn(text):
    domains = wilks.Space(w=wilks.Real(-3, 0, label=text))
    result = examples.profile(("w",), (np.linspace(-3, 0, 9),), np.zeros(9), best={"w": -1.0}, domains=domains)
    plots.profile_1d(result).canvas.draw()


def test_narrow_log_axis_has_readable_ticks():
    domains = wilks.Space(rate=wilks.Real(1.0, 100.0, scale="log"))
    nodes = np.geomspace(1.0, 100.0, 201)
    surface = -0.5 * ((nodes - 20) / 1.5) ** 2
    result = examples.profile(("rate",), (nodes,), surface, best={"rate": 20.0}, domains=domains)
    figure = plots.profile_1d(result)
    figure.canvas.draw()
    assert sum(bool(text.get_text()) for text in figure.axes[0].get_xticklabels()) >= 2


def test_save_with_other_dots_per_inch(tmp_path):
    from matplotlib.image import imread

    figure = plots.profile_1d(examples.gaussian_1d())
    coarse, fine = (imread(plots.save(figure, tmp_path / f"{dpi}.png", dpi=dpi)).shape for dpi in (50, 100))
    assert fine[0] == pytest.approx(2 * coarse[0], abs=1)
    with pytest.raises(
        wilks.InvalidConfigurationError, match="dpi: expected a positive number of dots per inch, got 0"
    ):
        plots.save(figure, tmp_path / "a.png", dpi=0)


def test_save_writes_what_the_ending_says(tmp_path):
    figure = plots.profile_1d(examples.gaussian_1d())
    assert plots.save(figure, tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    assert plots.save(figure, tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "new"]
    with pytest.raises(wilks.InvalidConfigurationError, match=r"ends in one of .*png.*, got '\.doc'"):
        plots.save(figure, tmp_path / "a.doc")


@pytest.mark.parametrize(
    "make", [examples.gaussian_1d, examples.gaussian_2d, examples.volume, examples.fit], ids=lambda make: make.__name__
)
def test_picture_html_is_one_image_with_words(make):
    text = plots.picture_html(make())
    assert text.startswith('<img alt="')
    assert "data:image/png;base64," in text
    assert text.count("<") == 1


def test_picture_html_of_a_fit_without_errors_shows_its_starts():
    fit = examples.fit(np.diag([np.nan, np.inf]), status=Status(Outcome.NOT_CONVERGED))
    assert plots.picture_html(fit).startswith("<img")


def test_a_profile_that_found_nothing_has_no_picture():
    nothing = examples.profile(("w",), (np.arange(-3.0, 0.0),), np.full(3, -np.inf), best={}, maximum=-np.inf)
    assert plots.picture_html(nothing) == ""
    assert "no finite log-likelihood" in nothing._repr_html_()


def test_result_shows_its_picture_in_a_notebook():
    assert "data:image/png" in examples.gaussian_2d()._repr_html_()
    assert plots.profile_1d(examples.gaussian_1d())._repr_png_().startswith(b"\x89PNG")


def test_pictures_are_the_same_each_time():
    assert style.png(plots.profile_2d(examples.banana())) == style.png(plots.profile_2d(examples.banana()))


def test_figures_are_freed_and_pyplot_stays_away():
    figure = plots.profile_2d(examples.gaussian_2d())
    figure.canvas.draw()
    alive = weakref.ref(figure)
    del figure
    gc.collect()
    assert alive() is None
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []
