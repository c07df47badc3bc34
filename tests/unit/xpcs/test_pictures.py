"""What the pictures of a fit contain: arrays, scales that are shared, labels; not pixels."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.image import AxesImage, PcolorImage

import wilks
from wilks import plots, xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.plots.style import Picture
from wilks.solvers.result import Basin
from wilks.xpcs import pictures, views
from wilks.xpcs.pictures.cuts import LOOKS
from wilks.xpcs.residual_statistics import residual_statistics

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 0.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 0.0, "phi0": 4.0,
}  # fmt: skip
PHI = np.array([80.0, -15.0, 30.0, 5.0])
N_T, DEAD = 48, 2
FIXED = {"D_offset": 0.0, "gamma_dot_offset": 0.0}
LOCAL = xpcs.FitOptions(method="local")


def fit(data, **keywords):
    usual = {"parameters": FIXED, "start": FLOW, "options": LOCAL, "seed": 1, "callbacks": ()}
    return xpcs.fit(data, **(usual | keywords))


def measured(phi=PHI, n_t=N_T, **keywords):
    place = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, phi)
    return xpcs.simulate(FLOW, place, sigma=0.005, seed=3, **keywords)


@pytest.fixture(scope="module")
def data():
    """The third angle is dead, of the second some pairs are not known, and a frame is masked."""
    made = measured()
    c2 = np.array(made.c2)
    c2[DEAD] = np.nan
    c2[1, 3, 7] = c2[1, 7, 3] = np.inf
    mask = np.ones((N_T, N_T), bool)
    mask[20], mask[:, 20] = False, False
    return xpcs.TwoTimeData(c2, made.t, made.phi, made.q, made.gap, sigma=0.005, mask=mask)


@pytest.fixture(scope="module")
def result(data):
    return fit(data)


@pytest.fixture(scope="module")
def many():
    return fit(measured(np.linspace(-110.0, 110.0, 23), 20))


@pytest.fixture(scope="module")
def one():
    made = measured(PHI[:1], 40)
    static = {"start": None, "parameters": {"D_offset": 0.0}}
    return fit(xpcs.TwoTimeData(made.c2, made.t, made.phi, made.q, sigma=0.005), mode="static", **static)


@pytest.fixture(scope="module")
def failed(data):
    few = xpcs.FitOptions(n_starts=20, n_refined=2)
    return fit(data, parameters={**FIXED, "alpha": wilks.Real(1e5, 2e5)}, start=None, options=few)


def image(ax):
    (found,) = (each for each in ax.get_children() if isinstance(each, (AxesImage, PcolorImage, QuadMesh)))
    return found


def shown(ax):
    """The matrix of a panel, NaN where it is blank."""
    return np.ma.filled(image(ax).get_array().astype(float), np.nan)


def rows_of(figure, across=3):
    """Panels row by row, without the colour bars."""
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    return [panels[i : i + across] for i in range(0, len(panels), across)]


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_maps_show_data_model_and_residuals_of_what_was_fitted(result, data):
    figure = pictures.maps(result)
    rows = rows_of(figure)
    assert len(rows) == 3
    for row, angle in zip(rows, (0, 1, 3), strict=True):
        experiment, model, residual = map(shown, row)
        np.testing.assert_allclose(residual, result.residuals(angle), rtol=1e-5, atol=1e-5)
        used = np.isfinite(result.residuals(angle))
        np.testing.assert_array_equal(np.isfinite(experiment), used)
        np.testing.assert_array_equal(np.isfinite(model), used)
        np.testing.assert_allclose(experiment[used], data.matrix(angle)[used], rtol=1e-6)
        np.testing.assert_allclose(model[used], result.model(angle)[used], rtol=1e-6)
        assert not used.diagonal().any()
        assert not used[20].any()


def test_maps_share_their_scales(result):
    rows = rows_of(pictures.maps(result))
    for experiment, model, residual in rows:
        low, high = image(experiment).get_clim()
        assert image(model).get_clim() == (low, high)
        assert low <= np.nanmin(shown(model))
        assert np.nanmax(shown(model)) <= high < 1.4
        assert image(residual).get_clim() == (-4.0, 4.0)
        assert image(residual).get_cmap().name == "RdBu_r"
        assert image(model).get_cmap().name == "viridis"


def test_maps_have_labels(result):
    figure = pictures.maps(result)
    assert "q = 0.0054" in figure.get_suptitle()
    assert "laminar flow" in figure.get_suptitle()
    rows = rows_of(figure)
    titles = [[ax.get_title() for ax in row] for row in rows]
    assert titles[0] == [rf"$\phi$ = 80°: {what}" for what in ("experiment", "model", r"residual / $\sigma$")]
    assert titles[2][0] == r"$\phi$ = 5°: experiment"
    assert [ax.get_xlabel() for ax in rows[-1]] == ["$t_1$ [s]"] * 3
    assert [ax.get_xlabel() for ax in rows[0]] == [""] * 3
    assert [ax.get_ylabel() for ax in rows[1]] == ["$t_2$ [s]", "", ""]
    low, high = rows[0][0].get_xlim()
    assert (low, high) == pytest.approx((-0.05, 4.75))
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_label() == "<colorbar>"]
    assert labels == ["$c_2$"] * 3 + [r"residual / $\sigma$"]


def test_a_hot_pixel_does_not_set_the_scale():
    made = measured(PHI[:2])
    c2 = np.array(made.c2)
    c2[0, 3, 30] = c2[0, 30, 3] = 50.0
    result = fit(
        xpcs.TwoTimeData(c2, made.t, made.phi, made.q, made.gap, sigma=0.005), parameters={**FIXED, "phi0": 4.0}
    )
    assert image(pictures.maps(result).axes[0]).get_clim()[1] < 2
    assert image(pictures.data_maps(result.data).axes[0]).get_clim()[1] < 2


def test_a_dead_angle_that_is_asked_for(result):
    figure = pictures.maps(result, [DEAD, 0])
    first, second = rows_of(figure)
    assert [text.get_text() for ax in first for text in ax.texts] == ["not measured"] * 3
    assert not any(ax.texts for ax in second)
    figure = pictures.cuts(result, [DEAD, 0])
    assert [text.get_text() for ax in figure.axes[:2] for text in ax.texts] == ["not measured"] * 2
    assert figure.axes[0].get_legend() is None
    assert legend_texts(figure.axes[2])[0].startswith("age ")
    figure.canvas.draw()


def test_large_matrices_are_averaged(result, monkeypatch):
    monkeypatch.setattr(views, "MAX_ROWS", 20)
    fresh = replace(result)
    figure = pictures.maps(fresh, [0])
    experiment, _, residual = map(shown, rows_of(figure)[0])
    assert experiment.shape == (16, 16)
    whole, c2 = result.residuals(0), result.data.matrix(0)
    whole[np.tril_indices(N_T)] = np.nan
    block = whole[3:6, 9:12]
    assert residual[1, 3] == pytest.approx(block.sum() / 3, rel=1e-5)
    assert residual[3, 1] == residual[1, 3]
    assert experiment[1, 3] == pytest.approx(c2[3:6, 9:12].mean(), rel=1e-6)
    on_diagonal = whole[3:6, 3:6]
    assert residual[1, 1] == pytest.approx(np.nansum(on_diagonal) / np.sqrt(3), rel=1e-5)
    masked = whole[:3, 18:21]
    assert residual[0, 6] == pytest.approx(np.nansum(masked) / np.sqrt(6), rel=1e-5)
    assert "means of 3 x 3 pixels" in figure.get_suptitle()
    assert any("of means of 3 x 3 pairs" in ax.get_ylabel() for ax in figure.axes)
    captions = [caption for name, caption, _ in pictures.drawings(fresh) if name == "maps"]
    assert "averaged over 3 x 3 pixels" in captions[0]


def test_frames_that_are_not_evenly_spaced():
    t = np.concatenate([0.1 * np.arange(20), 2.5 + 0.1 * np.arange(20)])
    place = xpcs.Geometry(t, 0.1, 0.0054, 2e6, PHI)
    result = fit(xpcs.simulate(FLOW, place, sigma=0.005, seed=3))
    figure = pictures.maps(result, [0])
    assert isinstance(image(figure.axes[0]), (PcolorImage, QuadMesh))
    cut = views.view(result, 0).along_lag[0]
    assert cut.x[-1] == pytest.approx(4.4, abs=0.3)
    figure.canvas.draw()


def test_cuts_are_means_over_pairs(result):
    seen, c2, model = views.view(result, 0), result.data.matrix(0), result.model(0)
    first = seen.along_lag[0]
    np.testing.assert_allclose(first.x[:4], [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(first.c2[:4], c2[0, 1:5])
    np.testing.assert_allclose(first.model[:4], model[0, 1:5])
    np.testing.assert_allclose(first.error[:4], 0.005)
    assert first.at == 0.0
    lags = [round(cut.at / 0.1) for cut in seen.along_age]
    assert lags == [1, 2, 4, 16]
    last = seen.along_age[-1]  # lags of 15, 16 and 17 frames
    pairs = [(0, 15), (0, 16), (0, 17)]
    assert last.c2[0] == pytest.approx(np.mean([c2[pair] for pair in pairs]))
    assert last.model[0] == pytest.approx(np.mean([model[pair] for pair in pairs]))
    assert last.error[0] == pytest.approx(0.005 / np.sqrt(3))


def test_cuts_draw_points_with_errors_and_the_model_as_lines(result):
    figure = pictures.cuts(result)
    rows = rows_of(figure, 2)
    assert len(rows) == 3
    for (by_lag, by_age), angle in zip(rows, (0, 1, 3), strict=True):
        seen = views.view(result, angle)
        for ax, lines in ((by_lag, seen.along_lag), (by_age, seen.along_age)):
            assert len(ax.containers) == len(lines) == 4
            for container, cut in zip(ax.containers, lines, strict=True):
                np.testing.assert_array_equal(container[0].get_ydata(), cut.c2)
                segments = np.array(container[2][0].get_segments())
                np.testing.assert_allclose(np.ptp(segments[:, :, 1], axis=1) / 2, cut.error)
            drawn = [line for line in ax.lines if line.get_linestyle() != "None"]
            assert [line.get_ydata().tolist() for line in drawn] == [cut.model.tolist() for cut in lines]
        assert by_lag.get_ylabel() == rf"$\phi$ = {PHI[angle]:g}°" + "\n$c_2$"
    assert rows[0][0].get_xscale() == "log"
    assert legend_texts(rows[0][0])[0] == "age 0 s"
    assert legend_texts(rows[0][1]) == ["lag 0.1 s", "lag 0.2 s", "lag 0.4 s", "lag 1.6 s"]
    assert rows[1][0].get_legend() is None
    assert rows[-1][0].get_xlabel() == "lag $t_2 - t_1$ [s]"
    assert rows[-1][1].get_xlabel() == "age $t_1$ [s]"


def test_lines_differ_in_more_than_colour():
    assert len({look["marker"] for look in LOOKS}) == len({str(look["linestyle"]) for look in LOOKS}) == len(LOOKS)


def bars(ax):
    """Values and errors of the points of a panel."""
    (container,) = ax.containers
    sizes = [np.ptp(each[:, 1]) / 2 if len(each) else np.nan for each in container[2][0].get_segments()]
    return container[0].get_ydata(), np.array(sizes)


def test_scaling_of_every_angle(result):
    contrast, offset = pictures.scaling(result).axes
    alive = [0, 1, 3]
    for ax, values, errors in (
        (contrast, result.contrast, result.contrast_errors),
        (offset, result.offset, result.offset_errors),
    ):
        found = bars(ax)
        np.testing.assert_array_equal(found[0], values)
        np.testing.assert_allclose(found[1][alive], errors[alive])
        assert ax.get_xlabel() == r"$\phi$ [degrees]"
        assert legend_texts(ax) == ["fit, individual"]
    assert (contrast.get_ylabel(), offset.get_ylabel()) == ("contrast", "offset")


@pytest.mark.parametrize(
    ("scaling", "text"),
    [("averaged", "the same for all angles"), (xpcs.Scaling.fourier(1), "Fourier series")],
)
def test_scaling_that_angles_share(data, scaling, text):
    result = fit(data, scaling=scaling)
    for ax, values in zip(pictures.scaling(result).axes, (result.contrast, result.offset), strict=True):
        (curve,) = (line for line in ax.lines if line.get_label() == text)
        known = np.isfinite(values)
        drawn = np.interp(result.phi[known], curve.get_xdata(), curve.get_ydata())
        np.testing.assert_allclose(drawn, values[known], atol=2e-4)
        assert text in legend_texts(ax)


def test_scaling_that_was_chosen(one):
    assert legend_texts(pictures.scaling(fit(one.data, mode="static", scaling="auto", start=None, parameters={
        "D_offset": 0.0})).axes[0]) == ["fit, individual"]  # fmt: skip


def test_scaling_without_a_finite_error(result):
    odd = replace(result, contrast_errors=np.array([np.inf, np.nan, np.nan, 0.01]))
    _, errors = bars(pictures.scaling(odd).axes[0])
    assert errors[[0, 1, 3]] == pytest.approx([0.0, 0.0, 0.01])


def test_correlations(result):
    ax, _ = pictures.correlations(result).axes
    n = len(result.names)
    assert n == 11  # few: contrasts and offsets are there too
    np.testing.assert_allclose(shown(ax), result.correlation)
    assert image(ax).get_clim() == (-1.0, 1.0)
    texts = {tuple(map(round, text.get_position())): text.get_text() for text in ax.texts}
    assert texts[1, 0] == f"{result.correlation[0, 1]:.2f}"
    assert len(texts) == n * n
    assert [text.get_text() for text in ax.get_xticklabels()][:6] == [
        "$D_0$", r"$\alpha$", r"$\dot\gamma_0$", r"$\beta$", r"$\phi_0$", "contrast 0"
    ]  # fmt: skip


def test_correlations_that_are_not_known(many):
    errors = many.standard_errors | {"alpha": np.inf}
    ax, _ = pictures.correlations(replace(many, standard_errors=errors)).axes
    assert shown(ax).shape == (5, 5)  # of 51 parameters the physical ones
    hatched = [each for each in ax.collections if each.get_hatch()]
    assert len(hatched) == 9
    assert "no finite standard error" in ax.get_title(loc="left")
    assert len(ax.texts) == 16


def test_residuals(result):
    found = residual_statistics(result)
    figure = pictures.residuals(result)
    linear, by_age, by_angle, logarithmic, by_lag, lags = figure.axes
    assert (linear.get_yscale(), logarithmic.get_yscale()) == ("linear", "log")
    (steps,) = linear.patches
    heights, edges, _ = steps.get_data()
    assert (heights * np.diff(edges)).sum() == pytest.approx(1.0)
    everything = np.concatenate([result.residuals(k)[np.triu_indices(N_T, 1)] for k in found.angles])
    everything = everything[np.isfinite(everything)]
    np.testing.assert_allclose(heights, np.histogram(everything, edges, density=True)[0])
    (normal,) = linear.lines
    assert normal.get_ydata().max() == pytest.approx(1 / np.sqrt(2 * np.pi), rel=1e-3)
    for ax, direction in ((by_age, "age"), (by_lag, "lag")):
        line = next(line for line in ax.lines if line.get_label() == "all angles")
        np.testing.assert_array_equal(line.get_ydata(), found.overall.along(direction)[0])
        assert ax.get_xlabel() == f"shift along the {direction} [frames]"
    band = next(each for each in by_age.collections if each.get_label() == r"$\pm 2 / \sqrt{N}$")
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(2 * found.overall.along("age")[1].max())
    ratios, errors = bars(by_angle)
    assert ratios == pytest.approx([sums.chi_squared / sums.n for sums in found.per_angle])
    assert errors == pytest.approx([np.sqrt(2 / sums.n) for sums in found.per_angle])
    assert bars(lags)[0][0] == pytest.approx(found.overall.mean_squares[0])
    assert lags.get_xscale() == "log"
    assert figure.get_suptitle() == f"Residuals over sigma of {result.n_used:,} pairs: white"


def test_residuals_of_one_angle(one):
    figure = pictures.residuals(one)
    assert legend_texts(figure.axes[1]) == ["all angles", r"$\pm 2 / \sqrt{N}$"]
    figure.canvas.draw()


def test_starts(result):
    basins = (Basin({}, -10.0, 3), Basin({}, -12.0, 1))
    (ax,) = pictures.starts(replace(result, basins=basins)).axes
    heights = sorted(height for line in ax.lines for height in line.get_ydata())
    assert heights == [-2.0, 0.0, 0.0, 0.0]
    assert "on the subset" in ax.get_ylabel()
    (ax,) = pictures.starts(replace(result, basins=())).axes
    assert [text.get_text() for text in ax.texts] == ["no start was refined"]


@pytest.mark.parametrize("diagonal", ["masked", "measured", "neighbours"])
def test_data_maps(data, diagonal):
    figure = pictures.data_maps(data, diagonal=diagonal)
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert len([ax for ax in panels if ax.axison]) == 4
    found, c2 = shown(panels[0]), data.matrix(0)
    off = ~np.eye(N_T, dtype=bool)
    np.testing.assert_allclose(found[off], c2[off], rtol=1e-6)
    expected = {
        "masked": np.nan,
        "measured": c2[5, 5],
        "neighbours": (c2[4, 5] + c2[5, 6]) / 2,
    }[diagonal]
    np.testing.assert_allclose(found[5, 5], expected, rtol=1e-6)
    if diagonal == "neighbours":
        np.testing.assert_allclose(found[0, 0], c2[0, 1], rtol=1e-6)
    assert len({image(ax).get_clim() for ax in panels[:4]}) == 1
    assert [text.get_text() for text in panels[DEAD].texts] == ["not measured"]
    assert panels[1].get_title() == r"$\phi$ = -15°"
    assert "q = 0.0054" in figure.get_suptitle()


def test_an_unknown_diagonal(data):
    with pytest.raises(InvalidConfigurationError, match=r"diagonal: expected one of .*'masked', .*, got 'no'"):
        pictures.data_maps(data, diagonal="no")


@pytest.mark.parametrize("draw", [pictures.maps, pictures.cuts])
def test_angles_of_one_figure(many, draw):
    across = {pictures.maps: 3, pictures.cuts: 2}[draw]
    assert len(rows_of(draw(many), across)) == 6  # spread over all
    with pytest.raises(InvalidConfigurationError, match="at most 6 in one figure, got 7"):
        draw(many, range(7))
    for wrong in ([23], [-24], [1.0], [True], ["0"], []):
        with pytest.raises(InvalidConfigurationError, match="integers from 0 to 22"):
            draw(many, wrong)
    assert len(rows_of(draw(many, [-1]), across)) == 1


def test_drawings_page_through_all_angles(many):
    found = list(pictures.drawings(many))
    assert [name for name, _, _ in found] == [
        "maps", "maps-2", "maps-3", "maps-4", "cuts", "cuts-2", "cuts-3", "cuts-4",
        "residuals", "scaling", "correlations",
    ]  # fmt: skip
    assert all(caption.endswith(".") for _, caption, _ in found)
    for kind in ("maps", "cuts"):
        pages = [draw.args[1] for name, _, draw in found if name.startswith(kind)]
        assert [len(page) for page in pages] == [6, 6, 6, 5]
        assert [angle for page in pages for angle in page] == list(range(23))
    titles = [row[0].get_title() for row in rows_of(found[3][2]())]
    assert titles == [rf"$\phi$ = {phi:.4g}°: experiment" for phi in many.phi[18:]]
    chosen = [name for name, _, _ in pictures.drawings(many, [3, 4])]
    assert chosen == ["maps", "cuts", "residuals", "scaling", "correlations"]


def test_starts_are_a_picture_where_there_are_some(many):
    (basin,) = many.basins
    several = replace(many, basins=(replace(basin, n_hits=2),))
    assert [name for name, _, _ in pictures.drawings(several)][-1] == "starts"


def test_pictures_are_saved_and_read_each_angle_once(one, tmp_path, monkeypatch):
    fresh, read = replace(one), []
    original = xpcs.TwoTimeData.read_c2
    monkeypatch.setattr(xpcs.TwoTimeData, "read_c2", lambda data, angle: read.append(angle) or original(data, angle))
    drawings = list(pictures.drawings(fresh))
    assert not read
    found = pictures.pictures(fresh)
    assert list(found) == [name for name, _, _ in drawings]
    assert all(isinstance(figure, Picture) for figure in found.values())
    residual_statistics(fresh)
    assert read == [0]
    paths = plots.save_all(found, tmp_path, dpi=40)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_a_fit_without_a_best_point(failed):
    found = pictures.pictures(failed)
    assert list(found) == ["data"]
    assert len(rows_of(found["data"])[0]) == 3
    for draw in (pictures.maps, pictures.cuts, pictures.residuals):
        with pytest.raises(InvalidConfigurationError, match="no best point"):
            draw(failed)
    for draw in (pictures.scaling, pictures.correlations):
        draw(failed).canvas.draw()
    assert [text.get_text() for text in pictures.scaling(failed).axes[0].texts] == ["not known"]


def test_a_result_that_was_loaded(result, tmp_path):
    loaded = wilks.load(result.save(tmp_path / "fit.json"))
    assert list(pictures.pictures(loaded)) == ["scaling", "correlations"]
    for draw in (pictures.maps, pictures.cuts, pictures.residuals):
        with pytest.raises(InvalidConfigurationError, match=r"use result\.with_data\(data\)"):
            draw(loaded)
    again = loaded.with_data(result.data)
    np.testing.assert_array_equal(shown(pictures.maps(again).axes[2]), shown(pictures.maps(result).axes[2]))


def test_views_live_as_long_as_their_result(one):
    fresh = replace(one)
    seen = weakref.ref(views.view(fresh, 0))
    assert views.view(fresh, 0) is seen()
    del fresh
    gc.collect()
    assert seen() is None
