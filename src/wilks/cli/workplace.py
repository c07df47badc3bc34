"""What the stages of a run share, and what they have done so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from wilks.cli.folder import RunFolder
from wilks.cli.stage import Stage
from wilks.cli.terminal import Terminal
from wilks.core.problem import Problem


@dataclass(frozen=True)
class Done:
    """A stage with its result, in this run or an earlier one.

    Attributes
    ----------
    number
        Counted from 1.
    stage
        Its settings.
    title
        Its heading, unique in the run.
    result
        What the verb returned.
    """

    number: int
    stage: Stage
    title: str
    result: Any


@dataclass
class Workplace:
    """What a stage needs to do its work.

    Attributes
    ----------
    problem
        The problem of the run.
    folder
        Where results go.
    log
        The open log of the run; None when only a report is written.
    executor
        Where the calls happen.
    seed
        Seed of the run.
    terminal
        Where to print.
    done
        The stages that have a result, in order.
    """

    problem: Problem | None
    folder: RunFolder
    log: Any
    executor: Any
    seed: int
    terminal: Terminal
    done: list[Done] = field(default_factory=list)
    report_written: bool = False

    def common(self) -> dict[str, Any]:
        """Return the keywords that all verbs share."""
        quiet = {"callbacks": ()} if self.terminal.quiet else {}
        return {"executor": self.executor, "log": self.log, "seed": self.seed, **quiet}

    def every(self, verbs: Collection[str], fixed: Mapping[str, Any]) -> list[Any]:
        """Return the results of some verbs whose best points have the fixed values, in order.

        Those that fixed more than that are left out: their best points may be far from that of the wider problem.
        """
        found = []
        for entry in self.done:
            if entry.stage.verb not in verbs or not entry.stage.fixed().items() <= fixed.items():
                continue
            if all(entry.result.best.get(name) == value for name, value in fixed.items()):
                found.append(entry.result)
        return found

    def latest(self, verbs: Collection[str], fixed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a result or None
        """Return the last of `every`; None if there is none."""
        found = self.every(verbs, fixed)
        return found[-1] if found else None

    def write_report(self, title: str | None) -> None:
        """Write the report on everything that is done."""
        from wilks.report import write_report

        name = self.problem.name if self.problem else self.folder.path.resolve().name
        entries = [(entry.title, entry.result) for entry in self.done]
        write_report(self.folder.report, entries, title=title or f"wilks: {name}", log=self.log)
        self.report_written = True
