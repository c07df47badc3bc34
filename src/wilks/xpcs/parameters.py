"""The physical parameters: names, units, boxes, and what a user may override."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.parameter import Real
from wilks.core.space import Space
from wilks.xpcs.model import PHYSICAL_NAMES

Mode = Literal["static", "laminar_flow"]

DEFAULTS: dict[str, Real] = {
    "D0": Real(1e2, 1e5, scale="log", unit="Å^2/s", label="$D_0$"),
    "alpha": Real(-2.0, 2.0, label=r"$\alpha$"),
    "D_offset": Real(-1e5, 1e5, unit="Å^2/s", label=r"$D_\mathrm{offset}$"),
    "gamma_dot_0": Real(1e-6, 0.5, scale="log", unit="1/s", label=r"$\dot\gamma_0$"),
    "beta": Real(-2.0, 2.0, label=r"$\beta$"),
    "gamma_dot_offset": Real(-0.1, 0.1, unit="1/s", label=r"$\dot\gamma_\mathrm{offset}$"),
    "phi0": Real(-10.0, 10.0, unit="deg", label=r"$\phi_0$"),
}
"""Transport coefficient J(t) = D0 t^alpha + D_offset and shear rate G(t) = gamma_dot_0 t^beta + gamma_dot_offset, t in
seconds; phi0 is the direction of the flow."""

ALIASES = {
    "gamma_dot_t0": "gamma_dot_0",
    "gamma_dot0": "gamma_dot_0",
    "gamma_dot_t_offset": "gamma_dot_offset",
    "phi_0": "phi0",
}
SCALING_NAMES = ("contrast", "offset")


def check_mode(mode: str) -> Mode:
    """Return the mode if there is such a one.

    Raises
    ------
    InvalidConfigurationError
        If there is not.
    """
    aliases = {"static_isotropic": "static", "laminar": "laminar_flow"}
    meant = aliases.get(mode, mode) if isinstance(mode, str) else ""
    if meant not in PHYSICAL_NAMES:
        near = difflib.get_close_matches(str(mode), PHYSICAL_NAMES, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InvalidConfigurationError(f"mode: expected 'static' or 'laminar_flow', got {mode!r}{hint}")
    return meant  # type: ignore[return-value]  # just checked


def physical_space(mode: Mode, overrides: Mapping[str, Real | float] | None) -> tuple[Space, dict[str, Real]]:
    """Return the space of the physical parameters, and the boxes that were given for contrast and offset.

    Parameters
    ----------
    mode
        ``"static"`` or ``"laminar_flow"``.
    overrides
        Name -> ``wilks.Real(...)``, another box, or a number, which fixes the parameter. Aliases of other packages are
        understood.

    Raises
    ------
    InvalidConfigurationError
        If a name is unknown or belongs to the other mode, or a value is neither.
    """
    if overrides is not None and not isinstance(overrides, Mapping):
        raise InvalidConfigurationError(
            f"parameters: expected a dictionary of names, such as {{'phi0': -5.0}}, got {overrides!r}"
        )
    names = PHYSICAL_NAMES[mode]
    chosen: dict[str, Real | float] = {name: DEFAULTS[name] for name in names}
    scaling: dict[str, Real] = {}
    seen: dict[str, str] = {}
    for given, value in (overrides or {}).items():
        name = ALIASES.get(given, given)
        if seen.setdefault(name, given) != given:
            raise InvalidConfigurationError(
                f"parameters: {seen[name]!r} and {given!r} are the same parameter; give one"
            )
        if name in SCALING_NAMES:
            if not isinstance(value, Real):
                raise InvalidConfigurationError(
                    f"parameters: {name!r} takes a box, wilks.Real(lower, upper); to fix it use "
                    f"scaling=Scaling.constant({name}={value!r})"
                )
            scaling[name] = value
            continue
        if name not in names:
            raise InvalidConfigurationError(_unknown(given, mode))
        if isinstance(value, Real):
            chosen[name] = _labelled(name, value)
        elif (
            isinstance(value, (int, float, np.integer, np.floating))
            and not isinstance(value, bool)
            and math.isfinite(value)
        ):
            chosen[name] = float(value)
        else:
            raise InvalidConfigurationError(
                f"parameters: {given!r} takes wilks.Real(lower, upper) or a finite number that fixes it, got {value!r}"
            )
    if not any(isinstance(value, Real) for value in chosen.values()):
        raise InvalidConfigurationError(
            f"parameters: all of {', '.join(names)} are fixed, nothing is left to fit; leave one free, or look at "
            "wilks.xpcs.simulate for the model at given values"
        )
    try:
        return Space(**chosen), scaling
    except InvalidProblemError as error:
        raise InvalidConfigurationError(f"parameters: {error}") from error


def _labelled(name: str, given: Real) -> Real:
    """Return the given box with unit and label of the default where it has none."""
    default = DEFAULTS[name]
    return replace(given, unit=given.unit or default.unit, label=given.label or default.label)


def _unknown(name: str, mode: str) -> str:
    known = (*PHYSICAL_NAMES[mode], *SCALING_NAMES)
    if ALIASES.get(name, name) in DEFAULTS:
        return f"parameters: {name!r} belongs to mode='laminar_flow', but mode is {mode!r}"
    near = difflib.get_close_matches(name, [*known, *ALIASES], 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"parameters: {name!r} is unknown{hint}; they are {', '.join(known)}"
