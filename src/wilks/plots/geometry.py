"""Where things lie in a picture of a profile: positions, cell borders, curves and outlines, as plain arrays.

Shared by the printed pictures and by the interactive ones, so that both show the same lines. Real and integer
parameters are drawn at their values; a `Grid` or a `Categorical` at the indices of its values, evenly spaced.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Grid, Real
from wilks.core.wilks_theorem import wilks_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Domain
    from wilks.profiles.regions import Interval
    from wilks.profiles.result import ProfileResult

ScalarT = TypeVar("ScalarT", bound=np.generic)

LEVELS = (0.68, 0.95)
"""Confidence levels that are drawn."""

_POINTS_PER_SEGMENT = 12
_MARGIN = 0.12


def shown_levels(roi_threshold: float, n_parameters: int) -> list[float]:
    """Levels that lie within the region of interest; below it the map is not complete."""
    return [level for level in LEVELS if wilks_depth(level, n_parameters) <= roi_threshold]


def position(domain: Domain, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Theta to the coordinate at which it is drawn."""
    if isinstance(domain, Grid):
        return np.interp(theta, domain.values, np.arange(len(domain.values)))
    return np.asarray(theta, dtype=float)


def edges(domain: Domain, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Borders of the cells around the nodes, one more than nodes, as drawn; real cells end at the box."""
    if domain.n_values is not None:
        return _borders(position(domain, nodes), half_of_single=0.5)
    inside_box = np.clip(_borders(domain.to_unit(nodes), half_of_single=0.02), 0.0, 1.0)
    return domain.from_unit(inside_box)


def _borders(centres: NDArray[np.float64], half_of_single: float) -> NDArray[np.float64]:
    if len(centres) == 1:
        return np.array([centres[0] - half_of_single, centres[0] + half_of_single])
    middles = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate(([2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]))


def pair(result: ProfileResult, names: tuple[str, ...] | None) -> tuple[str, str]:
    """The two parameters of a map; they may be left out when exactly two are profiled."""
    chosen = result.over if names is None else tuple(names)
    if len(chosen) != 2:
        raise InvalidConfigurationError(
            f"a map needs two parameters, got {', '.join(chosen)}; give two of {', '.join(result.over)} "
            "as names=(..., ...), or draw profile_1d"
        )
    return chosen[0], chosen[1]


def project(result: ProfileResult, names: tuple[str, ...]) -> ProfileResult:
    """Return the same profile over some of its axes, in the given order: at each node the best of the others.

    The parameters that are projected out join the nuisance parameters.
    """
    unknown = [name for name in names if name not in result.over]
    if unknown or len(set(names)) != len(names):
        raise InvalidConfigurationError(
            f"expected different parameters out of {', '.join(result.over)}, got {', '.join(names)}"
        )
    if names == result.over:
        return result
    others = tuple(name for name in result.over if name not in names)
    order = [result.over.index(name) for name in (*names, *others)]
    shape = tuple(len(result.axes[name]) for name in names)

    def rows(array: NDArray[ScalarT]) -> NDArray[ScalarT]:
        return array.transpose(order).reshape(*shape, -1)

    # A cell without a finite value still counts before one that was not visited.
    height = np.maximum(result.log_likelihood_map, -np.finfo(float).max)
    pick = rows(np.where(np.isnan(height), -np.inf, height)).argmax(axis=-1)[..., None]

    def picked(array: NDArray[ScalarT]) -> NDArray[ScalarT]:
        chosen: NDArray[ScalarT] = np.take_along_axis(rows(array), pick, axis=-1)[..., 0]
        return chosen

    argmax = {name: picked(values) for name, values in result.argmax.items()}
    lattice = np.meshgrid(*(result.axes[name] for name in result.over), indexing="ij")
    seen = ~np.isnan(result.log_likelihood_map)
    for name in others:
        argmax[name] = picked(np.where(seen, lattice[result.over.index(name)], np.nan))
    return replace(
        result,
        over=names,
        axes={name: result.axes[name] for name in names},
        log_likelihood_map=picked(result.log_likelihood_map),
        in_roi=picked(result.in_roi),
        argmax=argmax,
        cell_status=picked(result.cell_status),
        audit=None,
    )


def drop(result: ProfileResult) -> NDArray[np.float64]:
    """The map relative to the maximum; NaN where nothing is known, also where no finite value was found."""
    finite = np.where(np.isfinite(result.log_likelihood_map), result.log_likelihood_map, np.nan)
    return np.minimum(finite - result.log_likelihood, 0.0)


def nodes_1d(result: ProfileResult, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions of the nodes of one parameter, and the profile there relative to the maximum."""
    line = project(result, (name,))
    return position(result.space[name], result.axes[name]), drop(line)


def curve(result: ProfileResult, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The profile between the nodes of a real parameter, NaN in the gaps.

    Interpolated like the ends of the intervals, linearly in the root of the drop and on the parameter's scale, and
    through the best point; so the curve meets the level lines exactly where the intervals end.
    """
    domain = result.space[name]
    at = domain.to_unit(result.axes[name])
    root = np.sqrt(-2 * drop(project(result, (name,))))
    best = float(domain.to_unit(np.array(result.best_on_axis(name))))
    if at[0] < best < at[-1] and np.abs(at - best).min() > 1e-12:
        index = int(np.searchsorted(at, best))
        at, root = np.insert(at, index, best), np.insert(root, index, 0.0)
    if len(at) == 1:
        return position(domain, result.axes[name]), -0.5 * root**2
    fraction = np.linspace(0.0, 1.0, _POINTS_PER_SEGMENT, endpoint=False)
    fine_at = np.append((at[:-1, None] + fraction * np.diff(at)[:, None]).ravel(), at[-1])
    fine_root = np.append((root[:-1, None] + fraction * np.diff(root)[:, None]).ravel(), root[-1])
    fine_root[:-1:_POINTS_PER_SEGMENT] = root[:-1]  # a node next to a gap is known
    return domain.from_unit(fine_at), -0.5 * fine_root**2


def under_curve(result: ProfileResult, name: str, piece: Interval) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The part of the curve above one piece of a confidence set, its ends included."""
    x, y = curve(result, name)
    known = np.isfinite(y)
    x, y = x[known], y[known]
    inside = (x > piece.lower) & (x < piece.upper)
    ends = np.interp([piece.lower, piece.upper], x, y)
    return np.concatenate(([piece.lower], x[inside], [piece.upper])), np.concatenate(([ends[0]], y[inside], [ends[1]]))


def outlines(result: ProfileResult, confidence: float) -> list[NDArray[np.float64]]:
    """Lines around the joint confidence region of two parameters, each of shape (k, 2), as drawn.

    Where a parameter is discrete, the outline follows the borders of the cells.
    """
    domains = [result.space[name] for name in result.over]
    if all(domain.n_values is None for domain in domains):
        return [contour.points for contour in result.contours(confidence)]
    inside = result.log_likelihood_map >= result.log_likelihood - wilks_depth(confidence, 2)
    x, y = (edges(domain, result.axes[name]) for domain, name in zip(domains, result.over, strict=True))
    padded = np.pad(inside, 1)
    across = [(i, j) for i, j in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])]
    along = [(i, j) for i, j in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])]
    return [np.array([[x[i], y[j]], [x[i], y[j + 1]]]) for i, j in across] + [
        np.array([[x[i], y[j]], [x[i + 1], y[j]]]) for i, j in along
    ]


def view(result: ProfileResult, name: str) -> tuple[float, float]:
    """Range of an axis that is worth showing: the region of interest with a margin, within the grid."""
    domain, borders = result.space[name], edges(result.space[name], result.axes[name])
    cells = np.flatnonzero(project(result, (name,)).in_roi)
    if domain.n_values is not None or not cells.size:
        return float(borders[0]), float(borders[-1])
    at = domain.to_unit(borders)
    low, high = at[cells[0]], at[cells[-1] + 1]
    margin = _MARGIN * (high - low)
    ends = domain.from_unit(np.array([max(at[0], low - margin), min(at[-1], high + margin)]))
    return float(ends[0]), float(ends[1])


def argmax_nodes(line: ProfileResult, nuisance: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions of the nodes of a profile over one parameter, and of the nuisance parameter there."""
    (name,) = line.over
    return position(line.space[name], line.axes[name]), position(line.space[nuisance], line.argmax[nuisance])


def argmax_range(result: ProfileResult, nuisance: str) -> tuple[float, float]:
    """Range of a nuisance parameter at the maxima in the region of interest, as drawn; never empty."""
    domain = result.space[nuisance]
    values = position(domain, result.argmax[nuisance])
    known = np.isfinite(values)
    seen = values[known & result.in_roi] if (known & result.in_roi).any() else values[known]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (1.0, 1.0)
    if domain.n_values is not None:
        return low - 0.5, high + 0.5
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    return (0.99 * low, 1.01 * low) if low > 0 else (low - 0.01 * (abs(low) or 1.0), low + 0.01 * (abs(low) or 1.0))


def widened(domain: Domain, low: float, high: float) -> tuple[float, float]:
    """A range with a margin on both sides, on the scale of the parameter."""
    if isinstance(domain, Real) and domain.scale == "log":
        factor = (high / low) ** (0.5 * _MARGIN)
        return low / factor, high * factor
    margin = 0.5 * _MARGIN * (high - low)
    return low - margin, high + margin


def best_position(result: ProfileResult, name: str) -> float:
    """Where the best point is drawn on an axis."""
    return float(position(result.space[name], np.array(result.best_on_axis(name))))


def ticks(domain: Domain, limit: int = 12) -> tuple[NDArray[np.float64], list[str]] | None:
    """Positions and texts of the values of a `Grid` or `Categorical`, thinned to `limit`; None for numbers."""
    values = getattr(domain, "values", None)
    if values is None:
        return None
    step = math.ceil(len(values) / limit)
    return np.arange(0, len(values), step, dtype=float), [_text(value) for value in values[::step]]


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
