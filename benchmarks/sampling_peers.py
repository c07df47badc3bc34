"""Posterior of two-time correlations by the package homodyne, inside an environment that has it.

    PEERS/bin/python benchmarks/sampling_peers.py FILE MODE GAP

FILE holds the upper halves of the matrices (see `sampling_targets.py`, which makes it and runs this as a process of its
own), MODE is static or laminar_flow, GAP the width of the gap in angstrom. Each pair of times is given once, all in one
shard, to 4 chains of 500 + 1500 draws; contrast and offset are those of each angle. It was written for homodyne 2.23.3
on Python 3.12. The last line of the output is what the chains say, as JSON.
"""

import json
import sys
import tempfile
import time

import h5py
import numpy as np
from homodyne.config.parameter_space import ParameterSpace
from homodyne.optimization.cmc import fit_mcmc_jax


def pooled(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Values, the two times, and the angle of every pair; and the wave vector."""
    with h5py.File(path) as file:
        q = float(np.ravel(file["xpcs/qmap/dynamic_v_list_dim0"][()])[0])
        dt = float(file["entry/instrument/detector_1/frame_time"][()])
        angles = file["xpcs/qmap/dynamic_v_list_dim1"][()]
        group = file["xpcs/twotime/correlation_map"]
        matrices = [group[name][()] for name in sorted(group)]
    first, second = np.triu_indices(len(matrices[0]), 1)
    n = len(first)
    values = np.concatenate([matrix[first, second] for matrix in matrices]).astype(float)
    t1, t2 = (np.tile(dt * index, len(angles)) for index in (first, second))
    return values, t1, t2, np.repeat(angles, n), q


def main() -> None:
    path, mode, gap = sys.argv[1], sys.argv[2], float(sys.argv[3])
    values, t1, t2, phi, q = pooled(path)
    config = {
        "enable": False,
        "sharding": {"num_shards": 1},
        "per_shard_mcmc": {"num_warmup": 500, "num_samples": 1500, "num_chains": 4, "adaptive_sampling": False},
        "per_angle_mode": "individual",
    }
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = fit_mcmc_jax(
            values, t1, t2, phi, q, gap, mode, cmc_config=config, parameter_space=ParameterSpace.from_defaults(mode),
            output_dir=folder, progress_bar=False,
        )  # fmt: skip
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - began,
                "n_points": len(values),
                "status": found.convergence_status,
                "quality": found.quality_flag,
                "ess": min(found.ess_bulk.values()),
                "r_hat": max(found.r_hat.values()),
                "divergences": int(found.divergences),
                "means": {name: float(np.mean(draws)) for name, draws in found.samples.items()},
                "sds": {name: float(np.std(draws)) for name, draws in found.samples.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
