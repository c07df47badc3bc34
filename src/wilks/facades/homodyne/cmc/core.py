"""`fit_mcmc_jax`: the posterior of a measurement, by `wilks.xpcs.sample`.

By default it is the exact posterior of all data, whatever their number: contrast, offset and sigma are integrated out,
and what remains is cheap enough. Shards are sampled and combined only where the configuration asks for it (``enable:
true``, ``num_shards`` or ``max_points_per_shard``), since a combination is an approximation; it is then held against
the likelihood of all data, and has not converged where that refuses it.

With ``per_angle_mode: auto`` every angle has a contrast and an offset of its own: one for all angles is biased where
they differ, and holding them fixed leaves their uncertainty out.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.cmc.asking import Asking, with_common_sigma
from wilks.facades.homodyne.cmc.backends.base import select_backend
from wilks.facades.homodyne.cmc.calls import Call, call_of
from wilks.facades.homodyne.cmc.draws import drawn_of
from wilks.facades.homodyne.cmc.effects import without_effect
from wilks.facades.homodyne.cmc.io import save_all_results
from wilks.facades.homodyne.cmc.priors import build_nlsq_informed_priors, extract_nlsq_values_for_cmc
from wilks.facades.homodyne.cmc.results import CMCResult
from wilks.facades.homodyne.cmc.sharded import consensus_of, pooled, shards_of
from wilks.facades.homodyne.notices import notice
from wilks.store.log import EvaluationLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from wilks.core.parameter import Real
    from wilks.facades.homodyne.cmc.config import CMCConfig
    from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace

__all__ = ["fit_mcmc_jax", "run_cmc_analysis"]

_TWICE = (
    "the priors are about the values of nlsq_result; if that is a fit of the same data, these are used twice and the "
    "posterior is too narrow: set use_nlsq_informed_priors to false for the priors of the parameter space"
)


def fit_mcmc_jax(
    data: Any = None,  # noqa: ANN401 - checked by `call_of`
    t1: Any = None,  # noqa: ANN401 - as above
    t2: ArrayLike | None = None,
    phi: ArrayLike | None = None,
    q: float | None = None,
    L: float | None = None,
    analysis_mode: str | None = None,
    method: str = "mcmc",
    cmc_config: Mapping[str, Any] | CMCConfig | None = None,
    initial_values: Mapping[str, float] | None = None,
    parameter_space: ParameterSpace | None = None,
    dt: float | None = None,
    output_dir: str | Path | None = None,
    progress_bar: bool = True,
    run_id: str | None = None,
    nlsq_result: Any = None,  # noqa: ANN401 - checked by `extract_nlsq_values_for_cmc`
    **kwargs: Any,  # noqa: ANN401 - arrays and a configuration
) -> CMCResult:
    """Sample the posterior of two-time correlations.

    Parameters
    ----------
    data, t1, t2, phi
        Pooled points: values, times in s, angles in degrees, each of shape (n_total,). A point and its mirror image
        (t1 and t2 exchanged) count once; the diagonal is not used. In place of these the data of `fit_nlsq_jax` with
        the configuration second, as in ``fit_mcmc_jax(data, config)``, or the keywords ``t1``, ``t2``, ``c2``,
        ``q2_phi_t1_t2``, ``phi_rad``, with ``mode``, ``config`` and ``initial_params``.
    q, L, dt
        Wave vector in 1/Å, gap in Å, time between frames in s (from the times where None).
    analysis_mode
        ``"static"`` or ``"laminar_flow"``.
    method
        ``"mcmc"``.
    cmc_config
        The section ``optimization.cmc``, or a `CMCConfig`.
    initial_values
        Where the fit starts from besides its search of the whole box.
    parameter_space
        Bounds and priors; flat ones within the default bounds where None.
    output_dir
        Folder for the files of `save_all_results`; nothing is written where None.
    progress_bar
        Show how far it is?
    run_id
        With ``enable_checkpoints`` the evaluations are kept in ``<checkpoint_dir>/<run_id>.sqlite``, and the same call
        goes on from there after an interruption. Nothing is kept without.
    nlsq_result
        A fit, for a start, and for priors about it unless ``use_nlsq_informed_priors`` is false; see
        `extract_nlsq_values_for_cmc`.

    Returns
    -------
    CMCResult
        Its ``posterior`` is the posterior of wilks.

    Raises
    ------
    InvalidDataError, InvalidConfigurationError
        Both are a ValueError: the data or the configuration cannot be used.
    EvaluationError
        A RuntimeError: too few shards could be sampled.
    """
    given = {
        "data": data, "t1": t1, "t2": t2, "phi": phi, "q": q, "L": L, "analysis_mode": analysis_mode, "method": method,
        "cmc_config": cmc_config, "initial_values": initial_values, "parameter_space": parameter_space, "dt": dt,
    }  # fmt: skip
    call = call_of(given, kwargs)
    if run_id is not None:
        call = replace(call, config=replace(call.config, run_id=run_id))
    result = _of_call(call, nlsq_result, progress_bar)
    if output_dir is not None:
        save_all_results(result, output_dir)
    return result


def run_cmc_analysis(
    data: ArrayLike,
    t1: ArrayLike,
    t2: ArrayLike,
    phi: ArrayLike,
    q: float,
    L: float,
    analysis_mode: str,
    config: CMCConfig,
    parameter_space: ParameterSpace,
    initial_values: Mapping[str, float] | None = None,
    dt: float | None = None,
) -> CMCResult:
    """Sample the posterior of pooled points: `fit_mcmc_jax` with a `CMCConfig`.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> from wilks.facades.homodyne.cmc import CMCConfig, ParameterSpace
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> made = xpcs.simulate({"D0": 2e4, "alpha": -0.5, "D_offset": 0.0}, geometry, mode="static", sigma=0.01, seed=1)
    >>> phi, t1, t2 = (grid.ravel() for grid in np.meshgrid(made.phi, made.t, made.t, indexing="ij"))
    >>> space = ParameterSpace.from_defaults("static")
    >>> result = run_cmc_analysis(made.c2.ravel(), t1, t2, phi, 0.0054, 2e6, "static", CMCConfig(), space)
    >>> result.convergence_status, result.param_names[4:]
    ('converged', ['D0', 'alpha', 'D_offset'])
    >>> bool(abs(result.mean_params["D0"] - 2e4) < 4 * result.std_params["D0"])
    True
    """
    return fit_mcmc_jax(
        data,
        t1,
        t2,
        phi,
        q,
        L,
        analysis_mode,
        cmc_config=config,
        initial_values=initial_values,
        parameter_space=parameter_space,
        dt=dt,
    )


def _of_call(call: Call, nlsq_result: Any, progress_bar: bool) -> CMCResult:  # noqa: ANN401 - as above
    config = call.config
    parameters, start, device = _with_fit(call, config, nlsq_result)
    per_angle_mode = "individual" if config.per_angle_mode == "auto" else config.per_angle_mode
    device |= {"device": "cpu", "run_id": config.run_id, "per_angle_mode": per_angle_mode}
    with ExitStack() as stack:
        asking = Asking(
            with_common_sigma(call.data),
            call.mode,
            per_angle_mode,
            parameters,
            start,
            config.seed,
            progress_bar,
            log=_log(config, stack),
        )
        return _sampled(asking, call, config, device, stack)


def _sampled(asking: Asking, call: Call, config: CMCConfig, device: dict[str, Any], stack: ExitStack) -> CMCResult:
    n_draws, shards = config.num_samples * config.num_chains, []
    if config.asks_for_shards:
        prepared = pooled(call.data) if call.prepared is None else call.prepared
        shards = shards_of(prepared, config, len(call.space.parameter_names))
    sharded = len(shards) > 1
    device["without_effect"] = without_effect(config, sharded=sharded)
    if sharded:
        executor = stack.enter_context(select_backend(config).executor(config))
        posterior = asking.on(executor).sample(consensus_of(shards, asking, config), n_draws=n_draws)
    else:
        posterior = asking.sample(n_draws=n_draws)
    device["method"] = posterior.method
    drawn = drawn_of(posterior, config, n_shards=len(shards) if sharded else 1)
    return CMCResult.of(drawn, call.mode, asking.per_angle_mode, device)


def _with_fit(
    call: Call,
    config: CMCConfig,
    nlsq_result: Any,  # noqa: ANN401 - as above
) -> tuple[dict[str, Real | float], dict[str, float], dict[str, Any]]:
    """Parameters, start and remarks with what an earlier fit says."""
    parameters = call.space.parameters()
    if nlsq_result is None:
        if config.require_nlsq_warmstart:
            raise InvalidConfigurationError("require_nlsq_warmstart is true: give nlsq_result, or set it to false")
        return parameters, call.start, {"priors": "of the parameter space"}
    values, errors = extract_nlsq_values_for_cmc(nlsq_result)
    start = values | call.start
    if not config.use_nlsq_informed_priors:
        return parameters, start, {"priors": "of the parameter space"}
    informed = build_nlsq_informed_priors(
        values, errors, call.space, call.mode, call.data.n_phi, config.nlsq_prior_width_factor
    )
    free: dict[str, Real | float] = {name: prior for name, prior in informed.items() if name not in call.space.fixed}
    if not free:
        return parameters, start, {"priors": "of the parameter space"}
    notice(_TWICE, stacklevel=5)
    return parameters | free, start, {"priors": _TWICE}


def _log(config: CMCConfig, stack: ExitStack) -> EvaluationLog | None:
    if not (config.enable_checkpoints and config.run_id):
        return None
    folder = Path(config.checkpoint_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(EvaluationLog(folder / f"{config.run_id}.sqlite"))
