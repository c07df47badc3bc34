"""Prior densities of single parameters.

A prior belongs to the parameter; only searches and samplers read it. A likelihood never does, so
fits and profiles are independent of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from wilks.core.errors import InvalidProblemError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@runtime_checkable
class Prior(Protocol):
    """What a prior offers; every frozen continuous distribution of ``scipy.stats`` qualifies."""

    def logpdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Natural logarithm of the density at `x`, minus infinity outside the support."""
        ...

    def cdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Fraction of the prior that lies below `x`."""
        ...

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantile function: the value below which a fraction `q` of the prior lies."""
        ...


def _ndtri(q: ArrayLike) -> NDArray[np.float64]:
    from scipy.special import ndtri  # noqa: PLC0415 - scipy loads on use, `import wilks` stays quick

    return np.asarray(ndtri(q), dtype=float)


def _ndtr(z: ArrayLike) -> NDArray[np.float64]:
    from scipy.special import ndtr  # noqa: PLC0415 - as above

    return np.asarray(ndtr(z), dtype=float)


@dataclass(frozen=True)
class Uniform:
    """Uniform prior on [lower, upper].

    Examples
    --------
    >>> float(Uniform(0.0, 2.0).ppf(0.25))
    0.5
    """

    lower: float
    upper: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lower) and math.isfinite(self.upper) and self.lower < self.upper):
            raise InvalidProblemError(f"Uniform prior: expected finite lower < upper, got ({self.lower}, {self.upper})")

    def logpdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Log-density at `x`."""
        x = np.asarray(x, dtype=float)
        inside = (x >= self.lower) & (x <= self.upper)
        return np.where(inside, -math.log(self.upper - self.lower), -np.inf)

    def cdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Fraction of the prior below `x`."""
        return np.clip((np.asarray(x, dtype=float) - self.lower) / (self.upper - self.lower), 0.0, 1.0)

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles."""
        return self.lower + np.asarray(q, dtype=float) * (self.upper - self.lower)


@dataclass(frozen=True)
class LogUniform:
    """Prior that is uniform in the logarithm, on [lower, upper] with lower > 0.

    Examples
    --------
    >>> float(LogUniform(0.01, 100.0).ppf(0.5))
    1.0
    """

    lower: float
    upper: float

    def __post_init__(self) -> None:
        if not (0 < self.lower < self.upper and math.isfinite(self.upper)):
            raise InvalidProblemError(f"LogUniform prior: expected 0 < lower < upper, got ({self.lower}, {self.upper})")

    def logpdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Log-density at `x`."""
        x = np.asarray(x, dtype=float)
        inside = (x >= self.lower) & (x <= self.upper)
        safe = np.where(inside, x, 1.0)
        return np.where(inside, -np.log(safe) - math.log(math.log(self.upper) - math.log(self.lower)), -np.inf)

    def cdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Fraction of the prior below `x`."""
        inside = np.clip(np.asarray(x, dtype=float), self.lower, self.upper)
        fraction: NDArray[np.float64] = np.log(inside / self.lower) / (math.log(self.upper) - math.log(self.lower))
        return fraction

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles."""
        low, high = math.log(self.lower), math.log(self.upper)
        return np.exp(low + np.asarray(q, dtype=float) * (high - low))


@dataclass(frozen=True)
class Normal:
    """Gaussian prior with a mean and a standard deviation.

    Examples
    --------
    >>> float(Normal(1.0, 2.0).ppf(0.5))
    1.0
    """

    mean: float
    standard_deviation: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.standard_deviation < math.inf):
            raise InvalidProblemError(
                "Normal prior: expected a finite mean and a positive standard deviation, "
                f"got ({self.mean}, {self.standard_deviation})"
            )

    def logpdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Log-density at `x`."""
        z = (np.asarray(x, dtype=float) - self.mean) / self.standard_deviation
        return -0.5 * z**2 - math.log(self.standard_deviation * math.sqrt(2 * math.pi))

    def cdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Fraction of the prior below `x`."""
        return _ndtr((np.asarray(x, dtype=float) - self.mean) / self.standard_deviation)

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles."""
        return self.mean + self.standard_deviation * _ndtri(q)


@dataclass(frozen=True)
class LogNormal:
    """Prior of a positive parameter whose logarithm is Gaussian with mean log(median) and spread sigma.

    Examples
    --------
    >>> round(float(LogNormal(3.0, 0.5).ppf(0.5)), 12)
    3.0
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        if not (0 < self.median < math.inf and 0 < self.sigma < math.inf):
            raise InvalidProblemError(
                f"LogNormal prior: expected a positive median and sigma, got ({self.median}, {self.sigma})"
            )

    def logpdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Log-density at `x`."""
        x = np.asarray(x, dtype=float)
        safe = np.where(x > 0, x, 1.0)
        z = (np.log(safe) - math.log(self.median)) / self.sigma
        density = -0.5 * z**2 - np.log(safe) - math.log(self.sigma * math.sqrt(2 * math.pi))
        return np.where(x > 0, density, -np.inf)

    def cdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Fraction of the prior below `x`."""
        x = np.asarray(x, dtype=float)
        z = np.log(np.where(x > 0, x, 1.0) / self.median) / self.sigma
        return np.where(x > 0, _ndtr(z), 0.0)

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles."""
        return self.median * np.exp(self.sigma * _ndtri(q))


def scipy_prior_form(prior: object) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
    """Name and arguments of a frozen continuous distribution of ``scipy.stats``; None for anything else."""
    name = getattr(getattr(prior, "dist", None), "name", None)
    if not isinstance(name, str) or not isinstance(prior, Prior):
        return None
    return name, tuple(getattr(prior, "args", ())), dict(getattr(prior, "kwds", {}))


def scipy_prior(name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Prior:
    """Return the frozen distribution that `scipy_prior_form` describes.

    Raises
    ------
    InvalidProblemError
        If scipy.stats has no continuous distribution of that name.
    """
    from scipy import stats  # noqa: PLC0415 - as above

    family = getattr(stats, name, None)
    if not isinstance(family, stats.rv_continuous):
        raise InvalidProblemError(f"expected the name of a continuous distribution of scipy.stats, got {name!r}")
    frozen: Prior = family(*args, **keywords)
    return frozen
