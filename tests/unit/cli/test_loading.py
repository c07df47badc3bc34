import os
import sys

import pytest

import wilks
from wilks.cli.loading import load_problem

MAKE = """
import wilks
space = wilks.Space(a=wilks.Real(0, 1))
def log_likelihood(values):
    return -values["a"]
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes a file and gives its name; the interpreter is left as it was."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write_file(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return name

    yield write_file
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def message_of(reference, folder, error=wilks.InvalidConfigurationError):
    with pytest.raises(error) as caught:
        load_problem(reference, folder)
    return str(caught.value)


def test_a_problem_of_an_installed_module(tmp_path):
    assert load_problem("wilks.problems:supernova", tmp_path).name == "supernova"


def test_a_problem_in_a_file(write, tmp_path):
    write("model_a.py", MAKE + "problem = wilks.LikelihoodProblem(space, log_likelihood)\n")
    problem = load_problem("model_a.py:problem", tmp_path)
    assert problem.space.free == ("a",)
    assert load_problem("model_a.py:problem", tmp_path) is problem


def test_a_change_of_the_same_length_in_the_same_second_is_seen(write, tmp_path):
    text = MAKE + "problem = wilks.LikelihoodProblem(space, log_likelihood, name='{}')\n"
    for name in ("one", "two"):
        write("model_c.py", text.format(name))
        os.utime(tmp_path / "model_c.py", (1e9, 1e9))
        assert load_problem("model_c.py:problem", tmp_path).name == name
        del sys.modules["model_c"]


def test_a_function_in_a_file_that_imports_its_neighbour(write, tmp_path):
    write("deep/neighbour_b.py", MAKE)
    write("deep/model_b.py", "import wilks\nfrom neighbour_b import space, log_likelihood\n"
          "def make():\n    return wilks.LikelihoodProblem(space, log_likelihood)\n")  # fmt: skip
    assert load_problem("deep/model_b.py:make", tmp_path).log_likelihood({"a": 1.0}) == -1.0


@pytest.mark.parametrize("reference", ["model.py", ":problem", "model.py:", "problem"])
def test_a_reference_of_another_form(reference, tmp_path):
    assert message_of(reference, tmp_path) == (
        f"problem: expected 'module:name' or 'file.py:name', got {reference!r}; "
        "name is that of a problem, or of a function that returns one"
    )


def test_no_such_file(tmp_path):
    assert message_of("nothing.py:problem", tmp_path).startswith(
        f"problem: there is no file {tmp_path.resolve()}/nothing.py; the path is relative to"
    )


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "wilks.no_such"])
def test_no_such_module(name, tmp_path):
    assert message_of(f"{name}:problem", tmp_path).startswith(f"problem: no module {name!r} is installed")


def test_no_such_name(write, tmp_path):
    write("model_c.py", MAKE + "problem = wilks.LikelihoodProblem(space, log_likelihood)\ndef make(): return problem\n")
    assert message_of("model_c.py:problm", tmp_path) == "problem: model_c.py has no 'problm', did you mean 'problem'?"
    assert message_of("model_c.py:zzz", tmp_path) == "problem: model_c.py has no 'zzz'; expected one of problem, make"


@pytest.mark.parametrize(
    ("code", "got"),
    [
        ("problem = 3", "got a int"),
        ("def problem():\n    return 'x'", "got a str returned by the function"),
        ("def problem(a, b=1):\n    return 'x'", "got a function with arguments (missing a required argument: 'a')"),
        ("import wilks\nproblem = wilks.LikelihoodProblem", "got a ABCMeta"),
    ],
)
def test_something_else_than_a_problem(write, tmp_path, code, got):
    write("model_d.py", code)
    message = message_of("model_d.py:problem", tmp_path, wilks.InvalidProblemError)
    assert message == (
        "problem: model_d.py:problem: expected a wilks.LikelihoodProblem, a wilks.ResidualProblem, or a function "
        f"without arguments that returns one, {got}"
    )
    del sys.modules["model_d"]


def test_an_error_in_the_file_shows_its_own_traceback(write, tmp_path):
    write("model_e.py", "def f():\n    return 1 / 0\n\n\nf()\n")
    message = message_of("model_e.py:problem", tmp_path, wilks.InvalidProblemError)
    assert message.startswith("problem: model_e.py cannot be imported:\n\nTraceback (most recent call last):\n")
    assert message.endswith("ZeroDivisionError: division by zero")
    assert 'model_e.py", line 5, in <module>' in message
    assert "line 2, in f" in message
    assert "loading.py" not in message
    assert "importlib" not in message
    assert "model_e" not in sys.modules


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("x = (\n", "SyntaxError: '(' was never closed"),
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_other_errors_in_the_file(write, tmp_path, code, end):
    write("model_f.py", code)
    message = message_of("model_f.py:problem", tmp_path, wilks.InvalidProblemError)
    assert 'model_f.py", line 1' in message
    assert message.endswith(end)


def test_an_error_in_the_function(write, tmp_path):
    write("model_g.py", "def problem():\n    raise OSError('no data')\n")
    message = message_of("model_g.py:problem", tmp_path, wilks.InvalidProblemError)
    assert message.startswith("problem: model_g.py:problem: the function failed:\n\nTraceback")
    assert message.endswith("OSError: no data")


def test_ctrl_c_while_loading_passes(write, tmp_path):
    write("model_h.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_problem("model_h.py:problem", tmp_path)


def test_a_file_with_the_name_of_a_module_in_use(write, tmp_path):
    write("numpy.py", "problem = 3\n")
    assert "rename the file" in message_of("numpy.py:problem", tmp_path)
