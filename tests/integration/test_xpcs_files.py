"""From a beamline's file to a fit: the same answer whatever the layout, and only what is needed in memory."""

import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from wilks import xpcs
from wilks.xpcs.files import ReadOptions, describe, read

TRUTH = {
    "D0": 2e4,
    "alpha": -0.6,
    "D_offset": 0.0,
    "gamma_dot_0": 6e-3,
    "beta": -0.4,
    "gamma_dot_offset": 0.0,
    "phi0": -5.0,
}
PHI = np.array([-75.0, -30.0, 5.0, 40.0, 70.0])
N, DT, Q, GAP = 90, 0.1, 0.0054, 2e6
FIXED = {"D_offset": 0.0, "gamma_dot_offset": 0.0}


@pytest.fixture(scope="module")
def simulated():
    geometry = xpcs.Geometry(t=DT * np.arange(N), dt=DT, q=Q, gap=GAP, phi=PHI)
    data = xpcs.simulate(TRUTH, geometry, contrast=0.3, sigma=0.02, storage="upper", seed=1)
    return [data.read_c2(k) for k in range(len(PHI))]


@pytest.fixture(scope="module")
def written(simulated, tmp_path_factory):
    """The measurement in all layouts, with a second ring of nonsense in those that may have one."""
    folder = tmp_path_factory.mktemp("files")
    nonsense = np.random.default_rng(2).random((N, N))
    with h5py.File(folder / "aps_u", "w") as file:
        file["xpcs/qmap/dynamic_v_list_dim0"] = [0.0030, Q]
        file["xpcs/qmap/dynamic_v_list_dim1"] = PHI
        file["xpcs/twotime/processed_bins"] = np.arange(1, 11)
        file["xpcs/twotime/config/stride_frame"], file["xpcs/twotime/config/avg_frame"] = 2, 5
        file["entry/instrument/detector_1/frame_time"] = DT / 10
        for k, matrix in enumerate([nonsense] * 5 + simulated):
            file.create_dataset(f"xpcs/twotime/correlation_map/c2_{k + 1:05d}", data=matrix, compression="gzip")
    shuffled = [3, 0, 4, 2, 1]
    with h5py.File(folder / "aps_old", "w") as file:
        file["xpcs/dqlist"] = [[0.0030, *[Q] * 5]]
        file["xpcs/dphilist"] = [[0.0, *PHI[shuffled]]]
        for k, matrix in enumerate([nonsense, *(simulated[i] for i in shuffled)]):
            file[f"exchange/C2T_all/g2_{k + 1:05d}"] = matrix
    t = DT * np.arange(N)
    arrays = {"wavevector_q_list": [Q] * 5, "phi_angles_list": PHI, "t1": t, "t2": t, "c2_exp": np.array(simulated)}
    with (folder / "npz").open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return folder


@pytest.fixture(scope="module")
def expected(simulated):
    data = xpcs.TwoTimeData(simulated, DT * np.arange(N), PHI, Q, GAP)
    return fitted(data)


def fitted(data):
    """The best fit near the truth; whether a search finds it matters elsewhere."""
    start = {name: value for name, value in TRUTH.items() if name not in FIXED}
    return xpcs.fit(
        data, "laminar_flow", parameters=FIXED, start=start, options=xpcs.FitOptions(method="local"), seed=1
    )


@pytest.mark.parametrize(("layout", "cache"), [("aps_u", False), ("aps_u", True), ("aps_old", False), ("npz", False)])
def test_the_fit_is_that_of_the_arrays(written, expected, tmp_path, layout, cache):
    data = read(
        written / layout,
        Q,
        dt=DT if layout == "aps_old" else None,
        gap=GAP,
        options=ReadOptions(cache=tmp_path if cache else None),
    )
    result = fitted(data)
    assert result.status.success
    for name in ("D0", "alpha", "gamma_dot_0", "beta", "phi0"):
        assert abs(result.values[name] - expected.values[name]) < 0.02 * expected.standard_errors[name]
        assert abs(result.values[name] - TRUTH[name]) < 4 * result.standard_errors[name]
    assert result.reduced_chi_squared == pytest.approx(expected.reduced_chi_squared, rel=1e-6)


def test_the_age_of_the_sample_is_kept(written):
    """The first third cut off: the parameters are those of the whole, because the time goes on from where it was."""
    data = read(written / "aps_u", Q, gap=GAP, frames=(31, None))
    assert data.t[0] == pytest.approx(3.0)
    result = fitted(data)
    for name in ("D0", "alpha", "gamma_dot_0", "beta"):
        assert abs(result.values[name] - TRUTH[name]) < 4 * result.standard_errors[name]
    restarted = xpcs.TwoTimeData(data.c2, data.t - data.t[0], data.phi, data.q, data.gap)
    other = fitted(restarted)
    assert abs(other.values["gamma_dot_0"] - TRUTH["gamma_dot_0"]) > 20 * other.standard_errors["gamma_dot_0"]


def test_describing_loads_nothing_heavy(written):
    code = f"""
        import sys
        from wilks.xpcs.files import describe
        print(describe({str(written / "aps_u")!r}).n_t)
        print([name for name in ("scipy", "matplotlib", "pandas", "jax", "numba", "psutil") if name in sys.modules])
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["90", "[]"]


def test_a_large_file_is_not_loaded(tmp_path):
    """Forty matrices of 2.25 MB, of which one is read: the process must not grow by more than a few of them."""
    n, n_matrices = 750, 40
    path = tmp_path / "large.hdf"
    with h5py.File(path, "w") as file:
        file["xpcs/dqlist"] = np.full((1, n_matrices), Q)
        file["xpcs/dphilist"] = np.linspace(-90, 90, n_matrices)[None]
        for k in range(n_matrices):
            file.create_dataset(f"exchange/C2T_all/g2_{k + 1:05d}", (n, n), "f4", fillvalue=1.5)[:3, :3] = k
    assert describe(path).nbytes == n_matrices * n * n * 4
    code = f"""
        import resource, h5py, numpy
        from wilks.xpcs.files import read
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        data = read({str(path)!r}, dt=0.1)
        print(data.read_c2(7)[0, 0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    value, grown = run.stdout.split()
    assert value == "7.0"
    assert int(grown) < 20_000  # kB; all matrices would be 90 MB
