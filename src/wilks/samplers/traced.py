"""Log-likelihoods that are written for JAX, as functions that JAX can trace and differentiate.

A likelihood, or a residual, is taken for one of JAX when it can be traced with 64 bits, that is without conversions to
NumPy or to numbers of Python. JAX is not imported here: a function that is written for it has imported it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.core.least_squares import ResidualProblem
from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.evaluation.answers import attempt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.loss import Loss
    from wilks.core.problem import Problem


@dataclass(frozen=True)
class TracedLikelihood:
    """Log-likelihood over theta, shape (d,), for JAX; minus infinity where a constraint does not hold."""

    problem: LikelihoodProblem | ResidualProblem

    def __call__(self, theta: Any) -> Any:  # noqa: ANN401 - what JAX traces
        """Return one number."""
        jnp = sys.modules["jax.numpy"]
        problem = self.problem
        value = self._value(self._values(theta, several=problem.vectorized))
        for constraint in problem.constraints:
            value = jnp.where(constraint(self._values(theta, several=False)), value, -jnp.inf)
        return value

    def _values(self, theta: Any, *, several: bool) -> dict[str, Any]:  # noqa: ANN401 - as above
        space = self.problem.space
        moved = {name: theta[i : i + 1] if several else theta[i] for i, name in enumerate(space.free)}
        constants = space.constants
        return {name: moved[name] if name in moved else constants[name] for name in space.names}

    def _value(self, values: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
        jnp = sys.modules["jax.numpy"]
        problem = self.problem
        if isinstance(problem, LikelihoodProblem):
            answer = problem.log_likelihood(values)
            return jnp.asarray(answer[0] if problem.vectorized else answer, dtype=float)
        residual = jnp.asarray(problem.residual(values), dtype=float)
        return -0.5 * problem.loss.scale**2 * jnp.sum(_rho(problem.loss, residual))


def _rho(loss: Loss, residual: Any) -> Any:  # noqa: ANN401 - as above
    """Loss of every residual, in units of the scale squared; the formulas of `core.loss.Loss`."""
    jnp = sys.modules["jax.numpy"]
    z = (residual / loss.scale) ** 2
    if loss.name == "soft_l1":
        return 2.0 * (jnp.sqrt(1.0 + z) - 1.0)
    if loss.name == "huber":
        return jnp.where(z <= 1.0, z, 2.0 * jnp.sqrt(jnp.maximum(z, 1.0)) - 1.0)
    if loss.name == "cauchy":
        return jnp.log1p(z)
    return jnp.arctan(z) if loss.name == "arctan" else z


def traced_likelihood(problem: Problem, theta: NDArray[np.float64]) -> TracedLikelihood | str:
    """Log-likelihood of a problem for JAX, or why there is none.

    Parameters
    ----------
    problem
        Of any kind.
    theta
        A point of it, shape (d,).

    Examples
    --------
    >>> import numpy as np, wilks
    >>> problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(0, 1), n=wilks.Integer(0, 3)), lambda v: v["a"])
    >>> traced_likelihood(problem, np.array([0.5, 1.0]))
    'n is no real parameter'
    """
    others = [name for name in problem.space.free if not isinstance(problem.space[name], Real)]
    if others:
        return f"{', '.join(others)} is no real parameter"
    if not isinstance(problem, (LikelihoodProblem, ResidualProblem)):
        return f"a {type(problem).__name__} hides its function"
    if isinstance(problem, ResidualProblem) and problem.chunked:
        return "the data come in chunks"
    jax = sys.modules.get("jax")
    if jax is None:
        return "JAX has not been imported"
    likelihood = TracedLikelihood(problem)
    with jax.enable_x64(True):
        traced, error = attempt(jax.eval_shape, jax.value_and_grad(likelihood), theta)
    if error:
        return f"it cannot be traced by JAX: {error}"
    return likelihood if traced[0].shape == () else f"expected one number, got an array of shape {traced[0].shape}"
