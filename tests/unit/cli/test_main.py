import pytest
from typer.testing import CliRunner

import wilks
from wilks.cli.config import validate
from wilks.cli.loading import load_problem
from wilks.cli.main import app
from wilks.store.document import read

RUNNER = CliRunner()


def invoke(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def test_version():
    answer = invoke("--version")
    assert (answer.exit_code, answer.output) == (0, f"wilks {wilks.__version__}\n")


def test_help_lists_the_commands():
    answer = invoke("--help")
    assert answer.exit_code == 0
    for command in ("run", "status", "report", "export", "init"):
        assert f"  {command} " in answer.output


@pytest.mark.parametrize("arguments", [["--nonsense"], ["walk"], ["run"], ["run", "a", "b"], ["export", "run"]])
def test_wrong_usage(arguments):
    assert invoke(*arguments).exit_code == 2


def test_init_writes_what_can_be_run(tmp_path):
    answer = invoke("init", tmp_path / "new")
    assert answer.exit_code == 0, answer.output
    assert answer.output.endswith(f"Now run: wilks run {tmp_path}/new/config.yaml\n")
    config = validate(read(tmp_path / "new" / "config.yaml"))
    assert [stage.verb for stage in config.stages] == ["fit", "profile", "profile", "compare", "report"]
    config.check_names(load_problem(config.problem, config.base))


def test_every_option_in_the_starter_is_one(tmp_path):
    """What stands behind a # in the configuration is valid too, once the # is taken away."""
    invoke("init", tmp_path)
    path = tmp_path / "config.yaml"
    examples = (
        "title:",
        "n_starts:",
        "start:",
        "fix:",
        "stop:",
        "  n_evaluations:",
        "  seconds:",
        "roi_",
        "audit:",
        "options: {acc",
    )
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        body = line.strip().removeprefix("# ")
        if line.strip().startswith("#") and body.startswith(examples):
            lines[number] = line.replace("# ", "", 1)
    path.write_text("\n".join(lines))
    config = validate(read(path))
    fit, profile = config.stages[:2]
    assert fit.stop.seconds == 3600
    assert fit.fix == {"background": 10.0}
    assert profile.audit == 12


@pytest.mark.parametrize("name", ["config.yaml", "my_likelihood.py"])
def test_init_overwrites_nothing(tmp_path, name):
    (tmp_path / name).write_text("precious")
    answer = invoke("init", tmp_path)
    assert answer.exit_code == 2
    assert f"{tmp_path}/{name}: already there" in answer.output
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "no.yaml"], "no.yaml: cannot be read: No such file or directory"),
        (
            ["run", "."],
            (
                ".: there is no run in this folder (config.resolved.yaml is missing); expected a configuration "
                "file or a run folder"
            ),
        ),
        (["status", "."], ".: there is no run in this folder; expected a run folder, or a configuration that was run"),
        (["report", "."], ".: there is no run in this folder; expected a run folder, or a configuration that was run"),
        (
            ["export", ".", "--format", "csv"],
            ".: there is no run in this folder; expected a run folder, or a configuration that was run",
        ),
        (["export", ".", "--format", "xls"], "--format: expected one of csv, hdf5, parquet, netcdf, npz, got 'xls'"),
    ],
)
def test_one_clear_message_without_a_traceback(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    answer = invoke(*arguments)
    assert answer.exit_code == 2
    assert answer.stderr == message + "\n"
    assert not answer.stdout


def test_debug_shows_the_traceback(tmp_path):
    answer = invoke("run", tmp_path / "no.yaml", "--debug")
    assert answer.exit_code == 2
    assert "Traceback (most recent call last)" in answer.stderr
    assert "document.py" in answer.stderr
