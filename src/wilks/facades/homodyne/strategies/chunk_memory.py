"""What chunks of data and a Jacobian of all of them take of the memory; the estimates of homodyne, 1 MB = 10^6 bytes.

The engine of `wilks.xpcs` keeps no Jacobian; what it takes is in ``strategy`` of its result.
"""

from __future__ import annotations

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.memory import available_memory

_MB, _GB = 1e6, 1e9
_FLOAT, _INDEX = 8, 8
_SAFE = 0.7
_COMPILED = 1.75
_MARGIN = 1.2


def estimate_stratification_memory(
    n_points: int, n_features: int = 4, use_index_based: bool = False, estimated_expansion: float = 1.0
) -> dict[str, float | bool]:
    """Return what ordering the data takes, without any fit.

    Parameters
    ----------
    n_points, n_features
        Number of points, and of arrays (angle, two times, value).
    use_index_based
        Is the order an array of positions, or are the data copied?
    estimated_expansion
        How much longer the copy is: above 1 if points are repeated.

    Returns
    -------
    dict
        ``original_memory_mb``, ``stratified_memory_mb``, ``index_memory_mb``, ``peak_memory_mb``, and ``is_safe``: is
        the peak below 70 % of what is free?

    Examples
    --------
    >>> estimate_stratification_memory(1_000_000)["peak_memory_mb"]
    64.0
    """
    _check(n_points=n_points, n_features=n_features)
    original = n_points * n_features * _FLOAT / _MB
    index = n_points * _INDEX / _MB if use_index_based else 0.0
    stratified = 0.0 if use_index_based else original * estimated_expansion
    peak = original + stratified + index
    return {
        "original_memory_mb": original,
        "stratified_memory_mb": stratified,
        "index_memory_mb": index,
        "peak_memory_mb": peak,
        "is_safe": peak * _MB < _SAFE * available_memory(),
    }


def estimate_nlsq_optimization_memory(
    n_points: int, n_params: int, n_features: int = 4, dtype_bytes: int = 8
) -> dict[str, float | bool]:
    """Return what a fit with a Jacobian of all points takes.

    Parameters
    ----------
    n_points, n_params, n_features
        Numbers of points, of parameters, and of arrays (angle, two times, value).
    dtype_bytes
        Bytes of a number.

    Returns
    -------
    dict
        ``data_mb``, ``jacobian_mb``, ``jax_overhead_mb`` (1.75 times the data), ``optimizer_mb`` (matrices of the
        parameters), ``total_mb`` (20 % more than their sum), ``peak_gb``, ``available_gb``, ``utilization_pct`` and
        ``is_safe``: is it below 70 % of what is free?

    Examples
    --------
    >>> memory = estimate_nlsq_optimization_memory(n_points=23_046_023, n_params=53)
    >>> round(memory["jacobian_mb"]), round(memory["peak_gb"], 1)
    (9772, 14.2)
    """
    _check(n_points=n_points, n_params=n_params, n_features=n_features, dtype_bytes=dtype_bytes)
    data, jacobian = (n_points * columns * dtype_bytes / _MB for columns in (n_features, n_params))
    overhead = _COMPILED * data
    optimizer = (n_params**2 + 4 * n_params) * dtype_bytes / _MB
    total = _MARGIN * (data + jacobian + overhead + optimizer)
    available = available_memory()
    return {
        "data_mb": data,
        "jacobian_mb": jacobian,
        "jax_overhead_mb": overhead,
        "optimizer_mb": optimizer,
        "total_mb": total,
        "peak_gb": total * _MB / _GB,
        "available_gb": available / _GB,
        "utilization_pct": 100 * total * _MB / max(available, 1),
        "is_safe": total * _MB < _SAFE * available,
    }


def calculate_adaptive_chunk_size(
    total_points: int,
    n_params: int,
    n_angles: int,
    available_memory_gb: float | None = None,
    safety_factor: float = 5.0,
    min_chunk_size: int = 10_000,
    max_chunk_size: int = 500_000,
) -> int:
    """Return how many points a chunk may have so that its Jacobian fits into the memory.

    It is what 70 % of the memory holds of rows of the Jacobian, over `safety_factor`; a multiple of the number of
    angles; and not below `min_chunk_size` or above `max_chunk_size`.

    Parameters
    ----------
    total_points, n_params, n_angles
        Numbers of points, of parameters and of angles.
    available_memory_gb
        By default what is free.
    safety_factor
        How many times the Jacobian is there, all in all.
    min_chunk_size, max_chunk_size
        Limits.

    Examples
    --------
    >>> calculate_adaptive_chunk_size(1_000_000, 9, 3, available_memory_gb=32.0)
    500000
    >>> calculate_adaptive_chunk_size(1_000_000, 53, 23, available_memory_gb=0.25)
    82547
    """
    _check(total_points=total_points, n_params=n_params, n_angles=n_angles, safety_factor=safety_factor)
    if not 0 < min_chunk_size <= max_chunk_size:
        raise InvalidConfigurationError(
            f"expected 0 < min_chunk_size <= max_chunk_size, got {min_chunk_size!r} and {max_chunk_size!r}"
        )
    free = available_memory() if available_memory_gb is None else available_memory_gb * _GB
    fitting = int(_SAFE * free / (n_params * _FLOAT * safety_factor))
    return min(max(fitting // n_angles * n_angles, min_chunk_size), max_chunk_size)


def _check(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise InvalidConfigurationError(f"{name}: expected a positive number, got {value!r}")
