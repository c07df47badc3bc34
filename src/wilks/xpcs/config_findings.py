"""What the fit would refuse in a configuration, with the place of it: before the data are read, and with them.

The rules are those of the fit and asked of it; only the places are found here, and words are chosen that fit a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError, InvalidProblemError
from wilks.store.document import suggestion
from wilks.xpcs.config_choices import reason
from wilks.xpcs.config_posterior import odd_sample
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.options import ShearWeights
from wilks.xpcs.parameters import DEFAULTS, SCALING_NAMES, check_mode, physical_space
from wilks.xpcs.scaling import linear_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wilks.core.parameter import Real
    from wilks.core.space import Space
    from wilks.store.document import Place
    from wilks.xpcs.config_sections import Model, ProfileTask, Simulation
    from wilks.xpcs.configuration import Configuration
    from wilks.xpcs.data import TwoTimeData

    Finding = tuple[Place, str]


_TINY_GAP = 100.0
_NO_GAP = (
    "expected the width of the sheared gap in Å, 2e6 for 0.2 mm (--gap 2e6): the mode is laminar_flow; for a sample at "
    "rest take mode static (--mode static)"
)


def findings(configuration: Configuration) -> Iterator[Finding]:
    """What is wrong whatever the data are."""
    if configuration.data is None and configuration.simulation is None:
        yield ("data",), "this section is required, with the key file at least"
    if configuration.data is not None:
        try:
            configuration.data.chosen_angles()
        except InvalidConfigurationError as error:
            yield ("data", "angles"), reason(error)
    mode = check_mode(configuration.model.mode)
    if mode == "static" and isinstance(configuration.options().weights, ShearWeights):
        yield ("fit", "weights"), "weights by the shear need the mode laminar_flow, and it is static"
    if configuration.fit.method == "local" and configuration.model.start is None:
        yield ("fit", "method"), "local goes from model.start alone, and there is none: give it, or choose multi_start"
    odd = list(_odd_parameters(configuration.model))
    yield from odd
    if not odd:
        space, _ = physical_space(mode, configuration.parameters())
        yield from _odd_start(configuration.model, space)
        for number, task in enumerate(configuration.profile):
            yield from _odd_profile(configuration, task, space, ("profile", number))
        yield from odd_sample(configuration, space)
    if configuration.simulation is not None:
        yield from _odd_simulation(configuration.simulation, mode)


def findings_with(configuration: Configuration, data: TwoTimeData) -> Iterator[Finding]:
    """What does not fit the data."""
    if configuration.model.mode == "laminar_flow":
        try:
            data.required_gap()
        except InvalidDataError:
            yield ("data", "gap"), _NO_GAP
    if data.gap is not None and data.gap < _TINY_GAP:
        yield ("data", "gap"), f"expected the gap in Å, 2e6 for 0.2 mm; {data.gap:g} Å is no gap of a rheometer"
    weights = configuration.options().weights
    if isinstance(weights, tuple) and len(weights) != data.n_phi:
        yield ("fit", "weights"), f"expected one for each of the {data.n_phi} angles, got {len(weights)}"
    angles = np.arange(data.n_phi)
    many, level = np.full(data.n_phi, data.n_t**2), np.ones(data.n_phi)
    try:
        linear_block(configuration.scaling().rows(angles, data.n_phi), data.phi, many, (level, level))
    except InvalidConfigurationError as error:
        yield ("model", "scaling"), reason(error)


def _odd_parameters(model: Model) -> Iterator[Finding]:
    chosen: dict[str, Real | float] = {}
    mode, found = check_mode(model.mode), False
    for name, choice in model.parameters.items():
        place: Place = ("model", "parameters", name)
        if name in SCALING_NAMES and not isinstance(choice, dict):
            found = True
            yield place, f"expected bounds; to fix it, write scaling: {{constant: {{{name}: {choice:g}}}}}"
            continue
        try:
            chosen[name] = model.real_or_number(name)
            physical_space(mode, {name: chosen[name]})
        except InvalidProblemError as error:
            found = True
            yield (*place, "bounds"), reason(error)
        except InvalidConfigurationError as error:
            found = True
            yield place, reason(error)
    if not found:
        try:
            physical_space(mode, chosen)
        except InvalidConfigurationError as error:
            yield ("model", "parameters"), reason(error)


def _odd_start(model: Model, space: Space) -> Iterator[Finding]:
    for name, value in (model.start or {}).items():
        place: Place = ("model", "start", name)
        if name in SCALING_NAMES:
            yield place, "it follows from the other parameters in closed form, and needs no start"
        elif name not in space.names:
            yield place, _unknown(name, model.mode)
        elif name in space.free:
            try:
                space[name].encode(value)
            except InvalidProblemError as error:
                yield place, f"{error}; start elsewhere, or widen the bounds of {name}"
    missing = [name for name in space.free if model.start is not None and name not in model.start]
    if missing:
        yield ("model", "start"), f"expected a value for every free parameter, {', '.join(missing)} is missing"


def _odd_profile(configuration: Configuration, task: ProfileTask, space: Space, place: Place) -> Iterator[Finding]:
    for position, name in enumerate(task.over):
        if name in space.constants:
            yield (*place, "over", position), f"{name!r} is fixed in model.parameters, it cannot be profiled too"
        elif name not in space.free:
            yield (*place, "over", position), _unknown(name, configuration.model.mode)
    options = configuration.options()
    if not options.loss.is_linear or isinstance(options.weights, ShearWeights):
        text = "a profile is one of chi-squared: it needs fit.loss: linear, and weights as numbers or none"
        yield place, text


def _odd_simulation(simulation: Simulation, mode: str) -> Iterator[Finding]:
    names = PHYSICAL_NAMES[mode]
    for name in simulation.values:
        if name not in names:
            yield ("simulation", "values", name), _unknown(name, mode)
    missing = [name for name in names if name not in simulation.values]
    if missing:
        yield ("simulation", "values"), f"expected a value for every parameter, {', '.join(missing)} is missing"
    if mode == "laminar_flow" and simulation.gap is None:
        yield ("simulation",), "expected gap, the width of the sheared gap in Å: the mode is laminar_flow"


def _unknown(name: str, mode: str) -> str:
    if name in DEFAULTS and name not in PHYSICAL_NAMES[mode]:
        return f"{name!r} belongs to the mode laminar_flow, and the mode is {mode}"
    return f"{name!r} is unknown{suggestion(name, PHYSICAL_NAMES[mode])}"
