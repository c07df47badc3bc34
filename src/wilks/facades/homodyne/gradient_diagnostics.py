r"""How strongly each physical parameter moves the fit, in its own units.

The norm of a parameter is that of the derivative of the residuals (in units of sigma) by it, contrasts and offsets
following: :math:`\sqrt{H_{ii}}` with the matrix H of `wilks.xpcs.projection`, equation (3). It does not vanish at the
optimum, as the gradient of chi-squared does, and its inverse is the standard error of the parameter if the other
physical ones were known: the natural unit of a step. Norms that differ by orders of magnitude are a matter of units,
which `wilks.xpcs.fit` does not feel; a solver that does takes their inverses as ``x_scale``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.table import Table
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.config_manager import their_name, their_names
from wilks.facades.homodyne.measurement import measurement
from wilks.facades.homodyne.question import asked
from wilks.xpcs.convention import Convention
from wilks.xpcs.fitting import problem
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import ALIASES, SCALING_NAMES, check_mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.xpcs.parameters import Mode

    Parameters = Mapping[str, float] | ArrayLike

__all__ = [
    "compute_gradient_norms",
    "compute_optimal_x_scale",
    "diagnose_gradient_imbalance",
    "print_gradient_report",
]

_BASELINE = ("D0", "D_offset", "phi0")


def compute_gradient_norms(
    parameters: Parameters,
    data: Any,  # noqa: ANN401 - a dictionary, or TwoTimeData
    config: Any,  # noqa: ANN401 - a ConfigManager, its dictionary, or None
    analysis_mode: str,
) -> dict[str, float]:
    """Norm of the derivative of the residuals by each physical parameter.

    Parameters
    ----------
    parameters
        Name -> value, or a vector that ends with the physical parameters. Contrasts and offsets are not looked at:
        they are at their best.
    data
        As for `fit_nlsq_jax`.
    config
        What the data do not say, and the mode of contrasts and offsets.
    analysis_mode
        ``"static"``, ``"static_isotropic"`` or ``"laminar_flow"``.

    Raises
    ------
    InvalidConfigurationError
        If a parameter is missing or unknown, or the model is not finite there.
    """
    mode = check_mode(analysis_mode)
    rows = _rows(parameters, data, config, mode)
    return dict(zip(their_names(mode), np.linalg.norm(rows, axis=0).tolist(), strict=True))


def compute_optimal_x_scale(
    parameters: Parameters,
    data: Any,  # noqa: ANN401 - as above
    config: Any,  # noqa: ANN401 - as above
    analysis_mode: str,
    baseline_params: Sequence[str] | None = None,
    safety_factor: float = 1.0,
    min_scale: float = 1e-8,
    max_scale: float = 1e2,
) -> dict[str, float]:
    """Scales of the parameters for a solver: the inverse norms, as multiples of those of the baseline.

    Parameters
    ----------
    parameters, data, config, analysis_mode
        As for `compute_gradient_norms`.
    baseline_params
        Parameters whose scale is 1; the geometric mean of their norms is the reference. None for ``D0``, ``D_offset``
        and ``phi0``, as far as the mode has them.
    safety_factor
        Factor for the others.
    min_scale, max_scale
        The scales are clipped to them.
    """
    if not (safety_factor > 0 and 0 < min_scale <= max_scale):
        raise InvalidConfigurationError(
            "compute_optimal_x_scale: expected safety_factor > 0 and 0 < min_scale <= max_scale, got "
            f"{safety_factor!r}, {min_scale!r} and {max_scale!r}"
        )
    norms = compute_gradient_norms(parameters, data, config, analysis_mode)
    return _scales(norms, baseline_params, safety_factor, min_scale, max_scale)


def _scales(
    norms: dict[str, float],
    baseline_params: Sequence[str] | None = None,
    safety_factor: float = 1.0,
    min_scale: float = 1e-8,
    max_scale: float = 1e2,
) -> dict[str, float]:
    if baseline_params is None:
        baseline = [name for name in _BASELINE if name in norms]
    else:
        baseline = [their_name(name) for name in baseline_params]
        for name in baseline:
            if name not in norms:
                raise InvalidConfigurationError(f"baseline_params: got {name!r}; {guess(name, norms)}")
    felt = [norms[name] for name in baseline if norms[name] > 0]
    reference = float(np.exp(np.mean(np.log(felt)))) if felt else 1.0
    found = {}
    for name, norm in norms.items():
        scale = safety_factor * reference / norm if norm > 0 else max_scale
        found[name] = 1.0 if name in baseline else float(np.clip(scale, min_scale, max_scale))
    return found


def diagnose_gradient_imbalance(
    parameters: Parameters,
    data: Any,  # noqa: ANN401 - as above
    config: Any,  # noqa: ANN401 - as above
    analysis_mode: str,
    threshold: float = 10.0,
) -> dict[str, Any]:
    """Compare the norms.

    Returns
    -------
    dict
        ``gradient_norms``; ``max_ratio``, of the largest to the smallest, infinite if a parameter moves nothing;
        ``imbalance_detected``, whether that exceeds `threshold`; ``condition_number`` of the physical parameters in
        units in which all norms are 1, which is what makes a fit hard; and ``recommendations``, with a ``summary`` in
        words and the ``x_scale_map`` of `compute_optimal_x_scale`.
    """
    mode = check_mode(analysis_mode)
    rows = _rows(parameters, data, config, mode)
    sizes = np.linalg.norm(rows, axis=0)
    ratio = float(sizes.max() / sizes.min()) if sizes.min() > 0 else np.inf
    names = np.array(their_names(mode))
    weak, strong = names[sizes.argmin()], names[sizes.argmax()]
    condition = float(np.linalg.cond(rows / sizes)) if sizes.min() > 0 else np.inf
    if sizes.min() > 0:
        summary = (
            f"The norms range over a factor of {ratio:.3g}, from {weak} to {strong}: a matter of units, which "
            "wilks.xpcs.fit does not feel. A solver that does needs x_scale_map. With all norms at 1 the condition "
            f"number is {condition:.3g}."
        )
    else:
        summary = (
            f"Nothing changes with {', '.join(names[sizes == 0])} here: fix what the data do not tell, or look at "
            "another point."
        )
    norms = dict(zip(names.tolist(), sizes.tolist(), strict=True))
    return {
        "gradient_norms": norms,
        "imbalance_detected": ratio > threshold,
        "max_ratio": ratio,
        "condition_number": condition,
        "recommendations": {
            "summary": summary,
            "x_scale_map": _scales(norms),
        },
    }


def print_gradient_report(
    parameters: Parameters,
    data: Any,  # noqa: ANN401 - as above
    config: Any,  # noqa: ANN401 - as above
    analysis_mode: str,
) -> None:
    """Write norms, scales and the summary of `diagnose_gradient_imbalance` to the standard output."""
    found = diagnose_gradient_imbalance(parameters, data, config, analysis_mode)
    scales = found["recommendations"]["x_scale_map"]
    rows = tuple((name, f"{norm:.4g}", f"{scales[name]:.4g}") for name, norm in found["gradient_norms"].items())
    table = Table(
        "Derivatives of the residuals by the physical parameters",
        ("parameter", "norm", "x_scale"),
        rows,
        found["recommendations"]["summary"],
    )
    sys.stdout.write(f"{table.text()}\n")


def _rows(parameters: Parameters, data: Any, config: Any, mode: Mode) -> NDArray[np.float64]:  # noqa: ANN401
    """Rows with the sums of products of the derivatives by the physical parameters, one column for each."""
    question = asked(config, mode)
    measured = measurement(data, question.dt, question.gap)
    values = _values(parameters, mode, measured.data.n_phi)
    found = problem(measured.data, mode, scaling=question.scaling, convention=Convention.homodyne()).projection(values)
    if found is None:
        raise InvalidConfigurationError(f"parameters: the model is not finite at {values}; take other exponents")
    return found.rows()[:, 1:]


def _values(parameters: Parameters, mode: Mode, n_phi: int) -> dict[str, float]:
    """Physical parameters by the names of the engine."""
    names = PHYSICAL_NAMES[mode]
    if isinstance(parameters, Mapping):
        given = {ALIASES.get(name, name): float(value) for name, value in parameters.items()}
        physical = {name: value for name, value in given.items() if not name.startswith(SCALING_NAMES)}
        if set(physical) != set(names):
            missing = [their_name(name) for name in names if name not in physical]
            unknown = [name for name in physical if name not in names]
            parts = [f"{text} {', '.join(which)}" for text, which in (("missing", missing), ("no", unknown)) if which]
            raise InvalidConfigurationError(f"parameters: mode {mode!r} has {their_names(mode)}; {'; '.join(parts)}")
        return physical
    vector = np.asarray(parameters, dtype=float)
    expected = [len(names) + n for n in (0, 2, 2 * n_phi)]
    if vector.ndim != 1 or len(vector) not in expected:
        raise InvalidConfigurationError(
            f"parameters: expected the {len(names)} physical parameters, alone or after contrasts and offsets, got "
            f"an array of shape {vector.shape}"
        )
    return dict(zip(names, vector[-len(names) :].tolist(), strict=True))
