r"""Least-squares problems: the log-likelihood is minus half the sum of squared residuals.

A solver needs of a point only what its residual vector r and its Jacobian J say together, and that fits into a few
rows: with any orthogonal Q, the rows :math:`(\tilde r, \tilde J) = Q^T (r, J)` have the same sums of squares and
products. `FactoredProblem` delivers such rows directly, from data that may be read piece by piece.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.problem import Problem, name_of, require_callable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.core.problem import Function, Values
    from wilks.core.proposal import Want
    from wilks.core.space import Space


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


class ResidualProblem(LeastSquaresProblem):
    """Residuals on a space; the log-likelihood is minus half their sum of squares.

    Parameters
    ----------
    space
        The parameters.
    residual
        Function of a dictionary of values that returns a 1-D array, (data - model) / sigma.
    jacobian
        Function of the same dictionary that returns the derivatives of the residual, shape
        (number of residuals, number of free parameters), in the order of the space.
    constraints, name
        As for `LikelihoodProblem`.

    Raises
    ------
    InvalidProblemError
        If `space` is not a Space or a function cannot be called.

    Examples
    --------
    >>> import numpy as np, wilks
    >>> x = np.arange(4.0)
    >>> space = wilks.Space(slope=wilks.Real(-5, 5))
    >>> problem = wilks.ResidualProblem(space, lambda v: (2.0 * x - v["slope"] * x) / 0.1)
    >>> problem.log_likelihood({"slope": 2.0}) == 0.0
    True
    """

    def __init__(
        self,
        space: Space,
        residual: Function,
        *,
        jacobian: Function | None = None,
        constraints: Sequence[Function] | Function = (),
        name: str = "",
        _root: Problem | None = None,
    ) -> None:
        require_callable(residual, "residual")
        if jacobian is not None:
            require_callable(jacobian, "jacobian")
        super().__init__(space, constraints, name or name_of(residual), _root)
        self.residual = residual
        self.jacobian = jacobian

    def fix(self, **values: Value) -> ResidualProblem:
        """Return the same problem with some parameters fixed."""
        return ResidualProblem(
            self.space.fix(**values),
            self.residual,
            jacobian=self.jacobian,
            constraints=self.constraints,
            name=self.name,
            _root=self.root,
        )

    def log_likelihood(self, values: Values) -> float:
        """Minus half the sum of squared residuals."""
        residual = np.asarray(self.residual(values), dtype=float)
        return -0.5 * float(residual @ residual)

    def n_data(self, values: Values) -> int:
        """Return the number of residuals."""
        return int(np.size(self.residual(values)))

    def functions(self) -> tuple[object, ...]:
        """The user's functions."""
        return (self.residual, self.jacobian)
