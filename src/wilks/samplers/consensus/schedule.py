"""The algorithm that has all shards sampled: the largest first, those that fail again, and an end where that is futile.

A shard that raises is tried again with other random numbers. One whose worker died, or was killed because it took too
long, has used up two tries: the evaluator has tried it twice. If more than half of the first ten jobs fail, or more
shards are lost than a posterior can do without, the rest is not begun.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import EvaluationError
from wilks.core.proposal import EvaluationStatus, Phase, Proposals
from wilks.core.status import Outcome, Status
from wilks.samplers.consensus.shard import ShardPosterior, unpacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations
    from wilks.core.space import Space

_FIRST, _MOST_FAILED = 10, 5


@dataclass
class ShardScheduleState:
    """State of a run over shards.

    Attributes
    ----------
    queue
        Jobs to hand out, in order.
    shards
        Number of a shard -> its posterior.
    n_tries
        Of every shard.
    lost
        Number of a shard that is given up -> reason.
    first
        For the first jobs that ended: did it fail?
    n_retries
        How many jobs were not the first of their shard.
    reason
        Of the first failure.
    """

    queue: list[int]
    n_tries: list[int]
    shards: dict[int, ShardPosterior] = field(default_factory=dict)
    lost: dict[int, str] = field(default_factory=dict)
    first: list[bool] = field(default_factory=list)
    n_retries: int = 0
    reason: str = ""


@dataclass(frozen=True)
class ShardSchedule:
    """Jobs of shards in their order; a `core.algorithm.Algorithm`.

    Attributes
    ----------
    n_shards
        Number of shards.
    order
        Their numbers in the order of their start.
    n_attempts
        Tries that each has.
    min_success
        Part of the shards that is needed.
    """

    n_shards: int
    order: tuple[int, ...]
    n_attempts: int
    min_success: float

    generational = False

    @property
    def n_needed(self) -> int:
        """Number of shards without which nothing is combined."""
        return max(1, math.ceil(self.min_success * self.n_shards - 1e-9))

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> ShardScheduleState:  # noqa: ARG002 - interface
        """Queue every shard."""
        return ShardScheduleState(list(self.order), [0] * self.n_shards)

    def ask(self, state: ShardScheduleState, limit: int) -> tuple[Proposals, ShardScheduleState]:
        """Hand out the next jobs; at first few, so that those that fail for one reason are not all begun."""
        if self.terminate(state) is not None:
            return Proposals.empty(1), state
        few = len(state.first) < _FIRST and limit < 2 * _FIRST
        n = min(limit, _FIRST) if few else limit
        jobs = np.array(state.queue[:n], dtype=np.int64)
        state.queue = state.queue[n:]
        phases = np.full(len(jobs), Phase.SAMPLE, dtype=np.int8)
        return Proposals(jobs, jobs.astype(float)[:, None], phases, "residual"), state

    def tell(self, state: ShardScheduleState, evaluations: Evaluations) -> ShardScheduleState:
        """Take posteriors, and queue what failed again."""
        payloads = evaluations.payloads or [None] * len(evaluations)
        for at, job in enumerate(evaluations.ids.tolist()):
            number, rows = job % self.n_shards, payloads[at]
            died = evaluations.statuses[at] == EvaluationStatus.LOST
            state.n_tries[number] += 2 if died else 1
            if len(state.first) < _FIRST:
                state.first.append(rows is None)
            if rows is not None:
                state.shards[number] = unpacked(rows)
                continue
            if state.n_tries[number] < self.n_attempts:
                state.queue.append(job + self.n_shards)
                state.n_retries += 1
            else:
                state.lost[number] = evaluations.errors.get(at, "no reason was recorded")
            state.reason = state.reason or evaluations.errors.get(at, "")
        return state

    def terminate(self, state: ShardScheduleState) -> Status | None:
        """End when every shard is sampled or given up, or when it is futile to go on."""
        n_lost = len(state.lost)
        if self.n_shards - n_lost < self.n_needed:
            return Status(Outcome.NOT_CONVERGED, f"{n_lost} of {self.n_shards} shards could not be sampled.")
        if len(state.first) == _FIRST and sum(state.first) > _MOST_FAILED:
            return Status(Outcome.NOT_CONVERGED, f"{sum(state.first)} of the first {_FIRST} jobs failed.")
        if len(state.shards) + n_lost == self.n_shards:
            return Status(Outcome.CONVERGED, f"{len(state.shards)} shards.")
        return None

    def describe(self, state: ShardScheduleState) -> tuple[str, float]:
        """What is going on, and how much of it is done."""
        done = len(state.shards)
        return f"{done} of {self.n_shards} shards sampled", done / self.n_shards

    def require_enough(self, state: ShardScheduleState) -> None:
        """Refuse to combine what is too little.

        Raises
        ------
        EvaluationError
            If fewer shards were sampled than are needed; it shows the first reason.
        """
        n = len(state.shards)
        if n < self.n_needed:
            raise EvaluationError(
                f"{n} of {self.n_shards} shards were sampled, {self.n_needed} are needed: a posterior without the "
                "others would be one of fewer data. The first failure:",
                traceback=state.reason or "none; the run was ended before the others began",
            )
