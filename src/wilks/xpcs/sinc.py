r"""The powers of the unnormalised sinc, sin(x) / x, and their derivatives, to rounding at every x.

:math:`\sin(x) / x` itself loses nothing at any x but 0. Its derivative

.. math:: \mathrm{sinc}' x = \frac{\cos x - \mathrm{sinc}\,x}{x} = -j_1(x)

is the difference of two numbers near 1 for small x; there the series of the spherical Bessel function :math:`j_1` is
summed (Abramowitz and Stegun 1964, 10.1.2),

.. math:: j_1(x) = \frac{x}{3} \left(1 - \frac{x^2/2}{1! \, 5} + \frac{(x^2/2)^2}{2! \, 5 \cdot 7} - \dots\right)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Below it, the difference has lost a digit; seven terms of the series leave 1e-17 there.
_SMALL = 0.5

# Of x, x^3, x^5 ... in sinc': each term is the one before times -x^2 / (2 k (2 k + 3)).
_SERIES = -np.cumprod([1 / 3] + [-1 / (2 * k * (2 * k + 3)) for k in range(1, 7)])


def sinc(x: ArrayLike) -> NDArray[np.float64]:
    """Return sin(x) / x, which is 1 at 0.

    Examples
    --------
    >>> import numpy as np
    >>> sinc([0.0, np.pi / 2]).round(4)
    array([1.    , 0.6366])
    """
    x = np.asarray(x, dtype=float)
    ratio = np.ones_like(x)
    with np.errstate(invalid="ignore"):
        np.divide(np.sin(x), x, out=ratio, where=x != 0)
    return ratio


def sinc_power(x: ArrayLike, power: int) -> NDArray[np.float64]:
    """Return the second or the fourth power of the sinc; NaN where x is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> sinc_power([0.0, np.pi / 2], 2).round(4)
    array([1.    , 0.4053])
    """
    square = np.square(sinc(x))
    return square if power == 2 else np.square(square)


def sinc_power_slope(x: ArrayLike, power: int) -> NDArray[np.float64]:
    """Return the derivative of `sinc_power` with respect to x; NaN where x is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> sinc_power_slope([np.pi / 2, np.pi], 2).round(4)
    array([-0.516,  0.   ])
    """
    x = np.asarray(x, dtype=float)
    value = sinc(x)
    small = np.abs(x) < _SMALL
    with np.errstate(invalid="ignore"):
        slope = np.where(small, _series(np.where(small, x, 0.0)), (np.cos(x) - value) / np.where(small, 1.0, x))
        slope *= power * value if power == 2 else power * value**3
    return slope


def _series(x: NDArray[np.float64]) -> NDArray[np.float64]:
    square = x * x
    total = np.full_like(x, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        total = total * square + coefficient
    return total * x
