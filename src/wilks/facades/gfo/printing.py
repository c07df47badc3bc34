"""What `verbosity` asks for: a progress line while a search runs, and a summary when it has ended.

Everything goes to the standard output stream; the progress line only when that is a terminal.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.facades.gfo import diagnostics

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from wilks.facades.gfo.options import SearchOptions
    from wilks.facades.gfo.records import Records

_EVERY = 0.1
_LABEL = 22


class ProgressBar:
    """A line that shows how far a search is.

    Parameters
    ----------
    title
        Its label.
    total
        Number of iterations.
    records
        Where the best score is found.
    """

    def __init__(self, title: str, total: int, records: Records) -> None:
        self._records = records
        self._next = time.perf_counter() + _EVERY
        self._title, self._total = title, total
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    @classmethod
    def wanted(cls, title: str, options: SearchOptions, records: Records) -> ProgressBar | None:
        """Return a bar if it was asked for and there is a terminal to show it."""
        shown = "progress_bar" in options.verbosity and sys.stdout.isatty()
        return cls(title, options.n_iter, records) if shown else None

    def show(self, n: int, now: float) -> None:
        """Show that `n` iterations are done, ten times a second at most."""
        if now < self._next and n < self._total:
            return
        self._next = now + _EVERY
        if self._bar is None or self._task is None:
            self._bar, self._task = _started(self._title, self._total)
        self._bar.update(self._task, completed=n, note=f"best score {self._records.best_score:.6g}")

    def close(self) -> None:
        """Leave the line as it is."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.stop()
            self._bar = None


def _started(title: str, total: int) -> tuple[Progress, TaskID]:
    from rich.console import Console  # noqa: PLC0415 - rich loads on use
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(file=sys.stdout))
    bar.start()
    return bar, bar.add_task(title, total=total, note="")


@dataclass(frozen=True)
class Ended:
    """How one call of `search` went.

    Attributes
    ----------
    optimiser, objective
        Their names.
    random_state
        As the user gave it.
    first
        Row with which the call began.
    seconds
        Wall time.
    reason
        Why it ended before its last iteration; empty if it did not.
    acceptance
        Share of the moves that were accepted, of all replicas; None for a method that does not accept or reject.
    """

    optimiser: str
    objective: str
    random_state: int | None
    first: int
    seconds: float
    reason: str
    acceptance: float | None = None


def summary(ended: Ended, options: SearchOptions, records: Records) -> str:
    """Text that tells what the user asked to see; empty if that is nothing."""
    parts: list[str] = []
    if "print_results" in options.verbosity:
        parts += _results(ended, records)
    if "print_search_stats" in options.verbosity:
        parts += _search(ended, records)
    if "print_statistics" in options.verbosity:
        parts += _statistics(records)
    if "print_times" in options.verbosity:
        parts += _times(ended, records)
    if "debug_stop" in options.verbosity and ended.reason:
        limits = {name: getattr(options, name) for name in ("max_time", "max_score", "early_stopping")}
        parts += ["Stop", *_lines({"reason": ended.reason, **limits})]
    return "\n".join(parts)


def say(text: str) -> None:
    """Write a text to the standard output stream, if there is one."""
    if text:
        from rich.console import Console  # noqa: PLC0415 - rich loads on use

        Console(file=sys.stdout).print(text, markup=False, highlight=False, soft_wrap=True)


def _results(ended: Ended, records: Records) -> list[str]:
    head = {"objective": ended.objective, "optimizer": ended.optimiser, "random state": ended.random_state}
    if records.best_row < 0:
        return ["Results", *_lines(head), "  no finite score"]
    found = {"best score": records.best_score, "best iteration": records.best_row}
    values = [f"    {name}: {value}" for name, value in records.para(records.best_row).items()]
    return ["Results", *_lines(head | found), "  best parameters", *values]


def _search(ended: Ended, records: Records) -> list[str]:
    n, n_init = len(records), min(len(records), records.n_init)
    rises = diagnostics.improvements(records.scores, records.sign)
    stats: dict[str, Any] = {
        "iterations": n,
        "  initialization": f"{n_init} ({_percent(n_init, n)})",
        "  optimization": f"{n - n_init} ({_percent(n - n_init, n)})",
        "from memory": f"{records.n_cached} ({_percent(records.n_cached, n)})",
        "improvements": len(rises),
        "acceptance rate": "unknown" if ended.acceptance is None else _percent(ended.acceptance, 1.0),
        "last improvement": f"iteration {rises[-1]}" if rises else "none",
        "longest plateau": f"{diagnostics.longest_plateau(records.scores, records.sign)} iterations",
        "invalid scores": diagnostics.score_statistics(records.scores)["n_invalid"],
        "caught exceptions": records.n_caught,
    }
    return ["Search", *_lines(stats)]


def _statistics(records: Records) -> list[str]:
    found = diagnostics.score_statistics(records.scores)
    return ["Scores", *_lines({name: f"{found[name]:.6g}" for name in ("min", "max", "mean", "std")})]


def _times(ended: Ended, records: Records) -> list[str]:
    in_objective = sum(records.eval_times[ended.first :])
    n = len(records) - ended.first
    rest = max(0.0, ended.seconds - in_objective)
    return [
        "Times",
        *_lines(
            {
                "evaluation time": f"{in_objective:.3f} s ({_percent(in_objective, ended.seconds)})",
                "optimization time": f"{rest:.3f} s ({_percent(rest, ended.seconds)})",
                "iteration time": f"{ended.seconds:.3f} s",
                "throughput": f"{n / ended.seconds:.1f} iterations/s" if ended.seconds > 0 else "",
            }
        ),
    ]


def _lines(values: dict[str, Any]) -> list[str]:
    return [f"  {name + ':':<{_LABEL}}{value}" for name, value in values.items()]


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"
