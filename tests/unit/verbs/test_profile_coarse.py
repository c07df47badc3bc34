"""A grid that is too coarse is said to be so, by the result and by `compare`."""

import math

import numpy as np
import pytest

import wilks


def counts():
    space = wilks.Space(n=wilks.Real(0.01, 1000, scale="log"), b=wilks.Real(1, 100))
    return wilks.LikelihoodProblem(
        space, lambda v: 37 * math.log(v["n"]) - v["n"] + 400 * math.log(v["b"]) - 20 * v["b"]
    )


def test_a_coarse_map_says_so_and_is_not_recommended():
    fit = wilks.fit(counts(), seed=1, callbacks=[])
    profile = wilks.profile(counts(), over=("n", "b"), grid=(15, 15), start=fit, seed=1, callbacks=[])
    assert profile.coarse_axes == ("n", "b")
    assert "The grid is too coarse for n: it has 1 nodes in the region of interest" in repr(profile)
    sentences = wilks.compare(fit, profile).disagreements
    assert sentences
    assert all(sentence.endswith("the grid of the profile is too coarse, make it finer.") for sentence in sentences)


def test_nodes_may_be_given_as_one_array():
    profile = wilks.profile(counts(), over="n", grid=np.linspace(20, 60, 41), seed=1, callbacks=[])
    assert profile.coarse_axes == ()
    assert "too coarse" not in repr(profile)
    assert profile.intervals("n", 0.68)[0][:2] == pytest.approx((31.276, 43.383), abs=2e-3)


def test_a_map_that_was_stopped_before_it_began_has_no_intervals():
    stop = wilks.MaxEvaluations(60)
    profile = wilks.profile(counts(), over="n", seed=1, stop=stop, callbacks=[])
    assert math.isfinite(profile.log_likelihood)
    assert profile.intervals("n", 0.68) == []
    assert "unknown" in repr(profile)


def test_ends_of_a_map_that_was_stopped_are_open():
    def result(n):
        return wilks.profile(
            counts(), over="n", grid=np.linspace(20, 60, 41), seed=1, stop=wilks.MaxEvaluations(n), callbacks=[]
        )

    whole = result(100_000)
    part = result(whole.n_evaluations - 100)
    assert not part.status.success
    (piece,) = part.intervals("n", 0.68)
    assert piece.open_lower
    assert piece.open_upper


def test_results_can_be_held_against_each_other(tmp_path):
    fit = wilks.fit(counts(), seed=1, callbacks=[])
    again = wilks.load(fit.save(tmp_path / "fit"))
    assert fit == fit  # noqa: PLR0124 - identity is what equality means for results
    assert fit != again
    assert repr(fit) == repr(again)


def test_failed_evaluations_are_counted_in_the_text():
    space = wilks.Space(a=wilks.Real(-5, 5))
    problem = wilks.LikelihoodProblem(space, lambda v: math.nan if v["a"] > 3 else -0.5 * v["a"] ** 2)
    result = wilks.fit(problem, seed=1, callbacks=[])
    assert result.stats["n_failed"] > 0
    assert f"{result.n_evaluations} evaluations, {result.stats['n_failed']} of them failed" in repr(result)
