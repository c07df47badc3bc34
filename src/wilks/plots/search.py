"""One picture of a whole search: its course, and the replicas of parallel tempering."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wilks.plots import style
from wilks.plots.convergence import convergence
from wilks.plots.tempering import acceptance, ladder, replicas, swap_rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wilks.searchers.result import SearchResult


def search(result: SearchResult) -> Figure:
    """Draw the course of a search; for parallel tempering its swaps, acceptance, temperatures and replicas too.

    Parameters
    ----------
    result
        A search.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If the search found no finite log-likelihood.
    """
    if result.tempering is None or not result.tempering.n_sweeps:
        figure = convergence(result)
        figure.suptitle(_title(result), fontsize="medium")
        return figure
    figure = style.Picture(figsize=(9.6, 9.6), layout="constrained")
    panels = figure.subplot_mosaic([["course", "course"], ["swaps", "acceptance"], ["ladder", "replicas"]])
    convergence(result, ax=panels["course"])
    swap_rates(result, panels["swaps"])
    acceptance(result, panels["acceptance"])
    ladder(result, panels["ladder"])
    replicas(result, ax=panels["replicas"])
    trips = result.tempering.round_trips
    figure.suptitle(f"{_title(result)}, {trips} round trip{'' if trips == 1 else 's'}", fontsize="medium")
    return figure


def _title(result: SearchResult) -> str:
    name = result.algorithm.partition("(")[0]
    return style.safe_text(f"{result.provenance.problem} by {name}: log-likelihood {result.log_likelihood:.6g}")
