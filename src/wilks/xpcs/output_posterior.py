"""A posterior in files that other programs read: JSON for what it says, NPZ and netCDF with all draws."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.samplers.files import write_draws
from wilks.store.files import written_whole
from wilks.xpcs.output import write_record
from wilks.xpcs.record import plain, unit

if TYPE_CHECKING:
    from wilks.samplers.certificate import Certificate
    from wilks.xpcs.posterior.result import XpcsPosterior

FORMAT = "wilks.xpcs posterior"
VERSION = 1
"""Of the record; it rises when a name changes its meaning or goes away."""

QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)
_DRAWN = ("contrast", "offset", "sigma")


def record(posterior: XpcsPosterior) -> dict[str, Any]:
    """What a posterior says, draws aside, as dictionaries, lists, numbers and text; NaN: not known."""
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "success": posterior.status.success,
        "status": posterior.status.message,
        "mode": posterior.mode,
        "method": posterior.method,
        "noise": posterior.noise,
        "shared_noise": None if posterior.shared_noise is None else dataclasses.asdict(posterior.shared_noise),
        "sigma_model": posterior.sigma_model,
        "fit_informed": posterior.fit_informed,
        "n_data": posterior.n_data,
        "n_chains": posterior.n_chains,
        "n_draws": posterior.n_draws,
        "parameters": {name: _parameter(posterior, name) for name in posterior.names},
        "fixed": plain(posterior.space.constants),
        "covariance": {"names": list(posterior.names), "matrix": posterior.covariance.tolist()},
        "angles": {
            "phi": posterior.phi.tolist(),
            **{
                f"{which}_{what}": getattr(posterior, f"{which}_{what}").tolist()
                for which in ("contrast", "offset")
                for what in ("mean", "sd")
            },
            "sigma_mean": posterior.sigma.mean(axis=(0, 1)).tolist(),
        },
        "scaling": {"kind": posterior.scaling.kind, "order": posterior.scaling.order},
        "certificate": _certificate(posterior.certificate),
        "attempts": {method: _certificate(each) for method, each in posterior.attempts.items()},
        "log_evidence": posterior.log_evidence,
        "log_evidence_error": posterior.log_evidence_error,
        "remarks": list(posterior.remarks),
        "convention": dataclasses.asdict(posterior.convention) | {"model": posterior.convention.describe()},
        "provenance": plain(dataclasses.asdict(posterior.provenance)),
    }


def write_json(posterior: XpcsPosterior, path: str | Path) -> Path:
    """Write what a posterior says, draws aside, and return the path; numbers as in `wilks.xpcs.output.write_json`.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    return write_record(record(posterior), Path(path))


def write_npz(posterior: XpcsPosterior, path: str | Path) -> Path:
    """Write all draws for ``numpy.load``, and return the path; nothing needs ``allow_pickle``.

    ``draws`` has the shape (chain, draw, parameter), ``contrast``, ``offset`` and ``sigma`` (chain, draw, angle).
    Importance samples also have ``weighted_draws`` with ``log_weights``, of which means and quantiles are made.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "format_version": VERSION,
        "names": np.array(posterior.names, dtype=str),
        "draws": np.stack([posterior.draws[name] for name in posterior.names], axis=-1),
        "log_likelihoods": posterior.log_likelihoods,
        "log_priors": posterior.log_priors,
        "phi": posterior.phi,
        **{name: getattr(posterior, name) for name in _DRAWN},
        "fixed_names": np.array(list(posterior.space.constants), dtype=str),
        "fixed_values": np.array(list(posterior.space.constants.values()), dtype=float),
        "certified": posterior.status.success,
        "noise": posterior.noise,
    }
    if posterior.weighted is not None:
        arrays |= {"weighted_draws": posterior.weighted.thetas, "log_weights": posterior.weighted.log_weights}
    path = Path(path)
    with written_whole(path, overwrite=True) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return path


def write_netcdf(posterior: XpcsPosterior, path: str | Path) -> Path:
    """Write all draws as the tree that ArviZ reads, contrast, offset and noise of every angle among them.

    Raises
    ------
    MissingDependencyError
        If arviz-base or h5netcdf is not installed.
    CheckpointError
        If the file cannot be written.
    """
    whole = dataclasses.replace(
        posterior, derived=posterior.derived | {name: getattr(posterior, name) for name in _DRAWN}
    )
    return write_draws(whole, Path(path), "netcdf", overwrite=True)


def _parameter(posterior: XpcsPosterior, name: str) -> dict[str, Any]:
    compared = posterior.comparisons[name]
    return {
        "mean": posterior.means[name],
        "sd": posterior.standard_deviations[name],
        "unit": unit(name),
        "quantiles": {
            f"{100 * q:g} %": value
            for q, value in zip(QUANTILES, posterior.quantiles(name, QUANTILES).tolist(), strict=True)
        },
        "ess": posterior.ess[name],
        "contraction": posterior.contraction[name],
        "box_and_prior": posterior.space[name].describe(),
        "fitted": posterior.fit.physical.get(name, math.nan),
        "fit_error": posterior.fit.standard_errors.get(name, math.nan),
        "z_score": compared.z_score,
        "verdict": compared.verdict,
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    checks = [
        {"name": each.name, "parameter": each.parameter, "value": each.value, "limit": each.limit, "ok": each.ok}
        for each in certificate.checks
    ]
    return {"ok": certificate.ok, "message": certificate.message, "checks": checks}
