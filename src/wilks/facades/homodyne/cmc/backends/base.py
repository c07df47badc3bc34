"""Where shards are sampled, and how their draws are combined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.cmc.asking import Asking, with_common_sigma
from wilks.facades.homodyne.cmc.bimodality import BimodalConsensusResult, ModeCluster
from wilks.facades.homodyne.cmc.data_prep import PreparedData, prepare_mcmc_data
from wilks.facades.homodyne.cmc.draws import MCMCSamples, drawn_of
from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace
from wilks.facades.homodyne.cmc.sharded import COMBINATIONS, consensus_of
from wilks.facades.homodyne.notices import notice
from wilks.loop.mixing import mixing
from wilks.samplers.consensus.combination import combined
from wilks.samplers.consensus.shard import ShardPosterior, ShardSample, shard_posterior

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from wilks.facades.homodyne.cmc.config import CMCConfig
    from wilks.facades.homodyne.cmc.model import XpcsModel
    from wilks.samplers.consensus.combination import Combined

__all__ = ["CMCBackend", "combine_shard_samples", "combine_shard_samples_bimodal", "select_backend"]

_SEED = 42
_POINTS = ("data", "t1", "t2", "phi_unique", "phi_indices", "q")


class CMCBackend(ABC):
    """Where shards are sampled."""

    @abstractmethod
    def executor(self, config: CMCConfig) -> AbstractContextManager[Any]:
        """The executor of wilks that runs the shards, to be entered."""

    def is_available(self) -> bool:
        """Can it be used here?"""
        return True

    def run(
        self,
        model: XpcsModel,
        model_kwargs: Mapping[str, Any],
        config: CMCConfig,
        shards: Sequence[PreparedData] | None = None,
        initial_values: Mapping[str, float] | None = None,
        parameter_space: ParameterSpace | None = None,
        analysis_mode: str | None = None,
        progress_bar: bool = True,
    ) -> MCMCSamples:
        """Sample the posterior of all data, by way of shards where there are some.

        Parameters
        ----------
        model
            Of `get_xpcs_model`.
        model_kwargs
            The points of all data, ``data``, ``t1``, ``t2``, ``phi_unique``, ``phi_indices``, and ``q``, ``L``, ``dt``,
            ``analysis_mode``, ``parameter_space``.
        config
            Settings.
        shards
            As of `shard_data_random`; together they must be the points of `model_kwargs`. None or one: no shards.
        initial_values, parameter_space, analysis_mode, progress_bar
            As for `fit_mcmc_jax`.
        """
        mode = analysis_mode or model_kwargs.get("analysis_mode") or "static"
        space = parameter_space or model_kwargs.get("parameter_space") or ParameterSpace.from_defaults(mode)
        asking = asking_of(model, model_kwargs, mode, space, initial_values, config.seed, progress_bar)
        n_draws = config.num_samples * config.num_chains
        if shards is None or len(shards) < 2:
            return drawn_of(asking.sample(n_draws=n_draws), config).samples
        method = consensus_of(list(shards), asking, config)
        with self.executor(config) as executor:
            posterior = asking.on(executor).sample(method, n_draws=n_draws)
        return drawn_of(posterior, config, n_shards=len(shards)).samples


def asking_of(
    model: XpcsModel,
    given: Mapping[str, Any],
    analysis_mode: str,
    space: ParameterSpace,
    initial_values: Mapping[str, float] | None,
    seed: int,
    progress_bar: bool,
) -> Asking:
    """What the arguments of a NumPyro model ask of the engine.

    Raises
    ------
    InvalidConfigurationError
        If an argument is missing.
    """
    missing = [key for key in _POINTS if given.get(key) is None]
    if missing:
        raise InvalidConfigurationError(f"model_kwargs: {', '.join(missing)} missing")
    phi = np.asarray(given["phi_unique"], dtype=float)[np.asarray(given["phi_indices"])]
    prepared = prepare_mcmc_data(given["data"], given["t1"], given["t2"], phi)
    data = prepared.two_time_data(float(given["q"]), given.get("L"), given.get("dt"))
    return Asking(
        with_common_sigma(data),
        analysis_mode,
        model.per_angle_mode,
        space.parameters(),
        dict(initial_values or {}),
        seed,
        progress_bar,
    )


def select_backend(config: CMCConfig) -> CMCBackend:
    """The backend of a configuration; processes of this machine by default.

    Raises
    ------
    InvalidConfigurationError
        A ValueError: there is no such backend, or it cannot be used here.

    Examples
    --------
    >>> from wilks.facades.homodyne.cmc.config import CMCConfig
    >>> type(select_backend(CMCConfig())).__name__
    'MultiprocessingBackend'
    """
    from wilks.facades.homodyne.cmc import backends  # noqa: PLC0415 - its modules import this one

    known = {
        "auto": backends.MultiprocessingBackend,
        "multiprocessing": backends.MultiprocessingBackend,
        "pjit": backends.PjitBackend,
        "pbs": backends.PBSBackend,
    }
    if config.backend_name not in known:
        raise InvalidConfigurationError(f"backend: got {config.backend_name!r}; {guess(config.backend_name, known)}")
    backend: CMCBackend = known[config.backend_name]()
    if not backend.is_available():
        raise InvalidConfigurationError(
            f"backend {config.backend_name!r} cannot be used here: there is no command qsub; take 'multiprocessing', "
            "or wilks.DaskExecutor.on_queue for other queues"
        )
    return backend


def combine_shard_samples(
    shard_samples: Sequence[MCMCSamples], method: str = "weighted_gaussian", chunk_size: int = 500
) -> MCMCSamples:
    """Combine the draws of shards: `wilks.samplers.consensus.combination` with their full covariances.

    Parameters
    ----------
    shard_samples
        Draws of every shard, of the same parameters.
    method
        ``"robust_consensus_mc"``, ``"consensus_mc"`` or ``"auto"``; ``"weighted_gaussian"``, which is the default of
        the page, and ``"simple_average"`` ignore correlations, and a warning says so.
    chunk_size
        Has no effect: groups of shards are combined one after the other where there are many, with the same answer.

    Returns
    -------
    MCMCSamples
        They approximate the posterior, and nothing here says how well: `wilks.sample` with `wilks.Consensus` holds
        them against the full likelihood.

    Raises
    ------
    InvalidDataError
        If there are no shards, or their parameters differ.

    Examples
    --------
    >>> generator = np.random.default_rng(1)
    >>> draws = [{"a": m + generator.normal(size=(2, 500)), "b": generator.normal(size=(2, 500))} for m in (-1.0, 1.0)]
    >>> found = combine_shard_samples([MCMCSamples(each, ["a", "b"], 2, 500) for each in draws], "consensus_mc")
    >>> found.num_shards, bool(abs(found.samples["a"].mean()) < 0.1), round(float(found.samples["a"].std()), 1)
    (2, True, 0.7)
    """
    if method not in COMBINATIONS:
        raise InvalidConfigurationError(f"method: got {method!r}; {guess(method, COMBINATIONS)}")
    if method in ("weighted_gaussian", "simple_average"):
        notice(f"combine_shard_samples: {method!r} ignores correlations; take 'consensus_mc'")
    shards = _shards(shard_samples)
    found = combined(shards, COMBINATIONS[method], np.random.default_rng(_SEED))
    return _samples(found, shard_samples)


def combine_shard_samples_bimodal(
    shard_samples: Sequence[MCMCSamples],
    cluster_assignments: tuple[list[int], list[int]],
    bimodal_detections: Sequence[Mapping[str, Any]],
    modal_params: list[str],
    co_occurrence: Mapping[str, Any],
    method: str = "consensus_mc",
    chunk_seed: int = 0,
) -> tuple[MCMCSamples, BimodalConsensusResult]:
    """Combine the draws of shards with several modes: the product of a mixture of Gaussians for every shard.

    Parameters
    ----------
    shard_samples
        Draws of every shard.
    cluster_assignments
        Shards of the lower and of the upper mode, for `ModeCluster.n_shards`. The modes themselves and their weights
        are those of the product: a mode that one shard excludes has no mass.
    bimodal_detections
        Are not needed: the modes of every shard are fitted again, in all parameters at once.
    modal_params, co_occurrence
        Go into the result.
    method
        Of `combine_shard_samples`; checked only.
    chunk_seed
        Of the draws.

    Returns
    -------
    combined_samples, bimodal_result
    """
    if method not in COMBINATIONS:
        raise InvalidConfigurationError(f"method: got {method!r}; {guess(method, COMBINATIONS)}")
    found = combined(_shards(shard_samples), "mixtures", np.random.default_rng(chunk_seed))
    samples = _samples(found, shard_samples)
    mixture, names = found.mixture, samples.param_names
    key = names.index(modal_params[0]) if modal_params and modal_params[0] in names else 0
    clusters = []
    for place, k in enumerate(np.argsort(mixture.means[:, key]).tolist()):
        spread = np.sqrt(np.diag(mixture.covariances[k]))
        generator = np.random.default_rng([chunk_seed, k])
        steps = generator.standard_normal((samples.n_chains, samples.n_samples, len(names)))
        draws = mixture.means[k] + steps @ np.linalg.cholesky(mixture.covariances[k]).T
        clusters.append(
            ModeCluster(
                dict(zip(names, mixture.means[k].tolist(), strict=True)),
                dict(zip(names, spread.tolist(), strict=True)),
                float(np.exp(mixture.log_shares[k])),
                len(cluster_assignments[min(place, 1)]),
                {name: draws[..., i] for i, name in enumerate(names)},
            )
        )
    result = BimodalConsensusResult(clusters, list(modal_params), dict(co_occurrence))
    samples.bimodal_consensus = result
    return samples, result


def _shards(given: Sequence[MCMCSamples]) -> list[ShardPosterior]:
    if not given:
        raise InvalidDataError("combine_shard_samples: expected the draws of at least one shard, got none")
    names = given[0].param_names
    wrong = [k for k, shard in enumerate(given) if shard.param_names != names]
    if wrong:
        raise InvalidDataError(
            f"combine_shard_samples: shard {wrong[0]} has the parameters {given[wrong[0]].param_names}, the first one "
            f"{names}"
        )
    generator, found = np.random.default_rng(_SEED), []
    for number, shard in enumerate(given):
        x = np.stack([np.asarray(shard.samples[name], dtype=float).ravel() for name in names], axis=1)
        sizes = [mixing(np.asarray(shard.samples[name], dtype=float), "ess") for name in names]
        ess = float(np.clip(np.nanmin(sizes) if np.isfinite(sizes).any() else len(x), 1, len(x)))
        sample = ShardSample(x, np.full(len(x), -np.log(len(x))), ess, certified=True, n_evaluations=0, method="draws")
        found.append(shard_posterior(number, sample, len(x), generator, references=np.empty(0), seconds=0.0))
    return found


def _samples(found: Combined, given: Sequence[MCMCSamples]) -> MCMCSamples:
    first = given[0]
    n = len(found.draws) // first.n_chains
    shaped: NDArray[np.float64] = found.draws[: n * first.n_chains].reshape(first.n_chains, n, -1)
    samples = {name: shaped[..., k] for k, name in enumerate(first.param_names)}
    return MCMCSamples(samples, list(first.param_names), first.n_chains, n, num_shards=len(given) - len(found.dropped))
