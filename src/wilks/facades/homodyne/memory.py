"""How much memory the classical way to fit would take, with its Jacobian of all points, and whether it is there.

These are the estimates of homodyne, in units of 2^30 bytes. The engine of `wilks.xpcs` keeps no Jacobian: it decides by
the size of the folded data (`wilks.xpcs.strategy`), and says how in the field ``strategy`` of its result.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from enum import Enum
from typing import Any

from wilks.core.errors import InvalidConfigurationError

__all__ = [
    "DEFAULT_MEMORY_FRACTION",
    "NLSQStrategy",
    "StrategyDecision",
    "detect_total_system_memory",
    "estimate_peak_memory_gb",
    "get_adaptive_memory_threshold",
    "select_nlsq_strategy",
]

DEFAULT_MEMORY_FRACTION = 0.75
"""Part of the memory of the machine that may be used."""
_LEAST_FRACTION, _LARGEST_FRACTION = 0.1, 0.9
_VARIABLE = "NLSQ_MEMORY_FRACTION"
_GB = 2**30
_INDEX_BYTES = 8


def detect_total_system_memory() -> int:
    """Return the memory of the machine in bytes.

    Examples
    --------
    >>> detect_total_system_memory() > 2**20
    True
    """
    import psutil  # noqa: PLC0415 - loads on use

    return int(psutil.virtual_memory().total)


def get_adaptive_memory_threshold(memory_fraction: float | None = None) -> tuple[float, dict[str, Any]]:
    """Return the memory that may be used, a fraction of that of the machine.

    Parameters
    ----------
    memory_fraction
        Drawn in to 0.1 to 0.9; None for the environment variable ``NLSQ_MEMORY_FRACTION``, or 0.75 without it.

    Returns
    -------
    threshold_gb, info
        In GB, and a dictionary with ``total_memory_gb``, ``memory_fraction``, ``source`` (``"argument"``, ``"env"`` or
        ``"default"``) and ``detection_method``.

    Raises
    ------
    InvalidConfigurationError
        If the fraction is no number.

    Examples
    --------
    >>> threshold_gb, info = get_adaptive_memory_threshold(memory_fraction=0.5)
    >>> threshold_gb == 0.5 * info["total_memory_gb"], info["source"]
    (True, 'argument')
    """
    text = os.environ.get(_VARIABLE)
    if memory_fraction is not None:
        fraction, source = _fraction("memory_fraction", memory_fraction), "argument"
    elif text is not None:
        fraction, source = _fraction(f"environment variable {_VARIABLE}", text), "env"
    else:
        fraction, source = DEFAULT_MEMORY_FRACTION, "default"
    total_gb = detect_total_system_memory() / _GB
    info = {
        "total_memory_gb": total_gb,
        "memory_fraction": fraction,
        "source": source,
        "detection_method": "psutil",
    }
    return total_gb * fraction, info


def estimate_peak_memory_gb(
    n_points: int, n_params: int, bytes_per_element: int = 8, jacobian_overhead: float = 6.5
) -> float:
    """Return what a fit with the full Jacobian takes at most, in GB.

    Parameters
    ----------
    n_points, n_params
        Rows and columns of the Jacobian.
    bytes_per_element
        8 for double precision.
    jacobian_overhead
        How many times the Jacobian is there, all in all.

    Examples
    --------
    >>> round(estimate_peak_memory_gb(23_046_023, 53), 1)
    59.2
    """
    for name, value in (("n_points", n_points), ("n_params", n_params), ("bytes_per_element", bytes_per_element)):
        if not 0 <= value < math.inf:
            raise InvalidConfigurationError(f"{name}: expected a number >= 0, got {value!r}")
    return n_points * n_params * bytes_per_element * jacobian_overhead / _GB


class NLSQStrategy(Enum):
    """Where the rows of a Jacobian are: all in memory, chunk by chunk, or streamed."""

    STANDARD = "standard"
    OUT_OF_CORE = "out_of_core"
    HYBRID_STREAMING = "hybrid_streaming"


@dataclass(frozen=True)
class StrategyDecision:
    """A strategy, and why.

    Attributes
    ----------
    strategy
        What was chosen.
    threshold_gb
        Memory that may be used, in GB.
    index_memory_gb
        What an index of all points takes.
    peak_memory_gb
        What a fit with the full Jacobian takes.
    reason
        A sentence for people.
    """

    strategy: NLSQStrategy
    threshold_gb: float
    index_memory_gb: float
    peak_memory_gb: float
    reason: str


def select_nlsq_strategy(
    n_points: int, n_params: int, memory_fraction: float = DEFAULT_MEMORY_FRACTION
) -> StrategyDecision:
    """Choose a strategy by what an index of the points and a fit with the full Jacobian take.

    Parameters
    ----------
    n_points, n_params
        Numbers of points and of parameters.
    memory_fraction
        Part of the memory that may be used; where it is the default, ``NLSQ_MEMORY_FRACTION`` goes before it.

    Examples
    --------
    >>> select_nlsq_strategy(100_000, 53).strategy.value
    'standard'
    """
    threshold, _ = get_adaptive_memory_threshold(
        None if memory_fraction == DEFAULT_MEMORY_FRACTION else memory_fraction
    )
    index, peak = n_points * _INDEX_BYTES / _GB, estimate_peak_memory_gb(n_points, n_params)
    if index > threshold:
        chosen, reason = NLSQStrategy.HYBRID_STREAMING, f"Index array ({index:.1f} GB) exceeds"
    elif peak > threshold:
        chosen, reason = NLSQStrategy.OUT_OF_CORE, f"Peak memory ({peak:.1f} GB) exceeds"
    else:
        chosen, reason = NLSQStrategy.STANDARD, f"Peak memory ({peak:.1f} GB) is within"
    return StrategyDecision(chosen, threshold, index, peak, f"{reason} threshold ({threshold:.1f} GB)")


def _fraction(where: str, given: float | str) -> float:
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value):
        raise InvalidConfigurationError(f"{where}: expected a number from 0.1 to 0.9, got {given!r}")
    return min(max(value, _LEAST_FRACTION), _LARGEST_FRACTION)
