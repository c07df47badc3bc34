"""The parts of a map: grid, table of solutions, prediction."""

import numpy as np
import pytest

from wilks import Categorical, Integer, Real, Space
from wilks.profiles.auditing import _nearest
from wilks.profiles.grid import make_grid
from wilks.profiles.prediction import predict
from wilks.profiles.records import Records, Solution

SPACE = Space(x=Real(-1, 1), y=Real(0.01, 100, scale="log"), k=Integer(0, 4), c=Categorical(list("abc")), n=Real(0, 1))


def test_cells_are_numbered_along_the_axes_in_the_order_of_over():
    grid = make_grid(SPACE, ("y", "x"), (5, 3))
    assert grid.shape == (5, 3)
    assert grid.index(7) == (2, 1)
    np.testing.assert_allclose(grid.theta(7), [1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(grid.unit(7), [0.5, 0.5])
    assert [grid.nearest(grid.unit(cell)) for cell in range(grid.n_cells)] == list(range(15))


def test_neighbours():
    grid = make_grid(SPACE, ("x", "k"), {"x": 4})
    assert sorted(grid.neighbours(0)) == [1, 5]
    assert sorted(grid.neighbours(0, diagonal=True)) == [1, 5, 6]
    assert sorted(grid.neighbours(6)) == [1, 5, 7, 11]
    assert sorted(grid.around(6, 1)) == sorted(grid.neighbours(6, diagonal=True)) == [0, 1, 2, 5, 7, 10, 11, 12]
    assert sorted(grid.around(6, 1, 2)) == sorted(grid.around(6, 1)), "no lattice on an axis of a few nodes"
    wide = make_grid(SPACE, ("x",), {"x": 17})
    assert [wide.around(5, 2, s) for s in (1, 2, 8)] == [[3, 4, 6, 7], [1, 3, 7, 9], [1, 9, 13]]
    assert wide.neighbours(5, 4) == [1, 9]
    assert wide.nearest(wide.unit(5), 4) == 4


def test_all_values_of_a_category_are_neighbours():
    grid = make_grid(SPACE, ("x", "c"), {"x": 3})
    assert sorted(grid.neighbours(3)) == [0, 4, 5, 6]
    assert sorted(grid.around(3, 1)) == [0, 6], "but there is no distance along the axis"


def test_corners_around_a_point():
    grid = make_grid(SPACE, ("x", "k"), {"x": 5})
    assert grid.around_point(np.array([0.3, 0.35])) == [6, 7, 11, 12]
    assert grid.around_point(np.array([0.25, 0.5])) == [7], "on a node"
    one = make_grid(SPACE, "x", {"x": [0.5]})
    assert one.around_point(np.array([0.1])) == [0]
    assert make_grid(SPACE, ("c",), None).around_point(np.array([0.3])) == [0]


def solution(value, argument, curvature=100.0):
    argument = np.atleast_1d(np.asarray(argument, dtype=float))
    return Solution(value, argument, np.eye(len(argument)) * curvature, 0, True)


def test_a_table_grows_and_keeps_its_rows():
    records = Records(1)
    label = records.new_label()
    for cell in range(200):
        assert records.add(cell, label, solution(-cell, cell / 200)) == cell
    assert records.n == 200
    assert records.values[:200].tolist() == [-cell for cell in range(200)]
    assert records.row_of(137, label) == 137
    assert records.row_of(300, label) is None
    assert records.rows(5) == [5]


def test_labels_are_united_for_ever():
    records = Records(1)
    a, b, c, d = (records.new_label() for _ in range(4))
    records.add(7, c, solution(0.0, 0.5))
    records.unite(b, c)
    records.unite(a, c)
    assert [records.root(label) for label in (a, b, c, d)] == [a, a, a, d]
    assert records.row_of(7, b) == 0
    assert records.row_of(7, d) is None


@pytest.mark.parametrize(
    ("distance", "curvature", "same"), [(5e-4, 1e9, True), (0.02, 50.0, True), (0.02, 1e4, False), (0.06, 1.0, False)]
)
def test_two_solutions_are_the_same_by_what_their_distance_costs(distance, curvature, same):
    records = Records(1)
    records.add(0, records.new_label(), solution(0.0, 0.5, curvature))
    assert (records.alike(0, np.array([0.5 + distance])) == 0) is same
    assert records.alike(1, np.array([0.5])) is None


def filled(grid, cells, value, argument):
    records = Records(1)
    label = records.new_label()
    for cell in cells:
        unit = grid.unit(cell)
        records.add(cell, label, solution(value(unit), argument(unit)))
    return records


def test_the_prediction_is_exact_for_a_quadratic_branch():
    grid = make_grid(SPACE, ("x", "y"), (9, 9))

    def value(u):
        return 1.0 - 2 * u[0] ** 2 + u[0] * u[1] - u[1] ** 2

    def argument(u):
        return 0.3 + 0.2 * u[0] - 0.1 * u[1] ** 2

    cell = grid.nearest(np.array([0.5, 0.5]))
    solved = [c for c in grid.around(cell, 2) if c < cell or grid.index(c)[0] > grid.index(cell)[0] + 1]
    records = filled(grid, solved, value, argument)
    guess = predict(grid, records, cell, records.rows(cell - 9)[0], np.zeros((1, 2)))
    assert guess.argument[0] == pytest.approx(argument(grid.unit(cell)), abs=1e-9)
    assert guess.value == pytest.approx(value(grid.unit(cell)), abs=1e-9)
    assert 0.0 < guess.uncertainty < 0.5
    assert records.cells[guess.nearest] == cell - 9


def test_from_a_single_cell_the_tangent_is_followed():
    grid = make_grid(SPACE, ("x", "y"), (11, 11))
    records = filled(grid, [60], lambda u: 0.0, lambda u: 0.5)
    guess = predict(grid, records, 71, 0, np.array([[2.0, -1.0]]))
    assert guess.argument[0] == pytest.approx(0.7)
    assert np.isnan(guess.value)
    assert guess.uncertainty == np.inf
    assert predict(grid, records, 71, 0, np.array([[20.0, 0.0]])).argument[0] == 1.0, "inside the box"


def test_a_direction_that_no_neighbour_spans_keeps_the_tangent():
    grid = make_grid(SPACE, ("x", "y"), (11, 11))
    records = filled(grid, [49, 60], lambda u: 0.0, lambda u: 0.5 + 0.3 * (u[0] - 0.5))
    tangent = np.array([[0.0, 0.7]])
    guess = predict(grid, records, 72, 1, tangent)
    assert guess.argument[0] == pytest.approx(0.5 + 0.3 * 0.1 + 0.7 * 0.1, abs=0.02)


def test_nearest_positions_of_a_lattice():
    """Without a table of all distances, which a long axis has no memory for."""
    rng = np.random.default_rng(1)
    for n in (1, 2, 7, 40):
        at = np.sort(rng.choice(n, (n + 1) // 2, replace=False))
        distances = np.abs(at - np.arange(n)[:, None])
        np.testing.assert_array_equal(_nearest(at, n), at[distances.argmin(axis=1)])
    assert len(_nearest(np.arange(0, 10**6, 2), 10**6)) == 10**6
