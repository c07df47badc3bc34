import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

import wilks
from tests.unit.plots import examples, searches
from tests.unit.plots.test_pictures import legend_texts
from wilks import plots
from wilks.plots import style, tempering
from wilks.plots.output import picture


@pytest.fixture(scope="module")
def run():
    space = wilks.Space(x=wilks.Real(-5, 5), kind=wilks.Categorical(["a", "b"]))
    problem = wilks.LikelihoodProblem(space, lambda v: -((v["x"] - 1) ** 2) - (v["kind"] == "a"), name="small")
    return wilks.search(problem, wilks.ParallelTempering(n_replicas=3), n_evaluations=300, seed=1, callbacks=())


def curve_of(ax):
    return next(line for line in ax.lines if line.get_color() == style.LINE)


def test_convergence_draws_the_best_so_far():
    figure = plots.convergence(searches.search())
    figure.canvas.draw()
    (ax,) = figure.axes
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert low > high  # up is better
    x, y = curve_of(ax).get_data()
    assert x.tolist() == [1, 7, 40, 600, 850, 1000]
    assert y[:4] == pytest.approx([49.0, 11.0, 2.0, 0.01])
    assert high < y[4] == y[5] < 0.01
    assert legend_texts(ax) == ["best so far", "best point, evaluation 850"]
    assert ax.get_ylabel().endswith("below the best")


def test_convergence_to_a_known_maximum():
    ax = plots.convergence(searches.search(), maximum=-0.5).axes[0]
    assert curve_of(ax).get_ydata().tolist() == pytest.approx([49.5, 11.5, 2.5, 0.51, 0.5, 0.5])
    assert ax.get_ylabel().endswith("below the maximum")
    with pytest.raises(wilks.InvalidConfigurationError, match="expected at least the best of the search, -1, got -2"):
        plots.convergence(searches.search(), maximum=-2)


def test_convergence_of_a_search_that_rose_little_is_linear():
    history = np.array([[1, -5.0], [10, -1.0]])
    ax = plots.convergence(searches.search(history=history)).axes[0]
    assert ax.get_yscale() == "linear"
    assert curve_of(ax).get_ydata().tolist() == [4.0, 0.0, 0.0]
    flat = plots.convergence(searches.search(history=np.array([[1, -1.0]])))
    flat.canvas.draw()
    assert flat.axes[0].get_yscale() == "linear"


def test_convergence_shows_every_evaluation_of_the_log(run):
    ax = plots.convergence(run).axes[0]
    dots = next(line for line in ax.lines if line.get_marker() == ".")
    table = run.to_dataframe()
    assert dots.get_xdata().tolist() == list(range(1, 301))
    gaps = run.log_likelihood - table["log_likelihood"].to_numpy()
    shown = dots.get_ydata()
    assert shown[gaps > shown.min()] == pytest.approx(gaps[gaps > shown.min()])
    assert "evaluation" in legend_texts(ax)


def test_course_of_a_search_with_fixed_parameters():
    space = wilks.Space(x=wilks.Real(-1, 1), y=wilks.Real(-1, 1))
    problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] ** 2) - v["y"] ** 2)
    log = wilks.EvaluationLog()
    wilks.search(problem, wilks.RandomSearch(), n_evaluations=10, seed=1, callbacks=(), log=log)
    result = wilks.search(problem.fix(y=0.5), wilks.RandomSearch(), n_evaluations=20, seed=1, callbacks=(), log=log)
    dots = next(line for line in plots.convergence(result).axes[0].lines if line.get_marker() == ".")
    gaps = result.log_likelihood - result.to_dataframe()["log_likelihood"].to_numpy()
    assert dots.get_ydata().max() == pytest.approx(gaps.max())


def test_the_digits_of_a_polish_do_not_stretch_the_axis():
    history = np.array([[1, -50.0], [7, -1.0], [40, -1e-3], [60, -1e-12], [70, 0.0]])
    ax = plots.convergence(searches.search(history=history, log_likelihood=0.0)).axes[0]
    assert ax.get_ylim()[1] > 1e-5


def test_failed_evaluations_leave_no_dot():
    def log_likelihood(v):
        return float("nan") if v["x"] < 0 else -v["x"]

    problem = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(-1, 1)), log_likelihood)
    result = wilks.search(problem, wilks.ParallelTempering(), n_evaluations=60, seed=1, callbacks=())
    figure = plots.search(result)
    figure.canvas.draw()
    dots = next(line for line in figure.axes[0].lines if line.get_marker() == ".")
    assert 0 < len(dots.get_xdata()) < 60


def test_many_evaluations_are_thinned(monkeypatch, run):
    monkeypatch.setattr(sys.modules["wilks.plots.convergence"], "_MOST_DOTS", 100)
    dots = next(line for line in plots.convergence(run).axes[0].lines if line.get_marker() == ".")
    assert len(dots.get_xdata()) == 100


def test_a_search_without_a_finite_value_has_no_course():
    empty = searches.search(history=np.empty((0, 2)), log_likelihood=-np.inf, best={})
    with pytest.raises(wilks.InvalidConfigurationError, match="expected a search with a finite log-likelihood"):
        plots.convergence(empty)


def test_swap_rates_mark_pairs_that_hardly_exchange():
    figure = plots.swap_rates(searches.search(tempering=searches.tempering()))
    figure.canvas.draw()
    (ax,) = figure.axes
    tints = [bar for bar in ax.patches if bar.get_alpha()]
    bars = [bar for bar in ax.patches if not bar.get_alpha()]
    heights = {round(bar.get_x() + bar.get_width() / 2, 1): bar.get_height() for bar in bars}
    assert heights == pytest.approx({0.5: 0.08, 1.5: 0.4, 2.5: 0.0})
    assert [bar.get_height() for bar in bars if bar.get_hatch()] == [0.08]
    assert [text.get_text() for text in ax.texts] == ["0.08", "0.40", "no attempt"]
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in tints] == [(pytest.approx(0.5), 0.2)]


def test_a_swap_rate_of_zero_is_seen():
    ax = plots.swap_rates(searches.search(tempering=searches.tempering(swap_rates=np.array([0.0, 0.4, 0.3])))).axes[0]
    assert [bar.get_height() for bar in ax.patches if bar.get_alpha()] == [0.2]
    assert "0.00" in {text.get_text() for text in ax.texts}


def test_acceptance_has_a_bar_for_every_rung():
    ax = plots.acceptance(searches.search(tempering=searches.tempering())).axes[0]
    assert [bar.get_height() for bar in ax.patches] == [0.01, 0.3, 0.5, 0.9]


def test_ladder_ends_with_the_last_temperatures():
    figure = plots.ladder(searches.search(tempering=searches.tempering()))
    figure.canvas.draw()
    (ax,) = figure.axes
    assert ax.get_yscale() == "log"
    assert ax.lines[0].get_ydata().tolist() == [0.1, 0.01, 0.001]
    assert {line.get_xdata()[-1] for line in ax.lines} == {240}
    assert {text.get_text(): text.get_position()[1] for text in ax.texts} == {"coldest": 0.001, "hottest": 10.0}


def test_an_infinite_temperature_is_the_top():
    ladder = np.array([1.0, 4.0, np.inf])
    history = (np.empty(0, dtype=np.int64), np.empty((0, 3)))
    diagnostics = searches.tempering(ladder=ladder, ladder_history=history)
    figure = plots.ladder(searches.search(tempering=diagnostics))
    figure.canvas.draw()
    (ax,) = figure.axes
    assert ax.lines[1].get_data()[0].tolist() == [0, 240]
    assert [text.get_text() for text in ax.texts] == ["coldest", r"hottest: $\infty$"]
    (top,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert list(top.get_ydata()) == [1, 1]
    assert top.get_transform() == ax.transAxes


def test_ladders_of_other_lengths_are_grey_and_the_sweeps_count_on():
    ladders = np.array([[1.0, 2.0, 5.0, 20.0, np.inf], [1.0, 3.0, 9.0, np.inf, np.nan]])
    diagnostics = searches.tempering(
        ladder=np.array([1.0, 4.0, 8.0, np.inf]), ladder_history=(np.array([0, 30]), ladders)
    )
    figure = plots.ladder(searches.search(tempering=diagnostics))
    figure.canvas.draw()
    (ax,) = figure.axes
    second = ax.lines[1]
    assert second.get_xdata().tolist() == [30, 30 + 240]  # a sampler counts anew with every ladder
    assert second.get_ydata().tolist() == [3.0, 4.0]
    tried = next(c for c in ax.collections if c.get_color()[0][0] == pytest.approx(0.72))
    assert sorted(segment[0, 1] for segment in tried.get_segments()) == [1.0, 2.0, 5.0, 20.0]
    assert {tuple(segment[:, 0]) for segment in tried.get_segments()} == {(0.0, 30.0)}
    assert ax.get_title(loc="left").startswith("grey:")


def test_replicas_follow_their_rungs():
    result = searches.search(tempering=searches.tempering())
    figure = plots.replicas(result, highlight=2)
    figure.canvas.draw()
    (ax,) = figure.axes
    (line,) = [line for line in ax.lines if line.get_label() == "replica 2"]
    expected = [row.tolist().index(2) for row in result.tempering.trajectory]
    assert line.get_ydata().tolist() == expected
    assert line.get_xdata()[:3].tolist() == [1, 3, 5]
    assert ax.get_title(loc="left") == "12 round trips in 240 sweeps; replica 2 highlighted"
    with pytest.raises(wilks.InvalidConfigurationError, match="expected a replica from 0 to 3, got 4"):
        plots.replicas(result, highlight=4)


def test_the_replica_that_travels_most_stands_out():
    # Replicas 0 and 1 exchange all the time; replica 2 goes to the top and back, 3 stays where it can.
    rungs = np.array([[0, 1, 2, 3], [1, 0, 3, 2], [0, 1, 2, 3], [2, 1, 0, 3], [0, 1, 2, 3]])
    assert tempering._most_travelled(np.argsort(rungs, axis=1)) == 2


def test_pictures_of_replicas_need_replicas():
    plain = searches.search(algorithm="RandomSearch()")
    for draw in (plots.swap_rates, plots.acceptance, plots.ladder, plots.replicas):
        with pytest.raises(
            wilks.InvalidConfigurationError, match="expected a search by parallel tempering, got one with RandomSearch"
        ):
            draw(plain)


def test_overview(run):
    figure = plots.search(run)
    figure.canvas.draw()
    assert len(figure.axes) == 5
    assert figure.get_suptitle().startswith("small by ParallelTempering: log-likelihood ")
    assert figure.get_suptitle().endswith("round trips") or figure.get_suptitle().endswith("1 round trip")
    assert len(plots.search(searches.search()).axes) == 1


def test_given_axes_are_drawn_on():
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots(2, 2)
    result = searches.search(tempering=searches.tempering())
    for draw, ax in zip((plots.swap_rates, plots.acceptance, plots.ladder, plots.replicas), axes.flat, strict=True):
        assert draw(result, ax=ax) is figure
    figure.canvas.draw()


def test_the_picture_of_a_search():
    result = searches.search()
    assert picture(result).get_suptitle().startswith("supernova by ParallelTempering")
    assert 'alt="Course of the search by ParallelTempering"' in plots.picture_html(result)


def test_corner_of_draws():
    result = searches.sampled()
    figure = plots.corner(result)
    figure.canvas.draw()
    grid = np.array(figure.axes).reshape(4, 4)
    assert grid[3, 0].get_xlabel() == "$x$ [m]"
    assert grid[3, 1].get_xscale() == "log"
    assert [text.get_text() for text in grid[3, 3].get_xticklabels()] == ["flat", "curved", "open"]
    assert [bar.get_height() for bar in grid[3, 3].patches] == pytest.approx([0.6, 0.3, 0.1], abs=0.04)
    assert legend_texts(grid[0, 3]) == ["68 % region", "95 % region", "best point"]
    for name, ax in zip(result.draws, grid.diagonal(), strict=True):
        low, high = ax.get_xlim()
        assert np.mean((result.draws[name] >= low) & (result.draws[name] <= high)) > 0.99


def test_corner_of_some_draws():
    figure = plots.draws_corner(searches.sampled(200), ("kind", "x"))
    figure.canvas.draw()
    assert len(figure.axes) == 4
    with pytest.raises(wilks.InvalidConfigurationError, match="expected parameters that were drawn, got mass; there"):
        plots.draws_corner(searches.sampled(200), ("x", "mass"))
    with pytest.raises(wilks.InvalidConfigurationError, match="expected a result with draws, got one without"):
        plots.corner(searches.search())


def test_draws_that_never_moved_are_drawn():
    result = searches.sampled(50)
    stuck = {name: np.full_like(values, values[0, 0]) for name, values in result.draws.items()}
    figure = plots.corner(replace(result, sample=replace(result.sample, states=stuck)))
    figure.canvas.draw()


def test_bins_follow_the_width_of_the_modes_not_their_distance():
    from wilks.plots.draws import _bin_width

    random = np.random.default_rng(5)
    modes = np.concatenate([random.normal(0.2, 0.005, 4000), random.normal(0.8, 0.005, 4000)])
    one = np.sort(random.normal(0.5, 0.005, 8000))
    assert _bin_width(np.sort(modes)) < 4 * _bin_width(one)
    freedman_diaconis = 2 * np.subtract(*np.quantile(one, [0.75, 0.25])) * 8000 ** (-1 / 3)
    assert _bin_width(one) == pytest.approx(freedman_diaconis, rel=0.1)


def test_regions_of_draws_reach_the_bounds_of_the_box():
    result = searches.sampled(3000)
    random = np.random.default_rng(2)
    piled = {"x": -5 + np.abs(random.normal(0, 0.5, (1, 3000))), "rate": 10 ** random.normal(-1, 0.2, (1, 3000))}
    figure = plots.draws_corner(replace(result, sample=replace(result.sample, states=piled)))
    figure.canvas.draw()
    contours = np.array(figure.axes).reshape(2, 2)[1, 0].collections
    reach = min(path.vertices[:, 0].min() for c in contours for path in c.get_paths() if len(path.vertices))
    assert reach == pytest.approx(-5, abs=1e-6)


def test_regions_hold_their_share():
    from wilks.plots.draws import _threshold

    random = np.random.default_rng(3)
    counts, _, _ = np.histogram2d(*random.normal(size=(2, 100_000)), bins=40)
    density = counts / counts.sum()
    for level in (0.68, 0.95):
        assert density[density >= _threshold(density, level)].sum() == pytest.approx(level, abs=0.01)


def test_a_profile_is_still_a_profile():
    assert len(plots.corner(examples.gaussian_1d()).axes) == 1
