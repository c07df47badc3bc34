r"""Derived quantities as parameters: a problem in which a function of the parameters takes the place of one of them.

With q = f(x, b), where x are all parameters but b, the problem L(x, b) becomes

.. math:: L'(x, q) = \max_{b:\, f(x, b) = q} L(x, b)                                                             (1)

For given x and q the solutions b are found within the domain of b (`core.roots`); f is cheap, and its calls are no
evaluations. Where there is none, the point is outside the support, as if it violated a constraint. Several are all
evaluated, since a profile is a maximum. The maximum of (1) over x is the profile likelihood of q, whichever parameter
was solved for.

Derivatives follow from the implicit function: with g the gradient of L and all derivatives of f taken at the solution,

.. math:: \frac{\partial L'}{\partial q} = \frac{g_b}{f_b}, \qquad
          \frac{\partial L'}{\partial x_i} = g_i - g_b \frac{f_i}{f_b}                                           (2)

Several derived quantities take the place of as many parameters; f_b is then a matrix.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.parameter import Real
from wilks.core.problem import Problem
from wilks.core.quantity import Derived, resolved
from wilks.core.roots import scan_roots
from wilks.core.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from wilks.core.domain import Domain
    from wilks.core.parameter import Value
    from wilks.core.proposal import Want
    from wilks.core.quantity import Near

    Values = Mapping[str, Any]

__all__ = ["Derived", "DerivedProblem", "with_derived"]

_N_NODES = 65
_STEP = 1e-5


def with_derived(
    problem: Problem,
    derived: Derived | Sequence[Derived],
    *,
    keep: Sequence[str] = (),
    near: Near | None = None,
) -> DerivedProblem:
    """Return the problem with derived quantities in the place of as many of its parameters.

    Parameters
    ----------
    problem
        A problem, or one that has derived quantities already.
    derived
        One or several quantities.
    keep
        Names of parameters that none of them may replace on its own choice.
    near
        A point of the unit box of the original problem, and the standard errors there: the choice is made for its
        neighbourhood.

    Raises
    ------
    InvalidProblemError
        If a quantity cannot take the place of its parameter.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + v["b"] ** 2))
    >>> square = Derived("square", lambda v: v["b"] ** 2, 0, 9)
    >>> with_derived(problem, square).solutions({"a": 1.0, "square": 4.0})
    [{'a': 1.0, 'b': -2.0}, {'a': 1.0, 'b': 2.0}]
    """
    several = (derived,) if isinstance(derived, Derived) else tuple(derived)
    known = problem.derived if isinstance(problem, DerivedProblem) else ()
    base = problem.base if isinstance(problem, DerivedProblem) else problem
    for each in several:
        if not isinstance(each, Derived):
            raise InvalidProblemError(f"derived quantity: expected a wilks.Derived, got {each!r}")
        taken = [*base.space.names, *(other.name for other in known)]
        if each.name in taken:
            raise InvalidProblemError(
                f"Derived {each.name!r}: there is a parameter of this name already: {', '.join(taken)}"
            )
        known = (*known, resolved(base, each, {str(other.solve_for) for other in known} | set(keep), near))
    fixed = problem.fixed if isinstance(problem, DerivedProblem) else {}
    return DerivedProblem(base, known, fixed)


class DerivedProblem(Problem):
    """A problem in derived coordinates; made by `with_derived`.

    It is not evaluated itself: `loop.reparametrised` lets an algorithm work in its space while `base` is evaluated,
    so that every call of the likelihood is counted and logged in the original parameters.

    Attributes
    ----------
    base
        The problem in the original parameters.
    derived
        The quantities, each with the parameter that it replaces.
    fixed
        Values that were fixed by `fix`.
    """

    def __init__(self, base: Problem, derived: tuple[Derived, ...], fixed: Mapping[str, Value]) -> None:
        by_parameter = {d.solve_for: d for d in derived}
        entries: dict[str, Any] = {}
        for name in base.space.names:
            if name in by_parameter:
                entries[by_parameter[name].name] = by_parameter[name].domain
            else:
                entries[name] = base.space[name] if name in base.space.free else base.space.constants[name]
        space = Space(entries)
        super().__init__(space.fix(**fixed) if fixed else space, base.constraints, base.name, base.root)
        self.base = base
        self.derived = derived
        self.fixed = dict(fixed)
        units = np.linspace(0.0, 1.0, _N_NODES)
        self._nodes = {d.name: (units, base.space[str(d.solve_for)].from_unit(units)) for d in derived}

    @property
    def report_space(self) -> Space:
        """The original parameters followed by the derived quantities: names, labels and units for a result."""
        base = self.base.space
        entries = {name: base[name] if name in base.free else base.constants[name] for name in base.names}
        return Space({**entries, **{d.name: d.domain for d in self.derived}})

    def fix(self, **values: Value) -> DerivedProblem:
        """Return the same problem with some parameters, or derived quantities, fixed."""
        solved = [name for name in values if name in {d.solve_for for d in self.derived}]
        if solved:
            raise InvalidProblemError(
                f"fix: {', '.join(map(repr, solved))} follows from the derived quantities here; fix it in the original "
                "problem, or choose another solve_for"
            )
        fixed = self.space.fix(**values).constants
        return DerivedProblem(
            self.base, self.derived, {n: v for n, v in fixed.items() if n not in self.base.space.constants}
        )

    def functions(self) -> tuple[object, ...]:
        """The user's functions, those of the derived quantities too."""
        own = [(d.name, d.lower, d.upper, d.solve_for, d.function) for d in self.derived]
        return (type(self.base).__name__, self.base.space.describe(), *self.base.functions(), own)

    def supports(self, want: Want) -> bool:
        """What the original problem supports."""
        return self.base.supports(want)

    def log_likelihood(self, values: Values) -> float:
        """Equation (1), for given values of the parameters that are left and of the derived quantities."""
        function = self.base.log_likelihood  # type: ignore[attr-defined]  # both kinds of problems have it
        return max((float(function(solution)) for solution in self.solutions(values)), default=-math.inf)

    def solutions(self, values: Values) -> list[dict[str, Any]]:
        """All values of the original problem that belong to values of this one, constants included."""
        quantities = {d.name: float(values[d.name]) for d in self.derived}
        known = {name: value for name, value in values.items() if name not in quantities}
        return self._solved({**self.base.space.constants, **known}, quantities, self.derived)

    def _solved(
        self, known: dict[str, Any], quantities: dict[str, float], todo: tuple[Derived, ...]
    ) -> list[dict[str, Any]]:
        """Solve for the parameter of the last quantity; for each of its values the others are solved for within."""
        if not todo:
            return [known]
        last, rest = todo[-1], todo[:-1]
        target, name = quantities[last.name], str(last.solve_for)
        theta_at, (units, thetas) = _from_unit(self.base.space[name]), self._nodes[last.name]
        if not rest:
            values = last.along(known, name, thetas) - target

            def difference(x: float) -> float:
                return last.value({**known, name: theta_at(x)}) - target

            roots = scan_roots(difference, units, values, _scale(values, target))
            return [{**known, name: theta_at(x)} for x in roots]

        def inner(theta: float) -> list[dict[str, Any]]:
            return self._solved({**known, name: theta}, quantities, rest)

        def of_branch(theta: float, number: int) -> float:
            solved = inner(theta)
            return last.value(solved[number]) - target if number < len(solved) else math.nan

        at_nodes = [inner(theta) for theta in thetas.tolist()]
        found = []
        for number in range(max(map(len, at_nodes))):  # the solutions of the others, told apart by their order
            values = np.array([last.value(s[number]) - target if number < len(s) else math.nan for s in at_nodes])
            roots = scan_roots(
                lambda x, number=number: of_branch(theta_at(x), number),  # type: ignore[misc]
                units,
                values,
                _scale(values, target),
            )
            for x in roots:
                solved = inner(theta_at(x))
                found += solved[number : number + 1]
        return found

    def preimages(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the original problem that belong to one of this one, shape (number of solutions, dimension)."""
        free = self.base.space.free
        found = [
            self.base.space.to_theta({name: solution[name] for name in free})
            for solution in self.solutions(self.space.to_values(theta))
        ]
        return np.array(found).reshape(-1, len(free))

    def from_base(self, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the original problem in the coordinates of this one; NaN where they are not in its box."""
        found = np.full((len(thetas), self.space.dimension), np.nan)
        for row, theta in enumerate(thetas):
            values = self.base.space.to_values(theta)
            values |= {d.name: d.value(values) for d in self.derived}
            if all(d.lower <= values[d.name] <= d.upper for d in self.derived):  # type: ignore[operator]  # floats
                found[row] = [self.space[name].encode(values[name]) for name in self.space.free]
        return found

    def tangent(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives of the original coordinates with respect to these, all in their unit boxes, at a solution.

        Parameters
        ----------
        theta
            A point of the original problem.

        Returns
        -------
        NDArray
            Shape (dimension of the original problem, dimension); zero for discrete coordinates, NaN or infinite where
            the quantity does not determine the parameter that is solved for.
        """
        base, own = self.base.space, self.space
        slopes = self._slopes(theta)
        solved = [base.index(str(d.solve_for)) for d in self.derived]
        found = np.zeros((base.dimension, own.dimension))
        with np.errstate(all="ignore"):
            inverse = _inverse(slopes[:, solved])
            for column, name in enumerate(own.free):
                if own[name].n_values is not None:
                    continue
                quantity = [i for i, d in enumerate(self.derived) if d.name == name]
                if quantity:
                    width = self.derived[quantity[0]].upper - self.derived[quantity[0]].lower
                    found[solved, column] = inverse[:, quantity[0]] * width
                else:
                    found[base.index(name), column] = 1.0
                    found[solved, column] = -inverse @ slopes[:, base.index(name)]
        return found

    def _slopes(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives of the quantities in the unit box of the original problem, shape (quantities, dimension)."""
        space = self.base.space
        u = space.to_unit(theta)
        found = np.zeros((len(self.derived), space.dimension))
        for column in np.flatnonzero(space.is_continuous).tolist():
            ends = [u.copy(), u.copy()]
            ends[0][column], ends[1][column] = max(u[column] - _STEP, 0.0), min(u[column] + _STEP, 1.0)
            behind, ahead = (space.to_values(space.from_unit(end)) for end in ends)
            for row, d in enumerate(self.derived):
                found[row, column] = (d.value(ahead) - d.value(behind)) / (ends[1][column] - ends[0][column])
        return found

    def carried(
        self, u: NDArray[np.float64], curvature: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """An optimum of the original problem here: its place in the unit box, and its curvature.

        Parameters
        ----------
        u, curvature
            Place in the unit box of the original problem, and minus the Hessian over its continuous coordinates.

        Returns
        -------
        tuple or None
            None if it lies outside the intervals of the derived quantities.
        """
        theta = self.base.space.from_unit(u)
        here = self.from_base(theta[None, :])[0]
        if not np.isfinite(here).all():
            return None
        tangent = self.tangent(theta)[np.ix_(self.base.space.is_continuous, self.space.is_continuous)]
        moved = tangent.T @ curvature @ tangent
        if not np.isfinite(moved).all():
            moved = np.eye(len(moved)) * float(np.abs(np.diag(curvature)).max())
        return self.space.to_unit(here), moved


def _from_unit(domain: Domain) -> Callable[[float], float]:
    """From the unit interval to theta; the quick way for one number at a time."""
    if not isinstance(domain, Real):
        raise InvalidProblemError(f"expected a real parameter, got {domain!r}")
    lower, upper = domain.lower, domain.upper
    if domain.scale == "log":
        width = math.log(upper / lower)
        return lambda x: min(max(lower * math.exp(x * width), lower), upper)
    return lambda x: min(max(lower + x * (upper - lower), lower), upper)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where there is none."""
    try:
        return np.asarray(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        return np.full(matrix.shape, np.nan)


def _scale(values: NDArray[np.float64], target: float) -> float:
    """Size of the numbers whose difference is taken."""
    finite = np.abs(values[np.isfinite(values)])
    return max(abs(target), float(np.median(finite)) if len(finite) else 0.0, 1e-300)
