"""Solvers for a model of the user's own: in one piece, in pieces, and in pieces with a file to go on from.

All of them hand ``residual_fn(xdata, *params) - ydata`` to `wilks.fit`, as `curve_fit` would; the pieces are for data
whose Jacobian does not fit into memory, and the answer is the same. For a residual that is complete by itself, give
zeros for `ydata`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.status import Outcome
from wilks.facades.homodyne.curve import Curve
from wilks.facades.homodyne.notices import NoEffectWarning, notice
from wilks.facades.homodyne.strategies.solving import Solved, SolverSettings, solve
from wilks.facades.homodyne.validation.options import section
from wilks.store.log import EvaluationLog

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]

__all__ = [
    "ExecutionResult",
    "LargeDatasetExecutor",
    "OptimizationExecutor",
    "StandardExecutor",
    "StreamingExecutor",
    "get_executor",
]

_CHUNK = 100_000
_FILE = "streaming.wilks"
_CHECKPOINT_KEYS = ("checkpoint_dir", "enable_checkpoints")
_CHECKPOINT_WITHOUT_EFFECT = ("checkpoint_frequency", "keep_last_n", "keep_last_checkpoints", "enable_compression")


@dataclass(eq=False)
class ExecutionResult:
    """What a solver found.

    Attributes
    ----------
    popt, pcov
        Parameters and their covariance, NaN for one that ended at a bound; scaled by the reduced chi-squared, as
        `curve_fit` does.
    info
        ``success``, ``message``, ``nfev``, ``cost``, and ``result``, that of `wilks.fit`.
    recovery_actions
        What was done about an ascent that failed.
    convergence_status
        ``"converged"``, ``"partial"`` or ``"failed"``.
    """

    popt: Arrays
    pcov: Arrays
    info: dict[str, Any]
    recovery_actions: list[str]
    convergence_status: str


class OptimizationExecutor(ABC):
    """A way to solve a least-squares problem."""

    @abstractmethod
    def execute(
        self,
        residual_fn: Callable[..., Any],
        xdata: ArrayLike,
        ydata: ArrayLike,
        initial_params: ArrayLike,
        bounds: tuple[ArrayLike, ArrayLike] | None,
        loss_name: str,
        x_scale_value: float | ArrayLike | str,
        logger: logging.Logger | None,
    ) -> ExecutionResult:
        """Minimise the loss of ``residual_fn(xdata, *params) - ydata``.

        Parameters
        ----------
        residual_fn
            The model, or a residual with zeros for `ydata`.
        xdata, ydata
            Where, and what was measured there, shape (n,).
        initial_params, bounds
            Start, and lower and upper bounds or None.
        loss_name
            ``"linear"``, ``"soft_l1"``, ``"huber"``, ``"cauchy"`` or ``"arctan"``.
        x_scale_value
            Typical scales of the parameters; those of the Jacobian for ``"jac"`` and 1.
        logger
            Told of the end, or None.
        """

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the strategy."""

    @property
    @abstractmethod
    def supports_progress(self) -> bool:
        """Does it show its progress?"""


class _FitExecutor(OptimizationExecutor):
    """What the three have in common: `wilks.fit`, which shows its progress in terminals."""

    def __init__(self, name: str, *, chunked: bool) -> None:
        self._name, self._chunked = name, chunked

    @property
    def name(self) -> str:
        """Name of the strategy."""
        return self._name

    @property
    def supports_progress(self) -> bool:
        """Yes: in a terminal."""
        return True

    def execute(
        self,
        residual_fn: Callable[..., Any],
        xdata: ArrayLike,
        ydata: ArrayLike,
        initial_params: ArrayLike,
        bounds: tuple[ArrayLike, ArrayLike] | None,
        loss_name: str,
        x_scale_value: float | ArrayLike | str,
        logger: logging.Logger | None,
    ) -> ExecutionResult:
        """Minimise the loss of ``residual_fn(xdata, *params) - ydata``; see `OptimizationExecutor.execute`."""
        names = [f"p{number}" for number in range(np.size(initial_params))]
        settings = SolverSettings.of({"loss": loss_name, "x_scale": x_scale_value}, names)
        curve = Curve(residual_fn, xdata, ydata, chunk_size=_CHUNK if self._chunked else None)
        with self._log() as log:
            solved = solve(curve.residual, initial_params, bounds, names, settings, chunked=curve.is_chunked, log=log)
        found = _as_result(solved)
        if logger is not None:
            logger.info("%s: %s Cost %.6g.", self._name, solved.message, solved.cost)
        return found

    def _log(self) -> EvaluationLog:
        return EvaluationLog()


class StandardExecutor(_FitExecutor):
    """All data at once.

    Examples
    --------
    >>> x = np.linspace(0, 1, 20)
    >>> found = StandardExecutor().execute(
    ...     lambda x, a, b: a * np.exp(-b * x), x, 2 * np.exp(-x), [1.0, 0.5], ([0, 0], [5, 5]), "linear", "jac", None
    ... )
    >>> found.popt.round(6), found.convergence_status
    (array([2., 1.]), 'converged')
    """

    def __init__(self) -> None:
        super().__init__("standard", chunked=False)


class LargeDatasetExecutor(_FitExecutor):
    """Pieces of 100 000 points, of which only a triangular factor is kept (`wilks.core.tsqr`).

    `residual_fn` is called with parts of `xdata`: what it says of a point may not depend on the others.
    """

    def __init__(self) -> None:
        super().__init__("large", chunked=True)


class StreamingExecutor(_FitExecutor):
    """Pieces, as `LargeDatasetExecutor`, and a file in which evaluations are kept: the same call goes on from it.

    A call with other data, another model or another start needs another folder, and says so.

    Parameters
    ----------
    checkpoint_config
        A folder, or a dictionary with ``checkpoint_dir`` and ``enable_checkpoints``; None for no file.

    Raises
    ------
    InvalidConfigurationError
        If a key is unknown.
    """

    def __init__(self, checkpoint_config: Mapping[str, Any] | str | Path | None = None) -> None:
        super().__init__("streaming", chunked=True)
        self._folder = _folder(checkpoint_config)

    def _log(self) -> EvaluationLog:
        if self._folder is None:
            return EvaluationLog()
        self._folder.mkdir(parents=True, exist_ok=True)
        return EvaluationLog(self._folder / _FILE)


_EXECUTORS: dict[str, type[StandardExecutor | LargeDatasetExecutor | StreamingExecutor]] = {
    "standard": StandardExecutor,
    "large": LargeDatasetExecutor,
    "chunked": LargeDatasetExecutor,
    "out_of_core": LargeDatasetExecutor,
    "streaming": StreamingExecutor,
    "hybrid_streaming": StreamingExecutor,
}


def get_executor(
    strategy_name: str, checkpoint_config: Mapping[str, Any] | str | Path | None = None
) -> OptimizationExecutor:
    """Return a solver by the name of its strategy.

    Parameters
    ----------
    strategy_name
        ``"standard"``, ``"large"`` (also ``"chunked"`` and ``"out_of_core"``) or ``"streaming"`` (also
        ``"hybrid_streaming"``); the values of `NLSQStrategy` are among these.
    checkpoint_config
        Of `StreamingExecutor`; it has no effect on the others.

    Raises
    ------
    InvalidConfigurationError
        If there is no such strategy.

    Examples
    --------
    >>> get_executor("large").name
    'large'
    """
    known = strategy_name.strip().lower() if isinstance(strategy_name, str) else ""
    if known not in _EXECUTORS:
        raise InvalidConfigurationError(
            f"strategy_name: expected one of {', '.join(_EXECUTORS)}, got {strategy_name!r}"
        )
    chosen = _EXECUTORS[known]
    if issubclass(chosen, StreamingExecutor):
        return chosen(checkpoint_config)
    if checkpoint_config is not None:
        notice(f"checkpoint_config: no effect; {known!r} keeps no file, 'streaming' does", NoEffectWarning)
    return chosen()


def _as_result(solved: Solved) -> ExecutionResult:
    result = solved.result
    failed = not np.isfinite(solved.cost) or (result is not None and result.status.outcome is Outcome.ALL_FAILED)
    info = {
        "success": solved.success,
        "message": solved.message,
        "nfev": solved.n_evaluations,
        "cost": solved.cost,
        "result": result,
    }
    steps = [] if result is None else list(result.provenance.executed)
    actions = [step.detail for step in steps if step.name == "recovery"]
    status = "converged" if solved.success else "failed" if failed else "partial"
    return ExecutionResult(solved.params, solved.covariance, info, actions, status)


def _folder(given: Mapping[str, Any] | str | Path | None) -> Path | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return Path(given)
    section("checkpoint_config", given, (*_CHECKPOINT_KEYS, *_CHECKPOINT_WITHOUT_EFFECT))
    idle = [key for key in given if key in _CHECKPOINT_WITHOUT_EFFECT]
    if idle:
        notice(
            f"checkpoint_config: {', '.join(idle)}: no effect; every evaluation is kept, in one file",
            NoEffectWarning,
            4,
        )
    if not given.get("enable_checkpoints", True):
        return None
    if "checkpoint_dir" not in given:
        raise InvalidConfigurationError("checkpoint_config: 'checkpoint_dir' is missing, the folder of the file")
    return Path(given["checkpoint_dir"])
