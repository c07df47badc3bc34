import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from tests.unit.facades.examples import BOX, LINE, Counted, bowl, hill
from wilks import CheckpointError
from wilks.facades import (
    BaseStorage,
    MemoryStorage,
    ObjectiveResult,
    ParallelTemperingOptimizer,
    SQLiteStorage,
)


@pytest.fixture(params=["memory", "sqlite"])
def storage(request, tmp_path):
    if request.param == "memory":
        yield MemoryStorage()
    else:
        with SQLiteStorage(tmp_path / "scores.db") as opened:
            yield opened


def searched(objective, storage, space=LINE, n_iter=60, **options):
    optimizer = ParallelTemperingOptimizer(space, random_state=1)
    optimizer.search(objective, n_iter, memory=storage, verbosity=False, **options)
    return optimizer


def test_contract(storage):
    assert isinstance(storage, BaseStorage)
    key = ("objective", 0.1, 2)
    assert storage.get(key) is None
    assert not storage.contains(key)
    storage.put(key, ObjectiveResult(1.5, {"loss": 2}))
    storage.update({("objective", 0.2, 2): ObjectiveResult(2.5, {}), key: ObjectiveResult(3.5, {})})
    assert storage.get(("objective", 0.1, 2.0)) == ObjectiveResult(3.5, {})
    assert storage.contains(key)
    assert len(storage) == 2
    assert dict(storage.items()) == {
        ("objective", 0.1, 2.0): ObjectiveResult(3.5, {}),
        ("objective", 0.2, 2.0): ObjectiveResult(2.5, {}),
    }


def test_keys_are_exact(storage):
    storage.put(("objective", 0.1), ObjectiveResult(1.0, {}))
    assert storage.get(("objective", np.nextafter(0.1, 1))) is None
    assert storage.get(("objective", 0.1 + 1e-18)) is not None
    storage.put(("objective", 0.0), ObjectiveResult(2.0, {}))
    assert storage.get(("objective", -0.0)) == ObjectiveResult(2.0, {})


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_no_numbers(storage, score):
    storage.put(("objective", 1.0), ObjectiveResult(score, {"loss": score}))
    found = storage.get(("objective", 1.0))
    assert repr(found) == repr(ObjectiveResult(score, {"loss": score}))


def test_metrics_of_numpy(storage):
    def objective(para):
        return hill(para), {"loss": np.float32(0.5), "curve": np.arange(3), "n": np.int64(2), "model": object()}

    first = searched(objective, storage)
    second = searched(objective, storage)
    assert second.diagnostics.counts()["n_cached"] == 60
    assert second.search_data["loss"].tolist() == first.search_data["loss"].tolist()
    assert list(second.search_data["curve"][0]) == [0, 1, 2]


def test_two_objectives_share_a_storage_but_no_scores(storage):
    one, two = Counted(hill), Counted(bowl)
    searched(one, storage)
    second = searched(two, storage)
    assert two.calls
    assert (second.search_data["score"] >= 1).all()
    n_one = len(one.calls)
    searched(one, storage)
    assert len(one.calls) == n_one


def test_directions_and_spaces_are_kept_apart(storage):
    counted = Counted()
    searched(counted, storage)
    n = len(counted.calls)
    searched(counted, storage, optimum="minimum")
    assert len(counted.calls) > n
    n = len(counted.calls)
    searched(counted, storage, {"x": np.linspace(-10, 10, 51)})
    assert len(counted.calls) > n


def test_scores_outlive_the_optimizer(tmp_path):
    counted = Counted()
    n_cached = []
    for _ in range(2):
        with SQLiteStorage(str(tmp_path / "scores.db")) as opened:
            n_cached.append(searched(counted, opened, BOX).diagnostics.counts()["n_cached"])
    assert n_cached[1] == 60
    assert len(counted.calls) == 60 - n_cached[0]


def test_memory_storage_takes_data():
    one = MemoryStorage()
    searched(hill, one)
    two = MemoryStorage(dict(one.items()))
    assert searched(hill, two).diagnostics.counts()["n_cached"] == 60
    assert pickle.loads(pickle.dumps(two)).scores == two.scores


def test_a_storage_of_the_user():
    class Plain(BaseStorage):
        def __init__(self):
            self.data = {}

        def get(self, key):
            return self.data.get(key)

        def put(self, key, result):
            self.data[key] = result

        def contains(self, key):
            return key in self.data

        def update(self, mapping):
            self.data.update(mapping)

    storage = Plain()
    first = searched(lambda para: (hill(para), {"a": 1}), storage)
    assert all(isinstance(result, ObjectiveResult) for result in storage.data.values())
    second = searched(hill, storage, memory_warm_start=first.search_data)
    assert second.search_data["score"].equals(first.search_data["score"])


def test_an_error_of_a_storage_reaches_the_caller(tmp_path):
    opened = SQLiteStorage(tmp_path / "scores.db")
    opened.close()
    with pytest.raises(CheckpointError, match=r"scores\.db"):
        searched(hill, opened)


def test_a_file_of_something_else(tmp_path):
    (tmp_path / "text.db").write_text("no database, but quite a long text\n" * 100)
    with pytest.raises(CheckpointError, match="cannot be used as a storage of scores"):
        SQLiteStorage(tmp_path / "text.db")
    with pytest.raises(CheckpointError, match="cannot be used"):
        SQLiteStorage(tmp_path / "no" / "folder.db")


def test_threads(tmp_path):
    with SQLiteStorage(tmp_path / "scores.db") as opened:

        def work(number):
            for i in range(100):
                opened.put((f"objective {number}", float(i)), ObjectiveResult(float(i), {}))
                assert opened.get((f"objective {number}", float(i))).score == i

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(opened) == 400


def _put_many(opened, number):
    for i in range(100):
        opened.put((f"objective {number}", float(i)), ObjectiveResult(float(i), {}))
    opened.close()


def test_processes_and_pickle(tmp_path):
    with SQLiteStorage(tmp_path / "scores.db") as opened:
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=_put_many, args=(opened, number)) for number in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0]
        assert len(opened) == 200


def test_every_score_survives_the_death_of_the_process(tmp_path):
    script = textwrap.dedent(
        f"""
        import os, signal
        from wilks.facades import RandomSearchOptimizer, SQLiteStorage
        n = 0
        def objective(para):
            global n
            n += 1
            if n == 300:
                os.kill(os.getpid(), signal.SIGKILL)
            return -para["x"] ** 2
        optimizer = RandomSearchOptimizer({{"x": (-1.0, 1.0)}}, random_state=1)
        optimizer.search(objective, 1000, memory=SQLiteStorage({str(tmp_path / "scores.db")!r}), verbosity=False)
        """
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ | {"PYTHONPATH": "src"})
    assert ended.returncode == -signal.SIGKILL
    with SQLiteStorage(tmp_path / "scores.db") as opened:
        assert 295 <= len(opened) <= 299  # 299 calls; a corner may have come twice
    assert sqlite3.connect(tmp_path / "scores.db").execute("pragma integrity_check").fetchone() == ("ok",)
