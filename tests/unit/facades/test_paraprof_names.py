"""Every public name of paraprof is there, and none needs a package before it is used."""

import subprocess
import sys
import textwrap

import pytest

from wilks import facades
from wilks.facades import paraprof

PAGE = [
    "ProfileProjector",
    "master_main",
    "run_projection",
    "run_all_projections",
    "run_scan",
    "run_volume_sampling",
    "terminate_workers",
    "worker_main",
    "plot_profiles",
    "plot_profiled_parameters",
    "plot_volume_samples",
    "get_test_function",
    "setup_logger",
    "get_logger",
    "set_log_level",
    "ParaProfError",
    "InvalidProjectionError",
    "InvalidBoundsError",
    "ConfigurationError",
    "NuisanceParameterWrapper",
    "create_nuisance_wrapped_function",
    "register_nuisance_wrapped_test_functions",
    "read_samples",
    "write_samples",
    "combine_samples",
    "create_sample_writer",
    "PHASE_INITIAL",
    "PHASE_SCAN",
    "PHASE_REFINE",
    "PHASE_SUSPECT",
    "PHASE_VOLUME",
    "PHASE_UNKNOWN",
    "PHASE_LEGEND",
    "phase_for_job_type",
]


@pytest.mark.parametrize("name", PAGE)
def test_name_of_paraprof(name):
    assert getattr(facades, name) is getattr(paraprof, name)
    assert name in facades.__all__
    assert name in dir(facades)
    assert name in dir(paraprof)


@pytest.mark.parametrize("name", ["sample_io", "phases", "logger", "exceptions", "test_functions", "nuisance_wrapper"])
def test_module_of_paraprof(name):
    assert getattr(paraprof, name).__name__.startswith("wilks.facades.paraprof.")


def test_name_that_paraprof_does_not_have():
    with pytest.raises(AttributeError, match="no attribute 'ProfileProjektor'"):
        paraprof.ProfileProjektor  # noqa: B018 - the access is what raises


def _run(code):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_mpi4py_everything_runs_in_one_process():
    assert "13 cells" in _run(
        """
        import sys
        sys.modules["mpi4py"] = None
        from wilks.facades import ProfileProjector, run_scan, set_log_level, terminate_workers
        set_log_level("WARNING")
        line = [{"dims": [0], "grid_points": [12]}]
        with ProfileProjector(lambda p: -0.5 * float(p @ p), [(-2, 2), (-2, 2)], line, seed=1) as sampler:
            (outcome,) = run_scan(None, sampler, line)
        terminate_workers(None)
        print(len(outcome["coarse_solution"]["solutions"]), "cells")
        """
    )


def test_names_load_neither_mpi_nor_pictures():
    loaded = _run(
        """
        import sys
        from wilks.facades import ProfileProjector, plot_profiles, run_all_projections, worker_main
        print([name for name in ("mpi4py", "matplotlib", "h5py", "pandas") if name in sys.modules])
        """
    )
    assert loaded.strip() == "[]"
