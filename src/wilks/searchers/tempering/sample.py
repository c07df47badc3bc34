"""Draws and log-evidence of a tempering run that sampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wilks.loop.mixing import mixing
from wilks.searchers.tempering.evidence import mbar_log_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TemperedSample:
    """What the sampling mode of parallel tempering returns; everything is from the frozen phase.

    Attributes
    ----------
    states
        Name -> values in theta (an index for a categorical parameter) on every rung, the coldest first, shape
        (n_rungs, draw).
    rung_log_likelihoods
        Of the states, shape (n_rungs, draw).
    betas
        Inverse temperatures of the rungs, from 1 to 0, shape (n_rungs,).
    log_evidence, log_evidence_error
        Log of the mean of the likelihood under the prior (cut to where the constraints hold), and its standard error.
    n_burn_in
        Evaluations before the frozen phase.
    """

    states: dict[str, NDArray[np.float64]]
    rung_log_likelihoods: NDArray[np.float64]
    betas: NDArray[np.float64]
    log_evidence: float
    log_evidence_error: float
    n_burn_in: int

    @property
    def draws(self) -> dict[str, NDArray[np.float64]]:
        """Name -> values at T = 1 in theta, shape (1, draw): one chain, equal weights."""
        return {name: values[:1] for name, values in self.states.items()}

    @property
    def log_likelihoods(self) -> NDArray[np.float64]:
        """Of the draws, shape (1, draw)."""
        return self.rung_log_likelihoods[:1]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Weights that make `states`, of all rungs together, a sample at T = 1: shape (n_rungs, draw), sum 1.

        They use what the hotter rungs saw too, so averages are a fifth to a third more precise than those of `draws`.
        """
        losses = -self.rung_log_likelihoods[::-1].T
        return np.exp(mbar_log_weights(losses, self.betas[::-1])).T[::-1]

    @cached_property
    def r_hat(self) -> dict[str, float]:
        """Name -> rank-normalised split R-hat of the draws, which are cut into parts; NaN for a constant."""
        return {name: mixing(values, "rhat") for name, values in self.draws.items()}

    @cached_property
    def ess(self) -> dict[str, float]:
        """Name -> effective number of draws at T = 1 (bulk); NaN for a constant."""
        return {name: mixing(values, "ess") for name, values in self.draws.items()}
