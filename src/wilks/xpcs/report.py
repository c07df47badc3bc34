"""One HTML file about a fit: the verdict first, then numbers, model, data, pictures and where it all comes from.

The page opens offline and asks the network for nothing; its frame is that of `wilks.report`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wilks.core.result import Result
from wilks.plots.output import png_html
from wilks.report import elements, page, run
from wilks.report.figures import Artist, captioned, plotly_source
from wilks.report.write import stage_section
from wilks.store.files import written_whole
from wilks.xpcs import pictures, report_parts, report_posterior
from wilks.xpcs.advice import advice
from wilks.xpcs.posterior.result import XpcsPosterior
from wilks.xpcs.residual_statistics import residual_statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wilks.report.write import Entry
    from wilks.xpcs.residual_statistics import ResidualStatistics
    from wilks.xpcs.result import XpcsFit

    Section = tuple[str, str, str]

_NO_DATA = (
    "The pictures of the measurement, of its residuals and of their statistics are missing: this result was loaded "
    "from a file, without its data. result.with_data(data) brings them back."
)
_NO_MODEL = "The pictures of the fitted model are missing: the fit has no best point."


def write_report(
    result: XpcsFit,
    path: str | Path,
    *,
    title: str,
    timings: Mapping[str, float] | None = None,
    extra: Sequence[tuple[str, Entry]] = (),
    drawn: Iterable[pictures.Rendering] | None = None,
) -> Path:
    """Write a report of a fit, and return its path.

    Parameters
    ----------
    result
        The fit; pictures of the measurement need its data.
    path
        Name of the HTML file, which is complete or not there.
    title
        Title of the page.
    timings
        Step -> seconds.
    extra
        Titles and further results: profiles and a posterior of the same data, a comparison.
    drawn
        The pictures, if they have been drawn before (`wilks.xpcs.pictures.renderings`); None draws them.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    InvalidConfigurationError
        If an extra entry is nothing that a report can show.
    """
    path = Path(path)
    plotly = plotly_source() if extra else None
    shown = pictures.renderings(result) if drawn is None else drawn
    text = page.document(title, _content(result, title, timings, extra, shown, interactive=plotly is not None), plotly)
    with written_whole(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _content(
    result: XpcsFit,
    title: str,
    timings: Mapping[str, float] | None,
    extra: Sequence[tuple[str, Entry]],
    drawn: Iterable[pictures.Rendering],
    *,
    interactive: bool,
) -> str:
    statistics = residual_statistics(result) if result.has_best and result.data is not None else None
    sections = [*_sections(result, statistics, drawn), *_further(extra, interactive=interactive)]
    if timings:
        sections.append(("time", "Time", report_parts.timings(timings)))
    results: list[tuple[str, Result]] = [("Fit", result)]
    results += [(name, entry) for name, entry in extra if isinstance(entry, Result)]
    sections.append(("provenance", "Where the numbers come from", run.provenance(results)))
    links = "".join(f'<li><a href="#{key}">{elements.escape(name)}</a></li>' for key, name, _ in sections)
    verdict = report_parts.verdict(result, statistics, advice(result, statistics))
    return (
        f"<header><h1>{elements.escape(title)}</h1>{verdict}{report_parts.parameters(result)}</header>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n<main>\n'
        + "\n".join(elements.section(*section) for section in sections)
        + "\n</main>\n<footer>Written by wilks.</footer>"
    )


def _sections(
    result: XpcsFit, statistics: ResidualStatistics | None, drawn: Iterable[pictures.Rendering]
) -> Iterator[Section]:
    yield "pictures", "Pictures", _pictures(result, drawn)
    if statistics is not None:
        yield "residuals", "Residuals", report_parts.residuals(statistics)
    yield "scaling", "Contrast and offset", report_parts.scaling(result)
    yield "data", "Data", report_parts.data(result)
    yield "model", "Model and convention", report_parts.model(result)
    yield "quality", "Quality in numbers", report_parts.quality(result)


def _pictures(result: XpcsFit, drawn: Iterable[pictures.Rendering]) -> str:
    notices = [_NO_DATA] if result.data is None else []
    notices += [] if result.has_best else [_NO_MODEL]
    figures = [captioned(png_html(each.png, each.width, each.caption), each.caption) for each in drawn]
    return "".join([*(elements.paragraph(notice, "notice") for notice in notices), *figures])


def _further(extra: Sequence[tuple[str, Entry]], *, interactive: bool) -> Iterator[Section]:
    for number, (name, entry) in enumerate(extra, start=1):
        key = f"extra-{number}"
        artist = Artist(key, interactive)
        if isinstance(entry, XpcsPosterior):
            yield key, name, report_posterior.section(entry, artist)
        else:
            yield key, name, stage_section(entry, artist)
