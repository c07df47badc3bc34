"""Where data come from: what was read out of which file, and what was seen on the way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes
    ----------
    path
        The file, as it was named.
    layout
        ``"aps_u"``, ``"aps_old"`` or ``"npz"``.
    keys
        Names of the matrices in the file, in the order of the angles.
    frames
        First and last frame that were read, counted from 1.
    q_requested
        Wave vector that was asked for in 1/Å; None where the file has one only.
    q_range
        Least and largest wave vector of the matrices in 1/Å.
    cached
        Were the matrices taken from the cache?
    notes
        What a reader of the results should know, in sentences.
    """

    path: str
    layout: str
    keys: tuple[str, ...]
    frames: tuple[int, int]
    q_requested: float | None
    q_range: tuple[float, float]
    cached: bool = False
    notes: tuple[str, ...] = ()
