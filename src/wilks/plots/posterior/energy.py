r"""Picture of the energies of Hamiltonian chains: do their transitions reach the energies that the posterior has?

Betancourt 2016 (https://arxiv.org/abs/1604.00695): momenta are drawn anew for each transition, which changes the energy
E by about as much as they vary. Where that is much less than the energies of the posterior vary, a chain wanders slowly
through them. Their ratio for a chain of n draws is

.. math:: \mathrm{E\text{-}BFMI} = \frac{\sum_{i=2}^n (E_i - E_{i-1})^2}{\sum_{i=1}^n (E_i - \bar E)^2}          (1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.plots import style
from wilks.plots.grid import clean
from wilks.plots.posterior import panels
from wilks.plots.posterior.density import density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.samplers.result import Posterior

_LIMIT = 0.3
_MOST_LABELLED = 12
_FEWEST_DRAWS = 3


def posterior_energy(posterior: Posterior) -> Figure:
    """Draw the distribution of the energies, that of their changes from draw to draw, and E-BFMI of every chain.

    The two distributions are alike where chains move freely between energies. A chain whose E-BFMI is below the dashed
    line is hatched.

    Parameters
    ----------
    posterior
        Draws by NUTS.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If no energies were recorded.
    """
    reason = without_energies(posterior)
    if reason:
        raise InvalidConfigurationError(f"energy: {reason}")
    energies = np.asarray(posterior.sampling["energy"], dtype=float)
    figure = style.Picture(figsize=(8.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    _draw_distributions(left, energies)
    _draw_bfmi(right, e_bfmi(energies), panels.check_limit(posterior, "E-BFMI", _LIMIT))
    panels.headline(figure, panels.source(posterior))
    return figure


def without_energies(posterior: Posterior) -> str:
    """Why there is no picture of the energies; empty if there is one."""
    if "energy" not in posterior.sampling:
        return (
            f"expected the energies that NUTS records, got draws by {posterior.method}, which has none; "
            "energies belong to Hamiltonian methods: wilks.sample(problem, wilks.Nuts())"
        )
    if posterior.n_draws < _FEWEST_DRAWS:
        return f"expected at least {_FEWEST_DRAWS} draws, got {posterior.n_draws}"
    return ""


def e_bfmi(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Equation (1) for every chain, shape (chain,); NaN where the energy does not change."""
    with np.errstate(invalid="ignore", divide="ignore"):
        varied = ((energies - energies.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        return np.asarray((np.diff(energies, axis=1) ** 2).sum(axis=1) / varied)


def _draw_distributions(ax: Axes, energies: NDArray[np.float64]) -> None:
    marginal = (energies - energies.mean()).ravel()
    changes = np.diff(energies, axis=1).ravel()
    low, high = np.quantile(np.concatenate([marginal, changes]), [0.001, 0.999])
    margin = max(0.08 * float(high - low), 1e-6)
    axis = Real(float(low) - margin, float(high) + margin)
    limits = (axis.lower, axis.upper)
    curves = [density(axis, values, limits) for values in (marginal, changes)]
    ax.fill_between(*curves[0], color=style.FILLS[0.68], linewidth=0)
    ax.plot(*curves[1], color=style.FIT, linewidth=1.8)
    ax.set_ylim(bottom=0)
    ax.set_xlim(*limits)
    ax.set_yticks([])
    ax.set_xlabel("energy relative to its mean")
    handles = [
        Patch(facecolor=style.FILLS[0.68], label="energies"),
        Line2D([], [], color=style.FIT, linewidth=1.8, label="changes of a transition"),
    ]
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="upper right")
    clean(ax)


def _draw_bfmi(ax: Axes, found: NDArray[np.float64], limit: float) -> None:
    numbers = np.arange(1, len(found) + 1)
    low = ~(found >= limit)
    heights = np.nan_to_num(found)
    ax.bar(numbers[~low], heights[~low], 0.7, color=style.FILLS[0.68], edgecolor=style.LINE)
    ax.bar(numbers[low], heights[low], 0.7, color="white", edgecolor=style.FIT, hatch="////")
    if len(found) <= _MOST_LABELLED:
        for number, value in zip(numbers.tolist(), found.tolist(), strict=True):
            text = "none" if np.isnan(value) else f"{value:.2f}"
            place = (number, 0.0 if np.isnan(value) else value)
            ax.annotate(text, place, (0, 1), textcoords="offset points", ha="center", va="bottom", fontsize="small")
    ax.axhline(limit, color="0.35", linewidth=1.0, linestyle=style.DASHES[0.95])
    ax.text(1.01, limit, f"limit {limit:.4g}", transform=ax.get_yaxis_transform(), va="center", fontsize="small")
    ax.set_ylim(0, 1.15 * max(float(heights.max()), limit))
    ax.set_xlim(0.3, len(found) + 0.7)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    ax.set_xlabel("chain")
    ax.set_ylabel("E-BFMI")
    clean(ax)
