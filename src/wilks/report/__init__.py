"""One-file HTML report of a run."""

from __future__ import annotations

from wilks.report.write import write_report

__all__ = ["write_report"]
