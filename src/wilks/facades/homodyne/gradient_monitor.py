"""Watch the gradient of a fit of one's own: do physical parameters lose their signal to contrasts and offsets?

In `wilks.xpcs.fit` they cannot: contrasts and offsets are at their best at every step, so their gradient is zero all
the time. What they absorb is a property of the data, ``result.diagnostics.absorption``.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.validation.options import CheckedOptions, limited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Gradient = Callable[[NDArray[np.float64]], NDArray[np.float64]]

__all__ = [
    "CollapseEvent",
    "GradientCollapseMonitor",
    "GradientMonitorConfig",
    "create_gradient_function_with_monitoring",
]

_log = logging.getLogger(__name__)
_CALM, _LOW, _COLLAPSED = "OK", "WARNING", "COLLAPSE_DETECTED"


@dataclass
class GradientMonitorConfig(CheckedOptions):
    """Options of `GradientCollapseMonitor`.

    Attributes
    ----------
    enable
        If False, every check says ``"OK"``.
    ratio_threshold
        Norm of the physical part of the gradient over that of the others below which a check is low.
    consecutive_triggers
        Low checks in a row that are a collapse.
    response_mode
        What the caller should do then, as `GradientCollapseMonitor.get_response` says it.
    reset_per_angle_to_mean
        Does `GradientCollapseMonitor.compute_reset_params` change anything?
    lambda_multiplier_on_collapse
        Part of the response: factor for the strength of a regularisation.
    check_interval
        Only iterations that are multiples of it are checked.
    watch_parameters, watch_threshold, watch_consecutive_triggers, watch_min_iteration
        Positions of single parameters to watch: a derivative smaller than the threshold, that often in a row, from
        that iteration on, makes a check ``"WARNING"``.
    """

    enable: bool = True
    ratio_threshold: float = limited(0.01, above=0)
    consecutive_triggers: int = limited(5, least=1)
    response_mode: Literal["warn", "hierarchical", "reset", "abort"] = "hierarchical"
    reset_per_angle_to_mean: bool = True
    lambda_multiplier_on_collapse: float = limited(10.0, above=0)
    check_interval: int = limited(1, least=1)
    watch_parameters: list[int] | None = None
    watch_threshold: float = limited(1e-8, above=0)
    watch_consecutive_triggers: int = limited(3, least=1)
    watch_min_iteration: int = limited(5, least=0)


@dataclass
class CollapseEvent:
    """A collapse of the gradient.

    Attributes
    ----------
    iteration
        When it was found.
    ratio, physical_grad_norm, per_angle_grad_norm
        Of the gradient then.
    response_mode
        What was to be done.
    """

    iteration: int
    ratio: float
    physical_grad_norm: float
    per_angle_grad_norm: float
    response_mode: str


class GradientCollapseMonitor:
    """Compares the norms of the two parts of a gradient.

    Parameters
    ----------
    config
        Options.
    physical_indices, per_angle_indices
        Positions of the physical parameters, and of contrasts and offsets or their coefficients.

    Attributes
    ----------
    consecutive_count
        Low checks in a row, up to now.
    collapse_detected, collapse_events
        Was there a collapse, and when.
    best_loss, best_params
        The lowest loss that a check was told, and where it was.

    Examples
    --------
    >>> config = GradientMonitorConfig(ratio_threshold=0.01, consecutive_triggers=2)
    >>> monitor = GradientCollapseMonitor(config, physical_indices=[2], per_angle_indices=[0, 1])
    >>> [monitor.check(np.array([1.0, 1.0, 1e-4]), iteration) for iteration in range(2)]
    ['WARNING', 'COLLAPSE_DETECTED']
    >>> monitor.get_response()["mode"]
    'hierarchical'
    """

    MAX_HISTORY_SIZE: ClassVar[int] = 1000

    def __init__(
        self,
        config: GradientMonitorConfig,
        physical_indices: Sequence[int] | NDArray[np.intp],
        per_angle_indices: Sequence[int] | NDArray[np.intp],
    ) -> None:
        self.config = config
        self.physical_indices: NDArray[np.intp] = np.asarray(physical_indices, dtype=np.intp)
        self.per_angle_indices: NDArray[np.intp] = np.asarray(per_angle_indices, dtype=np.intp)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.consecutive_count = 0
        self.collapse_detected = False
        self.collapse_events: list[CollapseEvent] = []
        self.best_loss = np.inf
        self.best_params: NDArray[np.float64] | None = None
        self.history: deque[dict[str, float]] = deque(maxlen=self.MAX_HISTORY_SIZE)
        self.watch_counts = dict.fromkeys(self.config.watch_parameters or (), 0)

    def check(
        self, gradients: ArrayLike, iteration: int, params: ArrayLike | None = None, loss: float | None = None
    ) -> str:
        """Look at a gradient: ``"OK"``, ``"WARNING"`` for a low ratio, ``"COLLAPSE_DETECTED"`` for many in a row.

        A gradient that is not finite is a ``"WARNING"``, and no part of the statistics.
        """
        if loss is not None and params is not None and float(loss) < self.best_loss:
            self.best_loss, self.best_params = float(loss), np.array(params, dtype=float)
        if not self.config.enable or iteration % self.config.check_interval:
            return _CALM
        gradient = np.asarray(gradients, dtype=float)
        if not np.isfinite(gradient).all():
            _log.warning("Iteration %d: the gradient is not finite", iteration)
            return _LOW
        watched = self._watch(gradient, iteration)
        physical = float(np.linalg.norm(gradient[self.physical_indices]))
        per_angle = float(np.linalg.norm(gradient[self.per_angle_indices]))
        ratio = physical / per_angle if per_angle > 0 else np.inf
        self.history.append(
            {
                "iteration": iteration,
                "physical_grad_norm": physical,
                "per_angle_grad_norm": per_angle,
                "ratio": ratio,
            }
        )
        if ratio >= self.config.ratio_threshold:
            self.consecutive_count = 0
            return watched
        self.consecutive_count += 1
        if self.consecutive_count < self.config.consecutive_triggers:
            return _LOW
        if self.consecutive_count == self.config.consecutive_triggers:
            self.collapse_detected = True
            mode = self.config.response_mode
            self.collapse_events.append(CollapseEvent(iteration, ratio, physical, per_angle, mode))
            _log.warning("Iteration %d: the physical part of the gradient is %.3g of the rest", iteration, ratio)
        return _COLLAPSED

    def get_response(self) -> dict[str, Any] | None:
        """What to do after a collapse, with the best point and the history; None if there was none."""
        if not self.collapse_detected:
            return None
        return {
            "mode": self.config.response_mode,
            "reset_per_angle": self.config.reset_per_angle_to_mean,
            "lambda_multiplier": self.config.lambda_multiplier_on_collapse,
            "best_params": self.best_params,
            "best_loss": self.best_loss,
            "history": list(self.history),
            "collapse_events": list(self.collapse_events),
        }

    def compute_reset_params(self, params: ArrayLike, n_phi: int) -> NDArray[np.float64]:
        """Parameters with all contrasts at their mean, and all offsets; of Fourier coefficients the means stay."""
        values = np.array(params, dtype=float)
        if not self.config.reset_per_angle_to_mean:
            return values
        halves = np.array_split(self.per_angle_indices, 2)
        if len(halves[0]) != len(halves[1]) or len(halves[0]) > n_phi:
            raise InvalidConfigurationError(
                f"per_angle_indices: expected as many positions of contrasts as of offsets, at most {n_phi} each, got "
                f"{len(self.per_angle_indices)} in all"
            )
        for half in halves:
            if len(half) == n_phi:
                values[half] = values[half].mean()
            else:
                values[half[1:]] = 0.0
        return values

    def get_diagnostics(self) -> dict[str, Any]:
        """Statistics of the checks that are kept."""
        found: dict[str, Any] = {"enabled": self.config.enable, "n_checks": len(self.history)}
        if self.history:
            ratios = np.array([entry["ratio"] for entry in self.history])
            norms = np.array([entry["physical_grad_norm"] for entry in self.history])
            found |= {
                "min_ratio": float(ratios.min()),
                "max_ratio": float(ratios.max()),
                "mean_ratio": float(ratios.mean()),
                "final_ratio": float(ratios[-1]),
                "min_physical_grad": float(norms.min()),
                "max_physical_grad": float(norms.max()),
                "mean_physical_grad": float(norms.mean()),
                "collapse_detected": self.collapse_detected,
                "consecutive_triggers": self.consecutive_count,
                "n_collapse_events": len(self.collapse_events),
                "response_mode": self.config.response_mode,
                "threshold": self.config.ratio_threshold,
            }
        if self.config.watch_parameters:
            limit = self.config.watch_consecutive_triggers
            found |= {
                "watch_parameters": list(self.config.watch_parameters),
                "watch_consecutive_counts": dict(self.watch_counts),
                "watch_collapse_detected": {k: count >= limit for k, count in self.watch_counts.items()},
            }
        return found

    def _watch(self, gradient: NDArray[np.float64], iteration: int) -> str:
        """Count the small derivatives of the watched parameters."""
        if iteration >= self.config.watch_min_iteration:
            for k, count in self.watch_counts.items():
                self.watch_counts[k] = count + 1 if abs(gradient[k]) < self.config.watch_threshold else 0
        limit = self.config.watch_consecutive_triggers
        low = [k for k, count in self.watch_counts.items() if count >= limit]
        if low:
            _log.warning("Iteration %d: no gradient left at the parameters %s", iteration, low)
        return _LOW if low else _CALM


def create_gradient_function_with_monitoring(grad_fn: Gradient, monitor: GradientCollapseMonitor) -> Gradient:
    """The same gradient, with every call checked by `monitor`; a call counts as an iteration."""
    calls = 0

    def gradient(params: NDArray[np.float64]) -> NDArray[np.float64]:
        nonlocal calls
        found = grad_fn(params)
        monitor.check(found, calls, params)
        calls += 1
        return found

    return gradient
