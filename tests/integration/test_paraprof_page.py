"""Every code example of the page of paraprof runs with only its import lines changed, under MPI and without."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from wilks.facades import paraprof, read_samples, write_samples

BESIDE_PYTHON = str(Path(sys.executable).parent)
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([BESIDE_PYTHON, os.environ.get("PATH", "")]))
ROOT = Path(__file__).parents[2]
needs_mpi = [
    pytest.mark.mpi,
    pytest.mark.skipif(
        importlib.util.find_spec("mpi4py") is None or MPIEXEC is None,
        reason="no mpi4py or no mpiexec; pip install 'wilks[mpi]' brings both",
    ),
]

QUICK_START = """
from mpi4py import MPI
from paraprof import (
    ProfileProjector, run_all_projections, terminate_workers, worker_main,
    get_test_function,
)

comm = MPI.COMM_WORLD
myrank = comm.Get_rank()

log_likelihood, bounds, _ = get_test_function("himmelblau_4d")
projections = [
    {'dims': [0, 1], 'grid_points': [50, 50]},
]

if myrank == 0:
    with ProfileProjector(
        target_func=log_likelihood,
        bounds=bounds,
        projections=projections,
        roi_threshold=4.0,
        pop_per_grid_point=3,
    ) as sampler:
        comm.bcast(sampler.target_func, root=0)
        results = run_all_projections(
            comm=comm, sampler=sampler, projections=projections,
            save_plots=True,
        )
    terminate_workers(comm, myrank)
else:
    worker_main(comm, myrank)
"""

TELL = """
if myrank == 0:
    import json
    solution = results[0]["coarse_solution"]
    cells = [[*index, cell["likelihood"]] for index, cell in solution["solutions"].items()]
    print(json.dumps([cells, results[0]["metrics"], solution["profile"].provenance.executor]))
"""

GRADIENT = """
import numpy as np
from paraprof import ProfileProjector

def target(p):
    return -float(np.sum(p**2)) # log-likelihood, maximized
def grad(p):
    return -2.0 * np.asarray(p) # gradient of target_func
sampler = ProfileProjector(target_func=target, grad_func=grad, ...)
"""

COMBINE = """
import glob
import numpy as np
from paraprof import combine_samples, read_samples, write_samples, PHASE_VOLUME
combine_samples(glob.glob("run_*/samples.*"), "all_samples.h5")
samples = read_samples("all_samples.h5") # (n_samples, n_dims + 2) array
n_dims = samples.shape[1] - 2
params, target, phase = samples[:, :n_dims], samples[:, n_dims], samples[:, -1]
write_samples(samples[target > target.max() - 4.0], "roi.csv") # filter by logL
volume_samples = samples[phase == PHASE_VOLUME] # filter by phase
"""

VOLUME = """
from paraprof import ProfileProjector, run_all_projections, plot_volume_samples

sampler = ProfileProjector(
    ...,
    samples_output_file="samples.csv", # walkers warm-start from these
    volume_sampling={
        'n_walkers': 1000, # ensemble size
        'n_steps': 30, # steps per walker
        'output_file': "volume_samples.csv",
        # 'roi_threshold': 25.0, # widen the stage's ROI to also sample
        # # just outside the good-fit region
    },
)
"""

PLOT_SETTINGS = {
    "dpi": 300,
    "filetype": "png",
    "slice_mode": "max",
    "vmin": -4.0,
    "vmax": 0.0,
    "plot_profiled_params": True,
    "output_dir": ".",
}


def with_our_imports(example):
    return example.replace("from paraprof import", "from wilks.facades import")


def run(folder, text, n=0):
    (folder / "script.py").write_text(with_our_imports(text))
    command = [sys.executable, "script.py"]
    done = subprocess.run(
        [MPIEXEC, "-n", str(n), *command] if n else command,
        cwd=folder,
        # Where the client of Slurm is installed, mpiexec would start processes with it.
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "HYDRA_LAUNCHER": "fork"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def himmelblau_profile(axis):
    """Exact profile over the first two parameters: the other two reach 0."""
    x, y = np.meshgrid(axis, axis, indexing="ij")
    return -0.05 * ((x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2)


@pytest.mark.parametrize("n", [pytest.param(0, marks=pytest.mark.slow), pytest.param(4, marks=needs_mpi)])
def test_quick_start(tmp_path, n):
    if n == 0:
        pytest.importorskip("mpi4py")
    code, out, errors = run(tmp_path, QUICK_START + TELL, n)
    assert code == 0, errors
    cells, metrics, executor = json.loads(out)
    assert executor == ("MPI (3 workers)" if n else "serial")
    exact = himmelblau_profile(np.linspace(-6, 6, 51))
    found = np.full(exact.shape, np.nan)
    for i, j, value in cells:
        found[i, j] = value
    inside = exact > -4.0
    assert np.abs(found - exact)[inside].max() < 2e-3
    assert np.nanmax(found - exact) < 1e-9
    assert metrics["global_max"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["total_target_calls"] < 30_000
    assert {path.name for path in tmp_path.glob("*.png")} == {
        f"profile_plot_rank_0_dims_0_1_coarse{part}.png" for part in ("", "_profiled_param_2", "_profiled_param_3")
    }


def namespace_of(example, **given):
    known = dict(given)
    exec(compile(with_our_imports(example), "example", "exec"), known)
    return known


def test_gradient():
    example = GRADIENT.replace("...", "bounds=[(-3, 3)] * 4, projections=projections, seed=1")
    projections = [{"dims": [0, 1], "grid_points": [20, 20], "optimization_method": "lbfgsb"}]
    names = namespace_of(example, projections=projections)
    sampler = names["sampler"]
    paraprof.set_log_level("WARNING")
    (outcome,) = paraprof.run_all_projections(None, sampler)
    values = [cell["likelihood"] for cell in outcome["coarse_solution"]["solutions"].values()]
    assert max(values) == pytest.approx(0.0, abs=1e-9)
    assert sampler.target_calls_saved_by_user_gradient > 0
    assert sampler.user_gradient_errors == 0


def test_sample_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("samples.csv", "samples.h5", "samples.hdf5")):
        folder = tmp_path / f"run_{number}"
        folder.mkdir()
        rows = [[0.1, 0.2, -0.5 * number, 4.0], [0.3, 0.4, -9.0, 0.0]]
        write_samples(rows, folder / name)
    names = namespace_of(COMBINE)
    assert names["samples"].shape == (6, 4)
    assert len(names["volume_samples"]) == len(read_samples("roi.csv")) == 3
    batches = list(paraprof.sample_io.iter_sample_batches("all_samples.h5"))
    assert np.concatenate(batches).shape == (6, 4)


def test_volume_sampling_and_plots(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paraprof.set_log_level("WARNING")
    log_likelihood, bounds, _ = paraprof.get_test_function("rosenbrock_4d")
    projections = [{"dims": [0, 1], "grid_points": [16, 16], "grid_refinement_factor": 2, "patch_refined_grid": True}]
    example = VOLUME.replace("    ...,", "    log_likelihood, bounds, projections, seed=1,")
    given = {"log_likelihood": log_likelihood, "bounds": bounds, "projections": projections}
    sampler = namespace_of(example, **given)["sampler"]
    with sampler:
        results = paraprof.run_all_projections(None, sampler, projections, True, PLOT_SETTINGS)
    found = sampler.volume_stage_result
    assert len(found["samples"]) > 1000
    assert len(read_samples("volume_samples.csv")) == len(found["samples"])
    assert json.loads(Path("volume_samples_summary.json").read_text())["n_walkers"] == 1000
    phases = read_samples("samples.csv")[:, -1]
    assert {paraprof.PHASE_INITIAL, paraprof.PHASE_REFINE, paraprof.PHASE_VOLUME} <= set(phases)
    paraprof.plot_volume_samples(
        sampler.volume_stage_result, dims=(0, 1), filename="scan", grid_solution=results[0]["refined_solution"]
    )
    assert Path("scan_volume_0_1.png").exists()
    assert len(list(tmp_path.glob("profile_plot_rank_0_dims_0_1_*.png"))) == 6


HEAD = """
import sys
from mpi4py import MPI
from paraprof import (
    ProfileProjector, run_all_projections, run_scan, set_log_level, terminate_workers, worker_main,
)

set_log_level("WARNING")
comm = MPI.COMM_WORLD
myrank = comm.Get_rank()
bounds = [(-5, 5), (-5, 5)]
projections = [{"dims": [0], "grid_points": [20]}, {"dims": [1], "grid_points": [10]}]


def hill(p):
    return -0.5 * (p[0] ** 2 + (p[1] - p[0]) ** 2)

"""


def job(target, rank_0, others="worker_main(comm, myrank)"):
    parts = [HEAD + target, "if myrank == 0:", textwrap.indent(rank_0, "    "), "else:", f"    {others}", ""]
    return "\n".join(parts)


SCAN = """
with ProfileProjector(target, bounds, projections, seed=1) as sampler:
    results = run_scan(comm, sampler, projections)
print(len(results[0]["coarse_solution"]["solutions"]), sampler.target_call_errors > 0)
"""


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        pytest.param("target = lambda p: hill(p)", "13 False", marks=pytest.mark.slow),
        pytest.param(
            "import numpy as np\n\ndef target(p):\n    return np.array([hill(p)])", "13 False", marks=pytest.mark.slow
        ),
        ("def target(p):\n    return sys.exit(3) if p[0] > 1 else hill(p)", "8 True"),
        pytest.param("def target(p):\n    return None if p[0] > 1 else hill(p)", "8 True", marks=pytest.mark.slow),
        ("def target(p):\n    return 1 / 0 if p[0] > 1 else hill(p)", "8 True"),
    ],
    ids=["lambda", "array", "exit", "none", "raise"],
)
@pytest.mark.parametrize("n", [pytest.param(3, marks=needs_mpi)])
def test_whatever_a_target_does_the_job_ends(tmp_path, n, target, answer):
    code, out, errors = run(tmp_path, job(target, SCAN), n)
    assert (code, out.strip()) == (0, answer), errors


@pytest.mark.parametrize(
    ("rank_0", "words"),
    [
        pytest.param("ProfileProjector(hill, [(5, -5)], projections)", "InvalidBoundsError", marks=pytest.mark.slow),
        ("sampler = ProfileProjector(hill, bounds, projections)\nraise RuntimeError('mine')", "RuntimeError: mine"),
        (SCAN.replace("target,", "lambda p: 1 / 0,"), "ZeroDivisionError"),
        (SCAN.replace("target,", "hill,").replace("sampler, projections", "sampler, [{}]"), "InvalidProjectionError"),
        pytest.param("ProfileProjector(hill, boundaries, projections)", "NameError", marks=pytest.mark.slow),
    ],
    ids=["constructor", "script", "target", "projection", "name"],
)
@pytest.mark.parametrize("n", [pytest.param(3, marks=needs_mpi)])
def test_an_error_on_rank_0_ends_the_job(tmp_path, n, rank_0, words):
    code, _, errors = run(tmp_path, job("", rank_0), n)
    assert code != 0
    assert words in errors


@pytest.mark.slow
@pytest.mark.parametrize("n", [pytest.param(3, marks=needs_mpi)])
def test_every_rank_can_have_a_function_of_its_own(tmp_path, n):
    target = """
class Host:
    def __init__(self):
        self.file = open(__file__)  # cannot be sent

    def target(self, p):
        return hill(p)
"""
    rank_0 = SCAN.replace("target,", "Host().target,").replace(
        "sampler, projections", "sampler, projections, False, None, False"
    )
    text = job(target, rank_0, "worker_main(comm, myrank, target_func=Host().target)")
    code, out, errors = run(tmp_path, text, n)
    assert (code, out.strip()) == (0, "13 False"), errors
