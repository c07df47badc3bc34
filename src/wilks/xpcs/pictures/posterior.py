"""Pictures of an XPCS posterior: what the data made of the priors, and what the draws say of the correlations."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.plots import style
from wilks.plots.grid import clean
from wilks.plots.posterior import panels
from wilks.plots.posterior.collection import posterior_drawings as generic_drawings
from wilks.plots.posterior.density import density, prior_density
from wilks.xpcs.model import PHYSICAL_NAMES, Geometry, curves, decay_function
from wilks.xpcs.pictures.angles import angle_text, of_one_figure
from wilks.xpcs.pictures.cuts import LOOKS
from wilks.xpcs.views import check_data, view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.xpcs.curves import Curves
    from wilks.xpcs.posterior.result import XpcsPosterior
    from wilks.xpcs.views import Cut

    Array = NDArray[np.float64]

_COLUMNS = 3
_PANEL = (3.1, 2.3)
_TAILS = (0.0005, 0.9995)
_MARGIN = 0.15
_N_DRAWS = 200
_PROBABILITY = 0.95
_WIDTH, _ROW, _TOP, _BOTTOM = 9.6, 2.1, 0.75, 0.55

PRIORS = (
    "Posterior (filled), prior (dashed) and fit with its standard error (bar) of every parameter, each density over "
    "its maximum. Where prior and posterior look alike the data say nothing."
)
BANDS = (
    "Measured correlations as means over narrow bands with their errors, and what the posterior says of the model "
    "there: mean, and the band that holds 95 %, without noise."
)


def posterior_drawings(posterior: XpcsPosterior) -> Iterator[tuple[str, str, Callable[[], Figure]]]:
    """Yield name, caption and drawing function of every picture that a posterior has.

    The caption is empty for pictures that every posterior has. Cuts with bands need the data of the fit.

    Parameters
    ----------
    posterior
        What `wilks.xpcs.sample` returned, with draws.
    """
    yield "prior", PRIORS, partial(prior_and_posterior, posterior)
    if posterior.data is not None:
        yield "bands", BANDS, partial(bands, posterior)
    for name, draw in generic_drawings(posterior):
        yield name, "", draw


def prior_and_posterior(posterior: XpcsPosterior) -> Figure:
    """Draw prior and posterior of every physical parameter, and the fit.

    Parameters
    ----------
    posterior
        What `wilks.xpcs.sample` returned.

    Returns
    -------
    Figure
        A new figure.
    """
    figure, axes = panels.sheet(len(posterior.names), _COLUMNS, _PANEL)
    for ax, name in zip(axes, posterior.names, strict=False):
        _densities(ax, posterior, name)
    handles = [handle for handle in axes[0].get_legend_handles_labels()[0] if handle is not None]
    panels.legend_below(figure, handles)
    panels.headline(figure, f"{panels.source(posterior)}, {posterior.noise} noise")
    return figure


def _densities(ax: Axes, posterior: XpcsPosterior, name: str) -> None:
    domain, fit = posterior.space[name], posterior.fit
    value, error = fit.physical[name], fit.standard_errors.get(name, math.nan)
    thetas = posterior.draws[name].ravel()
    ends = np.quantile(thetas, _TAILS)
    if math.isfinite(error):
        ends = np.array([min(ends[0], value - 2.5 * error), max(ends[1], value + 2.5 * error)])
    low, high = domain.to_unit(np.clip(ends, *domain.from_unit(np.array([0.0, 1.0])).tolist())).tolist()
    wide = max(high - low, 1e-9) * _MARGIN
    limits = domain.from_unit(np.clip([low - wide, high + wide], 0.0, 1.0))
    ends_of_axis = (float(limits[0]), float(limits[1]))
    found, prior = density(domain, thetas, ends_of_axis), prior_density(domain, ends_of_axis)
    heights = found.heights / found.heights.max()
    ax.fill_between(found.positions, heights, color=style.FILLS[0.95], label="posterior", linewidth=0.0)
    ax.plot(found.positions, heights, color=style.LINE, linewidth=1.2)
    top = prior.heights.max()
    dashed: dict[str, Any] = {"color": "0.35", "linewidth": 1.1, "linestyle": (0, (5, 2))}
    ax.plot(prior.positions, prior.heights / (top if top > 0 else 1.0), label="prior", **dashed)
    bar = error if math.isfinite(error) else 0.0
    look: dict[str, Any] = {"fmt": "o", "color": style.FIT, "markersize": 4.5, "capsize": 2.5, "zorder": 4}
    ax.errorbar([value], [0.06], xerr=[[bar], [bar]], label="fit", **look)
    style.set_axis(ax, "x", posterior.space, name, n_ticks=4)
    style.set_limits(ax, "x", posterior.space, name, ends_of_axis)
    ax.set_ylim(0.0, 1.12)
    ax.set_yticks([])
    clean(ax)


def bands(posterior: XpcsPosterior, angles: Sequence[int] | None = None) -> Figure:
    """Draw the correlations of some angles along the lag and along the age, with the band of the posterior.

    Points are means over narrow bands of ages and lags as in `wilks.xpcs.pictures.cuts`; mean and 95 % band of the
    model are those in the middle of these bands.

    Parameters
    ----------
    posterior
        What `wilks.xpcs.sample` returned, with the data of its fit.
    angles
        Positions of at most 6 angles; by default all that have data, or 6 of them.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If the data are not here, or an angle is not there.
    """
    fit = posterior.fit
    check_data(fit)
    shown = of_one_figure(angles, np.isfinite(posterior.contrast[0, 0]))
    height = _TOP + _BOTTOM + _ROW * len(shown)
    figure = style.Picture(figsize=(_WIDTH, height))
    place = {"left": 0.105, "right": 0.985, "wspace": 0.14, "hspace": 0.16}
    axes = figure.subplots(
        len(shown), 2, squeeze=False, sharex="col", sharey="row",
        gridspec_kw=place | {"bottom": _BOTTOM / height, "top": 1 - _TOP / height},
    )  # fmt: skip
    chosen, made = _models(posterior, shown)
    for row, angle in enumerate(shown):
        seen = view(fit, angle)
        for ax, lines, what in zip(axes[row], (seen.along_lag, seen.along_age), ("age", "lag"), strict=True):
            models = (angle, row, chosen, made)
            handles = [_band(ax, posterior, cut, look, what, models) for cut, look in zip(lines, LOOKS, strict=False)]
            if row == 0 and handles:
                style.legend_above(ax, handles)
            clean(ax)
        axes[row, 0].set_ylabel(f"{angle_text(posterior.phi[angle])}\n$c_2$")
        axes[row, 0].set_xscale("log")
    axes[-1, 0].set_xlabel("lag $t_2 - t_1$ [s]")
    axes[-1, 1].set_xlabel("age $t_1$ [s]")
    title = f"means with standard errors; posterior mean (lines) and 95 % bands, {posterior.noise} noise"
    figure.suptitle(title, y=1 - 0.1 / height, va="top", fontsize="medium")
    return figure


def _models(posterior: XpcsPosterior, shown: tuple[int, ...]) -> tuple[NDArray[np.intp], list[Curves]]:
    """Positions of some draws among all, and the curves of each."""
    fit, n = posterior.fit, posterior.log_likelihoods.size
    chosen = np.unique(np.linspace(0, n - 1, min(_N_DRAWS, n)).astype(int))
    place = Geometry(fit.t, fit.dt, fit.q, fit.gap, fit.phi[list(shown)], fit.convention)
    drawn = {name: posterior.draws[name].ravel()[chosen] for name in posterior.names}
    made = []
    for i in range(len(chosen)):
        values = fit.physical | {name: float(column[i]) for name, column in drawn.items()}
        made.append(curves({name: values[name] for name in PHYSICAL_NAMES[posterior.mode]}, place, posterior.mode))
    return chosen, made


def _nearest(t: Array, values: Array) -> NDArray[np.intp]:
    """Positions of the times that are nearest to some values."""
    return np.rint(np.interp(values, t, np.arange(len(t)))).astype(int)


def _band(
    ax: Axes,
    posterior: XpcsPosterior,
    cut: Cut,
    look: dict[str, Any],
    what: str,
    models: tuple[int, int, NDArray[np.intp], list[Curves]],
) -> Any:  # noqa: ANN401 - a handle of a legend
    angle, row, chosen, made = models
    t = posterior.fit.t
    if what == "age":
        first = _nearest(t, np.full(len(cut.x), cut.at))
        second = _nearest(t, t[first] + cut.x)
        inside = second > first
    else:
        first = _nearest(t, cut.x)
        second = _nearest(t, t[first] + cut.at)
        inside = t[first] + cut.at < t[-1] + 0.5 * posterior.fit.dt
    first, second = first[inside], second[inside]
    x = t[second] - t[first] if what == "age" else t[first]
    b, o = (draws[..., angle].ravel()[chosen] for draws in (posterior.contrast, posterior.offset))
    c2 = np.array([p + s * decay_function(each, first, second, row) for p, s, each in zip(o, b, made, strict=True)])
    tail = 0.5 - 0.5 * _PROBABILITY
    low, high = np.quantile(c2, [tail, 1.0 - tail], axis=0)
    points = {"color": look["color"], "marker": look["marker"], "linestyle": "none", "markersize": 3.2}
    ax.errorbar(cut.x, cut.c2, cut.error, elinewidth=0.8, fillstyle="none", alpha=0.7, zorder=2, **points)
    ax.fill_between(x, low, high, color=look["color"], alpha=0.3, linewidth=0.0, zorder=3)
    (line,) = ax.plot(x, c2.mean(axis=0), color=look["color"], linestyle=look["linestyle"], linewidth=1.0, zorder=4)
    line.set_label(f"{what} {cut.at:.2g} s")
    return line
