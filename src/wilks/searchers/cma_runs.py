"""CMA-ES with BIPOP restarts as the first stage of a fit: it ends by itself, and remembers the best of every run.

`wilks.searchers.cma_es` restarts until a rule stops it, and keeps one best point. A fit wants to know where each run
ended, since a local ascent from there says whether they agree, and it wants the runs to end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.proposal import Proposals
from wilks.core.status import Outcome, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations
    from wilks.core.space import Space
    from wilks.searchers.cma_es import CmaEs
    from wilks.searchers.state import SearchState

_MOST, _MOST_PER_DIMENSION = 20_000, 5_000


@dataclass
class CmaEsRunsState:
    """State of the runs.

    Attributes
    ----------
    search
        State of the search.
    thetas, values
        Best point of every run and its log-likelihood.
    done
        Are all runs over?
    """

    search: SearchState
    dimension: int
    thetas: list[NDArray[np.float64]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    done: bool = False

    @property
    def n_runs(self) -> int:
        """Runs that were begun; the first points belong to the first one."""
        return 1 if self.search.engine is None else int(self.search.engine.n_runs)


@dataclass(frozen=True)
class CmaEsRuns:
    """A number of runs of CMA-ES; a `core.algorithm.Algorithm`.

    Parameters
    ----------
    search
        The search.
    n_restarts
        Runs after the first one.
    """

    search: CmaEs
    n_restarts: int

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> CmaEsRunsState:
        """Return the state before the first generation; `starts` are evaluated first."""
        return CmaEsRunsState(self.search.init(space, seed, starts), space.dimension)

    def ask(self, state: CmaEsRunsState, limit: int) -> tuple[Proposals, CmaEsRunsState]:
        """Hand out a generation, unless it is the first one of a run too many."""
        if state.done:
            return Proposals.empty(state.dimension), state
        proposals, state.search = self.search.ask(state.search, limit)
        if state.n_runs > 1 + self.n_restarts or not len(proposals):
            state.done = not self._outstanding(state)
            return Proposals.empty(state.dimension), state
        return proposals, state

    def _outstanding(self, state: CmaEsRunsState) -> bool:
        """Are points of a run that counts still to be told?"""
        return state.n_runs <= 1 + self.n_restarts and bool(state.search.open)

    def tell(self, state: CmaEsRunsState, evaluations: Evaluations) -> CmaEsRunsState:
        """Let the search learn, and keep the best of the run."""
        run = state.n_runs
        while len(state.values) < run:
            state.thetas.append(np.full(state.dimension, np.nan))
            state.values.append(-math.inf)
        at = int(np.argmax(evaluations.log_likelihoods))
        value = float(evaluations.log_likelihoods[at])
        if value > state.values[run - 1]:
            state.values[run - 1], state.thetas[run - 1] = value, evaluations.thetas[at].copy()
        state.search = self.search.tell(state.search, evaluations)
        if state.search.n_told >= _MOST + _MOST_PER_DIMENSION * state.dimension:
            state.done = True
        return state

    def terminate(self, state: CmaEsRunsState) -> Status | None:
        """End after the last run."""
        if not state.done:
            return None
        return Status(Outcome.CONVERGED, f"{len(state.values)} runs of CMA-ES.")

    def describe(self, state: CmaEsRunsState) -> tuple[str, float]:
        """What is going on, for people."""
        return f"CMA-ES, run {min(state.n_runs, 1 + self.n_restarts)}", math.nan
