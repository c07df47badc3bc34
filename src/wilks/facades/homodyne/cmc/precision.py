"""What a posterior says beyond its prior, and how it compares with a fit."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from wilks.core.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

_NOT_PHYSICAL = ("sigma", "obs", "n_numerical_issues")
_IN_95_PERCENT = 1.959963984540054
_Z_WARN, _Z_SEVERE, _TOO_PRECISE = 2.0, 3.0, 0.5


def compute_posterior_contraction(posterior_std: float, prior_std: float) -> float:
    """1 - posterior / prior standard deviation: 0 where the data said nothing; NaN where one is not positive.

    Examples
    --------
    >>> compute_posterior_contraction(posterior_std=10.0, prior_std=100.0)
    0.9
    """
    if not (0 < posterior_std < math.inf and 0 < prior_std < math.inf):
        return math.nan
    return 1.0 - posterior_std / prior_std


def compute_nlsq_comparison_metrics(
    cmc_mean: float, cmc_std: float, nlsq_value: float, nlsq_std: float | None = None
) -> dict[str, float]:
    """Compare a posterior with the value of a fit.

    Returns
    -------
    dict
        ``z_score``, the distance in posterior standard deviations; ``uncertainty_ratio``, posterior standard deviation
        over standard error; ``relative_diff``, the difference over the value of the fit; ``coverage_95``, 1 if the
        value is in the 95 % interval of a normal posterior, also under the name ``overlap``. NaN where a number is
        missing.

    Examples
    --------
    >>> found = compute_nlsq_comparison_metrics(cmc_mean=1234.5, cmc_std=45.6, nlsq_value=1250.0, nlsq_std=50.0)
    >>> {name: round(value, 3) for name, value in found.items()}
    {'z_score': 0.34, 'coverage_95': 1.0, 'overlap': 1.0, 'relative_diff': -0.012, 'uncertainty_ratio': 0.912}
    """
    known = 0 < cmc_std < math.inf
    z = abs(cmc_mean - nlsq_value) / cmc_std if known else math.nan
    covered = float(z < _IN_95_PERCENT) if known else math.nan
    relative = (cmc_mean - nlsq_value) / abs(nlsq_value) if nlsq_value else math.nan
    ratio = cmc_std / nlsq_std if nlsq_std is not None and 0 < nlsq_std < math.inf else math.nan
    return {
        "z_score": z,
        "coverage_95": covered,
        "overlap": covered,
        "relative_diff": relative,
        "uncertainty_ratio": ratio,
    }


def compute_precision_analysis(
    cmc_result: Mapping[str, Mapping[str, float]],
    nlsq_result: Mapping[str, float] | None = None,
    nlsq_uncertainties: Mapping[str, float] | None = None,
    prior_stds: Mapping[str, float] | None = None,
) -> dict[str, dict[str, float]]:
    """Contraction and comparison of all parameters.

    Parameters
    ----------
    cmc_result
        Name -> ``"mean"`` and ``"std"``, as of `CMCResult.get_posterior_stats`.
    nlsq_result, nlsq_uncertainties
        Values and standard errors of a fit by name.
    prior_stds
        Standard deviations of the priors by name.

    Examples
    --------
    >>> found = compute_precision_analysis({"D0": {"mean": 1e4, "std": 50.0}}, prior_stds={"D0": 500.0})
    >>> found["D0"]["posterior_contraction"]
    0.9
    """
    found = {}
    for name, stats in cmc_result.items():
        if name in _NOT_PHYSICAL:
            continue
        mean, spread = stats.get("mean", math.nan), stats.get("std", math.nan)
        of = {"cmc_mean": mean, "cmc_std": spread}
        prior = (prior_stds or {}).get(name)
        if prior is not None:
            of |= {"posterior_contraction": compute_posterior_contraction(spread, prior), "prior_std": prior}
        value = (nlsq_result or {}).get(name)
        if value is not None:
            error = (nlsq_uncertainties or {}).get(name)
            of |= compute_nlsq_comparison_metrics(mean, spread, value, error) | {"nlsq_value": value}
            of |= {} if error is None else {"nlsq_std": error}
        found[name] = of
    return found


def log_precision_analysis(
    analysis: Mapping[str, Mapping[str, float]],
    log_fn: Callable[[str], None] | None = None,
    tolerance_pct: float = 20.0,
) -> str:
    """Log the analysis as a table, and return it.

    Parameters
    ----------
    analysis
        Of `compute_precision_analysis`.
    log_fn
        Takes the text; the logger of this module where None.
    tolerance_pct
        Differences from the fit beyond this percentage of its value are marked.
    """
    rows = tuple(_row(name, of, tolerance_pct) for name, of in sorted(analysis.items()))
    heads = ("parameter", "posterior mean", "sd", "fit", "difference", "z", "sd / error", "contraction", "")
    text = Table("Posterior and fit", heads, rows).text()
    (logger.info if log_fn is None else log_fn)(text)
    return text


def _row(name: str, of: Mapping[str, float], tolerance_pct: float) -> tuple[str, ...]:
    def show(key: str, form: str) -> str:
        value = of.get(key, math.nan)
        return format(value, form) if math.isfinite(value) else ""

    z, ratio = of.get("z_score", math.nan), of.get("uncertainty_ratio", math.nan)
    apart = abs(of.get("relative_diff", math.nan)) * 100 > tolerance_pct
    remark = (
        "far" if z > _Z_SEVERE else "apart" if z > _Z_WARN or apart else "too precise" if ratio < _TOO_PRECISE else ""
    )
    return (
        name,
        show("cmc_mean", ".5g"),
        show("cmc_std", ".3g"),
        show("nlsq_value", ".5g"),
        show("relative_diff", "+.1%"),
        show("z_score", ".2f"),
        show("uncertainty_ratio", ".2f"),
        show("posterior_contraction", ".2f"),
        remark,
    )
