"""The dictionaries that homodyne takes as data, as `wilks.xpcs.TwoTimeData`.

Angles are in degrees, lengths in Å. Matrices may be whole, mirrored or halves; the diagonal is not used, corrected or
not; the pairing of angles and matrices is kept whatever the order of the angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.notices import notice
from wilks.xpcs.data import TwoTimeData

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_SIGMA = 0.01
DEFAULT_GAP = 2e6
"""In Å, as of a rheometer."""
_SAME_Q = 0.01
_LOADER = {"phi_angles_list": "phi", "c2_exp": "g2", "wavevector_q_list": "q"}
_KEYS = ("phi", "g2", "t1", "t2", "q", "sigma", "L", "dt")
_CALL_KEYS = ("t1", "t2", "c2", "q2_phi_t1_t2", "phi_rad", "sigma", "L", "dt")


@dataclass(frozen=True, eq=False)
class Measurement:
    """Data, and whether their sigma was missing, so that `DEFAULT_SIGMA` was taken."""

    data: TwoTimeData
    sigma_is_default: bool


def measurement(given: Any, dt: float | None = None, gap: float | None = None) -> Measurement:  # noqa: ANN401 - checked
    """Read data of either format.

    Parameters
    ----------
    given
        A dictionary, or an object with the same attributes: ``phi_angles_list``, ``c2_exp``, ``t1``, ``t2``,
        ``wavevector_q_list`` as a loader returns them, or ``phi``, ``g2``, ``t1``, ``t2``, ``q``; ``sigma``, ``L`` and
        ``dt`` are optional. A `TwoTimeData` is taken as it is: without a sigma it is estimated.
    dt, gap
        What the configuration says of the interval in s and of L in Å, for data that do not say it.

    Raises
    ------
    InvalidDataError
        If something is missing, unknown, or does not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> t = 0.1 * np.arange(50)
    >>> found = measurement({"phi": [0.0], "g2": np.full((1, 50, 50), 1.2), "t1": t, "t2": t, "q": 0.0054})
    >>> found.data.gap, found.sigma_is_default
    (2000000.0, True)
    """
    if isinstance(given, TwoTimeData):
        return Measurement(given, sigma_is_default=False)
    found = _named(given)
    missing = [key for key in ("phi", "g2", "t1", "t2", "q") if found.get(key) is None]
    if missing:
        raise InvalidDataError(
            f"data: {', '.join(map(_both_names, missing))} missing; expected phi_angles_list, c2_exp, t1, t2 and "
            "wavevector_q_list, or phi, g2, t1, t2 and q"
        )
    sigma = found.get("sigma")
    times = _axis(found["t1"], found["t2"])
    length = found.get("L") if found.get("L") is not None else gap
    interval = found.get("dt") if found.get("dt") is not None else dt
    data = TwoTimeData(
        _matrices(found["g2"]),
        times,
        np.atleast_1d(np.asarray(found["phi"], dtype=float)),
        _wave_vector(found["q"]),
        DEFAULT_GAP if length is None else length,
        interval,
        DEFAULT_SIGMA if sigma is None else sigma,
    )
    return Measurement(data, sigma_is_default=sigma is None)


def direct_form(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Turn keywords into the second format: t1, t2, c2, q2_phi_t1_t2 (squares of the wave vector), phi_rad in radians.

    Raises
    ------
    InvalidConfigurationError
        If a keyword is unknown.
    InvalidDataError
        If one is missing, or the squares are those of several wave vectors.
    """
    for key in arrays:
        if key not in _CALL_KEYS:
            raise InvalidConfigurationError(f"fit_nlsq_jax: no argument {key!r}; {guess(key, _CALL_KEYS)}")
    missing = [key for key in _CALL_KEYS[:5] if arrays.get(key) is None]
    if missing:
        raise InvalidDataError(f"fit_nlsq_jax: {', '.join(missing)} missing; give data=..., or all of these arrays")
    squares = np.asarray(arrays["q2_phi_t1_t2"], dtype=float)
    if not squares.size or not (squares > 0).all() or squares.max() > (1 + _SAME_Q) ** 2 * squares.min():
        raise InvalidDataError(
            "q2_phi_t1_t2: expected the square of one wave vector in 1/Å^2, positive and the same everywhere within "
            f"{_SAME_Q:.0%} of q, got values from {squares.min(initial=np.inf):g} to {squares.max(initial=-np.inf):g}"
        )
    return {
        "phi": np.rad2deg(np.atleast_1d(np.asarray(arrays["phi_rad"], dtype=float))),
        "g2": arrays["c2"],
        "q": float(np.sqrt(np.median(squares))),
        **{key: arrays.get(key) for key in ("t1", "t2", "sigma", "L", "dt")},
    }


def _named(given: Any) -> dict[str, Any]:  # noqa: ANN401 - what the user gave
    if isinstance(given, Mapping):
        for key in given:
            if key not in _KEYS and key not in _LOADER:
                raise InvalidDataError(f"data: unknown key {key!r}; {guess(key, (*_KEYS, *_LOADER))}")
        found = dict(given)
    else:
        found = {key: getattr(given, key) for key in (*_KEYS, *_LOADER) if hasattr(given, key)}
        if not found:
            raise InvalidDataError(
                "data: expected a dictionary or an object with phi, g2, t1, t2 and q, or wilks.xpcs.TwoTimeData, got "
                f"a {type(given).__name__}"
            )
    for loader, name in _LOADER.items():
        if loader in found:
            if found.get(name) is not None:
                raise InvalidDataError(f"data: {loader!r} and {name!r} are the same; give one of them")
            found[name] = found.pop(loader)
    return found


def _both_names(key: str) -> str:
    loader = next((loader for loader, name in _LOADER.items() if name == key), None)
    return key if loader is None else f"{loader} ({key})"


def _matrices(given: Any) -> Any:  # noqa: ANN401 - an array, a data set of HDF5, or a list of matrices
    shape = getattr(given, "shape", None)
    if shape is not None and len(shape) != 3:
        raise InvalidDataError(
            f"c2_exp (g2): expected the shape (n_phi, n_t, n_t), got {tuple(shape)}; for one angle give c2[None]"
        )
    return given


def _axis(first: Any, second: Any) -> NDArray[np.float64]:  # noqa: ANN401 - arrays
    """The time axis that t1 and t2 are made of: two axes, or two grids."""
    axes = []
    for name, given in (("t1", first), ("t2", second)):
        times = np.asarray(given, dtype=float)
        if times.ndim == 2:
            columns = np.array_equal(times, np.broadcast_to(times[:1], times.shape))
            rows = np.array_equal(times, np.broadcast_to(times[:, :1], times.shape))
            if not (rows or columns):
                raise InvalidDataError(f"{name}: expected times, or a grid of them that varies along one axis only")
            times = times[0] if columns else times[:, 0]
        axes.append(times)
    first_axis, second_axis = axes
    if first_axis.shape != second_axis.shape or not np.allclose(first_axis, second_axis, rtol=1e-9, atol=0.0):
        raise InvalidDataError(
            f"t1 and t2 are different axes, of {first_axis.shape} and {second_axis.shape} times; a correlation "
            "has one time axis: give it as both"
        )
    return first_axis


def _wave_vector(given: Any) -> float:  # noqa: ANN401 - a number or an array
    values = np.atleast_1d(np.asarray(given, dtype=float)).ravel()
    if not values.size:
        raise InvalidDataError("wavevector_q_list: expected at least one wave vector in 1/Å, got an empty list")
    first = float(values[0])
    if (np.abs(values - first) > _SAME_Q * abs(first)).any():
        notice(
            f"wavevector_q_list has wave vectors from {values.min():g} to {values.max():g} 1/Å, and all matrices are "
            f"fitted with the first one, {first:g} 1/Å: select the matrices of one wave vector",
            stacklevel=6,
        )
    return first
