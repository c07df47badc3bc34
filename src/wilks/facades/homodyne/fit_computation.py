r"""c2 of known parameters, and its scaling to data, in the numbers of homodyne.

The model is :math:`c_2 = \mathrm{offset} + \mathrm{contrast} \, c_1^2` with `wilks.xpcs.Convention.homodyne`; it is
calculated by the engine (`wilks.xpcs.model`), for all angles from the same few curves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne.points import surfaces
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import check_mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]

__all__ = [
    "compute_g2_batch",
    "compute_g2_batch_with_per_angle_scaling",
    "compute_theoretical_fits",
    "extract_parameters_from_result",
    "get_physical_param_count",
    "normalize_analysis_mode",
    "solve_lstsq_batch",
]

_FULL_TURN = 2 * np.pi + 1e-9


def compute_g2_batch(
    physical_params: ArrayLike,
    t1: ArrayLike,
    t2: ArrayLike,
    phi_angles: ArrayLike,
    q: float,
    L: float,
    dt: float,
    contrast: float = 1.0,
    offset: float = 1.0,
) -> Arrays:
    """Return c2 of all angles, shape (n_phi, n_t1, n_t2).

    Parameters
    ----------
    physical_params
        3 numbers (static) or 7 (laminar flow): D0, alpha, D_offset, gamma_dot_t0, beta, gamma_dot_t_offset, phi0; the
        last in degrees.
    t1, t2
        Times in s, shapes (n_t1,) and (n_t2,).
    phi_angles
        Angles in radians, shape (n_phi,).
    q, L, dt
        Wave vector in 1/Å, gap in Å, time between frames in s.
    contrast, offset
        The same for all angles.

    Raises
    ------
    InvalidDataError
        If an angle is beyond a full turn: it will be in degrees.

    Examples
    --------
    >>> t = 0.1 * np.arange(5)
    >>> compute_g2_batch([1e4, 0.0, 0.0], t, t, [0.0, 1.57], 0.0054, 2e6, 0.1, contrast=0.3)[0, 0].round(3)
    array([1.3  , 1.291, 1.283, 1.275, 1.267])
    """
    return offset + contrast * surfaces(physical_params, (t1, t2), _degrees(phi_angles), q, L, dt)


def compute_g2_batch_with_per_angle_scaling(
    physical_params: ArrayLike,
    t1: ArrayLike,
    t2: ArrayLike,
    phi_angles: ArrayLike,
    q: float,
    L: float,
    dt: float,
    contrasts: ArrayLike,
    offsets: ArrayLike,
) -> Arrays:
    """Return c2 of all angles, each with a contrast and an offset of its own, shape (n_phi, n_t1, n_t2).

    Parameters
    ----------
    physical_params, t1, t2, phi_angles, q, L, dt
        As for `compute_g2_batch`; angles in radians.
    contrasts, offsets
        Shape (n_phi,).
    """
    f = surfaces(physical_params, (t1, t2), _degrees(phi_angles), q, L, dt)
    return _scaled(f, np.asarray(contrasts, dtype=float), np.asarray(offsets, dtype=float))


def solve_lstsq_batch(theory_batch: ArrayLike, exp_batch: ArrayLike) -> tuple[Arrays, Arrays]:
    """Scale theories to data by least squares, every angle by itself.

    Parameters
    ----------
    theory_batch, exp_batch
        Theory and data of each angle, shape (n_phi, ...); what is not finite in either is left out.

    Returns
    -------
    contrasts, offsets
        Of data = contrast * theory + offset, each of shape (n_phi,). Where the theory does not vary, the contrast is
        0 and the offset the mean; NaN where there is nothing.

    Examples
    --------
    >>> theory = np.array([[1.0, 0.5, 0.0], [1.0, 0.8, 0.2]])
    >>> contrasts, offsets = solve_lstsq_batch(theory, 0.3 * theory + 1.0)
    >>> contrasts.round(6), offsets.round(6)
    (array([0.3, 0.3]), array([1., 1.]))
    """
    theory, measured = np.asarray(theory_batch, dtype=float), np.asarray(exp_batch, dtype=float)
    if theory.shape != measured.shape or theory.ndim < 2:
        raise InvalidDataError(
            f"theory_batch and exp_batch: expected the same shape (n_phi, ...), got {theory.shape} and {measured.shape}"
        )
    theory, measured = theory.reshape(len(theory), -1), measured.reshape(len(measured), -1)
    known = np.isfinite(theory) & np.isfinite(measured)
    n = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        x_mean, y_mean = (np.where(known, values, 0.0).sum(axis=1) / n for values in (theory, measured))
        x, y = (np.where(known, values - mean[:, None], 0.0) for values, mean in ((theory, x_mean), (measured, y_mean)))
        slope = (x * y).sum(axis=1) / (x * x).sum(axis=1)
    contrasts = np.where(np.isfinite(slope) | (n == 0), slope, 0.0)
    return contrasts, y_mean - contrasts * x_mean


def normalize_analysis_mode(mode: str | None, n_params: int, n_angles: int) -> str:
    """Return ``"static"`` or ``"laminar_flow"``, from the numbers of parameters if no mode is given.

    Parameters
    ----------
    mode
        A name, ``"static_isotropic"`` too; None or an empty text to infer it.
    n_params
        Length of the vector of parameters, contrasts and offsets included.
    n_angles
        Number of angles.

    Raises
    ------
    InvalidConfigurationError
        If there is no such mode, or the numbers fit none.

    Examples
    --------
    >>> normalize_analysis_mode(None, 53, 23)
    'laminar_flow'
    """
    if mode:
        return check_mode(mode.strip().lower())
    for known, names in PHYSICAL_NAMES.items():
        if n_params in (2 * n_angles + len(names), 2 + len(names)):
            return known
    expected = ", ".join(f"{2 * n_angles + len(names)} ({known})" for known, names in PHYSICAL_NAMES.items())
    raise InvalidConfigurationError(
        f"analysis_mode: none is given and {n_params} parameters of {n_angles} angles fit none; expected {expected}"
    )


def get_physical_param_count(analysis_mode: str) -> int:
    """Return the number of physical parameters of a mode.

    Raises
    ------
    InvalidConfigurationError
        If there is no such mode.

    Examples
    --------
    >>> get_physical_param_count("static"), get_physical_param_count("laminar_flow")
    (3, 7)
    """
    return len(PHYSICAL_NAMES[check_mode(analysis_mode)])


def extract_parameters_from_result(
    parameters: ArrayLike, n_angles: int, analysis_mode: str
) -> tuple[Arrays, Arrays, Arrays, bool]:
    """Take a vector of parameters apart.

    Parameters
    ----------
    parameters
        Contrasts, offsets, physical parameters; one contrast and one offset for all angles, or one of each per angle.
    n_angles
        Number of angles.
    analysis_mode
        ``"static"`` or ``"laminar_flow"``.

    Returns
    -------
    contrasts, offsets, physical_params, scalar_expansion_used
        Shapes (n_angles,), (n_angles,) and (n_physical,); was there one contrast for all of several angles?

    Raises
    ------
    InvalidConfigurationError
        If the number of parameters is another one.

    Examples
    --------
    >>> extract_parameters_from_result([0.3, 1.0, 1e4, -0.5, 0.0], 2, "static")
    (array([0.3, 0.3]), array([1., 1.]), array([ 1.e+04, -5.e-01,  0.e+00]), True)
    """
    vector, n_physical = np.asarray(parameters, dtype=float).ravel(), get_physical_param_count(analysis_mode)
    each = next((each for each in (n_angles, 1) if len(vector) == 2 * each + n_physical), None)
    if each is None:
        raise InvalidConfigurationError(
            f"parameters: expected {2 * n_angles + n_physical} of them (contrast and offset of {n_angles} angles and "
            f"{n_physical} physical ones), or {2 + n_physical} with one of each, got {len(vector)}"
        )
    contrasts, offsets, physical = np.split(vector, [each, 2 * each])
    spread = [np.broadcast_to(part, (n_angles,)).copy() for part in (contrasts, offsets)]
    return spread[0], spread[1], physical, each < n_angles


def compute_theoretical_fits(
    result: Any,  # noqa: ANN401 - the results of several classes
    data: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    analysis_mode: str | None = None,
    include_solver_surface: bool = True,
) -> dict[str, Any]:
    """Return the model at the parameters of a result, scaled to the data by least squares, every angle by itself.

    Parameters
    ----------
    result
        With the vector `parameters`: contrasts, offsets, physical parameters.
    data
        With ``phi_angles_list`` in degrees, ``c2_exp`` of shape (n_angles, n_t, n_t), ``t1`` and ``t2`` in s.
    metadata
        With ``q`` in 1/Å, ``L`` in Å (not needed for a static mode) and ``dt`` in s.
    analysis_mode
        By default inferred from the number of parameters.
    include_solver_surface
        Return the model with the contrasts and offsets of the result too?

    Returns
    -------
    dict
        ``c2_theoretical_raw`` (contrast and offset 1), ``c2_theoretical_scaled``, ``c2_solver_scaled`` and
        ``residuals`` (data - scaled), each of shape (n_angles, n_t, n_t); ``per_angle_scaling`` and
        ``per_angle_scaling_solver``, columns contrast and offset, shape (n_angles, 2);
        ``scalar_per_angle_expansion``. The diagonal of c2 takes no part in the scaling: it holds shot noise. A
        missing half of a matrix is filled up from the other.

    Raises
    ------
    InvalidDataError, InvalidConfigurationError
        If q is missing, or numbers of angles, times or parameters do not fit.
    """
    place = {name: metadata.get(name) for name in ("q", "L", "dt")}
    if place["q"] is None:
        raise InvalidDataError("metadata: 'q' is missing, the wave vector in 1/Å")
    missing = [name for name in ("phi_angles_list", "c2_exp", "t1", "t2") if data.get(name) is None]
    if missing:
        raise InvalidDataError(f"data: {', '.join(missing)} is missing; expected phi_angles_list, c2_exp, t1, t2")
    phi = np.atleast_1d(np.asarray(data["phi_angles_list"], dtype=float))
    vector = np.asarray(result.parameters, dtype=float)
    mode = normalize_analysis_mode(analysis_mode, len(vector), len(phi))
    contrasts, offsets, physical, expanded = extract_parameters_from_result(vector, len(phi), mode)
    f = surfaces(physical, (data["t1"], data["t2"]), phi, place["q"], place["L"], place["dt"])
    measured = _measured(data, phi, float(place["q"]), f.shape)
    off_diagonal = ~np.eye(f.shape[1], dtype=bool)
    scaling = solve_lstsq_batch(f[:, off_diagonal], measured[:, off_diagonal])
    scaled = _scaled(f, *scaling)
    found: dict[str, Any] = {
        "c2_theoretical_raw": 1.0 + f,
        "c2_theoretical_scaled": scaled,
        "per_angle_scaling": np.column_stack(scaling),
        "per_angle_scaling_solver": np.column_stack([contrasts, offsets]),
        "residuals": measured - scaled,
        "scalar_per_angle_expansion": expanded,
    }
    if include_solver_surface:
        found["c2_solver_scaled"] = _scaled(f, contrasts, offsets)
    return found


def _measured(data: Mapping[str, Any], phi: Arrays, q: float, shape: tuple[int, ...]) -> Arrays:
    c2 = np.asarray(data["c2_exp"])
    if c2.shape != shape or shape[1] != shape[2]:
        raise InvalidDataError(
            f"c2_exp has shape {c2.shape}, expected a square matrix of {shape[1]} times for each of {shape[0]} angles"
        )
    matrices = TwoTimeData(c2, np.arange(float(shape[1])), phi, q)
    return np.stack([matrices.matrix(k) for k in range(len(phi))])


def _scaled(f: Arrays, contrasts: Arrays, offsets: Arrays) -> Arrays:
    for name, given in (("contrasts", contrasts), ("offsets", offsets)):
        if given.shape != f.shape[:1]:
            raise InvalidConfigurationError(f"{name}: expected {len(f)}, one for each angle, got shape {given.shape}")
    return offsets[:, None, None] + contrasts[:, None, None] * f


def _degrees(phi_angles: ArrayLike) -> Arrays:
    radians = np.atleast_1d(np.asarray(phi_angles, dtype=float))
    if (np.abs(radians) > _FULL_TURN).any():
        raise InvalidDataError(
            f"phi_angles: expected radians, but {float(np.abs(radians).max()):g} is beyond a full turn: for degrees "
            "give numpy.deg2rad(phi_angles)"
        )
    return np.asarray(np.rad2deg(radians))
