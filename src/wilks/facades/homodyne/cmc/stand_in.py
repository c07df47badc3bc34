"""A `Posterior` of wilks around draws that come from elsewhere, so that its pictures, files and ArviZ tree serve them.

The bounds of its parameters are the extremes of the draws, its priors are flat, and its certificate is what can be
measured of chains (`wilks.samplers.chains.chain_checks`). It knows no likelihood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.core.parameter import Real
from wilks.core.result import Provenance
from wilks.core.space import Space
from wilks.core.status import Outcome, Status
from wilks.samplers.certificate import Certificate
from wilks.samplers.chains import chain_checks
from wilks.samplers.result import Posterior

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_MARGIN = 1e-9
_METHOD = "draws"


def posterior_of_draws(
    samples: Mapping[str, NDArray[np.float64]], sampling: Mapping[str, NDArray[Any]] | None = None
) -> Posterior:
    """Return the posterior.

    Parameters
    ----------
    samples
        Name -> draws, shape (n_chains, n_samples).
    sampling
        What was recorded of every draw, by the names that ArviZ knows.

    Raises
    ------
    InvalidDataError
        If there are no draws, or their shapes differ.
    """
    arrays = {name: np.asarray(values, dtype=float) for name, values in samples.items()}
    shapes = {values.shape for values in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        found = ", ".join(f"{name} {values.shape}" for name, values in arrays.items())
        raise InvalidDataError(f"samples: expected arrays of one shape (n_chains, n_samples), got {found or 'none'}")
    moving = {name: values for name, values in arrays.items() if np.ptp(values) > 0}
    fixed = {name: float(values.flat[0]) for name, values in arrays.items() if name not in moving}
    shape = shapes.pop()
    space = Space(**({name: _around(values) for name, values in moving.items()} | fixed))
    recorded = {name: np.asarray(values) for name, values in (sampling or {}).items()}
    certificate = Certificate(tuple(chain_checks(moving, recorded)) if moving else ())
    return Posterior(
        space=space,
        status=Status(Outcome.CONVERGED if certificate.ok else Outcome.NOT_CONVERGED, certificate.message),
        best={name: float(np.mean(values)) for name, values in arrays.items()},
        log_likelihood=float("nan"),
        n_evaluations=0,
        stats={},
        provenance=Provenance({}, 0, _METHOD, "", (), "", "", 0.0),
        method=_METHOD,
        names=tuple(moving),
        draws=moving,
        log_likelihoods=np.full(shape, np.nan),
        log_priors=np.zeros(shape),
        certificate=certificate,
        sampling=recorded,
    )


def _around(values: NDArray[np.float64]) -> Real:
    low, high = float(values.min()), float(values.max())
    margin = _MARGIN * max(high - low, abs(low), abs(high))
    return Real(low - margin, high + margin)
