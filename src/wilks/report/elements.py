"""Pieces of HTML: everything that comes from the user is escaped here, and nowhere else."""

from __future__ import annotations

import html
import re
from html.entities import html5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wilks.core.space import Space
    from wilks.core.table import Table

# Greek letters have the same names in TeX and in HTML; these have not.
_ENTITIES = {"cdot": "middot", "pm": "plusmn", "infty": "infin", "circ": "deg", "varepsilon": "epsilon"}
_STYLES = ("mathrm", "mathit", "mathbf", "mathcal", "text", "rm", "it", "bf", "left", "right", "displaystyle")
_SCRIPTS = {"_": "sub", "^": "sup"}


def escape(text: object) -> str:
    """Text that is shown as it is, also inside an attribute.

    Examples
    --------
    >>> escape('<b> & "c"')
    '&lt;b&gt; &amp; &quot;c&quot;'
    """
    return html.escape(str(text), quote=True)


def label(space: Space, name: str) -> str:
    """Label of a parameter with its unit as HTML; TeX between dollars becomes letters, sub- and superscripts."""
    return mathematics(space.label(name))


def mathematics(text: str) -> str:
    r"""Text with simple TeX between dollars to HTML.

    Examples
    --------
    >>> mathematics(r"$\Omega_m$ [kg m$^{-3}$]")
    'Ω<sub>m</sub> [kg m<sup>-3</sup>]'
    >>> mathematics("a < b for 5 $")
    'a &lt; b for 5 $'
    """
    parts = text.split("$")
    if len(parts) % 2 == 0:
        return html.escape(text, quote=False)
    return "".join(_tex(part) if index % 2 else html.escape(part, quote=False) for index, part in enumerate(parts))


def _tex(text: str) -> str:
    # A script in another style goes as far as its braces.
    text = re.sub(rf"([_^])\s*\\(?:{'|'.join(_STYLES)})\s*({{[^{{}}]*}})", r"\1\2", text)
    for style in _STYLES:
        text = re.sub(rf"\\{style}(?![A-Za-z])\s*(?:{{([^{{}}]*)}})?", r"\1", text)
    text = re.sub(r"\\([A-Za-z]+) ?", lambda found: _symbol(found[1]), text)
    text = html.escape(re.sub(r"\\[,;:! ]|~", " ", text), quote=False)
    for mark, tag in _SCRIPTS.items():
        text = re.sub(rf"{re.escape(mark)}\s*(?:{{([^{{}}]*)}}|(\w))", rf"<{tag}>\1\2</{tag}>", text)
    return re.sub(r"[{}\\]", "", text)


def _symbol(command: str) -> str:
    """Character of a TeX command; the bare word where HTML has none."""
    return html5.get(f"{_ENTITIES.get(command, command)};", command)


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f"<p{_class(kind)}>{escape(text)}</p>"


def bullets(sentences: Iterable[str]) -> str:
    """A list of plain sentences."""
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def table(content: Table, marked: Collection[str] = (), *, caption: bool = True) -> str:
    """A table with row and column heads; rows whose first cell is in `marked` stand out."""
    return rows_table(
        content.title if caption else "",
        content.columns,
        [[escape(cell) for cell in row] for row in content.rows],
        marked=[index for index, row in enumerate(content.rows) if row[0] in marked],
        note=content.note,
    )


def rows_table(
    title: str,
    columns: Iterable[str],
    rows: Iterable[Iterable[str]],
    *,
    marked: Collection[int] = (),
    note: str = "",
) -> str:
    """A table whose cells are HTML already; title, column heads and note are plain text."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(_row(list(row), marked=index in marked) for index, row in enumerate(rows))
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    # A table that is wider than a phone scrolls by itself; the focus makes that possible with a keyboard too.
    return (
        f'<div class="scroll" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{paragraph(note, 'note') if note else ''}"
    )


def _row(cells: list[str], *, marked: bool) -> str:
    first = f'<th scope="row">{cells[0]}{" <strong>(differs)</strong>" if marked else ""}</th>'
    return f"<tr{_class('marked' if marked else '')}>{first}{''.join(f'<td>{cell}</td>' for cell in cells[1:])}</tr>"


def details(summary: str, content: str) -> str:
    """Something that opens on demand, and on paper."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def section(identifier: str, title: str, content: str) -> str:
    """A part of the page with a heading."""
    return f'<section id="{identifier}"><h2>{escape(title)}</h2>{content}</section>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
