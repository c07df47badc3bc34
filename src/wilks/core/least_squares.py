r"""Least-squares problems: the log-likelihood is minus half the sum of squared residuals, or of a loss of them.

A solver needs of a point only what its residual vector r and its Jacobian J say together, and that fits into a few
rows: with any orthogonal Q, the rows :math:`(\tilde r, \tilde J) = Q^T (r, J)` have the same sums of squares and
products. `FactoredProblem` delivers such rows directly, from data that may be read piece by piece.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.loss import as_loss
from wilks.core.parameter import Real
from wilks.core.problem import Problem, name_of, require_callable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.loss import Loss
    from wilks.core.parameter import Value
    from wilks.core.problem import Function, Values
    from wilks.core.proposal import Want
    from wilks.core.space import Space


class Retraction(Protocol):
    """Where the steps of a solver lead to: along a curve, where straight ones leave the valley of chi-squared."""

    def __call__(self, u: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a point of the unit box that agrees with ``u + step`` to first order."""
        ...


class LeastSquaresProblem(Problem):
    """A problem whose log-likelihood is a sum of squares: solved by Levenberg-Marquardt."""

    vectorized = False

    def supports(self, want: Want) -> bool:
        """Values and residuals."""
        return want in ("value", "residual")

    @abstractmethod
    def log_likelihood(self, values: Values) -> float:
        """Minus half the sum of squared residuals."""

    @abstractmethod
    def n_data(self, values: Values) -> int:
        """Return the number of residuals at a point."""


class FactoredProblem(LeastSquaresProblem):
    """A least-squares problem that hands out factors instead of residuals.

    A subclass does its own arithmetic over the data, in whatever pieces and from wherever it likes.
    """

    @abstractmethod
    def factor(self, values: Values) -> tuple[float, NDArray[np.float64]]:
        """Return the log-likelihood, and rows (residual | Jacobian) with the sums of squares and products of the whole.

        Shape (k, 1 + number of free parameters of the root), with any k; columns in the order of the root's space.
        """

    def curved_steps(self, held: Sequence[str]) -> Retraction | None:  # noqa: ARG002 - for subclasses
        """Steps in the box of the free parameters without those that are `held`; None if they are straight."""
        return None


class ResidualProblem(LeastSquaresProblem):
    r"""Residuals on a space; the log-likelihood is minus half their sum of squares, or what a loss makes of them.

    Parameters
    ----------
    space
        The parameters.
    residual
        Function of a dictionary of values that returns a 1-D array, (data - model) / sigma.
    jacobian
        Function of the same dictionary that returns the derivatives of the residual, shape
        (number of residuals, number of free parameters), in the order of the space.
    linear
        Names of parameters in which the residual is affine when the others are given: amplitudes, offsets. A fit then
        solves them exactly at every step and searches among the others only (variable projection), which needs fewer
        steps and no start values for them. They are continuous, and not on a log scale. What is fixed drops out.
    loss
        ``"linear"``, ``"soft_l1"``, ``"huber"``, ``"cauchy"``, ``"arctan"``, or a `Loss` with a scale: how much of a
        large residual counts. Standard errors fit the loss.
    chunked
        The data come piece by piece: `residual` is a generator function, or returns any iterable of 1-D arrays, and
        `jacobian` one of matrices with the same numbers of rows. Data that do not fit into memory are gone through
        once for every point, and a few rows are kept (`wilks.core.tsqr`). Without a Jacobian, the generators of a
        point and of one shifted point for every parameter run side by side.
    constraints, name
        As for `LikelihoodProblem`.

    Raises
    ------
    InvalidProblemError
        If `space` is not a Space, a function cannot be called, the loss is unknown, or a parameter in `linear` is
        unknown, discrete or on a log scale.

    Examples
    --------
    >>> import numpy as np, wilks
    >>> x = np.arange(4.0)
    >>> space = wilks.Space(slope=wilks.Real(-5, 5))
    >>> problem = wilks.ResidualProblem(space, lambda v: (2.0 * x - v["slope"] * x) / 0.1)
    >>> problem.log_likelihood({"slope": 2.0}) == 0.0
    True

    A residual far away counts in proportion to its size, not to its square:

    >>> robust = wilks.ResidualProblem(space, problem.residual, loss="soft_l1")
    >>> problem.log_likelihood({"slope": 3.0}), robust.log_likelihood({"slope": 3.0})
    (-700.0, -57.09)

    Data that are read piece by piece, here one number at a time:

    >>> def residual(values):
    ...     for number in x:
    ...         yield np.array([(2.0 - values["slope"]) * number / 0.1])
    >>> chunked = wilks.ResidualProblem(space, residual, chunked=True)
    >>> chunked.log_likelihood({"slope": 3.0}), chunked.n_data({"slope": 3.0})
    (-700.0, 4)
    """

    def __init__(
        self,
        space: Space,
        residual: Function,
        *,
        jacobian: Function | None = None,
        linear: Sequence[str] = (),
        loss: str | Loss = "linear",
        chunked: bool = False,
        constraints: Sequence[Function] | Function = (),
        name: str = "",
    ) -> None:
        require_callable(residual, "residual")
        if jacobian is not None:
            require_callable(jacobian, "jacobian")
        super().__init__(space, constraints, name or name_of(residual), None)
        self.residual = residual
        self.jacobian = jacobian
        self.linear = _linear_names(space, linear)
        self.loss = as_loss(loss)
        if not isinstance(chunked, bool):
            raise InvalidProblemError(
                f"chunked: expected True or False, got {chunked!r}; the residual says how long the pieces are"
            )
        self.chunked = chunked

    def fix(self, **values: Value) -> ResidualProblem:
        """Return the same problem with some parameters fixed."""
        return self._relative(self.space.fix(**values), self.jacobian)

    def with_jacobian(self, jacobian: Function) -> ResidualProblem:
        """Return the same problem, to its fingerprint, with derivatives of the residual from another function."""
        relative = self._relative(self.space, jacobian)
        relative.fingerprint = self.fingerprint  # the log-likelihoods are the same
        return relative

    def log_likelihood(self, values: Values) -> float:
        """Minus half the sum of squared residuals, or of what the loss makes of them."""
        return sum(self.loss.value(np.asarray(piece, dtype=float)) for piece in self._pieces(values))

    def n_data(self, values: Values) -> int:
        """Return the number of residuals."""
        return sum(int(np.size(piece)) for piece in self._pieces(values))

    def functions(self) -> tuple[object, ...]:
        """The user's functions, and what else of this kind of problem changes what is done with them."""
        settings = (self.loss.name, self.loss.scale, self.linear, self.chunked)
        plain = self.loss.is_linear and not self.linear and not self.chunked
        return (self.residual, self.jacobian, *(() if plain else settings))

    def _relative(self, space: Space, jacobian: Function | None) -> ResidualProblem:
        relative = ResidualProblem(
            space,
            self.residual,
            jacobian=jacobian,
            linear=self.linear,
            loss=self.loss,
            chunked=self.chunked,
            constraints=self.constraints,
            name=self.name,
        )
        relative.root = self.root
        return relative

    def _pieces(self, values: Values) -> Iterable[ArrayLike]:
        answer: Any = self.residual(values)
        return answer if self.chunked else (answer,)


def _linear_names(space: Space, names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the names that are free; refuse what no residual can be affine in."""
    if isinstance(names, str):
        raise InvalidProblemError(f"linear: expected a sequence of names, got {names!r}; write ({names!r},)")
    for name in names:
        if name not in space.names:
            raise InvalidProblemError(f"linear: {name!r} is no parameter; they are {', '.join(space.names)}")
        if name in space.free and not isinstance(space[name], Real):
            raise InvalidProblemError(f"linear: parameter {name!r} is discrete; expected Real(lower, upper)")
        domain = space[name] if name in space.free else None
        if isinstance(domain, Real) and domain.scale != "linear":
            raise InvalidProblemError(
                f"linear: parameter {name!r} has scale={domain.scale!r}; expected scale='linear', since a residual "
                "that is affine in it is not so in its logarithm"
            )
    return tuple(dict.fromkeys(name for name in names if name in space.free))
