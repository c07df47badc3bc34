"""Test functions as functions of an array; they are those of `wilks.problems`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


class NamedFunction:
    """A test function; it is sent to other processes by its name.

    Parameters
    ----------
    name
        Its name, such as ``"himmelblau_4d"``.
    """

    def __init__(self, name: str) -> None:
        known = problems.test_function(name)
        self.__name__ = name
        self._log_likelihood = known.problem.log_likelihood
        self._names = known.problem.space.free

    def __call__(self, params: ArrayLike) -> float:
        """The log-likelihood of a point, shape (n,)."""
        numbers = np.asarray(params, dtype=float).tolist()
        return float(self._log_likelihood(dict(zip(self._names, numbers, strict=True))))

    def __reduce__(self) -> tuple[type[NamedFunction], tuple[str]]:
        """For pickle: the name."""
        return NamedFunction, (self.__name__,)

    def __repr__(self) -> str:
        """Return the name."""
        return f"<test function {self.__name__!r}>"


def get_test_function(
    name: str,
) -> tuple[Callable[[ArrayLike], float], list[list[float]], list[NDArray[np.float64]]]:
    """Return a test function, its bounds, and the points of its maximum, which is 0.

    Parameters
    ----------
    name
        One of `list_test_functions`.

    Raises
    ------
    InvalidConfigurationError
        If there is no such function.

    Examples
    --------
    >>> log_likelihood, bounds, peaks = get_test_function("himmelblau_4d")
    >>> len(bounds), len(peaks), round(log_likelihood(peaks[0]), 9) == 0
    (4, 16, True)
    """
    known = problems.test_function(name)
    space = known.problem.space
    ends = space.from_unit(np.array([np.zeros(space.dimension), np.ones(space.dimension)]))
    peaks = [space.to_theta(point) for point in known.maxima]
    return NamedFunction(name), ends.T.tolist(), peaks


def list_test_functions() -> list[str]:
    """Names of all test functions."""
    return list(problems.list_test_functions())
