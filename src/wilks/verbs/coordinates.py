"""Coordinates of a map: the parameters of the problem, or derived quantities in the place of some of them.

The optima are always those of the original problem, where the box has no walls but its faces. Only the map itself is
made in derived coordinates, and its answers are given in the original parameters again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.derived import Derived, DerivedProblem, with_derived
from wilks.core.errors import InvalidConfigurationError
from wilks.loop.reparametrised import Reparametrised, original_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.algorithm import Algorithm
    from wilks.core.parameter import Value
    from wilks.core.problem import Problem
    from wilks.core.space import Space
    from wilks.profiles.state import Optimum


@dataclass(frozen=True)
class MapCoordinates:
    """Where a map is made.

    Attributes
    ----------
    problem
        The original problem.
    derived
        The same in derived coordinates; None when all profiled parameters are parameters.
    names
        Names of the profiled parameters and quantities.
    asked
        The quantities as they were given.
    """

    problem: Problem
    derived: DerivedProblem | None
    names: tuple[str, ...]
    asked: tuple[Derived, ...] = ()

    @classmethod
    def of(cls, problem: Problem, over: str | Derived | Sequence[str | Derived]) -> MapCoordinates:
        """Take the names and the derived quantities of ``over=``."""
        several = (over,) if isinstance(over, (str, Derived)) else tuple(over)
        quantities = tuple(item for item in several if isinstance(item, Derived))
        names = tuple(item.name if isinstance(item, Derived) else item for item in several)
        if not quantities:
            return cls(problem, None, names)
        clash = sorted({item.solve_for for item in quantities if item.solve_for} & set(names))
        if clash:
            raise InvalidConfigurationError(
                f"over: {', '.join(map(repr, clash))} is profiled itself, so no derived quantity can take its place; "
                "choose another solve_for"
            )
        return cls(problem, with_derived(problem, quantities, keep=names), names, quantities)

    def suited(self, optima: Sequence[Optimum]) -> MapCoordinates:
        """The same, solved for the parameters that suit the neighbourhood of the best optimum."""
        if self.derived is None or not optima:
            return self
        best = max(optima, key=lambda optimum: optimum.value)
        continuous = np.flatnonzero(self.problem.space.is_continuous)
        errors = np.zeros(len(best.u))
        errors[continuous] = 1.0 / np.sqrt(np.maximum(np.diag(best.curvature), 1.0))
        return replace(self, derived=with_derived(self.problem, self.asked, keep=self.names, near=(best.u, errors)))

    @property
    def space(self) -> Space:
        """The space in which the map is made; its axes are the same whatever is solved for."""
        return self.problem.space if self.derived is None else self.derived.space

    @property
    def report_space(self) -> Space:
        """The space of the result: all parameters, and the derived quantities."""
        return self.problem.space if self.derived is None else self.derived.report_space

    @property
    def fingerprint(self) -> str:
        """Identifies the coordinates."""
        return (self.derived or self.problem).fingerprint

    def detail(self) -> str:
        """What was solved for, in words; empty when nothing was."""
        if self.derived is None:
            return ""
        return "; ".join(f"{d.name} in the place of {d.solve_for}" for d in self.derived.derived)

    def algorithm(self, plan: Algorithm[Any]) -> Algorithm[Any]:
        """The algorithm as it is driven on the original problem."""
        return plan if self.derived is None else Reparametrised(plan, self.derived)

    def state(self, outer: Any) -> Any:  # noqa: ANN401 - the state of whatever algorithm
        """The algorithm's own state, from that of the driven one."""
        return outer if self.derived is None else outer.inner

    def optima(self, optima: Sequence[Optimum]) -> tuple[Optimum, ...]:
        """Optima of the original problem in these coordinates, best first.

        Raises
        ------
        InvalidConfigurationError
            If the best one lies outside the interval of a derived quantity.
        """
        if self.derived is None:
            return tuple(optima)
        found = []
        for optimum in sorted(optima, key=lambda optimum: -optimum.value):
            here = self.derived.carried(optimum.u, optimum.curvature)
            if here is not None:
                found.append(replace(optimum, u=here[0], curvature=here[1], reliable=False))
            elif not found:
                raise InvalidConfigurationError(self._outside(optimum.u))
        return tuple(found)

    def _outside(self, u: NDArray[np.float64]) -> str:
        space = self.problem.space
        values = space.to_values(space.from_unit(u))
        derived = self.derived.derived if self.derived else ()
        at = ", ".join(f"{d.name}={d.value(values):.6g} (interval {d.lower:g} to {d.upper:g})" for d in derived)
        return (
            f"over: the best point lies outside the interval of a derived quantity: {at}; widen it, and give the nodes "
            "of a part of it as grid"
        )

    def originals(self, outer: Any, thetas: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ANN401 - as above
        """Points of the map in the original coordinates."""
        return thetas if self.derived is None else original_points(self.derived, outer, thetas)

    def best(self, outer: Any, theta: NDArray[np.float64]) -> dict[str, Value]:  # noqa: ANN401 - as above
        """Values of a point of the map: original parameters, then derived quantities."""
        if self.derived is None:
            return self.problem.space.to_values(theta)
        row = self.originals(outer, theta[None, :])[0]
        if not np.isfinite(row).all():
            return {}
        values = self.problem.space.to_values(row)
        at = self.derived.space.to_values(theta)
        return values | {d.name: at[d.name] for d in self.derived.derived}

    def argmax(
        self,
        outer: Any,  # noqa: ANN401 - as above
        thetas: NDArray[np.float64],
    ) -> dict[str, NDArray[np.float64]]:
        """Values (theta) of all original parameters that are not profiled, at points of the map, shape (n,) each."""
        rows = self.originals(outer, thetas)
        free = self.problem.space.free
        return {name: rows[:, column] for column, name in enumerate(free) if name not in self.names}
