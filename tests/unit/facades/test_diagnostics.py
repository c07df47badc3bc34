import numpy as np
import pandas as pd
import pytest

from tests.unit.facades.examples import PLANE, bowl, hill
from wilks.facades import ParallelTemperingOptimizer, RandomSearchOptimizer, diagnostics

SCORES = [3.0, 1.0, float("nan"), 4.0, 4.0, 2.0]
ROWS = [{"score": score, "x": i % 2} for i, score in enumerate(SCORES)]


@pytest.mark.parametrize(
    "table", [SCORES, np.array(SCORES), ROWS, pd.DataFrame(ROWS), {"score": SCORES, "x": [0, 1] * 3}], ids=type
)
def test_any_table(table):
    assert diagnostics.score_statistics(table)["n_invalid"] == 1
    assert diagnostics.score_statistics(table)["median"] == 3.0
    assert diagnostics.convergence(table).tolist() == [3.0, 3.0, 3.0, 4.0, 4.0, 4.0]
    assert diagnostics.convergence(table, -1.0).tolist() == [3.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert diagnostics.improvements(table) == [0, 3]
    assert diagnostics.improvements(table, -1.0) == [0, 1]
    assert diagnostics.longest_plateau(table) == 2
    if len(np.shape(table)) != 1 or not isinstance(table, (list, np.ndarray)) or table is ROWS:
        assert diagnostics.parameter_statistics(table, best=2)["x"] == {"n_different": 2, "best": [1, 0]}


def test_nothing():
    assert diagnostics.score_statistics([])["n"] == 0
    assert np.isnan(diagnostics.score_statistics([float("nan")])["mean"])
    assert diagnostics.convergence([]).tolist() == []
    assert diagnostics.improvements([]) == []
    assert diagnostics.longest_plateau([]) == 0
    assert diagnostics.convergence([float("nan"), 1.0]).tolist() == [-np.inf, 1.0]


@pytest.mark.parametrize(("objective", "optimum"), [(hill, "maximum"), (bowl, "minimum")])
def test_accessor(objective, optimum):
    optimizer = ParallelTemperingOptimizer(PLANE, random_state=1, population=4, n_iter_swap=2)
    optimizer.search(objective, 406, optimum=optimum, verbosity=False)
    found, table = optimizer.diagnostics, optimizer.search_data
    sign = 1.0 if optimum == "maximum" else -1.0
    assert found.score_statistics() == diagnostics.score_statistics(table)
    assert found.convergence().tolist() == diagnostics.convergence(table, sign).tolist()
    assert found.improvements() == diagnostics.improvements(table, sign)
    assert found.longest_plateau() == diagnostics.longest_plateau(table, sign)
    assert found.parameter_statistics(3)["x"]["best"][0] == optimizer.best_para["x"]
    assert found.counts()["n_iter"] == 406
    assert found.times()["iteration"].shape == (406,)
    # 100 sweeps, every other one with a swap, of even and odd pairs in turn
    assert found.ladder().shape == found.acceptance().shape == (4,)
    assert (np.diff(found.ladder()) > 0).all()
    assert found.swap_rates().shape == (3,)
    assert found.swaps()["attempts"].tolist() == [25, 25, 25]
    assert (found.swaps()["accepted"] <= 25).all()
    assert found.trajectory().shape == (100, 4)
    assert sorted(found.trajectory()[-1]) == [0, 1, 2, 3]
    assert found.ladder_history()["temperatures"].shape[1] == 4
    assert found.round_trips() == found.round_trip_rate() * found.tempering.n_sweeps
    assert 0 <= found.barrier() <= 3
    assert "swap_rates" in repr(found)


def test_no_replicas():
    optimizer = RandomSearchOptimizer(PLANE, random_state=1)
    optimizer.search(hill, 10, verbosity=False)
    assert optimizer.diagnostics.longest_plateau() < 10
    with pytest.raises(AttributeError, match="no replicas"):
        optimizer.diagnostics.swap_rates()
