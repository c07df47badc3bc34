"""The executors that a configuration can name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wilks.cli.document import shorten, wrong

Choice = str | dict[str, int]
"""``"serial"``, ``"processes"`` (as many as there are cores) or ``{"processes": 2}``."""


def _serial(n_workers: int | None) -> Any:  # noqa: ANN401, ARG001 - executors share no base; all take the number
    import wilks

    return wilks.SerialExecutor()


def _processes(n_workers: int | None) -> Any:  # noqa: ANN401 - see above
    import wilks

    return wilks.ProcessExecutor(n_workers)


_EXECUTORS: dict[str, Callable[[int | None], Any]] = {"serial": _serial, "processes": _processes}
_WITH_WORKERS = ("processes",)


def check(choice: object) -> Choice:
    """Validate what a configuration says.

    Raises
    ------
    PydanticCustomError
        If it names no executor.
    """
    known = ", ".join([*_EXECUTORS, *(f"{{{name}: 2}}" for name in _WITH_WORKERS)])
    if isinstance(choice, str):
        if choice in _EXECUTORS:
            return choice
    elif isinstance(choice, dict) and len(choice) == 1:
        ((name, n_workers),) = choice.items()
        if name in _WITH_WORKERS:
            if n_workers is None:
                return str(name)
            if isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 1:
                raise wrong(f"expected a number of workers, at least 1, got {shorten(n_workers)}", at=(name,))
            return {str(name): n_workers}
    raise wrong(f"expected one of {known}, got {shorten(choice)}")


def make(choice: Choice) -> Any:  # noqa: ANN401 - see above
    """Return the executor of a valid choice."""
    name, n_workers = (choice, None) if isinstance(choice, str) else next(iter(choice.items()))
    return _EXECUTORS[name](n_workers)
