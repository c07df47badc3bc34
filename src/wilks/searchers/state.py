"""What a gradient-free search knows, as values that a checkpoint can hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.dice import Dice
    from wilks.searchers.tempering.diagnostics import TemperingDiagnostics
    from wilks.searchers.tempering.sample import TemperedSample


@dataclass
class Batch:
    """Points that were proposed together.

    Attributes
    ----------
    first_id
        Identity of the first point; the others follow.
    points
        In the coordinates of the search.
    losses
        Of each point, NaN until it is told.
    violated
        Rows of the points that violate the constraints.
    twins
        Rows that repeat an earlier row of the batch, with that row.
    notes
        What the search must remember about its proposals.
    n_handed
        Number of rows that were looked at for handing out.
    """

    first_id: int
    points: list[Point]
    losses: list[float]
    violated: list[int] = field(default_factory=list)
    twins: dict[int, int] = field(default_factory=dict)
    notes: Any = None
    n_handed: int = 0

    @property
    def complete(self) -> bool:
        """Are all losses known?"""
        return not any(math.isnan(loss) for loss in self.losses)


@dataclass
class SearchState:
    """Everything that a search knows.

    Attributes
    ----------
    stage
        ``"initial"``, ``"search"`` or ``"done"``.
    first
        Points of the initial stage that wait to be proposed.
    n_first
        Number of points that the initial stage is to bring, those that violate constraints not counted.
    first_points, first_losses
        What it has brought.
    n_drawn
        Number of points that it has tried.
    open
        Batches that are not told completely, the oldest first.
    best, best_loss, best_id
        The best point so far, its loss and its identity.
    n_told
        Number of points told that were evaluated: violated ones do not count.
    seen
        Loss of every point of a space without reals; None where points are not remembered.
    barred
        Which of them violate the constraints.
    engine
        State of the method itself.
    note
        What people should know about the end.
    """

    coordinates: Coordinates
    dice: Dice
    first: list[Point]
    n_first: int
    first_points: list[Point] = field(default_factory=list)
    first_losses: list[float] = field(default_factory=list)
    n_drawn: int = 0
    stage: str = "initial"
    open: list[Batch] = field(default_factory=list)
    next_id: int = 0
    best: Point | None = None
    best_loss: float = math.inf
    best_id: int = -1
    n_told: int = 0
    seen: dict[tuple[float, ...], float] | None = None
    barred: dict[tuple[float, ...], bool] = field(default_factory=dict)
    engine: Any = None
    note: str = ""

    def offer(self, number: int, point: Point, loss: float) -> None:
        """Take a point if it is the best; of equal ones the first counts, in whatever order they are told."""
        if loss < self.best_loss or (loss == self.best_loss and number < self.best_id):
            self.best, self.best_loss, self.best_id = point, loss, number


@dataclass(frozen=True)
class Findings:
    """What a search found out besides its best point; see `searchers.result.SearchResult`."""

    details: dict[str, object] = field(default_factory=dict)
    tempering: TemperingDiagnostics | None = None
    sample: TemperedSample | None = None
