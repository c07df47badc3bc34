"""The posterior of an XPCS measurement as a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.table import Table
from wilks.samplers.intervals import weighted_quantiles
from wilks.samplers.result import Posterior
from wilks.xpcs.posterior.bands import Bands, bands
from wilks.xpcs.posterior.comparison import Comparison, compare_with_fit, comparison_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.convention import Convention
    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.parameters import Mode
    from wilks.xpcs.posterior.noise_scale import Sigma
    from wilks.xpcs.posterior.widening import SharedNoise
    from wilks.xpcs.result import XpcsFit
    from wilks.xpcs.scaling import Scaling


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class XpcsPosterior(Posterior):
    """The result of `wilks.xpcs.sample`.

    Arrays over the angles are in the order of the data; NaN for an angle without data.

    Attributes
    ----------
    mode, convention, scaling
        What was sampled.
    q, phi
        Wave vector in 1/Å, and angles in degrees.
    contrast, offset, sigma
        Draws that belong to `draws`, shape (chain, draw, n_phi); sigma is the standard deviation of a folded pair.
    contrast_mean, contrast_sd, offset_mean, offset_sd
        Mean and standard deviation over the exact conditional distributions, shape (n_phi,).
    noise, sigma_model
        ``"white"`` or ``"correlated"``, and what was assumed of its size: ``"integrated"``, ``"per_angle"`` or
        ``"known"``.
    n_data
        Number of pairs of times, each counted once.
    outside
        Probability that a contrast or an offset lies outside its bounds, which cut nothing off for this scaling; 0
        where they cut.
    fit_informed
        Are the priors about the fit? They use the data twice then, and the posterior is too narrow.
    remarks
        What should be known of this posterior, in sentences.
    fit
        What it started from.
    shared_noise
        How the draws were moved for correlated noise; None for white noise.
    """

    mode: Mode
    convention: Convention
    scaling: Scaling
    q: float
    phi: NDArray[np.float64]
    contrast: NDArray[np.float64]
    offset: NDArray[np.float64]
    sigma: NDArray[np.float64]
    contrast_mean: NDArray[np.float64]
    contrast_sd: NDArray[np.float64]
    offset_mean: NDArray[np.float64]
    offset_sd: NDArray[np.float64]
    noise: str
    sigma_model: Sigma
    n_data: int
    outside: float
    fit_informed: bool
    remarks: tuple[str, ...]
    fit: XpcsFit
    shared_noise: SharedNoise | None = None

    @property
    def data(self) -> TwoTimeData | None:
        """What was sampled; None on a result that was loaded from a file."""
        return self.fit.data

    def bands(self, angle: int, probability: float = 0.95, *, n_draws: int = 400) -> Bands:
        """Mean, standard deviation and quantiles of c2 of one angle, without noise.

        Parameters
        ----------
        angle
            Its position in `phi`.
        probability
            Between the quantiles.
        n_draws
            Number of draws to use, evenly spaced among all.

        Raises
        ------
        InvalidConfigurationError
            If there is no such angle, or it has no data.
        """
        return bands(self, angle, probability, n_draws)

    def compare_with_fit(self) -> Table:
        """Contraction, z-score, uncertainty ratio, relative difference and overlap of every parameter, as a table."""
        return comparison_table(self)

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """The numbers of `compare_with_fit` by name."""
        return compare_with_fit(self)

    def angles(self, probability: float = 0.95) -> Table:
        """Contrast, offset and noise of every angle, as a table."""
        tail = 0.5 - 0.5 * probability
        rows = []
        for k, phi in enumerate(self.phi.tolist()):
            row = [f"{k}", f"{phi:g}"]
            for mean, sd, draws in (
                (self.contrast_mean[k], self.contrast_sd[k], self.contrast),
                (self.offset_mean[k], self.offset_sd[k], self.offset),
            ):
                flat = draws[:, :, k].ravel()
                low, high = weighted_quantiles(
                    flat, np.full(len(flat), 1.0 / max(len(flat), 1)), [tail, 1.0 - tail]
                ).tolist()
                row += [f"{mean:.5g}", f"{sd:.2g}", f"{low:.5g} to {high:.5g}"]
            sigma = self.sigma[:, :, k].ravel()
            rows.append((*row, f"{float(np.mean(sigma)) if len(sigma) else np.nan:.4g}"))
        percent = f"{100 * probability:g} %"
        heads = ("angle", "phi", "contrast", "sd", percent, "offset", "sd", percent, "sigma")
        return Table("Contrast, offset and noise", heads, tuple(rows))

    def _remarks(self) -> list[str]:
        return [*super()._remarks(), *self.remarks]
