"""Options of volume sampling that are seldom changed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wilks.core.errors import InvalidConfigurationError


@dataclass(frozen=True)
class VolumeOptions:
    """How the region of interest is sampled.

    Parameters
    ----------
    n_evaluations
        Most evaluations of seeding and sampling together, the search for the optima aside; None for as many as the
        steps need. Sampling ends before a batch that would exceed it.
    sigma_fraction
        How tightly a walker is held to its level of log-likelihood, as a fraction of the depth of the region. Smaller
        values spread the samples more evenly over the levels, and lower the acceptance.
    partner_window
        Walkers move along lines to walkers whose levels differ from theirs by no more than this, in log-likelihood;
        None for all. The nearest ``dimension + 1`` are always allowed.
    use_log
        Seed walkers at the evaluations in `log` that lie in the region, too.

    Raises
    ------
    InvalidConfigurationError
        If an option is out of its range.

    Examples
    --------
    >>> VolumeOptions(sigma_fraction=0.05)
    VolumeOptions(n_evaluations=None, sigma_fraction=0.05, partner_window=None, use_log=True)
    """

    n_evaluations: int | None = None
    sigma_fraction: float = 0.1
    partner_window: float | None = None
    use_log: bool = True

    def __post_init__(self) -> None:
        n = self.n_evaluations
        if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
            raise InvalidConfigurationError(f"n_evaluations: expected a positive integer or None, got {n!r}")
        if not (_is_number(self.sigma_fraction) and 0 < self.sigma_fraction <= 1):
            raise InvalidConfigurationError(f"sigma_fraction: expected a number in (0, 1], got {self.sigma_fraction!r}")
        window = self.partner_window
        if window is not None and not (_is_number(window) and window > 0):
            raise InvalidConfigurationError(
                f"partner_window: expected a positive difference in log-likelihood or None, got {window!r}"
            )
        if not isinstance(self.use_log, bool):
            raise InvalidConfigurationError(f"use_log: expected True or False, got {self.use_log!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
