"""A sum of squares of the user's own as a problem for the verbs of wilks: in a box, with derivatives.

The engine wants a finite box, takes its steps for derivatives from it, and may step to its sides. That does not suit a
parameter without bounds, or with bounds many orders of magnitude beyond its values. So the ascent has a box of moderate
width around its start, within the bounds; where it ends at a side of that box which nobody asked for, it goes on in a
box around this point. The problem brings derivatives along whose steps follow the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.least_squares import ResidualProblem
from wilks.core.parameter import Real
from wilks.core.space import Space
from wilks.evaluation.answers import attempt
from wilks.facades.homodyne.data_prep import validate_bounds, validate_initial_params
from wilks.facades.homodyne.jacobian import STEP
from wilks.solvers.jacobian import three_point_jacobian

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.loss import Loss

    Arrays = NDArray[np.float64]

_WIDE = 1000.0
"""Half of the widest box of a parameter, over the larger of 1 and its start."""


@dataclass(frozen=True, eq=False)
class BoxedSquares:
    """A sum of squares, and the finite box in which an ascent looks for its minimum.

    Attributes
    ----------
    residual
        Of the parameters; returns an array, or a generator of its pieces if `chunked`.
    names
        Of the parameters.
    start
        Shape (n,).
    given
        Lower and upper bounds, which may be infinite, shape (2, n).
    chunked
        Do the residuals come in pieces?
    """

    residual: Callable[..., Any]
    names: tuple[str, ...]
    start: Arrays
    given: Arrays
    chunked: bool

    @classmethod
    def of(
        cls,
        residual: Callable[..., Any],
        start: ArrayLike,
        bounds: tuple[ArrayLike, ArrayLike] | None,
        names: Sequence[str],
        *,
        chunked: bool,
    ) -> BoxedSquares:
        """Check start and bounds; a start outside is moved into them, with a warning."""
        begin = validate_initial_params(start, bounds)
        whole = np.full(len(begin), -np.inf), np.full(len(begin), np.inf)
        return cls(residual, tuple(names), begin, np.array(validate_bounds(bounds, len(begin)) or whole), chunked)

    @property
    def is_free(self) -> NDArray[np.bool_]:
        """Which parameters are not fixed by equal bounds, shape (n,)."""
        return np.asarray(self.given[0] < self.given[1])

    @property
    def is_open(self) -> bool:
        """Is a bound infinite?"""
        return not bool(np.isfinite(self.given).all())

    @property
    def box(self) -> Arrays:
        """The bounds, or a distance from the start where that is nearer, shape (2, n)."""
        reach = _WIDE * np.maximum(np.abs(self.start), 1.0)
        return np.array([np.maximum(self.given[0], self.start - reach), np.minimum(self.given[1], self.start + reach)])

    def around(self, start: Arrays) -> BoxedSquares:
        """The same from another start, which moves the sides that are not given."""
        return replace(self, start=start)

    def leaves(self, at_bounds: Mapping[str, str]) -> list[str]:
        """Which of the parameters at a bound are at one that was not given?"""
        is_own = self.box != self.given
        return [name for name, side in at_bounds.items() if is_own[int(side == "upper"), self.names.index(name)]]

    def values(self, vector: Arrays) -> dict[str, float]:
        """The free parameters of a vector by name."""
        chosen = zip(self.names, vector.tolist(), self.is_free, strict=True)
        return {name: value for name, value, is_free in chosen if is_free}

    def vector(self, values: Mapping[str, Any]) -> Arrays:
        """Values by name as a vector of all parameters."""
        chosen = zip(self.names, self.start.tolist(), self.is_free, strict=True)
        return np.array([float(values[name]) if is_free else fixed for name, fixed, is_free in chosen])

    def problem(self, loss: Loss, box: Arrays) -> ResidualProblem:
        """The problem for the verbs of wilks, in a finite box of shape (2, n)."""
        lower, upper = box.tolist()
        domains: dict[str, Any] = {
            name: Real(lower[k], upper[k], initial=value) if self.is_free[k] else value
            for k, (name, value) in enumerate(zip(self.names, self.start.tolist(), strict=True))
        }
        numbers = self._numbers()
        return ResidualProblem(
            Space(domains), numbers, jacobian=numbers.jacobian, loss=loss, chunked=self.chunked, name="curve"
        )

    def complaint(self) -> str:
        """Say why there are no residuals at the start."""
        _, error = attempt(lambda: list(self._numbers().pieces(self.start)))
        return f"At the start: {error or 'residuals are not finite'}"

    def _numbers(self) -> _Numbers:
        return _Numbers(self.residual, self.names, self.start, self.given, self.chunked)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Residuals as a function of values by name, and their derivatives.

    No more than that, since what can be reached from here is what a file of evaluations must have in common with a
    problem that goes on from it.
    """

    residual: Callable[..., Any]
    names: tuple[str, ...]
    start: Arrays
    given: Arrays
    chunked: bool

    def __call__(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - user's answer
        """Return the residuals."""
        return self.residual(*[values[name] for name in self.names])

    def jacobian(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one matrix, or a generator of them
        """Return the derivatives of the residuals, by steps that follow the parameters."""
        found = self._matrices(np.array([float(values[name]) for name in self.names]))
        return found if self.chunked else next(found)

    def pieces(self, point: Arrays) -> Iterator[Arrays]:
        """Go through the residuals at a point."""
        answer = self.residual(*point.tolist())
        for piece in answer if self.chunked else (answer,):
            yield np.asarray(piece, dtype=float)

    def _matrices(self, point: Arrays) -> Iterator[Arrays]:
        lower, upper = self.given
        is_free = lower < upper
        typical = np.maximum(np.abs(point), np.abs(self.start))
        steps = STEP * np.minimum(np.where(typical > 0, typical, 1.0), np.where(is_free, upper - lower, 1.0))
        above, below = point + steps <= upper, point - steps >= lower  # at a bound both points lie on one side
        ahead = np.where(above, steps, -2.0 * steps)[is_free]
        behind = np.where(below, -steps, np.where(above, 2.0 * steps, -steps))[is_free]
        moves = np.concatenate([np.eye(len(point))[is_free] * each[:, None] for each in (ahead, behind)])
        everywhere = [self.pieces(where) for where in (point, *(point + moves))]
        for centre, *moved in zip(*everywhere, strict=True):
            yield three_point_jacobian(centre, (ahead, behind), moved)
