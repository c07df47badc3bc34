"""wilks: from a likelihood to what it says.

One problem definition for all verbs: `search` looks for the good regions, `fit` finds the best point and its errors,
`profile` maps the profile likelihood, `sample` draws
from the posterior, `compare` puts their answers side by side. Heavy parts load on use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wilks.core.additive import AdditiveProblem
from wilks.core.derived import Derived
from wilks.core.errors import (
    CheckpointError,
    EvaluationError,
    FitFailedError,
    InvalidConfigurationError,
    InvalidDataError,
    InvalidProblemError,
    MissingDependencyError,
    SampleFailedError,
    SearchFailedError,
    StopRun,
    WilksError,
)
from wilks.core.least_squares import ResidualProblem
from wilks.core.loss import Loss
from wilks.core.parameter import Categorical, Grid, Integer, Real
from wilks.core.prior import LogNormal, LogUniform, Normal, Uniform
from wilks.core.problem import LikelihoodProblem
from wilks.core.result import load
from wilks.core.space import Space
from wilks.core.status import Outcome, Status

if TYPE_CHECKING:
    from wilks import facades, plots, problems, xpcs
    from wilks.evaluation.dask import DaskExecutor
    from wilks.evaluation.executors import ProcessExecutor, SerialExecutor
    from wilks.evaluation.mpi import MPIExecutor
    from wilks.evaluation.sharding import ShardedExecutor
    from wilks.loop.progress import Progress
    from wilks.loop.stopping import MaxEvaluations, MaxTime, NoImprovement, TargetLogLikelihood
    from wilks.profiles.volume_options import VolumeOptions
    from wilks.samplers.consensus.options import Consensus
    from wilks.samplers.ensemble_options import Ensemble
    from wilks.samplers.importance import AdaptiveImportance
    from wilks.samplers.nuts_options import Nuts
    from wilks.searchers.annealing import SimulatedAnnealing
    from wilks.searchers.cma_es import CmaEs
    from wilks.searchers.designs import Initial
    from wilks.searchers.differential_evolution import DifferentialEvolution
    from wilks.searchers.evolution_strategy import EvolutionStrategy
    from wilks.searchers.local_restarts import LocalRestarts
    from wilks.searchers.particle_swarm import ParticleSwarm
    from wilks.searchers.portfolio.algorithm import Portfolio
    from wilks.searchers.random_search import LatinHypercube, RandomSearch, Sobol
    from wilks.searchers.tempering.algorithm import ParallelTempering
    from wilks.store.log import EvaluationLog
    from wilks.verbs.compare import compare
    from wilks.verbs.fit import fit
    from wilks.verbs.fit_options import FitOptions
    from wilks.verbs.profile import profile
    from wilks.verbs.sample import sample
    from wilks.verbs.search import search
    from wilks.verbs.volume import sample_volume

__version__ = "0.1.0"

_LAZY = {
    "EvaluationLog": "wilks.store.log",
    "DaskExecutor": "wilks.evaluation.dask",
    "MPIExecutor": "wilks.evaluation.mpi",
    "ProcessExecutor": "wilks.evaluation.executors",
    "SerialExecutor": "wilks.evaluation.executors",
    "ShardedExecutor": "wilks.evaluation.sharding",
    "Progress": "wilks.loop.progress",
    "MaxEvaluations": "wilks.loop.stopping",
    "MaxTime": "wilks.loop.stopping",
    "NoImprovement": "wilks.loop.stopping",
    "TargetLogLikelihood": "wilks.loop.stopping",
    "ProfileOptions": "wilks.profiles.options",
    "VolumeOptions": "wilks.profiles.volume_options",
    "AdaptiveImportance": "wilks.samplers.importance",
    "Consensus": "wilks.samplers.consensus.options",
    "Ensemble": "wilks.samplers.ensemble_options",
    "Nuts": "wilks.samplers.nuts_options",
    "CmaEs": "wilks.searchers.cma_es",
    "DifferentialEvolution": "wilks.searchers.differential_evolution",
    "EvolutionStrategy": "wilks.searchers.evolution_strategy",
    "LatinHypercube": "wilks.searchers.random_search",
    "ParticleSwarm": "wilks.searchers.particle_swarm",
    "RandomSearch": "wilks.searchers.random_search",
    "SimulatedAnnealing": "wilks.searchers.annealing",
    "Sobol": "wilks.searchers.random_search",
    "Initial": "wilks.searchers.designs",
    "LocalRestarts": "wilks.searchers.local_restarts",
    "Portfolio": "wilks.searchers.portfolio.algorithm",
    "ParallelTempering": "wilks.searchers.tempering.algorithm",
    "compare": "wilks.verbs.compare",
    "FitOptions": "wilks.verbs.fit_options",
    "fit": "wilks.verbs.fit",
    "profile": "wilks.verbs.profile",
    "sample": "wilks.verbs.sample",
    "sample_volume": "wilks.verbs.volume",
    "search": "wilks.verbs.search",
    "facades": "wilks.facades",
    "plots": "wilks.plots",
    "problems": "wilks.problems",
    "xpcs": "wilks.xpcs",
}

__all__ = [
    "AdaptiveImportance",
    "AdditiveProblem",
    "Categorical",
    "CheckpointError",
    "CmaEs",
    "Consensus",
    "DaskExecutor",
    "Derived",
    "DifferentialEvolution",
    "Ensemble",
    "EvaluationError",
    "EvaluationLog",
    "EvolutionStrategy",
    "FitFailedError",
    "FitOptions",
    "Grid",
    "Initial",
    "Integer",
    "InvalidConfigurationError",
    "InvalidDataError",
    "InvalidProblemError",
    "LatinHypercube",
    "LikelihoodProblem",
    "LocalRestarts",
    "LogNormal",
    "LogUniform",
    "Loss",
    "MPIExecutor",
    "MaxEvaluations",
    "MaxTime",
    "MissingDependencyError",
    "NoImprovement",
    "Normal",
    "Nuts",
    "Outcome",
    "ParallelTempering",
    "ParticleSwarm",
    "Portfolio",
    "ProcessExecutor",
    "ProfileOptions",
    "Progress",
    "RandomSearch",
    "Real",
    "ResidualProblem",
    "SampleFailedError",
    "SearchFailedError",
    "SerialExecutor",
    "ShardedExecutor",
    "SimulatedAnnealing",
    "Sobol",
    "Space",
    "Status",
    "StopRun",
    "TargetLogLikelihood",
    "Uniform",
    "VolumeOptions",
    "WilksError",
    "compare",
    "facades",
    "fit",
    "load",
    "plots",
    "problems",
    "profile",
    "sample",
    "sample_volume",
    "search",
    "xpcs",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name not in _LAZY:
        raise AttributeError(f"module 'wilks' has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    found = module if _LAZY[name] == f"wilks.{name}" else getattr(module, name)
    # A verb and the module that defines it may share a name; the verb wins here.
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
