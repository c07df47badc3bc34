"""Pictures of the replicas of parallel tempering: swaps, temperatures, ways along the ladder, acceptance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogFormatterSciNotation, LogLocator, MaxNLocator, NullLocator

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import style
from wilks.plots.grid import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.searchers.result import SearchResult
    from wilks.searchers.tempering.diagnostics import TemperingDiagnostics

LOW_SWAP_RATE = 0.2
_MOST_RECORDS = 300
_MOST_LABELLED = 16
_MOST_WRITTEN = 12
_FAINT = "0.72"
_TINT = 0.2


def swap_rates(result: SearchResult, ax: Axes | None = None) -> Figure:
    """Draw the mean probability of a swap between neighbouring rungs, rung 0 being the coldest.

    Below the dashed line, at 0.2, neighbours hardly exchange; such a pair is tinted up to the line, so that a rate of
    zero is seen too.

    Parameters
    ----------
    result
        A search by parallel tempering.
    ax
        Axes to draw on; a new figure by default.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the search is not one by parallel tempering.
    """
    rates = of_tempering(result, "swap_rates").swap_rates
    ax = style.axes_or_new(ax, 5.4, 3.2)
    x = np.arange(len(rates)) + 0.5
    _draw_shares(ax, x, rates, low=rates < LOW_SWAP_RATE)
    for position in x[np.isnan(rates)]:
        ax.annotate("no attempt", (position, 0.03), ha="center", va="bottom", rotation=90, fontsize="small")
    ax.axhline(LOW_SWAP_RATE, color="0.35", linewidth=1.0, linestyle=style.DASHES[0.95], zorder=0.5)
    _set_shares(ax, "swap rate", len(rates) + 1)
    ax.set_xlabel("rungs, 0 is the coldest; a bar stands between two")
    return style.figure_of(ax)


def acceptance(result: SearchResult, ax: Axes | None = None) -> Figure:
    """Draw the share of the moves that were accepted on every rung, rung 0 being the coldest.

    Parameters
    ----------
    result, ax
        As for `swap_rates`.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the search is not one by parallel tempering.
    """
    shares = of_tempering(result, "acceptance").acceptance
    ax = style.axes_or_new(ax, 5.4, 3.2)
    _draw_shares(ax, np.arange(len(shares)), shares, low=np.zeros(len(shares), dtype=bool))
    _set_shares(ax, "accepted moves", len(shares))
    ax.set_xlabel("rung, 0 is the coldest")
    return style.figure_of(ax)


def ladder(result: SearchResult, ax: Axes | None = None) -> Figure:
    """Draw the temperatures of the rungs over the sweeps; one that is infinite is the dashed line at the top.

    Ladders with other numbers of rungs, which a sampler tries first, are grey.

    Parameters
    ----------
    result, ax
        As for `swap_rates`.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the search is not one by parallel tempering.
    """
    tempering = of_tempering(result, "ladder")
    ax = style.axes_or_new(ax, 5.4, 3.6)
    sweeps, temperatures = _ladders(tempering)
    usable = np.where(np.isfinite(temperatures) & (temperatures > 0), temperatures, np.nan)
    lengths = (~np.isnan(temperatures)).sum(axis=1)
    n_tried = int(np.flatnonzero(lengths != lengths[-1]).max(initial=-1)) + 1
    for tried, *span in zip(usable[:n_tried], sweeps, sweeps[1:], strict=False):
        ax.hlines(tried[np.isfinite(tried)], *span, color=_FAINT, linewidth=1.0)
    # A ladder that cools changes all the time; one whose cold end is fixed is kept until it is replaced.
    drawn = "steps-post" if np.ptp(temperatures[:, 0]) == 0 else "default"
    for rung in range(lengths[-1]):
        shade, width = (style.FIT, 2.0) if rung == 0 else (style.LINE, 1.0)
        ax.plot(sweeps[n_tried:], usable[n_tried:, rung], color=shade, linewidth=width, drawstyle=drawn)
    _set_temperatures(ax, usable)
    _name_ends(ax, tempering.ladder)
    _set_sweeps(ax, sweeps[-1])
    if n_tried:
        ax.set_title("grey: ladders of other lengths, tried first", fontsize="small", loc="left")
    ax.set_ylabel("temperature")
    return style.figure_of(ax)


def replicas(result: SearchResult, highlight: int | None = None, ax: Axes | None = None) -> Figure:
    """Draw which rung every replica was on over the sweeps, one of them highlighted.

    A ladder that works carries replicas from its cold end to its hot end and back.

    Parameters
    ----------
    result
        A search by parallel tempering.
    highlight
        Number of the replica that stands out; by default the one that went from end to end most often.
    ax
        Axes to draw on; a new figure by default.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the search is not one by parallel tempering, or has no such replica.
    """
    tempering = of_tempering(result, "replicas")
    n_rungs = len(tempering.ladder)
    rungs = _rungs(tempering.trajectory)
    chosen = _most_travelled(rungs) if highlight is None else highlight
    if not 0 <= chosen < n_rungs:
        raise InvalidConfigurationError(f"highlight: expected a replica from 0 to {n_rungs - 1}, got {highlight!r}")
    ax = style.axes_or_new(ax, 5.4, 3.6)
    step = -(-len(rungs) // _MOST_RECORDS) or 1
    sweeps = np.arange(0, len(rungs), step) * tempering.trajectory_every + 1
    for replica in range(n_rungs):
        if replica != chosen:
            ax.plot(sweeps, rungs[::step, replica], color=_FAINT, linewidth=0.6, alpha=0.6, zorder=1)
    ax.plot(sweeps, rungs[::step, chosen], color=style.FIT, linewidth=1.6, zorder=3, label=f"replica {chosen}")
    _set_sweeps(ax, tempering.n_sweeps)
    ax.set_ylim(-0.4, max(n_rungs - 0.6, 0.4))
    ax.yaxis.set_major_locator(_rung_locator(n_rungs))
    ax.set_ylabel("rung, 0 is the coldest")
    ax.set_title(_trips(tempering, chosen), fontsize="small", loc="left")
    return style.figure_of(ax)


def of_tempering(result: SearchResult, picture: str) -> TemperingDiagnostics:
    """The diagnostics of a search by parallel tempering.

    Raises
    ------
    InvalidConfigurationError
        If there are none.
    """
    if result.tempering is None:
        raise InvalidConfigurationError(
            f"{picture}: expected a search by parallel tempering, got one with {result.algorithm.partition('(')[0]}"
        )
    return result.tempering


def _trips(tempering: TemperingDiagnostics, chosen: int) -> str:
    trips = f"{tempering.round_trips} round trip{'' if tempering.round_trips == 1 else 's'}"
    return f"{trips} in {tempering.n_sweeps:,} sweeps; replica {chosen} highlighted"


def _ladders(tempering: TemperingDiagnostics) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sweeps and temperatures of all ladders, up to the end of the last one."""
    sweeps, temperatures = tempering.ladder_history
    if not len(sweeps):  # never adapted
        return np.array([0.0, tempering.n_sweeps]), np.vstack([tempering.ladder] * 2)
    last = np.full((1, temperatures.shape[1]), np.nan)  # there were ladders with more rungs, perhaps
    last[0, : len(tempering.ladder)] = tempering.ladder
    # A sampler, and nobody else, has an infinite temperature; it counts its sweeps anew with every ladder.
    begun = sweeps[-1] if np.isinf(tempering.ladder[-1]) else 0
    return np.append(sweeps.astype(float), float(begun + tempering.n_sweeps)), np.vstack([temperatures, last])


def _rungs(trajectory: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rung of every replica, shape (record, replica), from the replica on every rung."""
    return np.argsort(trajectory, axis=1, kind="stable")


def _most_travelled(rungs: NDArray[np.int64]) -> int:
    """The replica that changed most often between the two ends of the ladder; among equals, between its halves."""
    if not len(rungs):
        return 0
    top = rungs.shape[1] - 1
    journeys = []
    for way in rungs.T:
        at_ends = way[(way == 0) | (way == top)]
        halves = way > top / 2
        journeys.append((int((np.diff(at_ends) != 0).sum()), int((np.diff(halves) != 0).sum())))
    return max(range(len(journeys)), key=lambda replica: journeys[replica])


def _draw_shares(ax: Axes, positions: NDArray[Any], shares: NDArray[np.float64], *, low: NDArray[np.bool_]) -> None:
    """Draw a bar for every share, and its number as long as there is room; those that are too low are marked."""
    heights = np.nan_to_num(shares)
    ax.bar(positions[low], LOW_SWAP_RATE, 0.7, color=style.FIT, alpha=_TINT, zorder=0.4)
    ax.bar(positions[low], heights[low], 0.7, color="white", edgecolor=style.FIT, hatch="////")
    ax.bar(positions[~low], heights[~low], 0.7, color=style.FILLS[0.68], edgecolor=style.LINE)
    if len(shares) > _MOST_WRITTEN:
        return
    for position, share in zip(positions.tolist(), shares.tolist(), strict=True):
        if np.isfinite(share):
            text: dict[str, Any] = {"va": "bottom", "ha": "center", "fontsize": "small", "path_effects": style.HALO}
            ax.annotate(f"{share:.2f}", (position, share), (0, 1), textcoords="offset points", **text)


def _set_shares(ax: Axes, label: str, n_rungs: int) -> None:
    ax.set_ylim(0, 1.08)
    ax.set_yticks(np.linspace(0, 1, 6))
    ax.set_xlim(-0.6, n_rungs - 0.4)
    ax.xaxis.set_major_locator(_rung_locator(n_rungs))
    ax.set_ylabel(label)
    clean(ax)


def _rung_locator(n_rungs: int) -> FixedLocator:
    return FixedLocator(range(0, n_rungs, -(-n_rungs // _MOST_LABELLED)))


def _set_sweeps(ax: Axes, n_sweeps: float) -> None:
    ax.set_xlim(0, max(n_sweeps, 1))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    ax.set_xlabel("sweeps")
    clean(ax)


def _set_temperatures(ax: Axes, usable: NDArray[np.float64]) -> None:
    if not np.isfinite(usable).any():
        return
    ax.set_yscale("log")
    ax.set_ylim(np.nanmin(usable) / 1.8, np.nanmax(usable) * 1.8)
    ax.yaxis.set_major_locator(LogLocator(numticks=7))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(LogFormatterSciNotation())


def _name_ends(ax: Axes, temperatures: NDArray[np.float64]) -> None:
    """Name the coldest rung and the hottest at the right; an infinite one is drawn here, at the top."""
    if len(temperatures) == 1:
        return
    text: dict[str, Any] = {"va": "center", "fontsize": "small"}
    for temperature, name in ((temperatures[0], "coldest"), (temperatures[-1], "hottest")):
        if np.isinf(temperature):
            ax.plot(
                [0, 1], [1, 1], color=style.LINE, linestyle=style.DASHES[0.95], transform=ax.transAxes, clip_on=False
            )
            ax.text(1.01, 1.0, rf"{name}: $\infty$", transform=ax.transAxes, **text)
        elif temperature > 0:
            ax.text(1.01, temperature, name, transform=ax.get_yaxis_transform(), **text)
