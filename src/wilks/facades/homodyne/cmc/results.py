"""Results with the attributes of homodyne; `CMCResult.posterior` is the posterior of wilks that they come from."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.facades.homodyne.cmc.convergence import DEFAULT_MIN_ESS, compute_ess, compute_r_hat
from wilks.facades.homodyne.cmc.fitted import compute_fitted_c2
from wilks.facades.homodyne.cmc.priors import get_param_names_in_order
from wilks.facades.homodyne.cmc.stand_in import posterior_of_draws
from wilks.samplers.arviz import to_arviz

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.table import Table
    from wilks.facades.homodyne.cmc.draws import Drawn, MCMCSamples, SamplingStats
    from wilks.samplers.certificate import Certificate
    from wilks.samplers.result import Posterior

    Arrays = NDArray[np.float64]

__all__ = ["CMCResult", "ParameterStats", "compute_fitted_c2", "create_inference_data", "samples_dict_from_array"]

CONVERGED, DIVERGENCES, NOT_CONVERGED = "converged", "divergences", "not_converged"


class ParameterStats(dict[str, float]):
    """One number for each parameter, by name or by position.

    Examples
    --------
    >>> stats = ParameterStats(["D0", "alpha"], [1e4, -0.5])
    >>> stats["alpha"], stats[0], stats.as_array
    (-0.5, 10000.0, array([ 1.0e+04, -5.0e-01]))
    """

    def __init__(self, ordered_names: Sequence[str], values: Sequence[float] | Arrays) -> None:
        super().__init__(zip(ordered_names, map(float, values), strict=True))

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - a name, a position or a slice
        """The number of a name, or at a position."""
        if isinstance(key, str):
            return super().__getitem__(key)
        found = self.as_array[key]
        return float(found) if np.ndim(found) == 0 else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Arrays:  # noqa: ANN401 - NumPy's protocol
        """The numbers in their order."""
        return np.asarray(self.as_array, dtype=dtype)

    @property
    def as_array(self) -> Arrays:
        """The numbers in their order."""
        return np.array(list(self.values()), dtype=float)


def _nothing() -> Arrays:
    return np.array([])


def _no_stats() -> ParameterStats:
    return ParameterStats([], [])


@dataclass(repr=False)
class CMCResult:
    """A posterior.

    Attributes
    ----------
    parameters, uncertainties
        Posterior means and standard deviations, in the order of `param_names`.
    param_names
        Contrast of every angle, offset of every angle, physical parameters.
    samples
        Name -> draws with equal weights, shape (n_chains, n_samples); with ``sigma``.
    convergence_status
        ``"converged"`` where every check of the certificate holds, else ``"divergences"`` or ``"not_converged"``.
    r_hat, ess_bulk, ess_tail
        Name -> diagnostics. R-hat and the ESS of tails are those of chains, and NaN for importance sampling, whose
        draws are independent; `certificate` has what was measured there.
    divergences
        Number of divergent transitions.
    inference_data
        The draws as ArviZ knows them; None if arviz-base is not installed.
    execution_time, warmup_time
        Wall time in s, of all and of the warmup, where that is known.
    n_chains, n_samples, n_warmup
        Lengths.
    analysis_mode, per_angle_mode
        What was sampled.
    num_shards
        Shards that were combined; 1 for the posterior of all data.
    covariance
        Posterior covariance.
    chi_squared, reduced_chi_squared
        Of the fit that the sampling began from; 0 where there is none.
    device_info
        What ran, options without effect, where data were used twice.
    recovery_actions
        What was done beyond the plain sampling, in sentences.
    quality_flag
        ``"good"`` where it converged, else ``"poor"``.
    mean_params, std_params
        Means and standard deviations of the physical parameters, by name or position.
    mean_contrast, std_contrast, mean_offset, std_offset
        Of every angle, shape (n_phi,); None where the draws have none.
    posterior
        The posterior of wilks; for draws that came from elsewhere one that knows no likelihood.
    """

    parameters: Arrays
    uncertainties: Arrays
    param_names: list[str]
    samples: dict[str, Arrays]
    convergence_status: str
    r_hat: dict[str, float]
    ess_bulk: dict[str, float]
    ess_tail: dict[str, float]
    divergences: int
    inference_data: Any
    execution_time: float
    warmup_time: float
    n_chains: int = 4
    n_samples: int = 2000
    n_warmup: int = 500
    analysis_mode: str = "static"
    per_angle_mode: str = "auto"
    num_shards: int = 1
    covariance: Arrays = field(default_factory=_nothing)
    chi_squared: float = 0.0
    reduced_chi_squared: float = 0.0
    device_info: dict[str, Any] = field(default_factory=dict)
    recovery_actions: list[str] = field(default_factory=list)
    quality_flag: str = "good"
    mean_params: ParameterStats = field(default_factory=_no_stats)
    std_params: ParameterStats = field(default_factory=_no_stats)
    mean_contrast: Arrays | None = None
    std_contrast: Arrays | None = None
    mean_offset: Arrays | None = None
    std_offset: Arrays | None = None
    posterior: Posterior | None = field(default=None, kw_only=True)

    @classmethod
    def from_mcmc_samples(
        cls,
        mcmc_samples: MCMCSamples,
        stats: SamplingStats,
        analysis_mode: str,
        n_warmup: int = 500,
        min_ess: float | None = None,
    ) -> CMCResult:
        """Make a result of draws.

        They have converged where every check of `wilks.samplers.chains.chain_checks` holds (R-hat at most 1.01, ESS of
        bulk and tails at least 400, no divergences, E-BFMI at least 0.3), and the bulk ESS is at least `min_ess`.

        Raises
        ------
        InvalidDataError
            If a name has no draws, or shapes differ.
        """
        missing = [name for name in mcmc_samples.param_names if name not in mcmc_samples.samples]
        if missing:
            raise InvalidDataError(f"mcmc_samples: no draws of {', '.join(missing)}")
        posterior = posterior_of_draws(mcmc_samples.samples, mcmc_samples.extra_fields)
        ess_bulk, ess_tail = compute_ess(mcmc_samples.samples)
        least = min((ess_bulk[name] for name in posterior.names), default=math.nan)
        status = status_of(posterior.certificate, stats.num_divergent)
        if status == CONVERGED and not least >= (DEFAULT_MIN_ESS if min_ess is None else min_ess):
            status = NOT_CONVERGED
        return cls(
            *_moments(mcmc_samples),
            mcmc_samples.samples,
            status,
            compute_r_hat(mcmc_samples.samples),
            ess_bulk,
            ess_tail,
            stats.num_divergent,
            _tree(posterior),
            stats.total_time,
            stats.warmup_time,
            n_warmup=n_warmup,
            posterior=posterior,
            **_common(mcmc_samples, analysis_mode, status),
        )

    @classmethod
    def of(cls, drawn: Drawn, analysis_mode: str, per_angle_mode: str, device: dict[str, Any]) -> CMCResult:
        """Make a result of a posterior of wilks; its certificate decides whether it converged."""
        posterior, samples = drawn.posterior, drawn.samples
        status = status_of(posterior.certificate, drawn.stats.num_divergent)
        is_chain = posterior.weighted is None
        unknown = dict.fromkeys(samples.samples, math.nan)
        ess_bulk, ess_tail = compute_ess(samples.samples) if is_chain else (unknown, unknown)
        fit = posterior.fit
        result = cls(
            *_moments(samples),
            samples.samples,
            status,
            compute_r_hat(samples.samples) if is_chain else dict(unknown),
            ess_bulk if is_chain else _effective(posterior, samples),
            dict(ess_tail),
            drawn.stats.num_divergent,
            _tree(posterior_of_draws(samples.samples, samples.extra_fields)) if is_chain else _tree(posterior),
            drawn.stats.total_time,
            drawn.stats.warmup_time,
            n_warmup=drawn.stats.plan.n_warmup if is_chain and drawn.stats.plan is not None else 0,
            chi_squared=0.0 if fit is None else float(fit.chi_squared),
            reduced_chi_squared=0.0 if fit is None else float(fit.reduced_chi_squared),
            device_info=device,
            recovery_actions=[f"{name}: {tried.message}" for name, tried in posterior.attempts.items()],
            posterior=posterior,
            **_common(samples, analysis_mode, status),
        )
        result.per_angle_mode = per_angle_mode
        return result

    @property
    def certificate(self) -> Certificate | None:
        """What was measured of the draws, and what would be enough."""
        return None if self.posterior is None else self.posterior.certificate

    @property
    def success(self) -> bool:
        """Did the sampling converge?"""
        return self.convergence_status == CONVERGED

    @property
    def message(self) -> str:
        """What became of the sampling, in words."""
        if self.success:
            return f"Converged: {self.divergences} divergences, quality {self.quality_flag}"
        detail = "" if self.certificate is None else self.certificate.message
        what = "Too many divergences" if self.convergence_status == DIVERGENCES else "Not converged"
        return f"{what}: {detail or f'{self.divergences} divergences'}"

    def __repr__(self) -> str:
        """The outcome and a line for every parameter."""
        wide = max(map(len, self.param_names), default=0)
        lines = (
            f"  {name:<{wide}} = {value:.6g} ± {error:.2g}"
            for name, value, error in zip(self.param_names, self.parameters, self.uncertainties, strict=True)
        )
        return "\n".join((f"CMCResult: {self.message}", *lines))

    def summary(self) -> Table:
        """Means, standard deviations, quantiles and diagnostics, as a table that prints itself."""
        posterior = posterior_of_draws(self.samples) if self.posterior is None else self.posterior
        return posterior.summary()

    def is_cmc_result(self) -> bool:
        """True."""
        return True

    def get_posterior_stats(self) -> dict[str, dict[str, float]]:
        """Mean, standard deviation, median, quantiles and diagnostics of every parameter.

        ``hdi_5%`` and ``hdi_95%`` are quantiles of 5 and 95 %, under the names of the page.
        """
        found = {}
        for name in self.param_names:
            low, middle, high = np.quantile(self.samples[name], [0.05, 0.5, 0.95]).tolist()
            found[name] = {
                "mean": float(np.mean(self.samples[name])),
                "std": float(np.std(self.samples[name])),
                "median": middle,
                "hdi_5%": low,
                "hdi_95%": high,
                "r_hat": self.r_hat.get(name, math.nan),
                "ess_bulk": self.ess_bulk.get(name, math.nan),
                "ess_tail": self.ess_tail.get(name, math.nan),
            }
        return found

    def get_samples_array(self) -> Arrays:
        """Draws, shape (n_chains, n_samples, n_params)."""
        return np.stack([self.samples[name] for name in self.param_names], axis=-1)

    def validate_parameters(self, n_phi: int | None = None) -> list[str]:
        """Names that are missing; an empty list where all parameters of mode and scaling are there."""
        n = n_phi if n_phi is not None else sum(name.startswith("contrast_") for name in self.param_names)
        expected = get_param_names_in_order(n, self.analysis_mode, self.per_angle_mode)
        return [name for name in expected if name not in self.samples and f"{name}_0" not in self.samples]


def create_inference_data(mcmc_samples: MCMCSamples) -> Any:  # noqa: ANN401 - an xarray.DataTree
    """The draws as ArviZ knows them.

    Raises
    ------
    MissingDependencyError
        If arviz-base is not installed.
    """
    return to_arviz(posterior_of_draws(mcmc_samples.samples, mcmc_samples.extra_fields))


def samples_dict_from_array(samples_array: Arrays, param_names: Sequence[str]) -> dict[str, Arrays]:
    """Name -> draws, from an array of shape (n_chains, n_samples, n_params).

    Examples
    --------
    >>> samples_dict_from_array(np.zeros((4, 10, 2)), ["D0", "alpha"])["alpha"].shape
    (4, 10)
    """
    array = np.asarray(samples_array, dtype=float)
    if array.ndim != 3 or array.shape[2] != len(param_names):
        raise InvalidDataError(
            f"samples_array: expected the shape (n_chains, n_samples, {len(param_names)}), got {array.shape}"
        )
    return {name: array[:, :, k] for k, name in enumerate(param_names)}


def status_of(certificate: Certificate, n_divergent: int) -> str:
    """The status in the words of homodyne.

    Examples
    --------
    >>> from wilks.samplers.certificate import Certificate, Check
    >>> status_of(Certificate((Check.below("R-hat", 1.3, 1.01, "draw longer chains"),)), 0)
    'not_converged'
    """
    if certificate.ok:
        return CONVERGED
    return DIVERGENCES if n_divergent else NOT_CONVERGED


def _moments(samples: MCMCSamples) -> tuple[Arrays, Arrays, list[str]]:
    names = list(samples.param_names)
    flat = [samples.samples[name] for name in names]
    return np.array([np.mean(draws) for draws in flat]), np.array([np.std(draws) for draws in flat]), names


def _common(samples: MCMCSamples, analysis_mode: str, status: str) -> dict[str, Any]:
    means, spreads, names = _moments(samples)
    physical = [k for k, name in enumerate(names) if not name.startswith(("contrast", "offset"))]
    found: dict[str, Any] = {
        "n_chains": samples.n_chains,
        "n_samples": samples.n_samples,
        "analysis_mode": analysis_mode,
        "num_shards": samples.num_shards,
        "covariance": np.atleast_2d(np.cov([samples.samples[name].ravel() for name in names])),
        "quality_flag": "good" if status == CONVERGED else "poor",
        "mean_params": ParameterStats([names[k] for k in physical], means[physical]),
        "std_params": ParameterStats([names[k] for k in physical], spreads[physical]),
    }
    for what in ("contrast", "offset"):
        of = [k for k, name in enumerate(names) if name.startswith(what)]
        if of:
            found |= {f"mean_{what}": means[of], f"std_{what}": spreads[of]}
    return found


def _effective(posterior: Posterior, samples: MCMCSamples) -> dict[str, float]:
    """Effective sizes of importance sampling; contrast, offset and sigma follow the physical parameters."""
    least = min(posterior.ess.values(), default=math.nan)
    return {name: posterior.ess.get(name, least) for name in samples.samples}


def _tree(posterior: Posterior) -> Any:  # noqa: ANN401 - an xarray.DataTree
    return None if importlib.util.find_spec("arviz_base") is None else to_arviz(posterior)
