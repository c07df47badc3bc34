from pathlib import Path

import pytest

import wilks
from wilks.cli.config import validate
from wilks.cli.overrides import Overrides
from wilks.store.document import parse

TEXT = "problem: a:b\nstages:\n  - fit: {n_starts: 3}\n"


def overridden(**given):
    document = parse(TEXT, Path("config.yaml"))
    Overrides(**given).apply(document)
    return validate(document)


def test_set():
    config = overridden(
        settings=("stages.0.fit.n_starts=5", "run=elsewhere", "stages.1={profile: {over: [a], roi_threshold: 1e1}}")
    )
    assert config.stages[0].n_starts == 5
    assert config.folder == Path("elsewhere")
    assert config.stages[1].roi_threshold == 10.0


@pytest.mark.parametrize(
    ("given", "executor"),
    [
        ({}, "serial"),
        ({"executor": "processes"}, "processes"),
        ({"workers": 3}, {"processes": 3}),
        ({"executor": "processes", "workers": 3}, {"processes": 3}),
    ],
)
def test_executor(given, executor):
    assert overridden(**given).executor == executor


def test_seed():
    assert overridden(seed=7).seed == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"settings": ("stages.0.fit.n_start=5",)},
            "--set stages.0.fit.n_start=5: stages.0.fit.n_start: unknown key, did you mean 'n_starts'?",
        ),
        ({"settings": ("seed",)}, "--set: expected KEY=VALUE, such as seed=2, got 'seed'"),
        ({"settings": ("=3",)}, "--set: expected KEY=VALUE, such as seed=2, got '=3'"),
        ({"settings": ("seed=[1",)}, "--set seed=[1: not valid YAML: '[1'"),
        ({"settings": ("stages.7.fit={}",)}, "--set stages.7.fit={}: stages has 1 entries, counted from 0; got 7"),
        ({"seed": -1}, "--seed -1: seed: expected a number >= 0, got -1"),
        (
            {"executor": "threads"},
            (
                "--executor threads: executor: expected one of serial, processes, mpi, dask, {processes: 2}, "
                "{dask: 2}, {slurm: {n_jobs: 2}}, {pbs: {n_jobs: 2}}, {sharded: processes}, got 'threads'"
            ),
        ),
        ({"workers": 0}, "--workers 0: executor.processes: expected a number of workers, at least 1, got 0"),
        (
            {"executor": "serial", "workers": 2},
            (
                "--workers 2: executor: expected one of serial, processes, mpi, dask, {processes: 2}, {dask: 2}, "
                "{slurm: {n_jobs: 2}}, {pbs: {n_jobs: 2}}, {sharded: processes}, got the keys serial"
            ),
        ),
    ],
)
def test_messages_name_the_option(given, message):
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        overridden(**given)
    assert str(error.value) == message
