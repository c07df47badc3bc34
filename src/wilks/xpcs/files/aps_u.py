"""Layout of the upgraded Advanced Photon Source: NeXus files of boost-corr, and what reads and writes the same.

Matrices are in ``xpcs/twotime/correlation_map``, one half each (the diagonal as it was measured), and their bins in
``processed_bins``. A bin is a label of the map of the detector. Bins without pixels are left out of the count, and
``dynamic_index_mapping`` says which point of the grid of q (``dynamic_v_list_dim0``) and angle
(``dynamic_v_list_dim1``) each is: ``mapping[bin - 1] = i_q * n_phi + i_phi``. Without a mapping it is ``bin - 1``
itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.xpcs.files.bins import bins_of, in_natural_order, names_of_bins, order_note
from wilks.xpcs.files.contents import FileContents, Matrix
from wilks.xpcs.files.hdf5 import frame_interval, names_in, numbers, opened, survey

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GROUP = "xpcs/twotime/correlation_map"
MARKS = (GROUP, "xpcs/twotime/processed_bins", "xpcs/qmap/dynamic_v_list_dim0")
_BINS = MARKS[1]
_Q, _PHI = MARKS[2], "xpcs/qmap/dynamic_v_list_dim1"
_MAPPING = "xpcs/qmap/dynamic_index_mapping"
_MAP_NAMES = "xpcs/qmap/map_names"
_FRAME_TIME = "entry/instrument/detector_1/frame_time"
_FACTORS = ("xpcs/twotime/config/stride_frame", "xpcs/twotime/config/avg_frame")


def contents(path: Path) -> FileContents:
    """Return what a file of this layout holds."""
    with opened(path) as file:
        names = names_in(file, GROUP)
        bins = bins_of(str(path), _BINS, numbers(file, _BINS))
        notes = order_note(names)
        keys = names_of_bins(str(path), _BINS, names, bins)
        q, phi = _grid(file, notes)
        points = _points(file, bins, len(q) * len(phi), notes)
        n_t, dtype, compression, odd = survey(file, GROUP, in_natural_order(names))
        dt, interval_notes = frame_interval(file, _FRAME_TIME, _FACTORS)
    matrices = tuple(
        Matrix(key, float(q[point // len(phi)]), float(phi[point % len(phi)]))
        for key, point in zip(keys, points.tolist(), strict=True)
    )
    return FileContents(str(path), "aps_u", matrices, n_t, dtype, compression, dt, (*notes, *odd, *interval_notes))


def _grid(file: Any, notes: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # noqa: ANN401 - h5py
    """Wave vectors and angles of the grid; rings without angles have the angle 0."""
    names = file.get(_MAP_NAMES)
    axes = [_text(each) for each in np.ravel(names[()])] if hasattr(names, "shape") else []
    q = numbers(file, _Q)
    phi = numbers(file, _PHI) if file.get(_PHI) is not None else np.empty(0)
    if axes and (axes[0] != "q" or (len(phi) > 1 and axes[1:] != ["phi"])):
        raise InvalidDataError(
            f"{file.filename}: the detector is divided by {' and '.join(axes)} ({_MAP_NAMES}), expected q and phi: "
            "correlate with a map of q and angle"
        )
    if not len(phi):
        notes.append("The map has no angles: the matrices are means over whole rings, and have the angle 0.")
        phi = np.zeros(1)
    return q, phi


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _points(file: Any, bins: NDArray[np.intp], n_points: int, notes: list[str]) -> NDArray[np.intp]:  # noqa: ANN401
    """Position of every bin in the grid."""
    points = bins - 1
    where = f"the {n_points} points of the grid ({_Q}, {_PHI})"
    if file.get(_MAPPING) is not None:
        mapping = numbers(file, _MAPPING).astype(np.intp)
        if bins.max() > len(mapping):
            raise InvalidDataError(
                f"{file.filename}: {_BINS} goes up to {bins.max()}, but {_MAPPING} has {len(mapping)} entries: the map "
                "in this file is not the one that it was correlated with"
            )
        points = mapping[points]
        if not np.array_equal(points, bins - 1):
            notes.append(
                "The map leaves out bins without pixels; q and angle of each matrix follow from "
                "dynamic_index_mapping, and are others for a program that does not know it."
            )
    if points.min() < 0 or points.max() >= n_points:
        raise InvalidDataError(
            f"{file.filename}: the bins lead to the positions {points.min()} to {points.max()}, which is outside of "
            f"{where}: the map in this file is not the one that it was correlated with"
        )
    return points
