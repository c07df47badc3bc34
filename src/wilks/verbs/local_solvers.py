"""Which local solvers fit a problem: what its residuals, its loss and its linear parameters ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wilks.core.least_squares import FactoredProblem, LeastSquaresProblem, ResidualProblem
from wilks.core.loss import Loss
from wilks.core.problem import LikelihoodProblem
from wilks.solvers.damped import Damped
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton
from wilks.solvers.retracted import Retracted
from wilks.verbs.fit_options import FitOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.core.algorithm import LocalSolver
    from wilks.core.problem import Problem

_TOLERANCE, _POLISH_TOLERANCE = 1e-3, 1e-9
_RESIDUAL_TOLERANCE = 1e-15  # rounding sets the limit
_ITERATIONS, _POLISH_ITERATIONS = 200, 400
_RESIDUAL_ITERATIONS, _RESIDUAL_POLISH_ITERATIONS = 400, 1000
_DEFAULTS = FitOptions()


def local_solvers(problem: Problem, options: FitOptions = _DEFAULTS) -> tuple[LocalSolver, LocalSolver]:
    """Return the solver of the ascents and the one of the polish that fit the kind of problem.

    Both move all continuous free parameters.
    """
    if isinstance(problem, LeastSquaresProblem):
        local = residual_solver(problem, _TOLERANCE, _RESIDUAL_ITERATIONS, options=options)
        polisher = residual_solver(
            problem, _RESIDUAL_TOLERANCE, _RESIDUAL_POLISH_ITERATIONS, accurate=True, options=options
        )
        scales = _moved_scales(problem, options)
        if any(scales):
            return Damped(local, scales=scales), Damped(polisher, scales=scales)
        return curved(local, problem), curved(polisher, problem)
    use_gradient = isinstance(problem, LikelihoodProblem) and problem.gradient is not None
    return (
        QuasiNewton(_TOLERANCE, _ITERATIONS, use_gradient),
        QuasiNewton(_POLISH_TOLERANCE, _POLISH_ITERATIONS, use_gradient),
    )


def residual_solver(
    problem: LeastSquaresProblem,
    tolerance: float,
    max_iterations: int = _RESIDUAL_ITERATIONS,
    *,
    accurate: bool = False,
    held: Sequence[str] = (),
    options: FitOptions = _DEFAULTS,
) -> LevenbergMarquardt:
    """Levenberg-Marquardt as it suits a problem, for the continuous free parameters without those that are `held`."""
    return LevenbergMarquardt(
        tolerance,
        max_iterations,
        accurate,
        linear=linear_positions(problem, held),
        loss=solver_loss(problem),
        projection=options.projection,
        given=has_jacobian(problem),
    )


def curved(solver: LocalSolver, problem: LeastSquaresProblem, held: Sequence[str] = ()) -> LocalSolver:
    """Return the solver with the curved steps that a problem knows for itself, if it does."""
    steps = problem.curved_steps(held) if isinstance(problem, FactoredProblem) else None
    return solver if steps is None else Retracted(solver, steps)


def has_jacobian(problem: LeastSquaresProblem) -> bool:
    """Does every answer of the problem hold a Jacobian?"""
    if isinstance(problem, ResidualProblem):
        return problem.chunked or problem.jacobian is not None
    return isinstance(problem, FactoredProblem)


def loss_of(problem: Problem) -> Loss:
    """Loss of a problem; ordinary least squares if it has none."""
    return problem.loss if isinstance(problem, ResidualProblem) else Loss()


def solver_loss(problem: LeastSquaresProblem) -> Loss:
    """Loss that the solver applies; the rows of data that are gone through piece by piece are rescaled already."""
    return Loss() if isinstance(problem, ResidualProblem) and problem.chunked else loss_of(problem)


def linear_names(problem: Problem) -> tuple[str, ...]:
    """Free parameters that are solved for; none where the loss is not linear, which makes a projection inexact."""
    if not isinstance(problem, ResidualProblem) or not loss_of(problem).is_linear:
        return ()
    return tuple(name for name in problem.linear if name in problem.space.free)


def linear_positions(problem: Problem, held: Sequence[str] = ()) -> tuple[int, ...]:
    """Positions of the linear parameters among the continuous free parameters without those that are `held`."""
    space = problem.space
    moved = [name for name, real in zip(space.free, space.is_continuous, strict=True) if real and name not in held]
    return tuple(moved.index(name) for name in linear_names(problem) if name in moved)


def _moved_scales(problem: Problem, options: FitOptions) -> tuple[float, ...]:
    """Typical scales of the continuous free parameters in the box, 0 where none was given or nothing is damped."""
    space, scales = problem.space, options.scales(problem.space)
    for name in linear_names(problem):
        scales.pop(name, None)  # it is solved for
    return tuple(scales.get(name, 0.0) for name, real in zip(space.free, space.is_continuous, strict=True) if real)
