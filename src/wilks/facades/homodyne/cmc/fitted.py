"""The correlations that a posterior predicts at pooled points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.facades.homodyne.config_manager import their_names
from wilks.facades.homodyne.points import Points, decay_at, model_curves

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from wilks.facades.homodyne.cmc.results import CMCResult

_MOST_DRAWS = 200


def compute_fitted_c2(
    result: CMCResult,
    t1: ArrayLike,
    t2: ArrayLike,
    phi: ArrayLike,
    q: float,
    L: float,
    dt: float,
    analysis_mode: str,
    fixed_contrasts: ArrayLike | None = None,
    fixed_offsets: ArrayLike | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior mean and standard deviation of the model at pooled points, from up to 200 draws over all chains.

    Parameters
    ----------
    result
        With draws of the physical parameters.
    t1, t2, phi
        Times in s and angles in degrees of the points, shape (n,); the angles are those of the data, ascending.
    q, L, dt
        Wave vector in 1/Å, gap in Å, time between frames in s.
    analysis_mode
        ``"static"`` or ``"laminar_flow"``.
    fixed_contrasts, fixed_offsets
        Of every angle, shape (n_phi,), where the draws have none.

    Returns
    -------
    mean, standard_deviation
        Shape (n,) each. Noise is not part of it.

    Raises
    ------
    InvalidDataError
        If there are no draws of a parameter, or no contrast and offset.
    """
    first, second, angles = (np.asarray(given, dtype=float).ravel() for given in (t1, t2, phi))
    points = Points(angles, first, second, np.zeros(len(angles)), float(q), float(L), float(dt))
    axis = points.axis
    k, i, j = points.positions(axis)
    geometry = points.geometry(axis)
    physical = _thinned(result, their_names(analysis_mode))
    n_phi = len(points.angles)
    contrast = _scaling(result, "contrast", fixed_contrasts, n_phi)
    offset = _scaling(result, "offset", fixed_offsets, n_phi)
    mean, squares = np.zeros(len(angles)), np.zeros(len(angles))
    for n, draw in enumerate(physical, start=1):
        f = decay_at(model_curves(draw, geometry), k, i, j)
        values = contrast[n - 1, k] * f + offset[n - 1, k]
        step = values - mean
        mean += step / n
        squares += step * (values - mean)
    return mean, np.sqrt(squares / max(len(physical) - 1, 1))


def _scaling(result: CMCResult, what: str, fixed: ArrayLike | None, n_phi: int) -> NDArray[np.float64]:
    """Contrast or offset, shape (draw, n_phi)."""
    names = [f"{what}_{angle}" for angle in range(n_phi)]
    if all(name in result.samples for name in names):
        return _thinned(result, tuple(names))
    if what in result.samples:
        return np.repeat(_thinned(result, (what,)), n_phi, axis=1)
    values = None if fixed is None else np.asarray(fixed, dtype=float).ravel()
    if values is None or values.size != n_phi:
        raise InvalidDataError(
            f"compute_fitted_c2: the draws have no {what} for each of {n_phi} angles; give fixed_{what}s of shape "
            f"({n_phi},), got {fixed!r:.80}"
        )
    return np.broadcast_to(values, (_n_thinned(result), n_phi))


def _thinned(result: CMCResult, names: tuple[str, ...]) -> NDArray[np.float64]:
    missing = [name for name in names if name not in result.samples]
    if missing:
        raise InvalidDataError(f"compute_fitted_c2: the draws have no {', '.join(missing)}")
    flat = np.stack([np.asarray(result.samples[name]).ravel() for name in names], axis=1)
    return np.asarray(flat[np.round(np.linspace(0, len(flat) - 1, _n_thinned(result))).astype(np.intp)])


def _n_thinned(result: CMCResult) -> int:
    return min(_MOST_DRAWS, result.n_chains * result.n_samples)
