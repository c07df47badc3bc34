"""What a fit looks at before it begins: declared linear parameters, and a Jacobian that can be had for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidProblemError, StopRun
from wilks.core.least_squares import ResidualProblem
from wilks.core.result import Step
from wilks.core.status import Outcome
from wilks.solvers.autodiff import jax_jacobian
from wilks.solvers.linearity_check import LinearityCheck
from wilks.verbs.local_solvers import linear_names, loss_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.status import Status
    from wilks.verbs.context import Context

_ALMOST = ("the residual cannot be traced", "expected")
"""How the reasons begin why JAX fails at a residual that does return one of its arrays."""


def checked_linear(context: Context, given: NDArray[np.float64]) -> Status | None:
    """Look whether the declared linear parameters are linear, at the price of four evaluations.

    Returns
    -------
    Status or None
        How the check ended, if it was from outside.

    Raises
    ------
    InvalidProblemError
        If one of them is not.
    """
    names = linear_names(context.problem)
    if not names:
        loss = loss_of(context.problem)
        if isinstance(context.problem, ResidualProblem) and context.problem.linear and not loss.is_linear:
            detail = f"moved as all others: with the loss {loss.name!r} a projection would not be exact"
            context.steps.append(Step("linear parameters", detail))
        return None
    title = f"check of the linear parameters of {context.problem.name}"
    outcomes = context.run(LinearityCheck(names), title, given, given)
    if outcomes.status.outcome is not Outcome.CONVERGED:
        return outcomes.status
    if outcomes.state.message:
        raise InvalidProblemError(f"{context.verb}: {outcomes.state.message}")
    seen = "linear along a line through the box" if outcomes.state.failed is False else "nothing could be compared"
    context.steps.append(Step("check of linear parameters", f"{', '.join(names)}: {seen}", outcomes.run.n_evaluations))
    return None


def use_autodiff(context: Context, given: NDArray[np.float64]) -> None:
    """Let JAX take the Jacobian of a residual that is one of its functions; what is done is recorded.

    A residual that asks to stop is not looked at any further: the run that follows calls it again, and ends as such a
    run does.
    """
    problem = context.problem
    theta = problem.space.from_unit(given[0] if len(given) else np.full(problem.space.dimension, 0.5))
    try:
        found = jax_jacobian(problem, theta)
    except StopRun:
        return
    if found.jacobian is None:
        if found.reason.startswith(_ALMOST):
            context.steps.append(Step("Jacobian", f"by differences: {found.reason}"))
        return
    assert isinstance(problem, ResidualProblem)  # noqa: S101 - no other has a Jacobian
    context.problem = problem.with_jacobian(found.jacobian)
    warning = f"; {found.reason}" if found.reason else ""
    context.steps.append(Step("Jacobian", f"by automatic differentiation with JAX, forward mode{warning}"))
