"""How the functions and classes of this folder say what is wrong: in the log, or as an error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

_log = logging.getLogger(__name__)


def passed(findings: Iterable[str]) -> bool:
    """Were there no findings? Each is a warning in the log."""
    found = list(findings)
    for text in found:
        _log.warning(text)
    return not found


def settle(what: str, findings: list[str], *, strict: bool) -> bool:
    """The same, with an error that has all findings in it if `strict`."""
    if strict and findings:
        raise InvalidDataError(f"{what}: {'; '.join(findings)}")
    return passed(findings)


def not_finite(name: str, given: ArrayLike) -> Iterable[str]:
    """Say how many numbers of an array are NaN or infinite, and where the first is."""
    values = np.atleast_1d(np.asarray(given, dtype=float))
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        first = tuple(wrong[0].tolist())
        where = ", ".join(map(str, first))
        yield f"{name}: {len(wrong)} of {values.size} values are not finite, the first is [{where}] = {values[first]}"


def outside(
    name: str, params: NDArray[np.float64], bounds: tuple[ArrayLike, ArrayLike] | None, tolerance: float = 0.0
) -> Iterable[str]:
    """Say which parameters lie outside their bounds; `tolerance` is relative to the width of these."""
    if bounds is None:
        return
    lower, upper = (np.asarray(each, dtype=float) for each in bounds)
    if not lower.shape == upper.shape == params.shape:
        yield f"{name}: {params.size} parameters, but {lower.size} lower and {upper.size} upper bounds"
        return
    slack = tolerance * np.where(np.isfinite(upper - lower), np.abs(upper - lower), 1.0)
    for k in np.flatnonzero((params < lower - slack) | (params > upper + slack)):
        yield f"{name}: parameter {k} is {params[k]:g}, expected {lower[k]:g} to {upper[k]:g}"
