from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection, QuadMesh

import wilks
from wilks import plots
from wilks.plots import output

SPACE = wilks.Space(
    a=wilks.Real(-4, 4, label="$a$", unit="m"), b=wilks.Real(1e-2, 1e2, scale="log"), c=wilks.Real(0, 1)
)


def hill(values):
    a, b, c = values["a"], np.log(values["b"]), values["c"]
    return -7.0 - 0.5 * ((a - 1) ** 2 + (b - 0.3 * a) ** 2 + (c / 0.3) ** 2)


PROBLEM = wilks.LikelihoodProblem(SPACE, hill, name="hill")


@pytest.fixture(scope="module")
def result():
    return wilks.sample_volume(PROBLEM, n_walkers=40, n_steps=9, seed=1, callbacks=())


@pytest.fixture(scope="module")
def profile():
    return wilks.profile(PROBLEM, over=("b", "a"), grid=(11, 11), audit=0, seed=1, callbacks=())


def points_of(ax):
    return [each for each in ax.collections if isinstance(each, PathCollection)][0]  # noqa: RUF015 - the list is short


def test_samples_over_two_parameters(result):
    figure = plots.volume(result, ("b", "a"))
    figure.canvas.draw()
    ax, bar = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("b", "$a$ [m]", "log")
    assert "ln L" in bar.get_ylabel()
    points = points_of(ax)
    order = np.argsort(result.log_likelihoods)
    np.testing.assert_array_equal(points.get_offsets(), result.samples[order][:, [1, 0]])
    np.testing.assert_allclose(points.get_array(), result.log_likelihoods[order] - result.log_likelihood)
    assert points.get_clim() == (-4.0, 0.0)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == [f"{len(result.samples)} samples", "best point"]
    low, high = ax.get_ylim()
    assert low < result.samples[:, 0].min()
    assert high > result.samples[:, 0].max()


def test_an_axis_ends_at_the_box(result):
    """The best value of c is at its lower end."""
    figure = plots.volume(result, ("c", "a"))
    assert figure.axes[0].get_xlim()[0] == 0.0


def test_over_a_map(result, profile):
    figure = plots.volume(result, profile=profile)
    figure.canvas.draw()
    ax = figure.axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("b", "$a$ [m]")
    kinds = [type(each) for each in ax.collections]
    assert QuadMesh in kinds
    assert kinds.count(LineCollection) == 2
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[:2] == ["68 % region", "95 % region"]
    bar = figure.axes[1]
    assert bar.get_ylim() == (-4.0, 0.0)


def test_one_parameter_lies_below_its_profile(result):
    curve = wilks.profile(PROBLEM, over="a", grid=(81,), audit=0, seed=1, callbacks=())
    figure = plots.volume(result, profile=curve)
    figure.canvas.draw()
    (ax,) = figure.axes
    assert "ln L" in ax.get_ylabel()
    line = next(each for each in ax.lines if each.get_label() == "profile")
    a, drops = points_of(ax).get_offsets().T
    x, y = line.get_data()
    assert (drops <= np.interp(a, x, y) + 0.02).all()
    better = replace(curve, log_likelihood=curve.log_likelihood + 3, log_likelihood_map=curve.log_likelihood_map + 3)
    (ax,) = plots.volume(result, profile=better).axes
    lifted = next(each for each in ax.lines if each.get_label() == "profile")
    np.testing.assert_allclose(lifted.get_ydata(), y + 3)


def test_a_single_parameter():
    problem = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(-3, 3)), lambda v: -(v["x"] ** 2))
    found = wilks.sample_volume(problem, n_walkers=20, n_steps=6, seed=1, callbacks=())
    figure = output.picture(found)
    assert figure.axes[0].get_xlabel() == "x"


@pytest.mark.slow
def test_the_picture_of_more_parameters_is_a_corner(result):
    figure = output.picture(result)
    figure.canvas.draw()
    used = [ax for ax in figure.axes if ax.axison and ax.collections]
    assert len(used) >= 6
    assert plots.volume_corner(result, ("a", "c")).axes
    assert output.picture_html(result).startswith('<img alt="Samples of the region of interest over a, b, c"')


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a", "q"), "names: expected one or two different parameters out of a, b, c, got a, q"),
        (("a", "a"), "names: expected one or two different"),
        (("a", "b", "c"), "names: expected one or two different"),
    ],
)
def test_names_are_checked(result, names, expected):
    with pytest.raises(wilks.InvalidConfigurationError, match=expected):
        plots.volume(result, names)


def test_a_profile_must_have_the_parameters(result, profile):
    with pytest.raises(wilks.InvalidConfigurationError, match=r"profile: expected one over c and a, .* over b, a"):
        plots.volume(result, ("c", "a"), profile)
    with pytest.raises(wilks.InvalidConfigurationError, match="two or more different"):
        plots.volume_corner(result, ("a",))


def test_without_samples_there_is_nothing_to_draw(result):
    empty = replace(result, samples=np.empty((0, 3)))
    for draw in (plots.volume, plots.volume_corner):
        with pytest.raises(wilks.InvalidConfigurationError, match="with samples, got none"):
            draw(empty)


def test_given_axes_are_used(result):
    figure = plots.style.Picture()
    ax = figure.add_subplot()
    assert plots.volume(result, ("a", "c"), ax=ax) is figure
