"""Which matrices of a file, and which of their frames, are meant."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.xpcs.data import MIN_TIMES
from wilks.xpcs.files.angles import checked_angles, selected_angles
from wilks.xpcs.files.contents import SAME_Q, distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.files.contents import FileContents
    from wilks.xpcs.files.options import ReadOptions

_SAME_ANGLE = 1e-3
_OFF = 0.01
"""Part by which a wave vector may differ from the one that was asked for without a word."""
_MAYBE_SAME_RING = 0.1
"""Relative difference of wave vectors that may be the variation of one ring, if the angles differ."""
_NEAREST = 4
_LISTED = 12


@dataclass(frozen=True, eq=False)
class Selection:
    """What was selected.

    Attributes
    ----------
    positions
        Of the matrices in the file, ascending.
    q
        Mean of their wave vectors in 1/Å.
    q_range
        The least and the largest of them.
    phi
        Their angles in degrees.
    frames
        First and last frame, counted from 1.
    notes
        What a reader of the results should know.
    """

    positions: tuple[int, ...]
    q: float
    q_range: tuple[float, float]
    phi: NDArray[np.float64]
    frames: tuple[int, int]
    notes: tuple[str, ...]


def select(contents: FileContents, q: float | None, angles: object, frames: object, options: ReadOptions) -> Selection:
    """Select matrices by wave vector and angle, and frames.

    Raises
    ------
    InvalidDataError
        If there is nothing of the kind in the file.
    InvalidConfigurationError
        If a value cannot be one of a wave vector, of angles or of frames.
    """
    all_q = np.array([each.q for each in contents.matrices])
    phi = np.array([each.phi for each in contents.matrices])
    near = _near(contents, all_q, q, options.q_tolerance)
    notes = _left_out(all_q, phi, near)
    if angles is not None:
        positions = np.flatnonzero(near)
        meant, without = selected_angles(
            phi[positions],
            checked_angles(angles),
            options.angle_tolerance,
            f"{contents.path}, q = {_q_text(all_q[near])}",
        )
        notes += without
        near[positions[~meant]] = False
    positions = np.flatnonzero(near)
    chosen, of = all_q[positions], phi[positions]
    if not np.isfinite(of).all():
        raise InvalidDataError(
            f"{contents.path}: {int((~np.isfinite(of)).sum())} of the matrices have no angle (NaN): leave them out "
            "with angles=..."
        )
    _require_one_ring(contents.path, chosen, of, q, options.q_tolerance)
    least, largest = float(chosen.min()), float(chosen.max())
    mean = least + float((chosen - least).mean())  # of equal values their value, to the last digit
    spread = (largest - least) / mean
    if spread > SAME_Q:
        notes.append(
            f"The wave vectors of the matrices differ by {100 * spread:.2g} % ({_q_text(chosen)} 1/Å); the fit takes "
            f"their mean, {mean:.6g} 1/Å."
        )
    if q is not None and abs(mean - q) > _OFF * q:
        notes.append(f"The wave vector of the matrices is {mean:.6g} 1/Å; {q:g} was asked for.")
    window = _window(contents, frames)
    return Selection(tuple(positions.tolist()), mean, (least, largest), of, window, tuple(notes))


def _near(contents: FileContents, all_q: NDArray[np.float64], q: float | None, tolerance: float) -> NDArray[np.bool_]:
    """Which matrices have the wave vector `q`, or the only one that there is."""
    if q is None:
        known = np.isfinite(all_q)
        if not (all_q[known] > 0).any():
            raise InvalidDataError(
                f"{contents.path}: expected wave vectors > 0 in 1/Å, but the file has {_list(all_q)}: was the map of "
                "the detector complete when it was correlated?"
            )
        if np.ptp(all_q[known]) > tolerance * all_q[known].mean():
            raise InvalidDataError(
                f"{contents.path}: there are matrices at {len(contents.q)} wave vectors; choose one of them with q "
                f"(1/Å): {_list(contents.q)}"
            )
        return known
    if isinstance(q, bool) or not isinstance(q, numbers.Real) or not (math.isfinite(q) and q > 0):
        raise InvalidConfigurationError(f"q: expected a positive number in 1/Å, or None, got {q!r}")
    near = np.abs(all_q - q) <= tolerance * q
    if not near.any():
        nearest = sorted(sorted(contents.q.tolist(), key=lambda each: abs(each - q))[:_NEAREST])
        raise InvalidDataError(
            f"{contents.path}: no matrix within {100 * tolerance:g} % of q = {q:g} 1/Å; the nearest are at "
            f"{_list(np.array(nearest))}. Choose one of them, or a larger q_tolerance"
        )
    return near


def _left_out(all_q: NDArray[np.float64], phi: NDArray[np.float64], near: NDArray[np.bool_]) -> list[str]:
    """Notes on matrices that may belong to the ring that was selected, and were not.

    Wave vectors of a ring may vary with the angle by more than the tolerance. Those that were left out are told from
    another ring by their angles: none of them is one of the matrices that were selected.
    """
    notes = []
    unknown = int((~np.isfinite(all_q)).sum())
    if unknown:
        notes.append(f"{unknown} of the matrices in the file have no wave vector (NaN) and were left out.")
    around = np.flatnonzero((np.abs(all_q / np.median(all_q[near]) - 1) < _MAYBE_SAME_RING) & ~near)
    lost = []
    for group in distinct(all_q[around].tolist()):
        members = around[(all_q[around] >= group[0]) & (all_q[around] <= group[-1])]
        apart = (phi[members][:, None] - phi[near] + 180) % 360 - 180
        if (np.abs(apart) >= _SAME_ANGLE).all():
            lost += members.tolist()
    if lost:
        notes.append(
            f"{len(lost)} matri{'x' if len(lost) == 1 else 'ces'} at other angles ({_list(np.sort(phi[lost]))} "
            f"degrees) with wave vectors nearby ({_q_text(all_q[lost])} 1/Å) were left out; if they are of the same "
            "ring, a larger q_tolerance takes them too."
        )
    return notes


def _require_one_ring(
    path: str, q: NDArray[np.float64], phi: NDArray[np.float64], wanted: float | None, tolerance: float
) -> None:
    """Refuse matrices of the same angle at several wave vectors: two whole rings that only look like one."""
    order = np.argsort(phi % 360, kind="stable")
    same = np.abs(np.diff(phi[order] % 360)) < _SAME_ANGLE
    differ = np.abs(np.diff(q[order])) > SAME_Q * q.mean()
    if not (same & differ).any():
        return
    rings = [float(np.median(group)) for group in distinct(q.tolist())]
    target = float(np.median(rings)) if wanted is None else wanted
    distances = sorted(abs(ring - target) / target for ring in rings)
    smaller = (distances[0] + distances[1]) / 2
    advice = (
        f"q_tolerance={smaller:.2g} separates them"
        if wanted is not None and distances[0] < smaller < min(distances[1], tolerance)
        else f"choose one of them with q, and q_tolerance={0.4 * (rings[1] - rings[0]) / rings[1]:.2g}"
    )
    raise InvalidDataError(
        f"{path}: several rings lie within {100 * tolerance:g} % of each other or of the wave vector that was asked "
        f"for, q = {_list(np.array(rings))} 1/Å, with matrices at the same angles; {advice}"
    )


def _window(contents: FileContents, frames: object) -> tuple[int, int]:
    """First and last frame."""
    if frames is None:
        return 1, contents.n_t
    pair = tuple(frames) if isinstance(frames, tuple | list) else ()
    whole = [isinstance(each, numbers.Integral) and not isinstance(each, bool) for each in pair]
    if len(pair) != 2 or not (whole[0] and (whole[1] or pair[1] is None)):
        raise InvalidConfigurationError(
            f"frames: expected (first, last), counted from 1, last = None for all that follow, got {frames!r}"
        )
    first, last = int(pair[0]), contents.n_t if pair[1] is None else int(pair[1])
    if first < 1 or (pair[1] is not None and first > last):
        raise InvalidConfigurationError(f"frames: expected 1 <= first <= last, got {frames!r}")
    if max(first, last) > contents.n_t:
        raise InvalidDataError(
            f"{contents.path}: frames {first} to {pair[1] or 'the end'} were asked for, and there are {contents.n_t}"
        )
    if last - first + 1 < MIN_TIMES:
        raise InvalidDataError(
            f"{contents.path}: frames {first} to {last} are fewer than the {MIN_TIMES} that a fit needs at least"
        )
    return first, last


def _list(q: NDArray[np.float64]) -> str:
    shown = ", ".join(f"{value:.6g}" for value in q[:_LISTED])
    return shown + (f", ... {len(q) - _LISTED} more up to {q[-1]:.6g}" if len(q) > _LISTED else "")


def _q_text(q: NDArray[np.float64]) -> str:
    return f"{q[0]:.6g}" if len(set(q.tolist())) == 1 else f"{q.min():.6g} to {q.max():.6g}"
