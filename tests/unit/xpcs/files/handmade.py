"""Files in the layouts of the beamline, written by hand with h5py and NumPy."""

from pathlib import Path

import h5py
import numpy as np

N = 12
RINGS, ANGLES = (0.0040, 0.0054, 0.0080), (-170.0, -5.0, 0.0, 80.0, 175.0)


def full_matrices(n_matrices, n=N, seed=1):
    """Symmetric matrices, each with values of its own."""
    drawn = np.random.default_rng(seed).normal(1.2, 0.02, (n_matrices, n, n)) + np.arange(n_matrices)[:, None, None]
    return (drawn + drawn.transpose(0, 2, 1)) / 2


def write_matrices(group, names, matrices, **options):
    for name, matrix in zip(names, matrices, strict=True):
        group.create_dataset(name, data=np.triu(matrix).astype(np.float32), **options)


def aps_u(
    path, *, bins=None, names=None, mapping=None, phi=ANGLES, matrices=None, time=0.05, factors=(1, 2), **options
):
    """A file of the upgraded source: all bins of the grid, unless some are given."""
    n_points = len(RINGS) * max(1, len(phi))
    bins = np.arange(1, n_points + 1) if bins is None else np.asarray(bins)
    names = [f"c2_{i + 1:05d}" for i in range(len(bins))] if names is None else names
    matrices = full_matrices(len(bins)) if matrices is None else matrices
    with h5py.File(path, "w") as file:
        file["xpcs/qmap/dynamic_v_list_dim0"] = np.array(RINGS)
        if len(phi):
            file["xpcs/qmap/dynamic_v_list_dim1"] = np.array(phi)
        if mapping is not None:
            file["xpcs/qmap/dynamic_index_mapping"] = np.asarray(mapping)
        file["xpcs/qmap/map_names"] = np.array([b"q", b"phi"])
        file["xpcs/twotime/processed_bins"] = bins
        for name, factor in zip(("stride_frame", "avg_frame"), factors, strict=False):
            file[f"xpcs/twotime/config/{name}"] = factor
        if time is not None:
            file["entry/instrument/detector_1/frame_time"] = time
        write_matrices(file.create_group("xpcs/twotime/correlation_map"), names, matrices, **options)
    return Path(path), matrices.astype(np.float32)


def aps_old(path, *, q=None, phi=None, names=None, matrices=None, bins=None, period=0.1, **options):
    """A file of the source before its upgrade: every ring at every angle, unless lists are given."""
    q = np.repeat(RINGS, len(ANGLES)) if q is None else np.asarray(q)
    phi = np.tile(ANGLES, len(RINGS)) if phi is None else np.asarray(phi)
    matrices = full_matrices(len(q)) if matrices is None else matrices
    names = [f"g2_{i + 1:05d}" for i in range(len(matrices))] if names is None else names
    with h5py.File(path, "w") as file:
        file["xpcs/dqlist"], file["xpcs/dphilist"] = q[None, :], phi[None, :]
        if bins is not None:
            file["xpcs/qphi_bin_to_process"] = np.asarray(bins)[None, :]
        if period is not None:
            file["measurement/instrument/detector/exposure_period"] = [[period]]
            file["xpcs/stride_frames"], file["xpcs/avg_frames"] = 1, 1
        write_matrices(file.create_group("exchange/C2T_all"), names, matrices, **options)
    return Path(path), matrices.astype(np.float32)


def npz(path, *, compressed=False, c2=None, **changes):
    """An NPZ file with the keys of the package homodyne: one ring."""
    c2 = full_matrices(len(ANGLES)) if c2 is None else c2
    t = 0.1 * np.arange(c2.shape[-1])
    arrays = {"wavevector_q_list": np.full(len(c2), 0.0054), "phi_angles_list": np.array(ANGLES[: len(c2)]), "t1": t}
    arrays |= {"t2": t, "c2_exp": c2} | changes
    (np.savez_compressed if compressed else np.savez)(path, **{k: v for k, v in arrays.items() if v is not None})
    return Path(path), c2


def corrupt(path, dataset):
    """Overwrite the first chunk of a compressed data set."""
    with h5py.File(path) as file:
        where = file[dataset].id.get_chunk_info(0)
    with Path(path).open("r+b") as raw:
        raw.seek(where.byte_offset)
        raw.write(b"\xff" * min(32, where.size))
