r"""Do the shards agree? Their means against their own covariances.

If all shards follow one model, their posterior means scatter about the common one as their posteriors say, and

.. math:: Q = \sum_s (\mu_s - \mu)^T S_s^{-1} (\mu_s - \mu) \sim \chi^2_{(K - 1) d}, \quad
          \mu = \left(\sum_s S_s^{-1}\right)^{-1} \sum_s S_s^{-1} \mu_s                                         (1)

(Cochran's Q, with matrices) as far as the posteriors are Gaussian. A spread relative to the mean would depend on where
zero is. A large Q says nothing against the sampling: it says that the noise is larger than the model admits, that its
errors are correlated, that the data drift, or that there are several modes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.samplers.consensus.shard import ShardPosterior


@dataclass(frozen=True)
class Heterogeneity:
    """Result of the test.

    Attributes
    ----------
    statistic
        Q.
    dof
        Its degrees of freedom.
    p_value
        Probability of a larger one if the shards follow one model.
    """

    statistic: float
    dof: int
    p_value: float

    def __str__(self) -> str:
        """Return the finding in words."""
        return f"chi-squared of the means of the shards is {self.statistic:.4g} for {self.dof}, p = {self.p_value:.2g}"


def heterogeneity(shards: Sequence[ShardPosterior]) -> Heterogeneity:
    """Test the means of shards by equation (1); the noise of means of finitely many draws is allowed for."""
    from scipy.special import gammaincc  # noqa: PLC0415 - loads on use

    scale = np.sqrt(np.mean([np.diag(shard.covariance) for shard in shards], axis=0))
    centre = np.mean([shard.mean for shard in shards], axis=0)
    means = [(shard.mean - centre) / scale for shard in shards]
    precisions = [shard.precision * np.outer(scale, scale) / (1.0 + 1.0 / shard.ess) for shard in shards]
    total = np.sum(precisions, axis=0)
    pulled = np.sum([precision @ mean for precision, mean in zip(precisions, means, strict=True)], axis=0)
    mean = np.linalg.solve(total, pulled)
    q = sum(float((m - mean) @ precision @ (m - mean)) for m, precision in zip(means, precisions, strict=True))
    dof = (len(shards) - 1) * len(mean)
    return Heterogeneity(q, dof, float(gammaincc(0.5 * dof, 0.5 * q)) if dof else 1.0)
