"""The models of the page, as descriptions of the marginal likelihood that is sampled in their place.

Their physics is that of `wilks.xpcs.Convention.homodyne`. Contrast, offset and sigma are not sampled: given the
physical parameters they are integrated out in closed form, and drawn afterwards for every draw, so all of them are in
the samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.facades.homodyne.cmc.priors import get_param_names_in_order
from wilks.facades.homodyne.notices import NoEffectWarning, notice

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "XpcsModel",
    "get_model_param_count",
    "get_xpcs_model",
    "validate_model_output",
    "xpcs_model_averaged",
    "xpcs_model_constant",
    "xpcs_model_constant_averaged",
    "xpcs_model_reparameterized",
    "xpcs_model_scaled",
]

_LARGEST = 100.0


@dataclass(frozen=True)
class XpcsModel:
    """A model: how contrast and offset depend on the angle.

    Attributes
    ----------
    name
        As on the page.
    per_angle_mode
        ``"individual"``, ``"auto"``, ``"constant"`` or ``"constant_averaged"``.
    description
        In words.
    """

    name: str
    per_angle_mode: str
    description: str

    @property
    def __name__(self) -> str:
        """The name, as a function has one."""
        return self.name


xpcs_model_scaled = XpcsModel(
    "xpcs_model_scaled", "individual", "A contrast and an offset for every angle, integrated out exactly."
)
xpcs_model_averaged = XpcsModel(
    "xpcs_model_averaged", "auto", "One contrast and offset for all angles, integrated out: biased if they differ."
)
xpcs_model_reparameterized = XpcsModel(
    "xpcs_model_reparameterized",
    "auto",
    "As xpcs_model_averaged; the engine has coordinates at a reference time in every mode.",
)
xpcs_model_constant = XpcsModel(
    "xpcs_model_constant", "constant", "Contrast and offset of every angle held at quantiles of its values."
)
xpcs_model_constant_averaged = XpcsModel(
    "xpcs_model_constant_averaged",
    "constant_averaged",
    "All contrasts and offsets held at the average of the quantiles of the angles.",
)
_MODELS = {
    model.per_angle_mode: model
    for model in (xpcs_model_scaled, xpcs_model_averaged, xpcs_model_constant, xpcs_model_constant_averaged)
}


def get_xpcs_model(per_angle_mode: str = "individual", use_reparameterization: bool = False) -> XpcsModel:
    """The model of a mode.

    Examples
    --------
    >>> get_xpcs_model("constant").name, get_xpcs_model().name
    ('xpcs_model_constant', 'xpcs_model_scaled')
    """
    get_param_names_in_order(1, "static", per_angle_mode)  # refuses a mode that does not exist
    if use_reparameterization and per_angle_mode == "auto":
        return xpcs_model_reparameterized
    if use_reparameterization:
        notice("use_reparameterization matters for per_angle_mode='auto' only", NoEffectWarning)
    return _MODELS[per_angle_mode]


def get_model_param_count(n_phi: int, analysis_mode: str, per_angle_mode: str = "individual") -> int:
    """Number of parameters that homodyne samples, sigma included.

    Examples
    --------
    >>> get_model_param_count(23, "laminar_flow"), get_model_param_count(23, "laminar_flow", "auto")
    (54, 10)
    """
    return len(get_param_names_in_order(n_phi, analysis_mode, per_angle_mode)) + 1


def validate_model_output(c2_theory: ArrayLike, params: Mapping[str, float] | ArrayLike) -> bool:
    """Are all values of a model finite, not negative, and not far above 1, and the parameters finite?

    Examples
    --------
    >>> validate_model_output([1.3, 1.0], {"D0": 1e4}), validate_model_output([1.3, np.nan], {"D0": 1e4})
    (True, False)
    """
    values = np.asarray(c2_theory, dtype=float)
    numbers = np.asarray(list(params.values()) if isinstance(params, Mapping) else params, dtype=float)
    finite = bool(np.isfinite(values).all() and np.isfinite(numbers).all())
    return finite and bool((values >= 0).all() and (values < _LARGEST).all())
