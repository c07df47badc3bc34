"""Every error that wilks raises, under one root.

Each class also inherits the builtin that a caller would expect, so ``except ValueError`` and
``except wilks.WilksError`` both work. A message says what was expected, what was got, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wilks.core.result import Result


class WilksError(Exception):
    """Root of all errors raised by wilks."""


class InvalidProblemError(WilksError, ValueError):
    """The space, the likelihood or the residual cannot be used as given."""


class InvalidConfigurationError(WilksError, ValueError):
    """An argument, an option or a line of a configuration file is wrong."""


class InvalidDataError(WilksError, ValueError):
    """A data file or an array is not what the reader expects."""


class EvaluationError(WilksError, RuntimeError):
    """The user's function failed, and the run cannot go on without it.

    Parameters
    ----------
    message
        What happened, in plain words.
    values
        The parameter values of the failed call, by name.
    traceback
        The traceback of the user's function, as text.
    worker
        Number of the worker that made the call.
    """

    def __init__(
        self,
        message: str,
        *,
        values: Mapping[str, object] | None = None,
        traceback: str = "",
        worker: int | None = None,
    ) -> None:
        super().__init__(f"{message}\n\n{traceback}" if traceback else message)
        self.values = dict(values or {})
        self.traceback = traceback
        self.worker = worker


class _FailedError(WilksError, RuntimeError):
    """A verb that did not reach its goal; ``result`` holds what it did reach."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.status.message)
        self.result = result

    def __reduce__(self) -> tuple[type[_FailedError], tuple[Result]]:
        """Rebuild from the result: an error may have to travel between processes."""
        return type(self), (self.result,)


class FitFailedError(_FailedError):
    """A fit or a profile did not succeed (raised only with ``throw=True``)."""


class SearchFailedError(_FailedError):
    """A search did not succeed (raised only with ``throw=True``)."""


class SampleFailedError(_FailedError):
    """A posterior is not certified (raised only with ``throw=True``)."""


class CheckpointError(WilksError, OSError):
    """A run file cannot be read, cannot be written, or belongs to another problem."""


class MissingDependencyError(WilksError, ImportError):
    """An optional package is needed for this and is not installed."""

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        super().__init__(f"{purpose} needs {package}: pip install 'wilks[{extra}]'")
        self._given = (purpose, package, extra)

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str, str]]:
        """Rebuild from what was given: an error may have to travel between processes."""
        return type(self), self._given


class StopRun(Exception):  # noqa: N818 - a request, no error
    """Raised inside a user's function or a callback to end the run; everything evaluated so far is kept.

    The point at which a likelihood raises it is not recorded, and comes first when the run goes on.

    Examples
    --------
    >>> import wilks
    >>> def log_likelihood(values):
    ...     if values["x"] > 0.5:
    ...         raise wilks.StopRun
    ...     return -values["x"] ** 2
    >>> problem = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(-1, 1)), log_likelihood)
    >>> wilks.fit(problem, seed=1).status.outcome.name
    'STOPPED_BY_CALLBACK'
    """
