"""Sections of the report about the run as a whole: its headline, its failures, and where the numbers come from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from wilks.core.table import Table, duration, show, with_error
from wilks.report import elements
from wilks.report.results import is_fit, status_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wilks.core.parameter import Value
    from wilks.core.result import Result

_MAX_FAILURES = 10
_FINGERPRINT = 16
_EQUAL = 1e-3  # in log-likelihood


class Failure(Protocol):
    """What the report needs of a failed evaluation."""

    @property
    def values(self) -> Mapping[str, Value]:
        """Parameter values."""
        ...

    @property
    def status(self) -> str:
        """How it failed, in a word."""
        ...

    @property
    def error(self) -> str:
        """Traceback or reason."""
        ...


class Log(Protocol):
    """What the report needs of an evaluation log."""

    def counts(self) -> dict[str, int]:
        """Status -> number of evaluations."""
        ...

    def failures(self, limit: int = ...) -> Sequence[Failure]:
        """The first failures."""
        ...


def headline(results: list[tuple[str, Result]]) -> str:
    """Problem, best point and status of every stage."""
    if not results:
        return elements.paragraph("There is no result to report.")
    problems = dict.fromkeys(result.provenance.problem for _, result in results)
    top = max(result.log_likelihood for _, result in results)
    # The first of those that are as good: a later stage that repeats its best point has found nothing better.
    best_title, best = next(entry for entry in results if entry[1].log_likelihood >= top - _EQUAL)
    parts = [elements.paragraph(f"Problem: {', '.join(problems)}", "soft")]
    if best.best:
        rows = [(name, _best_value(name, results, best), _unit(best, name)) for name in best.space.names]
        title = f"Best point: log-likelihood {best.log_likelihood:.6g}, from “{best_title}”"
        parts.append(elements.table(Table(title, ("parameter", "value", ""), tuple(rows))))
    failed = [result for _, result in results if not result.status.success]
    parts += [status_line(result.status) for result in failed[:1]] or [
        '<p class="good"><span aria-hidden="true">✓</span> Every stage reached its goal.</p>'
    ]
    return "".join(parts)


def _best_value(name: str, results: list[tuple[str, Result]], best: Result) -> str:
    """Value with the standard error of the first fit of the same problem that has one for the same optimum."""
    value = best.best.get(name)
    for _, result in results:
        if not is_fit(result) or result.space.constants != best.space.constants:
            continue
        if isinstance(value, float) and name in result.names and name in result.best:
            error, centre = result.standard_errors[name], result.best[name]
            if isinstance(centre, float) and abs(centre - value) <= error:
                return with_error(value, error)
    return show(value)


def _unit(result: Result, name: str) -> str:
    return "fixed" if name in result.space.constants else result.space[name].unit


def stages(entries: list[tuple[str, str, Result]]) -> str:
    """Table of the stages; each entry is (identifier, title, result)."""
    rows = [
        [
            f'<a href="#{identifier}">{elements.escape(title)}</a>',
            elements.escape(result.status.message),
            f"{result.log_likelihood:.6g}",
            f"{result.n_evaluations:,}",
            duration(result.provenance.seconds),
        ]
        for identifier, title, result in entries
    ]
    columns = ("stage", "how it ended", "log-likelihood", "evaluations", "time")
    return elements.rows_table("", columns, rows)


def moment(text: str) -> str:
    """A time in ISO 8601 for people.

    Examples
    --------
    >>> moment("2026-03-01T12:00:00.123456+00:00")
    '2026-03-01 12:00:00 UTC'
    """
    return re.sub(r"\.\d+", "", text).replace("T", " ").replace("+00:00", " UTC")


def failures(log: Log) -> str:
    """How the evaluations ended, and the first failures with their errors."""
    counts = {status: n for status, n in log.counts().items() if n}
    n_violated = counts.pop("violated", 0)
    rows = tuple((status.replace("_", " "), f"{n:,}") for status, n in counts.items())
    parts = [elements.table(Table("", ("how an evaluation ended", "number"), rows))]
    if n_violated:
        parts.append(elements.paragraph(f"Points that violated a constraint and were not evaluated: {n_violated:,}."))
    listed = list(log.failures(_MAX_FAILURES))
    if listed:
        parts.append(f"<h3>The first {len(listed)} failures</h3>" if len(listed) > 1 else "<h3>The failure</h3>")
    for failure in listed:
        values = ", ".join(f"{name} = {show(value)}" for name, value in failure.values.items())
        lines = failure.error.strip().splitlines() or ["no reason was kept"]
        text = f"<p>{elements.escape(values)}</p><pre>{elements.escape(failure.error.strip())}</pre>"
        parts.append(elements.details(f"{failure.status}: {lines[-1]}", text))
    return "".join(parts)


def provenance(results: list[tuple[str, Result]]) -> str:
    """Versions, seeds, fingerprints, costs and every step that was executed."""
    rows = []
    for title, result in results:
        source = result.provenance
        time = duration(source.seconds)
        fingerprint, started = source.fingerprint[:_FINGERPRINT], moment(source.started)
        rows.append((title, source.problem, fingerprint, str(source.seed), source.executor, started, time))
    columns = ("stage", "problem", "fingerprint", "seed", "executor", "started", "time")
    parts = [elements.table(Table("", columns, tuple(rows)))]
    for title, result in results:
        steps = [(step.name, step.detail, f"{step.n_evaluations:,}") for step in result.provenance.executed]
        listed = Table(f"What was executed: {title}", ("step", "detail", "evaluations"), tuple(steps))
        parts.append(elements.table(listed))
    versions = dict.fromkeys(", ".join(f"{k} {v}" for k, v in r.provenance.versions.items()) for _, r in results)
    parts += [elements.paragraph(f"Versions: {text}.") for text in versions]
    return "".join(parts)
