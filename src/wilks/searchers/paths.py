"""The ways that finished ascents took: one that comes onto such a way need not walk it again.

A way is a polyline through the points that an ascent accepted, with the log-likelihood at each. In a curved valley most
of an ascent is spent on following the floor, and all ascents follow the same one. An ascent is on a known way when the
nearest point of it lies so close, in the metric of the ascent's own curvature, that the distance costs little of what
is still to be gained, and when the values agree there; and when the same is true of the point that it is about to try,
so that a fork is not mistaken for the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLOSE = 0.05  # of the gain that is left on the way
_NEAR = 0.05  # in the unit box
_AGREES = 0.3  # of the gain that is left


@dataclass
class Paths:
    """Segments of all ways, in the order in which they were added.

    Attributes
    ----------
    origins, moves
        Where each segment begins, and the way to its end, shape (k, dimension).
    values, rises
        Log-likelihood at its beginning, and how much it rises to its end.
    tops
        Value at the end of the way that it is part of, as far as it is known.
    labels
        To whom that leads: the number of a basin, or of an ascent that is still under way (see `of_ascent`).
    """

    origins: NDArray[np.float64]
    moves: NDArray[np.float64]
    values: NDArray[np.float64]
    rises: NDArray[np.float64]
    tops: NDArray[np.float64]
    labels: NDArray[np.int64]

    @classmethod
    def none(cls, dimension: int) -> Paths:
        """No ways yet."""
        nothing, numbers = np.empty((0, dimension)), np.empty(0)
        return cls(nothing, nothing, numbers, numbers, numbers, np.empty(0, dtype=np.int64))

    @staticmethod
    def of_ascent(owner: int) -> int:
        """Label of the way of an ascent that is under way; its own inverse."""
        return -1 - owner

    def extend(self, label: int, ends: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Add a segment, from and to the points in `ends`, shape (2, dimension), to a way."""
        self.origins = np.concatenate([self.origins, ends[:1]])
        self.moves = np.concatenate([self.moves, ends[1:] - ends[:1]])
        self.values = np.append(self.values, values[0])
        self.rises = np.append(self.rises, values[1] - values[0])
        self.labels = np.append(self.labels, label)
        self.tops = np.append(self.tops, values[1])
        self.tops[self.labels == label] = values[1]

    def rename(self, old: int, new: int, top: float = -np.inf) -> None:
        """Say that what leads to `old` leads to `new`, which is at least as high as `top`."""
        which = self.labels == old
        self.labels[which] = new
        self.tops[which] = np.maximum(self.tops[which], top)

    def drop(self, label: int) -> None:
        """Forget a way."""
        kept = self.labels != label
        for name, column in vars(self).items():
            setattr(self, name, column[kept])

    def leads_to(
        self,
        points: NDArray[np.float64],
        values: NDArray[np.float64],
        curvature: NDArray[np.float64],
        columns: NDArray[np.int64],
        own: int,
    ) -> int | None:
        """Label of a way, not `own`, on which all of `points`, shape (k, dimension), lie, with these values.

        The `curvature` is over the coordinates in `columns`; in the others the way must agree exactly. None if no way
        is near enough.

        Examples
        --------
        >>> paths = Paths.none(2)
        >>> paths.extend(3, np.array([[0.2, 0.2], [0.4, 0.4]]), np.array([-9.0, -5.0]))
        >>> paths.extend(3, np.array([[0.4, 0.4], [0.4, 0.8]]), np.array([-5.0, 0.0]))
        >>> paths.leads_to(np.array([[0.3, 0.301]]), np.array([-7.0]), np.eye(2), np.arange(2), own=-1)
        3
        >>> both = np.array([[0.3, 0.301], [0.3, 0.5]])
        >>> paths.leads_to(both, np.array([-7.0, -6.0]), np.eye(2), np.arange(2), own=-1) is None
        True
        """
        if not len(self.tops):
            return None
        candidates: NDArray[np.int64] | None = None
        for point, value in zip(points, values.tolist(), strict=True):
            here = self.labels[self._near(point, value, curvature, columns) & (self.labels != own)]
            candidates = here if candidates is None else candidates[np.isin(candidates, here)]
            if not len(candidates):
                return None
        return None if candidates is None else int(candidates[-1])

    def _near(
        self, u: NDArray[np.float64], value: float, curvature: NDArray[np.float64], columns: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which segments is a point on?"""
        away, moves = (u - self.origins)[:, columns], self.moves[:, columns]
        bent = moves @ curvature
        with np.errstate(divide="ignore", invalid="ignore"):
            along = (away * bent).sum(axis=1) / (moves * bent).sum(axis=1)
        along = np.clip(np.nan_to_num(along), 0.0, 1.0)
        gap = away - along[:, None] * moves
        left = self.tops - value
        cost = 0.5 * (gap @ curvature * gap).sum(axis=1)
        off = np.abs(self.values + along * self.rises - value)
        near: NDArray[np.bool_] = (cost < _CLOSE * left) & (off < _AGREES * left)
        near &= np.abs(gap).max(axis=1, initial=0.0) < _NEAR
        near &= (np.delete(self.origins, columns, axis=1) == np.delete(u, columns)).all(axis=1)
        return near
