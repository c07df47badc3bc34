"""Corner picture of draws from a posterior: the density of every parameter and of every pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import geometry, style
from wilks.plots.grid import Lattice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from typing_extensions import TypeIs

    from wilks.core.parameter import Domain, Value
    from wilks.samplers.result import Posterior
    from wilks.searchers.result import SearchResult

_TAIL = 0.001
_MARGIN = 0.08
_MARGIN_BINS = 4
_FEWEST_BINS, _MOST_BINS = 12, 100
_MOST_VALUES = 40
_MOST_NAMES = 12
_SMOOTHING = 1.0  # bins
_NARROW = 1e-12


def draws_corner(result: SearchResult | Posterior, names: Sequence[str] | None = None) -> Figure:
    """Draw the marginal densities of the draws on the diagonal, and the smallest regions with 68 and 95 % below it.

    Parameters
    ----------
    result
        A result that has draws: a posterior, or a search by parallel tempering in its sampling mode.
    names
        The parameters; by default all, at most the first 12.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If there are no draws, or none of one of `names`.
    """
    draws = result.draws
    if not draws:
        raise InvalidConfigurationError(
            "corner: expected a result with draws, got one without; has the search sampled?"
        )
    chosen = tuple(names) if names is not None else tuple(draws)[:_MOST_NAMES]
    missing = [name for name in chosen if name not in draws]
    if missing or not chosen:
        raise InvalidConfigurationError(
            f"corner: expected parameters that were drawn, got {', '.join(missing) or 'none'}; "
            f"there are: {', '.join(draws)}"
        )
    space = result.space
    rulers = {name: _ruler(space[name], np.asarray(draws[name], dtype=float).ravel()) for name in chosen}
    lattice = Lattice(space, chosen)
    for i, row in enumerate(chosen):
        _draw_marginal(lattice.at(i, i), rulers[row])
        for j, column in enumerate(chosen[:i]):
            ax = lattice.at(i, j)
            _draw_plane(ax, rulers[column], rulers[row])
            ends = [[_position(space[name], result.best[name])] for name in (column, row)]
            ax.plot(*ends, markersize=9, zorder=6, **style.STAR)
    lattice.finish({name: (ruler.edges[0], ruler.edges[-1]) for name, ruler in rulers.items()}, diagonal=None)
    lattice.legend([*_patches(), Line2D([], [], markersize=9, label="best point", **style.STAR)])
    return lattice.figure


def is_search(result: object) -> TypeIs[SearchResult]:
    """Is a result that of a search? Told by its history, since pictures import core only."""
    return hasattr(result, "history")


def _patches() -> list[Artist]:
    return [Patch(facecolor=style.FILLS[level], label=f"{100 * level:.0f} % region") for level in geometry.LEVELS]


@dataclass(frozen=True)
class _Ruler:
    """Draws of one parameter, as drawn, with the bins that they are counted in."""

    values: NDArray[np.float64]
    edges: NDArray[np.float64]
    centres: NDArray[np.float64]
    is_discrete: bool


def _position(domain: Domain, value: Value) -> float:
    return float(geometry.position(domain, np.array([domain.encode(value)]))[0])


def _ruler(domain: Domain, theta: NDArray[np.float64]) -> _Ruler:
    values = geometry.position(domain, theta)
    if domain.n_values is not None:
        edges = _discrete_edges(values)
        return _Ruler(values, edges, 0.5 * (edges[1:] + edges[:-1]), is_discrete=True)
    units = np.sort(domain.to_unit(values))
    low, high = np.quantile(units, [_TAIL, 1 - _TAIL])
    wanted = _bin_width(units)
    margin = max(_MARGIN * (high - low), _MARGIN_BINS * wanted, _NARROW)  # a chain may not have moved at all
    low, high = max(low - margin, 0.0), min(high + margin, 1.0)
    n = math.ceil(np.clip((high - low) / max(wanted, _NARROW), _FEWEST_BINS, _MOST_BINS))
    fine = domain.from_unit(np.linspace(low, high, 2 * n + 1))
    return _Ruler(values, fine[::2], fine[1::2], is_discrete=False)


def _bin_width(ordered: NDArray[np.float64]) -> float:
    """Width of bins by the rule of Freedman and Diaconis (1981), for draws with several modes too.

    The rule takes the distance of the quartiles for the spread, which for separate modes is that between the modes.
    Here it is the length of the smallest region that holds half of the draws, which is the same for a single mode.
    """
    n_each = math.isqrt(len(ordered))
    pieces = np.sort(np.diff(ordered[::n_each]))
    spread = pieces[: (len(pieces) + 1) // 2].sum()
    n_distinct = np.count_nonzero(np.diff(ordered)) + 1  # a chain that stays repeats its draws
    return float(2 * spread * n_distinct ** (-1 / 3))


def _discrete_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """One bin for every value, or for several neighbours where there are many."""
    low, high = float(values.min()), float(values.max())
    step = math.ceil((high - low + 1) / _MOST_VALUES)
    return np.arange(low - 0.5, high + 0.5 + step, step)


def _draw_marginal(ax: Axes, ruler: _Ruler) -> None:
    counts, _ = np.histogram(ruler.values, ruler.edges)
    shares = counts / len(ruler.values)
    if ruler.is_discrete:
        widths = 0.6 * np.diff(ruler.edges)
        ax.bar(ruler.centres, shares, widths, color=style.FILLS[0.68], edgecolor=style.LINE)
    else:
        ax.stairs(shares, ruler.edges, fill=True, color=style.FILLS[0.95])
        ax.stairs(shares, ruler.edges, color=style.LINE, linewidth=1.4)
    ax.set_ylim(0, 1.12 * shares.max())


def _draw_plane(ax: Axes, x: _Ruler, y: _Ruler) -> None:
    """Fill the smallest regions that hold 68 and 95 % of the draws; a discrete parameter shows its cells."""
    counts, _, _ = np.histogram2d(x.values, y.values, bins=(x.edges, y.edges))
    density = _smoothed(counts / len(x.values), x, y)
    outer, inner = _threshold(density, 0.95), _threshold(density, 0.68)
    colours = [style.FILLS[0.95], style.FILLS[0.68]]
    if x.is_discrete or y.is_discrete:
        regions = (density >= outer).astype(float) + (density >= inner)
        cells = np.ma.masked_equal(regions.T, 0)
        ax.pcolormesh(x.edges, y.edges, cells, cmap=ListedColormap(colours), vmin=0.5, vmax=2.5, zorder=1)
        return
    levels = [outer, max(inner, outer * (1 + 1e-9)), np.inf]
    ends = [np.concatenate([ruler.edges[:1], ruler.centres, ruler.edges[-1:]]) for ruler in (x, y)]
    padded = np.pad(density, 1, mode="edge").T  # a region that ends at a bound of the box reaches it
    ax.contourf(*ends, padded, levels=levels, colors=colours, zorder=1)
    ax.contour(*ends, padded, levels=levels[:2], colors=style.LINE, linewidths=0.8, zorder=2)


def _smoothed(density: NDArray[np.float64], *rulers: _Ruler) -> NDArray[np.float64]:
    """Density without the noise of single bins, along real parameters; nothing leaves the box."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - scipy loads on use

    sigma = [0.0 if ruler.is_discrete else _SMOOTHING for ruler in rulers]
    smooth: NDArray[np.float64] = gaussian_filter(density, sigma, mode="reflect")
    return smooth


def _threshold(density: NDArray[np.float64], level: float) -> float:
    """Density on the border of the smallest region that holds a share of the draws."""
    falling = np.sort(density, axis=None)[::-1]
    total = np.cumsum(falling)
    return float(falling[min(int(np.searchsorted(total, level * total[-1])), len(falling) - 1)])
