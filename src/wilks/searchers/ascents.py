"""Local ascents from given starts, side by side, and nothing else: the last step where an evaluation is dear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.proposal import Phase
from wilks.core.status import Outcome, Status
from wilks.loop.requests import Requests, in_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.proposal import Evaluations, Proposals
    from wilks.core.space import Space
    from wilks.loop.requests import Request


@dataclass
class AscentsState:
    """State of the ascents, all of whose parameters are real.

    Attributes
    ----------
    ascents
        One for each start, in their order.
    """

    space: Space
    ascents: list[Any]
    requests: Requests

    @property
    def best(self) -> int:
        """Number of the ascent that is highest; -1 while none has a finite value."""
        values = [ascent.value for ascent in self.ascents]
        best = int(np.argmax(values)) if values else -1
        return best if best >= 0 and math.isfinite(values[best]) else -1


@dataclass(frozen=True)
class Ascents:
    """Ascents from the given starts; a `core.algorithm.Algorithm`.

    Parameters
    ----------
    local
        Solver of the ascents.
    """

    local: LocalSolver

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> AscentsState:  # noqa: ARG002 - no chance
        """Begin all ascents."""
        state = AscentsState(
            space, [self.local.start(u.copy()) for u in starts], Requests(space.dimension, self.local.want)
        )
        for owner in range(len(starts)):
            self._request(state, owner)
        return state

    def ask(self, state: AscentsState, limit: int) -> tuple[Proposals, AscentsState]:
        """Return the points that the ascents want."""
        return state.requests.take(limit), state

    def tell(self, state: AscentsState, evaluations: Evaluations) -> AscentsState:
        """Advance the ascents whose points are complete."""
        state.requests.answer(evaluations, lambda request: self._advance(state, request))
        return state

    def terminate(self, state: AscentsState) -> Status | None:
        """End when all ascents have."""
        if any(len(ascent.points) for ascent in state.ascents):
            return None
        best = state.best
        if best < 0:
            return Status(Outcome.NOT_CONVERGED, f"None of {len(state.ascents)} starts has a finite log-likelihood.")
        if state.ascents[best].converged:
            return Status(Outcome.CONVERGED)
        return Status(Outcome.NOT_CONVERGED, f"The best ascent ended early: {state.ascents[best].reason}.")

    def describe(self, state: AscentsState) -> tuple[str, float]:
        """What is going on, for people."""
        running = sum(len(ascent.points) > 0 for ascent in state.ascents)
        return f"{running} of {len(state.ascents)} ascents under way", math.nan

    def _advance(self, state: AscentsState, request: Request) -> None:
        owner = request.owner
        payloads = in_unit(state.space, request, state.requests.want, np.arange(state.space.dimension))
        state.ascents[owner] = self.local.advance(state.ascents[owner], request.values, payloads)
        self._request(state, owner)

    def _request(self, state: AscentsState, owner: int) -> None:
        points = state.ascents[owner].points
        if len(points):
            state.requests.add(owner, state.space.from_unit(points), Phase.GLOBAL)
