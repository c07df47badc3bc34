"""Checks of arrays, bounds and starts before a fit.

`wilks.xpcs.TwoTimeData` and `wilks.xpcs.fit` check their arguments themselves, and every mistake there is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.facades.homodyne.validation.findings import not_finite, outside, passed, settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike

    Bounds = tuple[ArrayLike, ArrayLike]

__all__ = [
    "InputValidator",
    "validate_array_dimensions",
    "validate_bounds_consistency",
    "validate_initial_params",
    "validate_no_nan_inf",
]


def validate_array_dimensions(xdata: ArrayLike, ydata: ArrayLike) -> bool:
    """Is there one row of `xdata` for each value of `ydata`? What is wrong is a warning in the log.

    Examples
    --------
    >>> validate_array_dimensions(np.zeros((10, 3)), np.zeros(10))
    True
    """
    return passed(_dimensions(xdata, ydata))


def validate_no_nan_inf(
    arr: ArrayLike, name: str, iteration: int | None = None, context: Mapping[str, Any] | None = None
) -> bool:
    """Are all numbers of an array finite? The warning in the log names `iteration` and `context`."""
    known = {} if iteration is None else {"iteration": iteration}
    place = ", ".join(f"{key}={value}" for key, value in {**known, **(context or {})}.items())
    return passed(f"{text} ({place})" if place else text for text in not_finite(name, arr))


def validate_bounds_consistency(bounds: Bounds, initial_params: ArrayLike) -> bool:
    """Is there a lower bound for each parameter, and an upper one that is not below it?"""
    return passed(_bounds(bounds, np.size(initial_params)))


def validate_initial_params(initial_params: ArrayLike, bounds: Bounds | None) -> bool:
    """Are the parameters finite, and within their bounds?"""
    return passed(_start(initial_params, bounds))


class InputValidator:
    """All checks in one.

    Parameters
    ----------
    strict_mode
        Raise `InvalidDataError`, a ``ValueError``, that names everything that is wrong; otherwise the log has it.

    Examples
    --------
    >>> validator = InputValidator(strict_mode=True)
    >>> bounds = (np.array([100, 0]), np.array([10000, 2]))
    >>> validator.validate_all(np.zeros((10, 3)), np.zeros(10), np.array([1000.0, 0.8]), bounds)
    True
    """

    def __init__(self, strict_mode: bool = True) -> None:
        self.strict_mode = strict_mode
        self._findings: list[str] = []

    @property
    def validation_errors(self) -> list[str]:
        """What the last call of `validate_all` found."""
        return list(self._findings)

    def validate_all(
        self, xdata: ArrayLike, ydata: ArrayLike, initial_params: ArrayLike, bounds: Bounds | None
    ) -> bool:
        """Is everything right? See `strict_mode`."""
        wrong = [] if bounds is None else list(_bounds(bounds, np.size(initial_params)))
        self._findings = [*_dimensions(xdata, ydata), *not_finite("xdata", xdata), *not_finite("ydata", ydata), *wrong]
        self._findings += _start(initial_params, None if wrong else bounds)
        return settle("The input cannot be fitted", self._findings, strict=self.strict_mode)


def _dimensions(xdata: ArrayLike, ydata: ArrayLike) -> Iterator[str]:
    x, y = np.asarray(xdata), np.asarray(ydata)
    if y.ndim != 1 or not y.size:
        yield f"ydata: expected one value per data point, got an array of shape {y.shape}"
    elif x.ndim == 0 or len(x) != len(y):
        yield f"xdata: expected one row for each of the {len(y)} values of ydata, got an array of shape {x.shape}"


def _bounds(bounds: Bounds, n: int) -> Iterator[str]:
    lower, upper = (np.asarray(each, dtype=float) for each in bounds)
    if lower.shape != (n,) or upper.shape != (n,):
        yield f"bounds: expected {n} lower and {n} upper ones, got shapes {lower.shape} and {upper.shape}"
        return
    for k in np.flatnonzero(~(lower <= upper)):
        yield f"bounds: of parameter {k} are {lower[k]:g} and {upper[k]:g}: give the lower one first"


def _start(initial_params: ArrayLike, bounds: Bounds | None) -> Iterator[str]:
    params = np.asarray(initial_params, dtype=float)
    yield from not_finite("initial_params", params)
    if np.isfinite(params).all():
        yield from outside("initial_params", params, bounds)
