import numpy as np
import pytest
from matplotlib.collections import LineCollection, QuadMesh

import wilks
from tests.unit.plots import examples
from wilks import plots
from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry


def maps_of(figure):
    """Panels with a map, and their meshes; colour bars are left out."""
    found = [(ax, [c for c in ax.collections if isinstance(c, QuadMesh)]) for ax in figure.axes]
    return [(ax, meshes[-1]) for ax, meshes in found if meshes and ax.get_label() != "<colorbar>"]


def has_star(ax):
    return any(line.get_marker() == "*" for line in ax.lines)


def test_pairs_are_maximised_over_the_rest():
    result = examples.volume()
    figure = plots.profile_slices(result)
    figure.canvas.draw()
    panels = maps_of(figure)
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax, _ in panels] == [
        (r"$\Omega_m$", "$w$"),
        (r"$\Omega_m$", "offset [mag]"),
        ("$w$", "offset [mag]"),
    ]
    expected = geometry.project(result, ("omega_m", "offset"))
    shown = panels[1][1].get_array()
    assert np.array_equal(np.ma.getmaskarray(shown), ~expected.in_roi.T)
    assert shown.compressed() == pytest.approx(expected.log_likelihood_map.T[expected.in_roi.T])
    assert all(has_star(ax) for ax, _ in panels)


def test_pairs_of_some_parameters():
    panels = maps_of(plots.profile_slices(examples.volume(), ("w", "offset")))
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax, _ in panels] == [("$w$", "offset [mag]")]


def test_cuts_show_every_node_of_the_third_parameter():
    result = examples.volume((15, 17, 9))
    figure = plots.profile_slices(result, mode="all")
    figure.canvas.draw()
    panels = maps_of(figure)
    nodes = result.axes["offset"]
    shown = [i for i in range(9) if result.in_roi[:, :, i].any()]
    titles = [f"offset = {nodes[i]:.4g} mag".replace("-", "\N{MINUS SIGN}") for i in shown]
    assert [ax.get_title() for ax, _ in panels] == titles
    for i, (_, mesh) in zip(shown, panels, strict=True):
        cut = np.where(result.in_roi[:, :, i], result.log_likelihood_map[:, :, i], np.nan).T
        assert np.array_equal(mesh.get_array().filled(np.nan), cut, equal_nan=True)
    assert [nodes[i] for i, (ax, _) in zip(shown, panels, strict=True) if has_star(ax)] == [0.0]


def test_cuts_go_through_the_joint_region_of_three():
    result = examples.volume((41, 41, 5))
    figure = plots.profile_slices(result, mode="all")
    (middle,) = [ax for ax, _ in maps_of(figure) if has_star(ax)]
    inner = next(c for c in middle.collections if isinstance(c, LineCollection))
    points = np.concatenate(inner.get_segments())
    drops = 0.5 * (((points[:, 0] - 0.5) / 0.2) ** 2 + ((points[:, 1] + 1.5) / 0.6) ** 2)
    assert drops == pytest.approx(wilks_depth(0.68, 3), rel=0.02)
    (legend,) = figure.legends
    assert legend.get_texts()[0].get_text() == "68 % region of 3 parameters"


def test_of_many_nodes_twelve_are_cut_and_the_best_is_among_them():
    result = examples.volume((9, 9, 61))
    panels = maps_of(plots.profile_slices(result, mode="all"))
    assert len(panels) == 12
    assert sum(has_star(ax) for ax, _ in panels) == 1
    assert "offset = 0 mag" in [ax.get_title() for ax, _ in panels]


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (3, 3), (4, 4), (5, 3), (7, 4), (9, 3), (12, 4)])
def test_the_last_row_is_as_full_as_it_can_be(n, expected):
    from wilks.plots.slices import _columns

    assert _columns(n) == expected


def test_cuts_along_another_parameter():
    figure = plots.profile_slices(examples.volume(), mode="all", along="omega_m")
    panels = maps_of(figure)
    assert panels[0][0].get_title().startswith(r"$\Omega_m$ = ")
    assert panels[0][0].get_ylabel() == "offset [mag]"


def test_cuts_along_a_choice():
    domains = wilks.Space(
        a=wilks.Real(0, 1), b=wilks.Real(0.1, 10, scale="log"), kind=wilks.Categorical(["flat", "curved"])
    )
    a, b = np.linspace(0, 1, 11), np.geomspace(0.1, 10, 13)
    u, v = np.meshgrid(a, np.log10(b), indexing="ij")
    plane = -0.5 * (((u - 0.5) / 0.2) ** 2 + (v / 0.4) ** 2)
    surface = np.stack([plane, plane - 1], axis=-1)
    best = {"a": 0.5, "b": 1.0, "kind": "flat"}
    result = examples.profile(("a", "b", "kind"), (a, b, np.arange(2.0)), surface, best=best, domains=domains)
    figure = plots.profile_slices(result, mode="all")
    figure.canvas.draw()
    panels = maps_of(figure)
    assert [ax.get_title() for ax, _ in panels] == ["kind = flat", "kind = curved"]
    assert panels[0][0].get_yscale() == "log"
    plots.profile_slices(result).canvas.draw()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "mean"}, "expected one of max, all, got 'mean'"),
        ({"along": "w"}, "along='w' is for mode='all'"),
        ({"names": ("w",)}, "expected at least two parameters, got w"),
        ({"names": ("w", "mass")}, "out of omega_m, w, offset, got w, mass"),
        ({"names": ("w", "offset"), "mode": "all", "along": "w"}, "got w, offset, w"),
        ({"names": ("w", "offset", "omega_m"), "mode": "all"}, "needs two parameters"),
        ({"mode": "all", "confidence": [0.99]}, "0.99 of 3 parameters"),
    ],
)
def test_arguments_that_do_not_suit(arguments, message):
    with pytest.raises(wilks.InvalidConfigurationError, match=message):
        plots.profile_slices(examples.volume(), **arguments)


def test_a_plane_has_no_slices():
    with pytest.raises(wilks.InvalidConfigurationError, match="three or more parameters, got one over omega_m, w"):
        plots.profile_slices(examples.gaussian_2d())
