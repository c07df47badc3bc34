"""Curve fitting in the manner of ``curve_fit``: a function of x and parameters, on the general engine of wilks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.core.least_squares import ResidualProblem
from wilks.core.parameter import Real
from wilks.core.space import Space
from wilks.facades.homodyne.starts import box_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]

_FAR = 1e6


class Curve:
    """Data and a function to fit to them.

    Parameters
    ----------
    model_func
        ``model_func(x, *params)``.
    xdata, ydata
        What it takes, points along the first axis, and what it should return.
    bounds
        (lower, upper), arrays; infinite ones are replaced by a wide box around `guess`. None for no bounds.
    guess
        Initial parameters.
    sigma
        Standard deviation of the data: one number or one per point. None for 1; the covariance then follows from the
        residuals.
    chunk_size
        Points that the function gets at a time; None for all.

    Examples
    --------
    >>> curve = Curve(lambda x, a, b: a * x + b, [0.0, 1.0, 2.0], [1.0, 3.0, 5.0], ([-9, -9], [9, 9]), [0.0, 0.0])
    >>> curve.chi_squared(np.array([2.0, 1.0]))
    0.0
    """

    def __init__(
        self,
        model_func: Callable[..., ArrayLike],
        xdata: ArrayLike,
        ydata: ArrayLike,
        bounds: tuple[ArrayLike, ArrayLike] | None,
        guess: ArrayLike,
        sigma: ArrayLike | None = None,
        chunk_size: int | None = None,
    ) -> None:
        self.function = model_func
        self.x, self.y = np.asarray(xdata), np.asarray(ydata, dtype=float).ravel()
        self.guess = np.asarray(guess, dtype=float).ravel()
        n = self.x.shape[0] if self.x.ndim else 0
        if n != len(self.y):
            raise InvalidDataError(f"xdata has {n} points along its first axis, but ydata has {len(self.y)}")
        errors = (
            np.ones(len(self.y)) if sigma is None else np.broadcast_to(np.asarray(sigma, dtype=float), self.y.shape)
        )
        if not (np.isfinite(errors).all() and (errors > 0).all()):
            raise InvalidDataError("sigma: expected positive numbers, one or one for each point")
        self.sigma = errors
        self.sigma_is_known = sigma is not None
        self.chunk_size = chunk_size or max(1, len(self.y))
        self.box = self._finite(bounds)
        self.names = tuple(f"p{k}" for k in range(len(self.guess)))

    def _finite(self, bounds: tuple[ArrayLike, ArrayLike] | None) -> Vector:
        wide = _FAR * np.maximum(1.0, np.abs(self.guess))
        box = box_of(tuple(np.asarray(side, dtype=float) for side in bounds or (-np.inf * wide, np.inf * wide)))
        if len(box) != len(self.guess):
            raise InvalidConfigurationError(f"bounds are for {len(box)} parameters, the start has {len(self.guess)}")
        lower = np.where(np.isfinite(box[:, 0]), box[:, 0], np.minimum(self.guess, box[:, 1]) - wide)
        upper = np.where(np.isfinite(box[:, 1]), box[:, 1], np.maximum(self.guess, box[:, 0]) + wide)
        return np.column_stack([lower, upper])

    @property
    def space(self) -> Space:
        """Parameters p0, p1, ...; those whose bounds are the same are constants."""
        boxes = {
            name: Real(lower, upper) if lower < upper else lower
            for name, (lower, upper) in zip(self.names, self.box.tolist(), strict=True)
        }
        return Space(**boxes)

    def start(self, theta: ArrayLike | None = None) -> dict[str, float]:
        """A vector, or the guess, as values of the free parameters, moved into the box."""
        vector = self.guess if theta is None else np.asarray(theta, dtype=float).ravel()
        inside = np.clip(vector, self.box[:, 0], self.box[:, 1])
        free = self.space.free
        return {name: value for name, value in zip(self.names, inside.tolist(), strict=True) if name in free}

    def vector(self, values: Mapping[str, object]) -> Vector:
        """Values by name as a vector."""
        return np.array([float(values[name]) for name in self.names])  # type: ignore[arg-type]  # all are real

    def residuals(self, values: Mapping[str, object]) -> Iterator[Vector]:
        """(data - model) / sigma, piece by piece."""
        theta = self.vector(values).tolist()
        for first in range(0, len(self.y), self.chunk_size):
            piece = slice(first, first + self.chunk_size)
            model = np.asarray(self.function(self.x[piece], *theta), dtype=float).ravel()
            if model.shape != self.y[piece].shape:
                raise InvalidDataError(
                    f"model_func returned {model.size} values for {self.y[piece].size} points; expected one for each"
                )
            yield (self.y[piece] - model) / self.sigma[piece]

    def chi_squared(self, theta: ArrayLike) -> float:
        """Sum of squared residuals of a vector; infinite where the function is not finite."""
        values = dict(zip(self.names, np.asarray(theta, dtype=float).tolist(), strict=True))
        total = sum(float(piece @ piece) for piece in self.residuals(values))
        return total if math.isfinite(total) else math.inf

    def problem(self, loss: str = "linear") -> ResidualProblem:
        """The problem for `wilks.fit` and `wilks.search`."""
        chunked = self.chunk_size < len(self.y)
        if chunked:
            return ResidualProblem(self.space, self.residuals, loss=loss, chunked=True, name="curve")
        return ResidualProblem(self.space, lambda values: next(self.residuals(values)), loss=loss, name="curve")
