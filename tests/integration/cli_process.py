"""Runs of the command line, in processes of their own or in this one, with a likelihood that counts its calls."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import wilks
from wilks.cli.main import app

SOURCE = Path(__file__).parents[2] / "src"
COMMAND = [sys.executable, "-c", "from wilks.cli.main import main; main()"]
# To draw takes longer than most of these runs.
WITHOUT_PICTURES = [
    sys.executable,
    "-c",
    "import wilks.cli.run; wilks.cli.run.draw_pictures = lambda *_, **__: []; from wilks.cli.main import main; main()",
]

MODEL = """\
import os
import time

import wilks


def log_likelihood(values):
    with open(os.environ["MODEL_CALLS"], "a") as calls:
        calls.write("x\\n")
    time.sleep(float(os.environ["MODEL_SECONDS"]))
    x, y, z = values["x"], values["y"], values["z"]
    return -0.5 * ((x - 0.3) ** 2 / 0.01 + (y - x**2) ** 2 / 0.02 + (z - x * y) ** 2 / 0.05)


space = wilks.Space(x=wilks.Real(-1, 1), y=wilks.Real(-1, 1), z=wilks.Real(-2, 2))
problem = wilks.LikelihoodProblem(space, log_likelihood, name="model")
"""

CONFIG = """\
problem: model.py:problem
seed: 3
stages:
  - fit: {n_starts: 4}
  - profile: {over: [x, y], grid: [9, 9], audit: 4}
"""


class Project:
    """A folder with a configuration and a model, and what can be done in it."""

    def __init__(self, folder: Path, config: str = CONFIG, model: str = MODEL, *, pictures: bool = False) -> None:
        self.folder = folder
        self.command = COMMAND if pictures else WITHOUT_PICTURES
        self.calls = folder / "calls.txt"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(config)
        (folder / "model.py").write_text(model)
        self.calls.write_text("")

    def start(self, *arguments: str, seconds: float = 0.0) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "MODEL_CALLS": str(self.calls),
            "MODEL_SECONDS": str(seconds),
        }
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wilks(self, *arguments: str, seconds: float = 0.0) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, seconds=seconds) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def invoke(self, *arguments: str, seconds: float = 0.0) -> subprocess.CompletedProcess[str]:
        """Run a command line in this process, for tests that are not about processes, and forget its model."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MODEL_CALLS", str(self.calls))
            patch.setenv("MODEL_SECONDS", str(seconds))
            patch.chdir(self.folder)
            patch.setattr(sys, "path", list(sys.path))
            if self.command is WITHOUT_PICTURES:
                patch.setattr("wilks.cli.run.draw_pictures", lambda *_, **__: [])
            for name in ("model", "my_likelihood", "regression"):  # of another test that has left it here
                patch.delitem(sys.modules, name, raising=False)
            known = set(sys.path)
            try:
                done = CliRunner().invoke(app, arguments, catch_exceptions=False)
            finally:
                for name, module in list(sys.modules.items()):
                    if str(Path(getattr(module, "__file__", None) or "/").parent) in set(sys.path) - known:
                        del sys.modules[name]
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def end_by(self, number: signal.Signals, after_calls: int, *arguments: str, seconds: float) -> tuple[int, str, str]:
        """Start, send a signal when so many more calls were made, and wait for the end."""
        wanted = self.n_calls + after_calls
        with self.start(*arguments, seconds=seconds) as process:
            deadline = time.monotonic() + 60
            while self.n_calls < wanted and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    @property
    def n_calls(self) -> int:
        return self.calls.stat().st_size // 2

    @property
    def n_logged(self) -> int:
        path = self.folder / "run" / "run.sqlite"
        if not path.exists():
            return 0
        with wilks.EvaluationLog(path, read_only=True) as log:
            return len(log)

    def result(self, pattern: str):
        (path,) = (self.folder / "run" / "results").glob(pattern)
        return wilks.load(path)
