"""Descriptions of interactive figures, as plain data for plotly.js: maps, curves and argmax pictures.

They show the lines of `wilks.plots.geometry`, so an interactive figure and its printed twin agree.
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.cells import CellStatus
from wilks.core.parameter import Real
from wilks.core.table import show
from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry
from wilks.report.elements import label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Domain
    from wilks.core.space import Space
    from wilks.profiles.result import ProfileResult

    Figure = dict[str, Any]
    """Keys data, layout and config, as plotly.js takes them."""
    Trace = dict[str, Any]

DELTA = "Δ ln L"
_LINE = "#3a7fc4"
_BAD = "#c4501b"
_FILLS = {0.68: "rgba(58,127,196,0.50)", 0.95: "rgba(58,127,196,0.22)"}
_DASHES = {0.68: "solid", 0.95: "dash"}
_STAR = {"symbol": "star", "size": 14, "color": "white", "line": {"color": "black", "width": 1.2}}
_SYMBOLS = {CellStatus.NOT_CONVERGED: "x-thin-open", CellStatus.FAILED: "square-open"}
# The buttons are listed one by one, since those that plotly.js shows of itself include one that uploads the data.
_CONFIG = {
    "responsive": True,
    "displaylogo": False,
    "plotlyServerURL": "",
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}
_LEGEND_GREY = "#8a8a8a"
_WIDE = 100.0


def map_figure(plane: ProfileResult) -> Figure:
    """Heat map of a profile over exactly two parameters, with outlines, marks and best point."""
    heat = {
        "z": _cells(geometry.inside(plane).T),
        "zmin": -plane.roi_threshold,
        "zmax": 0,
        "colorscale": "Viridis",
        "colorbar": _colour_bar(DELTA),
        "hovertemplate": f"{_hover_names(plane)}<br>{DELTA} = %{{z:.4g}}{_hover_argmax(plane)}<extra></extra>",
    }
    return _plane_figure(plane, heat)


def argmax_figure(plane: ProfileResult, nuisance: str) -> Figure:
    """Value of a nuisance parameter at the maximum of each cell, over one or two parameters."""
    if len(plane.over) == 1:
        return _argmax_curve(plane, nuisance)
    domain = plane.space[nuisance]
    values = np.where(plane.in_roi, geometry.position(domain, plane.argmax[nuisance]), np.nan).T
    limits = np.array(geometry.argmax_range(plane, nuisance))
    bar = _colour_bar(label(plane.space, nuisance))
    if isinstance(domain, Real) and domain.scale == "log":
        values, limits = np.log10(values), np.log10(limits)
        bar |= _decades(float(limits[0]), float(limits[1]))
    listed = geometry.ticks(domain)
    if listed is not None:
        bar |= {"tickvals": listed[0].tolist(), "ticktext": [_plain(text) for text in listed[1]]}
    heat = {
        "z": _cells(values),
        "zmin": float(limits[0]),
        "zmax": float(limits[1]),
        "colorscale": "Cividis",
        "colorbar": bar,
        "hovertemplate": f"{_hover_names(plane)}{_hover_argmax(plane)}<extra></extra>",
    }
    return _plane_figure(plane, heat)


def curve_figure(result: ProfileResult, name: str) -> Figure:
    """Profile of one parameter with its confidence sets."""
    line = geometry.project(result, (name,))
    bottom = -1.08 * result.roi_threshold
    levels = geometry.shown_levels(result.roi_threshold, 1)
    x, y = geometry.nodes_1d(result, name)
    nodes = {"x": _numbers(x), "y": _numbers(y), "customdata": _records(line), "name": "grid nodes"}
    nodes["hovertemplate"] = f"{_hover_names(line)}<br>{DELTA} = %{{y:.4g}}{_hover_argmax(line)}<extra></extra>"
    if result.space[name].n_values is not None:
        colours = [next((_FILLS[lv] for lv in levels if v >= -wilks_depth(lv, 1)), "rgba(0,0,0,0)") for v in y]
        marker = {"color": colours, "line": {"color": _LINE, "width": 1.5}}
        # A bar starts at the bottom of the picture, and its length is what lies above.
        heights = _numbers(np.maximum(y - bottom, 0.0))
        nodes["hovertemplate"] = f"{_hover_names(line)}{_hover_argmax(line)}<extra></extra>"
        traces = [nodes | {"type": "bar", "y": heights, "base": bottom, "width": 0.6, "marker": marker}]
    else:
        traces = [*_shades(result, name, levels, bottom), _curve(result, name)]
        traces.append(nodes | {"type": "scatter", "mode": "markers", "marker": {"color": _LINE, "size": 5}})
    lowest = 0.97 * bottom  # where a whole marker is still within the axes
    traces += _bad_nodes(line, x, np.maximum(np.nan_to_num(y, nan=lowest), lowest))
    traces.append(_best_point([geometry.best_position(result, name)], [0.0], result))
    layout = _layout({"xaxis": _axis(result, name)})
    layout["yaxis"] = {
        "title": {"text": f"{DELTA} = ln L \N{MINUS SIGN} ln L<sub>max</sub>"},
        "range": [bottom, 0.09 * result.roi_threshold],
        "zeroline": False,
    }
    layout["shapes"], layout["annotations"] = _level_lines(levels)
    return {"data": traces, "layout": layout, "config": _CONFIG}


def _shades(result: ProfileResult, name: str, levels: list[float], bottom: float) -> list[Trace]:
    traces: list[Trace] = []
    ends: list[tuple[float, float, str]] = []
    for level in reversed(levels):
        for number, piece in enumerate(result.intervals(name, level)):
            x, y = geometry.under_curve(result, name, piece)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": _numbers(np.concatenate(([x[0]], x, [x[-1]]))),
                    "y": _numbers(np.concatenate(([bottom], y, [bottom]))),
                    "fill": "toself",
                    "fillcolor": _FILLS[level],
                    "line": {"width": 0},
                    "hoverinfo": "skip",
                    "name": f"{100 * level:.0f} % set",
                    "legendgroup": str(level),
                    "legendrank": 1 + geometry.LEVELS.index(level),
                    "showlegend": number == 0,
                }
            )
            height = -wilks_depth(level, 1)
            ends += [(piece.lower, height, "triangle-left")] if piece.open_lower else []
            ends += [(piece.upper, height, "triangle-right")] if piece.open_upper else []
    if ends:
        x_ends, y_ends, symbols = (list(column) for column in zip(*ends, strict=True))
        marker = {"symbol": symbols, "size": 11, "color": "#7a7a7a"}
        traces.append(
            {"type": "scatter", "mode": "markers", "x": x_ends, "y": y_ends, "marker": marker, "name": "open end"}
            | {"hovertemplate": "The set goes on beyond what is known.<extra></extra>"}
        )
    return traces


def _curve(result: ProfileResult, name: str) -> Trace:
    x, y = geometry.curve(result, name)
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": _numbers(x),
        "y": _numbers(y),
        "line": {"color": _LINE, "width": 2},
    }
    return trace | {"hoverinfo": "skip", "showlegend": False}


def _level_lines(levels: list[float]) -> tuple[list[Figure], list[Figure]]:
    lines, texts = [], []
    for level in levels:
        height = -wilks_depth(level, 1)
        style = {"color": "#808080", "width": 1.2, "dash": _DASHES[level]}
        lines.append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": height, "y1": height, "line": style})
        texts.append(
            {
                "xref": "paper",
                "x": 1,
                "xanchor": "left",
                "y": height,
                "text": f"{100 * level:.0f} %",
                "showarrow": False,
            }
        )
    return lines, texts


def _argmax_curve(line: ProfileResult, nuisance: str) -> Figure:
    (name,) = line.over
    x, y = geometry.argmax_nodes(line, nuisance)
    low, high = geometry.argmax_range(line, nuisance)
    joined = line.space[nuisance].n_values is None and line.space[name].n_values is None
    trace = {
        "type": "scatter",
        "mode": "lines+markers" if joined else "markers",
        "x": _numbers(x),
        "y": _numbers(y),
        "customdata": _records(line),
        "marker": {"color": _LINE, "size": 5},
        "hovertemplate": f"{_hover_names(line)}{_hover_argmax(line)}<extra></extra>",
    }
    axes = {"xaxis": _axis(line, name), "yaxis": _scale_and_title(line.space, nuisance)}
    axes["yaxis"]["range"] = _range(axes["yaxis"], *geometry.widened(line.space[nuisance], low, high))
    return {"data": [trace], "layout": _layout(axes) | {"showlegend": False}, "config": _CONFIG}


def _plane_figure(plane: ProfileResult, heat: Trace) -> Figure:
    x_name, y_name = plane.over
    cells = {
        "type": "heatmap",
        "x": _numbers(geometry.edges(plane.space[x_name], plane.axes[x_name])),
        "y": _numbers(geometry.edges(plane.space[y_name], plane.axes[y_name])),
        "customdata": [list(row) for row in zip(*_records(plane), strict=True)],
        "hoverongaps": False,
    }
    best = [[geometry.best_position(plane, name)] for name in plane.over]
    traces = [cells | heat, *_outlines(plane), *_bad_cells(plane), _best_point(best[0], best[1], plane)]
    axes = {"xaxis": _axis(plane, x_name), "yaxis": _axis(plane, y_name)}
    for axis in axes.values():
        axis["showgrid"] = False
    return {"data": traces, "layout": _layout(axes), "config": _CONFIG}


def _outlines(plane: ProfileResult) -> list[Trace]:
    """Black lines on white ones, to be seen on every colour; in the legend grey ones, for light and dark pages."""
    traces: list[Trace] = []
    for level in reversed(geometry.shown_levels(plane.roi_threshold, 2)):
        x: list[float | None] = []
        y: list[float | None] = []
        for points in geometry.outlines(plane, level):
            x += [*_numbers(points[:, 0]), None]
            y += [*_numbers(points[:, 1]), None]
        line = {"type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip", "legendgroup": str(level)}
        traces.append(line | {"line": {"color": "white", "width": 4}, "showlegend": False})
        name = f"{100 * level:.0f} % region"
        style = {"width": 1.8, "dash": _DASHES[level]}
        traces.append(line | {"line": style | {"color": "black"}, "showlegend": False})
        legend = {"legendrank": 1 + geometry.LEVELS.index(level), "name": name}
        traces.append(line | legend | {"x": [None], "y": [None], "line": style | {"color": _LEGEND_GREY}})
    return traces


def _bad_cells(plane: ProfileResult) -> list[Trace]:
    nodes = (geometry.position(plane.space[name], plane.axes[name]) for name in plane.over)
    x, y = np.meshgrid(*nodes, indexing="ij")
    traces: list[Trace] = []
    for status, chosen in geometry.bad_cells(plane).items():
        symbol = _SYMBOLS[status]
        if chosen.any():
            trace = {"type": "scatter", "mode": "markers", "hoverinfo": "skip", "name": _words(status)}
            at = {"x": _numbers(x[chosen]), "y": _numbers(y[chosen])}
            traces.append(trace | at | {"marker": _outlined(symbol, "black"), "showlegend": False})
            traces.append(trace | {"x": [None], "y": [None], "marker": _outlined(symbol, _LEGEND_GREY)})
    return traces


def _bad_nodes(line: ProfileResult, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[Trace]:
    """Marks on a curve: at the values of nodes that did not converge, at the lower edge where there is none."""
    traces: list[Trace] = []
    for status, chosen in geometry.bad_cells(line).items():
        symbol = _SYMBOLS[status]
        if chosen.any():
            marker = {"symbol": symbol, "size": 9, "color": _BAD, "line": {"width": 2, "color": _BAD}}
            at = {"x": _numbers(x[chosen]), "y": _numbers(y[chosen]), "marker": marker}
            traces.append({"type": "scatter", "mode": "markers", "hoverinfo": "skip", "name": _words(status)} | at)
    return traces


def _outlined(symbol: str, colour: str) -> Figure:
    return {"symbol": symbol, "size": 6, "color": colour, "line": {"width": 1.4, "color": colour}}


def _best_point(x: list[float], y: list[float], result: ProfileResult) -> Trace:
    text = "<br>".join(f"{_plain(name)} = {_plain(show(value))}" for name, value in result.best.items())
    trace = {"type": "scatter", "mode": "markers", "x": x, "y": y, "marker": _STAR, "name": "best point"}
    return trace | {"hovertext": f"<b>best point</b><br>{text}", "hoverinfo": "text"}


def _records(result: ProfileResult) -> list[Any]:
    """What the hover shows of every cell, nested like the map: the profiled values, the argmax values, the status."""
    lattice = np.meshgrid(*(result.axes[name] for name in result.over), indexing="ij")
    columns = [_texts(result.space[name], values) for name, values in zip(result.over, lattice, strict=True)]
    columns += [_texts(result.space[name], values) for name, values in result.argmax.items()]
    columns.append([_words(CellStatus(status)) for status in result.cell_status.ravel().tolist()])
    records = iter([list(record) for record in zip(*columns, strict=True)])
    shape = result.cell_status.shape
    if len(shape) == 1:
        return list(records)
    return [[next(records) for _ in range(shape[1])] for _ in range(shape[0])]


def _texts(domain: Domain, thetas: NDArray[np.float64]) -> list[str]:
    return [
        "\N{EN DASH}" if math.isnan(theta) else _plain(show(domain.decode(theta))) for theta in thetas.ravel().tolist()
    ]


def _hover_names(result: ProfileResult) -> str:
    return "<br>".join(f"{label(result.space, name)} = %{{customdata[{i}]}}" for i, name in enumerate(result.over))


def _hover_argmax(result: ProfileResult) -> str:
    first = len(result.over)
    lines = [f"<br>{label(result.space, name)} = %{{customdata[{first + i}]}}" for i, name in enumerate(result.argmax)]
    return "".join(lines) + f"<br>%{{customdata[{first + len(lines)}]}}"


def _words(status: CellStatus) -> str:
    return "no finite value" if status is CellStatus.FAILED else status.name.lower().replace("_", " ")


def _axis(result: ProfileResult, name: str) -> Figure:
    axis = _scale_and_title(result.space, name)
    low, high = geometry.view(result, name)
    axis["range"] = _range(axis, low, high)
    if axis.get("type") == "log" and high >= _WIDE * low:
        axis["dtick"] = 1  # powers of ten only
    return axis


def _range(axis: Figure, low: float, high: float) -> list[float]:
    return [math.log10(low), math.log10(high)] if axis.get("type") == "log" else [low, high]


def _scale_and_title(space: Space, name: str) -> Figure:
    domain = space[name]
    axis: Figure = {"title": {"text": label(space, name), "standoff": 8}, "zeroline": False, "automargin": True}
    listed = geometry.ticks(domain)
    if listed is not None:
        axis |= {"tickvals": listed[0].tolist(), "ticktext": [_plain(text) for text in listed[1]]}
    elif isinstance(domain, Real) and domain.scale == "log":
        axis |= {"type": "log", "exponentformat": "power"}
    return axis


def _layout(axes: Figure) -> Figure:
    frame = {"showline": True, "mirror": True, "ticks": "outside"}
    return {
        **{key: frame | axis for key, axis in axes.items()},
        "margin": {"l": 60, "r": 50, "t": 62, "b": 50},
        "modebar": {"bgcolor": "rgba(0,0,0,0)"},
        "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "font": {"size": 11}},
        "hovermode": "closest",
        "autosize": True,
    }


def _colour_bar(title: str) -> Figure:
    return {"title": {"text": title, "side": "right"}, "thickness": 14, "len": 1.0, "outlinewidth": 0}


def _decades(low: float, high: float) -> Figure:
    """Ticks of a logarithmic colour bar between two powers of ten; within a decade, the ends."""
    whole = [float(k) for k in range(math.ceil(low), math.floor(high) + 1)]
    at = whole[:: max(1, len(whole) // 6)] if len(whole) > 1 else [low, high]
    return {"tickvals": at, "ticktext": [f"{10**k:.4g}" for k in at]}


def _cells(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [_numbers(row) for row in values]


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """Nine digits are more than a screen shows; what is not finite becomes a gap."""
    return [float(f"{value:.9g}") if math.isfinite(value) else None for value in np.asarray(values).tolist()]


def _plain(text: str) -> str:
    """Text from the user inside the small markup that plotly.js understands."""
    return html.escape(text, quote=False)
