r"""Jacobians of residuals that are functions of JAX: exact, and for the price of a few residuals.

A residual that is written with ``jax.numpy`` can be differentiated without its author doing anything. The derivatives
are taken in forward mode, one direction for every parameter side by side, compiled once in every process: there are
more residuals than parameters, and forward mode costs in proportion to the parameters.

A residual is taken for one of JAX when it returns a ``jax.Array`` at a point and can be traced there, that is without
conversions to NumPy or to numbers of Python. JAX is never imported for the sake of finding out.

Derivatives of a function that chooses between branches (``jnp.where``) may be NaN where the function itself is finite,
since the branch that was not taken is differentiated too. Such columns are taken by forward differences.
"""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wilks.core.least_squares import ResidualProblem
from wilks.evaluation.answers import attempt
from wilks.evaluation.finite_differences import forward_steps
from wilks.solvers.mentions import mentions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from wilks.core.problem import Function, Problem
    from wilks.core.space import Space

_STEP = 1e-7  # of the box, as in `solvers.jacobian`


class JaxAnswer(NamedTuple):
    """Whether JAX differentiates a residual."""

    jacobian: JaxJacobian | None
    """The Jacobian; None when there is none."""
    reason: str
    """Why there is none, or what its digits suffer from; empty when there is nothing to say."""


@dataclass
class JaxJacobian:
    """Derivatives of a residual by JAX; a function of a dictionary of values, as `ResidualProblem` takes it.

    It travels to other processes without what was compiled, and brings the precision along that JAX was set to.

    Attributes
    ----------
    residual
        The user's function.
    space
        Its parameters, and what is constant.
    columns, n_columns
        Columns of the free parameters, and how many there are: a problem that was made by `fix` has fewer free
        parameters than its root, for which derivatives are given. The others are zero.
    x64
        Does JAX calculate with 64 bits?
    """

    residual: Function
    space: Space
    columns: tuple[int, ...]
    n_columns: int
    x64: bool
    _compiled: Callable[..., Any] | None = field(default=None, repr=False, compare=False)

    def __call__(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return the derivatives, shape (number of residuals, `n_columns`)."""
        if self._compiled is None:
            import jax  # noqa: PLC0415 - by now the user's residual has imported it

            self._compiled = jax.jit(jax.jacfwd(self.of_array))
        point = np.array([float(values[name]) for name in self.space.free])
        jacobian = np.asarray(self._compiled(point), dtype=float)
        if not np.isfinite(jacobian.sum()):  # quicker than to look at every entry
            jacobian = self._repaired(jacobian, point)
        if len(self.columns) == self.n_columns:
            return jacobian
        whole = np.zeros((len(jacobian), self.n_columns))
        whole[:, list(self.columns)] = jacobian
        return whole

    def of_array(self, point: Any) -> Any:  # noqa: ANN401 - an array, or what JAX traces in the place of one
        """Residual as a function of the free parameters as one array."""
        moved = {name: point[column] for column, name in enumerate(self.space.free)}
        constants = self.space.constants
        return self.residual({name: moved[name] if name in moved else constants[name] for name in self.space.names})

    def _repaired(self, jacobian: NDArray[np.float64], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Forward differences for the columns that are not finite."""
        whole = jacobian.copy()  # what JAX returns cannot be written to
        u = self.space.to_unit(theta)
        moved = self.space.from_unit(u + forward_steps(u, _STEP))
        centre = np.asarray(self.residual(self.space.to_values(theta)), dtype=float)
        for column in np.flatnonzero(~np.isfinite(jacobian).all(axis=0)):
            point = theta.copy()
            point[column] = moved[column]
            there = np.asarray(self.residual(self.space.to_values(point)), dtype=float)
            whole[:, column] = (there - centre) / (moved[column] - theta[column])
        return whole

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was compiled."""
        return {**self.__dict__, "_compiled": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set JAX to the precision that the answers had where this came from."""
        self.__dict__.update(state)
        if self.x64:
            import jax  # noqa: PLC0415 - as above

            jax.config.update("jax_enable_x64", True)


# A problem that is fitted again needs no second compilation. The Jacobians do not hold the problems themselves.
_KNOWN: weakref.WeakKeyDictionary[Problem, JaxAnswer] = weakref.WeakKeyDictionary()


def jax_jacobian(problem: Problem, theta: NDArray[np.float64]) -> JaxAnswer:
    """Jacobian of a residual that is a function of JAX, if it is one.

    The residual is called once, at `theta`, when its code speaks of JAX, and the problem has no Jacobian of its own.

    Parameters
    ----------
    problem
        Of any kind; `ResidualProblem.with_jacobian` takes the answer.
    theta
        A point of it, shape (dimension,).

    Examples
    --------
    >>> from wilks.core.parameter import Real
    >>> from wilks.core.space import Space
    >>> problem = ResidualProblem(Space(a=Real(0, 1)), lambda v: np.array([v["a"]]), jacobian=lambda v: np.eye(1))
    >>> jax_jacobian(problem, np.array([0.5]))
    JaxAnswer(jacobian=None, reason='the problem has a Jacobian')
    """
    reason = _unfit(problem)
    jax = sys.modules.get("jax")
    if reason or jax is None or not isinstance(problem, ResidualProblem):
        return JaxAnswer(None, reason or "JAX has not been imported")
    x64 = bool(jax.config.jax_enable_x64)
    known = _KNOWN.get(problem)
    if known is not None and known.jacobian is not None and known.jacobian.x64 == x64:
        return known
    if not mentions(problem.residual, "jax"):
        return JaxAnswer(None, "the code of the residual does not speak of JAX")
    answer, error = attempt(problem.residual, problem.space.to_values(theta))
    if error or not isinstance(answer, jax.Array):
        return JaxAnswer(None, error or f"the residual returns no jax.Array, but a {type(answer).__name__}")
    columns = tuple(problem.root_columns())
    jacobian = JaxJacobian(problem.residual, problem.space, columns, problem.root.space.dimension, x64)
    traced, error = attempt(jax.eval_shape, jax.jacfwd(jacobian.of_array), theta)
    if error:
        return JaxAnswer(None, f"the residual cannot be traced by JAX: {error}")
    if answer.ndim != 1 or traced.shape != (*answer.shape, len(theta)):
        return JaxAnswer(None, f"expected a 1-D array with derivatives of shape (n, {len(theta)}), got {traced.shape}")
    _KNOWN[problem] = found = JaxAnswer(jacobian, _lack_of_digits(str(answer.dtype), jacobian))
    return found


def _unfit(problem: Problem) -> str:
    """Why JAX is not asked."""
    if not isinstance(problem, ResidualProblem):
        return "the problem has no residual"
    if problem.jacobian is not None:
        return "the problem has a Jacobian"
    if problem.chunked:
        return "the data come in chunks"
    space = problem.space
    discrete = [name for name, real in zip(space.free, space.is_continuous, strict=True) if not real]
    return f"there are no derivatives over discrete parameters: {', '.join(discrete)}" if discrete else ""


def _lack_of_digits(dtype: str, jacobian: JaxJacobian) -> str:
    if dtype == "float64":
        return ""
    cure = (
        "the data or a constant of the residual are so"
        if jacobian.x64
        else "JAX's 64 bits are off: jax.config.update('jax_enable_x64', True), before any array is made, sets them"
    )
    return (
        f"the residual is of {dtype}: the Jacobian is good to seven digits, where differences would be useless, and "
        f"the best point to no more; {cure}"
    )
