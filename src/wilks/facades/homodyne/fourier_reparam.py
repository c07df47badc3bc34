"""Contrast and offset of the angles as Fourier series, and back.

The series are those of ``wilks.xpcs.Scaling.fourier(order)``, which a fit uses without any of this: there the
coefficients are solved in closed form. Here is the matrix of the series, and what goes with it, for models of one's
own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.validation.options import CheckedOptions, limited
from wilks.xpcs.scaling import Scaling, linear_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Model = Callable[[NDArray[np.float64], Any], Any]

__all__ = ["FourierReparamConfig", "FourierReparameterizer", "create_fourier_model_wrapper"]

_log = logging.getLogger(__name__)


@dataclass
class FourierReparamConfig(CheckedOptions):
    """Options of `FourierReparameterizer`.

    Attributes
    ----------
    mode
        ``"independent"``: a contrast and an offset for each angle. ``"fourier"``: series. ``"auto"``: series for more
        than `auto_threshold` angles.
    fourier_order
        Order of the series; 2 has 5 coefficients for each of contrast and offset.
    auto_threshold
        Number of angles up to which ``"auto"`` means ``"independent"``.
    c0_bounds, ck_bounds, o0_bounds, ok_bounds
        Bounds of the mean contrast, the other coefficients of the contrast, and the same for the offset.
    """

    mode: Literal["independent", "fourier", "auto"] = "auto"
    fourier_order: int = limited(2, least=0)
    auto_threshold: int = limited(6, least=0)
    c0_bounds: tuple[float, float] = (0.1, 0.8)
    ck_bounds: tuple[float, float] = (-0.2, 0.2)
    o0_bounds: tuple[float, float] = (0.5, 1.5)
    ok_bounds: tuple[float, float] = (-0.3, 0.3)


class FourierReparameterizer:
    """Per-angle values of contrast and offset <-> coefficients of their Fourier series.

    With no more than 2 (order + 1) angles there is nothing to be saved, and the "coefficients" are the per-angle values
    themselves, whatever the mode; a warning in the log says so.

    Parameters
    ----------
    phi_angles
        Angles in radians, shape (n_phi,).
    config
        Options.

    Attributes
    ----------
    n_phi, n_coeffs, n_coeffs_per_param
        Number of angles, of all coefficients, and of those of the contrast.
    use_fourier
        Are there series?

    Examples
    --------
    >>> phi_angles = np.linspace(-np.pi, np.pi, 23)
    >>> config = FourierReparamConfig(mode="fourier", fourier_order=2)
    >>> fourier = FourierReparameterizer(phi_angles, config)
    >>> fourier_coeffs = fourier.per_angle_to_fourier(np.full(23, 0.3), np.full(23, 1.0))
    >>> contrast_out, offset_out = fourier.fourier_to_per_angle(fourier_coeffs)
    >>> len(fourier_coeffs), bool(np.allclose(contrast_out, 0.3))
    (10, True)
    """

    def __init__(self, phi_angles: ArrayLike, config: FourierReparamConfig) -> None:
        self.phi_angles = np.asarray(phi_angles, dtype=float)
        if self.phi_angles.ndim != 1 or not self.phi_angles.size or not np.isfinite(self.phi_angles).all():
            raise InvalidConfigurationError(
                f"phi_angles: expected one finite angle in radians or more, got an array of shape "
                f"{self.phi_angles.shape}"
            )
        self.config = config
        self.n_phi = len(self.phi_angles)
        wanted = config.mode == "fourier" or (config.mode == "auto" and self.n_phi > config.auto_threshold)
        enough = self.n_phi > 2 * (config.fourier_order + 1)
        self.use_fourier = wanted and enough
        if config.mode == "fourier" and not enough:
            _log.warning(
                "A Fourier series of order %d needs more than %d angles, and there are %d: values are independent",
                config.fourier_order,
                2 * (config.fourier_order + 1),
                self.n_phi,
            )
        self._matrix = _series(self.phi_angles, config.fourier_order) if self.use_fourier else np.eye(self.n_phi)
        self.n_coeffs_per_param = self._matrix.shape[1]
        self.n_coeffs = 2 * self.n_coeffs_per_param

    @property
    def order(self) -> int:
        """Order of the series."""
        return self.config.fourier_order

    def get_basis_matrix(self) -> NDArray[np.float64] | None:
        """Matrix B with per-angle values = B c, shape (n_phi, n_coeffs_per_param); None without series."""
        return self._matrix.copy() if self.use_fourier else None

    def to_fourier(self, per_angle_values: ArrayLike) -> NDArray[np.float64]:
        """Coefficients of the contrasts, or of the offsets, by least squares."""
        values = _vector("per_angle_values", per_angle_values, self.n_phi)
        if not self.use_fourier:
            return values
        return np.asarray(np.linalg.lstsq(self._matrix, values, rcond=None)[0])

    def from_fourier(self, fourier_coeffs: ArrayLike) -> NDArray[np.float64]:
        """Contrasts, or offsets, of the angles from their coefficients."""
        return np.asarray(self._matrix @ _vector("fourier_coeffs", fourier_coeffs, self.n_coeffs_per_param))

    def per_angle_to_fourier(self, contrast: ArrayLike, offset: ArrayLike) -> NDArray[np.float64]:
        """Coefficients of both, contrast first.

        Raises
        ------
        InvalidConfigurationError
            A ``ValueError``, if one of them has not one value for each angle.
        """
        return np.concatenate([self.to_fourier(contrast), self.to_fourier(offset)])

    def fourier_to_per_angle(self, fourier_coeffs: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Contrast and offset of the angles from the coefficients of both.

        Raises
        ------
        InvalidConfigurationError
            A ``ValueError``, if there are not `n_coeffs` of them.
        """
        coefficients = _vector("fourier_coeffs", fourier_coeffs, self.n_coeffs)
        n = self.n_coeffs_per_param
        return self.from_fourier(coefficients[:n]), self.from_fourier(coefficients[n:])

    def get_jacobian_transform(self) -> NDArray[np.float64]:
        """Derivatives J of (contrasts, offsets) by the coefficients, shape (2 n_phi, n_coeffs).

        A covariance C of the coefficients is J C J' of the per-angle values.
        """
        return np.asarray(np.kron(np.eye(2), self._matrix), dtype=np.float64)

    def get_bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper bounds of the coefficients."""
        settings, n = self.config, self.n_coeffs_per_param
        rest = n - 1 if self.use_fourier else 0
        first = n - rest
        rows = (
            [settings.c0_bounds] * first
            + [settings.ck_bounds] * rest
            + [settings.o0_bounds] * first
            + [settings.ok_bounds] * rest
        )
        lower, upper = np.array(rows, dtype=float).T
        return lower.copy(), upper.copy()

    def get_initial_coefficients(self, contrast_init: ArrayLike, offset_init: ArrayLike) -> NDArray[np.float64]:
        """Coefficients of initial values: a number for all angles, or one for each."""
        both = [
            np.broadcast_to(np.asarray(each, dtype=float), (self.n_phi,)) if np.ndim(each) == 0 else each
            for each in (contrast_init, offset_init)
        ]
        return self.per_angle_to_fourier(*both)

    def get_coefficient_labels(self) -> list[str]:
        """Names of the coefficients."""
        if not self.use_fourier:
            return [f"{what}[{k}]" for what in ("contrast", "offset") for k in range(self.n_phi)]
        waves = [f"{wave}{m}" for m in range(1, self.order + 1) for wave in ("c", "s")]
        return [f"{what}_{name}" for what in ("contrast", "offset") for name in ("c0", *waves)]

    def get_diagnostics(self) -> dict[str, Any]:
        """Mode and numbers of coefficients."""
        return {
            "use_fourier": self.use_fourier,
            "mode": self.config.mode,
            "n_phi": self.n_phi,
            "n_coeffs": self.n_coeffs,
            "n_coeffs_per_param": self.n_coeffs_per_param,
            "fourier_order": self.order,
            "reduction_ratio": 1.0 - self.n_coeffs / (2 * self.n_phi),
        }


def create_fourier_model_wrapper(model_fn: Model, fourier: FourierReparameterizer, n_physical: int) -> Model:
    """The same model as a function of (coefficients, physical parameters).

    Parameters
    ----------
    model_fn
        Function f(params, x) with params = [contrasts, offsets, physical parameters].
    fourier
        The series.
    n_physical
        Number of physical parameters.
    """

    def model(params: NDArray[np.float64], x: Any) -> Any:  # noqa: ANN401 - whatever the model takes and returns
        values = _vector("params", params, fourier.n_coeffs + n_physical)
        contrast, offset = fourier.fourier_to_per_angle(values[: fourier.n_coeffs])
        return model_fn(np.concatenate([contrast, offset, values[fourier.n_coeffs :]]), x)

    return model


def _series(phi: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Matrix of the series, as `wilks.xpcs` has it."""
    n, nothing = len(phi), np.zeros(len(phi))
    block = linear_block(Scaling.fourier(order), np.rad2deg(phi), np.ones(n, dtype=np.int64), (nothing, nothing))
    return block.to_contrast[:, : 2 * order + 1]


def _vector(name: str, given: ArrayLike, n: int) -> NDArray[np.float64]:
    values = np.array(given, dtype=float)
    if values.shape != (n,):
        raise InvalidConfigurationError(f"{name}: expected {n} numbers, got an array of shape {values.shape}")
    return values
