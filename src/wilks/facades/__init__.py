"""Classes with the signatures of other packages, so that their examples run with only the import lines changed.

They translate arguments in and results out, and hold no algorithm. Names load on use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wilks.facades import ask_tell
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

_LAZY = {
    "BaseStorage": "wilks.facades.gfo.storage",
    "EvolutionStrategyOptimizer": "wilks.facades.gfo.optimisers",
    "HillClimbingOptimizer": "wilks.facades.gfo.optimisers",
    "MemoryStorage": "wilks.facades.gfo.storage",
    "ObjectiveResult": "wilks.facades.gfo.storage",
    "ParallelTemperingOptimizer": "wilks.facades.gfo.optimisers",
    "ParticleSwarmOptimizer": "wilks.facades.gfo.optimisers",
    "RandomSearchOptimizer": "wilks.facades.gfo.optimisers",
    "SQLiteStorage": "wilks.facades.gfo.sqlite",
    "SimulatedAnnealingOptimizer": "wilks.facades.gfo.optimisers",
}
_MODULES = {
    "ask_tell": "wilks.facades.ask_tell",
    "diagnostics": "wilks.facades.gfo.diagnostics",
}

_INSTEAD = {
    "DifferentialEvolutionOptimizer": "; use wilks.search(problem, wilks.DifferentialEvolution())",
    "CMAESOptimizer": "; use wilks.search(problem, wilks.CmaEs())",
    "RandomRestartHillClimbingOptimizer": "; use wilks.search(problem, wilks.LocalRestarts()) or rand_rest_p=",
}

__all__ = [
    "BaseStorage",
    "EvolutionStrategyOptimizer",
    "HillClimbingOptimizer",
    "MemoryStorage",
    "ObjectiveResult",
    "ParallelTemperingOptimizer",
    "ParticleSwarmOptimizer",
    "RandomSearchOptimizer",
    "SQLiteStorage",
    "SimulatedAnnealingOptimizer",
    "ask_tell",
    "diagnostics",
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
