"""The two layouts of the Advanced Photon Source; `aps_u` and `aps_old` say what is where, for reading.

A file has the upper half of a matrix with its diagonal. Readers make it full by ``half + half.T`` with the diagonal of
the sum halved. A file says which matrix is which by a grid of wave vectors and angles, or by two lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.store.hdf5 import hdf5_file
from wilks.xpcs.files import aps_old, aps_u
from wilks.xpcs.files.matrices import symmetric

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wilks.xpcs.data import TwoTimeData

_SAME_TIME = 1e-3
"""Of the time between frames: rounding, and no more."""
_CHUNK_VALUES = 1 << 18
"""Values of a chunk, 1 MB of single precision: as much as the HDF5 library keeps of a data set by itself."""


def write_aps_u(path: Path, measurements: Sequence[TwoTimeData], *, compressed: bool) -> None:
    """Write the layout of the upgraded source: a grid of q and angle, and the bins of it that there are."""
    first = _first_frame(measurements)
    columns = _columns(measurements)
    angles = list(columns)
    with hdf5_file(path, "w") as file:
        file[aps_u.MARKS[2]] = np.array([data.q for data in measurements])
        file["xpcs/qmap/dynamic_v_list_dim1"] = np.array([phi for phi, _ in angles])
        file["xpcs/qmap/map_names"] = np.array([b"q", b"phi"])
        file["xpcs/qmap/map_units"] = np.array([b"1/A", b"deg"])
        file["xpcs/qmap/dynamic_num_pts"] = np.array([len(measurements), len(angles)])
        file["xpcs/twotime/config/stride_frame"] = 1
        file["xpcs/twotime/config/avg_frame"] = 1
        file["entry/instrument/detector_1/frame_time"] = measurements[0].dt
        rows = enumerate(measurements)
        bins = [row * len(angles) + columns[name] + 1 for row, data in rows for name in _named(data)]
        file[aps_u.MARKS[1]] = np.array(bins)
        _write_matrices(file.create_group(aps_u.GROUP), "c2_{:05d}", measurements, first, compressed=compressed)


def write_aps_old(path: Path, measurements: Sequence[TwoTimeData], *, compressed: bool) -> None:
    """Write the layout before the upgrade: q and angle of every matrix in two lists."""
    first = _first_frame(measurements)
    group, q_list, phi_list = aps_old.MARKS
    with hdf5_file(path, "w") as file:
        file[q_list] = np.concatenate([np.full(data.n_phi, data.q) for data in measurements])[None]
        file[phi_list] = np.concatenate([data.phi for data in measurements])[None]
        file["xpcs/stride_frames"] = np.array([[1]])
        file["xpcs/avg_frames"] = np.array([[1]])
        file["measurement/instrument/detector/exposure_period"] = np.array([[measurements[0].dt]])
        _write_matrices(file.create_group(group), "g2_{:05d}", measurements, first, compressed=compressed)


def _first_frame(measurements: Sequence[TwoTimeData]) -> int:
    """Number of frames before the first one; an error if the layout cannot hold the measurements."""
    data = measurements[0]
    frames = data.t / data.dt
    first = round(float(frames[0]))
    off = np.abs(frames - first - np.arange(data.n_t))
    if first < 0 or off.max() > _SAME_TIME:
        worst = int(off.argmax())
        raise InvalidDataError(
            f"write: the APS layouts take frames at t = 0, {data.dt:g}, {2 * data.dt:g}, ... s, but these begin at "
            f"{data.t[0]:g} s and frame {worst + 1} of them is at {data.t[worst]:g} s: write layout='npz', which has a "
            "time for every frame"
        )
    for each in measurements:
        if each.has_sigma_per_value:
            raise InvalidDataError(
                f"write: the APS layouts have no place for a sigma of every value, which the data at q = {each.q:g} "
                "have: write layout='npz', or data without sigma"
            )
    return first


def _named(data: TwoTimeData) -> list[tuple[float, int]]:
    """Angles with how often each was there before: an angle that is there twice has two names."""
    angles = data.phi.tolist()
    return [(angle, angles[:place].count(angle)) for place, angle in enumerate(angles)]


def _columns(measurements: Sequence[TwoTimeData]) -> dict[tuple[float, int], int]:
    """Column of the grid for each angle of any measurement."""
    names = dict.fromkeys(name for data in measurements for name in _named(data))
    return {name: column for column, name in enumerate(names)}


def _write_matrices(
    group: Any,  # noqa: ANN401 - h5py has no types
    name: str,
    measurements: Sequence[TwoTimeData],
    first: int,
    *,
    compressed: bool,
) -> None:
    """Write all matrices under the numbers from 1, after `first` frames of NaN."""
    size = measurements[0].n_t + first
    rows = min(size, max(1, _CHUNK_VALUES // size))
    how: dict[str, Any] = {"compression": "gzip", "shuffle": True, "chunks": (rows, size)} if compressed else {}
    places = [(data, k) for data in measurements for k in range(data.n_phi)]
    for number, (data, k) in enumerate(places, start=1):
        half = np.zeros((size, size), np.float32)
        half[np.triu_indices(first, 0, size)] = np.nan
        half[first:, first:] = np.triu(symmetric(data, k))
        group.create_dataset(name.format(number), data=half, **how)
