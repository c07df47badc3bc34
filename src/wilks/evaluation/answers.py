"""What the user's functions return, as floats: numbers and arrays of any package and dtype, and nothing else."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError, StopRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SHOWN = 200
"""Characters of a wrong answer that are shown in a message."""


def numbers_of(
    raw: Any,  # noqa: ANN401 - user's answer
    shape: tuple[int | None, ...],
    what: str,
    *,
    copy: bool = True,
) -> NDArray[np.float64]:
    """Return an answer as floats of the shape that is expected; None stands for any length but zero.

    A copy, unless the caller neither changes it nor keeps it: the user's function may use its array again.

    Raises
    ------
    InvalidProblemError
        If it holds something else than real numbers, or has another shape.

    Examples
    --------
    >>> numbers_of([1, 2], (None,), "residual")
    array([1., 2.])
    """
    if type(raw) is np.ndarray and raw.dtype == np.float64 and raw.shape == shape:
        return raw.copy() if copy else raw
    array = np.asarray(raw)
    known = len(array.shape) == len(shape) and all(
        got == n if n is not None else got > 0 for got, n in zip(array.shape, shape, strict=True)
    )
    if array.dtype.kind == "O" and known and array.size and all(is_number(x) for x in array.flat):
        array = array.astype(float)
    if array.dtype.kind not in "fiu" or not known:
        expected = f"({', '.join('n' if n is None else str(n) for n in shape)}{',' if len(shape) == 1 else ''})"
        got = f"shape {array.shape} of dtype {array.dtype}" if array.ndim else f"{raw!r:.{SHOWN}}"
        hint = "; pieces that come one by one need chunked=True" if hasattr(raw, "__next__") else ""
        raise InvalidProblemError(f"{what} must return an array of floats of shape {expected}, got {got}{hint}")
    return array.astype(float, copy=copy)


def is_number(raw: Any) -> bool:  # noqa: ANN401 - whatever the user returned
    """Is it a real number, or an array without dimensions (of NumPy, JAX and so on) that holds one?"""
    if isinstance(raw, (bool, np.bool_)):
        return False
    if isinstance(raw, numbers.Real):
        return True
    return getattr(raw, "shape", None) == () and hasattr(raw, "__array__") and np.asarray(raw).dtype.kind in "fiu"


def require_finite(array: NDArray[np.float64], what: str) -> None:
    """Refuse NaN and infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(array.sum()):  # a third of the time of looking at every entry
            return
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        raise InvalidProblemError(f"{what}: {bad} of {array.size} entries are NaN or infinite")


def attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:  # noqa: ANN401 - user's answer
    """Return the answer of a user's function and no text; or None and the last line of what it raised.

    Examples
    --------
    >>> attempt(float, "1.5"), attempt(float, "one")
    ((1.5, ''), (None, "ValueError: could not convert string to float: 'one'"))
    """
    try:
        return function(*arguments), ""
    except StopRun:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises is data
        lines = str(error).strip().splitlines()
        return None, f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
