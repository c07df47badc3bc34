"""The functions that run a projector, from rank 0."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from wilks.facades.paraprof.exceptions import ConfigurationError
from wilks.facades.paraprof.logger import get_logger
from wilks.facades.paraprof.projector import NO_EFFECT, ProfileProjector
from wilks.facades.paraprof.solutions import solution_of
from wilks.facades.paraprof.visualization import PlotSettings, draw_profile
from wilks.facades.paraprof.volume import as_dictionary, write_files
from wilks.facades.paraprof.worker import executor_for, terminate_workers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wilks.facades.paraprof.projection import Projection
    from wilks.profiles.result import ProfileResult


def run_projection(
    comm: Any,  # noqa: ANN401 - a communicator of mpi4py, which need not be installed
    sampler: ProfileProjector,
    projection_config: Mapping[str, Any],
    save_plots: bool = False,
    plot_settings: Mapping[str, Any] | None = None,
    skip_init_opt_on_warm_start: bool = True,
    myrank: int = 0,
) -> dict[str, Any]:
    """Map one projection: the coarse grid and, if the projection wants one, the refined grid.

    Parameters
    ----------
    comm
        A communicator whose other ranks are in `worker_main`. With None, or with one rank, everything is done in this
        process.
    sampler
        The projector.
    projection_config
        The projection.
    save_plots
        Draw the maps and the maps of the profiled parameters?
    plot_settings
        See `plot_profiles`.
    skip_init_opt_on_warm_start
        Take over the optima that earlier projections of this projector have found, instead of a new search?
    myrank
        The rank of this process, which must be 0.

    Returns
    -------
    dict
        ``coarse_solution`` and ``refined_solution`` (None without refinement): dictionaries with ``grid_axes``,
        ``projection_dims``, ``profiled_dims``, ``grid_shape``, ``solutions`` (grid index -> ``profiled_params``,
        ``likelihood``, ``full_params``), ``global_solution_pool``, and ``profile``, the `wilks.ProfileResult`. And
        ``metrics``: ``coarse_target_calls`` and ``refined_target_calls`` of these grids, ``projection_target_calls``
        of both, ``total_target_calls`` of the projector so far, and ``global_max``.

    Raises
    ------
    ConfigurationError, InvalidProjectionError
        If an argument cannot be used.
    EvaluationError
        If every call of the target fails; it shows the first traceback.
    """
    _check_sampler(sampler)
    shown = PlotSettings.of(plot_settings, sampler.roi_threshold)
    projection = sampler.settings.projection(projection_config)
    is_known = any(projection_config is config for config in sampler.settings.projections)
    if projection.without_effect and not is_known:
        warnings.warn(NO_EFFECT + ", ".join(projection.without_effect), stacklevel=2)
    executor = executor_for(comm, myrank)
    over = ", ".join(sampler.settings.names[dim] for dim in projection.dims)
    get_logger().info("projection over %s: %s nodes", over, " x ".join(map(str, projection.grid())))
    results = sampler.scan.run(projection, executor, reuse_optima=skip_init_opt_on_warm_start)
    if save_plots:
        for grid, result in zip(("coarse", "refined"), results, strict=False):
            name = f"profile_plot_rank_{myrank}_dims_{_tag(projection)}_{grid}"
            draw_profile(result, name, shown)
    return _outcome(sampler, results)


def _tag(projection: Projection) -> str:
    return "_".join(map(str, projection.dims))


def _outcome(sampler: ProfileProjector, results: Sequence[ProfileResult]) -> dict[str, Any]:
    pool = sampler.global_solution_pool
    coarse, *refined = [solution_of(result, sampler.settings.names, pool) for result in results]
    calls = [result.n_evaluations - int(result.stats["n_reused"]) for result in results]
    metrics: dict[str, Any] = {"coarse_target_calls": calls[0]}
    if refined:
        metrics["refined_target_calls"] = calls[1]
    metrics |= {
        "projection_target_calls": sum(calls),
        "total_target_calls": sampler.target_calls,
        "global_max": sampler.global_max_target_val,
    }
    return {"coarse_solution": coarse, "refined_solution": refined[0] if refined else None, "metrics": metrics}


def run_all_projections(
    comm: Any,  # noqa: ANN401 - as above
    sampler: ProfileProjector,
    projections: Sequence[Mapping[str, Any]] | None = None,
    save_plots: bool = False,
    plot_settings: Mapping[str, Any] | None = None,
    myrank: int = 0,
) -> list[dict[str, Any]]:
    """Map several projections, one after the other; each takes over the optima that the earlier ones have found.

    After them comes the volume sampling when the projector was given `volume_sampling`.

    Parameters
    ----------
    comm, sampler, save_plots, plot_settings, myrank
        As for `run_projection`.
    projections
        The projections; those of the projector by default.

    Returns
    -------
    list of dict
        For every projection what `run_projection` returns, and ``projection_config``.

    Raises
    ------
    ConfigurationError, InvalidProjectionError
        If an argument cannot be used; nothing has been evaluated then.
    EvaluationError
        If every call of the target fails; it shows the first traceback.
    """
    _check_sampler(sampler)
    chosen = sampler.projections if projections is None else list(projections)
    PlotSettings.of(plot_settings, sampler.roi_threshold)
    for config in chosen:
        sampler.settings.projection(config)
    outcomes = []
    for config in chosen:
        outcome = run_projection(comm, sampler, config, save_plots, plot_settings, myrank=myrank)
        outcomes.append({**outcome, "projection_config": config})
    if sampler.settings.volume is not None:
        run_volume_sampling(comm, sampler, outcomes, myrank)
    return outcomes


def run_scan(
    comm: Any,  # noqa: ANN401 - as above
    sampler: ProfileProjector,
    projections: Sequence[Mapping[str, Any]] | None = None,
    save_plots: bool = False,
    plot_settings: Mapping[str, Any] | None = None,
    broadcast_target_func: bool = True,
    myrank: int = 0,
) -> list[dict[str, Any]]:
    """Send the functions to the workers, run all projections, and end the workers.

    Parameters
    ----------
    comm, sampler, projections, save_plots, plot_settings, myrank
        As for `run_all_projections`.
    broadcast_target_func
        With False no function is sent: every worker has its own, given to ``worker_main(comm, myrank, target_func)``.

    Returns
    -------
    list of dict
        What `run_all_projections` returns; it raises the same errors.
    """
    _check_sampler(sampler)
    if broadcast_target_func:
        if comm is not None:
            comm.bcast((sampler.target_func, sampler.grad_func), root=myrank)
    else:
        sampler.scan.use_functions_of_ranks()
    outcomes = run_all_projections(comm, sampler, projections, save_plots, plot_settings, myrank)
    terminate_workers(comm, myrank)
    return outcomes


def master_main(
    comm: Any,  # noqa: ANN401 - as above
    sampler: ProfileProjector,
    plot_settings: Mapping[str, Any] | None = None,
    skip_init_opt_on_warm_start: bool = True,
    myrank: int = 0,
) -> None:
    """Map the first projection of a projector on its coarse grid; the projector holds the answer.

    Parameters
    ----------
    comm, sampler, skip_init_opt_on_warm_start, myrank
        As for `run_projection`.
    plot_settings
        Checked; nothing is drawn.
    """
    _check_sampler(sampler)
    PlotSettings.of(plot_settings, sampler.roi_threshold)
    config = {**sampler.projections[0], "grid_refinement_factor": None}
    run_projection(comm, sampler, config, skip_init_opt_on_warm_start=skip_init_opt_on_warm_start, myrank=myrank)


def run_volume_sampling(
    comm: Any,  # noqa: ANN401 - as above
    sampler: ProfileProjector,
    projection_results: Sequence[Mapping[str, Any]],
    myrank: int = 0,
) -> dict[str, Any]:
    """Fill the region of interest with samples, seeded in the maps of some projections, and write them to files.

    Parameters
    ----------
    comm, sampler, myrank
        As for `run_projection`.
    projection_results
        What `run_all_projections` returned.

    Returns
    -------
    dict
        ``skipped`` and ``reason``, ``samples`` (rows [parameters..., log-likelihood]), ``band_lo_final``,
        ``global_max`` and ``stats``; the projector holds it as ``volume_stage_result``.

    Raises
    ------
    ConfigurationError
        If the projector was not given `volume_sampling`.
    """
    _check_sampler(sampler)
    options = sampler.settings.volume
    if options is None:
        raise ConfigurationError(
            "run_volume_sampling: expected a projector with volume_sampling={...}, got one without", "volume_sampling"
        )
    finest = [outcome["refined_solution"] or outcome["coarse_solution"] for outcome in projection_results]
    get_logger().info("volume sampling: %d walkers, %d steps each", options["n_walkers"], options["n_steps"])
    result = sampler.scan.sample([solution["profile"] for solution in finest], executor_for(comm, myrank))
    found = as_dictionary(result)
    if result.is_skipped:
        get_logger().warning("volume sampling skipped: %s", found["reason"])
    else:
        write_files(result, found, options)
    sampler.volume_stage_result = found
    return found


def _check_sampler(sampler: object) -> None:
    if not isinstance(sampler, ProfileProjector):
        raise ConfigurationError(
            f"sampler: expected a ProfileProjector, got {type(sampler).__name__}", "sampler", sampler
        )
