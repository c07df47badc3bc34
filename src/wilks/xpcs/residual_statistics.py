r"""Are the residuals of a fit what its standard errors take them for: independent, normal, of standard deviation 1?

A wrong model, a wrong sigma, hot pixels, and noise that neighbouring pairs share all leave a trace there. Each is
looked for by a number that is known for white noise, with a threshold that noise passes in one fit of some thousand;
what is significant and too small to matter is left out.

*Correlated noise.* An estimate is, near the optimum, a weighted sum of residuals, :math:`\theta - \theta_0 = \sum_p g_p
r_p`. If the weights g change little over the shifts (a, b) at which residuals are correlated,

.. math:: \mathrm{var}\,\theta = \sum_{pq} g_p g_q \langle r_p r_q \rangle
          \approx \sum_p g_p^2 \cdot \overline{r^2} F, \quad F = \sum_{ab} \rho_{ab}                             (1)

in place of :math:`\sum_p g_p^2`, so standard errors are too small by the factor

.. math:: \sqrt{\overline{r^2} F}                                                                                (2)

The sum runs over shifts of both times up to W frames. Each :math:`\rho_{ab}` adds noise, so W is the smallest number
that is at least 2.5 times the integrated autocorrelation :math:`1 + 2 \sum_{s \le W} \rho_s` along the age and along
the lag, the window of Sokal (1997, in Functional Integration, eq. 3.21, where the integrated time is half of this).

That window closes too early on noise that is white for the most part. Few photons make such noise: they are white,
and the speckles behind them are not, so all pairs of one frame with the frames of one speckle's life share a little.
Each :math:`\rho_s` may be lost in its error while their sum makes the standard errors wrong. So sums of the first 1, 2,
5, 10, 20, 40 autocorrelations along the age and along the lag are tested too. The one that exceeds zero by most
standard errors, S terms long, tells how far the correlations reach: those that fall as :math:`e^{-s / \tau}` make it
longest at :math:`S = 1.26 \tau`. F then counts the shifts of this direction up to 2 S, which have nine tenths of them.

Besides slowly changing weights, (1) takes the correlation to be the same at all ages, lags and angles, and angles to
be independent of each other. A wrong model is no noise: there (2) says how strong the pattern is, and neither the
errors nor the values can be mended by a factor.

*Standard errors under whiteness.* Of an autocorrelation :math:`N^{-1/2}` for N products (`wilks.xpcs.residual_sums`),
of the mean :math:`n^{-1/2}`, of the deviation of the bulk, which outliers do not move, :math:`(0.93 / n)^{1/2}`
(from the number of residuals between -1 and 1, which is binomial), together with the error of sigma itself where it
was estimated (equation 1 of `wilks.xpcs.noise`). Chi-squared in a class of lags is compared by the cube root of
Wilson and Hilferty (1931), which is normal down to a few pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.table import Table, with_error
from wilks.xpcs.noise import ESTIMATED, N_DIFFERENCES
from wilks.xpcs.residual_sums import EXPECTED_BEYOND, TAILS, first_lags, joined
from wilks.xpcs.views import view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wilks.xpcs.residual_sums import Direction, ResidualSums
    from wilks.xpcs.result import XpcsFit

_SURE, _SURE_OF_ONE = 4.0, 5.0
"""Standard errors that make a finding, and that make one in one of many angles."""
_TESTED_SHIFTS = 10
_SUMMED_SHIFTS = (1, 2, 5, 10, 20, 40)
"""Numbers of autocorrelations whose sums are tested."""
_NOTABLE_FACTOR, _NOTABLE_CORRELATION = 0.03, 0.05
"""Change of standard errors, and correlation, from which on a correlation matters."""
_NOTABLE_SPREAD, _NOTABLE_LAG, _NOTABLE_MEAN, _NOTABLE_TAIL = 0.05, 0.1, 0.02, 1.5
_NOTABLE_SKEWNESS = 0.2
_RARE = 1e-4
_WINDOW = 2.5
_BULK = 0.93
"""Variance of the deviation of the bulk of n residuals, times n."""
_LAG_CLASSES = 12
_CLIPPED = 1.35
"""How much less than independent normal ones the second differences are worth that sigma is estimated from."""
_DIRECTIONS: tuple[tuple[Direction, str], ...] = (("age", "neighbouring ages"), ("lag", "neighbouring lags"))


@dataclass(frozen=True, eq=False)
class ResidualStatistics:
    """Statistics of the residuals of a fit.

    Attributes
    ----------
    angles, phi
        Positions of the angles that have data, and the angles in degrees.
    per_angle
        Moments, tails, autocorrelations and chi-squared by lag of each of these.
    overall
        The same of all together.
    inflation
        Factor by which standard errors are too small, equation (2): rough, see there for what it assumes. For white
        noise it is 1, and less where the data are few: the fit follows a part of their noise. NaN if correlations reach
        too far to be summed up.
    window
        Largest shift in it, in frames.
    correlated
        Are residuals of neighbouring pairs correlated, so that standard errors are off by the factor `inflation`?
    reasons
        Sentences that say why the residuals are not white; empty where they are.
    """

    angles: tuple[int, ...]
    phi: NDArray[np.float64]
    per_angle: tuple[ResidualSums, ...]
    overall: ResidualSums
    inflation: float
    window: int
    correlated: bool
    reasons: tuple[str, ...]

    @property
    def is_white(self) -> bool:
        """Are the residuals independent, normal and of standard deviation 1, as far as one can tell?"""
        return not self.reasons

    def table(self) -> Table:
        """Statistics of every angle and of all together, as a table."""
        rows = [_row(f"{phi:g}", sums) for phi, sums in zip(self.phi, self.per_angle, strict=True)]
        expected = tuple(f"{fraction:.2g}" for fraction in EXPECTED_BEYOND)
        columns = ("phi", "mean", "deviation", "skewness", "kurtosis", "> 3", "> 5", "age + 1", "lag + 1")
        return Table(
            "Residuals over sigma",
            columns,
            (*rows, _row("all", self.overall), ("white", "0", "1", "0", "0", *expected, "0", "0")),
            " ".join(self.reasons) or "They are white: independent, normal, and as large as sigma says.",
        )

    def __repr__(self) -> str:
        """Return the table."""
        return self.table().text()


def residual_statistics(result: XpcsFit) -> ResidualStatistics:
    """Return statistics of the residuals of a fit, of every angle and of all together.

    Parameters
    ----------
    result
        A fit with its data.

    Raises
    ------
    InvalidConfigurationError
        If the result has no best point, or was loaded without its data.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(60), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> truth = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}
    >>> data = xpcs.simulate(truth, geometry, mode="static", sigma=0.01, seed=1)
    >>> result = xpcs.fit(data, "static", parameters={"D_offset": 0.0}, seed=1, callbacks=())
    >>> found = residual_statistics(result)
    >>> found.is_white, found.overall.n
    (True, 3540)
    """
    angles = tuple(np.flatnonzero(np.isfinite(result.sigma)).tolist())
    parts = tuple(view(result, angle).sums for angle in angles)
    overall, phi = joined(parts), result.phi[list(angles)]
    factor, window = inflation(overall)
    is_estimated = result.noise == ESTIMATED
    correlated = tuple(_correlation_reasons(overall, factor, window))
    robust = result.loss == "linear" and not correlated
    reasons = (
        *correlated,
        *_spread_reasons(overall, len(parts), factor, is_estimated=is_estimated),
        *(tuple(_tail_reasons(parts, overall, advise_robust=robust)) or tuple(_skew_reasons(overall))),
        *_lag_reasons(overall, result.dt, factor),
        *_correlated_angles(phi, parts),
        *_broad_angles(phi, parts, is_estimated=is_estimated),
    )
    return ResidualStatistics(angles, phi, parts, overall, factor, window, bool(correlated), reasons)


def inflation(sums: ResidualSums) -> tuple[float, int]:
    """Equation (2), and the largest shift in it; NaN where the correlations cancel."""
    k = sums.max_shift
    tau = np.ones(k)
    for direction, _ in _DIRECTIONS:
        correlation = np.nan_to_num(sums.along(direction)[0])
        tau = np.maximum(tau, 1 + 2 * np.cumsum(correlation))
    enough = np.flatnonzero(np.arange(1, k + 1) >= _WINDOW * tau)
    w = int(enough[0]) + 1 if len(enough) else k
    part = np.ix_(np.arange(w + 1), np.arange(k - w, k + w + 1))
    products, n = sums.products[part], sums.n_products[part]
    rho = np.divide(products, n, out=np.zeros(products.shape), where=n > 0)
    # Shifts (a, b) and (-a, -b) are the same products: the row a = 0 holds both, the others stand for two.
    total, largest = rho[0].sum() + 2 * rho[1:].sum(), w
    for direction, _ in _DIRECTIONS:
        length, _, z = _longest(sums, direction)
        if z > _SURE and 2 * length > w:
            reach = min(2 * length, k)
            # Along the lag either time moves: two shifts for one along the age.
            total += (4 if direction == "lag" else 2) * np.nansum(sums.along(direction)[0][w:reach])
            largest = max(largest, reach)
    mean_square = sums.chi_squared / sums.n
    return (math.sqrt(mean_square * total) if total > 0 else math.nan), largest


def _row(name: str, sums: ResidualSums) -> tuple[str, ...]:
    numbers = (sums.mean, sums.standard_deviation, sums.skewness, sums.excess_kurtosis)
    first = (sums.along(direction)[0][0] for direction, _ in _DIRECTIONS)
    return (
        name,
        *(f"{value:.3f}" for value in numbers),
        *(f"{value:.2g}" for value in sums.beyond),
        *(f"{value:.3f}" for value in first),
    )


def _strongest(sums: ResidualSums, direction: Direction) -> tuple[float, float, int]:
    """The first autocorrelation if it is significant, else the most significant of the first ones.

    With it come its standard error and the shift in frames.
    """
    correlation, error = (each[:_TESTED_SHIFTS] for each in sums.along(direction))
    z = np.nan_to_num(np.abs(correlation) / error)
    at = 0 if z[0] > _SURE_OF_ONE else int(np.argmax(z))
    return float(correlation[at]), float(error[at]), at + 1


def _longest(sums: ResidualSums, direction: Direction) -> tuple[int, tuple[float, float], float]:
    """The sum of the first autocorrelations that exceeds zero by most standard errors.

    How many autocorrelations it has, their mean with its standard error, and these standard errors.
    """
    correlation, error = sums.along(direction)
    found = (0, (0.0, math.inf), 0.0)
    for length in _SUMMED_SHIFTS:
        if length <= sums.max_shift:
            mean = float(np.nan_to_num(correlation[:length]).mean())
            spread = float(np.linalg.norm(error[:length])) / length
            if mean / spread > found[2]:
                found = (length, (mean, spread), mean / spread)
    return found


def _correlation_reasons(sums: ResidualSums, factor: float, window: int) -> Iterator[str]:
    found = []
    matters = not abs(factor - sums.standard_deviation) < _NOTABLE_FACTOR
    for direction, words in _DIRECTIONS:
        value, error, shift = _strongest(sums, direction)
        where = words if shift == 1 else f"{direction}s that are {shift} frames apart"
        average = ""
        length, mean, z = _longest(sums, direction)
        if length > 1 and z > max(_SURE, abs(value) / error):
            (value, error), where, average = mean, f"{direction}s that are 1 to {length} frames apart", " on average"
        if abs(value) > _SURE * error and (matters or abs(value) > _NOTABLE_CORRELATION):
            found.append(f"{where} ({with_error(value, error)}{average})")
    if not found:
        return
    small = "small" if not factor < 1 else "large"
    rough = f"; a rough factor is {'at least ' * (window == sums.max_shift)}{factor:.2g}"
    if math.isnan(factor):
        rough = ", by a factor that cannot be told from correlations that reach so far"
    yield (
        f"Residuals are correlated between {' and between '.join(found)}: the noise is not independent from pair to "
        f"pair, or the model misses something, and the standard errors are too {small}{rough}."
    )


def _spread_reasons(sums: ResidualSums, n_angles: int, factor: float, *, is_estimated: bool) -> Iterator[str]:
    error = 1 / math.sqrt(sums.n)
    if abs(sums.mean) > max(_SURE * error, _NOTABLE_MEAN):
        yield f"The mean of the residuals is {sums.mean:.2g} ± {error:.1g} in place of 0: the offset is off."
    spread, error = sums.bulk_deviation, _spread_error(sums, n_angles, is_estimated=is_estimated)
    if abs(spread - 1) > max(_SURE * max(np.nan_to_num(factor), 1.0) * error, _NOTABLE_SPREAD):
        why = (
            "sigma is too small or the model misses something, and the standard errors are too small"
            if spread > 1
            else "sigma is too large, and so are the standard errors"
        )
        yield f"The standard deviation of the residuals is {spread:.3g} ± {error:.1g} in place of 1: {why}."


def _skew_reasons(sums: ResidualSums) -> Iterator[str]:
    error = math.sqrt(6 / sums.n)
    if abs(sums.skewness) > max(_SURE_OF_ONE * error, _NOTABLE_SKEWNESS):
        yield f"The residuals are skewed ({sums.skewness:.2g} ± {error:.1g}): the noise is not normal."


def _spread_error(sums: ResidualSums, n_angles: int, *, is_estimated: bool) -> float:
    """Standard error of the standard deviation of the bulk of the residuals of normal noise."""
    variance = _BULK / sums.n
    if is_estimated:
        variance += _CLIPPED / (2 * n_angles * N_DIFFERENCES)
    return math.sqrt(variance)


def _tail_reasons(parts: Sequence[ResidualSums], sums: ResidualSums, *, advise_robust: bool) -> Iterator[str]:
    """More residuals beyond 3 or 5 sigma than normal noise has that is as broad as their bulk at every angle."""
    from scipy.special import erfc, gammainc  # noqa: PLC0415 - scipy loads on use

    for limit, count in reversed(list(zip(TAILS, sums.tails.tolist(), strict=True))):
        expected = sum(part.n * float(erfc(limit / part.bulk_deviation / math.sqrt(2))) for part in parts)
        few = f"{expected:.2g}" if expected < 10 else f"{expected:,.0f}"
        # The number of rare events is Poisson distributed; gammainc is the probability of as many or more.
        if count > _NOTABLE_TAIL * expected and float(gammainc(count, expected)) < _RARE:
            advice = "; a robust loss such as FitOptions(loss='soft_l1') weighs them less" if advise_robust else ""
            yield (
                f"{count} of {sums.n} residuals are beyond {limit:g} sigma, where normal noise as broad has "
                f"{few}: there are outliers, or the model misses something at some of the pairs{advice}."
            )
            return


def _lag_reasons(sums: ResidualSums, dt: float, factor: float) -> Iterator[str]:
    """Chi-squared in classes of lags, and at all lags up to each, over that of all."""
    n_lags = len(sums.squares)
    starts = first_lags(n_lags + 1, _LAG_CLASSES) - 1
    n = np.add.reduceat(sums.n_squares, starts)
    squares = np.add.reduceat(sums.squares, starts)
    ends = np.append(starts[1:], n_lags)
    # Also all lags up to a class: classes of short lags hold few pairs.
    first, last = np.append(starts, np.zeros_like(starts)) + 1, np.append(ends, ends)
    n, squares = np.append(n, n.cumsum()), np.append(squares, squares.cumsum())
    known = n > 0
    first, last, n = first[known], last[known], n[known]
    ratio = squares[known] / n * (sums.n / sums.chi_squared)
    # Squares of heavy tails, and of correlated residuals, vary more.
    heavy = 1 + max(np.nan_to_num(sums.excess_kurtosis), 0.0) / 2
    worth = n / (heavy * max(np.nan_to_num(factor), 1.0) ** 2)
    z = (np.cbrt(ratio) - (1 - 2 / (9 * worth))) / np.sqrt(2 / (9 * worth))
    far = np.where(np.abs(ratio - 1) > _NOTABLE_LAG, np.abs(z), 0.0)
    at = int(np.argmax(far))
    if far[at] > _SURE:
        lags = f"{first[at] * dt:.3g}" + (f" to {last[at] * dt:.3g}" if last[at] > first[at] else "") + " s"
        yield (
            f"Chi-squared per pair at lags of {lags} is {ratio[at]:.3g} times that of all: the model misses something "
            "there, or the noise depends on the lag."
        )


def _correlated_angles(phi: NDArray[np.float64], parts: Sequence[ResidualSums]) -> Iterator[str]:
    """The few angles that are more correlated than most."""
    found, which = [], set()
    for direction, _ in _DIRECTIONS:
        usual = np.nanmedian([sums.along(direction)[0][:_TESTED_SHIFTS] for sums in parts], axis=0)
        for each, sums in zip(phi.tolist(), parts, strict=True):
            value, error, shift = _strongest(sums, direction)
            if abs(value - usual[shift - 1]) > max(_SURE_OF_ONE * error, _NOTABLE_CORRELATION):
                found.append(f"{each:.4g}° along the {direction} ({value:.2g} ± {error:.1g})")
                which.add(each)
    if 0 < 2 * len(which) < len(parts):
        yield f"Residuals are more correlated than at other angles at {_some(found)}."


def _broad_angles(phi: NDArray[np.float64], parts: Sequence[ResidualSums], *, is_estimated: bool) -> Iterator[str]:
    """Angles whose sigma is not as right or wrong as that of the others."""
    usual = float(np.median([sums.bulk_deviation for sums in parts]))
    found = []
    for each, sums in zip(phi, parts, strict=True):
        spread, error = sums.bulk_deviation, _spread_error(sums, 1, is_estimated=is_estimated)
        if abs(spread - usual) > max(_SURE_OF_ONE * error, _NOTABLE_SPREAD):
            found.append(f"{each:.4g}° ({spread:.3g} ± {error:.1g})")
    if found:
        yield f"The standard deviation of the residuals is not the usual {usual:.3g} at {_some(found)}."


def _some(texts: Sequence[str], limit: int = 6) -> str:
    return ", ".join([*texts[:limit], *([f"and {len(texts) - limit} more"] if len(texts) > limit else [])])
