"""Forest picture: the credible sets of every parameter, from all draws, from each chain, and from other results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from matplotlib.lines import Line2D

from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry, style
from wilks.plots.grid import clean
from wilks.plots.posterior import panels, parts
from wilks.plots.posterior.density import HALF_WIDTH, centre, credible_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from typing_extensions import TypeIs

    from wilks.core.parameter import Domain
    from wilks.profiles.result import ProfileResult
    from wilks.samplers.result import Posterior
    from wilks.searchers.result import SearchResult
    from wilks.solvers.result import FitResult

    AnyResult: TypeAlias = Posterior | FitResult | ProfileResult | SearchResult

_MOST_NAMES = 60
_PER_ROW = 3
_WIDTHS = {0.95: 1.6, 0.68: 5.0}
_BEYOND = 0.5  # of the length of all lines of the posterior
_CHAIN_BAND = 1.1  # height of the lines of all chains, where the line of a result has 1
_DOT: dict[str, Any] = {"marker": "o", "color": "white", "markeredgecolor": "black", "linestyle": "none"}


class _Line(NamedTuple):
    """What one result says of a parameter, as drawn: its best value or mean, and pieces of its sets by level."""

    middle: float
    sets: dict[float, list[tuple[float, float]]]


def posterior_forest(
    posterior: Posterior, names: Sequence[str] | None = None, *, others: Mapping[str, AnyResult] | None = None
) -> Figure:
    """Draw mean and smallest 68 and 95 % sets of every parameter; below them, faint, those of each chain.

    Sets may have several pieces. A discrete parameter has its most probable value instead of the mean. The chains of
    importance sampling are its independent populations.

    Parameters
    ----------
    posterior
        What `wilks.sample` returned.
    names
        The parameters; by default all, at most the 60 with the fewest effective draws.
    others
        Title -> another result of the same problem: a posterior, a fit (with symmetric intervals from its standard
        errors), a profile (with its confidence sets), or a search (with its best point alone).

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If one of `names` was not sampled.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(-9, 9)), lambda v: -0.5 * v["a"] ** 2)
    >>> fit = wilks.fit(problem, seed=1)
    >>> figure = wilks.plots.posterior_forest(wilks.sample(problem, start=fit, seed=1), others={"fit": fit})
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()][-1]
    'fit'
    """
    shown = panels.chosen(posterior, names, _MOST_NAMES, "forest")
    separate = parts.separate(posterior)
    separate = separate if len(separate) > 1 else []
    band = _CHAIN_BAND if separate else 0.0
    titles = {} if others is None else dict(others)
    height = 0.62 + 0.24 * (1 + band + len(titles))
    figure, axes = panels.sheet(len(shown), _PER_ROW, (2.9, height))
    ticks = {0.0: "posterior"} | ({0.5 + 0.5 * band: _of_parts(posterior, len(separate))} if separate else {})
    ticks |= {1.0 + band + i: style.safe_text(title) for i, title in enumerate(titles)}
    for number, (ax, name) in enumerate(zip(axes, shown, strict=True)):
        _draw(ax, 0.0, _of_posterior(posterior, name), style.LINE)
        for i, part in enumerate(separate):
            place = 0.5 + band * (i + 0.5) / len(separate)
            _draw_part(ax, place, _of_posterior(part, name), min(0.5, 4.0 / len(separate)))
        own = _ends(ax)
        beside = {i: line for i, other in enumerate(titles.values()) for line in _of_result(other, name)}
        for i, line in beside.items():
            _draw(ax, 1.0 + band + i, line, style.FIT)
        limits = _limits(posterior.space[name], own, _ends(ax), [line.middle for line in beside.values()])
        panels.set_parameter(ax, "x", posterior.space, name, limits)
        ax.set_ylim(0.6 + band + len(titles), -0.6)
        ax.tick_params(axis="y", length=0)
        clean(ax)
        ax.set_yticks(list(ticks), labels=list(ticks.values()) if number % _PER_ROW == 0 else [])
    panels.legend_below(figure, _handles())
    rest = panels.left_out(posterior, shown) if names is None else ""
    panels.headline(figure, panels.evaluated(posterior) + rest)
    return figure


def _of_parts(posterior: Posterior, n: int) -> str:
    return f"{n} {'chains' if posterior.weighted is None else 'populations'}"


def _ends(ax: Axes) -> tuple[float, float]:
    """First and last position of the lines so far."""
    drawn = np.concatenate([line.get_xdata() for line in ax.lines])
    return float(drawn.min()), float(drawn.max())


def _limits(
    domain: Domain, own: tuple[float, float], all_lines: tuple[float, float], middles: Sequence[float]
) -> tuple[float, float]:
    """Limits with room for all; a set of another result that is much wider than those of the posterior goes beyond."""
    if domain.n_values is not None:
        return all_lines[0] - 0.2, all_lines[1] + 0.2
    box = np.sort(domain.from_unit(np.array([0.0, 1.0])))
    first, last, low, high, *points = domain.to_unit(np.clip([*own, *all_lines, *middles], *box)).tolist()
    width = _BEYOND * (last - first)
    low = max(low, min([first - width, *points]))
    high = min(high, max([last + width, *points]))
    return panels.view(domain, domain.from_unit(np.array([low, high])))


def _draw(ax: Axes, place: float, line: _Line, color: str) -> None:
    for level, width in _WIDTHS.items():
        for piece in line.sets.get(level, []):
            ax.plot(piece, [place] * 2, color=color, linewidth=width, solid_capstyle="butt")
    ax.plot([line.middle], [place], markersize=5.5, zorder=4, **_DOT)


def _draw_part(ax: Axes, place: float, line: _Line, size: float) -> None:
    """A chain: thinner and fainter, the smaller the more of them there are."""
    for level, width in _WIDTHS.items():
        for piece in line.sets[level]:
            thickness = max(width * size, 0.6)
            ax.plot(piece, [place] * 2, color=style.FILLS[0.68], linewidth=thickness, solid_capstyle="butt")
    ax.plot([line.middle], [place], "|", color=style.LINE, markersize=10 * size, markeredgewidth=1.2)


def _of_posterior(posterior: Posterior, name: str) -> _Line:
    return _Line(centre(posterior, name), {level: credible_set(posterior, name, level) for level in _WIDTHS})


def _of_result(result: AnyResult, name: str) -> Iterator[_Line]:
    """The line of another result; nothing where it does not know the parameter."""
    if is_posterior(result):
        if name in result.names:
            yield _of_posterior(result, name)
        return
    if name not in result.space.free or name not in result.best:
        return
    domain = result.space[name]
    middle = float(geometry.position(domain, np.array([domain.encode(result.best[name])]))[0])
    sets: dict[float, list[tuple[float, float]]] = {}
    if _is_profile(result):
        if name in result.over:
            reached = [level for level in _WIDTHS if wilks_depth(level, 1) <= result.roi_threshold]
            sets = {
                level: [_drawn(domain, p.lower, p.upper) for p in result.intervals(name, level)] for level in reached
            }
    elif _is_fit(result):
        error = result.standard_errors.get(name, math.nan)
        if math.isfinite(error):
            reach = {level: math.sqrt(2 * wilks_depth(level, 1)) * error for level in _WIDTHS}
            sets = {level: [(middle - width, middle + width)] for level, width in reach.items()}
    yield _Line(middle, sets)


def _drawn(domain: Domain, lower: float, upper: float) -> tuple[float, float]:
    """Ends of a piece as drawn; one of discrete values has a little width."""
    first, last = geometry.position(domain, np.array([lower, upper])).tolist()
    room = 0.0 if domain.n_values is None else HALF_WIDTH
    return first - room, last + room


def is_posterior(result: object) -> TypeIs[Posterior]:
    """Is a result a posterior? Told by its certificate, since pictures import core only."""
    return hasattr(result, "certificate")


def _is_profile(result: object) -> TypeIs[ProfileResult]:
    return hasattr(result, "over")


def _is_fit(result: object) -> TypeIs[FitResult]:
    return hasattr(result, "standard_errors")


def _handles() -> list[Artist]:
    return [
        Line2D([], [], color=style.LINE, linewidth=_WIDTHS[0.68], solid_capstyle="butt", label="68 %"),
        Line2D([], [], color=style.LINE, linewidth=_WIDTHS[0.95], label="95 %"),
        Line2D([], [], markersize=5.5, label="mean or best value", **_DOT),
    ]
