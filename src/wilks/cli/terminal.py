"""What the commands print: rich tables in a terminal, plain text in a file or a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TextIO

from wilks.core.table import Table


class Terminal:
    """Prints text and tables to standard output.

    Parameters
    ----------
    quiet
        Print nothing.
    stream
        Where to print; standard output by default.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()

    def line(self, text: str = "") -> None:
        """Print text; in a terminal it is broken between words."""
        if self.quiet:
            return
        if self._is_terminal:
            width = shutil.get_terminal_size().columns
            text = "\n".join(textwrap.fill(line, width, break_long_words=False) for line in text.split("\n"))
        print(text, file=self._stream, flush=True)

    def heading(self, text: str) -> None:
        """Print a heading."""
        self.line()
        self.line(f"\033[1m{text}\033[0m" if self._is_terminal else text)

    def table(self, table: Table) -> None:
        """Print a table."""
        if self.quiet:
            return
        if self._is_terminal:
            _print_rich(table, self._stream)
        else:
            self.line(table.text())


def _print_rich(table: Table, stream: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for position, column in enumerate(table.columns):
        shown.add_column(Text(column), justify="left" if position == 0 else "right")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    console = Console(file=stream, highlight=False)
    if table.title:
        console.print(Text(table.title))
    console.print(shown)
    if table.note:
        console.print(Text(table.note))


def counted(number: int, noun: str) -> str:
    """Return ``1 cell`` or ``2 cells``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
