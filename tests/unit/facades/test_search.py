import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.unit.facades.examples import BOX, LINE, PLANE, Counted, bowl, hill
from wilks import Integer, InvalidDataError, InvalidProblemError, StopRun
from wilks.facades import HillClimbingOptimizer, ParallelTemperingOptimizer, RandomSearchOptimizer


def searched(objective=hill, n_iter=100, space=PLANE, seed=1, **options):
    optimizer = ParallelTemperingOptimizer(space, random_state=seed)
    optimizer.search(objective, n_iter, **{"verbosity": False, **options})
    return optimizer


def test_before_the_first_search():
    optimizer = ParallelTemperingOptimizer(LINE)
    assert optimizer.best_para is None
    assert optimizer.best_value is None
    for name in ("best_score", "diagnostics"):
        with pytest.raises(AttributeError, match=r"call search\(objective, n_iter\) first"):
            getattr(optimizer, name)
    assert list(optimizer.search_data.columns) == ["score", "x"]
    assert len(optimizer.search_data) == 0
    assert optimizer.eval_times == []


def test_no_iterations():
    optimizer = searched(n_iter=0)
    assert len(optimizer.search_data) == 0
    assert optimizer.best_para is None
    assert optimizer.best_score == -np.inf


def test_what_is_found_is_consistent():
    optimizer = searched(n_iter=300)
    table = optimizer.search_data
    best = table.loc[table["score"].idxmax()]
    assert optimizer.best_score == best["score"] == hill(optimizer.best_para)
    assert optimizer.best_value == [best["x"], best["y"]] == list(optimizer.best_para.values())
    assert (table["score"] == [hill(row) for row in table[["x", "y"]].to_dict("records")]).all()
    assert len(optimizer.eval_times) == len(optimizer.iter_times) == 300
    assert optimizer.eval_time() == optimizer.eval_times
    assert optimizer.iter_time() == optimizer.iter_times
    assert all(0 <= inner <= outer for inner, outer in zip(optimizer.eval_times, optimizer.iter_times, strict=True))
    start = optimizer.init_stats()
    assert start["n_init"] == 6
    assert start["best_score"] == table["score"][:6].max() == hill(start["best_para"])


def test_minimum_in_the_users_units_everywhere():
    infos = []
    optimizer = searched(bowl, 200, optimum="minimum", callbacks=[infos.append])
    table = optimizer.search_data
    assert optimizer.best_score == table["score"].min() >= 1.0
    assert (table["score"] >= 1.0).all()
    assert [info.score for info in infos] == table["score"].tolist()
    assert infos[-1].best_score == optimizer.best_score
    assert list(infos[-1].convergence) == np.minimum.accumulate(table["score"]).tolist()
    mirrored = searched(lambda para: -bowl(para), 200)
    assert mirrored.search_data[["x", "y"]].equals(table[["x", "y"]])


@pytest.mark.parametrize(("objective", "optimum", "target"), [(hill, "maximum", -5.0), (bowl, "minimum", 6.0)])
def test_max_score_is_in_the_users_units(objective, optimum, target):
    optimizer = searched(objective, 1000, optimum=optimum, max_score=target)
    scores = optimizer.search_data["score"].to_numpy()
    reached = scores >= target if optimum == "maximum" else scores <= target
    assert reached[-1]
    assert not reached[:-1].any()


def test_max_score_of_zero():
    assert searched(hill, 2000, LINE, max_score=0).best_score == 0


def test_max_time():
    assert len(searched(max_time=0).search_data) == 1
    optimizer = searched(lambda para: threading.Event().wait(0.01) or 0.0, 1000, max_time=0.2)
    assert 5 < len(optimizer.search_data) < 25


def test_early_stopping():
    optimizer = searched(lambda para: 1.0, 1000, early_stopping={"n_iter_no_change": 20})
    assert len(optimizer.search_data) == 21
    optimizer.search(optimizer_constant, 1000, verbosity=False, early_stopping={"n_iter_no_change": 20})
    assert len(optimizer.search_data) == 21  # another objective: a new record, and a new window
    rising = iter(range(10_000))
    optimizer = searched(lambda para: float(next(rising)), 300, BOX, early_stopping={"n_iter_no_change": 20})
    assert len(optimizer.search_data) == 300


def optimizer_constant(para):
    return 2.0


@pytest.mark.parametrize(
    ("tolerance", "n"),
    [({"tol_abs": 30.0}, 21), ({"tol_abs": 10.0}, 300), ({"tol_rel": 25.0}, 21), ({"tol_rel": 1.0}, 300)],
)
def test_tolerances_of_early_stopping(tolerance, n):
    rising = iter(range(100, 10_000))
    optimizer = searched(
        lambda para: float(next(rising)), 300, BOX, early_stopping={"n_iter_no_change": 20, **tolerance}
    )
    assert len(optimizer.search_data) == n


def test_early_stopping_begins_anew_with_every_search():
    def constant(para):
        return 1.0

    optimizer = searched(constant, 1000, early_stopping={"n_iter_no_change": 20})
    optimizer.search(constant, 1000, verbosity=False, early_stopping={"n_iter_no_change": 20})
    assert len(optimizer.search_data) == 21 + 20


def test_callbacks_are_told_everything():
    infos = []

    def objective(para):
        return hill(para), {"loss": -hill(para)}

    optimizer = searched(objective, 50, callbacks=[infos.append, lambda info: None])
    assert [info.iteration for info in infos] == list(range(50))
    assert [info.phase for info in infos] == ["init"] * 6 + ["iter"] * 44
    assert {info.n_iter for info in infos} == {50}
    assert all(info.metrics == {"loss": -info.score} for info in infos)
    assert all(hill(info.params) == info.score for info in infos)
    assert all(hill(info.best_para) == info.best_score == info.convergence[-1] for info in infos)
    assert infos[-1].best_para == optimizer.best_para
    elapsed = [info.elapsed_time for info in infos]
    assert elapsed == sorted(elapsed)
    assert [len(info.convergence) for info in infos] == list(range(1, 51))
    assert infos[9].convergence[:3] == list(infos[-1].convergence)[:3]
    assert np.asarray(infos[9].convergence).tolist() == infos[9].convergence


def test_convergence_is_not_copied():
    sizes = []
    searched(n_iter=3000, callbacks=[lambda info: sizes.append(info.convergence)])
    assert len({id(view._scores) for view in sizes}) == 1


def test_a_callback_stops_the_search():
    optimizer = searched(callbacks=[lambda info: info.iteration < 9])
    assert len(optimizer.search_data) == 10
    optimizer = searched(callbacks=[lambda info: np.bool_(info.iteration < 9)])
    assert len(optimizer.search_data) == 10
    assert len(searched(callbacks=[lambda info: 0]).search_data) == 100
    optimizer.search(hill, 5, verbosity=False)
    assert len(optimizer.search_data) == 15


def test_an_error_of_a_callback_reaches_the_caller():
    def broken(info):
        if info.iteration == 7:
            raise ZeroDivisionError("mine")

    optimizer = ParallelTemperingOptimizer(BOX, random_state=1)
    with pytest.raises(ZeroDivisionError, match="mine"):
        optimizer.search(hill, 100, verbosity=False, callbacks=[broken])
    assert len(optimizer.search_data) == 8
    optimizer.search(hill, 92, verbosity=False)
    whole = searched(hill, 100, BOX)
    assert optimizer.search_data["x"][:20].equals(whole.search_data["x"][:20])


def test_a_callback_asks_for_the_end_with_an_exception():
    def enough(info):
        if info.iteration == 7:
            raise StopRun

    tables = []
    for callback in (enough, lambda info: info.iteration < 7):
        optimizer = searched(hill, 100, BOX, callbacks=[callback])
        assert len(optimizer.search_data) == 8
        optimizer.search(hill, 10, verbosity=False)
        tables.append(optimizer.search_data)
    assert tables[0].equals(tables[1])


def hill_that_raises(error, after):
    """`hill`, whose one call after so many others raises something."""
    raises = iter([False] * after + [True])

    def objective(para):
        if next(raises, False):
            raise error
        return hill(para)

    return objective


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3)])
def test_an_error_of_the_objective_reaches_the_caller_and_costs_nothing(error):
    objective = hill_that_raises(error, 66)
    optimizer = ParallelTemperingOptimizer(BOX, random_state=1)
    with pytest.raises(type(error)) as caught:
        optimizer.search(objective, 100, memory=False, verbosity=False)
    assert caught.value is error
    assert len(optimizer.search_data) == 66
    assert optimizer.best_score == optimizer.search_data["score"].max()
    optimizer.search(objective, 34, verbosity=False)
    whole = searched(hill, 100, BOX)
    assert len(optimizer.search_data) == 100
    assert optimizer.search_data["x"][:66].equals(whole.search_data["x"][:66])


def test_interruption_keeps_everything(capsys):
    objective = hill_that_raises(KeyboardInterrupt, 66)
    optimizer = ParallelTemperingOptimizer(BOX, random_state=1)
    with pytest.raises(KeyboardInterrupt):
        optimizer.search(objective, 100, memory=False)
    assert "Interrupted after 66 of 100 iterations" in capsys.readouterr().out
    assert len(optimizer.search_data) == 66
    copy = pickle.loads(pickle.dumps(optimizer))
    copy.search(hill, 34, verbosity=False)
    optimizer.search(objective, 34, verbosity=False)
    assert len(optimizer.search_data) == 100


def test_a_signal_in_the_middle_of_a_search():
    calls = []

    def objective(para):
        calls.append(para)
        if len(calls) == 40:
            signal.raise_signal(signal.SIGINT)
        return hill(para)

    optimizer = ParallelTemperingOptimizer(BOX, random_state=1)
    with pytest.raises(KeyboardInterrupt):
        optimizer.search(objective, 100, memory=False, verbosity=False)
    assert len(optimizer.search_data) == 39
    optimizer.search(objective, 61, memory=False, verbosity=False)
    assert len(optimizer.search_data) == 100


def test_half_a_row_is_taken_back():
    optimizer = searched(n_iter=20)
    records = optimizer._records
    best = optimizer.best_score
    records.numbers.extend([1.0, 2.0])
    records.best_so_far.append(99.0)
    records.best, records.best_row = 99.0, 20
    records.mend()
    assert optimizer.best_score == best == hill(optimizer.best_para)
    assert records.table.shape == (20, 2)
    assert len(records.best_so_far) == 20


def test_exceptions_that_are_caught():
    class Special(ValueError):
        pass

    def objective(para):
        if para["x"] > 5:
            raise Special("too far")
        if para["y"] > 5:
            raise RuntimeError
        return hill(para)

    caught = {ValueError: -1000, RuntimeError: float("nan"), Exception: -1.0}
    table = searched(objective, 300, catch=caught).search_data
    assert (table["score"][table["x"] > 5] == -1000).all()
    assert table["score"][(table["x"] <= 5) & (table["y"] > 5)].isna().all()
    table = searched(
        lambda para: 1 / (1 - bool(para["x"] > 0)), 50, optimum="minimum", catch={Exception: 7}
    ).search_data
    assert set(table["score"][table["x"] > 0]) == {7.0}
    with pytest.raises(KeyError):
        searched(lambda para: {}["x"], 10, catch={ValueError: 0.0})


def test_scores_that_are_no_numbers_never_win():
    optimizer = searched(lambda para: float("nan"))
    assert optimizer.best_para is None
    assert optimizer.best_score == -np.inf
    assert optimizer.search_data["score"].isna().all()
    assert searched(lambda para: float("nan"), optimum="minimum").best_score == np.inf

    def partly(para):
        return [float("nan"), float("inf"), -float("inf"), hill(para)][int(para["x"]) % 4]

    for optimum in ("maximum", "minimum"):
        optimizer = searched(partly, 500, optimum=optimum)
        assert np.isfinite(optimizer.best_score)
        assert int(optimizer.best_para["x"]) % 4 == 3
        finite = optimizer.search_data["score"][np.isfinite(optimizer.search_data["score"])]
        assert optimizer.best_score == (finite.max() if optimum == "maximum" else finite.min())


def test_first_scores_that_are_no_numbers():
    order = iter(range(10_000))
    optimizer = searched(lambda para: float("nan") if next(order) < 40 else hill(para), 300)
    assert np.isfinite(optimizer.best_score)


@pytest.mark.parametrize("answer", [None, "high", np.array([1.0]), [1.0], (1.0, 2.0), (1.0, {}, 3), 1j, {}])
def test_answers_that_are_no_score(answer):
    optimizer = ParallelTemperingOptimizer(PLANE, random_state=1)
    with pytest.raises(InvalidProblemError, match=r"must return a number.*at \{'x': ") as caught:
        optimizer.search(lambda para: answer, 10, verbosity=False)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("answer", [1, 1.5, True, np.float32(2), np.int64(3), np.array(4.0), (5.0, {"a": 1})])
def test_answers_that_are_scores(answer):
    expected = answer[0] if isinstance(answer, tuple) else answer
    assert searched(lambda para: answer, 8).best_score == float(expected)


def test_metrics():
    def objective(para):
        if para["x"] > 0:
            return hill(para)
        return hill(para), {"loss": -hill(para), "score": 1, "x": 2, "curve": np.arange(3)}

    table = searched(objective, 60).search_data
    assert list(table.columns) == ["score", "loss", "score_metric", "x_metric", "curve", "x", "y"]
    left = table["x"] <= 0
    assert (table["loss"][left] == -table["score"][left]).all()
    assert table["loss"][~left].isna().all()
    assert (table["x_metric"][left] == 2).all()
    assert table["curve"][left].iloc[0].tolist() == [0, 1, 2]


def test_searches_go_on():
    once = searched(n_iter=80, space=BOX)
    optimizer = searched(n_iter=50, space=BOX)
    best = optimizer.best_score
    optimizer.search(hill, 50, verbosity=False)
    assert len(optimizer.search_data) == 100
    assert optimizer.best_score >= best
    assert optimizer.best_score == optimizer.search_data["score"].max()
    assert optimizer.search_data["x"][:6].equals(once.search_data["x"][:6])
    # It refines what was found: no second initialisation.
    assert optimizer.search_data["score"][50:].mean() > optimizer.search_data["score"][:6].mean()


def test_another_objective_begins_a_new_record_from_the_best_points():
    optimizer = searched(n_iter=100)
    best = optimizer.best_para
    optimizer.search(bowl, 40, verbosity=False, optimum="minimum")
    assert len(optimizer.search_data) == 40
    assert optimizer.search_data.iloc[0][["x", "y"]].to_dict() == best
    assert optimizer.best_score == optimizer.search_data["score"].min()


def test_a_counter_in_an_objective_does_not_make_it_another_one():
    calls = []

    def counted(para):
        calls.append(para)
        return hill(para)

    optimizer = searched(counted, 30)
    optimizer.search(counted, 30, verbosity=False)
    assert len(optimizer.search_data) == 60


class Stateful:
    def __init__(self):
        self.n = 0
        self.scale = 1.0

    def __call__(self, para):
        self.n += 1
        return self.scale * hill(para)

    def method(self, para):
        return self(para)


@pytest.mark.parametrize("of", [lambda item: item, lambda item: item.method], ids=["object", "method"])
def test_objectives_with_state(of):
    item = Stateful()
    optimizer = searched(of(item), 30)
    optimizer.search(of(item), 30, verbosity=False)
    assert len(optimizer.search_data) == 60
    item.scale = 2.0  # the user has changed it, so it is another one
    optimizer.search(of(item), 30, verbosity=False)
    assert len(optimizer.search_data) == 30


def test_memory():
    counted = Counted()
    optimizer = ParallelTemperingOptimizer({"x": [0, 1, 2], "y": [0, 1]}, random_state=1)
    optimizer.search(counted, 200, verbosity=False)
    assert len(optimizer.search_data) == 200
    assert len(counted.calls) == 6
    assert optimizer.diagnostics.counts()["n_cached"] == 194
    optimizer.search(counted, 200, memory=False, verbosity=False)
    assert len(counted.calls) == 206
    assert len(optimizer.search_data) == 400


def test_memory_does_not_change_the_trajectory():
    assert searched(memory=True).search_data.equals(searched(memory=False).search_data)


def test_memory_does_not_keep_what_was_caught():
    calls = []

    def objective(para):
        calls.append(para)
        raise ValueError

    optimizer = ParallelTemperingOptimizer({"x": [0, 1]}, random_state=1)
    optimizer.search(objective, 20, verbosity=False, catch={ValueError: 0.0})
    assert len(calls) == 20


@pytest.mark.parametrize("optimum", ["maximum", "minimum"])
def test_memory_warm_start(optimum):
    def objective(para):
        return bowl(para), {"loss": para["x"]}

    first = searched(objective, 50, optimum=optimum)
    counted = Counted(objective)
    second = searched(counted, 50, optimum=optimum, memory_warm_start=first.search_data)
    assert counted.calls == []
    assert second.search_data.equals(first.search_data)
    records = searched(counted, 50, optimum=optimum, memory_warm_start=first.search_data.to_dict("records"))
    assert records.search_data.equals(first.search_data)


def test_memory_warm_start_of_all_kinds_of_parameters():
    space = {"x": np.arange(5), "k": ["a", None, 3], "n": stats.norm(), "i": Integer(0, 3), "c": 7, "d": None}

    def objective(para):
        return float(para["x"])

    first = searched(objective, 60, space)
    counted = Counted(objective)
    searched(counted, 60, space, memory_warm_start=first.search_data)
    assert counted.calls == []


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (pd.DataFrame({"score": [1.0], "x": [0.0]}), "no column 'y'"),
        (pd.DataFrame({"x": [0.0], "y": [0.0]}), "no column 'score'"),
        (pd.DataFrame({"Score": [0.0], "x": [0.0], "y": [0.0]}), "did you mean 'Score'"),
        (pd.DataFrame({"score": [1.0], "x": [99.0], "y": [0.0]}), "none of 1 rows is a point"),
        (5, "expected a table"),
    ],
)
def test_wrong_tables_to_warm_start(table, text):
    with pytest.raises(InvalidDataError, match=text):
        searched(memory_warm_start=table)


def test_constraints_are_kept_strictly():
    def circle(para):
        return para["x"] ** 2 + para["y"] ** 2 <= 25

    def right(para):
        return para["x"] >= 1

    counted = Counted()
    optimizer = ParallelTemperingOptimizer(PLANE, constraints=[circle, right], random_state=1)
    optimizer.search(counted, 300, verbosity=False)
    assert len(optimizer.search_data) == 300
    assert all(circle(para) and right(para) for para in counted.calls)
    assert optimizer.best_score == -1.0


@pytest.mark.parametrize(
    "allowed",
    [
        lambda para: abs(para["x"] - 3.1) < 0.05 and abs(para["y"] + 2.2) < 0.05,
        lambda para: abs(para["x"] * para["y"] - 3) < 0.01,
    ],
)
def test_small_feasible_sets(allowed):
    counted = Counted()
    optimizer = ParallelTemperingOptimizer(BOX, constraints=[allowed], random_state=3)
    optimizer.search(counted, 200, verbosity=False)
    assert len(optimizer.search_data) == 200
    assert all(map(allowed, counted.calls))


def test_constraints_that_allow_nothing():
    with pytest.raises(InvalidProblemError, match=r"0 of [0-9]+ random points"):
        ParallelTemperingOptimizer(PLANE, constraints=[lambda para: False])
    optimizer = ParallelTemperingOptimizer(
        BOX, constraints=[lambda para: para["x"] == para["y"] == 1.0], initialize={"warm_start": [{"x": 1.0, "y": 1.0}]}
    )
    with pytest.warns(UserWarning, match="of 100 iterations were made"):
        optimizer.search(hill, 100, verbosity=False)
    assert len(optimizer.search_data) >= 1
    assert (optimizer.search_data["x"] == 1.0).all()


def test_an_error_of_a_constraint_reaches_the_caller():
    with pytest.raises(KeyError, match="z"):
        ParallelTemperingOptimizer(PLANE, constraints=[lambda para: para["z"] > 0])
    calls = iter(range(10_000))

    def late(para):
        if next(calls) > 300:
            raise ZeroDivisionError
        return True

    optimizer = ParallelTemperingOptimizer(PLANE, constraints=[late], random_state=1)
    with pytest.raises(ZeroDivisionError):
        optimizer.search(hill, 1000, verbosity=False)
    assert 100 < len(optimizer.search_data) < 400


def test_objectives_and_constraints_may_change_what_they_are_given():
    def rude(para):
        para["x"] = 99.0
        return True

    def objective(para):
        assert para["x"] != 99.0
        score = hill(para)
        para.clear()
        return score

    optimizer = ParallelTemperingOptimizer(PLANE, constraints=[rude], random_state=1)
    optimizer.search(objective, 50, verbosity=False)
    table = optimizer.search_data
    assert (table["score"] == [hill(row) for row in table[["x", "y"]].to_dict("records")]).all()


def test_global_generators_are_left_alone():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the generator that must not be touched
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    searched()
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002
    noisy = searched(lambda para: hill(para) + 0 * random.random())
    assert noisy.search_data["x"].equals(searched().search_data["x"])


def test_threads_repeat_themselves():
    found = []
    threads = [threading.Thread(target=lambda: found.append(searched(n_iter=300).search_data)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(table.equals(searched(n_iter=300).search_data) for table in found)


def test_different_seeds_without_one():
    optimizers = [RandomSearchOptimizer(BOX) for _ in range(2)]
    for optimizer in optimizers:
        optimizer.search(hill, 10, verbosity=False)
    assert not optimizers[0].search_data.equals(optimizers[1].search_data)


@pytest.mark.parametrize("kind", [ParallelTemperingOptimizer, HillClimbingOptimizer])
def test_pickled_optimizers_go_on(kind):
    optimizer = pickle.loads(pickle.dumps(kind(PLANE, random_state=1)))
    optimizer.search(lambda para: hill(para), 50, verbosity=False)  # noqa: PLW0108 - a function that cannot be pickled
    optimizer = kind(PLANE, random_state=1)
    optimizer.search(hill, 50, verbosity=False)
    copy = pickle.loads(pickle.dumps(optimizer))
    assert copy.best_para == optimizer.best_para
    assert copy.search_data.equals(optimizer.search_data)
    for each in (optimizer, copy):
        each.search(hill, 50, verbosity=False)
    assert len(copy.search_data) == 100
    assert copy.search_data.equals(optimizer.search_data)


def test_a_lambda_is_no_part_of_the_pickle():
    optimizer = searched(lambda para: 1.0)
    assert len(pickle.loads(pickle.dumps(optimizer)).search_data) == 100


def test_invariance_to_a_constant():
    space = {"x": np.arange(-10, 11), "y": np.arange(-10, 11)}  # where sums are exact
    one = searched(lambda para: hill(para), 300, space)  # noqa: PLW0108
    other = searched(lambda para: hill(para) + 256, 300, space)
    assert one.search_data[["x", "y"]].equals(other.search_data[["x", "y"]])


def test_no_warnings_of_a_usual_search():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searched(n_iter=50)


@pytest.mark.parametrize("population", [1, 2, 50])
@pytest.mark.parametrize("n_iter", [1, 20, 120])
def test_populations(population, n_iter):
    optimizer = ParallelTemperingOptimizer(BOX, population=population, n_iter_swap=1, random_state=1)
    optimizer.search(hill, n_iter, verbosity=False)
    assert len(optimizer.search_data) == n_iter


def test_what_is_not_needed_is_not_loaded():
    script = """
import sys
from wilks.facades import ParallelTemperingOptimizer
optimizer = ParallelTemperingOptimizer({"x": (-1.0, 1.0)}, random_state=1)
optimizer.search(lambda para: -para["x"] ** 2, 30, verbosity=False)
assert optimizer.best_para and not {"pandas", "rich", "matplotlib"} & set(sys.modules), sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {"PYTHONPATH": "src"})


def test_repr():
    assert repr(searched(n_iter=10)).startswith("<ParallelTemperingOptimizer: x, y, 10 evaluations, best score -")
