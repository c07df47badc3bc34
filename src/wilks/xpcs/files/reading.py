"""From a file to a measurement."""

from __future__ import annotations

import math
import numbers
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.files.cache import from_cache
from wilks.xpcs.files.layouts import layout_of
from wilks.xpcs.files.options import ReadOptions
from wilks.xpcs.files.selection import select
from wilks.xpcs.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.xpcs.files.angles import Angle
    from wilks.xpcs.files.contents import FileContents

_SAME_INTERVAL = 1e-3


def describe(path: str | Path) -> FileContents:
    """Return what a file with two-time correlations holds; no matrix is read.

    Parameters
    ----------
    path
        HDF5 file of the Advanced Photon Source, before or after its upgrade, or NPZ file.

    Raises
    ------
    InvalidDataError
        If it is none of these, or something is missing in it.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "run.npz"
    >>> t, c2 = 0.1 * np.arange(50), np.full((3, 50, 50), 1.2)
    >>> np.savez(path, c2_exp=c2, phi_angles_list=[0, 45, 90], wavevector_q_list=[0.0054], t1=t, t2=t)
    >>> print(describe(path).table().text())
    run.npz
    q (1/Å)  matrices  angles (degrees)
    0.0054          3         0, 45, 90
    3 matrices, layout npz, 50 frames, one every 0.1 s; float64, not compressed, 60
    kB when all are read
    >>> folder.cleanup()
    """
    return layout_of(Path(path), "auto").contents(Path(path))


def read(
    path: str | Path,
    q: float | None = None,
    *,
    angles: Sequence[Angle] | None = None,
    frames: tuple[int, int | None] | None = None,
    dt: float | None = None,
    gap: float | None = None,
    options: ReadOptions | None = None,
) -> TwoTimeData:
    """Read the two-time correlations at one wave vector from a file.

    The matrices stay in the file until they are needed; those that are not selected are never read.

    Parameters
    ----------
    path
        HDF5 file of the Advanced Photon Source, before or after its upgrade, or NPZ file; `describe` shows what is in
        it.
    q
        Wave vector in 1/Å; None if the file has only one.
    angles
        Angles in degrees: numbers, and ranges (low, high), which may go through 180 as (170, -170); None takes all.
    frames
        First and last frame, counted from 1 and both included; None for the last goes to the end. The times of the
        frames stay what they are: that of frame k is (k - 1) dt.
    dt
        Time between frames in s; None takes it from the file.
    gap
        Width of the sheared gap in Å; None if nothing flows.
    options
        Layout, tolerances, cache and sigma.

    Returns
    -------
    TwoTimeData
        Its ``source`` says what was read.

    Raises
    ------
    InvalidDataError
        If the file is damaged or has no known layout, or there is nothing in it of what was asked for.
    InvalidConfigurationError
        If an argument cannot be used.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "run.npz"
    >>> t, c2 = 0.1 * np.arange(50), np.full((3, 50, 50), 1.2)
    >>> np.savez(path, c2_exp=c2, phi_angles_list=[0, 45, 90], wavevector_q_list=[0.0054], t1=t, t2=t)
    >>> read(path, angles=[(-10, 10), 90], frames=(11, None))
    TwoTimeData(2 angles, 40 times of 0.1 s, q = 0.0054 1/Å, no gap, sigma to be estimated, float64, 0.0256 MB)
    >>> folder.cleanup()
    """
    options = ReadOptions() if options is None else options
    layout = layout_of(Path(path), options.layout)
    contents = layout.contents(Path(path))
    selection = select(contents, q, angles, frames, options)
    times, notes = _times(contents, selection.frames, dt)
    matrices: Sequence[Any] = layout.matrices(contents, selection.positions, selection.frames)
    cached = False
    if options.cache is not None:
        matrices, cached, of_cache = from_cache(Path(options.cache), contents, selection, q, matrices)
        notes += of_cache
    sigma: Any = options.sigma
    if sigma is None:
        sigma = layout.sigma(contents, selection.positions, selection.frames)
    source = Source(
        path=str(path),
        layout=layout.name,
        keys=tuple(contents.matrices[k].key for k in selection.positions),
        frames=selection.frames,
        q_requested=None if q is None else float(q),
        q_range=selection.q_range,
        cached=cached,
        notes=(*contents.notes, *selection.notes, *notes),
    )
    return TwoTimeData(list(matrices), times, selection.phi, selection.q, gap, sigma=sigma).with_source(source)


def _times(contents: FileContents, frames: tuple[int, int], dt: float | None) -> tuple[NDArray[np.float64], list[str]]:
    """Times of the frames, and a note if the file has others."""
    if dt is not None and (
        isinstance(dt, bool) or not isinstance(dt, numbers.Real) or not (math.isfinite(dt) and dt > 0)
    ):
        raise InvalidConfigurationError(f"dt: expected a positive number, the time between frames in s, got {dt!r}")
    interval = contents.dt if dt is None else float(dt)
    if interval is None:
        raise InvalidDataError(
            f"{contents.path}: the time between frames is not in the file (layout {contents.layout}), or is not one "
            "positive number there: give dt in s"
        )
    notes = []
    if contents.dt is not None and abs(interval - contents.dt) > _SAME_INTERVAL * contents.dt:
        notes.append(
            f"The time between frames is {interval:g} s, as given, and {contents.dt:g} s according to the file."
        )
    steps = np.arange(contents.n_t, dtype=np.float64)
    if contents.t is not None and contents.dt is not None:
        steps = np.asarray(contents.t / contents.dt)
    return np.asarray(interval * steps[frames[0] - 1 : frames[1]]), notes
