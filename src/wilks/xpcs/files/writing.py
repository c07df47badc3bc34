"""Write measurements to the files that beamlines, viewers and other packages read.

What goes into a file is prepared here, matrix by matrix, so that no more than one is in memory; `writing_hdf5` and
`writing_npz` put it where a layout wants it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.store.files import written_whole
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.files.contents import SAME_Q
from wilks.xpcs.files.writing_hdf5 import write_aps_old, write_aps_u
from wilks.xpcs.files.writing_npz import write_npz

if TYPE_CHECKING:
    from collections.abc import Callable

Layout = Literal["aps_u", "aps_old", "npz"]
Compression = Literal["gzip"]

_WRITERS: dict[str, Callable[..., None]] = {
    "aps_u": write_aps_u,
    "aps_old": write_aps_old,
    "npz": write_npz,
}
_SAME_TIME = 1e-3
"""Of the time between frames."""


def write(
    path: str | Path,
    measurements: TwoTimeData | Sequence[TwoTimeData],
    *,
    layout: Layout = "aps_u",
    compression: Compression | None = "gzip",
    overwrite: bool = False,
) -> Path:
    """Write measurements to a file that `wilks.xpcs.files.read` and other programs read.

    The file appears under its name when it is complete. Masked values become NaN, which means not measured. The two
    APS layouts keep the upper half of every matrix in single precision, independent halves averaged, the diagonal as
    it is; they count frames from t = 0, so data that begin later are preceded by frames of NaN. They have no place for
    the gap, which is given again when the file is read, nor for one sigma per matrix, which is then estimated from the
    data. The NPZ layout keeps precision, times, sigma, and independent halves as they are.

    Parameters
    ----------
    path
        The file; folders that are missing are made.
    measurements
        One measurement, or one for every wave vector, all with the same frames.
    layout
        ``"aps_u"``, the Advanced Photon Source since its upgrade (NeXus); ``"aps_old"``, before; ``"npz"``, NumPy
        arrays with the names of the cache files of the package homodyne.
    compression
        ``"gzip"``, or None for files that are larger and can be mapped into memory.
    overwrite
        Replace a file of this name.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidDataError
        If the measurements do not go together, or the layout cannot hold them.
    InvalidConfigurationError
        If an argument cannot be used, or the file exists.
    CheckpointError
        If the file cannot be written.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> from wilks import xpcs
    >>> from wilks.xpcs.files import read
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(60), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> data = xpcs.simulate({"D0": 1e4, "alpha": 0.0, "D_offset": 0.0}, geometry, mode="static", sigma=0.02, seed=1)
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = write(pathlib.Path(folder.name) / "run.hdf", data)
    >>> read(path)
    TwoTimeData(2 angles, 60 times of 0.1 s, q = 0.0054 1/Å, no gap, sigma to be estimated, float32, 0.0288 MB)
    >>> folder.cleanup()
    """
    if layout not in _WRITERS:
        raise InvalidConfigurationError(f"layout: expected one of {', '.join(_WRITERS)}, got {layout!r}")
    if compression is not None and compression not in get_args(Compression):
        raise InvalidConfigurationError(f"compression: expected 'gzip' or None, got {compression!r}")
    if not isinstance(path, str | Path):
        raise InvalidConfigurationError(f"path: expected the name of a file, got {path!r}")
    chosen = _checked(measurements)
    target = Path(path)
    with written_whole(target, overwrite=overwrite) as temporary:
        _WRITERS[layout](temporary, chosen, compressed=compression is not None)
    return target


def _checked(measurements: TwoTimeData | Sequence[TwoTimeData]) -> list[TwoTimeData]:
    """Return the measurements as a list, of different wave vectors and with the same frames."""
    given = list(measurements) if isinstance(measurements, Sequence) else [measurements]
    wrong = next((each for each in given if not isinstance(each, TwoTimeData)), None)
    if wrong is not None or not given:
        got = "an empty list" if wrong is None else f"a {type(wrong).__name__}"
        raise InvalidDataError(f"write: expected one wilks.xpcs.TwoTimeData, or a list with one for every q, got {got}")
    first = given[0]
    for other in given[1:]:
        if other.n_t != first.n_t or np.abs(other.t - first.t).max() > _SAME_TIME * first.dt:
            raise InvalidDataError(
                f"write: all measurements of a file have the same frames, but the one at q = {first.q:g} has "
                f"{first.n_t} times from {first.t[0]:g} to {first.t[-1]:g} s and the one at q = {other.q:g} "
                f"{other.n_t} from {other.t[0]:g} to {other.t[-1]:g} s: write a file for each"
            )
    ordered = sorted(given, key=lambda each: each.q)
    for low, high in itertools.pairwise(ordered):
        if high.q <= low.q * (1 + SAME_Q):
            raise InvalidDataError(
                f"write: two measurements have the same wave vector, {low.q:g} and {high.q:g} 1/Å: put all angles of a "
                "wave vector into one TwoTimeData"
            )
    return given
