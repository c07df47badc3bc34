"""Where things lie in a picture of a profile: positions, cell borders, curves and outlines, as plain arrays.

Shared by the printed pictures and by the interactive ones, so that both show the same lines. Real and integer
parameters are drawn at their values; a `Grid` or a `Categorical` at the indices of its values, evenly spaced.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from wilks.core.cells import CellStatus
from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Grid, Real
from wilks.core.wilks_theorem import wilks_depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.parameter import Domain
    from wilks.profiles.regions import Interval
    from wilks.profiles.result import ProfileResult

ScalarT = TypeVar("ScalarT", bound=np.generic)

LEVELS = (0.68, 0.95)
"""Confidence levels that are drawn."""

_POINTS_PER_SEGMENT = 12
_PARABOLA = 3
_MARGIN = 0.12
_NARROW = 1e-3


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

    Between the nodes of the axes that are projected out the maximum is that of the parabola through the best node and
    its two neighbours, as for `ProfileResult.profile_of`. These parameters join the nuisance parameters.
    """
    check_names(result, names)
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
    surface = picked(result.log_likelihood_map)
    surface = np.minimum(surface + _gain(result, others, rows(result.log_likelihood_map), pick), result.log_likelihood)
    return replace(
        result,
        over=names,
        axes={name: result.axes[name] for name in names},
        log_likelihood_map=surface,
        in_roi=surface >= result.log_likelihood - result.roi_threshold,
        argmax=argmax,
        cell_status=picked(result.cell_status),
        audit=None,
    )


def _gain(
    result: ProfileResult, others: tuple[str, ...], rows: NDArray[np.float64], pick: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How much higher the maximum over some real axes is than its best node, by the parabola that gains most."""
    sizes = [len(result.axes[name]) for name in others]
    gain = np.zeros(pick.shape[:-1])
    best = np.take_along_axis(rows, pick, axis=-1)[..., 0]
    for number, name in enumerate(others):
        if result.space[name].n_values is not None or sizes[number] < _PARABOLA:
            continue
        x = result.space[name].to_unit(result.axes[name])
        step = math.prod(sizes[number + 1 :])
        at = pick[..., 0] // step % sizes[number]
        inner = (at > 0) & (at < sizes[number] - 1)
        centre = np.clip(at, 1, sizes[number] - 2)
        left, right = x[centre - 1] - x[centre], x[centre + 1] - x[centre]
        with np.errstate(invalid="ignore"):  # neighbours without a finite value
            below, above = (
                (np.take_along_axis(rows, np.where(inner[..., None], pick + way * step, pick), axis=-1)[..., 0] - best)
                for way in (-1, 1)
            )
            bend = (above / right - below / left) / (right - left)
            slope = below / left - bend * left
            usable = inner & np.isfinite(bend) & (bend < 0)
        gain[usable] = np.maximum(gain[usable], -0.25 * slope[usable] ** 2 / bend[usable])
    return gain


def slice_at(result: ProfileResult, name: str, index: int) -> ProfileResult:
    """Return the profile at one node of one of its axes, over the others; its maximum stays that of the whole."""
    axis = result.over.index(name)

    def taken(array: NDArray[ScalarT]) -> NDArray[ScalarT]:
        chosen: NDArray[ScalarT] = np.asarray(array.take(index, axis=axis))
        return chosen

    names = tuple(other for other in result.over if other != name)
    return replace(
        result,
        over=names,
        axes={other: result.axes[other] for other in names},
        log_likelihood_map=taken(result.log_likelihood_map),
        in_roi=taken(result.in_roi),
        argmax={nuisance: taken(values) for nuisance, values in result.argmax.items()},
        cell_status=taken(result.cell_status),
        audit=None,
    )


def check_names(result: ProfileResult, names: Sequence[str]) -> None:
    """Refuse names that are not different profiled parameters.

    Raises
    ------
    InvalidConfigurationError
        If they are not.
    """
    unknown = [name for name in names if name not in result.over]
    if unknown or len(set(names)) != len(names):
        raise InvalidConfigurationError(
            f"expected different parameters out of {', '.join(result.over)}, got {', '.join(names)}"
        )


def drop(result: ProfileResult) -> NDArray[np.float64]:
    """The map relative to the maximum; NaN where nothing is known, also where no finite value was found."""
    finite = np.where(np.isfinite(result.log_likelihood_map), result.log_likelihood_map, np.nan)
    return np.minimum(finite - result.log_likelihood, 0.0)


def inside(result: ProfileResult) -> NDArray[np.float64]:
    """The map relative to the maximum within the region of interest; NaN elsewhere."""
    return np.where(result.in_roi, drop(result), np.nan)


def bad_cells(result: ProfileResult) -> dict[CellStatus, NDArray[np.bool_]]:
    """Cells that went wrong: not converged in the region of interest, or without a finite value.

    Below the region of interest a cell that has not converged is no fault: the map does not spend more on it.
    """
    return {
        CellStatus.NOT_CONVERGED: (result.cell_status == CellStatus.NOT_CONVERGED) & result.in_roi,
        CellStatus.FAILED: result.cell_status == CellStatus.FAILED,
    }


def has_gaps(result: ProfileResult) -> bool:
    """Are there cells of which nobody knows whether they are in the region of interest?

    A map that was carried out to its end has none: where it did not go, it saw the end of the region before.
    """
    return not result.is_complete and bool(np.isnan(result.log_likelihood_map).any())


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


def outlines(result: ProfileResult, confidence: float, n_parameters: int = 2) -> list[NDArray[np.float64]]:
    """Lines around a confidence region in a plane of two parameters, each of shape (k, 2), as drawn.

    Where a parameter is discrete, the outline follows the borders of the cells. With three parameters the line is that
    of the cut through their joint region.
    """
    depth = wilks_depth(confidence, n_parameters)
    domains = [result.space[name] for name in result.over]
    if all(domain.n_values is None for domain in domains):
        of_two = confidence if n_parameters == 2 else -math.expm1(-depth)  # the level of two parameters at this depth
        return [contour.points for contour in result.contours(of_two)]
    x, y = (edges(domain, result.axes[name]) for domain, name in zip(domains, result.over, strict=True))
    padded = np.pad(result.log_likelihood_map >= result.log_likelihood - depth, 1)
    borders = [((i, j), (i, j + 1)) for i, j in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]).tolist()]
    borders += [((i, j), (i + 1, j)) for i, j in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]).tolist()]
    return [np.array([[x[i], y[j]] for i, j in line]) for line in _joined(borders)]


def _joined(borders: list[tuple[tuple[int, int], tuple[int, int]]]) -> list[list[tuple[int, int]]]:
    """Closed lines through the corners that borders of cells connect; dashes run on along them."""
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for one, other in borders:  # an even number meets at every corner, so each walk ends where it began
        after.setdefault(one, []).append(other)
        after.setdefault(other, []).append(one)
    lines = []
    for start, left in after.items():
        while left:
            line = [start]
            while after[line[-1]]:
                here = line[-1]
                line.append(after[here].pop())
                after[line[-1]].remove(here)
            lines.append(line)
    return lines


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
    """Range of a nuisance parameter at the maxima in the region of interest, as drawn.

    Never narrower than a thousandth of the box, so that one that stays where it is does not show its rounding errors.
    """
    domain = result.space[nuisance]
    values = position(domain, result.argmax[nuisance])
    known = np.isfinite(values)
    seen = values[known & result.in_roi] if (known & result.in_roi).any() else values[known]
    if not seen.size:
        low, high = edges(domain, domain.from_unit(np.array([0.0, 1.0])))[[0, -1]].tolist()
        return low, high
    low, high = float(seen.min()), float(seen.max())
    if domain.n_values is not None:
        return low - 0.5, high + 0.5
    at = domain.to_unit(np.array([low, high]))
    if at[1] - at[0] >= _NARROW:
        return low, high
    middle = np.clip(at.mean(), 0.5 * _NARROW, 1 - 0.5 * _NARROW)
    low, high = domain.from_unit(np.array([middle - 0.5 * _NARROW, middle + 0.5 * _NARROW])).tolist()
    return low, high


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
