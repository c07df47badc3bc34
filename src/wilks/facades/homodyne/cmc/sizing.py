"""How many points a shard has, how many shards there are, and how long its chains are, by the rules of the page.

Points of a shard without a number of one's own: 8000 in laminar flow (5000 from 2e6 points on, 8000 from 1e8, 10 000
from 1e9) and 10 000 in static mode (15 000 and 20 000 from 1e8 and 1e9), times a factor of the number of angles: 0.6
up to 3 angles, 0.7 up to 5, 0.85 up to 10, 1 above; times 2000 / (warmup + samples) within 0.25 and 2; and at least
3000 in laminar flow, 5000 in static mode, and 1500 for every parameter.
"""

from __future__ import annotations

import math

_LARGE, _LARGER, _LARGEST = 2_000_000, 100_000_000, 1_000_000_000
_FACTORS = ((3, 0.6), (5, 0.7), (10, 0.85))
_LEAST = {"static": 5000, "laminar_flow": 3000}
_MOST_SHARDS = ((_LARGE, 2000), (_LARGER, 10_000), (_LARGEST, 50_000))
_MOST_OF_ALL = 100_000
_USUAL_DRAWS = 2000
_FULL = 10_000
N_LAMINAR = 7
"""Number of physical parameters from which on there is flow."""


def points_per_shard(n_points: int, n_phi: int, mode: str, n_draws: int) -> int:
    """Points of a shard by the rule above, that of the parameters excepted.

    Examples
    --------
    >>> points_per_shard(1_000_000, 3, "laminar_flow", 2000)
    4800
    """
    if mode == "static":
        base = 10_000 if n_points < _LARGER else 15_000 if n_points < _LARGEST else 20_000
    else:
        base = 8000 if n_points < _LARGE else 5000 if n_points < _LARGER else 8000 if n_points < _LARGEST else 10_000
    factor = next((factor for most, factor in _FACTORS if n_phi <= most), 1.0)
    draws = min(max(_USUAL_DRAWS / max(n_draws, 1), 0.25), 2.0)
    return max(round(base * factor * draws), _LEAST[mode])


def shard_count(n_points: int, size: int) -> int:
    """Number of shards of about this size: at least one, and no more than the page allows.

    Examples
    --------
    >>> shard_count(100_001, 10_000)
    11
    """
    most = next((most for least, most in _MOST_SHARDS if n_points < least), _MOST_OF_ALL)
    return min(max(math.ceil(n_points / size), 1), most)


def adapted(configured: int, least: int, per_parameter: int, shard_size: int, n_params: int) -> int:
    """Draws for a shard: fewer where it is small, but enough for its parameters, and never more than configured.

    Examples
    --------
    >>> adapted(1500, 200, 50, 2000, 7)
    350
    """
    scaled = round(configured * min(1.0, shard_size / _FULL))
    return min(configured, max(scaled, least, per_parameter * n_params))
