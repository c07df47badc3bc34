"""Section of the report about volume sampling: the samples, how they were got, and how they spread over the levels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wilks.core.table import Table
from wilks.plots.output import picture
from wilks.report import elements
from wilks.report.results import status_line

if TYPE_CHECKING:
    from wilks.profiles.volume_result import VolumeResult
    from wilks.report.figures import Artist

_PANELS = 2


def volume_section(result: VolumeResult, artist: Artist) -> str:
    """Range of the samples, picture, and the counts of the ensemble."""
    parts = [status_line(result.status)]
    if result.n_in_band:
        parts.append(elements.table(result.table()))
    parts.append(elements.paragraph(result.summary()))
    if result.n_in_band:
        parts.append(_figure(result, artist))
        note = "Draws of Markov chains that cover the region: neighbours are correlated, and they are no posterior."
        parts.append(elements.paragraph(note, "note"))
        parts.append(elements.details("Samples by log-likelihood", elements.table(_by_level(result))))
    parts.append(elements.details("Settings and counts", elements.table(_settings(result))))
    return "".join(parts)


def _figure(result: VolumeResult, artist: Artist) -> str:
    if result.space.dimension <= _PANELS:
        caption = "Samples of the region of interest, coloured by log-likelihood."
    else:
        caption = "Samples over all pairs of parameters, coloured by log-likelihood, which is drawn on the diagonal."
    return artist.figure("samples", caption, lambda: picture(result))


def _by_level(result: VolumeResult) -> Table:
    """The histogram, best first."""
    edges, counts = result.histogram
    total = max(int(counts.sum()), 1)
    rows = tuple(
        (f"{high - result.log_likelihood:.3g} to {low - result.log_likelihood:.3g}", f"{n:,}", f"{100 * n / total:.1f}")
        for low, high, n in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    )
    return Table("", ("log-likelihood below the best", "states", "%"), rows[::-1])


def _settings(result: VolumeResult) -> Table:
    rows = [
        ("walkers", f"{result.n_walkers:,}"),
        ("steps made", f"{result.n_sweeps:,} of {result.n_steps:,}"),
        ("depth of the region", f"{result.roi_threshold:g}"),
        ("distance of a walker from its level", f"{result.sigma:g}"),
        ("moves that were accepted", _percent(result.mean_acceptance)),
        ("states in the region", _percent(result.in_band_fraction)),
        ("proposals outside the box, not evaluated", f"{result.n_outside:,}"),
        ("rise of the best log-likelihood", f"{result.best_drift:.3g}"),
    ]
    return Table("", ("setting or count", "value"), tuple(rows))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if math.isfinite(share) else "-"
