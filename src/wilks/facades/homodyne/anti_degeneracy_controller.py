"""The parts that keep contrasts and offsets from imitating physics, chosen and joined by one configuration.

`wilks.xpcs.fit` needs no defence: with contrasts and offsets solved in closed form a fit with one of each for every
angle is well conditioned, and averaging them, which ``per_angle_mode="auto"`` does from three angles on, biases what is
fitted where they differ. `AntiDegeneracyController.scaling` and `AntiDegeneracyController.fit_options` say a
configuration in the words of the engine; the rest is for losses and models of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.adaptive_regularization import AdaptiveRegularizer
from wilks.facades.homodyne.anti_degeneracy_options import AntiDegeneracyConfig
from wilks.facades.homodyne.fourier_reparam import (
    FourierReparamConfig,
    FourierReparameterizer,
    create_fourier_model_wrapper,
)
from wilks.facades.homodyne.gradient_monitor import GradientCollapseMonitor
from wilks.facades.homodyne.hierarchical import HierarchicalOptimizer
from wilks.facades.homodyne.parameter_index_mapper import ParameterIndexMapper
from wilks.facades.homodyne.parameter_utils import compute_quantile_per_angle_scaling
from wilks.facades.homodyne.shear_weighting import ShearSensitivityWeighting
from wilks.xpcs.options import FitOptions, ShearWeights
from wilks.xpcs.scaling import Scaling, Shrinkage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from wilks.facades.homodyne.fourier_reparam import Model

__all__ = ["AntiDegeneracyConfig", "AntiDegeneracyController"]

_CONSTANT, _AVERAGED, _FOURIER = "fixed_constant", "auto_averaged", "fourier"
_INDIVIDUAL, _DISABLED = "individual", "disabled"


@dataclass(eq=False)
class AntiDegeneracyController:
    """What a configuration chooses for contrasts and offsets; make one with `from_config`.

    Modes: ``"constant"`` fixes them at what quantiles of the data say; ``"fourier"`` makes them series in the angle;
    ``"individual"`` gives each angle its own; ``"auto"`` shares one of each from `constant_scaling_threshold` angles
    on, takes series for more than `fourier_auto_threshold`, and gives each angle its own otherwise.

    Attributes
    ----------
    config
        Options.
    n_phi, n_physical, phi_angles
        Number of angles, of physical parameters, and the angles in radians.
    fourier, hierarchical, regularizer, monitor, shear_weighter, mapper
        The parts; None for those that are off, or have nothing to do in this mode.
    per_angle_mode_actual
        ``"individual"``, ``"fourier"``, ``"auto_averaged"``, ``"fixed_constant"`` or ``"disabled"``.

    Examples
    --------
    >>> config = {"per_angle_mode": "fourier", "fourier_order": 1}
    >>> controller = AntiDegeneracyController.from_config(config, 8, np.linspace(0, 1, 8), n_physical=7)
    >>> controller.use_fourier, controller.n_per_angle_params, controller.scaling.kind
    (True, 6, 'fourier')
    """

    config: AntiDegeneracyConfig
    n_phi: int
    n_physical: int
    phi_angles: NDArray[np.float64]
    fourier: FourierReparameterizer | None = None
    hierarchical: HierarchicalOptimizer | None = None
    regularizer: AdaptiveRegularizer | None = None
    monitor: GradientCollapseMonitor | None = None
    shear_weighter: ShearSensitivityWeighting | None = None
    mapper: ParameterIndexMapper | None = None
    per_angle_mode_actual: str = _DISABLED
    _fixed_contrast_per_angle: NDArray[np.float64] | None = None
    _fixed_offset_per_angle: NDArray[np.float64] | None = None
    _is_initialized: bool = False

    @classmethod
    def from_config(
        cls,
        config_dict: Mapping[str, Any] | None,
        n_phi: int,
        phi_angles: ArrayLike,
        n_physical: int,
        per_angle_scaling: bool = True,
        is_laminar_flow: bool = True,
    ) -> AntiDegeneracyController:
        """Make a controller from the section ``anti_degeneracy`` of a configuration.

        Parameters
        ----------
        config_dict
            The section.
        n_phi, phi_angles
            Number of angles, and the angles in radians.
        n_physical
            Number of physical parameters; phi0 is the last of 7.
        per_angle_scaling, is_laminar_flow
            If one of them is False there is nothing to defend, and everything is off.

        Raises
        ------
        InvalidConfigurationError
            If a key is unknown, a value cannot be used, or the angles are not `n_phi`.
        """
        config, phi = AntiDegeneracyConfig.from_dict(config_dict), np.asarray(phi_angles, dtype=float)
        if phi.shape != (n_phi,):
            raise InvalidConfigurationError(f"phi_angles: expected {n_phi} angles in radians, got shape {phi.shape}")
        found = cls(config, n_phi, n_physical, phi)
        if config.enable and per_angle_scaling and is_laminar_flow:
            found._choose()
        return found

    def _choose(self) -> None:
        """Choose the mode, and make the parts."""
        config, n = self.config, self.n_phi
        mode = {"constant": _CONSTANT}.get(config.per_angle_mode, config.per_angle_mode)
        if mode == "auto":
            series = n > config.fourier_auto_threshold
            mode = _AVERAGED if n >= config.constant_scaling_threshold else (_FOURIER if series else _INDIVIDUAL)
        if mode == _FOURIER:
            fourier = FourierReparameterizer(self.phi_angles, FourierReparamConfig("fourier", config.fourier_order))
            self.fourier, mode = (fourier, mode) if fourier.use_fourier else (None, _INDIVIDUAL)
        self.per_angle_mode_actual, self._is_initialized = mode, True
        self.mapper = ParameterIndexMapper(n, self.n_physical, self.fourier, self.use_constant)
        weights = config.options("shear_weighting")
        if weights.enable and self.n_physical == 7:
            self.shear_weighter = ShearSensitivityWeighting(np.rad2deg(self.phi_angles), 7, 6, weights)
        if mode == _CONSTANT:
            return  # no contrast or offset is fitted: nothing to alternate with, to draw together, or to watch
        if config.hierarchical_enable:
            width = 1 if mode == _AVERAGED else n
            self.hierarchical = HierarchicalOptimizer(
                config.options("hierarchical"), width, self.n_physical, self.fourier
            )
        penalty = config.options("regularization")
        if penalty.enable and mode != _AVERAGED:
            self.regularizer = AdaptiveRegularizer(penalty, n)
        if config.gradient_monitoring_enable:
            self.monitor = GradientCollapseMonitor(
                config.options("gradient_monitoring"),
                self.mapper.get_physical_indices(),
                self.mapper.get_per_angle_indices(),
            )

    @property
    def is_enabled(self) -> bool:
        """Is anything on?"""
        return self._is_initialized

    @property
    def use_fourier(self) -> bool:
        """Are contrasts and offsets series in the angle?"""
        return self.fourier is not None

    @property
    def use_fixed_scaling(self) -> bool:
        """Are contrasts and offsets fixed, so that only physical parameters are fitted?"""
        return self.per_angle_mode_actual == _CONSTANT

    @property
    def use_averaged_scaling(self) -> bool:
        """Do all angles share one contrast and one offset, which are fitted?"""
        return self.per_angle_mode_actual == _AVERAGED

    @property
    def use_constant(self) -> bool:
        """Is it one of these two?"""
        return self.use_fixed_scaling or self.use_averaged_scaling

    @property
    def use_hierarchical(self) -> bool:
        """Is alternating descent on?"""
        return self.hierarchical is not None

    @property
    def use_shear_weighting(self) -> bool:
        """Do angles have weights?"""
        return self.shear_weighter is not None

    @property
    def n_per_angle_params(self) -> int:
        """Number of fitted parameters for contrasts and offsets."""
        if self.use_fixed_scaling:
            return 0
        return 2 * self.n_phi if self.mapper is None else self.mapper.n_per_angle_total

    @property
    def scaling(self) -> Scaling:
        """The mode as ``scaling=`` of `wilks.xpcs.fit`."""
        if self.use_fixed_scaling:
            return Scaling.constant(self._fixed_contrast_per_angle, self._fixed_offset_per_angle)
        if self.use_averaged_scaling:
            return Scaling.averaged()
        return Scaling.individual() if self.fourier is None else Scaling.fourier(self.fourier.order)

    def fit_options(self, options: FitOptions | None = None) -> FitOptions:
        """The rest as ``options=`` of `wilks.xpcs.fit`, besides those that are given.

        Weights of the angles become `wilks.xpcs.ShearWeights`; a regularisation becomes `wilks.xpcs.Shrinkage` with
        ``target_cv`` as the relative spread. Alternation and monitoring have no counterpart: the engine needs neither.
        """
        weighter, regularizer, found = self.shear_weighter, self.regularizer, options or FitOptions()
        if weighter is not None:
            found = replace(found, weights=ShearWeights(weighter.config.alpha, weighter.config.min_weight))
        if regularizer is not None:
            width = regularizer.config.target_cv
            found = replace(found, regularisation=Shrinkage(width, width, relative=True))
        return found

    def transform_params_to_fourier(
        self, params: ArrayLike
    ) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], NDArray[np.float64]] | None]:
        """[contrasts, offsets, physical] -> [coefficients, physical], and bounds of these, infinite for the physical.

        Without series the parameters are returned as they are, and None.
        """
        values = np.array(params, dtype=float)
        if self.fourier is None:
            return values, None
        contrast, offset, physical = self._split(values)
        lower, upper = (
            np.concatenate([ends, np.full(self.n_physical, infinite)])
            for ends, infinite in zip(self.fourier.get_bounds(), (-np.inf, np.inf), strict=True)
        )
        return np.concatenate([self.fourier.per_angle_to_fourier(contrast, offset), physical]), (lower, upper)

    def transform_params_from_fourier(self, fourier_params: ArrayLike) -> NDArray[np.float64]:
        """[coefficients, physical] -> [contrasts, offsets, physical]; as they are without series."""
        values = np.array(fourier_params, dtype=float)
        if self.fourier is None:
            return values
        self._check_length(values, self.fourier.n_coeffs)
        n = self.fourier.n_coeffs
        return np.concatenate([*self.fourier.fourier_to_per_angle(values[:n]), values[n:]])

    def transform_params_to_constant(self, params: ArrayLike) -> NDArray[np.float64]:
        """[contrasts, offsets, physical] -> [mean contrast, mean offset, physical], or the physical ones if fixed.

        In other modes they are returned as they are.
        """
        values = np.array(params, dtype=float)
        if not self.use_constant:
            return values
        contrast, offset, physical = self._split(values)
        return physical if self.use_fixed_scaling else np.array([contrast.mean(), offset.mean(), *physical])

    def transform_params_from_constant(self, constant_params: ArrayLike) -> NDArray[np.float64]:
        """The way back, with the same contrast and offset at all angles, or the fixed ones."""
        values = np.array(constant_params, dtype=float)
        if not self.use_constant:
            return values
        self._check_length(values, self.n_per_angle_params)
        if self.use_averaged_scaling:
            return np.concatenate([np.repeat(values[:2], self.n_phi), values[2:]])
        fixed = self.get_fixed_per_angle_scaling()
        if fixed is None:
            raise InvalidConfigurationError(
                "per_angle_mode='constant': contrasts and offsets are not known yet; call "
                "compute_fixed_per_angle_scaling(data) first"
            )
        return np.concatenate([*fixed, values])

    def wrap_model_fn(self, model_fn: Model) -> Model:
        """A model f(params, x) of [contrasts, offsets, physical] as one of the parameters of this mode."""
        if self.fourier is not None:
            return create_fourier_model_wrapper(model_fn, self.fourier, self.n_physical)
        return lambda params, x: model_fn(self.transform_params_from_constant(params), x)

    def get_group_variance_indices(self) -> list[tuple[int, int]] | None:
        """First and last position (exclusive) of contrasts, and of offsets; None if none are fitted."""
        return None if self.mapper is None or self.use_fixed_scaling else self.mapper.get_group_indices()

    def get_diagnostics(self) -> dict[str, Any]:
        """The mode, and the diagnostics of all parts that are on."""
        parts = {
            "mapper": self.mapper,
            "fourier": self.fourier,
            "hierarchical": self.hierarchical,
            "regularization": self.regularizer,
            "gradient_monitor": self.monitor,
            "shear_weighting": self.shear_weighter,
        }
        return {
            "enabled": self.is_enabled,
            "per_angle_mode": self.config.per_angle_mode,
            "per_angle_mode_actual": self.per_angle_mode_actual,
            "n_phi": self.n_phi,
            "n_physical": self.n_physical,
            "n_per_angle_params": self.n_per_angle_params,
            "n_total_params": self.n_per_angle_params + self.n_physical,
            "has_fixed_per_angle_scaling": self.has_fixed_per_angle_scaling(),
            **{name: part.get_diagnostics() for name, part in parts.items() if part is not None},
        }

    def get_shear_weights(self) -> NDArray[np.float64] | None:
        """Present weights of the angles; None without."""
        return None if self.shear_weighter is None else self.shear_weighter.get_weights()

    def update_shear_phi0(self, params: ArrayLike, iteration: int = 0) -> None:
        """Tell the weights where the flow points to, by a vector of parameters."""
        if self.shear_weighter is not None:
            self.shear_weighter.update_phi0(params, iteration)

    def compute_fixed_per_angle_scaling(
        self,
        stratified_data: object,
        contrast_bounds: tuple[float, float] = (0.0, 1.0),
        offset_bounds: tuple[float, float] = (0.5, 1.5),
    ) -> None:
        """Estimate contrast and offset of every angle from quantiles of the data, and keep them.

        Parameters
        ----------
        stratified_data
            Data as for `compute_quantile_per_angle_scaling`.
        contrast_bounds, offset_bounds
            The estimates are clipped to them.
        """
        found = compute_quantile_per_angle_scaling(stratified_data, contrast_bounds, offset_bounds)
        if len(found[0]) != self.n_phi:
            raise InvalidConfigurationError(f"data of {len(found[0])} angles, but the controller has {self.n_phi}")
        rank = np.argsort(np.argsort(self.phi_angles, kind="stable"), kind="stable")  # the estimates are in their order
        self._fixed_contrast_per_angle, self._fixed_offset_per_angle = found[0][rank], found[1][rank]

    def get_fixed_per_angle_scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Those estimates, in the order of `phi_angles`; None if there are none."""
        contrast, offset = self._fixed_contrast_per_angle, self._fixed_offset_per_angle
        return None if contrast is None or offset is None else (contrast, offset)

    def has_fixed_per_angle_scaling(self) -> bool:
        """Have they been estimated?"""
        return self.get_fixed_per_angle_scaling() is not None

    def create_nlsq_callbacks(self) -> dict[str, Any]:
        """Functions and positions to hook the parts into a fitter that takes them.

        Returns
        -------
        dict
            ``loss_augmentation(params, residuals)``, the penalty of the regularisation, with
            ``group_variance_indices``, and ``iteration_callback(iteration, params, cost, gradient=None)``, which tells
            monitor and weights; each only if its part is on.
        """
        found: dict[str, Any] = {}
        if self.regularizer is not None:
            found["loss_augmentation"] = self._penalty
            found["group_variance_indices"] = self.get_group_variance_indices()
        if self.monitor is not None or self.shear_weighter is not None:
            found["iteration_callback"] = self._after_iteration
        return found

    def create_hybrid_streaming_config_kwargs(self) -> dict[str, Any]:
        """Arguments of a fitter that has a penalty on variances of groups of its own; empty if everything is off."""
        if not self.is_enabled:
            return {}
        regularizer = self.regularizer
        return {
            "enable_group_variance_regularization": regularizer is not None,
            "group_variance_lambda": 0.0 if regularizer is None else regularizer.lambda_value,
            "group_variance_indices": self.get_group_variance_indices(),
        }

    def _penalty(self, params: ArrayLike, residuals: ArrayLike) -> float:
        """Penalty at the parameters of this mode; series are judged by their values at the angles."""
        if self.regularizer is None:
            return 0.0
        residual = np.asarray(residuals, dtype=float)
        full = self.transform_params_from_fourier(params)
        return self.regularizer.compute_regularization(full, float(np.mean(residual**2)), residual.size)

    def _after_iteration(
        self, iteration: int, params: ArrayLike, cost: float, gradient: ArrayLike | None = None
    ) -> None:
        self.update_shear_phi0(params, iteration)
        if self.monitor is not None and gradient is not None:
            self.monitor.check(gradient, iteration, params, cost)

    def _split(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        self._check_length(values, 2 * self.n_phi)
        return values[: self.n_phi], values[self.n_phi : 2 * self.n_phi], values[2 * self.n_phi :]

    def _check_length(self, values: NDArray[np.float64], n_scaling: int) -> None:
        if values.shape != (n_scaling + self.n_physical,):
            raise InvalidConfigurationError(
                f"params: expected {n_scaling} numbers for contrasts and offsets and {self.n_physical} physical ones, "
                f"got an array of shape {values.shape}"
            )
