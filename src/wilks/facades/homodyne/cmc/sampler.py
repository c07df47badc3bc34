"""The No-U-Turn sampler on the marginal likelihood.

`run_nuts_sampling` samples the marginal likelihood that a `wilks.facades.homodyne.cmc.model.XpcsModel` stands for, with
contrast, offset and sigma integrated out, by the No-U-Turn sampler. `fit_mcmc_jax` chooses the method itself, and
takes this one where it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.cmc.backends.base import asking_of
from wilks.facades.homodyne.cmc.draws import Drawn, MCMCSamples, SamplingPlan, SamplingStats, drawn_of
from wilks.samplers.nuts_options import Nuts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wilks.facades.homodyne.cmc.config import CMCConfig
    from wilks.facades.homodyne.cmc.model import XpcsModel
    from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace

__all__ = ["MCMCSamples", "SamplingPlan", "SamplingStats", "run_nuts_sampling", "run_nuts_with_retry"]


def run_nuts_sampling(
    model: XpcsModel,
    model_kwargs: Mapping[str, Any],
    config: CMCConfig,
    initial_values: Mapping[str, float] | None,
    parameter_space: ParameterSpace,
    n_phi: int,
    analysis_mode: str,
    rng_key: int | None = None,
    progress_bar: bool = True,
    per_angle_mode: str = "individual",
) -> tuple[MCMCSamples, SamplingStats]:
    """Sample with the No-U-Turn sampler.

    Parameters
    ----------
    model
        Of `wilks.facades.homodyne.cmc.model.get_xpcs_model`; it says how contrast and offset are treated.
    model_kwargs
        The points, ``data``, ``t1``, ``t2``, ``phi_unique``, ``phi_indices``, and ``q``, ``L``, ``dt``.
    config
        Lengths of the chains, ``target_accept_prob``, ``max_tree_depth``, ``dense_mass``, ``seed``.
    initial_values
        Where the fit begins that the chains start from.
    parameter_space
        Bounds and priors.
    n_phi
        Number of angles; that of the points is checked against it.
    analysis_mode
        ``"static"`` or ``"laminar_flow"``.
    rng_key
        A seed, in place of that of the configuration.
    progress_bar
        Show how far it is?
    per_angle_mode
        Must be that of the model.

    Raises
    ------
    InvalidConfigurationError
        If model and mode, or points and number of angles, do not fit together.
    MissingDependencyError
        If NumPyro is not installed.
    """
    drawn = _sampled(
        model, model_kwargs, config, initial_values, parameter_space, n_phi, analysis_mode, rng_key, progress_bar,
        per_angle_mode, max_retries=0,
    )  # fmt: skip
    return drawn.samples, drawn.stats


def run_nuts_with_retry(
    model: XpcsModel,
    model_kwargs: Mapping[str, Any],
    config: CMCConfig,
    initial_values: Mapping[str, float] | None,
    parameter_space: ParameterSpace,
    n_phi: int,
    analysis_mode: str,
    max_retries: int = 3,
    rng_key: int | None = None,
    per_angle_mode: str = "individual",
) -> tuple[MCMCSamples, SamplingStats]:
    """Sample with the No-U-Turn sampler, and again, more carefully, where the chains did not converge.

    Parameters
    ----------
    model, model_kwargs, config, initial_values, parameter_space, n_phi, analysis_mode, rng_key, per_angle_mode
        As for `run_nuts_sampling`.
    max_retries
        How often to go on.

    Raises
    ------
    RuntimeError
        If the chains have still not converged: a `wilks.SampleFailedError`, which carries the posterior.
    """
    drawn = _sampled(
        model, model_kwargs, config, initial_values, parameter_space, n_phi, analysis_mode, rng_key, False,
        per_angle_mode, max_retries=max_retries,
    )  # fmt: skip
    return drawn.samples, drawn.stats


def _sampled(
    model: XpcsModel,
    given: Mapping[str, Any],
    config: CMCConfig,
    initial_values: Mapping[str, float] | None,
    space: ParameterSpace,
    n_phi: int,
    analysis_mode: str,
    seed: int | None,
    progress_bar: bool,
    per_angle_mode: str,
    *,
    max_retries: int,
) -> Drawn:
    if model.per_angle_mode != per_angle_mode:
        raise InvalidConfigurationError(
            f"per_angle_mode={per_angle_mode!r}, but {model.name} is the model of {model.per_angle_mode!r}; take "
            f"get_xpcs_model({per_angle_mode!r})"
        )
    key = config.seed if seed is None else int(seed)
    asking = asking_of(model, given, analysis_mode, space, initial_values, key, progress_bar)
    if asking.data.n_phi != n_phi:
        raise InvalidConfigurationError(f"n_phi={n_phi}, but the points have {asking.data.n_phi} angles")
    nuts = Nuts(
        n_chains=config.num_chains,
        n_warmup=config.num_warmup,
        n_draws=config.num_samples,
        target_accept=config.target_accept_prob,
        max_tree_depth=config.max_tree_depth,
        dense_mass=config.dense_mass,
        max_retries=max_retries,
    )
    return drawn_of(asking.sample(nuts, throw=max_retries > 0), config)
