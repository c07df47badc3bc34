"""The state of a profile map: a value, from which a run goes on after any interruption."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.profiles.combinations import discrete_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.loop.requests import Requests
    from wilks.profiles.audit import AuditLedger
    from wilks.profiles.grid import ProfileGrid
    from wilks.profiles.records import Records
    from wilks.profiles.refinement import Guess

MARGIN, FINE_MARGIN = 1.0, 0.05
"""A branch is followed until it lies this far below the best branch of a cell; on the lattice, and between its nodes,
where those branches are known."""


@dataclass
class Optimum:
    """An optimum of the full problem: unit box, value, and curvature over the continuous coordinates."""

    u: NDArray[np.float64]
    value: float
    curvature: NDArray[np.float64]
    reliable: bool = True


@dataclass
class Job:
    """One ascent that is under way.

    Attributes
    ----------
    kind
        ``"extend"`` (a branch to a new cell), ``"refine"`` (a cell between those of the lattice), ``"offer"`` (somebody
        else's argmax), ``"optimum"`` (in the full space), ``"explore"`` (one look at a cell), ``"scan"`` (looks along
        every coordinate), ``"audit"``.
    cell
        Cell, -1 for an ascent in the full space.
    label
        Branch, -1 for a new one.
    base
        Full point of the unit box, which fixes what the ascent does not move.
    ascent
        State of the local solver.
    start
        Where it was expected to end.
    demand
        The ascent goes on only if its first value is above this.
    age
        Steps since the curvature was measured.
    looked
        Is the first value back?
    informed
        Did it begin with a known curvature?
    audit
        The search that it belongs to, when it is one of the audit or a scan.
    guess
        What was expected, of a cell that is refined.
    """

    kind: str
    cell: int
    label: int
    base: NDArray[np.float64]
    ascent: Any
    start: NDArray[np.float64]
    demand: float = -math.inf
    age: int = 0
    looked: bool = False
    informed: bool = False
    audit: Any = None
    guess: Any = None


@dataclass
class Look:
    """A single point to evaluate, in the place of an ascent."""

    points: NDArray[np.float64]


@dataclass
class MapState:
    """Everything that the schedule of a map knows.

    Attributes
    ----------
    columns, inner
        Columns of theta of the profiled parameters, and of the continuous nuisance parameters.
    best
        Largest log-likelihood seen in any cell or optimum, and where (full point of the unit box).
    climbed_from
        The best value from which the last ascent in the full space began.
    spacing, coarsest
        Spacing of the lattice that is worked on, and of the first one, in cells.
    candidates, seen, guesses
        Cells to refine, those that were candidates before, and what is expected of them.
    searched, settled
        Cells within an earlier map that was finished, where no islands are left; those of them that it has solved or
        left out for good, so that between them no seams are left. Empty without one.
    tried_in_all
        Cells that were tried with every combination of discrete nuisance values.
    queue
        Tasks: (rank, -priority, number, kind, cell, row or optimum).
    """

    space: Space
    seed: int
    grid: ProfileGrid
    columns: NDArray[np.int64]
    inner: NDArray[np.int64]
    requests: Requests
    records: Records
    best_values: NDArray[np.float64]
    best_rows: NDArray[np.int64]
    audit: AuditLedger
    optima: list[Optimum] = field(default_factory=list)
    bases: list[NDArray[np.float64]] = field(default_factory=list)
    tangents: list[NDArray[np.float64]] = field(default_factory=list)
    best: float = -math.inf
    best_u: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    climbed_from: float = -math.inf
    spacing: int = 1
    coarsest: int = 1
    candidates: list[int] = field(default_factory=list)
    seen: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    guesses: dict[int, list[Guess]] = field(default_factory=dict)
    queue: list[tuple[int, float, int, str, int, int]] = field(default_factory=list)
    jobs: dict[int, Job] = field(default_factory=dict)
    pending: list[tuple[int, int]] = field(default_factory=list)
    attempts: dict[tuple[int, int], int] = field(default_factory=dict)
    tried_in_all: list[int] = field(default_factory=list)
    tried: dict[int, list[NDArray[np.float64]]] = field(default_factory=dict)
    scanned: list[int] = field(default_factory=list)
    failed_cells: list[int] = field(default_factory=list)
    looks: dict[int, float] = field(default_factory=dict)
    stride: int = 1
    next_number: int = 0
    stage: str = "flood"
    searched: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    settled: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    n_passes: int = 0
    n_improved: int = 0
    n_better_optima: int = 0
    reach: dict[int, float] = field(default_factory=dict)

    def neighbours(self, cell: int, *, diagonal: bool = False) -> list[int]:
        """Cells of the lattice beside this one; on a path between lattice nodes, the next ones that were visited."""
        if not self.grid.adaptive or self.spacing == self.coarsest:
            return self.grid.neighbours(cell, self.spacing, diagonal=diagonal)
        visited = np.flatnonzero(self.best_rows >= 0)
        at = int(np.searchsorted(visited, cell))
        after = at + (at < len(visited) and int(visited[at]) == cell)
        return [int(visited[i]) for i in (at - 1, after) if 0 <= i < len(visited)]

    @property
    def discrete(self) -> list[int]:
        """Columns of theta of the discrete nuisance parameters."""
        return discrete_columns(self.space, self.columns)

    def combination(self, u: NDArray[np.float64]) -> tuple[float, ...]:
        """Values of the discrete nuisance parameters at a point of the unit box."""
        columns = self.discrete
        return tuple(self.space.from_unit(u)[columns].tolist()) if columns else ()

    def grow(self, cell: int) -> None:
        """Make candidates of the neighbours of a cell that were not visited; a path does not grow."""
        if self.grid.adaptive:
            return
        for other in self.grid.neighbours(cell, self.spacing, diagonal=True):
            if not self.seen[other]:
                self.seen[other] = True
                self.candidates.append(other)

    @property
    def margin(self) -> float:
        """How far below the best branch of a cell others are followed."""
        return FINE_MARGIN if self.spacing < self.coarsest else MARGIN

    def push(self, rank: int, priority: float, kind: str, cell: int, row: int) -> None:
        """Queue a task; lower ranks go first, then higher priorities."""
        heapq.heappush(self.queue, (rank, -priority, self.next_number, kind, cell, row))
        self.next_number += 1

    def pop(self) -> tuple[str, int, int]:
        """Take the most urgent task: kind, cell, row."""
        _, _, _, kind, cell, row = heapq.heappop(self.queue)
        return kind, cell, row
