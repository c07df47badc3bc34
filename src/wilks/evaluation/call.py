"""Calls of the user's function, in whatever process they happen: what is a log-likelihood, and what is a failure.

Nothing that the user's function does may end a run: an exception, ``sys.exit``, NaN, plus infinity, None, text or an
array where one float is expected becomes a FAILED evaluation with its traceback or its reason. Minus infinity is an
answer: the likelihood is zero there.
"""

from __future__ import annotations

import math
import os
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.problem import LikelihoodProblem, ResidualProblem
from wilks.core.proposal import EvaluationStatus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want

_OK, _EXCLUDED, _FAILED, _VIOLATED = (
    int(EvaluationStatus.OK),
    int(EvaluationStatus.EXCLUDED),
    int(EvaluationStatus.FAILED),
    int(EvaluationStatus.VIOLATED),
)
_SHOWN = 200


@dataclass
class ChunkAnswer:
    """Answers for the points of one chunk, in order."""

    log_likelihoods: NDArray[np.float64]
    statuses: NDArray[np.int8]
    seconds: NDArray[np.float32]
    worker: int
    payloads: list[NDArray[np.float64] | None] | None = None
    errors: dict[int, str] = field(default_factory=dict)


def evaluate_chunk(problem: Problem, thetas: NDArray[np.float64], want: Want) -> ChunkAnswer:
    """Evaluate the points of a chunk, shape (n, dimension); never raises because of the user's function."""
    n = len(thetas)
    answer = ChunkAnswer(
        log_likelihoods=np.full(n, -np.inf),
        statuses=np.full(n, _FAILED, dtype=np.int8),
        seconds=np.zeros(n, dtype=np.float32),
        worker=os.getpid(),
        payloads=None if want == "value" else [None] * n,
    )
    if problem.vectorized and want == "value":
        _fill_vectorized(problem, thetas, answer)
    else:
        _fill(problem, thetas, want, answer)
    return answer


def _fill(problem: Problem, thetas: NDArray[np.float64], want: Want, answer: ChunkAnswer) -> None:
    """Point by point."""
    call = _caller(problem, want)
    constraints = problem.constraints
    to_values = problem.space.values_of_row
    log_likelihoods, statuses, seconds = [], [], []
    clock = time.perf_counter
    for position, row in enumerate(thetas.tolist()):
        values = to_values(row)
        began = clock()
        value, status = -math.inf, _FAILED
        try:
            if constraints and not all(constraint(values) for constraint in constraints):
                status = _VIOLATED
            else:
                raw, payload = call(values)
                value, status = _checked(raw)
                if payload is not None and answer.payloads is not None:
                    answer.payloads[position] = payload
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises is data
            answer.errors[position] = _traceback_of(error)
            value, status = -math.inf, _FAILED
        seconds.append(clock() - began)
        log_likelihoods.append(value)
        statuses.append(status)
    answer.log_likelihoods[:], answer.statuses[:], answer.seconds[:] = log_likelihoods, statuses, seconds


def _fill_vectorized(problem: Problem, thetas: NDArray[np.float64], answer: ChunkAnswer) -> None:
    """One call for all points that the constraints allow; a batch that fails is halved to find the bad points."""
    rows = np.arange(len(thetas))
    if problem.constraints:
        allowed = [_allowed(problem, row, position, answer) for position, row in enumerate(thetas.tolist())]
        rows = rows[np.array(allowed, dtype=bool)]
    stack = [rows] if len(rows) else []
    while stack:
        part = stack.pop()
        began = time.perf_counter()
        try:
            raw = _call_vectorized(problem, thetas[part])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises is data
            if len(part) > 1:
                half = len(part) // 2
                stack += [part[half:], part[:half]]
            else:
                answer.errors[int(part[0])] = _traceback_of(error)
            continue
        answer.seconds[part] = (time.perf_counter() - began) / len(part)
        for position, value in zip(part.tolist(), raw.tolist(), strict=True):
            try:
                answer.log_likelihoods[position], answer.statuses[position] = _checked(value)
            except InvalidProblemError as error:
                answer.errors[position] = str(error)


def _allowed(problem: Problem, row: list[float], position: int, answer: ChunkAnswer) -> bool:
    values = problem.space.values_of_row(row)
    try:
        allowed = all(constraint(values) for constraint in problem.constraints)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises is data
        answer.errors[position] = _traceback_of(error)
        return False
    if not allowed:
        answer.statuses[position] = _VIOLATED
    return allowed


def _call_vectorized(problem: Problem, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
    space = problem.space
    columns: dict[str, Any] = {}
    for name in space.names:
        if name not in space.free:
            columns[name] = space.constants[name]
            continue
        column = thetas[:, space.index(name)]
        domain = space[name]
        plain = domain.n_values is None
        columns[name] = column.copy() if plain else np.array([domain.decode(x) for x in column.tolist()])
    raw = np.asarray(problem.log_likelihood(columns), dtype=float)  # type: ignore[attr-defined]  # both kinds have it
    if raw.shape != (len(thetas),):
        raise InvalidProblemError(
            f"a vectorized log_likelihood must return an array of shape ({len(thetas)},) for {len(thetas)} points, "
            f"got shape {raw.shape}"
        )
    return raw


def _caller(problem: Problem, want: Want) -> Any:  # noqa: ANN401 - a function of values
    """Return a function of values that gives (raw log-likelihood, payload)."""
    if isinstance(problem, ResidualProblem):
        return lambda values: _residual(problem, values, want)
    if not isinstance(problem, LikelihoodProblem):
        raise InvalidProblemError(f"expected a LikelihoodProblem or a ResidualProblem, got {type(problem).__name__}")
    function = problem.log_likelihood
    if problem.vectorized:
        def one(values: dict[str, Any]) -> Any:  # noqa: ANN401 - the user's answer
            raw = np.asarray(function({name: np.asarray([value]) for name, value in values.items()}))
            return raw[0] if raw.shape == (1,) else raw
    else:
        one = function
    if want == "value":
        return lambda values: (one(values), None)
    gradient = problem.gradient
    if gradient is None:
        raise InvalidProblemError(f"problem {problem.name!r}: a gradient was asked for, but the problem has none")
    return lambda values: (one(values), problem.select(gradient(values), "gradient"))


def _residual(problem: ResidualProblem, values: dict[str, Any], want: Want) -> tuple[float, NDArray[np.float64] | None]:
    """Minus half the sum of squares, and (residual | jacobian) as columns when it is wanted."""
    residual = np.asarray(problem.residual(values), dtype=float)
    if residual.ndim != 1 or residual.size == 0:
        raise InvalidProblemError(f"residual: expected a 1-D array, got an array of shape {residual.shape}")
    if not np.isfinite(residual).all():
        bad = int((~np.isfinite(residual)).sum())
        raise InvalidProblemError(f"residual: {bad} of {residual.size} entries are NaN or infinite")
    value = -0.5 * float(residual @ residual)
    if want == "value":
        return value, None
    if problem.jacobian is None:
        return value, residual[:, None]
    jacobian = problem.select(np.asarray(problem.jacobian(values), dtype=float), "jacobian")
    if jacobian.shape[0] != residual.size:
        raise InvalidProblemError(
            f"jacobian: expected {residual.size} rows, one per residual, got an array of shape {jacobian.shape}"
        )
    return value, np.column_stack([residual, jacobian])


def _checked(raw: Any) -> tuple[float, int]:  # noqa: ANN401 - whatever the user returned
    """Return (value, status) of one answer; raise when it is no log-likelihood."""
    is_number = isinstance(raw, (float, int, np.floating, np.integer)) and not isinstance(raw, bool)
    if is_number or (isinstance(raw, np.ndarray) and raw.ndim == 0 and raw.dtype.kind in "fiu"):
        value = float(raw)
    else:
        what = f"an array of shape {raw.shape}" if isinstance(raw, np.ndarray) else f"{raw!r:.{_SHOWN}}"
        raise InvalidProblemError(
            f"the log-likelihood must return one float, got {what} of type {type(raw).__name__}"
        )
    if math.isfinite(value):
        return value, _OK
    if value == -math.inf:
        return value, _EXCLUDED
    raise InvalidProblemError(f"the log-likelihood must return a finite float or minus infinity, got {value}")


def _traceback_of(error: BaseException) -> str:
    """Traceback without the frames of wilks itself."""
    if isinstance(error, InvalidProblemError):
        return str(error)
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith("wilks.evaluation"):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()
