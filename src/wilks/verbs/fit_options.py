"""How a fit looks for the best point: the method, and what belongs to it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, get_args

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.searchers.screening import DESIGNS, Design

if TYPE_CHECKING:
    from wilks.core.space import Space

Method = Literal["multi_start", "screening", "cma_es", "local", "auto"]
Projection = Literal["kaufman", "full"]

METHODS: tuple[str, ...] = get_args(Method)
_CHOICES = {"method": METHODS, "design": DESIGNS, "projection": get_args(Projection)}
_USERS = {
    "design": ("screening",),
    "n_screened": ("screening",),
    "n_refined": ("screening",),
    "n_restarts": ("cma_es", "auto"),
}
SCALE_RATIO = 1000.0
"""Ratio of the widths of the bounds above which the method ``"auto"`` is CMA-ES."""


@dataclass(frozen=True)
class FitOptions:
    """How `wilks.fit` looks for the best point.

    Parameters
    ----------
    method
        ``"multi_start"``: local ascents from random starts until another one is unlikely to find anything new.
        ``"screening"``: the log-likelihood at all points of a design, then ascents from the best of them, for
        likelihoods that are cheap beside an ascent, or with many optima that are not worth one.
        ``"cma_es"``: CMA-ES with BIPOP restarts, then an ascent from the best point of every run, for likelihoods
        that lead a local ascent astray everywhere.
        ``"local"``: ascents from the given starts alone; the same as ``n_starts=0``.
        ``"auto"``: ``"cma_es"`` where the bounds of the parameters with a linear scale differ in width by more than a
        factor of 1000, otherwise ``"multi_start"``; the result says which, and why.
    design
        Of the screening: ``"latin_hypercube"``, ``"sobol"`` or ``"random"``.
    n_screened, n_refined
        Of the screening: number of points, and how many of the best that lie apart are refined.
    n_restarts
        Restarts of CMA-ES after its first run.
    projection
        Jacobian of a residual in which some parameters are declared linear and projected out: ``"kaufman"``, without
        the part that vanishes with the residual, or ``"full"``.
    x_scale
        Typical scale of a parameter by name, in its own units (of its logarithm to the base e, if it has a logarithmic
        scale), for the damping of Levenberg-Marquardt; None, or a name that is left out: from the Jacobian.
    sigma_known
        Are residuals divided by the true standard deviations? If not, the standard errors are multiplied by the root
        of the reduced chi-squared, which then says nothing of the quality.

    Raises
    ------
    InvalidConfigurationError
        If a value cannot be used, or is given for a method that does not use it.

    Examples
    --------
    >>> FitOptions(method="screening", n_screened=256, design="sobol").n_refined
    10
    """

    method: Method = "multi_start"
    design: Design = "latin_hypercube"
    n_screened: int = 1000
    n_refined: int = 10
    n_restarts: int = 3
    projection: Projection = "kaufman"
    x_scale: Mapping[str, float] | None = None
    sigma_known: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                near = difflib.get_close_matches(str(value), choices, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                expected = ", ".join(map(repr, choices))
                raise InvalidConfigurationError(f"{name}: expected one of {expected}, got {value!r}{hint}")
        for name, least in (("n_screened", 1), ("n_refined", 1), ("n_restarts", 0)):
            _check_count(name, getattr(self, name), least)
        if not isinstance(self.sigma_known, bool):
            raise InvalidConfigurationError(f"sigma_known: expected True or False, got {self.sigma_known!r}")
        _check_scales(self.x_scale)
        defaults = {field.name: field.default for field in fields(self)}
        for name, users in _USERS.items():
            if getattr(self, name) != defaults[name] and self.method not in users:
                raise InvalidConfigurationError(
                    f"{name}: only method={' or '.join(map(repr, users))} uses it, got method={self.method!r}"
                )

    def scales(self, space: Space) -> dict[str, float]:
        """`x_scale` for the free parameters of a space, in units of its box.

        Raises
        ------
        InvalidConfigurationError
            If a name is no parameter of the space, or a discrete one.
        """
        found = {}
        for name, scale in (self.x_scale or {}).items():
            domain = space[name] if name in space.free else None
            if isinstance(domain, Real):
                found[name] = float(scale) / _width(domain)
            elif domain is not None or name not in space.names:  # one that is fixed has no step to be scaled
                real = [n for n in space.free if isinstance(space[n], Real)]
                near = difflib.get_close_matches(name, real, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(real)}"
                raise InvalidConfigurationError(f"x_scale: {name!r} is no free real parameter; {hint}")
        return found


def _width(domain: Real) -> float:
    """Width of the bounds on the scale of the parameter."""
    return math.log(domain.upper / domain.lower) if domain.scale == "log" else domain.upper - domain.lower


def scale_ratio(space: Space) -> float:
    """Largest over smallest width of the bounds of the parameters with a linear scale; 1 with fewer than two.

    Examples
    --------
    >>> import wilks
    >>> scale_ratio(wilks.Space(a=wilks.Real(0, 1), b=wilks.Real(0, 500), c=wilks.Real(1e-9, 1e9, scale="log")))
    500.0
    """
    domains = [space[name] for name in space.free]
    widths = [_width(domain) for domain in domains if isinstance(domain, Real) and domain.scale == "linear"]
    return max(widths) / min(widths) if widths else 1.0


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidConfigurationError(f"{name}: expected an integer >= {least}, got {value!r}")


def _check_scales(scales: object) -> None:
    if scales is None:
        return
    if not isinstance(scales, Mapping):
        raise InvalidConfigurationError(f"x_scale: expected a mapping of names to typical scales, got {scales!r}")
    for name, scale in scales.items():
        number = isinstance(scale, (int, float)) and not isinstance(scale, bool)
        if not number or not 0 < scale < math.inf:
            raise InvalidConfigurationError(f"x_scale: expected a positive number for {name!r}, got {scale!r}")
