"""MPI without MPI: the talk between rank 0 and the workers, who is started how, and the last words of a rank."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import cloudpickle
import numpy as np
import pytest

import wilks
from wilks.cli import executors
from wilks.core.proposal import EvaluationStatus
from wilks.evaluation import guard, mpi
from wilks.evaluation.crew import Crew, pause
from wilks.evaluation.launch import Launch, launch
from wilks.evaluation.pool import Task, WorkerDiedError
from wilks.evaluation.rank import Rank, advice

SPACE = wilks.Space(x=wilks.Real(0, 100))


class Comm:
    """One rank of a pretended communicator: queues in place of a network."""

    def __init__(self, rank, boxes):
        self.rank, self.boxes = rank, boxes
        self.sent = []
        self.n_looks = 0

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return len(self.boxes)

    def send(self, message, dest, tag):
        self.boxes[dest].put(message)

    def isend(self, message, dest, tag):
        self.sent.append((dest, message[0]))
        self.send(message, dest, tag)
        return self

    def Isend(self, data, dest, tag):
        return self.isend((data,), dest, tag)

    def Test(self):
        return True

    def Recv(self, buffer, source, tag):
        buffer[:] = self.boxes[self.rank].get()[0]

    def improbe(self, source=None, tag=None):
        self.n_looks += 1
        try:
            message = self.boxes[self.rank].get_nowait()
        except queue.Empty:
            return None
        return SimpleNamespace(recv=lambda: message)


@pytest.fixture
def comms():
    boxes = [queue.SimpleQueue() for _ in range(3)]
    return [Comm(rank, boxes) for rank in range(3)]


@pytest.fixture
def crew(comms):
    made = Crew(comms[0])
    threads = [threading.Thread(target=Rank(comm, None).serve, daemon=True) for comm in comms[1:]]
    for thread in threads:
        thread.start()
    yield made
    made.end()
    assert made.wait_ended(60)
    for thread in threads:
        thread.join(60)


def task(function, x, token):
    blob = cloudpickle.dumps(wilks.LikelihoodProblem(SPACE, function))
    return Task(token, blob, np.array(x, dtype=float)[:, None], "value")


def test_a_problem_is_sent_once_to_each_worker(crew, comms):
    tasks = [task(lambda v: -v["x"], [i, i + 1], "a") for i in range(20)]
    for each in tasks:
        crew.submit(each)
    for i, each in enumerate(tasks):
        assert each.future.result(60).log_likelihoods.tolist() == [-i, -i - 1]
    kinds = [(dest, kind) for dest, kind in comms[0].sent if kind == "problem"]
    assert kinds.count((1, "problem")) <= 1
    assert kinds.count((2, "problem")) <= 1
    assert kinds


def test_many_problems_in_turn(crew):
    tasks = []
    for _ in range(3):
        for factor in range(7):  # more than a worker keeps
            tasks.append((factor, task(lambda v, factor=factor: factor * v["x"], [2], str(factor))))
            crew.submit(tasks[-1][1])
    for factor, each in tasks:
        assert each.future.result(60).log_likelihoods.tolist() == [2 * factor]


def test_a_problem_that_cannot_be_loaded_is_told(crew):
    class Broken:
        def __reduce__(self):
            return int, ("x",)

    broken = Broken()
    each = task(lambda v: broken, [1], "broken")
    crew.submit(each)
    assert isinstance(each.future.exception(60), wilks.InvalidProblemError)
    after = task(lambda v: 1.0, [1], "good")
    crew.submit(after)
    assert after.future.result(60).log_likelihoods.tolist() == [1.0]


def test_what_is_dropped_is_skipped_and_the_crew_works_on(crew):
    quick = [task(lambda v: 0.0, [1], "quick") for _ in range(4)]
    for each in quick:  # from now on, chunks are sent ahead
        crew.submit(each)
        each.future.result(60)
    gate, calls = threading.Event(), []

    def held(v):
        calls.append(v["x"])
        gate.wait(60)
        return 0.0

    _call.now = held
    blob = cloudpickle.dumps(wilks.LikelihoodProblem(SPACE, _call))
    tasks = [Task("held", blob, np.full((1, 1), float(i)), "value") for i in range(10)]
    for each in tasks:
        crew.submit(each)
    while len(calls) < 2 or sum(each.future.running() for each in tasks) < 4:
        time.sleep(0.001)
    crew.drop()
    for each in tasks:
        assert each.future.cancelled() or isinstance(each.future.exception(60), WorkerDiedError)
    assert crew.aborted
    time.sleep(0.1)  # the order arrives before the calls end
    gate.set()
    after = [task(lambda v: 5.0, [i], "after") for i in range(4)]
    for each in after:
        crew.submit(each)
    assert [each.future.result(60).log_likelihoods.tolist() for each in after] == [[5.0]] * 4
    assert len(calls) == 2


def test_who_waits_looks_now_and_then(crew, comms):
    gate = threading.Event()
    _call.now = lambda v: float(gate.wait(60))
    each = Task("held", cloudpickle.dumps(wilks.LikelihoodProblem(SPACE, _call)), np.ones((1, 1)), "value")
    crew.submit(each)
    while not each.future.running():
        time.sleep(0.001)
    before = [comm.n_looks for comm in comms]
    time.sleep(0.5)
    gate.set()
    assert each.future.result(60).log_likelihoods.tolist() == [1.0]
    rank_0, *others = [comm.n_looks - n for comm, n in zip(comms, before, strict=True)]
    assert 0 < rank_0 < 1500  # a loop without pauses looks a hundred thousand times
    assert 0 < max(others) < 1500
    time.sleep(0.1)
    before = comms[0].n_looks
    time.sleep(0.2)
    assert comms[0].n_looks == before  # nothing is under way


def _call(v):
    return _call.now(v)


def test_an_ended_crew_takes_no_work(comms):
    crew = Crew(comms[0])
    crew.end()
    each = task(lambda v: 1.0, [1], "late")
    crew.submit(each)
    with pytest.raises(wilks.EvaluationError, match="have ended"):
        each.future.result(60)
    for rank in (1, 2):
        comms[rank].send((rank, "ended"), 0, 0)
    assert crew.wait_ended(60)


def test_a_connection_that_breaks_is_an_error_and_no_hang(comms):
    def broken(source=None, tag=None):
        raise OSError("network is down")

    comms[0].improbe = broken
    crew = Crew(comms[0])
    each = task(lambda v: 1.0, [1], "a")
    crew.submit(each)
    with pytest.raises(wilks.EvaluationError, match="broke down: OSError: network is down"):
        each.future.result(60)


def test_pauses_grow_with_the_time_waited_up_to_a_limit():
    assert pause(0.0) == 2e-5
    assert pause(0.001) == pytest.approx(1e-4)
    assert pause(0.05) == 1e-3
    assert pause(0.2) == pytest.approx(2e-3)
    assert pause(10.0) == 5e-3


# ---------------------------------------------------------------------- who is started how


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Launch()),
        ({"PMI_RANK": "1", "PMI_SIZE": "4"}, Launch(1, 4)),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "3"}, Launch(3, 4)),
        ({"PMIX_RANK": "2", "SLURM_STEP_NUM_TASKS": "3"}, Launch(2, 3)),
        ({"SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "0"}, Launch()),  # a batch script, which starts nothing
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, Launch()),
        ({"PMI_SIZE": "many"}, Launch()),
    ],
)
def test_the_environment_says_how_many_were_started(environment, expected):
    assert launch(environment) == expected


class Library:
    """A pretended mpi4py.MPI."""

    THREAD_SERIALIZED = 2

    def __init__(self, size=1, threads=3):
        self.COMM_WORLD = SimpleNamespace(Get_size=lambda: size, Get_rank=lambda: 0)
        self.threads = threads

    def Get_library_version(self):
        return "MPI of my own\nmore"

    def Query_thread(self):
        return self.threads


def test_another_mpi_than_that_of_mpiexec_is_refused(monkeypatch):
    monkeypatch.setattr(mpi, "_library", Library)
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "4")
    with pytest.raises(wilks.InvalidConfigurationError, match=r"process 0 of 4, but mpi4py \(MPI of my own\) sees one"):
        wilks.MPIExecutor()


def test_mpi_without_threads_is_refused(monkeypatch):
    monkeypatch.setattr(mpi, "_library", lambda: Library(4, threads=0))
    with pytest.raises(wilks.InvalidConfigurationError, match="without threads"):
        wilks.MPIExecutor()


def test_missing_mpi4py(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(wilks.MissingDependencyError, match=r"needs mpi4py: pip install 'wilks\[mpi\]'"):
        wilks.MPIExecutor()
    with pytest.raises(wilks.MissingDependencyError):
        mpi.serve()


def test_rank_0_does_not_serve(monkeypatch):
    monkeypatch.setattr(mpi, "_library", Library)
    with pytest.raises(wilks.InvalidConfigurationError, match="rank 0 drives"):
        mpi.serve()


def test_one_process_evaluates_itself_and_can_be_used_again(monkeypatch):
    monkeypatch.setattr(mpi, "_library", Library)
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -((v["x"] - 3) ** 2))
    with wilks.MPIExecutor() as executor:
        assert (executor.n_workers, executor.inline) == (1, True)
        assert repr(executor) == "MPIExecutor(): serial (MPI with one process)"
        result = wilks.fit(problem, seed=1, executor=executor)
    assert result.provenance.executor == "serial (MPI with one process)"
    assert set(result.log.arrays()["workers"].tolist()) == {os.getpid()}
    assert wilks.fit(problem, seed=1, executor=executor).best == result.best


def test_a_configuration_may_name_it(monkeypatch):
    monkeypatch.setattr(mpi, "_library", Library)
    assert executors.check("mpi") == "mpi"
    assert executors.make("mpi").name == "serial (MPI with one process)"
    with pytest.raises(ValueError, match=r"expected one of serial, processes, mpi, dask, \{processes: 2\}"):
        executors.check({"mpi": 4})


def test_under_mpiexec_every_choice_is_mpi(monkeypatch):
    made = []
    monkeypatch.setattr(wilks, "MPIExecutor", lambda: made.append("mpi"), raising=False)
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "3")
    for choice in ("serial", "mpi", {"processes": 2}):
        executors.make(choice)
    assert made == ["mpi"] * 3


# ---------------------------------------------------------------------- last words


def guarding(pid, reader, connection):
    numbers = (reader, connection.fileno())
    command = [sys.executable, guard.__file__, *map(str, numbers), str(pid), "rank 2 of 5", "Go on."]
    return subprocess.Popen(command, pass_fds=numbers, stderr=subprocess.PIPE)


@pytest.mark.skipif(sys.platform != "linux", reason="the process that watches needs Linux")
@pytest.mark.parametrize(
    ("end", "words", "code"),
    [
        ("os.kill(os.getpid(), 9)", "was killed by SIGKILL while it evaluated a point; ", 1),
        ("os._exit(4)", "ended by itself with exit code 4 while it evaluated a point; ", 4),
    ],
)
def test_last_words_of_a_rank(end, words, code):
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    watched = subprocess.Popen([sys.executable, "-c", f"import os; input(); {end}"], stdin=subprocess.PIPE)
    with ours, guarding(watched.pid, reader, theirs) as watching:
        theirs.close()
        os.close(reader)
        os.write(writer, b"it loaded the problem\nit evaluated a point\n")
        watched.stdin.write(b"\n")
        watched.stdin.close()
        os.close(writer)
        ours.settimeout(60)
        assert ours.recv(100) == f"cmd=abort exitcode={code}\n".encode()
        ours.close()
        _, err = watching.communicate(timeout=60)
    watched.wait(60)
    text = err.decode()
    assert text.startswith(f"wilks: MPI rank 2 of 5 (process {watched.pid} on ")
    assert text.endswith("the job ends, since MPI cannot do without it. Go on.\n")
    assert words in text


@pytest.mark.skipif(sys.platform != "linux", reason="the process that watches needs Linux")
@pytest.mark.parametrize("how", ["a farewell", "a job that was ended by somebody else"])
def test_no_word_without_a_reason(how):
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as watched:
        with guarding(watched.pid, reader, theirs) as watching:
            theirs.close()
            os.close(reader)
            if how == "a farewell":
                os.write(writer, guard.FAREWELL)
            else:
                ours.close()
                watched.kill()
            os.close(writer)
            _, err = watching.communicate(timeout=60)
        watched.kill()
    ours.close()
    assert err == b""
    assert watching.returncode == 0


def test_ctrl_c_is_meant_for_the_rank_and_not_for_its_guard(monkeypatch):
    handlers = {}
    monkeypatch.setattr(guard.signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(guard, "_last_words", lambda *_: ("", True))
    guard.watch(0, 0, 0, "", "")
    assert handlers == dict.fromkeys([signal.SIGINT, signal.SIGTERM, signal.SIGUSR1], signal.SIG_IGN)


def test_advice_says_how_to_go_on():
    assert advice(["wilks", "run", "my run.yaml"], 4).endswith("mpiexec -n 4 wilks run 'my run.yaml' --resume")
    assert advice(["wilks", "run", "c.yaml", "--resume"], 2).endswith("mpiexec -n 2 wilks run c.yaml --resume")


def test_ctrl_c_within_a_chunk_leaves_the_rest_unanswered(comms):
    rank = Rank(comms[1], None)

    def likelihood(v):
        if v["x"] == 2:
            rank._interrupt()
        return -1.0

    rank._problems["p"] = wilks.LikelihoodProblem(SPACE, likelihood)
    rank._take("points", "p", np.arange(5.0)[:, None], "value")
    rank._answer(rank._inbox.popleft())
    number, answer = comms[0].boxes[0].get()
    assert number == 1
    assert answer.interrupted
    assert answer.statuses.tolist() == [EvaluationStatus.OK] * 2
    rank._interrupt()  # between chunks it is nothing
