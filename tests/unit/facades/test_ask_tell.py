import pickle

import numpy as np
import pytest

from tests.unit.facades.examples import BOX, PLANE, bowl, hill
from wilks import InvalidConfigurationError, InvalidProblemError, facades
from wilks.facades import ask_tell

SPACE = {"x": np.linspace(-3, 3, 77), "k": ["a", "b", "c"], "c": 1}
NAMES = [name for name in ask_tell.__all__ if name.endswith("Optimizer")]


def objective(para):
    return -(para["x"] ** 2) - (para["k"] == "a")


def searched(name, n=100, **options):
    optimizer = getattr(facades, name)(SPACE, random_state=3)
    optimizer.search(objective, n, verbosity=False, **options)
    return optimizer


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [None, 1])
def test_the_same_trajectory_as_search(name, size):
    optimizer = getattr(ask_tell, name)(SPACE, random_state=3, n_iter=100)
    while len(optimizer.search_data) < 100:
        optimizer.tell([objective(trial) for trial in optimizer.ask(size)])
    expected = searched(name)
    assert optimizer.search_data[:100].equals(expected.search_data)
    if size == 1:
        assert optimizer.best_para == expected.best_para
        assert optimizer.best_value == expected.best_value
        assert optimizer.best_score == expected.best_score


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [3, 20, 64])
def test_any_number(name, size):
    optimizer = getattr(ask_tell, name)(SPACE, random_state=3)
    for _ in range(5):
        trials = optimizer.ask(size)
        assert len(trials) == size
        optimizer.tell([objective(trial) for trial in trials])
    table = optimizer.search_data
    assert len(table) == 5 * size
    assert (table["score"] == [objective(row) for row in table.to_dict("records")]).all()
    assert optimizer.best_score == table["score"].max()


def test_any_order_and_in_parts():
    optimizer = ask_tell.ParallelTemperingOptimizer(PLANE, random_state=3)
    waiting = {}
    generator = np.random.default_rng(1)
    for _ in range(60):
        waiting |= {trial.id: trial for trial in optimizer.ask(int(generator.integers(1, 8)))}
        assert sorted(waiting) == sorted(optimizer.waiting)
        told = generator.permutation(list(waiting))[: generator.integers(0, len(waiting) + 1)].tolist()
        if told:
            optimizer.tell({number: hill(waiting.pop(number)) for number in told})
    optimizer.tell([hill(trial) for trial in waiting.values()], ids=list(waiting))
    table = optimizer.search_data
    assert (table["score"] == [hill(row) for row in table[["x", "y"]].to_dict("records")]).all()
    assert optimizer.best_score > -20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimum", ["maximum", "minimum"])
def test_the_best_is_that_of_a_list_of_all_that_was_told(name, optimum):
    optimizer = getattr(ask_tell, name)(SPACE, random_state=3, optimum=optimum)
    sign = 1.0 if optimum == "maximum" else -1.0
    generator = np.random.default_rng(4)
    waiting, told = {}, []
    for _ in range(30):
        waiting |= {trial.id: dict(trial) for trial in optimizer.ask(int(generator.integers(1, 60)))}
        numbers = generator.permutation(list(waiting))[: generator.integers(1, len(waiting) + 1)].tolist()
        scores = {}
        for number in numbers:
            failed = [None, float("nan"), float("inf"), -float("inf")][generator.integers(4)]
            scores[number] = failed if generator.random() < 0.3 else sign * objective(waiting[number])
            told.append((waiting.pop(number), scores[number]))
        optimizer.tell(scores)
        finite = [(score, para) for para, score in told if score is not None and np.isfinite(score)]
        score, para = max(finite, key=lambda pair: sign * pair[0])
        assert optimizer.best_score == score
        assert optimizer.best_para == para
        assert -optimizer._state.best_loss == sign * score  # what the method itself goes by
    rows = optimizer.search_data.drop(columns="score").to_dict("records")
    assert rows == [para for para, _ in told]


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_scores_makes_no_difference(name):
    one, other = (getattr(ask_tell, name)(SPACE, random_state=3) for _ in range(2))
    generator = np.random.default_rng(4)
    for _ in range(20):
        trials = one.ask(13)
        assert other.ask(13) == trials
        scores = {trial.id: None if trial["x"] > 2 else objective(trial) for trial in trials}
        one.tell(scores)
        mixed = generator.permutation(list(scores)).tolist()
        other.tell([scores[number] for number in mixed], mixed)


def test_failed_trials():
    optimizer = ask_tell.ParallelTemperingOptimizer(PLANE, random_state=3)
    for number in range(40):
        trials = optimizer.ask(5)
        optimizer.tell([None, float("nan"), *(hill(trial) for trial in trials[2:])] if number % 2 else [None] * 5)
    assert np.isfinite(optimizer.best_score)
    assert optimizer.search_data["score"].isna().sum() == 20 * 5 + 20 * 2


def test_metrics_and_minimum():
    optimizer = ask_tell.ParallelTemperingOptimizer(PLANE, random_state=3, optimum="minimum")
    for _ in range(20):
        optimizer.tell([(bowl(trial), {"loss": 1}) for trial in optimizer.ask(5)])
    assert optimizer.best_score == optimizer.search_data["score"].min() >= 1
    assert (optimizer.search_data["loss"] == 1).all()


def test_initial_evaluations():
    known = [({"k": "b", "x": 0.0}, -0.25), ({"x": 3, "k": "a", "c": 1}, -10.0)]
    optimizer = ask_tell.ParallelTemperingOptimizer(SPACE, known, random_state=3)
    assert optimizer.best_para == {"x": 0.0, "k": "b", "c": 1}
    assert len(optimizer.search_data) == 2
    optimizer.tell([objective(trial) for trial in optimizer.ask(5)])
    assert len(optimizer.search_data) == 7
    both = ask_tell.ParallelTemperingOptimizer(SPACE, known, random_state=3, initialize={"vertices": 3})
    assert {float(trial["x"]) for trial in both.ask(3)} <= {-3.0, 3.0}


def test_constraints():
    optimizer = ask_tell.ParallelTemperingOptimizer(BOX, constraints=[lambda p: p["x"] > p["y"]], random_state=3)
    for _ in range(20):
        trials = optimizer.ask(7)
        assert len(trials) == 7
        assert all(trial["x"] > trial["y"] for trial in trials)
        optimizer.tell([hill(trial) for trial in trials])
    with pytest.raises(InvalidProblemError, match="0 of"):
        ask_tell.ParallelTemperingOptimizer(BOX, constraints=[lambda p: False])


def test_pickle_in_the_middle():
    optimizer = ask_tell.ParallelTemperingOptimizer(PLANE, random_state=3)
    trials = optimizer.ask(9)
    copy, trials_there = pickle.loads(pickle.dumps((optimizer, trials)))
    assert trials_there == trials
    assert [trial.id for trial in trials_there] == [trial.id for trial in trials]
    for each in (optimizer, copy):
        each.tell([hill(trial) for trial in trials])
    assert copy.ask(9) == optimizer.ask(9)


def test_diagnostics():
    optimizer = ask_tell.ParallelTemperingOptimizer(PLANE, random_state=3)
    for _ in range(40):
        optimizer.tell([hill(trial) for trial in optimizer.ask(5)])
    assert optimizer.diagnostics.ladder().shape == (5,)


@pytest.mark.parametrize(
    ("scores", "ids", "text"),
    [
        ([1.0], None, "expected 2 scores"),
        ([1.0, 2.0, 3.0], None, "expected 2 scores"),
        ([1.0, 2.0], [0, 0], "expected 1 scores"),
        ({99: 1.0}, None, "trial 99 is not waiting"),
        ({}, None, "no trial is waiting"),
    ],
)
def test_wrong_reports(scores, ids, text):
    optimizer = ask_tell.ParallelTemperingOptimizer(PLANE, random_state=3)
    optimizer.ask(2)
    with pytest.raises(InvalidConfigurationError, match=text):
        optimizer.tell(scores, ids)


def test_a_trial_is_told_once():
    optimizer = ask_tell.ParallelTemperingOptimizer(PLANE, random_state=3)
    with pytest.raises(InvalidConfigurationError, match=r"call ask\(\) first"):
        optimizer.tell([])
    optimizer.ask(1)
    optimizer.tell(1.0)
    with pytest.raises(InvalidConfigurationError, match="waiting are none"):
        optimizer.tell([1.0])
    optimizer.ask(1)
    with pytest.raises(InvalidProblemError, match="must return a number"):
        optimizer.tell(["high"])
    assert len(optimizer.waiting) == 1
    for wrong in (0, -1, 1.5):
        with pytest.raises(InvalidConfigurationError, match="ask: n"):
            optimizer.ask(wrong)


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([({"x": 1.0}, 1.0)], "pair 0: no value for y"),
        ([{"x": 1.0}], "expected pairs"),
        ([({"x": 1.0, "y": 1.0, "z": 1}, 1.0)], "unknown parameter 'z'"),
    ],
)
def test_wrong_initial_evaluations(pairs, text):
    with pytest.raises((InvalidProblemError, InvalidConfigurationError), match=text):
        ask_tell.ParallelTemperingOptimizer(PLANE, pairs)
