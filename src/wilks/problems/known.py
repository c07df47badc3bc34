"""A test problem with everything that is known about it, and the profiles that follow from separability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.problem import LikelihoodProblem


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
        What a verb is given.
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
class NestedProfile:
    """Profile of a function of two parameters with a closed form for each one-dimensional profile.

    Attributes
    ----------
    names
        The two parameters.
    surface
        The log-likelihood of both, vectorised.
    curves
        For each parameter, its profile, vectorised.
    """

    names: tuple[str, str]
    surface: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    curves: tuple[
        Callable[[NDArray[np.float64]], NDArray[np.float64]], Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ]

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """Evaluate the surface, or one of the curves."""
        axes = axes_of(names, nodes, self.names)
        if len(axes) == len(self.names):
            return self.surface(axes[0], axes[1])
        ((column, values),) = axes.items()
        return self.curves[column](values)


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
