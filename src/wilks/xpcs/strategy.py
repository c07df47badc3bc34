"""Where the folded data live during a fit: in memory, in memory in single precision, or on disk.

A fit goes through its data some ten times. Folded data in memory are gone through at the speed of memory; out of core,
every pass reads and folds them again, a batch of angles at a time, with the same answer to rounding. Single precision
halves the memory and is enough for data that are noisier than one part in a million.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.memory import available_memory
from wilks.xpcs.packing import pair_count

if TYPE_CHECKING:
    from wilks.xpcs.data import TwoTimeData

_DEFAULT_FRACTION = 0.75
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Strategy:
    """How the data are kept, and why.

    Attributes
    ----------
    name
        "in_memory" (in the precision of the data), "in_memory_float32" or "out_of_core".
    reason
        A sentence with the numbers.
    dtype
        Type in which folded pairs are kept: "float32" or "float64".
    batch
        Number of angles that are folded at a time: all of them in memory.
    needed_bytes
        What folded data of all angles take in the precision of the data, with what folding needs beside them.
    limit_bytes
        What may be used.
    available_bytes
        What the machine, or the container that this process runs in, had free.
    note
        What the passes over the data cost, where they cost something.
    """

    name: Literal["in_memory", "in_memory_float32", "out_of_core"]
    reason: str
    dtype: Literal["float32", "float64"]
    batch: int
    needed_bytes: int
    limit_bytes: int
    available_bytes: int
    note: str


def choose_strategy(
    data: TwoTimeData, memory_limit: float | str | None = None, expected_passes: int = 10, n_threads: int = 1
) -> Strategy:
    """Choose how to keep the folded pairs of `data`.

    Parameters
    ----------
    data
        The measurement.
    memory_limit
        What may be used: a number of bytes, a text such as "2GB" or "500 MiB", or a fraction of what is free, above 0
        and up to 1. None is three quarters of what is free.
    expected_passes
        How often the fit will go through the data; for the note of the answer only.
    n_threads
        Number of angles that are read and folded at the same time.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks.xpcs.data import TwoTimeData
    >>> c2 = np.full((2, 100, 100), 1.2)
    >>> data = TwoTimeData(c2, t=np.arange(100), phi=[0, 45], q=0.01)
    >>> choose_strategy(data, "1 MB").name, choose_strategy(data, "200 kB").name
    ('in_memory', 'out_of_core')
    """
    for name, value in {"expected_passes": expected_passes, "n_threads": n_threads}.items():
        if value < 1:
            raise InvalidConfigurationError(f"{name} must be at least 1, but it is {value}")
    available = available_memory()
    limit = limit_bytes(memory_limit, available)
    native: Literal["float32", "float64"] = "float32" if data.is_float32 else "float64"
    n_pairs, work = pair_count(data.n_t), _folding_bytes(data, min(n_threads, data.n_phi))
    # Weights count always: whether values are missing is known only when they have been read.
    per_angle = {"float32": n_pairs * 8, "float64": n_pairs * 12}
    full = data.n_phi * per_angle[native] + work
    half = data.n_phi * per_angle["float32"] + work
    numbers = f"of {_text(limit)} that may be used ({_text(available)} are free)"
    if full <= limit:
        reason = f"the folded data take {_text(full)} {numbers}"
        return Strategy("in_memory", reason, native, data.n_phi, full, limit, available, "")
    if half <= limit:
        reason = f"the folded data would take {_text(full)} {numbers}; in single precision they take {_text(half)}"
        return Strategy("in_memory_float32", reason, "float32", data.n_phi, full, limit, available, "")
    batch = (limit - work) // per_angle["float32"]
    if batch < 1:
        raise InvalidConfigurationError(
            f"{_text(limit)} of memory are not enough to fold one angle of {data.n_t} times, which takes "
            f"{_text(work + per_angle['float32'])}: raise memory_limit, or fit fewer frames"
        )
    reason = (
        f"the folded data would take {_text(half)} in single precision {numbers}; angles are folded {batch} at a time"
    )
    note = (
        f"each of about {expected_passes} passes reads {_text(data.nbytes)}, {_text(expected_passes * data.nbytes)} "
        "in all"
    )
    return Strategy("out_of_core", reason, "float32", int(batch), full, limit, available, note)


def _folding_bytes(data: TwoTimeData, n_threads: int) -> int:
    """Bytes that folding takes beside its answer: matrices as they are read, and their values and weights."""
    itemsize = data.nbytes // (data.n_phi * data.n_t**2)
    return n_threads * (data.nbytes // data.n_phi + pair_count(data.n_t) * (itemsize + 8))


def limit_bytes(memory_limit: float | str | None, available: int) -> int:
    """Return the number of bytes that a limit means, of those that are free.

    Raises
    ------
    InvalidConfigurationError
        If it means none.
    """
    if memory_limit is None:
        return int(_DEFAULT_FRACTION * available)
    expected = 'memory_limit must be a number of bytes, a text such as "2GB", or a fraction above 0 and up to 1'
    if isinstance(memory_limit, str):
        found = _SIZE.fullmatch(memory_limit)
        unit = found.group(2).lower() if found else "?"
        if not found or unit not in _UNITS:
            raise InvalidConfigurationError(f"{expected}, but it is {memory_limit!r}")
        memory_limit = max(float(found.group(1)) * _UNITS[unit], 1.5)
    if isinstance(memory_limit, bool) or not (math.isfinite(memory_limit) and memory_limit > 0):
        raise InvalidConfigurationError(f"{expected}, but it is {memory_limit!r}")
    return int(memory_limit * available) if memory_limit <= 1 else int(memory_limit)


def _text(n_bytes: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes / 1e3:.3g} kB"
