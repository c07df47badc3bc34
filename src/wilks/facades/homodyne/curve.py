"""Data and a function to fit to them: the residuals that `strategies.solving` minimises, whole or in pieces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]


class Curve:
    """Data and a function to fit to them.

    Parameters
    ----------
    model_func
        ``model_func(x, *params)``.
    xdata, ydata
        What it takes, and what it should return, one value for each point.
    sigma
        Standard deviation of the data: one number or one per point. None for 1.
    chunk_size
        Points that the function gets at a time, along the axis of `xdata` that is as long as `ydata`; None for all.

    Examples
    --------
    >>> curve = Curve(lambda x, a, b: a * x + b, [0.0, 1.0, 2.0], [1.0, 3.0, 6.0])
    >>> curve.residual(2.0, 1.0)
    array([ 0.,  0., -1.])
    >>> curve.chi_squared([2.0, 1.0])
    1.0
    """

    def __init__(
        self,
        model_func: Callable[..., ArrayLike],
        xdata: ArrayLike,
        ydata: ArrayLike,
        sigma: ArrayLike | None = None,
        chunk_size: int | None = None,
    ) -> None:
        is_integer = isinstance(chunk_size, (int, np.integer)) and not isinstance(chunk_size, bool)
        if chunk_size is not None and not (is_integer and chunk_size >= 1):
            raise InvalidConfigurationError(f"chunk_size: expected an integer >= 1, got {chunk_size!r}")
        self.function = model_func
        self.x, self.y = np.asarray(xdata), np.asarray(ydata, dtype=float).ravel()
        errors = np.asarray(1.0 if sigma is None else sigma, dtype=float)
        if errors.size not in (1, len(self.y)) or not (np.isfinite(errors).all() and (errors > 0).all()):
            raise InvalidDataError(
                f"sigma: expected positive numbers, one or one for each of {len(self.y)} points, got {sigma!r:.200}"
            )
        self.sigma = np.broadcast_to(errors.ravel(), self.y.shape)
        self.sigma_is_known = sigma is not None
        self.chunk_size = chunk_size
        self.is_chunked = chunk_size is not None and chunk_size < len(self.y)
        if chunk_size is not None and len(self.y) not in self.x.shape:
            raise InvalidDataError(
                f"xdata has shape {self.x.shape}, expected one entry for each of {len(self.y)} values of ydata"
            )

    def residual(self, *params: float) -> Any:  # noqa: ANN401 - one array, or a generator of them
        """(model - data) / sigma: an array of shape (n,); where `is_chunked`, a generator of its pieces."""
        return self._pieces(params) if self.is_chunked else self._piece(params, self.x, slice(None))

    def chi_squared(self, theta: ArrayLike) -> float:
        """Sum of squared residuals of a vector; infinite where the function is not finite."""
        found = self.residual(*np.asarray(theta, dtype=float).tolist())
        total = sum(float(piece @ piece) for piece in (found if self.is_chunked else (found,)))
        return total if math.isfinite(total) else math.inf

    def _pieces(self, params: tuple[float, ...]) -> Iterator[Vector]:
        n, size = len(self.y), self.chunk_size or len(self.y)
        before = (slice(None),) * (0 if self.x.shape[0] == n else self.x.shape.index(n))
        for first in range(0, n, size):
            part = slice(first, first + size)
            yield self._piece(params, self.x[(*before, part)], part)

    def _piece(self, params: tuple[float, ...], x: NDArray[Any], part: slice) -> Vector:
        model, y = np.asarray(self.function(x, *params), dtype=float).ravel(), self.y[part]
        if model.shape != y.shape:
            raise InvalidDataError(
                f"model_func returned {model.size} values for {y.size} points; expected one for each"
            )
        return np.asarray((model - y) / self.sigma[part])
