"""Two modes in the posteriors of shards: which parameters have them, and which shards are in which mode.

A mixture of Gaussians is fitted by `wilks.samplers.consensus.modes`, which takes as many as the draws call for and asks
for a valley between two before it calls them modes. To combine shards with several modes use
`wilks.samplers.consensus.combination` (or `combine_shard_samples`), which multiplies the mixtures of all shards; the
pairing of modes here is the report of homodyne.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.loop.mixing import mixing
from wilks.samplers.consensus.modes import fitted_modes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_SEED = 42
_KEY_PARAMETERS = ("D0", "D_offset", "gamma_dot_t0", "beta", "alpha")
_LEAST = 8


@dataclass
class BimodalResult:
    """Whether one parameter has two modes.

    Attributes
    ----------
    is_bimodal
        Two modes, both with the least weight, far enough apart, and with a valley between them.
    weights, means, stds
        Of the two heaviest components, the lower mean first; (1, 0) and twice the same numbers if there is only one.
    separation
        Distance of the means.
    relative_separation
        The same over the absolute value of their mean.
    """

    is_bimodal: bool
    weights: tuple[float, float]
    means: tuple[float, float]
    stds: tuple[float, float]
    separation: float
    relative_separation: float


@dataclass
class ModeCluster:
    """One mode of combined shards.

    Attributes
    ----------
    mean, std
        Name -> mean and standard deviation.
    weight
        Mass of the mode.
    n_shards
        Shards that have it.
    samples
        Name -> draws, shape (n_chains, n_samples).
    """

    mean: dict[str, float]
    std: dict[str, float]
    weight: float
    n_shards: int
    samples: dict[str, NDArray[np.float64]]


@dataclass
class BimodalConsensusResult:
    """Modes of combined shards, the parameters in which they differ, and which of these have them together."""

    modes: list[ModeCluster]
    modal_params: list[str]
    co_occurrence: dict[str, Any]


def detect_bimodal(
    samples: NDArray[np.float64], min_weight: float = 0.2, min_relative_separation: float = 0.5
) -> BimodalResult:
    """Look for two modes in the draws of one parameter.

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(size=1000)
    >>> found = detect_bimodal(np.where(np.arange(1000) < 400, 1.0, 3.0) + 0.1 * draws)
    >>> found.is_bimodal, np.round(found.means, 1).tolist(), detect_bimodal(5 + draws).is_bimodal
    (True, [1.0, 3.0], False)
    """
    chains = np.atleast_2d(np.asarray(samples, dtype=float))
    flat = chains.ravel()
    if not flat.size or not np.isfinite(flat).all():
        raise InvalidDataError(f"detect_bimodal: expected finite draws, got {flat.size} with NaN or infinity, or none")
    mean, spread = float(flat.mean()), float(flat.std())
    if flat.size < _LEAST or spread == 0:
        return BimodalResult(False, (1.0, 0.0), (mean, mean), (spread, spread), 0.0, 0.0)
    known = mixing(chains, "ess")
    ess = known if np.isfinite(known) else float(flat.size)
    mixture = fitted_modes(
        flat[:, None], np.full(flat.size, 1.0 / flat.size), min(ess, flat.size), np.random.default_rng(_SEED)
    )
    if mixture.n_components == 1:
        return BimodalResult(False, (1.0, 0.0), (mean, mean), (spread, spread), 0.0, 0.0)
    two = np.argsort(-mixture.log_shares)[:2]
    two = two[np.argsort(mixture.means[two, 0])]
    low, high = mixture.means[two, 0].tolist()
    first, second = np.exp(mixture.log_shares[two]).tolist()
    narrow, wide = np.sqrt(mixture.covariances[two, 0, 0]).tolist()
    middle = abs(low + high) / 2
    relative = (high - low) / middle if middle > 0 else np.inf
    enough = min(first, second) > min_weight and relative > min_relative_separation
    return BimodalResult(
        bool(enough and mixture.is_multimodal), (first, second), (low, high), (narrow, wide), high - low, relative
    )


def check_shard_bimodality(
    samples: Mapping[str, NDArray[np.float64]], params_to_check: Sequence[str] | None = None
) -> dict[str, BimodalResult]:
    """Look for two modes in several parameters; D0, D_offset, gamma_dot_t0, beta and alpha where None."""
    wanted = _KEY_PARAMETERS if params_to_check is None else params_to_check
    return {name: detect_bimodal(samples[name]) for name in wanted if name in samples}


def summarize_cross_shard_bimodality(
    bimodal_detections: Sequence[Mapping[str, Any]],
    n_shards: int,
    consensus_means: Mapping[str, float] | None = None,
    significance_threshold: float = 0.05,
) -> dict[str, Any]:
    """Gather what was found in the shards.

    Parameters
    ----------
    bimodal_detections
        One for every shard and parameter with two modes: ``shard``, ``param``, ``mode1``, ``mode2``, ``weights``,
        ``separation``.
    n_shards
        Number of all shards.
    consensus_means
        Name -> mean of the means of the shards, to see whether it lies in a valley.
    significance_threshold
        Parameters that have two modes in a smaller share of the shards are left out.

    Returns
    -------
    dict
        ``per_param``: name -> ``n_bimodal``, ``fraction``, ``lower_mean``, ``lower_std``, ``upper_mean``,
        ``upper_std`` (of the modes over the shards), ``mean_separation`` and ``consensus_in_trough``;
        ``co_occurrence``: ``n_both``, ``fraction_both`` of D0 and alpha; ``n_detections``; ``n_shards``.
    """
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for found in bimodal_detections:
        grouped[str(found["param"])].append(found)
    per_param = {}
    for name, of in grouped.items():
        shards = {found["shard"] for found in of}
        if len(shards) < significance_threshold * n_shards:
            continue
        lower, upper = np.sort([[found["mode1"], found["mode2"]] for found in of], axis=1).T
        consensus = (consensus_means or {}).get(name)
        per_param[name] = {
            "n_bimodal": len(shards),
            "fraction": len(shards) / n_shards,
            "lower_mean": float(lower.mean()),
            "lower_std": float(lower.std()),
            "upper_mean": float(upper.mean()),
            "upper_std": float(upper.std()),
            "mean_separation": float((upper - lower).mean()),
            "consensus_in_trough": consensus is not None and _in_middle(consensus, lower.mean(), upper.mean()),
        }
    both = {found["shard"] for found in grouped["D0"]} & {found["shard"] for found in grouped["alpha"]}
    return {
        "per_param": per_param,
        "co_occurrence": {"n_both": len(both), "fraction_both": len(both) / n_shards if n_shards else 0.0},
        "n_detections": len(bimodal_detections),
        "n_shards": n_shards,
    }


def cluster_shard_modes(
    bimodal_detections: Sequence[Mapping[str, Any]],
    successful_samples: Sequence[Any],
    bimodal_summary: Mapping[str, Any],
    param_bounds: Mapping[str, tuple[float, float]],
) -> tuple[list[int], list[int]]:
    """Assign every shard to the lower or the upper mode; a shard with two modes is in both.

    Distances are those of the parameters with two modes, in units of their bounds.

    Parameters
    ----------
    bimodal_detections, bimodal_summary
        As of `summarize_cross_shard_bimodality`.
    successful_samples
        Of every shard, something with ``samples``.
    param_bounds
        Name -> (lower, upper).

    Returns
    -------
    lower, upper
        Numbers of shards.
    """
    modal = {name: of for name, of in bimodal_summary["per_param"].items() if name in param_bounds}
    bimodal = {int(found["shard"]) for found in bimodal_detections if found["param"] in modal}
    lower, upper = [], []
    for number, shard in enumerate(successful_samples):
        if number in bimodal:
            lower.append(number)
            upper.append(number)
            continue
        gaps = np.zeros(2)
        for name, of in modal.items():
            width = param_bounds[name][1] - param_bounds[name][0]
            mean = float(np.mean(shard.samples[name]))
            gaps += [((mean - of[key]) / width) ** 2 for key in ("lower_mean", "upper_mean")]
        (upper if gaps[1] < gaps[0] else lower).append(number)
    return lower, upper


def _in_middle(value: float, low: float, high: float) -> bool:
    """Is it in the middle half between two modes?"""
    quarter = (high - low) / 4
    return bool(low + quarter < value < high - quarter)
