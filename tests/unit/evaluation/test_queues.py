"""Jobs of batch queues: what their scripts ask for, what a configuration may say, and what is refused."""

import importlib.util
import signal
import sys

import pytest
from pydantic_core import PydanticCustomError

import wilks
from wilks.cli import executors
from wilks.evaluation import launch
from wilks.evaluation.queues import Queue

PROBLEM = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(0, 1)), lambda v: -v["x"])
needs_jobqueue = pytest.mark.skipif(
    importlib.util.find_spec("dask_jobqueue") is None, reason="no dask-jobqueue; pip install 'wilks[dask]' brings it"
)


@needs_jobqueue
@pytest.mark.parametrize(
    ("kind", "more", "lines"),
    [
        (
            "slurm",
            {"job_extra_directives": ["--constraint=fast"], "job_script_prologue": ["module load python"]},
            [
                "#!/usr/bin/env bash",
                "#SBATCH -J wilks-worker",
                "#SBATCH -e logs/wilks-worker-%J.err",
                "#SBATCH -o logs/wilks-worker-%J.out",
                "#SBATCH -p short",
                "#SBATCH -A physics",
                "#SBATCH -n 1",
                "#SBATCH --cpus-per-task=4",
                "#SBATCH --mem=8G",
                "#SBATCH -t 02:00:00",
                "#SBATCH --constraint=fast",
                "module load python",
            ],
        ),
        (
            "pbs",
            {"job_extra_directives": ["-m n"]},
            [
                "#!/usr/bin/env bash",
                "#PBS -N wilks-worker",
                "#PBS -q short",
                "#PBS -A physics",
                "#PBS -l select=1:ncpus=4:mem=8192MB",
                "#PBS -l walltime=02:00:00",
                "#PBS -e logs/",
                "#PBS -o logs/",
                "#PBS -m n",
            ],
        ),
    ],
)
def test_a_script_asks_for_what_was_given(tmp_path, monkeypatch, kind, more, lines):
    monkeypatch.chdir(tmp_path)
    asked = {"cores": 4, "memory": "8GiB", "walltime": "02:00:00", "queue": "short", "account": "physics"}
    executor = wilks.DaskExecutor.on_queue(kind, n_jobs=3, log_directory="logs", **asked, **more)
    assert executor.n_workers == 12
    assert executor.name == f"Dask on {kind} (12 workers)"
    *head, command = [line for line in executor.job_script().splitlines() if line]
    assert head == lines
    assert command.startswith(f"{sys.executable} -m distributed.cli.dask_worker tcp://host:port ")
    assert "--nthreads 1 --memory-limit 2.00GiB --nworkers 4 --nanny --death-timeout 60" in command


@needs_jobqueue
@pytest.mark.parametrize(("kind", "command"), [("slurm", "sbatch"), ("pbs", "qsub")])
def test_a_machine_that_cannot_submit_is_told(monkeypatch, tmp_path, kind, command):
    monkeypatch.setenv("PATH", str(tmp_path))
    executor = wilks.DaskExecutor.on_queue(kind)
    with pytest.raises(wilks.InvalidConfigurationError, match=f"needs the command {command}, which is not on PATH"):
        wilks.fit(PROBLEM, executor=executor, seed=1)


def test_wrong_queues_are_refused():
    with pytest.raises(wilks.InvalidConfigurationError, match=r"expected one of slurm, pbs, .*, got 'slrum'"):
        Queue("slrum")
    with pytest.raises(wilks.InvalidConfigurationError, match="expected a positive n_jobs, got 0"):
        Queue("slurm", n_jobs=0)


def test_dask_may_be_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(wilks.MissingDependencyError, match=r"needs distributed: pip install 'wilks\[dask\]'"):
        wilks.DaskExecutor()
    with pytest.raises(wilks.MissingDependencyError, match="needs dask-jobqueue"):
        wilks.DaskExecutor.on_queue("slurm")


@needs_jobqueue
@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({"dask": 3}, "Dask (3 workers)"),
        ({"slurm": {"n_jobs": 2, "cores": 4, "walltime": "00:10:00"}}, "Dask on slurm (8 workers)"),
        ({"sharded": {"pbs": {"n_jobs": 2}}}, "shards on Dask on pbs (2 workers)"),
        ({"sharded": "serial"}, "shards on serial"),
    ],
)
def test_a_configuration_names_executors(choice, name):
    assert executors.make(executors.check(choice)).name == name


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"dask": 0}, "expected a number of workers, at least 1, got 0"),
        ({"slurm": 4}, "expected what a job asks for, such as {n_jobs: 2, cores: 4}, got 4"),
        ({"slurm": {"memroy": "1GB"}}, "unknown key, did you mean 'memory'?"),
        ({"pbs": {"cores": "4"}}, "expected a number, at least 1, got '4'"),
        ({"pbs": {"walltime": 3600}}, "expected text (in quotes, if it holds a colon), got 3600"),
        ({"sharded": {"sharded": "serial"}}, "expected one of serial, "),
        ({"sharded": "threads"}, "expected one of serial, "),
    ],
)
def test_a_wrong_configuration_is_refused(choice, text):
    with pytest.raises(PydanticCustomError) as error:
        executors.check(choice)
    assert text in str(error.value)


def test_mpiexec_decides_within_shards_too(monkeypatch):
    monkeypatch.setattr(executors, "launch", lambda: launch.Launch(0, 2))
    monkeypatch.setattr(executors, "_mpi", lambda n_workers: wilks.SerialExecutor())
    assert executors.make({"sharded": {"slurm": {}}}).name == "shards on serial"


@needs_jobqueue
def test_ctrl_c_means_what_it_meant(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "dask_jobqueue"]:
        monkeypatch.delitem(sys.modules, name)  # its import sets a handler
    handler = signal.getsignal(signal.SIGINT)
    wilks.DaskExecutor.on_queue("slurm").job_script()
    assert signal.getsignal(signal.SIGINT) is handler
