"""Make the example files of XPCS: simulate photons, correlate them with xpcs-correlator, write HDF5 and the truth.

Run in an environment with numpy, h5py and xpcs-correlator (Python 3.12)::

    python make.py ../../examples/xpcs --frames /tmp/frames [--pixels 2000000] [--workers 2]

The frames of the first pixels of every bin are kept for `check_scikit_beam.py`. The structure of the files is written
here with h5py, from the description of the layouts, and not with the writer of wilks, whose reader is tested with them.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import h5py  # noqa: TID253  # a script
import numpy as np
from samples import DT, FLOW_PHI, FLOW_Q, N_PIXELS, N_T, PHOTONS, SEEDS, TIMES, VALUES, bins
from speckle import Source, correlate

if TYPE_CHECKING:
    from speckle import Bin

KEPT_PIXELS = 50_000
TASK = 100_000
QUANTUM = 2.0**-14
"""Values are rounded to multiples of this, a fraction of the noise (see the README), so that files compress."""
FRAME_TIME, STRIDE, AVERAGED = 0.05, 2, 1


def drawn(job: tuple[str, Bin, list[int], int]) -> np.ndarray:
    """Draw the photons of one part of a bin."""
    sample, pixels, key, count = job
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))
    return Source(VALUES[sample], TIMES, DT, pixels).photons(rng, count)


def simulated(pool: ProcessPoolExecutor, sample: str, index: int, pixels: Bin) -> np.ndarray:
    """Return the frames of a bin, shape (n_t, n_pixels)."""
    frames = np.empty((N_T, pixels.n_pixels), np.uint8)
    starts = range(0, pixels.n_pixels, TASK)
    jobs = [(sample, pixels, [SEEDS[sample], index, k], min(TASK, pixels.n_pixels - s)) for k, s in enumerate(starts)]
    for start, part in zip(starts, pool.map(drawn, jobs), strict=True):
        frames[:, start : start + part.shape[1]] = part
    return frames


def by_xpcs_correlator(frames: np.ndarray) -> np.ndarray:
    """Two-time correlation as xpcs-correlator of the ESRF computes it."""
    from xpcscorr.correlators.dense.reference import CorrelatorDenseReference  # noqa: PLC0415  # not in wilks' own

    width = 1000
    images = frames.reshape(len(frames), -1, width)
    options = {"ttcf_format": "t1,t2", "t1_t2_binning": None, "age_binning": None, "lag_binning": None}
    correlator = CorrelatorDenseReference(images, np.ones(images.shape[1:], np.uint8), **options, extra_options={})
    correlator._compute()  # noqa: SLF001  # its only way
    return np.asarray(correlator.results.ttcf[0])


def half(c2: np.ndarray) -> np.ndarray:
    """Return the upper half with the whole diagonal: readers add the transposed, and halve the diagonal of the sum."""
    return np.triu(np.round(c2 / QUANTUM) * QUANTUM).astype(np.float32)


def store(group: h5py.Group, name: str, matrix: np.ndarray) -> None:
    """Write one half matrix as the beamlines do."""
    group.create_dataset(name, data=matrix, compression="gzip", compression_opts=9, shuffle=True, chunks=matrix.shape)


def write_aps_old(path: Path, pixels: list[Bin], matrices: list[np.ndarray]) -> None:
    """Write the layout with one list of q, one of phi, and a matrix for every entry of the lists."""
    with h5py.File(path, "w") as file:
        file["xpcs/dqlist"] = np.array([[each.q for each in pixels]])
        file["xpcs/dphilist"] = np.array([[each.phi for each in pixels]])
        file["xpcs/stride_frames"] = np.array([[1]])
        file["xpcs/avg_frames"] = np.array([[1]])
        file["measurement/instrument/detector/exposure_period"] = np.array([[DT]])
        group = file.create_group("exchange/C2T_all")
        for index, c2 in enumerate(matrices):
            store(group, f"g2_{index + 1:05d}", half(c2))


def write_aps_u(path: Path, pixels: list[Bin], matrices: list[np.ndarray]) -> None:
    """Write the NeXus layout, with what a viewer wants besides.

    The maps show the bins on a small detector; the simulated pixels have no places.
    """
    n_bins, numbers = len(pixels), np.arange(1, len(pixels) + 1)
    with h5py.File(path, "w") as file:
        q_map = file.create_group("xpcs/qmap")
        shape = _write_maps(q_map, n_bins)
        twotime = file.create_group("xpcs/twotime")
        twotime["processed_bins"] = numbers
        twotime["config/stride_frame"] = STRIDE
        twotime["config/avg_frame"] = AVERAGED
        group = twotime.create_group("correlation_map")
        for number, c2 in zip(numbers, matrices, strict=True):
            store(group, f"c2_{number:05d}", half(c2))
        lags = np.arange(1, N_T)
        g2 = np.array([[np.mean(np.diag(c2, lag)) for c2 in matrices] for lag in lags], np.float32)
        twotime["delay_list"] = lags
        twotime["normalized_g2"] = g2
        twotime["normalized_g2_segments"] = g2[:, None]
        mean = file.create_group("xpcs/temporal_mean")
        mean["scattering_2d"] = np.full((1, *shape), PHOTONS, np.float32)
        mean["scattering_1d"] = np.full((1, n_bins), PHOTONS, np.float32)
        mean["scattering_1d_segments"] = np.full((1, n_bins), PHOTONS, np.float32)
        file["xpcs/spatial_mean/intensity_vs_time"] = np.vstack([np.arange(N_T), np.full(N_T, PHOTONS)])
        detector = file.create_group("entry/instrument/detector_1")
        detector["frame_time"] = FRAME_TIME
        detector["count_time"] = FRAME_TIME
        detector["x_pixel_size"] = detector["y_pixel_size"] = 75e-6
        file["entry/instrument/incident_beam/incident_energy"] = 10.0
        file["entry/instrument/bluesky/metadata/sample_name"] = "simulated, sheared between plates"
        file["entry/start_time"] = "2024-05-18T12:00:00"


def _write_maps(group: h5py.Group, n_bins: int) -> tuple[int, int]:
    """Write the map of the bins on a detector, a sector for each; return its shape."""
    shape = (48, 48)
    column = np.arange(shape[1]) * n_bins // shape[1] + 1
    regions = np.broadcast_to(column, shape).astype(np.uint32)
    group["mask"] = np.ones(shape, np.uint8)
    for kind in ("dynamic", "static"):
        group.create_dataset(f"{kind}_roi_map", data=regions, compression="gzip")
        group[f"{kind}_v_list_dim0"] = np.array(FLOW_Q)
        group[f"{kind}_v_list_dim1"] = np.array(FLOW_PHI)
        group[f"{kind}_num_pts"] = np.array([len(FLOW_Q), len(FLOW_PHI)])
        group[f"{kind}_index_mapping"] = np.arange(n_bins)
    for name, value in (("beam_center_x", 24.0), ("beam_center_y", 24.0), ("pixel_size", 75e-6)):
        group[name] = value
    group["detector_distance"] = 8.0
    group["map_names"] = np.array([b"q", b"phi"])
    group["map_units"] = np.array([b"1/A", b"deg"])
    return shape


def truth(sample: str, pixels: list[Bin]) -> dict[str, object]:
    """Return what is true of a sample, for `truth.json`."""
    return {
        "file": {"rest": "at_rest_aps_old.hdf", "flow": "sheared_aps_u.hdf"}[sample],
        "layout": {"rest": "aps_old", "flow": "aps_u"}[sample],
        "mode": {"rest": "static", "flow": "laminar_flow"}[sample],
        "values": VALUES[sample],
        "bins": [{"q": each.q, "phi": each.phi, "contrast": each.contrast, "offset": 1.0} for each in pixels],
        "gap": pixels[0].gap,
        "dt": DT,
        "n_t": N_T,
        "pixels_per_bin": pixels[0].n_pixels,
        "photons_per_pixel_and_frame": PHOTONS,
        "seed": SEEDS[sample],
    }


def main() -> None:
    """Simulate, correlate, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=Path, required=True, help="where frames of some pixels are kept")
    parser.add_argument("--pixels", type=int, default=N_PIXELS, help="in every bin, a multiple of 1000")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    for folder in (arguments.folder, arguments.frames):
        folder.mkdir(parents=True, exist_ok=True)
    made = {
        "gap_unit": "Angstrom", "q_unit": "1/Angstrom", "time_unit": "s", "angle_unit": "degree",
        "convention": {"diffusion_factor": 0.5, "shear_argument": 0.5, "shear_power": 2},
        "time_origin": "frame 1 is at t = 0; J and G keep the value of t = dt / 2 before that time",
        "samples": {},
    }  # fmt: skip
    began, worst = time.perf_counter(), 0.0
    with ProcessPoolExecutor(arguments.workers) as pool:
        for sample, write in (("rest", write_aps_old), ("flow", write_aps_u)):
            pixels, matrices = bins(sample, arguments.pixels), []
            for index, each in enumerate(pixels):
                frames = simulated(pool, sample, index, each)
                c2 = by_xpcs_correlator(frames)
                difference = float(np.abs(c2 - correlate(frames)).max())
                worst = max(worst, difference)
                np.save(arguments.frames / f"{sample}_{index}.npy", frames[:, :KEPT_PIXELS])
                np.save(arguments.frames / f"{sample}_{index}_c2.npy", c2)
                matrices.append(c2)
                seconds = time.perf_counter() - began
                print(
                    f"{sample} {index}: {frames.mean():.5f} photons, difference {difference:.1e}, {seconds:.0f} s",
                    flush=True,
                )
            write(arguments.folder / truth(sample, pixels)["file"], pixels, matrices)
            made["samples"][sample] = truth(sample, pixels)
    (arguments.folder / "truth.json").write_text(json.dumps(made, indent=1) + "\n")
    print(f"xpcs-correlator and exact sums of integers differ by at most {worst:.1e}, diagonals included")


if __name__ == "__main__":
    main()
