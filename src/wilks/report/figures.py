"""Figures of the report: interactive where plotly.js is there, with the printed picture for readers without scripts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wilks.plots.output import image_html
from wilks.report.elements import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure


Size = Literal["", "flat", "large"]


def plotly_source() -> str | None:
    """Source of plotly.js; None when the package is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        return None
    return str(get_plotlyjs())


@dataclass(frozen=True)
class Artist:
    """Writes figures with identifiers that depend on their place only.

    Attributes
    ----------
    identifier
        Of the section; the figures in it count on.
    interactive
        Is plotly.js in the page?
    """

    identifier: str
    interactive: bool

    def figure(
        self,
        name: str,
        caption: str,
        printed: Callable[[], Figure],
        described: Callable[[], dict[str, Any]] | None = None,
        *,
        size: Size = "",
    ) -> str:
        """One figure with its caption.

        Parameters
        ----------
        name
            Unique within the section; letters, digits and hyphens.
        caption
            Plain text; also what is read out to those who do not see the figure.
        printed
            Draws it with matplotlib.
        described
            Describes it for plotly.js; None for a figure that is only printed.
        size
            Flat for a curve, large for what a section is about.
        """
        image = image_html(printed(), caption)
        identifier = f"{self.identifier}-{name}"
        if self.interactive and described is not None:
            image = _plot(identifier, caption, described(), size=size) + f"<noscript>{image}</noscript>"
        return captioned(image, caption)


def captioned(image: str, caption: str) -> str:
    """Return an image (HTML) with its caption (plain text)."""
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _plot(identifier: str, caption: str, spec: dict[str, Any], *, size: Size) -> str:
    data = json.dumps(spec, separators=(",", ":"), allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<div class="plot {size}" id="{identifier}" role="img" aria-label="{escape(caption)}"></div>'
        f'<script type="application/json" class="plot-data" data-plot="{identifier}">{data}</script>'
    )


def grid(figures: list[str]) -> str:
    """Figures side by side where there is room."""
    return f'<div class="figures">{"".join(figures)}</div>' if figures else ""
