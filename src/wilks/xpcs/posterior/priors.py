"""Priors of the physical parameters: as declared, by name, or about a fit."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.parameter import Real
from wilks.core.prior import Normal, Prior
from wilks.core.space import Space
from wilks.xpcs.parameters import ALIASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from wilks.core.parameter import Domain, Value

_LEAST, _MOST = 0.01, 0.5
"""Limits of the width of a prior about a fit, as fractions of the box."""
_UNKNOWN = 0.1
"""The same where the fit has no standard error."""
DECLARED = "declared"


def with_priors(space: Space, priors: Mapping[str, Prior] | None) -> Space:
    """Return the space with other priors for some parameters; each is cut to its box.

    Parameters
    ----------
    space
        The physical parameters.
    priors
        Name -> a prior of wilks, or a frozen distribution of ``scipy.stats``; aliases of other packages are understood.

    Raises
    ------
    InvalidConfigurationError
        If a name is no free parameter, a prior is none, or it has no probability in the box.

    Examples
    --------
    >>> import wilks
    >>> space = with_priors(Space(D0=Real(1e2, 1e5, scale="log")), {"D0": wilks.LogNormal(1000.0, 1.5)})
    >>> space["D0"].prior
    LogNormal(median=1000.0, sigma=1.5)
    """
    if priors is None:
        return space
    if not isinstance(priors, Mapping):
        raise InvalidConfigurationError(
            f"priors: expected a dictionary, such as {{'D0': wilks.LogNormal(1000, 1.5)}}, got {priors!r}"
        )
    named: dict[str, Prior] = {}
    for given, prior in priors.items():
        name = ALIASES.get(given, given)
        if name not in space.free:
            near = difflib.get_close_matches(str(name), space.free, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            fixed = ", which is fixed" if name in space.constants else ""
            raise InvalidConfigurationError(
                f"priors: {given!r}{fixed} is no free parameter{hint}; they are {', '.join(space.free)}"
            )
        if name in named:
            raise InvalidConfigurationError(f"priors: {given!r} is given under two names; give one")
        if not isinstance(prior, Prior):
            raise InvalidConfigurationError(
                f"priors: {given!r} takes a prior such as wilks.Normal(mean, sd), got {prior!r}"
            )
        named[name] = prior
    try:
        return _changed(space, lambda name, box: replace(box, prior=named[name]) if name in named else box)
    except InvalidProblemError as error:
        raise InvalidConfigurationError(f"priors: {error}; widen the box with parameters=..., or the prior") from error


def about_fit(space: Space, values: Mapping[str, float], errors: Mapping[str, float], width: float) -> Space:
    """Return the space with normal priors about fitted values.

    Parameters
    ----------
    space
        The physical parameters.
    values, errors
        Of the fit, by name; an error may be NaN or infinite.
    width
        In standard errors; the standard deviation is kept between 1 % and 50 % of the box, and is 10 % of it where the
        fit has no error.

    Examples
    --------
    >>> space = about_fit(Space(alpha=Real(-2, 2)), {"alpha": 0.5}, {"alpha": 0.1}, 3.0)
    >>> space["alpha"].prior
    Normal(mean=0.5, standard_deviation=0.30000000000000004)
    """

    def informed(name: str, box: Real) -> Real:
        whole, error = box.upper - box.lower, errors.get(name, math.nan)
        sd = width * error if math.isfinite(error) and error > 0 else _UNKNOWN * whole
        return replace(box, prior=Normal(values[name], min(max(sd, _LEAST * whole), _MOST * whole)))

    return _changed(space, informed)


def _changed(space: Space, change: Callable[[str, Real], Real]) -> Space:
    entries: dict[str, Domain | Value] = {}
    for name in space.names:
        box = space[name] if name in space.free else None
        entries[name] = change(name, box) if isinstance(box, Real) else space.constants[name]
    return Space(entries)
