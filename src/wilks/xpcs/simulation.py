"""Two-time correlations of known parameters: the data on which a fit, a setup or a beam time can be tried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.random import keyed_generator, resolve_seed
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.model import PHYSICAL_NAMES, curves, model_matrix
from wilks.xpcs.parameters import check_mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from wilks.xpcs.model import Geometry

Storage = Literal["mirrored", "independent", "upper"]
_STORAGES = ("mirrored", "independent", "upper")


def simulate(
    values: Mapping[str, float],
    geometry: Geometry,
    *,
    contrast: ArrayLike = 0.3,
    offset: ArrayLike = 1.0,
    sigma: ArrayLike = 0.0,
    mode: str = "laminar_flow",
    storage: Storage = "mirrored",
    dtype: DTypeLike = float,
    seed: int | None = None,
) -> TwoTimeData:
    """Return the two-time correlations that belong to some physical parameters, with Gaussian noise.

    The diagonal is model and noise like every other pixel; in a measurement it carries the shot noise on top.

    Parameters
    ----------
    values
        All physical parameters of the mode by name.
    geometry
        Times, angles, wave vector, gap and convention.
    contrast, offset
        One number, or one for every angle.
    sigma
        Standard deviation of the noise of a pixel, one number or one for every angle; 0 for none. Where it is positive
        at every angle it is also the `sigma` of the data; otherwise they have none.
    mode
        ``"static"`` or ``"laminar_flow"``.
    storage
        ``"mirrored"``, the noise of (t1, t2) and (t2, t1) is the same, as in a file that was filled up from one half;
        ``"independent"``, the two are measured on their own; ``"upper"``, the lower triangle is 0.
    dtype
        Of the matrices: double or single precision.
    seed
        Of the noise, which is drawn for each angle on its own: angles more or fewer do not change it.

    Raises
    ------
    InvalidConfigurationError
        If a value is missing or unknown, or an argument cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks.xpcs.model import Geometry
    >>> geometry = Geometry(t=0.1 * np.arange(60), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> values = {"D0": 1e4, "alpha": -0.5, "D_offset": 0.0}
    >>> simulate(values, geometry, mode="static", sigma=0.02, seed=1)
    TwoTimeData(2 angles, 60 times of 0.1 s, q = 0.0054 1/Å, no gap, sigma = 0.02, float64, 0.1 MB)
    """
    mode = check_mode(mode)
    kept = _checked_values(values, mode)
    if storage not in _STORAGES:
        raise InvalidConfigurationError(f"storage: expected one of {', '.join(_STORAGES)}, got {storage!r}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise InvalidConfigurationError(f"dtype: expected float32 or float64, got {np.dtype(dtype)}")
    n_phi, n_t = len(geometry.phi), len(geometry.t)
    contrasts, offsets = _per_angle("contrast", contrast, n_phi), _per_angle("offset", offset, n_phi)
    sigmas = _per_angle("sigma", sigma, n_phi)
    if (sigmas < 0).any():
        raise InvalidConfigurationError(f"sigma: expected numbers >= 0, got {sigma!r}")
    made, seed = curves(kept, geometry, mode), resolve_seed(seed)
    c2 = np.empty((n_phi, n_t, n_t), dtype)
    for k in range(n_phi):
        model = offsets[k] + contrasts[k] * model_matrix(made, k)
        if not np.isfinite(model).all():
            raise InvalidConfigurationError(f"values: the model is not finite with {kept}; take smaller exponents")
        noise = sigmas[k] * keyed_generator(seed, k).standard_normal((n_t, n_t)) if sigmas[k] else 0.0
        c2[k] = _stored(model + noise, storage)
    known = sigmas if (sigmas > 0).all() else None
    return TwoTimeData(c2, geometry.t, geometry.phi, geometry.q, geometry.gap, geometry.dt, sigma=known)


def _stored(matrix: NDArray[np.float64], storage: Storage) -> NDArray[np.float64]:
    if storage == "independent":
        return matrix
    upper = np.triu(matrix)
    return upper if storage == "upper" else upper + np.triu(upper, 1).T


def _checked_values(values: Mapping[str, float], mode: str) -> dict[str, float]:
    names = PHYSICAL_NAMES[mode]
    if set(values) != set(names):
        missing = [name for name in names if name not in values]
        unknown = [name for name in values if name not in names]
        parts = [f"{text} {', '.join(which)}" for text, which in (("missing", missing), ("unknown", unknown)) if which]
        raise InvalidConfigurationError(f"values: mode {mode!r} takes {', '.join(names)}; {'; '.join(parts)}")
    return {name: float(values[name]) for name in names}


def _per_angle(name: str, given: ArrayLike, n_phi: int) -> NDArray[np.float64]:
    array = np.asarray(given, dtype=float)
    if array.shape not in ((), (n_phi,)) or not np.isfinite(array).all():
        raise InvalidConfigurationError(
            f"{name}: expected a finite number, or one for each of the {n_phi} angles, got {given!r:.120}"
        )
    return np.broadcast_to(array, (n_phi,))
