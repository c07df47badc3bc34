r"""A penalty on how much contrasts, and offsets, differ between angles.

For each group with mean m, variance v and coefficient of variation :math:`CV = \sqrt v / |m|`,

.. math:: L = \lambda \, CV^2 \, \mathrm{MSE} \; n \quad (\mathrm{relative}), \qquad
          L = \lambda \, v \, n \quad (\mathrm{absolute})                                                           (1)

with n points and the mean squared error MSE. The automatic :math:`\lambda = \mathrm{contribution} / CV_0^2` makes the
penalty that fraction of the loss where the coefficient of variation is the target :math:`CV_0`.

``wilks.xpcs.FitOptions(regularisation=Shrinkage(contrast=0.1, relative=True))`` is the penalty as a prior: the spread
of the contrasts is 10 % of their mean, whatever the number of points, and standard errors take it into account. A
penalty that grows with n, as (1) does, outweighs the data of an angle in the end. This is for losses of one's own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.validation.options import CheckedOptions, limited

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["AdaptiveRegularizationConfig", "AdaptiveRegularizer"]

_log = logging.getLogger(__name__)
_MOST_ABSOLUTE = 5


@dataclass
class AdaptiveRegularizationConfig(CheckedOptions):
    """Options of `AdaptiveRegularizer`.

    Attributes
    ----------
    enable
        If False, the penalty is 0.
    mode
        ``"relative"`` or ``"absolute"``, equation (1) of this module, or ``"auto"``: relative for more than 5 angles.
    lambda_base
        Strength, unless it is found automatically.
    target_cv, target_contribution, auto_tune_lambda
        The automatic strength, and whether to use it.
    max_cv
        Coefficient of variation that `AdaptiveRegularizer.check_constraint_violation` reports.
    group_indices
        First and last position (exclusive) of each group in the vector of parameters; None for the contrasts and the
        offsets of all angles.
    """

    enable: bool = True
    mode: Literal["absolute", "relative", "auto"] = "relative"
    lambda_base: float = limited(1.0, least=0)
    target_cv: float = limited(0.1, above=0)
    target_contribution: float = limited(0.1, least=0)
    auto_tune_lambda: bool = True
    max_cv: float = limited(0.2, above=0)
    group_indices: list[tuple[int, int]] | None = None


class AdaptiveRegularizer:
    """The penalty (1), its gradient, and a check of the coefficients of variation.

    Parameters
    ----------
    config
        Options.
    n_phi
        Number of angles.
    n_params
        Number of all parameters, to check the groups against; None for no check.

    Attributes
    ----------
    lambda_value
        Strength that is used.
    group_indices
        Groups that are used.

    Examples
    --------
    >>> config = AdaptiveRegularizationConfig(target_cv=0.10, target_contribution=0.10)
    >>> regularizer = AdaptiveRegularizer(config, n_phi=2)
    >>> params = np.array([0.27, 0.33, 1.0, 1.0, 1e4])
    >>> reg_term = regularizer.compute_regularization(params, mse=0.04, n_points=1000)
    >>> round(reg_term, 6)  # 10 % of 0.04 * 1000
    4.0
    """

    def __init__(self, config: AdaptiveRegularizationConfig, n_phi: int, n_params: int | None = None) -> None:
        self.config, self.n_phi = config, n_phi
        groups = [(0, n_phi), (n_phi, 2 * n_phi)] if config.group_indices is None else config.group_indices
        end = np.inf if n_params is None else n_params
        for first, last in groups:
            if not 0 <= first < last <= end:
                raise InvalidConfigurationError(
                    f"group_indices: expected 0 <= first < last <= {end}, the number of parameters, got {groups!r}"
                )
        self.group_indices = groups
        tuned = config.target_contribution / config.target_cv**2
        self.lambda_value = tuned if config.auto_tune_lambda else config.lambda_base
        self._last_cv: dict[int, float] = {}
        self._last_term = 0.0

    @property
    def is_relative(self) -> bool:
        """Is the penalty relative to the mean?"""
        mode = self.config.mode
        return mode == "relative" or (mode == "auto" and self.n_phi > _MOST_ABSOLUTE)

    def compute_regularization(self, params: ArrayLike, mse: float, n_points: int) -> float:
        """Value of the penalty, to be added to the loss."""
        values = np.asarray(params, dtype=float)
        self._last_cv = {k: self._variation(values, group) for k, group in enumerate(self.group_indices)}
        self._last_term = float(self.compute_regularization_jax(values, mse, n_points))
        return self._last_term

    def compute_regularization_jax(self, params: Any, mse: Any, n_points: int) -> Any:  # noqa: ANN401 - any arrays
        """The same as a function that JAX can compile and differentiate, of its arrays."""
        total = 0.0 * params[0]
        if not self.config.enable:
            return total
        for first, last in self.group_indices:
            group = params[first:last]
            total = total + (group.var() / group.mean() ** 2 * mse if self.is_relative else group.var())
        return self.lambda_value * total * n_points

    def compute_regularization_gradient(self, params: ArrayLike, mse: float, n_points: int) -> NDArray[np.float64]:
        """Gradient of the penalty at a fixed mean squared error, shape of `params`."""
        values = np.asarray(params, dtype=float)
        gradient = np.zeros_like(values)
        if not self.config.enable:
            return gradient
        for first, last in self.group_indices:
            group = values[first:last]
            n, mean = len(group), group.mean()
            slope = 2.0 * (group - mean) / n
            if self.is_relative:
                slope = (slope - 2.0 * group.var() / (n * mean)) / mean**2 * mse
            gradient[first:last] += slope
        return self.lambda_value * n_points * gradient

    def check_constraint_violation(self, params: ArrayLike) -> dict[str, dict[str, float]]:
        """Groups whose coefficient of variation exceeds `max_cv`, with their numbers; a warning in the log for each."""
        values = np.asarray(params, dtype=float)
        found: dict[str, dict[str, float]] = {}
        for k, (first, last) in enumerate(self.group_indices):
            variation, group = self._variation(values, (first, last)), values[first:last]
            if variation > self.config.max_cv:
                name = f"group_{k}_{('contrast', 'offset')[k]}" if k < 2 else f"group_{k}"
                found[name] = {
                    "cv": variation,
                    "max_cv": self.config.max_cv,
                    "mean": float(group.mean()),
                    "std": float(group.std()),
                    "min": float(group.min()),
                    "max": float(group.max()),
                }
                _log.warning("%s varies by %.3g of its mean, more than %.3g", name, variation, self.config.max_cv)
        return found

    def get_diagnostics(self) -> dict[str, Any]:
        """Options, and the numbers of the last call of `compute_regularization`."""
        return {
            "enabled": self.config.enable,
            "mode": self.config.mode,
            "lambda": self.lambda_value,
            "n_phi": self.n_phi,
            "group_indices": self.group_indices,
            "last_cv_values": dict(self._last_cv),
            "last_reg_contribution": self._last_term,
            "target_cv": self.config.target_cv,
            "max_cv": self.config.max_cv,
        }

    @staticmethod
    def _variation(values: NDArray[np.float64], group: tuple[int, int]) -> float:
        part = values[slice(*group)]
        mean, spread = abs(float(part.mean())), float(part.std())
        return spread / mean if mean > 0 else (np.inf if spread > 0 else 0.0)
