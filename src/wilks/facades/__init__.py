"""Classes with the signatures of other packages, so that their examples run with only the import lines changed.

They translate arguments in and results out, and hold no algorithm. Names load on use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wilks.facades import ask_tell, homodyne, paraprof
    from wilks.facades.gfo import diagnostics
    from wilks.facades.gfo.optimisers import (
        EvolutionStrategyOptimizer,
        HillClimbingOptimizer,
        ParallelTemperingOptimizer,
        ParticleSwarmOptimizer,
        RandomSearchOptimizer,
        SimulatedAnnealingOptimizer,
    )
    from wilks.facades.gfo.sqlite import SQLiteStorage
    from wilks.facades.gfo.storage import BaseStorage, MemoryStorage, ObjectiveResult
    from wilks.facades.paraprof.exceptions import (
        ConfigurationError,
        InvalidBoundsError,
        InvalidProjectionError,
        ParaProfError,
    )
    from wilks.facades.paraprof.functions import get_test_function
    from wilks.facades.paraprof.logger import get_logger, set_log_level, setup_logger
    from wilks.facades.paraprof.master import (
        master_main,
        run_all_projections,
        run_projection,
        run_scan,
        run_volume_sampling,
    )
    from wilks.facades.paraprof.nuisance_wrapper import (
        NuisanceParameterWrapper,
        create_nuisance_wrapped_function,
        register_nuisance_wrapped_test_functions,
    )
    from wilks.facades.paraprof.phases import (
        PHASE_AUDIT,
        PHASE_CURVATURE,
        PHASE_INITIAL,
        PHASE_LEGEND,
        PHASE_REFINE,
        PHASE_SCAN,
        PHASE_SUSPECT,
        PHASE_UNKNOWN,
        PHASE_VOLUME,
        phase_for_job_type,
    )
    from wilks.facades.paraprof.projector import ProfileProjector
    from wilks.facades.paraprof.sample_io import (
        combine_samples,
        create_sample_writer,
        iter_sample_batches,
        read_samples,
        write_samples,
    )
    from wilks.facades.paraprof.visualization import plot_profiled_parameters, plot_profiles, plot_volume_samples
    from wilks.facades.paraprof.worker import terminate_workers, worker_main

_LAZY = {
    "PHASE_AUDIT": "wilks.facades.paraprof.phases",
    "PHASE_CURVATURE": "wilks.facades.paraprof.phases",
    "PHASE_INITIAL": "wilks.facades.paraprof.phases",
    "PHASE_LEGEND": "wilks.facades.paraprof.phases",
    "PHASE_REFINE": "wilks.facades.paraprof.phases",
    "PHASE_SCAN": "wilks.facades.paraprof.phases",
    "PHASE_SUSPECT": "wilks.facades.paraprof.phases",
    "PHASE_UNKNOWN": "wilks.facades.paraprof.phases",
    "PHASE_VOLUME": "wilks.facades.paraprof.phases",
    "BaseStorage": "wilks.facades.gfo.storage",
    "ConfigurationError": "wilks.facades.paraprof.exceptions",
    "EvolutionStrategyOptimizer": "wilks.facades.gfo.optimisers",
    "HillClimbingOptimizer": "wilks.facades.gfo.optimisers",
    "InvalidBoundsError": "wilks.facades.paraprof.exceptions",
    "InvalidProjectionError": "wilks.facades.paraprof.exceptions",
    "MemoryStorage": "wilks.facades.gfo.storage",
    "NuisanceParameterWrapper": "wilks.facades.paraprof.nuisance_wrapper",
    "ObjectiveResult": "wilks.facades.gfo.storage",
    "ParaProfError": "wilks.facades.paraprof.exceptions",
    "ParallelTemperingOptimizer": "wilks.facades.gfo.optimisers",
    "ParticleSwarmOptimizer": "wilks.facades.gfo.optimisers",
    "ProfileProjector": "wilks.facades.paraprof.projector",
    "RandomSearchOptimizer": "wilks.facades.gfo.optimisers",
    "SQLiteStorage": "wilks.facades.gfo.sqlite",
    "SimulatedAnnealingOptimizer": "wilks.facades.gfo.optimisers",
    "combine_samples": "wilks.facades.paraprof.sample_io",
    "create_nuisance_wrapped_function": "wilks.facades.paraprof.nuisance_wrapper",
    "create_sample_writer": "wilks.facades.paraprof.sample_io",
    "get_logger": "wilks.facades.paraprof.logger",
    "get_test_function": "wilks.facades.paraprof.functions",
    "iter_sample_batches": "wilks.facades.paraprof.sample_io",
    "master_main": "wilks.facades.paraprof.master",
    "phase_for_job_type": "wilks.facades.paraprof.phases",
    "plot_profiled_parameters": "wilks.facades.paraprof.visualization",
    "plot_profiles": "wilks.facades.paraprof.visualization",
    "plot_volume_samples": "wilks.facades.paraprof.visualization",
    "read_samples": "wilks.facades.paraprof.sample_io",
    "register_nuisance_wrapped_test_functions": "wilks.facades.paraprof.nuisance_wrapper",
    "run_all_projections": "wilks.facades.paraprof.master",
    "run_projection": "wilks.facades.paraprof.master",
    "run_scan": "wilks.facades.paraprof.master",
    "run_volume_sampling": "wilks.facades.paraprof.master",
    "set_log_level": "wilks.facades.paraprof.logger",
    "setup_logger": "wilks.facades.paraprof.logger",
    "terminate_workers": "wilks.facades.paraprof.worker",
    "worker_main": "wilks.facades.paraprof.worker",
    "write_samples": "wilks.facades.paraprof.sample_io",
}
_MODULES = {
    "ask_tell": "wilks.facades.ask_tell",
    "diagnostics": "wilks.facades.gfo.diagnostics",
    "homodyne": "wilks.facades.homodyne",
    "paraprof": "wilks.facades.paraprof",
}

_INSTEAD = {
    "DifferentialEvolutionOptimizer": "; use wilks.search(problem, wilks.DifferentialEvolution())",
    "CMAESOptimizer": "; use wilks.search(problem, wilks.CmaEs())",
    "RandomRestartHillClimbingOptimizer": "; use wilks.search(problem, wilks.LocalRestarts()) or rand_rest_p=",
}

__all__ = [
    "PHASE_AUDIT",
    "PHASE_CURVATURE",
    "PHASE_INITIAL",
    "PHASE_LEGEND",
    "PHASE_REFINE",
    "PHASE_SCAN",
    "PHASE_SUSPECT",
    "PHASE_UNKNOWN",
    "PHASE_VOLUME",
    "BaseStorage",
    "ConfigurationError",
    "EvolutionStrategyOptimizer",
    "HillClimbingOptimizer",
    "InvalidBoundsError",
    "InvalidProjectionError",
    "MemoryStorage",
    "NuisanceParameterWrapper",
    "ObjectiveResult",
    "ParaProfError",
    "ParallelTemperingOptimizer",
    "ParticleSwarmOptimizer",
    "ProfileProjector",
    "RandomSearchOptimizer",
    "SQLiteStorage",
    "SimulatedAnnealingOptimizer",
    "ask_tell",
    "combine_samples",
    "create_nuisance_wrapped_function",
    "create_sample_writer",
    "diagnostics",
    "get_logger",
    "get_test_function",
    "homodyne",
    "iter_sample_batches",
    "master_main",
    "paraprof",
    "phase_for_job_type",
    "plot_profiled_parameters",
    "plot_profiles",
    "plot_volume_samples",
    "read_samples",
    "register_nuisance_wrapped_test_functions",
    "run_all_projections",
    "run_projection",
    "run_scan",
    "run_volume_sampling",
    "set_log_level",
    "setup_logger",
    "terminate_workers",
    "worker_main",
    "write_samples",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _MODULES:
        found: Any = importlib.import_module(_MODULES[name])
    elif name in _LAZY:
        found = getattr(importlib.import_module(_LAZY[name]), name)
    else:
        instead = _INSTEAD.get(name, "")
        raise AttributeError(f"module 'wilks.facades' has no attribute {name!r}{instead}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
