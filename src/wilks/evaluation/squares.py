r"""Calls of least-squares problems: the log-likelihood, and rows (residual | Jacobian) for a solver.

Of residuals that come with a Jacobian, only the triangular factor of the rows (J | r) is kept (`core.tsqr`): it says
the same, and a few numbers travel from the workers instead of the data. With another loss than the linear one the rows
are handed on as they are, since the errors of the fit are not in the factor (`solvers.robust`); so are residuals alone,
and the solver applies the loss once it has their Jacobian.

Residuals that come in chunks are gone through once: every chunk becomes rows (J | r), rescaled by the loss
(`core.loss`), and of all rows only the factor is kept.

Without a Jacobian of the user, that of a chunk is taken by forward differences. The generators of the point and of one
neighbour for every parameter run side by side, so that the data are read once and a single chunk of each is in
memory. A neighbour where the residual is not defined (a constraint, an exception, NaN) is replaced by the one on the
other side, in a second pass; a parameter that has none on either side gets a derivative of zero, and stays where it
is.
"""

from __future__ import annotations

import math
import weakref
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from wilks.core.errors import InvalidProblemError, StopRun
from wilks.core.least_squares import FactoredProblem, ResidualProblem
from wilks.core.loss import rescaled
from wilks.core.tsqr import RowFactor
from wilks.evaluation.answers import SHOWN, numbers_of, require_finite
from wilks.evaluation.finite_differences import forward_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from wilks.core.least_squares import LeastSquaresProblem
    from wilks.core.problem import Function, Problem
    from wilks.core.proposal import Want

    Squares = tuple[float, NDArray[np.float64] | None]
    Neighbours = dict[int, list[NDArray[np.float64]]]

_STEP = 1e-7  # of the box, as in `solvers.jacobian`

# Numbers of residuals of the first answers in this process. Not kept by the problems: a fingerprint may cover these.
_LENGTHS: weakref.WeakKeyDictionary[Problem, int] = weakref.WeakKeyDictionary()


def squares(problem: LeastSquaresProblem, values: dict[str, Any], want: Want) -> Squares:
    """Log-likelihood, and rows (residual | Jacobian over the free parameters) when they are wanted.

    The rows of a `ResidualProblem` in one piece are its residuals alone if it has no Jacobian, and no loss is applied
    to them. All other rows are compressed, and their products are those of the log-likelihood with its loss; but those
    of a problem in one piece with a Jacobian and a loss that is not linear are neither.

    Raises
    ------
    InvalidProblemError
        If an answer has the wrong shape or is not finite; whatever the user's functions raise.
    """
    if isinstance(problem, ResidualProblem):
        if problem.chunked:
            return _chunked(problem, values, want)
        return _whole(problem, values, want)
    if want == "value" or not isinstance(problem, FactoredProblem):
        return problem.log_likelihood(values), None
    value, rows = problem.factor(values)
    if not math.isfinite(value):
        return value, None
    if problem.root not in _LENGTHS:
        _LENGTHS[problem.root] = problem.n_data(values)
    return value, np.column_stack([rows[:, 0], problem.select(rows[:, 1:], "factor")])


def _whole(problem: ResidualProblem, values: dict[str, Any], want: Want) -> Squares:
    residual = numbers_of(problem.residual({**values}), (None,), "residual", copy=want != "value")
    require_finite(residual, "residual")
    _require_length(problem, residual.size)
    value = problem.loss.value(residual)
    if want == "value":
        return value, None
    if problem.jacobian is None:
        return value, residual[:, None]
    jacobian = _over_free(problem, problem.jacobian(values), residual.size, "jacobian")
    if not problem.loss.is_linear:
        return value, np.column_stack([residual, jacobian])
    if not math.isfinite(value):
        return value, None
    factor = RowFactor(jacobian.shape[1] + 1)
    factor.add(jacobian, residual[:, None])
    return value, _residual_first(factor)


def _over_free(problem: ResidualProblem, raw: Any, n: int, what: str) -> NDArray[np.float64]:  # noqa: ANN401 - user's answer
    """Columns of the user's Jacobian that belong to the free parameters; not necessarily a copy."""
    n_given = problem.root.space.dimension
    jacobian = numbers_of(raw, (n, n_given), what, copy=False)
    require_finite(jacobian, what)
    return jacobian if problem.space.dimension == n_given else problem.select(jacobian, what)


def _chunked(problem: ResidualProblem, values: dict[str, Any], want: Want) -> Squares:
    if want == "value":
        parts = [(problem.loss.value(residual), residual.size) for residual in _residuals(problem, values)]
        _require_data(problem, sum(n for _, n in parts))
        return sum(value for value, _ in parts), None
    return gather(problem, values, lambda: _Compressed(problem)).squares()


class Gatherer(Protocol):
    """Something that chunks are added to, one after another."""

    def add(self, residual: NDArray[np.float64], jacobian: NDArray[np.float64]) -> None:
        """Take residuals, shape (n,), and their Jacobian over the free parameters, shape (n, m), into account.

        The arrays are not kept: the user's function may use them again.
        """


G = TypeVar("G", bound=Gatherer)


def gather(problem: ResidualProblem, values: Mapping[str, Any], start: Callable[[], G]) -> G:
    """Go through all chunks, without a loss, and return what was made of them.

    Parameters
    ----------
    problem, values
        A problem whose data come in chunks, and a point of it.
    start
        Makes an empty gatherer: more than once where neighbours turn out not to be defined.

    Raises
    ------
    InvalidProblemError
        As `squares` does.
    """
    if problem.jacobian is not None:
        gathered = start()
        for residual, jacobian in _with_jacobian(problem, values):
            gathered.add(residual, jacobian)
        return gathered
    neighbours = _neighbours(problem, values)
    while True:
        gathered = start()
        undefined = _differenced(problem, values, neighbours, gathered)
        if not undefined:
            return gathered
        for column in undefined:
            neighbours[column].pop(0)


class _Compressed:
    """Log-likelihood and triangular factor of the chunks so far."""

    def __init__(self, problem: ResidualProblem) -> None:
        self._problem, self._loss = problem, problem.loss
        self._value = 0.0
        self._factor = RowFactor(problem.space.dimension + 1)

    def add(self, residual: NDArray[np.float64], jacobian: NDArray[np.float64]) -> None:
        self._value += self._loss.value(residual)
        residual, jacobian = rescaled(residual, jacobian, self._loss)
        self._factor.add(jacobian, residual[:, None])

    def squares(self) -> Squares:
        _require_data(self._problem, self._factor.n_rows)
        if not math.isfinite(self._value):
            return self._value, None
        return self._value, _residual_first(self._factor)


def _residual_first(factor: RowFactor) -> NDArray[np.float64]:
    """Rows (residual | Jacobian) of the factor of (J | r), whose R begins with the triangle of J."""
    return np.roll(factor.rows(), 1, axis=1)


def _residuals(problem: ResidualProblem, values: Mapping[str, Any]) -> Iterator[NDArray[np.float64]]:
    """Go through the residuals of every chunk, which are finite."""
    for index, raw in enumerate(_iterated(problem.residual, values, "residual")):
        what = _name("residual", index)
        residual = numbers_of(raw, (0,) if np.shape(raw) == (0,) else (None,), what)
        require_finite(residual, what)
        yield residual


def _iterated(function: Function, values: Mapping[str, Any], what: str) -> Iterator[Any]:
    answer = function({**values})
    if hasattr(answer, "shape") and len(answer.shape) < (2 if what == "residual" else 3):
        raise InvalidProblemError(
            f"{what}, chunked=True: expected an iterable of arrays, got one array of shape {answer.shape}; "
            "yield the pieces from a generator function, or leave chunked=False"
        )
    try:
        return iter(answer)
    except TypeError:
        raise InvalidProblemError(
            f"{what}, chunked=True: expected an iterable of arrays, got {answer!r:.{SHOWN}}"
        ) from None


def _with_jacobian(
    problem: ResidualProblem, values: Mapping[str, Any]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Go through residual and Jacobian over the free parameters of every chunk, by the user's Jacobian."""
    jacobians = _iterated(problem.jacobian, values, "jacobian")  # type: ignore[arg-type]  # there is one
    nothing = object()
    index = -1
    for index, residual in enumerate(_residuals(problem, values)):
        raw = next(jacobians, nothing)
        if raw is nothing:
            raise InvalidProblemError(
                f"jacobian, chunked=True: it ended after {index} chunks, the residual goes on; "
                "expected one matrix for every array"
            )
        yield residual, _over_free(problem, raw, residual.size, _name("jacobian", index))
    if next(jacobians, nothing) is not nothing:
        raise InvalidProblemError(
            f"jacobian, chunked=True: it goes on after the {index + 1} chunks of the residual; "
            "expected one matrix for every array"
        )


def _neighbours(problem: ResidualProblem, values: Mapping[str, Any]) -> Neighbours:
    """Thetas that differ in one continuous parameter, inwards and then outwards; those that the constraints allow."""
    space = problem.space
    theta = space.to_theta({name: values[name] for name in space.free})
    u = space.to_unit(theta)
    steps = forward_steps(u, _STEP)
    found: Neighbours = {}
    for column in np.flatnonzero(space.is_continuous).tolist():
        found[column] = []
        for step in (steps[column], -steps[column]):
            moved = u.copy()
            moved[column] = np.clip(u[column] + step, 0.0, 1.0)
            point = theta.copy()
            point[column] = space.from_unit(moved)[column]
            allowed = all(constraint(space.to_values(point)) for constraint in problem.constraints)
            if point[column] != theta[column] and allowed:
                found[column].append(point)
    return found


def _differenced(
    problem: ResidualProblem, values: Mapping[str, Any], neighbours: Neighbours, gathered: Gatherer
) -> list[int]:
    """Gather all chunks, with their Jacobian by differences to the first neighbour of every column.

    Ends early, and returns the columns, when there are some whose neighbour has no finite residual.
    """
    space = problem.space
    theta = space.to_theta({name: values[name] for name in space.free})
    centre = _residuals(problem, values)
    points = {column: options[0] for column, options in neighbours.items() if options}
    around = {column: _residuals(problem, space.to_values(point)) for column, point in points.items()}
    for index in count():
        residual = next(centre, None)
        jacobian = np.zeros((0 if residual is None else residual.size, space.dimension))
        undefined = []
        for column, residuals in around.items():
            moved, defined = _next(residuals)
            if not defined:
                undefined.append(column)
                continue
            if residual is None or moved is None or len(moved) != len(residual):
                _same_length(residual, moved, index, space.free[column])
                continue
            jacobian[:, column] = (moved - residual) / (points[column][column] - theta[column])
        if undefined or residual is None:
            return undefined
        gathered.add(residual, jacobian)
    return []


def _next(residuals: Iterator[NDArray[np.float64]]) -> tuple[NDArray[np.float64] | None, bool]:
    """Next chunk, None after the last; and whether the residual is defined there."""
    try:
        return next(residuals, None), True
    except StopRun:
        raise
    except (Exception, SystemExit):  # noqa: BLE001 - a neighbour may lie where the user's function is not defined
        return None, False


def _same_length(
    residual: NDArray[np.float64] | None, moved: NDArray[np.float64] | None, index: int, name: str
) -> None:
    """Refuse data whose number depends on a parameter."""
    if residual is None and moved is None:
        return
    here, there = ("no such chunk" if part is None else f"{len(part)} numbers" for part in (residual, moved))
    raise InvalidProblemError(
        f"{_name('residual', index)}: {here} at the point, but {there} where {name!r} is moved a little; "
        "the number of residuals may not depend on a parameter"
    )


def _require_data(problem: ResidualProblem, n: int) -> None:
    if not n:
        raise InvalidProblemError(
            "residual, chunked=True: no data came; expected at least one chunk, at every call anew: a generator that "
            "was made outside of the function is used up after the first"
        )
    _require_length(problem, n)


def _require_length(problem: ResidualProblem, n: int) -> None:
    """Refuse a number of residuals that is not that of the first answer: log-likelihoods of both do not compare."""
    first = _LENGTHS.setdefault(problem.root, n)
    if n != first:
        raise InvalidProblemError(
            f"residual: {n} numbers, where the first answer had {first}; the number of residuals may not depend on a "
            "parameter, or change between calls; if the data have changed, make the problem anew"
        )


def known_length(problem: Problem) -> int:
    """Return the number of residuals of the answers of a problem so far; 0 where there were none."""
    return _LENGTHS.get(problem.root, 0)


def _name(what: str, index: int) -> str:
    return f"{what}, chunk {index} (counted from 0)"
