"""Refinement: the multi-start from chosen points in the place of random ones.

The chosen points count as starts do: where an ascent from one of them ends is a hit of its optimum, so what is said of
the number of hits, and of the chance that there is another optimum, holds for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space
    from wilks.core.status import Status
    from wilks.searchers.multistart import MultiStart, MultiStartState


@dataclass(frozen=True)
class Refinement:
    """Ascents from chosen points; a `core.algorithm.Algorithm`.

    Parameters
    ----------
    search
        The multi-start; its ``n_starts`` is the number of chosen points.
    n_given
        How many of the points that `init` gets, the first ones, were given by the user: these are no hits.
    """

    search: MultiStart
    n_given: int = 0

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> MultiStartState:
        """Return the state before the first ascent."""
        points = np.asarray(starts, dtype=float).reshape(-1, space.dimension)
        state = self.search.init(space, seed, points[: self.n_given])
        state.design = points[self.n_given :]
        return state

    def ask(self, state: MultiStartState, limit: int) -> tuple[Proposals, MultiStartState]:
        """Hand out points."""
        return self.search.ask(state, limit)

    def tell(self, state: MultiStartState, evaluations: Evaluations) -> MultiStartState:
        """Take their answers."""
        return self.search.tell(state, evaluations)

    def terminate(self, state: MultiStartState) -> Status | None:
        """End when all ascents have ended."""
        return self.search.terminate(state)

    def describe(self, state: MultiStartState) -> tuple[str, float]:
        """What is going on, for people."""
        return self.search.describe(state)
