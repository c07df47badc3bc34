"""Sections of the report: a fit, a profile, a comparison."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from wilks import plots
from wilks.core.cells import CellStatus
from wilks.core.table import Table, show
from wilks.plots import geometry
from wilks.plots.comparison import drawable
from wilks.plots.fits import determined
from wilks.report import elements, interactive
from wilks.report.figures import Artist, grid
from wilks.solvers.result import FitResult

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from wilks.core.status import Status
    from wilks.profiles.result import Audit, ProfileResult
    from wilks.verbs.compare import Comparison

_MAX_NUISANCES = 12
_PLANE, _SOLID, _MAX_BASINS = 2, 3, 20


def status_line(status: Status) -> str:
    """How it ended, in words; the mark does not depend on colour."""
    mark, kind = ("✓", "good") if status.success else ("!", "bad")
    return f'<p class="{kind}"><span aria-hidden="true">{mark}</span> {elements.escape(status.message)}</p>'


def is_fit(result: object) -> TypeIs[FitResult]:
    """Is it a fit? Told by its errors and optima: an application has fits of its own, with a quality of its own."""
    return hasattr(result, "standard_errors") and hasattr(result, "basins")


def fit_section(fit: FitResult, artist: Artist) -> str:
    """Best fit, its quality, and the optima that the starts ended in."""
    parts = [status_line(fit.status)]
    if not math.isfinite(fit.log_likelihood):
        return "".join(parts)
    parts.append(elements.table(fit.table()))
    figures: list[str] = []
    if determined(fit):
        caption = "Covariance of the fit: ellipses of the joint 68 and 95 % regions of every pair."
        covariance = artist.figure("covariance", caption, lambda: plots.fit_corner(fit))
        # Many panels need the whole width; few leave room for the starts beside them.
        (parts if len(determined(fit)) > _PLANE else figures).append(covariance)
    if fit.basins:
        caption = "Log-likelihood that each start ended at, best first, with the number of starts per optimum."
        figures.append(artist.figure("starts", caption, lambda: plots.waterfall(fit)))
    parts.append(grid(figures))
    if len(fit.basins) > 1:
        parts.append(elements.details(f"The {len(fit.basins)} optima found", elements.table(basins_table(fit))))
    if isinstance(fit, FitResult):
        parts.append(elements.details("Quality of the numbers", elements.table(_quality(fit))))
    return "".join(parts)


def basins_table(fit: FitResult) -> Table:
    """The optima that a fit found, best first."""
    names = fit.space.free
    rows = [
        (str(number), f"{basin.log_likelihood:.6g}", str(basin.n_hits), *(show(basin.values[n]) for n in names))
        for number, basin in enumerate(fit.basins[:_MAX_BASINS], start=1)
    ]
    left_out = len(fit.basins) - len(rows)
    note = f"{left_out} more are not listed." if left_out else ""
    return Table("Optima, best first", ("", "log-likelihood", "hits", *names), tuple(rows), note)


def _quality(fit: FitResult) -> Table:
    quality = fit.quality
    rows = [
        ("log-likelihood that one more Newton step promises", f"{quality.remaining_gain:.2g}"),
        ("condition number of the curvature", f"{quality.condition_number:.3g}"),
        ("relative error of the standard errors", f"{quality.curvature_error:.2g}"),
        ("probability that another start finds another optimum", f"{quality.undiscovered:.2g}"),
    ]
    rows += [("direction that is not determined", _direction(weights)) for weights in quality.flat_directions]
    known = tuple(row for row in rows if row[1] != "nan")
    return Table("", ("measure", "value"), known)


def _direction(weights: dict[str, float]) -> str:
    return ", ".join(f"{name} {weight:+.2g}" for name, weight in weights.items())


def profile_section(result: ProfileResult, artist: Artist) -> str:
    """Intervals, map, curves, argmax pictures and audit of a profile."""
    parts = [status_line(result.status)]
    if math.isfinite(result.log_likelihood):
        parts.append(elements.table(result.table(), caption=False))
        note = "A round bracket marks an end that is not known: the set goes on beyond the grid or the visited cells."
        parts.append(elements.paragraph(note, "note") if _any_open(result) else "")
        maps, curves = _maps(result, artist), _curves(result, artist)
        parts.append("".join(maps) + grid(curves) if len(maps) == 1 else grid(maps + curves))
        parts += [_cuts(result, artist), _argmax_part(result, artist)]
    parts.append("<h3>Cells and audit</h3>")
    parts.append(elements.paragraph(result.audit.summary() if result.audit else "The map was not audited."))
    parts.append(elements.table(_cell_counts(result)))
    if result.audit is not None and result.audit.n_cells:
        parts.append(_improved(result, result.audit))
    return "".join(parts)


def _any_open(result: ProfileResult) -> bool:
    levels = geometry.shown_levels(result.roi_threshold, 1)
    pieces = [piece for name in result.over for level in levels for piece in result.intervals(name, level)]
    return any(piece.open_lower or piece.open_upper for piece in pieces)


def _maps(result: ProfileResult, artist: Artist) -> list[str]:
    figures: list[str] = []
    for x, y in combinations(result.over, _PLANE):
        plane = geometry.project(result, (x, y))
        others = " and the other profiled parameters" if len(result.over) > _PLANE else ""
        caption = f"Profile log-likelihood over {x} and {y}, maximised over the nuisance parameters{others}."
        figures.append(
            artist.figure(
                f"map-{len(figures) + 1}",
                caption,
                lambda plane=plane: plots.profile_2d(plane),  # type: ignore[misc]  # bound now, called at once
                lambda plane=plane: interactive.map_figure(plane),  # type: ignore[misc]
                size="large" if len(result.over) == _PLANE else "",
            )
        )
    return figures


def _cuts(result: ProfileResult, artist: Artist) -> str:
    """The region of three parameters, cut along the third."""
    if len(result.over) != _SOLID:
        return ""
    x, y, along = result.over
    caption = f"Profile log-likelihood over {x} and {y} at values of {along}, with cuts through their joint region."
    figure = artist.figure("cuts", caption, lambda: plots.profile_slices(result, (x, y), mode="all"))
    return elements.details(f"Cuts along {along}", figure)


def _curves(result: ProfileResult, artist: Artist) -> list[str]:
    return [
        artist.figure(
            f"curve-{number}",
            f"Profile log-likelihood of {name} with its 68 and 95 % confidence sets.",
            lambda name=name: plots.profile_1d(result, name),  # type: ignore[misc]  # bound now, called at once
            lambda name=name: interactive.curve_figure(result, name),  # type: ignore[misc]
            size="flat",
        )
        for number, name in enumerate(result.over, start=1)
    ]


def _argmax_part(result: ProfileResult, artist: Artist) -> str:
    """One picture per nuisance parameter; for profiles of one or two parameters."""
    if len(result.over) > _PLANE or not result.argmax:
        return ""
    names = list(result.argmax)[:_MAX_NUISANCES]
    figures = [
        artist.figure(
            f"argmax-{number}",
            f"Value of {name} at the maximum of each cell.",
            lambda name=name: plots.argmax_map(result, name),  # type: ignore[misc]  # bound now, called at once
            lambda name=name: interactive.argmax_figure(result, name),  # type: ignore[misc]
            size="flat" if len(result.over) == 1 else "",
        )
        for number, name in enumerate(names, start=1)
    ]
    left_out = len(result.argmax) - len(names)
    note = elements.paragraph(f"{left_out} more nuisance parameters are not drawn.", "note") if left_out else ""
    return f"<h3>Nuisance parameters at the maximum</h3>{grid(figures)}{note}"


def _cell_counts(result: ProfileResult) -> Table:
    rows = []
    for status in CellStatus:
        chosen = result.cell_status == status
        words = status.name.lower().replace("_", " ")
        rows.append((words, f"{int(chosen.sum()):,}", f"{int((chosen & result.in_roi).sum()):,}"))
    rows.append(("all", f"{result.cell_status.size:,}", f"{int(result.in_roi.sum()):,}"))
    title = f"Cells of the grid; the region of interest reaches {result.roi_threshold:g} below the maximum"
    return Table(title, ("status", "cells", "in the region of interest"), tuple(rows))


def _improved(result: ProfileResult, audit: Audit) -> str:
    chosen = np.flatnonzero(audit.improvements > audit.tolerance)
    if not chosen.size:
        return ""
    rows = []
    for index in chosen[np.argsort(-audit.improvements[chosen], kind="stable")]:
        cell = tuple(audit.cells[index].tolist())
        nodes = [
            show(result.space[name].decode(float(result.axes[name][i])))
            for name, i in zip(result.over, cell, strict=True)
        ]
        rows.append((*nodes, f"{audit.improvements[index]:.3g}", f"{result.log_likelihood_map[cell]:.6g}"))
    columns = (*result.over, "gain", "log-likelihood now")
    return elements.table(Table("Audited cells that improved, corrected in the map", columns, tuple(rows)))


def comparison_section(compared: Comparison, artist: Artist) -> str:
    """The results side by side, and where they disagree."""
    verdict = '<p class="good"><span aria-hidden="true">✓</span> The results agree.</p>'
    if compared.disagreements:
        head = '<p class="bad"><span aria-hidden="true">!</span> The results disagree.</p>'
        verdict = head + elements.bullets(compared.disagreements)
    # A sentence about a parameter begins with its name.
    marked = [name for name in compared.names if any(text.startswith(f"{name}:") for text in compared.disagreements)]
    figure = ""
    if drawable(compared):
        caption = (
            "Intervals of every parameter by result: thick 68 %, thin 95 %; an arrow marks an end that is not known."
        )
        figure = artist.figure("intervals", caption, lambda: plots.comparison(compared))
    notes = "".join(elements.paragraph(text, "note") for text in compared.remarks)
    return verdict + elements.table(replace(compared.table(), note=""), marked, caption=False) + notes + figure
