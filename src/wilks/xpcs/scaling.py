r"""Contrast and offset of every angle as functions of a few linear coefficients c.

.. math:: \mathrm{contrast} = b_0 + B_b c, \quad \mathrm{offset} = o_0 + B_o c                                    (1)

Given the physical parameters the correlations are linear in c, so every choice of the matrices costs the same and is
solved exactly (`wilks.xpcs.projection`): a contrast and an offset for each angle, one of each for all, a Fourier
series in the angle, or none at all (both fixed).
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Kind = Literal["individual", "averaged", "constant", "fourier", "auto"]
_KINDS = ("individual", "constant", "averaged", "auto")
CONTRAST_BOUNDS = (0.0, 1.0)
OFFSET_BOUNDS = (0.5, 1.5)
_CONTRAST_START, _OFFSET_START = 0.3, 1.0
_LEAST_PAIRS = 30


@dataclass(frozen=True)
class Scaling:
    """How contrast and offset depend on the angle.

    Make one with a class method; `wilks.xpcs.fit` also takes the names ``"individual"``, ``"averaged"``,
    ``"constant"`` and ``"auto"``.

    Attributes
    ----------
    kind
        ``"individual"``: a contrast and an offset for every angle. ``"averaged"``: one of each for all angles.
        ``"fourier"``: series in the angle. ``"constant"``: fixed numbers.
    order
        Order of the series.
    contrast, offset
        The fixed numbers, one for each angle; None to estimate them from quantiles of the data.

    Examples
    --------
    >>> Scaling.fourier(2)
    Scaling(kind='fourier', order=2, contrast=None, offset=None)
    """

    kind: Kind = "individual"
    order: int = 0
    contrast: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in get_args(Kind):
            raise InvalidConfigurationError(_unknown(self.kind))

    @classmethod
    def individual(cls) -> Scaling:
        """A contrast and an offset for every angle."""
        return cls("individual")

    @classmethod
    def averaged(cls) -> Scaling:
        """One contrast and one offset for all angles: biased if they differ."""
        return cls("averaged")

    @classmethod
    def constant(cls, contrast: ArrayLike | None = None, offset: ArrayLike | None = None) -> Scaling:
        """Fixed numbers, the same for all angles or one for each; from quantiles of the data where None."""
        return cls("constant", 0, _numbers(contrast, "contrast"), _numbers(offset, "offset"))

    @classmethod
    def fourier(cls, order: int) -> Scaling:
        r"""Series :math:`c_0 + \sum_{m=1}^{order} c_m \cos m\phi + s_m \sin m\phi` for each of the two."""
        if isinstance(order, bool) or not isinstance(order, int) or order < 0:
            raise InvalidConfigurationError(f"Scaling.fourier: expected an integer order >= 0, got {order!r}")
        return cls("fourier", order)

    def rows(self, angles: NDArray[np.intp], n_angles: int) -> Scaling:
        """The same scaling for some of the `n_angles` angles of the data.

        Raises
        ------
        InvalidConfigurationError
            If it has numbers for another number of angles.
        """
        return replace(
            self, contrast=_some(self.contrast, angles, n_angles), offset=_some(self.offset, angles, n_angles)
        )


def as_scaling(given: object) -> Scaling:
    """Return the scaling that a user means.

    Raises
    ------
    InvalidConfigurationError
        If it is none.
    """
    if isinstance(given, Scaling):
        return given
    if isinstance(given, str) and given in _KINDS:
        return Scaling(given)  # type: ignore[arg-type]  # just checked
    raise InvalidConfigurationError(_unknown(given))


@dataclass(frozen=True)
class LinearBlock:
    """The linear coefficients of a fit; see equation (1).

    Attributes
    ----------
    names
        Of the coefficients, length n.
    to_contrast, to_offset
        The matrices, shape (n_angles, n).
    contrast, offset
        Contributions that do not depend on the coefficients, shape (n_angles,).
    lower, upper
        Bounds of the coefficients, shape (n,).
    start
        Where coefficients stay that the data do not determine, shape (n,).
    penalty
        Matrix P of the term c'Pc that is added to chi-squared, shape (n, n).
    reason
        Why this scaling was chosen, in words.
    """

    names: tuple[str, ...]
    to_contrast: NDArray[np.float64]
    to_offset: NDArray[np.float64]
    contrast: NDArray[np.float64]
    offset: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    start: NDArray[np.float64]
    penalty: NDArray[np.float64]
    kind: Kind
    reason: str

    @cached_property
    def own(self) -> NDArray[np.intp]:
        """Coefficients that each angle depends on, shape (n_angles, w): few of many if every angle has its own."""
        used = (self.to_contrast != 0) | (self.to_offset != 0)
        width = int(used.sum(axis=1).max(initial=0))
        found: NDArray[np.intp] = np.argsort(~used, axis=1, kind="stable")[:, :width]
        return found

    @cached_property
    def maps(self) -> NDArray[np.float64]:
        """Rows of the two matrices for each angle and its own coefficients, offset first, shape (n_angles, 2, w)."""
        rows = np.stack([self.to_offset, self.to_contrast], axis=1)
        return np.take_along_axis(rows, self.own[:, None, :], axis=2)

    def scaled(self, c: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Contrast and offset of every angle, equation (1)."""
        return self.contrast + self.to_contrast @ c, self.offset + self.to_offset @ c

    def without_contrast(self) -> LinearBlock:
        """Return the same block with a contrast of 0 at every angle."""
        return replace(self, to_contrast=np.zeros_like(self.to_contrast), contrast=np.zeros_like(self.contrast))

    def with_penalty(self, penalty: NDArray[np.float64]) -> LinearBlock:
        """Return the same block with this penalty."""
        return replace(self, penalty=penalty)


@dataclass(frozen=True)
class Shrinkage:
    r"""Regularisation of the scaling: contrasts and offsets spread about their mean with a known width.

    Adds :math:`\sum_k (b_k - \bar b)^2 / s_b^2 + \sum_k (o_k - \bar o)^2 / s_o^2` to chi-squared: a prior, which the
    standard errors then include.

    Parameters
    ----------
    contrast, offset
        Widths s_b and s_o; None for no such term.
    relative
        The widths are fractions of the mean contrast and offset (as quantiles of the data have them).

    Examples
    --------
    >>> Shrinkage(contrast=0.05)
    Shrinkage(contrast=0.05, offset=None, relative=False)
    """

    contrast: float | None = None
    offset: float | None = None
    relative: bool = False

    def __post_init__(self) -> None:
        """Check the widths."""
        for name, width in (("contrast", self.contrast), ("offset", self.offset)):
            if width is not None and not (isinstance(width, (int, float)) and 0 < width < math.inf):
                raise InvalidConfigurationError(f"Shrinkage: expected a width > 0 or None for {name}, got {width!r}")

    def penalty(
        self, block: LinearBlock, contrast: NDArray[np.float64], offset: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Matrix of the added term; `contrast` and `offset` as estimated from quantiles, shape (n_angles,)."""
        n = len(block.contrast)
        centred = np.eye(n) - 1.0 / n
        total = np.zeros_like(block.penalty)
        for width, matrix, level in (
            (self.contrast, block.to_contrast, contrast),
            (self.offset, block.to_offset, offset),
        ):
            if width is not None:
                s = width * abs(float(level.mean())) if self.relative else width
                total += (centred @ matrix).T @ (centred @ matrix) / s**2
        return total


def linear_block(
    scaling: Scaling,
    phi: NDArray[np.float64],
    n_used: NDArray[np.int64],
    quantiles: tuple[NDArray[np.float64], NDArray[np.float64]],
    bounds: tuple[tuple[float, float], tuple[float, float]] = (CONTRAST_BOUNDS, OFFSET_BOUNDS),
) -> LinearBlock:
    """Return the matrices of a scaling for the angles `phi` in degrees.

    `quantiles` are the contrast and offset of every angle as estimated from the data without a model, which
    ``"constant"`` uses.
    """
    n = len(phi)
    kind, reason = scaling.kind, "as asked for"
    if kind == "auto":
        few = n > 1 and int(n_used.min()) < _LEAST_PAIRS
        kind = "averaged" if few else "individual"
        reason = (
            f"chosen because an angle has only {int(n_used.min())} pairs"
            if few
            else "chosen because it is exact for every data set, and costs nothing"
        )
    if kind == "constant":
        fixed = [
            np.broadcast_to(np.asarray(found if given is None else given, dtype=float), (n,)).copy()
            for given, found in zip((scaling.contrast, scaling.offset), quantiles, strict=True)
        ]
        none = np.empty((n, 0))
        empty = np.empty(0)
        return LinearBlock((), none, none, fixed[0], fixed[1], empty, empty, empty, np.empty((0, 0)), kind, reason)
    if kind == "individual":
        basis, labels = np.eye(n), [str(k) for k in range(n)]
    elif kind == "averaged":
        basis, labels = np.ones((n, 1)), [""]
    else:
        if 2 * scaling.order + 1 > n:
            raise InvalidConfigurationError(
                f"scaling: a Fourier series of order {scaling.order} has {2 * scaling.order + 1} coefficients, "
                f"but there are only {n} angles; use a lower order, or 'individual'"
            )
        angles = np.deg2rad(phi)
        waves = [f(m * angles) for m in range(1, scaling.order + 1) for f in (np.cos, np.sin)]
        basis = np.column_stack([np.ones(n), *waves])
        labels = ["mean", *(f"{f}{m}" for m in range(1, scaling.order + 1) for f in ("cos", "sin"))]
    k = basis.shape[1]
    zero = np.zeros((n, k))
    lower = np.repeat([bounds[0][0], bounds[1][0]], k)
    upper = np.repeat([bounds[0][1], bounds[1][1]], k)
    start = np.clip(np.repeat([_CONTRAST_START, _OFFSET_START], k), lower, upper)
    if kind == "fourier":
        waves_of = [i for i in range(2 * k) if i % k]
        start[waves_of] = 0.0
        lower[waves_of], upper[waves_of] = (lower - upper)[waves_of], (upper - lower)[waves_of]
    names = tuple(f"{what}_{label}".rstrip("_") for what in ("contrast", "offset") for label in labels)
    return LinearBlock(
        names,
        np.hstack([basis, zero]),
        np.hstack([zero, basis]),
        np.zeros(n),
        np.zeros(n),
        lower,
        upper,
        start,
        np.zeros((2 * k, 2 * k)),
        kind,
        reason,
    )


def _some(given: tuple[float, ...] | None, angles: NDArray[np.intp], n: int) -> tuple[float, ...] | None:
    if given is None or len(given) == 1:
        return given
    if len(given) != n:
        raise InvalidConfigurationError(
            f"scaling: Scaling.constant has {len(given)} values, but the data have {n} angles; give one, or {n}"
        )
    return tuple(given[k] for k in angles.tolist())


def _unknown(given: object) -> str:
    near = difflib.get_close_matches(str(given), _KINDS, 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"scaling: expected one of {', '.join(map(repr, _KINDS))} or Scaling.fourier(order), got {given!r}{meant}"


def _numbers(given: ArrayLike | None, what: str) -> tuple[float, ...] | None:
    if given is None:
        return None
    array = np.atleast_1d(np.asarray(given, dtype=float))
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InvalidConfigurationError(f"Scaling.constant: expected a number or one for each angle, {what}={given!r}")
    if not (array > 0).all():
        raise InvalidConfigurationError(f"Scaling.constant: expected positive numbers, got {what}={given!r}")
    return tuple(array.tolist())
