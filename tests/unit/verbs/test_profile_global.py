"""Maps of likelihoods with more optima than can be followed."""

import numpy as np
import pytest

import wilks
from wilks import problems


def right(known, result, threshold):
    """Share of the cells of the true region that are right."""
    names = list(result.axes)
    truth = known.profile(names, [result.axes[name] for name in names])
    region = truth > known.maximum - threshold
    return float(np.mean(np.abs(truth - result.log_likelihood_map)[region] < 0.01))


@pytest.mark.parametrize("seed", [1, 7])
def test_a_global_search_finds_what_the_local_one_misses(seed):
    """A rugged function: the local search misses a cell with the first seed, and the maximum with the second."""
    known = problems.eggholder(2)
    grid = [np.linspace(500, 512, 7)]
    common = {"over": "x0", "grid": grid, "roi_threshold": 60.0, "audit": 0, "seed": seed, "callbacks": []}
    local = wilks.profile(known.problem, **common)
    searched = wilks.profile(known.problem, **common, options=wilks.ProfileOptions(inner="global", max_starts=12))
    assert right(known, local, 60.0) < 1.0
    assert right(known, searched, 60.0) == 1.0
    assert searched.log_likelihood == pytest.approx(known.maximum, abs=1e-6)
    assert "differential evolution" in searched.provenance.executed[0].detail


def test_what_is_known_of_the_number_of_optima_saves_starts():
    problem = problems.gaussian(4).problem
    common = {"over": "x0", "grid": 21, "seed": 1, "audit": 0, "callbacks": []}
    told = wilks.profile(problem, **common, options=wilks.ProfileOptions(n_optima=1))
    untold = wilks.profile(problem, **common)
    assert told.stats["n_starts"] == 1 < untold.stats["n_starts"]
    assert np.nanmax(np.abs(told.log_likelihood_map - untold.log_likelihood_map)) < 1e-6


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"accuracy": 0}, "accuracy: expected a positive log-likelihood, got 0"),
        ({"accuracy": True}, "accuracy"),
        ({"inner": "both"}, "inner: expected 'local' or 'global', got 'both'"),
        ({"n_optima": 0}, "n_optima: expected a number of optima"),
        ({"n_optima": (3, 2)}, "the least, 3, is more than the most, 2"),
        ({"n_optima": (1, 2, 3)}, "n_optima"),
        ({"max_starts": -1}, "max_starts: expected a number >= 0 or None, got -1"),
        ({"max_passes": -1}, "max_passes"),
    ],
)
def test_options_are_checked(option, message):
    with pytest.raises(wilks.InvalidConfigurationError, match=message.replace("(", r"\(")):
        wilks.ProfileOptions(**option)


def test_options_of_another_kind_are_refused():
    with pytest.raises(wilks.InvalidConfigurationError, match=r"expected a wilks\.ProfileOptions"):
        wilks.profile(problems.gaussian(2).problem, over="x0", options={"accuracy": 1}, seed=1)


def test_without_random_starts_the_map_spreads_from_what_is_given():
    space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2))
    options = wilks.ProfileOptions(max_starts=0)
    found = wilks.profile(problem, over="a", start={"a": 1.0, "b": 1.0}, options=options, audit=0, seed=1, callbacks=())
    assert found.status.success
    assert found.log_likelihood == pytest.approx(0.0, abs=1e-6)
    assert found.provenance.executed[0].name == "given starts"
    with pytest.raises(wilks.InvalidConfigurationError, match="max_starts=0 needs start="):
        wilks.profile(problem, over="a", options=options, seed=1, callbacks=())
