"""The state of a multi-start, a value, and what every part of it does with jobs and their points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.proposal import Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.loop.requests import Requests
    from wilks.searchers.basins import BasinRecord
    from wilks.searchers.paths import Paths


@dataclass
class Job:
    """One thing that is under way.

    Attributes
    ----------
    kind
        ``"start"`` (an ascent from a random start: only these count as hits), ``"given"``, ``"peak"`` (one from a
        scan), ``"polish"``, ``"measure"`` (second derivatives) or ``"scan"``.
    base
        Full point of the unit box, which fixes what is not moved.
    ascent
        State of the local solver; None for a measurement and for a scan.
    basin
        Number of the basin to which a polish, a measurement or a scan belongs.
    n_steps, u, value
        Steps that the ascent has made, and its last point.
    n_followers
        Random starts that were ended because this ascent goes ahead on their way.
    """

    kind: str
    base: NDArray[np.float64]
    ascent: Any = None
    basin: int = -1
    n_steps: int = -1
    value: float = -math.inf
    u: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    n_followers: int = 0

    @property
    def n_hits(self) -> int:
        """Random starts that end where this one does."""
        return self.n_followers + (self.kind == "start")


@dataclass
class MultiStartState:
    """State of a multi-start.

    Attributes
    ----------
    columns
        Continuous coordinates, which the ascents move.
    given
        Points to start from.
    paths
        Ways of ascents, those under way too.
    design
        The Latin hypercube from which the next random starts come.
    held
        Points of random starts, by owner, that are not asked for yet.
    ended_by
        What ended the random starts: ``"rule"``, ``"cap"``, ``"n_optima"`` or ``"n_starts"``.
    untended
        Has anything happened to the basins since they were looked through?
    waiting
        Can nothing begin before another job has ended?
    """

    space: Space
    seed: int
    columns: NDArray[np.int64]
    given: NDArray[np.float64]
    requests: Requests
    paths: Paths
    design: NDArray[np.float64]
    held: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    basins: list[BasinRecord] = field(default_factory=list)
    stage: str = "ascend"
    ended_by: str = ""
    untended: bool = False
    waiting: bool = False
    next_owner: int = 0
    next_basin: int = 0
    n_given: int = 0
    n_batches: int = 0
    n_in_batch: int = 0
    n_random: int = 0
    n_withdrawn: int = 0
    n_aborted: int = 0
    n_scans: int = 0

    @property
    def n_started(self) -> int:
        """Ascents that were begun from given points and at random."""
        return self.n_given + self.n_random

    @property
    def n_asked(self) -> int:
        """Points that were asked for and are not back."""
        return self.requests.n_unsent + self.requests.n_under_way

    def of_interest(self, depth: float) -> list[BasinRecord]:
        """Basins down to so far below the best one, best first."""
        if not self.basins:
            return []
        return [basin for basin in self.basins if basin.value >= self.basins[0].value - depth]

    def basin(self, number: int) -> BasinRecord:
        """The basin of this number."""
        return next(basin for basin in self.basins if basin.number == number)

    def under_way(self, *kinds: str) -> list[int]:
        """Owners of the jobs of these kinds."""
        return [owner for owner, job in self.jobs.items() if job.kind in kinds]

    def begin(self, job: Job, points: NDArray[np.float64]) -> int:
        """Enter a job that asks for points; return its number."""
        owner = self.next_owner
        self.next_owner += 1
        self.jobs[owner] = job
        self.request(owner, points)
        return owner

    def begin_for(self, kind: str, basin: BasinRecord, points: NDArray[np.float64]) -> None:
        """Enter a job that asks for points around a basin and needs all the answers at once."""
        self.begin(Job(kind, basin.u, None, basin.number), points)

    def request(self, owner: int, points: NDArray[np.float64]) -> None:
        """Ask for points of a job, or, if it is a random start, hold them until it is its turn."""
        if self.jobs[owner].kind == "start":
            self.held[owner] = points
        else:
            self.add(owner, points)

    def add(self, owner: int, points: NDArray[np.float64], *, ahead: bool = False) -> None:
        """Ask for points of a job, given in the coordinates that are moved, or for what it may need next."""
        job = self.jobs[owner]
        phase = Phase.CURVATURE if job.kind == "measure" else Phase.GLOBAL
        self.requests.add(owner, self.space.from_unit(self.full(job.base, points)), phase, ahead=ahead)

    def full(self, base: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the unit box that have these continuous coordinates and the others of `base`."""
        found = np.repeat(base[None, :], len(points), axis=0)
        found[:, self.columns] = points
        return found

    def withdraw(self, owner: int) -> None:
        """End a job, whatever it waits for."""
        del self.jobs[owner]
        self.held.pop(owner, None)
        self.requests.withdraw(owner)

    def withdraw_tenders(self, basin: BasinRecord) -> None:
        """End the polish or the measurement of a basin that has changed meanwhile."""
        for owner in self.under_way("polish", "measure"):
            if self.jobs[owner].basin == basin.number:
                self.withdraw(owner)

    def sort(self) -> None:
        """Put the best basin first, and have all of them looked through."""
        self.basins.sort(key=lambda basin: -basin.value)
        self.untended = True
