"""The result of sampling: draws from a posterior, what they say of the parameters, and the certificate."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.core.result import Result
from wilks.core.table import Table, show
from wilks.loop.mixing import mixing
from wilks.samplers.arviz import to_arviz
from wilks.samplers.intervals import equal_tailed, highest_density, weighted_quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from wilks.samplers.certificate import Certificate

_N_PRIOR = 4001


@dataclass(frozen=True)
class Weighted:
    """Draws of importance sampling as they were evaluated, each with its weight.

    Attributes
    ----------
    thetas
        Shape (n, d).
    log_weights
        Pareto-smoothed, their sum is 1; shape (n,).
    log_likelihoods
        Shape (n,).
    populations
        Number of the independent population that drew each, shape (n,).
    """

    thetas: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    log_likelihoods: NDArray[np.float64]
    populations: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Posterior(Result):
    """Draws from a posterior.

    Means, standard deviations and quantiles come from the weighted draws where there are some, from the equally
    weighted `draws` otherwise.

    Attributes
    ----------
    method
        How they were drawn.
    names
        The free parameters.
    draws
        Name -> values, shape (chain, draw), equal weights; the index of a choice. Importance samples are resampled
        for it, so that a draw may be there several times.
    log_likelihoods, log_priors
        Of the draws, shape (chain, draw); the prior as a density of the parameters.
    certificate
        What was measured of the draws. ``status.success`` is ``certificate.ok``.
    weighted
        The draws as they were evaluated, for importance sampling; None for Markov chains.
    sampling
        What the sampler recorded of every draw, under the names that ArviZ knows, each of shape (chain, draw).
    log_evidence, log_evidence_error
        Log of the mean likelihood under the prior and its standard error; NaN where the method does not say.
    derived
        Name -> values of what follows from each draw, shape (chain, draw), or (chain, draw, k) for k values.
    attempts
        Certificates of the methods that were tried before this one, by name.
    """

    method: str
    names: tuple[str, ...]
    draws: dict[str, NDArray[np.float64]]
    log_likelihoods: NDArray[np.float64]
    log_priors: NDArray[np.float64]
    certificate: Certificate
    weighted: Weighted | None = None
    sampling: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    log_evidence: float = math.nan
    log_evidence_error: float = math.nan
    derived: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    attempts: dict[str, Certificate] = field(default_factory=dict)

    @property
    def n_chains(self) -> int:
        """Number of chains."""
        return int(self.log_likelihoods.shape[0])

    @property
    def n_draws(self) -> int:
        """Number of draws in each chain."""
        return int(self.log_likelihoods.shape[1])

    @cached_property
    def _points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Thetas, shape (n, d), and weights, shape (n,), of which moments and quantiles are made."""
        if self.weighted is not None:
            return self.weighted.thetas, np.exp(self.weighted.log_weights)
        thetas = np.stack([self.draws[name].ravel() for name in self.names], axis=1)
        return thetas, np.full(len(thetas), 1.0 / max(len(thetas), 1))

    @cached_property
    def means(self) -> dict[str, float]:
        """Name -> posterior mean."""
        thetas, weights = self._points
        middle = weights @ thetas if len(thetas) else np.full(len(self.names), np.nan)
        return dict(zip(self.names, middle.tolist(), strict=True))

    @cached_property
    def covariance(self) -> NDArray[np.float64]:
        """Posterior covariance, in the order of `names`."""
        thetas, weights = self._points
        left = 1.0 - float(weights @ weights)
        if len(thetas) < 2 or left <= 0.0:  # one draw has all the weight
            return np.full((len(self.names), len(self.names)), np.nan)
        apart = thetas - weights @ thetas
        return np.asarray((apart * weights[:, None]).T @ apart / left)

    @property
    def correlations(self) -> NDArray[np.float64]:
        """Posterior correlations, in the order of `names`; NaN with a parameter that does not vary."""
        size = np.sqrt(np.diag(self.covariance))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.covariance / np.outer(size, size))

    @property
    def standard_deviations(self) -> dict[str, float]:
        """Name -> posterior standard deviation."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @cached_property
    def prior_standard_deviations(self) -> dict[str, float]:
        """Name -> standard deviation of the prior, cut to the box."""
        middle = (np.arange(_N_PRIOR) + 0.5) / _N_PRIOR
        return {name: float(np.std(self.space[name].draw(middle))) for name in self.names}

    @property
    def contraction(self) -> dict[str, float]:
        """Name -> 1 - (posterior / prior standard deviation): how much the data said; near 0 it is the prior.

        Both are taken on the scale of the parameter, of its logarithm if that is logarithmic. Below 0 the data are at
        odds with the prior.
        """
        thetas, weights = self._points
        middle = (np.arange(_N_PRIOR) + 0.5) / _N_PRIOR
        found = {}
        for column, name in enumerate(self.names):
            domain = self.space[name]
            prior, values = domain.draw(middle), thetas[:, column]
            if isinstance(domain, Real):
                prior, values = domain.to_unit(prior), domain.to_unit(values)
            spread = math.sqrt(float(weights @ (values - weights @ values) ** 2)) if len(values) > 1 else math.nan
            width = float(np.std(prior))
            found[name] = 1.0 - spread / width if width > 0 else math.nan
        return found

    @cached_property
    def ess(self) -> dict[str, float]:
        """Name -> effective number of draws that the mean rests on."""
        if self.weighted is None:
            return {name: mixing(self.draws[name], "ess") for name in self.names}
        thetas, weights = self._points
        apart = thetas - weights @ thetas
        variance = weights @ apart**2
        with np.errstate(invalid="ignore", divide="ignore"):
            found = variance / (weights**2 @ apart**2)
        return dict(zip(self.names, found.tolist(), strict=True))

    @property
    def standard_errors_of_means(self) -> dict[str, float]:
        """Name -> Monte Carlo standard error of the posterior mean."""
        found = self.standard_deviations
        with np.errstate(invalid="ignore", divide="ignore"):
            return {name: float(np.divide(found[name], math.sqrt(n))) for name, n in self.ess.items()}

    def quantiles(self, name: str, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Posterior quantiles of a parameter, shape of `probabilities`.

        Raises
        ------
        InvalidConfigurationError
            If there is no such free parameter, or a probability lies outside [0, 1].
        """
        column, weights = self._column(name)
        return weighted_quantiles(column, weights, probabilities)

    def interval(self, name: str, probability: float = 0.68) -> tuple[float, float]:
        """Equal-tailed credible interval of a parameter.

        Examples
        --------
        >>> import wilks
        >>> problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(-9, 9)), lambda v: -0.5 * v["a"] ** 2)
        >>> low, high = wilks.sample(problem, seed=1).interval("a", 0.95)
        >>> round(low), round(high)
        (-2, 2)
        """
        return equal_tailed(*self._column(name), probability)

    def highest_density(self, name: str, probability: float = 0.68) -> list[tuple[float, float]]:
        """Smallest set that holds a probability, as pieces in ascending order: several for several modes."""
        column, weights = self._column(name)
        return highest_density(column, weights, probability, limits=self._limits(name))

    def _limits(self, name: str) -> tuple[float, float]:
        low, high = self.space[name].from_unit(np.array([0.0, 1.0])).tolist()
        return min(low, high), max(low, high)

    def _column(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if name not in self.names:
            raise InvalidConfigurationError(
                f"no free parameter {name!r} was sampled; sampled were {', '.join(self.names)}"
            )
        thetas, weights = self._points
        return thetas[:, self.names.index(name)], weights

    def summary(self, names: Sequence[str] | None = None) -> Table:
        """Mean, standard deviation, quantiles and diagnostics of every parameter, as a table."""
        rows = []
        for name in self.names if names is None else names:
            low, middle, high = self.quantiles(name, [0.025, 0.5, 0.975]).tolist()
            rows.append(
                (
                    name,
                    show(self.means[name]),
                    f"{self.standard_deviations[name]:.3g}",
                    show(low),
                    show(middle),
                    show(high),
                    f"{self.ess[name]:.0f}",
                    f"{self.contraction[name]:.2f}",
                    self.space[name].unit,
                )
            )
        heads = ("parameter", "mean", "sd", "2.5 %", "median", "97.5 %", "ESS", "contraction", "")
        note = "Every check of the certificate holds." if self.certificate.ok else ""  # the status says which do not
        return Table(f"Posterior by {self.method}", heads, tuple(rows), note)

    def to_dataframe(self) -> pd.DataFrame:
        """The draws: a row for each, values as the likelihood sees them, with chain, draw and log-densities."""
        import pandas as pd

        n_chains, n_draws = self.log_likelihoods.shape
        columns: dict[str, object] = {
            "chain": np.repeat(np.arange(n_chains), n_draws),
            "draw": np.tile(np.arange(n_draws), n_chains),
        }
        for name in self.names:
            domain, flat = self.space[name], self.draws[name].ravel()
            columns[name] = flat if domain.n_values is None else [domain.decode(x) for x in flat.tolist()]
        columns |= {"log_likelihood": self.log_likelihoods.ravel(), "log_prior": self.log_priors.ravel()}
        return pd.DataFrame(columns)

    def to_arviz(self) -> Any:  # noqa: ANN401 - an xarray.DataTree
        """The draws as ArviZ takes them: a `xarray.DataTree` with the groups posterior, prior and sample_stats.

        Raises
        ------
        MissingDependencyError
            If arviz-base is not installed.
        """
        return to_arviz(self)

    def __repr__(self) -> str:
        """Return the status, the summary, the certificate and the cost."""
        lines = [f"Posterior of {self.provenance.problem!r} by {self.method}", self.status.message]
        certificate = replace(self.certificate.table(), note="")
        lines += [self.summary().text(), certificate.text(), self.cost, *self._remarks()]
        return "\n".join(lines)

    def _remarks(self) -> list[str]:
        if math.isnan(self.log_evidence):
            return []
        return [f"log-evidence {self.log_evidence:.4f} ± {self.log_evidence_error:.2g}"]

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{html.escape(text)}</p>" for text in [self.status.message, self.cost, *self._remarks()])
        return self.summary().html() + replace(self.certificate.table(), note="").html() + notes
