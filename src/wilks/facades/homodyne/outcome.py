r"""A result of `wilks.xpcs.fit` in the order, the names and the words of homodyne.

The vector is contrast of every angle, offset of every angle, physical parameters, whatever the scaling was: with the
matrices B of the linear coefficients (`wilks.xpcs.scaling`) and T stacked of these and of the identity over the
physical parameters, the covariance is

.. math:: \mathrm{cov} = T \, \mathrm{cov}_\mathrm{fit} \, T^T                                                     (1)

so that of angles that share a contrast all contrasts are correlated completely. What is fixed has the variance 0.

Without a sigma homodyne takes 0.01 for it, and so does this facade, so that values and chi-squared are those that its
page describes. But nobody knows then how large the noise is, so the covariance is that of noise of the size of the
residuals (it is multiplied by the reduced chi-squared, as ``curve_fit`` does without sigma), and the quality does not
look at chi-squared. A robust loss needs no such factor: its covariance comes from the residuals anyway.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.status import Outcome
from wilks.facades.homodyne.config_manager import their_name
from wilks.facades.homodyne.results import OptimizationResult
from wilks.xpcs.quality import Findings, XpcsQuality, verdict
from wilks.xpcs.scaling import linear_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.xpcs.result import XpcsFit

_ON_ALL_DATA = ("fit of all data", "recovery", "robust fit")
_LIMITED = (
    Outcome.NOT_CONVERGED,
    Outcome.EVALUATION_LIMIT,
    Outcome.TIME_LIMIT,
    Outcome.STOPPED_BY_CALLBACK,
    Outcome.INTERRUPTED,
    Outcome.STALLED,
)


def optimization_result(
    fit: XpcsFit,
    *,
    sigma_is_default: bool = False,
    device: dict[str, Any] | None = None,
    actions: Sequence[str] = (),
    diagnostics: dict[str, Any] | None = None,
) -> OptimizationResult:
    """Return the result with the attributes of homodyne.

    Parameters
    ----------
    fit
        What was found.
    sigma_is_default
        Was sigma missing?
    device, actions, diagnostics
        More of `OptimizationResult.device_info`, `recovery_actions` and `nlsq_diagnostics`.
    """
    names, values, covariance = vector(fit)
    factor = 1.0
    if sigma_is_default and fit.loss == "linear" and math.isfinite(fit.reduced_chi_squared):
        factor = fit.reduced_chi_squared
    covariance = covariance * factor
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(covariance))
    quality = without_chi_squared(fit) if sigma_is_default else fit.quality
    recovered = [f"{step.name}: {step.detail}" for step in fit.provenance.executed if step.name == "recovery"]
    return OptimizationResult(
        values,
        errors,
        covariance,
        float(fit.chi_squared),
        float(fit.reduced_chi_squared),
        convergence_status(fit),
        sum(step.n_evaluations for step in fit.provenance.executed if step.name in _ON_ALL_DATA),
        fit.provenance.seconds,
        _device_info(fit) | (device or {}),
        [*recovered, *actions],
        quality.flag,
        nlsq_diagnostics=_diagnostics(fit, quality, factor) | (diagnostics or {}),
        sigma_is_default=sigma_is_default,
        fit=fit,
        parameter_names=names,
    )


def convergence_status(fit: XpcsFit) -> str:
    """``"converged"``, ``"max_iter"`` or ``"failed"``."""
    if not math.isfinite(fit.chi_squared):
        return "failed"
    if fit.status.success:
        return "converged"
    return "max_iter" if fit.status.outcome in _LIMITED else "failed"


def vector(fit: XpcsFit) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Names, values and covariance in the order of homodyne, by equation (1); NaN for angles without data."""
    n_phi, physical = len(fit.phi), tuple(fit.space.names)
    scaling = (f"{what}_{k}" for what in ("contrast", "offset") for k in range(n_phi))
    names = (*scaling, *map(their_name, physical))
    best = [float(fit.best.get(name, math.nan)) for name in physical]  # type: ignore[arg-type]  # all are real
    values = np.concatenate([fit.contrast, fit.offset, best])
    to_vector = np.zeros((len(names), len(fit.names)))
    for column, name in enumerate(fit.names):
        if name in physical:
            to_vector[2 * n_phi + physical.index(name), column] = 1.0
    used = np.flatnonzero(~np.isnan(fit.contrast))
    if len(used):
        inner = fit.diagnostics
        block = linear_block(
            fit.scaling,
            fit.phi[used],
            inner.pairs_per_angle[used],
            (inner.quantile_contrast[used], inner.quantile_offset[used]),
        )
        columns = np.array([fit.names.index(name) for name in block.names], dtype=np.intp)
        to_vector[np.ix_(used, columns)] = block.to_contrast
        to_vector[np.ix_(n_phi + used, columns)] = block.to_offset
    covariance = transformed(to_vector, fit.covariance)
    unused = np.flatnonzero(np.isnan(values))
    covariance[unused, :] = covariance[:, unused] = np.nan
    return names, values, covariance


def without_chi_squared(fit: XpcsFit) -> XpcsQuality:
    """The verdict on a fit whose sigma is not known: chi-squared says nothing of it."""
    findings = Findings(
        fit.status.outcome is Outcome.CONVERGED,
        None if fit.loss != "linear" else fit.reduced_chi_squared,
        fit.identifiable,
        fit.at_bounds,
        fit.quality.condition_number,
        fit.physical if fit.has_best else {},
        {name: fit.standard_errors[name] for name in fit.space.free if name in fit.standard_errors},
        fit.quality.n_basins,
        fit.quality.degenerate,
        (),
    )
    own = verdict(findings).reasons
    remarks = tuple(reason for reason in fit.quality.reasons if reason not in own)
    unknown = vars(findings) | {"reduced_chi_squared": None, "remarks": remarks}
    return verdict(Findings(**unknown))


def transformed(matrix: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """T cov T' where entries may be infinite or NaN: they stay in the rows that depend on them, and only there."""
    known = np.where(np.isfinite(covariance), covariance, 0.0)
    found = matrix @ known @ matrix.T
    diagonal = np.diag(covariance)
    depends = matrix != 0
    for what, marked in ((np.inf, np.isinf(diagonal)), (np.nan, np.isnan(diagonal))):
        rows = depends[:, marked].any(axis=1)
        found[np.diag_indices_from(found)] = np.where(rows, what, np.diag(found))
        if math.isnan(what):
            found[rows, :] = found[:, rows] = np.nan
    return np.asarray(found)


def _device_info(fit: XpcsFit) -> dict[str, Any]:
    return {
        "device": "cpu",
        "method": "nlsq",
        "strategy": fit.strategy.name,
        "strategy_reason": fit.strategy.reason,
        "kernel": fit.stats.get("kernel"),
        "executor": fit.provenance.executor,
    }


def _diagnostics(fit: XpcsFit, quality: XpcsQuality, factor: float) -> dict[str, Any]:
    return {
        "message": fit.status.message,
        "n_evaluations": fit.n_evaluations,
        "n_points": fit.n_used,
        "n_masked": fit.n_masked,
        "dof": fit.dof,
        "convention": fit.convention.describe(),
        "scaling": fit.scaling.kind,
        "scaling_reason": fit.scaling_reason,
        "noise": fit.noise,
        "covariance_factor": factor,
        "quality_reasons": quality.reasons,
        "condition_number": quality.condition_number,
        "at_bounds": {their_name(name): side for name, side in fit.at_bounds.items()},
        "not_identifiable": {their_name(name): found.reason for name, found in fit.identifiable.items() if not found},
        "notes": fit.notes,
        "executed": tuple(f"{step.name}: {step.detail}" for step in fit.provenance.executed),
    }
