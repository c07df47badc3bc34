"""Errors to one message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from wilks.core.errors import InvalidConfigurationError, WilksError

_FAILED, _WRONG_USAGE = 1, 2

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]


@contextmanager
def errors_shown(debug: bool) -> Iterator[None]:
    """Turn errors into one message and an exit code."""
    try:
        yield
    except InvalidConfigurationError as error:
        _fail(error, _WRONG_USAGE, debug=debug)
    except (WilksError, OSError) as error:
        _fail(error, _FAILED, debug=debug)


def _fail(error: WilksError | OSError, code: int, *, debug: bool) -> None:
    if isinstance(error, BrokenPipeError):
        raise error
    if debug:
        import traceback

        traceback.print_exception(error)
    else:
        text = str(error)
        if not isinstance(error, WilksError) and error.filename:
            text = f"{error.filename}: {error.strerror}"
        print(text, file=sys.stderr)
    raise typer.Exit(code)
