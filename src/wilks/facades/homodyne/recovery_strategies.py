"""What to try next after a fit has failed: a short list for each kind of error.

`wilks.xpcs.fit` searches globally and does not fail for want of a better start; this is for loops of one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.facades.homodyne.exceptions import NLSQConvergenceError, NLSQNumericalError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RecoveryStrategyApplicator"]

_NOISE = 0.05
_MARGIN = 0.1
_STRATEGIES: dict[type[Exception], tuple[str, ...]] = {
    NLSQConvergenceError: ("perturb_parameters", "increase_iterations", "relax_tolerance"),
    NLSQNumericalError: ("reduce_step_size", "tighten_bounds", "rescale_data"),
}
"""Kind of error -> what to try, in this order. Two of them change the parameters; the others are for the caller."""


class RecoveryStrategyApplicator:
    """Says what to try next, and changes the parameters where that is what to try.

    Parameters
    ----------
    max_retries
        Attempts after which there is nothing more to try.
    seed
        Of the random changes.

    Examples
    --------
    >>> applicator = RecoveryStrategyApplicator(max_retries=2)
    >>> error = NLSQConvergenceError("Failed to converge")
    >>> strategy_name, modified_params = applicator.get_recovery_strategy(error, [1.0, 2.0], attempt=0)
    >>> strategy_name
    'perturb_parameters'
    """

    def __init__(self, max_retries: int = 2, seed: int = 42) -> None:
        self.max_retries = max_retries
        self._random = np.random.default_rng(seed)

    def get_recovery_strategy(
        self,
        error: Exception,
        params: ArrayLike,
        attempt: int,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> tuple[str, NDArray[np.float64]] | None:
        """Name of what to try, and the parameters to try it from; None if there is nothing more.

        Parameters
        ----------
        error
            What went wrong. `NLSQConvergenceError`: 5 % of noise on the parameters, more iterations, a larger
            tolerance. `NLSQNumericalError`: shorter steps, parameters away from their bounds, other units of the data.
        params
            Where it went wrong.
        attempt
            Number of attempts before this one.
        bounds
            Lower and upper bounds, or None; what is returned lies within.
        """
        names = next((names for kind, names in _STRATEGIES.items() if isinstance(error, kind)), ())
        if not 0 <= attempt < min(self.max_retries, len(names)):
            return None
        name, values = names[attempt], np.array(params, dtype=float)
        limits = None if bounds is None else tuple(np.asarray(each, dtype=float) for each in bounds)
        if name == "perturb_parameters":
            size = np.where(values == 0, 1.0 if limits is None else np.minimum(limits[1] - limits[0], 1.0), values)
            values = values + _NOISE * size * self._random.standard_normal(values.shape)
        if name == "tighten_bounds" and limits is not None:
            margin = np.nan_to_num(_MARGIN / 2 * (limits[1] - limits[0]), posinf=0.0)
            limits = (limits[0] + margin, limits[1] - margin)
        return name, values if limits is None else np.clip(values, *limits)
