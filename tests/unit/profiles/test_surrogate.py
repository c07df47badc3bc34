"""The local polynomial: exact where it must be, and uncertain where it is not."""

import numpy as np
import pytest

from wilks import Categorical, Real, Space
from wilks.profiles.grid import make_grid
from wilks.profiles.records import Records, Solution
from wilks.profiles.surrogate import fit_rows

SPACE = Space(x=Real(0, 1), y=Real(0, 1), z=Real(0, 1), c=Categorical(["p", "q"]))
NAMES = ("x", "y", "z")


def cubic(u):
    """A polynomial of total degree three with every term up to it."""
    s = np.sum(u * np.arange(1, len(u) + 1))
    return 0.3 - s + 2.0 * s**2 - 1.5 * s**3 + u[0] ** 2 * u[-1]


def quartic(u):
    return float(np.sum((3.0 * (u - 0.5)) ** 4))


def flat(u):
    return 0.5


def fitted(grid, cells, wanted, value, argument=flat, spacing=1):
    records = Records(1)
    label = records.new_label()
    for cell in cells:
        unit = grid.unit(cell)
        records.add(cell, label, Solution(value(unit), np.array([argument(unit)]), np.eye(1) * 8.0, 0, True))
    return fit_rows(grid, records, np.arange(records.n), np.asarray(wanted, dtype=np.int64), spacing)


@pytest.mark.parametrize(("axes", "size", "share"), [(1, 21, 0.8), (2, 13, 0.6), (3, 9, 0.7)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cubic_is_reproduced_from_any_pattern_also_at_the_edges(axes, size, share, seed):
    grid = make_grid(SPACE, NAMES[:axes], (size,) * axes)
    chosen = np.random.default_rng(seed).random(grid.n_cells) < share
    wanted = np.flatnonzero(~chosen)
    fits = fitted(grid, np.flatnonzero(chosen).tolist(), wanted, cubic, lambda u: 0.5 + 0.002 * cubic(u))
    certain = fits.known & (fits.losses < np.inf)
    assert certain.mean() > 0.5
    truth = np.array([cubic(grid.unit(cell)) for cell in wanted])
    # Only fits of the full degree are exact; those are the ones whose second fit agrees.
    exact = certain & (fits.uncertainties < 1e-9)
    assert exact.sum() > 0.3 * len(wanted)
    np.testing.assert_allclose(fits.values[exact], truth[exact], atol=1e-9)
    np.testing.assert_allclose(fits.arguments[exact, 0], 0.5 + 0.002 * truth[exact], atol=1e-9)
    assert fits.losses[exact].max() < 1e-15
    wrong = certain & ~exact
    assert (np.abs(fits.values - truth)[wrong] <= 10 * fits.uncertainties[wrong] + 1e-9).all()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_corner_cells_of_a_full_lattice_are_exact(axes):
    grid = make_grid(SPACE, NAMES[:axes], (11,) * axes)
    corners = [0, grid.n_cells - 1]
    others = [cell for cell in range(grid.n_cells) if cell not in corners]
    fits = fitted(grid, others, corners, cubic)
    assert fits.known.all()
    np.testing.assert_allclose(fits.values, [cubic(grid.unit(cell)) for cell in corners], atol=1e-9)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_quartic_is_uncertain_on_a_symmetric_pattern(axes):
    """The error is even, so it would vanish between two fits of neighbouring degrees."""
    grid = make_grid(SPACE, NAMES[:axes], (11,) * axes)
    middle = grid.n_cells // 2
    fits = fitted(grid, [c for c in range(grid.n_cells) if c != middle], [middle], quartic)
    assert fits.known[0]
    error = abs(fits.values[0] - quartic(grid.unit(middle)))
    assert error > 1e-4
    assert fits.uncertainties[0] > 0.3 * error


def test_the_loss_is_that_of_an_argument_that_is_wrong_by_the_difference():
    grid = make_grid(SPACE, ("x",), (21,))
    cells = [c for c in range(21) if c != 10]
    small, large = (
        fitted(grid, cells, [10], cubic, lambda u, a=a: 0.5 + a * quartic(u)).losses[0] for a in (0.02, 0.04)
    )
    assert 0 < small < large
    assert large == pytest.approx(4 * small, rel=1e-6), "quadratic in the argument"


def test_arguments_stay_inside_the_box():
    grid = make_grid(SPACE, ("x",), (21,))
    fits = fitted(grid, range(1, 21), [0], cubic, lambda u: 0.9 - 10 * u[0] ** 2 if u[0] > 0.3 else 1.0 + u[0] * 0)
    assert 0.0 <= fits.arguments[0, 0] <= 1.0
    steep = fitted(grid, range(1, 21), [0], cubic, lambda u: min(1.0, 1.2 - 5 * u[0]))
    assert steep.known[0]
    assert steep.arguments[0, 0] == 1.0


def test_too_few_solutions_give_a_nearest_one_but_no_fit():
    grid = make_grid(SPACE, ("x", "y"), (11, 11))
    fits = fitted(grid, [0, 1], [2, 120], cubic)
    assert not fits.known.any()
    assert fits.nearest.tolist() == [1, -1]
    assert np.isnan(fits.values).all()
    assert np.isinf(fits.uncertainties).all()


def test_an_unordered_axis_separates():
    grid = make_grid(SPACE, ("x", "c"), {"x": 21})
    rows = [cell for cell in range(grid.n_cells) if grid.index(cell)[1] == 0 and grid.index(cell)[0] != 10]
    same, other = 20, 21
    fits = fitted(grid, rows, [same, other], lambda u: cubic(u[:1]))
    assert fits.known.tolist() == [True, False]
    assert fits.values[0] == pytest.approx(cubic(grid.unit(same)[:1]), abs=1e-9)
    alone = make_grid(SPACE, ("c",), None)
    assert not fitted(alone, [0], [1], lambda u: 1.0).known.any()


def test_only_the_lattice_of_the_spacing_is_looked_at():
    grid = make_grid(SPACE, ("x",), (33,))
    odd = [cell for cell in range(33) if cell % 2]
    assert not fitted(grid, odd, [16], cubic, spacing=2).known[0]
    assert fitted(grid, [cell for cell in range(0, 33, 2) if cell != 16], [16], cubic, spacing=2).known[0]
