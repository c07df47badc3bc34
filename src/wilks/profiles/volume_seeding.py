r"""Where walkers begin: near their levels, in all directions, spread over everything that is known of the region.

A walker begins on a ray from a known point of the region (an optimum, a cell of a profile map, a logged evaluation)
that lies above the walker's level. The direction is uniform in the metric of the nearest optimum,

.. math:: u(r) = u_0 + r C g / |g|, \qquad C C^T = B^{-1}                                                  (1)

with B the curvature there and g a normal vector; a ray is folded back into the box at its faces. By the parabola the
log-likelihood falls by r^2 / 2 along it, and by a few looks at it the r is found at which it meets the level.

The cells of a map alone would not do: the argmax of a Gaussian is a linear function of the profiled parameters, its
cells lie in a plane, and an ensemble that begins in a plane can never leave it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.profiles.result import ProfileResult
    from wilks.profiles.state import Optimum

MAX_LOOKS = 6
"""Evaluations for one walker to find its level, at most."""
_WIDEST = 0.5
_FASTEST = 4.0
_UNKNOWN = 0.1
_SAME = 0.1


@dataclass
class Seeds:
    """Points of the region that are known, in the unit box.

    Attributes
    ----------
    optima
        Shape (m, d), and their log-likelihoods and factors C of (1).
    points
        Further points, shape (n, d), and their log-likelihoods.
    """

    optima: NDArray[np.float64]
    optimum_values: NDArray[np.float64]
    factors: NDArray[np.float64]
    points: NDArray[np.float64]
    point_values: NDArray[np.float64]

    @classmethod
    def of(
        cls, optima: Sequence[Optimum], points: NDArray[np.float64], values: NDArray[np.float64], depth: float
    ) -> Seeds:
        """Collect what lies in the region that reaches `depth` below the best of all."""
        dimension = points.shape[1]
        finite = np.isfinite(values)
        points, values = points[finite], values[finite]
        known = [optimum for optimum in optima if np.isfinite(optimum.value)]
        lowest = max([*(optimum.value for optimum in known), *values.tolist()], default=np.inf) - depth
        known = _distinct(sorted((o for o in known if o.value > lowest), key=lambda o: -o.value))
        inside = np.flatnonzero(values > lowest)
        # Among equals by the coordinates: points come from a log in the order in which they were evaluated.
        order = inside[np.lexsort((*points[inside].T, -values[inside]))]
        return cls(
            np.array([o.u for o in known]).reshape(-1, dimension),
            np.array([o.value for o in known]),
            np.array([factor_of(o.curvature) for o in known]).reshape(-1, dimension, dimension),
            points[order],
            values[order],
        )

    @property
    def best(self) -> tuple[NDArray[np.float64], float] | None:
        """The best point and its log-likelihood; None without any point."""
        rows = [
            (v[0], p[0]) for v, p in ((self.optimum_values, self.optima), (self.point_values, self.points)) if len(v)
        ]
        if not rows:
            return None
        value, point = max(rows, key=lambda row: float(row[0]))
        return point, float(value)

    def nearest(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Number of the optimum nearest to each point, each distance in the metric of its optimum."""
        distances = [
            (np.linalg.solve(factor, (points - centre).T) ** 2).sum(axis=0)
            for centre, factor in zip(self.optima, self.factors, strict=True)
        ]
        nearest: NDArray[np.int64] = np.argmin(distances, axis=0)
        return nearest

    def factors_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The factor of the nearest optimum for each point; without any, a tenth of the box in every direction."""
        if not len(self.optima):
            dimension = points.shape[1]
            return np.broadcast_to(_UNKNOWN * np.eye(dimension), (len(points), dimension, dimension))
        factors: NDArray[np.float64] = self.factors[self.nearest(points)]
        return factors

    def thinned(self, most: int) -> Seeds:
        """Return the optima and at most `most` of the points, one (the best) from each cell of the whitened space.

        The points of a log lie in heaps, at finite differences and at the ends of ascents. The cells are centred at
        the optima, and those around them are left to the optima themselves.
        """
        if not len(self.points):
            return self
        nearest = self.nearest(self.points) if len(self.optima) else np.zeros(len(self.points), dtype=np.int64)
        centres = self.optima[nearest] if len(self.optima) else 0.5
        offsets = (self.points - centres)[..., None]
        cells = np.rint(np.linalg.solve(self.factors_at(self.points), offsets)[..., 0])
        away = np.flatnonzero(cells.any(axis=1) if len(self.optima) else np.ones(len(cells), dtype=bool))
        _, first = np.unique(np.column_stack([nearest, cells])[away], axis=0, return_index=True)
        chosen = away[np.sort(first)]
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(most, len(chosen))).astype(np.int64)]
        return replace(self, points=self.points[chosen], point_values=self.point_values[chosen])


def _distinct(optima: list[Optimum]) -> list[Optimum]:
    """The optima without those that repeat a better one: several profiles of a problem hand over the same."""
    kept: list[Optimum] = []
    for optimum in optima:
        offsets = [optimum.u - other.u for other in kept]
        if all(d @ o.curvature @ d > _SAME**2 for d, o in zip(offsets, kept, strict=True)):
            kept.append(optimum)
    return kept


def factor_of(curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lower triangular C of (1), no direction wider than half the box."""
    values, vectors = np.linalg.eigh(curvature)
    widths = np.minimum(1.0 / np.sqrt(np.maximum(values, 1e-300)), _WIDEST)
    # C C^T = V W^2 V^T; by the QR of W V^T, since the square may be too ill-conditioned for a Cholesky factor.
    _, upper = np.linalg.qr((vectors * widths).T)
    factor: NDArray[np.float64] = (upper * np.where(np.diag(upper) < 0.0, -1.0, 1.0)[:, None]).T
    return factor


def points_of_map(result: ProfileResult) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The cells of a map as points of the unit box with their log-likelihoods; those without a finite one left out."""
    space, rows = result.space, np.isfinite(result.log_likelihood_map)
    known = dict(result.argmax)
    if set(result.over) <= set(space.free):
        known.update(
            zip(result.over, np.meshgrid(*(result.axes[name] for name in result.over), indexing="ij"), strict=True)
        )
    if not set(space.free) <= set(known):  # an axis that is no parameter, and says nothing of one
        return np.empty((0, space.dimension)), np.empty(0)
    thetas = np.stack([known[name][rows] for name in space.free], axis=-1)
    complete = np.isfinite(thetas).all(axis=1)
    return space.to_unit(thetas[complete]), result.log_likelihood_map[rows][complete]


@dataclass
class Rays:
    """One ray for every walker, and how far along it the walker's level is.

    Attributes
    ----------
    origins, directions, tops
        Points u_0, vectors C g / |g|, and log-likelihoods at the origins.
    levels
        What is looked for.
    radii
        Where to look next.
    low, high
        The level lies between: where the log-likelihood is above it, and below it (infinity if not seen).
    found, values
        The radius at which the log-likelihood was nearest to the level, and that log-likelihood.
    """

    origins: NDArray[np.float64]
    directions: NDArray[np.float64]
    tops: NDArray[np.float64]
    levels: NDArray[np.float64]
    radii: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    found: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def drawn(cls, seeds: Seeds, levels: NDArray[np.float64], generator: np.random.Generator) -> Rays:
        """Draw origin and direction of every walker; the best of the seeds must lie above all levels."""
        n, dimension = len(levels), seeds.points.shape[1]
        quantiles, normal = generator.random(n), generator.standard_normal((n, dimension))
        points = np.concatenate([seeds.optima, seeds.points])
        values = np.concatenate([seeds.optimum_values, seeds.point_values])
        order = np.argsort(-values, kind="stable")
        n_above = np.maximum(np.searchsorted(-values[order], -levels), 1)
        row = order[(quantiles * n_above).astype(np.int64)]
        origins, tops = points[row], values[row]
        unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
        directions = (seeds.factors_at(origins) @ unit[..., None])[..., 0]
        radii = np.sqrt(2.0 * (tops - levels))
        return cls(origins, directions, tops, levels, radii, np.zeros(n), np.full(n, np.inf), np.zeros(n), tops.copy())

    def points(self, radii: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points on the rays, folded back into the box."""
        unfolded = np.mod(self.origins + radii[:, None] * self.directions, 2.0)
        return np.where(unfolded > 1.0, 2.0 - unfolded, unfolded)

    def open(self, tolerance: float, n_looks: int) -> NDArray[np.int64]:
        """Walkers that have not met their level yet; every walker looks at least once."""
        far = np.abs(self.values - self.levels) > tolerance
        return np.flatnonzero(far | (n_looks == 0))

    def learn(self, rows: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Take in the log-likelihoods at the radii of some rays, and choose where to look next."""
        radii, levels, tops = self.radii[rows], self.levels[rows], self.tops[rows]
        above = values >= levels
        self.low[rows] = np.where(above, np.maximum(self.low[rows], radii), self.low[rows])
        self.high[rows] = np.where(above, self.high[rows], np.minimum(self.high[rows], radii))
        nearer = np.abs(values - levels) < np.abs(self.values[rows] - levels)
        # The origin itself is the place of a walker only when nothing finite was seen.
        better = np.isfinite(values) & (nearer | (self.found[rows] == 0.0))
        self.found[rows] = np.where(better, radii, self.found[rows])
        self.values[rows] = np.where(better, values, self.values[rows])
        low, high = self.low[rows], self.high[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = np.sqrt((tops - levels) / np.where(np.isfinite(values), tops - values, np.inf))
        factors = np.where(np.isfinite(factors), np.clip(factors, 0.0, _FASTEST), _FASTEST)
        bounded = np.isfinite(high)
        span = np.where(bounded, high - low, 0.0)
        guess = np.clip(radii * factors, low + 0.1 * span, np.where(bounded, high - 0.1 * span, np.inf))
        self.radii[rows] = np.where(bounded & ~np.isfinite(values), 0.5 * (low + high), guess)
