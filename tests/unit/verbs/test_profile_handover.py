"""What one profile hands over to the next: nothing is done twice."""

import numpy as np
import pytest

import wilks
from tests.unit.profiles.examples import assert_exact
from wilks import problems

OVER = ("x0", "x1")
_made = {}


def profile(grid=(21, 21), *, over=OVER, threshold=5.0, **more):
    known = problems.himmelblau_4d()
    arguments = {"audit": 0, "seed": 3, "callbacks": [], "log": wilks.EvaluationLog(), **more}
    result = wilks.profile(known.problem, over=over, grid=grid, roi_threshold=threshold, **arguments)
    if not result.status.success:
        return result
    assert_exact(result, known.profile(result.over, [result.axes[name] for name in result.over]), known.maximum)
    return result


def coarse():
    if "coarse" not in _made:
        _made["coarse"] = profile(audit=4)
    return _made["coarse"]


def steps(result):
    return [step.name for step in result.provenance.executed]


def at_nodes(result, old):
    """Number of evaluations of a result at the nodes of the region of an old one."""
    columns = [list(result.space.free).index(name) for name in old.over]
    points = result.log.arrays()["thetas"][:, columns]
    nodes = np.stack(np.meshgrid(*old.axes.values(), indexing="ij"), axis=-1)[old.in_roi]
    return int((np.abs(points[:, None, :] - nodes).max(axis=2) < 1e-9).any(axis=1).sum())


@pytest.mark.parametrize("factor", [2, 3])
def test_a_finer_grid_takes_the_nodes_over(factor):
    n = 20 * factor + 1
    result = profile((n, n), start=[coarse()])
    assert "multi-start" not in steps(result)
    inside = coarse().in_roi
    taken = result.log_likelihood_map[::factor, ::factor][inside]
    np.testing.assert_array_equal(taken, coarse().log_likelihood_map[inside])
    assert at_nodes(result, coarse()) <= 3, "a seam that only the finer grid shows may be looked at again"
    assert result.n_evaluations < 0.5 * coarse().n_evaluations


def test_the_same_map_again_costs_nothing():
    result = profile(start=coarse(), audit=4)
    assert result.n_evaluations == 0
    np.testing.assert_array_equal(result.log_likelihood_map, coarse().log_likelihood_map)
    np.testing.assert_array_equal(result.audit.found, coarse().audit.found)


def test_the_order_of_the_axes_does_not_matter():
    result = profile(over=("x1", "x0"), start=[coarse()], audit=4)
    assert result.n_evaluations == 0
    np.testing.assert_array_equal(result.log_likelihood_map.T, coarse().log_likelihood_map)
    np.testing.assert_array_equal(result.audit.cells[:, ::-1], coarse().audit.cells)


def test_more_audit_keeps_the_cells_that_were_audited():
    result = profile(start=[coarse()], audit=9)
    assert result.n_evaluations == result.audit.n_evaluations > 0
    assert result.audit.n_cells == 9
    for name in ("cells", "before", "found"):
        np.testing.assert_array_equal(getattr(result.audit, name)[:4], getattr(coarse().audit, name))


def test_the_longest_of_several_audits_is_kept():
    other = profile((11, 11), start=[coarse()])
    result = profile(start=[coarse(), other], audit=4)
    assert result.n_evaluations == 0
    np.testing.assert_array_equal(result.audit.found, coarse().audit.found)


def test_a_deeper_region_searches_for_optima_again_but_keeps_the_cells():
    deep = profile(threshold=9.0, start=[coarse()])
    assert "multi-start" in steps(deep)
    inside = coarse().in_roi
    assert (deep.log_likelihood_map[inside] >= coarse().log_likelihood_map[inside]).all()
    assert "cells taken over" in str(deep.provenance.executed)


@pytest.mark.slow
def test_other_parameters_need_no_search_for_optima():
    result = profile(over=("x2", "x0"), start=[coarse()])
    assert "handed over" in steps(result)
    assert "multi-start" not in steps(result)
    assert "taken over" not in str(result.provenance.executed)


@pytest.mark.slow
def test_wider_nodes():
    left = profile((np.linspace(-5, 0, 11), np.linspace(-5, 5, 21)))
    right = profile((np.linspace(-1, 5, 13), np.linspace(-5, 5, 21)), start=[left])
    both = profile((np.linspace(-5, 5, 21), np.linspace(-5, 5, 21)), start=[left, right])
    assert at_nodes(both, left) + at_nodes(both, right) < 200


def test_a_stopped_map_goes_on_in_the_next():
    n = coarse().n_evaluations
    stopped = profile((41, 41), stop=wilks.MaxEvaluations(n))
    assert not stopped.status.success
    assert np.isfinite(stopped.log_likelihood_map).any()
    result = profile((41, 41), start=[stopped])
    assert "multi-start" not in steps(result)
    assert result.n_evaluations < 0.3 * n


@pytest.mark.slow
def test_another_problem_hands_over_its_best_point_only():
    other = problems.himmelblau_4d()
    moved = wilks.LikelihoodProblem(other.problem.space, lambda v: other.problem.log_likelihood(v) - 1.0)
    result = wilks.profile(
        moved, over=OVER, grid=(21, 21), roi_threshold=5.0, start=[coarse()], audit=0, seed=3, callbacks=[]
    )
    assert steps(result)[0] == "multi-start"
    assert result.log_likelihood == pytest.approx(-1.0, abs=1e-6)


def test_a_map_from_a_file(tmp_path):
    coarse().save(tmp_path / "map")
    result = profile(start=[wilks.load(tmp_path / "map")], audit=4)
    assert result.n_evaluations == 0


@pytest.mark.slow
def test_a_path_goes_on_with_more_audit():
    first = profile(None, over="x0", audit=2)
    second = profile(None, over="x0", audit=4, start=[first])
    assert second.n_evaluations < second.audit.n_evaluations + 200
    np.testing.assert_array_equal(second.audit.found[:2], first.audit.found)
    np.testing.assert_array_equal(second.audit.before[:2], first.audit.before)
    deeper = profile(None, over="x0", threshold=9.0, start=[first])
    assert deeper.in_roi.sum() > first.in_roi.sum()


def test_values_beside_an_earlier_profile_are_used():
    """A likelihood whose far peak the earlier profile did not see, and the caller knows."""
    space = wilks.Space(x=wilks.Real(-5, 5), n=wilks.Real(-5, 5))

    def log_likelihood(v):
        near = -0.5 * (v["x"] + 1) ** 2 - 0.5 * (v["n"] - 1) ** 2
        far = 1.0 - 0.5 * ((v["x"] - 3.2) / 0.02) ** 2 - 0.5 * ((v["n"] + 3.3) / 0.02) ** 2
        return max(near, far)

    problem = wilks.LikelihoodProblem(space, log_likelihood)
    arguments = {"over": "x", "grid": (51,), "seed": 1, "audit": 0, "callbacks": []}
    first = wilks.profile(problem, options=wilks.ProfileOptions(max_starts=1), **arguments)
    assert first.best["x"] == pytest.approx(-1, abs=1e-3)
    second = wilks.profile(problem, start=[first, {"x": 3.21, "n": -3.29}], **arguments)
    assert steps(second)[:2] == ["handed over", "given starts"]
    assert second.best["x"] == pytest.approx(3.2, abs=1e-4)
    assert second.log_likelihood == pytest.approx(1.0, abs=1e-6)
