"""Pictures of a posterior: those of `wilks.plots`, written to files under the names of the page.

A picture takes a `CMCResult`, a posterior of wilks, or an ArviZ tree with a group ``posterior``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.facades.homodyne.cmc.results import CMCResult
from wilks.facades.homodyne.cmc.stand_in import posterior_of_draws
from wilks.samplers.result import Posterior

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    Size = tuple[float, float] | None

__all__ = [
    "generate_diagnostic_plots",
    "plot_autocorr",
    "plot_energy",
    "plot_ess",
    "plot_forest",
    "plot_pair",
    "plot_rank",
    "plot_trace",
]

DEFAULT_FIGSIZE: Size = None
"""Each picture has the size that its parameters need."""
DEFAULT_DPI = 150


def generate_diagnostic_plots(
    result: CMCResult,
    output_dir: str | Path,
    figsize: Size = DEFAULT_FIGSIZE,
    dpi: int = DEFAULT_DPI,
    param_subset: Sequence[str] | None = None,
) -> list[Path]:
    """Write all pictures of a result: seven of chains; of importance sampling pair, forest and the weights.

    Parameters
    ----------
    result
        The result.
    output_dir
        Folder, made where it is missing.
    figsize, dpi
        Size in inches, that which a picture needs where None; dots per inch.
    param_subset
        Names of the parameters that are drawn; all where None.

    Returns
    -------
    list of Path
    """
    posterior = _posterior(result)
    if posterior.weighted is not None:
        from wilks import plots  # noqa: PLC0415 - Matplotlib loads on use

        names = None if param_subset is None else [name for name in param_subset if name in posterior.names]
        return [
            plot_pair(posterior, output_dir, names, figsize, dpi),
            plot_forest(posterior, output_dir, names, figsize, dpi),
            _saved(plots.posterior_weights(posterior), output_dir, "weights_plot", figsize, dpi),
        ]
    found = [
        draw(posterior, output_dir, param_subset, figsize, dpi)
        for draw in (plot_pair, plot_forest, plot_autocorr, plot_rank, plot_ess, plot_trace)
    ]
    if "energy" in posterior.sampling:
        found.insert(2, plot_energy(posterior, output_dir, figsize, dpi))
    return found


def plot_pair(
    idata: Any,  # noqa: ANN401 - a result, a posterior or a tree
    output_dir: str | Path,
    var_names: Sequence[str] | None = None,
    figsize: Size = DEFAULT_FIGSIZE,
    dpi: int = DEFAULT_DPI,
) -> Path:
    """Densities of all parameters and of all pairs, to ``pair_plot.png``.

    Parameters
    ----------
    idata
        A `CMCResult`, a posterior of wilks, or an ArviZ tree.
    output_dir
        Folder, made where it is missing.
    var_names
        Names of the parameters that are drawn; all where None.
    figsize, dpi
        Size in inches, that which the picture needs where None; dots per inch.

    Returns
    -------
    Path
        Of the file.
    """
    return _drawn("posterior_pair", "pair_plot", idata, output_dir, var_names, figsize, dpi)


def plot_forest(
    idata: Any,  # noqa: ANN401 - as above
    output_dir: str | Path,
    var_names: Sequence[str] | None = None,
    figsize: Size = DEFAULT_FIGSIZE,
    dpi: int = DEFAULT_DPI,
) -> Path:
    """Means and credible sets of all parameters, to ``forest_plot.png``; arguments as for `plot_pair`."""
    return _drawn("posterior_forest", "forest_plot", idata, output_dir, var_names, figsize, dpi)


def plot_energy(
    idata: Any,  # noqa: ANN401 - as above
    output_dir: str | Path,
    figsize: Size = DEFAULT_FIGSIZE,
    dpi: int = DEFAULT_DPI,
) -> Path:
    """Marginal energies and their steps, to ``energy_plot.png``; arguments as for `plot_pair`."""
    from wilks import plots  # noqa: PLC0415 - Matplotlib loads on use

    return _saved(plots.posterior_energy(_posterior(idata)), output_dir, "energy_plot", figsize, dpi)


def plot_autocorr(
    idata: Any,  # noqa: ANN401 - as above
    output_dir: str | Path,
    var_names: Sequence[str] | None = None,
    figsize: Size = DEFAULT_FIGSIZE,
    dpi: int = DEFAULT_DPI,
) -> Path:
    """Autocorrelation of all parameters, to ``autocorr_plot.png``; arguments as for `plot_pair`."""
    return _drawn("posterior_autocorrelation", "autocorr_plot", idata, output_dir, var_names, figsize, dpi)


def plot_rank(
    idata: Any,  # noqa: ANN401 - as above
    output_dir: str | Path,
    var_names: Sequence[str] | None = None,
    figsize: Size = DEFAULT_FIGSIZE,
    dpi: int = DEFAULT_DPI,
) -> Path:
    """Ranks of the draws of every chain among all, to ``rank_plot.png``; arguments as for `plot_pair`."""
    return _drawn("posterior_rank", "rank_plot", idata, output_dir, var_names, figsize, dpi)


def plot_ess(
    idata: Any,  # noqa: ANN401 - as above
    output_dir: str | Path,
    var_names: Sequence[str] | None = None,
    figsize: Size = DEFAULT_FIGSIZE,
    dpi: int = DEFAULT_DPI,
) -> Path:
    """Effective size against the number of draws, to ``ess_plot.png``; arguments as for `plot_pair`."""
    return _drawn("posterior_ess", "ess_plot", idata, output_dir, var_names, figsize, dpi)


def plot_trace(
    idata: Any,  # noqa: ANN401 - as above
    output_dir: str | Path,
    var_names: Sequence[str] | None = None,
    figsize: Size = DEFAULT_FIGSIZE,
    dpi: int = DEFAULT_DPI,
) -> Path:
    """Draws one after the other, to ``trace_plot.png``; arguments as for `plot_pair`."""
    return _drawn("posterior_trace", "trace_plot", idata, output_dir, var_names, figsize, dpi)


def _drawn(
    picture: str,
    name: str,
    given: Any,  # noqa: ANN401 - as above
    output_dir: str | Path,
    var_names: Sequence[str] | None,
    figsize: Size,
    dpi: int,
) -> Path:
    from wilks import plots  # noqa: PLC0415 - Matplotlib loads on use

    draw: Callable[..., Figure] = getattr(plots, picture)
    return _saved(draw(_posterior(given), names=var_names), output_dir, name, figsize, dpi)


def _saved(figure: Figure, output_dir: str | Path, name: str, figsize: Size, dpi: int) -> Path:
    from wilks import plots  # noqa: PLC0415 - as above

    if figsize is not None:
        figure.set_size_inches(*figsize)
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return plots.save(figure, folder / f"{name}.png", dpi=dpi)


def _posterior(given: Any) -> Posterior:  # noqa: ANN401 - as above
    if isinstance(given, Posterior):
        return given
    if isinstance(given, CMCResult):
        chain = given.posterior is None or given.posterior.weighted is None
        if chain:  # all parameters of homodyne, contrasts and offsets included
            recorded = {} if given.posterior is None else given.posterior.sampling
            return posterior_of_draws({name: given.samples[name] for name in given.param_names}, recorded)
        return given.posterior  # type: ignore[return-value]  # not None, as `chain` says
    try:
        group = given["posterior"]
        samples = {str(name): np.asarray(group[name]) for name in group.data_vars}
        sampling = {}
        if "sample_stats" in given.children:
            stats = given["sample_stats"]
            sampling = {str(name): np.asarray(stats[name]) for name in stats.data_vars}
    except (TypeError, KeyError, AttributeError):
        raise InvalidDataError(
            f"idata: expected a CMCResult, a posterior of wilks, or an ArviZ tree, got a {type(given).__name__}"
        ) from None
    return posterior_of_draws({name: draws for name, draws in samples.items() if draws.ndim == 2}, sampling)
