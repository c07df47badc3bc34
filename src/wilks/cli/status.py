"""`wilks status`: how far a run is. Only reads, so it works while another process writes."""

from __future__ import annotations

import math
import platform
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import wilks
from wilks.cli.config import validate
from wilks.cli.folder import RunFolder
from wilks.cli.run import numbered
from wilks.cli.terminal import Terminal, counted
from wilks.core.proposal import EvaluationStatus
from wilks.core.table import Table, show
from wilks.store.document import read

_SAMPLE_SECONDS = 1.0
_SHOWN_FAILURES = 3


def show_status(folder: RunFolder, terminal: Terminal) -> None:
    """Print stages, counts, speed, the best point and the first failures of a run.

    Raises
    ------
    CheckpointError
        If the log cannot be read.
    """
    with wilks.EvaluationLog(folder.log, read_only=True) as log:
        writer = writer_of(folder.log)
        name = log.header.get("problem", "not begun")
        terminal.line(f"{folder.path}: {name}, {f'running ({writer})' if writer else 'not running'}")
        _show_stages(folder, terminal)
        terminal.line()
        terminal.table(_table(log))
        terminal.line()
        speed = f", {_speed(log):,.0f} per second now" if writer else ""
        terminal.line(f"{counted(_n_evaluations(log), 'evaluation')}{speed}")
        n_violated = log.counts()["violated"]
        if n_violated:
            terminal.line(f"points that violated a constraint and were not evaluated: {n_violated:,}")
        best = log.best()
        if best is None:
            terminal.line("best so far: no finite log-likelihood yet")
        else:
            values = ", ".join(f"{name}={show(value)}" for name, value in best[0].items())
            terminal.line(f"best so far: log-likelihood {best[1]:.6g} at {values}")
        _show_failures(log, terminal)
    if folder.report.exists():
        terminal.line(f"report: {folder.report}")


def writer_of(log: Path) -> str:
    """Return the process that writes a log, in words; nothing when there is none."""
    import psutil

    try:
        process, _, host = log.with_name(log.name + ".lock").read_text("utf-8").strip().partition(" ")
    except OSError:
        return ""
    if host != platform.node():
        return f"process {process} on {host}" if process else ""
    return f"process {process}" if process.isdigit() and psutil.pid_exists(int(process)) else ""


def _show_stages(folder: RunFolder, terminal: Terminal) -> None:
    if not folder.config.exists():
        return
    config = validate(read(folder.config))
    work = [(stage, title) for _, stage, title in numbered(config) if stage.resumable]
    finished = [title for stage, title in work if folder.is_finished(stage.key(config.seed))]
    names = f": {'; '.join(finished)}" if finished else ""
    terminal.line(f"{len(finished)} of {counted(len(work), 'stage')} finished{names}")


def _n_evaluations(log: Any) -> int:  # noqa: ANN401 - an EvaluationLog, which loads on use
    """Number of points that were evaluated, as results count them: a violated constraint keeps a point from it."""
    return len(log) - int(log.counts()["violated"])


def _n_violated(log: Any) -> Counter[int]:  # noqa: ANN401 - as above
    """Number of a stage of the log -> points that were not evaluated."""
    n_violated: Counter[int] = Counter()
    for block in log.iter_batches() if log.counts()["violated"] else ():
        n_violated.update(block["stages"][block["statuses"] == EvaluationStatus.VIOLATED].tolist())
    return n_violated


def _table(log: Any) -> Table:  # noqa: ANN401 - as above
    n_violated = _n_violated(log)
    rows = tuple(
        (
            stage.title,
            f"{stage.n_evaluations - n_violated[number]:,}",
            f"{stage.log_likelihood:.6g}" if math.isfinite(stage.log_likelihood) else "-",
            # A search that has used up its evaluations can go on with more, though its stage is finished.
            "complete" if stage.finished else "can go on",
            _ago(stage.time),
        )
        for number, stage in enumerate(log.stages())
    )
    return Table("", ("work", "evaluations", "best log-likelihood", "state", "last written"), rows)


def _ago(when: datetime | None) -> str:
    if when is None:
        return "never"
    seconds = max(0.0, (datetime.now(UTC) - when).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _speed(log: Any) -> float:  # noqa: ANN401 - as above
    """Evaluations per second, measured now."""
    before, began = _n_evaluations(log), time.perf_counter()
    time.sleep(_SAMPLE_SECONDS)
    return float((_n_evaluations(log) - before) / (time.perf_counter() - began))


def _show_failures(log: Any, terminal: Terminal) -> None:  # noqa: ANN401 - as above
    counts = log.counts()
    n_failed = counts["failed"] + counts["lost"]
    if not n_failed:
        return
    terminal.line(f"{counted(n_failed, 'evaluation')} failed; the first:")
    for failure in log.failures(_SHOWN_FAILURES):
        values = ", ".join(f"{name}={show(value)}" for name, value in failure.values.items())
        reason = failure.error.strip().splitlines()[-1] if failure.error.strip() else failure.status
        terminal.line(f"  {values}: {reason}")
