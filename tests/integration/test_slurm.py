"""Runs whose workers are jobs of a real Slurm; tools/start-slurm.sh starts one on a machine of one's own."""

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

SRC = str(Path(__file__).parents[2] / "src")


def answers():
    """Is there a Slurm here that takes jobs?"""
    if shutil.which("sbatch") is None:
        return False
    try:  # one that is there answers at once; without it, sinfo would wait for 9 seconds
        return subprocess.run(["sinfo", "--noheader"], capture_output=True, timeout=3, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(importlib.util.find_spec("dask_jobqueue") is None, reason="no dask-jobqueue; see wilks[dask]"),
    pytest.mark.skipif(not answers(), reason="no Slurm that answers; tools/start-slurm.sh starts one (as root)"),
]


def jobs(name):
    command = ["squeue", "--noheader", f"--name={name}", "--format=%i"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def gone(name):
    before = time.monotonic() + 60
    while jobs(name) and time.monotonic() < before:
        time.sleep(0.2)
    return not jobs(name)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What the jobs of a test ask for, with a name of their own."""
    monkeypatch.setenv("PYTHONPATH", SRC)  # the jobs get the environment of who submits them
    monkeypatch.chdir(tmp_path)
    name = f"wilks-{os.getpid()}-{time.monotonic_ns()}"
    yield {"n_jobs": 2, "memory": "400MB", "walltime": "00:05:00", "job_name": name, "local_directory": str(tmp_path)}
    for number in jobs(name):
        subprocess.run(["scancel", number], check=False)


def test_shards_in_jobs_give_the_fit_of_one_process(asked):
    shards = np.array_split(np.random.default_rng(1).normal(3.0, 2.0, 4000), 4)
    problem = wilks.AdditiveProblem(
        wilks.Space(mean=wilks.Real(-10, 10), width=wilks.Real(0.1, 10)),
        shards,
        lambda v, shard: [len(shard), ((shard - v["mean"]) ** 2).sum()],
        lambda v, total: -total[0] * np.log(v["width"]) - 0.5 * total[1] / v["width"] ** 2,
    )
    here = wilks.fit(problem, seed=1)
    with wilks.ShardedExecutor(wilks.DaskExecutor.on_queue("slurm", **asked)) as executor:
        there = wilks.fit(problem, seed=1, executor=executor)
        assert len(jobs(asked["job_name"])) == 2
    assert there.provenance.executor == "shards on Dask on slurm (2 workers)"
    assert there.best == here.best
    assert there.log_likelihood == here.log_likelihood
    assert gone(asked["job_name"])


SCRIPT = """
import sys
import time

import wilks


def log_likelihood(values):
    time.sleep(0.05)
    return -values["x"] ** 2


problem = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(-1, 1)), log_likelihood)
executor = wilks.DaskExecutor.on_queue("slurm", **{asked})
while True:
    search = wilks.search(problem, wilks.RandomSearch(), n_evaluations=20, executor=executor, seed=1)
    if search.status.outcome is wilks.Outcome.INTERRUPTED:
        sys.exit(130)
    print("searched", flush=True)
    {ending}
"""


@pytest.mark.parametrize("how", ["exception", "Ctrl-C"])
def test_jobs_end_with_a_script_that_does_not_close(asked, tmp_path, how):
    ending = "raise ValueError('by my own code')" if how == "exception" else "pass"
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(asked={**asked, "n_jobs": 1}, ending=ending))
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"searched\n"
        if how == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode
    assert gone(asked["job_name"])
