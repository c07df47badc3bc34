"""Calls of an additive likelihood with its shards spread over workers that keep them.

A chunk of points goes to all workers at once; each adds up its own shards, the sums come back, and the log-likelihoods
are made of them here. There is one chunk at a time for all workers together, as if there were one worker: so an
algorithm sees its answers in the same order, and the same answers to the last bit (`wilks.core.additive`), with any
number of them.

The workers get the problem without its fixed values, and points of the root: so all verbs on a problem and on its
restrictions find the data in place.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, cast, runtime_checkable

import numpy as np

from wilks.core.additive import AdditiveProblem, total_of
from wilks.core.errors import InvalidConfigurationError, InvalidProblemError, WilksError
from wilks.core.problem import LikelihoodProblem
from wilks.core.proposal import EvaluationStatus
from wilks.evaluation.answers import numbers_of
from wilks.evaluation.call import ChunkAnswer, evaluate_chunk
from wilks.evaluation.executors import ProcessExecutor, as_executor
from wilks.evaluation.pool import WorkerDiedError
from wilks.evaluation.shard_group import GroupAnswer, ShardGroup, as_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from wilks.core.problem import Problem, Values
    from wilks.core.proposal import Want
    from wilks.evaluation.executors import Executor, Pending, Submit


@runtime_checkable
class Divisible(Protocol):
    """An executor that can send work to a worker of its choice."""

    def lanes(self) -> Sequence[Executor]:
        """Return one executor for every worker: what was sent through it before is still there."""
        ...


class ShardedExecutor:
    """Calls of a `wilks.AdditiveProblem` with its shards spread over the workers of an executor.

    Every worker has its own shards, and no others: of processes on this machine, of MPI and of Dask. What is sent to
    the pool of somebody else goes to any of its workers, along with the shards, so let them be names of files there.
    The answers are the same to the last bit for any number of workers.

    Parameters
    ----------
    executor
        `wilks.ProcessExecutor`, `wilks.MPIExecutor`, `wilks.DaskExecutor`, any ``concurrent.futures.Executor``, or None
        for this process. Its processes are not shared with other runs on it: close this one.

    Raises
    ------
    InvalidConfigurationError
        If the object is no executor.

    Examples
    --------
    >>> import numpy as np, wilks
    >>> shards = np.split(np.random.default_rng(1).normal(3.0, 2.0, 4000), 4)
    >>> problem = wilks.AdditiveProblem(
    ...     wilks.Space(mean=wilks.Real(-10, 10)),
    ...     shards,
    ...     lambda values, shard: [-0.125 * ((shard - values["mean"]) ** 2).sum()],
    ...     lambda values, total: total[0],
    ... )
    >>> with wilks.ShardedExecutor(wilks.ProcessExecutor(2)) as executor:
    ...     fit = wilks.fit(problem, executor=executor, seed=1)
    >>> fit.provenance.executor
    'shards on 2 processes'
    >>> fit.log_likelihood == wilks.fit(problem, seed=1).log_likelihood
    True
    """

    n_workers = 1

    def __init__(self, executor: object = None) -> None:
        if isinstance(executor, ShardedExecutor):
            raise InvalidConfigurationError(
                "ShardedExecutor: the shards are spread already; give it the executor itself"
            )
        self._executor = as_executor(executor)
        self.inline = self._executor.inline
        self.name = f"shards on {self._executor.name}"
        self._lanes: Sequence[Executor] = ()
        self._opened: tuple[Problem | None, tuple[Submit, ...]] = (None, ())

    def open(self, problem: Problem) -> Submit:
        """Return the function that sends chunks to all workers; the shards go there once.

        Raises
        ------
        InvalidProblemError
            If the problem has no shards.
        """
        if not isinstance(problem, AdditiveProblem):
            raise InvalidProblemError(
                f"ShardedExecutor: expected a wilks.AdditiveProblem, got the {type(problem).__name__} "
                f"{problem.name!r}, which has no shards; take the executor itself"
            )
        if self._opened[0] is not problem.root:
            self._lanes = self._lanes or _lanes(self._executor)
            n = len(problem.shards)
            n_groups = min(n, len(self._lanes))
            bounds = [n * group // n_groups for group in range(n_groups + 1)]
            groups = [ShardGroup(problem, problem.additive.part(*ends)) for ends in itertools.pairwise(bounds)]
            submits = tuple(lane.open(group) for lane, group in zip(self._lanes, groups, strict=False))
            self._opened = (problem.root, submits)
        return _Spread(problem, self._opened[1], self.inline)

    def abort(self) -> None:
        """End all work at once, without waiting for calls that are under way; the executor stays usable."""
        for executor in {id(lane): lane for lane in (*self._lanes, self._executor)}.values():
            executor.abort()

    def close(self) -> None:
        """Close the executor, and forget the shards."""
        self._opened = (None, ())
        lanes, self._lanes = self._lanes, ()
        for executor in {id(lane): lane for lane in (*lanes, self._executor)}.values():
            if hasattr(executor, "close"):
                executor.close()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Return the constructor call."""
        return f"ShardedExecutor({self._executor!r})"


def _lanes(executor: Executor) -> Sequence[Executor]:
    """Return an executor for every worker: one that always means the same worker, where that is possible."""
    if isinstance(executor, ProcessExecutor):
        return [ProcessExecutor(1, timeout=executor.timeout) for _ in range(executor.n_workers)]
    if isinstance(executor, Divisible):
        return executor.lanes()
    return [executor] * executor.n_workers


@dataclass(frozen=True)
class _Spread:
    """Starts the evaluation of a chunk on all workers."""

    problem: AdditiveProblem
    submits: tuple[Submit, ...]
    inline: bool

    def __call__(self, thetas: NDArray[np.float64], want: Want) -> Pending:  # noqa: ARG002 - there are values only
        gate = _allowed(self.problem, thetas)
        rows = np.flatnonzero(gate.statuses == EvaluationStatus.OK)
        points = self.problem.to_root(thetas[rows])
        joined: Future[ChunkAnswer] = Future()
        joined.set_running_or_notify_cancel()
        if not len(rows):
            joined.set_result(gate)
            return joined
        pendings = [submit(points, "value") for submit in self.submits]

        def finish() -> None:
            try:
                groups = [_group_of(pending, self.problem, at, len(pendings)) for at, pending in enumerate(pendings)]
                joined.set_result(_joined(self.problem, thetas, gate, rows, groups))
            except KeyboardInterrupt:
                joined.set_result(_first(gate, 0, interrupted=True))
            except Exception as error:  # noqa: BLE001 - whoever waits for the answer must learn of it
                joined.set_exception(error)

        if self.inline:
            finish()
        else:
            _when_done(cast("list[Future[ChunkAnswer]]", pendings), finish)
        return joined


def _when_done(futures: Sequence[Future[ChunkAnswer]], act: Callable[[], None]) -> None:
    """Act once, when the last of the futures is done."""
    left, lock = len(futures), threading.Lock()

    def count(_future: Future[ChunkAnswer]) -> None:
        nonlocal left
        with lock:
            left -= 1
            is_last = not left
        if is_last:
            act()

    for future in futures:
        future.add_done_callback(count)


def _group_of(pending: Pending, problem: AdditiveProblem, at: int, n_groups: int) -> GroupAnswer:
    """Answer of one worker; its death with the names of its shards."""
    try:
        return cast("GroupAnswer", pending.result())
    except (WilksError, concurrent.futures.BrokenExecutor, concurrent.futures.CancelledError):
        raise
    except Exception as error:
        how = str(error) if isinstance(error, WorkerDiedError) else f"{type(error).__name__}: {error}"
        n = len(problem.shards)
        first, last = n * at // n_groups, n * (at + 1) // n_groups - 1
        which = f"shard {first}" if first == last else f"shards {first} to {last}"
        raise WorkerDiedError(f"{how}, with {which} of {n} (counted from 0)") from error


def _allowed(problem: AdditiveProblem, thetas: NDArray[np.float64]) -> ChunkAnswer:
    """Answer that says which points may be evaluated: those whose status is OK."""
    if problem.constraints:
        gate = LikelihoodProblem(problem.space, _nothing, constraints=problem.constraints)
        return evaluate_chunk(gate, thetas, "value")
    n = len(thetas)
    return ChunkAnswer(np.zeros(n), np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.float32), os.getpid())


def _nothing(_values: object) -> float:
    return 0.0


def _joined(
    problem: AdditiveProblem,
    thetas: NDArray[np.float64],
    gate: ChunkAnswer,
    rows: NDArray[np.intp],
    groups: list[GroupAnswer],
) -> ChunkAnswer:
    """Answers for a chunk, of which `rows` were sent to the workers."""
    if any(group.interrupted or group.stopped for group in groups):
        interrupted, stopped = any(group.interrupted for group in groups), any(group.stopped for group in groups)
        return _first(gate, 0, interrupted=interrupted, stopped=stopped)
    errors = dict(gate.errors)
    for group in groups:
        for at, text in group.errors.items():
            errors.setdefault(int(rows[at]), text)
    widths = [group.blocks[0].sums.shape[1] for group in groups if group.blocks]
    good = np.array([row for row in rows.tolist() if row not in errors], dtype=int)
    if len(set(widths)) > 1:
        text = f"sums: expected as many numbers of every shard, got {' and '.join(map(str, sorted(set(widths))))}"
        errors.update(dict.fromkeys(good.tolist(), text))
        good = good[:0]
    log_likelihoods = gate.log_likelihoods
    statuses = gate.statuses
    log_likelihoods[rows], statuses[rows] = -np.inf, EvaluationStatus.FAILED
    seconds = gate.seconds
    seconds[rows] += np.sum([group.seconds for group in groups], axis=0)
    n, last = len(gate), None
    if len(good):
        total = total_of(block for group in groups for block in group.blocks)
        last = _of_totals(problem, thetas[good], total[np.isin(rows, good)])
        n = n if len(last) == len(good) else int(good[len(last)])
        done = good[: len(last)]
        log_likelihoods[done], statuses[done] = last.log_likelihoods, last.statuses
        errors.update({int(good[at]): text for at, text in last.errors.items()})
    ended = [gate] if last is None else [gate, last]
    answer = _first(
        gate, n, interrupted=any(each.interrupted for each in ended), stopped=any(each.stopped for each in ended)
    )
    answer.errors = {row: text for row, text in errors.items() if row < n}
    answer.mean_seconds = max(group.mean_seconds or 0.0 for group in groups)
    return answer


def _first(gate: ChunkAnswer, n: int, *, interrupted: bool = False, stopped: bool = False) -> ChunkAnswer:
    """Return the first `n` answers of a chunk."""
    return ChunkAnswer(
        gate.log_likelihoods[:n],
        gate.statuses[:n],
        gate.seconds[:n],
        gate.worker,
        interrupted=interrupted,
        stopped=stopped,
    )


def _of_totals(problem: AdditiveProblem, thetas: NDArray[np.float64], totals: NDArray[np.float64]) -> ChunkAnswer:
    """Log-likelihoods at some points, shape (n, dimension), from the totals there, shape (n, k)."""
    function, space, n = problem.log_likelihood_of_total, problem.space, len(thetas)
    if problem.vectorized:
        began = time.perf_counter()
        try:
            values = numbers_of(function(space.values_of_rows(thetas), totals.copy()), (n,), "log_likelihood")
        except (Exception, SystemExit):  # noqa: BLE001 - told by the calls for single points
            values = np.full(n, np.nan)
        if np.isfinite(values).all():
            seconds = np.full(n, (time.perf_counter() - began) / n, dtype=np.float32)
            return ChunkAnswer(values, np.zeros(n, dtype=np.int8), seconds, os.getpid())
    position = -1

    def call(values: Values) -> Any:  # noqa: ANN401 - the user's answer
        nonlocal position
        position += 1
        if not problem.vectorized:
            return function(values, totals[position].copy())
        answer = function(as_arrays(space, values), totals[position][None].copy())
        return numbers_of(answer, (1,), "a vectorized log_likelihood")[0]

    return evaluate_chunk(LikelihoodProblem(space, call), thetas, "value")
