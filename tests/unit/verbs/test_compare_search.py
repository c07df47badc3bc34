import pytest

import wilks

SPACE = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
PROBLEM = wilks.LikelihoodProblem(SPACE, lambda v: -0.5 * (v["a"] ** 2 + v["b"] ** 2), name="bowl")


@pytest.fixture(scope="module")
def fit():
    return wilks.fit(PROBLEM, seed=1, callbacks=())


@pytest.fixture(scope="module")
def rough():
    return wilks.search(PROBLEM, wilks.ParallelTempering(), n_evaluations=15, seed=1, callbacks=())


def test_a_search_has_a_best_point_and_no_intervals(fit, rough):
    compared = wilks.compare(rough, fit)
    assert compared.columns == ("search", "fit")
    entry = compared.entries["a"][0]
    assert (entry.best, entry.intervals_68, entry.intervals_95) == (rough.best["a"], (), ())
    assert compared.remarks == ("No intervals from search: a search has a best point only; fit or profile from there.",)
    assert compared.remarks[0] in compared.table().note
    wilks.plots.comparison(compared).canvas.draw()


def test_a_search_below_a_fit_is_no_disagreement(fit, rough):
    assert rough.log_likelihood < fit.log_likelihood - 0.05
    assert wilks.compare(rough, fit).disagreements == ()


def test_a_search_above_a_fit_is_one(rough):
    stopped = wilks.fit(PROBLEM, n_starts=0, start={"a": 4.0, "b": 4.0}, stop=wilks.MaxEvaluations(1), callbacks=())
    (sentence,) = wilks.compare(stopped, rough).disagreements
    assert sentence.startswith("The search reaches a log-likelihood ")


def test_searches_alone_can_be_compared(rough):
    compared = wilks.compare(rough, rough)
    assert compared.columns == ("search 1", "search 2")
    assert compared.disagreements == ()
