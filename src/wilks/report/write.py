"""One HTML file with everything that a run found: it opens offline, and asks the network for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from wilks.core.errors import InvalidConfigurationError
from wilks.core.result import Result
from wilks.profiles.result import ProfileResult
from wilks.profiles.volume_result import VolumeResult
from wilks.report import elements, page, run
from wilks.report.figures import Artist, plotly_source
from wilks.report.posterior import posterior_section
from wilks.report.results import comparison_section, fit_section, is_fit, profile_section
from wilks.report.searches import search_section
from wilks.report.volumes import volume_section
from wilks.samplers.result import Posterior
from wilks.searchers.result import SearchResult
from wilks.verbs.compare import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.solvers.result import FitResult

    Entry: TypeAlias = SearchResult | FitResult | ProfileResult | VolumeResult | Posterior | Comparison

_NO_PLOTLY = "Interactive pictures need plotly: pip install 'wilks[report]'"


def write_report(
    path: str | Path, entries: Sequence[tuple[str, Entry]], *, title: str, log: run.Log | None = None
) -> Path:
    """Write a report, and return its path.

    The file is complete or not there, and the same for the same results. With plotly installed its maps and
    curves are interactive; without, it holds the printed pictures.

    Parameters
    ----------
    path
        Name of the HTML file.
    entries
        Title of a stage and its result, in order: a search, a fit, a profile, a volume sampling, a posterior or a
        comparison.
    title
        Title of the page.
    log
        The evaluation log of the run, for the failures of evaluations.

    Returns
    -------
    Path
        The path of the report.

    Raises
    ------
    InvalidConfigurationError
        If an entry is none of these results.
    """
    path = Path(path)
    source = plotly_source()
    text = page.document(title, _content(list(entries), title, log, interactive=source is not None), source)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path


def _content(entries: list[tuple[str, Entry]], title: str, log: run.Log | None, *, interactive: bool) -> str:
    numbered = [(f"stage-{number}", name, result) for number, (name, result) in enumerate(entries, start=1)]
    results: list[tuple[str, Result]] = [(name, result) for _, name, result in numbered if isinstance(result, Result)]
    parts = [(key, name, stage_section(result, Artist(key, interactive))) for key, name, result in numbered]
    if log is not None:
        parts.append(("evaluations", "Evaluations", run.failures(log)))
    if results:
        parts.append(("provenance", "Where the numbers come from", run.provenance(results)))
    links = "".join(f'<li><a href="#{key}">{elements.escape(name)}</a></li>' for key, name, _ in parts)
    table = run.stages([(key, name, result) for key, name, result in numbered if isinstance(result, Result)])
    notice = "" if interactive else elements.paragraph(_NO_PLOTLY, "notice")
    return (
        f"<header><h1>{elements.escape(title)}</h1>{notice}{run.headline(results)}{table if results else ''}</header>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n<main>\n'
        + "\n".join(elements.section(key, name, content) for key, name, content in parts)
        + "\n</main>\n<footer>Written by wilks.</footer>"
    )


def stage_section(result: Entry, artist: Artist) -> str:
    """The section about one result.

    Raises
    ------
    InvalidConfigurationError
        If it is none that a report knows.
    """
    if isinstance(result, SearchResult):
        return search_section(result, artist)
    if isinstance(result, Posterior):
        return posterior_section(result, artist)
    if is_fit(result):
        return fit_section(result, artist)
    if isinstance(result, ProfileResult):
        return profile_section(result, artist)
    if isinstance(result, VolumeResult):
        return volume_section(result, artist)
    if isinstance(result, Comparison):
        return comparison_section(result, artist)
    raise InvalidConfigurationError(
        "report: expected results of search, fit, profile, sample, sample_volume or compare, "
        f"got a {type(result).__name__}"
    )
