"""The result of a fit, from what its last stage left behind: values, errors, and how far they can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import StopRun
from wilks.core.least_squares import LeastSquaresProblem
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.evaluation.answers import attempt
from wilks.evaluation.squares import known_length
from wilks.solvers.diagnostics import (
    CURVATURE_TRUST,
    UNDISCOVERED,
    Evidence,
    identifiability,
    n_equivalent,
    slopes_at,
)
from wilks.solvers.jacobian import SHORTEST
from wilks.solvers.result import Basin, FitResult, Quality
from wilks.verbs.fit_methods import FitRun, best_basin
from wilks.verbs.local_solvers import has_jacobian, loss_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.searchers.basins import BasinRecord
    from wilks.solvers.covariance import Uncertainty
    from wilks.verbs.context import Context
    from wilks.verbs.fit_options import FitOptions

_NO_QUALITY = Quality(math.nan, math.nan, flag="poor", reasons=("nothing has a finite log-likelihood",))


@dataclass(frozen=True)
class _Measured:
    """A best point with what was measured there.

    Attributes
    ----------
    names
        Continuous free parameters: the coordinates of all that follows.
    units
        Derivatives of the parameters over the unit box.
    found
        Covariance in the unit box; None without second derivatives.
    """

    best: BasinRecord
    names: list[str]
    units: NDArray[np.float64]
    found: Uncertainty | None


def _n_data(context: Context, problem: LeastSquaresProblem, values: dict[str, Any]) -> int | None:
    """Number of residuals, when all answers came from a log; None where the user's function does not answer."""
    context.n_evaluations += 1
    try:
        found: int | None = attempt(problem.n_data, values)[0]
    except StopRun:
        return None
    return found


def fit_result(context: Context, run: FitRun, options: FitOptions, found: Uncertainty | None) -> FitResult:
    """Build the result; `found` is the covariance of the best point, None without second derivatives."""
    state, space, names = run.state, context.problem.space, context.problem.space.free
    best = best_basin(state)
    sigma = np.full((len(names), len(names)), np.nan)
    status, quality, at_bounds = run.outcomes.status, _NO_QUALITY, {}
    values: dict[str, Any] = {}
    chi_squared = dof = None
    if best is not None:
        theta = space.from_unit(best.u)
        values = space.to_values(theta)
        point = _Measured(best, [names[column] for column in state.columns], space.slope(theta)[state.columns], found)
        if found is not None:
            with np.errstate(invalid="ignore"):
                covariance = found.covariance * np.outer(point.units, point.units)
            sigma[np.ix_(state.columns, state.columns)] = covariance
            at_bounds = {n: "lower" if h < 0 else "upper" for n, h in zip(point.names, found.held, strict=True) if h}
        if isinstance(context.problem, LeastSquaresProblem):
            chi_squared = -2.0 * best.value
            n_data = (
                run.outcomes.run.n_data or known_length(context.problem) or _n_data(context, context.problem, values)
            )
            dof = None if n_data is None else n_data - (len(names) - len(at_bounds))
        sigma = _with_estimated_sigma(context, options, sigma, chi_squared, dof)
        status, quality = _judged(context, run, options, point, chi_squared, dof)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(sigma))
    return FitResult(
        space=space,
        status=status,
        best=values,
        log_likelihood=best.value if best is not None else -math.inf,
        n_evaluations=context.n_evaluations,
        stats=context.stats,
        provenance=context.provenance(),
        log=context.log,
        names=names,
        standard_errors=dict(zip(names, errors.tolist(), strict=True)),
        covariance=sigma,
        quality=_with_significance(quality, values, dict(zip(names, errors.tolist(), strict=True))),
        at_bounds=at_bounds,
        basins=tuple(Basin(space.to_values(space.from_unit(b.u)), b.value, b.n_hits) for b in state.basins),
        chi_squared=chi_squared,
        dof=dof,
    )


def _with_estimated_sigma(
    context: Context,
    options: FitOptions,
    covariance: NDArray[np.float64],
    chi_squared: float | None,
    dof: int | None,
) -> NDArray[np.float64]:
    """The covariance, for the standard deviation of the data that the fit itself says, if theirs is not known."""
    if options.sigma_known or chi_squared is None or dof is None:
        return covariance
    if not loss_of(context.problem).is_linear:
        context.steps.append(
            Step("standard errors", "those of a robust loss need no sigma: sigma_known=False changes nothing")
        )
        return covariance
    if dof <= 0:
        detail = f"unknown: sigma_known=False, and {dof} degrees of freedom do not tell it"
        context.steps.append(Step("standard errors", detail))
        return np.where(np.isinf(covariance), covariance, np.nan)
    reduced = chi_squared / dof
    detail = f"multiplied by {math.sqrt(reduced):.4g}, the root of the reduced chi-squared: sigma_known=False"
    context.steps.append(Step("standard errors", detail))
    with np.errstate(invalid="ignore"):
        return np.asarray(covariance * reduced)


def _judged(
    context: Context,
    run: FitRun,
    options: FitOptions,
    point: _Measured,
    chi_squared: float | None,
    dof: int | None,
) -> tuple[Status, Quality]:
    """How the fit ended, and what its numbers are worth."""
    best, found, state = point.best, point.found, run.state
    status, flat = run.outcomes.status, _flat_directions(point)
    undiscovered = math.nan if run.method == "cma_es" else run.search.undiscovered(state)
    warnings = _warnings(run, point, flat, undiscovered)
    if status.outcome is Outcome.CONVERGED and found is not None and found.saddle:
        status = Status(Outcome.NOT_CONVERGED, " ".join(warnings))
    points, values = [b.u for b in state.basins], [b.value for b in state.basins]
    says = chi_squared is not None and dof is not None and options.sigma_known and loss_of(context.problem).is_linear
    evidence = Evidence(
        ended="" if status.success else status.message.rstrip("."),
        uncertainty=found,
        names=point.names,
        remaining_gain=best.promise,
        curvature_error=best.curvature_error,
        undiscovered=math.nan if run.given_only else undiscovered,
        chi_squared=(chi_squared, dof) if says and chi_squared is not None and dof is not None else None,
        n_equivalent=n_equivalent(points, values),
        resolution=_resolution(context.problem),
    )
    findings = evidence.findings()
    warnings += [f"{finding.text[0].upper()}{finding.text[1:]}." for finding in findings if finding.warns]
    slopes = slopes_at(
        point.names,
        best.gradient,
        best.curvature if best.measured is None else best.measured,
        point.units,
        np.zeros(len(point.names), dtype=np.int8) if found is None else found.held,
    )
    return status, Quality(
        remaining_gain=best.promise,
        condition_number=math.nan if found is None else found.condition,
        flat_directions=tuple(flat),
        curvature_error=best.curvature_error,
        undiscovered=undiscovered,
        warnings=tuple(warnings),
        flag=findings[0].flag if findings else "good",
        reasons=tuple(finding.text for finding in findings),
        degenerate=evidence.n_equivalent > 0,
        identifiable=identifiability(context.problem.space, state.columns, found),
        sensitivity=slopes.sensitivity,
        imbalance=slopes.imbalance,
        scaled_gradient=slopes.scaled_gradient,
    )


def _resolution(problem: Problem) -> float:
    """Least standard error, as a fraction of the box, that differences can tell; 0 without differences."""
    by_differences = isinstance(problem, LeastSquaresProblem) and not has_jacobian(problem)
    return 0.1 * SHORTEST if by_differences else 0.0


def _flat_directions(point: _Measured) -> list[dict[str, float]]:
    flat = []
    for direction in () if point.found is None else point.found.flat:
        scaled = direction * point.units
        weights = scaled / np.abs(scaled).max()
        flat.append({n: round(float(w), 6) for n, w in zip(point.names, weights, strict=True) if w})
    return flat


def _warnings(run: FitRun, point: _Measured, flat: list[dict[str, float]], undiscovered: float) -> list[str]:
    found, best = point.found, point.best
    if found is None:
        return []
    warnings = [
        f"{name} is at its {'lower' if side < 0 else 'upper'} bound: it is held there in the errors of the others."
        for name, side in zip(point.names, found.held, strict=True)
        if side
    ]
    warnings += [f"The likelihood does not determine {' and '.join(d)} within the box: flat direction." for d in flat]
    if math.isnan(found.condition) and not found.held.all():
        warnings.append("The likelihood ends next to the best point: it has no derivatives there, and no errors.")
    if found.saddle:
        warnings.append("The log-likelihood still rises to both sides in some direction: this is no maximum.")
    if best.curvature_error > CURVATURE_TRUST:
        off = f"is not parabolic (the errors are off by {100 * best.curvature_error:.0f} %)"
        how = "ends or does not fall" if math.isinf(best.curvature_error) else off
        warnings.append(
            f"Within one standard error of the best point the log-likelihood {how}: use intervals from wilks.profile."
        )
    if run.given_only:
        warnings.append("Only the given starts were used: there may be a better optimum elsewhere.")
    elif undiscovered > UNDISCOVERED:
        more = "n_refined" if run.method == "screening" else "n_starts"
        warnings.append(
            f"Another start would find a new optimum with probability {undiscovered:.2f} (estimated): "
            f"the global maximum is not certain; raise {more}."
        )
    return warnings


def _with_significance(quality: Quality, values: dict[str, Any], errors: dict[str, float]) -> Quality:
    known = {name: values[name] / error for name, error in errors.items() if values and 0 < error < math.inf}
    return replace(quality, significance=known)
