"""What a gradient-free search knows, as values that a checkpoint can hold."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

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
    recalled
        Rows whose loss was known before.
    keys
        What a memory finds the points by; empty where they are not remembered.
    """

    first_id: int
    points: list[Point]
    losses: list[float]
    violated: list[int] = field(default_factory=list)
    twins: dict[int, int] = field(default_factory=dict)
    notes: Any = None
    n_handed: int = 0
    recalled: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list, repr=False, metadata={"saved": False})

    def n_paid(self, first: int, n: int) -> int:
        """Number of evaluations that `n` rows from `first` on have cost."""
        free = {*self.violated, *self.twins, *self.recalled}
        return n - sum(first <= row < first + n for row in free) if free else n

    @property
    def complete(self) -> bool:
        """Are all losses known?"""
        return not any(map(math.isnan, self.losses))


@cache
def _packer(dimension: int) -> Callable[..., bytes]:
    return struct.Struct(f"{dimension}d").pack


class _Table:
    """The attribute `table` of a memory: written when a checkpoint asks for it, since the memory grows all the time."""

    @overload
    def __get__(self, memory: None, owner: type) -> NoReturn: ...

    @overload
    def __get__(self, memory: Memory, owner: type) -> NDArray[np.float64]: ...

    def __get__(self, memory: Memory | None, owner: type) -> NDArray[np.float64]:
        """Return a row for every point."""
        if memory is None:  # which tells the dataclass that the field has no default
            raise AttributeError("table")
        points = np.frombuffer(b"".join(memory.losses)).reshape(len(memory.losses), -1 if memory.losses else 0)
        barred = [key in memory.barred for key in memory.losses]
        return np.column_stack([points, list(memory.losses.values()), barred])

    def __set__(self, memory: Memory, table: NDArray[np.float64]) -> None:
        """Read the rows."""
        keys = [row.tobytes() for row in np.ascontiguousarray(table[:, :-2])]
        memory.losses = dict(zip(keys, table[:, -2].tolist(), strict=True))
        memory.barred = {key for key, barred in zip(keys, table[:, -1].tolist(), strict=True) if barred}


@dataclass
class Memory:
    """Points of a discrete space that were evaluated.

    Parameters
    ----------
    table
        One row for each: its coordinates, its loss, and 1 where it violates the constraints.

    Attributes
    ----------
    losses
        Key of a point -> its loss.
    barred
        Keys of those that violate the constraints.

    Examples
    --------
    >>> memory = Memory(np.array([[3.0, 1.0, 0.5, 0.0]]))
    >>> memory.losses[memory.keys([[3.0, 1.0]])[0]]
    0.5
    """

    table: _Table = _Table()

    def __post_init__(self) -> None:
        self.losses: dict[bytes, float]
        self.barred: set[bytes]

    @staticmethod
    def keys(points: list[Point]) -> list[bytes]:
        """Return what each point is found by: a fraction of the memory and of the time that a tuple takes."""
        pack = _packer(len(points[0]))
        return [pack(*point) for point in points]

    def recall(self, batch: Batch) -> None:
        """Enter what was evaluated before, and find what the batch holds twice."""
        known, keys = self.losses, batch.keys
        if len(set(keys)) == len(keys) and known.keys().isdisjoint(keys):
            return
        rows: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            if key in known:
                batch.losses[row] = known[key]
                batch.recalled.append(row)
                if key in self.barred:
                    batch.violated.append(row)
            if rows.setdefault(key, row) != row:
                batch.twins[row] = rows[key]

    def enter(self, batch: Batch) -> None:
        """Keep the losses of a batch."""
        self.losses.update(zip(batch.keys, batch.losses, strict=True))
        self.barred.update([batch.keys[row] for row in batch.violated])


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
    n_in_vain
        Number of violated points told since the last one that was evaluated.
    seen
        Every point of a space with discrete parameters; None where points are not remembered.
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
    n_in_vain: int = 0
    seen: Memory | None = None
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
