"""R-hat, effective sizes and divergences of chains, and what they say of convergence.

Measured by `wilks.loop.mixing`. They look at the draws alone: that a posterior is right is the business of its
certificate, which `CMCResult.convergence_status` follows.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.loop.mixing import mixing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

DEFAULT_MAX_RHAT = 1.05
DEFAULT_MIN_ESS = 400.0
DEFAULT_MAX_DIVERGENCE_RATE = 0.05


def compute_r_hat(samples: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Rank-normalised split R-hat of every parameter; NaN for a constant.

    Parameters
    ----------
    samples
        Name -> draws, shape (n_chains, n_samples).

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(size=(4, 500))
    >>> compute_r_hat({"D0": draws})["D0"] < 1.01
    True
    """
    return {name: mixing(chains, "rhat") for name, chains in _chains(samples)}


def compute_ess(samples: Mapping[str, NDArray[np.float64]]) -> tuple[dict[str, float], dict[str, float]]:
    """Effective sizes in the bulk and in the tails, of every parameter.

    Returns
    -------
    ess_bulk, ess_tail
    """
    pairs = list(_chains(samples))
    bulk = {name: mixing(chains, "ess") for name, chains in pairs}
    return bulk, {name: mixing(chains, "ess_tail") for name, chains in pairs}


def check_convergence(
    r_hat: Mapping[str, float],
    ess_bulk: Mapping[str, float],
    divergences: int,
    n_samples: int,
    n_chains: int,
    max_rhat: float = DEFAULT_MAX_RHAT,
    min_ess: float = DEFAULT_MIN_ESS,
    max_divergence_rate: float = DEFAULT_MAX_DIVERGENCE_RATE,
    num_shards: int = 1,
) -> tuple[str, list[str]]:
    """Hold diagnostics against limits.

    What could not be measured (NaN) does not hold, and neither do no diagnostics at all.

    Returns
    -------
    status, warnings
        ``"converged"``, ``"divergences"`` or ``"not_converged"``, and a sentence for everything that fails.

    Examples
    --------
    >>> check_convergence({"D0": 1.2}, {"D0": 900.0}, 0, 500, 4)
    ('not_converged', ['R-hat of D0 is 1.200, expected at most 1.05'])
    """
    warnings = [
        f"R-hat of {name} is {r:.3f}, expected at most {max_rhat:g}" for name, r in r_hat.items() if not r <= max_rhat
    ]
    warnings += [
        f"bulk ESS of {name} is {ess:.0f}, expected at least {min_ess:g}"
        for name, ess in ess_bulk.items()
        if not ess >= min_ess
    ]
    if not r_hat or not ess_bulk:
        warnings.append("R-hat or ESS of no parameter was given")
    rate = divergence_rate(divergences, n_samples, n_chains, num_shards)
    if rate > max_divergence_rate:
        warnings.append(
            f"{divergences} divergences, {rate:.1%} of all draws, expected at most {max_divergence_rate:.1%}"
        )
        return "divergences", warnings
    return ("not_converged" if warnings else "converged"), warnings


def create_diagnostics_dict(
    r_hat: Mapping[str, float],
    ess_bulk: Mapping[str, float],
    ess_tail: Mapping[str, float],
    divergences: int,
    convergence_status: str,
    warnings: list[str],
    n_chains: int,
    n_warmup: int,
    n_samples: int,
    warmup_time: float,
    sampling_time: float,
    num_shards: int = 1,
) -> dict[str, Any]:
    """Everything that was measured, as `save_diagnostics_json` writes it.

    Examples
    --------
    >>> r_hat, bulk, tail = {"D0": 1.0}, {"D0": 900.0}, {"D0": 700.0}
    >>> found = create_diagnostics_dict(r_hat, bulk, tail, 0, "converged", [], 4, 0, 500, 0.0, 1.0)
    >>> found["max_r_hat"], found["per_parameter"]["D0"]["ess_tail"]
    (1.0, 700.0)
    """
    return {
        "convergence_status": convergence_status,
        "total_divergences": int(divergences),
        "divergence_rate": divergence_rate(divergences, n_samples, n_chains, num_shards),
        "max_r_hat": _worst(r_hat.values(), largest=True),
        "min_ess_bulk": _worst(ess_bulk.values(), largest=False),
        "min_ess_tail": _worst(ess_tail.values(), largest=False),
        "all_r_hat_ok": bool(r_hat) and all(value <= DEFAULT_MAX_RHAT for value in r_hat.values()),
        "all_ess_ok": bool(ess_bulk) and all(value >= DEFAULT_MIN_ESS for value in ess_bulk.values()),
        "warnings": list(warnings),
        "sampling_config": {"n_chains": n_chains, "n_warmup": n_warmup, "n_samples": n_samples},
        "timing": {
            "warmup_seconds": warmup_time,
            "sampling_seconds": sampling_time,
            "total_seconds": warmup_time + sampling_time,
        },
        "per_parameter": {
            name: {
                "r_hat": r_hat[name],
                "ess_bulk": ess_bulk.get(name, math.nan),
                "ess_tail": ess_tail.get(name, math.nan),
            }
            for name in r_hat
        },
    }


def summarize_diagnostics(
    r_hat: Mapping[str, float],
    ess_bulk: Mapping[str, float],
    divergences: int,
    n_samples: int,
    n_chains: int,
    num_shards: int = 1,
) -> str:
    """The worst of everything, in a line.

    Examples
    --------
    >>> summarize_diagnostics({"D0": 1.003}, {"D0": 912.0}, 0, 500, 4)
    'R-hat at most 1.003, bulk ESS at least 912, 0 divergences (0.0%)'
    """
    rate = divergence_rate(divergences, n_samples, n_chains, num_shards)
    worst, least = _worst(r_hat.values(), largest=True), _worst(ess_bulk.values(), largest=False)
    return f"R-hat at most {worst:.3f}, bulk ESS at least {least:.0f}, {divergences} divergences ({rate:.1%})"


def log_analysis_summary(
    convergence_status: str,
    r_hat: Mapping[str, float],
    ess_bulk: Mapping[str, float],
    divergences: int,
    n_samples: int,
    n_chains: int,
    n_shards: int,
    shards_succeeded: int,
    execution_time: float,
) -> None:
    """Log how the sampling ended, with recommendations where it did not converge."""
    n = max(shards_succeeded, 1)
    found = summarize_diagnostics(r_hat, ess_bulk, divergences, n_samples, n_chains, n)
    level = logging.INFO if convergence_status == "converged" else logging.WARNING
    logger.log(
        level,
        "%s: %s; %d of %d shards, %.1f s",
        convergence_status,
        found,
        shards_succeeded,
        n_shards,
        execution_time,
    )
    worst, least = _worst(r_hat.values(), largest=True), _worst(ess_bulk.values(), largest=False)
    for advice in get_convergence_recommendations(worst, least, divergences, n_samples, n_chains, n):
        logger.log(level, "%s", advice)


def get_convergence_recommendations(
    max_rhat: float, min_ess: float, divergences: int, n_samples: int, n_chains: int, num_shards: int = 1
) -> list[str]:
    """What to do about chains that did not converge.

    Examples
    --------
    >>> get_convergence_recommendations(1.2, 900.0, 0, 500, 4)
    ['R-hat 1.200: the chains disagree; draw longer chains, and look whether there are several modes']
    """
    found = []
    if not max_rhat <= DEFAULT_MAX_RHAT:
        found.append(
            f"R-hat {max_rhat:.3f}: the chains disagree; draw longer chains, and look whether there are several modes"
        )
    if not min_ess >= DEFAULT_MIN_ESS:
        factor = max(2, math.ceil(DEFAULT_MIN_ESS / min_ess)) if min_ess > 0 else 2
        found.append(f"ESS {min_ess:.0f}: draw {factor} times as many samples")
    rate = divergence_rate(divergences, n_samples, n_chains, num_shards)
    if divergences > 0:
        found.append(
            f"{divergences} divergences ({rate:.1%}): raise target_accept_prob, and look whether the data determine "
            "all parameters"
        )
    return found


def divergence_rate(divergences: int, n_samples: int, n_chains: int, num_shards: int = 1) -> float:
    """Divergences per draw; those of shards are counted together."""
    total = num_shards * n_chains * n_samples
    return divergences / total if total > 0 else 0.0


def _chains(samples: Mapping[str, NDArray[np.float64]]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for name, given in samples.items():
        chains = np.asarray(given, dtype=float)
        if chains.ndim != 2:
            raise InvalidDataError(f"samples of {name!r}: expected the shape (n_chains, n_samples), got {chains.shape}")
        yield name, chains


def _worst(values: Iterable[float], *, largest: bool) -> float:
    """The largest or the smallest one; NaN if one could not be measured, or there are none."""
    known = np.array(list(values), dtype=float)
    if not known.size:
        return math.nan
    return float(known.max() if largest else known.min())
