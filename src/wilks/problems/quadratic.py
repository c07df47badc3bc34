"""Gaussian log-likelihoods in a box, and their profiles: the Schur complement, and bounds where they are active."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import KnownProblem, axes_of, columns_of, names_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.problems.known import Answer, Values


def gaussian(dimension: int = 3, *, correlation: float = 0.9, with_gradient: bool = False) -> KnownProblem:
    r"""A centred Gaussian with unit variances in the box [-8, 8]^n.

    .. math:: \log L = -x^T S^{-1} x / 2, \quad S_{ij} = correlation^{|i - j|}                                 (1)

    Parameters
    ----------
    dimension
        Number of parameters, ``x0``, ``x1``, ...
    correlation
        Of neighbouring parameters, strictly between -1 and 1.
    with_gradient
        Give the problem its analytic gradient.

    Examples
    --------
    >>> gaussian(10).profile(["x0"], [[0.0, 1.0, 2.0]]).round(9).tolist()
    [-0.0, -0.5, -2.0]
    """
    precision = _precision(dimension, correlation)
    limits = (-8.0, 8.0)
    return _quadratic(f"gaussian_{dimension}d", precision, np.zeros(dimension), limits, with_gradient=with_gradient)


def bounded(dimension: int = 4, *, correlation: float = 0.8, with_gradient: bool = False) -> KnownProblem:
    """A Gaussian as in `gaussian` whose centre lies outside its box [0, 4]^n: nuisance parameters end on bounds.

    The centre alternates between 1 and -1. Which bounds are active changes along the profile of every parameter, and a
    step to the unconstrained optimum that is clipped to the box does not end at the optimum in the box.

    Examples
    --------
    >>> known = bounded()
    >>> {name: round(value, 6) for name, value in known.best.items()}
    {'x0': 1.8, 'x1': 0.0, 'x2': 1.97561, 'x3': 0.0}
    """
    precision = _precision(dimension, correlation)
    centre = np.where(np.arange(dimension) % 2 == 0, 1.0, -1.0)
    return _quadratic(f"bounded_{dimension}d", precision, centre, (0.0, 4.0), with_gradient=with_gradient)


def _precision(dimension: int, correlation: float) -> NDArray[np.float64]:
    distance = np.abs(np.subtract.outer(np.arange(dimension), np.arange(dimension)))
    return np.asarray(np.linalg.inv(correlation**distance), dtype=float)


def quadratic_log_likelihood(values: Values, *, precision: NDArray[np.float64], centre: NDArray[np.float64]) -> Answer:
    """-(x - centre)' precision (x - centre) / 2, over all values in their order."""
    x = columns_of(values)
    if x.ndim == 1:
        return -0.5 * float((x - centre) @ precision @ (x - centre))
    offset = np.moveaxis(x, 0, -1) - centre
    return np.asarray(-0.5 * np.einsum("...i,ij,...j->...", offset, precision, offset))


def quadratic_gradient(
    values: Mapping[str, float], *, precision: NDArray[np.float64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gradient of `quadratic_log_likelihood`."""
    return -precision @ (np.array(list(values.values())) - centre)


@dataclass(frozen=True)
class QuadraticProfile:
    """Exact profile of a Gaussian log-likelihood in a box [lower, upper]^n.

    With the profiled parameters fixed at a distance d from the centre, the optimum of the others is at a distance
    -P_nn^-1 P_np d when that lies in the box (Schur complement); otherwise the quadratic program in the box is solved
    by the active-set method BVLS (Stark and Parker 1995), which is exact too.
    """

    names: tuple[str, ...]
    precision: NDArray[np.float64]
    centre: NDArray[np.float64]
    limits: tuple[float, float]

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """Return the profile over `names`."""
        axes = axes_of(names, nodes, self.names)
        columns = list(axes)
        fixed = np.stack([np.broadcast_to(axes[c], shape_of(axes)).ravel() for c in columns], axis=-1)
        values = np.empty((len(fixed), len(self.names)))
        values[:, columns] = fixed
        others = [c for c in range(len(self.names)) if c not in axes]
        if others:
            values[:, others] = self._conditional_optima(columns, others, fixed)
        offset = values - self.centre
        height: NDArray[np.float64] = -0.5 * np.einsum("ni,ij,nj->n", offset, self.precision, offset)
        return height.reshape(shape_of(axes))

    def _conditional_optima(
        self, columns: list[int], others: list[int], fixed: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        inner = self.precision[np.ix_(others, others)]
        cross = self.precision[np.ix_(others, columns)]
        optima = self.centre[others] - (fixed - self.centre[columns]) @ np.linalg.solve(inner, cross).T
        outside = ((optima < self.limits[0]) | (optima > self.limits[1])).any(axis=1)
        for row in np.flatnonzero(outside):
            optima[row] = _box_optimum(inner, optima[row], self.limits)
        return optima


def _box_optimum(
    precision: NDArray[np.float64], centre: NDArray[np.float64], limits: tuple[float, float]
) -> NDArray[np.float64]:
    """Point of the box where -(x - centre)' precision (x - centre) / 2 is largest."""
    from scipy.optimize import lsq_linear  # noqa: PLC0415 - scipy loads on use

    root = np.linalg.cholesky(precision).T
    answer = lsq_linear(root, root @ centre, bounds=limits, method="bvls", tol=1e-15)
    return np.asarray(answer.x, dtype=float)


def _quadratic(
    name: str,
    precision: NDArray[np.float64],
    centre: NDArray[np.float64],
    limits: tuple[float, float],
    *,
    with_gradient: bool,
) -> KnownProblem:
    names = names_of(len(centre))
    problem = LikelihoodProblem(
        Space({each: Real(*limits) for each in names}),
        partial(quadratic_log_likelihood, precision=precision, centre=centre),
        gradient=partial(quadratic_gradient, precision=precision, centre=centre) if with_gradient else None,
        name=name,
    )
    best = dict(zip(names, _box_optimum(precision, centre, limits).tolist(), strict=True))
    profile = QuadraticProfile(names, precision, centre, limits)
    return KnownProblem(problem, problem.log_likelihood(best), (best,), profile)
