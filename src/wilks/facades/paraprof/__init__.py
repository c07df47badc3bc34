"""The interface of paraprof on `wilks.profile`: functions of arrays in, dictionaries of grid cells out.

Names load on use, so that mpi4py and matplotlib are needed only where they are used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HERE = "wilks.facades.paraprof"
_NAMES = {
    "exceptions": ("ConfigurationError", "InvalidBoundsError", "InvalidProjectionError", "ParaProfError"),
    "functions": ("get_test_function", "list_test_functions"),
    "logger": ("get_logger", "set_log_level", "setup_logger"),
    "master": ("master_main", "run_all_projections", "run_projection", "run_scan", "run_volume_sampling"),
    "nuisance_wrapper": (
        "NuisanceParameterWrapper",
        "create_nuisance_wrapped_function",
        "register_nuisance_wrapped_test_functions",
    ),
    "phases": (
        "PHASE_AUDIT",
        "PHASE_CURVATURE",
        "PHASE_INITIAL",
        "PHASE_LEGEND",
        "PHASE_REFINE",
        "PHASE_SCAN",
        "PHASE_SUSPECT",
        "PHASE_UNKNOWN",
        "PHASE_VOLUME",
        "phase_for_job_type",
    ),
    "projector": ("ProfileProjector",),
    "sample_io": ("combine_samples", "create_sample_writer", "iter_sample_batches", "read_samples", "write_samples"),
    "visualization": ("plot_profiled_parameters", "plot_profiles", "plot_volume_samples"),
    "worker": ("terminate_workers", "worker_main"),
}
_MODULES = {name: name for name in _NAMES} | {"test_functions": "functions"}
_LAZY = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_LAZY)  # noqa: PLE0605 - the list above


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _MODULES:
        return importlib.import_module(f"{_HERE}.{_MODULES[name]}")
    if name not in _LAZY:
        raise AttributeError(f"module {_HERE!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{_HERE}.{_LAZY[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*_LAZY, *_MODULES])
