"""A fit as plain data: what its files hold, matrices of pixels aside, under the names that they have there.

One record serves every format, so that a number has the same name in all of them: ``["geometry"]["q"]`` of the JSON
file is ``geometry/q`` of the HDF5 file.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.parameter import Real
from wilks.xpcs.parameters import DEFAULTS
from wilks.xpcs.residual_statistics import residual_statistics

if TYPE_CHECKING:
    from wilks.xpcs.result import XpcsFit

FORMAT = "wilks.xpcs fit"
VERSION = 1
"""Of the record; it rises when a name changes its meaning or goes away."""

UNITS = dict.fromkeys(("t", "t_first", "t_last", "dt"), "s") | {
    "phi": "deg",
    "gap": "Å",
    **dict.fromkeys(("q", "q_requested", "q_least", "q_largest"), "1/Å"),
}
"""Units of what is no parameter; anything that is not here has none."""


def record(result: XpcsFit) -> dict[str, Any]:
    """Everything about a fit but its matrices of pixels, as dictionaries, lists, numbers and text.

    Numbers that are not known are NaN, those that the data do not limit are infinite, text that does not apply is
    empty.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> values = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}
    >>> data = xpcs.simulate(values, geometry, mode="static", sigma=0.01, seed=1)
    >>> result = xpcs.fit(data, "static", parameters={"D_offset": 0.0}, seed=1, callbacks=())
    >>> made = record(result)
    >>> made["parameters"]["D0"]["value"] == result.values["D0"], made["parameters"]["D0"]["unit"]
    (True, 'Å^2/s')
    """
    return {
        "format": FORMAT,
        "format_version": VERSION,
        **_verdict(result),
        "mode": result.mode,
        "parameters": {name: _physical(result, name) for name in result.space.names},
        "coefficients": {name: _coefficient(result, name) for name in result.names if name not in result.space.free},
        "angles": _angles(result),
        "sigma_source": result.noise,
        "scaling": {
            "kind": result.scaling.kind,
            "order": result.scaling.order,
            "reason": result.scaling_reason,
        },
        "convention": dataclasses.asdict(result.convention) | {"model": result.convention.describe()},
        "geometry": _geometry(result),
        "source": None if result.source is None else _source(result),
        "notes": list(result.notes),
        "quality": {
            "flag": result.quality.flag,
            "reasons": list(result.quality.reasons),
            "condition_number": result.quality.condition_number,
            "n_basins": result.quality.n_basins,
            "degenerate": result.quality.degenerate,
        },
        "residuals": _residuals(result),
        "covariance": {"names": list(result.names), "matrix": result.covariance.tolist()},
        "basins": _basins(result),
        "diagnostics": _diagnostics(result),
        "strategy": dataclasses.asdict(result.strategy),
        "stats": plain(result.stats),
        "provenance": plain(dataclasses.asdict(result.provenance)),
    }


def unit(name: str) -> str:
    """Unit of a physical parameter, fixed or free; empty where it has none."""
    return DEFAULTS[name].unit


def plain(value: Any) -> Any:  # noqa: ANN401 - any tree of values
    """Return the same tree of dictionaries, lists, numbers and text.

    Examples
    --------
    >>> plain({"n": np.int64(3), "x": (np.array([1.5]), None)})
    {'n': 3, 'x': [[1.5], None]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _residuals(result: XpcsFit) -> dict[str, Any] | None:
    """What the residuals say of the noise; None without the data or a model."""
    if result.data is None or not result.has_best:
        return None
    found = residual_statistics(result)
    return {
        "white": found.is_white,
        "correlated": found.correlated,
        "error_factor": found.inflation if found.correlated else 1.0,
        "reasons": list(found.reasons),
    }


def _verdict(result: XpcsFit) -> dict[str, Any]:
    return {
        "success": result.status.success,
        "outcome": result.status.outcome.name,
        "message": result.status.message,
        "chi_squared": result.chi_squared,
        "reduced_chi_squared": result.reduced_chi_squared,
        "dof": result.dof,
        "log_likelihood": result.log_likelihood,
        "loss": result.loss,
        "n_used": result.n_used,
        "n_masked": result.n_masked,
        "n_evaluations": result.n_evaluations,
    }


def _physical(result: XpcsFit, name: str) -> dict[str, Any]:
    found = result.identifiable.get(name)
    fixed = name in result.space.constants
    value = result.best.get(name, math.nan)
    made = {
        "value": value,
        "standard_error": result.standard_errors.get(name, math.nan),
        "unit": unit(name),
        "fixed": fixed,
        "at_bound": result.at_bounds.get(name, ""),
        "identifiable": fixed or bool(found),
        "reason": "" if found is None else found.reason,
        "significance": result.quality.significance.get(name, math.nan),
    }
    if not fixed:
        box = result.space[name]
        assert isinstance(box, Real)  # noqa: S101 - for the type checker
        made |= {"lower": box.lower, "upper": box.upper, "scale": box.scale}
    return made


def _coefficient(result: XpcsFit, name: str) -> dict[str, Any]:
    return {
        "value": result.best.get(name, math.nan),
        "standard_error": result.standard_errors[name],
        "at_bound": result.at_bounds.get(name, ""),
    }


def _angles(result: XpcsFit) -> dict[str, Any]:
    """Columns with one entry for every angle of the data, in their order."""
    columns = {
        "phi": result.phi,
        "contrast": result.contrast,
        "contrast_error": result.contrast_errors,
        "offset": result.offset,
        "offset_error": result.offset_errors,
        "sigma": result.sigma,
        "n_used": result.diagnostics.pairs_per_angle,
        "quantile_contrast": result.diagnostics.quantile_contrast,
        "quantile_offset": result.diagnostics.quantile_offset,
    }
    return {name: column.tolist() for name, column in columns.items()}


def _geometry(result: XpcsFit) -> dict[str, Any]:
    return {
        "q": result.q,
        "gap": math.nan if result.gap is None else result.gap,
        "dt": result.dt,
        "n_t": len(result.t),
        "t_first": float(result.t[0]),
        "t_last": float(result.t[-1]),
        "n_phi": len(result.phi),
    }


def _source(result: XpcsFit) -> dict[str, Any]:
    found = result.source
    assert found is not None  # noqa: S101 - asked before
    return {
        "path": found.path,
        "layout": found.layout,
        "keys": list(found.keys),
        "first_frame": found.frames[0],
        "last_frame": found.frames[1],
        "q_requested": math.nan if found.q_requested is None else found.q_requested,
        "q_least": found.q_range[0],
        "q_largest": found.q_range[1],
        "cached": found.cached,
    }


def _basins(result: XpcsFit) -> dict[str, Any]:
    """Columns with one entry for every optimum, best first."""
    return {
        "log_likelihood": [basin.log_likelihood for basin in result.basins],
        "n_hits": [basin.n_hits for basin in result.basins],
        **{name: [float(basin.values[name]) for basin in result.basins] for name in result.space.names},  # type: ignore[arg-type]  # all are real
    }


def _diagnostics(result: XpcsFit) -> dict[str, Any]:
    found = result.diagnostics
    return {"absorption": found.absorption, "sensitivity": found.sensitivity, "gradient": found.gradient}
