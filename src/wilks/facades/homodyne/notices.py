"""What this facade warns of."""

from __future__ import annotations

import warnings


class HomodyneWarning(UserWarning):
    """Something was taken otherwise than it was written, and the result is not what a reader might think."""


class NoEffectWarning(HomodyneWarning):
    """An option was given that steers a part which the method of wilks does not have."""


def notice(text: str, category: type[HomodyneWarning] = HomodyneWarning, stacklevel: int = 3) -> None:
    """Warn the caller of the function that calls this one.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     notice("phi0 was moved into its bounds")
    >>> str(caught[0].message)
    'phi0 was moved into its bounds'
    """
    warnings.warn(text, category, stacklevel=stacklevel)


__all__ = ["HomodyneWarning", "NoEffectWarning"]
