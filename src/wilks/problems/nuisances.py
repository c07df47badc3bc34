r"""Nuisance parameters for any problem: systematic errors that move the parameters of interest.

With parameters of interest x, nuisance parameters nu, and the log-likelihood L0 of the problem that is given,

.. math:: \log L(x, \nu) = \log L_0(T_\nu(x)) + A(\nu) + C(\nu).                                               (1)

The movement T depends on the mode. M is a matrix of normal random numbers from a seed, with a row for each parameter of
interest and a column of length 1 for each nuisance parameter; c and w are the centre and the width of the box, and s
is the strength:

* shift: T = x + 0.05 s w (M nu);
* scale: T = x (1 + 0.1 s M nu), for each parameter by itself;
* rotation: by 0.1 s nu_j, around c, in units of w, in the plane of parameters j and j + 1, one after the other;
* mixed: the first nuisance parameter shifts, the second scales, the third rotates, and so on;
* additive: T = x, and A = -s^2 abs(M nu)^2 / 2, which no parameter of interest enters: the control.

A point that leaves the box is put back on its bound, so the given log-likelihood is called where it is defined, and the
maximum of (1) is that of the problem, at its maxima and nu = 0.

The constraint C has mean 0 and scale 1 in every nuisance parameter: gaussian, -nu^2 / 2; uniform, 0 where
abs(nu) <= sqrt(3) and minus infinity elsewhere; soft_uniform, 0 there, and outside a Gaussian flank of width 0.25. The
box of a nuisance parameter is [-5, 5].

The best nuisance parameters for given parameters of interest are NOT the mean of the constraint: away from a maximum of
the problem it pays to move. They have no closed form; `optimal_nuisances` finds them by a search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import KnownProblem, as_given, columns_of
from wilks.problems.search import SearchedProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]

Mode = Literal["shift", "scale", "rotation", "additive", "mixed"]
Constraint = Literal["gaussian", "uniform", "soft_uniform"]

_IN_TURN = ("shift", "scale", "rotation")
_SHIFT = 0.05
_SCALE = 0.1
_ANGLE = 0.1
_LIMIT = 5.0
_FLAT = float(np.sqrt(3.0))  # a uniform distribution of unit variance
_FLANK = 0.25


@dataclass(frozen=True)
class NuisanceLikelihood:
    """Log-likelihood (1), of numbers or of arrays.

    Attributes
    ----------
    base
        The log-likelihood of the problem.
    takes_arrays
        Whether `base` takes arrays; otherwise it is called point by point.
    constants
        Its parameters that are not free; bound here.
    interest, nuisances
        Its free parameters, and those that come in addition.
    limits
        The box of the parameters of interest, shape (2, n).
    actions
        What each nuisance parameter does: shift, scale, rotation or additive.
    matrix
        M times the strength.
    angle
        Of a rotation, per unit of a nuisance parameter.
    constraint
        gaussian, uniform or soft_uniform.
    """

    base: Callable[[Values], Any]
    takes_arrays: bool
    constants: dict[str, Value]
    interest: tuple[str, ...]
    nuisances: tuple[str, ...]
    limits: Array
    actions: tuple[str, ...]
    matrix: Array
    angle: float
    constraint: Constraint

    def __call__(self, values: Values) -> Answer:
        """Evaluate (1)."""
        columns = columns_of({name: values[name] for name in (*self.interest, *self.nuisances)})
        x, nu = np.split(columns, [len(self.interest)])
        height = self._base(self.moved(x, nu)) + _constraint(nu, self.constraint)
        added = self._acting("additive")
        if any(added):
            height = height - 0.5 * (np.tensordot(self.matrix[:, added], nu[added], axes=1) ** 2).sum(axis=0)
        return as_given(height)

    def moved(self, x: Array, nu: Array) -> Array:
        """T: the parameters of interest, moved; first axes of length n and n_nuisances."""
        shape = (-1, *[1] * (x.ndim - 1))
        lower, upper = (bound.reshape(shape) for bound in self.limits)
        centre, width = (lower + upper) / 2, upper - lower
        rotating, scaling, shifting = (self._acting(action) for action in ("rotation", "scale", "shift"))
        if any(rotating):
            unit = (x - centre) / width
            for j in np.flatnonzero(rotating).tolist():
                p, q = j % len(x), (j + 1) % len(x)
                cosine, sine = np.cos(self.angle * nu[j]), np.sin(self.angle * nu[j])
                unit[p], unit[q] = cosine * unit[p] - sine * unit[q], sine * unit[p] + cosine * unit[q]
            x = centre + width * unit
        if any(scaling):
            x = x * (1 + _SCALE * np.tensordot(self.matrix[:, scaling], nu[scaling], axes=1))
        if any(shifting):
            x = x + _SHIFT * width * np.tensordot(self.matrix[:, shifting], nu[shifting], axes=1)
        return np.clip(x, lower, upper)

    def _acting(self, action: str) -> list[bool]:
        return [each == action for each in self.actions]

    def _base(self, x: Array) -> Array:
        if self.takes_arrays and x.ndim > 1:
            return np.asarray(self.base({**self.constants, **dict(zip(self.interest, x, strict=True))}))
        rows = x.reshape(len(x), -1).T.tolist()
        points = [{**self.constants, **dict(zip(self.interest, row, strict=True))} for row in rows]
        return np.array([float(self.base(point)) for point in points]).reshape(x.shape[1:])

    def search(self) -> SearchedProfile:
        """Profiles of this, by brute force, with the nuisance parameters where the constraint allows them."""
        limit = _FLAT if self.constraint == "uniform" else _LIMIT
        box = [*self.limits.T.tolist(), *[(-limit, limit)] * len(self.nuisances)]
        return SearchedProfile((*self.interest, *self.nuisances), self, tuple((low, high) for low, high in box))


def _constraint(nu: Array, kind: Constraint) -> Array:
    if kind == "gaussian":
        total: Array = -0.5 * (nu**2).sum(axis=0)
        return total
    if kind == "uniform":
        return np.where((np.abs(nu) <= _FLAT).all(axis=0), 0.0, -np.inf)
    flank: Array = -0.5 * ((np.maximum(np.abs(nu) - _FLAT, 0.0) / _FLANK) ** 2).sum(axis=0)
    return flank


@overload
def with_nuisances(
    problem: KnownProblem,
    n: int = ...,
    *,
    mode: Mode = ...,
    constraint: Constraint = ...,
    strength: float = ...,
    seed: int = ...,
) -> KnownProblem: ...
@overload
def with_nuisances(
    problem: LikelihoodProblem,
    n: int = ...,
    *,
    mode: Mode = ...,
    constraint: Constraint = ...,
    strength: float = ...,
    seed: int = ...,
) -> LikelihoodProblem: ...
def with_nuisances(
    problem: KnownProblem | LikelihoodProblem,
    n: int = 2,
    *,
    mode: Mode = "shift",
    constraint: Constraint = "gaussian",
    strength: float = 1.0,
    seed: int = 42,
) -> KnownProblem | LikelihoodProblem:
    """Give a problem nuisance parameters ``nu0``, ``nu1``, ... that move its parameters.

    Parameters
    ----------
    problem
        A log-likelihood in real parameters, or a known problem. What comes back is of the same kind.
    n
        Number of nuisance parameters.
    mode
        What they do: ``"shift"`` (5 % of the box for a nuisance parameter of 1), ``"scale"`` (10 %), ``"rotation"``
        (0.1 radians), ``"additive"`` (they move nothing), or ``"mixed"`` (the first three in turn).
    constraint
        ``"gaussian"`` of unit width, ``"uniform"`` within the square root of 3, or ``"soft_uniform"``, the same with
        Gaussian flanks.
    strength
        Factor on what they do.
    seed
        Of the directions in which they shift and scale.

    Returns
    -------
    KnownProblem or LikelihoodProblem
        Of a known problem the maximum stays, at nu = 0 (with a uniform constraint at more points besides), and the
        profile is known by a search, with at most five parameters optimised out.

    Raises
    ------
    InvalidConfigurationError
        If an option is unknown, or the problem has other than real parameters, constraints, or the names in use.

    Notes
    -----
    The head of `wilks.problems.nuisances` has the formulas.

    Examples
    --------
    >>> import wilks
    >>> known = wilks.problems.with_nuisances(wilks.problems.sphere(2), 1, mode="shift", seed=1)
    >>> known.problem.space.free
    ('x0', 'x1', 'nu0')
    >>> best = wilks.problems.optimal_nuisances(known, {"x0": 3.0, "x1": 0.0})
    >>> -5 < best["nu0"] < 0
    True
    """
    base = problem.problem if isinstance(problem, KnownProblem) else problem
    nuisances = tuple(f"nu{j}" for j in range(n))
    _check(base, nuisances, mode, constraint)
    interest = base.space.free
    domains = [base.space[name] for name in interest]
    limits = np.array([(domain.lower, domain.upper) for domain in domains if isinstance(domain, Real)]).T
    matrix = np.random.default_rng(seed).normal(size=(len(interest), n))
    matrix *= strength / np.linalg.norm(matrix, axis=0)
    actions = tuple(_IN_TURN[j % 3] if mode == "mixed" else mode for j in range(n))
    takes_arrays = isinstance(problem, KnownProblem) or base.vectorized
    angle, constants = _ANGLE * strength, base.space.constants
    log_likelihood = NuisanceLikelihood(
        base.log_likelihood, takes_arrays, constants, interest, nuisances, limits, actions, matrix, angle, constraint
    )
    space = Space(
        {**{name: base.space[name] for name in interest}, **{name: Real(-_LIMIT, _LIMIT) for name in nuisances}}
    )
    name = f"{base.name}_{mode}_{constraint}"
    moved = LikelihoodProblem(space, log_likelihood, vectorized=takes_arrays, name=name)
    if not isinstance(problem, KnownProblem):
        return moved
    maxima = tuple({**point, **dict.fromkeys(nuisances, 0.0)} for point in problem.maxima)
    return KnownProblem(moved, problem.maximum, maxima, log_likelihood.search())


def optimal_nuisances(problem: KnownProblem | LikelihoodProblem, values: Mapping[str, float]) -> dict[str, float]:
    """Nuisance parameters that maximise the log-likelihood for given parameters of interest.

    They are found by a scan of the nuisance parameters and Newton steps; with a uniform constraint, one point of those
    that are equally good.

    Parameters
    ----------
    problem
        Made by `with_nuisances`.
    values
        All parameters of interest.

    Raises
    ------
    InvalidConfigurationError
        If the problem was not made by `with_nuisances`, or a parameter of interest is missing.

    Examples
    --------
    >>> import wilks
    >>> known = wilks.problems.with_nuisances(wilks.problems.sphere(1), 1, strength=10)
    >>> direction = known.problem.log_likelihood.matrix.item() * 0.05 * 10  # x0 + direction * nu0
    >>> best = wilks.problems.optimal_nuisances(known, {"x0": 2.0})["nu0"]
    >>> round(best + direction * 2.0 / (direction**2 + 0.5), 9) == 0
    True
    """
    likelihood = (problem.problem if isinstance(problem, KnownProblem) else problem).log_likelihood
    if not isinstance(likelihood, NuisanceLikelihood):
        raise InvalidConfigurationError(
            f"optimal_nuisances: expected a problem made by wilks.problems.with_nuisances, got {problem!r}"
        )
    missing = [name for name in likelihood.interest if name not in values]
    if missing:
        raise InvalidConfigurationError(
            f"optimal_nuisances: expected a value for every parameter of interest, got none for {', '.join(missing)}"
        )
    names = likelihood.interest
    best = likelihood.search().argmax(names, [[values[name]] for name in names])
    return {name: value.item() for name, value in best.items()}


def _check(base: LikelihoodProblem, nuisances: tuple[str, ...], mode: str, constraint: str) -> None:
    if not isinstance(base, LikelihoodProblem):
        raise InvalidConfigurationError(
            f"with_nuisances: expected a KnownProblem or a LikelihoodProblem, got {type(base).__name__}"
        )
    for what, given, known in (("mode", mode, get_args(Mode)), ("constraint", constraint, get_args(Constraint))):
        if given not in known:
            raise InvalidConfigurationError(
                f"with_nuisances: {what}: expected one of {', '.join(known)}, got {given!r}"
            )
    if not nuisances:
        raise InvalidConfigurationError("with_nuisances: expected at least one nuisance parameter, got n = 0")
    others = [name for name in base.space.free if not isinstance(base.space[name], Real)]
    if others:
        raise InvalidConfigurationError(
            f"with_nuisances: expected real parameters only, got {', '.join(others)} of another kind"
        )
    taken = [name for name in nuisances if name in base.space.names]
    if taken:
        raise InvalidConfigurationError(
            f"with_nuisances: the problem has parameters of its own called {', '.join(taken)}"
        )
    if base.constraints:
        raise InvalidConfigurationError(
            "with_nuisances: the problem has constraints, which would not hold for parameters that are moved; put them "
            "into the log-likelihood, as minus infinity"
        )
    turns = mode == "rotation" or (mode == "mixed" and len(nuisances) > 2)
    if turns and len(base.space.free) < 2:
        raise InvalidConfigurationError("with_nuisances: a rotation needs two parameters at least, got one")
