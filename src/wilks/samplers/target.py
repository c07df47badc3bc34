"""The density that a sampler draws from: likelihood, prior and the Jacobian of the coordinates, each once.

The parameters must all be continuous. The prior is that of the space: as declared, cut to the box and normalised there.
A shard of K takes its K-th root (`power`), so that the shards together have it once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.chart import BoxChart, Chart
from wilks.core.errors import InvalidProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space


@dataclass(frozen=True)
class Target:
    """Posterior density over the coordinates x of a chart.

    Parameters
    ----------
    space
        Parameters and priors.
    chart
        Coordinates; the unit box by default.
    power
        Power of the prior, 1 except for shards.

    Raises
    ------
    InvalidProblemError
        If a free parameter is discrete.

    Examples
    --------
    >>> import wilks
    >>> target = Target(wilks.Space(a=wilks.Real(0, 4)))
    >>> x = np.array([[0.25], [1.5]])
    >>> target.thetas(x).tolist(), target.log_prior(x).tolist()
    ([[1.0], [4.0]], [0.0, -inf])
    """

    space: Space
    chart: Chart = field(default_factory=BoxChart)
    power: float = 1.0

    def __post_init__(self) -> None:
        discrete = [name for name, n in zip(self.space.free, self.space.n_values, strict=True) if n is not None]
        if discrete:
            raise InvalidProblemError(
                f"this sampler moves real parameters only, and {', '.join(discrete)} has discrete values; "
                "use method=wilks.ParallelTempering(sampling=True), or fix them with problem.fix(...)"
            )

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return self.space.dimension

    def thetas(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameters at x, shape (n, d); those outside the box are brought to its wall (their density is zero)."""
        return self.space.from_unit(np.clip(np.nan_to_num(self.chart.to_unit(x), nan=0.5), 0.0, 1.0))

    def coordinates(self, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates of parameters, shape (n, d)."""
        return self.chart.from_unit(np.clip(self.space.to_unit(thetas), 0.0, 1.0))

    def log_prior(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of the prior density of x (Jacobian included), shape (n,); minus infinity outside the box."""
        u = self.chart.to_unit(x)
        inside = ((u >= 0.0) & (u <= 1.0)).all(axis=1)
        found = np.full(len(x), -np.inf)
        if inside.any():
            thetas = self.space.from_unit(u[inside])
            with np.errstate(divide="ignore"):
                slopes = np.log(np.abs(self.space.slope(thetas))).sum(axis=1)
            prior = self.space.log_prior(thetas)
            density = self.power * prior + slopes + self.chart.log_slope(x[inside])
            # A prior may be infinite at a bound. The one point has no probability, and no weight can be made of it.
            found[inside] = np.where(np.isfinite(density), density, -np.inf)
        return found

    def log_density(self, x: NDArray[np.float64], log_likelihoods: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of the unnormalised posterior density of x; a failed likelihood counts as zero."""
        values = np.where(np.isfinite(log_likelihoods), log_likelihoods, -np.inf)
        return np.asarray(self.log_prior(x) + values)
