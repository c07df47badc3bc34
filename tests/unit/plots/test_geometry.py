import numpy as np
import pytest

import wilks
from tests.unit.plots import examples
from wilks.core.cells import CellStatus
from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry


def test_levels_below_the_region_of_interest_are_left_out():
    assert geometry.shown_levels(4.0, 2) == [0.68, 0.95]
    assert geometry.shown_levels(2.0, 2) == [0.68]
    assert geometry.shown_levels(0.1, 2) == []


def test_edges_lie_between_the_nodes_and_within_the_box():
    borders = geometry.edges(wilks.Real(0, 1), np.array([0.0, 0.5, 0.8]))
    assert borders == pytest.approx([0.0, 0.25, 0.65, 0.95])


def test_edges_are_halfway_on_the_scale():
    borders = geometry.edges(wilks.Real(1e-3, 10, scale="log"), np.array([1e-2, 1e-1, 1.0]))
    assert borders == pytest.approx([10**-2.5, 10**-1.5, 10**-0.5, 10**0.5])


@pytest.mark.parametrize(
    ("domain", "nodes", "expected"),
    [
        (wilks.Integer(1, 4), [1.0, 2.0, 3.0, 4.0], [0.5, 1.5, 2.5, 3.5, 4.5]),
        (wilks.Grid([0.1, 10.0, 1000.0]), [0.1, 10.0, 1000.0], [-0.5, 0.5, 1.5, 2.5]),
        (wilks.Categorical(["a", "b"]), [0.0, 1.0], [-0.5, 0.5, 1.5]),
        (wilks.Categorical(["a", "b"]), [1.0], [0.5, 1.5]),
        (wilks.Real(0, 1), [0.5], [0.48, 0.52]),
    ],
)
def test_edges_of_discrete_values_and_of_single_nodes(domain, nodes, expected):
    assert geometry.edges(domain, np.array(nodes)) == pytest.approx(expected)


@pytest.mark.parametrize("best", [0.28, 0.30])  # between two nodes, and close to one
def test_curve_is_the_parabola_and_passes_through_the_best_point(best):
    x, y = geometry.curve(examples.gaussian_1d(best=best), "omega_m")
    assert y == pytest.approx(-0.5 * ((x - best) / 0.06) ** 2, abs=1e-9)
    assert y.max() == pytest.approx(0.0, abs=1e-12)


def test_curve_meets_the_levels_where_the_intervals_end():
    result = examples.two_islands()
    x, y = geometry.curve(result, "omega_m")
    for level in geometry.LEVELS:
        for piece in result.intervals("omega_m", level):
            heights = np.interp([piece.lower, piece.upper], x, y)
            assert heights == pytest.approx(-wilks_depth(level, 1), abs=0.02)


def test_curve_has_gaps_where_nothing_is_known():
    result = examples.gaussian_1d()
    result.log_likelihood_map[6:8] = np.nan
    x, y = geometry.curve(result, "omega_m")
    inside_gap = (x > result.axes["omega_m"][5]) & (x < result.axes["omega_m"][8])
    assert np.isnan(y[inside_gap]).all()
    known = np.isin(x, result.axes["omega_m"][[5, 8]])
    assert np.isfinite(y[known]).all()
    assert known.sum() == 2


def test_outlines_lie_on_the_analytical_ellipse():
    result = examples.gaussian_2d((81, 101))
    for level in geometry.LEVELS:
        (points,) = geometry.outlines(result, level)
        d = points - examples.MEAN
        depths = 0.5 * np.einsum("ij,jk,ik->i", d, np.linalg.inv(examples.COVARIANCE), d)
        assert depths == pytest.approx(wilks_depth(level, 2), rel=0.03)


def test_two_islands_have_two_outlines():
    assert len(geometry.outlines(examples.two_islands(), 0.68)) == 2


def test_outlines_of_discrete_parameters_separate_the_inside_from_the_outside():
    result = examples.discrete()
    inside = result.log_likelihood_map >= -wilks_depth(0.68, 2)
    lines = geometry.outlines(result, 0.68)
    steps = np.concatenate([np.diff(line, axis=0) for line in lines])
    expected = sum(np.abs(np.diff(np.pad(inside.astype(int), 1), axis=axis)).sum() for axis in (0, 1))
    assert len(steps) == expected
    assert np.abs(steps).sum(axis=1) == pytest.approx(1.0)
    assert len({tuple(point) for line in lines for point in line[:-1]}) == expected  # no corner twice
    assert all(np.array_equal(line[0], line[-1]) for line in lines)


def test_outlines_of_discrete_islands_with_a_hole_and_a_touching_corner():
    domains = wilks.Space(a=wilks.Integer(0, 4), b=wilks.Integer(0, 3))
    surface = np.array([[0, 0, 0, -9], [0, -9, 0, -9], [0, 0, 0, -9], [-9, -9, -9, 0], [-9, -9, -9, -9.0]])
    result = examples.profile(
        ("a", "b"), (np.arange(5.0), np.arange(4.0)), surface, best={"a": 0, "b": 0}, domains=domains
    )
    lines = geometry.outlines(result, 0.95)
    assert all(np.array_equal(line[0], line[-1]) for line in lines)
    assert sum(len(line) - 1 for line in lines) == 12 + 4 + 4
    assert len(lines) in (2, 3)  # the square and the single cell touch at a corner: one line around both, or two


def test_projection_is_the_maximum_and_carries_the_rest_along():
    result = examples.volume()
    plane = geometry.project(result, ("offset", "omega_m"))
    filled = np.where(np.isnan(result.log_likelihood_map), -np.inf, result.log_likelihood_map)
    expected = filled.max(axis=1).T
    assert np.array_equal(plane.log_likelihood_map, np.where(np.isinf(expected), np.nan, expected), equal_nan=True)
    assert plane.over == ("offset", "omega_m")
    assert np.nanmax(np.abs(plane.argmax["w"] + 1.5)) < 0.1
    assert np.array_equal(np.isnan(plane.argmax["w"]), np.isnan(plane.log_likelihood_map))
    assert np.array_equal(plane.cell_status == CellStatus.UNVISITED, np.isnan(plane.log_likelihood_map))


def shifted_volume(n=(12, 13, 14)):
    """Three correlated parameters whose maximum lies between the nodes."""
    axes = (np.linspace(0, 1, n[0]), np.linspace(-3, 0, n[1]), np.linspace(-1, 1, n[2]))
    a, b, c = np.meshgrid((axes[0] - 0.47) / 0.25, (axes[1] + 1.4) / 0.7, (axes[2] - 0.03) / 0.5, indexing="ij")
    surface = -0.5 * (a**2 + b**2 + c**2 - 1.2 * a * c)
    return examples.profile(
        ("omega_m", "w", "offset"), axes, surface, best={"omega_m": 0.47, "w": -1.4, "offset": 0.03}
    )


@pytest.mark.parametrize("name", ["omega_m", "w", "offset"])
def test_projection_to_one_parameter_is_the_profile_of_the_result(name):
    result = shifted_volume()
    line = geometry.project(result, (name,))
    assert line.log_likelihood_map == pytest.approx(np.minimum(result.profile_of(name), 0.0), abs=1e-12)
    nodes = result.log_likelihood_map.max(axis=tuple(i for i, n in enumerate(result.over) if n != name))
    assert (line.log_likelihood_map >= nodes).all()
    assert (line.log_likelihood_map > nodes + 1e-3).any()


def test_projection_looks_between_the_nodes():
    result = shifted_volume()
    plane = geometry.project(result, ("omega_m", "w"))
    x, y = np.meshgrid((result.axes["omega_m"] - 0.47) / 0.25, (result.axes["w"] + 1.4) / 0.7, indexing="ij")
    truth = -0.5 * ((1 - 0.36) * x**2 + y**2)
    inner = (result.axes["omega_m"] > 0.2) & (result.axes["omega_m"] < 0.8)
    assert plane.log_likelihood_map[inner] == pytest.approx(truth[inner], abs=1e-9)
    assert np.array_equal(plane.in_roi, plane.log_likelihood_map >= -4.0)


def test_a_discrete_parameter_is_projected_out_at_its_values():
    line = geometry.project(examples.discrete(), ("shape",))
    assert line.log_likelihood_map.tolist() == [-0.9, 0.0, -1.4, -7.0]


def test_slice_is_the_plane_at_a_node_and_keeps_the_maximum():
    result = examples.volume()
    cut = geometry.slice_at(result, "w", 4)
    assert cut.over == ("omega_m", "offset")
    assert np.array_equal(cut.log_likelihood_map, result.log_likelihood_map[:, 4, :], equal_nan=True)
    assert np.array_equal(cut.cell_status, result.cell_status[:, 4, :])
    assert cut.log_likelihood == result.log_likelihood
    assert list(cut.axes) == ["omega_m", "offset"]


def test_outlines_of_a_cut_are_those_of_the_joint_region_of_three():
    result = examples.volume((41, 41, 41))
    (points,) = geometry.outlines(geometry.slice_at(result, "offset", 20), 0.68, n_parameters=3)
    drops = 0.5 * (((points[:, 0] - 0.5) / 0.2) ** 2 + ((points[:, 1] + 1.5) / 0.6) ** 2)
    assert drops == pytest.approx(wilks_depth(0.68, 3), rel=0.02)


def test_cells_outside_the_region_of_interest_are_not_shown():
    result = examples.gaussian_2d()
    shown = geometry.inside(result)
    assert np.array_equal(np.isfinite(shown), result.in_roi)
    assert shown[result.in_roi].min() >= -4


def test_cells_below_the_region_of_interest_need_not_converge():
    result = examples.gaussian_1d()
    result.cell_status[:] = CellStatus.NOT_CONVERGED
    result.cell_status[[0, 20]] = CellStatus.FAILED
    bad = geometry.bad_cells(result)
    assert np.array_equal(bad[CellStatus.NOT_CONVERGED], result.in_roi & (result.cell_status != CellStatus.FAILED))
    assert np.flatnonzero(bad[CellStatus.FAILED]).tolist() == [0, 20]


def test_only_an_unfinished_map_has_gaps():
    from dataclasses import replace

    finished = examples.gaussian_2d(cut=6)
    assert not geometry.has_gaps(finished)
    assert geometry.has_gaps(replace(finished, stats={"is_complete": False}))
    assert not geometry.has_gaps(replace(examples.gaussian_2d(), stats={"is_complete": False}))


def test_projection_prefers_a_cell_without_a_finite_value_to_one_that_was_not_visited():
    result = examples.gaussian_2d((3, 3))
    result.log_likelihood_map[0] = [np.nan, -np.inf, np.nan]
    assert geometry.project(result, ("omega_m",)).log_likelihood_map[0] == -np.inf


@pytest.mark.parametrize("names", [("omega_m", "nonsense"), ("w", "w")])
def test_projection_refuses_what_is_not_there(names):
    with pytest.raises(wilks.InvalidConfigurationError, match=f"out of omega_m, w, got {', '.join(names)}"):
        geometry.project(examples.gaussian_2d(), names)


def test_a_map_of_three_parameters_needs_names():
    with pytest.raises(wilks.InvalidConfigurationError, match=r"needs two parameters, got omega_m, w, offset"):
        geometry.pair(examples.volume(), None)


def test_view_holds_the_region_of_interest_and_stays_in_the_grid():
    result = examples.gaussian_1d()
    low, high = geometry.view(result, "omega_m")
    nodes = result.axes["omega_m"][result.in_roi]
    assert 0 <= low < nodes.min() < nodes.max() < high <= 1
    assert high - low < 0.6
    assert geometry.view(examples.cut_by_box(), "w")[1] == 0.0


def test_ticks_are_the_values_and_are_thinned():
    assert geometry.ticks(wilks.Real(0, 1)) is None
    assert geometry.ticks(wilks.Integer(1, 4)) is None
    positions, texts = geometry.ticks(wilks.Categorical(["a", "b"]))
    assert (positions.tolist(), texts) == ([0.0, 1.0], ["a", "b"])
    positions, texts = geometry.ticks(wilks.Grid(np.arange(100.0)), limit=10)
    assert texts[:3] == ["0", "10", "20"]
    assert len(positions) == len(texts) == 10


@pytest.mark.parametrize(
    ("values", "domain", "expected"),
    [
        ([1.0, 2.0, np.nan], wilks.Real(0, 5), (1.0, 2.0)),
        ([3.0, 3.0, 3.0 + 1e-9], wilks.Real(0, 5), (2.9975, 3.0025)),
        ([5.0, 5.0, 5.0], wilks.Real(-5, 5), (4.99, 5.0)),
        ([1.0, 1.0, 1.0], wilks.Real(0.1, 10, scale="log"), (10**-0.001, 10**0.001)),
        ([0.0, 1.0, 1.0], wilks.Categorical(["a", "b"]), (-0.5, 1.5)),
        ([np.nan, np.nan, np.nan], wilks.Real(0.1, 5, scale="log"), (0.1, 5.0)),
        ([np.nan, np.nan, np.nan], wilks.Categorical(["a", "b"]), (-0.5, 1.5)),
    ],
)
def test_range_of_a_nuisance_parameter_is_never_that_of_rounding(values, domain, expected):
    result = examples.profile(
        ("w",),
        (np.array([-2.0, -1.0, 0.0]),),
        np.zeros(3),
        best={"w": 0.0},
        domains=wilks.Space(w=wilks.Real(-3, 0), nuisance=domain),
        argmax={"nuisance": np.array(values)},
    )
    assert geometry.argmax_range(result, "nuisance") == pytest.approx(expected)
