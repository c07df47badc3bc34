"""Options of a fit."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.loss import Loss, as_loss
from wilks.xpcs.scaling import Shrinkage
from wilks.xpcs.strategy import limit_bytes

Method = Literal["multi_start", "cma_es", "local", "auto"]
Design = Literal["latin_hypercube", "sobol", "random"]
KernelName = Literal["auto", "numpy", "numba"]


@dataclass(frozen=True)
class ShearWeights:
    r"""Weights of the angles by how much they see of the shear, :math:`|\cos(\phi_0 - \phi)|^a`, mean 1.

    Least squares weights every pixel by its noise, which is the best that can be done for a model that is right. These
    weights are for data whose angles perpendicular to the flow are known to deviate from the model. Standard errors
    take them into account.

    Parameters
    ----------
    exponent
        a.
    minimum
        Least weight, as a fraction of the largest.
    """

    exponent: float = 1.0
    minimum: float = 0.3

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (self.exponent >= 0 and 0 <= self.minimum <= 1):
            raise InvalidConfigurationError(f"ShearWeights: expected exponent >= 0 and 0 <= minimum <= 1, got {self!r}")

    def of(self, phi: np.ndarray, phi0: float) -> np.ndarray:
        """Weights of the angles, in degrees, when the flow is in the direction `phi0`.

        Examples
        --------
        >>> ShearWeights(minimum=0.5).of(np.array([0.0, 90.0]), 0.0).round(3).tolist()
        [1.333, 0.667]
        """
        raw = np.maximum(np.abs(np.cos(np.deg2rad(phi0 - phi))) ** self.exponent, self.minimum)
        return np.asarray(raw / raw.mean())


@dataclass(frozen=True)
class FitOptions:
    """How `wilks.xpcs.fit` looks for the best fit; every default is meant to be right.

    Parameters
    ----------
    method
        ``"multi_start"``: a design of points is screened on a coarse subset of the data, and the best are refined.
        ``"cma_es"``: an evolution strategy with restarts on the coarse subset, then refinement. ``"local"``: from the
        initial values alone. ``"auto"``: the evolution strategy if the widths of the boxes with a linear scale
        differ by more than a factor of 1000, else the multi-start.
    n_starts, n_refined
        Points that are screened, and how many of them are refined.
    n_restarts
        Restarts of the evolution strategy.
    design
        Of the points that are screened.
    loss
        ``"linear"`` (least squares), ``"soft_l1"``, ``"huber"``, ``"cauchy"``, ``"arctan"`` or a ``wilks.Loss``.
    weights
        Weights of the angles in chi-squared: a sequence with one for each, `ShearWeights`, or None.
    regularisation
        `Shrinkage` of contrasts and offsets towards their mean, or None.
    memory_limit
        Bytes, text such as ``"2GB"``, or a fraction of what is available; None for a safe part of it.
    kernel
        ``"numpy"``, ``"numba"`` (needs the extra ``fast``) or ``"auto"``, by the amount of work.
    n_threads
        Threads of a pass over the data, where more than one is quicker; None for one for each core.
    tolerance
        Gain in log-likelihood below which the fit is at its end.
    max_iterations
        Trial steps after which an ascent ends without convergence.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> FitOptions(method="local", loss="huber").loss
    Loss(name='huber', scale=1.0)
    """

    method: Method = "multi_start"
    n_starts: int = 1000
    n_refined: int = 20
    n_restarts: int = 4
    design: Design = "latin_hypercube"
    loss: Loss = field(default_factory=lambda: Loss("linear"))
    weights: ShearWeights | tuple[float, ...] | None = None
    regularisation: Shrinkage | None = None
    memory_limit: float | str | None = None
    kernel: KernelName = "auto"
    n_threads: int | None = None
    tolerance: float = 1e-6
    max_iterations: int = 100

    def __post_init__(self) -> None:
        """Check the options."""
        for name, known in (("method", Method), ("design", Design), ("kernel", KernelName)):
            _check_choice(name, getattr(self, name), get_args(known))
        for name in ("n_starts", "n_refined", "n_restarts", "max_iterations", "n_threads"):
            value = getattr(self, name)
            optional = name == "n_threads" and value is None
            if not optional and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidConfigurationError(f"FitOptions: {name}: expected an integer >= 1, got {value!r}")
        if not (isinstance(self.tolerance, (int, float)) and 0 < self.tolerance < 1):
            raise InvalidConfigurationError(
                f"FitOptions: tolerance: expected 0 < tolerance < 1, got {self.tolerance!r}"
            )
        try:
            limit_bytes(self.memory_limit, 1)
        except InvalidConfigurationError as error:
            raise InvalidConfigurationError(f"FitOptions: memory_limit: {error}") from None
        try:
            object.__setattr__(self, "loss", as_loss(self.loss))
        except InvalidProblemError as error:
            raise InvalidConfigurationError(f"FitOptions: {error}") from error
        if self.weights is not None and not isinstance(self.weights, ShearWeights):
            try:
                array = np.asarray(self.weights, dtype=float)
            except (TypeError, ValueError):
                array = np.empty(0)
            if array.ndim != 1 or not array.size or not (np.isfinite(array).all() and (array > 0).all()):
                raise InvalidConfigurationError(
                    f"FitOptions: weights: expected positive numbers, one for each angle, or ShearWeights(), "
                    f"got {self.weights!r}"
                )
            object.__setattr__(self, "weights", tuple(array.tolist()))
        if self.regularisation is not None and not isinstance(self.regularisation, Shrinkage):
            raise InvalidConfigurationError(
                f"FitOptions: regularisation: expected Shrinkage(...) or None, got {self.regularisation!r}"
            )


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        near = difflib.get_close_matches(str(value), known, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InvalidConfigurationError(
            f"FitOptions: {name}: expected one of {', '.join(map(repr, known))}, got {value!r}{hint}"
        )
