"""Calls of the user's function, in whatever process they happen: what is a log-likelihood, and what is a failure.

Nothing that the user's function does may end a run: an exception, ``sys.exit``, NaN, plus infinity, None, text or an
array where one float is expected becomes a FAILED evaluation with its traceback or its reason. Minus infinity is an
answer: the likelihood is zero there. The two exceptions are Ctrl-C and `StopRun`: the chunk ends there, with the
answers it has.

A gradient is a help, not an answer: one that raises or has the wrong shape costs nothing but itself. The point keeps
its value, its derivatives are NaN, which solvers fill in by finite differences, and the reason is recorded.
"""

from __future__ import annotations

import math
import os
import time
import traceback
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError, StopRun, WilksError
from wilks.core.least_squares import LeastSquaresProblem
from wilks.core.problem import LikelihoodProblem, Problem
from wilks.core.proposal import EvaluationStatus
from wilks.evaluation.answers import SHOWN, is_number, numbers_of
from wilks.evaluation.squares import known_length, squares

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from wilks.core.proposal import Want

_OK, _EXCLUDED, _FAILED, _VIOLATED = (
    int(EvaluationStatus.OK),
    int(EvaluationStatus.EXCLUDED),
    int(EvaluationStatus.FAILED),
    int(EvaluationStatus.VIOLATED),
)
_OWN_MODULES = ("wilks.evaluation", "wilks.core")


@dataclass
class ChunkAnswer:
    """Answers for the points of one chunk, in order; for the first of them when it was ended early.

    Attributes
    ----------
    log_likelihoods, statuses, seconds, payloads, errors
        As in `wilks.core.proposal.Evaluations`; an error of a point whose status is OK is one of its gradient.
    worker
        Process identifier.
    mean_seconds
        Mean time of a point that the user's likelihood was called for; None when there was none.
    interrupted, stopped
        Did Ctrl-C, or `StopRun`, end the chunk?
    n_data
        Number of residuals of a least-squares problem; 0 if none were had.
    """

    log_likelihoods: NDArray[np.float64]
    statuses: NDArray[np.int8]
    seconds: NDArray[np.float32]
    worker: int
    mean_seconds: float | None = None
    payloads: list[NDArray[np.float64] | None] | None = None
    errors: dict[int, str] = field(default_factory=dict)
    interrupted: bool = False
    stopped: bool = False
    n_data: int = 0

    def __len__(self) -> int:
        """Return the number of points that are answered."""
        return len(self.statuses)


class ChunkProblem(Problem):
    """A problem that answers chunks by itself."""

    @abstractmethod
    def answer(self, thetas: NDArray[np.float64]) -> ChunkAnswer:
        """Return the answers at points, shape (n, dimension)."""


def evaluate_chunk(problem: Problem, thetas: NDArray[np.float64], want: Want) -> ChunkAnswer:
    """Evaluate the points of a chunk, shape (n, dimension); never raises because of the user's function."""
    if isinstance(problem, ChunkProblem):
        return problem.answer(thetas)
    if takes_batches(problem, want):
        return _vectorized(problem, thetas)
    return _one_by_one(problem, thetas, want)


def takes_batches(problem: Problem, want: Want) -> bool:
    """Is the user's function called with all points of a chunk at once?"""
    return want == "value" and isinstance(problem, LikelihoodProblem) and problem.vectorized


def _one_by_one(problem: Problem, thetas: NDArray[np.float64], want: Want) -> ChunkAnswer:
    with_payload, with_gradient = want != "value", want == "gradient"
    call = _caller(problem, want)
    constraints = problem.constraints
    to_values = problem.space.values_of_row
    log_likelihoods: list[float] = []
    payloads: list[NDArray[np.float64] | None] = []
    seconds: list[float] = []
    statuses: dict[int, int] = {}  # of the points that are not OK: most are
    errors: dict[int, str] = {}
    payload = None
    interrupted = stopped = False
    clock, isfinite = time.perf_counter, math.isfinite
    began = clock()
    try:
        for row in thetas.tolist():
            try:
                # Every function gets a dictionary of its own: a user's function may change what it is given.
                if constraints and not all(constraint(to_values(row)) for constraint in constraints):
                    value, payload, statuses[len(seconds)] = -math.inf, None, _VIOLATED
                else:
                    value = call(to_values(row))
                    if with_payload:
                        value, payload = value
                    if type(value) is not float or not isfinite(value):
                        value, status = _checked(value)
                        if status != _OK:
                            statuses[len(seconds)] = status
                    if with_gradient and len(seconds) not in statuses:
                        payload = _gradient_or_nan(problem, to_values(row), len(seconds), errors)
            except StopRun:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises is data
                errors[len(seconds)] = _traceback_of(error)
                value, payload, statuses[len(seconds)] = -math.inf, None, _FAILED
            log_likelihoods.append(value)
            if with_payload:
                payloads.append(payload)
            ended = clock()
            seconds.append(ended - began)  # the last entry of a point: Ctrl-C may come between any two lines
            began = ended
    except KeyboardInterrupt:
        interrupted = True
    except StopRun:
        stopped = True
    n = len(seconds)
    column = np.zeros(n, dtype=np.int8)
    for position, status in statuses.items():
        if position < n:
            column[position] = status
    return ChunkAnswer(
        np.array(log_likelihoods[:n]),
        column,
        np.array(seconds, dtype=np.float32),
        os.getpid(),
        _mean_seconds(seconds, statuses),
        payloads[:n] if with_payload else None,
        {position: text for position, text in errors.items() if position < n} if errors else {},
        interrupted,
        stopped,
        known_length(problem) if isinstance(problem, LeastSquaresProblem) else 0,
    )


def _mean_seconds(seconds: list[float], statuses: dict[int, int]) -> float | None:
    """Mean time of the points that the likelihood was called for; the others are quick, and say nothing about it."""
    if not statuses:
        return sum(seconds) / len(seconds) if seconds else None
    called = [time for position, time in enumerate(seconds) if statuses.get(position) != _VIOLATED]
    return sum(called) / len(called) if called else None


def _vectorized(problem: Problem, thetas: NDArray[np.float64]) -> ChunkAnswer:
    """One call for all points that the constraints allow; a batch that raises is halved to find the bad points."""
    n = len(thetas)
    answer = ChunkAnswer(np.empty(n), np.empty(n, dtype=np.int8), np.zeros(n, dtype=np.float32), os.getpid())
    answer.log_likelihoods.fill(-np.inf)
    answer.statuses.fill(_FAILED)
    done, seconds = 0, 0.0
    try:
        rows = _allowed_rows(problem, thetas, answer) if problem.constraints else None
        n_called = n if rows is None else len(rows)
        parts = [(0, n_called)] if n_called else []
        while parts:
            start, stop = parts.pop()
            part = slice(start, stop) if rows is None else rows[start:stop]
            done = start if rows is None else int(rows[start])  # parts go from left to right
            began = time.perf_counter()
            if not _answered(problem, thetas, part, answer):
                middle = (start + stop) // 2
                parts += [(middle, stop), (start, middle)]
            seconds += time.perf_counter() - began
    except KeyboardInterrupt:
        return _cut(answer, done, interrupted=True)
    except StopRun:
        return _cut(answer, done, stopped=True)
    answer.mean_seconds = seconds / n_called if n_called else None
    return answer


def _answered(
    problem: Problem, thetas: NDArray[np.float64], part: slice | NDArray[np.intp], answer: ChunkAnswer
) -> bool:
    """Enter the answers of one call; False where the call raised and there are several points."""
    points = thetas[part]
    n = len(points)
    began = time.perf_counter()
    try:
        raw = problem.log_likelihood(problem.space.values_of_rows(points))  # type: ignore[attr-defined]  # both kinds have it
        values = numbers_of(raw, (n,), "a vectorized log_likelihood")
    except InvalidProblemError as error:
        answer.errors.update(dict.fromkeys(_positions(part, answer), _traceback_of(error)))
        return True
    except StopRun:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises is data
        if n > 1:
            return False
        answer.errors[_positions(part, answer)[0]] = _traceback_of(error)
        return True
    answer.seconds[part] = (time.perf_counter() - began) / n
    good = np.isfinite(values)
    if np.count_nonzero(good) == n:
        answer.log_likelihoods[part] = values
        answer.statuses[part] = _OK
        return True
    excluded = values == -np.inf
    answer.log_likelihoods[part] = np.where(good, values, -np.inf)
    answer.statuses[part] = np.where(good, _OK, np.where(excluded, _EXCLUDED, _FAILED))
    positions = _positions(part, answer)
    for at in np.flatnonzero(~(good | excluded)).tolist():
        answer.errors[positions[at]] = _not_finite(float(values[at]))
    return True


def _positions(part: slice | NDArray[np.intp], answer: ChunkAnswer) -> list[int]:
    """Positions in the chunk of the points of a part."""
    found: list[int] = np.arange(len(answer))[part].tolist()
    return found


def _cut(answer: ChunkAnswer, n: int, *, interrupted: bool = False, stopped: bool = False) -> ChunkAnswer:
    """Return the first `n` answers."""
    return ChunkAnswer(
        answer.log_likelihoods[:n],
        answer.statuses[:n],
        answer.seconds[:n],
        answer.worker,
        errors={position: text for position, text in answer.errors.items() if position < n},
        interrupted=interrupted,
        stopped=stopped,
    )


def _allowed_rows(problem: Problem, thetas: NDArray[np.float64], answer: ChunkAnswer) -> NDArray[np.intp]:
    """Positions of the points that the constraints allow."""
    allowed = [_allowed(problem, row, position, answer) for position, row in enumerate(thetas.tolist())]
    return np.flatnonzero(allowed)


def _allowed(problem: Problem, row: list[float], position: int, answer: ChunkAnswer) -> bool:
    try:
        allowed = all(constraint(problem.space.values_of_row(row)) for constraint in problem.constraints)
    except StopRun:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises is data
        answer.errors[position] = _traceback_of(error)
        return False
    if not allowed:
        answer.statuses[position] = _VIOLATED
    return allowed


def _value_of(problem: Problem) -> Callable[[dict[str, Any]], Any]:
    """Return a function of values that gives the raw log-likelihood."""
    if isinstance(problem, LeastSquaresProblem):
        return lambda values: squares(problem, values, "value")[0]
    if not isinstance(problem, LikelihoodProblem):
        raise InvalidProblemError(f"expected a LikelihoodProblem or a ResidualProblem, got {type(problem).__name__}")
    if not problem.vectorized:
        return problem.log_likelihood
    function, free = problem.log_likelihood, problem.space.free

    def one(values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the user's answer
        arrays = {name: np.asarray([value]) if name in free else value for name, value in values.items()}
        return numbers_of(function(arrays), (1,), "a vectorized log_likelihood")[0]

    return one


def _caller(problem: Problem, want: Want) -> Callable[[dict[str, Any]], Any]:
    """Return a function of values that gives the raw log-likelihood, with a place for the payload if one is wanted."""
    if want == "value":
        return _value_of(problem)
    if isinstance(problem, LeastSquaresProblem):
        return lambda values: squares(problem, values, want)
    one = _value_of(problem)
    if problem.gradient is None:  # type: ignore[attr-defined]  # just checked
        raise InvalidProblemError(f"problem {problem.name!r}: a gradient was asked for, but the problem has none")
    return lambda values: (one(values), None)


def _gradient_or_nan(
    problem: Problem, values: dict[str, Any], position: int, errors: dict[int, str]
) -> NDArray[np.float64]:
    """Derivatives over the free parameters; where there is none, NaN, and in `errors` the reason why.

    The traceback is kept for the first of a chunk, for the others only its last line.
    """
    try:
        raw = problem.gradient(values)  # type: ignore[attr-defined]  # `_caller` has checked that there is one
        if not hasattr(raw, "keys"):
            raw = numbers_of(raw, (problem.root.space.dimension,), "gradient")
        return problem.select_gradient(raw)
    except StopRun:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises is data
        text = _traceback_of(error)
        errors[position] = f"gradient: {text.splitlines()[-1] if errors else text}"
    return np.where(problem.space.is_continuous, np.nan, 0.0)


def _checked(raw: Any) -> tuple[float, int]:  # noqa: ANN401 - whatever the user returned
    """Return (value, status) of one answer; raise when it is no log-likelihood."""
    if type(raw) is float or type(raw) is np.float64 or is_number(raw):  # the usual ones first: this is the fast path
        value = float(raw)
    else:
        shape = getattr(raw, "shape", None)
        what = f"an array of shape {shape}" if shape is not None else f"{raw!r:.{SHOWN}}"
        raise InvalidProblemError(f"the log-likelihood must return one float, got {what} of type {type(raw).__name__}")
    if math.isfinite(value):
        return value, _OK
    if value == -math.inf:
        return value, _EXCLUDED
    raise InvalidProblemError(_not_finite(value))


def _not_finite(value: float) -> str:
    return f"the log-likelihood must return a finite float or minus infinity, got {value}"


def _traceback_of(error: BaseException) -> str:
    """Traceback without the frames of wilks itself; a complaint of wilks about an answer is told without any."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(_OWN_MODULES):
        frames = frames.tb_next
    if frames is None and isinstance(error, WilksError):
        return str(error)
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()
