"""Problems: a space and the user's function. A likelihood knows nothing of priors or of Jacobians.

Least squares are in `wilks.core.least_squares`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.fingerprint import fingerprint
from wilks.core.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.chart import Chart
    from wilks.core.parameter import Value
    from wilks.core.proposal import Want

    Values = Mapping[str, Any]
    Function = Callable[[Values], Any]


class Problem(ABC):
    """What every problem offers; `LikelihoodProblem` and `ResidualProblem` are the kinds that users make.

    A problem made by `fix` remembers its root. Points are logged in the coordinates of the root,
    so all verbs on a problem and on its restrictions can share one log.
    """

    def __init__(
        self, space: Space, constraints: Sequence[Function] | Function, name: str, root: Problem | None
    ) -> None:
        if not isinstance(space, Space):
            raise InvalidProblemError(f"problem: expected a wilks.Space first, got {type(space).__name__}")
        self.space = space
        self.constraints = (constraints,) if callable(constraints) else tuple(constraints)
        for constraint in self.constraints:
            require_callable(constraint, "constraints")
        self.name = name
        self.root: Problem = root or self

    @abstractmethod
    def fix(self, **values: Value) -> Problem:
        """Return the same problem with some parameters fixed."""

    @abstractmethod
    def functions(self) -> tuple[object, ...]:
        """The user's functions, for the fingerprint."""

    @abstractmethod
    def supports(self, want: Want) -> bool:
        """Can a point be evaluated for this?"""

    def chart(self) -> Chart | None:
        """Coordinates in which a posterior is closer to a Gaussian than in the box; None for the box."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the space, the functions and the fixed values; the same in every interpreter."""
        return fingerprint(type(self).__name__, self.space.describe(), *self.functions(), *self.constraints)

    def to_root(self, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of this problem, shape (n, dimension), in the coordinates of its root."""
        if self.root is self:
            return thetas
        full = np.empty((len(thetas), self.root.space.dimension))
        for column, name in enumerate(self.root.space.free):
            if name in self.space.free:
                full[:, column] = thetas[:, self.space.index(name)]
            else:
                full[:, column] = self.root.space[name].encode(self.space.constants[name])
        return full

    def root_columns(self) -> list[int]:
        """Columns of the root's theta that are free here."""
        return [self.root.space.index(name) for name in self.space.free]

    def select(self, answer: Values | ArrayLike, what: str) -> NDArray[np.float64]:
        """Derivatives as the user gave them -> last axis over the free parameters; NaN where none was given."""
        if hasattr(answer, "keys"):
            missing = np.nan
            return np.array([float(answer.get(name, missing)) for name in self.space.free])  # type: ignore[union-attr]
        array = np.asarray(answer, dtype=float)
        expected = self.root.space.dimension
        if array.ndim == 0 or array.shape[-1] != expected:
            raise InvalidProblemError(
                f"{what}: expected {expected} derivatives, in the order {', '.join(self.root.space.free)}, "
                f"got an array of shape {array.shape}; a dictionary by name is accepted for a gradient too"
            )
        return array[..., self.root_columns()]

    def select_gradient(self, answer: Values | ArrayLike) -> NDArray[np.float64]:
        """A gradient as the user gave it -> derivatives over the free parameters, shape (dimension,).

        NaN, for finite differences to fill in, where none was given or it is not finite; zero for discrete parameters,
        which have no derivative.

        Raises
        ------
        InvalidProblemError
            If a name is unknown, or an array has the wrong shape.
        """
        if hasattr(answer, "keys"):
            unknown = [name for name in answer if name not in self.root.space.names]  # type: ignore[union-attr]
            if unknown:
                raise InvalidProblemError(
                    f"gradient: {', '.join(map(repr, unknown))} is no parameter; "
                    f"they are {', '.join(self.root.space.names)}"
                )
        found = self.select(answer, "gradient")
        return np.where(self.space.is_continuous, np.where(np.isfinite(found), found, np.nan), 0.0)

    def __repr__(self) -> str:
        """Return kind, name and parameters."""
        fixed = "".join(f", {name}={value!r}" for name, value in self.space.constants.items())
        return f"<{type(self).__name__} {self.name!r}: {', '.join(self.space.free)}{fixed}>"


class LikelihoodProblem(Problem):
    """A log-likelihood on a space.

    Parameters
    ----------
    space
        The parameters.
    log_likelihood
        Function of a dictionary of values that returns one float: the natural logarithm of the likelihood, up to
        a constant. Minus infinity means that the likelihood is zero there.
    gradient
        Function of the same dictionary that returns the derivatives of the log-likelihood with respect to the
        values: a dictionary by name, or an array over the free parameters in order. Names that are left out, and
        NaN, are filled in by finite differences; so are all of them at a point where it raises or returns something
        else, and the result says so.
    constraints
        Functions of the dictionary that return True where the point is allowed; elsewhere the likelihood is
        never called.
    vectorized
        The log-likelihood takes a dictionary of arrays of shape (n,) and returns an array of shape (n,).
    name
        For reports; the function's name by default.

    Raises
    ------
    InvalidProblemError
        If `space` is not a Space or a function cannot be called.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2))
    >>> problem.log_likelihood({"a": 1.0, "b": 1.0})
    -0.5
    >>> problem.fix(b=1.0).space.free
    ('a',)
    """

    def __init__(
        self,
        space: Space,
        log_likelihood: Function,
        *,
        gradient: Function | None = None,
        constraints: Sequence[Function] | Function = (),
        vectorized: bool = False,
        name: str = "",
        _root: Problem | None = None,
    ) -> None:
        require_callable(log_likelihood, "log_likelihood")
        if gradient is not None:
            require_callable(gradient, "gradient")
        super().__init__(space, constraints, name or name_of(log_likelihood), _root)
        self.log_likelihood = log_likelihood
        self.gradient = gradient
        self.vectorized = vectorized

    def fix(self, **values: Value) -> LikelihoodProblem:
        """Return the same problem with some parameters fixed."""
        return LikelihoodProblem(
            self.space.fix(**values),
            self.log_likelihood,
            gradient=self.gradient,
            constraints=self.constraints,
            vectorized=self.vectorized,
            name=self.name,
            _root=self.root,
        )

    def functions(self) -> tuple[object, ...]:
        """The user's functions."""
        return (self.log_likelihood, self.gradient)

    def supports(self, want: Want) -> bool:
        """Values always, gradients when a gradient was given."""
        return want == "value" or (want == "gradient" and self.gradient is not None)


def require_callable(function: object, name: str) -> None:
    """Refuse what cannot be called."""
    if not callable(function):
        raise InvalidProblemError(f"{name}: expected a function of a dictionary of values, got {function!r}")


def name_of(function: object) -> str:
    """Name of a function, for reports."""
    name = getattr(function, "__name__", type(function).__name__)
    return "unnamed" if name == "<lambda>" else str(name)
