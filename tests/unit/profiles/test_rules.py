"""The rules of a map, one at a time: acceptance, unions, the spacing of the lattice, requests, steps of a path."""

from types import SimpleNamespace

import numpy as np
import pytest

import wilks
from wilks import Real, Space
from wilks.loop.requests import Requests
from wilks.profiles import refinement
from wilks.profiles.grid import make_grid
from wilks.profiles.options import ProfileOptions
from wilks.profiles.records import Records, Solution
from wilks.profiles.refinement import Guess
from wilks.profiles.seeding import lattice_spacing
from wilks.profiles.state import Optimum

SPACE = Space(x=Real(0, 1), n=Real(0, 1))


@pytest.mark.parametrize(
    ("value", "uncertainty", "loss", "accepted"),
    [
        (-1.0005, 0.004, 0.0025, True),  # by value
        (-1.0011, 0.004, 0.0025, False),  # its gap
        (-1.0005, 0.006, 0.0025, False),  # its uncertainty
        (-1.0005, 0.004, 0.0035, False),  # its loss
        (-1.05, 0.02, 9e-6, True),  # by place
        (-1.05, 0.02, 2e-5, False),  # its loss
        (-1.07, 0.02, 9e-6, False),  # its gap against the uncertainty
        (-1.11, 0.2, 9e-6, False),  # its gap against the accuracy
        (np.nan, 0.02, 9e-6, False),
        (-np.inf, 0.02, 9e-6, False),
    ],
)
def test_a_prediction_is_accepted_by_value_or_by_place(monkeypatch, value, uncertainty, loss, accepted):
    assert accepts(monkeypatch, value, Guess(0, np.array([0.5]), -1.0, uncertainty, loss)) is accepted


@pytest.mark.parametrize(("value", "expected", "accepted"), [(-9.0, -9.5, True), (-9.0, -10.9, False)])
def test_far_outside_of_the_region_a_rough_prediction_is_enough(monkeypatch, value, expected, accepted):
    assert accepts(monkeypatch, value, Guess(0, np.array([0.5]), expected, 0.1, 1.0)) is accepted


def test_some_cells_are_optimised_all_the_same(monkeypatch):
    guess = Guess(0, np.array([0.5]), -1.0, 0.0, 0.0)
    share = np.mean([accepts(monkeypatch, -1.0, guess, cell) for cell in range(2000)])
    assert share == pytest.approx(0.95, abs=0.02)


def accepts(monkeypatch, value, guess, cell=1):
    entered = []
    monkeypatch.setattr(refinement.ends, "enter_solution", lambda *arguments: entered.append(arguments[-1]))
    records = Records(1)
    records.add(0, records.new_label(), Solution(-1.0, np.array([0.5]), np.eye(1), 0, True))
    plan = SimpleNamespace(options=ProfileOptions(), cut=lambda _: -4.0)
    job = SimpleNamespace(
        guess=guess, ascent=SimpleNamespace(value=value), cell=cell, start=guess.argument, age=1, label=0
    )
    found = refinement.accepts(plan, SimpleNamespace(records=records, spacing=1), job)
    assert found == bool(entered)
    if entered:
        assert entered[0].value == value, "what was evaluated, not what was predicted"
        assert not entered[0].anchor
    return found


def test_branches_that_go_on_side_by_side_are_not_united():
    records = Records(1)
    one, other, third = (records.new_label() for _ in range(3))
    for cell, label, v in [(0, one, 0.2), (1, one, 0.3), (1, other, 0.7), (2, other, 0.8), (3, third, 0.9)]:
        records.add(cell, label, Solution(0.0, np.array([v]), np.eye(1), 0, True))
    records.unite(one, other)
    assert records.root(one) != records.root(other), "both have a solution in cell 1"
    records.unite(other, third)
    assert records.root(other) == records.root(third)
    records.unite(one, third)
    assert records.root(one) != records.root(third), "by way of the other"
    assert records.branch_rows([1, 3], third) == [2, 4]


def test_the_index_of_a_table_is_made_again_after_it_was_saved():
    records = Records(1)
    one, other, third = (records.new_label() for _ in range(3))
    for cell, label in [(0, one), (1, one), (1, other), (2, third)]:
        records.add(cell, label, Solution(0.0, np.array([cell / 5]), np.eye(1), 0, True))
    records.unite(one, third)
    again = Records(1)
    for name in ("n", "cells", "labels", "values", "arguments", "curvatures", "converged", "parents", "discrete"):
        setattr(again, name, getattr(records, name))
    again.unite(one, other)
    assert again.root(one) != again.root(other)
    assert again.rows(1) == records.rows(1) == [1, 2]


@pytest.mark.parametrize(
    ("sigma", "size", "spacing"),
    [(0.2, 41, 4), (0.1, 41, 4), (0.09, 41, 4), (0.05, 41, 2), (0.03, 41, 1), (0.02, 41, 1), (0.2, 9, 2)],
)
def test_the_lattice_has_four_nodes_across_the_region_of_a_gaussian(sigma, size, spacing):
    """The region of depth t is sqrt(2 t) sigma wide on either side, whatever the nuisance does."""
    slope = 3.0
    b = np.array([[1 / sigma**2 + slope**2 * 1e4, -slope * 1e4], [-slope * 1e4, 1e4]])
    optimum = Optimum(np.array([0.5, 0.5]), 0.0, b)
    grid = make_grid(SPACE, ("x",), (size,))
    half_width = np.sqrt(2 * 4.0) * sigma * (size - 1)
    assert spacing == min(4, 2 ** int(np.log2(max(half_width / 2, 1.0))))
    assert lattice_spacing(grid, SPACE, (optimum,), 4.0) == spacing
    narrow = Optimum(np.array([0.2, 0.5]), -1.0, np.eye(2) * 1e9)
    assert lattice_spacing(grid, SPACE, (optimum, narrow), 4.0) == 1
    unknown = Optimum(np.array([0.2, 0.5]), -1.0, np.eye(2), reliable=False)
    assert lattice_spacing(grid, SPACE, (optimum, unknown), 4.0) == 1
    assert lattice_spacing(grid, SPACE, (), 4.0) == 1


@pytest.mark.parametrize(
    ("size", "spacing", "stride"), [(2, 4, 1), (3, 4, 1), (8, 4, 1), (9, 4, 2), (16, 4, 2), (17, 4, 4), (17, 2, 2)]
)
def test_a_short_axis_has_at_least_four_steps_of_the_lattice(size, spacing, stride):
    grid = make_grid(SPACE, ("x", "n"), (size, 65))
    assert grid.strides(spacing) == (stride, spacing)
    assert len(grid.lattice(spacing)[0]) >= min(size, 5)


def test_patient_requests_wait_until_they_are_hurried():
    requests = Requests(dimension=1)
    requests.add(owner=1, thetas=np.array([[1.0], [1.1]]), phase=0, patient=True)
    requests.add(owner=2, thetas=np.array([[2.0]]), phase=0)
    requests.add(owner=3, thetas=np.array([[3.0]]), phase=0, patient=True)
    assert requests.n_unsent == 1
    assert requests.take(9, patient=False).thetas.ravel().tolist() == [2.0]
    assert requests.take(9, patient=False).thetas.size == 0
    assert requests.take(1).thetas.ravel().tolist() == [1.0], "to workers that have nothing else"
    requests.add(owner=4, thetas=np.array([[4.0]]), phase=0)
    requests.hurry()
    assert requests.n_unsent == 3
    assert requests.take(9, patient=False).thetas.ravel().tolist() == [4.0, 1.1, 3.0]


def test_a_path_has_its_steps_where_the_curve_bends():
    def log_likelihood(v):
        return -0.5 * (v["x"] / 0.1 if v["x"] > 0 else v["x"]) ** 2 - 0.5 * (v["n"] - v["x"]) ** 2

    problem = wilks.LikelihoodProblem(Space(x=Real(-4, 4), n=Real(-9, 9)), log_likelihood)
    result = wilks.profile(problem, over="x", seed=1, audit=0, callbacks=[])
    x = result.axes["x"]
    steps = np.diff(x)
    gentle, steep = steps[(x[1:] < -0.5) & (x[:-1] > -2.5)], steps[(x[1:] < 0.27) & (x[:-1] > 0)]
    assert np.median(gentle) > 2 * np.median(steep)
    assert gentle.min() > steep.max()
    (piece,) = result.intervals("x", 0.6827)
    assert (piece.lower, piece.upper) == pytest.approx((-1.0, 0.1), abs=2e-3)


def test_a_seam_of_a_path_is_found_between_copies_that_are_equally_high():
    """Four branches on either side, of which a cell knows one or another: to jump between them is no smooth change."""
    known = wilks.problems.himmelblau_4d()
    result = wilks.profile(known.problem, over="x0", roi_threshold=9.0, seed=3, audit=0, callbacks=[])
    truth = known.profile(("x0",), [result.axes["x0"]])
    inside = truth > -9.0
    np.testing.assert_allclose(result.log_likelihood_map[inside], truth[inside], atol=2e-3)
