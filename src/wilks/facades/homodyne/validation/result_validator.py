"""Checks of the numbers that come out of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.facades.homodyne.validation.findings import not_finite, outside, passed, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike

    Bounds = tuple[ArrayLike, ArrayLike]

__all__ = ["ResultValidator", "validate_covariance", "validate_optimized_params", "validate_result_consistency"]

_ROUNDING = 1e-10


def validate_optimized_params(params: ArrayLike, bounds: Bounds | None, tolerance: float = 1e-10) -> bool:
    """Are the parameters finite and within their bounds, but for `tolerance` of the width of these?"""
    return passed(_parameters(params, bounds, tolerance))


def validate_covariance(covariance: ArrayLike, n_params: int) -> bool:
    """Is it a covariance matrix: square, finite, symmetric, and without negative eigenvalues?

    Examples
    --------
    >>> validate_covariance(np.eye(3), 3)
    True
    """
    return passed(_covariance(covariance, n_params))


def validate_result_consistency(params: ArrayLike, chi_squared: float) -> bool:
    """Are parameters and chi-squared finite, and chi-squared not negative?"""
    return passed(_consistency(params, chi_squared))


class ResultValidator:
    """All checks in one.

    Parameters
    ----------
    strict_mode
        Raise `InvalidDataError`, a ``ValueError``, that names everything that is wrong; otherwise the log has it.

    Examples
    --------
    >>> bounds = (np.array([100, 0]), np.array([10000, 2]))
    >>> ResultValidator().validate_all(np.array([1234.5, 0.85]), np.eye(2) * 0.01, bounds)
    True
    """

    def __init__(self, strict_mode: bool = False) -> None:
        self.strict_mode = strict_mode
        self._findings: list[str] = []

    @property
    def validation_warnings(self) -> list[str]:
        """What the last call of `validate_all` found."""
        return list(self._findings)

    def validate_all(
        self,
        params: ArrayLike,
        covariance: ArrayLike | None,
        bounds: Bounds | None,
        chi_squared: float | None = None,
    ) -> bool:
        """Is everything right? See `strict_mode`."""
        self._findings = list(_parameters(params, bounds, _ROUNDING))
        if covariance is not None:
            self._findings += _covariance(covariance, np.size(params))
        if chi_squared is not None:
            self._findings += _chi_squared(chi_squared)
        return settle("The result cannot be right", self._findings, strict=self.strict_mode)


def _parameters(params: ArrayLike, bounds: Bounds | None, tolerance: float) -> Iterator[str]:
    values = np.asarray(params, dtype=float)
    yield from not_finite("params", values)
    if np.isfinite(values).all():
        yield from outside("params", values, bounds, tolerance)


def _covariance(covariance: ArrayLike, n: int) -> Iterator[str]:
    matrix = np.asarray(covariance, dtype=float)
    if matrix.shape != (n, n):
        yield f"covariance: expected the shape ({n}, {n}), got {matrix.shape}"
        return
    wrong = list(not_finite("covariance", matrix))
    if wrong:
        yield from wrong
        return
    sizes = np.sqrt(np.abs(np.diag(matrix)))
    scaled = matrix / np.outer(*[np.where(sizes > 0, sizes, 1.0)] * 2)  # units must not matter
    if np.abs(scaled - scaled.T).max(initial=0.0) > _ROUNDING:
        yield "covariance: not symmetric"
    lowest = float(np.linalg.eigvalsh((scaled + scaled.T) / 2).min(initial=0.0))
    if lowest < -_ROUNDING * n:
        yield f"covariance: an eigenvalue is negative, {lowest:.3g} in units in which the diagonal is 1"


def _consistency(params: ArrayLike, chi_squared: float) -> Iterator[str]:
    yield from not_finite("params", params)
    yield from _chi_squared(chi_squared)


def _chi_squared(chi_squared: float) -> Iterator[str]:
    if not 0 <= chi_squared < np.inf:
        yield f"chi_squared: expected a number >= 0, got {chi_squared!r}"
