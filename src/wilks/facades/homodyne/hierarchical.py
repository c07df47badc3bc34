r"""Alternating fits: the physical parameters with contrasts and offsets held, then these with the physical ones held.

Each stage is a bounded quasi-Newton descent (L-BFGS-B, Byrd et al. 1995, from SciPy), in units of the box. Alternation
is block coordinate descent: where it settles, the gradient vanishes in both blocks, so it ends at the optimum of all
parameters together, at a speed that falls with their correlation (Bertsekas 1999, section 2.7).

`wilks.xpcs.fit` solves contrasts and offsets in closed form at every step (variable projection), which ends at the same
point without alternating. This is for losses of one's own.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.exceptions import NLSQNumericalError
from wilks.facades.homodyne.validation.options import CheckedOptions, limited

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from wilks.facades.homodyne.fourier_reparam import FourierReparameterizer

    Loss = Callable[[NDArray[np.float64]], float]
    Gradient = Callable[[NDArray[np.float64]], NDArray[np.float64]]

__all__ = ["HierarchicalConfig", "HierarchicalOptimizer", "HierarchicalResult"]

_log = logging.getLogger(__name__)
_FINISHED, _LIMIT, _LOST = "finished", "limit", "lost"


@dataclass
class HierarchicalConfig(CheckedOptions):
    """Options of `HierarchicalOptimizer`.

    Attributes
    ----------
    enable
        If False, all parameters are fitted together in one stage, with the limits of the physical one.
    max_outer_iterations
        Rounds of two stages.
    outer_tolerance
        Largest change of a physical parameter, in widths of its box, with which the fit has settled.
    physical_max_iterations, physical_ftol, per_angle_max_iterations, per_angle_ftol
        Limits of the stages; a tolerance is relative to the loss.
    log_stage_transitions
        Write a line to the log after each stage.
    save_intermediate_results
        Keep all parameters of each round in the history.
    """

    enable: bool = True
    max_outer_iterations: int = limited(5, least=1)
    outer_tolerance: float = limited(1e-6, above=0)
    physical_max_iterations: int = limited(100, least=1)
    physical_ftol: float = limited(1e-8, above=0)
    per_angle_max_iterations: int = limited(50, least=1)
    per_angle_ftol: float = limited(1e-6, above=0)
    log_stage_transitions: bool = True
    save_intermediate_results: bool = False


@dataclass
class HierarchicalResult:
    """What `HierarchicalOptimizer.fit` returns.

    Attributes
    ----------
    x, fun
        Parameters and loss at the end.
    success
        Did the physical parameters settle? With one stage only: did it end before its limit?
    n_outer_iterations
        Rounds that were made.
    history
        A dictionary for each round.
    total_time
        In seconds.
    message
        A sentence for people.
    """

    x: NDArray[np.float64]
    fun: float
    success: bool
    n_outer_iterations: int
    history: list[dict[str, Any]] = field(default_factory=list)
    total_time: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class _Stage:
    """One of the two stages: which parameters move, and for how long."""

    name: str
    moves: NDArray[np.intp]
    max_iterations: int
    ftol: float


class HierarchicalOptimizer:
    """Alternating descent; see the head of this module.

    Parameters
    ----------
    config
        Options.
    n_phi
        Number of angles.
    n_physical
        Number of physical parameters, which come last in the vector.
    fourier_reparameterizer
        If contrasts and offsets are given by coefficients of series: what makes them.

    Attributes
    ----------
    per_angle_indices, physical_indices
        Positions in the vector of parameters.

    Examples
    --------
    >>> config = HierarchicalConfig(max_outer_iterations=20)
    >>> optimizer = HierarchicalOptimizer(config, n_phi=2, n_physical=1)
    >>> target = np.array([0.3, 0.4, 1.0, 1.1, 5.0])
    >>> def loss_fn(params):
    ...     return float(np.sum((params - target) ** 2) + 0.1 * np.sum(params - target) ** 2)
    >>> result = optimizer.fit(loss_fn, None, np.ones(5), (np.zeros(5), np.full(5, 10.0)))
    >>> result.success, bool(np.allclose(result.x, target, atol=1e-3))
    (True, True)
    """

    def __init__(
        self,
        config: HierarchicalConfig,
        n_phi: int,
        n_physical: int,
        fourier_reparameterizer: FourierReparameterizer | None = None,
    ) -> None:
        self.config, self.n_phi, self.n_physical = config, n_phi, n_physical
        self.fourier = fourier_reparameterizer
        self.n_per_angle = 2 * n_phi if self.fourier is None else self.fourier.n_coeffs
        self.per_angle_indices: NDArray[np.intp] = np.arange(self.n_per_angle)
        self.physical_indices: NDArray[np.intp] = np.arange(self.n_per_angle, self.n_per_angle + n_physical)

    def fit(
        self,
        loss_fn: Loss,
        grad_fn: Gradient | None,
        p0: ArrayLike,
        bounds: tuple[ArrayLike, ArrayLike],
        outer_iteration_callback: Callable[[NDArray[np.float64], int], object] | None = None,
    ) -> HierarchicalResult:
        """Minimise a loss.

        Parameters
        ----------
        loss_fn, grad_fn
            Loss of the vector of parameters, and its gradient; None for finite differences.
        p0
            Where to start: [contrasts or their coefficients, offsets, physical parameters].
        bounds
            Lower and upper bounds; infinite ones are allowed.
        outer_iteration_callback
            Called with the parameters and the number of the round at the beginning of each: the place to update
            weights of angles.

        Raises
        ------
        InvalidConfigurationError
            If lengths or bounds do not fit together.
        NLSQNumericalError
            If the loss is not finite at `p0`.
        """
        begin = time.perf_counter()
        params, lower, upper = self._checked(p0, bounds)
        width = upper - lower
        scale = np.where(np.isfinite(width) & (width > 0), width, np.maximum(np.abs(params), 1.0))
        history: list[dict[str, Any]] = []
        rounds, change, value = self.config.max_outer_iterations if self.config.enable else 1, np.inf, np.inf
        finished, lost = True, ""
        for number in range(rounds):
            if outer_iteration_callback is not None:
                outer_iteration_callback(params.copy(), number)
            before, began = params[self.physical_indices].copy(), time.perf_counter()
            entry: dict[str, Any] = {"outer_iter": number}
            for k, stage in enumerate(self._stages(), start=1):
                params, value, n_steps, end = _descend(stage, loss_fn, grad_fn, params, (lower, upper, scale))
                finished, lost = end == _FINISHED, lost or (stage.name if end == _LOST else "")
                entry |= {f"stage{k}_loss": value, f"stage{k}_iterations": n_steps}
                if self.config.log_stage_transitions:
                    _log.info("Round %d, %s: loss %.6g after %d iterations", number + 1, stage.name, value, n_steps)
            entry |= {"physical_params": params[self.physical_indices].copy(), "time": time.perf_counter() - began}
            if self.config.save_intermediate_results:
                entry["params"] = params.copy()
            history.append(entry)
            change = float(np.max(np.abs(params[self.physical_indices] - before) / scale[self.physical_indices]))
            if lost or change <= self.config.outer_tolerance:
                break
        settled = change <= self.config.outer_tolerance if self.config.enable else finished
        success = settled and not lost
        message = self._message(len(history), success, change, lost)
        return HierarchicalResult(params, value, success, len(history), history, time.perf_counter() - begin, message)

    def get_diagnostics(self) -> dict[str, Any]:
        """Numbers of parameters, and limits."""
        return {
            "enabled": self.config.enable,
            "n_phi": self.n_phi,
            "n_physical": self.n_physical,
            "n_per_angle": self.n_per_angle,
            "fourier_enabled": self.fourier is not None and self.fourier.use_fourier,
            "max_outer_iterations": self.config.max_outer_iterations,
            "outer_tolerance": self.config.outer_tolerance,
        }

    def _message(self, rounds: int, success: bool, change: float, lost: str) -> str:
        if lost:
            return f"Not converged: the loss is not finite around the point where the {lost} begin; start elsewhere."
        if success:
            return f"Converged after {rounds} rounds."
        if not self.config.enable:
            return f"Not converged within {self.config.physical_max_iterations} iterations; allow more."
        return (
            f"Not converged after {rounds} rounds: the physical parameters still move by {change:.1e} of their boxes; "
            "allow more rounds or iterations, or give a larger tolerance."
        )

    def _stages(self) -> tuple[_Stage, ...]:
        options = self.config
        limits = options.physical_max_iterations, options.physical_ftol
        if not options.enable:
            return (_Stage("all parameters", np.arange(self.n_per_angle + self.n_physical), *limits),)
        return (
            _Stage("physical parameters", self.physical_indices, *limits),
            _Stage(
                "contrasts and offsets",
                self.per_angle_indices,
                options.per_angle_max_iterations,
                options.per_angle_ftol,
            ),
        )

    def _checked(
        self, p0: ArrayLike, bounds: tuple[ArrayLike, ArrayLike]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        n = self.n_per_angle + self.n_physical
        params, lower, upper = (np.array(each, dtype=float) for each in (p0, *bounds))
        for name, array in (("p0", params), ("lower bounds", lower), ("upper bounds", upper)):
            if array.shape != (n,):
                raise InvalidConfigurationError(
                    f"{name}: expected {n} numbers ({self.n_per_angle} for contrasts and offsets, {self.n_physical} "
                    f"physical), got an array of shape {array.shape}"
                )
        wrong = np.flatnonzero(~((lower <= params) & (params <= upper)))
        if len(wrong):
            k = int(wrong[0])
            raise InvalidConfigurationError(
                f"p0: parameter {k} is {params[k]:g}, expected {lower[k]:g} to {upper[k]:g}: start within the bounds"
            )
        return params, lower, upper


def _descend(
    stage: _Stage,
    loss: Loss,
    gradient: Gradient | None,
    params: NDArray[np.float64],
    box: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], float, int, str]:
    """Lower the loss by moving some parameters; returns all of them, the loss, iterations, and how it ended."""
    from scipy.optimize import minimize  # noqa: PLC0415 - scipy loads on use

    moves, (lower, upper, scale) = stage.moves, (each[stage.moves] for each in box)
    begin = float(loss(params))
    if not np.isfinite(begin):
        raise NLSQNumericalError(f"The loss is {begin} where the {stage.name} begin: start elsewhere", "loss", begin)
    unit, origin = abs(begin) or 1.0, params[moves]

    def at(u: NDArray[np.float64]) -> NDArray[np.float64]:
        full = params.copy()
        full[moves] = np.clip(origin + u * scale, lower, upper)
        return full

    finite_elsewhere = False

    def relative(u: NDArray[np.float64]) -> float:
        nonlocal finite_elsewhere
        value = float(loss(at(u))) / unit
        finite_elsewhere |= bool(u.any()) and np.isfinite(value)
        return value

    found = minimize(
        relative,
        np.zeros(len(moves)),
        jac=None if gradient is None else lambda u: np.asarray(gradient(at(u)), dtype=float)[moves] * scale / unit,
        method="L-BFGS-B",
        bounds=list(zip((lower - origin) / scale, (upper - origin) / scale, strict=True)),
        options={"maxiter": stage.max_iterations, "ftol": stage.ftol, "gtol": 0.0},
    )
    value = float(found.fun) * unit
    if not value <= begin or not (found.success or found.nit or finite_elsewhere):  # also where it is NaN
        return params, begin, int(found.nit), _LOST
    # No step of the line search lowers the loss any more (status 2): the end, as far as its digits go.
    return at(found.x), value, int(found.nit), _LIMIT if found.status == 1 else _FINISHED
