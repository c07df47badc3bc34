import inspect
from pathlib import Path

import pytest

import wilks
from wilks.cli.config import validate
from wilks.cli.stages import STAGES, Fit, Profile
from wilks.store.document import parse

GOOD = """\
problem: wilks.problems:supernova
stages:
  - search: {algorithm: parallel_tempering, options: {n_replicas: 8, initial: {vertices: 4}}, n_evaluations: 2000}
  - fit: {n_starts: 20}
  - profile: {over: [omega_m, w], grid: [61, 61], roi_threshold: 6}
  - profile:
      over: [omega_m]
      grid: {omega_m: [0.1, 0.2, 0.5]}
      fix: {w: -1}
      stop: {seconds: 5}
  - volume: {n_walkers: 200, options: {sigma_fraction: 0.2}, samples: volume.csv}
  - sample: {method: nuts, options: {target_accept: 0.95}, fix: {w: -1}}
  - compare:
  - report: {title: All of it}
"""


def configured(text, path="config.yaml"):
    return validate(parse(text, Path(path)))


def message_of(text):
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        configured(text)
    return str(error.value)


def with_stages(stages):
    return f"problem: a:b\nstages:\n{stages}"


def test_defaults():
    config = configured("problem: a:b\nstages:\n  - fit: {}\n", "some/config.yaml")
    assert (config.seed, config.executor, config.folder) == (1, "serial", Path("some/run"))
    assert config.stages == (Fit(),)


def test_headings():
    assert [stage.heading() for stage in configured(GOOD).stages] == [
        "search by parallel tempering",
        "fit",
        "profile of omega_m, w",
        "profile of omega_m with w=-1",
        "volume",
        "posterior by nuts with w=-1",
        "comparison",
        "All of it",
    ]


def test_explicit_nodes_and_numbers():
    stage = configured(with_stages("  - profile: {over: [a, b], grid: {b: 41, a: [0.1, 1e-8]}}\n")).stages[0]
    nodes = stage._nodes()
    assert nodes[0].tolist() == [0.1, 1e-8]
    assert nodes[1] == 41


CASES = [
    (
        "stages:\n  - fit:\n  - profil: {}\n",
        ["1: problem: this key is required", "3: stages.1.profil: unknown key, did you mean 'profile'?"],
    ),
    (
        "problem: 1\nrun: ''\nseed: -1\nexecutor: process\nstages: []\nsedd: 3\n",
        [
            "1: problem: expected text, got 1",
            "2: run: expected text that is not empty, got ''",
            "3: seed: expected a number >= 0, got -1",
            (
                "4: executor: expected one of serial, processes, mpi, dask, {processes: 2}, {dask: 2}, "
                "{slurm: {n_jobs: 2}}, {pbs: {n_jobs: 2}}, {sharded: processes}, got 'process'"
            ),
            "5: stages: expected at least one entry, got a list of length 0",
            "6: sedd: unknown key, did you mean 'seed'?",
        ],
    ),
    (
        "problem: a:b\nexecutor: {processes: 0}\nstages: [fit: {}]\n",
        ["2: executor.processes: expected a number of workers, at least 1, got 0"],
    ),
    ("problem: a:b\nstages: 3\n", ["2: stages: expected a list, got 3"]),
    (
        "problem: a:b\nstages: [fit: {}]\nzzz: 3\n",
        ["3: zzz: unknown key; expected one of problem, run, seed, executor, stages"],
    ),
]

# The first line of a stage is line 3 of its file.
STAGE_CASES = [
    (
        "  - fit:\n    n_starts: 20\n",
        [
            (
                "3: stages.0: expected one key, one of search, fit, profile, volume, sample, compare, report, "
                "got the keys fit, n_starts; indent what belongs to 'fit'"
            )
        ],
    ),
    (
        "  - fit\n",
        [
            (
                "3: stages.0: expected one of search, fit, profile, volume, sample, compare, report as a key with its "
                "settings, got 'fit'"
            )
        ],
    ),
    (
        "  - {}\n",
        [
            (
                "3: stages.0: expected one key, one of search, fit, profile, volume, sample, compare, report, "
                "got an empty mapping"
            )
        ],
    ),
    ("  - fit: 3\n", ["3: stages.0.fit: expected a mapping (key: value), got 3"]),
    ("  - fit:\n      n_start: 3\n", ["4: stages.0.fit.n_start: unknown key, did you mean 'n_starts'?"]),
    (
        "  - fit: {n_starts: 2.5, stop: {second: 3}, fix: {a: [1]}}\n",
        [
            "3: stages.0.fit.fix.a: expected one value (a number or text), got a list of length 1",
            "3: stages.0.fit.stop.second: unknown key, did you mean 'seconds'?",
            "3: stages.0.fit.n_starts: expected a whole number, got 2.5",
        ],
    ),
    ("  - fit: {n_starts: true}\n", ["3: stages.0.fit.n_starts: expected a whole number, got true"]),
    ("  - fit: {n_starts: '3'}\n", ["3: stages.0.fit.n_starts: expected a whole number, got '3'"]),
    ("  - fit: {stop: {seconds: 0}}\n", ["3: stages.0.fit.stop.seconds: expected a number > 0, got 0"]),
    ("  - profile: {grid: [3]}\n", ["3: stages.0.profile.over: this key is required"]),
    ("  - profile: {over: w}\n", ["3: stages.0.profile.over: expected a list, got 'w'"]),
    ("  - profile: {over: []}\n", ["3: stages.0.profile.over: expected at least one entry, got a list of length 0"]),
    (
        "  - profile:\n      over: [a, b]\n      grid: [3]\n",
        ["5: stages.0.profile.grid: expected 2 entries, one for each of a, b, got 1"],
    ),
    (
        "  - profile:\n      over: [a]\n      grid:\n        a: 3\n        b: 3\n",
        ["7: stages.0.profile.grid.b: expected one entry for each of a: 'b' is not in 'over'"],
    ),
    (
        "  - profile: {over: [a, b], grid: {a: 3}}\n",
        ["3: stages.0.profile.grid: expected one entry for each of a, b: no entry for 'b'"],
    ),
    ("  - profile: {over: [a, a]}\n", ["3: stages.0.profile.over.1: 'a' is there twice"]),
    (
        "  - profile: {over: [a], fix: {a: 1}}\n",
        ["3: stages.0.profile.over.0: 'a' is fixed in this stage, it cannot be profiled too"],
    ),
    (
        "  - profile:\n      over: [a]\n      grid:\n        - - 1\n          - y\n",
        ["7: stages.0.profile.grid.0.1: expected a number, got 'y'"],
    ),
    ("  - profile: {over: [a], grid: [1]}\n", ["3: stages.0.profile.grid.0: expected at least 2 nodes, got 1"]),
    (
        "  - profile: {over: [a], grid: 3}\n",
        [
            (
                "3: stages.0.profile.grid: expected a list in the order of 'over', "
                "such as [41, 41], or a mapping by name, got 3"
            )
        ],
    ),
    (
        "  - profile: {over: [a], roi_threshold: .inf}\n",
        ["3: stages.0.profile.roi_threshold: expected a finite number, got inf"],
    ),
    ("  - profile: {over: [a], audit: 1e3}\n", ["3: stages.0.profile.audit: expected a whole number, got 1000.0"]),
    (
        "  - compare: {}\n  - fit:\n",
        ["3: stages.0.compare: there is nothing to show yet: no search, fit, profile or sample comes before it"],
    ),
]


@pytest.mark.parametrize(("text", "lines"), [*CASES, *((with_stages(stages), lines) for stages, lines in STAGE_CASES)])
def test_messages(text, lines):
    assert message_of(text).splitlines() == [f"config.yaml:{line}" for line in lines]


PROBLEM = wilks.LikelihoodProblem(
    wilks.Space(omega_m=wilks.Real(0, 1), w=wilks.Real(-3, 0), kind=wilks.Categorical(["a", "b"]), h=0.7), lambda v: 0.0
)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("fit: {fix: {omega_n: 1}}", "stages.0.fit.fix.omega_n: unknown parameter 'omega_n', did you mean 'omega_m'?"),
        ("fit: {fix: {zzz: 1}}", "stages.0.fit.fix.zzz: unknown parameter 'zzz'; expected one of omega_m, w, kind"),
        ("fit: {start: {w: -4}}", "stages.0.fit.start.w: expected a value in [-3.0, 0.0], got -4"),
        ("fit: {fix: {h: 0.6}}", "stages.0.fit.fix.h: 'h' is a constant of the problem"),
        (
            "fit: {fix: {omega_m: 0.3, w: -1, kind: a}}",
            "stages.0.fit.fix: every parameter is fixed, none is left to vary",
        ),
        ("profile: {over: [omegam]}", "stages.0.profile.over.0: unknown parameter 'omegam', did you mean 'omega_m'?"),
        (
            "profile: {over: [w], grid: {w: [-1, 5]}}",
            "stages.0.profile.grid.w.1: expected a value in [-3.0, 0.0], got 5.0",
        ),
        (
            "profile: {over: [omega_m, w], grid: [5, [-1, 5]]}",
            "stages.0.profile.grid.1.1: expected a value in [-3.0, 0.0], got 5.0",
        ),
    ],
)
def test_names_and_values_are_checked_against_the_problem(stage, message):
    config = configured(with_stages(f"  - {stage}\n"))
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        config.check_names(PROBLEM)
    assert str(error.value) == f"config.yaml:3: {message}"


def test_right_names_pass():
    text = "  - fit: {fix: {kind: b}, start: {w: -1}}\n  - profile: {over: [w, kind], grid: [3, 2]}\n"
    configured(with_stages(text)).check_names(PROBLEM)


def test_resolved_is_complete_and_stays_the_same(tmp_path):
    config = configured(GOOD, tmp_path / "config.yaml")
    text = config.resolved()
    again = configured(text, config.folder / "config.resolved.yaml")
    assert (again.stages, again.seed, again.executor, again.problem) == (
        config.stages,
        config.seed,
        config.executor,
        config.problem,
    )
    assert again.folder.resolve() == config.folder.resolve()
    assert again.resolved() == text
    for verb in STAGES:
        assert f"{verb}:" in text
    for key in Profile.model_fields:
        assert f"{key}:" in text


@pytest.mark.parametrize(
    ("problem", "run", "expected"),
    [
        ("my.py:problem", "run", "../my.py:problem"),
        ("my.py:problem", "runs/first", "../../my.py:problem"),
        ("{base}/my.py:problem", "run", "{base}/my.py:problem"),
        ("my.py:problem", "../elsewhere", "{base}/my.py:problem"),
        ("package.module:problem", "run", "package.module:problem"),
    ],
)
def test_problem_file_is_found_from_the_run_folder(tmp_path, problem, run, expected):
    base = tmp_path / "project"
    text = f"problem: {problem.format(base=base)}\nrun: {run}\nstages: [fit: {{}}]\n"
    config = configured(text, base / "config.yaml")
    again = configured(config.resolved(), config.folder / "config.resolved.yaml")
    assert again.problem == expected.format(base=base)


def test_key_is_that_of_the_work():
    plain, titled = Fit(n_starts=3), Fit(n_starts=3, title="first")
    assert plain.key(1) == titled.key(1)
    assert len({plain.key(1), plain.key(2), Fit(n_starts=4).key(1), Fit(n_starts=3, fix={"a": 1}).key(1)}) == 4


@pytest.mark.parametrize("verb", ["search", "fit", "profile"])
def test_defaults_are_those_of_the_verbs(verb):
    parameters = inspect.signature(getattr(wilks, verb)).parameters
    for name, field in STAGES[verb].model_fields.items():
        if name not in ("title", "fix", "algorithm", "options"):  # the verb takes an object for the last two
            default = parameters[name].default
            expected = inspect.Parameter.empty if field.is_required() else field.default
            assert default == expected or (name == "stop" and not default), name


def test_the_configuration_of_an_application_is_sent_to_its_commands():
    assert message_of("data: {file: a.h5}\nmodel: {mode: static}\n") == (
        "config.yaml: this is the configuration of an XPCS analysis; for it use wilks xpcs fit, info and plot"
    )
