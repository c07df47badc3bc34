"""Loading the user's problem: ``module:name`` or ``file.py:name``.

Whatever goes wrong in the user's file is shown with the user's own part of the traceback, below a sentence that
says what was expected.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType

from wilks.cli.config import is_file
from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.problem import Problem
from wilks.store.document import suggestion

_EXPECTED = "a wilks.LikelihoodProblem, a wilks.ResidualProblem, or a function without arguments that returns one"


def load_problem(reference: str, folder: Path) -> Problem:
    """Return the problem that a configuration names.

    Parameters
    ----------
    reference
        ``module:name``, or ``file.py:name`` with a path relative to `folder`.
    folder
        Folder of the configuration.

    Raises
    ------
    InvalidConfigurationError
        If there is no such file, module or name.
    InvalidProblemError
        If the user's code fails, or gives something else than a problem.
    """
    source, _, name = reference.rpartition(":")
    if not source or not name:
        raise InvalidConfigurationError(
            f"problem: expected 'module:name' or 'file.py:name', got {reference!r}; "
            "name is that of a problem, or of a function that returns one"
        )
    module = _from_file(source, folder) if is_file(source) else _from_module(source)
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise InvalidConfigurationError(
                f"problem: {source} has no {part!r}{suggestion(part, _candidates(module) or ['(none found)'])}"
            )
        found = getattr(found, part)
    problem = _called(found, reference)
    if not isinstance(problem, Problem):
        returned = "" if problem is found else " returned by the function"
        raise InvalidProblemError(
            f"problem: {reference}: expected {_EXPECTED}, got a {type(problem).__name__}{returned}"
        )
    return problem


def _called(found: object, reference: str) -> object:
    if isinstance(found, (Problem, type)) or not callable(found):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise InvalidProblemError(
            f"problem: {reference}: expected {_EXPECTED}, got a function with arguments ({error})"
        ) from None
    with _UserCode(f"problem: {reference}: the function failed"):
        return found()


def _candidates(module: ModuleType) -> list[str]:
    """Names in a module that could be meant: problems, and functions without arguments."""
    return [name for name, item in vars(module).items() if not name.startswith("_") and _could_be_meant(item, module)]


def _could_be_meant(item: object, module: ModuleType) -> bool:
    if inspect.isfunction(item):
        return item.__module__ == module.__name__ and not inspect.signature(item).parameters
    return isinstance(item, Problem)


def _from_file(name: str, folder: Path) -> ModuleType:
    """Import a file under its own name, so that worker processes can import it too."""
    path = (folder / name).resolve()
    if not path.is_file():
        raise InvalidConfigurationError(f"problem: there is no file {path}; the path is relative to {folder.resolve()}")
    known = sys.modules.get(path.stem)
    if known is not None:
        if getattr(known, "__file__", None) and Path(str(known.__file__)).resolve() == path:
            return known
        raise InvalidConfigurationError(
            f"problem: {name} has the name of a module that is in use ({path.stem}); rename the file"
        )
    _make_importable(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InvalidConfigurationError(f"problem: {name}: expected a Python file whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    _forget_bytecode(path)
    with _UserCode(f"problem: {name} cannot be imported", undo=path.stem):
        spec.loader.exec_module(module)
    return module


def _forget_bytecode(path: Path) -> None:
    """Remove the compiled file: Python takes it for current after a change of the same length in the same second."""
    if sys.implementation.cache_tag is None:  # this Python keeps none
        return
    with contextlib.suppress(OSError):
        Path(importlib.util.cache_from_source(path)).unlink()


def _from_module(name: str) -> ModuleType:
    try:
        found = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        found = False
    except ValueError:
        found = name in sys.modules
    if not found:
        raise InvalidConfigurationError(
            f"problem: no module {name!r} is installed; "
            "a file is named with its ending and relative to the configuration, such as my_likelihood.py:problem"
        )
    with _UserCode(f"problem: the module {name} cannot be imported"):
        return importlib.import_module(name)


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


class _UserCode:
    """Turns whatever the user's code raises into an error of wilks that shows the user's part of the traceback."""

    def __init__(self, sentence: str, *, undo: str | None = None) -> None:
        self._sentence = sentence
        self._undo = undo

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Translate."""
        if error is None:
            return
        if self._undo:
            sys.modules.pop(self._undo, None)
        if isinstance(error, (Exception, SystemExit)):
            raise InvalidProblemError(f"{self._sentence}:\n\n{_own_traceback(error)}") from error


def _own_traceback(error: BaseException) -> str:
    """Return the traceback without the frames of the import machinery and of this package."""
    here = str(Path(__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((here, "<frozen importlib"))
    ]
    head = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
    return "".join([*head, *traceback.format_exception_only(error)]).rstrip()
