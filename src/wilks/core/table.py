"""A small table that reads well in a terminal and in a notebook."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

_MINUTE = 60.0


@dataclass(frozen=True)
class Table:
    """A title, column heads and rows of text.

    Examples
    --------
    >>> print(Table("Best fit", ("parameter", "value"), (("a", "1.5"), ("bcd", "-2"))).text())
    Best fit
    parameter  value
    a            1.5
    bcd           -2
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def text(self) -> str:
        """Return the table as aligned text; the first column to the left, the others to the right."""
        widths = [max(len(row[i]) for row in (self.columns, *self.rows)) for i in range(len(self.columns))]
        lines = [
            "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in (self.columns, *self.rows)
        ]
        return "\n".join(line.rstrip() for line in [self.title, *lines, self.note] if line)

    def html(self) -> str:
        """Return the table as HTML."""
        head = "".join(f"<th>{html.escape(c)}</th>" for c in self.columns)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in self.rows)
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def with_error(value: float, error: float) -> str:
    """Value and standard error, rounded to two digits of the error.

    Examples
    --------
    >>> with_error(0.277632, 0.014123)
    '0.278 ± 0.014'
    >>> with_error(12345.6, 230.0)
    '12350 ± 230'
    >>> with_error(1.5, float("nan"))
    '1.5'
    """
    if not (math.isfinite(error) and error > 0):
        return f"{value:.6g}" + (" ± inf" if error == math.inf else "")
    digits = 1 - math.floor(math.log10(float(f"{error:.1e}")))  # of the rounded error: 0.0998 is 0.10
    if digits < -4 or digits > 8:  # beyond this, powers of ten read better
        return f"{value:.6g} ± {error:.2g}"
    return f"{_fixed(value, digits)} ± {_fixed(error, digits)}"


def _fixed(number: float, digits: int) -> str:
    return f"{round(number, digits) + 0.0:.{max(digits, 0)}f}"  # + 0.0: no minus before a zero


def show(value: object) -> str:
    """Short text of one parameter value."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Time for people.

    Examples
    --------
    >>> duration(0.0123), duration(42.5), duration(200), duration(7300)
    ('0.012 s', '42 s', '3 min 20 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < _MINUTE:
        return f"{int(seconds)} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < _MINUTE else f"{minutes // 60} h {minutes % 60} min"
