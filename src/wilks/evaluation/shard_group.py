"""What happens where the shards are: some of them are gone through with all points of a chunk, and their sums go back.

Failures are the same as anywhere (`wilks.evaluation.call`), since the calls are made there: a point fails at its first
shard that fails, with the traceback and the number of that shard, and is spared the others.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.additive import Block, Shards, merged
from wilks.core.errors import EvaluationError, InvalidProblemError, StopRun
from wilks.core.problem import LikelihoodProblem
from wilks.evaluation.call import ChunkAnswer, ChunkProblem, evaluate_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.core.additive import AdditiveProblem
    from wilks.core.parameter import Value
    from wilks.core.problem import Problem, Values
    from wilks.core.proposal import Want
    from wilks.core.space import Space


@dataclass
class GroupAnswer(ChunkAnswer):
    """Sums over some shards at the points of a chunk.

    Attributes
    ----------
    blocks
        Sums of shape (n, k), for adjacent blocks of shards; none when no point has any.
    """

    blocks: list[Block] = field(default_factory=list)


class ShardGroup(ChunkProblem):
    """The shards of one worker, at points of the root of a problem."""

    def __init__(self, problem: AdditiveProblem, shards: Shards) -> None:
        super().__init__(problem.root.space, (), problem.name, None)
        self.shards = shards

    def fix(self, **values: Value) -> Problem:
        """Return the same problem with some parameters fixed: its points hold their values already."""
        raise InvalidProblemError(f"fix: expected no values for some shards of a problem, got {', '.join(values)}")

    def functions(self) -> tuple[object, ...]:
        """The user's function and the shards."""
        return (self.shards.sums, self.shards.data)

    def supports(self, want: Want) -> bool:
        """Sums, which stand for values."""
        return want == "value"

    def answer(self, thetas: NDArray[np.float64]) -> GroupAnswer:
        """Go through the shards, one after another, with all points."""
        return _Pass(self.space, self.shards, thetas).answer()


class _Pass:
    """Points on their way through some shards; one that fails at a shard is spared the others."""

    def __init__(self, space: Space, shards: Shards, thetas: NDArray[np.float64]) -> None:
        self._space, self._shards, self._thetas = space, shards, thetas
        self._errors: dict[int, str] = {}
        self._seconds = np.zeros(len(thetas))
        self._n_sums = 0
        self._ended = ""

    def answer(self) -> GroupAnswer:
        began = time.perf_counter()
        n = len(self._thetas)
        blocks = merged(self._blocks())
        if self._ended:
            n, blocks = 0, []
        return GroupAnswer(
            np.zeros(n),
            np.zeros(n, dtype=np.int8),
            self._seconds[:n].astype(np.float32),
            os.getpid(),
            (time.perf_counter() - began) / max(1, n),
            errors=self._errors if n else {},
            interrupted=self._ended == "interrupted",
            stopped=self._ended == "stopped",
            blocks=blocks,
        )

    def _blocks(self) -> Iterator[Block]:
        for index in range(len(self._shards.data)):
            rows = np.array([row for row in range(len(self._thetas)) if row not in self._errors], dtype=int)
            found = self._sums(index, rows)
            if self._ended:
                return
            if self._n_sums:
                sums = np.full((len(self._thetas), self._n_sums), np.nan)
                for at, part in found:
                    sums[at] = part
                yield Block(0, self._shards.first + index, sums)

    def _sums(self, index: int, rows: NDArray[np.intp]) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Rows that have sums, with their sums; the reasons for the others are in `_errors`."""
        if not self._shards.vectorized:
            return self._one_by_one(index, rows)
        found = []
        parts = [rows] if len(rows) else []
        while parts and not self._ended:
            part = parts.pop()
            began = time.perf_counter()
            try:
                sums = self._shards.sums_of(index, self._space.values_of_rows(self._thetas[part]))
                self._check(index, sums)
            except (StopRun, KeyboardInterrupt, InvalidProblemError) as error:
                self._end(error, part)
            except (Exception, SystemExit):  # noqa: BLE001 - the calls for single points tell whose it is
                if len(part) == 1:
                    found += self._one_by_one(index, part)
                else:
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                self._seconds[part] += (time.perf_counter() - began) / len(part)
                bad = np.isnan(sums).any(axis=1)
                self._errors.update(
                    (int(part[at]), self._shards.undefined(index, sums[at])) for at in np.flatnonzero(bad)
                )
                found.append((part[~bad], sums[~bad]))
        return found

    def _end(self, error: BaseException, rows: NDArray[np.intp]) -> None:
        """End the pass where it was interrupted; a wrong answer ends it for the points that it was for."""
        if isinstance(error, InvalidProblemError):
            self._errors.update(dict.fromkeys(rows.tolist(), str(error)))
        else:
            self._ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped"

    def _one_by_one(self, index: int, rows: NDArray[np.intp]) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Like `_sums`, by the calls that know what to do about exceptions, Ctrl-C and `StopRun`."""
        found: dict[int, NDArray[np.float64]] = {}
        position = -1

        def call(values: Values) -> float:
            nonlocal position
            position += 1
            sums = self._shards.sums_of(index, as_arrays(self._space, values) if self._shards.vectorized else values)
            self._check(index, sums)
            if complaint := self._shards.undefined(index, sums):
                raise EvaluationError(complaint)
            found[position] = sums
            return 0.0

        answer = evaluate_chunk(LikelihoodProblem(self._space, call), self._thetas[rows], "value")
        if answer.interrupted or answer.stopped:
            self._ended = "interrupted" if answer.interrupted else "stopped"
        self._seconds[rows[: len(answer)]] += answer.seconds
        self._errors.update({int(rows[at]): text for at, text in answer.errors.items()})
        return [(rows[at : at + 1], sums) for at, sums in found.items()]

    def _check(self, index: int, sums: NDArray[np.float64]) -> None:
        self._n_sums = self._n_sums or sums.shape[-1]
        self._shards.require_alike(index, sums.shape[-1], self._n_sums)


def as_arrays(space: Space, values: Values) -> dict[str, Any]:
    """Values of one point, for a function of many."""
    return {name: np.array([value]) if name in space.free else value for name, value in values.items()}
