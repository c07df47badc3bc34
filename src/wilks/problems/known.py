"""A test problem with everything that is known about it, and the profiles that follow from separability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.problem import LikelihoodProblem

    Values = Mapping[str, Any]  # numbers, or arrays that broadcast
    Answer = float | NDArray[np.float64]  # a number for numbers, an array for arrays


class ExactProfile(Protocol):
    """The exact profile log-likelihood of a problem."""

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """Return the profile over `names`, one axis for each, at the product of their `nodes`."""
        ...


@dataclass(frozen=True)
class KnownProblem:
    """A problem whose maximum and whose profiles are known.

    Attributes
    ----------
    problem
        What a verb is given. Its log-likelihood takes arrays of values too, which broadcast.
    maximum
        The largest log-likelihood in the box.
    maxima
        Every point that reaches it.
    profile
        ``profile(names, nodes)``: the exact profile log-likelihood over some parameters, an array with one axis for
        each name; the other parameters are optimised out within the box.

    Examples
    --------
    >>> from wilks.problems import himmelblau_4d
    >>> known = himmelblau_4d()
    >>> len(known.maxima), known.best["x0"]
    (16, 3.0)
    >>> known.profile(["x0", "x2"], [[3.0, 4.0], [3.0]]).round(4).tolist()
    [[-0.0], [-0.4973]]
    """

    problem: LikelihoodProblem
    maximum: float
    maxima: tuple[dict[str, float], ...]
    profile: ExactProfile

    @property
    def best(self) -> dict[str, float]:
        """One of the points that reach the maximum."""
        return dict(self.maxima[0])


def names_of(dimension: int) -> tuple[str, ...]:
    """``x0``, ``x1``, ..."""
    return tuple(f"x{i}" for i in range(dimension))


def columns_of(values: Values) -> NDArray[np.float64]:
    """Values, numbers or arrays that broadcast, as one array whose first axis runs over the parameters."""
    columns = tuple(values.values())
    if any(isinstance(column, np.ndarray) for column in columns):
        return np.stack(np.broadcast_arrays(*columns))
    return np.array(columns)


def as_given(answer: NDArray[np.float64]) -> Answer:
    """Return an answer as an array if there is more than one, as a float otherwise."""
    return answer if np.ndim(answer) else float(answer)


def axes_of(names: Sequence[str], nodes: Sequence[ArrayLike], known: Sequence[str]) -> dict[int, NDArray[np.float64]]:
    """Column of every profiled parameter -> its nodes, shaped to broadcast along its axis.

    Raises
    ------
    InvalidConfigurationError
        If a name is unknown or given twice, or there is not one array of nodes for every name.
    """
    if len(names) != len(nodes) or len(set(names)) != len(names) or not set(names) <= set(known):
        raise InvalidConfigurationError(
            f"profile: expected different names out of {', '.join(known)} and one array of nodes for each, "
            f"got {', '.join(names)} and {len(nodes)} arrays"
        )
    axes = {}
    for axis, (name, values) in enumerate(zip(names, nodes, strict=True)):
        shape = [1] * len(names)
        shape[axis] = -1
        axes[known.index(name)] = np.asarray(values, dtype=float).reshape(shape)
    return axes


def shape_of(axes: dict[int, NDArray[np.float64]]) -> tuple[int, ...]:
    """Shape of the profile over `axes`."""
    return np.broadcast_shapes(*(nodes.shape for nodes in axes.values()))


@dataclass(frozen=True)
class SeparableProfile:
    """Profile of a sum of terms in one parameter each, every one with the maximum 0.

    Attributes
    ----------
    names
        All parameters, in order.
    terms
        Their terms, vectorised.
    """

    names: tuple[str, ...]
    terms: tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], ...]

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """Sum the terms of the profiled parameters; the others reach 0."""
        axes = axes_of(names, nodes, self.names)
        total = np.zeros(shape_of(axes))
        for column, values in axes.items():
            total += self.terms[column](values)
        return total


@dataclass(frozen=True)
class PairwiseProfile:
    """Profile of a sum over pairs of parameters, the first and the second, the third and the fourth, ...

    Attributes
    ----------
    names
        All parameters, in order.
    surface
        The term of a pair, vectorised, with the maximum 0.
    curves
        For each parameter of a pair, the profile of the term over it, vectorised.
    """

    names: tuple[str, ...]
    surface: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    curves: tuple[
        Callable[[NDArray[np.float64]], NDArray[np.float64]], Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ]

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """Sum the surfaces of the pairs that are profiled, and the curves where one of a pair is."""
        axes = axes_of(names, nodes, self.names)
        total = np.zeros(shape_of(axes))
        for first in range(0, len(self.names), 2):
            if first in axes and first + 1 in axes:
                total += self.surface(axes[first], axes[first + 1])
            elif first in axes or first + 1 in axes:
                which = 0 if first in axes else 1
                total += self.curves[which](axes[first + which])
        return total


def largest_over_roots(
    evaluate: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    derivative: Sequence[float],
    lower: float,
    upper: float,
) -> float:
    """Largest value on an interval of a function whose derivative is proportional to a polynomial.

    Parameters
    ----------
    evaluate
        The function, vectorised.
    derivative
        Coefficients of the polynomial, highest power first.
    lower, upper
        The interval; its ends are candidates too.
    """
    roots = np.roots(derivative)
    # The real part of a complex pair is a harmless extra candidate; a double root may come out as such a pair.
    inside = np.clip(roots.real, lower, upper)
    return float(np.max(evaluate(np.concatenate((inside, [lower, upper])))))
