r"""Confidence sets from profile likelihoods.

Wilks (1938): when the data are many, twice the drop of the profile log-likelihood below its maximum follows a
chi-squared law with k degrees of freedom at the true values of the k profiled parameters. The confidence set is

.. math:: \{\theta : L_{max} - L(\theta) \le \chi^2_k(confidence) / 2\}                                     (1)

It need not be connected, so it is returned as pieces. Between two nodes the curve is interpolated in the signed root

.. math:: r = \pm\sqrt{2 (L_{max} - L)}                                                                    (2)

which is a straight line for a parabola, on the scale (linear or log) of the parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wilks.core.parameter import Real

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Domain


class Interval(NamedTuple):
    """One piece of a confidence set."""

    lower: float
    upper: float
    open_lower: bool
    open_upper: bool

    def __str__(self) -> str:
        """Return the piece in the usual notation; a round bracket marks an end that is not known."""
        left, right = "(["[not self.open_lower], ")]"[not self.open_upper]
        return f"{left}{self.lower:.5g}, {self.upper:.5g}{right}"


@dataclass(frozen=True)
class Contour:
    """One line of the outline of a region.

    Attributes
    ----------
    points
        Shape (k, 2).
    closed
        False where the line ends at the edge of the grid or of the visited cells.
    """

    points: NDArray[np.float64]
    closed: bool


def intervals(
    nodes: NDArray[np.float64],
    profile: NDArray[np.float64],
    best: float,
    maximum: float,
    depth: float,
    domain: Domain,
) -> list[Interval]:
    """Pieces of the confidence set of one parameter.

    Parameters
    ----------
    nodes, profile
        The curve, shape (n,); NaN where it is not known.
    best, maximum
        Position and height of the best point, which need not be a node.
    depth
        Drop that bounds the set.
    domain
        The parameter's domain: a real parameter is interpolated on its scale, any other is not.
    """
    if not np.isfinite(maximum):
        return []
    inside = profile >= maximum - depth
    if domain.n_values is not None:
        return [Interval(float(x), float(x), False, False) for x in nodes[inside]] if inside.any() else []
    position, height = _with_best(domain.to_unit(nodes), profile, float(domain.to_unit(np.array(best))), maximum)
    inside = height >= maximum - depth
    root = np.sqrt(2 * np.clip(maximum - height, 0.0, None))  # (2); NaN stays NaN
    pieces = []
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inside.astype(int), [0]))))
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        lower, open_lower = _crossing(position, root, first, first - 1, depth)
        upper, open_upper = _crossing(position, root, after - 1, after, depth)
        low, high = domain.from_unit(np.array([lower, upper]))
        pieces.append(Interval(float(low), float(high), open_lower, open_upper))
    return pieces


def _with_best(
    position: NDArray[np.float64], height: NDArray[np.float64], best: float, maximum: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Insert the best point into the curve unless it lies on a node."""
    at = int(np.searchsorted(position, best))
    for near in (at - 1, at):
        if 0 <= near < len(position) and abs(position[near] - best) < 1e-12:  # rounding
            return position, height
    if not position[0] <= best <= position[-1]:
        return position, height
    return np.insert(position, at, best), np.insert(height, at, maximum)


def _crossing(
    position: NDArray[np.float64], root: NDArray[np.float64], inner: int, outer: int, depth: float
) -> tuple[float, bool]:
    """Where the curve crosses the depth between an inside node and its outside neighbour; open if unknown."""
    if not 0 <= outer < len(position) or not np.isfinite(root[outer]):
        return float(position[inner]), True
    target = np.sqrt(2 * depth)
    fraction = (target - root[inner]) / (root[outer] - root[inner])
    return float(position[inner] + fraction * (position[outer] - position[inner])), False


def ridge(surface: NDArray[np.float64], positions: list[NDArray[np.float64]], ordered: list[bool]) -> float:
    """Maximum of a map over all its axes, between the nodes by a parabola along the ordered axis that gains most.

    Parameters
    ----------
    surface
        Values, NaN where not known.
    positions
        Nodes of each axis.
    ordered
        For each axis: may one look between its nodes?

    Examples
    --------
    >>> x = np.array([-1.0, 0.0, 1.0])
    >>> abs(ridge(-((x - 0.25) ** 2), [x], [True])) < 1e-12
    True
    """
    if not np.isfinite(surface).any():
        return float("nan") if np.isnan(surface).all() else float("-inf")
    peak = np.unravel_index(int(np.nanargmax(surface)), surface.shape)
    best = float(surface[peak])
    gain = 0.0
    for axis, x in enumerate(positions):
        at = int(peak[axis])
        if not ordered[axis] or not 0 < at < len(x) - 1:
            continue
        line = np.moveaxis(surface, axis, 0)[at - 1 : at + 2, *np.delete(peak, axis)]
        if not np.isfinite(line).all():
            continue
        left, right = x[at - 1] - x[at], x[at + 1] - x[at]
        slope_left, slope_right = (line[0] - best) / left, (line[2] - best) / right
        bend = (slope_right - slope_left) / (right - left)
        slope = slope_left - bend * left
        if np.isfinite(bend) and bend < 0:
            gain = max(gain, -0.25 * slope**2 / bend)
    return float(best + gain)


def contours(
    axes: tuple[NDArray[np.float64], NDArray[np.float64]],
    surface: NDArray[np.float64],
    maximum: float,
    depth: float,
    domains: tuple[Domain, Domain],
) -> list[Contour]:
    """Lines of equal depth on a two-dimensional map, found on the root (2) by marching squares."""
    import contourpy  # noqa: PLC0415 - loads on use

    x, y = (domain.to_unit(nodes) for domain, nodes in zip(domains, axes, strict=True))
    root = np.sqrt(2 * np.clip(maximum - np.where(np.isfinite(surface), surface, np.nan), 0.0, None))
    generator = contourpy.contour_generator(x, y, np.ma.masked_invalid(root.T), name="serial", corner_mask=True)
    found = []
    for line in generator.lines(float(np.sqrt(2 * depth))):
        points = np.asarray(line, dtype=float)
        closed = bool(np.allclose(points[0], points[-1], rtol=0, atol=1e-12))
        back = [_from_position(domain, points[:, k]) for k, domain in enumerate(domains)]
        found.append(Contour(np.stack(back, axis=-1), closed))
    return found


def _from_position(domain: Domain, position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contour coordinates to the parameter; on a discrete axis the lines are drawn between the values too."""
    if isinstance(domain, Real):
        return domain.from_unit(position)
    size = domain.n_values or 1
    middles = (np.arange(size) + 0.5) / size
    return np.interp(position, middles, domain.from_unit(middles))
