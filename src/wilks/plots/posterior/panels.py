"""What pictures of a posterior share: which parameters fit, how chains look, where panels stand, and the headline."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import geometry, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.core.parameter import Domain
    from wilks.core.space import Space
    from wilks.samplers.result import Posterior

# Okabe and Ito's colours, which the colour-blind tell apart, without the yellow that white paper swallows.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#8C8C8C")
_DASHES: tuple[style.Dashes, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MOST_CHAINS = len(_COLOURS)
"""Chains that can be told apart; more of them all look the same."""

_FAINT_ALPHA = 0.25
_CHARACTERS_PER_INCH = 11.5
_MARGIN = 0.05
_NARROW = 1e-13
_LONE = 0.02
_FEW_TICKS = 10.0


class ChainLook(NamedTuple):
    """How a chain is drawn."""

    color: str
    dashes: style.Dashes
    alpha: float


def chosen(posterior: Posterior, names: Sequence[str] | None, most: int, picture: str) -> tuple[str, ...]:
    """The parameters of a picture: those that are asked for, or as many as fit, the ones that mix worst.

    Raises
    ------
    InvalidConfigurationError
        If one was not sampled.
    """
    if names is not None:
        missing = [name for name in names if name not in posterior.names]
        if missing or not names:
            raise InvalidConfigurationError(
                f"{picture}: expected parameters that were sampled, got {', '.join(missing) or 'none'}; "
                f"there are: {', '.join(posterior.names)}"
            )
        return tuple(names)
    if len(posterior.names) <= most:
        return posterior.names
    found = posterior.ess
    worst = sorted(posterior.names, key=lambda name: -math.inf if math.isnan(found[name]) else found[name])[:most]
    return tuple(name for name in posterior.names if name in worst)


def left_out(posterior: Posterior, shown: Sequence[str], which: str = "those with the fewest effective draws") -> str:
    """What a picture does not show, as the end of its headline."""
    if len(shown) == len(posterior.names):
        return ""
    return f"; {len(shown)} of {len(posterior.names)} parameters, {which} (names= shows others)"


def source(posterior: Posterior) -> str:
    """Where the draws with equal weights come from, as the beginning of a headline."""
    n, n_draws = posterior.n_chains, posterior.n_draws
    if posterior.weighted is not None:
        return f"{n * n_draws:,} draws, resampled from {len(posterior.weighted.thetas):,} by {posterior.method}"
    return f"{n} chain{'' if n == 1 else 's'} of {n_draws:,} draws by {posterior.method}"


def evaluated(posterior: Posterior) -> str:
    """Where the draws that averages are made of come from, as the beginning of a headline."""
    if posterior.weighted is None:
        return source(posterior)
    return f"{len(posterior.weighted.thetas):,} weighted draws by {posterior.method}"


def headline(figure: Figure, text: str) -> None:
    """Write a headline over all panels, at the left, in as many lines as it needs."""
    width = int(figure.get_figwidth() * _CHARACTERS_PER_INCH)
    figure.suptitle(style.safe_text(textwrap.fill(text, width)), x=0.01, ha="left", fontsize="medium")


def sheet(n_panels: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels of a size in inches; places that are left over stay empty."""
    across = min(n_panels, columns)
    down = math.ceil(n_panels / across)
    figure = style.Picture(figsize=(max(across * size[0], 4.6), down * size[1] + 0.8), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for ax in panels[n_panels:]:
        ax.set_axis_off()
    return figure, panels[:n_panels]


def chain_looks(n_chains: int) -> list[ChainLook]:
    """How each of so many chains is drawn: colours and dashes, or all alike and faint where there are too many."""
    if n_chains > MOST_CHAINS:
        return [ChainLook(style.LINE, "-", _FAINT_ALPHA)] * n_chains
    return [ChainLook(_COLOURS[i], _DASHES[i % len(_DASHES)], 0.85) for i in range(n_chains)]


def chain_handles(n_chains: int) -> list[Artist]:
    """Legend entries of the chains; none for a single one."""
    if n_chains == 1:
        return []
    looks = chain_looks(n_chains)
    if n_chains > MOST_CHAINS:
        return [Line2D([], [], color=style.LINE, label=f"{n_chains} chains")]
    return [
        Line2D([], [], color=look.color, linestyle=look.dashes, label=f"chain {i}") for i, look in enumerate(looks, 1)
    ]


def legend_below(figure: Figure, handles: list[Artist]) -> None:
    """Legend of all panels, below them."""
    if handles:
        columns = max(1, min(len(handles), int(figure.get_figwidth() / 1.6)))
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize="small")


def view(domain: Domain, thetas: NDArray[np.float64]) -> tuple[float, float]:
    """Range of a parameter in which all draws lie, with a margin, as drawn; real ones end at the box."""
    if domain.n_values is not None:
        positions = geometry.position(domain, thetas)
        return float(positions.min()) - 0.5, float(positions.max()) + 0.5
    units = domain.to_unit(np.array([thetas.min(), thetas.max()]))
    width = float(units[1] - units[0])
    margin = _MARGIN * width if width > _NARROW else _LONE  # a parameter may not have moved at all
    low, high = domain.from_unit(np.clip([units[0] - margin, units[1] + margin], 0.0, 1.0)).tolist()
    return low, high


def set_parameter(ax: Axes, which: str, space: Space, name: str, limits: tuple[float, float]) -> None:
    """Scale, ticks, label and limits of an axis that shows a parameter."""
    style.set_axis(ax, which, space, name, n_ticks=4)
    style.set_limits(ax, which, space, name, limits)
    set_log_ticks(ax, which, space[name], limits)
    ax.tick_params(labelsize="small")


def set_log_ticks(ax: Axes, which: str, domain: Domain, limits: tuple[float, float]) -> None:
    """More ticks for a log axis that shows a single power of ten, whose label would not say how long the axis is."""
    if getattr(domain, "scale", "linear") != "log":
        return
    decades = math.floor(math.log10(limits[1])) - math.ceil(math.log10(limits[0])) + 1
    if decades <= 1 and limits[1] / limits[0] > _FEW_TICKS:
        axis = ax.xaxis if which == "x" else ax.yaxis
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_locator(NullLocator())


def check_limit(posterior: Posterior, name: str, default: float) -> float:
    """What a check of the certificate is held against; a default where it was not made."""
    return next((check.limit for check in posterior.certificate.checks if check.name == name), default)
