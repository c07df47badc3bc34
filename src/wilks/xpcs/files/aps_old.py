"""Layout of the Advanced Photon Source before its upgrade.

Matrices are in ``exchange/C2T_all``, one half each (the diagonal as it was measured); ``xpcs/dqlist`` and
``xpcs/dphilist``, of shape (1, N), have q and angle of every bin. The lists are in the order of the matrices; where
only some bins were correlated, ``xpcs/qphi_bin_to_process`` says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidDataError
from wilks.xpcs.files.bins import bins_of, in_natural_order, names_of_bins, order_note
from wilks.xpcs.files.contents import FileContents, Matrix
from wilks.xpcs.files.hdf5 import frame_interval, names_in, numbers, opened, survey

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "exchange/C2T_all"
MARKS = (GROUP, "xpcs/dqlist", "xpcs/dphilist")
_Q, _PHI = MARKS[1:]
_BINS = "xpcs/qphi_bin_to_process"
_FRAME_TIME = "measurement/instrument/detector/exposure_period"
_FACTORS = ("xpcs/stride_frames", "xpcs/avg_frames")


def contents(path: Path) -> FileContents:
    """Return what a file of this layout holds."""
    with opened(path) as file:
        names = names_in(file, GROUP)
        q, phi = numbers(file, _Q), numbers(file, _PHI)
        if len(q) != len(phi):
            raise InvalidDataError(
                f"{path}: {_Q} has {len(q)} values and {_PHI} {len(phi)}, expected one of each for every matrix"
            )
        keys, positions = _pairs(file, str(path), names, len(q))
        n_t, dtype, compression, odd = survey(file, GROUP, in_natural_order(names))
        dt, interval_notes = frame_interval(file, _FRAME_TIME, _FACTORS)
    matrices = tuple(Matrix(key, float(q[k]), float(phi[k])) for key, k in zip(keys, positions, strict=True))
    notes = (*order_note(names), *odd, *interval_notes)
    return FileContents(str(path), "aps_old", matrices, n_t, dtype, compression, dt, notes)


def _pairs(file: Any, path: str, names: list[str], n_listed: int) -> tuple[list[str], list[int]]:  # noqa: ANN401 - h5py
    """Names of the matrices, and the position of each in the lists."""
    if len(names) == n_listed:
        return in_natural_order(names), list(range(n_listed))
    if file.get(_BINS) is None:
        raise InvalidDataError(
            f"{path}: {len(names)} matrices in {GROUP}, but {n_listed} values in {_Q} and {_PHI}, and no {_BINS} that "
            "says which belong together: expected one value for every matrix"
        )
    bins = bins_of(path, _BINS, numbers(file, _BINS))
    keys = names_of_bins(path, _BINS, names, bins)
    if bins.max() > n_listed:
        raise InvalidDataError(f"{path}: {_BINS} goes up to {bins.max()}, but {_Q} has {n_listed} values")
    return keys, (bins - 1).tolist()
