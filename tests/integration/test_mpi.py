"""Runs in real MPI jobs: started by mpiexec, ended by it, by themselves, or by the death of a rank."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import wilks
from tests.integration.cli_process import CONFIG, MODEL, Project

BESIDE_PYTHON = str(Path(sys.executable).parent)
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([BESIDE_PYTHON, os.environ.get("PATH", "")]))
pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(
        importlib.util.find_spec("mpi4py") is None or MPIEXEC is None,
        reason="no mpi4py or no mpiexec; pip install 'wilks[mpi]' brings both",
    ),
]
ROOT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

HEAD = """\
import os
import sys
import threading
import time

import numpy as np

import wilks

space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5), c=wilks.Real(-5, 5))


def log_likelihood(v):
    return -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2 + (v["c"] + v["b"] ** 2 / 5) ** 2)


problem = wilks.LikelihoodProblem(space, log_likelihood, name="small")
"""
EXECUTOR = HEAD + "executor = wilks.MPIExecutor()\n"
SLOW = MODEL.replace("    x, y, z = ", "    deadly(values)\n    x, y, z = ")
DEADLY = """

def deadly(values):
    n_calls = os.path.getsize(os.environ["MODEL_CALLS"]) // 2
    if values["x"] > 0.5 and n_calls > 100 and not os.path.exists("dead"):
        open("dead", "w").write(str(os.getpid()))
        {}
"""


def mpiexec(n, *command):
    return [MPIEXEC, "-n", str(n), *command]


def environment(**more):
    # Where the client of Slurm is installed, mpiexec would start processes with it.
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}", "HYDRA_LAUNCHER": "fork", **more}


def script(folder, text, n, *, timeout=120, environment=environment):
    path = folder / "script.py"
    path.write_text(text)
    command = [sys.executable, str(path)]
    return subprocess.run(
        mpiexec(n, *command) if n else command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def left_over(folder):
    """Processes that work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve() == folder.resolve() and (entry / "cmdline").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


def assert_all_gone(folder):
    deadline = time.monotonic() + 30
    while (left := left_over(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


class MPIProject(Project):
    """A project whose runs are started by mpiexec."""

    def __init__(self, folder, n, config=CONFIG, model=MODEL):
        super().__init__(folder, config, model)
        self.n = n

    def start(self, *arguments, seconds=0.0):
        return subprocess.Popen(
            mpiexec(self.n, *self.command, *arguments),
            cwd=self.folder,
            env=environment(MODEL_CALLS=str(self.calls), MODEL_SECONDS=str(seconds)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


# ---------------------------------------------------------------------- the same answers

SHARDED = """
executor = wilks.ShardedExecutor(executor)
seen = set()


def sums(values, shard):
    return [shard[1] * values["a"], *(np.arange(5) == shard[0]) * float(os.getpid())]


def total_log_likelihood(values, total):
    seen.add(tuple(total[1:]))
    return -abs(total[0]) - values["b"] ** 2 - values["c"] ** 2


shards = [(number, 0.1 * number) for number in range(5)]
additive = wilks.AdditiveProblem(space, shards, sums, total_log_likelihood)
search = wilks.search(additive, wilks.RandomSearch(), n_evaluations=60, seed=1, executor=executor)
(pids,) = seen  # every shard was always in the same process
serial = wilks.search(additive, wilks.RandomSearch(), n_evaluations=60, seed=1)
print(*[len(set(pids[:2])), len(set(pids[2:])), len(set(pids)), serial.log_likelihood == search.log_likelihood])
"""


def test_shards_stay_with_their_ranks(tmp_path):
    done = script(tmp_path, EXECUTOR + SHARDED, 3)
    assert done.stderr == ""
    assert done.stdout.split() == ["1", "1", "2", "True"]


MAP = """
fit = wilks.fit(problem, seed=1, executor=executor, callbacks=())
result = wilks.profile(problem, over=("a", "b"), grid=(9, 9), start=fit, seed=1, executor=executor, callbacks=())
result.save("map.wilks")
print(fit.provenance.executor, result.status.success, os.getpid() in fit.log.arrays()["workers"])
"""


@pytest.fixture(scope="module")
def serial_map(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial")
    answer = script(folder, HEAD + "executor = wilks.SerialExecutor()\n" + MAP, 0)
    assert answer.returncode == 0, answer.stderr
    return wilks.load(folder / "map.wilks")


@pytest.mark.parametrize("n", [pytest.param(2, marks=pytest.mark.slow), 3, pytest.param(4, marks=pytest.mark.slow)])
def test_a_map_agrees_with_that_of_one_process(tmp_path, serial_map, n):
    answer = script(tmp_path, EXECUTOR + MAP, n)
    workers = f"{n - 1} worker{'s' if n > 2 else ''}"
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == f"MPI ({workers}) True False\n"
    ours = wilks.load(tmp_path / "map.wilks")
    inside = serial_map.in_roi
    assert inside.sum() > 9
    np.testing.assert_array_equal(ours.in_roi, inside)
    difference = np.abs(ours.log_likelihood_map - serial_map.log_likelihood_map)
    assert np.nanmax(difference) < 1e-6
    assert np.isfinite(difference[inside]).all()
    assert_all_gone(tmp_path)


@pytest.mark.parametrize("n", [0, 1])
def test_one_process_works_alone_and_says_so(tmp_path, serial_map, n):
    answer = script(tmp_path, EXECUTOR + MAP, n)
    assert (answer.returncode, answer.stdout) == (0, "serial (MPI with one process) True True\n"), answer.stderr
    ours = wilks.load(tmp_path / "map.wilks")
    np.testing.assert_array_equal(ours.log_likelihood_map, serial_map.log_likelihood_map)


def test_the_contract_of_executors_with_real_ranks(tmp_path):
    text = f"""
import os, sys
os.chdir({str(ROOT)!r})
import wilks
wilks.MPIExecutor()
import pytest
sys.exit(pytest.main(["-p", "no:cacheprovider", "-q", "-k", "MPI", "tests/contract/test_executors.py"]))
"""
    answer = script(tmp_path, text, 3)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "passed" in answer.stdout
    assert "failed" not in answer.stdout


# ---------------------------------------------------------------------- scripts and how they end

ENDS = {
    "an exception": ("raise ValueError('by the script')", 1, "ValueError: by the script"),
    "sys.exit": ("sys.exit(5)", 5, ""),
    "nothing asked": ("", 0, ""),
    "closed": ("executor.close()", 0, ""),
    "after work": ("wilks.fit(problem, seed=1, executor=executor, callbacks=())", 0, ""),
    "a callback that fails": (
        "wilks.fit(problem, seed=1, executor=executor, callbacks=[lambda info: 1 / 0])",
        1,
        "ZeroDivisionError",
    ),
    "a closed executor": (
        "executor.close(); wilks.fit(problem, seed=1, executor=wilks.MPIExecutor(), callbacks=())",
        1,
        "make one for the whole script",
    ),
    "a problem that cannot be sent": (
        """
lock = threading.Lock()
odd = wilks.LikelihoodProblem(space, lambda v: log_likelihood(v) if lock else 0, name="odd")
wilks.fit(odd, seed=1, executor=executor, callbacks=())
""",
        1,
        "problem 'odd' cannot be sent to workers",
    ),
    "a problem that cannot be loaded": (
        """
class Odd:
    def __reduce__(self):
        return int, ("no number",)

odd = Odd()
problem = wilks.LikelihoodProblem(space, lambda v: 0.0 if odd else 1.0)
wilks.fit(problem, seed=1, executor=executor, callbacks=())
""",
        1,
        "the problem cannot be loaded in a worker process: ValueError",
    ),
    "two executors": (
        """
for _ in range(2):
    wilks.fit(problem, seed=1, executor=wilks.MPIExecutor(), callbacks=())
""",
        0,
        "",
    ),
}


THOROUGH = {
    "nothing asked",
    "closed",
    "a callback that fails",
    "a closed executor",
    "a problem that cannot be sent",
    "two executors",
}


@pytest.mark.parametrize("how", [pytest.param(how, marks=pytest.mark.slow) if how in THOROUGH else how for how in ENDS])
def test_workers_end_with_the_script(tmp_path, how):
    last, code, words = ENDS[how]
    answer = script(tmp_path, f"{EXECUTOR}print('once')\n{last}\n", 3)
    assert answer.returncode == code, answer.stderr
    assert answer.stdout == "once\n"
    assert answer.stderr.count(words) == 1 if words else not answer.stderr
    assert_all_gone(tmp_path)


def test_serve_for_scripts_that_know_their_rank(tmp_path):
    text = """
from mpi4py import MPI
from wilks.evaluation.mpi import serve
comm = MPI.COMM_WORLD
if comm.Get_rank() == 0:
    with wilks.MPIExecutor(comm) as executor:
        n = len(set(wilks.fit(problem, seed=1, executor=executor).log.arrays()["workers"].tolist()))
else:
    serve(comm)
    n = 0
counts = comm.gather(n)
if comm.Get_rank() == 0:
    print(counts)
"""
    answer = script(tmp_path, HEAD + text, 3)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == ["[2, 0, 0]"]


def test_linear_algebra_has_one_thread_in_workers(tmp_path):
    pytest.importorskip("threadpoolctl")
    text = """
def n_threads(v):
    from threadpoolctl import threadpool_info
    return -float(max(entry["num_threads"] for entry in threadpool_info()))

problem = wilks.LikelihoodProblem(space, n_threads)
print(wilks.fit(problem, seed=1, executor=executor, n_starts=1, callbacks=()).log_likelihood)
"""

    def without_threads(**more):
        return {name: value for name, value in environment(**more).items() if name not in THREADS}

    def with_two(**more):
        return {**without_threads(**more), "OMP_NUM_THREADS": "2"}

    assert script(tmp_path, EXECUTOR + text, 2, environment=without_threads).stdout == "-1.0\n"
    if len(os.sched_getaffinity(0)) > 1:  # whoever gives a number gets it
        assert script(tmp_path, EXECUTOR + text, 2, environment=with_two).stdout == "-2.0\n"


@pytest.mark.slow
def test_who_waits_leaves_its_core_alone(tmp_path):
    text = """
def busy():
    return sum(os.times()[:2])


def evaluate(function, seed):
    problem = wilks.LikelihoodProblem(space, function)
    search = wilks.RandomSearch()
    found = wilks.search(problem, search, n_evaluations=1, seed=seed, executor=executor, callbacks=())
    return found.log_likelihood


def slow(v):
    time.sleep(2.0)
    return 0.0


evaluate(lambda v: 0.0, 1)  # loads what is needed
began = busy()
evaluate(slow, 2)
rank_0 = busy() - began
before = evaluate(lambda v: busy(), 3)
time.sleep(2.0)
worker = evaluate(lambda v: busy(), 4) - before
print(rank_0 < 1.0, worker < 1.0)
"""
    answer = script(tmp_path, EXECUTOR + text, 2)
    assert (answer.returncode, answer.stdout) == (0, "True True\n"), answer.stderr


@pytest.mark.slow
def test_cheap_points_travel_by_the_thousand(tmp_path):
    text = """
n = 30_000


def rate(executor, seed):
    search = wilks.RandomSearch()
    result = wilks.search(problem, search, n_evaluations=n, seed=seed, executor=executor, callbacks=())
    return n / result.provenance.seconds


ours = max(rate(executor, seed) for seed in range(3))
print(ours > 5000 or ours > 0.3 * rate(wilks.SerialExecutor(), 4))  # the second when the machine is busy
"""
    answer = script(tmp_path, EXECUTOR + text, 2)
    assert (answer.returncode, answer.stdout) == (0, "True\n"), answer.stderr


# ---------------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    answer = project.invoke("run", "config.yaml")
    assert answer.returncode == 0, answer.stderr
    return project


def assert_same_answer(project, undisturbed):
    ours, theirs = project.result("01-*"), undisturbed.result("01-*")
    assert ours.best == theirs.best
    ours, theirs = project.result("02-*"), undisturbed.result("02-*")
    np.testing.assert_array_equal(ours.in_roi, theirs.in_roi)
    difference = np.abs(ours.log_likelihood_map - theirs.log_likelihood_map)[theirs.in_roi]
    assert difference.max() < 1e-6


@pytest.mark.parametrize(
    ("n", "line", "name"),
    [
        (3, "", "MPI (2 workers)"),
        pytest.param(2, "executor: mpi\n", "MPI (1 worker)", marks=pytest.mark.slow),
        pytest.param(1, "executor: mpi\n", "serial (MPI with one process)", marks=pytest.mark.slow),
        pytest.param(2, "executor: {processes: 2}\n", "MPI (1 worker)", marks=pytest.mark.slow),
        pytest.param(1, "", "serial", marks=pytest.mark.slow),
    ],
)
def test_the_same_configuration_under_mpiexec(tmp_path, undisturbed, n, line, name):
    project = MPIProject(tmp_path, n, line + CONFIG)
    answer = project.wilks("run", "config.yaml")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"model: x, y, z; 2 stages, seed 3, {name}; run folder run\n")
    assert answer.stdout.count("[1/2] fit\n") == 1
    assert project.result("01-*").provenance.executor == name
    assert_same_answer(project, undisturbed)
    assert project.n_calls == project.n_logged
    assert_all_gone(tmp_path)


@pytest.mark.slow
def test_exit_codes_and_one_message(tmp_path):
    project = MPIProject(tmp_path, 3, CONFIG.replace("n_starts: 4", "n_start: 4"))
    answer = project.wilks("run", "config.yaml")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == "config.yaml:4: stages.0.fit.n_start: unknown key, did you mean 'n_starts'?\n"
    answer = project.wilks("run", "--no-such-option")
    assert answer.returncode == 2
    assert answer.stderr.count("No such option") == 1
    assert project.wilks("--version").stdout == f"wilks {wilks.__version__}\n"


def test_without_mpi4py_there_is_one_message(tmp_path):
    project = MPIProject(tmp_path, 3)
    code = "import sys; sys.modules['mpi4py'] = None; from wilks.cli.main import main; main()"
    command = mpiexec(3, sys.executable, "-c", code, "run", "config.yaml")
    answer = subprocess.run(
        command, cwd=project.folder, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == "a run under MPI needs mpi4py: pip install 'wilks[mpi]'\n"
    assert_all_gone(tmp_path)


# ---------------------------------------------------------------------- the death of a rank

DEATHS = {
    "SIGKILL": ("os.kill(os.getpid(), 9)", "was killed by SIGKILL", None),
    "a segmentation fault": ("os.kill(os.getpid(), 11)", "was killed by SIGSEGV", None),
    "os._exit": ("os._exit(7)", "ended by itself with exit code 7", 7),
}


@pytest.mark.parametrize(
    "how",
    [
        "SIGKILL",
        pytest.param("a segmentation fault", marks=pytest.mark.slow),
        pytest.param("os._exit", marks=pytest.mark.slow),
    ],
)
def test_a_rank_that_dies_ends_the_job_and_a_resumed_run_gives_the_same_answer(tmp_path, undisturbed, how):
    death, words, code = DEATHS[how]
    project = MPIProject(tmp_path, 3, model=SLOW + DEADLY.format(death))
    began = time.monotonic()
    answer = project.wilks("run", "config.yaml", seconds=0.001)
    assert time.monotonic() - began < 60
    assert answer.returncode not in (0, 130)
    if code is not None:
        assert answer.returncode in (code, 1)  # that of the rank, or that of the one who ended the job: a race
    (message,) = [line for line in answer.stderr.splitlines() if line.startswith("wilks: ")]
    pid = (tmp_path / "dead").read_text()
    assert message.startswith(("wilks: MPI rank 1 of 3 ", "wilks: MPI rank 2 of 3 "))
    assert f"(process {pid} on " in message
    assert f") {words} while it evaluated " in message or ") died while it evaluated " in message
    assert "x=0." in message
    assert message.endswith("go on with: mpiexec -n 3 wilks run config.yaml --resume")
    assert_all_gone(tmp_path)
    n_calls, n_logged = project.n_calls, project.n_logged
    assert 0 < n_logged <= n_calls
    answer = project.wilks("run", "config.yaml", "--resume")
    assert answer.returncode == 0, answer.stderr
    # What was in the file was not evaluated again.
    assert project.n_calls - n_calls == project.n_logged - n_logged
    assert_same_answer(project, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_rank_that_is_killed_from_outside(tmp_path, rank):
    text = f"""
import os
with open("rank" + os.environ["PMI_RANK"], "w") as file:
    file.write(str(os.getpid()))
{EXECUTOR}
def slow(v):
    time.sleep(0.1)
    return log_likelihood(v)

with wilks.EvaluationLog("run.sqlite") as log:
    wilks.fit(wilks.LikelihoodProblem(space, slow), seed=1, executor=executor, log=log, n_starts=50)
"""
    path = tmp_path / "script.py"
    path.write_text(text)
    with subprocess.Popen(
        mpiexec(3, sys.executable, str(path)),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while n_rows(tmp_path / "run.sqlite") < 5:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        acknowledged = n_rows(tmp_path / "run.sqlite")
        pid = int((tmp_path / f"rank{rank}").read_text())
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode != 0
    assert err.count("wilks: MPI rank ") == 1
    assert f"wilks: MPI rank {rank} of 3 (process {pid} on " in err
    assert "run the script again with the same wilks.EvaluationLog(path)" in err
    assert n_rows(tmp_path / "run.sqlite") >= acknowledged
    assert_all_gone(tmp_path)


def n_rows(path):
    try:
        with wilks.EvaluationLog(path, read_only=True) as log:
            return len(log)
    except wilks.CheckpointError:  # it is not there yet, or was not begun
        return 0


def test_a_worker_that_breaks_ends_the_job_with_a_traceback(tmp_path):
    text = """
from wilks.evaluation import rank

def broken(*_):
    raise RuntimeError("nobody expected this")

rank.answer = broken
"""
    answer = script(tmp_path, HEAD + text + "wilks.fit(problem, seed=1, executor=wilks.MPIExecutor())\n", 3)
    assert answer.returncode == 1
    assert "RuntimeError: nobody expected this" in answer.stderr
    assert "cannot go on, which ends the job; what was evaluated is in the run file" in answer.stderr
    assert_all_gone(tmp_path)


# ---------------------------------------------------------------------- Ctrl-C

STUCK = """\
    while values is not None:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass
"""


def test_ctrl_c_ends_a_run_in_good_order(tmp_path, undisturbed):
    project = MPIProject(tmp_path, 3)
    code, out, err = project.end_by(signal.SIGINT, 60, "run", "config.yaml", seconds=0.005)
    assert code == 130, err
    assert "Traceback" not in err
    assert out.endswith("\ninterrupted; continue with: mpiexec -n 3 wilks run config.yaml --resume\n")
    assert_all_gone(tmp_path)
    n_calls, n_logged = project.n_calls, project.n_logged
    answer = project.wilks("run", "config.yaml", "--resume")
    assert answer.returncode == 0, answer.stderr
    assert project.n_calls - n_calls == project.n_logged - n_logged
    assert_same_answer(project, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_call_that_does_not_end_is_not_waited_for(tmp_path, number):
    project = MPIProject(tmp_path, 3, model=MODEL.replace("    time.sleep(", STUCK + "    time.sleep("))
    code, out, err = project.end_by(number, 2, "run", "config.yaml", seconds=0.0)
    assert code == 128 + number, err
    assert "interrupted; continue with: " in out
    assert_all_gone(tmp_path)
