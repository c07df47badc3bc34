"""The result of volume sampling: points through the region of interest, with how they were got."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.result import Result
from wilks.core.table import Table, show
from wilks.store.conventions import names_beside
from wilks.store.files import written_whole
from wilks.store.samples import write_samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

_BINS = 20
_LOW_ACCEPTANCE, _LOW_SHARE = 0.05, 0.02


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class VolumeResult(Result):
    """The result of `wilks.sample_volume`.

    Attributes
    ----------
    samples
        Distinct states of the walkers in the region, as theta, shape (n, d).
    log_likelihoods
        Log-likelihood of each sample, shape (n,).
    counts
        Number of steps that a walker stayed in each sample, shape (n,): weights for histograms and means.
    levels
        Level of log-likelihood that the walker of each sample is held to, shape (n,).
    band
        Range of log-likelihood of the region, (lowest, best).
    roi_threshold
        Depth of the region below the best log-likelihood.
    sigma
        How far a walker strays from its level, in log-likelihood.
    n_walkers, n_steps, n_sweeps
        Size of the ensemble, steps that were asked for, and steps that were made; zero when the stage was skipped.
    n_outside
        Proposals outside the box, none of which was evaluated.
    mean_acceptance
        Share of the proposals that were accepted, those outside the box included; NaN without any.
    in_band_fraction
        Share of the states after the burn-in that lie in the region, a state that is kept counting again; NaN
        without any.
    best_drift
        How much the best log-likelihood rose during the sampling.
    """

    samples: NDArray[np.float64]
    log_likelihoods: NDArray[np.float64]
    counts: NDArray[np.int64]
    levels: NDArray[np.float64]
    band: tuple[float, float]
    roi_threshold: float
    sigma: float
    n_walkers: int
    n_steps: int
    n_sweeps: int
    n_outside: int
    mean_acceptance: float
    in_band_fraction: float
    best_drift: float

    @property
    def n_in_band(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def is_skipped(self) -> bool:
        """Was there nothing to begin from? The status says what was missing."""
        return not self.n_walkers

    @property
    def histogram(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Edges of 20 equal bins of log-likelihood over the band, and the states in each; empty without a band."""
        if not all(map(math.isfinite, self.band)):
            return np.empty(0), np.empty(0, dtype=np.int64)
        counts, edges = np.histogram(self.log_likelihoods, _BINS, self.band, weights=self.counts)
        return edges, counts.astype(np.int64)

    def to_dataframe(self) -> pd.DataFrame:
        """The samples as a table: a column for every free parameter, then log-likelihood, count and level."""
        import pandas as pd

        columns = dict(zip(self.space.free, self.samples.T, strict=True))
        extras = {"log_likelihood": self.log_likelihoods, "count": self.counts, "level": self.levels}
        names = names_beside(self.space.free, list(extras))
        return pd.DataFrame(columns | dict(zip(names, extras.values(), strict=True)))

    def write_samples(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the samples to a file, a row for each of them: the parameters, then the log-likelihood.

        Parameters
        ----------
        path
            The ending says the format: csv (numbers as ``%.10e``, without a header) or h5, hdf5 (dataset ``samples``).
        overwrite
            Replace a file of that name.

        Returns
        -------
        Path
            The path.

        Raises
        ------
        InvalidConfigurationError
            If the ending is another, or the file exists and `overwrite` is False.
        CheckpointError
            If the file cannot be written.
        """
        rows = np.column_stack([self.samples, self.log_likelihoods])
        return write_samples(rows, path, overwrite=overwrite, names=[*self.space.free, "log_likelihood"])

    def write_summary(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write counts, acceptance, band and the histogram of the log-likelihood as JSON; unknown numbers are null.

        Raises
        ------
        InvalidConfigurationError
            If the file exists and `overwrite` is False.
        CheckpointError
            If it cannot be written.
        """
        text = json.dumps(self._summary_values(), indent=2, allow_nan=False) + "\n"
        with written_whole(Path(path), overwrite=overwrite) as temporary:
            temporary.write_text(text, "utf-8")
        return Path(path)

    def _summary_values(self) -> dict[str, Any]:
        edges, counts = self.histogram
        numbers = {
            "band_lowest": self.band[0],
            "band_best": self.band[1],
            "roi_threshold": self.roi_threshold,
            "sigma": self.sigma,
            "mean_acceptance": self.mean_acceptance,
            "in_band_fraction": self.in_band_fraction,
            "best_drift": self.best_drift,
        }
        return {
            "problem": self.provenance.problem,
            "parameters": list(self.space.free),
            "status": self.status.message,
            "skipped": self.is_skipped,
            "seed": self.provenance.seed,
            "n_walkers": self.n_walkers,
            "n_steps": self.n_steps,
            "n_sweeps": self.n_sweeps,
            "n_evaluations": self.n_evaluations,
            "n_outside": self.n_outside,
            "n_in_band": self.n_in_band,
            **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
            "best": self.best,
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        }

    def table(self) -> Table:
        """For every parameter its best value, and the range of its samples."""
        title = f"Volume: {self.n_in_band} samples"
        if not self.n_in_band:
            return Table(title, ("parameter", "best"), tuple((n, show(v)) for n, v in self.best.items()))
        title += f", log-likelihood {self.band[1]:.6g} at best, down to {self.band[0]:.6g}"
        rows = [
            (name, show(self.best[name]), show(float(column.min())), show(float(column.max())), self.space[name].unit)
            for name, column in zip(self.space.free, self.samples.T, strict=True)
        ]
        rows += [(name, show(value), "", "", "fixed") for name, value in self.space.constants.items()]
        return Table(title, ("parameter", "best", "lowest", "highest", ""), tuple(rows))

    def summary(self) -> str:
        """Sentences about the ensemble, and what to keep in mind."""
        if self.is_skipped:
            return "There are no samples."
        text = f"{self.n_sweeps} steps of {self.n_walkers} walkers"
        if math.isfinite(self.mean_acceptance):
            text += f", {100 * self.mean_acceptance:.0f} % of the moves accepted"
        if math.isfinite(self.in_band_fraction):
            text += f", {100 * self.in_band_fraction:.0f} % of the states in the region"
        return " ".join([f"{text}.", *self._remarks()])

    def _remarks(self) -> Iterator[str]:
        if self.best_drift > self.sigma:
            yield (
                f"The best log-likelihood rose by {self.best_drift:.3g} during the sampling: the start was not the "
                "maximum, and the region was laid too low; fit again from this result, and sample again."
            )
        if self.mean_acceptance < _LOW_ACCEPTANCE:
            yield "Few moves were accepted: the samples are hardly independent; raise sigma_fraction or n_steps."
        _, counts = self.histogram
        if counts.sum() and counts[-2:].sum() < _LOW_SHARE * counts.sum():
            yield (
                f"The best tenth of the log-likelihoods holds {100 * counts[-2:].sum() / counts.sum():.1f} % of the "
                "states: there is little volume near the top in this many dimensions."
            )

    def __repr__(self) -> str:
        """Return status, table, summary and cost."""
        return f"{self.status.message}\n{self.table().text()}\n{self.summary()}\n{self.cost}"

    def _repr_html_(self) -> str:
        status, summary = html.escape(self.status.message), html.escape(self.summary())
        picture = ""
        if self.n_in_band:
            from wilks.plots import picture_html  # noqa: PLC0415 - matplotlib loads on use

            picture = picture_html(self)
        return f"<p>{status}</p>{self.table().html()}<p>{summary}</p>{picture}"
