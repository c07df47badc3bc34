"""What a posterior says of the correlations themselves: mean, spread and quantiles of c2, some rows at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.samplers.intervals import check_probability
from wilks.xpcs.model import PHYSICAL_NAMES, Geometry, curves, decay_function

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.posterior.result import XpcsPosterior

_VALUES = 4_000_000
"""Values (draws x pairs) in memory at a time: 32 MB."""


@dataclass(frozen=True, eq=False)
class Bands:
    """c2 of one angle under the posterior, without noise; every array has the shape (n_t, n_t) and is symmetric.

    Attributes
    ----------
    mean, sd
        Mean and standard deviation over the draws.
    lower, upper
        Quantiles that leave the same probability out on either side.
    n_draws
        Number of draws that were used.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    n_draws: int


def bands(posterior: XpcsPosterior, angle: int, probability: float, n_draws: int) -> Bands:
    """Return mean, standard deviation and quantiles of c2.

    Parameters
    ----------
    posterior
        The draws.
    angle
        Position of the angle.
    probability
        Of the interval between the quantiles.
    n_draws
        Number of draws to use, evenly spaced among all.
    """
    check_probability(probability)
    if isinstance(n_draws, bool) or not isinstance(n_draws, int) or n_draws < 2:
        raise InvalidConfigurationError(f"bands: n_draws: expected an integer >= 2, got {n_draws!r}")
    k = posterior.fit._position(angle)  # noqa: SLF001 - the check of the fit
    b, o = (draws[:, :, k].ravel() for draws in (posterior.contrast, posterior.offset))
    if not len(b):
        raise InvalidConfigurationError(f"bands: this posterior has no draws: {posterior.status.message}")
    if np.isnan(b).all():
        raise InvalidConfigurationError(f"bands: angle {k} has no data")
    chosen = np.unique(np.linspace(0, len(b) - 1, min(n_draws, len(b))).astype(int))
    fit = posterior.fit
    place = Geometry(fit.t, fit.dt, fit.q, fit.gap, fit.phi[k : k + 1], fit.convention)
    columns = {name: posterior.draws[name].ravel()[chosen] for name in posterior.names}
    rows = [
        {name: float(columns[name][i]) if name in columns else float(posterior.space.constants[name])  # type: ignore[arg-type]
         for name in PHYSICAL_NAMES[posterior.mode]}
        for i in range(len(chosen))
    ]  # fmt: skip
    made = [curves(values, place, posterior.mode) for values in rows]
    b, o, n_t = b[chosen], o[chosen], len(fit.t)
    found = np.zeros((4, n_t, n_t))
    tail = 0.5 - 0.5 * probability
    height = max(1, _VALUES // (len(chosen) * n_t))
    index = np.arange(n_t)
    for first in range(0, n_t, height):
        i, j = index[first : first + height, None], index[None, first:]
        c2 = np.empty((len(chosen), i.shape[0], j.shape[1]))
        for values, each, contrast, offset in zip(c2, made, b, o, strict=True):
            values[:] = offset + contrast * decay_function(each, np.minimum(i, j), np.maximum(i, j), 0)
        here = slice(first, first + height), slice(first, None)
        found[(0, *here)], found[(1, *here)] = c2.mean(axis=0), c2.std(axis=0, ddof=1)
        found[(2, *here)], found[(3, *here)] = np.quantile(c2, [tail, 1.0 - tail], axis=0)
    upper = np.triu(found)
    whole = upper + np.swapaxes(np.triu(upper, 1), 1, 2)
    return Bands(whole[0], whole[1], whole[2], whole[3], len(chosen))
