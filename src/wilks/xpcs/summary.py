"""A fit in a few tables for a terminal of 80 columns."""

from __future__ import annotations

import math
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.table import Table, duration, with_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.residual_statistics import ResidualStatistics
    from wilks.xpcs.result import XpcsFit

_WIDTH = 80
_MANY_ANGLES = 12


def summary(result: XpcsFit, statistics: ResidualStatistics | None = None) -> list[Table]:
    """Return physical parameters, contrast and offset, and how good the fit is, as three tables.

    Contrast and offset are listed angle by angle, and as a range where there are more than 12 angles.

    Parameters
    ----------
    result
        A fit.
    statistics
        Of its residuals (`wilks.xpcs.residual_statistics`): what is wrong with them is told then.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> values = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}
    >>> data = xpcs.simulate(values, geometry, mode="static", sigma=0.01, seed=1)
    >>> result = xpcs.fit(data, "static", parameters={"D_offset": 0.0}, seed=1, callbacks=())
    >>> print(summary(result)[0].text())
    Physical parameters, static
    parameter  value
    D0         ... ± ...  Å^2/s
    alpha      ... ± 0.0...
    D_offset           0  fixed
    """
    return [_parameters(result), scaling_table(result), _fit(result, statistics)]


def _parameters(result: XpcsFit) -> Table:
    reasons = [f"{name}: {found.reason}." for name, found in result.identifiable.items() if not found]
    return replace(result.table(), title=f"Physical parameters, {result.mode}", note=_wrapped(reasons))


def scaling_table(result: XpcsFit, most: int = _MANY_ANGLES) -> Table:
    """Contrast and offset of every angle; their ranges where there are more angles than `most`, or all are equal."""
    order = f" of order {result.scaling.order}" if result.scaling.kind == "fourier" else ""
    title = f"Contrast and offset, {result.scaling.kind}{order}"
    columns = (
        ("contrast", result.contrast, result.contrast_errors),
        ("offset", result.offset, result.offset_errors),
    )
    if len(result.phi) <= most and not _same_everywhere(result):
        rows = tuple(
            (f"{phi:g}", *(_number(values[k], errors[k]) for _, values, errors in columns))
            for k, phi in enumerate(result.phi.tolist())
        )
        return Table(title, ("angle [deg]", "contrast", "offset"), rows)
    if _same_everywhere(result):
        shared = int(np.flatnonzero(~np.isnan(result.contrast))[0])
        row = ("all", *(_number(values[shared], errors[shared]) for _, values, errors in columns))
        return Table(f"{title}: {len(result.phi)} angles", ("angle", "contrast", "offset"), (row,))
    rows = tuple(_range(name, values, errors, result.phi) for name, values, errors in columns)
    return Table(f"{title}: {len(result.phi)} angles", ("", "least", "at [deg]", "largest", "at [deg]"), rows)


def _same_everywhere(result: XpcsFit) -> bool:
    known = ~np.isnan(result.contrast)
    shared = all(len(np.unique(values[known])) == 1 for values in (result.contrast, result.offset))
    return bool(known.any()) and shared and len(result.phi) > 1


def _range(
    name: str, values: NDArray[np.float64], errors: NDArray[np.float64], phi: NDArray[np.float64]
) -> tuple[str, ...]:
    if np.isnan(values).all():
        return (name, "unknown", "", "unknown", "")
    ends = (int(np.nanargmin(values)), int(np.nanargmax(values)))
    return (name, *(text for k in ends for text in (_number(values[k], errors[k]), f"{phi[k]:g}")))


def _number(value: float, error: float) -> str:
    return "unknown" if math.isnan(value) else with_error(float(value), float(error))


def _fit(result: XpcsFit, statistics: ResidualStatistics | None) -> Table:
    quality = result.quality
    rows = [
        ("quality", quality.flag),
        ("reduced chi-squared", f"{result.reduced_chi_squared:.4f}"),
        ("chi-squared", f"{result.chi_squared:.8g}"),
        ("degrees of freedom", f"{result.dof:,}"),
        ("pairs of times used", f"{result.n_used:,}"),
        ("pairs not used", f"{result.n_masked:,}"),
        ("sigma", result.noise),
        ("optima found", str(quality.n_basins)),
        ("time", duration(result.provenance.seconds)),
    ]
    if result.loss != "linear":
        rows.insert(1, ("loss", result.loss))
    reasons: tuple[str, ...] = ()
    if statistics is not None:
        reasons = statistics.reasons
        rows.insert(-2, ("residuals", "white" if statistics.is_white else "not white"))
    texts = (result.status.message, *quality.reasons, *reasons, *result.notes)
    return Table("Fit", ("", "value"), tuple(rows), _wrapped(list(dict.fromkeys(texts))))


def _wrapped(sentences: list[str]) -> str:
    return "\n".join(textwrap.fill(text, _WIDTH, subsequent_indent="  ") for text in sentences)
