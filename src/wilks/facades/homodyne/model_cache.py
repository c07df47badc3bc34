"""Model functions of points, kept for the next call: the model itself is that of the engine."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.measurement import DEFAULT_GAP
from wilks.facades.homodyne.points import TimeAxis, decay_at, model_curves
from wilks.xpcs.convention import Convention
from wilks.xpcs.model import PHYSICAL_NAMES, Geometry
from wilks.xpcs.parameters import check_mode

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MOST_MODELS = 64

ModelFunction = Callable[..., Any]


@dataclass(frozen=True)
class ModelCacheKey:
    """What a model is of: mode, different angles in ascending order, wave vector, scaling per angle."""

    analysis_mode: str
    phi_angles: tuple[float, ...]
    q: float
    per_angle_scaling: bool


@dataclass(frozen=True)
class CombinedModel:
    """c2 of points, as the engine calculates it with `wilks.xpcs.Convention.homodyne`.

    Attributes
    ----------
    analysis_mode
        ``"static"`` or ``"laminar_flow"``.
    phi
        Different angles in degrees, ascending.
    q, gap
        Wave vector in 1/Å and gap in Å.

    Examples
    --------
    >>> model = CombinedModel("static", (0.0, 90.0), 0.0054, None)
    >>> points = np.array([[0.0, 0.0, 0], [0.0, 0.1, 1], [0.1, 0.2, 0]])
    >>> model.predict(points, np.array([0.3, 1.0, 2e4, 0.0, 0.0])).round(4).tolist()
    [1.3, 1.283, 1.283]
    """

    analysis_mode: str
    phi: tuple[float, ...]
    q: float
    gap: float | None

    def predict(self, xdata: ArrayLike, params: NDArray[np.float64]) -> NDArray[np.float64]:
        """c2 at points.

        Parameters
        ----------
        xdata
            Rows of t1, t2 in s and the position of the angle among `phi`. The times of all points together are the
            axis on which the model is integrated: they must hold the frames between them.
        params
            One contrast and one offset, or those of every angle, then the physical parameters.
        """
        points = np.atleast_2d(np.asarray(xdata, dtype=float))
        n_physical = len(PHYSICAL_NAMES[check_mode(self.analysis_mode)])
        n, n_scaling = len(self.phi), len(params) - n_physical
        if points.shape[1] != 3 or n_scaling not in (2, 2 * n):
            raise InvalidConfigurationError(
                f"model: expected points of shape (n, 3) and {n_physical} physical parameters after 2 or {2 * n} of "
                f"contrast and offset, got {points.shape} and {len(params)} parameters"
            )
        contrast, offset = (np.broadcast_to(part, n) for part in np.split(params[:n_scaling], 2))
        axis = TimeAxis.of(points[:, :2].ravel(), None)
        k = points[:, 2].astype(np.intp)
        geometry = Geometry(axis.t, axis.dt, self.q, self.gap, np.array(self.phi), Convention.homodyne())
        f = decay_at(model_curves(params[n_scaling:], geometry), k, axis.index(points[:, 0]), axis.index(points[:, 1]))
        return np.asarray(offset[k] + contrast[k] * f)


@dataclass
class CachedModel:
    """A model with its function, the time when it was made, and how often it was asked for again."""

    model: Any
    model_func: ModelFunction
    created_at: float = field(default_factory=time.time)
    n_hits: int = 0


class _Models:
    """The models that were asked for last."""

    def __init__(self) -> None:
        self.kept: OrderedDict[tuple[ModelCacheKey, float], CachedModel] = OrderedDict()
        self.hits = self.misses = 0
        self.lock = threading.Lock()

    def get(self, key: ModelCacheKey, gap: float) -> tuple[CachedModel, bool]:
        with self.lock:
            found = self.kept.get((key, gap))
            if found is not None:
                self.hits += 1
                found.n_hits += 1
                self.kept.move_to_end((key, gap))
                return found, True
            self.misses += 1
            model = CombinedModel(key.analysis_mode, key.phi_angles, key.q, gap)

            def model_func(xdata: ArrayLike, *params: float) -> NDArray[np.float64]:
                return model.predict(xdata, np.asarray(params, dtype=float))

            made = self.kept[key, gap] = CachedModel(model, model_func)
            while len(self.kept) > MOST_MODELS:
                self.kept.popitem(last=False)
            return made, False


_MODELS = _Models()


def get_or_create_model(
    analysis_mode: str,
    phi_angles: ArrayLike,
    q: float,
    per_angle_scaling: bool = True,
    config: Mapping[str, Any] | None = None,
    enable_jit: bool = True,
) -> tuple[CombinedModel, ModelFunction, bool]:
    """Return a model, its function of points and parameters, and whether it was there already.

    Parameters
    ----------
    analysis_mode
        ``"static"`` (``"static_isotropic"``) or ``"laminar_flow"``.
    phi_angles
        Angles in radians; different ones in ascending order are the angles of the model.
    q
        Wave vector in 1/Å.
    per_angle_scaling
        A part of the key; the function takes parameters with and without.
    config
        A configuration, for its ``stator_rotor_gap``; 2e6 Å without.
    enable_jit
        No effect: the loops of the engine are compiled where that pays.

    Examples
    --------
    >>> model, model_func, hit = get_or_create_model("laminar_flow", np.array([0.0, 0.5, 1.0]), 0.001)
    >>> model_func(np.array([[0.0, 0.1, 2]]), 0.3, 1.0, 1e4, 0.0, 0.0, 1e-3, 0.0, 0.0, 0.0).shape
    (1,)
    """
    mode = check_mode(analysis_mode)
    angles = np.unique(np.asarray(phi_angles, dtype=float))
    if not angles.size or not np.isfinite(angles).all():
        raise InvalidConfigurationError(f"phi_angles: expected angles in radians, got {phi_angles!r}")
    if not 0 < q < np.inf:
        raise InvalidConfigurationError(f"q: expected a positive wave vector in 1/Å, got {q!r}")
    geometry = ((config or {}).get("analyzer_parameters") or {}).get("geometry") or {}
    gap = float(geometry.get("stator_rotor_gap", DEFAULT_GAP))
    key = ModelCacheKey(mode, tuple(np.rad2deg(angles).tolist()), float(q), per_angle_scaling)
    found, hit = _MODELS.get(key, gap)
    return found.model, found.model_func, hit


def clear_model_cache() -> int:
    """Forget all models and the statistics, and return how many there were."""
    with _MODELS.lock:
        n = len(_MODELS.kept)
        _MODELS.kept.clear()
        _MODELS.hits = _MODELS.misses = 0
    return n


def get_cache_stats() -> dict[str, int]:
    """How often a model was there already, how often it was not, and how many are kept."""
    with _MODELS.lock:
        return {"hits": _MODELS.hits, "misses": _MODELS.misses, "size": len(_MODELS.kept)}
