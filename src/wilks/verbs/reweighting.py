r"""Draws of a posterior with other weights: what they would say with another prior, or of another density.

Draws of a density p with weights w are draws of q with weights

.. math:: w_i' \propto w_i \, q(\theta_i) / p(\theta_i)                                                        (1)

as long as the ratios q / p are even enough: they are refused where the tail of their distribution has k-hat above 1/2
(Vehtari et al. 2024, JMLR 25(72)), beyond which they have no variance and the errors that are stated no meaning, or
where fewer than a hundred effective draws are left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.samplers.intervals import equal_tailed, weighted_quantiles
from wilks.samplers.psis import smoothed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.samplers.result import Posterior

_FEWEST, _LARGEST_K = 100.0, 0.5
_END = 1e-4


@dataclass(frozen=True, eq=False)
class Draws:
    """Weighted draws of some parameters.

    Attributes
    ----------
    names
        The columns of `thetas`.
    thetas
        Shape (n, d).
    weights
        Their sum is 1, shape (n,).
    log_likelihoods
        Shape (n,).
    efficiency
        Effective draws per draw of equal weight: below 1 where the draws of a chain resemble each other.
    """

    names: tuple[str, ...]
    thetas: NDArray[np.float64]
    weights: NDArray[np.float64]
    log_likelihoods: NDArray[np.float64]
    efficiency: float = 1.0

    @classmethod
    def of(cls, posterior: Posterior) -> Draws:
        """Those that the means and quantiles of a posterior are made of."""
        if posterior.weighted is not None:
            weighted = posterior.weighted
            return cls(posterior.names, weighted.thetas, np.exp(weighted.log_weights), weighted.log_likelihoods)
        thetas = np.column_stack([posterior.draws[name].ravel() for name in posterior.names])
        n = len(thetas)
        measured = [ess for ess in posterior.ess.values() if math.isfinite(ess)]
        efficiency = min(1.0, min(measured, default=n) / max(n, 1))
        return cls(posterior.names, thetas, np.full(n, 1.0 / max(n, 1)), posterior.log_likelihoods.ravel(), efficiency)

    @property
    def n_effective(self) -> float:
        """Effective number of independent draws (Kish 1965)."""
        return self.efficiency / float(self.weights @ self.weights)

    def column(self, name: str) -> NDArray[np.float64]:
        """Values of one parameter, shape (n,)."""
        return self.thetas[:, self.names.index(name)]

    def ends(self, name: str, level: float) -> tuple[float, float]:
        """Ends of the interval that leaves out the same probability on both sides."""
        return equal_tailed(self.column(name), self.weights, level)

    def mass(self, name: str, lower: float, upper: float) -> float:
        """Probability between two values."""
        values = self.column(name)
        return float(self.weights[(values >= lower) & (values <= upper)].sum())

    def noise(self, name: str, value: float) -> float:
        """Monte Carlo standard error of a quantile that lies at `value`."""
        below = min(max(self.mass(name, -math.inf, value), _END), 1.0 - _END)
        step = math.sqrt(below * (1.0 - below) / self.n_effective)
        around = [max(below - step, 0.0), min(below + step, 1.0)]
        low, high = weighted_quantiles(self.column(name), self.weights, around).tolist()
        return 0.5 * float(high - low)

    def reweighted(self, log_ratios: NDArray[np.float64]) -> Draws | None:
        """The draws with the weights (1); None where too few of them would count.

        Parameters
        ----------
        log_ratios
            log(q / p) up to a constant, shape (n,).
        """
        ratios = np.where(np.isnan(log_ratios), -np.inf, log_ratios)
        top = float(np.max(ratios, initial=-math.inf))
        if not math.isfinite(top):
            return None
        weights = self.weights * np.exp(ratios - top)
        total = float(weights.sum())
        found = replace(self, weights=weights / total) if total > 0 else None
        if found is None or found.n_effective < _FEWEST or self._k_hat(ratios) > _LARGEST_K:
            return None
        return found

    def _k_hat(self, log_ratios: NDArray[np.float64]) -> float:
        """Of the ratios alone, over draws that are made equally weighted by systematic resampling."""
        n = max(int(self.n_effective), 1)
        rows = np.searchsorted(np.cumsum(self.weights), (np.arange(n) + 0.5) / n * float(self.weights.sum()))
        return smoothed(log_ratios[np.minimum(rows, len(self.weights) - 1)])[1]
