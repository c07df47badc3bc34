"""The section `sample` of a configuration of `wilks.xpcs`: a posterior, its priors, and how it is drawn."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.prior import LogNormal, LogUniform, Normal, Prior, Uniform
from wilks.samplers.ensemble_options import Ensemble
from wilks.samplers.importance import AdaptiveImportance
from wilks.samplers.nuts_options import Nuts
from wilks.store.document import Place, shorten, suggestion, wrong
from wilks.store.validation import Settings
from wilks.xpcs import config_choices as choices
from wilks.xpcs.parameters import ALIASES
from wilks.xpcs.posterior.noise_scale import Sigma
from wilks.xpcs.posterior.options import Noise, PosteriorOptions
from wilks.xpcs.posterior.priors import with_priors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wilks.core.space import Space
    from wilks.xpcs.configuration import Configuration

AUTO = "auto"
METHODS: dict[str, Callable[[], object]] = {"importance": AdaptiveImportance, "nuts": Nuts, "ensemble": Ensemble}
"""Name of a method in a configuration -> its class."""
PRIORS: dict[str, Callable[[float, float], Prior]] = {
    "lognormal": LogNormal,
    "loguniform": LogUniform,
    "normal": Normal,
    "uniform": Uniform,
}
"""Name of a prior in a configuration -> its class; each takes two numbers, in the order of the class."""

_EXPECTED = "a prior such as lognormal(1000, 1.5), normal(MEAN, SD), uniform(LOWER, UPPER) or loguniform(LOWER, UPPER)"
_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")


def _prior(value: object, at: Place) -> str:
    match = _CALL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(f"expected {_EXPECTED}, got {shorten(value)}", at=at)
    kind = match[1].lower()
    if kind not in PRIORS:
        raise wrong(f"unknown prior {match[1]!r}{suggestion(kind, tuple(PRIORS))}", at=at)
    try:
        first, second = (float(each) for each in match[2].split(","))
    except ValueError:
        raise wrong(f"expected two numbers in {value!r}: {_EXPECTED}", at=at) from None
    try:
        PRIORS[kind](first, second)
    except InvalidProblemError as error:
        raise wrong(str(error), at=at) from None
    return f"{kind}({first!r}, {second!r})"


def prior_of(text: str) -> Prior:
    """Return the prior that a text means.

    Examples
    --------
    >>> prior_of("lognormal(1000, 1.5)")
    LogNormal(median=1000.0, sigma=1.5)
    """
    match = _CALL.fullmatch(text)
    assert match is not None  # noqa: S101 - it was validated
    first, second = (float(each) for each in match[2].split(","))
    return PRIORS[match[1].lower()](first, second)


def _priors(value: object) -> object:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(f"expected a mapping of names of parameters to priors, got {shorten(value)}")
    found: dict[str, str] = {}
    for given, text in value.items():
        name = str(ALIASES.get(given, given))
        if name in found:
            raise wrong(f"{name!r} has two priors; give one", at=(given,))
        found[name] = _prior(text, (given,))
    return found


class Sample(Settings):
    """The posterior, as in `wilks.xpcs.sample`.

    Attributes
    ----------
    method
        `AUTO`, or a key of `METHODS`.
    n_draws
        Number of draws.
    priors
        Name -> prior of a physical parameter; uniform on the scale of its box where none is given.
    prior_width
        Priors about the fit, this many standard errors wide, for the other parameters; None for none.
    noise
        ``"white"``, or ``"correlated"`` where pairs share the noise of their frames.
    sigma
        What is known of its size: ``"integrated"``, ``"per_angle"`` or ``"known"``.
    """

    method: Annotated[str, choices.one_of(AUTO, *METHODS)] = AUTO
    n_draws: int = Field(4000, ge=100)
    priors: Annotated[dict[str, str], BeforeValidator(_priors)] = Field(default_factory=dict)
    prior_width: float | None = Field(None, gt=0)
    noise: Annotated[str, choices.one_of(*get_args(Noise))] = "white"
    sigma: Annotated[str, choices.one_of(*get_args(Sigma))] = "integrated"

    def arguments(self) -> dict[str, Any]:
        """Return the keywords for `wilks.xpcs.sample`."""
        return {
            "method": None if self.method == AUTO else METHODS[self.method](),
            "n_draws": self.n_draws,
            "priors": {name: prior_of(text) for name, text in self.priors.items()},
            "sigma": self.sigma,
            "options": PosteriorOptions(prior_width=self.prior_width, noise=self.noise),  # type: ignore[arg-type]  # checked
        }


def odd_sample(configuration: Configuration, space: Space) -> Iterator[tuple[Place, str]]:
    """What `wilks.xpcs.sample` would refuse, with its place."""
    task = configuration.sample
    if task is None:
        return
    if not configuration.options().loss.is_linear:
        yield ("sample",), "the noise of a posterior is Gaussian: it needs fit.loss: linear; mask outliers"
    if task.method == "nuts" and importlib.util.find_spec("numpyro") is None:
        yield ("sample", "method"), "nuts needs numpyro: pip install 'wilks[sample]'"
    if task.sigma == "per_angle" and configuration.scaling().kind not in ("individual", "constant"):
        yield ("sample", "sigma"), "per_angle needs model.scaling: individual or constant"
    for name, text in task.priors.items():
        try:
            with_priors(space, {name: prior_of(text)})
        except InvalidConfigurationError as error:
            yield ("sample", "priors", name), choices.reason(error)
