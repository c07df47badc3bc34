"""Progress of a fit: a bar in terminals, and lines in a log.

A callback of this module is called as homodyne does, ``callback(iteration, cost, params, info)``, or with the
``RunInfo`` of a verb of wilks, so it may stand in its ``callbacks``. The verbs show a bar of their own by default.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.loop.stopping import RunInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from numpy.typing import ArrayLike
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = [
    "HomodyneIterationLogger",
    "MultiStartProgressTracker",
    "ProgressConfig",
    "create_progress_callback",
    "create_streaming_progress_callback",
]

_LOGGER = "homodyne"


@dataclass
class ProgressConfig:
    """What to show.

    Attributes
    ----------
    enable_progress_bar
        Show a bar? Only terminals do.
    verbose
        0 quiet, 1 normal, 2 with a line for every `log_interval` iterations.
    log_interval
        Iterations between two lines.
    max_nfev
        Number of evaluations that is all of the bar.
    description
        What stands before the bar.

    Examples
    --------
    >>> ProgressConfig(verbose=2).log_interval
    10
    """

    enable_progress_bar: bool = True
    verbose: int = 1
    log_interval: int = 10
    max_nfev: int = 1000
    description: str = "NLSQ Fitting"

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in (("verbose", 0), ("log_interval", 1), ("max_nfev", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidConfigurationError(f"{name}: expected an integer >= {least}, got {value!r}")

    @classmethod
    def from_nlsq_config(
        cls,
        nlsq_config: Any,  # noqa: ANN401 - an NLSQConfig, or anything with its fields
        max_nfev: int | None = None,
        description: str = "NLSQ Fitting",
    ) -> ProgressConfig:
        """Take what an NLSQConfig says; `max_nfev` is its `max_iterations` by default."""
        return cls(
            nlsq_config.enable_progress_bar,
            nlsq_config.verbose,
            nlsq_config.log_iteration_interval,
            nlsq_config.max_iterations if max_nfev is None else max_nfev,
            description,
        )


class Bar:
    """A line that updates itself, in a terminal; nothing elsewhere."""

    def __init__(self, description: str, total: float, enabled: bool = True) -> None:
        self._progress: RichProgress | None = None
        self._task: TaskID | None = None
        if enabled and sys.stderr.isatty():
            self._start(description, total)

    def _start(self, description: str, total: float) -> None:
        from rich.console import Console  # noqa: PLC0415 - rich loads on use
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))
        self._task = self._progress.add_task(description, total=total, note="")
        self._progress.start()

    def show(self, completed: float, note: str = "") -> None:
        """Show how much is done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=completed, note=note)

    def close(self) -> None:
        """Leave the line as it is."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None


class HomodyneIterationLogger:
    """Writes iterations into a log: nothing if `verbose` is 0, else every `log_interval`-th one.

    Parameters
    ----------
    verbose
        At 2 and more the lines have the level INFO, at 1 DEBUG.
    log_interval
        Iterations between two lines.
    logger_instance
        Where to; the logger ``"homodyne"`` by default.
    """

    def __init__(self, verbose: int = 1, log_interval: int = 10, logger_instance: logging.Logger | None = None) -> None:
        if log_interval < 1:
            raise InvalidConfigurationError(f"log_interval: expected an integer >= 1, got {log_interval!r}")
        self.verbose, self.log_interval = verbose, log_interval
        self.logger = logging.getLogger(_LOGGER) if logger_instance is None else logger_instance
        self._began = time.perf_counter()

    def __call__(self, iteration: int, cost: float, params: ArrayLike | None, info: Any) -> None:  # noqa: ANN401 - as given
        """Write a line if it is time for one."""
        if self.verbose < 1 or iteration % self.log_interval:
            return
        level = logging.INFO if self.verbose > 1 else logging.DEBUG
        seconds = time.perf_counter() - self._began
        self.logger.log(level, "iteration %d: cost %.6g, %.1f s", iteration, cost, seconds)
        if self.verbose > 1 and params is not None:
            self.logger.debug("iteration %d: parameters %s", iteration, params)

    def close(self) -> None:
        """Write how long it took."""
        if self.verbose > 0:
            self.logger.debug("finished after %.1f s", time.perf_counter() - self._began)


class ProgressCallback:
    """Tells a bar and a log of every iteration."""

    def __init__(self, config: ProgressConfig, iteration_logger: HomodyneIterationLogger | None) -> None:
        self._config, self._logger = config, iteration_logger
        self._bar = Bar(config.description, config.max_nfev, config.enable_progress_bar)

    def __call__(
        self,
        iteration: int | RunInfo,
        cost: float = math.nan,
        params: ArrayLike | None = None,
        info: Any = None,  # noqa: ANN401 - handed on
    ) -> None:
        """Show an iteration, or the course of a run of wilks, whose cost is minus its best log-likelihood."""
        if isinstance(iteration, RunInfo):
            number, cost, info = iteration.n_evaluations, -iteration.best, iteration
        else:
            number = iteration
        self._bar.show(number, f"cost {cost:.6g}")
        if self._logger is not None:
            self._logger(number, cost, params, info)

    def close(self) -> None:
        """End the bar and the log."""
        self._bar.close()
        if self._logger is not None:
            self._logger.close()


def create_progress_callback(
    config: ProgressConfig | None = None,
    enable_progress_bar: bool = True,
    verbose: int = 1,
    log_interval: int = 10,
    max_nfev: int = 1000,
    description: str = "NLSQ Fitting",
) -> tuple[ProgressCallback | None, HomodyneIterationLogger | None]:
    """Return a callback with a bar and a log, and the log; None and None if nothing is to be shown.

    Parameters
    ----------
    config
        What to show; the other arguments are not looked at then.
    enable_progress_bar, verbose, log_interval, max_nfev, description
        As the attributes of `ProgressConfig`.

    Examples
    --------
    >>> callback, log = create_progress_callback(verbose=2, log_interval=5)
    >>> callback(1, 12.5, None, {})
    >>> callback.close()
    """
    chosen = config or ProgressConfig(enable_progress_bar, verbose, log_interval, max_nfev, description)
    log = HomodyneIterationLogger(chosen.verbose, chosen.log_interval) if chosen.verbose > 0 else None
    if log is None and not chosen.enable_progress_bar:
        return None, None
    return ProgressCallback(chosen, log), log


class MultiStartProgressTracker:
    """Shows how many starts are done; a context manager.

    Parameters
    ----------
    n_starts
        Number of starts.
    enable_progress_bar
        Show a bar?
    verbose
        At 1 the end is written into the log, at 2 every start.
    description
        What stands before the bar.

    Attributes
    ----------
    n_completed, n_successful
        Starts that have ended, and that have converged.
    best_chi_squared
        The least of those that have converged; infinite before.

    Examples
    --------
    >>> with MultiStartProgressTracker(2, enable_progress_bar=False) as tracker:
    ...     tracker.update(0, success=True, chi_squared=12.0)
    ...     tracker.update(1, success=False, chi_squared=40.0, message="no convergence")
    >>> tracker.n_completed, tracker.n_successful, tracker.best_chi_squared
    (2, 1, 12.0)
    """

    def __init__(
        self, n_starts: int, enable_progress_bar: bool = True, verbose: int = 1, description: str = "Multi-start NLSQ"
    ) -> None:
        if n_starts < 1:
            raise InvalidConfigurationError(f"n_starts: expected an integer >= 1, got {n_starts!r}")
        self.n_starts, self.verbose = n_starts, verbose
        self.n_completed, self.n_successful, self.best_chi_squared = 0, 0, math.inf
        self._bar = Bar(description, n_starts, enable_progress_bar)
        self._logger = logging.getLogger(_LOGGER)

    def update(
        self, start_idx: int, success: bool, chi_squared: float, message: str = "", wall_time: float | None = None
    ) -> None:
        """Count a start that has ended."""
        self.n_completed += 1
        if success:
            self.n_successful += 1
            self.best_chi_squared = min(self.best_chi_squared, chi_squared)
        self._bar.show(self.n_completed, f"best chi-squared {self.best_chi_squared:.6g}")
        if self.verbose > 1:
            text = "converged" if success else f"failed {message}".strip()
            seconds = "" if wall_time is None else f", {wall_time:.1f} s"
            self._logger.info("start %d: %s, chi-squared %.6g%s", start_idx, text, chi_squared, seconds)

    def close(self) -> None:
        """End the bar, and write the end into the log."""
        self._bar.close()
        if self.verbose > 0:
            self._logger.info(
                "%d of %d starts converged, best chi-squared %.6g",
                self.n_successful,
                self.n_starts,
                self.best_chi_squared,
            )

    def __enter__(self) -> MultiStartProgressTracker:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the bar."""
        self.close()


def create_streaming_progress_callback(
    n_total_points: int, batch_size: int, max_epochs: int, enable_progress_bar: bool = True, verbose: int = 1
) -> Callable[..., None] | None:
    """Return a callback for data that are gone through batch by batch, or None if nothing is to be shown.

    Parameters
    ----------
    n_total_points, batch_size, max_epochs
        Points, points of a batch, and how often all are gone through: their product is all of the bar.
    enable_progress_bar, verbose
        As the attributes of `ProgressConfig`.

    Returns
    -------
    function or None
        ``callback(iteration, cost, params, info)`` with the number of the batch.
    """
    if min(n_total_points, batch_size, max_epochs) < 1:
        raise InvalidConfigurationError(
            "create_streaming_progress_callback: expected positive numbers of points, points of a batch and epochs, "
            f"got {n_total_points}, {batch_size}, {max_epochs}"
        )
    n_batches = max_epochs * -(-n_total_points // batch_size)
    config = ProgressConfig(enable_progress_bar, verbose, max_nfev=n_batches, description="Streaming")
    return create_progress_callback(config)[0]
