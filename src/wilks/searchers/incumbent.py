"""The best point so far, as the methods of a portfolio share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wilks.searchers.coordinates import Point


@dataclass
class Incumbent:
    """A point and its loss; replaced, never changed in place, so that others may keep a reference to the point.

    Attributes
    ----------
    scale
        Spread of the first losses: the unit in which differences of losses are judged.
    """

    point: Point
    loss: float
    scale: float

    def offer(self, point: Point, loss: float) -> bool:
        """Take a point if it is better; was it?"""
        if loss < self.loss:
            self.point, self.loss = point, loss
            return True
        return False
