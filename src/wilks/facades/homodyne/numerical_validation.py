"""Checks of numbers at the three points where an optimisation goes wrong: gradients, parameters, loss.

`wilks.fit` and `wilks.xpcs.fit` need none of this, for a point whose value is not finite never wins there. It is for
loops of one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.exceptions import NLSQNumericalError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NumericalValidator"]

_SHOWN = 5


class NumericalValidator:
    """Checks that raise `NLSQNumericalError`.

    Parameters
    ----------
    enable_validation
        If False, nothing is checked.
    bounds
        Lower and upper bounds of the parameters, or None.

    Examples
    --------
    >>> validator = NumericalValidator(enable_validation=True)
    >>> try:
    ...     validator.validate_gradients([1.0, float("nan")])
    ... except NLSQNumericalError as e:
    ...     print(f"Numerical error at {e.detection_point}")
    Numerical error at gradient
    """

    def __init__(self, enable_validation: bool = True, bounds: tuple[ArrayLike, ArrayLike] | None = None) -> None:
        self.enable_validation = bool(enable_validation)
        self.bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        if bounds is not None:
            self.set_bounds(bounds)

    def validate_gradients(self, gradients: ArrayLike) -> None:
        """Raise if a gradient is not finite."""
        if self.enable_validation:
            _check_finite("gradient", gradients, "lower the step size, or check the model for overflow")

    def validate_parameters(self, parameters: ArrayLike, bounds: tuple[ArrayLike, ArrayLike] | None = None) -> None:
        """Raise if a parameter is not finite, or outside `bounds` (those of the instance if None)."""
        if not self.enable_validation:
            return
        values = _check_finite("parameter", parameters, "lower the step size, or narrow the bounds")
        limits = self.bounds if bounds is None else _limits(bounds)
        if limits is None:
            return
        lower, upper = limits
        if lower.shape != values.shape:
            raise InvalidConfigurationError(f"bounds: {lower.shape} numbers for {values.shape} parameters")
        outside = np.flatnonzero((values < lower) | (values > upper))
        if len(outside):
            found = [f"parameter[{k}] = {values[k]:g}, expected {lower[k]:g} to {upper[k]:g}" for k in outside[:_SHOWN]]
            raise NLSQNumericalError(
                f"{len(outside)} parameters lie outside their bounds ({'; '.join(found)}): clip the step, or widen "
                "the bounds",
                "parameter",
                found,
                {"n_violations": len(outside)},
            )

    def validate_loss(self, loss_value: ArrayLike) -> None:
        """Raise if the loss is not finite."""
        if self.enable_validation:
            _check_finite("loss", loss_value, "lower the step size, or narrow the bounds")

    def set_bounds(self, bounds: tuple[ArrayLike, ArrayLike]) -> None:
        """Set the bounds of the parameters."""
        self.bounds = _limits(bounds)


def _check_finite(point: str, given: ArrayLike, advice: str) -> NDArray[np.float64]:
    values = np.atleast_1d(np.asarray(given, dtype=float))
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        found = [f"{point}[{', '.join(map(str, k))}] = {values[tuple(k)]}" for k in wrong[:_SHOWN].tolist()]
        text = f"{len(wrong)} of {values.size} values of the {point} are not finite ({'; '.join(found)}): {advice}"
        raise NLSQNumericalError(text, point, found, {"n_invalid": len(wrong)})
    return values


def _limits(bounds: tuple[ArrayLike, ArrayLike]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lower, upper = (np.asarray(each, dtype=float) for each in bounds)
    if lower.shape != upper.shape or not (lower <= upper).all():
        raise InvalidConfigurationError(
            f"bounds: expected lower and upper ends of the same length with lower <= upper, got {bounds!r}"
        )
    return lower, upper
