"""The commands of a documentation page, carried out in this process and compared with what the page shows."""

import doctest
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.painting import do_not_paint
from wilks.cli.main import app

ROOT = Path(__file__).parents[2]
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Command:
    """A line with a prompt, and the lines that the page shows after it."""

    place: str
    text: str
    shown: str


def commands_of(page: Path) -> list[Command]:
    """Return the commands of the blocks marked ``console``, from top to bottom of a page."""
    found = []
    text = page.read_text(encoding="utf-8")
    for block in re.finditer(r"^```console\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        line_number = text.count("\n", 0, block.start(1)) + 1
        head, *parts = re.split(r"^\$ ", block[1], flags=re.MULTILINE)
        assert not head, f"{page}:{line_number}: a console block begins with a prompt"
        for part in parts:
            command, _, shown = part.partition("\n")
            found.append(Command(f"{page.name}:{line_number}", command, shown))
            line_number += part.count("\n")
    return found


def run_commands(page: str | Path) -> None:
    """Carry out all commands of a page in the working folder.

    A command must end with the exit code 0, unless ``echo $?`` follows and shows another one. What it prints must be
    what the page shows, with ``...`` for anything; where the page shows nothing, everything will do. Commands are
    those of ``wilks``, ``cp`` (from the root of the repository) and ``echo $?``.

    Parameters
    ----------
    page
        Path in the repository.
    """
    commands = commands_of(ROOT / page)
    assert commands, f"{page} has no commands"
    code = 0
    for command, following in zip(commands, [*commands[1:], None], strict=True):
        name, *arguments = shlex.split(command.text, comments=True)
        if command.text == "echo $?":
            output = f"{code}\n"
        elif name == "cp":
            _copy(arguments)
            output = ""
        else:
            assert name == "wilks", f"{command.place}: {name} is not known here"
            code, output = _run(arguments)
            asked = following is not None and following.text == "echo $?"
            assert code == 0 or asked, f"{command.place}: {command.text} ended with {code}:\n{output}"
        _compare(command, output)


def _run(arguments: list[str]) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patch:
        do_not_paint(patch)
        result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def _copy(arguments: list[str]) -> None:
    *patterns, target = arguments
    for pattern in patterns:
        for path in ROOT.glob(pattern):
            shutil.copy2(path, target)


def _compare(command: Command, output: str) -> None:
    output = output.replace(f"{Path.cwd()}/", "")
    if command.shown and not doctest.OutputChecker().check_output(command.shown, output, _FLAGS):
        raise AssertionError(f"{command.place}: $ {command.text}\nshown:\n{command.shown}\nprinted:\n{output}")
