"""Progress for people: one line that updates itself, in a terminal; silent elsewhere."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from wilks.loop.stopping import RunInfo

_QUIET_SECONDS = 1.0


class Progress:
    """Callback that shows the course of a run on the standard error stream when that is a terminal.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(-1, 1))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -v["x"] ** 2)
    >>> wilks.fit(problem, seed=1, callbacks=[wilks.Progress()]).status.success
    True
    """

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._title = ""

    def __call__(self, info: RunInfo) -> None:
        """Show the present state; short runs show nothing."""
        if not sys.stderr.isatty() or (self._bar is None and info.seconds < _QUIET_SECONDS):
            return
        if self._bar is None or self._task is None:
            self._bar, self._task = _started(info.title)
        known = not math.isnan(info.fraction)
        best = f"best {info.best:.6g}" if math.isfinite(info.best) else "no finite value yet"
        failed = f", {info.n_failed} failed" if info.n_failed else ""
        outside = f", {info.n_violated} outside the constraints" if info.n_violated else ""
        self._bar.update(
            self._task,
            completed=info.fraction if known else 0.0,
            total=1.0 if known else None,
            description=f"{info.title}: {info.activity or 'running'}",
            note=f"{info.n_evaluations} evaluations{failed}{outside}, {best}",
        )

    def close(self) -> None:
        """Remove the line."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None


def _started(title: str) -> tuple[Bar, TaskID]:
    from rich.console import Console  # noqa: PLC0415 - rich loads on use
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(title, total=None, note="")
    bar.start()
    return bar, task
