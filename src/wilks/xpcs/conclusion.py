"""From the end of a fit to its result: errors of all parameters, what is identifiable, and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.status import Outcome
from wilks.solvers.covariance import active_bounds
from wilks.xpcs.diagnostics import Diagnostics, physical_diagnostics
from wilks.xpcs.errors import Spread, loose, spread
from wilks.xpcs.identifiability import Evidence, judge
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.problems import XpcsProblem
from wilks.xpcs.projection import AngleSums, normal_matrix, project, solve_semidefinite
from wilks.xpcs.quality import Findings, verdict
from wilks.xpcs.remarks import notes, remarks
from wilks.xpcs.result import XpcsFit
from wilks.xpcs.sums import CoarseSums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.xpcs.course import Ended
    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.identifiability import Identifiability
    from wilks.xpcs.preparation import Prepared, Question
    from wilks.xpcs.quality import XpcsQuality
    from wilks.xpcs.scaling import LinearBlock

_SURE = 100.0
"""Rise of chi-squared on the subset without flow that needs no confirmation by all data."""
_SAME_FIT, _ELSEWHERE = 2.0, 3.0


@dataclass(frozen=True, eq=False)
class _Optimum:
    """The best point, with the matrices that its errors follow from.

    Attributes
    ----------
    coefficients, held
        Of the scaling, and which of them are at a bound.
    normal, meat
        Matrices over (coefficients, physical parameters, residual); `meat` is None where it equals `normal`.
    sums
        Sums of products without the weights of the angles.
    chi_squared, log_likelihood
        Weights and penalty are part of the second only.
    """

    values: dict[str, float]
    coefficients: NDArray[np.float64]
    held: NDArray[np.int8]
    contrast: NDArray[np.float64]
    offset: NDArray[np.float64]
    normal: NDArray[np.float64]
    meat: NDArray[np.float64] | None
    sums: AngleSums
    chi_squared: float
    log_likelihood: float


@dataclass(frozen=True, eq=False)
class _Assessed:
    """What follows from the matrices at the best point; the default is what is known without any."""

    names: tuple[str, ...]
    covariance: NDArray[np.float64]
    contrast_errors: NDArray[np.float64]
    offset_errors: NDArray[np.float64]
    information: NDArray[np.float64]
    best: dict[str, float] = field(default_factory=dict)
    at_bounds: dict[str, str] = field(default_factory=dict)
    flat: tuple[tuple[str, ...], ...] = ()
    condition: float = math.nan
    inner: tuple[dict[str, float], dict[str, float], dict[str, float]] = ({}, {}, {})

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors by name."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    def without(self, verdicts: Mapping[str, Identifiability]) -> _Assessed:
        """Infinite variances for what the data do not determine: the curvature at one point does not tell them."""
        covariance = self.covariance.copy()
        for i, name in enumerate(self.names):
            if not verdicts.get(name, True) and not np.isnan(covariance[i, i]):
                covariance[i, i] = np.inf
        return replace(self, covariance=covariance)


def conclude(data: TwoTimeData, question: Question, prepared: Prepared, ended: Ended) -> XpcsFit:
    """Return the result of a fit, however it ended."""
    space, sums = question.space, prepared.sums
    optimum = None if ended.values is None else _optimum(ended, ended.values)
    found = _assess(question, prepared, optimum)
    nowhere = np.full(len(prepared.used), np.nan)
    contrast, offset = (nowhere, nowhere) if optimum is None else (optimum.contrast, optimum.offset)
    n_used = int(sums.n_used.sum())
    found, identifiable, quality = _judged(question, prepared, ended, optimum, found)
    context = ended.context
    context.stats.update(n_pairs=n_used, kernel=prepared.kernel.name, n_basins=len(ended.basins))

    def every(used: NDArray[np.float64]) -> NDArray[np.float64]:
        full = np.full(data.n_phi, np.nan)
        full[prepared.used] = used
        return full

    return XpcsFit(
        space=space,
        status=ended.status,
        best={**space.constants, **found.best},
        log_likelihood=-math.inf if optimum is None else optimum.log_likelihood,
        n_evaluations=context.n_evaluations,
        stats=context.stats,
        provenance=context.provenance(),
        log=context.log,
        mode=question.mode,
        convention=question.convention,
        scaling=replace(question.scaling, kind=prepared.block.kind),
        scaling_reason=prepared.block.reason,
        t=data.t,
        phi=data.phi,
        q=data.q,
        gap=data.gap,
        dt=data.dt,
        names=found.names,
        standard_errors=found.errors,
        covariance=found.covariance,
        contrast=every(contrast),
        contrast_errors=every(found.contrast_errors),
        offset=every(offset),
        offset_errors=every(found.offset_errors),
        loss="linear" if ended.robust is None else ended.robust.loss.name,
        chi_squared=math.nan if optimum is None else optimum.chi_squared,
        dof=_dof(prepared, found),
        n_used=n_used,
        n_masked=sum(prepared.report.n_masked),
        sigma=every(sums.sigma),
        noise=prepared.report.sigma_source,
        at_bounds=found.at_bounds,
        identifiable=identifiable,
        quality=quality,
        notes=_notes(prepared, data),
        strategy=prepared.strategy,
        basins=ended.basins,
        information=found.information,
        diagnostics=_diagnostics(found, prepared, every),
        angle_weights=every(ended.problem.angle_weights),
        boxes=question.boxes,
        options=question.options,
        source=data.source,
        data=data,
    )


def _notes(prepared: Prepared, data: TwoTimeData) -> tuple[str, ...]:
    """What was found when the data were folded, and before, when they were read."""
    read = () if data.source is None else data.source.notes
    return tuple(dict.fromkeys((*notes(prepared), *read)))


def _judged(
    question: Question, prepared: Prepared, ended: Ended, optimum: _Optimum | None, found: _Assessed
) -> tuple[_Assessed, dict[str, Identifiability], XpcsQuality]:
    """Verdicts on the parameters and on the fit, and the errors that are left."""
    space = question.space
    chi_squared = math.nan if optimum is None else optimum.chi_squared
    contrast_gain = shear_gain = math.nan
    if optimum is not None:
        noise = max(chi_squared / int(prepared.sums.n_used.sum()), 1.0)
        contrast_gain = _contrast_gain(ended.problem.block, optimum) / noise
        shear_gain = _shear_gain(ended.problem, prepared, optimum, noise)
    evidence = Evidence(
        found.best, found.errors, found.at_bounds, found.flat, contrast_gain, shear_gain, len(prepared.used)
    )
    identifiable = judge(space, evidence)
    found = found.without(identifiable)
    dof = _dof(prepared, found)
    quality = verdict(
        Findings(
            ended.status.outcome is Outcome.CONVERGED,
            None if ended.robust is not None or optimum is None else chi_squared / dof if dof > 0 else math.nan,
            identifiable,
            found.at_bounds,
            found.condition,
            found.best,
            {name: found.errors[name] for name in space.free},
            len(ended.basins),
            _degenerate(ended, space, found.errors),
            remarks(question, prepared, None if optimum is None else optimum.sums, chi_squared, found.best),
        )
    )
    return found, identifiable, quality


def _dof(prepared: Prepared, found: _Assessed) -> int:
    """Pixels minus parameters that are free to follow them."""
    return int(prepared.sums.n_used.sum()) - int(np.isfinite(np.diag(found.covariance)).sum())


def _assess(question: Question, prepared: Prepared, optimum: _Optimum | None) -> _Assessed:
    """Covariances, active bounds and flat directions at the best point."""
    space, block = question.space, prepared.block
    names, physical = (*space.free, *block.names), PHYSICAL_NAMES[question.mode]
    n, n_angles, m = len(block.names), len(prepared.used), space.dimension
    unknown = np.full(n_angles, np.nan)
    if optimum is None:
        return _Assessed(names, np.full((len(names),) * 2, np.nan), unknown, unknown, np.full((m, m), np.nan))
    free = np.array([n + physical.index(name) for name in space.free])
    information = _information(optimum, free)
    values = {name: optimum.values[name] for name in space.free}
    theta = space.to_theta(values)
    slopes = space.slope(theta)
    bounded = active_bounds(space.to_unit(theta), -optimum.normal[free, -1] * slopes)
    sides = dict(zip(names, [*bounded.tolist(), *optimum.held.tolist()], strict=True))
    at_bounds = {name: "lower" if side < 0 else "upper" for name, side in sides.items() if side}
    whole = (*block.names, *physical)
    held = np.array([name in at_bounds or name in space.constants for name in whole])
    boxes = np.zeros(len(whole))
    boxes[free] = loose(information, slopes, bounded != 0)
    found, covariance = _spread(optimum, held, boxes)
    groups = (*found.flat, *((i,) for i in np.flatnonzero(boxes).tolist()))
    order = [whole.index(name) for name in names]
    padding = ((0, 0), (0, len(physical)))
    return _Assessed(
        names,
        covariance[np.ix_(order, order)],
        _scaled_errors(np.pad(block.to_contrast, padding), covariance),
        _scaled_errors(np.pad(block.to_offset, padding), covariance),
        information,
        optimum.values | dict(zip(block.names, optimum.coefficients.tolist(), strict=True)),
        at_bounds,
        tuple(tuple(whole[i] for i in group) for group in groups),
        found.condition,
        physical_diagnostics(values, np.diag(optimum.normal)[free], information, optimum.normal[free, -1]),
    )


def _diagnostics(
    found: _Assessed, prepared: Prepared, every: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Diagnostics:
    n_used = np.nan_to_num(every(prepared.sums.n_used.astype(np.float64))).astype(np.int64)
    return Diagnostics(*found.inner, every(prepared.quantiles[0]), every(prepared.quantiles[1]), n_used)


def _optimum(ended: Ended, values: dict[str, float]) -> _Optimum | None:
    """The matrices at the best point; None where the model is not finite."""
    problem = ended.problem
    block, weights = problem.block, problem.angle_weights
    plain = {name: float(values[name]) for name in PHYSICAL_NAMES[problem.mode]}
    if ended.robust is not None:
        value, normal, meat = ended.robust.sums_at(values)
        normal[:-1, :-1] = ended.robust.curvature_at(values)
        c = np.array([values[name] for name in block.names])
        held = np.where(c <= block.lower, -1, np.where(c >= block.upper, 1, 0)).astype(np.int8)
        contrast, offset = block.scaled(c)
        sums = problem.sums_at(plain, derivatives=False)
        if sums is None:
            return None
        sums = sums.times(1 / weights)
        squares = _plain_squares(sums, block, contrast, offset)
        return _Optimum(plain, c, held, contrast, offset, normal, meat, sums, squares, value)
    found = problem.projection(plain)
    if found is None:
        return None
    meat_matrix, chi_squared, sums = None, found.chi_squared, found.sums
    if (weights != 1.0).any():
        meat_matrix = normal_matrix(sums.times(weights), block, found.contrast, found.offset)
        sums = sums.times(1 / weights)
        chi_squared = _plain_squares(sums, block, found.contrast, found.offset)
    return _Optimum(
        plain,
        found.coefficients,
        found.held,
        found.contrast,
        found.offset,
        found.normal,
        meat_matrix,
        sums,
        chi_squared,
        found.log_likelihood,
    )


def _plain_squares(
    sums: AngleSums, block: LinearBlock, contrast: NDArray[np.float64], offset: NDArray[np.float64]
) -> float:
    """Sum of squared residuals over sigma: no loss and no penalty."""
    return float(normal_matrix(sums, block, contrast, offset)[-1, -1])


def _information(optimum: _Optimum, free: NDArray[np.intp]) -> NDArray[np.float64]:
    """Matrix over some physical parameters with the coefficients of the scaling projected out."""
    c = np.flatnonzero(optimum.held == 0)
    cross = optimum.normal[np.ix_(c, free)]
    inner, _ = solve_semidefinite(optimum.normal[np.ix_(c, c)], cross)
    return np.asarray(optimum.normal[np.ix_(free, free)] - cross.T @ inner)


def _spread(
    optimum: _Optimum, held: NDArray[np.bool_], boxes: NDArray[np.float64]
) -> tuple[Spread, NDArray[np.float64]]:
    """Covariance by the data alone, and with infinite variances for parameters that only their boxes hold."""
    normal, meat = optimum.normal[:-1, :-1], None if optimum.meat is None else optimum.meat[:-1, :-1]
    found = spread(normal, held, meat)
    if not boxes.any():
        return found, found.covariance
    added = np.diag(boxes)
    covariance = spread(normal + added, held, None if meat is None else meat + added).covariance
    diagonal = np.where(np.isinf(np.diag(found.covariance)) | (boxes > 0), np.inf, np.diag(covariance))
    np.fill_diagonal(covariance, diagonal)
    return found, covariance


def _scaled_errors(matrix: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard errors of linear combinations; held parameters do not vary."""
    fixed = np.isnan(np.diag(covariance))
    infinite = np.isinf(np.diag(covariance))
    known = np.where(fixed[:, None] | fixed | infinite[:, None] | infinite, 0.0, covariance)
    variances = np.einsum("ki,ij,kj->k", matrix, known, matrix)
    only_fixed = (matrix[:, ~fixed] == 0).all(axis=1)
    open_ended = (matrix[:, infinite] != 0).any(axis=1)
    return np.asarray(np.where(open_ended, np.inf, np.where(only_fixed, np.nan, np.sqrt(np.maximum(variances, 0.0)))))


def _contrast_gain(block: LinearBlock, optimum: _Optimum) -> float:
    """How much lower chi-squared is than that without any contrast; NaN where no contrast is fitted."""
    if not block.to_contrast.any():
        return math.nan
    none = project(optimum.sums, block.without_contrast())
    return none.chi_squared - project(optimum.sums, block).chi_squared


def _shear_gain(problem: XpcsProblem, prepared: Prepared, optimum: _Optimum, noise: float) -> float:
    """How much chi-squared rises, in units of `noise`, when the flow is taken away, the rest of the physics left."""
    if problem.mode == "static":
        return math.nan
    still = optimum.values | {"gamma_dot_0": 0.0, "gamma_dot_offset": 0.0}
    coarse = XpcsProblem(
        problem.space, CoarseSums(prepared.coarse), problem.geometry, problem.mode, problem.block, problem.angle_weights
    )
    gain = 2.0 * (coarse.log_likelihood(optimum.values) - coarse.log_likelihood(still)) / noise
    if gain > _SURE:
        return gain
    best = project(optimum.sums.times(problem.angle_weights), problem.block)
    return 2.0 * (best.log_likelihood - problem.log_likelihood(still)) / noise


def _degenerate(ended: Ended, space: Space, errors: dict[str, float]) -> bool:
    """Does another optimum, apart by more than its errors, fit about as well?"""
    if len(ended.basins) < 2 or ended.values is None:
        return False
    first = ended.basins[0]
    return any(
        first.log_likelihood - other.log_likelihood < _SAME_FIT
        and any(
            abs(float(other.values[name]) - float(first.values[name])) > _ELSEWHERE * errors[name]  # type: ignore[arg-type]
            for name in space.free
            if math.isfinite(errors[name])
        )
        for other in ended.basins[1:]
    )
