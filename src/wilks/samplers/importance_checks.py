"""The certificate of importance sampling: can the weights be trusted, are there enough, do the populations agree?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wilks.samplers.certificate import Certificate, Check
from wilks.samplers.chains import LEAST_ESS
from wilks.samplers.intervals import weighted_quantiles
from wilks.samplers.psis import effective_size, k_limit, smoothed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_MOST_SQUARE_K = 0.7
_TOLERANCE, _SIGMAS = 0.05, 3.5
_OTHER = (
    "the posterior is not close to one bell for each known mode: sample it by a Markov chain "
    "(method=wilks.Nuts() where there is a gradient, wilks.Ensemble() or wilks.ParallelTempering(sampling=True))"
)
_MORE = "draw more: AdaptiveImportance(max_rounds=...)"
_APART = "the two populations found different posteriors: look for modes with wilks.fit, or use wilks.Ensemble()"


@dataclass(frozen=True)
class Round:
    """What the draws of one proposal, which was made before them, say of the evidence: an estimate without bias.

    Attributes
    ----------
    log_evidence
        Log of the mean weight.
    ess
        Kish's effective number of the weights.
    variance
        Relative variance of the mean weight.
    """

    log_evidence: float
    ess: float
    variance: float

    @classmethod
    def of(cls, log_weights: NDArray[np.float64]) -> Round:
        """From log-weights whose mean is the evidence."""
        total, n = float(np.logaddexp.reduce(log_weights)), len(log_weights)
        ess = effective_size(log_weights - total) if math.isfinite(total) else 0.0
        return cls(total - math.log(n), ess, max(1.0 / ess - 1.0 / n, 0.0) if ess > 0 else math.inf)


@dataclass(frozen=True, eq=False)
class Sample:
    """Weighted draws of one population.

    Attributes
    ----------
    thetas
        Shape (n, d).
    raw
        Log-weights that sum to the evidence, shape (n,).
    log_likelihoods
        Shape (n,).
    names
        Of the parameters.
    rounds
        Of importance sampling, for an evidence without bias; without any it is the sum of the weights.
    """

    thetas: NDArray[np.float64]
    raw: NDArray[np.float64]
    log_likelihoods: NDArray[np.float64]
    names: tuple[str, ...]
    rounds: tuple[Round, ...] = ()

    @cached_property
    def smoothed(self) -> tuple[NDArray[np.float64], float]:
        """Log of the smoothed weights, sum 1, and k-hat."""
        return smoothed(self.raw)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Smoothed weights, sum 1."""
        return np.exp(self.smoothed[0])

    @property
    def k_hat(self) -> float:
        """Pareto k-hat."""
        return self.smoothed[1]

    @property
    def ess(self) -> float:
        """Kish's effective number."""
        return effective_size(self.smoothed[0])

    @property
    def log_evidence(self) -> float:
        """Log of the evidence; rounds count by their effective numbers."""
        effective = [each for each in self.rounds if each.ess > 0]
        if not effective:
            return float(np.logaddexp.reduce(self.raw))
        logs = [math.log(each.ess) + each.log_evidence for each in effective]
        return float(np.logaddexp.reduce(logs)) - math.log(sum(each.ess for each in effective))

    @property
    def log_evidence_error(self) -> float:
        """Standard error of it."""
        effective = [each for each in self.rounds if each.ess > 0]
        if effective:
            total = sum(each.ess for each in effective)
            return math.sqrt(sum((each.ess / total) ** 2 * each.variance for each in effective))
        return math.sqrt(max(1.0 / self.ess - 1.0 / len(self.raw), 0.0)) if self.ess > 0 else math.inf

    @cached_property
    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Means, standard deviations and effective numbers of every parameter."""
        mean = self.weights @ self.thetas
        square = (self.thetas - mean) ** 2
        variance = self.weights @ square
        with np.errstate(invalid="ignore", divide="ignore"):
            return mean, np.sqrt(variance), variance / (self.weights**2 @ square)

    @property
    def kurtosis(self) -> NDArray[np.float64]:
        """Fourth moment over the square of the second, for every parameter."""
        mean, deviation, _ = self.moments
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.weights @ ((self.thetas - mean) / deviation) ** 4)

    def square_k_hats(self) -> NDArray[np.float64]:
        """Pareto k-hat of weight times squared distance from the mean, for every parameter: that of its variance.

        The larger one of both sides: where they differ, their sum has no single tail that could be fitted.
        """
        apart = self.thetas - self.moments[0]
        with np.errstate(divide="ignore"):
            logs = self.smoothed[0][:, None] + 2.0 * np.log(np.abs(apart))
        sides = [
            [smoothed(np.where(inside, log, -np.inf))[1] for inside, log in zip(side.T, logs.T, strict=True)]
            for side in (apart > 0, apart < 0)
        ]
        return np.asarray(np.max(sides, axis=0))

    def tail_ess(self) -> NDArray[np.float64]:
        """Effective number behind the 5 and 95 % quantiles, the smaller one, for every parameter."""
        found = []
        for column in self.thetas.T:
            ends = weighted_quantiles(column, self.weights, [0.05, 0.95])
            found.append(min(self._ess_below(column, end) for end in ends.tolist()))
        return np.array(found)

    def _ess_below(self, column: NDArray[np.float64], end: float) -> float:
        below = column <= end
        share = float(self.weights @ below)
        spread = float(self.weights**2 @ (below - share) ** 2)
        return share * (1.0 - share) / spread if spread > 0 else math.nan


def pooled(samples: Sequence[Sample]) -> Sample:
    """All populations as one; each counts alike."""
    return Sample(
        np.concatenate([each.thetas for each in samples]),
        np.concatenate([each.raw for each in samples]) - math.log(len(samples)),
        np.concatenate([each.log_likelihoods for each in samples]),
        samples[0].names,
        tuple(each for sample in samples for each in sample.rounds),
    )


def importance_checks(samples: Sequence[Sample], ess: float) -> Certificate:
    """Certify the draws of several populations.

    Parameters
    ----------
    samples
        One for each population.
    ess
        Effective number that was asked for.
    """
    together = pooled(samples)
    k_hat = max(each.k_hat for each in (*samples, together))
    checks = [
        Check.below("Pareto k-hat", k_hat, k_limit(min(len(each.raw) for each in samples)), _OTHER),
        Check.at_least("importance ESS", together.ess, ess, _MORE),
    ]
    k_hats = together.square_k_hats()
    worst = int(np.argmax(np.where(np.isnan(k_hats), np.inf, k_hats)))
    checks.append(Check.below("k-hat of squares", float(k_hats[worst]), _MOST_SQUARE_K, _OTHER, together.names[worst]))
    for name, values in (("bulk ESS", together.moments[2]), ("tail ESS", together.tail_ess())):
        worst = int(np.argmin(np.where(np.isnan(values), -np.inf, values)))
        checks.append(Check.at_least(name, float(values[worst]), min(ess, LEAST_ESS), _MORE, together.names[worst]))
    checks += _agreement(samples)
    return Certificate(tuple(checks))


def _agreement(samples: Sequence[Sample]) -> Iterator[Check]:
    """Differences of two populations against what chance allows, in standard deviations of the posterior."""
    one, other = samples
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(0.5 * (one.moments[1] ** 2 + other.moments[1] ** 2))
        noise = np.sqrt(1.0 / one.moments[2] + 1.0 / other.moments[2])
        means = np.abs(one.moments[0] - other.moments[0]) / spread
        spreads = np.abs(np.log(one.moments[1] / other.moments[1]))
        kurtosis = np.maximum(one.kurtosis, other.kurtosis)
    limits = _TOLERANCE + _SIGMAS * noise
    yield _worst("difference of means", means, limits, one.names)
    yield _worst(
        "difference of spreads", spreads, _TOLERANCE + _SIGMAS * noise * np.sqrt((kurtosis - 1.0) / 4.0), one.names
    )
    error = math.hypot(one.log_evidence_error, other.log_evidence_error)
    gap = abs(one.log_evidence - other.log_evidence)
    yield Check.below("difference of log-evidence", gap, _TOLERANCE + _SIGMAS * error, _APART)


def _worst(name: str, values: NDArray[np.float64], limits: NDArray[np.float64], names: tuple[str, ...]) -> Check:
    excess = np.where(np.isfinite(values) & np.isfinite(limits), values - limits, np.inf)
    at = int(np.argmax(excess))
    return Check.below(name, float(values[at]), float(limits[at]), _APART, names[at])
